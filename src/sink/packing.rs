//! Compression of output journals. Each checkpoint ends a gzip member or a zstd frame, so that cutting back falls
//! on an edge; readers take one after the other for one stream, as `zcat` and `zstdcat` do. Touches no disk.

use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The fast level of gzip: a crawl should not wait for its compression.
const GZIP_LEVEL: u32 = 1;
/// The fast level of zstd, which packs JSON about as well as the best of gzip.
const ZSTD_LEVEL: i32 = 1;
/// Bytes that are unpacked at a time.
const CHUNK: usize = 64 << 10;

/// How the parts of a sink are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// As gzip.
    Gzip,
    /// As Zstandard.
    Zstd,
}

impl Compression {
    /// What it adds to the name of a file.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// The one that a file name shows, and the name without it.
    pub(super) fn of(name: &str) -> (Self, &str) {
        let packed = [Self::Gzip, Self::Zstd];
        let found = packed.into_iter().find_map(|one| Some((one, name.strip_suffix(one.ending())?)));
        found.unwrap_or((Self::None, name))
    }

    /// What reads packed bytes, all members or frames of them. One that is torn or damaged is an error.
    pub(super) fn reader<'a>(self, packed: impl Read + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
        let packed = BufReader::with_capacity(CHUNK, packed);
        Ok(match self {
            Self::None => Box::new(packed),
            Self::Gzip => Box::new(BufReader::with_capacity(CHUNK, MultiGzDecoder::new(packed))),
            Self::Zstd => Box::new(BufReader::with_capacity(CHUNK, zstd::Decoder::with_buffer(packed)?)),
        })
    }
}

/// Packs bytes into members or frames, which are ended from outside.
pub(super) struct Packer {
    compression: Compression,
    open: Option<Open>,
}

enum Open {
    Gzip(Box<GzEncoder<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

impl Packer {
    /// What packs so, with nothing begun; none for what is not packed.
    pub(super) fn new(compression: Compression) -> Option<Self> {
        (compression != Compression::None).then_some(Self { compression, open: None })
    }

    /// Packs, and appends to `out` what is ready.
    pub(super) fn pack(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(Open::new(self.compression)?),
        };
        let ready = match open {
            Open::Gzip(encoder) => {
                encoder.write_all(bytes)?;
                encoder.get_mut()
            }
            Open::Zstd(encoder) => {
                encoder.write_all(bytes)?;
                encoder.get_mut()
            }
        };
        out.append(ready);
        Ok(())
    }

    /// Ends what was begun, if anything was.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        match self.open.take() {
            None => {}
            Some(Open::Gzip(encoder)) => out.append(&mut encoder.finish()?),
            Some(Open::Zstd(encoder)) => out.append(&mut encoder.finish()?),
        }
        Ok(())
    }
}

impl Open {
    fn new(compression: Compression) -> io::Result<Self> {
        Ok(if compression == Compression::Zstd {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
            encoder.include_checksum(true)?;
            Self::Zstd(Box::new(encoder))
        } else {
            Self::Gzip(Box::new(GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL))))
        })
    }
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").field("compression", &self.compression).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(compression: Compression, packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        compression.reader(packed)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn members_and_frames_read_as_one_and_torn_ones_do_not() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let mut packer = Packer::new(compression).expect("a packer");
            let mut bytes = Vec::new();
            packer.end(&mut bytes).expect("nothing was begun");
            assert_eq!(bytes, b"");
            let mut edges = Vec::new();
            for piece in ["one\n", "", "three\n"] {
                packer.pack(piece.as_bytes(), &mut bytes).expect("pack");
                packer.end(&mut bytes).expect("end");
                edges.push(bytes.len());
            }
            assert_eq!(read(compression, &bytes).expect("whole"), b"one\nthree\n");
            assert_eq!(read(compression, &bytes[..edges[0]]).expect("cut at an edge"), b"one\n");
            for cut in (edges[0] + 1..edges[1]).chain(edges[1] + 1..edges[2]) {
                assert!(read(compression, &bytes[..cut]).is_err(), "{compression:?} cut at {cut}");
            }
        }
        assert!(Packer::new(Compression::None).is_none());
    }

    #[test]
    fn a_name_shows_its_compression() {
        assert_eq!(Compression::of("a.csv.gz"), (Compression::Gzip, "a.csv"));
        assert_eq!(Compression::of("a.csv.zst"), (Compression::Zstd, "a.csv"));
        assert_eq!(Compression::of("a.csv"), (Compression::None, "a.csv"));
    }
}

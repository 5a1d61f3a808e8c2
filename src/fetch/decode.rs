//! Undoes `Content-Encoding`, with every layer capped. Pure and CPU-bound: it runs where pages are parsed.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status, bufread};
use http::header::CONTENT_ENCODING;

use super::spool;
use crate::model::{Failure, Fetched, Outcome, Stage};
use crate::units::Size;

/// Encodings on top of each other that are undone at most.
const MAX_LAYERS: usize = 4;
/// Largest window of zstd as a power of two: the 8 MiB that RFC 9659 allows for `Content-Encoding`. The
/// decoder reserves it as soon as a frame asks for it.
const ZSTD_WINDOW_LOG: u32 = 23;
/// Bytes that a decoder reads, or that are unpacked, at a time.
const CHUNK: usize = 32 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// The body without its `Content-Encoding`, at most `max_body` bytes. Costs nothing if there is none.
pub fn unpack(fetched: &Fetched, max_body: u64) -> Result<Bytes, Failure> {
    // Servers that answer with nothing often still name an encoding, even one that nobody knows.
    if fetched.body.is_empty() {
        return Ok(Bytes::new());
    }
    let layers = layers(fetched)?;
    if layers.is_empty() {
        if fetched.body.len() as u64 > max_body {
            return Err(too_large(max_body));
        }
        return Ok(fetched.body.clone());
    }
    let packed = Box::new(&fetched.body[..]);
    let mut reader = undone(packed, &layers, max_body).map_err(|e| failed(&e, &layers, max_body))?;
    let mut body = Vec::new();
    loop {
        let chunk = reader.fill_buf().map_err(|e| failed(&e, &layers, max_body))?;
        if chunk.is_empty() {
            body.shrink_to_fit();
            return Ok(body.into());
        }
        // Grown by doubling, but never beyond the cap.
        if body.capacity() - body.len() < chunk.len() {
            let room = usize::try_from(max_body).unwrap_or(usize::MAX).saturating_sub(body.len());
            body.reserve_exact(body.len().max(CHUNK).min(room).max(chunk.len()));
        }
        body.extend_from_slice(chunk);
        let read = chunk.len();
        reader.consume(read);
    }
}

/// The body without its `Content-Encoding` as a stream, from memory or from its spool. It fails once it has more
/// than `max_bytes`, or where it is cut off or broken; its errors say so in words. Only small buffers are held.
pub fn open(fetched: &Fetched, max_bytes: u64) -> impl Read + '_ {
    let packed: Box<dyn BufRead + '_> = match &fetched.spool {
        Some(spool) => Box::new(BufReader::with_capacity(CHUNK, spool::Reader::new(spool))),
        None => Box::new(&fetched.body[..]),
    };
    let (layers, refused) = match layers(fetched) {
        // Servers that answer with nothing often still name an encoding.
        _ if fetched.wire_bytes() == 0 => (Vec::new(), None),
        Ok(layers) => (layers, None),
        Err(failure) => (Vec::new(), Some(io::Error::other(failure.detail))),
    };
    let unpacked = match refused {
        Some(error) => Err(error),
        None => undone(packed, &layers, max_bytes).map(|inner| Capped { inner, left: max_bytes }),
    };
    Opened { unpacked: unpacked.map_err(Some), layers, max_bytes }
}

/// What reads a body that was opened, or why it cannot be.
struct Opened<R> {
    unpacked: Result<R, Option<io::Error>>,
    layers: Vec<Encoding>,
    max_bytes: u64,
}

impl<R: Read> Read for Opened<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let error = match &mut self.unpacked {
            Ok(reader) => match reader.read(out) {
                Ok(read) => return Ok(read),
                Err(error) => error,
            },
            Err(error) => match error.take() {
                Some(error) => error,
                None => return Ok(0),
            },
        };
        if is_over_cap(&error) {
            let words = format!("the body unpacks to more than {}", Size(self.max_bytes));
            return Err(io::Error::other(words));
        }
        if self.layers.is_empty() {
            return Err(error);
        }
        Err(io::Error::new(error.kind(), failed(&error, &self.layers, self.max_bytes).detail))
    }
}

/// What undoes these encodings.
fn undone<'a>(
    packed: Box<dyn BufRead + 'a>,
    layers: &[Encoding],
    max_body: u64,
) -> io::Result<Box<dyn BufRead + 'a>> {
    // Named in the order in which they were applied, so the last one is undone first.
    layers.iter().rev().try_fold(packed, |reader, layer| {
        // Each layer has the cap: what is in between must not be a bomb either.
        let capped = Capped { inner: layer.undo(reader)?, left: max_body };
        Ok(Box::new(BufReader::with_capacity(CHUNK, capped)) as Box<dyn BufRead>)
    })
}

/// The encodings of an answer in the order in which they were applied.
fn layers(fetched: &Fetched) -> Result<Vec<Encoding>, Failure> {
    let mut layers = Vec::new();
    for value in fetched.headers.get_all(CONTENT_ENCODING) {
        let text = value.to_str().map_err(|_| invalid("`Content-Encoding` is not text"))?;
        for name in text.split(',').map(str::trim) {
            match name.to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" => layers.push(Encoding::Gzip),
                "deflate" => layers.push(Encoding::Deflate),
                "br" => layers.push(Encoding::Brotli),
                "zstd" => layers.push(Encoding::Zstd),
                _ => return Err(invalid(&format!("`Content-Encoding: {name}` is not known"))),
            }
        }
    }
    match layers.len() {
        0..=MAX_LAYERS => Ok(layers),
        n => Err(invalid(&format!("{n} encodings on top of each other, more than {MAX_LAYERS}"))),
    }
}

impl Encoding {
    fn undo<'a>(self, mut packed: Box<dyn BufRead + 'a>) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Gzip => Box::new(Gzip { member: bufread::GzDecoder::new(packed) }),
            Self::Deflate => {
                // Some servers leave out the zlib header. Its first byte begins no raw stream: that would be
                // a stored block with its padding set.
                let is_zlib = matches!(packed.fill_buf()?, [first, ..] if first & 0x0f == 8);
                Box::new(Inflate { packed, state: Decompress::new(is_zlib), is_done: false })
            }
            Self::Brotli => {
                // This first byte asks for a window of up to 1 GiB, which is no `br` of RFC 7932.
                if packed.fill_buf()?.first().is_some_and(|first| first & 0x7f == 0x11) {
                    return Err(io::Error::other("its window is larger than allowed"));
                }
                Box::new(brotli::Decompressor::new(packed, CHUNK))
            }
            Self::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(packed)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
        })
    }
}

/// Gzip members one after the other. What follows them is ignored, as browsers do.
struct Gzip<'a> {
    member: bufread::GzDecoder<Box<dyn BufRead + 'a>>,
}

impl Read for Gzip<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.member.read(out)?;
            if read > 0 || out.is_empty() || !self.member.get_mut().fill_buf()?.starts_with(&[0x1f]) {
                return Ok(read);
            }
            let rest: Box<dyn BufRead> = Box::new(io::empty());
            let rest = std::mem::replace(self.member.get_mut(), rest);
            self.member = bufread::GzDecoder::new(rest);
        }
    }
}

/// A zlib or raw deflate stream. The library's own reader takes one that is cut off for whole.
struct Inflate<'a> {
    packed: Box<dyn BufRead + 'a>,
    state: Decompress,
    is_done: bool,
}

impl Read for Inflate<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.is_done && !out.is_empty() {
            let input = self.packed.fill_buf()?;
            let is_end = input.is_empty();
            let (before_in, before_out) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(input, out, FlushDecompress::None)?;
            let advance = |from: u64, to: u64| usize::try_from(to - from).unwrap_or(0);
            let read = advance(before_in, self.state.total_in());
            let written = advance(before_out, self.state.total_out());
            self.packed.consume(read);
            self.is_done = status == Status::StreamEnd;
            if written > 0 {
                return Ok(written);
            }
            if !self.is_done && (is_end || read == 0) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}

/// A reader that fails once it has given more than it may.
struct Capped<R> {
    inner: R,
    left: u64,
}

#[derive(Debug)]
struct OverCap;

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(OverCap)),
        }
        Ok(read)
    }
}

impl fmt::Display for OverCap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("larger than allowed")
    }
}

impl std::error::Error for OverCap {}

fn is_over_cap(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<OverCap>)
}

fn failed(error: &io::Error, layers: &[Encoding], max_body: u64) -> Failure {
    if is_over_cap(error) {
        return too_large(max_body);
    }
    let names: Vec<_> = layers.iter().map(|layer| layer.name()).collect();
    let names = names.join(", ");
    match error.kind() {
        io::ErrorKind::UnexpectedEof => invalid(&format!("the {names} body is cut off")),
        _ => invalid(&format!("the {names} body is broken: {error}")),
    }
}

impl Encoding {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

fn invalid(words: &str) -> Failure {
    Failure::new(Stage::Decode, Outcome::InvalidResponse, words)
}

fn too_large(max_body: u64) -> Failure {
    let words = format!("the body unpacks to more than `http.max_body`, {}", Size(max_body));
    Failure::new(Stage::Decode, Outcome::TooLarge, words)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::testing::answer;
    use super::*;

    const CAP: u64 = 256 << 10;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(data).expect("pack");
        packer.finish().expect("pack")
    }

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(data).expect("pack");
        packer.finish().expect("pack")
    }

    fn raw_deflate(data: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(data).expect("pack");
        packer.finish().expect("pack")
    }

    fn br(data: &[u8]) -> Vec<u8> {
        let mut packer = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
        packer.write_all(data).expect("pack");
        packer.into_inner()
    }

    fn zst(data: &[u8]) -> Vec<u8> {
        zstd::encode_all(data, 3).expect("pack")
    }

    type Pack = fn(&[u8]) -> Vec<u8>;

    /// Every codec by the name of its encoding.
    const CODECS: [(&str, Pack); 5] =
        [("gzip", gzip), ("deflate", zlib), ("deflate", raw_deflate), ("br", br), ("zstd", zst)];

    fn unpacked(encoding: &str, body: &[u8]) -> Result<Bytes, Failure> {
        unpack(&answer(200, &[("content-encoding", encoding.as_bytes())], body), CAP)
    }

    fn words(encoding: &str, body: &[u8]) -> String {
        let failure = unpacked(encoding, body).expect_err(encoding);
        assert_eq!(failure.stage, Stage::Decode);
        format!("{} {}", failure.cause, failure.detail)
    }

    /// Text that packs, but not into nothing.
    fn text() -> Vec<u8> {
        (0..20_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_string().into_bytes()).collect()
    }

    #[test]
    fn every_encoding_is_undone() {
        for (name, pack) in CODECS {
            for data in [&text()[..], b"x", b""] {
                assert!(unpacked(name, &pack(data)).expect(name) == data, "{name}");
            }
        }
        assert_eq!(unpacked("X-GZIP", &gzip(b"x")).as_deref(), Ok(&b"x"[..]));
        assert_eq!(unpacked("identity, gzip", &gzip(b"x")).as_deref(), Ok(&b"x"[..]));
        for (name, _) in CODECS {
            assert_eq!(unpacked(name, b"").as_deref(), Ok(&b""[..]), "nothing, whatever it is called");
        }
        for name in ["zip", "gzip,gzip,gzip,gzip,gzip"] {
            assert_eq!(unpacked(name, b"").as_deref(), Ok(&b""[..]), "nothing, even as {name}");
        }
    }

    #[test]
    fn a_plain_body_is_not_copied() {
        for headers in [&[][..], &[("content-encoding", &b"identity"[..])]] {
            let fetched = answer(200, headers, b"plain");
            let body = unpack(&fetched, CAP).expect("plain");
            assert_eq!(body.as_ptr(), fetched.body.as_ptr());
        }
        let failure = unpack(&answer(200, &[], b"plain"), 4).expect_err("over the cap");
        assert_eq!(failure.cause, Outcome::TooLarge);
    }

    #[test]
    fn nested_encodings_are_undone_from_the_last() {
        let both = br(&gzip(b"x"));
        assert_eq!(unpacked("gzip, br", &both).as_deref(), Ok(&b"x"[..]));
        let lines = [("content-encoding", &b"gzip"[..]), ("content-encoding", b"br")];
        assert_eq!(unpack(&answer(200, &lines, &both), CAP).as_deref(), Ok(&b"x"[..]));
        let four = zst(&zlib(&both));
        assert_eq!(unpacked("gzip, br, deflate, zstd", &four).as_deref(), Ok(&b"x"[..]));
        assert_eq!(
            words("gzip, br, deflate, zstd, gzip", &gzip(&four)),
            "invalid_response 5 encodings on top of each other, more than 4"
        );
        assert_eq!(words("compress", b"x"), "invalid_response `Content-Encoding: compress` is not known");
        assert_eq!(words("\u{e9}", b"x"), "invalid_response `Content-Encoding` is not text");
    }

    #[test]
    fn what_is_cut_off_or_broken_is_no_page() {
        for (name, pack) in CODECS {
            let packed = pack(&text());
            for keep in [1, 2, packed.len() / 2, packed.len() - 1] {
                let words = words(name, &packed[..keep]);
                assert!(
                    words.starts_with(&format!("invalid_response the {name} body is ")),
                    "{keep}: {words}"
                );
            }
            assert!(words(name, b"<html>plain</html>").starts_with("invalid_response the "), "{name}");
        }
        let mut wrong_sum = gzip(b"x");
        let at = wrong_sum.len() - 8;
        wrong_sum[at] ^= 1;
        assert!(words("gzip", &wrong_sum).contains("body is broken"));
    }

    #[test]
    fn gzip_may_have_members_and_a_tail() {
        let members = [gzip(b"a"), gzip(b""), gzip(b"b")].concat();
        assert_eq!(unpacked("gzip", &members).as_deref(), Ok(&b"ab"[..]));
        for tail in [&b"\0\0\0"[..], b"<!-- generated -->"] {
            assert_eq!(unpacked("gzip", &[&members, tail].concat()).as_deref(), Ok(&b"ab"[..]));
        }
        let cut = &members[..members.len() - 1];
        assert_eq!(words("gzip", cut), "invalid_response the gzip body is cut off");
    }

    #[test]
    fn bombs_end_at_the_cap() {
        let zeros = vec![0; 1 << 20];
        let cap = usize::try_from(CAP).expect("cap");
        for (name, pack) in CODECS {
            let whole = unpacked(name, &pack(&zeros[..cap])).expect("just fits");
            assert_eq!(whole.len(), cap);
            for size in [cap + 1, zeros.len()] {
                assert_eq!(
                    words(name, &pack(&zeros[..size])),
                    "too_large the body unpacks to more than `http.max_body`, 256KiB",
                    "{name}"
                );
            }
        }
        // What lies in between is capped as well: these empty members would give nothing in the end.
        let hidden = gzip(&gzip(b"").repeat(15_000));
        assert!(words("gzip, gzip", &hidden).starts_with("too_large "));
    }

    #[test]
    fn windows_that_eat_memory_are_refused() {
        let mut packer = zstd::Encoder::new(Vec::new(), 3).expect("zstd");
        packer.window_log(24).expect("window");
        packer.write_all(b"x").expect("pack");
        assert!(
            words("zstd", &packer.finish().expect("pack"))
                .starts_with("invalid_response the zstd body is broken")
        );
        // 0x11 announces a large window, the next byte its size.
        assert_eq!(
            words("br", &[0x11, 0x1e, 0x03]),
            "invalid_response the br body is broken: its window is larger than allowed"
        );
    }

    /// What comes out of an opened body, in front of its error, and the error.
    fn opened(fetched: &Fetched, max_bytes: u64) -> (Vec<u8>, Option<String>) {
        let mut out = Vec::new();
        let error = open(fetched, max_bytes).read_to_end(&mut out).err();
        (out, error.map(|error| error.to_string()))
    }

    #[test]
    fn a_stream_gives_what_unpacking_gives() {
        let data = text();
        let size = data.len() as u64;
        for (name, pack) in CODECS.into_iter().chain([("identity", <[u8]>::to_vec as fn(&[u8]) -> Vec<u8>)]) {
            let fetched = answer(200, &[("content-encoding", name.as_bytes())], &pack(&data));
            assert!(opened(&fetched, size) == (data.clone(), None), "{name}");
            let (before, error) = opened(&fetched, size - 1);
            assert!(data.starts_with(&before) && before.len() < data.len(), "{name}");
            let words = format!("the body unpacks to more than {}", Size(size - 1));
            assert_eq!(error, Some(words), "{name}");
            let empty = answer(200, &[("content-encoding", name.as_bytes())], b"");
            assert_eq!(opened(&empty, 0), (Vec::new(), None));
        }
        let cut = answer(200, &[("content-encoding", b"gzip")], &gzip(&data)[..1000]);
        assert_eq!(opened(&cut, size).1.as_deref(), Some("the gzip body is cut off"));
        let strange = answer(200, &[("content-encoding", b"zip")], b"x");
        assert_eq!(opened(&strange, 9).1.as_deref(), Some("`Content-Encoding: zip` is not known"));
    }

    proptest::proptest! {
        #[test]
        fn bytes_from_outside_never_panic(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
            flips in proptest::collection::vec((0usize..400, 0u8..8), 1..4),
            names in "(gzip|deflate|br|zstd)(, (gzip|deflate|br|zstd)){0,3}",
        ) {
            drop(unpacked(&names, &bytes));
            for (name, pack) in CODECS {
                let mut packed = pack(&bytes);
                for (at, bit) in &flips {
                    let at = at % packed.len();
                    packed[at] ^= 1 << bit;
                }
                if let Ok(body) = unpacked(name, &packed) {
                    proptest::prop_assert!(body.len() as u64 <= CAP);
                }
            }
        }
    }
}

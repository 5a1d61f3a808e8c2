//! One gzip member for each record of a WARC file (ISO 28500, annex on gzip), with the extra field `sl` that names its
//! lengths, so that a reader goes from record to record without unpacking what it does not want. Knows nothing of
//! what a record says.

use std::io::{self, BufRead, Read as _};

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};

/// The fast level: a crawl should not wait for its compression.
const LEVEL: u32 = 1;
/// Deflated, extra field, no time, fastest level, unknown system; then the length of the extra field and the head of
/// `sl` (RFC 1952, 2.3).
const START: [u8; 16] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 4, 255, 12, 0, b's', b'l', 8, 0];
/// The start with both lengths.
const HEAD: usize = START.len() + 8;
/// Checksum and length.
const TAIL: usize = 8;
/// Room that is made for packed bytes at a time.
const ROOM: usize = 16 << 10;
/// Packed bytes that are looked at at a time.
const PIECE: u64 = 4 << 10;

/// Packs records, one after the other, with one state for all.
pub(super) struct Packer {
    deflate: Compress,
    crc: Crc,
    /// Where the member begins in the output.
    start: usize,
}

impl Packer {
    pub(super) fn new() -> Self {
        Self { deflate: Compress::new(Compression::new(LEVEL), false), crc: Crc::new(), start: 0 }
    }

    /// Begins a member at the end of `out`, which may then only be appended to by this.
    pub(super) fn begin(&mut self, out: &mut Vec<u8>) {
        self.deflate.reset();
        self.crc.reset();
        self.start = out.len();
        out.extend_from_slice(&START);
        out.extend_from_slice(&[0; HEAD - START.len()]);
    }

    /// Packs bytes of the record.
    pub(super) fn pack(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.crc.update(bytes);
        self.deflated(bytes, FlushCompress::None, out)
    }

    /// Ends the record and writes its lengths where they belong.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.deflated(&[], FlushCompress::Finish, out)?;
        out.extend_from_slice(&self.crc.sum().to_le_bytes());
        out.extend_from_slice(&self.crc.amount().to_le_bytes());
        let packed = u32::try_from(out.len() - self.start)
            .map_err(|_| io::Error::other("a record is longer than 4 GiB"))?;
        let lengths = [packed.to_le_bytes(), self.crc.amount().to_le_bytes()].concat();
        out[self.start + START.len()..self.start + HEAD].copy_from_slice(&lengths);
        Ok(())
    }

    fn deflated(&mut self, mut bytes: &[u8], flush: FlushCompress, out: &mut Vec<u8>) -> io::Result<()> {
        loop {
            if out.capacity() - out.len() < ROOM {
                out.reserve(ROOM);
            }
            let before = self.deflate.total_in();
            let status = self.deflate.compress_vec(bytes, out, flush)?;
            bytes = bytes.get(advance(before, self.deflate.total_in())..).unwrap_or_default();
            match status {
                Status::StreamEnd => return Ok(()),
                _ if bytes.is_empty() && flush == FlushCompress::None => return Ok(()),
                _ => {}
            }
        }
    }
}

fn advance(from: u64, to: u64) -> usize {
    usize::try_from(to - from).unwrap_or(usize::MAX)
}

/// Goes through the records of a file that was written by [`Packer`].
pub(super) struct Members<R> {
    file: R,
    inflate: Decompress,
    /// Where the next member begins.
    offset: u64,
}

/// A record whose beginning was looked at.
pub(super) struct Member {
    /// Where it begins.
    pub(super) offset: u64,
    /// How long it is, packed.
    pub(super) length: u32,
    /// Its beginning, unpacked.
    pub(super) text: Vec<u8>,
}

impl<R: BufRead> Members<R> {
    pub(super) fn new(file: R) -> Self {
        Self { file, inflate: Decompress::new(false), offset: 0 }
    }

    /// The next record, unpacked until `is_enough` says so of its beginning, at most `most` bytes; none at the end of
    /// the file.
    pub(super) fn next(
        &mut self,
        most: usize,
        is_enough: impl Fn(&[u8]) -> bool,
    ) -> io::Result<Option<Member>> {
        if self.file.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut head = [0; HEAD];
        self.file.read_exact(&mut head)?;
        let length = <[u8; 4]>::try_from(&head[START.len()..START.len() + 4]).map_or(0, u32::from_le_bytes);
        let Some(mut left) = u64::from(length).checked_sub((HEAD + TAIL) as u64) else {
            return Err(strange());
        };
        if head[..START.len()] != START {
            return Err(strange());
        }
        self.inflate.reset(false);
        let (mut text, mut piece) = (Vec::new(), Vec::new());
        while left > 0 && text.len() < most && !is_enough(&text) {
            piece.clear();
            if self.file.by_ref().take(left.min(PIECE)).read_to_end(&mut piece)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left -= piece.len() as u64;
            self.inflated(&piece, most, &mut text)?;
        }
        skip(&mut self.file, left + TAIL as u64)?;
        let offset = self.offset;
        self.offset += u64::from(length);
        Ok(Some(Member { offset, length, text }))
    }

    fn inflated(&mut self, mut piece: &[u8], most: usize, text: &mut Vec<u8>) -> io::Result<()> {
        while !piece.is_empty() && text.len() < most {
            text.reserve(ROOM);
            let (before, had) = (self.inflate.total_in(), text.len());
            let status = self.inflate.decompress_vec(piece, text, FlushDecompress::None)?;
            let read = advance(before, self.inflate.total_in());
            piece = &piece[read..];
            match status {
                Status::StreamEnd => return Ok(()),
                _ if read == 0 && text.len() == had => return Err(strange()),
                _ => {}
            }
        }
        Ok(())
    }
}

fn strange() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "not a record of this program: no gzip member that names its lengths",
    )
}

fn skip(file: &mut impl BufRead, mut bytes: u64) -> io::Result<()> {
    while bytes > 0 {
        let there = file.fill_buf()?.len();
        if there == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let now = there.min(usize::try_from(bytes).unwrap_or(usize::MAX));
        file.consume(now);
        bytes -= now as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn packed(records: &[Vec<u8>]) -> Vec<u8> {
        let (mut packer, mut out) = (Packer::new(), Vec::new());
        for record in records {
            packer.begin(&mut out);
            for piece in record.chunks(1000) {
                packer.pack(piece, &mut out).expect("pack");
            }
            packer.end(&mut out).expect("end");
        }
        out
    }

    #[test]
    fn a_file_that_is_cut_or_no_file_of_ours_is_an_error() {
        let file = packed(&[b"one".to_vec(), vec![7; 20_000]]);
        let first = packed(&[b"one".to_vec()]).len();
        let through = |bytes: &[u8]| {
            let mut members = Members::new(bytes);
            let mut count = 0;
            while members.next(10, |_| false)?.is_some() {
                count += 1;
            }
            io::Result::Ok(count)
        };
        assert_eq!(through(&file).expect("whole"), 2);
        for cut in (1..file.len()).filter(|cut| *cut != first) {
            assert!(through(&file[..cut]).is_err(), "{cut}");
        }
        assert!(through(b"WARC/1.1\r\nWARC-Type: warcinfo\r\n\r\n").is_err());
        let mut foreign = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
        io::Write::write_all(&mut foreign, b"WARC/1.1\r\n").expect("write");
        assert!(through(&foreign.finish().expect("finish")).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Any gzip reader gets the records; ours finds each where it stands and stops where it may.
        #[test]
        fn every_reader_gets_what_was_packed(
            records in prop::collection::vec(prop::collection::vec(0u8..9, 0..40_000), 1..5),
        ) {
            let file = packed(&records);
            let mut all = Vec::new();
            flate2::read::MultiGzDecoder::new(&file[..]).read_to_end(&mut all).expect("gzip");
            prop_assert_eq!(all, records.concat());
            let mut members = Members::new(&file[..]);
            for record in &records {
                let member = members.next(usize::MAX, |text| text.len() >= 30_000).expect("read").expect("a member");
                prop_assert!(record.starts_with(&member.text));
                prop_assert!(member.text.len() >= record.len().min(30_000));
                let at = usize::try_from(member.offset).expect("offset");
                let mut alone = Vec::new();
                let bytes = &file[at..at + member.length as usize];
                flate2::read::GzDecoder::new(bytes).read_to_end(&mut alone).expect("gzip");
                prop_assert_eq!(&alone, record);
            }
            prop_assert!(members.next(1, |_| true).expect("end").is_none());
        }
    }
}

//! WARC records as text (ISO 28500:2017, WARC 1.1): named fields, digests, ids. Knows no file and no visit.

use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::FileExt;

use sha1::{Digest, Sha1};

use super::member::Packer;
use crate::model::Spool;

/// Bytes of a spooled body that are read at a time.
const PIECE: usize = 64 << 10;
/// The namespace of names that are URLs (RFC 9562, 6.6).
const NAMESPACE: [u8; 16] =
    [0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];

/// A SHA-1 sum.
pub(super) type Sum = [u8; 20];

/// The bytes of a body, wherever they are.
#[derive(Clone, Copy)]
pub(super) enum Payload<'a> {
    /// In memory.
    Held(&'a [u8]),
    /// In a file.
    Spooled(&'a Spool),
}

impl Payload<'_> {
    pub(super) fn len(self) -> u64 {
        match self {
            Self::Held(bytes) => bytes.len() as u64,
            Self::Spooled(spool) => spool.bytes,
        }
    }

    /// Hands all of it on, piece by piece.
    fn each(self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let spool = match self {
            Self::Held(bytes) => return take(bytes),
            Self::Spooled(spool) => spool,
        };
        let (mut piece, mut at) = (vec![0; PIECE], 0);
        while at < spool.bytes {
            let read = spool.file.read_at(&mut piece, at)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let read = read.min(usize::try_from(spool.bytes - at).unwrap_or(usize::MAX));
            take(&piece[..read])?;
            at += read as u64;
        }
        Ok(())
    }

    /// Its sum.
    pub(super) fn sum(self) -> io::Result<Sum> {
        self.sum_behind(&[])
    }

    fn sum_behind(self, head: &[u8]) -> io::Result<Sum> {
        let mut sha = Sha1::new_with_prefix(head);
        self.each(|piece| {
            sha.update(piece);
            Ok(())
        })?;
        Ok(sha.finalize().into())
    }
}

/// A sum as it stands in records: `sha1:` and Base32.
pub(super) fn labelled(sum: &Sum) -> String {
    format!("sha1:{}", base32(sum))
}

/// Base32 (RFC 4648, 6); twenty bytes need no padding.
fn base32(sum: &Sum) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let letters = sum.chunks_exact(5).flat_map(|five| {
        let bits = five.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let letter =
            move |n: u32| usize::try_from(bits >> (5 * n) & 31).map_or('A', |at| char::from(LETTERS[at]));
        (0..8).rev().map(letter)
    });
    letters.collect()
}

/// The inverse of [`labelled`].
pub(super) fn unlabelled(text: &str) -> Option<Sum> {
    let letters = text.strip_prefix("sha1:")?.as_bytes();
    let mut sum = [0; 20];
    if letters.len() != 32 {
        return None;
    }
    for (eight, five) in letters.chunks_exact(8).zip(sum.chunks_exact_mut(5)) {
        let bits = eight.iter().try_fold(0_u64, |bits, letter| {
            let value = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'2'..=b'7' => letter - b'2' + 26,
                _ => return None,
            };
            Some(bits << 5 | u64::from(value))
        })?;
        five.copy_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(sum)
}

/// The id of a record: a UUID of version 5 (RFC 9562, 5.5), so that the same record always has the same.
pub(super) fn record_id(name: &str) -> String {
    let sum: Sum = Sha1::new_with_prefix(NAMESPACE).chain_update(name).finalize().into();
    let mut id = [0; 16];
    id.copy_from_slice(&sum[..16]);
    id[6] = id[6] & 0x0f | 0x50;
    id[8] = id[8] & 0x3f | 0x80;
    let mut text = "<urn:uuid:".to_owned();
    for (at, byte) in id.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text + ">"
}

/// A record as it grows: its named fields.
pub(super) struct Record {
    head: String,
}

impl Record {
    /// A record of this type, with what every record has.
    pub(super) fn new(kind: &str, id: &str, date: &str) -> Self {
        let head = format!("WARC/1.1\r\nWARC-Type: {kind}\r\nWARC-Record-ID: {id}\r\nWARC-Date: {date}\r\n");
        Self { head }
    }

    /// Adds a field. What no line can carry becomes a space.
    #[must_use]
    pub(super) fn field(mut self, name: &str, value: &str) -> Self {
        push_field(&mut self.head, name, value);
        self
    }

    /// Adds a field, if it has a value.
    #[must_use]
    pub(super) fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// Packs the record with its block: `lines` and then the payload.
    pub(super) fn pack(
        self,
        lines: &[u8],
        payload: Payload<'_>,
        packer: &mut Packer,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let sum = labelled(&payload.sum_behind(lines)?);
        let length = (lines.len() as u64 + payload.len()).to_string();
        let mut head = self.field("WARC-Block-Digest", &sum).field("Content-Length", &length).head;
        head.push_str("\r\n");
        packer.begin(out);
        packer.pack(head.as_bytes(), out)?;
        packer.pack(lines, out)?;
        payload.each(|piece| packer.pack(piece, out))?;
        packer.pack(b"\r\n\r\n", out)?;
        packer.end(out)
    }
}

/// Appends `Name: value` to lines of that form.
pub(super) fn push_field(lines: &mut String, name: &str, value: &str) {
    lines.push_str(name);
    lines.push_str(": ");
    lines.extend(value.chars().map(|c| if c.is_control() { ' ' } else { c }));
    lines.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn sums_are_written_and_read() {
        let sum = Payload::Held(b"").sum().expect("sum");
        assert_eq!(labelled(&sum), "sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ");
        let sum = Payload::Held(b"abc").sum().expect("sum");
        assert_eq!(labelled(&sum), "sha1:VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE5");
        assert_eq!(unlabelled(&labelled(&sum)), Some(sum));
        for text in
            ["", "sha1:", "md5:VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE5", "sha1:vgmt4nsha2awvor6evyxqugcnsonbwe5"]
        {
            assert_eq!(unlabelled(text), None, "{text}");
        }
    }

    #[test]
    fn ids_depend_on_their_name_alone() {
        // `uuid.uuid5(uuid.NAMESPACE_URL, "www.example.com")`
        assert_eq!(record_id("www.example.com"), "<urn:uuid:b63cdfa4-3df9-568e-97ae-006c5b8fd652>");
    }

    #[test]
    fn a_block_is_what_its_head_says() {
        let mut file = tempfile::tempfile().expect("file");
        let body: Vec<u8> = (0..3 * PIECE + 5).map(|at| u8::try_from(at % 251).expect("below 251")).collect();
        file.write_all(&body).expect("write");
        let spool = Spool { file, bytes: body.len() as u64 };
        let text = |payload: Payload<'_>| {
            let (mut packer, mut out) = (Packer::new(), Vec::new());
            let record = Record::new("response", "<urn:uuid:0>", "2026-11-21T02:00:00.000Z")
                .field("WARC-Target-URI", "http://a/\r\nX: y")
                .maybe("X-None", None);
            record.pack(b"HTTP/1.1 200 OK\r\n\r\n", payload, &mut packer, &mut out).expect("pack");
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(&out[..]).read_to_end(&mut text).expect("gzip");
            text
        };
        let held = text(Payload::Held(&body));
        assert!(text(Payload::Spooled(&spool)) == held, "spooled or held is the same");
        let start = "WARC/1.1\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:0>\r\n\
                    WARC-Date: 2026-11-21T02:00:00.000Z\r\nWARC-Target-URI: http://a/  X: y\r\nWARC-Block-Digest: sha1:";
        assert!(held.starts_with(start.as_bytes()));
        let rest = format!("\r\nContent-Length: {}\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", body.len() + 19);
        assert!(held[start.len() + 32..].starts_with(rest.as_bytes()));
        assert!(held.ends_with(b"\r\n\r\n") && held.len() == start.len() + 32 + rest.len() + body.len() + 4);
    }
}

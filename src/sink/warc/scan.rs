//! Reads WARC files of this program: their captures without unpacking bodies, or everything, to see whether it is
//! whole. Writes nothing.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;
use memchr::memmem;
use sha1::{Digest, Sha1};

use super::member::Members;
use super::record::unlabelled;

/// So much of a record is looked at for its head and that of its HTTP message.
const LONGEST_HEAD: usize = 4 << 20;
/// The end of a head.
const BLANK: &[u8] = b"\r\n\r\n";

/// A record that holds what a URL answered, or says that it was the same as another.
pub(super) struct Capture {
    /// Where it begins in its file.
    pub(super) offset: u64,
    /// How long it is, packed.
    pub(super) length: u32,
    /// `response`, `revisit` or `resource`.
    pub(super) kind: String,
    /// `WARC-Target-URI`
    pub(super) url: String,
    /// `WARC-Date`
    pub(super) date: String,
    /// `WARC-Payload-Digest`
    pub(super) digest: String,
    /// `Content-Type` of the record.
    pub(super) content_type: String,
    /// Head of the HTTP message, if it was asked for.
    pub(super) http: String,
}

/// What of a capture is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// The fields of the record.
    Record,
    /// Those, and the head of the HTTP message in it.
    Message,
}

/// Calls `each` for every capture of a file.
pub(super) fn captures(
    file: impl BufRead,
    depth: Depth,
    mut each: impl FnMut(Capture) -> io::Result<()>,
) -> io::Result<()> {
    let is_enough = |text: &[u8]| {
        let Some(end) = memmem::find(text, BLANK) else { return false };
        depth == Depth::Record || !is_http(&text[..end]) || memmem::find(&text[end + 4..], BLANK).is_some()
    };
    let mut members = Members::new(file);
    while let Some(member) = members.next(LONGEST_HEAD, is_enough)? {
        let end =
            memmem::find(&member.text, BLANK).ok_or_else(|| wrong("a record without the end of its head"))?;
        let head = String::from_utf8_lossy(&member.text[..end]);
        let kind = field(&head, "WARC-Type");
        if !matches!(kind, "response" | "revisit" | "resource") {
            continue;
        }
        let block = &member.text[end + BLANK.len()..];
        let http = memmem::find(block, BLANK).filter(|_| is_http(head.as_bytes()));
        each(Capture {
            offset: member.offset,
            length: member.length,
            kind: kind.to_owned(),
            url: field(&head, "WARC-Target-URI").to_owned(),
            date: field(&head, "WARC-Date").to_owned(),
            digest: field(&head, "WARC-Payload-Digest").to_owned(),
            content_type: field(&head, "Content-Type").to_owned(),
            http: http.map(|end| String::from_utf8_lossy(&block[..end]).into_owned()).unwrap_or_default(),
        })?;
    }
    Ok(())
}

/// How many captures there are.
pub(super) fn count(file: &mut dyn BufRead) -> io::Result<u64> {
    let mut count = 0;
    captures(file, Depth::Record, |_| {
        count += 1;
        Ok(())
    })?;
    Ok(count)
}

/// How many captures there are in a file whose every record has its length and its digests.
pub(in super::super) fn checked(file: &mut dyn BufRead) -> io::Result<u64> {
    let mut captures = 0;
    while !file.fill_buf()?.is_empty() {
        let mut record = BufReader::new(GzDecoder::new(&mut *file));
        captures += u64::from(check_record(&mut record)?);
    }
    Ok(captures)
}

/// Whether a record is a capture; an error if it is not what its head says.
fn check_record(record: &mut impl BufRead) -> io::Result<bool> {
    let head = String::from_utf8_lossy(&head(record)?).into_owned();
    if !head.starts_with("WARC/1.1\r\n") {
        return Err(wrong("a record that does not begin with `WARC/1.1`"));
    }
    let of = format!("the record {}", field(&head, "WARC-Record-ID"));
    let length = field(&head, "Content-Length").parse().map_err(|_| wrong(&format!("{of} has no length")))?;
    let mut block = record.by_ref().take(length);
    let (mut whole, mut payload) = (Sha1::new(), Sha1::new());
    if is_http(head.as_bytes()) {
        whole.update(self::head(&mut block)?);
    }
    let mut piece = vec![0; 64 << 10];
    loop {
        let read = block.read(&mut piece)?;
        if read == 0 {
            break;
        }
        whole.update(&piece[..read]);
        payload.update(&piece[..read]);
    }
    let mut end = Vec::new();
    let missing = block.limit();
    record.read_to_end(&mut end)?;
    if missing > 0 || end != BLANK {
        return Err(wrong(&format!("{of} is not as long as it says")));
    }
    let kind = field(&head, "WARC-Type");
    // A revisit names the digest of a payload that stands elsewhere.
    let sums = [("WARC-Block-Digest", whole), ("WARC-Payload-Digest", payload)];
    for (name, sum) in sums.into_iter().take(if kind == "revisit" { 1 } else { 2 }) {
        let said = field(&head, name);
        if !said.is_empty() && unlabelled(said) != Some(sum.finalize().into()) {
            return Err(wrong(&format!("{of} has another `{name}`")));
        }
    }
    Ok(matches!(kind, "response" | "revisit" | "resource"))
}

/// Everything up to and with the first blank line.
fn head(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(BLANK) {
        let room = (LONGEST_HEAD - head.len()) as u64;
        if from.by_ref().take(room).read_until(b'\n', &mut head)? == 0 {
            return Err(wrong("a record without the end of its head"));
        }
    }
    Ok(head)
}

fn is_http(head: &[u8]) -> bool {
    memmem::find(head, b"\r\nContent-Type: application/http").is_some()
}

/// The value of a field of a head, empty if it is not there.
pub(super) fn field<'h>(head: &'h str, name: &str) -> &'h str {
    let value = |line: &'h str| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value.trim())
    };
    head.split("\r\n").find_map(value).unwrap_or_default()
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

//! Bytes of a sitemap or feed to UTF-8 text, piece by piece: gzip undone, the whole capped, the charset
//! decoded. Holds a few fixed buffers and never the document; knows nothing of what the text means.

use std::fmt;
use std::io::{self, BufRead, Read};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8};
use flate2::bufread::GzDecoder;

use super::{document, prescan};
use crate::units::Size;

/// Bytes that are read, and of text that is decoded, at a time.
const CHUNK: usize = 32 << 10;
/// How much of the beginning may tell the charset.
const HEAD: usize = 1024;
/// How a gzip member begins (RFC 1952, 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Why a stream was given up, though its reader could go on.
#[derive(Debug)]
enum Refusal {
    /// More bytes than allowed, once unpacked.
    TooLarge(u64),
    /// One tag, text or comment larger than allowed.
    LongPiece(usize),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(most) => write!(f, "it is larger than {}, unpacked", Size(*most)),
            Self::LongPiece(most) => {
                write!(f, "one tag, text or comment is longer than {}", Size(*most as u64))
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// A document as UTF-8 text. What means nothing in its charset becomes U+FFFD.
pub struct Text<'a> {
    raw: Buffered<Capped<Box<dyn Read + 'a>>>,
    decoder: Decoder,
    /// Always valid UTF-8 in `at..end`; longer than any one character.
    decoded: Box<[u8]>,
    at: usize,
    end: usize,
    is_done: bool,
    is_malformed: bool,
    /// The longest piece, and how much of the present one may still be read.
    piece: usize,
    left: usize,
}

impl<'a> Text<'a> {
    /// Opens `body`, of which at most `max_bytes` are read after gzip is undone. An error in its first bytes
    /// comes out of the first read.
    pub fn open(body: impl Read + 'a, max_bytes: u64) -> Self {
        let mut packed = Buffered::new(body);
        let inner: Box<dyn Read + 'a> = if packed.peek(GZIP.len()) == GZIP {
            Box::new(Gzip { member: Some(GzDecoder::new(packed)) })
        } else {
            Box::new(packed)
        };
        let mut raw = Buffered::new(Capped { inner, left: max_bytes, most: max_bytes });
        let (encoding, mark) = charset(raw.peek(HEAD));
        raw.consume(mark);
        Self {
            raw,
            decoder: encoding.new_decoder_without_bom_handling(),
            decoded: vec![0; CHUNK].into(),
            at: 0,
            end: 0,
            is_done: false,
            is_malformed: false,
            piece: usize::MAX,
            left: usize::MAX,
        }
    }

    /// From here on fails once more than `most` bytes are read.
    pub fn next_piece(&mut self, most: usize) {
        (self.piece, self.left) = (most, most);
    }

    /// Whether some bytes so far meant nothing in the charset.
    pub fn is_malformed(&self) -> bool {
        self.is_malformed
    }
}

impl Read for Text<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        copy(self, out)
    }
}

impl BufRead for Text<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.end && !self.is_done {
            let input = self.raw.fill_buf()?;
            let is_last = input.is_empty();
            let (result, read, written, bad) = self.decoder.decode_to_utf8(input, &mut self.decoded, is_last);
            self.raw.consume(read);
            (self.at, self.end) = (0, written);
            self.is_malformed |= bad;
            self.is_done = is_last && result == CoderResult::InputEmpty;
        }
        if self.left == 0 && self.at < self.end {
            return Err(io::Error::other(Refusal::LongPiece(self.piece)));
        }
        Ok(&self.decoded[self.at..self.end.min(self.at.saturating_add(self.left))])
    }

    fn consume(&mut self, read: usize) {
        self.at += read;
        self.left -= read;
    }
}

/// The charset and how many bytes its mark takes: byte order mark, XML declaration, zeros in between, UTF-8.
fn charset(head: &[u8]) -> (&'static Encoding, usize) {
    if let Some(marked) = Encoding::for_bom(head) {
        return marked;
    }
    // A declaration must stand first, but generators leave blank lines before it.
    let declared = prescan::xml(head.trim_ascii_start());
    let wide = document::utf16(head).filter(|_| declared.is_none_or(|named| named == UTF_8));
    (wide.or(declared).unwrap_or(UTF_8), 0)
}

/// A reader with a buffer into which one can look ahead. What fails within the look comes out where it is.
struct Buffered<R> {
    inner: R,
    buffer: Box<[u8]>,
    at: usize,
    end: usize,
    failed: Option<io::Error>,
}

impl<R: Read> Buffered<R> {
    fn new(inner: R) -> Self {
        Self { inner, buffer: vec![0; CHUNK].into(), at: 0, end: 0, failed: None }
    }

    /// The next bytes, up to `count` of them (at most `CHUNK`), fewer if there are no more.
    fn peek(&mut self, count: usize) -> &[u8] {
        self.buffer.copy_within(self.at..self.end, 0);
        (self.at, self.end) = (0, self.end - self.at);
        while self.end < count && self.failed.is_none() {
            match self.inner.read(&mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.failed = Some(error),
            }
        }
        &self.buffer[..self.end.min(count)]
    }
}

impl<R: Read> Read for Buffered<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        copy(self, out)
    }
}

impl<R: Read> BufRead for Buffered<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.end {
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            (self.at, self.end) = (0, 0);
            self.end = self.inner.read(&mut self.buffer)?;
        }
        Ok(&self.buffer[self.at..self.end])
    }

    fn consume(&mut self, read: usize) {
        self.at += read;
    }
}

fn copy(from: &mut impl BufRead, out: &mut [u8]) -> io::Result<usize> {
    let bytes = from.fill_buf()?;
    let read = bytes.len().min(out.len());
    out[..read].copy_from_slice(&bytes[..read]);
    from.consume(read);
    Ok(read)
}

/// Gzip members one after the other; what follows them is no part of the document.
struct Gzip<R> {
    /// `None` only while one member makes room for the next.
    member: Option<GzDecoder<Buffered<R>>>,
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(out).map_err(broken)?;
            if read > 0 || out.is_empty() || member.get_mut().peek(GZIP.len()) != GZIP {
                return Ok(read);
            }
            self.member = self.member.take().map(|member| GzDecoder::new(member.into_inner()));
        }
        Ok(0)
    }
}

/// What unpacking found, in words; errors of what is read from stay as they are.
fn broken(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the gzip data is cut off"),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            io::Error::new(error.kind(), format!("the gzip data is broken: {error}"))
        }
        _ => error,
    }
}

/// A reader that fails where it has given `most` bytes and there are more.
struct Capped<R> {
    inner: R,
    left: u64,
    most: u64,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return match self.inner.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(io::Error::other(Refusal::TooLarge(self.most))),
            };
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        let read = self.inner.read(&mut out[..room])?;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(data).expect("pack");
        packer.finish().expect("pack")
    }

    /// The text that comes before the end or an error, and the error.
    fn read(body: &[u8], max_bytes: u64) -> (String, Option<String>) {
        let mut text = Text::open(body, max_bytes);
        let mut out = Vec::new();
        let error = text.read_to_end(&mut out).err().map(|error| error.to_string());
        (String::from_utf8(out).expect("UTF-8"), error)
    }

    fn check(body: &[u8], expected: &str) {
        assert_eq!(read(body, 1 << 20), (expected.to_owned(), None));
    }

    #[test]
    fn every_charset_comes_out_as_utf8() {
        check(b"\xEF\xBB\xBFa\xC3\xA9", "aé");
        check(b"\xFF\xFE<\0\xE9\0", "<é");
        check(b"\xFE\xFF\0<\0\xE9", "<é");
        check(b"<\0?\0x\0m\0\xE9\0", "<?xmé");
        for label in ["ISO-8859-1", "windows-1252", "Latin1"] {
            let declaration = format!("\n <?xml version='1.0' encoding='{label}'?>");
            check(&[declaration.as_bytes(), b"\xE9\x80"].concat(), &format!("{declaration}é€"));
        }
        check(b"<?xml version='1.0' encoding='UTF-16'?>\xC3\xA9", "<?xml version='1.0' encoding='UTF-16'?>é");
        check(b"", "");
        let mut bad = Text::open(&b"caf\xE9 au lait"[..], 100);
        let mut out = String::new();
        bad.read_to_string(&mut out).expect("text");
        assert_eq!((out.as_str(), bad.is_malformed()), ("caf\u{FFFD} au lait", true));
    }

    #[test]
    fn gzip_is_known_by_its_first_bytes() {
        let long = "äöü 0123456789".repeat(10_000);
        check(&gzip(long.as_bytes()), &long);
        check(&[gzip(b"a"), gzip(b""), gzip(b"b"), b"\0\0tail".to_vec()].concat(), "ab");
        let packed = gzip(long.as_bytes());
        let (text, error) = read(&packed[..packed.len() - 9], 1 << 20);
        assert!(!text.is_empty() && long.starts_with(&text));
        assert_eq!(error.as_deref(), Some("the gzip data is cut off"));
        let (_, error) = read(b"\x1f\x8bno gzip at all", 1 << 20);
        assert!(error.is_some_and(|words| words.starts_with("the gzip data is ")));
    }

    #[test]
    fn the_cap_counts_unpacked_bytes() {
        let zeros = [b'0'; 5000];
        for body in [zeros.to_vec(), gzip(&zeros)] {
            assert_eq!(read(&body, 5000).1, None);
            let (text, error) = read(&body, 4999);
            assert_eq!((text.len(), error.as_deref()), (4999, Some("it is larger than 4999B, unpacked")));
        }
    }

    #[test]
    fn a_piece_ends_at_its_bound() {
        let mut text = Text::open(&b"12345678"[..], 100);
        let mut four = [0; 4];
        text.next_piece(4);
        text.read_exact(&mut four).expect("four");
        assert_eq!(
            text.fill_buf().expect_err("a fifth").to_string(),
            "one tag, text or comment is longer than 4B"
        );
        text.next_piece(4);
        text.read_exact(&mut four).expect("four more");
        assert!(text.fill_buf().expect("the end, at the bound").is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_portions_give_valid_text_within_the_cap(
            body: Vec<u8>, is_packed: bool, max_bytes in 0..300u64, portion in 1..40usize,
        ) {
            struct Portions<'a>(&'a [u8], usize);
            impl Read for Portions<'_> {
                fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                    let most = self.1.min(out.len());
                    self.0.read(&mut out[..most])
                }
            }
            let body = if is_packed { gzip(&body) } else { body };
            let mut out = Vec::new();
            let ended = Text::open(Portions(&body, portion), max_bytes).read_to_end(&mut out).is_ok();
            let text = String::from_utf8(out);
            prop_assert!(text.is_ok());
            let whole = read(&body, max_bytes);
            prop_assert_eq!((text.unwrap_or_default(), ended), (whole.0, whole.1.is_none()));
        }
    }
}

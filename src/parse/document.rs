//! Bytes to text: which charset a body has, who says so, and the text in it. Always valid UTF-8; no copy
//! where the body already is that. Knows nothing of what the text means.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use url::Url;

use super::mime::Kind;
use super::prescan;
use crate::model::{Charset, CharsetSource};

/// How much of a body is looked at to guess its charset.
const GUESS_BYTES: usize = 256 * 1024;

/// A decoded body.
#[derive(Debug)]
pub struct Document<'a> {
    /// Its text, without a byte order mark.
    pub text: Cow<'a, str>,
    /// What it was decoded with.
    pub charset: Charset,
    /// Whether some bytes mean nothing in that charset.
    pub malformed: bool,
}

/// Decodes a body of this kind; `content_type` and `url` are the page's.
pub fn decode<'a>(body: &'a [u8], kind: Kind, content_type: Option<&str>, url: &Url) -> Document<'a> {
    let (encoding, source, skip) = charset(body, kind, content_type, url);
    let (text, malformed) = encoding.decode_without_bom_handling(&body[skip..]);
    Document { text, charset: Charset { name: encoding.name(), source }, malformed }
}

/// The charset, who named it, and how many bytes its mark takes.
fn charset(
    body: &[u8],
    kind: Kind,
    content_type: Option<&str>,
    url: &Url,
) -> (&'static Encoding, CharsetSource, usize) {
    if let Some((encoding, length)) = Encoding::for_bom(body) {
        return (encoding, CharsetSource::Bom, length);
    }
    if let Some(encoding) = content_type.and_then(|value| prescan::content_type(value.as_bytes())) {
        return (encoding, CharsetSource::Header, 0);
    }
    let declared = match kind {
        Kind::Html => prescan::html(body),
        Kind::Xml => prescan::xml(body),
        Kind::Json | Kind::Markdown | Kind::Text | Kind::Binary => None,
    };
    // Wide text cannot name its own charset in bytes that can be read as ASCII.
    if let Some(encoding) = utf16(body).filter(|_| declared.is_none_or(|named| named == UTF_8)) {
        return (encoding, CharsetSource::Sniffed, 0);
    }
    if let Some(encoding) = declared {
        return (encoding, CharsetSource::Meta, 0);
    }
    if body.is_ascii() && !body.contains(&0x1B) {
        // Any of them reads it alike. The standard's default for HTML, UTF-8 for the younger formats.
        let default = if kind == Kind::Html { WINDOWS_1252 } else { UTF_8 };
        return (default, CharsetSource::Default, 0);
    }
    (guess(body, kind, url), CharsetSource::Sniffed, 0)
}

/// UTF-16 without a mark: in mostly Latin text (tags, for one) every other byte is zero.
pub fn utf16(body: &[u8]) -> Option<&'static Encoding> {
    let head = &body[..body.len().min(512) & !1];
    let zeros = |at: usize| head.iter().skip(at).step_by(2).filter(|b| **b == 0).count();
    let (even, odd, units) = (zeros(0), zeros(1), head.len() / 2);
    if units < 4 {
        None
    } else if odd * 2 > units && even * 16 < units {
        Some(UTF_16LE)
    } else if even * 2 > units && odd * 16 < units {
        Some(UTF_16BE)
    } else {
        None
    }
}

fn guess(body: &[u8], kind: Kind, url: &Url) -> &'static Encoding {
    if std::str::from_utf8(body).is_ok() && !body.contains(&0x1B) {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    let head = &body[..body.len().min(GUESS_BYTES)];
    let seen = detector.feed(head, head.len() == body.len());
    if !seen && head.len() < body.len() {
        // All that is not ASCII stands further behind.
        detector.feed(&body[head.len()..], true);
    }
    let tld = url.domain().and_then(|host| host.trim_end_matches('.').rsplit('.').next());
    let guessed = detector.guess(tld.map(str::as_bytes), Utf8Detection::Allow);
    // Pure ASCII with escapes that are no ISO-2022-JP is nothing in particular.
    if kind != Kind::Html && body.is_ascii() && guessed == WINDOWS_1252 { UTF_8 } else { guessed }
}

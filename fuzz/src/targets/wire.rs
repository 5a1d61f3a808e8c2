//! What comes over the wire before it is a page: packed bodies and headers.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use trawl::fetch;
use trawl::model::{Fetched, Normalize, Outcome, Protocol, canonical};
use trawl::parse::{declared_mime, lastmod_moment};
use url::Url;

use super::Shape;

/// What a body may be at most.
const CAP: u64 = 64 << 10;

const ENCODINGS: [&str; 12] = [
    "gzip",
    "deflate",
    "br",
    "zstd",
    "identity",
    "x-gzip",
    "gzip, gzip",
    "br, zstd",
    "deflate, gzip, br",
    "gzip, gzip, gzip, gzip",
    "gzip,gzip,gzip,gzip,gzip",
    "zip",
];

pub const CODINGS: &[&str] = &[
    "\x1f\u{8b}",
    "\x08\x00\x00\x00\x00\x00\x00",
    "\x28",
    "\x03",
    "\x11",
    "\x00\x00",
    "\x78\x01",
    "some text ",
    "\n",
    "\0",
];

fn answer(status: u16, headers: &[(&'static str, &[u8])], body: Vec<u8>) -> Option<Fetched> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?);
    }
    Some(Fetched {
        status,
        headers: map,
        body: Bytes::from(body),
        spool: None,
        started: Timestamp::UNIX_EPOCH,
        duration: Duration::ZERO,
        ip: None,
        protocol: Protocol::Http1,
        wire: None,
        url: None,
    })
}

/// `[which encodings][how it is made][bytes]`: as they are, or packed first and then damaged.
pub fn decode(data: &[u8]) -> u64 {
    let [which, how, bytes @ ..] = data else { return 0 };
    let names = ENCODINGS[usize::from(*which) % ENCODINGS.len()];
    let body = if how % 2 == 0 { bytes.to_vec() } else { damaged(*how, bytes) };
    let Some(fetched) = answer(200, &[("content-encoding", names.as_bytes())], body) else { return 0 };
    let whole = fetch::unpack(&fetched, CAP);
    let mut streamed = Vec::new();
    let ended = fetch::open(&fetched, CAP).read_to_end(&mut streamed);
    assert!(streamed.len() as u64 <= CAP, "{} bytes came out of a stream", streamed.len());
    match &whole {
        Ok(body) => {
            assert!(body.len() as u64 <= CAP, "{} bytes were unpacked", body.len());
            assert!(ended.is_ok() && streamed == *body, "the stream gives something else: {ended:?}");
            Shape::default().is(names).is(how % 2).count(body.len()).end()
        }
        Err(failure) => {
            assert!(ended.is_err(), "the stream ends well and unpacking does not: {failure:?}");
            assert!(matches!(failure.cause, Outcome::TooLarge | Outcome::InvalidResponse), "{failure:?}");
            Shape::default().is(names).is(how % 2).words(&failure.detail).count(streamed.len()).end()
        }
    }
}

/// The bytes behind the first four, packed with zstd or gzip, with two bytes of it changed as the four say.
fn damaged(how: u8, bytes: &[u8]) -> Vec<u8> {
    let [at, bit, cut, also, rest @ ..] = bytes else { return bytes.to_vec() };
    let mut packed = if how & 2 == 0 {
        let mut packer = flate2::read::GzEncoder::new(rest, flate2::Compression::fast());
        let mut packed = Vec::new();
        packer.read_to_end(&mut packed).expect("memory is packed");
        packed
    } else {
        zstd::bulk::compress(rest, 1).expect("memory is packed")
    };
    let length = packed.len();
    packed[usize::from(*at) % length] ^= 1 << (bit % 8);
    if how & 4 != 0 {
        packed[usize::from(*also) % length] = *bit;
    }
    packed.truncate(length - usize::from(*cut) % 4 * (length / 8));
    packed
}

pub const HEADERS: &[&str] = &[
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Thursday, 07-Nov-24 17:20:10 GMT",
    "Thu Nov  7 17:20:10 2024",
    "GMT",
    "Feb",
    "29",
    ":",
    "-",
    "+",
    "120",
    "99999999999999999999",
    "1e9",
    "2024-01-31T24:00:00Z",
    "T",
    "Z",
    "+25:00",
    "W",
    "text/html",
    ";charset=",
    "/",
    "//",
    "http://",
    "..",
    "%",
    "@",
    "[",
    "]",
    "?",
    "#",
    "\t",
    " ",
    "é",
    "file:///etc/passwd",
    "noindex, nofollow",
    "googlebot:",
    ",",
];

/// The same text as each header that we read.
pub fn headers(data: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(data);
    let mut shape = Shape::default();
    for now in [0, 1_800_000_000, i64::MAX, i64::MIN] {
        shape = shape.is(fetch::retry_after(&text, now).map(|wait| wait.is_zero()));
    }
    shape = shape.is(lastmod_moment(&text).is_some());
    if let Some(mime) = declared_mime(&text) {
        assert_eq!(declared_mime(&mime).as_deref(), Some(mime.as_str()), "a type is its own type");
        shape = shape.is("mime");
    }
    let base = Url::parse("https://a.example/d/p?q").expect("a base");
    if let Some(fetched) = answer(301, &[("location", data), ("content-type", data)], Vec::new()) {
        match fetch::redirect_target(&fetched, base.as_str(), &Normalize::default()) {
            None => panic!("a 301 with a Location leads nowhere"),
            Some(Ok(target)) => {
                assert_eq!(canonical(target.as_str(), None).as_ref(), Ok(&target));
                shape = shape.is(target.host() == base.host());
            }
            Some(Err((_, error))) => shape = shape.words(&error.to_string()),
        }
        shape = shape.is(fetched.declared_mime().is_some());
    }
    shape.end()
}

//! One canonical form for every URL, and the key and host key made from it.
//!
//! Canonical means: parsed by the WHATWG URL standard, fragment dropped, default port dropped, host in
//! lower-case punycode without a trailing dot, percent-escapes in upper case and unreserved characters
//! (RFC 3986 section 2.3) unescaped. Nothing here reorders or drops a query parameter.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::{Host, Url};

/// The host key of every local file: one host, without delay.
pub const FILE_HOST: &str = "file";

/// The longest URL that is admitted, in bytes of its canonical form.
pub const MAX_URL_BYTES: usize = 16 * 1024;

/// The identity of a URL: the 128-bit XXH3 hash of its canonical form.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UrlKey(u128);

impl UrlKey {
    /// The key of a URL in canonical form, or of raw text that is no URL at all.
    pub fn of(canonical: &str) -> Self {
        Self(xxhash_rust::xxh3::xxh3_128(canonical.as_bytes()))
    }

    /// The 64 bits that the frontier keeps in memory. About 3 in a million that one of 10 million
    /// URLs is taken for another.
    #[allow(clippy::cast_possible_truncation)] // half of the hash is what is wanted
    pub fn fingerprint(self) -> u64 {
        self.0 as u64
    }

    /// Big-endian bytes, so that keys sort alike in memory and on disk.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The inverse of [`UrlKey::to_bytes`].
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for UrlKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for UrlKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UrlKey({self})")
    }
}

impl FromStr for UrlKey {
    type Err = std::num::ParseIntError;

    fn from_str(hex: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(hex, 16).map(Self)
    }
}

/// Why a text cannot be a URL that is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UrlError {
    /// Not a URL by the WHATWG standard.
    #[error("not a URL: {}", syntax_words(*.0))]
    Syntax(#[from] url::ParseError),
    /// A scheme that no fetcher knows.
    #[error("scheme `{0}` cannot be fetched, only http, https and, from a `files` source, file")]
    Scheme(String),
    /// `http://user:password@host/`: credentials belong in the config, as a header with a secret.
    #[error("carries credentials; give them as a header of the host in the config")]
    Credentials,
    /// Longer than 16 KiB in canonical form.
    #[error("is {0} bytes long, more than {MAX_URL_BYTES}")]
    TooLong(usize),
}

/// What the standard calls relative is, to whoever wrote it, an address without its beginning.
fn syntax_words(error: url::ParseError) -> String {
    match error {
        url::ParseError::RelativeUrlWithoutBase => {
            "it does not begin with `https://` or `http://`".to_owned()
        }
        other => other.to_string(),
    }
}

/// The canonical form of a web address, resolved against `base` if it is relative.
pub fn canonical(raw: &str, base: Option<&Url>) -> Result<Url, UrlError> {
    if raw.len() > 4 * MAX_URL_BYTES {
        return Err(UrlError::TooLong(raw.len()));
    }
    let mut url = match base {
        Some(base) => base.join(raw)?,
        None => Url::parse(raw)?,
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlError::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Credentials);
    }
    url.set_fragment(None);
    if let Some(host) = url.host_str().filter(|host| host.ends_with('.')) {
        // All of them: the canonical form must be its own canonical form.
        let host = host.trim_end_matches('.').to_owned();
        url.set_host(Some(&host))?;
    }
    if let Cow::Owned(path) = normal_escapes(url.path()) {
        url.set_path(&path);
    }
    if let Some(Cow::Owned(query)) = url.query().map(normal_escapes) {
        url.set_query(Some(&query));
    }
    if url.as_str().len() > MAX_URL_BYTES {
        return Err(UrlError::TooLong(url.as_str().len()));
    }
    Ok(url)
}

/// A web address in canonical form, cut before its path: `https://example.org:8080` and `/path?query`.
pub fn cut_before_path(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |at| at + 3);
    url.split_at(url[host..].find('/').map_or(url.len(), |at| host + at))
}

/// The text of a URL. One that was resolved has room for all of its base, which a page of many links and a long base
/// would hold many times.
pub fn address(url: Url) -> String {
    let mut text = String::from(url);
    text.shrink_to_fit();
    text
}

/// The `file://` URL of an absolute path. `None` for a relative one.
pub fn canonical_file(path: &Path) -> Option<Url> {
    Url::from_file_path(path).ok()
}

/// The host as politeness and robots know it: `example.org`, `example.org:8080`, or [`FILE_HOST`].
pub fn host_key(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        _ if url.scheme() == "file" => FILE_HOST.to_owned(),
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    }
}

/// The registrable domain of a host key by the public suffix list; `None` for addresses and files.
pub fn registered_domain(host_key: &str) -> Option<&str> {
    let host = match host_key.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => host_key,
    };
    if host == FILE_HOST || host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok() {
        return None;
    }
    psl::domain_str(host)
}

/// The address in a URL whose host is an IP literal, which no resolver ever sees.
pub fn literal_address(url: &Url) -> Option<std::net::IpAddr> {
    match url.host()? {
        Host::Ipv4(v4) => Some(Ipv4Addr::into(v4)),
        Host::Ipv6(v6) => Some(Ipv6Addr::into(v6)),
        Host::Domain(_) => None,
    }
}

/// Percent-escapes in upper case, those of unreserved characters undone. Borrowed if nothing changes.
///
/// What an escape stands for may end another one that stands before it (`%%36%31`, `%3%3%36`). So each character looks
/// back at what is there: one pass, however deep they are nested.
pub(super) fn normal_escapes(text: &str) -> Cow<'_, str> {
    let changes = |at: &usize| {
        text.as_bytes().get(*at..at + 3).is_some_and(|w| escape(w).is_some_and(|byte| changes(w, byte)))
    };
    let Some(first) = memchr::memchr_iter(b'%', text.as_bytes()).find(changes) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..first]);
    for next in text[first..].chars() {
        out.push(next);
        undo_last(&mut out);
    }
    Cow::Owned(out)
}

/// Brings an escape at the end of a text into its normal form, and each that this completes.
fn undo_last(text: &mut String) {
    while let Some((start, byte)) =
        text.len().checked_sub(3).and_then(|start| Some((start, escape(&text.as_bytes()[start..])?)))
    {
        text.truncate(start);
        if !is_unreserved(byte) {
            let _ = write!(text, "%{byte:02X}");
            return;
        }
        text.push(char::from(byte));
    }
}

/// The byte that `%hh` stands for.
pub(super) fn escape(window: &[u8]) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    let [b'%', high, low] = window else { return None };
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

fn changes(window: &[u8], byte: u8) -> bool {
    is_unreserved(byte) || window.iter().any(u8::is_ascii_lowercase)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: &str) {
        let url = canonical(raw, None).expect(raw);
        assert_eq!(url.as_str(), expected);
        // Canonical is a fixed point, or the key of a URL would depend on how often it was seen.
        assert_eq!(canonical(url.as_str(), None).expect(raw).as_str(), expected);
    }

    #[test]
    fn one_form_for_all_spellings() {
        check("HTTP://Example.ORG:80/a/../b#x", "http://example.org/b");
        check("https://example.org./", "https://example.org/");
        check("https://example.org../", "https://example.org/");
        check("http://foo.com/%66oo.htm%6c", "http://foo.com/foo.html");
        check("http://foo.com/foo.htm%c0", "http://foo.com/foo.htm%C0");
        check("http://x.com/s?q=a%2b%7Eb", "http://x.com/s?q=a%2B~b");
        check("http://bücher.de/ü", "http://xn--bcher-kva.de/%C3%BC");
        check("http://foo.com/50%", "http://foo.com/50%");
        check("http://foo.com/%%361", "http://foo.com/a");
        check("http://foo.com/%%%36%31%3%3%36%%32f%2", "http://foo.com/%A6%2F%2");
        check("http://foo.com/%3%c3%a9%%63%33%3", "http://foo.com/%3%C3%A9%C3%3");
        check("http://foo.com/%2e%2e/a", "http://foo.com/a");
    }

    /// From a bug: each escape that another one completed took a pass of its own over the whole URL.
    #[test]
    fn escapes_in_escapes_take_one_pass() {
        check(&format!("http://x/{}%36", "%3".repeat(30_000)), "http://x/6");
        check(
            &format!("http://x/{}%2f", "%3%32".repeat(3_000)),
            &format!("http://x/{}%2F", "2".repeat(3_000)),
        );
    }

    #[test]
    fn what_cannot_be_fetched_says_why() {
        let why = |raw: &str| canonical(raw, None).expect_err(raw).to_string();
        assert_eq!(why("foo"), "not a URL: it does not begin with `https://` or `http://`");
        assert!(why("ftp://x/").starts_with("scheme `ftp` cannot be fetched"));
        assert!(why("http://u:p@x/").starts_with("carries credentials"));
        assert!(why(&format!("http://x/{}", "a".repeat(70_000))).starts_with("is 70009 bytes long"));
    }

    #[test]
    fn an_address_is_cut_where_its_path_begins() {
        for url in ["http://h/", "https://h:81/a/b?c=d://e/f", "http://[::1]/x"] {
            let parsed = Url::parse(url).expect(url);
            let (origin, path) = cut_before_path(url);
            assert_eq!((origin, path), parsed.as_str().split_at(parsed[..url::Position::BeforePath].len()));
        }
    }

    #[test]
    fn hosts_and_domains() {
        let host = |raw: &str| host_key(&canonical(raw, None).expect(raw));
        assert_eq!(host("http://EXAMPLE.org.:8080/"), "example.org:8080");
        assert_eq!(host("https://example.org:443/"), "example.org");
        assert_eq!(registered_domain("a.b.example.co.uk:81"), Some("example.co.uk"));
        assert_eq!(registered_domain("127.0.0.1:8000"), None);
        assert_eq!(registered_domain("[::1]"), None);
        assert_eq!(registered_domain("file"), None);
    }

    proptest::proptest! {
        #[test]
        fn canonical_never_panics_and_is_idempotent(raw in "\\PC{0,60}", tail in "[%0-9a-fA-F./?&=#~é ]{0,40}") {
            for text in [raw.clone(), format!("http://h/{tail}"), format!("http://h/?{tail}{raw}"), format!("http://h{tail}")] {
                if let Ok(url) = canonical(&text, None) {
                    let again = canonical(url.as_str(), None).expect("canonical of canonical");
                    proptest::prop_assert_eq!(url.as_str(), again.as_str());
                }
            }
        }
    }
}

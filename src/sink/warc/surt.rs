//! The sort-friendly form of a URL, under which replay tools look it up in an index: `com,example)/path?a=1`. Follows
//! the canonical form of the Internet Archive (`surt` 0.3), but for session ids, which it leaves in. Pure.

use std::fmt::Write as _;

use percent_encoding::percent_decode;
use url::{Host, Url};

/// How often percent signs are undone at most; a URL that hides more of them stays as it is.
const UNESCAPES: usize = 8;

/// The key of a URL in an index.
pub(super) fn surt(url: &str) -> String {
    let Ok(parsed) = Url::parse(url) else { return url.to_lowercase() };
    let Some(host) = parsed.host() else {
        // The key of a local file is its path.
        return format!("{}:{}", parsed.scheme(), parsed.path()).to_lowercase();
    };
    let mut key = reversed(&host);
    if let Some(port) = parsed.port() {
        let _ = write!(key, ":{port}");
    }
    key.push(')');
    let path = normalized(parsed.path());
    key.push_str(match path.trim_end_matches('/') {
        "" => "/",
        path => path,
    });
    if let Some(query) = parsed.query().filter(|query| !query.is_empty()) {
        let query = normalized(query);
        let mut parameters: Vec<&str> = query.split('&').collect();
        parameters.sort_unstable();
        key.push('?');
        key.push_str(&parameters.join("&"));
    }
    key
}

/// The labels of a host from the last to the first, without a leading `www`.
fn reversed(host: &Host<&str>) -> String {
    let name = match host {
        Host::Ipv6(address) => return address.to_string(),
        // The numbers of an address are turned around like names.
        Host::Ipv4(address) => address.to_string(),
        Host::Domain(name) => name.to_ascii_lowercase(),
    };
    let bare = name.strip_prefix("www").and_then(|rest| {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        rest.strip_prefix('.').filter(|rest| !rest.is_empty())
    });
    bare.unwrap_or(&name).split('.').rev().collect::<Vec<_>>().join(",")
}

/// Lower case, no slash twice, and only those characters escaped that have to be.
fn normalized(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..UNESCAPES {
        let once: Vec<u8> = percent_decode(&bytes).collect();
        if once == bytes {
            break;
        }
        bytes = once;
    }
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte.to_ascii_lowercase() {
            0..=0x20 | 0x7f.. | b'#' | b'%' => {
                let _ = write!(out, "%{byte:02x}");
            }
            b'/' if out.ends_with('/') => {}
            byte => out.push(char::from(byte)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_internet_archive() {
        for (url, key) in [
            ("http://www.example.com/A/?b=2&a=1", "com,example)/a?a=1&b=2"),
            ("https://example.com:8443/a/", "com,example:8443)/a"),
            ("http://www2.x.org/p?x=", "org,x)/p?x="),
            ("http://a.b/?", "b,a)/"),
            ("http://a.b/a?&x=1&&y", "b,a)/a?&&x=1&y"),
            ("http://u:p@h.org/", "org,h)/"),
            ("http://xn--bcher-kva.de/%C3%BC", "de,xn--bcher-kva)/%c3%bc"),
            ("http://a.b/x//y/../z?B=1&a=2&a=1", "b,a)/x/z?a=1&a=2&b=1"),
            ("http://a.b/%41%7e%2f%20", "b,a)/a~/%20"),
            ("http://a.b/a#f", "b,a)/a"),
            ("http://www.com/", "com)/"),
            ("http://wwww.x.com/", "com,x,wwww)/"),
            ("http://127.0.0.1:8080/X", "1,0,0,127:8080)/x"),
            ("http://[::1]:80/a", "::1)/a"),
            ("file:///tmp/a%20b.html", "file:/tmp/a%20b.html"),
            ("no url", "no url"),
        ] {
            assert_eq!(surt(url), key, "{url}");
        }
    }
}

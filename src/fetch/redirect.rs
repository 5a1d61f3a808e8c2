//! Where a redirect leads. Follows nothing: the target is a request of its own.

use http::header::LOCATION;
use url::Url;

use crate::model::{Fetched, Normalize, UrlError};

/// The canonical target of a redirect answer of `url`; `None` if it is no redirect. A target that cannot
/// be fetched comes as it was written, with the reason.
pub fn redirect_target(
    fetched: &Fetched,
    url: &str,
    normalize: &Normalize,
) -> Option<Result<Url, (String, UrlError)>> {
    if !matches!(fetched.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    // Not `to_str`: servers send paths in raw UTF-8, which the URL parser escapes as browsers do.
    let raw = String::from_utf8_lossy(fetched.headers.get(LOCATION)?.as_bytes());
    let url = Url::parse(url).ok()?;
    Some(normalize.canonical(&raw, Some(&url)).map_err(|error| (raw.into_owned(), error)))
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn target(status: u16, location: &[u8]) -> Option<Result<String, String>> {
        let fetched = testing::answer(status, &[("location", location)], b"");
        let url = "https://a.test/dir/page?q#f";
        redirect_target(&fetched, url, &Normalize::default())
            .map(|target| target.map(String::from).map_err(|(raw, error)| format!("{raw}: {error}")))
    }

    #[test]
    fn targets_are_absolute_and_canonical() {
        let to = |location: &str| target(302, location.as_bytes()).expect("a redirect").expect(location);
        assert_eq!(to("/x#frag"), "https://a.test/x");
        assert_eq!(to("../x"), "https://a.test/x");
        assert_eq!(to("//B.test:443/%7ex"), "https://b.test/~x");
        assert_eq!(to("http://b.test"), "http://b.test/");
        assert_eq!(to("?r"), "https://a.test/dir/page?r");
        assert_eq!(to("/ü x"), "https://a.test/%C3%BC%20x");
    }

    #[test]
    fn other_answers_are_no_redirects() {
        for status in [200, 201, 300, 304, 305, 306, 404, 503] {
            assert_eq!(target(status, b"/x"), None, "{status}");
        }
        for status in [301, 302, 303, 307, 308] {
            assert!(target(status, b"/x").is_some(), "{status}");
        }
        assert_eq!(
            redirect_target(&testing::answer(301, &[], b""), "https://a.test/", &Normalize::default()),
            None,
            "no `Location`"
        );
    }

    #[test]
    fn targets_that_cannot_be_fetched_keep_their_text() {
        let refused = |location: &[u8]| target(301, location).expect("a redirect").expect_err("refused");
        assert!(refused(b"javascript:alert(1)").starts_with("javascript:alert(1): scheme `javascript`"));
        assert!(refused(b"file:///etc/passwd").starts_with("file:///etc/passwd: scheme `file`"));
        assert!(refused(b"ftp://b.test/").contains("scheme `ftp`"));
        assert!(refused(b"http://u:p@b.test/").contains("carries credentials"));
        assert!(refused(b"http://[::1").contains("not a URL"));
        assert!(refused(b"http://\xff\xfe.test/").contains("not a URL"));
    }
}

//! What a reader of the journal goes past: read as it stands there, and not kept. A run is taken up by what its URLs
//! came to, and most of its journal is what stands beside that.

use serde::{Deserialize, Deserializer};

use crate::model::{Hint, Role, Span, Try, UrlKey};

/// A [`super::Page`] that nobody wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedPage;

/// A [`crate::model::Request`] of which nobody wants more than that it was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedRequest;

/// Text, not looked at.
type Text<'a> = &'a [u8];

impl<'de> Deserialize<'de> for PassedPage {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        type Fields<'a> =
            (Text<'a>, i64, u16, Text<'a>, Option<Text<'a>>, Option<Text<'a>>, Option<Text<'a>>, Span);
        Fields::deserialize(from).map(|_| Self)
    }
}

impl<'de> Deserialize<'de> for PassedRequest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        type Names<'a> = (Text<'a>, UrlKey, Text<'a>, Text<'a>);
        type Way<'a> = (u32, Option<Text<'a>>, Vec<Text<'a>>, Option<Text<'a>>);
        type Rest = (u32, Role, u8, u8, Option<Hint>, Vec<Try>);
        // A tuple stands in a frame as its parts do.
        <(Names<'_>, Way<'_>, Rest)>::deserialize(from).map(|_| Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Request, canonical};
    use crate::store::Page;

    /// What stands behind a value is read right if exactly its bytes were gone past.
    fn passes<T: serde::Serialize, P: for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug>(
        value: T,
        passed: P,
    ) {
        let bytes = postcard::to_stdvec(&(value, "behind")).expect("encodes");
        let read: (P, String) = postcard::from_bytes(&bytes).expect("decodes");
        assert_eq!(read, (passed, "behind".to_owned()));
    }

    #[test]
    fn exactly_a_page_is_passed() {
        let page = Page {
            url: "http://x/".into(),
            fetched_at_ms: -5,
            status: 200,
            digest: "d".into(),
            etag: Some("e".into()),
            last_modified: None,
            title: Some("ü".into()),
            record: Span { part: 300, offset: 1 << 40, length: 70_000 },
        };
        let bare = Page { etag: None, last_modified: Some("m".into()), title: None, ..page.clone() };
        passes(page, PassedPage);
        passes(bare, PassedPage);
    }

    #[test]
    fn exactly_a_request_is_passed() {
        let seed = Request::seed(&canonical("http://x/a", None).expect("URL"), "s");
        let full = Request {
            depth: 300,
            discovered_from: Some("http://x/".into()),
            trail: vec!["a".into(), String::new()],
            base_url: Some("http://b/".into()),
            attempt: 2,
            role: Role::Sitemap,
            priority: 9,
            hops: 1,
            hint: Some(Box::new(Hint {
                lastmod: Some("l".into()),
                changefreq: None,
                priority: Some("0.5".into()),
            })),
            tries: vec![Try { at_ms: 1, why: "w".into() }],
            ..seed.clone()
        };
        passes(seed, PassedRequest);
        passes(full, PassedRequest);
    }
}

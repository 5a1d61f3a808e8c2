//! Bytes to title, links and metadata. Never fails, never waits, reads no clock: the same bytes give the
//! same answer, and what is odd about them is a warning.
//!
//! ```text
//! body ── mime: what is it? ── document: charset, text ──┬── title, links (HTML)
//!                                                        ├── xml (feeds, SVG, other XML)
//!                                                        └── text (JSON, Markdown)
//! ```

mod document;
mod links;
mod mime;
mod prescan;
mod tags;
mod text;
mod title;
mod words;
mod xml;

use url::Url;

use crate::model::Parsed;

pub use mime::declared_mime;

use mime::Kind;

/// What a parse needs to know of the page beyond its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The address that relative links resolve against: the final URL, or a local file's `base_url`.
    pub url: &'a Url,
    /// The `Content-Type` header as it came.
    pub content_type: Option<&'a str>,
    /// The `Content-Language` header as it came.
    pub content_language: Option<&'a str>,
    /// The `X-Robots-Tag` header as it came.
    pub robots_tag: Option<&'a str>,
}

/// What a body says.
pub fn parse(page: &Page<'_>, body: &[u8]) -> Parsed {
    let declared = page.content_type.and_then(declared_mime);
    let nature = mime::nature(declared.as_deref(), page.url.path(), body);
    let mut parsed = Parsed {
        mime_detected: nature.detected,
        languages: page.content_language.map(languages).unwrap_or_default(),
        nofollow: page.robots_tag.is_some_and(links::header_forbids_following),
        ..Parsed::default()
    };
    if nature.contradicted {
        parsed.warnings.push(format!(
            "declared as `{}`, but the bytes are `{}`",
            declared.unwrap_or_default(),
            nature.detected.unwrap_or_default()
        ));
    }
    if nature.kind == Kind::Binary {
        return parsed;
    }
    let document = document::decode(body, nature.kind, page.content_type, page.url);
    parsed.charset = Some(document.charset);
    if document.malformed {
        parsed.warnings.push(format!("some bytes are not valid in `{}`", document.charset.name));
    }
    match nature.kind {
        Kind::Html => {
            title::read(&document.text, &mut parsed);
            links::read(page, &document.text, &mut parsed);
        }
        Kind::Xml => xml::read(page, &document.text, &mut parsed),
        Kind::Json => text::json(&document.text, &mut parsed),
        Kind::Markdown => text::markdown(&document.text, &mut parsed),
        Kind::Text | Kind::Binary => {}
    }
    parsed
}

/// The languages of a `Content-Language` header.
fn languages(header: &str) -> Vec<String> {
    header.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
}

//! Bytes to title, links and metadata. Never fails, never waits, reads no clock: the same bytes give the
//! same answer, and what is odd about them is a warning.
//!
//! ```text
//! body ── mime: what is it? ── document: charset, text ──┬── title, links (HTML)
//!                                                        ├── xml (feeds, SVG, other XML)
//!                                                        └── text (JSON, Markdown)
//! rules: which rule is for it? ── extract ──┬── css, over a tree (tree, xml_tree) ──┬── value
//!                                           ├── json ───────────────────────────────┘
//!                                           └── content: main_text, structured (microdata, metadata), over the same tree
//! ```

mod clutter;
mod compile;
mod content;
mod css;
mod document;
mod extract;
mod feed;
mod flat;
mod json;
mod language;
mod lines;
mod links;
mod listing;
mod main_text;
mod markup;
mod material;
mod metadata;
mod microdata;
mod mime;
mod moment;
mod prescan;
mod rules;
mod rules_settings;
mod selector;
pub mod sitemap;
mod stream;
mod structured;
mod tags;
mod text;
mod title;
mod tree;
mod value;
mod words;
mod xml;
mod xml_tree;

use url::Url;

use crate::model::{Normalize, Parsed};

pub use compile::Wrong;
pub use extract::Trace;
pub use mime::declared_mime;
pub use moment::lastmod_moment;
pub use rules::Rules;
pub use rules_settings::{
    Decimal, Field as FieldSettings, From as JsonFrom, Links as LinksSettings, Match,
    Settings as RuleSettings, Type, object_schema,
};

use mime::Kind;
use rules::Sight;

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
    /// The optional parts of the canonical form, for its links.
    pub normalize: &'a Normalize,
    /// The rules, and what decides which of them is for the page.
    pub asked: Option<Asked<'a>>,
}

/// What is asked of a page: its fields.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The rules of the job.
    pub rules: &'a Rules,
    /// Canonical URL of the page.
    pub url: &'a str,
    /// Id of the source that led to it.
    pub source: &'a str,
}

/// What a body says.
pub fn parse(page: &Page<'_>, body: &[u8]) -> Parsed {
    read(page, body, false).0
}

/// What a body says, and what each field of its rule came to.
pub fn trace(page: &Page<'_>, body: &[u8]) -> (Parsed, Vec<Trace>) {
    read(page, body, true)
}

fn read(page: &Page<'_>, body: &[u8], is_traced: bool) -> (Parsed, Vec<Trace>) {
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
            declared.as_deref().unwrap_or_default(),
            nature.detected.unwrap_or_default()
        ));
    }
    let document = (nature.kind != Kind::Binary)
        .then(|| document::decode(body, nature.kind, page.content_type, page.url));
    if let Some(document) = &document {
        parsed.charset = Some(document.charset);
        if document.malformed {
            parsed.warnings.push(format!("some bytes are not valid in `{}`", document.charset.name));
        }
    }
    let text = document.as_ref().map_or("", |document| &*document.text);
    let base = match nature.kind {
        Kind::Html => {
            title::read(text, &mut parsed);
            Some(links::read(page, text, &mut parsed))
        }
        Kind::Xml => {
            xml::read(page, text, &mut parsed);
            None
        }
        Kind::Json => {
            text::json(text, &mut parsed);
            None
        }
        Kind::Markdown => {
            text::markdown(text, &mut parsed);
            None
        }
        Kind::Text | Kind::Binary => None,
    };
    let Some(asked) = page.asked else { return (parsed, Vec::new()) };
    let sight =
        Sight { url: asked.url, source: asked.source, types: [declared.as_deref(), parsed.mime_detected] };
    let Some(rule) = asked.rules.choose(&sight) else { return (parsed, Vec::new()) };
    let base = base.as_ref().unwrap_or(page.url);
    let body = material::Body { kind: nature.kind, text, base, normalize: page.normalize, is_traced };
    let traces = extract::read(rule, &body, &mut parsed);
    (parsed, traces)
}

/// The languages of a `Content-Language` header.
fn languages(header: &str) -> Vec<String> {
    header.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(content_type: Option<&str>, body: &[u8]) -> Parsed {
        let url = Url::parse("http://example.org/a/").expect("url");
        parse(
            &Page {
                url: &url,
                content_type,
                content_language: Some("de, en-GB,"),
                robots_tag: Some("none"),
                normalize: &Normalize::default(),
                asked: None,
            },
            body,
        )
    }

    #[test]
    fn a_page() {
        let page = parsed(
            Some("text/html; charset=iso-8859-2"),
            b"<!doctype html><html lang=pl><title>Za\xBF\xF3\xB3\xE6</title><a href=b>",
        );
        assert_eq!(page.title.as_deref(), Some("Zażółć"));
        assert_eq!(page.links.iter().next().expect("a link").url, "http://example.org/a/b");
        assert_eq!((page.languages.as_slice(), page.nofollow), ([String::from("pl")].as_slice(), true));
        assert_eq!((page.mime_detected, page.warnings.len()), (Some("text/html"), 0));
    }

    #[test]
    fn headers_speak_where_the_page_does_not() {
        let page = parsed(Some("text/html"), b"<p>");
        assert_eq!(page.languages, ["de", "en-GB"]);
    }

    #[test]
    fn other_bodies() {
        assert_eq!(parsed(None, b"{\"title\": \"T\"}").title.as_deref(), Some("T"));
        assert_eq!(parsed(Some("text/markdown"), b"# T").title.as_deref(), Some("T"));
        assert_eq!(parsed(Some("text/csv"), b"# T").title, None);
        let pdf = parsed(Some("text/html"), b"%PDF-1.7\n%\xE2\xE3");
        assert_eq!((pdf.charset, pdf.mime_detected), (None, Some("application/pdf")));
        assert_eq!(pdf.warnings, ["declared as `text/html`, but the bytes are `application/pdf`"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_nul(body: Vec<u8>, start in 0..8usize, declared in 0..6usize) {
            let starts: [&[u8]; 8] = [b"", b"<title>", b"<a href=", b"{\"title\":\"", b"<?xml?><title>", b"\xFF\xFE", b"<meta charset=", b"<title>&#0;"];
            let types = [None, Some("text/html"), Some("application/json"), Some("text/xml"), Some("text/markdown"), Some("text/html; charset=gbk")];
            let page = parsed(types[declared], &[starts[start], &body].concat());
            prop_assert!(!page.title.unwrap_or_default().contains('\0'));
            prop_assert!(page.links.iter().all(|link| !link.url.contains('\0')));
        }
    }
}

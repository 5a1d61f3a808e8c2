//! Links and metadata of an HTML text in one pass over its start tags. Builds no tree and fetches nothing.
//!
//! What counts is what `a[href], area[href]` finds in an html5ever tree with scripting off: links inside
//! `<noscript>` and `<template>` are links, those inside comments, scripts and text elements are not. See
//! [`super::tags`] for the classes of difference.

use std::borrow::Cow;

use url::Url;

use super::Page;
use super::tags::{Name, Tag, Tags};
use super::words;
use crate::model::{Link, Parsed, UrlError, canonical};

/// What stands in a page besides its text. Addresses are as written until the base is known, because a
/// `<base>` also holds for the links in front of it.
#[derive(Default)]
struct Found<'a> {
    base: Option<&'a str>,
    canonical: Option<&'a str>,
    description: Option<&'a str>,
    language: Option<&'a str>,
    nofollow: bool,
    links: Vec<Tag<'a>>,
}

/// Puts links and metadata of `text` into `parsed`.
pub fn read(page: &Page<'_>, text: &str, parsed: &mut Parsed) {
    let found = find(text);
    let base = base(page.url, found.base);
    parsed.description =
        found.description.and_then(|raw| words::tidy(&attribute(raw), parsed, "description"));
    parsed.canonical =
        found.canonical.and_then(|raw| canonical(&attribute(raw), Some(&base)).ok()).map(String::from);
    parsed.nofollow |= found.nofollow;
    if let Some(language) = found.language.map(attribute).filter(|raw| !raw.trim_ascii().is_empty()) {
        parsed.languages = vec![language.trim_ascii().to_owned()];
    }
    join(&base, &found.links, parsed);
}

fn find(text: &str) -> Found<'_> {
    let mut found = Found::default();
    for tag in Tags::new(text) {
        match tag.name {
            Name::A | Name::Area => found.links.push(tag),
            Name::Base => found.base = found.base.or_else(|| tag.raw("href")),
            Name::Html => found.language = found.language.or_else(|| tag.raw("lang")),
            Name::Link if found.canonical.is_none() => {
                let rel = tag.raw("rel").map(attribute).unwrap_or_default();
                if rel.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("canonical")) {
                    found.canonical = tag.raw("href");
                }
            }
            Name::Link => {}
            Name::Meta => meta(tag, &mut found),
        }
    }
    found
}

fn meta<'a>(tag: Tag<'a>, found: &mut Found<'a>) {
    let Some(name) = tag.raw("name").map(attribute) else { return };
    let name = name.trim_ascii();
    if name.eq_ignore_ascii_case("description") {
        found.description = found.description.or_else(|| tag.raw("content"));
    } else if name.eq_ignore_ascii_case("robots") {
        let content = tag.raw("content").map(attribute).unwrap_or_default();
        found.nofollow |= content.split([',', ' ', '\t', '\n', '\r', '\x0C']).any(forbids_following);
    }
}

/// Whether an `X-Robots-Tag` header asks every crawler not to follow links. What is said to one crawler
/// by name (`otherbot: nofollow`) is not said to us.
pub fn header_forbids_following(header: &str) -> bool {
    const WITH_VALUE: [&str; 4] =
        ["unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"];
    let mut for_us = true;
    header.split(',').any(|part| {
        let mut directive = part.trim();
        if let Some((name, rest)) = directive.split_once(':') {
            if !WITH_VALUE.iter().any(|known| name.trim().eq_ignore_ascii_case(known)) {
                for_us = false;
                directive = rest.trim();
            }
        }
        for_us && forbids_following(directive)
    })
}

fn forbids_following(word: &str) -> bool {
    word.eq_ignore_ascii_case("nofollow") || word.eq_ignore_ascii_case("none")
}

/// The address that links resolve against: the first `<base href>`, if it is an address that can be one.
fn base(page: &Url, href: Option<&str>) -> Url {
    href.and_then(|raw| page.join(&attribute(raw)).ok())
        .filter(|base| !base.cannot_be_a_base() && base.scheme() != "javascript")
        .unwrap_or_else(|| page.clone())
}

fn join(base: &Url, tags: &[Tag<'_>], parsed: &mut Parsed) {
    // Most links of long pages lead into the page itself; they all have the address of the base.
    let itself = canonical(base.as_str(), None).ok().map(String::from);
    let mut invalid = 0usize;
    parsed.links.reserve(tags.len());
    for tag in tags {
        let Some(raw) = tag.raw("href") else { continue };
        let url = match &itself {
            Some(itself) if raw.starts_with('#') => itself.clone(),
            _ => match canonical(&attribute(raw), Some(base)) {
                Ok(url) => url.into(),
                Err(UrlError::Scheme(_)) => continue,
                Err(_) => {
                    invalid += 1;
                    continue;
                }
            },
        };
        parsed.links.push(Link { url, rel: tag.raw("rel").map(rel) });
    }
    if invalid > 0 {
        parsed.warnings.push(format!("{invalid} links are no addresses that could be fetched"));
    }
}

fn rel(raw: &str) -> String {
    let mut rel = words::collapsed(&attribute(raw));
    rel.make_ascii_lowercase();
    rel
}

/// An attribute value with its character references decoded. NUL becomes U+FFFD, as in a tree.
fn attribute(raw: &str) -> Cow<'_, str> {
    let value = if raw.contains('&') { htmlize::unescape_attribute(raw) } else { Cow::Borrowed(raw) };
    if value.contains('\0') { Cow::Owned(value.replace('\0', "\u{FFFD}")) } else { value }
}

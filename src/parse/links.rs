//! Links and metadata of an HTML text in one pass over its start tags. Builds no tree and fetches nothing.
//!
//! What counts is what `a[href], area[href]` finds in an html5ever tree with scripting off: links inside
//! `<noscript>` and `<template>` are links, those inside comments, scripts and text elements are not. See
//! [`super::tags`] for the classes of difference.

use std::borrow::Cow;

use memchr::memchr2;
use url::Url;

use super::Page;
use super::tags::{Name, Tag, Tags};
use super::words;
use crate::model::{MAX_URL_BYTES, Parsed, Resolver, UrlError};
use crate::units::Size;

/// Bytes of addresses that are read in one page. A link of three bytes may have an address of thousands, if that of
/// the page is as long: without a bound a page of some MiB would take gigabytes.
const MAX_LINK_BYTES: usize = 32 << 20;
/// Links that are taken of one page: each costs some hundred bytes on its way to the record, however short it is written.
const MAX_LINKS: usize = 200_000;

/// Room for the addresses of a page that is made before the first is known.
const MOST_ROOM: usize = 256 << 10;
/// Links that a page has room for before its first is found.
const FEW_LINKS: usize = 32;

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
    /// Links beyond [`MAX_LINKS`].
    too_many: usize,
}

/// Puts links and metadata of `text` into `parsed`. Returns what addresses of the page resolve against.
pub fn read(page: &Page<'_>, text: &str, parsed: &mut Parsed) -> Url {
    let found = find(text);
    let base = base(page.url, found.base, parsed);
    let resolver = Resolver::new(page.normalize, &base);
    parsed.description =
        found.description.and_then(|raw| words::tidy(&attribute(raw), parsed, "description"));
    parsed.canonical = found.canonical.and_then(|raw| resolver.resolve(&attribute(raw)).ok());
    parsed.nofollow |= found.nofollow;
    if let Some(language) = found.language.map(attribute).filter(|raw| !raw.trim_ascii().is_empty()) {
        parsed.languages = vec![language.trim_ascii().to_owned()];
    }
    join(&resolver, base.as_str().len(), &found.links, parsed);
    if found.too_many > 0 {
        parsed
            .warnings
            .push(format!("{} links are left out: there are more than {MAX_LINKS}", found.too_many));
    }
    base
}

fn find(text: &str) -> Found<'_> {
    let mut found = Found { links: Vec::with_capacity(FEW_LINKS), ..Found::default() };
    for tag in Tags::new(text) {
        match tag.name {
            Name::A | Name::Area if found.links.len() < MAX_LINKS => found.links.push(tag),
            Name::A | Name::Area => found.too_many += usize::from(tag.href().is_some()),
            Name::Base => found.base = found.base.or_else(|| tag.href()),
            Name::Html => found.language = found.language.or_else(|| tag.raw("lang")),
            Name::Link if found.canonical.is_none() => {
                let rel = tag.rel().map(attribute).unwrap_or_default();
                if rel.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("canonical")) {
                    found.canonical = tag.href();
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
        let named = directive.split_once(':');
        if let Some((_, rest)) =
            named.filter(|(name, _)| !WITH_VALUE.contains(&&*name.trim().to_ascii_lowercase()))
        {
            for_us = false;
            directive = rest.trim();
        }
        for_us && forbids_following(directive)
    })
}

fn forbids_following(word: &str) -> bool {
    word.eq_ignore_ascii_case("nofollow") || word.eq_ignore_ascii_case("none")
}

/// The address that links resolve against: the first `<base href>`, if it is an address that can be one. One that is longer
/// than a URL may be is none: each link would cost as much as it is long.
fn base(page: &Url, href: Option<&str>, parsed: &mut Parsed) -> Url {
    let base = href
        .and_then(|raw| page.join(&attribute(raw)).ok())
        .filter(|base| !base.cannot_be_a_base() && base.scheme() != "javascript");
    match base {
        Some(base) if base.as_str().len() <= MAX_URL_BYTES => base,
        Some(base) => {
            let words = format!("`<base>` is passed over: it is {} bytes long", base.as_str().len());
            parsed.warnings.push(words);
            page.clone()
        }
        None => page.clone(),
    }
}

fn join(resolver: &Resolver<'_>, base_bytes: usize, tags: &[Tag<'_>], parsed: &mut Parsed) {
    let (mut invalid, mut bytes, mut left_out) = (0usize, 0usize, 0usize);
    let room: usize = tags.iter().map(|tag| tag.href().map_or(0, |href| href.len() + base_bytes)).sum();
    parsed.links.reserve(tags.len(), room.min(MOST_ROOM));
    for tag in tags {
        let Some(raw) = tag.href() else { continue };
        if bytes > MAX_LINK_BYTES {
            left_out += 1;
            continue;
        }
        let rel = tag.rel().map(rel);
        match parsed.links.push_with(rel.as_deref(), |text| resolver.append(&attribute(raw), text)) {
            Ok(length) => bytes += length,
            Err(error) => {
                // It was as much work as an address.
                bytes += base_bytes;
                invalid += usize::from(!matches!(error, UrlError::Scheme(_)));
            }
        }
    }
    parsed.links.shrink();
    if left_out > 0 {
        let most = Size(MAX_LINK_BYTES as u64);
        parsed
            .warnings
            .push(format!("{left_out} links are left out: those before have more than {most} of addresses"));
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
    if memchr2(b'&', b'\0', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    let value = htmlize::unescape_attribute(raw);
    if value.contains('\0') { Cow::Owned(value.replace('\0', "\u{FFFD}")) } else { value }
}

#[cfg(test)]
mod tests {
    use html5ever::driver::{ParseOpts, parse_document};
    use html5ever::tendril::TendrilSink;
    use html5ever::tree_builder::TreeBuilderOpts;
    use proptest::prelude::*;
    use scraper::{Html, HtmlTreeSink, Selector};

    use super::*;
    use crate::model::Normalize;

    fn parsed(text: &str) -> Parsed {
        let url = Url::parse("http://h/d/p?q#f").expect("url");
        let page = Page {
            url: &url,
            content_type: None,
            content_language: None,
            robots_tag: None,
            normalize: &Normalize::default(),
            asked: None,
        };
        let mut parsed = Parsed::default();
        read(&page, text, &mut parsed);
        parsed
    }

    fn links(text: &str) -> Vec<String> {
        parsed(text).links.iter().map(|link| link.url.to_owned()).collect()
    }

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(links(text), expected, "{text}");
    }

    #[test]
    fn links_become_absolute() {
        check("<a href=x><AREA HREF='/y'>", &["http://h/d/x", "http://h/y"]);
        check("<a href=''><a href='#s'><a href>", &["http://h/d/p?q"; 3]);
        check("<a href=' \n//o/a\tb '>", &["http://o/ab"]);
        check("<a href='?a=1&amp;b=2&copy=3&#x26;'>", &["http://h/d/p?a=1&b=2&copy=3&"]);
        check("<a href=a href=b>", &["http://h/d/a"]);
        check("<a href=x/><a/href=y>", &["http://h/d/x/", "http://h/d/y"]);
        check("<a href='a\0b'>", &["http://h/d/a%EF%BF%BDb"]);
        check("<a name=x><a href='mailto:a@b'><a href='javascript:x()'>", &[]);
    }

    #[test]
    fn the_first_base_holds_for_all() {
        check("<a href=x><base target=t><base href=/b/><base href=/c/>", &["http://h/b/x"]);
        check("<base href='http://['><a href=x>", &["http://h/d/x"]);
        check("<base href='data:,'><a href=x>", &["http://h/d/x"]);
        check("<svg><base href=/b/></svg><a href=x>", &["http://h/d/x"]);
    }

    #[test]
    fn what_is_a_link_and_what_is_text() {
        check(
            "<noscript><a href=1></noscript><template><a href=2></template>",
            &["http://h/d/1", "http://h/d/2"],
        );
        check("<!-- <a href=1> --!><a href=2>", &["http://h/d/2"]);
        check("<!--><a href=1>--><!---><a href=2>", &["http://h/d/1", "http://h/d/2"]);
        check("<title><a href=1></title><textarea><a href=2></textarea><a href=3>", &["http://h/d/3"]);
        check("<script>'<a href=1>'</script x><a href=2>", &["http://h/d/2"]);
        check("<script><!-- <script></script><a href=1></script><a href=2>", &["http://h/d/2"]);
        check("<script><!--></script><a href=1>", &["http://h/d/1"]);
        check(
            "<svg><title><a href=1></title><style><a href=2></style></svg>",
            &["http://h/d/1", "http://h/d/2"],
        );
        check("<svg><![CDATA[<a href=1>]]><a href=2>", &["http://h/d/2"]);
        check("<![CDATA[><a href=1>]]>", &["http://h/d/1"]);
        check("<svg><p><style><a href=1></style>", &[]);
        check("<svg/><style><a href=1></style>", &[]);
        check("<math><mi><style><a href=1></style></mi><style><a href=2>", &["http://h/d/2"]);
        check("<plaintext><a href=1>", &[]);
        check("<p title='<a href=1>'></p x='<a href=2>'><a href=3", &[]);
    }

    #[test]
    fn elements_of_text_by_either_case() {
        for name in ["title", "textarea", "style", "xmp", "iframe", "noembed", "noframes", "script"] {
            let upper = name.to_ascii_uppercase();
            let text = format!("<{name}><a href=1></{name}><{upper} x><a href=2></{name}><a href=3>");
            check(&text, &["http://h/d/3"]);
        }
        check("<PLAINTEXT><a href=1>", &[]);
        check("<SVG><![CDATA[<a href=1>]]></SVG><MATH><![CDATA[<a href=2>]]></MATH>", &[]);
        check("<META name=robots content=nofollow><BASE href=/b/><AREA href=1>", &["http://h/b/1"]);
    }

    #[test]
    fn rel_and_metadata() {
        let page = parsed(
            "<html lang=' de-AT '><meta name=Description content=' a\n b &amp; c '><meta name=description content=2>
             <link rel='Alternate  CANONICAL' href='../c#x'><link rel=canonical href=/2><meta name=ROBOTS content='noindex,NoFollow'>
             <a href=1 rel=' NoFollow\n ugc '><a href=2 rel>",
        );
        assert_eq!(page.description.as_deref(), Some("a b & c"));
        assert_eq!(page.canonical.as_deref(), Some("http://h/c"));
        assert_eq!(page.languages, ["de-AT"]);
        assert!(page.nofollow);
        let rels: Vec<_> = page.links.iter().map(|link| link.rel).collect();
        assert_eq!(rels, [Some("nofollow ugc"), Some("")]);
    }

    #[test]
    fn short_links_with_long_addresses_are_bounded() {
        let text = format!("<base href='/{}'>{}", "x".repeat(16_000), "<a href=?1>".repeat(3_000));
        let page = parsed(&text);
        let bytes: usize = page.links.iter().map(|link| link.url.len()).sum();
        assert!((MAX_LINK_BYTES..MAX_LINK_BYTES + 20_000).contains(&bytes), "{bytes} bytes");
        let left_out = format!("{} links are left out", 3_000 - page.links.len());
        assert!(page.warnings[0].starts_with(&left_out), "{:?}", page.warnings);
    }

    #[test]
    fn a_base_longer_than_a_url_may_be_is_none() {
        let text = format!("<base href='//o/{}/'>{}", "x".repeat(1 << 20), "<a href=1>".repeat(100_000));
        let page = parsed(&text);
        assert_eq!(
            (page.links.len(), page.links.iter().next().expect("a link").url),
            (100_000, "http://h/d/1")
        );
        assert_eq!(page.warnings, ["`<base>` is passed over: it is 1048586 bytes long"]);
    }

    #[test]
    fn links_that_are_no_addresses_cost_as_much() {
        let text = format!("<base href='ftp://o/{}/'>{}", "x".repeat(16_000), "<a href=1>".repeat(100_000));
        let page = parsed(&text);
        assert!(page.links.is_empty());
        let left_out = format!("{} links are left out", 100_000 - MAX_LINK_BYTES / 16_009 - 1);
        assert!(page.warnings[0].starts_with(&left_out), "{:?}", page.warnings);
    }

    #[test]
    fn as_many_links_as_one_page_may_have_are_taken() {
        let page = parsed(&"<a href=1>".repeat(MAX_LINKS + 5));
        assert_eq!(page.links.len(), MAX_LINKS);
        assert_eq!(page.warnings, ["5 links are left out: there are more than 200000"]);
    }

    #[test]
    fn links_that_nobody_can_follow_are_counted() {
        let page = parsed("<a href='http://['><a href='http://u:p@h/'><a href='tel:1'>");
        assert_eq!(page.warnings, ["2 links are no addresses that could be fetched"]);
    }

    #[test]
    fn robots_headers_that_concern_us() {
        let check = |header, expected| assert_eq!(header_forbids_following(header), expected, "{header}");
        check("noindex, NOFOLLOW", true);
        check("none", true);
        check("unavailable_after: 25 Jun 2010 15:00:00 PST, nofollow", true);
        check("otherbot: nofollow", false);
        check("otherbot: noindex, nofollow", false);
        check("noindex", false);
    }

    /// What a tree built with scripting off has, without the copies that overlapping elements leave in it.
    fn tree(text: &str) -> Vec<String> {
        let tree_builder = TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
        let options = ParseOpts { tree_builder, ..ParseOpts::default() };
        let html = parse_document(HtmlTreeSink::new(Html::new_document()), options).one(text);
        let selector = Selector::parse("a[href], area[href]").expect("selector");
        let mut links: Vec<_> =
            html.select(&selector).filter_map(|a| a.attr("href").map(str::to_owned)).collect();
        links.dedup();
        links
    }

    const SOUP: &str = "<a href=@>|<a href='@'>|<A x=1 HREF=\"@\" y>|</a>|<area href=@/>|<a href=@|<p>|</p>|<div>|\
        </div>|<b>|</b>|<title>|</title>|<script>|</script>|<!--|-->|--!>|-|<script|</script|<style>|</style>|\
        <textarea>|</textarea>|<noscript>|</noscript>|<iframe>|</iframe>|<template>|</template>|<table>|<td>|\
        </table>|<select>|</select>|<head>|<body>|<![CDATA[|]]>|<!x>|<?pi|</>|</ x>|<|>|/>|=|\"|'|&lt;| |\n|x|é";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn tag_soup_has_the_links_of_a_tree(parts in prop::collection::vec(0..56usize, 0..16)) {
            let pieces: Vec<&str> = SOUP.split('|').collect();
            let mut text = String::new();
            for (number, part) in parts.iter().enumerate() {
                text.push_str(&pieces.get(*part).copied().unwrap_or_default().replace('@', &format!("/{number}")));
            }
            let mut expected = Vec::new();
            for href in tree(&text) {
                let url = crate::model::canonical(&href, Url::parse("http://h/d/p").ok().as_ref()).map(String::from);
                if let Some(url) = url.ok().filter(|url| !expected.contains(url)) {
                    expected.push(url);
                }
            }
            prop_assert_eq!(links(&text), expected, "{}", text);
        }
    }
}

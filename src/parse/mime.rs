//! What a body is: the type its server declared, the type its bytes show, and how it is read. The declared
//! type counts, unless there is none, it says nothing, or the bytes are plainly something else.

use std::borrow::Cow;

use super::document::utf16;
use super::markup::is_space;

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// HTML, also as XHTML.
    Html,
    /// XML, feeds, SVG.
    Xml,
    /// One JSON value.
    Json,
    /// Markdown.
    Markdown,
    /// Any other text.
    Text,
    /// Not text.
    Binary,
}

/// What was found out about a body.
#[derive(Clone, Copy, Debug)]
pub struct Nature {
    /// How it is read.
    pub kind: Kind,
    /// What the bytes show.
    pub detected: Option<&'static str>,
    /// Whether that contradicts what was declared.
    pub contradicted: bool,
}

/// How much of a body is looked at.
const HEAD_BYTES: usize = 1445;

/// MIME type of a `Content-Type` header: lower case, no parameters. `None` if it is none.
pub fn declared_mime(content_type: &str) -> Option<String> {
    let essence = content_type.split([';', ',']).next()?.trim_ascii();
    let (kind, subtype) = essence.split_once('/')?;
    let is_token = |s: &str| {
        !s.is_empty() && s.bytes().all(|b| b.is_ascii_graphic() && !b"()<>@:\\\"/[]?={}".contains(&b))
    };
    (is_token(kind) && is_token(subtype)).then(|| essence.to_ascii_lowercase())
}

/// What a body is, by its declared type, the path of its URL and its bytes.
pub fn nature(declared: Option<&str>, path: &str, body: &[u8]) -> Nature {
    let magic = magic(body);
    let declared = declared.and_then(by_name);
    if let Some(mime) = magic {
        let contradicted = declared.is_some_and(|kind| kind != Kind::Binary);
        return Nature { kind: Kind::Binary, detected: Some(mime), contradicted };
    }
    let (shown, detected) = by_bytes(body);
    let kind = match declared {
        // A page is often served as plain text; a page about HTML rarely begins with a doctype.
        Some(Kind::Text) if shown == Kind::Html && is_whole_page(body) => Kind::Html,
        // XHTML as XML is read as HTML: links and titles stand in the same places.
        Some(Kind::Xml) if shown == Kind::Html => Kind::Html,
        Some(Kind::Text) | None if shown == Kind::Text && is_markdown(path) => Kind::Markdown,
        Some(kind) => kind,
        None => shown,
    };
    Nature { kind, detected, contradicted: false }
}

/// How a declared type is read; `None` if it says nothing.
fn by_name(mime: &str) -> Option<Kind> {
    Some(match mime {
        "text/html" | "application/xhtml+xml" => Kind::Html,
        "text/xml" | "application/xml" => Kind::Xml,
        "application/json" | "text/json" => Kind::Json,
        "text/markdown" | "text/x-markdown" => Kind::Markdown,
        "application/pdf" | "application/zip" | "application/gzip" => Kind::Binary,
        _ if mime.ends_with("+xml") => Kind::Xml,
        _ if mime.ends_with("+json") => Kind::Json,
        _ => match mime.split_once('/')?.0 {
            "text" => Kind::Text,
            "image" | "audio" | "video" | "font" => Kind::Binary,
            _ => return None,
        },
    })
}

/// The type of a format that is not text, by its first bytes. Marks of two letters (`BM`, `MZ`) also begin
/// words, so they count only where bytes follow that no text has.
fn magic(body: &[u8]) -> Option<&'static str> {
    let found = infer::get(body)?;
    let is_text = matches!(found.matcher_type(), infer::MatcherType::Text);
    let certain = body.starts_with(b"%PDF-") || body.starts_with(b"%!PS-Adobe-");
    (!is_text && (certain || (utf16(body).is_none() && has_binary(body)))).then(|| found.mime_type())
}

/// Whether bytes occur that no text has, by the table of the WHATWG MIME sniffing standard.
fn has_binary(body: &[u8]) -> bool {
    body.iter().take(HEAD_BYTES).any(|b| matches!(b, 0..=8 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F))
}

fn by_bytes(body: &[u8]) -> (Kind, Option<&'static str>) {
    let (head, wide) = narrow_head(body);
    let start = skip_blank(&head);
    if start.is_empty() {
        return (Kind::Text, None);
    }
    if starts(start, b"<?xml") || starts(start, b"<rss") || starts(start, b"<feed") || starts(start, b"<svg")
    {
        return xml(start);
    }
    if looks_like_html(start) {
        return (Kind::Html, Some("text/html"));
    }
    if !wide && has_binary(body) {
        return (Kind::Binary, None);
    }
    if matches!(start[0], b'{' | b'[') && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() {
        return (Kind::Json, Some("application/json"));
    }
    (Kind::Text, Some("text/plain"))
}

/// The first bytes without a byte order mark, UTF-16 brought down to one byte a letter; and whether it was.
fn narrow_head(body: &[u8]) -> (Cow<'_, [u8]>, bool) {
    let head = &body[..body.len().min(HEAD_BYTES)];
    let big = match head {
        [0xEF, 0xBB, 0xBF, rest @ ..] => return (rest.into(), false),
        [0xFE, 0xFF, ..] => true,
        [0xFF, 0xFE, ..] => false,
        _ => match utf16(body) {
            Some(encoding) => encoding == encoding_rs::UTF_16BE,
            None => return (head.into(), false),
        },
    };
    let (high, low) = if big { (0, 1) } else { (1, 0) };
    let narrow = head.chunks_exact(2).map(|unit| if unit[high] == 0 { unit[low] } else { b'?' });
    let marked = head.starts_with(&[0xFE, 0xFF]) || head.starts_with(&[0xFF, 0xFE]);
    (narrow.skip(usize::from(marked)).collect(), true)
}

/// What kind of XML, by the name of the root element.
fn xml(head: &[u8]) -> (Kind, Option<&'static str>) {
    let mut rest = head;
    while starts(rest, b"<?") || starts(rest, b"<!") {
        let Some(end) = memchr::memchr(b'>', rest) else { return (Kind::Xml, Some("text/xml")) };
        rest = skip_blank(&rest[end + 1..]);
    }
    if starts_tag(rest, b"<html") {
        return (Kind::Html, Some("application/xhtml+xml"));
    }
    let known: [(&[u8], &str); 4] = [
        (b"<rss", "application/rss+xml"),
        (b"<rdf:rdf", "application/rss+xml"),
        (b"<feed", "application/atom+xml"),
        (b"<svg", "image/svg+xml"),
    ];
    let mime = known.iter().find(|(name, _)| starts_tag(rest, name)).map_or("text/xml", |(_, mime)| mime);
    (Kind::Xml, Some(mime))
}

#[rustfmt::skip]
fn looks_like_html(start: &[u8]) -> bool {
    const TAGS: [&[u8]; 25] = [
        b"<html", b"<head", b"<body", b"<title", b"<meta", b"<link", b"<script", b"<style", b"<iframe",
        b"<h1", b"<h2", b"<div", b"<font", b"<table", b"<a", b"<b", b"<br", b"<p", b"<ul", b"<span",
        b"<main", b"<article", b"<section", b"<header", b"<frameset",
    ];
    starts(start, b"<!doctype html") || starts(start, b"<!--") || TAGS.iter().any(|tag| starts_tag(start, tag))
}

fn is_whole_page(body: &[u8]) -> bool {
    let (head, _) = narrow_head(body);
    let start = skip_blank(&head);
    starts(start, b"<!doctype html") || starts_tag(start, b"<html")
}

fn is_markdown(path: &str) -> bool {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    extension.eq_ignore_ascii_case("md") || extension.eq_ignore_ascii_case("markdown")
}

fn starts(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn starts_tag(bytes: &[u8], tag: &[u8]) -> bool {
    starts(bytes, tag) && bytes.get(tag.len()).is_none_or(|b| is_space(*b) || matches!(b, b'>' | b'/'))
}

fn skip_blank(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|b| !is_space(*b)).unwrap_or(bytes.len());
    &bytes[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declared_type() {
        let check = |header, expected: Option<&str>| {
            assert_eq!(declared_mime(header).as_deref(), expected, "{header}");
        };
        check("Text/HTML; charset=utf-8", Some("text/html"));
        check(" application/ld+json ", Some("application/ld+json"));
        check("text/html, text/html", Some("text/html"));
        check("html", None);
        check("text/", None);
        check("te xt/html", None);
        check("", None);
    }

    fn check(declared: Option<&str>, path: &str, body: &[u8], kind: Kind, detected: Option<&str>) {
        let nature = nature(declared, path, body);
        assert_eq!((nature.kind, nature.detected), (kind, detected), "{declared:?} {}", body.escape_ascii());
    }

    const PNG: &[u8] = b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR";

    #[test]
    fn the_declared_type_counts() {
        check(Some("text/html"), "/", b"plain", Kind::Html, Some("text/plain"));
        check(Some("application/json"), "/", b"<p>", Kind::Json, Some("text/html"));
        check(Some("image/svg+xml"), "/", b"<svg>", Kind::Xml, Some("image/svg+xml"));
        check(Some("text/plain"), "/", b"<p>", Kind::Text, Some("text/html"));
        check(Some("text/html"), "/", b"BMW is a word", Kind::Html, Some("text/plain"));
        check(Some("image/png"), "/", b"text", Kind::Binary, Some("text/plain"));
    }

    #[test]
    fn the_bytes_count_where_nothing_is_said() {
        for declared in [None, Some("application/octet-stream"), Some("application/x-unknown")] {
            check(declared, "/", b" \n<!DOCTYPE html>", Kind::Html, Some("text/html"));
            check(
                declared,
                "/",
                b"<?xml version='1.0'?><!-- c --><rss>",
                Kind::Xml,
                Some("application/rss+xml"),
            );
            check(declared, "/", b"<?xml version='1.0'?><html>", Kind::Html, Some("application/xhtml+xml"));
            check(declared, "/", b" {\"a\": [1]}", Kind::Json, Some("application/json"));
            check(declared, "/", b"{no json", Kind::Text, Some("text/plain"));
            check(declared, "/", b"\0\x01\x02", Kind::Binary, None);
            check(declared, "/", PNG, Kind::Binary, Some("image/png"));
            check(declared, "/a.MD", b"# t", Kind::Markdown, Some("text/plain"));
            check(declared, "/", b"\xFF\xFE<\0h\0t\0m\0l\0>\0", Kind::Html, Some("text/html"));
            check(declared, "/", b"<\0h\0t\0m\0l\0>\0", Kind::Html, Some("text/html"));
            check(declared, "/", b"", Kind::Text, None);
        }
    }

    #[test]
    fn the_bytes_count_where_they_contradict() {
        assert!(nature(Some("text/html"), "/", PNG).contradicted);
        assert!(nature(Some("text/html"), "/", b"%PDF-1.7\n").contradicted);
        assert!(!nature(Some("image/jpeg"), "/", PNG).contradicted);
        check(Some("text/plain"), "/", b"<!doctype HTML>", Kind::Html, Some("text/html"));
        check(Some("text/xml"), "/", b"<?xml?><html xmlns='x'>", Kind::Html, Some("application/xhtml+xml"));
    }
}

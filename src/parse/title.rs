//! The title of an HTML text, exactly as a full `scraper` parse has it, for the price of its first lines.
//!
//! A parse is causal: what stands in the tree when a `</title>` was read stands there whatever follows,
//! but for two cases. A title outside `<head>` can lose its place to a later one, and a `<frameset>` can
//! throw the body away. So the tree is fed up to each `</title>` and asked; a title in the head is final,
//! any other only if neither `<title` nor `<frameset` follows. What can stand in front of a title without a say
//! in what it is, as it does in most pages, is not fed at all. What a hostile page may cost is bounded.

use memchr::memchr_iter;
use scraper::{Html, Node};

use super::markup::{Attributes, comment_end, is_space, is_tag, past};
use super::tree::{Bounds, Exhausted, Feed, Scripting};
use super::words;
use crate::model::Parsed;

/// What the search may cost.
const BOUNDS: Bounds = Bounds { steps: 20_000_000, nodes: 200_000 };

/// Puts the title of `text` into `parsed`.
pub fn read(text: &str, parsed: &mut Parsed) {
    let skipped = head_before_title(text);
    if skipped == 0 && !opens(text, 0, b"title") {
        return;
    }
    let title = search(&text[skipped..]).unwrap_or_else(|Stopped { title, read }| {
        parsed.warnings.push(format!(
            "the search for the title ended after {} of {} bytes: the page nests or repeats too much",
            skipped + read,
            text.len()
        ));
        title
    });
    parsed.title = title.and_then(|title| words::tidy(&title, parsed, "title"));
}

/// The budget is spent. What was found until then.
struct Stopped {
    title: Option<String>,
    read: usize,
}

impl Stopped {
    fn at(feed: &Feed<'_>) -> Self {
        Self { title: feed.html(first_title), read: feed.read() }
    }
}

/// Where the first title begins, if nothing stands before it but what leaves a tree in its head and cannot end in
/// the midst of it; else 0.
fn head_before_title(text: &str) -> usize {
    const EMPTY: [&[u8]; 5] = [b"html", b"head", b"meta", b"link", b"base"];
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += bytes[at..].iter().take_while(|byte| is_space(**byte)).count();
        let Some([b'<', next, ..]) = bytes.get(at..) else { return 0 };
        at = match next {
            b'!' if bytes[at..].starts_with(b"<!--") => comment_end(bytes, at + 4),
            // A doctype, wherever it stands, or what is taken for a comment.
            b'!' | b'?' => past(bytes, at, b'>'),
            _ if is_tag(bytes, at + 1, b"title") => return at,
            _ => {
                let Some(name) = EMPTY.iter().find(|name| is_tag(bytes, at + 1, name)) else { return 0 };
                let mut attributes = Attributes::new(bytes, at + 1 + name.len());
                while attributes.next().is_some() {}
                attributes.at
            }
        };
    }
}

fn search(text: &str) -> Result<Option<String>, Stopped> {
    let mut feed = Feed::new(text, BOUNDS, Scripting::On);
    let bytes = text.as_bytes();
    let mut seen = 0;
    for start in memchr_iter(b'<', bytes) {
        if bytes.get(start + 1) != Some(&b'/') || !is_tag(bytes, start + 2, b"title") {
            continue;
        }
        // The byte behind the name is ASCII, so this is a character boundary.
        let end = start + b"</title".len() + 1;
        // Only a title that stands before its end tag is ended by it: within `<title </title>` it is an attribute.
        feed.up_to(start).map_err(|Exhausted| Stopped::at(&feed))?;
        let newest = newest_title(&feed, &mut seen);
        feed.up_to(end).map_err(|Exhausted| Stopped::at(&feed))?;
        match newest {
            Some(true) => return Ok(feed.html(first_title)),
            Some(false) if !opens(text, end, b"title") && !opens(text, end, b"frameset") => {
                return Ok(feed.html(first_title));
            }
            _ => {}
        }
    }
    feed.up_to(text.len()).map_err(|Exhausted| Stopped::at(&feed))?;
    Ok(first_title(&feed.finish()))
}

/// Whether the newest title element behind the first `seen` nodes, if there is any, is a child of the head.
fn newest_title(feed: &Feed<'_>, seen: &mut usize) -> Option<bool> {
    let nodes = feed.nodes();
    let new = nodes - std::mem::replace(seen, nodes);
    feed.html(|html| {
        let mut newest = html.tree.nodes().rev().take(new);
        let title = newest.find(|node| is_html(node.value(), "title"))?;
        Some(title.parent().is_some_and(|parent| is_html(parent.value(), "head")))
    })
}

/// The text of the first HTML title element in tree order, templates left out: what `document.title` reads.
fn first_title(html: &Html) -> Option<String> {
    let mut next = Some(html.tree.root());
    while let Some(node) = next {
        if is_html(node.value(), "title") {
            let texts = node.children().filter_map(|child| child.value().as_text().map(|text| &**text));
            return Some(texts.collect());
        }
        // What hangs below a template is another document.
        let below = if matches!(node.value(), Node::Fragment) { None } else { node.first_child() };
        next = below
            .or_else(|| std::iter::once(node).chain(node.ancestors()).find_map(|node| node.next_sibling()));
    }
    None
}

fn is_html(node: &Node, name: &str) -> bool {
    node.as_element()
        .is_some_and(|element| element.name() == name && &*element.name.ns == "http://www.w3.org/1999/xhtml")
}

/// Whether a start tag of this name may follow.
fn opens(text: &str, from: usize, name: &[u8]) -> bool {
    let bytes = text.as_bytes();
    memchr_iter(b'<', &bytes[from..]).any(|at| is_tag(bytes, from + at + 1, name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use scraper::Html;

    use super::*;

    fn title(text: &str) -> Parsed {
        let mut parsed = Parsed::default();
        read(text, &mut parsed);
        parsed
    }

    /// The title of a parse of the whole document.
    fn full(text: &str) -> Option<String> {
        let found = first_title(&Html::parse_document(text))?;
        words::tidy(&found, &mut Parsed::default(), "title")
    }

    /// The expected title, which the whole document must have, too.
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(full(text).as_deref(), expected, "full parse of {text}");
        assert_eq!(title(text).title.as_deref(), expected, "{text}");
    }

    #[test]
    fn the_title_is_that_of_a_full_parse() {
        check("<title>A</title>", Some("A"));
        check("<TITLE a='</title>'>\n A\t\r\n B </TiTlE x='>'><p>", Some("A B"));
        check(
            "<title>Fish &amp; chips &ltx &eacute&#233; &unknown;</title>",
            Some("Fish & chips <x éé &unknown;"),
        );
        check("<title></title><title>B</title>", None);
        check("<title> \n </title>", None);
        check("<title>A<b>c</b><!-- d --></title>", Some("A<b>c</b><!-- d -->"));
        check("<title>A</titlex></title >", Some("A</titlex>"));
        check("<title\r</title><title", Some("<title"));
        check("<title </title>A</title>B", Some("A"));
        check("<title>never closed <p>", Some("never closed <p>"));
        check("<title>cut</titl", Some("cut</titl"));
        check("<title", None);
        check("<title </title>A</title>", Some("A"));
        check("<title\r</title><title", Some("<title"));
        check("<title>a\0b</title>", Some("a\u{FFFD}b"));
        check("no tags at all", None);
    }

    #[test]
    fn what_only_looks_like_the_title() {
        check("<!-- <title>no</title> --><title>A</title>", Some("A"));
        check("<script>'<title>no</title>'</script><title>A</title>", Some("A"));
        check("<style><title>no</title></style><title>A</title>", Some("A"));
        check("<body><textarea><title>no</title></textarea><title>A</title>", Some("A"));
        check("<noscript><title>no</title></noscript><title>A</title>", Some("A"));
        check("<svg><title>no</title></svg><title>A</title>", Some("A"));
        check("<body><svg><title>no</title></svg>", None);
        check("<svg><foreignObject><title>A</title></foreignObject></svg>", Some("A"));
        check("<template><title>no</title></template><title>A</title>", Some("A"));
        check("<body><template><title>no</title></template>", None);
        check("<p title='<title>no</title>'><title>A</title>", Some("A"));
        check("<plaintext><title>no</title>", None);
        check("<select><title>A</title></select>", Some("A"));
    }

    #[test]
    fn what_stands_before_a_title_in_the_head() {
        let passed = |text: &str| head_before_title(&format!("{text}<title>A</title>"));
        for head in [
            "",
            " <!DOCTYPE html PUBLIC \"a>\n<html lang=en>\n<head>\n<meta name='a' content=\"<title>no</title>\">",
            "<?xml version='1.0'?><!-- <title>no</title> --><HEAD><link rel=x /><head><html a=b><base href=//x>",
            "<!-->\r\n<!doctype><!><meta\tx='\0'>",
        ] {
            check(&format!("{head}<title>A</title>"), Some("A"));
            assert_eq!(passed(head), head.len(), "{head}");
        }
        for head in
            ["x", "<body>", "</head>", "<script></script>", "<metas>", "\u{FEFF}", "<", "<!--", "<meta a='>"]
        {
            assert_eq!(passed(head), 0, "{head}");
        }
    }

    #[test]
    fn a_title_outside_the_head() {
        check("<body><p>x<title>A</title><title>B</title>", Some("A"));
        check("</head><p></p></body></html><title>A</title>", Some("A"));
        // The second one is moved in front of the table, and so in front of the first.
        check("<table><tr><td><title>A</title></td></tr><title>B</title></table>", Some("B"));
        check("<p><title>A</title><frameset></frameset>", None);
        check("<frameset><title>no</title></frameset><title>no</title>", None);
    }

    #[test]
    fn a_title_is_cut_not_refused() {
        let parsed = title(&format!("<title>{}</title>", "é".repeat(50_000)));
        assert_eq!(parsed.title.map(|title| title.len()), Some(64 * 1024));
        assert_eq!(parsed.warnings, ["the title is 100000 bytes long and was cut"]);
    }

    /// On a thread with the stack of a parser thread: what would recurse would overflow it.
    fn hostile(text: String) -> Parsed {
        let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(move || title(&text));
        thread.expect("thread").join().expect("no overflow")
    }

    #[test]
    fn hostile_pages_end_with_a_warning_and_cost_little() {
        let attributes =
            |value: &str| (0..200_000).fold(String::new(), |all, i| all + &format!("a{i}{value} "));
        for (text, name) in [
            ("<div>".repeat(100_000), "nested"),
            (format!("<p>{}</p>{}", "<b><i><u>".repeat(3000), "<p>x</p>".repeat(100_000)), "copied"),
            ((0..100_000).fold(String::new(), |all, i| all + &format!("<b id={i}>")), "formatting"),
            (format!("<body {}>", attributes("")), "attributes"),
            (format!("<svg><style><body {}>", attributes("='>'")), "hidden attributes"),
        ] {
            let parsed = hostile(format!("{text}<p><title>late</title>"));
            assert_eq!(parsed.title, None, "{name}");
            assert!(parsed.warnings[0].starts_with("the search for the title ended"), "{name}");
        }
    }

    #[test]
    fn large_pages_that_are_only_large_keep_their_title() {
        for text in [
            format!("<body data-x=\"{}\">", "y".repeat(1_000_000)),
            format!("<script>{}</script>", "var a = '<b>';\n".repeat(100_000)),
            format!("<body><!-- {} -->", "word ".repeat(10_000)),
            format!("<body>{}", "line\r\n".repeat(200_000)),
            (0..200_000).fold("<html".to_owned(), |tag, i| tag + &format!(" a{i}")) + ">",
            "<!-- </title> -->".repeat(20_000),
            "<p>text</p>".repeat(20_000),
        ] {
            let parsed = hostile(format!("{text}<title>A</title>"));
            assert_eq!((parsed.title.as_deref(), parsed.warnings.len()), (Some("A"), 0), "{text:.60}");
        }
        // What comes behind a title in the head costs nothing.
        assert_eq!(hostile(format!("<title>A</title>{}", "<div>".repeat(100_000))).warnings.len(), 0);
    }

    const SOUP: &str = "<title>|</title>|</TITLE x>|<title|<!--|-->|<svg>|</svg>|<script>|</script>|<style>|\
        </style>|<template>|</template>|<table>|<tr><td>|</table>|<head>|</head>|<body>|<frameset>|<noscript>|\
        </noscript>|<textarea>|</textarea>|<select>|<desc>|<b>|<p>|</p>|<math>|<mi>|&amp|\r|\0|\"|'|>|=|x| |é|<html>|\
        <meta a='|<link>|<!doctype|<?|<!-->|<base a=";

    const HEAD: &str = "<html>|<head>|</head>|<meta a='b>'>|<meta b=c/>|<link x|<base>|<!doctype html>|<!DOCTYPE a \"b>|<!-- >-->|\
        <!--|-->|<!>|<?x?>|\n|\r\n\t|\0|>|'|<title>|</title>|<title a=|<template>|<body>";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn tag_soup_has_the_title_of_a_full_parse(parts in prop::collection::vec(0..46usize, 0..24)) {
            let pieces: Vec<&str> = SOUP.split('|').collect();
            let text: String = parts.iter().filter_map(|part| pieces.get(*part).copied()).collect();
            prop_assert_eq!(title(&text).title, full(&text));
        }

        #[test]
        fn heads_of_all_kinds_have_the_title_of_a_full_parse(parts in prop::collection::vec(0..24usize, 0..12)) {
            let pieces: Vec<&str> = HEAD.split('|').collect();
            let text: String = parts.iter().filter_map(|part| pieces.get(*part).copied()).collect();
            let text = format!("{text}<title>A&amp;</title>");
            prop_assert_eq!(title(&text).title, full(&text));
        }
    }
}

//! The title of an HTML text, exactly as a full `scraper` parse has it, for the price of its first lines.
//!
//! A parse is causal: what stands in the tree when a `</title>` was read stands there whatever follows,
//! but for two cases. A title outside `<head>` can lose its place to a later one, and a `<frameset>` can
//! throw the body away. So the tree is fed up to each `</title>` and asked; a title in the head is final,
//! any other only if neither `<title` nor `<frameset` follows.
//!
//! Trees of hostile pages cost time in the square of their depth, so the text goes in piece by piece and
//! the search ends, with a warning, when the work exceeds a fixed budget. Counted, not timed: the same
//! page has the same title on every machine.

use std::cell::OnceCell;

use html5ever::driver::{ParseOpts, Parser, parse_document};
use html5ever::tendril::{StrTendril, TendrilSink};
use memchr::memchr_iter;
use scraper::{Html, HtmlTreeSink, Node};

use super::markup::{is_space, is_tag};
use super::tags::{MANY_ATTRIBUTES, crowded_tag};
use super::words;
use crate::model::Parsed;

/// Bytes given to the tree at a time.
const PIECE_BYTES: usize = 4096;
/// Steps through open elements that one page may cost, estimated from the depth of its tree.
const MAX_STEPS: usize = 20_000_000;
/// Nodes that one page may make: overlapping elements are copied again and again.
const MAX_NODES: usize = 200_000;
/// Bytes that may separate attributes, read without any change of the tree. This holds where our view
/// of what is a tag differs from that of the tree.
const MAX_SILENT_SEPARATORS: usize = 64 * 1024;

/// Puts the title of `text` into `parsed`.
pub fn read(text: &str, parsed: &mut Parsed) {
    if !opens(text, 0, b"title") {
        return;
    }
    let title = search(text).unwrap_or_else(|Exhausted { title, read }| {
        parsed.warnings.push(format!(
            "the search for the title ended after {read} of {} bytes: the page nests or repeats too much",
            text.len()
        ));
        title
    });
    parsed.title = title.and_then(|title| words::tidy(&title, parsed, "title"));
}

/// The budget is spent. What was found until then.
struct Exhausted {
    title: Option<String>,
    read: usize,
}

fn search(text: &str) -> Result<Option<String>, Exhausted> {
    let mut feed = Feed::new(text);
    let bytes = text.as_bytes();
    for end in memchr_iter(b'<', bytes) {
        if bytes.get(end + 1) != Some(&b'/') || !is_tag(bytes, end + 2, b"title") {
            continue;
        }
        // What looks like an end tag may still stand in the start tag: `<title </title>`.
        let ends_a_tag = end > 0 && bytes[end - 1] == b'>';
        // The byte behind the name is ASCII, so this is a character boundary.
        let end = end + b"</title".len() + 1;
        feed.up_to(end)?;
        let mut found = None;
        feed.with_new_titles(|in_head, has_text| {
            if has_text || ends_a_tag {
                found = found.or(Some(in_head));
            }
        });
        match found {
            Some(true) => return Ok(feed.title()),
            Some(false) if !opens(text, end, b"title") && !opens(text, end, b"frameset") => {
                return Ok(feed.title());
            }
            _ => {}
        }
    }
    feed.up_to(text.len())?;
    Ok(first_title(&feed.parser.finish()))
}

/// A tree that is built piece by piece, within a budget.
struct Feed<'a> {
    text: &'a str,
    parser: Parser<HtmlTreeSink>,
    /// Bytes given.
    read: usize,
    /// Nodes that were looked at.
    seen: usize,
    deepest: usize,
    steps: usize,
    /// Length of the newest node, if it is text that may still grow.
    newest: usize,
    /// Separators read since the tree last changed.
    silent: usize,
    /// Where the first tag begins that has too many attributes, once somebody had to know.
    crowded: OnceCell<Option<usize>>,
}

impl<'a> Feed<'a> {
    fn new(text: &'a str) -> Self {
        let parser = parse_document(HtmlTreeSink::new(Html::new_document()), ParseOpts::default());
        Self {
            text,
            parser,
            read: 0,
            seen: 0,
            deepest: 0,
            steps: 0,
            newest: 0,
            silent: 0,
            crowded: OnceCell::new(),
        }
    }

    fn up_to(&mut self, end: usize) -> Result<(), Exhausted> {
        while self.read < end {
            let nodes = self.nodes();
            // A piece must not be able to multiply a large tree.
            let size = (4_000_000 / nodes.max(1)).clamp(64, PIECE_BYTES);
            let stop = self.text.ceil_char_boundary((self.read + size).min(end));
            let piece = &self.text[self.read..stop];
            self.parser.process(StrTendril::from(piece));
            self.read = stop;
            if self.is_exhausted(piece, nodes) {
                return Err(Exhausted { title: self.title(), read: self.read });
            }
        }
        Ok(())
    }

    fn is_exhausted(&mut self, piece: &str, nodes_before: usize) -> bool {
        let nodes = self.nodes();
        self.deepest = self.deepest.max(self.depth());
        let tokens = piece.bytes().filter(|b| matches!(b, b'<' | b'&' | b'\0' | b'\n' | b'\r')).count();
        self.steps += (tokens + nodes - nodes_before) * self.deepest;
        let newest =
            self.html(|html| html.tree.values().next_back().and_then(Node::as_text).map_or(0, |t| t.len()));
        if nodes > nodes_before || newest != self.newest {
            (self.newest, self.silent) = (newest, 0);
            return self.steps > MAX_STEPS || nodes > MAX_NODES;
        }
        self.silent += piece.bytes().filter(|b| is_space(*b) || matches!(b, b'/' | b'"' | b'\'')).count();
        self.steps > MAX_STEPS || self.silent > MAX_SILENT_SEPARATORS || self.is_in_crowded_tag()
    }

    /// Whether what was read without a change of the tree ends in or behind a tag with too many attributes.
    fn is_in_crowded_tag(&self) -> bool {
        if self.silent <= MANY_ATTRIBUTES {
            return false;
        }
        let crowded = self.crowded.get_or_init(|| crowded_tag(self.text));
        crowded.is_some_and(|at| at < self.read)
    }

    fn nodes(&self) -> usize {
        self.html(|html| html.tree.nodes().len())
    }

    /// Depth of the newest node, which is about how many elements are open.
    fn depth(&self) -> usize {
        self.html(|html| html.tree.nodes().next_back().map_or(0, |node| node.ancestors().count()))
    }

    fn title(&self) -> Option<String> {
        self.html(first_title)
    }

    /// Tells of each title element that was not told before whether it is a child of the head, and whether it has text.
    fn with_new_titles(&mut self, mut tell: impl FnMut(bool, bool)) {
        let seen = self.seen;
        self.seen = self.nodes();
        self.html(|html| {
            let nodes = html.tree.nodes();
            let new = nodes.len() - seen;
            for node in nodes.rev().take(new).filter(|node| is_html(node.value(), "title")) {
                let in_head = node.parent().is_some_and(|parent| is_html(parent.value(), "head"));
                tell(in_head, node.has_children());
            }
        });
    }

    fn html<T>(&self, read: impl FnOnce(&Html) -> T) -> T {
        read(&self.parser.tokenizer.sink.sink.0.borrow())
    }
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
        check("<title\r</title><title", Some("<title"));
        check("<title </title>A</title>B", Some("A"));
        check("<title>A<b>c</b><!-- d --></title>", Some("A<b>c</b><!-- d -->"));
        check("<title>A</titlex></title >", Some("A</titlex>"));
        check("<title>never closed <p>", Some("never closed <p>"));
        check("<title>cut</titl", Some("cut</titl"));
        check("<title", None);
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
        </noscript>|<textarea>|</textarea>|<select>|<desc>|<b>|<p>|</p>|<math>|<mi>|&amp|\r|\0|\"|'|>|=|x| |é";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn tag_soup_has_the_title_of_a_full_parse(parts in prop::collection::vec(0..39usize, 0..24)) {
            let pieces: Vec<&str> = SOUP.split('|').collect();
            let text: String = parts.iter().filter_map(|part| pieces.get(*part).copied()).collect();
            prop_assert_eq!(title(&text).title, full(&text));
        }
    }
}

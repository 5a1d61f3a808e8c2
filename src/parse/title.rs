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

use html5ever::driver::{ParseOpts, Parser, parse_document};
use html5ever::tendril::{StrTendril, TendrilSink};
use memchr::memchr_iter;
use scraper::{Html, HtmlTreeSink, Node};

use super::tags::{MANY_ATTRIBUTES, crowded_tag, is_space, is_tag};
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
        // The byte behind the name is ASCII, so this is a character boundary.
        let end = end + b"</title".len() + 1;
        feed.up_to(end)?;
        let mut found = None;
        feed.with_new_titles(|in_head| found = found.or(Some(in_head)));
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
    crowded: Option<Option<usize>>,
}

impl<'a> Feed<'a> {
    fn new(text: &'a str) -> Self {
        let parser = parse_document(HtmlTreeSink::new(Html::new_document()), ParseOpts::default());
        Self { text, parser, read: 0, seen: 0, deepest: 0, steps: 0, newest: 0, silent: 0, crowded: None }
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
    fn is_in_crowded_tag(&mut self) -> bool {
        if self.silent <= MANY_ATTRIBUTES {
            return false;
        }
        let crowded = *self.crowded.get_or_insert_with(|| crowded_tag(self.text));
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

    /// Tells of each title element that was not told before whether it is a child of the head.
    fn with_new_titles(&mut self, mut tell: impl FnMut(bool)) {
        let seen = self.seen;
        self.seen = self.nodes();
        self.html(|html| {
            let nodes = html.tree.nodes();
            let new = nodes.len() - seen;
            for node in nodes.rev().take(new).filter(|node| is_html(node.value(), "title")) {
                tell(node.parent().is_some_and(|parent| is_html(parent.value(), "head")));
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

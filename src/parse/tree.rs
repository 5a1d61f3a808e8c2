//! The tree of an HTML text, built piece by piece within a budget. Who builds it decides what it may cost.
//!
//! Trees of hostile pages cost time in the square of their depth, so the text goes in piece by piece and the
//! building ends when the work exceeds a fixed budget. Counted, not timed: the same page has the same tree on
//! every machine.

use std::cell::OnceCell;

use html5ever::driver::{ParseOpts, Parser, parse_document};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tree_builder::TreeBuilderOpts;
use scraper::{Html, HtmlTreeSink, Node};

use super::markup::is_space;
use super::tags::{MANY_ATTRIBUTES, crowded_tag};

/// Bytes given to the tree at a time, at most: what a piece costs is known only behind it.
const PIECE_BYTES: usize = 32 * 1024;
/// Tags in a piece, at most, about.
const PIECE_TAGS: usize = 800;
/// Tags of a piece times the nodes that each of them can copy: so much a tree may grow at once, about.
const MAX_COPIES: usize = 1_300_000;
/// Bytes whose tags are counted together.
const STRIDE: usize = 224;
/// Bytes that may separate attributes, read without any change of the tree. This holds where our view
/// of what is a tag differs from that of the tree.
const MAX_SILENT_SEPARATORS: usize = 64 * 1024;

/// What a tree may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Steps through open elements, estimated from the depth of the tree.
    pub steps: usize,
    /// Nodes: overlapping elements are copied again and again.
    pub nodes: usize,
}

/// The budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

/// A tree that is built piece by piece, within a budget.
pub struct Feed<'a> {
    text: &'a str,
    parser: Parser<HtmlTreeSink>,
    bounds: Bounds,
    /// Bytes given.
    read: usize,
    deepest: usize,
    /// Whether elements were copied by the dozen.
    has_copied: bool,
    steps: usize,
    /// Length of the newest node, if it is text that may still grow.
    newest: usize,
    /// Separators read since the tree last changed.
    silent: usize,
    /// Where the first tag begins that has too many attributes, once somebody had to know.
    crowded: OnceCell<Option<usize>>,
}

/// Whether a tree has what stands in `<noscript>` as elements, or as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripting {
    /// As text, as a browser that runs scripts.
    On,
    /// As elements.
    Off,
}

impl<'a> Feed<'a> {
    /// A tree of which nothing is built yet.
    pub fn new(text: &'a str, bounds: Bounds, scripting: Scripting) -> Self {
        let scripting_enabled = scripting == Scripting::On;
        let tree_builder = TreeBuilderOpts { scripting_enabled, ..TreeBuilderOpts::default() };
        let options = ParseOpts { tree_builder, ..ParseOpts::default() };
        let parser = parse_document(HtmlTreeSink::new(Html::new_document()), options);
        Self {
            text,
            parser,
            bounds,
            read: 0,
            deepest: 0,
            has_copied: false,
            steps: 0,
            newest: 0,
            silent: 0,
            crowded: OnceCell::new(),
        }
    }

    /// Builds up to this byte.
    pub fn up_to(&mut self, end: usize) -> Result<(), Exhausted> {
        while self.read < end {
            let nodes = self.nodes();
            let most = (MAX_COPIES / self.copied_at_once(nodes)).min(PIECE_TAGS);
            let (piece, tokens) = piece(&self.text[self.read..end], most);
            self.parser.process(StrTendril::from(piece));
            self.read += piece.len();
            if self.is_exhausted(piece, tokens, nodes) {
                return Err(Exhausted);
            }
        }
        Ok(())
    }

    /// How many nodes one token can copy at most: overlapping formatting elements are opened again in each new block.
    /// Before anything was copied, those are open that are around, or were opened and closed within one piece.
    fn copied_at_once(&self, nodes: usize) -> usize {
        if self.has_copied { nodes } else { self.deepest + PIECE_TAGS }
    }

    /// Bytes that were given.
    pub fn read(&self) -> usize {
        self.read
    }

    /// Ends the text here.
    pub fn finish(self) -> Html {
        self.parser.finish()
    }

    fn is_exhausted(&mut self, piece: &str, tokens: usize, nodes_before: usize) -> bool {
        let nodes = self.nodes();
        self.deepest = self.deepest.max(self.depth());
        self.steps += (tokens + nodes - nodes_before) * self.deepest;
        // A tag brings at most a few elements with it (`<td>` a row, its group and text behind it).
        self.has_copied |= nodes - nodes_before > 4 * tokens + 16;
        let newest =
            self.html(|html| html.tree.values().next_back().and_then(Node::as_text).map_or(0, |t| t.len()));
        if nodes > nodes_before || newest != self.newest {
            (self.newest, self.silent) = (newest, 0);
            return self.steps > self.bounds.steps || nodes > self.bounds.nodes;
        }
        self.silent += piece.bytes().filter(|b| is_space(*b) || matches!(b, b'/' | b'"' | b'\'')).count();
        self.steps > self.bounds.steps || self.silent > MAX_SILENT_SEPARATORS || self.is_in_crowded_tag()
    }

    /// Whether what was read without a change of the tree ends in or behind a tag with too many attributes.
    fn is_in_crowded_tag(&self) -> bool {
        if self.silent <= MANY_ATTRIBUTES {
            return false;
        }
        let crowded = self.crowded.get_or_init(|| crowded_tag(self.text));
        crowded.is_some_and(|at| at < self.read)
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.html(|html| html.tree.nodes().len())
    }

    /// Depth of the newest node, which is about how many elements are open.
    fn depth(&self) -> usize {
        self.html(|html| html.tree.nodes().next_back().map_or(0, |node| node.ancestors().count()))
    }

    /// Looks at what is built.
    pub fn html<T>(&self, read: impl FnOnce(&Html) -> T) -> T {
        read(&self.parser.tokenizer.sink.sink.0.borrow())
    }
}

/// The beginning of a text that has about so many tags at most, and how many tokens it has.
fn piece(text: &str, most_tags: usize) -> (&str, usize) {
    let stride = if most_tags < STRIDE { 64 } else { STRIDE };
    let (mut end, mut tags, mut tokens) = (0, 0, 0);
    for bytes in text.as_bytes()[..text.len().min(PIECE_BYTES)].chunks(stride) {
        // Plain sums of bytes, which the compiler makes into a few instructions for many of them.
        tags += usize::from(bytes.iter().map(|b| u8::from(*b == b'<')).sum::<u8>());
        let is = |sign: u8, byte: u8| u8::from(byte == sign);
        let others = bytes.iter().map(|b| is(b'&', *b) + is(b'\0', *b) + is(b'\n', *b) + is(b'\r', *b));
        tokens += usize::from(others.sum::<u8>());
        end += bytes.len();
        if tags >= most_tags {
            break;
        }
    }
    (&text[..text.ceil_char_boundary(end)], tags + tokens)
}

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

/// Bytes given to the tree at a time.
const PIECE_BYTES: usize = 4096;
/// Tokens of a piece times the nodes that each of them can copy: so much a tree may grow at once, about.
const MAX_COPIES: usize = 4_000_000;
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
            let size = (MAX_COPIES / self.copied_at_once(nodes)).clamp(64, PIECE_BYTES);
            let stop = self.text.ceil_char_boundary((self.read + size).min(end));
            let piece = &self.text[self.read..stop];
            self.parser.process(StrTendril::from(piece));
            self.read = stop;
            if self.is_exhausted(piece, nodes) {
                return Err(Exhausted);
            }
        }
        Ok(())
    }

    /// How many nodes one token can copy at most: overlapping formatting elements are opened again in each new block.
    /// Before anything was copied, those are open that are around, or were opened and closed within one piece.
    fn copied_at_once(&self, nodes: usize) -> usize {
        if self.has_copied { nodes } else { self.deepest + PIECE_BYTES / 3 }
    }

    /// Bytes that were given.
    pub fn read(&self) -> usize {
        self.read
    }

    /// Ends the text here.
    pub fn finish(self) -> Html {
        self.parser.finish()
    }

    fn is_exhausted(&mut self, piece: &str, nodes_before: usize) -> bool {
        let nodes = self.nodes();
        self.deepest = self.deepest.max(self.depth());
        let tokens = piece.bytes().filter(|b| matches!(b, b'<' | b'&' | b'\0' | b'\n' | b'\r')).count();
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

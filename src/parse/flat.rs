//! The tree of a page as a list in the order of the document, so that it is gone through by counting and never by
//! recursion. Says where an element ends and what stands around it; nothing of what it means.

use std::ops::Range;

use ego_tree::iter::Edge;
use scraper::node::Element;
use scraper::{ElementRef, Node};

/// A tree as a list.
pub struct Flat<'a> {
    entries: Vec<Entry<'a>>,
}

/// A node of the list.
struct Entry<'a> {
    kind: Kind<'a>,
    /// Place of the element around it; that of the first one is its own.
    parent: usize,
    /// Behind all that is within it.
    end: usize,
}

#[derive(Clone, Copy)]
enum Kind<'a> {
    Element(ElementRef<'a>),
    Text(&'a str),
}

impl<'a> Flat<'a> {
    /// The list of an element and all within it; comments are left out.
    pub fn of(root: ElementRef<'a>) -> Self {
        let mut entries: Vec<Entry<'a>> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        for edge in root.traverse() {
            match edge {
                Edge::Open(node) => {
                    let at = entries.len();
                    let kind = match (node.value(), ElementRef::wrap(node)) {
                        (_, Some(element)) => Kind::Element(element),
                        (Node::Text(text), None) => Kind::Text(text),
                        _ => continue,
                    };
                    entries.push(Entry { kind, parent: open.last().copied().unwrap_or(0), end: at + 1 });
                    if matches!(kind, Kind::Element(_)) {
                        open.push(at);
                    }
                }
                Edge::Close(node) if node.value().is_element() => {
                    if let Some(at) = open.pop() {
                        entries[at].end = entries.len();
                    }
                }
                Edge::Close(_) => {}
            }
        }
        Self { entries }
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The element at a place, if it is one.
    pub fn element(&self, at: usize) -> Option<ElementRef<'a>> {
        match self.entries[at].kind {
            Kind::Element(element) => Some(element),
            Kind::Text(_) => None,
        }
    }

    /// The text at a place, if it is one.
    pub fn text(&self, at: usize) -> Option<&'a str> {
        match self.entries[at].kind {
            Kind::Text(text) => Some(text),
            Kind::Element(_) => None,
        }
    }

    /// Name of the element at a place; empty for a text.
    pub fn name(&self, at: usize) -> &'a str {
        self.element(at).map_or("", |element| element.value().name())
    }

    /// Place of the element around this one.
    pub fn parent(&self, at: usize) -> usize {
        self.entries[at].parent
    }

    /// The places of all that is within an element, itself left out.
    pub fn within(&self, at: usize) -> Range<usize> {
        at + 1..self.entries[at].end
    }

    /// Behind an element and all within it.
    pub fn end(&self, at: usize) -> usize {
        self.entries[at].end
    }

    /// The elements, with their places.
    pub fn elements(&self) -> impl DoubleEndedIterator<Item = (usize, &'a Element)> + '_ {
        (0..self.len()).filter_map(|at| Some((at, self.element(at)?.value())))
    }

    /// The places of the nodes directly within an element.
    pub fn children(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.end(at);
        let mut next = at + 1;
        std::iter::from_fn(move || {
            let found = (next < end).then_some(next)?;
            next = self.end(found);
            Some(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use scraper::Html;

    use super::*;

    #[test]
    fn places_follow_the_document() {
        let html = Html::parse_document("<p id=a>x<b>y</b><!-- c -->z</p><p>w");
        let flat = Flat::of(html.root_element());
        let names: Vec<_> = (0..flat.len()).map(|at| flat.text(at).unwrap_or(flat.name(at))).collect();
        assert_eq!(names, ["html", "head", "body", "p", "x", "b", "y", "z", "p", "w"]);
        assert_eq!((flat.within(3), flat.parent(6), flat.parent(3), flat.end(8)), (4..8, 5, 2, 10));
        assert_eq!(flat.children(2).collect::<Vec<_>>(), [3, 8]);
        assert_eq!(flat.children(3).collect::<Vec<_>>(), [4, 5, 7]);
    }

    proptest! {
        #[test]
        fn what_is_within_an_element_has_it_above(text in "(<(/?(p|b|i|td|table|div|svg|template))>|x){0,40}") {
            let html = Html::parse_document(&text);
            let flat = Flat::of(html.root_element());
            for at in 1..flat.len() {
                let parent = flat.parent(at);
                prop_assert!(flat.within(parent).contains(&at) && flat.end(at) <= flat.end(parent));
                prop_assert!(flat.children(parent).any(|child| child == at));
            }
        }
    }
}

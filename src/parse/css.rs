//! The tree of a page, CSS selectors over it, and what elements say. One tree a page, however many fields ask for it.
//!
//! What a hostile page may cost is counted: the tree ends at a bound, a selector is weighed against the tree before
//! it is tried (`~` looks at all elements before another, a space at all around it), and text is paid for by the
//! node. When the purse is empty nothing more is found, and the caller says so.

use std::io::{self, Write};

use ego_tree::NodeId;
use ego_tree::iter::Edge;
use html5ever::serialize::{SerializeOpts, TraversalScope, serialize};
use scraper::{ElementRef, Html, Node, Selector};

use super::selector::{End, Reach};
use super::tree::{Bounds, Feed, Scripting};

/// What the tree of a page may cost.
const BOUNDS: Bounds = Bounds { steps: 100_000_000, nodes: 500_000 };
/// Steps that the fields of one page may take.
const MAX_STEPS: u64 = 200_000_000;
/// Bytes that the fields of one page may hold.
const MAX_BYTES: usize = 16 << 20;

/// Elements that stand on lines of their own, so that their texts are words apart.
#[rustfmt::skip]
const BLOCKS: [&str; 48] = [
    "address", "article", "aside", "blockquote", "br", "caption", "center", "dd", "details", "dialog", "dir", "div",
    "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header",
    "hr", "legend", "li", "main", "menu", "nav", "ol", "option", "p", "pre", "search", "section", "select", "summary",
    "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
];

/// What is left to be spent on one page.
#[derive(Debug)]
pub struct Purse {
    steps: u64,
    bytes: usize,
    /// The bytes that it began with.
    given: usize,
}

/// The purse is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Empty;

impl Default for Purse {
    fn default() -> Self {
        Self::new(MAX_STEPS, MAX_BYTES)
    }
}

impl Purse {
    /// So many steps and bytes.
    pub fn new(steps: u64, bytes: usize) -> Self {
        Self { steps, bytes, given: bytes }
    }

    /// Pays for steps; nothing is paid if there are not enough left.
    pub fn walk(&mut self, steps: u64) -> Result<(), Empty> {
        self.steps = self.steps.checked_sub(steps).ok_or(Empty)?;
        Ok(())
    }

    /// Pays for bytes that are held.
    pub fn hold(&mut self, bytes: usize) -> Result<(), Empty> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Empty)?;
        Ok(())
    }

    /// Bytes that were paid for.
    pub fn held(&self) -> usize {
        self.given - self.bytes
    }
}

/// The tree of a page.
pub struct Dom {
    html: Html,
    extent: Extent,
    /// Whether its elements were made in the order of the document, none of them taken out again: then they can be
    /// looked at as they lie in memory.
    is_in_order: bool,
}

/// How large a tree is, by what a selector may have to look at: all elements, for each those around it, and for each
/// those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Extent {
    /// With texts and comments.
    nodes: u64,
    elements: u64,
    depths: u64,
    siblings: u64,
}

/// Where elements are looked for.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    element: ElementRef<'a>,
    extent: Extent,
    /// The tree, if the place is all of it; then the element itself may be found, too.
    whole: Option<&'a Dom>,
}

impl Dom {
    /// The tree of an HTML text, what stands in `<noscript>` as elements. With the bytes that were read where the
    /// text is too costly to be read to its end.
    pub fn of_html(text: &str) -> (Self, Option<usize>) {
        let mut feed = Feed::new(text, BOUNDS, Scripting::Off);
        let cut = feed.up_to(text.len()).is_err().then(|| feed.read());
        (Self::new(feed.finish()), cut)
    }

    /// A tree that was built.
    pub fn new(html: Html) -> Self {
        let root = html.tree.root().children().find_map(ElementRef::wrap);
        let mut last = None;
        let mut is_ascending = true;
        let extent = root.map_or(Extent::default(), |root| {
            Extent::of(root, u64::MAX, |element| {
                is_ascending &= last.replace(element) < Some(element);
            })
        });
        let is_in_order = is_ascending
            && html.tree.values().filter(|node| node.is_element()).count() as u64 == extent.elements;
        Self { html, extent, is_in_order }
    }

    /// The whole of it; none if it has no element.
    pub fn root(&self) -> Option<Place<'_>> {
        let element = self.html.tree.root().children().find_map(ElementRef::wrap)?;
        Some(Place { element, extent: self.extent, whole: Some(self) })
    }
}

impl Extent {
    /// Measures what lies below an element, at most about so many nodes of it, and shows each element in the order of
    /// the document.
    fn of(element: ElementRef<'_>, most: u64, mut show: impl FnMut(NodeId)) -> Self {
        let mut extent = Self::default();
        let mut depth = element.ancestors().count() as u64;
        // Siblings so far, for each level that is open.
        let mut levels = vec![0u64];
        for edge in element.traverse() {
            let (Edge::Open(node) | Edge::Close(node)) = edge;
            extent.nodes += u64::from(matches!(edge, Edge::Open(_)));
            if extent.nodes > most {
                break;
            }
            match edge {
                _ if !node.value().is_element() => {}
                Edge::Close(_) => {
                    depth -= 1;
                    levels.pop();
                }
                Edge::Open(_) => {
                    depth += 1;
                    show(node.id());
                    extent.elements += 1;
                    extent.depths += depth;
                    if let Some(before) = levels.last_mut() {
                        *before += 1;
                        extent.siblings += *before;
                    }
                    levels.push(0);
                }
            }
        }
        extent
    }
}

/// A selector and what it has to look at.
#[derive(Clone, Debug)]
pub struct Css {
    selector: Selector,
    /// Whether it is `:scope` alone: the place itself.
    is_scope: bool,
    reach: Reach,
    /// What each element that it finds is, one of these; empty if that is not told so simply.
    ends: Vec<End>,
}

impl Css {
    /// Compiles a selector; the error follows its text, with a hint.
    pub fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        let selector = Selector::parse(text).map_err(|error| {
            let what = format!("{error:?}");
            let is_pseudo = what.contains("Pseudo");
            let what = match what.as_str() {
                _ if is_pseudo => "a pseudo-class or pseudo-element that is not known".to_owned(),
                "UnexpectedSelectorParseError(DanglingCombinator)" => {
                    "nothing stands behind a combinator".to_owned()
                }
                "UnexpectedSelectorParseError(EmptySelector)" => "a selector is empty".to_owned(),
                "EndOfLine" => "it ends too early".to_owned(),
                "UnexpectedToken" => "a sign stands where none may".to_owned(),
                _ => what.chars().take(80).collect(),
            };
            let hint = if is_pseudo {
                "the text of an element is taken anyway; for an attribute write `attr`"
            } else {
                "write it like `div.price > span`; try it with `trawl extract`"
            };
            (format!("is no CSS selector: {what}"), hint)
        })?;
        Ok(Self {
            selector,
            is_scope: text.trim() == ":scope",
            reach: Reach::of(text),
            ends: End::all_of(text),
        })
    }

    /// What it may cost to try it on each element of a place.
    fn work(&self, extent: Extent) -> u64 {
        let Extent { elements, depths, siblings, .. } = extent;
        let each = |sum: u64| 1 + sum / elements.max(1);
        let Reach { alternatives, around, beside } = self.reach;
        let around = each(depths).saturating_pow(around);
        let beside = if beside { each(siblings) } else { 1 };
        elements.saturating_mul(alternatives.into()).saturating_mul(around).saturating_mul(beside)
    }
}

impl<'a> Place<'a> {
    /// The element itself.
    pub fn element(self) -> ElementRef<'a> {
        self.element
    }

    /// The texts of the scripts that hold JSON-LD, in the order of the document.
    pub fn json_ld(self) -> Vec<String> {
        let is_script = |element: &ElementRef<'_>| {
            let kind = element.attr("type").map(str::trim_ascii);
            element.value().name() == "script"
                && kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/ld+json"))
        };
        self.element.descendent_elements().filter(is_script).map(|script| script.text().collect()).collect()
    }

    /// The elements that a selector finds, in the order of the document; `:scope` alone finds the place itself.
    pub fn select<'c>(
        self,
        css: &'c Css,
        purse: &mut Purse,
    ) -> Result<impl Iterator<Item = ElementRef<'a>> + use<'a, 'c>, Empty> {
        purse.walk(css.work(self.extent))?;
        let in_order = self.whole.filter(|dom| dom.is_in_order);
        let ended = in_order.filter(|_| !css.ends.is_empty()).map(|dom| {
            let elements = dom.html.tree.nodes().filter_map(ElementRef::wrap);
            let is_found = |element: &ElementRef<'_>| {
                css.ends.iter().any(|end| end.is(*element))
                    && element.parent().is_some()
                    && css.selector.matches(element)
            };
            elements.filter(is_found)
        });
        let ordered = in_order.filter(|_| css.ends.is_empty()).map(|dom| dom.html.select(&css.selector));
        let is_found = || css.selector.matches_with_scope(&self.element, Some(self.element));
        let is_walked = in_order.is_none();
        let itself =
            (is_walked && (css.is_scope || self.whole.is_some() && is_found())).then_some(self.element);
        let walked = is_walked.then(|| self.element.select(&css.selector));
        Ok(itself
            .into_iter()
            .chain(ended.into_iter().flatten())
            .chain(ordered.into_iter().flatten())
            .chain(walked.into_iter().flatten()))
    }

    /// An element as a place of its own.
    pub fn within(element: ElementRef<'a>, purse: &mut Purse) -> Result<Self, Empty> {
        let extent = Extent::of(element, purse.steps, |_| {});
        // What was walked: all elements below, and the way up.
        purse.walk(extent.nodes + extent.depths / extent.elements.max(1))?;
        Ok(Self { element, extent, whole: None })
    }
}

/// The text of an element: that of scripts, styles and templates in it left out, blocks apart, white space collapsed
/// and trimmed.
pub fn text(element: ElementRef<'_>, purse: &mut Purse) -> Result<String, Empty> {
    let mut text = String::new();
    let mut steps = 0;
    // The element whose inside is passed over.
    let mut hidden = None;
    for edge in element.traverse() {
        let is_open = matches!(edge, Edge::Open(_));
        let (Edge::Open(node) | Edge::Close(node)) = edge;
        steps += u64::from(is_open);
        if let Some(id) = hidden {
            if !is_open && id == node.id() {
                hidden = None;
            }
            continue;
        }
        match node.value() {
            Node::Text(part) if is_open => append(&mut text, part),
            Node::Element(inner) if is_open && node != *element && is_hidden(inner.name()) => {
                hidden = Some(node.id());
            }
            Node::Element(inner) if is_block(inner.name()) => space(&mut text),
            _ => {}
        }
    }
    purse.walk(steps)?;
    text.truncate(text.trim_ascii_end().len());
    if text.contains('\0') {
        text = text.replace('\0', "\u{FFFD}");
    }
    purse.hold(text.len())?;
    Ok(text)
}

/// Whether an element stands on lines of its own.
pub fn is_block(name: &str) -> bool {
    BLOCKS.binary_search(&name).is_ok()
}

fn is_hidden(name: &str) -> bool {
    matches!(name, "script" | "style" | "template")
}

/// Adds a text whose white space is collapsed, also with what stands before it.
fn append(text: &mut String, part: &str) {
    for (number, word) in part.split(|c: char| c.is_ascii_whitespace()).enumerate() {
        if number > 0 {
            space(text);
        }
        text.push_str(word);
    }
}

fn space(text: &mut String) {
    if !text.is_empty() && !text.ends_with(' ') {
        text.push(' ');
    }
}

/// The text of an element as it stands there, for what is read by a program.
pub fn raw_text(element: ElementRef<'_>, purse: &mut Purse) -> Result<String, Empty> {
    let text: String = element.text().collect();
    purse.walk(text.len() as u64)?;
    Ok(text)
}

/// The HTML within an element, as a browser would write it, but for attributes in the order of their names.
pub fn inner_html(element: ElementRef<'_>, purse: &mut Purse) -> Result<String, Empty> {
    let mut written = Written { bytes: Vec::new(), most: purse.bytes };
    let options =
        SerializeOpts { traversal_scope: TraversalScope::ChildrenOnly(None), ..SerializeOpts::default() };
    // It is broken off where the purse ends.
    serialize(&mut written, &element, options).map_err(|_| Empty)?;
    purse.hold(written.bytes.len())?;
    purse.walk(written.bytes.len() as u64)?;
    // It is UTF-8: looked at once more, at full speed, instead of trusted.
    Ok(String::from_utf8(written.bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Takes so many bytes and no more.
struct Written {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Written {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if part.len() > self.most - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An attribute as it stands there; its name is in lower case in HTML.
pub fn attribute<'a>(
    element: ElementRef<'a>,
    name: &str,
    purse: &mut Purse,
) -> Result<Option<&'a str>, Empty> {
    let value = element.attr(name);
    purse.hold(value.map_or(0, str::len))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The texts of what a selector finds in a page.
    fn texts(html: &str, selector: &str) -> Vec<String> {
        let (dom, _) = Dom::of_html(html);
        let (css, mut purse) = (Css::parse(selector).expect(selector), Purse::default());
        let found: Vec<_> = dom.root().expect("root").select(&css, &mut purse).expect("cheap").collect();
        found.into_iter().map(|element| text(element, &mut purse).expect("small")).collect()
    }

    fn check(html: &str, selector: &str, expected: &[&str]) {
        assert_eq!(texts(html, selector), expected, "{selector} in {html}");
    }

    #[test]
    fn elements_are_found_in_the_order_of_the_document() {
        check("<p>a<p class=x>b", "p", &["a", "b"]);
        check("<p>a<p class='y x'>b", "p.x, P.y", &["b"]);
        check("<ul><li>a<li>b<li>c</ul>", "li:nth-child(2) ~ li", &["c"]);
        check("<div><b>a</b></div><b>c</b>", "div:has(b)", &["a"]);
        check("<div><b>a</b></div><b>c</b>", ":scope > body > b", &["c"]);
        // The text is moved in front of the table, and so is found before it.
        check("<table><tr><td class=x>a</td></tr><b class=x>b</b></table>", ".x", &["b", "a"]);
        check("<html lang=de><title>t</title>", "html[lang]", &["t"]);
        check("<body><noscript><img alt=x><b>a</b></noscript>", "noscript b", &["a"]);
        check("<svg><linearGradient>a", "linearGradient", &["a"]);
    }

    #[test]
    fn text_is_what_a_reader_sees() {
        check("<p> a \n b&nbsp;c<!-- x --> d </p>", "p", &["a b\u{A0}c d"]);
        check("<p>W<b>or</b>d<br>next</p>", "p", &["Word next"]);
        check("<table><tr><td>a</td><td>b</td></tr></table>", "table", &["a b"]);
        check("<div>a<p>b</p>c<ul><li>d<li>e</ul></div>", "div", &["a b c d e"]);
        check("<p>a<script>b()</script><style>c{}</style><template>d</template>e", "p", &["ae"]);
        check("<script>b()</script>", "script", &["b()"]);
        check("<p></p><p> </p>", "p", &["", ""]);
        check("<svg><text>a\0b</text></svg>", "text", &["a\u{FFFD}b"]);
    }

    #[test]
    fn blocks_are_sorted_for_the_search() {
        assert!(BLOCKS.is_sorted());
    }

    #[test]
    fn a_place_of_its_own_has_its_own_scope() {
        let (dom, _) = Dom::of_html("<div class=r id=1><p>a</p><div><p>b</p></div></div><p>c</p>");
        let mut purse = Purse::default();
        let css = |text: &str| Css::parse(text).expect(text);
        let row = css(".r");
        let row = dom.root().expect("root").select(&row, &mut purse).expect("cheap").next().expect("row");
        let place = Place::within(row, &mut purse).expect("cheap");
        let mut check = |selector: &str, expected: &[&str]| {
            let css = css(selector);
            let found: Vec<_> = place.select(&css, &mut purse).expect("cheap").collect();
            let found: Vec<_> =
                found.into_iter().map(|element| text(element, &mut purse).expect("small")).collect();
            assert_eq!(found, expected, "{selector}");
        };
        check("p", &["a", "b"]);
        check(":scope > p", &["a"]);
        check(":scope", &["a b"]);
        check(".r", &[]);
        check("body p", &["a", "b"]);
    }

    #[test]
    fn html_and_attributes() {
        let (dom, _) = Dom::of_html("<p id=a title=' x '>1 <b class=c>&lt;2</b><br></p>");
        let (css, mut purse) = (Css::parse("p").expect("selector"), Purse::default());
        let p = dom.root().expect("root").select(&css, &mut purse).expect("cheap").next().expect("p");
        assert_eq!(inner_html(p, &mut purse).as_deref(), Ok("1 <b class=\"c\">&lt;2</b><br>"));
        assert_eq!(attribute(p, "title", &mut purse), Ok(Some(" x ")));
        assert_eq!(attribute(p, "href", &mut purse), Ok(None));
    }

    #[test]
    fn what_is_no_selector_says_why() {
        let check = |text: &str, expected: &str| {
            assert_eq!(
                Css::parse(text).expect_err(text).0,
                format!("is no CSS selector: {expected}"),
                "{text}"
            );
        };
        check("h1::text", "a pseudo-class or pseudo-element that is not known");
        check("a:hover", "a pseudo-class or pseudo-element that is not known");
        check("div >", "nothing stands behind a combinator");
        check("", "a selector is empty");
        check("a[", "it ends too early");
        check("p)", "a sign stands where none may");
        assert!(Css::parse("h1::text").expect_err("pseudo").1.contains("`attr`"));
    }

    #[test]
    fn what_a_selector_looks_at() {
        let check = |selector, alternatives, around, beside| {
            assert_eq!(Reach::of(selector), Reach { alternatives, around, beside }, "{selector}");
        };
        check("div", 1, 0, false);
        check(" div p > b ", 1, 1, false);
        check("a, b:nth-child(2), c d", 3, 1, false);
        check("a ~ b", 1, 1, true);
        check("p:first-of-type", 1, 1, true);
        check("[a~='x y'][b=\" ~ , \"]", 1, 0, false);
        check("p:has(b):has(i > u)", 1, 3, false);
    }

    #[test]
    fn extents_are_sums() {
        let (dom, _) = Dom::of_html("<p>a</p><p><b>c</b></p>");
        // html, head, body, p, p, b: their depths, and the number of each among its siblings.
        assert_eq!(
            dom.extent,
            Extent { nodes: 8, elements: 6, depths: 2 + 3 + 3 + 4 + 4 + 5, siblings: 1 + 1 + 2 + 1 + 2 + 1 }
        );
    }

    /// On a thread with a small stack: what would recurse would overflow it.
    fn small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(work);
        thread.expect("thread").join().expect("no overflow")
    }

    #[test]
    fn hostile_pages_cost_a_bounded_amount() {
        let deep = "<div>".repeat(200_000);
        small_stack(move || {
            let (dom, cut) = Dom::of_html(&deep);
            assert!(cut.is_some());
            let css = Css::parse("p div, p > div").expect("selector");
            let mut purse = Purse::default();
            let root = dom.root().expect("root");
            let tries = (0..10).filter(|_| root.select(&css, &mut purse).is_ok()).count();
            assert!(tries < 10, "each element has thousands around it: {tries}");
            let div = Css::parse("div").expect("selector");
            let all: Vec<_> = root.select(&div, &mut purse).expect("cheap").collect();
            let html: Result<Vec<_>, _> =
                all.into_iter().map(|element| inner_html(element, &mut purse)).collect();
            assert_eq!(html, Err(Empty), "each holds all the others");
        });
        let flat = "<p>x".repeat(100_000);
        small_stack(move || {
            let (dom, cut) = Dom::of_html(&flat);
            assert_eq!(cut, None);
            let mut purse = Purse::default();
            let root = dom.root().expect("root");
            assert!(root.select(&Css::parse("a ~ p").expect("selector"), &mut purse).is_err());
            let found = root.select(&Css::parse("p").expect("selector"), &mut purse).map(Iterator::count);
            assert_eq!(found, Ok(100_000), "what is cheap is still done");
        });
    }

    proptest! {
        #[test]
        fn any_selector_on_any_page_is_an_answer(
            html in "(<(p|b|table|tr|td|svg|template|/p|/b|div class=x)>|a| ){0,20}",
            selector in "([a-z*.#:>~+, \\[\\]=\"()]|div|p|b|:has\\(|:not\\(|:nth-child\\(|:is\\(|::text){0,6}"
        ) {
            let (dom, _) = Dom::of_html(&html);
            if let (Ok(css), Some(root)) = (Css::parse(&selector), dom.root()) {
                let mut purse = Purse::default();
                let found: Vec<_> = root.select(&css, &mut purse).into_iter().flatten().collect();
                for element in found {
                    let said = text(element, &mut purse).expect("small");
                    prop_assert_eq!(said.trim_ascii(), said.as_str());
                    inner_html(element, &mut purse).expect("small");
                }
            }
        }
    }

    /// Selectors of all kinds, with how many ends are known of each.
    const SELECTORS: [(&str, usize); 20] = [
        ("p", 1),
        (".x", 1),
        ("#i", 1),
        ("div p", 1),
        (".x > p:first-child", 1),
        ("h1, .x,\n#i", 3),
        ("p ~ .x", 1),
        (":root  p", 1),
        ("div>.y+.x", 1),
        ("lineargradient", 1),
        ("P", 0),
        ("linearGradient", 0),
        ("p.x", 0),
        (".x.y", 0),
        ("li:nth-child(2)", 0),
        ("p:not(.x)", 0),
        ("[class]", 0),
        ("*", 0),
        ("p, *", 0),
        (":first-child", 0),
    ];

    #[test]
    fn the_end_of_a_selector_is_told_where_it_is_plain() {
        for (text, ends) in SELECTORS {
            assert_eq!(Css::parse(text).expect(text).ends.len(), ends, "{text}");
        }
        assert_eq!(End::all_of("a .b-c, #d:empty"), [End::Class("b-c".into()), End::Id("d".into())]);
    }

    proptest! {
        #[test]
        fn what_is_passed_over_by_its_end_would_not_have_been_found(tags in prop::collection::vec(0..12_usize, 0..60)) {
            let parts = [
                "<p>", "<p class=x>", "<div class='y x'>", "</div>", "<p id=i class=X>", "<li>", "<h1>t</h1>",
                "<svg><linearGradient class=x></svg>", "<div id=i>", "<b class='x\ty'>", "</p>", "<table><td class=x>",
            ];
            for doctype in ["<!doctype html>", ""] {
                let page: String = tags.iter().map(|tag| parts[*tag]).collect();
                let html = Html::parse_document(&format!("{doctype}{page}"));
                let dom = Dom::new(html.clone());
                for (text, _) in SELECTORS {
                    let selector = Selector::parse(text).expect(text);
                    let expected: Vec<String> = dom.html.root_element().descendent_elements()
                        .filter(|element| selector.matches(element)).map(|element| element.html()).collect();
                    let css = Css::parse(text).expect(text);
                    let mut purse = Purse::new(u64::MAX, usize::MAX);
                    let found = dom.root().expect("root").select(&css, &mut purse).expect("cheap");
                    let found: Vec<String> = found.map(|element| element.html()).collect();
                    prop_assert_eq!(found, expected, "{} in {}", text, page);
                }
            }
        }
    }
}

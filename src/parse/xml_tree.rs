//! The tree of an XML text, for selectors. Names keep their case and lose their prefix: `dc:creator` is `creator`.
//! Nothing is fetched and no entity is expanded but those of XML itself; what is broken ends the tree.

use std::borrow::Cow;

use html5ever::interface::Attribute;
use html5ever::{LocalName, Namespace, QualName};
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use scraper::node::{Element, Text};
use scraper::{Html, Node, StrTendril};

use super::css::Dom;
use super::xml::expanded;

/// Nodes of one tree.
const MAX_NODES: usize = 500_000;
/// Elements within each other.
const MAX_DEPTH: usize = 1000;

/// The tree of a text, and the bytes that were read if they are not all.
pub fn read(text: &str) -> (Dom, Option<usize>) {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut html = Html::new_document();
    let mut open = vec![html.tree.root().id()];
    let mut nodes = 0;
    let mut is_cut = false;
    // What is broken has its warning from the pass that looks for links.
    while let Ok(event) = reader.read_event() {
        let node = match event {
            Event::Start(ref start) | Event::Empty(ref start) => Node::Element(element(start)),
            Event::Text(ref text) => text_node(&text.xml10_content()),
            Event::CData(ref text) => text_node(&text.xml10_content()),
            Event::GeneralRef(ref reference) => text_node(&expanded(reference)),
            Event::End(_) => {
                // The document itself stays open.
                open.truncate(open.len().saturating_sub(1).max(1));
                continue;
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => continue,
        };
        nodes += 1;
        if nodes > MAX_NODES || open.len() > MAX_DEPTH {
            is_cut = true;
            break;
        }
        let parent = open.last().and_then(|id| html.tree.get_mut(*id));
        let id = parent.map(|mut parent| parent.append(node).id());
        if matches!(event, Event::Start(_)) {
            open.extend(id);
        }
    }
    let read = usize::try_from(reader.buffer_position()).unwrap_or(text.len());
    (Dom::new(html), is_cut.then_some(read))
}

fn text_node(text: &str) -> Node {
    Node::Text(Text { text: StrTendril::from(text) })
}

fn element(start: &BytesStart<'_>) -> Element {
    let mut attributes = start.attributes();
    let attributes = attributes.with_checks(false).flatten().map(|attribute| {
        let value = unescape(&attribute.value).unwrap_or(Cow::Borrowed(&*attribute.value));
        Attribute { name: name(attribute.key.local_name().as_ref()), value: value.as_ref().into() }
    });
    Element::new(name(start.local_name().as_ref()), attributes.collect())
}

fn name(local: &str) -> QualName {
    QualName::new(None, Namespace::default(), LocalName::from(local))
}

#[cfg(test)]
mod tests {
    use super::super::css::{Css, Purse, text};
    use super::*;

    fn check(xml: &str, selector: &str, expected: &[&str]) {
        let (dom, cut) = read(xml);
        assert_eq!(cut, None);
        let (css, mut purse) = (Css::parse(selector).expect(selector), Purse::default());
        let found: Vec<_> = dom.root().expect("root").select(&css, &mut purse).expect("cheap").collect();
        let found: Vec<_> =
            found.into_iter().map(|element| text(element, &mut purse).expect("small")).collect();
        assert_eq!(found, expected, "{selector} in {xml}");
    }

    #[test]
    fn names_keep_their_case_and_lose_their_prefix() {
        let rss = "<?xml version='1.0'?><rss><item><title>a &amp; b</title><link>/1</link>\
            <pubDate>x</pubDate><dc:creator xmlns:dc='d'>M<![CDATA[ & N]]></dc:creator><enclosure url='u&amp;v'/></item>\
            <item><title>c</title></item></rss>";
        check(rss, "item > title", &["a & b", "c"]);
        check(rss, "link", &["/1"]);
        check(rss, "pubDate", &["x"]);
        check(rss, "pubdate", &[]);
        check(rss, "creator", &["M & N"]);
        check(rss, "enclosure[url='u&v']", &[""]);
        check(rss, "item:nth-child(2) title", &["c"]);
    }

    #[test]
    fn broken_and_hostile_texts_end_the_tree() {
        check("<a><b>x</c><b>y", "b", &["x", "y"]);
        check("<a><b>x</b></a></a><b>y", "b", &["x"]);
        check("<a><b>x</b><b <", "b", &["x"]);
        let (_, cut) = read(&"<a>".repeat(MAX_DEPTH + 10));
        assert_eq!(cut, Some(3 * (MAX_DEPTH + 1)));
        assert!(read("").0.root().is_none());
    }
}

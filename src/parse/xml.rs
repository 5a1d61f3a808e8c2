//! What XML gives: the title of a feed, an SVG or any other document, and the links of a feed. Entities
//! beyond the five of XML and numeric ones are never expanded, documents are never fetched, and depth
//! costs one byte a level.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::Page;
use super::words;
use crate::model::{Link, Parsed};

/// What an open element means for a title inside it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// One entry of many, or the picture of a feed: its title is not that of the document.
    Entry,
    Title,
    /// The `<link>` of RSS, whose text is an address.
    Link,
    Other,
}

#[derive(Default)]
struct Feed {
    open: Vec<Part>,
    entries: usize,
    /// Whether the root is that of a feed, whose `<link>` elements are links.
    has_links: bool,
    /// Text of the title or link that is open.
    text: String,
    title: Option<String>,
    entry_title: Option<String>,
}

/// Puts title and links of `text` into `parsed`.
pub fn read(page: &Page<'_>, text: &str, parsed: &mut Parsed) {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut feed = Feed::default();
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => feed.start(page, &start, parsed),
            Ok(Event::Empty(start)) => {
                feed.start(page, &start, parsed);
                feed.end(page, parsed);
            }
            Ok(Event::End(_)) => feed.end(page, parsed),
            Ok(Event::Text(text)) => feed.text(&text.xml10_content()),
            Ok(Event::CData(text)) => feed.text(&text.xml10_content()),
            Ok(Event::GeneralRef(reference)) => feed.text(&expanded(&reference)),
            Ok(Event::Eof) => break,
            Ok(Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_)) => {}
            Err(error) => {
                let at = reader.error_position();
                parsed.warnings.push(format!("the XML is broken at byte {at}: {error}"));
                break;
            }
        }
    }
    let title = feed.title.or(feed.entry_title);
    parsed.title = title.and_then(|title| words::tidy(&title, parsed, "title"));
}

impl Feed {
    fn start(&mut self, page: &Page<'_>, start: &BytesStart<'_>, parsed: &mut Parsed) {
        let name = start.local_name();
        let name: &str = name.as_ref();
        if self.open.is_empty() {
            self.has_links |= matches!(name, "rss" | "feed" | "RDF");
        }
        let part = match name {
            "title" if !self.collects() => Part::Title,
            "item" | "entry" | "image" | "textInput" | "textinput" => Part::Entry,
            "link" if self.has_links && !self.collects() => Part::Link,
            _ => Part::Other,
        };
        self.entries += usize::from(part == Part::Entry);
        self.open.push(part);
        match part {
            Part::Title => self.text.clear(),
            Part::Link => {
                self.text.clear();
                if let Some(href) = attribute(start, "href") {
                    let rel = attribute(start, "rel").map(|rel| words::collapsed(&rel).to_ascii_lowercase());
                    admit(page, &href, rel.as_deref(), parsed);
                }
            }
            Part::Entry | Part::Other => {}
        }
    }

    fn end(&mut self, page: &Page<'_>, parsed: &mut Parsed) {
        match self.open.pop() {
            Some(Part::Entry) => self.entries -= 1,
            Some(Part::Title) if !self.text.trim_ascii().is_empty() => {
                let slot = if self.entries == 0 { &mut self.title } else { &mut self.entry_title };
                if slot.is_none() {
                    *slot = Some(std::mem::take(&mut self.text));
                }
            }
            Some(Part::Link) if !self.text.trim_ascii().is_empty() => {
                let address = std::mem::take(&mut self.text);
                admit(page, &address, None, parsed);
            }
            Some(Part::Title | Part::Link | Part::Other) | None => {}
        }
        if !self.collects() {
            self.text.clear();
        }
    }

    /// Whether the innermost elements are a title or a link.
    fn collects(&self) -> bool {
        self.open.iter().rev().take(8).any(|part| matches!(part, Part::Title | Part::Link))
    }

    fn text(&mut self, text: &str) {
        if self.collects() {
            self.text.push_str(text);
        }
    }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let raw = start.try_get_attribute(name).ok()??;
    Some(unescape(&raw.value).map_or_else(|_| raw.value.to_string(), Cow::into_owned))
}

/// The text of a reference; what is not known stays as it is written.
pub(super) fn expanded(reference: &BytesRef<'_>) -> String {
    let written = format!("&{};", &**reference);
    let text = unescape(&written).ok().map(Cow::into_owned);
    text.unwrap_or(written)
}

fn admit(page: &Page<'_>, address: &str, rel: Option<&str>, parsed: &mut Parsed) {
    if let Ok(url) = page.normalize.canonical(address, Some(page.url)) {
        parsed.links.push(Link { url: url.as_str(), rel });
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn parsed(text: &str) -> Parsed {
        let url = Url::parse("http://h/d/").expect("url");
        let page = Page {
            url: &url,
            content_type: None,
            content_language: None,
            robots_tag: None,
            asked: None,
            normalize: &crate::model::Normalize::default(),
        };
        let mut parsed = Parsed::default();
        read(&page, text, &mut parsed);
        parsed
    }

    fn check(text: &str, title: Option<&str>, links: &[&str]) {
        let parsed = parsed(text);
        let urls: Vec<_> = parsed.links.iter().map(|link| link.url).collect();
        assert_eq!((parsed.title.as_deref(), urls.as_slice()), (title, links), "{text}");
    }

    #[test]
    fn feeds_give_title_and_links() {
        check(
            "<?xml version='1.0'?><rss><channel><image><title>no</title></image><title>A &amp; <![CDATA[<B>]]></title>
             <link>http://o/</link><item><title>no</title><link> x </link></item></channel></rss>",
            Some("A & <B>"),
            &["http://o/", "http://h/d/x"],
        );
        check(
            "<a:feed xmlns:a='x'><a:entry><a:title>no</a:title></a:entry><a:title type='xhtml'><div>A <b>B</b></div></a:title>
             <a:link rel=' Alternate ' href='x?a&amp;b'/><a:link href='mailto:x@y'/></a:feed>",
            Some("A B"),
            &["http://h/d/x?a&b"],
        );
        assert_eq!(
            parsed("<feed><link rel=' A ' href='x'/></feed>").links.iter().next().and_then(|link| link.rel),
            Some("a")
        );
    }

    #[test]
    fn any_xml_has_the_first_title() {
        check("<svg><g><title>A</title></g></svg>", Some("A"), &[]);
        check("<list><item><title>A</title></item></list>", Some("A"), &[]);
        check("<x><title> </title><title>B</title><link>http://o/</link></x>", Some("B"), &[]);
        check("<x/>", None, &[]);
    }

    #[test]
    fn entities_are_not_expanded() {
        check(
            "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b SYSTEM 'file:///etc/passwd'>]><x><title>&a;&b;&#x41;&lt;</title></x>",
            Some("&a;&b;A<"),
            &[],
        );
    }

    #[test]
    fn broken_and_deep_xml_ends() {
        assert_eq!(parsed("<x><title>A</title><").warnings.len(), 1);
        check(&format!("{}<title>A</title>", "<x>".repeat(200_000)), Some("A"), &[]);
        check("</x></y><title>A</title>", Some("A"), &[]);
    }
}

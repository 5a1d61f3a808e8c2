//! The words of RSS and Atom: which elements are entries, which of their parts name a URL or a date, and which
//! of several is meant. Knows names and attributes; the walk over the document is not done here.

use std::borrow::Cow;

use quick_xml::escape::unescape;
use quick_xml::events::BytesStart;
use url::Url;

use super::listing::{Field, Slot};
use super::sitemap::{MAX_TEXT, is_web};

/// Attributes of an element that are looked at.
const MAX_ATTRIBUTES: usize = 64;

/// What an element of an RSS item is. `is_own` says that it has the prefix of the item or none.
pub fn rss(name: &str, is_own: bool) -> Option<Field> {
    let field = |slot, rank| Some(Field { slot, rank });
    match name {
        "link" if is_own => field(Slot::Url, 4),
        "guid" if is_own => field(Slot::Permalink, 3),
        "pubdate" if is_own => field(Slot::Lastmod, 2),
        // Dublin Core, which RSS 1.0 uses.
        "date" => field(Slot::Lastmod, 1),
        _ => None,
    }
}

/// What an element of an Atom entry is. Its `<link>` is read from attributes alone: see [`link`].
pub fn atom(name: &str, is_own: bool) -> Option<Field> {
    let rank = match name {
        // 1.0 and, behind them, what 0.3 calls the same.
        "updated" => 4,
        "modified" => 3,
        "published" => 2,
        "issued" => 1,
        _ => return None,
    };
    is_own.then_some(Field { slot: Slot::Lastmod, rank })
}

/// The address of an Atom `<link>` that leads to the page itself, and its rank: HTML goes over other types.
pub fn link(start: &BytesStart<'_>) -> Option<(String, u8)> {
    let href = attribute(start, "href")?;
    let rel = attribute(start, "rel").unwrap_or_default();
    let rel = rel.trim().to_ascii_lowercase();
    if !matches!(rel.as_str(), "" | "alternate" | "http://www.iana.org/assignments/relation/alternate") {
        return None;
    }
    let kind = attribute(start, "type").unwrap_or_default().to_ascii_lowercase();
    Some((href, if kind.is_empty() || kind.contains("html") { 2 } else { 1 }))
}

/// The address that an RSS 1.0 item gives itself.
pub fn about(start: &BytesStart<'_>) -> Option<String> {
    attribute(start, "rdf:about").filter(|about| is_web(about.trim()))
}

/// Whether an RSS `<guid>` says that it is an address; by default it does.
pub fn is_permalink(start: &BytesStart<'_>) -> bool {
    attribute(start, "isPermaLink").is_none_or(|is| !is.trim().eq_ignore_ascii_case("false"))
}

/// `reference` under the `xml:base` of its place (RFC 3986, 5.2): absolute where the base is, else still relative
/// to the document. `None` if it grows beyond what a URL may be long.
pub fn resolved(base: &str, reference: &str) -> Option<String> {
    let (base, reference) = (base.trim(), reference.trim());
    let whole = if base.is_empty() || Url::parse(reference).is_ok() {
        reference.to_owned()
    } else if let Ok(base) = Url::parse(base) {
        base.join(reference).map_or_else(|_| reference.to_owned(), String::from)
    } else if reference.starts_with('/') {
        reference.to_owned()
    } else {
        let plain = |text: &str, ends: &[char]| text.find(ends).map_or(text.len(), |end| end);
        match reference.chars().next() {
            None | Some('#') => format!("{}{reference}", &base[..plain(base, &['#'])]),
            Some('?') => format!("{}{reference}", &base[..plain(base, &['?', '#'])]),
            Some(_) => {
                let path = &base[..plain(base, &['?', '#'])];
                format!("{}{reference}", &path[..path.rfind('/').map_or(0, |slash| slash + 1)])
            }
        }
    };
    (whole.len() <= MAX_TEXT).then_some(whole)
}

/// The value of an attribute, with the five entities of XML and character references read.
pub fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = start.attributes();
    let mut known = attributes.with_checks(false).take(MAX_ATTRIBUTES).flatten();
    let found = known.find(|attribute| attribute.key.as_ref().eq_ignore_ascii_case(name))?;
    Some(unescape(&found.value).map_or_else(|_| found.value.to_string(), Cow::into_owned))
}

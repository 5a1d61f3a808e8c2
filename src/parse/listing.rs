//! One walk over the XML of a sitemap or feed. Holds one entry, a bounded stack of open elements and one bounded
//! piece of the text; forgives tags that are not closed or cross each other, and expands no entity.
//!
//! An element counts by its place: a part of an entry stands directly in it, with the prefix of the entry or none.
//! So the `loc` of an image or a video, and the links of translations, are none of a page.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::errors::{Error, SyntaxError};
use quick_xml::events::{BytesStart, Event};
use xxhash_rust::xxh3::xxh3_64;

use super::feed::{self, attribute};
use super::sitemap::{self, Listed, Listing, MAX_TEXT, Taker, is_web};
use super::stream::Text;
use super::xml::expanded;

/// The longest tag, text between tags, CDATA section or comment that is read: a page within a feed, say.
const MAX_PIECE: usize = 4 << 20;
/// Elements that nobody closes: the reader remembers the names of all of them.
const MAX_UNCLOSED: u64 = 1 << 16;
/// The longest name of an element.
const MAX_NAME: usize = 256;

/// What the text of an element says of its entry.
#[derive(Clone, Copy)]
pub enum Slot {
    Url,
    /// A URL only if it looks like one.
    Permalink,
    Lastmod,
    Changefreq,
    Priority,
}

/// A part of an entry. Of two parts for one slot the higher rank counts, of equal ones the first.
#[derive(Clone, Copy)]
pub struct Field {
    pub slot: Slot,
    pub rank: u8,
}

#[derive(Clone, Copy)]
enum Part {
    Entry,
    Field(Field),
    Other,
}

/// An open element; its name as a hash, since only closing tags ask for it.
struct Open {
    name: u64,
    part: Part,
}

/// A value and its rank.
type Ranked = Option<(u8, String)>;

/// The entry that is open.
#[derive(Default)]
struct Draft {
    prefix: String,
    is_sitemap: bool,
    url: Ranked,
    lastmod: Ranked,
    changefreq: Ranked,
    priority: Ranked,
    /// Text that stands directly in an entry of a sitemap: its URL, where nobody wrote the `<loc>`.
    bare: String,
}

/// Reading came to its end before that of the document; the taker knows why.
struct Ended;

struct Walk<'a, 't> {
    taker: &'a mut Taker<'t>,
    open: Vec<Open>,
    draft: Option<Draft>,
    /// Text of the field that is open.
    text: String,
    is_long: bool,
    /// Each `xml:base` in effect and how deep it stands.
    bases: Vec<(usize, String)>,
}

/// Hands the entries of a document to `taker`.
pub fn read(text: &mut Text<'_>, taker: &mut Taker<'_>) {
    let mut reader = Reader::from_reader(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut walk =
        Walk { taker, open: Vec::new(), draft: None, text: String::new(), is_long: false, bases: Vec::new() };
    let mut buffer = Vec::new();
    let mut unclosed = 0_u64;
    loop {
        buffer.clear();
        buffer.shrink_to(MAX_TEXT);
        reader.get_mut().next_piece(MAX_PIECE);
        let event = reader.read_event_into(&mut buffer);
        match &event {
            Ok(Event::Start(_)) => unclosed += 1,
            Ok(Event::End(_)) => unclosed = unclosed.saturating_sub(1),
            _ => {}
        }
        if unclosed > MAX_UNCLOSED {
            walk.taker.refuse("too many elements are never closed");
        }
        let is_over = matches!(event, Ok(Event::Eof)) || walk.event(event).is_err();
        if is_over || walk.taker.report.refused.is_some() {
            break;
        }
    }
    walk.finish();
}

impl Walk<'_, '_> {
    fn event(&mut self, event: Result<Event<'_>, Error>) -> Result<(), Ended> {
        match event {
            Ok(Event::Start(start)) => self.start(&start),
            Ok(Event::Empty(start)) => {
                self.start(&start)?;
                let top = self.open.len().saturating_sub(1);
                self.close(top)
            }
            Ok(Event::End(end)) => self.end(end.name().as_ref()),
            Ok(Event::Text(text)) => self.collect(|| text.xml10_content()),
            Ok(Event::CData(text)) => self.collect(|| text.xml10_content()),
            Ok(Event::GeneralRef(reference)) => {
                let text = expanded(&reference);
                if text.len() == 1 || !text.starts_with('&') {
                    return self.collect(|| text.into());
                }
                // One that the document declares itself, or nobody: it stands for nothing.
                self.taker.odd.entities += u64::from(self.collects());
                Ok(())
            }
            Ok(Event::Eof | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_)) => Ok(()),
            // Every one of these is behind what it complains of, so the reader can go on.
            Err(Error::IllFormed(_)) => {
                self.taker.odd.ill_formed += 1;
                Ok(())
            }
            Err(Error::Syntax(error)) if error != SyntaxError::InvalidBangMarkup => {
                self.taker.odd.is_cut = true;
                Err(Ended)
            }
            Err(Error::Io(error)) => self.refuse(error.to_string()),
            Err(error) => self.refuse(format!("the XML is broken: {error}")),
        }
    }

    fn refuse(&mut self, why: impl Into<String>) -> Result<(), Ended> {
        self.taker.refuse(why);
        Err(Ended)
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), Ended> {
        let qualified = start.name();
        let qualified: &str = qualified.as_ref();
        if qualified.len() > MAX_NAME {
            return self.refuse(format!("the name of an element is longer than {MAX_NAME} bytes"));
        }
        let lower = qualified.to_ascii_lowercase();
        let (prefix, name) = lower.split_once(':').unwrap_or(("", &lower));
        if self.open.is_empty() {
            self.root(name)?;
        }
        if self.open.len() >= self.taker.bounds.max_depth {
            let depth = self.taker.bounds.max_depth;
            return self.refuse(format!("its elements are nested deeper than {depth}"));
        }
        let part = self.part(prefix, name)?;
        self.open.push(Open { name: xxh3_64(lower.as_bytes()), part });
        if self.is_feed() {
            self.attributes(start, name, part);
        }
        Ok(())
    }

    /// The root says what the document is.
    fn root(&mut self, name: &str) -> Result<(), Ended> {
        self.taker.report.kind = match name {
            "urlset" => Listing::Sitemap,
            "sitemapindex" => Listing::Index,
            "rss" | "rdf" => Listing::Rss,
            "feed" => Listing::Atom,
            "html" => return self.refuse("it is a web page, no sitemap or feed"),
            _ => return self.refuse(format!("its root element is `{name}`: no sitemap or feed")),
        };
        Ok(())
    }

    fn is_feed(&self) -> bool {
        matches!(self.taker.report.kind, Listing::Rss | Listing::Atom)
    }

    /// What a new element is. Ends what it shows to be over: a field that has no elements, or an entry.
    fn part(&mut self, prefix: &str, name: &str) -> Result<Part, Ended> {
        let kind = self.taker.report.kind;
        let is_entry = match kind {
            Listing::Sitemap | Listing::Index => matches!(name, "url" | "sitemap"),
            Listing::Rss => name == "item",
            _ => name == "entry",
        };
        if let Some(draft) = &self.draft {
            let is_own = prefix.is_empty() || prefix == draft.prefix;
            let field = match kind {
                Listing::Rss => feed::rss(name, is_own),
                Listing::Atom => feed::atom(name, is_own),
                _ => sitemap::field(name).filter(|_| is_own),
            };
            let in_field = self.collects();
            if in_field && (field.is_some() || (is_entry && is_own)) {
                self.close(self.open.len() - 1)?;
            }
            match self.open.last().map(|open| open.part) {
                Some(Part::Entry) if is_entry && is_own => self.close(self.open.len() - 1)?,
                Some(Part::Entry) => return Ok(field.map_or(Part::Other, Part::Field)),
                _ => return Ok(Part::Other),
            }
        }
        if !is_entry || self.open.is_empty() {
            return Ok(Part::Other);
        }
        let is_sitemap = name == "sitemap";
        self.draft = Some(Draft { prefix: prefix.to_owned(), is_sitemap, ..Draft::default() });
        Ok(Part::Entry)
    }

    /// What the attributes of an element of a feed say.
    fn attributes(&mut self, start: &BytesStart<'_>, name: &str, part: Part) {
        if let Some(base) = attribute(start, "xml:base") {
            // One that is too long counts as none.
            if let Some(base) = feed::resolved(self.base(), &base) {
                self.bases.push((self.open.len(), base));
            }
        }
        let found = match part {
            Part::Entry if self.taker.report.kind == Listing::Rss => feed::about(start).map(|url| (url, 0)),
            Part::Field(Field { slot: Slot::Permalink, .. }) if !feed::is_permalink(start) => {
                if let Some(open) = self.open.last_mut() {
                    open.part = Part::Other;
                }
                None
            }
            _ if name == "link" && self.is_in_entry() => feed::link(start),
            _ => None,
        };
        if let Some((url, rank)) = found {
            self.put(Field { slot: Slot::Url, rank }, &url);
        }
    }

    /// Whether the innermost element stands directly in an entry.
    fn is_in_entry(&self) -> bool {
        let above = self.open.len().checked_sub(2).and_then(|at| self.open.get(at));
        above.is_some_and(|open| matches!(open.part, Part::Entry))
    }

    fn base(&self) -> &str {
        self.bases.last().map_or("", |(_, base)| base)
    }

    fn collects(&self) -> bool {
        matches!(self.open.last(), Some(Open { part: Part::Field(_), .. }))
    }

    #[allow(clippy::unnecessary_wraps)] // an arm of `event` like the others
    fn collect<'e>(&mut self, text: impl FnOnce() -> Cow<'e, str>) -> Result<(), Ended> {
        if self.collects() && !self.is_long {
            let text = text();
            // White space at the beginning is no part of it.
            let text = if self.text.is_empty() { text.trim_start() } else { &*text };
            self.is_long = self.text.len() + text.len() > MAX_TEXT;
            if !self.is_long {
                self.text.push_str(text);
            }
        } else if let (Some(Open { part: Part::Entry, .. }), Some(draft)) =
            (self.open.last(), &mut self.draft)
        {
            let text = text();
            let text = if draft.bare.is_empty() { text.trim_start() } else { &*text };
            let is_wanted = matches!(self.taker.report.kind, Listing::Sitemap | Listing::Index);
            if is_wanted && draft.bare.len() + text.len() <= MAX_TEXT {
                draft.bare.push_str(text);
            }
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Ended> {
        let name = xxh3_64(name.to_ascii_lowercase().as_bytes());
        match self.open.iter().rposition(|open| open.name == name) {
            Some(at) => self.close(at),
            None => Ok(()),
        }
    }

    /// Closes the innermost elements down to the one at `at`. Once the root is closed nothing more is read.
    fn close(&mut self, at: usize) -> Result<(), Ended> {
        while self.open.len() > at {
            match self.open.last().map(|open| open.part) {
                Some(Part::Field(field)) => {
                    let text = std::mem::take(&mut self.text);
                    self.put(field, &text);
                    self.text = text;
                    self.text.clear();
                    self.is_long = false;
                }
                Some(Part::Entry) => {
                    if let Some(draft) = &mut self.draft
                        && draft.url.is_none()
                        && is_web(draft.bare.trim())
                    {
                        draft.url = Some((0, draft.bare.trim().to_owned()));
                    }
                    self.give()?;
                }
                Some(Part::Other) | None => {}
            }
            if self.bases.last().is_some_and(|(depth, _)| *depth == self.open.len()) {
                self.bases.pop();
            }
            self.open.pop();
        }
        if self.open.is_empty() { Err(Ended) } else { Ok(()) }
    }

    /// Puts a value into the entry. A second URL in one entry of a sitemap is a second entry.
    fn put(&mut self, field: Field, text: &str) {
        let text = text.trim();
        let is_address = matches!(field.slot, Slot::Url | Slot::Permalink);
        let resolved = if is_address { feed::resolved(self.base(), text) } else { None };
        if self.is_long || text.len() > MAX_TEXT || (is_address && resolved.is_none()) {
            self.taker.odd.long += 1;
            return;
        }
        if text.is_empty() || (matches!(field.slot, Slot::Permalink) && !is_web(text)) {
            return;
        }
        let is_second = is_address && !self.is_feed();
        if let Some(Draft { prefix, is_sitemap, url: Some(_), .. }) =
            self.draft.as_ref().filter(|_| is_second)
        {
            let next = Draft { prefix: prefix.clone(), is_sitemap: *is_sitemap, ..Draft::default() };
            // Whether it is one too many shows in the report, which ends the walk.
            let _ = self.give();
            self.draft = Some(next);
        }
        let Some(draft) = &mut self.draft else { return };
        let slot = match field.slot {
            Slot::Url | Slot::Permalink => &mut draft.url,
            Slot::Lastmod => &mut draft.lastmod,
            Slot::Changefreq => &mut draft.changefreq,
            Slot::Priority => &mut draft.priority,
        };
        if slot.as_ref().is_none_or(|(rank, _)| *rank < field.rank) {
            *slot = Some((field.rank, resolved.unwrap_or_else(|| text.to_owned())));
        }
    }

    /// Hands the entry over.
    fn give(&mut self) -> Result<(), Ended> {
        let Some(Draft { is_sitemap, url, lastmod, changefreq, priority, .. }) = self.draft.take() else {
            return Ok(());
        };
        let Some((_, url)) = url else {
            self.taker.odd.without_url += 1;
            return Ok(());
        };
        let value = |ranked: Ranked| ranked.map(|(_, value)| value);
        let (lastmod, changefreq, priority) = (value(lastmod), value(changefreq), value(priority));
        if self.taker.take(Listed { url, lastmod, changefreq, priority, is_sitemap }) {
            Ok(())
        } else {
            Err(Ended)
        }
    }

    /// At the end. Of an entry that is still open what came whole counts; a field that is open is cut off.
    fn finish(mut self) {
        let is_stopped = self.taker.report.refused.is_some();
        self.taker.odd.is_cut |= !self.open.is_empty() && !is_stopped;
        if self.draft.as_ref().is_some_and(|draft| draft.url.is_some()) {
            let why = self.taker.report.refused.take();
            let _ = self.give();
            self.taker.report.refused = why.or(self.taker.report.refused.take());
        }
        if self.taker.report.kind == Listing::Unknown && self.taker.report.refused.is_none() {
            self.taker.refuse("it is neither a sitemap nor a feed");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sitemap::{Bounds, Report, list};
    use super::*;

    fn read(body: &str) -> (Vec<Listed>, Report) {
        let mut listed = Vec::new();
        let report = list(body.as_bytes(), &Bounds::default(), &mut |one| listed.push(one));
        (listed, report)
    }

    /// Each entry as `URL`, `@URL` for a sitemap, then `lastmod|changefreq|priority` if there is any.
    fn show(body: &str) -> Vec<String> {
        let line = |one: Listed| {
            let mark = if one.is_sitemap { "@" } else { "" };
            let values = [one.lastmod, one.changefreq, one.priority].map(Option::unwrap_or_default).join("|");
            format!("{mark}{} {}", one.url, values.trim_matches('|')).trim_end().to_owned()
        };
        read(body).0.into_iter().map(line).collect()
    }

    fn check(body: &str, expected: &[&str]) {
        assert_eq!(show(body), expected, "{body}");
    }

    fn warnings(body: &str) -> Vec<String> {
        read(body).1.warnings
    }

    fn refused(body: &str) -> String {
        read(body).1.refused.unwrap_or_default()
    }

    #[test]
    fn sitemaps_and_indexes() {
        check(
            "<?xml version='1.0'?><urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'><url><loc>http://a/</loc>
             <lastmod>2009-08-16</lastmod><changefreq>daily</changefreq><priority>1</priority></url>
             <url><loc>\n http://a/2\u{3000}\u{a0}</loc><lastmod /><!-- no --></url></urlset>",
            &["http://a/ 2009-08-16|daily|1", "http://a/2"],
        );
        check(
            "<sitemapindex><sitemap><loc>/1.xml.gz</loc><lastmod> 2004 </lastmod></sitemap></sitemapindex>",
            &["@/1.xml.gz 2004"],
        );
        assert_eq!(read("<SITEMAPINDEX/>").1, Report { kind: Listing::Index, ..Report::default() });
        assert_eq!(read("\n\u{feff} <urlset></urlset>").1.kind, Listing::Sitemap);
    }

    #[test]
    fn names_count_without_case_and_prefix() {
        check(
            "<sm:UrlSet xmlns:sm='x'><sm:URL><sm:Loc>http://a/</SM:LOC></sm:url></sm:urlset>",
            &["http://a/"],
        );
        check("<urlset><url xmlns=''><loc>http://a/</loc></url></urlset>", &["http://a/"]);
        check(
            "<sitemapindex><sitemap>\nhttp://a/?b&amp;c\n</sitemap><sitemap>x</sitemap></sitemapindex>",
            &["@http://a/?b&c"],
        );
        check("<s:urlset><url><loc>http://a/</loc></url></s:urlset>", &["http://a/"]);
    }

    #[test]
    fn extensions_are_no_pages() {
        check(
            "<urlset><url><image:image><image:loc>http://i/</image:loc><loc>http://i/2</loc></image:image>
             <image:loc>http://i/3</image:loc><video:video><video:player_loc>http://v/</video:player_loc>
             <url><loc>http://v/2</loc></url></video:video><xhtml:link rel='alternate' hreflang='de' href='http://d/'/>
             <PageMap><DataObject><Attribute name='loc'>x</Attribute></DataObject></PageMap>
             <loc>http://a/</loc><news:news><lastmod>1</lastmod></news:news><mobile:mobile/></url></urlset>",
            &["http://a/"],
        );
    }

    #[test]
    fn character_references_and_cdata_are_read() {
        check(
            "<urlset><url><loc><![CDATA[ http://a/?b&c ]]></loc></url><url><loc>http://a/?b&amp;c&#38;&#x64;</loc></url>
             <url><loc>http://a/?b&c=d&e</loc></url><url><loc>http://<![CDATA[a/]]>b</loc></url></urlset>",
            &["http://a/?b&c", "http://a/?b&c&d", "http://a/?b&c=d&e", "http://a/b"],
        );
    }

    #[test]
    fn entities_are_never_expanded() {
        let bomb = "<!DOCTYPE u [<!ENTITY a 'http://h/'><!ENTITY b '&a;&a;&a;&a;'><!ENTITY x SYSTEM 'file:///etc/passwd'>]>
                    <urlset><url><loc>&a;</loc></url><url><loc>http://h/&b;&x;&nbsp;&lt;</loc></url></urlset>";
        check(bomb, &["http://h/<"]);
        assert_eq!(
            warnings(bomb),
            ["entries without a URL: 1", "references to unknown entities, taken for nothing: 4"]
        );
    }

    #[test]
    fn tags_that_are_not_closed_are_forgiven() {
        check(
            "<sitemapindex><sitemap><loc>http://a/</loc><loc>http://b/</loc></sitemap>",
            &["@http://a/", "@http://b/"],
        );
        check(
            "<urlset><url><loc>http://a/<lastmod>1</lastmod></url><url><loc>http://b/</url></urlset>",
            &["http://a/ 1", "http://b/"],
        );
        check(
            "<urlset><url><loc>http://a/</loc><url><loc>http://b/</loc></urlset>",
            &["http://a/", "http://b/"],
        );
        check(
            "<urlset></p></url><url><loc>http://a/</loc></x></url></urlset><urlset><url><loc>http://b/</loc>",
            &["http://a/"],
        );
        check("<urlset><url><loc>http://a/<b>x</b>c</loc></url></urlset>", &["http://a/c"]);
    }

    #[test]
    fn what_is_cut_off_gives_what_came_whole() {
        let whole = "<urlset><url><loc>http://a/1</loc><lastmod>2020</lastmod></url><url><loc>http://a/2</loc></url></urlset>";
        for end in 0..whole.len() {
            let urls = show(&whole[..end]);
            let count = [whole.find("</loc>"), whole.rfind("</loc>")];
            let count = count.into_iter().flatten().filter(|at| at + "</loc>".len() <= end).count();
            assert_eq!(urls.len(), count, "{}", &whole[..end]);
            assert!(urls.iter().zip(["http://a/1", "http://a/2"]).all(|(url, known)| url.starts_with(known)));
        }
        assert_eq!(warnings(&whole[..whole.len() - 3]), ["it ends before its last element is closed"]);
        assert!(warnings(whole).is_empty());
    }

    #[test]
    fn what_is_missing_or_too_long_is_told() {
        let long = "x".repeat(MAX_TEXT + 1);
        let body = format!(
            "<urlset><url><loc> </loc></url><url/><url><loc>{long}</loc></url><url><loc>http://a/</loc><lastmod>{long}</lastmod></url></urlset>"
        );
        check(&body, &["http://a/"]);
        assert_eq!(
            warnings(&body),
            ["entries without a URL: 3", "entries or values left out because they are longer than 16KiB: 2"]
        );
    }

    #[test]
    fn rss_of_all_ages() {
        check(
            "<rss version='2.0' xmlns:atom='x'><channel><link>http://home/</link><atom:link rel='self' href='http://feed/'/>
             <image><link>http://home/</link></image>
             <item><title>no</title><guid>http://g/1</guid><link> http://a/1 </link><pubDate>Sun, 06 Nov 1994 08:49:37 GMT</pubDate>
             <media:content url='http://m/'/><source url='http://s/'>s</source><description><![CDATA[<a href='http://no/'>]]></description></item>
             <item><guid isPermaLink='true'>http://g/2</guid></item><item><guid>http://g/3</guid></item>
             <item><guid isPermaLink=' False '>http://g/4</guid></item><item><guid>urn:5</guid></item>
             <item><atom:link rel='alternate' href='http://a/6?x&amp;y'/><atom:link rel='replies' href='http://no/'/><link/></item>
             <item><link>7</link><dc:date>2020-01-01</dc:date></item></channel></rss>",
            &["http://a/1 Sun, 06 Nov 1994 08:49:37 GMT", "http://g/2", "http://g/3", "http://a/6?x&y", "7 2020-01-01"],
        );
        check(
            "<rdf:RDF xmlns='http://purl.org/rss/1.0/'><channel rdf:about='http://c/'><link>http://c/</link><items><rdf:Seq>
             <rdf:li resource='http://no/'/></rdf:Seq></items></channel><item rdf:about='http://a/1'><link>http://a/2</link></item>
             <item rdf:about='http://a/3'><title>x</title></item></rdf:RDF>",
            &["http://a/2", "http://a/3"],
        );
        check(
            "<rss version='0.91'><channel><item><link>http://a/</link></item></channel></rss>",
            &["http://a/"],
        );
    }

    #[test]
    fn atom_entries_lead_to_their_pages() {
        check(
            "<feed xmlns='http://www.w3.org/2005/Atom'><link rel='alternate' href='http://home/'/><updated>1999</updated>
             <entry><link rel='edit' href='http://no/'/><link href='http://a/1'/><id>urn:1</id><published>2000</published><updated>2001</updated></entry>
             <entry><link rel='Alternate' type='application/json' href='http://a/2.json'/><link type='text/html' rel='alternate' href='http://a/2'/>
             <source><link href='http://no/'/><updated>1</updated></source><published>2002</published></entry>
             <entry><link rel='enclosure' href='http://no/'/></entry></feed>",
            &["http://a/1 2001", "http://a/2 2002"],
        );
        check(
            "<a:feed xmlns:a='x'><a:entry><a:link href='http://a/'></a:link><a:modified>2003</a:modified></a:entry></a:feed>",
            &["http://a/ 2003"],
        );
    }

    #[test]
    fn xml_base_is_applied_where_it_stands() {
        check(
            "<feed xml:base='http://h/d/'><entry><link href='x'/></entry><entry xml:base='e/f'><link href='../x'/></entry>
             <entry><link xml:base='/g/' href='x'/></entry><entry><link href='?q'/></entry></feed>",
            &["http://h/d/x", "http://h/d/x", "http://h/g/x", "http://h/d/?q"],
        );
        check(
            "<feed xml:base='/d/e?q'><entry><link href='x'/></entry><entry><link href='?p#f'/></entry></feed>",
            &["/d/x", "/d/e?p#f"],
        );
    }

    #[test]
    fn relative_bases_give_what_the_document_would() {
        let document = url::Url::parse("http://h/1/2/3?4").expect("URL");
        for base in ["", "a", "a/b", "/a/b", "../a/b?q#f", "?q", "http://o/x/y"] {
            for reference in ["", "x", "../x/", "/x", "?y", "#z", "./", "http://p/", "mailto:x@y"] {
                let expected = document.join(base).expect("base").join(reference).expect("URL");
                let found = feed::resolved(base, reference).expect("short");
                assert_eq!(document.join(&found).expect("URL"), expected, "{base} {reference}");
            }
        }
        assert_eq!(feed::resolved(&"x".repeat(MAX_TEXT), "y/z"), Some("y/z".into()));
        assert_eq!(feed::resolved(&"x/".repeat(MAX_TEXT / 2), "y"), None);
    }

    #[test]
    fn hostile_documents_are_refused() {
        assert_eq!(
            refused(&format!("<urlset>{}", "<x>".repeat(128))),
            "its elements are nested deeper than 128"
        );
        let long = "x".repeat(MAX_PIECE);
        for piece in
            [format!("<!--{long}-->"), format!("<x a='{long}'>"), format!("<![CDATA[{long}]]>"), long.clone()]
        {
            let body =
                format!("<urlset><url><loc>http://a/</loc></url>{piece}<url><loc>http://b/</loc></url>");
            check(&body, &["http://a/"]);
            assert_eq!(refused(&body), "one tag, text or comment is longer than 4MiB");
        }
        assert_eq!(
            refused(&format!("<urlset>{}", "<url>".repeat(70_000))),
            "too many elements are never closed"
        );
        assert_eq!(
            refused(&format!("<urlset><{}>", "x".repeat(300))),
            "the name of an element is longer than 256 bytes"
        );
        let many = format!("<feed><entry><link {} href='http://a/'/></entry></feed>", "a='b' ".repeat(100));
        check(&many, &[]);
        let nested = format!(
            "<feed>{}<entry><link href='x'/></entry>",
            "<x xml:base='yyyyyyyyyyyyyyyy/'>".repeat(100)
        );
        assert_eq!(read(&nested).0[0].url.len(), 100 * 17 + 1);
    }

    #[test]
    fn what_is_neither_is_refused() {
        assert_eq!(refused("<!DOCTYPE html><HTML><head>"), "it is a web page, no sitemap or feed");
        assert_eq!(
            refused("<Error><Code>NoSuchKey</Code></Error>"),
            "its root element is `error`: no sitemap or feed"
        );
        assert_eq!(refused("<!-- nothing -->"), "it is neither a sitemap nor a feed");
        assert_eq!(refused("<"), "it is neither a sitemap nor a feed");
        assert!(refused("<!x>").starts_with("the XML is broken: "), "{}", refused("<!x>"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(urls in prop::collection::vec("[ -~äß€]{1,40}", 0..20), kind in 0..3usize) {
            let urls: Vec<&str> = urls.iter().map(|url| url.trim()).filter(|url| !url.is_empty()).collect();
            let (start, before, after, end) = [
                ("<urlset>", "<url><loc>", "</loc></url>", "</urlset>"),
                ("<rss><channel>", "<item><link>", "</link></item>", "</channel></rss>"),
                ("<feed>", "<entry><link href=\"", "\"/></entry>", "</feed>"),
            ][kind];
            let entry = |url: &&str| format!("{before}{}{after}", quick_xml::escape::escape(*url));
            let body = format!("{start}{}{end}", urls.iter().map(entry).collect::<String>());
            let (listed, report) = read(&body);
            prop_assert_eq!(listed.iter().map(|one| one.url.as_str()).collect::<Vec<_>>(), urls);
            prop_assert_eq!((report.warnings.len(), report.refused), (0, None));
        }

        #[test]
        fn any_soup_comes_to_an_end(
            parts in prop::collection::vec(0..24usize, 0..60), noise in "\\PC{0,12}", bytes: Vec<u8>,
        ) {
            const PARTS: [&str; 24] = [
                "<urlset>", "</urlset>", "<url>", "</url>", "<loc>", "</loc>", "<lastmod>", "<sitemapindex>", "<rss>", "<item>",
                "</item>", "<link href='x'/>", "<link>", "<feed>", "<entry xml:base='y/'>", "</entry>", "<![CDATA[", "]]>", "<!--", "-->",
                "&x;", "<!DOCTYPE x [", "<guid isPermaLink=", "http://a/",
            ];
            let mut body: Vec<u8> = parts.iter().flat_map(|part| PARTS[*part].bytes()).collect();
            body.extend(noise.bytes());
            body.extend(bytes);
            let bounds = Bounds { max_bytes: 300, max_entries: 3, max_depth: 5 };
            let mut count = 0;
            let report = list(&body[..], &bounds, &mut |one| {
                assert!(!one.url.is_empty() && one.url.trim() == one.url);
                count += 1;
            });
            prop_assert_eq!(report.entries, count);
            prop_assert!(count <= 3);
        }
    }
}

//! What sitemaps and feeds list, streamed: sitemaps and indexes of them (<https://www.sitemaps.org/protocol.html>),
//! lists of URLs as plain text, RSS and Atom. Never fails and never holds a document: what cannot be read ends
//! it with a reason, and what came before counts. Resolves no URL and judges none.

use std::io::{BufRead, Read};

use super::listing::{self, Field, Slot};
use super::stream::Text;

/// Entries that the protocol allows in one sitemap.
const PROTOCOL_ENTRIES: u64 = 50_000;
/// The longest URL or value that is taken, in bytes.
pub(super) const MAX_TEXT: usize = 16 << 10;
/// So many lines at the beginning of a text without one URL among them, and it is no list of URLs.
const MAX_STRANGE_LINES: u64 = 100;

/// One URL that a sitemap or feed lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// As written, without white space around it; character references and CDATA are read, and where `xml:base`
    /// is given in a feed it is applied. May be relative to the document, may be no URL at all.
    pub url: String,
    /// When the page last changed, as written: `lastmod`, `updated`, `pubDate`; see
    /// [`lastmod_moment`](super::lastmod_moment).
    pub lastmod: Option<String>,
    /// How often it is said to change, as written.
    pub changefreq: Option<String>,
    /// How much it matters among the pages of its site, as written.
    pub priority: Option<String>,
    /// Whether it is an entry of an index: a sitemap itself.
    pub is_sitemap: bool,
}

/// What a document is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listing {
    /// A sitemap: `<urlset>`.
    Sitemap,
    /// An index of sitemaps: `<sitemapindex>`.
    Index,
    /// One URL a line.
    Text,
    /// RSS 0.9x, 1.0 (RDF) or 2.0.
    Rss,
    /// Atom 0.3 or 1.0 (RFC 4287).
    Atom,
    /// None of these.
    #[default]
    Unknown,
}

/// What reading a sitemap or feed came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What it is.
    pub kind: Listing,
    /// How many entries were handed over.
    pub entries: u64,
    /// What was odd, in words; a few lines at most.
    pub warnings: Vec<String>,
    /// Why reading stopped before the end, in words.
    pub refused: Option<String>,
}

/// How much is read at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes, once unpacked. The protocol allows 50 MiB.
    pub max_bytes: u64,
    /// Entries. The protocol allows 50,000; more are read up to this, with a warning.
    pub max_entries: u64,
    /// Elements within each other.
    pub max_depth: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { max_bytes: 50 << 20, max_entries: 1_000_000, max_depth: 128 }
    }
}

/// Reads `body`, from which any `Content-Encoding` is undone already, and hands each entry over as soon as it is
/// whole. Gzip (`sitemap.xml.gz`) is undone here. A reference to an entity that XML does not predefine stays as
/// it is written: nothing is expanded.
pub fn list(body: impl Read, bounds: &Bounds, each: &mut dyn FnMut(Listed)) -> Report {
    let mut taker = Taker { report: Report::default(), bounds: *bounds, each, odd: Odd::default() };
    let mut text = Text::open(body, bounds.max_bytes);
    match first(&mut text) {
        Ok(None) => taker.refuse("it is empty"),
        Ok(Some(b'<')) => listing::read(&mut text, &mut taker),
        Ok(Some(_)) => lines(&mut text, &mut taker),
        Err(error) => taker.refuse(error.to_string()),
    }
    taker.finish(text.is_malformed())
}

/// The first byte that is neither white space nor a (second) byte order mark, left unread.
fn first(text: &mut Text<'_>) -> std::io::Result<Option<u8>> {
    const MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
    loop {
        let bytes = text.fill_buf()?;
        let Some(byte) = bytes.first() else { return Ok(None) };
        let blank = match bytes.iter().position(|b| !b.is_ascii_whitespace()) {
            Some(0) if bytes.starts_with(&MARK) => MARK.len(),
            Some(0) => return Ok(Some(*byte)),
            Some(blank) => blank,
            None => bytes.len(),
        };
        text.consume(blank);
    }
}

/// What an element of an entry of a sitemap is.
pub(super) fn field(name: &str) -> Option<Field> {
    let slot = match name {
        "loc" => Slot::Url,
        "lastmod" => Slot::Lastmod,
        "changefreq" => Slot::Changefreq,
        "priority" => Slot::Priority,
        _ => return None,
    };
    Some(Field { slot, rank: 1 })
}

/// One URL a line.
fn lines(text: &mut Text<'_>, taker: &mut Taker<'_>) {
    let mut line = Vec::new();
    loop {
        line.clear();
        let is_last = match line_of(text, &mut line) {
            Ok(is_last) => is_last,
            // What was read of the line is not the whole of it.
            Err(error) => return taker.refuse(error.to_string()),
        };
        match String::from_utf8_lossy(&line).trim() {
            "" => {}
            _ if line.len() > MAX_TEXT => taker.odd.long += 1,
            url if is_web(url) => {
                taker.report.kind = Listing::Text;
                if !taker.take(Listed { url: url.to_owned(), ..Listed::default() }) {
                    return;
                }
            }
            _ => taker.odd.strange_lines += 1,
        }
        let is_strange = taker.report.kind == Listing::Unknown;
        if is_strange && (is_last || taker.odd.strange_lines > MAX_STRANGE_LINES) {
            return taker.refuse("it is neither XML nor a list of URLs");
        }
        if is_last {
            return;
        }
    }
}

/// Reads up to the end of a line; of one that is too long only so much that it shows. True at the last line.
fn line_of(text: &mut Text<'_>, line: &mut Vec<u8>) -> std::io::Result<bool> {
    loop {
        let bytes = text.fill_buf()?;
        if bytes.is_empty() {
            return Ok(true);
        }
        let end = bytes.iter().position(|b| matches!(b, b'\n' | b'\r'));
        let part = &bytes[..end.unwrap_or(bytes.len())];
        line.extend_from_slice(&part[..part.len().min((MAX_TEXT + 1).saturating_sub(line.len()))]);
        let read = part.len() + usize::from(end.is_some());
        text.consume(read);
        if end.is_some() {
            return Ok(false);
        }
    }
}

/// Whether a text looks like the address of a page.
pub(super) fn is_web(text: &str) -> bool {
    let begins =
        |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    begins("http://") || begins("https://")
}

/// How often something was odd.
#[derive(Default)]
pub(super) struct Odd {
    pub long: u64,
    pub without_url: u64,
    pub entities: u64,
    pub ill_formed: u64,
    pub strange_lines: u64,
    pub is_cut: bool,
}

/// Takes entries, within the bounds, and notes what was odd.
pub(super) struct Taker<'a> {
    pub report: Report,
    pub bounds: Bounds,
    pub odd: Odd,
    each: &'a mut dyn FnMut(Listed),
}

impl Taker<'_> {
    /// Hands an entry over. False if it is one too many: then reading ends.
    pub fn take(&mut self, listed: Listed) -> bool {
        if self.report.entries == self.bounds.max_entries {
            self.refuse(format!("it has more than {} entries", self.bounds.max_entries));
            return false;
        }
        self.report.entries += 1;
        (self.each)(listed);
        true
    }

    /// Notes why reading ends.
    pub fn refuse(&mut self, why: impl Into<String>) {
        self.report.refused = Some(why.into());
    }

    fn finish(self, is_malformed: bool) -> Report {
        let Self { mut report, odd, .. } = self;
        let is_sitemap = matches!(report.kind, Listing::Sitemap | Listing::Index | Listing::Text);
        let over = report.entries > PROTOCOL_ENTRIES && is_sitemap;
        let counts = [
            (odd.without_url, "entries without a URL"),
            (odd.long, "entries or values left out because they are longer than 16KiB"),
            (odd.entities, "references to unknown entities, taken for nothing"),
            (odd.ill_formed, "places that XML does not allow"),
            (if report.entries > 0 { odd.strange_lines } else { 0 }, "lines that are no URL"),
        ];
        let facts = [
            (over, format!("more than the {PROTOCOL_ENTRIES} entries that the protocol allows")),
            (odd.is_cut, "it ends before its last element is closed".to_owned()),
            (is_malformed, "some bytes mean nothing in its charset".to_owned()),
        ];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        report.warnings.extend(counts.map(|(count, what)| format!("{what}: {count}")));
        report.warnings.extend(facts.into_iter().filter(|(holds, _)| *holds).map(|(_, what)| what));
        report
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use super::*;

    fn read(body: &[u8], bounds: Bounds) -> (Vec<String>, Report) {
        let mut urls = Vec::new();
        let report = list(body, &bounds, &mut |one| urls.push(one.url));
        (urls, report)
    }

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(data).expect("pack");
        packer.finish().expect("pack")
    }

    #[test]
    fn a_text_has_one_url_a_line() {
        let body = "\u{feff}\r\nhttp://a/1\r\n\r\n  HTTPS://a/\u{fc} \nnot a URL\r/relative\rhttp://a/3";
        for body in [body.as_bytes().to_vec(), gzip(body.as_bytes())] {
            let (urls, report) = read(&body, Bounds::default());
            assert_eq!(urls, ["http://a/1", "HTTPS://a/\u{fc}", "http://a/3"]);
            assert_eq!((report.kind, report.entries, report.refused), (Listing::Text, 3, None));
            assert_eq!(report.warnings, ["lines that are no URL: 2"]);
        }
        let wide: Vec<u8> = "\u{feff}http://a/\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&wide, Bounds::default()).0, ["http://a/"]);
        let long = format!("http://a/{}\nhttp://b/\n", "x".repeat(MAX_TEXT));
        let (urls, report) = read(long.as_bytes(), Bounds::default());
        assert_eq!(urls, ["http://b/"]);
        assert_eq!(report.warnings, ["entries or values left out because they are longer than 16KiB: 1"]);
    }

    #[test]
    fn what_lists_nothing_is_unknown() {
        for (body, why) in [
            (&b""[..], "it is empty"),
            (b" \r\n\xEF\xBB\xBF", "it is empty"),
            (b"{\"error\": 404}", "it is neither XML nor a list of URLs"),
            (b"User-agent: *\nDisallow: /\n", "it is neither XML nor a list of URLs"),
        ] {
            let (urls, report) = read(body, Bounds::default());
            let refused = Some(why.to_owned());
            assert_eq!((urls.len(), report), (0, Report { refused, ..Report::default() }));
        }
        // Lines that are no URL are given up on early: the URL behind them is not reached.
        let late = format!("{}http://a/", "x\n".repeat(101));
        assert_eq!(read(late.as_bytes(), Bounds::default()).0, [""; 0]);
    }

    #[test]
    fn entries_end_at_their_bound() {
        let text = "http://a/\n".repeat(5);
        let xml = format!("<urlset>{}</urlset>", "<url><loc>http://a/</loc></url>".repeat(5));
        let crowded = format!("<urlset><url>{}</url></urlset>", "<loc>http://a/</loc>".repeat(5));
        for body in [text, xml, crowded] {
            let read = |max_entries| read(body.as_bytes(), Bounds { max_entries, ..Bounds::default() }).1;
            assert_eq!((read(5).entries, read(5).refused), (5, None));
            assert_eq!(
                (read(4).entries, read(4).refused.as_deref()),
                (4, Some("it has more than 4 entries"))
            );
        }
    }

    #[test]
    fn more_than_the_protocol_allows_is_read_with_a_warning() {
        let body = |count| format!("<urlset>{}</urlset>", "<url><loc>http://a/</loc></url>".repeat(count));
        assert!(read(body(50_000).as_bytes(), Bounds::default()).1.warnings.is_empty());
        let (urls, report) = read(body(50_001).as_bytes(), Bounds::default());
        assert_eq!(urls.len(), 50_001);
        assert_eq!(report.warnings, ["more than the 50000 entries that the protocol allows"]);
    }

    /// Counts what it gives, and ends a test that reads too far.
    struct Endless {
        given: u64,
        most: u64,
    }

    impl io::Read for Endless {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            const ENTRY: &[u8] = b"<url><loc>http://a/</loc></url>";
            assert!(self.given <= self.most, "read on behind the bound");
            let prefix = b"<urlset>";
            let read = if self.given == 0 {
                out[..prefix.len()].copy_from_slice(prefix);
                prefix.len()
            } else {
                let given = usize::try_from(self.given).expect("a few MiB");
                let at = (given - prefix.len()) % ENTRY.len();
                let read = (ENTRY.len() - at).min(out.len());
                out[..read].copy_from_slice(&ENTRY[at..at + read]);
                read
            };
            self.given += read as u64;
            Ok(read)
        }
    }

    #[test]
    fn entries_come_while_the_document_is_read() {
        let mut endless = Endless { given: 0, most: 4 << 20 };
        let bounds = Bounds { max_entries: 100_000, ..Bounds::default() };
        let mut count = 0;
        let report = list(&mut endless, &bounds, &mut |_| count += 1);
        assert_eq!((report.entries, count), (100_000, 100_000));
        // Read ahead by its fixed buffers alone.
        assert!(endless.given < 100_000 * 31 + (64 << 10), "{}", endless.given);

        let mut endless = Endless { given: 0, most: 2 << 20 };
        let report = list(&mut endless, &Bounds { max_bytes: 1 << 20, ..Bounds::default() }, &mut |_| ());
        assert_eq!(report.refused.as_deref(), Some("it is larger than 1MiB, unpacked"));
        assert_eq!(report.entries, ((1 << 20) - 8) / 31);
    }

    #[test]
    fn gzip_that_is_cut_off_or_a_bomb_gives_what_came_before() {
        let body = format!("<urlset>{}", "<url><loc>http://a/</loc></url>".repeat(100_000));
        let packed = gzip(body.as_bytes());
        let (urls, report) = read(&packed[..packed.len() / 2], Bounds::default());
        assert!((1..100_000).contains(&urls.len()));
        assert_eq!(report.refused.as_deref(), Some("the gzip data is cut off"));
        let (urls, report) = read(&packed, Bounds { max_bytes: 10_000, ..Bounds::default() });
        assert_eq!(urls.len(), (10_000 - 8) / 31);
        assert_eq!(report.refused.as_deref(), Some("it is larger than 10000B, unpacked"));
    }
}

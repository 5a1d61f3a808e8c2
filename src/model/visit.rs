//! One page's life, as it reaches the commit point.

use bytes::Bytes;
use jiff::Timestamp;

use super::changes::Refusal;
use super::fetched::{Failure, Fetched};
use super::outcome::Outcome;
use super::parsed::Parsed;
use super::request::Request;

/// How a URL ended and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The row of the closed table.
    pub outcome: Outcome,
    /// Why, in words; `None` where the outcome says it all.
    pub reason: Option<String>,
    /// Where the rule stands that decided it: `config.toml:12:3`, `list.txt:7`.
    pub rule: Option<String>,
    /// Stage at which it failed, where something did.
    pub stage: Option<&'static str>,
}

impl Ending {
    /// An outcome that needs no words.
    pub fn plain(outcome: Outcome) -> Self {
        Self { outcome, reason: None, rule: None, stage: None }
    }

    /// An outcome with its reason.
    pub fn because(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::plain(outcome) }
    }
}

impl From<Failure> for Ending {
    fn from(failure: Failure) -> Self {
        Self { stage: Some(failure.stage.name()), ..Self::because(failure.cause, failure.detail) }
    }
}

/// A body with its encoding undone.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// The bytes; empty once no sink needs them.
    pub bytes: Bytes,
    /// How many there were.
    pub length: u64,
    /// `blake3:` and the hash in hex.
    pub digest: String,
}

/// What one lease, or one refused seed, came to.
#[derive(Debug)]
pub struct Visit {
    /// What was asked for.
    pub request: Request,
    /// How it ended.
    pub ending: Ending,
    /// When the fetch began; none if nothing was asked for.
    pub began: Option<Timestamp>,
    /// The answer, if there was one. Its raw body may have been dropped.
    pub fetched: Option<Fetched>,
    /// Bytes of the body as they came over the wire, noted before the raw body was dropped.
    pub wire_bytes: u64,
    /// The unpacked body of an `ok` page.
    pub body: Option<Body>,
    /// What the page said; present exactly when there is a record.
    pub parsed: Option<Parsed>,
    /// How long parsing took, in microseconds; 0 where nothing was parsed.
    pub parse_us: u64,
    /// Target of a redirect, as the server meant it.
    pub target: Option<String>,
    /// Requests that it leads to, by a redirect, a link, or as entries of a sitemap or feed.
    pub admits: Vec<Request>,
    /// URLs that it leads to and that are refused.
    pub refuses: Vec<Refusal>,
}

impl Visit {
    /// A URL that is refused before anything is fetched.
    pub fn refused(request: Request, ending: Ending) -> Self {
        Self {
            began: None,
            request,
            ending,
            fetched: None,
            wire_bytes: 0,
            body: None,
            parsed: None,
            parse_us: 0,
            target: None,
            admits: Vec::new(),
            refuses: Vec::new(),
        }
    }

    /// A URL that was answered.
    pub fn answered(request: Request, fetched: Fetched, ending: Ending) -> Self {
        Self { began: Some(fetched.started), fetched: Some(fetched), ..Self::refused(request, ending) }
    }

    /// About how many bytes of memory it holds: the body, if it is kept, unpacked or as it came, the fields, and the
    /// links and what they lead to, which are the rest of it.
    pub fn weight(&self) -> u64 {
        let raw = self.fetched.as_ref().map(|fetched| &fetched.body).filter(|raw| !raw.is_empty());
        let body = self.body.as_ref().map(|body| &body.bytes);
        // Where nothing was packed the two are the same bytes.
        let body = body.filter(|body| raw.is_none_or(|raw| raw.as_ptr() != body.as_ptr()));
        let body = body.map_or(0, Bytes::len) + raw.map_or(0, Bytes::len);
        // A spooled body that is kept takes an open file instead, and of those there should not be many either.
        let spooled =
            self.fetched.as_ref().and_then(|fetched| fetched.spool.as_ref()).map_or(0, |spool| spool.bytes);
        let links = self.parsed.as_ref().map_or(0, |parsed| parsed.links.weight());
        let found = self.admits.iter().map(Request::weight).sum::<usize>()
            + self.refuses.iter().map(Refusal::weight).sum::<usize>();
        let fields = |parsed: &Parsed| parsed.extracted.as_ref().map_or(0, |extracted| extracted.bytes);
        let fields = self.parsed.as_ref().map_or(0, fields);
        (body + links + fields + found) as u64 + spooled
    }
}

/// What a source yields: something to fetch, or something that ends at once with an outcome.
#[derive(Debug)]
pub enum Seed {
    /// To be fetched.
    Request(Request),
    /// A line that is no URL, a file that is no file.
    Refused(Box<Visit>),
}

impl Seed {
    /// A seed that ends at once; `place` says where it stands (`list.txt:7`).
    pub fn refused(
        request: Request,
        outcome: Outcome,
        reason: impl Into<String>,
        place: Option<String>,
    ) -> Self {
        let ending = Ending { rule: place, ..Ending::because(outcome, reason) };
        Self::Refused(Box::new(Visit::refused(request, ending)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Protocol, canonical};
    use super::*;

    #[test]
    fn bytes_count_once_wherever_they_are_kept() {
        let url = canonical("https://example.org/", None).expect("URL");
        let weight = |raw: &Bytes, body: Option<&Bytes>| {
            let fetched = Fetched {
                status: 200,
                headers: http::HeaderMap::new(),
                body: raw.clone(),
                spool: None,
                started: Timestamp::UNIX_EPOCH,
                duration: Duration::ZERO,
                ip: None,
                protocol: Protocol::Http1,
                wire: None,
                url: None,
            };
            let body = body.map(|bytes| Body { bytes: bytes.clone(), ..Body::default() });
            let ok = Ending::plain(Outcome::Ok);
            Visit { body, ..Visit::answered(Request::seed(&url, "s"), fetched, ok) }.weight()
        };
        let (raw, unpacked, none) = (Bytes::from(vec![1; 10]), Bytes::from(vec![1; 100]), Bytes::new());
        assert_eq!(weight(&none, None), 0);
        assert_eq!(weight(&none, Some(&unpacked)), 100);
        assert_eq!(weight(&raw, Some(&unpacked)), 110);
        assert_eq!(weight(&raw, Some(&raw)), 10, "nothing was packed");
        assert_eq!(weight(&raw, Some(&none)), 10);
        assert_eq!(weight(&raw, None), 10);
    }
}

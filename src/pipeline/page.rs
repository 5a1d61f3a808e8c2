//! A page's answer, read: unpacked, parsed, its fields extracted. Where its links lead is not decided here, nor
//! whether it is one.

use std::time::Instant;

use url::Url;

use super::visit::{let_go, micros, without_page};
use crate::fetch;
use crate::model::{Body, Ending, Fetched, Normalize, Outcome, Request, Visit};
use crate::parse::{self, Asked, Page, Rules, Trace};

/// How pages are read.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// Largest unpacked body, in bytes.
    pub max_body: u64,
    /// The canonical form of the job.
    pub normalize: &'a Normalize,
    /// Which fields pages have.
    pub rules: &'a Rules,
    /// Whether somebody wants to know what each field came to.
    pub is_traced: bool,
}

impl Reader<'_> {
    /// Reads a page. What its rule says of its end is carried out by [`end`], once its links were followed.
    pub fn read(&self, request: Request, mut fetched: Fetched) -> (Visit, Vec<Trace>) {
        let began = Instant::now();
        let bytes = match fetch::unpack(&fetched, self.max_body) {
            Ok(bytes) => bytes,
            Err(failure) => return (without_page(request, fetched, failure.into()), Vec::new()),
        };
        let base = request.base_url.as_deref().unwrap_or(&request.url);
        let parsed = fetched.url.take().filter(|url| url.as_str() == base);
        let Ok(base) = parsed.map_or_else(|| Url::parse(base), Ok) else {
            let reason = format!("`{base}` is no address to resolve links against");
            let ending = Ending::because(Outcome::InvalidUrl, reason);
            return (without_page(request, fetched, ending), Vec::new());
        };
        let page = Page {
            url: &base,
            content_type: fetched.header("content-type"),
            content_language: fetched.header("content-language"),
            robots_tag: fetched.header("x-robots-tag"),
            normalize: self.normalize,
            asked: Some(Asked { rules: self.rules, url: &request.url, source: &request.source }),
        };
        let (parsed, traces) = if self.is_traced {
            parse::trace(&page, &bytes)
        } else {
            (parse::parse(&page, &bytes), Vec::new())
        };
        let digest = format!("blake3:{}", blake3::hash(&bytes).to_hex());
        let length = bytes.len() as u64;
        let wire_bytes = fetched.body.len() as u64;
        let_go(&mut fetched);
        let visit = Visit {
            wire_bytes,
            parse_us: micros(began.elapsed()),
            body: Some(Body { bytes, length, digest }),
            parsed: Some(parsed),
            ..Visit::answered(request, fetched, Ending::plain(Outcome::Ok))
        };
        (visit, traces)
    }
}

/// Carries out what the rule of a page says of its end. Its links count all the same: what is missing of a page says
/// nothing of those behind it.
pub fn end(mut visit: Visit) -> Visit {
    let extracted = visit.parsed.as_mut().and_then(|parsed| parsed.extracted.as_mut());
    match extracted.and_then(|extracted| extracted.ending.take()) {
        None => visit,
        Some(ending) => Visit { ending, body: None, parsed: None, ..visit },
    }
}

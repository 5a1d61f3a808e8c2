//! A sitemap or feed on its parse thread: each URL that it lists is judged like a link, and asked for with what the
//! list says of it.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;
use url::Url;

use super::follow::{Finds, Guide, unusable};
use super::visit::{micros, without_page};
use crate::fetch;
use crate::frontier::{Way, WayKind};
use crate::model::{Ending, Fetched, Hint, Outcome, Refusal, Request, Role, UrlKey, Visit};
use crate::parse::lastmod_moment;
use crate::parse::sitemap::{Bounds, Listed, Listing, list};

/// Largest unpacked sitemap or feed, in bytes (sitemaps.org).
const MAX_BYTES: u64 = 50 << 20;
/// Entries that are read of one file: twenty times what the protocol allows.
const MAX_ENTRIES: u64 = 1_000_000;
/// Elements within each other.
const MAX_NESTING: usize = 64;
/// An index of indexes of sitemaps is as deep as anybody needs it.
const MAX_INDEXES: u8 = 3;

/// What is taken of the sitemaps and feeds of a source.
#[derive(Clone, Debug)]
pub struct ListingRules {
    /// Only what has changed since, as far as its entry says so, and where that stands.
    pub after: Option<(Timestamp, String)>,
    /// The most sitemaps that are read of one index, and where that stands.
    pub most: (u32, String),
}

/// Reads a sitemap or feed. It has an outcome of its own and no record.
pub fn read(
    guide: &Guide,
    rules: &BTreeMap<String, ListingRules>,
    request: Request,
    fetched: Fetched,
) -> Visit {
    let began = Instant::now();
    let Ok(base) = Url::parse(&request.url) else {
        return without_page(request, fetched, Ending::plain(Outcome::InvalidUrl));
    };
    let bounds = Bounds { max_bytes: MAX_BYTES, max_entries: MAX_ENTRIES, max_depth: MAX_NESTING };
    let rules = rules.get(&*request.source);
    let mut entries = Entries { guide, request: &request, rules, base, finds: Finds::default(), sitemaps: 0 };
    let report = list(fetch::open(&fetched, MAX_BYTES), &bounds, &mut |listed| entries.take(listed));
    let Finds { admits, refuses, .. } = entries.finds;
    for warning in &report.warnings {
        tracing::warn!(url = &*request.url, warning, "sitemap");
    }
    let ending = match (report.kind, report.refused) {
        (Listing::Unknown, why) => {
            let why = why.unwrap_or_else(|| "neither a sitemap nor a feed".to_owned());
            Ending::because(Outcome::InvalidResponse, why)
        }
        (_, None) => {
            let count = format!("{} URLs", report.entries);
            let words: Vec<&str> = [&count].into_iter().chain(&report.warnings).map(String::as_str).collect();
            Ending::because(Outcome::Listed, words.join("; "))
        }
        (_, Some(why)) => {
            Ending::because(Outcome::Listed, format!("{} URLs, then reading stopped: {why}", report.entries))
        }
    };
    let wire_bytes = fetched.wire_bytes();
    Visit {
        admits,
        refuses,
        parse_us: micros(began.elapsed()),
        wire_bytes,
        ..without_page(request, fetched, ending)
    }
}

struct Entries<'a> {
    guide: &'a Guide,
    request: &'a Request,
    rules: Option<&'a ListingRules>,
    base: Url,
    finds: Finds,
    sitemaps: u32,
}

impl Entries<'_> {
    fn take(&mut self, listed: Listed) {
        let Listed { url: raw, lastmod, changefreq, priority, is_sitemap } = listed;
        let url = match self.guide.normalize.canonical(&raw, Some(&self.base)) {
            Ok(url) => url,
            Err(error) => return self.finds.refuses.push(unusable(self.request, &raw, &error)),
        };
        let key = UrlKey::of(url.as_str());
        if self.guide.frontier.is_known(key) {
            return;
        }
        let role = if is_sitemap { Role::Sitemap } else { Role::Page };
        let hint = Hint { lastmod, changefreq, priority };
        let old = self.too_old(&hint);
        let found = || {
            let hops = if is_sitemap { self.request.hops + 1 } else { 0 };
            let hint = (hint != Hint::default()).then(|| Box::new(hint));
            Request { depth: self.request.depth, hops, hint, ..self.request.found(&url, role) }
        };
        if let Some(ending) = old {
            return self.finds.refuses.push(Refusal::new(found(), ending));
        }
        if is_sitemap {
            return self.sitemap(found());
        }
        let way = Way { nofollow: false, kind: WayKind::Listed };
        self.guide.judge(self.request, &url, key, way, &mut self.finds, found);
    }

    /// A sitemap of an index.
    fn sitemap(&mut self, request: Request) {
        let most = self.rules.map(|rules| &rules.most);
        let ending = if request.hops > MAX_INDEXES {
            let reason = format!("more than {MAX_INDEXES} indexes of sitemaps within each other");
            Ending::because(Outcome::SkippedScope, reason)
        } else if let Some((most, place)) = most.filter(|(most, _)| self.sitemaps >= *most) {
            let reason = format!("its index lists more sitemaps than `max_sitemaps` = {most}");
            Ending { rule: Some(place.clone()), ..Ending::because(Outcome::SkippedBudget, reason) }
        } else {
            self.sitemaps += 1;
            return self.finds.admits.push(request);
        };
        self.finds.refuses.push(Refusal::new(request, ending));
    }

    /// Whether the list says that a page has not changed since the moment that the config gives.
    fn too_old(&self, hint: &Hint) -> Option<Ending> {
        let (after, place) = self.rules?.after.as_ref()?;
        let lastmod = hint.lastmod.as_deref()?;
        if lastmod_moment(lastmod)? >= *after {
            return None;
        }
        let reason = format!("its `lastmod` is {lastmod}, before `lastmod_after`");
        let ending = Ending::because(Outcome::SkippedScope, reason);
        Some(Ending { rule: Some(place.clone()), ..ending })
    }
}

//! A URL that is to be fetched, and the right to fetch it now.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::url::{UrlKey, host_key};

/// What a request is for; it decides what becomes of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// A page or file that becomes a record.
    #[default]
    Page,
    /// The robots.txt of an origin, or where it redirects to. Neither discovered nor recorded: it decides.
    Robots,
    /// A sitemap or an index of sitemaps, read for the URLs it lists.
    Sitemap,
    /// An RSS or Atom feed, read for the URLs it lists.
    Feed,
}

/// What a sitemap or feed says of a URL that it lists, as written there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hint {
    /// When the page last changed.
    pub lastmod: Option<String>,
    /// How often it is said to change.
    pub changefreq: Option<String>,
    /// How much it matters among the pages of its site, 0.0 to 1.0.
    pub priority: Option<String>,
}

/// A try at a request that came to nothing and was made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Try {
    /// When it began, in milliseconds since 1970.
    pub at_ms: i64,
    /// What went wrong, in words.
    pub why: String,
}

/// One URL to be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Canonical form; raw text where it is no URL at all (then it is never queued).
    pub url: String,
    /// Hash of `url`: the identity everywhere.
    pub key: UrlKey,
    /// Host key: whose clock and concurrency it obeys.
    pub host: String,
    /// Id of the source that led here.
    pub source: String,
    /// Links followed since the seed; a redirect does not count.
    pub depth: u32,
    /// URL of the page or list entry that named it; `None` for a seed in the config.
    pub discovered_from: Option<String>,
    /// Redirects so far, oldest first: the URLs that answered with a `Location`.
    pub trail: Vec<String>,
    /// Address against which relative links of a local file resolve.
    pub base_url: Option<String>,
    /// How often it was fetched before in this run without an answer.
    pub attempt: u32,
    /// What it is for.
    pub role: Role,
    /// Among the requests of one host lower goes first.
    pub priority: u8,
    /// Links followed outside of the scope, since the last page within.
    pub hops: u8,
    /// What a sitemap or feed says of it.
    pub hint: Option<Box<Hint>>,
    /// Tries that came to nothing, oldest first.
    pub tries: Vec<Try>,
}

impl Request {
    /// A seed of a source, from a URL in canonical form.
    pub fn seed(url: &Url, source: &str) -> Self {
        Self { host: host_key(url), ..Self::unusable(url.as_str(), source) }
    }

    /// A request for raw text that is no URL: without a host, it can only be refused.
    pub fn unusable(raw: &str, source: &str) -> Self {
        Self {
            url: raw.to_owned(),
            key: UrlKey::of(raw),
            host: String::new(),
            source: source.to_owned(),
            depth: 0,
            discovered_from: None,
            trail: Vec::new(),
            base_url: None,
            attempt: 0,
            role: Role::Page,
            priority: 0,
            hops: 0,
            hint: None,
            tries: Vec::new(),
        }
    }

    /// About how many bytes it takes in memory and in a journal.
    pub fn weight(&self) -> usize {
        let texts = [&self.url, &self.host, &self.source].into_iter();
        let texts = texts.chain(&self.discovered_from).chain(&self.trail).chain(&self.base_url);
        size_of::<Self>() + texts.map(String::len).sum::<usize>()
    }

    /// The request that a redirect of this one leads to. Same depth, one more step of the trail.
    #[must_use]
    pub fn redirected_to(&self, target: &Url) -> Self {
        let mut trail = self.trail.clone();
        trail.push(self.url.clone());
        Self {
            depth: self.depth,
            discovered_from: self.discovered_from.clone(),
            trail,
            role: self.role,
            priority: self.priority,
            hops: self.hops,
            hint: self.hint.clone(),
            ..Self::seed(target, &self.source)
        }
    }
}

/// A request handed out by the frontier: to be settled by a checkpoint or put back.
#[derive(Debug)]
pub struct Lease {
    /// What to fetch.
    pub request: Request,
}

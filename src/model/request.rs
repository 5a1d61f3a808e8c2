//! A URL that is to be fetched, and the right to fetch it now.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::url::{UrlKey, host_key};
use super::visit::Ending;

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

/// One URL to be fetched. A clone shares its texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Canonical form; raw text where it is no URL at all (then it is never queued).
    pub url: Arc<str>,
    /// Hash of `url`: the identity everywhere.
    pub key: UrlKey,
    /// Host key: whose clock and concurrency it obeys.
    pub host: Arc<str>,
    /// Id of the source that led here.
    pub source: Arc<str>,
    /// Links followed since the seed; a redirect does not count.
    pub depth: u32,
    /// URL of the page or list entry that named it; `None` for a seed in the config.
    pub discovered_from: Option<Arc<str>>,
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
    pub fn seed(url: &Url, source: impl Into<Arc<str>>) -> Self {
        Self::at(url.as_str(), host_key(url), source)
    }

    /// A request for the robots.txt of an origin: `https` or not, and its host key.
    pub fn robots(is_https: bool, host: &str, source: &str) -> Self {
        let scheme = if is_https { "https" } else { "http" };
        let url = format!("{scheme}://{host}/robots.txt");
        Self { host: host.into(), role: Role::Robots, ..Self::unusable(&url, source) }
    }

    /// A request that something found on this one's page leads to: one link deeper, with nothing inherited but the
    /// source.
    #[must_use]
    pub fn found(&self, url: &Url, role: Role) -> Self {
        Self {
            depth: self.depth.saturating_add(1),
            discovered_from: Some(self.url.clone()),
            role,
            ..self.to(url)
        }
    }

    /// A seed of the same source.
    fn to(&self, url: &Url) -> Self {
        let host = host_key(url);
        // Most links stay on their host, whose name is then shared.
        let host = if *host == *self.host { Arc::clone(&self.host) } else { host.into() };
        Self::at(url.as_str(), host, Arc::clone(&self.source))
    }

    /// Whether it was named by a source, or is where such a one redirects to.
    pub fn is_seed(&self) -> bool {
        self.depth == 0 && self.discovered_from.is_none()
    }

    /// Whether it is fetched over TLS.
    pub fn is_https(&self) -> bool {
        self.url.starts_with("https:")
    }

    /// The origin whose robots.txt it is, if it is one: over TLS or not, and the host key. A redirect keeps it.
    pub fn robots_origin(&self) -> Option<(bool, String)> {
        if self.role != Role::Robots {
            return None;
        }
        let first = Url::parse(self.trail.first().map_or(&*self.url, String::as_str)).ok()?;
        Some((first.scheme() == "https", host_key(&first)))
    }

    /// The order among the requests of a host: nearer to the seeds first, and of these what a sitemap calls more
    /// important.
    #[must_use]
    pub fn ordered(mut self) -> Self {
        let said = self.hint.as_ref().and_then(|hint| hint.priority.as_deref()?.trim().parse::<f32>().ok());
        let importance = match said {
            Some(said) if said >= 0.75 => 0,
            Some(said) if said < 0.25 => 3,
            Some(said) if said < 0.5 => 2,
            _ => 1,
        };
        self.priority = u8::try_from(self.depth.min(63)).unwrap_or(63) * 4 + importance;
        self
    }

    /// A request for raw text that is no URL: without a host, it can only be refused.
    pub fn unusable(raw: &str, source: impl Into<Arc<str>>) -> Self {
        Self::at(raw, "", source)
    }

    /// A seed of a source, from the text of a URL in canonical form and its host key.
    pub fn at(url: impl Into<Arc<str>>, host: impl Into<Arc<str>>, source: impl Into<Arc<str>>) -> Self {
        let url = url.into();
        Self {
            key: UrlKey::of(&url),
            url,
            host: host.into(),
            source: source.into(),
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
        let shared = [&self.url, &self.host, &self.source].into_iter().chain(&self.discovered_from);
        let own = self.trail.iter().chain(&self.base_url);
        size_of::<Self>() + shared.map(|text| text.len()).chain(own.map(String::len)).sum::<usize>()
    }

    /// The request that a redirect of this one leads to. Same depth, one more step of the trail.
    #[must_use]
    pub fn redirected_to(&self, target: &Url) -> Self {
        let mut trail = self.trail.clone();
        trail.push(self.url.to_string());
        Self {
            depth: self.depth,
            discovered_from: self.discovered_from.clone(),
            trail,
            role: self.role,
            priority: self.priority,
            hops: self.hops,
            hint: self.hint.clone(),
            ..self.to(target)
        }
    }
}

/// A request handed out by the frontier: to be settled by a checkpoint or put back.
#[derive(Debug)]
pub struct Lease {
    /// What to fetch.
    pub request: Request,
    /// Set if it ends here, without being asked for.
    pub refused: Option<Ending>,
}

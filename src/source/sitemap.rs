//! Sitemaps by their addresses. Each address is a seed that is fetched for the URLs it lists; reads and follows
//! none of them itself.

use std::num::NonZeroU32;

use futures::stream::BoxStream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Seeds, Source, SourceError, paced, with_role};
use crate::model::{Role, ScopeOverride, Seed};

/// `[[sources]] type = "sitemap"`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of the source in records.
    pub id: String,
    /// Addresses of sitemaps (XML, one URL a line, or either with gzip) or of indexes of sitemaps.
    pub urls: Vec<String>,
    /// Leaves out what did not change since this day or moment, by its `lastmod`: `"2026-01-01"` or
    /// `"2026-01-01T06:00:00Z"`. What has no `lastmod` is kept.
    #[serde(default)]
    pub lastmod_after: Option<String>,
    /// The most sitemaps that are read of one index.
    #[serde(default = "default_max_sitemaps")]
    pub max_sitemaps: NonZeroU32,
    /// Which links are followed from its pages: the keys of `[scope]` that are different for this source.
    #[serde(default)]
    pub scope: Option<ScopeOverride>,
}

fn default_max_sitemaps() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(999)
}

/// The source `sitemap`.
#[derive(Debug)]
pub struct Sitemap {
    settings: Settings,
}

impl Sitemap {
    /// A source as its settings say.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Source for Sitemap {
    fn requests(self: Box<Self>) -> BoxStream<'static, Result<Seed, SourceError>> {
        let Settings { id, urls, .. } = self.settings;
        let mut seeds = Seeds::of(&id);
        paced(urls.into_iter().enumerate().map(move |(index, raw)| {
            let seed = seeds.seed(raw.trim(), || format!("sources.{id}.urls[{index}]"));
            Some(Ok(with_role(seed, Role::Sitemap)))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{pour, show};
    use super::*;

    fn source(urls: &[&str]) -> Sitemap {
        let table = serde_json::json!({ "id": "map", "urls": urls });
        Sitemap::new(serde_json::from_value(table).expect("settings"))
    }

    #[test]
    fn each_address_is_a_seed_to_be_read_as_a_sitemap() {
        let urls = [" http://A.example/sitemap.xml.gz", "/sitemap.xml"];
        assert_eq!(
            show(pour(source(&urls))),
            [
                "http://a.example/sitemap.xml.gz",
                "/sitemap.xml: invalid_url at sources.map.urls[1]: not a URL: it does not begin with `https://` or `http://`",
            ]
        );
        assert!(
            matches!(&pour(source(&urls))[0], Ok(Seed::Request(request)) if request.role == Role::Sitemap)
        );
    }

    #[test]
    fn the_number_of_sitemaps_is_bounded() {
        assert_eq!(source(&[]).settings.max_sitemaps.get(), 1000);
        let none = serde_json::json!({ "id": "map", "urls": [], "max_sitemaps": 0 });
        assert!(serde_json::from_value::<Settings>(none).is_err());
    }
}

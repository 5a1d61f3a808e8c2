//! RSS and Atom feeds by their addresses. Each address is a seed that is fetched for the pages its entries lead
//! to; reads none of them itself.

use futures::stream::BoxStream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Seeds, Source, SourceError, paced, with_role};
use crate::model::{Role, ScopeOverride, Seed};

/// `[[sources]] type = "feed"`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of the source in records.
    pub id: String,
    /// Addresses of RSS or Atom feeds.
    pub urls: Vec<String>,
    /// Which links are followed from its pages: the keys of `[scope]` that are different for this source.
    #[serde(default)]
    pub scope: Option<ScopeOverride>,
}

/// The source `feed`.
#[derive(Debug)]
pub struct Feed {
    settings: Settings,
}

impl Feed {
    /// A source as its settings say.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Source for Feed {
    fn requests(self: Box<Self>) -> BoxStream<'static, Result<Seed, SourceError>> {
        let Settings { id, urls, .. } = self.settings;
        let mut seeds = Seeds::of(&id);
        paced(urls.into_iter().enumerate().map(move |(index, raw)| {
            let seed = seeds.seed(raw.trim(), || format!("sources.{id}.urls[{index}]"));
            Some(Ok(with_role(seed, Role::Feed)))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::pour;
    use super::*;

    #[test]
    fn each_address_is_a_seed_to_be_read_as_a_feed() {
        let urls = ["https://a.example/feed.xml", "nonsense"].map(String::from).into();
        let seeds = pour(Feed::new(Settings { id: "news".into(), urls, scope: None }));
        let [Ok(Seed::Request(request)), Ok(Seed::Refused(refused))] = &seeds[..] else {
            panic!("{seeds:?}")
        };
        assert_eq!((&*request.url, request.role), ("https://a.example/feed.xml", Role::Feed));
        assert_eq!(refused.ending.rule.as_deref(), Some("sources.news.urls[1]"));
    }
}

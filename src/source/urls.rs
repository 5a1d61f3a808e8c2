//! URLs written in the config. Each is a seed; one that is no URL is refused by its place in the list.

use futures::stream::BoxStream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Seeds, Source, SourceError, paced};
use crate::model::{ScopeOverride, Seed};

/// `[[sources]] type = "urls"`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of the source in records.
    pub id: String,
    /// The URLs.
    pub urls: Vec<String>,
    /// Which links are followed from its pages: the keys of `[scope]` that are different for this source.
    #[serde(default)]
    pub scope: Option<ScopeOverride>,
}

/// The source `urls`.
#[derive(Debug)]
pub struct Urls {
    settings: Settings,
}

impl Urls {
    /// A source as its settings say.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Source for Urls {
    fn requests(self: Box<Self>) -> BoxStream<'static, Result<Seed, SourceError>> {
        let Settings { id, urls, .. } = self.settings;
        let mut seeds = Seeds::of(&id);
        paced(urls.into_iter().enumerate().map(move |(index, raw)| {
            Some(Ok(seeds.seed(raw.trim(), || format!("sources.{id}.urls[{index}]"))))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{pour, show};
    use super::*;

    #[test]
    fn each_url_is_a_seed_or_refused_at_its_place() {
        let urls = [" HTTP://Example.org:80/#x ", "nonsense", "https://example.org/a"].map(String::from);
        let source = Urls::new(Settings { id: "front".into(), urls: urls.into(), scope: None });
        assert_eq!(
            show(pour(source)),
            [
                "http://example.org/",
                "nonsense: invalid_url at sources.front.urls[1]: not a URL: it does not begin with `https://` or `http://`",
                "https://example.org/a",
            ]
        );
    }
}

//! Where seeds come from. Sources only seed: they fetch nothing and decide nothing.

pub mod feed;
pub mod files;
mod lines;
pub mod list;
pub mod sitemap;
mod table;
pub mod urls;
mod walk;

use std::path::PathBuf;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;

use crate::kind::Kind;
use crate::model::{Outcome, Request, Role, ScopeOverride, Seed, beside, canonical};

/// So much of a text that is no URL is shown.
const MAX_SHOWN_BYTES: usize = 2048;

/// After so many steps a source lets other tasks run: it reads local files without waiting.
const STEPS_A_TURN: u32 = 256;

/// A stream of seeds. Pouring it twice gives the same seeds; the frontier drops repeats.
pub trait Source: Send {
    /// The seeds, in the order of the source. An `Err` ends the run; one bad line is a [`Seed::Refused`].
    fn requests(self: Box<Self>) -> BoxStream<'static, Result<Seed, SourceError>>;
}

/// One `[[sources]]` table: `type` decides which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Settings {
    /// URLs in the config.
    Urls(urls::Settings),
    /// A file, or standard input, that lists URLs.
    List(list::Settings),
    /// Local files.
    Files(files::Settings),
    /// Sitemaps and indexes of sitemaps: the URLs that they list are fetched.
    Sitemap(sitemap::Settings),
    /// RSS and Atom feeds: the pages of their entries are fetched.
    Feed(feed::Settings),
}

/// The kinds of source: one line each feeds config errors, help and docs.
pub const SOURCES: &[Kind<()>] = &[
    Kind { name: "urls", about: "URLs written in the config", build: () },
    Kind {
        name: "list",
        about: "a file or standard input that lists URLs: one a line, or a column of CSV or JSON Lines",
        build: (),
    },
    Kind { name: "files", about: "local HTML, XML, JSON and text files, by globs", build: () },
    Kind { name: "sitemap", about: "the URLs that sitemaps and indexes of sitemaps list", build: () },
    Kind { name: "feed", about: "the pages that RSS and Atom feeds lead to", build: () },
];

/// What a source needs from its surroundings.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Where standard input was spooled, so that a resume can read it again.
    pub stdin_spool: Option<PathBuf>,
}

/// A source that cannot be read at all.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The file of a source cannot be opened or read.
    #[error(
        "source `{id}`: cannot read `{path}`: {error}\nhint: see that the file is there and that whoever runs the job may read it; a relative path is relative to the config"
    )]
    Read {
        /// Id of the source.
        id: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file can be read but is not what the config says.
    #[error("source `{id}`: `{path}`: {what}")]
    Format {
        /// Id of the source.
        id: String,
        /// The file.
        path: PathBuf,
        /// What was wrong and what to do.
        what: String,
    },
}

impl Settings {
    /// The id that requests and records carry.
    pub fn id(&self) -> &str {
        match self {
            Self::Urls(settings) => &settings.id,
            Self::List(settings) => &settings.id,
            Self::Files(settings) => &settings.id,
            Self::Sitemap(settings) => &settings.id,
            Self::Feed(settings) => &settings.id,
        }
    }

    /// What is different of its scope.
    pub fn scope(&self) -> Option<&ScopeOverride> {
        match self {
            Self::Urls(settings) => settings.scope.as_ref(),
            Self::List(settings) => settings.scope.as_ref(),
            Self::Files(settings) => settings.scope.as_ref(),
            Self::Sitemap(settings) => settings.scope.as_ref(),
            Self::Feed(settings) => settings.scope.as_ref(),
        }
    }
}

/// The source that the settings describe. What is wrong with it as a whole comes out here, before
/// anything is fetched; a list from standard input must have been spooled.
pub fn build(settings: &Settings, surroundings: &Surroundings) -> Result<Box<dyn Source>, SourceError> {
    Ok(match settings {
        Settings::Urls(settings) => Box::new(urls::Urls::new(settings.clone())),
        Settings::List(settings) => Box::new(list::List::open(settings, surroundings)?),
        Settings::Files(settings) => Box::new(files::Files::new(settings)?),
        Settings::Sitemap(settings) => Box::new(sitemap::Sitemap::new(settings.clone())),
        Settings::Feed(settings) => Box::new(feed::Feed::new(settings.clone())),
    })
}

/// A step of a source that works in small pieces: a seed, or `None` where a piece gave none.
type Step = Option<Result<Seed, SourceError>>;

/// The seeds of a source that works in small pieces, so that a long list of lines that give nothing
/// starves nobody.
fn paced(
    steps: impl Iterator<Item = Step> + Send + 'static,
) -> BoxStream<'static, Result<Seed, SourceError>> {
    stream::unfold((steps, 0), |(mut steps, mut taken)| async move {
        loop {
            taken += 1;
            if taken == STEPS_A_TURN {
                taken = 0;
                tokio::task::yield_now().await;
            }
            if let Some(seed) = steps.next()? {
                return Some((seed, (steps, taken)));
            }
        }
    })
    .boxed()
}

/// The seeds of one list, in which most URLs have the origin of the one before.
struct Seeds {
    source: Arc<str>,
    /// The last one that was parsed, and its host key.
    last: Option<(Url, Arc<str>)>,
}

impl Seeds {
    /// Of the source with this id.
    fn of(source: &str) -> Self {
        Self { source: source.into(), last: None }
    }

    /// What one text is: a request, or refused at its place.
    fn seed(&mut self, raw: &str, place: impl FnOnce() -> String) -> Seed {
        if let Some((last, host)) = &self.last
            && let Some(url) = beside(last, raw)
        {
            return Seed::Request(Request::at(url, Arc::clone(host), Arc::clone(&self.source)));
        }
        match canonical(raw, None) {
            Ok(url) => {
                let request = Request::seed(&url, Arc::clone(&self.source));
                self.last = Some((url, Arc::clone(&request.host)));
                Seed::Request(request)
            }
            Err(error) => self.refused(raw, error.to_string(), place()),
        }
    }

    /// A text that is no URL, as [`refused`].
    fn refused(&self, raw: &str, reason: String, place: String) -> Seed {
        refused(raw, &self.source, reason, place)
    }
}

/// A seed that is fetched for what it lists, not to become a record.
fn with_role(seed: Seed, role: Role) -> Seed {
    match seed {
        Seed::Request(request) => Seed::Request(Request { role, ..request }),
        refused @ Seed::Refused(_) => refused,
    }
}

/// A text that is no URL. It is named by itself, or, where it is empty or long, by its place too: two
/// different ones must not be taken for one.
fn refused(raw: &str, source: &str, reason: String, place: String) -> Seed {
    let name = match raw.floor_char_boundary(MAX_SHOWN_BYTES) {
        0 => place.clone(),
        end if end < raw.len() => format!("{}... ({place})", &raw[..end]),
        _ => raw.to_owned(),
    };
    Seed::refused(Request::unusable(&name, source), Outcome::InvalidUrl, reason, Some(place))
}

#[cfg(test)]
mod testing {
    //! Pours a source and shows what came out, a line a seed.

    use super::*;

    /// Everything that the source gives.
    pub fn pour(source: impl Source) -> Vec<Result<Seed, SourceError>> {
        futures::executor::block_on(Box::new(source).requests().collect())
    }

    /// `URL`, `URL (base BASE)`, or `RAW: OUTCOME at PLACE: REASON`.
    pub fn show(seeds: Vec<Result<Seed, SourceError>>) -> Vec<String> {
        let show = |seed| match seed {
            Ok(Seed::Request(Request { url, base_url: None, .. })) => url.to_string(),
            Ok(Seed::Request(Request { url, base_url: Some(base), .. })) => format!("{url} (base {base})"),
            Ok(Seed::Refused(visit)) => {
                let ending = visit.ending;
                let (place, reason) = (ending.rule.unwrap_or_default(), ending.reason.unwrap_or_default());
                format!("{}: {} at {place}: {reason}", visit.request.url, ending.outcome)
            }
            Err(error) => format!("error: {error}"),
        };
        seeds.into_iter().map(show).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    #[test]
    fn every_kind_has_its_settings() {
        for kind in SOURCES {
            let table = match kind.name {
                name @ ("urls" | "sitemap" | "feed") => {
                    serde_json::json!({ "type": name, "id": "mine", "urls": [] })
                }
                "list" => serde_json::json!({ "type": "list", "id": "mine", "path": "/dev/null" }),
                name => serde_json::json!({ "type": name, "id": "mine", "paths": [] }),
            };
            let settings: Settings = serde_json::from_value(table).expect(kind.name);
            assert_eq!(settings.id(), "mine");
        }
    }

    #[test]
    fn a_source_that_finds_nothing_lets_others_run() {
        let mut seeds = paced(std::iter::repeat_with(|| None).take(STEPS_A_TURN as usize));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(seeds.poll_next_unpin(&mut context).is_pending());
        assert!(matches!(seeds.poll_next_unpin(&mut context), Poll::Ready(None)));
    }
}

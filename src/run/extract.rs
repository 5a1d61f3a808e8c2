//! One page extracted for somebody who writes a rule: which request a URL or a path stands for, its page fetched or
//! read, and its record. Leaves nothing behind.

use futures::executor::block_on;
use futures::stream::StreamExt;
use serde_json::Value;
use thiserror::Error;
use tokio::runtime::Builder;
use url::Url;

use super::explain::meant;
use crate::config::Config;
use crate::model::{Ending, FILE_HOST, Origin, Outcome, Record, Request, Seed, UrlError};
use crate::parse::{Rules, Trace};
use crate::pipeline::{Preview, PreviewError, Previewer};
use crate::source::{self, Surroundings};

/// Local files that are looked through to find out which source leads to one.
const MAX_SEEDS: usize = 1_000_000;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// A URL, or the path of a file.
    pub target: &'a str,
    /// Id of the rule to be tried, whatever it matches.
    pub rule: Option<&'a str>,
    /// Id of the source that is to have led there.
    pub source: Option<&'a str>,
    /// Whether robots.txt is left unasked.
    pub ignore_robots: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Extraction {
    /// The URL, after redirects.
    pub url: String,
    /// The record; none if the page has none.
    pub record: Option<Value>,
    /// How it ended.
    pub ending: Ending,
    /// Id of the rule that is for it.
    pub rule: Option<String>,
    /// What each field came to.
    pub traces: Vec<Trace>,
    /// What was odd.
    pub warnings: Vec<String>,
}

/// It cannot be tried at all.
#[derive(Debug, Error)]
pub enum ExtractError {
    /// Neither a URL nor a file.
    #[error("`{target}` is no file that is there, and {error}")]
    Target {
        /// As it was given.
        target: String,
        /// What it is not.
        error: UrlError,
    },
    /// A rule or a source that is not there.
    #[error("no {what} has the id `{id}`\nhint: there are {known}")]
    Unknown {
        /// `rule` or `source`.
        what: &'static str,
        /// What was asked for.
        id: String,
        /// What there is.
        known: String,
    },
    /// What is needed cannot be had.
    #[error(transparent)]
    Preview(#[from] PreviewError),
}

/// Extracts a page. `places` says where a key of the config stands.
pub fn extract(
    config: &Config,
    places: &dyn Fn(&str) -> String,
    ask: &Ask<'_>,
) -> Result<Extraction, ExtractError> {
    let preview = preview(config, places, ask)?;
    let rule = preview.rule().map(str::to_owned);
    let Preview { visit, parsed, traces, .. } = preview;
    let warnings = parsed.map_or_else(Vec::new, |parsed| parsed.warnings);
    let origin =
        Origin { job: config.job.name.clone(), run_id: "preview".to_owned(), links: config.records.links };
    let record = Record::from_visit(&origin, &visit).and_then(|record| serde_json::to_value(record).ok());
    Ok(Extraction {
        url: visit.request.url.to_string(),
        record,
        ending: visit.ending,
        rule,
        traces,
        warnings,
    })
}

/// Fetches and reads a page.
pub fn preview(
    config: &Config,
    places: &dyn Fn(&str) -> String,
    ask: &Ask<'_>,
) -> Result<Preview, ExtractError> {
    let normalize = config.scope.normalize.build();
    let target = ask.target.to_owned();
    let url = meant(ask.target, &normalize).map_err(|error| ExtractError::Target { target, error })?;
    let request = request(config, &url, ask.source)?;
    let mut rules = Rules::compile(&config.extract, places).0;
    if let Some(id) = ask.rule {
        let known = listed(rules.ids());
        let unknown = || ExtractError::Unknown { what: "rule", id: id.to_owned(), known };
        rules = rules.only(id).ok_or_else(unknown)?;
    }
    let runtime = Builder::new_current_thread().enable_all().build().map_err(PreviewError::from)?;
    let mut previewer = Previewer::new(config, rules, ask.ignore_robots)?;
    Ok(runtime.block_on(previewer.page(request)))
}

impl Extraction {
    /// Whether it ended as well as it could.
    pub fn is_ok(&self) -> bool {
        self.ending.outcome == Outcome::Ok
    }
}

/// The request that a source would make for a URL. Unless one is named, a file belongs to the source that lists it, and
/// anything else to the first.
pub fn request(config: &Config, url: &str, source: Option<&str>) -> Result<Request, ExtractError> {
    let ids = || config.sources.iter().map(source::Settings::id);
    if let Some(id) = source.filter(|id| !ids().any(|known| known == *id)) {
        return Err(ExtractError::Unknown { what: "source", id: id.to_owned(), known: listed(ids()) });
    }
    let is_asked = |settings: &&source::Settings| source.is_none_or(|id| settings.id() == id);
    let files = config.sources.iter().filter(|one| matches!(one, source::Settings::Files(_)));
    let found = files.filter(is_asked).find_map(|settings| {
        if !url.starts_with("file:") {
            return None;
        }
        let mut seeds = source::build(settings, &Surroundings::default()).ok()?.requests().take(MAX_SEEDS);
        loop {
            match block_on(seeds.next())? {
                Ok(Seed::Request(request)) if *request.url == *url => return Some(request),
                _ => {}
            }
        }
    });
    let id = source.or_else(|| ids().next()).unwrap_or_default();
    Ok(found.unwrap_or_else(|| match Url::parse(url) {
        Ok(parsed) if parsed.scheme() == "file" => {
            Request { host: FILE_HOST.into(), ..Request::seed(&parsed, id) }
        }
        Ok(parsed) => Request::seed(&parsed, id),
        Err(_) => Request::unusable(url, id),
    }))
}

fn listed<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    let ids: Vec<String> = ids.map(|id| format!("`{id}`")).collect();
    if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
}

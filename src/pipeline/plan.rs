//! From what was typed to what it means: the config of a job, built into parts that run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use thiserror::Error;
use url::Url;

use super::checkpoints;
use super::commit::Disks;
use super::done::Renders;
use super::listing::ListingRules;
use crate::config::Config;
use crate::fetch::{self, FetchError, Fetcher};
use crate::frontier::{
    Anchor, BacklogError, Bounds, Frontier, Gating, Hours, Manners, OriginRobots, Override, Reach,
    RobotsPolicy, Rules, Scope, ScopeError,
};
use crate::model::{Normalize, Origin, RobotsNote, host_key};
use crate::parse::{Rules as ExtractRules, lastmod_moment};
use crate::secret::Text;
use crate::sink::jsonl::{Outcomes, Records};
use crate::sink::{self, Crawler, Sink};
use crate::source::{self, Source, SourceError, Surroundings};

/// Pages that may be at or before a parse thread, for each of them.
const PARSE_WIDTH: usize = 32;
/// Pages settled one by one after repeated deaths before the run goes on at full width.
const CAREFUL_PAGES: u64 = 256;

/// A config that cannot be built into parts.
#[derive(Debug, Error)]
pub enum PlanError {
    /// The `[http]` table or the headers of a host.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The `[scope]` table, or that of a source.
    #[error(transparent)]
    Scope(#[from] ScopeError),
}

/// The built parts of a run.
pub struct Plan {
    /// Where visits go; `records` and `outcomes` first.
    pub sinks: Vec<Box<dyn Sink>>,
    /// What each host allows.
    pub rules: Rules,
    /// Robots.txt, budgets of hosts, levels.
    pub limits: Gating,
    /// How much may be under way.
    pub bounds: Bounds,
    /// Which links are followed.
    pub scope: Scope,
    /// The optional parts of the canonical form.
    pub normalize: Normalize,
    /// What makes a robots.txt ours.
    pub robots: RobotsSettings,
    /// What the flow is made of.
    pub working: Working,
}

/// What the flow is made of.
pub struct Working {
    /// Where seeds come from.
    pub sources: Vec<Box<dyn Source>>,
    /// Makes the hops.
    pub fetcher: Fetcher,
    /// What is taken of sitemaps and feeds, by source.
    pub listings: BTreeMap<String, ListingRules>,
    /// Which fields pages have.
    pub extract: ExtractRules,
    /// What makes the lines of the sinks.
    pub renders: Renders,
    /// What is tried again.
    pub retry: fetch::Policy,
    /// `http.user_agent`
    pub user_agent: String,
    /// Requests in flight at once.
    pub max_concurrency: usize,
    /// Blocking threads that parse.
    pub parse_threads: usize,
    /// Pages at or before the parse threads.
    pub parse_width: usize,
    /// When a checkpoint closes.
    pub checkpoints: checkpoints::Bounds,
    /// Whether a sink reads bodies.
    pub keep_bodies: bool,
    /// Largest unpacked body.
    pub max_body: u64,
    /// Longest chain of redirects.
    pub max_redirects: usize,
    /// Disks that must not fill up.
    pub disks: Disks,
    /// How long the run may fetch.
    pub max_duration: Option<Duration>,
    /// Bytes over the wire after which no new request starts.
    pub max_bytes: Option<u64>,
    /// How long a stopped run lets its requests finish.
    pub drain: Duration,
}

/// What makes a robots.txt ours.
#[derive(Clone, Debug)]
pub struct RobotsSettings {
    /// `User-Agent` header.
    pub agent: String,
    /// What follows from an answer.
    pub policy: RobotsPolicy,
}

impl RobotsSettings {
    /// Puts back what an earlier process of the run was answered.
    pub fn restore(
        &self,
        frontier: &Frontier,
        note: &RobotsNote,
        wall: Timestamp,
    ) -> Result<(), BacklogError> {
        let Ok(url) = Url::parse(&note.origin) else { return Ok(()) };
        let wall_ms = wall.as_millisecond();
        let origin = OriginRobots::restore(note, Instant::now(), wall_ms, &self.agent, &self.policy);
        frontier.restore_robots(url.scheme() == "https", &host_key(&url), origin)
    }
}

/// What a run is, beyond its config.
pub struct Circumstances<'a> {
    /// Id of the run.
    pub run_id: &'a str,
    /// Where a key of the config stands.
    pub places: &'a dyn Fn(&str) -> String,
    /// Directories in which it writes.
    pub disks: Vec<PathBuf>,
    /// Where bodies go that memory has no room for.
    pub spool: PathBuf,
    /// Where standard input was spooled.
    pub stdin_spool: Option<&'a Path>,
    /// Whether the run died several times without settling anything.
    pub careful: bool,
}

impl Plan {
    /// Whether the parts can be built at all, so that a run is only begun if they can. A list from standard
    /// input is left alone: it can be read only once.
    pub fn rehearse(config: &Config) -> Result<(), PlanError> {
        let is_stdin = |settings: &&source::Settings| matches!(settings, source::Settings::List(list) if list.is_stdin());
        for settings in config.sources.iter().filter(|settings| !is_stdin(settings)) {
            source::build(settings, &Surroundings::default())?;
        }
        fetcher(config)?;
        Ok(())
    }

    /// Builds the parts.
    pub fn new(config: &Config, run: &Circumstances<'_>) -> Result<Self, PlanError> {
        let max_concurrency = config.politeness.max_concurrency.get();
        let sinks = sinks(config, run.run_id);
        let robots = robots(config);
        let anchor = Anchor { instant: Instant::now(), wall: Timestamp::now() };
        Ok(Self {
            rules: Rules::new(&config.politeness, &config.retry, &overrides(config), anchor),
            limits: gating(config, &robots, run.places),
            bounds: Bounds {
                max_concurrency,
                memory: config.limits.memory.0,
                max_pages: config.limits.max_pages.map(Into::into),
                careful: run.careful.then_some(CAREFUL_PAGES),
            },
            scope: scope(config, run.places)?,
            normalize: config.scope.normalize.build(),
            working: working(config, run, &sinks)?,
            robots,
            sinks,
        })
    }
}

fn working(config: &Config, run: &Circumstances<'_>, sinks: &[Box<dyn Sink>]) -> Result<Working, PlanError> {
    let surroundings = Surroundings { stdin_spool: run.stdin_spool.map(Path::to_owned) };
    let sources = config.sources.iter().map(|settings| source::build(settings, &surroundings));
    let parse_threads = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Working {
        sources: sources.collect::<Result<_, _>>()?,
        fetcher: Fetcher::new(&config.http, &host_headers(config), Some(run.spool.clone()))?
            .keeping_wire(sinks.iter().any(|sink| sink.needs_raw())),
        listings: listings(config, run.places),
        // What does not compile was refused when the config was read.
        extract: ExtractRules::compile(&config.extract, run.places).0,
        renders: Renders::of(sinks),
        retry: retry(config),
        user_agent: config.http.user_agent.clone(),
        max_concurrency: config.politeness.max_concurrency.get(),
        parse_threads,
        parse_width: parse_threads * PARSE_WIDTH,
        checkpoints: checkpoints::Bounds {
            records: config.checkpoint.records.get(),
            every: config.checkpoint.every.0,
        },
        keep_bodies: sinks.iter().any(|sink| sink.needs_bodies()),
        max_body: config.http.max_body.0,
        max_redirects: usize::try_from(config.http.max_redirects).unwrap_or(usize::MAX),
        disks: disks(config, run.disks.clone()),
        max_duration: config.limits.max_duration.map(|time| time.0),
        max_bytes: config.limits.max_bytes.map(|size| size.0),
        drain: config.limits.drain.0,
    })
}

/// The disks that must not fill up while a job runs.
pub fn disks(config: &Config, paths: Vec<PathBuf>) -> Disks {
    Disks { paths, min_free: config.limits.min_free_disk }
}

/// What makes the hops of a config, for one page or for none.
pub fn fetcher(config: &Config) -> Result<Fetcher, FetchError> {
    Fetcher::new(&config.http, &host_headers(config), None)
}

/// What makes a robots.txt ours.
pub fn robots(config: &Config) -> RobotsSettings {
    let (manners, retry) = (&config.politeness, &config.retry);
    let policy = RobotsPolicy {
        on_error: manners.robots_on_5xx,
        lifetime: manners.robots_lifetime.0,
        tries: retry.max_retries,
        backoff: retry.backoff.initial.0,
    };
    RobotsSettings { agent: config.http.user_agent.clone(), policy }
}

fn gating(config: &Config, robots: &RobotsSettings, place: &dyn Fn(&str) -> String) -> Gating {
    let manners = &config.politeness;
    let crawl_delay =
        manners.obey_crawl_delay.then(|| (manners.max_crawl_delay.0, place("politeness.max_crawl_delay")));
    let pages = config.limits.max_pages_per_host;
    Gating {
        manners: manners.obey_robots.then_some(Manners { policy: robots.policy, crawl_delay }),
        pages_per_host: pages.map(|pages| (pages.get(), place("limits.max_pages_per_host"))),
        by_level: config.limits.max_depth.is_some(),
    }
}

/// The scope of a config.
pub fn scope(config: &Config, place: &dyn Fn(&str) -> String) -> Result<Scope, ScopeError> {
    let sources: Vec<_> =
        config.sources.iter().map(|source| (source.id().to_owned(), source.scope().cloned())).collect();
    Scope::new(&config.scope, &sources, Reach { max_depth: config.limits.max_depth }, place)
}

fn retry(config: &Config) -> fetch::Policy {
    let (retry, manners) = (&config.retry, &config.politeness);
    fetch::Policy {
        max_retries: retry.max_retries,
        http_codes: retry.http_codes.clone(),
        initial: retry.backoff.initial.0,
        factor: retry.backoff.factor.get(),
        max: retry.backoff.max.0,
        jitter: retry.backoff.jitter.get(),
        max_retry_after: manners.respect_retry_after.then_some(manners.max_retry_after.0),
    }
}

fn listings(config: &Config, place: &dyn Fn(&str) -> String) -> BTreeMap<String, ListingRules> {
    let rules = |(index, source): (usize, &source::Settings)| {
        let source::Settings::Sitemap(settings) = source else { return None };
        let place = |key: &str| place(&format!("sources[{index}].{key}"));
        // What does not parse was refused when the config was read.
        let after = settings.lastmod_after.as_deref().and_then(lastmod_moment);
        let rules = ListingRules {
            after: after.map(|after| (after, place("lastmod_after"))),
            most: (settings.max_sitemaps.get(), place("max_sitemaps")),
        };
        Some((settings.id.clone(), rules))
    };
    config.sources.iter().enumerate().filter_map(rules).collect()
}

fn host_headers(config: &Config) -> BTreeMap<String, BTreeMap<String, Text>> {
    config.hosts.iter().map(|(host, special)| (host.clone(), special.headers.clone())).collect()
}

fn overrides(config: &Config) -> BTreeMap<String, Override> {
    let of = |host: &crate::config::Host| Override {
        concurrency: host.concurrency,
        delay: host.delay.map(|time| time.0),
        // What does not parse was refused when the config was read.
        hours: Hours::parse(&host.allowed_hours).ok().filter(|_| !host.allowed_hours.is_empty()),
    };
    config.hosts.iter().map(|(name, host)| (name.clone(), of(host))).collect()
}

/// Where visits go; `records` and `outcomes` first.
pub fn sinks(config: &Config, run_id: &str) -> Vec<Box<dyn Sink>> {
    let origin =
        Origin { job: config.job.name.clone(), run_id: run_id.to_owned(), links: config.records.links };
    let part_bytes = sink::PART_BYTES.0;
    let mut sinks: Vec<Box<dyn Sink>> = vec![
        Box::new(Records::new(origin.clone(), part_bytes)),
        Box::new(Outcomes::new(origin.clone(), part_bytes)),
    ];
    let crawler = Crawler {
        origin: &origin,
        user_agent: &config.http.user_agent,
        obeys_robots: config.politeness.obey_robots,
    };
    sinks.extend(config.sinks.iter().map(|settings| sink::build(settings, &crawler)));
    sinks
}

//! From what was typed to what it means: the config of a job, built into parts that run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::checkpoints;
use super::commit::Disks;
use crate::config::Config;
use crate::fetch::{FetchError, Fetcher};
use crate::frontier::{Bounds, Override, Rules};
use crate::model::Origin;
use crate::secret::Text;
use crate::sink::jsonl::{Outcomes, Records};
use crate::sink::{self, Sink};
use crate::source::{self, Source, SourceError, Surroundings};

/// Bytes of a part of `records/` and `outcomes/` before the next one begins.
const PART_BYTES: u64 = 512 << 20;
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
}

/// The built parts of a run.
pub struct Plan {
    /// Where seeds come from.
    pub sources: Vec<Box<dyn Source>>,
    /// Where visits go; `records` and `outcomes` first.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Makes the hops.
    pub fetcher: Fetcher,
    /// What each host allows.
    pub rules: Rules,
    /// What the frontier obeys.
    pub bounds: Bounds,
    /// Requests in flight at once.
    pub max_concurrency: usize,
    /// Blocking threads that parse.
    pub parse_threads: usize,
    /// Pages at or before the parse threads.
    pub parse_width: usize,
    /// When a checkpoint closes.
    pub checkpoints: checkpoints::Bounds,
    /// Largest unpacked body.
    pub max_body: u64,
    /// Longest chain of redirects.
    pub max_redirects: usize,
    /// How often a broken connection is tried again.
    pub max_retries: u32,
    /// Disks that must not fill up.
    pub disks: Disks,
    /// How long the run may fetch.
    pub max_duration: Option<Duration>,
    /// How long a stopped run lets its requests finish.
    pub drain: Duration,
}

/// What a run is, beyond its config.
#[derive(Debug)]
pub struct Circumstances<'a> {
    /// Id of the run.
    pub run_id: &'a str,
    /// Directories in which it writes.
    pub disks: Vec<PathBuf>,
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
        Fetcher::new(&config.http, &host_headers(config))?;
        Ok(())
    }

    /// Builds the parts.
    pub fn new(config: &Config, run: Circumstances<'_>) -> Result<Self, PlanError> {
        let max_concurrency = config.politeness.max_concurrency.get();
        let parse_threads = std::thread::available_parallelism().map_or(1, usize::from);
        let surroundings = Surroundings { stdin_spool: run.stdin_spool.map(Path::to_owned) };
        let sources = config.sources.iter().map(|settings| source::build(settings, &surroundings));
        Ok(Self {
            sources: sources.collect::<Result<_, _>>()?,
            sinks: sinks(config, run.run_id),
            fetcher: Fetcher::new(&config.http, &host_headers(config))?,
            rules: Rules::new(&config.politeness, &overrides(config)),
            bounds: Bounds {
                max_concurrency,
                memory: config.limits.memory.0,
                max_pages: config.limits.max_pages.map(Into::into),
                careful: run.careful.then_some(CAREFUL_PAGES),
            },
            max_concurrency,
            parse_threads,
            parse_width: parse_threads * PARSE_WIDTH,
            checkpoints: checkpoints::Bounds {
                records: config.checkpoint.records.get(),
                every: config.checkpoint.every.0,
            },
            max_body: config.http.max_body.0,
            max_redirects: usize::try_from(config.http.max_redirects).unwrap_or(usize::MAX),
            max_retries: config.retry.max_retries,
            disks: Disks { paths: run.disks, min_free: config.limits.min_free_disk },
            max_duration: config.limits.max_duration.map(|time| time.0),
            drain: config.limits.drain.0,
        })
    }
}

fn host_headers(config: &Config) -> BTreeMap<String, BTreeMap<String, Text>> {
    config.hosts.iter().map(|(host, special)| (host.clone(), special.headers.clone())).collect()
}

fn overrides(config: &Config) -> BTreeMap<String, Override> {
    let of = |host: &crate::config::Host| Override {
        concurrency: host.concurrency,
        delay: host.delay.map(|time| time.0),
    };
    config.hosts.iter().map(|(name, host)| (name.clone(), of(host))).collect()
}

/// Where visits go; `records` and `outcomes` first.
pub fn sinks(config: &Config, run_id: &str) -> Vec<Box<dyn Sink>> {
    let origin =
        Origin { job: config.job.name.clone(), run_id: run_id.to_owned(), links: config.records.links };
    let mut sinks: Vec<Box<dyn Sink>> =
        vec![Box::new(Records::new(origin.clone(), PART_BYTES)), Box::new(Outcomes::new(origin, PART_BYTES))];
    sinks.extend(config.sinks.iter().map(sink::build));
    sinks
}

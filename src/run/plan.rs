//! A dry run: what a run would ask for and how long that takes at least, found out without a page being fetched. Takes no
//! lock, and touches neither the state nor the output of the job.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::runtime::Builder;

use super::error::RunError;
use super::signals::Signals;
use crate::config::Config;
use crate::frontier::{Frontier, Overflow, Setup};
use crate::pipeline::{
    self, ByteBudget, Circumstances, Committer, Guide, Parsers, PipelineError, Plan, Renders, Stop, Survey,
    Surveying, Tools, survey,
};
use crate::source::{self, list};

/// Pages that are counted.
pub const MAX_URLS: usize = 100_000;
/// Bytes of waiting requests in memory: more than sitemaps can come to.
const QUEUE_MEMORY: u64 = 64 << 20;

/// Whether a run follows the links of any page.
pub fn follows_links(config: &Config) -> bool {
    let scope = pipeline::scope(config, &|_| String::new());
    scope.is_ok_and(|scope| config.sources.iter().any(|source| scope.follows(source.id())))
}

/// Surveys a job. `places` says where a key of the config stands. What standard input lists is left out, since it can be
/// read only once.
pub fn plan(config: &Config, places: &dyn Fn(&str) -> String) -> Result<Survey, RunError> {
    let stop = Stop::default();
    let fault = |action, path: &Path| {
        let path = path.to_owned();
        move |error| RunError::Io { action, path, error }
    };
    let system = std::env::temp_dir();
    let scratch = tempfile::tempdir().map_err(fault("create a folder in", &system))?;
    let signals = fault("watch signals for", scratch.path());
    Signals::watch(&stop, config.limits.drain.0).map_err(signals)?;
    let config = without_stdin(config, scratch.path())?;
    let plan = Plan::new(
        &config,
        &Circumstances {
            run_id: "plan",
            places,
            disks: Vec::new(),
            spool: scratch.path().to_owned(),
            stdin_spool: None,
            careful: false,
        },
    )?;
    let frontier = Frontier::new(Setup {
        rules: plan.rules.clone(),
        limits: plan.limits.clone(),
        bounds: plan.bounds.clone(),
        overflow: Overflow { dir: scratch.path().join("queue"), memory: QUEUE_MEMORY },
        is_resumed: false,
        wall: Timestamp::now(),
    })?;
    let threads = fault("start threads for", scratch.path());
    let parts = surveying(plan, frontier, &stop).map_err(threads)?;
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(64).build();
    let runtime = runtime.map_err(fault("start threads for", scratch.path()))?;
    let surveyed = runtime.block_on(survey(parts)).map_err(PipelineError::from);
    runtime.shutdown_background();
    Ok(surveyed?)
}

fn surveying(plan: Plan, frontier: Frontier, stop: &Stop) -> std::io::Result<Surveying> {
    let frontier = Arc::new(frontier);
    let Plan { rules, limits, scope, normalize, working, .. } = plan;
    let tools = Tools {
        fetcher: working.fetcher,
        parsers: Parsers::start(working.parse_threads)?,
        frontier: Arc::clone(&frontier),
        board: Arc::default(),
        guide: Arc::new(Guide { scope, normalize, frontier }),
        listings: Arc::new(working.listings),
        rules: Arc::new(working.extract),
        renders: Arc::new(Renders::none()),
        committer: Arc::new(Committer::none()),
        stop: stop.clone(),
        retry: working.retry,
        user_agent: working.user_agent,
        bytes: ByteBudget::new(None, 0),
        max_body: working.max_body,
        max_redirects: working.max_redirects,
        keep_bodies: false,
    };
    let crawl_delay = limits.manners.as_ref().and_then(|manners| manners.crawl_delay.as_ref());
    Ok(Surveying {
        sources: working.sources,
        tools: Arc::new(tools),
        rules,
        max_crawl_delay: crawl_delay.map(|(most, _)| *most),
        pages_per_host: limits.pages_per_host.as_ref().map(|(pages, _)| *pages),
        max_concurrency: working.max_concurrency,
        most: MAX_URLS,
    })
}

/// The config with an empty list for standard input. The sources keep their places.
fn without_stdin(config: &Config, scratch: &Path) -> Result<Config, RunError> {
    let mut config = config.clone();
    for settings in &mut config.sources {
        if let source::Settings::List(settings) = settings
            && settings.is_stdin()
        {
            let path = scratch.join("empty.txt");
            let written = std::fs::write(&path, "");
            written.map_err(|error| RunError::Io { action: "write", path: path.clone(), error })?;
            *settings = list::Settings { path, format: Some(list::Format::Lines), ..settings.clone() };
        }
    }
    Ok(config)
}

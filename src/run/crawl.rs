//! The crawl of a run: the parts are built, the flow runs on its runtime, and what is left is a closed journal.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::{Builder, Runtime};

use super::error::RunError;
use super::exit::Exit;
use super::observer::{Observer, Scene};
use super::plan::follows_links;
use super::signals::Signals;
use super::start::{Session, Taken};
use super::status::Keeper;
use super::watchdog::{self, Watchdog};
use super::{Job, open_sinks, plan, refusals, tasks};
use crate::frontier::{Frontier, Overflow, Setup};
use crate::model::{Ending, Outcome, UrlKey, Visit};
use crate::pipeline::{
    self, Board, ByteBudget, Closed, Committer, Flowing, Guide, Parsers, PipelineError, Plan, Reason,
    RobotsSettings, SinkThread, Stop, Tally, Tools, Working,
};
use crate::source;
use crate::store::{Finish, Frame, Journal, Known};

/// Bytes of waiting requests in memory above which they go to disk.
const QUEUE_MEMORY: u64 = 64 << 20;
/// Sockets that a turn of the runtime begins with: so few that what they bring is handed on while it is in the caches.
const EVENTS: usize = 16;
/// Deaths while a page was parsed alone after which it is the page's fault.
const DEADLY: usize = 2;

/// What became of a crawl.
pub enum Crawled {
    /// It was stopped and can be resumed; the run directory is still partial.
    Stopped(Exit, PathBuf),
    /// It has ended, and the journal says so.
    Ended(Box<Finished>),
}

/// A crawl that has ended: what its publication is made of.
pub struct Finished {
    /// The run.
    pub session: Session,
    /// Journal and sinks.
    pub closed: Closed,
    /// How it ended.
    pub finish: Finish,
    /// The scoreboard.
    pub tally: Tally,
}

/// Crawls until nothing is left, a limit is reached, or the run is asked to end.
pub fn crawl(job: &Job<'_>, taken: Taken, stop: &Stop, signals: &Signals) -> Result<Crawled, RunError> {
    let plan = plan(job, &taken)?;
    plan.working.disks.check()?;
    let sinks = open_sinks(&plan.sinks, &taken)?;
    let frontier = Arc::new(frontier(&plan, &taken)?);
    let guide = Guide { scope: plan.scope, normalize: plan.normalize, frontier: Arc::clone(&frontier) };
    let first = recall(&guide, &plan.robots, &taken)?;
    let Taken { session, journal, tally, .. } = taken;
    let crew = Crew { job, frontier, guide, first, journal, sinks, tally, session: &session, stop, signals };
    let (frontier, mut closed, tally) = crew.work(plan.working)?;
    let reason = stop.reason();
    if let Some(Reason::Interrupted | Reason::Disk | Reason::Source) = reason {
        let exit = if reason == Some(Reason::Interrupted) { Exit::Interrupted } else { Exit::DiskFull };
        return Ok(Crawled::Stopped(exit, session.dir.partial()));
    }
    let finish = finish(&frontier, &tally, reason);
    if finish.discovered != tally.settled() + finish.queued {
        let (discovered, queued, settled) = (finish.discovered, finish.queued, tally.settled());
        return Err(RunError::Unbalanced { discovered, settled, queued, path: session.dir.partial() });
    }
    closed.journal.append(&Frame::Finish(finish.clone()))?;
    closed.journal.sync()?;
    Ok(Crawled::Ended(Box::new(Finished { session, closed, finish, tally })))
}

/// The frontier of a run, with nothing in it.
fn frontier(plan: &Plan, taken: &Taken) -> Result<Frontier, RunError> {
    let overflow = Overflow { dir: taken.session.layout.queue(), memory: QUEUE_MEMORY };
    Ok(Frontier::new(Setup {
        rules: plan.rules.clone(),
        limits: plan.limits.clone(),
        bounds: plan.bounds.clone(),
        overflow,
        is_resumed: taken.is_resumed(),
        wall: Timestamp::now(),
    })?)
}

/// Puts back what earlier processes of the run knew, or the run before has left. Gives the visits that are known before anything is fetched: of
/// pages at which the process died more than once while it did nothing else. They are our fault, and stay unparsed.
fn recall(guide: &Guide, robots: &RobotsSettings, taken: &Taken) -> Result<Vec<Visit>, RunError> {
    let (replay, frontier) = (&taken.replay, &guide.frontier);
    // Robots.txt first: a host waits its crawl delay, too.
    let mut fault = None;
    replay.robots(taken.journal.path(), |note| {
        if let Err(error) = robots.restore(frontier, &note, Timestamp::now()) {
            fault.get_or_insert(error);
        }
    })?;
    for (host, wait) in &replay.waits {
        frontier.restore_wait(host, *wait);
    }
    let mut deaths: BTreeMap<UrlKey, usize> = BTreeMap::new();
    for key in &replay.suspects {
        *deaths.entry(*key).or_default() += 1;
    }
    let is_deadly = |key: &UrlKey| deaths.get(key).is_some_and(|count| *count >= DEADLY);
    let mut first = Vec::new();
    replay.known(taken.journal.path(), |known| match known {
        Known::Done(request) => guide.remember(request),
        Known::Queued(request) => {
            guide.remember(request);
            if is_deadly(&request.key) {
                frontier.restore_settled(request.key.fingerprint());
                let why = "the program died repeatedly while it parsed this page";
                first.push(Visit::refused(request.clone(), Ending::because(Outcome::Internal, why)));
            } else {
                let again = replay.again.get(&request.key);
                if let Err(error) = frontier.restore(request, again) {
                    fault.get_or_insert(error);
                }
            }
        }
        Known::Settled(settle) => {
            frontier.restore_settled(settle.key.fingerprint());
            if settle.outcome.is_good() {
                frontier.restore_good(&settle.host);
            }
        }
        Known::Refused(refusal) => frontier.restore_refused(refusal),
    })?;
    fault.map_or(Ok(first), |error| Err(error.into()))
}

/// All that a flow is made of.
struct Crew<'a> {
    job: &'a Job<'a>,
    frontier: Arc<Frontier>,
    guide: Guide,
    first: Vec<Visit>,
    journal: Journal,
    sinks: Vec<SinkThread>,
    tally: Tally,
    session: &'a Session,
    stop: &'a Stop,
    signals: &'a Signals,
}

impl Crew<'_> {
    /// Runs the flow to its end, and settles what was refused and never found on another way.
    fn work(self, plan: Working) -> Result<(Arc<Frontier>, Closed, Tally), RunError> {
        let Self { job, frontier, guide, first, journal, sinks, tally, session, stop, signals } = self;
        let fault = |error| RunError::Io { action: "start threads for", path: session.dir.partial(), error };
        let runtime = runtime().map_err(fault)?;
        let path = journal.path().to_owned();
        let board = Arc::new(Board::default());
        let (commit, disks) = (board.worker("commit"), plan.disks);
        let committer = Committer::start(journal, sinks, Arc::clone(&frontier), disks, commit);
        let committer = Arc::new(committer.map_err(fault)?);
        let tools = Tools {
            fetcher: plan.fetcher,
            parsers: Parsers::start(plan.parse_threads).map_err(fault)?,
            frontier: Arc::clone(&frontier),
            board: Arc::clone(&board),
            guide: Arc::new(guide),
            listings: Arc::new(plan.listings),
            rules: Arc::new(plan.extract),
            renders: Arc::new(plan.renders),
            committer: Arc::clone(&committer),
            stop: stop.clone(),
            retry: plan.retry,
            user_agent: plan.user_agent,
            bytes: ByteBudget::new(plan.max_bytes, tally.bytes),
            max_body: plan.max_body,
            max_redirects: plan.max_redirects,
            keep_bodies: plan.keep_bodies,
        };
        let tally = Arc::new(Mutex::new(tally));
        let tools = Arc::new(tools);
        let mut parts = Flowing {
            sources: plan.sources,
            first,
            tools: Arc::clone(&tools),
            tally: Arc::clone(&tally),
            max_concurrency: plan.max_concurrency,
            parse_width: plan.parse_width,
            checkpoints: plan.checkpoints,
        };
        let scene = scene(job, session, signals, (&frontier, &board, &tally));
        let observer = Observer::start(scene).map_err(fault)?;
        let watchdog = Watchdog::start(watchdog::warn).map_err(fault)?;
        let flowed = runtime.block_on(async {
            let ends = plan.max_duration.map(|most| tokio::time::Instant::now() + most);
            loop {
                let again = parts.again();
                // What follows the flow reads files, and nothing waits for it.
                let ticking = tokio::spawn(watchdog.tick());
                let flowed = flow(parts, stop, plan.drain, ends).await;
                ticking.abort();
                if let Err(error) = flowed {
                    break Err(error.into());
                }
                if let Some(fault) = frontier.fault() {
                    break Err(fault.into());
                }
                match refusals::reopen(&path, &tools.guide, stop) {
                    Ok(0) => break refusals::settle(&path, &tools, &tally).await,
                    Ok(_) => parts = again,
                    Err(error) => break Err(error),
                }
            }
        });
        drop((observer, watchdog));
        drop(tools);
        // What hangs in a blocking read must not hold up the end; everything that counts is committed.
        runtime.shutdown_background();
        flowed?;
        let closed = committer.close()?;
        let tally = tally.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok((frontier, closed, tally))
    }
}

/// What is seen of the run while it lives.
fn scene(
    job: &Job<'_>,
    session: &Session,
    signals: &Signals,
    (frontier, board, tally): (&Arc<Frontier>, &Arc<Board>, &Arc<Mutex<Tally>>),
) -> Scene {
    let run_id = session.begin.run_id.clone();
    let lists = |source: &source::Settings| {
        matches!(source, source::Settings::Sitemap(_) | source::Settings::Feed(_))
    };
    let config = job.config;
    let is_open =
        follows_links(config) || config.limits.max_pages.is_some() || config.sources.iter().any(lists);
    Scene {
        job: job.config.job.name.clone(),
        dir: session.dir.partial(),
        wanted: tasks::wanted(&job.config.job.state_dir),
        asked: signals.asked(),
        keeper: Keeper::new(run_id.clone(), Arc::clone(frontier), Arc::clone(tally), is_open),
        run_id,
        frontier: Arc::clone(frontier),
        board: Arc::clone(board),
        screen: job.log.screen(),
    }
}

/// One thread moves the network and the flow; parsing, sinks and committer have threads of their own.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(64).max_io_events_per_tick(EVENTS).build()
}

/// The flow, drained when `limits.max_duration` has passed.
async fn flow(
    parts: Flowing,
    stop: &Stop,
    drain: Duration,
    ends: Option<tokio::time::Instant>,
) -> Result<(), PipelineError> {
    let mut flow = pin!(pipeline::run(parts));
    if let Some(ends) = ends {
        tokio::select! {
            biased;
            flowed = &mut flow => return flowed,
            () = tokio::time::sleep_until(ends) => {}
        }
        tracing::info!("`limits.max_duration` has passed: no new request starts");
        stop.drain(Reason::Duration);
        tokio::select! {
            biased;
            flowed = &mut flow => return flowed,
            () = tokio::time::sleep(drain) => stop.drop_in_flight(),
        }
    }
    flow.await
}

fn finish(frontier: &Frontier, tally: &Tally, reason: Option<Reason>) -> Finish {
    let queued = frontier.left();
    let (reason, limited) = match reason {
        Some(Reason::Duration) if !frontier.is_exhausted() => ("limit_duration", true),
        Some(Reason::Bytes) if !frontier.is_exhausted() => ("limit_bytes", true),
        _ if frontier.is_spent() && queued > 0 => ("limit_pages", true),
        _ => ("finished", false),
    };
    let exit = match () {
        () if tally.good == 0 => Exit::Failed,
        () if limited => Exit::LimitReached,
        () => Exit::Complete,
    };
    let complete = !limited;
    Finish { reason: reason.to_owned(), complete, discovered: frontier.known(), queued, exit: exit.code() }
}

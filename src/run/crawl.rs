//! The crawl of a run: the parts are built, the flow runs on its runtime, and what is left is a closed journal.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::error::RunError;
use super::exit::Exit;
use super::following::Following;
use super::start::{Session, Taken};
use super::{Job, open_sinks, plan, status};
use crate::frontier::{Frontier, Known};
use crate::model::{Ending, Outcome, UrlKey, Visit};
use crate::pipeline::{
    self, Closed, Committer, Flowing, Parsers, PipelineError, Plan, Reason, SinkThread, Stop, Tally, Tools,
};
use crate::store::{Finish, Frame, Journal, Progress, Replay};

/// How long an interrupted run waits for the index to be closed; what is not closed is checked by the next start.
const CLOSE_INDEX: Duration = Duration::from_millis(500);
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
    /// The index.
    pub following: Following,
    /// How it ended.
    pub finish: Finish,
    /// The scoreboard.
    pub tally: Tally,
}

/// Crawls until nothing is left, a limit is reached, or the run is asked to end.
pub fn crawl(job: &Job<'_>, mut taken: Taken, stop: &Stop) -> Result<Crawled, RunError> {
    let plan = plan(job.config, &taken)?;
    plan.disks.check()?;
    let sinks = open_sinks(&plan.sinks, &taken)?;
    let (progress, following) = Following::start(&taken, stop.clone())?;
    let first = deadly_pages(&mut taken.replay);
    let known = taken.is_resumed().then(|| Known {
        queued: std::mem::take(&mut taken.replay.queued),
        seen: std::mem::take(&mut taken.replay.seen),
        pages: taken.tally.good,
    });
    let Taken { session, journal, tally, .. } = taken;
    let crew = Crew { plan, known, first, journal, sinks, progress, tally };
    let (frontier, mut closed, tally) = crew.work(&session, stop)?;
    let reason = stop.reason();
    if let Some(Reason::Interrupted | Reason::Disk | Reason::Source) = reason {
        drop(closed);
        following.wait(Some(CLOSE_INDEX))?;
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
    Ok(Crawled::Ended(Box::new(Finished { session, closed, following, finish, tally })))
}

/// All that a flow is made of.
struct Crew {
    plan: Plan,
    known: Option<Known>,
    first: Vec<Visit>,
    journal: Journal,
    sinks: Vec<SinkThread>,
    progress: mpsc::Sender<Progress>,
    tally: Tally,
}

impl Crew {
    /// Runs the flow to its end.
    fn work(self, session: &Session, stop: &Stop) -> Result<(Arc<Frontier>, Closed, Tally), RunError> {
        let Self { plan, known, first, journal, sinks, progress, tally } = self;
        let fault = |error| RunError::Io { action: "start threads for", path: session.dir.partial(), error };
        let runtime = runtime().map_err(fault)?;
        let frontier = Arc::new(Frontier::new(plan.rules, plan.bounds, known));
        let committer = Committer::start(journal, sinks, Arc::clone(&frontier), progress, plan.disks);
        let committer = Arc::new(committer.map_err(fault)?);
        let tools = Tools {
            fetcher: plan.fetcher,
            parsers: Parsers::start(plan.parse_threads).map_err(fault)?,
            frontier: Arc::clone(&frontier),
            committer: Arc::clone(&committer),
            stop: stop.clone(),
            max_body: plan.max_body,
            max_redirects: plan.max_redirects,
            max_retries: plan.max_retries,
            keep_bodies: plan.sinks.iter().any(|sink| sink.needs_bodies()),
        };
        let tally = Arc::new(Mutex::new(tally));
        let parts = Flowing {
            sources: plan.sources,
            first,
            tools: Arc::new(tools),
            tally: Arc::clone(&tally),
            max_concurrency: plan.max_concurrency,
            parse_width: plan.parse_width,
            checkpoints: plan.checkpoints,
        };
        let (dir, run_id) = (session.dir.partial(), session.begin.run_id.clone());
        let status = status::keep(dir, run_id, Arc::clone(&frontier), Arc::clone(&tally));
        let flowed = runtime.block_on(async {
            let status = tokio::spawn(status);
            let flowed = flow(parts, stop, plan.drain, plan.max_duration).await;
            status.abort();
            flowed
        });
        // What hangs in a blocking read must not hold up the end; everything that counts is committed.
        runtime.shutdown_background();
        flowed?;
        let closed = committer.close()?;
        let tally = tally.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok((frontier, closed, tally))
    }
}

/// One thread moves the network and the flow; parsing, sinks, committer and index have threads of their own.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(64).build()
}

/// The flow, drained when `limits.max_duration` has passed.
async fn flow(
    parts: Flowing,
    stop: &Stop,
    drain: Duration,
    max_duration: Option<Duration>,
) -> Result<(), PipelineError> {
    let mut flow = pin!(pipeline::run(parts));
    if let Some(max_duration) = max_duration {
        tokio::select! {
            biased;
            flowed = &mut flow => return flowed,
            () = tokio::time::sleep(max_duration) => {}
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

/// Pages at which the process died more than once while it did nothing else: settled as our fault, unparsed.
fn deadly_pages(replay: &mut Replay) -> Vec<Visit> {
    let mut deaths: BTreeMap<UrlKey, usize> = BTreeMap::new();
    for key in &replay.suspects {
        *deaths.entry(*key).or_default() += 1;
    }
    let is_deadly = |key: &UrlKey| deaths.get(key).is_some_and(|count| *count >= DEADLY);
    let (deadly, rest) =
        std::mem::take(&mut replay.queued).into_iter().partition(|request| is_deadly(&request.key));
    replay.queued = rest;
    let ending =
        || Ending::because(Outcome::Internal, "the program died repeatedly while it parsed this page");
    deadly.into_iter().map(|request| Visit::refused(request, ending())).collect()
}

fn finish(frontier: &Frontier, tally: &Tally, reason: Option<Reason>) -> Finish {
    let queued = frontier.left();
    let (reason, limited) = match reason {
        Some(Reason::Duration) if !frontier.is_exhausted() => ("limit_duration", true),
        _ if frontier.is_spent() && queued > 0 => ("limit_pages", true),
        _ => ("finished", false),
    };
    let exit = match () {
        () if tally.good == 0 => Exit::Failed,
        () if limited => Exit::LimitReached,
        () => Exit::Complete,
    };
    let complete = !limited;
    Finish {
        reason: reason.to_owned(),
        complete,
        discovered: frontier.discovered(),
        queued,
        exit: exit.code(),
    }
}

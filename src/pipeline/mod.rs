//! The one stream that carries out a run: source, frontier, fetch, parse, commit.
//!
//! It ends by a count: nothing queued, nothing leased, all sources done. No `Err` in it is about a single page.

mod answers;
mod checkpoints;
mod commit;
mod done;
mod feed;
mod follow;
mod latency;
mod listing;
mod page;
mod parsers;
mod plan;
mod preview;
mod robots;
mod sinks;
mod stop;
mod survey;
mod tally;
mod tasks;
mod visit;
mod watching;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_stream::wrappers::ReceiverStream;

use self::checkpoints::{Company, checkpoints};
use self::commit::Committed;
pub use self::commit::{Closed, CommitError, Committer, Disks};
pub use self::done::{Done, Renders};
pub use self::follow::{Guide, anchor};
pub use self::latency::Latencies;
pub use self::parsers::Parsers;
pub use self::plan::{Circumstances, Plan, PlanError, RobotsSettings, Working, scope, sinks};
pub use self::preview::{PageReader, Preview, PreviewError, Previewer};
pub use self::sinks::SinkThread;
pub use self::stop::{Reason, Stop};
pub use self::survey::{HostSurvey, Survey, Surveying, survey};
pub use self::tally::{Host as HostTally, Tally};
pub use self::tasks::{Board, Doing, Escort, Seen, Who};
use self::visit::Flow;
pub use self::visit::{ByteBudget, Tools};
use crate::frontier::Frontier;
use crate::model::{Lease, Visit};
use crate::source::{Source, SourceError};

/// Refused seeds that may wait for the next checkpoint.
const REFUSALS: usize = 1024;
/// Checkpoints under way: the next one fills while this one syncs.
const OVERLAP: usize = 2;

/// Why a run cannot go on. What is committed stays, and the next start continues.
#[derive(Debug, Error)]
pub enum PipelineError {
    /// Nothing more can be made durable.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A task of ours has died.
    #[error("a task has died: {0}")]
    Task(String),
}

/// The parts of the flow.
pub struct Flowing {
    /// Where seeds come from.
    pub sources: Vec<Box<dyn Source>>,
    /// Visits that are known before anything is fetched.
    pub first: Vec<Visit>,
    /// What pages need on their way.
    pub tools: Arc<Tools>,
    /// The scoreboard.
    pub tally: Arc<Mutex<Tally>>,
    /// Requests in flight at once.
    pub max_concurrency: usize,
    /// Pages at or before the parse threads.
    pub parse_width: usize,
    /// When a checkpoint closes.
    pub checkpoints: checkpoints::Bounds,
}

impl Flowing {
    /// The same without sources, for what is admitted after they have run dry.
    #[must_use]
    pub fn again(&self) -> Self {
        Self {
            sources: Vec::new(),
            first: Vec::new(),
            tools: Arc::clone(&self.tools),
            tally: Arc::clone(&self.tally),
            ..*self
        }
    }
}

/// Runs the flow until nothing is left or the run is asked to end. All that was leased is then settled by a
/// committed checkpoint or put back.
pub async fn run(parts: Flowing) -> Result<(), PipelineError> {
    let Flowing { sources, first, tools, tally, max_concurrency, parse_width, checkpoints: bounds } = parts;
    let (frontier, stop) = (Arc::clone(&tools.frontier), tools.stop.clone());
    let (refuse, refused) = mpsc::channel(REFUSALS);
    let pouring = feed::Pouring {
        early: refuse,
        renders: Arc::clone(&tools.renders),
        stop: stop.clone(),
        task: tools.board.worker("sources"),
    };
    let feed = tokio::spawn(pouring.pour(sources, Arc::clone(&tools.guide)));
    let renders = Arc::clone(&tools.renders);
    let first = stream::iter(first).map(move |visit| Flow::Settled(renders.refused(visit)));
    let refusals = first.chain(ReceiverStream::new(refused));

    // Leases between the frontier and a checkpoint.
    let under_way = AtomicUsize::new(0);
    let visits = leases(Arc::clone(&frontier), stop, feed.abort_handle())
        .inspect(|_| _ = under_way.fetch_add(1, Ordering::Relaxed))
        .map(|lease| visit::fetch(&tools, lease))
        .buffer_unordered(max_concurrency)
        .map(|hop| visit::parse(&tools, hop))
        .buffer_unordered(parse_width)
        .inspect(|_| _ = under_way.fetch_sub(1, Ordering::Relaxed))
        .filter_map(std::future::ready);

    let written = |mut done: Option<Box<Done>>| {
        if let Some(done) = &mut done {
            tools.committer.write(done);
        }
        done
    };
    let dones = stream::select(refusals, visits)
        .filter_map(|flow| std::future::ready(done(&frontier, flow)))
        .map(written);
    let company = || match under_way.load(Ordering::Relaxed) {
        _ if !frontier.is_starved() => Company::Leases,
        0 if frontier.is_dry() => Company::None,
        _ => Company::UnderWay,
    };
    checkpoints(Box::pin(dones), bounds, company)
        .map(|batch| tools.committer.submit(batch.into_iter().flatten().collect()))
        .buffered(OVERLAP)
        .map_ok(|committed| settled(&frontier, &tally, &committed))
        .try_for_each(|()| std::future::ready(Ok(())))
        .await?;
    debug_assert_eq!(
        under_way.load(Ordering::Relaxed),
        0,
        "what was leased has come to a checkpoint, or back"
    );

    match feed.await {
        Ok(poured) => Ok(poured?),
        Err(error) if error.is_cancelled() => Ok(()),
        Err(error) => Err(PipelineError::Task(error.to_string())),
    }
}

/// Requests whose host may be asked now, until there are none or the run is asked to end. Once no more will be
/// leased there is no use in pouring on.
fn leases(frontier: Arc<Frontier>, stop: Stop, feed: AbortHandle) -> impl Stream<Item = Lease> {
    stream::unfold((frontier, stop, feed), |(frontier, stop, feed)| async move {
        let lease = tokio::select! {
            biased;
            () = stop.draining() => None,
            lease = frontier.next() => lease,
        };
        if lease.is_none() {
            feed.abort();
        }
        lease.map(|lease| (lease, (frontier, stop, feed)))
    })
}

/// What goes to the commit, `None` inside for a frame that settles nothing; what goes back does not.
#[allow(clippy::option_option)] // the outer one is what `filter_map` wants
fn done(frontier: &Frontier, flow: Flow) -> Option<Option<Box<Done>>> {
    match flow {
        Flow::Settled(done) => Some(Some(done)),
        Flow::Flush => Some(None),
        Flow::PutBack(request) => {
            frontier.put_back(*request);
            None
        }
        Flow::PutOff(request, again) => {
            frontier.put_off(*request, again.wait, again.host_wait);
            // The try and what the host is owed should survive, even if nothing else is settled for a long time.
            Some(None)
        }
    }
}

fn settled(frontier: &Frontier, tally: &Mutex<Tally>, committed: &Committed) {
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    committed.settles.iter().for_each(|settle| tally.count(settle));
    drop(tally);
    frontier.settled(&committed.leases);
}

//! The commit point. One thread takes checkpoints in order and makes each durable in two steps:
//!
//! 1. every output journal writes its visits and is synced, side by side, each sink on a thread of its own;
//! 2. one frame of the frontier journal says which URLs that settles, which requests it admits and how long the
//!    output journals are now; when it is synced, the checkpoint is true.
//!
//! A death before the end of 2 leaves bytes behind the last committed lengths, which the next start cuts off. A
//! death after it has lost nothing. So a crash can repeat a page and never lose or double one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use thiserror::Error;
use tokio::sync::oneshot;

use crate::frontier::{Frontier, SettledLease};
use crate::model::{Changes, Span, UrlKey, Visit};
use crate::sink::{Artifact, SinkError};
use crate::store::{Commit, Frame, Journal, Page, Settle, StoreError};

use super::sinks::SinkThread;
use super::tasks::{Doing, Escort, Task};

/// Checkpoints that may wait for the committer's thread.
const WAITING: usize = 4;
/// The sink whose lines history points to.
const RECORDS: &str = "records";

/// Why nothing more can be committed. The run ends; what is committed stays.
#[derive(Debug, Error)]
pub enum CommitError {
    /// An output journal.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The frontier journal.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk is about to be full.
    #[error(
        "less than {wanted} is free below `{path}`\nhint: make room and start the run again, it goes on where it stopped; `limits.min_free_disk` is the bound"
    )]
    LowDisk {
        /// Where.
        path: PathBuf,
        /// `limits.min_free_disk`.
        wanted: crate::units::Size,
    },
    /// A thread of the committer has died.
    #[error("the committer's thread is gone: {0}")]
    Gone(String),
}

/// A visit that is to be committed.
pub struct Done {
    /// What it came to.
    pub visit: Box<Visit>,
    /// Whether it was leased, and not refused without a lease.
    pub leased: bool,
    /// What it holds until it is written, and its place on the board until it is committed.
    pub escort: Option<Escort>,
}

/// What a committed checkpoint settled.
#[derive(Debug, Default)]
pub struct Committed {
    /// For the tally.
    pub settles: Vec<Settle>,
    /// Leases among them.
    pub leases: Vec<SettledLease>,
}

/// What the thread is asked to do.
enum Order {
    Commit(Vec<Done>, oneshot::Sender<Result<Committed, CommitError>>),
    Suspect(UrlKey, oneshot::Sender<Result<(), StoreError>>),
}

/// The handle of the committer's thread.
#[derive(Debug)]
pub struct Committer {
    inner: Mutex<Option<Inner>>,
}

#[derive(Debug)]
struct Inner {
    orders: mpsc::SyncSender<Order>,
    thread: JoinHandle<Work>,
}

/// What the thread holds, and gives back at the end.
#[derive(Debug)]
struct Work {
    journal: Journal,
    sinks: Vec<SinkThread>,
    frontier: Arc<Frontier>,
    disks: Disks,
    task: Task,
    failed: bool,
}

/// The directories whose disks must not fill up.
#[derive(Clone, Debug)]
pub struct Disks {
    /// Where output and state are written.
    pub paths: Vec<PathBuf>,
    /// `limits.min_free_disk`.
    pub min_free: crate::units::Size,
}

impl Disks {
    /// An error if one of the disks has less free than it must.
    pub fn check(&self) -> Result<(), CommitError> {
        for path in &self.paths {
            if let Ok(disk) = rustix::fs::statvfs(path)
                && disk.f_bavail.saturating_mul(disk.f_frsize) < self.min_free.0
            {
                return Err(CommitError::LowDisk { path: path.clone(), wanted: self.min_free });
            }
        }
        Ok(())
    }
}

impl Committer {
    /// One that commits nothing and says so, for a flow that leaves nothing behind.
    pub fn none() -> Self {
        Self { inner: Mutex::new(None) }
    }

    /// Starts the thread, whose place on the board is `task`.
    pub fn start(
        journal: Journal,
        sinks: Vec<SinkThread>,
        frontier: Arc<Frontier>,
        disks: Disks,
        task: Task,
    ) -> std::io::Result<Self> {
        let (orders, incoming) = mpsc::sync_channel(WAITING);
        let mut work = Work { journal, sinks, frontier, disks, task, failed: false };
        let thread = thread::Builder::new().name("commit".to_owned()).spawn(move || {
            for order in incoming {
                match order {
                    Order::Commit(dones, reply) => drop(reply.send(work.commit(dones))),
                    Order::Suspect(key, reply) => drop(reply.send(work.suspect(key))),
                }
            }
            work
        })?;
        Ok(Self { inner: Mutex::new(Some(Inner { orders, thread })) })
    }

    /// Hands a checkpoint over. Checkpoints are committed in the order in which this is called.
    pub fn submit(&self, dones: Vec<Done>) -> impl Future<Output = Result<Committed, CommitError>> + use<> {
        let (reply, answer) = oneshot::channel();
        let sent = self.send(Order::Commit(dones, reply));
        async move {
            sent?;
            answer.await.unwrap_or_else(|_| Err(CommitError::Gone("it panicked".to_owned())))
        }
    }

    /// Notes, durably, that this page is parsed next, alone, after it may have killed the run before.
    pub async fn suspect(&self, key: UrlKey) -> Result<(), CommitError> {
        let (reply, answer) = oneshot::channel();
        self.send(Order::Suspect(key, reply))?;
        match answer.await {
            Ok(noted) => Ok(noted?),
            Err(_) => Err(CommitError::Gone("it panicked".to_owned())),
        }
    }

    fn send(&self, order: Order) -> Result<(), CommitError> {
        let gone = |why: &str| Err(CommitError::Gone(why.to_owned()));
        match self.inner.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            None => gone("it was closed"),
            Some(inner) => {
                inner.orders.try_send(order).or_else(|_| gone("its queue is closed or over its bound"))
            }
        }
    }

    /// Ends the thread and gives back what it held.
    pub fn close(&self) -> Result<Closed, CommitError> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Inner { orders, thread }) = inner else {
            return Err(CommitError::Gone("it was closed before".to_owned()));
        };
        drop(orders);
        let work = thread.join().map_err(|_| CommitError::Gone("it panicked".to_owned()))?;
        Ok(Closed { journal: work.journal, sinks: work.sinks })
    }
}

/// A committer after its last checkpoint.
pub struct Closed {
    /// The frontier journal.
    pub journal: Journal,
    sinks: Vec<SinkThread>,
}

impl Closed {
    /// A committer that has nothing to commit: the run only has to be published.
    pub fn new(journal: Journal, sinks: Vec<SinkThread>) -> Self {
        Self { journal, sinks }
    }

    /// Finishes every sink and names all finished files.
    pub fn finish_sinks(&mut self) -> Result<Vec<Artifact>, CommitError> {
        let mut artifacts = Vec::new();
        for sink in self.sinks.drain(..) {
            artifacts.extend(sink.finish()?);
        }
        Ok(artifacts)
    }
}

impl Work {
    fn commit(&mut self, dones: Vec<Done>) -> Result<Committed, CommitError> {
        if self.failed {
            // An output journal may hold half a line now: only a fresh start knows where to cut it.
            return Err(CommitError::Gone("an earlier checkpoint failed".to_owned()));
        }
        self.task.is(Doing::Writing);
        let committed = self.try_commit(dones);
        self.task.is(Doing::Idle);
        self.failed = committed.is_err();
        committed
    }

    fn suspect(&mut self, key: UrlKey) -> Result<(), StoreError> {
        self.journal.append(&Frame::Suspect(key))?;
        self.journal.sync()
    }

    fn try_commit(&mut self, mut dones: Vec<Done>) -> Result<Committed, CommitError> {
        let mut committed = Committed::default();
        let (mut admits, mut refuses) = (Vec::new(), Vec::new());
        let now = Instant::now();
        for Done { visit, leased, escort } in &mut dones {
            if *leased {
                committed.leases.push(lease(visit));
            }
            admits.append(&mut visit.admits);
            refuses.append(&mut visit.refuses);
            if let Some(escort) = escort {
                escort.task.is_since(Doing::Writing, now);
            }
        }
        let changes = self.frontier.checkpoint(admits, refuses);
        let dones = Arc::new(dones);
        let (positions, spans) = self.write(&dones)?;
        let still_read = || CommitError::Gone("a sink still reads what it has written".to_owned());
        let dones = Arc::into_inner(dones).ok_or_else(still_read)?;
        let mut tasks: Vec<Task> = Vec::with_capacity(dones.len());
        let settled = dones.into_iter().zip(spans).map(|(Done { visit, leased, escort }, span)| {
            tasks.extend(escort.map(|escort| escort.task));
            settle(*visit, leased, span)
        });
        let settled = settled.collect();
        let now = Instant::now();
        tasks.iter().chain([&self.task]).for_each(|task| task.is_since(Doing::Journal, now));
        committed.settles = self.frame(changes, settled, positions)?;
        self.disks.check()?;
        Ok(committed)
    }

    /// Step 1: all sinks at once.
    fn write(&self, dones: &Arc<Vec<Done>>) -> Result<(Positions, Vec<Option<Span>>), CommitError> {
        let pending: Vec<_> = self.sinks.iter().map(|sink| (sink, sink.write(Arc::clone(dones)))).collect();
        let mut positions = BTreeMap::new();
        let mut spans = vec![None; dones.len()];
        let mut failed = None;
        // Every sink is heard, also after one has failed, or its thread would still hold the visits.
        for (sink, written) in pending {
            match written.wait() {
                Ok((position, lines)) => {
                    positions.insert(sink.id().to_owned(), position);
                    if sink.id() == RECORDS {
                        spans = lines;
                    }
                }
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok((positions, spans)), Err)
    }

    /// Step 2. What is admitted stands in these frames or in earlier ones than what settles it. Gives the settles
    /// back.
    fn frame(
        &mut self,
        changes: Changes,
        settled: Vec<Settle>,
        positions: Positions,
    ) -> Result<Vec<Settle>, StoreError> {
        let mut pieces = changes.pieces();
        let changes = pieces.pop().unwrap_or_default();
        for changes in pieces {
            self.journal.append(&Frame::Commit(Commit { changes, ..Commit::default() }))?;
        }
        let frame = Frame::Commit(Commit { changes, settled, positions });
        self.journal.append(&frame)?;
        self.journal.sync()?;
        Ok(if let Frame::Commit(commit) = frame { commit.settled } else { Vec::new() })
    }
}

type Positions = BTreeMap<String, crate::model::Position>;

/// The lease that a visit settles.
pub fn lease(visit: &Visit) -> SettledLease {
    let request = &visit.request;
    SettledLease {
        host: request.host.clone(),
        role: request.role,
        depth: request.depth,
        good: visit.ending.outcome.is_good(),
    }
}

fn settle(visit: Visit, admitted: bool, span: Option<Span>) -> Settle {
    let Visit { request, ending, fetched, body, parsed, wire_bytes, parse_us, .. } = visit;
    let fetched = fetched.as_ref();
    let (outcome, reason) = (ending.outcome.name(), &ending.reason);
    tracing::debug!(
        url = request.url,
        outcome,
        status = fetched.map(|fetched| fetched.status),
        reason,
        "settled"
    );
    let parts = span.zip(fetched).zip(body).zip(parsed);
    Settle {
        admitted,
        status: fetched.map(|fetched| fetched.status),
        key: request.key,
        outcome: ending.outcome,
        host: request.host,
        bytes: wire_bytes,
        duration_ms: fetched.map(|fetched| u64::try_from(fetched.duration.as_millis()).unwrap_or(u64::MAX)),
        parse_us,
        page: parts.map(|(((record, fetched), body), parsed)| {
            let page = Page {
                url: request.url,
                fetched_at_ms: fetched.started.as_millisecond(),
                status: fetched.status,
                digest: body.digest,
                etag: fetched.header("etag").map(ToOwned::to_owned),
                last_modified: fetched.header("last-modified").map(ToOwned::to_owned),
                title: parsed.title,
                record,
            };
            page.bounded()
        }),
    }
}

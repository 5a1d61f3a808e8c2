//! The commit point. One thread takes checkpoints in order and makes each durable in two steps:
//!
//! 1. every output journal is synced, side by side, each sink on a thread of its own. It has written the visits before,
//!    as they came, while what is written was in the caches;
//! 2. one frame of the frontier journal says which URLs that settles, which requests it admits and how long the
//!    output journals are now; when it is synced, the checkpoint is true.
//!
//! A death before the end of 2 leaves bytes behind the last committed lengths, which the next start cuts off. A
//! death after it has lost nothing. So a crash can repeat a page and never lose or double one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use thiserror::Error;
use tokio::sync::oneshot;

use crate::frontier::{Frontier, SettledLease};
use crate::model::{Changes, Span, UrlKey};
use crate::sink::{Artifact, SinkError};
use crate::store::{Commit, Frame, Journal, Settle, StoreError};

use super::done::{Batch, Done, Sheet};
use super::sinks::{SinkThread, Written};
use super::tasks::{Doing, Task};

/// Checkpoints that may wait for the committer's thread.
const WAITING: usize = 4;
/// Visits that sinks are given at once: so many that a thread is not woken for each, so few that they stay in the caches.
const PIECE: usize = 32;
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
    Commit(Batch, Vec<Written>, oneshot::Sender<Result<Committed, CommitError>>),
    Suspect(UrlKey, oneshot::Sender<Result<(), StoreError>>),
}

/// The handle of the committer's thread.
pub struct Committer {
    inner: Mutex<Option<Inner>>,
}

struct Inner {
    orders: mpsc::SyncSender<Order>,
    thread: JoinHandle<Work>,
    sinks: Vec<SinkThread>,
    /// Visits that the sinks are given next.
    piece: Vec<Sheet>,
}

/// What the thread holds, and gives back at the end.
#[derive(Debug)]
struct Work {
    journal: Journal,
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
        let mut work = Work { journal, frontier, disks, task, failed: false };
        let thread = thread::Builder::new().name("commit".to_owned()).spawn(move || {
            for order in incoming {
                match order {
                    Order::Commit(dones, written, reply) => drop(reply.send(work.commit(dones, written))),
                    Order::Suspect(key, reply) => drop(reply.send(work.suspect(key))),
                }
            }
            work
        })?;
        Ok(Self { inner: Mutex::new(Some(Inner { orders, thread, sinks, piece: Vec::new() })) })
    }

    /// Has the sinks write a visit before its checkpoint closes. Those of a checkpoint go through here in its order.
    pub fn write(&self, done: &mut Done) {
        if let Some(inner) = &mut *self.inner() {
            inner.write(done);
        }
    }

    /// Hands a checkpoint over, of which none, some or all visits were written before. Checkpoints are committed in the
    /// order in which this is called.
    pub fn submit(&self, dones: Batch) -> impl Future<Output = Result<Committed, CommitError>> + use<> {
        let (reply, answer) = oneshot::channel();
        let sent = self.order(|inner| {
            let (dones, written) = inner.sync(dones);
            Order::Commit(dones, written, reply)
        });
        async move {
            sent?;
            answer.await.unwrap_or_else(|_| Err(CommitError::Gone("it panicked".to_owned())))
        }
    }

    /// Notes, durably, that this page is parsed next, alone, after it may have killed the run before.
    pub async fn suspect(&self, key: UrlKey) -> Result<(), CommitError> {
        let (reply, answer) = oneshot::channel();
        self.order(|_| Order::Suspect(key, reply))?;
        match answer.await {
            Ok(noted) => Ok(noted?),
            Err(_) => Err(CommitError::Gone("it panicked".to_owned())),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Option<Inner>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self, order: impl FnOnce(&mut Inner) -> Order) -> Result<(), CommitError> {
        let gone = |why: &str| CommitError::Gone(why.to_owned());
        let mut inner = self.inner();
        let inner = inner.as_mut().ok_or_else(|| gone("it was closed"))?;
        let order = order(inner);
        inner.orders.try_send(order).map_err(|_| gone("its queue is closed or over its bound"))
    }

    /// Ends the thread and gives back what it held.
    pub fn close(&self) -> Result<Closed, CommitError> {
        let Some(Inner { orders, thread, sinks, .. }) = self.inner().take() else {
            return Err(CommitError::Gone("it was closed before".to_owned()));
        };
        drop(orders);
        let work = thread.join().map_err(|_| CommitError::Gone("it panicked".to_owned()))?;
        Ok(Closed { journal: work.journal, sinks })
    }
}

impl Inner {
    fn write(&mut self, done: &mut Done) {
        self.piece.extend(done.take_sheet());
        if self.piece.len() >= PIECE {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        if !self.piece.is_empty() {
            let piece = Arc::new(std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE)));
            self.sinks.iter().for_each(|sink| sink.write(Arc::clone(&piece)));
        }
    }

    /// Hands all that is left over, and ends the checkpoint in every sink.
    fn sync(&mut self, mut dones: Batch) -> (Batch, Vec<Written>) {
        for done in &mut dones {
            self.write(done);
        }
        self.hand_over();
        (dones, self.sinks.iter().map(SinkThread::sync).collect())
    }
}

impl std::fmt::Debug for Committer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Committer")
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
    fn commit(&mut self, dones: Batch, written: Vec<Written>) -> Result<Committed, CommitError> {
        if self.failed {
            // An output journal may hold half a line now: only a fresh start knows where to cut it.
            return Err(CommitError::Gone("an earlier checkpoint failed".to_owned()));
        }
        self.task.is(Doing::Writing);
        let committed = self.try_commit(dones, written);
        self.task.is(Doing::Idle);
        self.failed = committed.is_err();
        committed
    }

    fn suspect(&mut self, key: UrlKey) -> Result<(), StoreError> {
        self.journal.append(&Frame::Suspect(key))?;
        self.journal.sync()
    }

    fn try_commit(&mut self, mut dones: Batch, written: Vec<Written>) -> Result<Committed, CommitError> {
        let mut committed = Committed::default();
        let (mut admits, mut refuses) = (Vec::new(), Vec::new());
        let now = Instant::now();
        for done in &mut dones {
            committed.leases.extend(done.lease());
            admits.append(&mut done.admits);
            refuses.append(&mut done.refuses);
            if let Some(escort) = &done.escort {
                escort.task.is_since(Doing::Writing, now);
            }
        }
        let changes = self.frontier.checkpoint(admits, refuses);
        let (positions, spans) = synced(written, dones.len())?;
        let mut tasks: Vec<Task> = Vec::with_capacity(dones.len());
        let settled = dones.into_iter().zip(spans).map(|(done, span)| {
            let (settle, escort) = done.into_settle(span);
            tasks.extend(escort.map(|escort| escort.task));
            settle
        });
        let settled = settled.collect();
        let now = Instant::now();
        tasks.iter().chain([&self.task]).for_each(|task| task.is_since(Doing::Journal, now));
        committed.settles = self.frame(changes, settled, positions)?;
        self.disks.check()?;
        Ok(committed)
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

/// Step 1: all sinks at once. Where each ends now, and where the record of each visit stands.
fn synced(written: Vec<Written>, visits: usize) -> Result<(Positions, Vec<Option<Span>>), CommitError> {
    let (mut positions, mut spans) = (BTreeMap::new(), Vec::new());
    for written in written {
        let id = written.id.clone();
        let (position, lines) = written.wait()?;
        if id == RECORDS {
            spans = lines;
        }
        positions.insert(id, position);
    }
    if spans.len() != visits {
        return Err(CommitError::Gone(format!(
            "{} visits were written, {visits} are to be committed",
            spans.len()
        )));
    }
    Ok((positions, spans))
}

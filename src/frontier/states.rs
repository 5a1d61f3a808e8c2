//! The frontier as the pipeline sees it: who moves a URL from one state to the next, and how much may be under way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::front::Front;
use super::gauge::Gauge;
use super::local::Local;
use super::politeness::Rules;
use super::seen::Seen;
use crate::model::{Lease, Request, UrlKey};

/// Requests in memory above which sources wait.
const HIGH_WATER: u64 = 50_000;
/// Bytes of requests in one frame that only admits.
const ADMIT_BYTES: usize = 1 << 20;

/// Bounds of a run, as the frontier obeys them.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Requests in flight at once.
    pub max_concurrency: usize,
    /// Bytes of bodies held above which nothing new is leased.
    pub memory: u64,
    /// Pages with a good outcome at most.
    pub max_pages: Option<u64>,
    /// After repeated deaths: one request at a time, until this many have been settled.
    pub careful: Option<u64>,
}

/// What became of a request that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// It is queued.
    New,
    /// Its URL is known already.
    Known,
}

/// The frontier of a run. Shared.
#[derive(Debug)]
pub struct Frontier {
    state: Mutex<State>,
    bounds: Bounds,
    /// Bytes of bodies held in flight.
    pub gauge: Gauge,
    /// Something may be leased, or the end may be reached.
    moved: Notify,
    /// The queue has shrunk below the mark at which sources wait.
    drained: Notify,
    starved: AtomicBool,
}

#[derive(Debug)]
struct State {
    front: Front<Local>,
    seen: Seen,
    /// Admitted, and not yet in a frame.
    pending: Vec<Request>,
    /// Handed out, and not yet settled.
    leased: u64,
    /// Being fetched right now.
    in_flight: usize,
    /// Pages that ended well, and those leased that may.
    pages: u64,
    careful: Option<u64>,
    sources_done: bool,
}

/// What a journal knew of the frontier when the run was taken up again.
#[derive(Debug, Default)]
pub struct Known {
    /// Requests that were queued or leased.
    pub queued: Vec<Request>,
    /// Fingerprints of all that was known.
    pub seen: Vec<u64>,
    /// Pages that had ended well.
    pub pages: u64,
}

impl Frontier {
    /// The frontier of a run: new, or as its journal tells it.
    pub fn new(rules: Rules, bounds: Bounds, known: Option<Known>) -> Self {
        let now = Instant::now().into_std();
        let max_hosts = (bounds.max_concurrency * 4).max(64);
        let mut front = Front::new(Local::new(now), rules, max_hosts, known.is_some().then_some(now));
        let known = known.unwrap_or_default();
        front.admit(known.queued);
        let state = State {
            front,
            seen: known.seen.into_iter().collect(),
            pending: Vec::new(),
            leased: 0,
            in_flight: 0,
            pages: known.pages,
            careful: bounds.careful,
            sources_done: false,
        };
        Self {
            state: Mutex::new(state),
            bounds,
            gauge: Gauge::default(),
            moved: Notify::new(),
            drained: Notify::new(),
            starved: AtomicBool::new(false),
        }
    }

    /// No code panics while it holds the lock, and plain data would still be sound if it did.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a request unless its URL is known. It is leased before its frame is committed: a crash in between
    /// forgets both, and the source offers it again.
    pub fn admit(&self, request: Request) -> Admitted {
        let mut state = self.state();
        let admitted = state.admit(request);
        drop(state);
        if admitted == Admitted::New {
            self.moved.notify_one();
        }
        admitted
    }

    /// Notes a URL that ends without ever being queued. Whether it was unknown.
    pub fn refuse(&self, key: UrlKey) -> bool {
        self.state().seen.insert(key.fingerprint())
    }

    /// Returns when few enough requests wait in memory that a source may pour on.
    pub async fn room(&self) {
        while self.state().front.queued() >= HIGH_WATER {
            self.drained.notified().await;
        }
    }

    /// No source will admit anything more.
    pub fn sources_done(&self) {
        self.state().sources_done = true;
        self.moved.notify_one();
    }

    /// One request whose host may be asked now. `None` when the run has ended: nothing queued, nothing leased,
    /// all sources done, or the budget of pages spent. Cancel-safe.
    pub async fn next(&self) -> Option<Lease> {
        loop {
            let due = {
                let mut state = self.state();
                if state.is_done(self.bounds.max_pages) {
                    return None;
                }
                if self.may_lease(&state) {
                    if let Some(request) = state.front.next(Instant::now().into_std()) {
                        state.leased += 1;
                        state.in_flight += 1;
                        state.pages += 1;
                        let low = state.front.queued() == HIGH_WATER / 2;
                        drop(state);
                        if low {
                            self.drained.notify_one();
                        }
                        self.starved.store(false, Ordering::Relaxed);
                        return Some(Lease { request });
                    }
                    state.front.next_due()
                } else {
                    None
                }
            };
            self.starved.store(true, Ordering::Relaxed);
            let due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(Instant::from_std(due)).await,
                    // Without a time, only an event can change anything.
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.moved.notified() => {}
                () = self.gauge.fell() => {}
                () = due => {}
            }
        }
    }

    fn may_lease(&self, state: &State) -> bool {
        let concurrency = if state.careful.is_some() { 1 } else { self.bounds.max_concurrency };
        // A careful run waits for the commit, too: the one page that kills must be the only one not settled.
        let busy = if state.careful.is_some() { state.leased > 0 } else { state.in_flight >= concurrency };
        let spent = self.bounds.max_pages.is_some_and(|max| state.pages >= max);
        !busy && !spent && self.gauge.bytes() < self.bounds.memory
    }

    /// Whether nothing could be leased when it was last tried: then waiting for a fuller checkpoint is in vain.
    pub fn is_starved(&self) -> bool {
        self.starved.load(Ordering::Relaxed)
    }

    /// Whether one page at a time is parsed, to find the one that kills.
    pub fn is_careful(&self) -> bool {
        self.state().careful.is_some()
    }

    /// The slot of a request in flight: its host counts as being asked until this is dropped.
    pub fn slot(self: &Arc<Self>, host: &str) -> Slot {
        Slot { frontier: Arc::clone(self), host: host.to_owned() }
    }

    /// A lease that came to nothing goes back to the head of its host's queue.
    pub fn put_back(&self, request: Request) {
        let mut state = self.state();
        state.leased -= 1;
        state.pages -= 1;
        state.front.put_back(request);
        drop(state);
        self.moved.notify_one();
    }

    /// For a checkpoint: queues what its visits lead to, and gives all that was admitted and stands in no frame
    /// yet, in pieces of a bounded size. Whatever the visits settle was admitted before, in these or earlier frames.
    pub fn checkpoint(&self, leads_to: impl IntoIterator<Item = Request>) -> Vec<Vec<Request>> {
        let mut state = self.state();
        for request in leads_to {
            state.admit(request);
        }
        let pending = std::mem::take(&mut state.pending);
        drop(state);
        let (mut pieces, mut piece, mut bytes) = (Vec::new(), Vec::new(), 0);
        for request in pending {
            bytes += request.weight();
            piece.push(request);
            if bytes >= ADMIT_BYTES {
                pieces.push(std::mem::take(&mut piece));
                bytes = 0;
            }
        }
        pieces.push(piece);
        pieces
    }

    /// So many leases are settled by a committed checkpoint, so many of them with a good outcome.
    pub fn settled(&self, leases: u64, good: u64) {
        let mut state = self.state();
        state.leased -= leases;
        state.pages -= leases - good;
        state.careful = state.careful.and_then(|left| left.checked_sub(leases).filter(|left| *left > 0));
        drop(state);
        self.moved.notify_one();
    }

    /// Requests that wait, and those handed out.
    pub fn left(&self) -> u64 {
        let state = self.state();
        state.front.queued() + state.leased
    }

    /// All URLs that were ever admitted or refused.
    pub fn discovered(&self) -> u64 {
        self.state().seen.len() as u64
    }

    /// Whether nothing waits or is handed out, and nothing more will come.
    pub fn is_exhausted(&self) -> bool {
        let state = self.state();
        state.sources_done && state.leased == 0 && state.front.queued() == 0
    }

    /// Whether the budget of pages is spent.
    pub fn is_spent(&self) -> bool {
        self.bounds.max_pages.is_some_and(|max| self.state().pages >= max)
    }
}

impl State {
    fn admit(&mut self, request: Request) -> Admitted {
        if !self.seen.insert(request.key.fingerprint()) {
            return Admitted::Known;
        }
        self.pending.push(request.clone());
        self.front.admit(vec![request]);
        Admitted::New
    }

    fn is_done(&self, max_pages: Option<u64>) -> bool {
        let spent = max_pages.is_some_and(|max| self.pages >= max);
        let (waits, all_known) = (self.front.queued() > 0, self.sources_done);
        // A spent budget ends the run once it is known whether it left anything out.
        self.leased == 0 && if waits { spent } else { all_known }
    }
}

/// A request in flight; see [`Frontier::slot`].
#[derive(Debug)]
pub struct Slot {
    frontier: Arc<Frontier>,
    host: String,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.frontier.state();
        state.in_flight -= 1;
        state.front.answered(&self.host);
        drop(state);
        self.frontier.moved.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::frontier::settings::Politeness;
    use crate::model::canonical;
    use crate::units::Time;

    fn frontier(max_pages: u64) -> Arc<Frontier> {
        let settings = Politeness { host_delay: Time(Duration::ZERO), ..Politeness::default() };
        let rules = Rules::new(&settings, &BTreeMap::new());
        let bounds =
            Bounds { max_concurrency: 4, memory: 1 << 20, max_pages: Some(max_pages), careful: None };
        Arc::new(Frontier::new(rules, bounds, None))
    }

    fn seed(path: &str) -> Request {
        Request::seed(&canonical(&format!("http://h/{path}"), None).expect("URL"), "test")
    }

    /// Leases the one page of the budget and settles it.
    async fn spend(frontier: &Arc<Frontier>) {
        frontier.admit(seed("1"));
        let lease = frontier.next().await.expect("a lease");
        drop(frontier.slot(&lease.request.host));
        frontier.settled(1, 1);
    }

    #[test]
    fn frames_that_only_admit_are_bounded_and_keep_the_order() {
        let frontier = frontier(1);
        let long = "x".repeat(10_000);
        let urls: Vec<String> = (0..300)
            .map(|n| seed(&format!("{n}/{long}")))
            .map(|r| {
                let url = r.url.clone();
                frontier.admit(r);
                url
            })
            .collect();
        let pieces = frontier.checkpoint([]);
        assert!(pieces.len() > 2);
        assert!(
            pieces.iter().all(|piece| piece.iter().map(Request::weight).sum::<usize>() < 2 * ADMIT_BYTES)
        );
        assert_eq!(pieces.concat().into_iter().map(|request| request.url).collect::<Vec<_>>(), urls);
        assert_eq!(frontier.checkpoint([]), [Vec::new()]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_spent_budget_waits_for_the_sources_to_say_whether_it_left_anything_out() {
        let moment = Duration::from_millis(10);
        let whole = frontier(1);
        spend(&whole).await;
        assert!(tokio::time::timeout(moment, whole.next()).await.is_err(), "a source may hold more");
        whole.sources_done();
        assert!(whole.next().await.is_none());
        assert_eq!(whole.left(), 0);

        let cut_short = frontier(1);
        spend(&cut_short).await;
        cut_short.admit(seed("2"));
        assert!(cut_short.next().await.is_none());
        assert_eq!(cut_short.left(), 1);
    }
}

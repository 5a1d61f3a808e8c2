//! The frontier as the pipeline sees it: who moves a URL from one state to the next, and how much may be under way.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant as StdInstant;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::backlog::BacklogError;
use super::front::{Front, Since};
use super::gates::{Gates, Limits};
use super::gauge::Gauge;
use super::host_clock::Report;
use super::local::Local;
use super::overflow::Overflow;
use super::politeness::Rules;
use super::seen::Seen;
use super::settle::millis;
use super::slot::Slot;
use super::state::State;
use crate::model::{Changes, Ending, HostWait, Lease, Request, Role, UrlKey, Wait};

/// Requests that wait, above which sources pour no further.
const HIGH_WATER: u64 = 4_000_000;
/// Requests that are in no frame yet, above which sources wait for the next one.
const PENDING: usize = 50_000;
/// Bytes of the rules of robots.txt that are kept in memory.
const ROBOTS_MEMORY: usize = 32 << 20;

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

/// What a frontier is made of.
pub struct Setup {
    /// What each host allows.
    pub rules: Rules,
    /// Robots.txt, budgets, levels.
    pub limits: Limits,
    /// How much may be under way.
    pub bounds: Bounds,
    /// Where requests go that memory has no room for.
    pub overflow: Overflow,
    /// Whether an earlier process began the run.
    pub is_resumed: bool,
    /// The time of the wall clock, now.
    pub wall: Timestamp,
}

/// What became of a request that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// It is queued.
    New,
    /// Its URL is known already.
    Known,
}

/// A lease that a committed checkpoint has settled.
#[derive(Clone, Debug)]
pub struct SettledLease {
    /// Host key.
    pub host: Arc<str>,
    /// What it was for.
    pub role: Role,
    /// How far from its seed.
    pub depth: u32,
    /// Whether it ended well.
    pub good: bool,
}

/// The frontier of a run. Shared.
#[derive(Debug)]
pub struct Frontier {
    state: Mutex<State>,
    /// Fingerprints of all that was admitted or has an outcome. Asked by the parse threads without the lock.
    pub(super) seen: Seen,
    /// Fingerprints of what was found and refused, and was not admitted when that was found.
    pub(super) refused: Seen,
    /// Of these, what was also found on a way on which nothing but the lack of a seed near it stood against it.
    pub(super) outside: Seen,
    /// Of these, how many were admitted later, on another way.
    pub(super) readmitted: AtomicU64,
    bounds: Bounds,
    began: (StdInstant, Timestamp),
    /// Bytes of bodies held in flight.
    pub gauge: Gauge,
    /// Something may be leased, or the end may be reached.
    pub(super) moved: Notify,
    /// The queue has shrunk below the mark at which sources wait, or a frame has taken what was pending.
    pub(super) drained: Notify,
    starved: AtomicBool,
}

impl Frontier {
    /// The frontier of a run, with nothing in it.
    pub fn new(setup: Setup) -> Result<Self, BacklogError> {
        let Setup { rules, limits, bounds, overflow, is_resumed, wall } = setup;
        let now = Instant::now().into_std();
        let secret = RandomState::new().hash_one(wall.as_nanosecond());
        let max_hosts = (bounds.max_concurrency * 16).clamp(1024, 8192);
        let since = if is_resumed { Since::Resumed(now) } else { Since::New(now) };
        let backlog = Local::new(now, &overflow)?;
        let mut gates = Gates::new(limits);
        gates.shelve_beyond(ROBOTS_MEMORY, overflow.dir);
        let front = Front::new(backlog, rules, gates, max_hosts, since);
        let state = State {
            front,
            pending: Changes::default(),
            leased: 0,
            asked: 0,
            in_flight: 0,
            pages: 0,
            careful: bounds.careful,
            sources_done: false,
            fault: None,
        };
        Ok(Self {
            state: Mutex::new(state),
            seen: Seen::new(secret),
            refused: Seen::new(secret),
            outside: Seen::new(secret),
            readmitted: AtomicU64::new(0),
            bounds,
            began: (now, wall),
            gauge: Gauge::default(),
            moved: Notify::new(),
            drained: Notify::new(),
            starved: AtomicBool::new(false),
        })
    }

    /// No code panics while it holds the lock, and plain data would still be sound if it did.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The wall clock in milliseconds since 1970, as it has gone on since the frontier was made.
    pub(super) fn wall_ms(&self, now: StdInstant) -> i64 {
        let (began, wall) = self.began;
        let passed = i64::try_from(now.saturating_duration_since(began).as_millis()).unwrap_or(i64::MAX);
        wall.as_millisecond().saturating_add(passed)
    }

    /// Something happened to a host of the front.
    pub(super) fn event(
        &self,
        change: impl FnOnce(&mut Front<Local>, StdInstant) -> Result<(), BacklogError>,
    ) {
        let mut state = self.state();
        let changed = change(&mut state.front, Instant::now().into_std());
        state.note(changed);
        drop(state);
        self.moved.notify_one();
    }

    /// A request in flight has ended.
    pub(super) fn landed(
        &self,
        host: &str,
        key: UrlKey,
        now: Instant,
        report: Report,
        failure: Option<Ending>,
    ) {
        let now = now.into_std();
        let mut state = self.state();
        state.in_flight -= 1;
        if let Report::Answered { retry_after: Some(wait), .. } = report {
            // Owed whatever becomes of the request, and by the next process, too.
            let wait = Wait::from(self.wall_ms(now), millis(wait));
            state.pending.waits.push(HostWait { host: host.to_owned(), wait });
        }
        let ended = state.front.ended(host, key, now, report, failure);
        state.note(ended);
        drop(state);
        self.moved.notify_one();
    }

    /// Queues a request unless its URL is known. It is leased before its frame is committed: a crash in between
    /// forgets both, and the source offers it again.
    pub fn admit(&self, request: Request) -> Admitted {
        if !self.is_new(request.key) {
            return Admitted::Known;
        }
        let mut state = self.state();
        state.admit([request]);
        drop(state);
        self.moved.notify_one();
        Admitted::New
    }

    /// Whether a key was unknown; it is known from now on.
    pub(super) fn is_new(&self, key: UrlKey) -> bool {
        let fingerprint = key.fingerprint();
        let is_new = self.seen.insert(fingerprint);
        if is_new {
            self.recall_refused(fingerprint);
        }
        is_new
    }

    /// Those whose URLs were unknown, in their order; they are known from now on.
    pub(super) fn new_ones(&self, mut requests: Vec<Request>) -> Vec<Request> {
        let fingerprints: Vec<u64> = requests.iter().map(|request| request.key.fingerprint()).collect();
        let mut are_new = self.seen.insert_all(&fingerprints).into_iter();
        requests.retain(|request| {
            let is_new = are_new.next() == Some(true);
            if is_new {
                self.recall_refused(request.key.fingerprint());
            }
            is_new
        });
        requests
    }

    /// Counts a URL that was refused once and is admitted after all.
    pub(super) fn recall_refused(&self, fingerprint: u64) {
        if self.refused.contains(fingerprint) {
            self.readmitted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether a URL was admitted before, or has its outcome.
    pub fn is_known(&self, key: UrlKey) -> bool {
        self.seen.contains(key.fingerprint())
    }

    /// Whether a URL was found and refused before, for lying outside if `is_outside` says that it is now: of the two
    /// refusals that is the one that a seed which comes later can take back.
    pub fn is_refused(&self, key: UrlKey, is_outside: bool) -> bool {
        let known = if is_outside { &self.outside } else { &self.refused };
        known.contains(key.fingerprint())
    }

    /// Notes a URL that ends without ever being queued. Whether it was unknown.
    pub fn refuse(&self, key: UrlKey) -> bool {
        self.is_new(key)
    }

    /// Returns when few enough requests wait that a source may pour on.
    pub async fn room(&self) {
        while self.is_full() {
            self.drained.notified().await;
        }
    }

    fn is_full(&self) -> bool {
        let state = self.state();
        state.pending.admitted.len() >= PENDING || state.front.queued() >= HIGH_WATER
    }

    /// Whether so much was admitted that a frame should take it, even if nothing is settled.
    pub fn is_pending(&self) -> bool {
        self.state().pending.admitted.len() >= PENDING
    }

    /// Whether something is owed that should not have to wait for the next page to become durable: the wait of a host.
    pub fn owes(&self) -> bool {
        !self.state().pending.waits.is_empty()
    }

    /// No source will admit anything more.
    pub fn sources_done(&self) {
        self.state().sources_done = true;
        self.moved.notify_one();
    }

    /// One request whose host may be asked now, or that ends here. `None` when the run has ended: nothing queued,
    /// nothing leased, all sources done, or the budget of pages spent, or the backlog broken. Cancel-safe.
    pub async fn next(&self) -> Option<Lease> {
        loop {
            let due = {
                let mut state = self.state();
                if state.fault.is_some() || state.is_done(self.bounds.max_pages) {
                    return None;
                }
                if self.may_lease(&state) {
                    let turn = state.front.next(Instant::now().into_std());
                    if let Some(lease) = state.lease(turn) {
                        let low = state.front.queued() == HIGH_WATER / 2;
                        drop(state);
                        if low {
                            self.drained.notify_one();
                        }
                        self.starved.store(false, Ordering::Relaxed);
                        return Some(lease);
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

    /// Whether nothing waits to be leased, and no source will admit anything more.
    pub fn is_dry(&self) -> bool {
        let state = self.state();
        state.sources_done && state.front.queued() == 0
    }

    /// Whether one page at a time is parsed, to find the one that kills.
    pub fn is_careful(&self) -> bool {
        self.state().careful.is_some()
    }

    /// The slot of a request in flight: its host counts as being asked until this is dropped.
    pub fn slot(self: &Arc<Self>, request: &Request) -> Slot {
        let (host, is_timed) = (Arc::clone(&request.host), self.state().front.is_timed(&request.host));
        Slot { frontier: Arc::clone(self), host, key: request.key, is_timed, end: None }
    }

    /// Requests that wait, and those handed out.
    pub fn left(&self) -> u64 {
        let state = self.state();
        state.front.queued() + state.leased
    }

    /// All URLs that were ever found.
    pub fn discovered(&self) -> u64 {
        self.seen.len() + self.refused()
    }

    /// URLs that were admitted or have their outcome. Once all refusals are settled these are all.
    pub fn known(&self) -> u64 {
        self.seen.len()
    }

    /// URLs that were found and refused, and not admitted since.
    pub fn refused(&self) -> u64 {
        self.refused.len().saturating_sub(self.readmitted.load(Ordering::Relaxed))
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

    /// Why nothing can be leased any more, if the backlog is broken.
    pub fn fault(&self) -> Option<BacklogError> {
        self.state().fault.take()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::frontier;
    use super::*;
    use crate::model::{Outcome, Refusal, canonical};

    fn seed(path: &str) -> Request {
        Request::seed(&canonical(&format!("http://h/{path}"), None).expect("URL"), "test")
    }

    fn refusal(path: &str) -> Refusal {
        Refusal::new(seed(path), Ending::because(Outcome::SkippedScope, "outside"))
    }

    /// Leases a page and settles it.
    async fn spend(frontier: &Arc<Frontier>, path: &str, good: bool) {
        frontier.admit(seed(path));
        let request = frontier.next().await.expect("a lease").request;
        drop(frontier.slot(&request));
        frontier.settled(&[SettledLease { host: request.host, role: Role::Page, depth: 0, good }]);
    }

    #[test]
    fn a_refusal_stands_until_another_way_leads_there() {
        let frontier = frontier(None);
        let first = frontier.checkpoint([], [refusal("a"), refusal("b"), refusal("a")]);
        assert_eq!(first.refused.len(), 2, "once for each URL");
        assert_eq!((frontier.discovered(), frontier.refused(), frontier.known()), (2, 2, 0));
        let second = frontier.checkpoint([seed("a")], [refusal("a"), refusal("b")]);
        assert_eq!((second.admitted.len(), second.refused.len()), (1, 0));
        assert_eq!((frontier.discovered(), frontier.refused(), frontier.known()), (2, 1, 1));
        assert!(frontier.checkpoint([], []).is_empty(), "what a frame has taken is in no other");
    }

    #[tokio::test(start_paused = true)]
    async fn a_spent_budget_waits_for_the_sources_to_say_whether_it_left_anything_out() {
        let moment = Duration::from_millis(10);
        let whole = frontier(Some(1));
        spend(&whole, "1", true).await;
        assert!(tokio::time::timeout(moment, whole.next()).await.is_err(), "a source may hold more");
        whole.sources_done();
        assert!(whole.next().await.is_none());
        assert_eq!(whole.left(), 0);

        let cut_short = frontier(Some(1));
        spend(&cut_short, "bad", false).await;
        spend(&cut_short, "1", true).await;
        cut_short.admit(seed("2"));
        assert!(cut_short.next().await.is_none());
        assert_eq!((cut_short.left(), cut_short.is_spent()), (1, true));
    }
}

//! `status.json`: how a live run is doing. Decides nothing, and writes nothing: `observer` does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::frontier::{Frontier, HostView};
use crate::model::Outcome;
use crate::pipeline::Tally;

/// Name of the file in the directory of an unfinished run.
pub const STATUS: &str = "status.json";
/// Over so much time a rate is taken: URLs are settled checkpoint by checkpoint.
const WINDOW: Duration = Duration::from_secs(30);
/// Hosts that are listed.
const MAX_LISTED: usize = 1000;
/// With more hosts than this they are looked at every tenth time only: somebody has to walk them all.
const MANY_HOSTS: u64 = 10_000;
const MANY_EVERY: u32 = 10;

/// `status.json`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The run.
    pub run_id: String,
    /// The process that works on it.
    pub pid: u32,
    /// When this was written: RFC 3339, UTC, milliseconds.
    pub updated: String,
    /// How long the process has crawled, in seconds.
    pub elapsed_s: u64,
    /// URLs found so far.
    pub discovered: u64,
    /// Of these queued or in flight.
    pub queued: u64,
    /// Requests in flight.
    pub in_flight: u64,
    /// Of these with an outcome.
    pub settled: u64,
    /// Of these found and refused, and open until the crawl ends: another way may still lead to them.
    pub refused: u64,
    /// Records written.
    pub records: u64,
    /// Bytes of bodies as they came over the wire.
    pub bytes: u64,
    /// URLs settled in the last second.
    pub pages_per_second: f64,
    /// URLs settled per second in the last 30 seconds.
    pub recent_pages_per_second: f64,
    /// Seconds until all is settled at that rate; null while nobody can know what is still to be found.
    pub eta_s: Option<u64>,
    /// URLs by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Of these those that were wanted and failed.
    pub failed: u64,
    /// The host that took longest to answer, on average.
    pub slowest_host: Option<SlowHost>,
    /// Hosts that are known to the queue, with or without anything that waits.
    pub hosts_known: u64,
    /// When they were looked at, which is less often where there are many.
    pub hosts_updated: String,
    /// The hosts with the most requests that wait or are in flight, at most 1000.
    pub hosts: Vec<HostStatus>,
}

/// A host and how long its answers took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlowHost {
    /// Host key.
    pub host: String,
    /// Mean time of a fetch, in milliseconds.
    pub mean_fetch_ms: u64,
    /// Over how many.
    pub answers: u64,
}

/// One host in `status.json`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HostStatus {
    /// Host key: the host, with a port that is not the scheme's own.
    pub host: String,
    /// Requests that wait.
    pub queued: u64,
    /// Requests in flight.
    pub in_flight: u64,
    /// Least time between two requests as it is now, in milliseconds.
    pub delay_ms: u64,
    /// In how many milliseconds it may be asked again, seen from `hosts_updated`; null while it has no room.
    pub due_ms: Option<u64>,
    /// Whether it was given up after repeated failures.
    pub is_given_up: bool,
    /// URLs settled.
    pub urls: u64,
    /// Of these with a good outcome.
    pub ok: u64,
    /// HTTP status of the latest answer.
    pub last_status: Option<u16>,
    /// How the latest URL ended.
    pub last_outcome: Option<String>,
}

/// What a status is made of.
pub struct Keeper {
    run_id: String,
    frontier: Arc<Frontier>,
    tally: Arc<Mutex<Tally>>,
    /// Whether nobody can know how much is still to come.
    is_open: bool,
    began: Instant,
    /// When it was looked before, and how many URLs were settled then; oldest first.
    before: VecDeque<(Instant, u64)>,
    hosts: (Vec<HostView>, u64),
    hosts_updated: Timestamp,
}

impl Keeper {
    /// Of a run that begins now. `is_open` says whether nobody can know how much is still to come, even once the
    /// sources have named all they know.
    pub fn new(run_id: String, frontier: Arc<Frontier>, tally: Arc<Mutex<Tally>>, is_open: bool) -> Self {
        let began = Instant::now();
        let before = VecDeque::from([(began, locked(&tally).settled())]);
        let (hosts, hosts_updated) = ((Vec::new(), 0), Timestamp::now());
        Self { run_id, frontier, tally, is_open, began, before, hosts, hosts_updated }
    }

    /// How it is doing; `tick` counts the calls.
    pub fn status(&mut self, tick: u32, now: Timestamp) -> Status {
        if self.hosts.1 <= MANY_HOSTS || tick.is_multiple_of(MANY_EVERY) {
            self.hosts = self.frontier.hosts(MAX_LISTED);
            self.hosts_updated = now;
        }
        let (hosts, hosts_known) = &self.hosts;
        let tally = locked(&self.tally);
        let (settled, queued) = (tally.settled(), self.frontier.left());
        let (pages_per_second, recent_pages_per_second) = rates(&mut self.before, Instant::now(), settled);
        let failures = Outcome::ALL.iter().filter(|outcome| outcome.is_failure());
        Status {
            run_id: self.run_id.clone(),
            pid: std::process::id(),
            updated: format!("{now:.3}"),
            elapsed_s: self.began.elapsed().as_secs(),
            discovered: self.frontier.discovered(),
            queued,
            in_flight: self.frontier.in_flight(),
            settled,
            refused: self.frontier.refused(),
            records: tally.records,
            bytes: tally.bytes,
            pages_per_second,
            recent_pages_per_second,
            eta_s: eta(queued, recent_pages_per_second)
                .filter(|_| !self.is_open && self.frontier.is_poured()),
            outcomes: tally.outcomes.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            failed: failures.map(|outcome| tally.of(*outcome)).sum(),
            slowest_host: slowest(&tally, 1).pop(),
            hosts_known: *hosts_known,
            hosts_updated: format!("{:.3}", self.hosts_updated),
            hosts: hosts.iter().map(|view| host(view, &tally)).collect(),
        }
    }
}

/// URLs settled per second since the last look, and over the window.
fn rates(before: &mut VecDeque<(Instant, u64)>, now: Instant, settled: u64) -> (f64, f64) {
    while before.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW) {
        before.pop_front();
    }
    #[allow(clippy::cast_precision_loss)] // a rate for the eye
    let rate = |since: Option<&(Instant, u64)>| {
        let (at, count) = since.copied().unwrap_or((now, settled));
        let seconds = now.saturating_duration_since(at).as_secs_f64();
        if seconds > 0.0 { settled.saturating_sub(count) as f64 / seconds } else { 0.0 }
    };
    let rates = (rate(before.back()), rate(before.front()));
    before.push_back((now, settled));
    rates
}

/// How long so many take; unknown while nothing moves.
fn eta(queued: u64, rate: f64) -> Option<u64> {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let seconds = (queued as f64 / rate).ceil() as u64; // saturates
    (rate > 0.0 && queued > 0).then_some(seconds)
}

/// The hosts that took longest to answer, on average, slowest first.
pub fn slowest(tally: &Tally, most: usize) -> Vec<SlowHost> {
    let hosts = tally.hosts.iter().filter(|(_, host)| host.answers > 0);
    let mut slow: Vec<(u64, u64, &String)> =
        hosts.map(|(name, host)| (host.fetch_ms / host.answers, host.answers, name)).collect();
    let most = most.min(slow.len());
    if most == 0 {
        return Vec::new();
    }
    slow.select_nth_unstable_by(most - 1, |a, b| (b.0, a.2).cmp(&(a.0, b.2)));
    slow.truncate(most);
    slow.sort_by(|a, b| (b.0, a.2).cmp(&(a.0, b.2)));
    let own = |(mean_fetch_ms, answers, host): (u64, u64, &String)| SlowHost {
        host: host.clone(),
        mean_fetch_ms,
        answers,
    };
    slow.into_iter().map(own).collect()
}

fn host(view: &HostView, tally: &Tally) -> HostStatus {
    let settled = tally.hosts.get(&view.host);
    HostStatus {
        host: view.host.clone(),
        queued: view.queued,
        in_flight: view.in_flight,
        delay_ms: view.delay_ms,
        due_ms: view.due_ms,
        is_given_up: view.is_given_up,
        urls: settled.map_or(0, |host| host.urls),
        ok: settled.map_or(0, |host| host.good),
        last_status: settled.and_then(|host| host.last_status),
        last_outcome: settled.map(|host| host.last_outcome.to_owned()),
    }
}

fn locked(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::HostTally;

    #[test]
    fn rates_are_of_the_last_second_and_of_the_window() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut before = VecDeque::from([(began, 100)]);
        assert_eq!(rates(&mut before, at(0), 100), (0.0, 0.0));
        assert_eq!(rates(&mut before, at(1), 110), (10.0, 10.0));
        assert_eq!(rates(&mut before, at(2), 110), (0.0, 5.0));
        for second in 3..40 {
            rates(&mut before, at(second), 110);
        }
        assert_eq!(rates(&mut before, at(40), 140), (30.0, 1.0), "what was before the window is forgotten");
    }

    #[test]
    fn there_is_an_end_in_sight_only_while_something_moves() {
        assert_eq!(
            [eta(10, 4.0), eta(10, 0.0), eta(0, 4.0), eta(u64::MAX, 1e-9)],
            [Some(3), None, None, Some(u64::MAX)]
        );
    }

    #[test]
    fn the_slowest_hosts_come_first() {
        let mut tally = Tally::default();
        for (name, answers, fetch_ms) in
            [("a", 2, 20), ("b", 1, 900), ("c", 0, 0), ("d", 4, 400), ("e", 1, 100)]
        {
            tally.hosts.insert(name.to_owned(), HostTally { answers, fetch_ms, ..HostTally::default() });
        }
        let named = |most| slowest(&tally, most).into_iter().map(|slow| slow.host).collect::<Vec<_>>();
        assert_eq!(named(3), ["b", "d", "e"]);
        assert_eq!(named(1), ["b"]);
        assert_eq!(named(9), ["b", "d", "e", "a"]);
        assert_eq!(slowest(&Tally::default(), 3), []);
    }
}

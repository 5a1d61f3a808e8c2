//! `status.json`: how a live run is doing, replaced as a whole once a second, and a line in the log now and then.
//! Decides nothing; a status that cannot be written harms nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::frontier::{Frontier, HostView};
use crate::pipeline::Tally;

/// Name of the file in the directory of an unfinished run.
pub const STATUS: &str = "status.json";
const EVERY: Duration = Duration::from_secs(1);
const LOG_EVERY: u32 = 10;
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
    /// URLs by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Hosts that are known to the queue, with or without anything that waits.
    pub hosts_known: u64,
    /// When they were looked at, which is less often where there are many.
    pub hosts_updated: String,
    /// The hosts with the most requests that wait or are in flight, at most 1000.
    pub hosts: Vec<HostStatus>,
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

/// What the file is made of.
struct Keeper {
    run_id: String,
    frontier: Arc<Frontier>,
    tally: Arc<Mutex<Tally>>,
    began: Instant,
    /// URLs settled when the file was last written.
    before: u64,
    hosts: (Vec<HostView>, u64),
    hosts_updated: Timestamp,
}

/// Keeps the file up to date until it is dropped.
pub async fn keep(dir: PathBuf, run_id: String, frontier: Arc<Frontier>, tally: Arc<Mutex<Tally>>) {
    let before = locked(&tally).settled();
    let hosts_updated = Timestamp::now();
    let hosts = (Vec::new(), 0);
    let mut keeper = Keeper { run_id, frontier, tally, began: Instant::now(), before, hosts, hosts_updated };
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for tick in 0_u32.. {
        ticks.tick().await;
        let status = keeper.status(tick, Timestamp::now());
        write(&dir, &status);
        if tick % LOG_EVERY == LOG_EVERY - 1 {
            let Status { settled, records, queued, pages_per_second, .. } = status;
            tracing::info!(settled, records, queued, pages_per_second, "progress");
        }
    }
}

impl Keeper {
    fn status(&mut self, tick: u32, now: Timestamp) -> Status {
        if self.hosts.1 <= MANY_HOSTS || tick.is_multiple_of(MANY_EVERY) {
            self.hosts = self.frontier.hosts(MAX_LISTED);
            self.hosts_updated = now;
        }
        let (hosts, hosts_known) = &self.hosts;
        let tally = locked(&self.tally);
        let settled = tally.settled();
        #[allow(clippy::cast_precision_loss)] // a rate for the eye
        let pages_per_second = settled.saturating_sub(self.before) as f64 / EVERY.as_secs_f64();
        self.before = settled;
        Status {
            run_id: self.run_id.clone(),
            pid: std::process::id(),
            updated: format!("{now:.3}"),
            elapsed_s: self.began.elapsed().as_secs(),
            discovered: self.frontier.discovered(),
            queued: self.frontier.left(),
            settled,
            refused: self.frontier.refused(),
            records: tally.records,
            bytes: tally.bytes,
            pages_per_second,
            outcomes: tally.outcomes.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            hosts_known: *hosts_known,
            hosts_updated: format!("{:.3}", self.hosts_updated),
            hosts: hosts.iter().map(|view| host(view, &tally)).collect(),
        }
    }
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

/// Replaced in one step, and not synced: after a crash it is of no use.
fn write(dir: &Path, status: &Status) {
    let writing = dir.join(".writing-status");
    let text = serde_json::to_vec_pretty(status).unwrap_or_default();
    let done = std::fs::write(&writing, text).and_then(|()| std::fs::rename(&writing, dir.join(STATUS)));
    if let Err(error) = done {
        tracing::debug!(%error, "cannot write status.json");
    }
}

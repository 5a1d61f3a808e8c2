//! `status.json`: how a live run is doing, replaced as a whole once a second, and a line in the log now and then.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::frontier::Frontier;
use crate::pipeline::Tally;

/// Name of the file in the directory of an unfinished run.
pub const STATUS: &str = "status.json";
const EVERY: Duration = Duration::from_secs(1);
const LOG_EVERY: u32 = 10;

/// `status.json`
#[derive(Debug, Serialize)]
struct Status<'a> {
    run_id: &'a str,
    pid: u32,
    updated: String,
    elapsed_s: u64,
    /// URLs known so far.
    discovered: u64,
    /// Of these queued or in flight.
    queued: u64,
    /// URLs settled.
    settled: u64,
    /// Of these with a record.
    records: u64,
    bytes: u64,
    pages_per_second: f64,
    outcomes: &'a std::collections::BTreeMap<&'static str, u64>,
}

/// Keeps the file up to date until it is dropped. A status that cannot be written harms nothing.
pub async fn keep(dir: PathBuf, run_id: String, frontier: Arc<Frontier>, tally: Arc<Mutex<Tally>>) {
    let (began, pid) = (Instant::now(), std::process::id());
    let mut before = tally.lock().unwrap_or_else(PoisonError::into_inner).settled();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for tick in 0_u32.. {
        ticks.tick().await;
        let tally = tally.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let settled = tally.settled();
        #[allow(clippy::cast_precision_loss)] // a rate for the eye
        let pages_per_second = settled.saturating_sub(before) as f64 / EVERY.as_secs_f64();
        before = settled;
        let status = Status {
            run_id: &run_id,
            pid,
            updated: format!("{:.3}", jiff::Timestamp::now()),
            elapsed_s: began.elapsed().as_secs(),
            discovered: frontier.discovered(),
            queued: frontier.left(),
            settled,
            records: tally.records,
            bytes: tally.bytes,
            pages_per_second,
            outcomes: &tally.outcomes,
        };
        write(&dir, &status);
        if tick % LOG_EVERY == LOG_EVERY - 1 {
            tracing::info!(
                settled,
                records = tally.records,
                queued = status.queued,
                pages_per_second,
                "progress"
            );
        }
    }
}

/// Replaced in one step, and not synced: after a crash it is of no use.
fn write(dir: &Path, status: &Status<'_>) {
    let writing = dir.join(".writing-status");
    let text = serde_json::to_vec_pretty(status).unwrap_or_default();
    let done = std::fs::write(&writing, text).and_then(|()| std::fs::rename(&writing, dir.join(STATUS)));
    if let Err(error) = done {
        tracing::debug!(%error, "cannot write status.json");
    }
}

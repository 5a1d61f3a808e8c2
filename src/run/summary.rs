//! `summary.json`: how a run went, for programs.

use jiff::Timestamp;
use serde::Serialize;

use crate::pipeline::Tally;
use crate::store::Finish;

/// `summary.json`
#[derive(Debug, Serialize)]
pub struct Summary<'a> {
    /// The run.
    pub run_id: &'a str,
    /// The job.
    pub job: &'a str,
    /// Why it ended.
    pub finish_reason: &'a str,
    /// Exit code of the process that published it.
    pub exit_code: u8,
    /// Whether every known URL was settled.
    pub complete: bool,
    /// When it began, RFC 3339.
    pub started: &'a str,
    /// When it was published, RFC 3339.
    pub finished: String,
    /// From the first start to the publication, interruptions included.
    pub duration_ms: i64,
    /// How many processes worked on it.
    pub starts: u32,
    /// URLs that were ever known: the sum of all outcomes and of those left in the queue.
    pub discovered: u64,
    /// URLs left in the queue.
    pub queued: u64,
    /// URLs by outcome, records, bytes, hosts and stages.
    #[serde(flatten)]
    pub tally: &'a Tally,
}

impl<'a> Summary<'a> {
    /// Of a run that ends now.
    pub fn new(
        (run_id, job): (&'a str, &'a str),
        finish: &'a Finish,
        (started, starts): (&'a str, u32),
        now: Timestamp,
        tally: &'a Tally,
    ) -> Self {
        let took = started.parse().map(|began: Timestamp| now.duration_since(began));
        Self {
            run_id,
            job,
            finish_reason: &finish.reason,
            exit_code: finish.exit,
            complete: finish.complete,
            started,
            finished: format!("{now:.3}"),
            duration_ms: took.map_or(0, |took| i64::try_from(took.as_millis()).unwrap_or(i64::MAX)),
            starts,
            discovered: finish.discovered,
            queued: finish.queued,
            tally,
        }
    }
}

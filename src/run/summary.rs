//! `summary.json`: how a run went, for people and for programs.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::model::Outcome;
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

    /// A few lines for a person.
    pub fn for_people(&self, place: &str) -> String {
        let mut text = String::new();
        let took = SignedDuration::from_millis(self.duration_ms);
        let _ = writeln!(text, "run {} of job {}: {} in {took:#}", self.run_id, self.job, self.finish_reason);
        let rows = Outcome::ALL.iter().map(|outcome| (outcome, self.tally.of(*outcome)));
        for (outcome, count) in rows.filter(|(_, count)| *count > 0) {
            let _ = writeln!(text, "{count:>10}  {:<18} {}", outcome.name(), outcome.about());
        }
        if self.queued > 0 {
            let _ = writeln!(text, "{:>10}  {:<18} Left in the queue.", self.queued, "queued");
        }
        let _ = writeln!(text, "{:>10}  {:<18} {} records", self.discovered, "in all", self.tally.records);
        let _ = writeln!(text, "{place}");
        text
    }
}

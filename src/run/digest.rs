//! What a run came to, for the person who started it: figures, where failures were, with an example of each kind, and
//! where the outputs are. Knows no layout; the command line prints it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::lines;
use super::status::{SlowHost, slowest};
use super::summary::Summary;
use crate::model::Outcome;

/// Hosts that are named.
const MOST_HOSTS: usize = 3;

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Digest {
    /// The run.
    pub run_id: String,
    /// The job.
    pub job: String,
    /// Why it ended.
    pub finish_reason: String,
    /// Exit code.
    pub exit: Exit,
    /// Whether every known URL was settled.
    pub complete: bool,
    /// From its first start, interruptions included.
    pub duration_ms: u64,
    /// URLs that were ever known.
    pub discovered: u64,
    /// URLs left in the queue.
    pub queued: u64,
    /// URLs settled.
    pub settled: u64,
    /// Records written.
    pub records: u64,
    /// Bytes over the wire.
    pub bytes: u64,
    /// How many ended so, in the order of the table, none with 0.
    pub outcomes: Vec<(Outcome, u64)>,
    /// An example of each failure, the most frequent first.
    pub failures: Vec<FailureKind>,
    /// The slowest hosts, if there is more than one.
    pub slowest: Vec<SlowHost>,
    /// Where the run stands.
    pub place: PathBuf,
    /// What stands in there, folders with a `/`.
    pub outputs: Vec<String>,
}

/// URLs that failed for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureKind {
    /// The reason.
    pub outcome: Outcome,
    /// How many.
    pub count: u64,
    /// The first of them and its reason, if its line can be read.
    pub example: Option<(String, Option<String>)>,
}

impl Digest {
    /// Of a run that stands where it is to stay.
    pub fn new(summary: &Summary<'_>, exit: Exit, place: &Path) -> Self {
        let tally = summary.tally;
        let outcomes: Vec<(Outcome, u64)> = Outcome::ALL
            .iter()
            .map(|outcome| (*outcome, tally.of(*outcome)))
            .filter(|(_, count)| *count > 0)
            .collect();
        let failed: Vec<(Outcome, u64)> =
            outcomes.iter().copied().filter(|(outcome, _)| outcome.is_failure()).collect();
        let mut slowest = slowest(tally, MOST_HOSTS);
        if tally.hosts.len() < 2 {
            slowest.clear();
        }
        Self {
            run_id: summary.run_id.to_owned(),
            job: summary.job.to_owned(),
            finish_reason: summary.finish_reason.to_owned(),
            exit,
            complete: summary.complete,
            duration_ms: u64::try_from(summary.duration_ms).unwrap_or(0),
            discovered: summary.discovered,
            queued: summary.queued,
            settled: tally.settled(),
            records: tally.records,
            bytes: tally.bytes,
            failures: failures(place, failed),
            outcomes,
            slowest,
            outputs: outputs(place),
            place: place.to_owned(),
        }
    }

    /// For a log that programs read.
    pub fn log(&self) {
        let outcomes: BTreeMap<&str, u64> =
            self.outcomes.iter().map(|(one, count)| (one.name(), *count)).collect();
        let outcomes = serde_json::to_string(&outcomes).unwrap_or_default();
        let Self {
            run_id,
            job,
            finish_reason,
            complete,
            duration_ms,
            discovered,
            queued,
            records,
            bytes,
            ..
        } = self;
        let (exit_code, path) = (self.exit.code(), self.place.display());
        tracing::info!(
            run_id, job, finish_reason, exit_code, complete, duration_ms, discovered, queued, records, bytes, outcomes,
            %path, "run ended"
        );
    }
}

/// Each kind with an example.
fn failures(place: &Path, mut failed: Vec<(Outcome, u64)>) -> Vec<FailureKind> {
    failed.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let wanted: Vec<Outcome> = failed.iter().map(|(outcome, _)| *outcome).collect();
    // A summary without examples is better than none.
    let mut found = lines::first_of(place, &wanted).unwrap_or_default();
    let kind = |(outcome, count): (Outcome, u64)| FailureKind {
        outcome,
        count,
        example: found.remove(outcome.name()),
    };
    failed.into_iter().map(kind).collect()
}

/// Names in a directory, but for those that every run has and nobody loads.
fn outputs(place: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() { name + "/" } else { name }
        })
        .filter(|name| !["_SUCCESS", "manifest.json", "config.toml"].contains(&name.as_str()))
        .collect();
    names.sort_by_key(|name| (!name.ends_with('/'), name.clone()));
    names
}

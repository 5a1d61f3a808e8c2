//! The one scoreboard: every figure that a person or a program is shown is counted here, from settles alone, so
//! that a resumed run counts exactly like one that was never interrupted.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::Outcome;
use crate::store::Settle;

/// Hosts that are counted one by one; the rest share a line.
const MAX_HOSTS: usize = 10_000;
/// Name of that line.
const OTHER_HOSTS: &str = "(other hosts)";

/// What was settled so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    /// URLs by outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Records written.
    pub records: u64,
    /// Pages with a good outcome.
    pub good: u64,
    /// Bytes of bodies as they came over the wire.
    pub bytes: u64,
    /// By host.
    pub hosts: BTreeMap<String, Host>,
    /// Time spent, by stage.
    pub stages: Stages,
}

/// One host's share.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Host {
    /// URLs settled.
    pub urls: u64,
    /// Of these with a good outcome.
    pub good: u64,
    /// Bytes over the wire.
    pub bytes: u64,
    /// Milliseconds of fetching, summed up.
    pub fetch_ms: u64,
    /// How the latest of them ended.
    pub last_outcome: &'static str,
    /// HTTP status of the latest answer.
    pub last_status: Option<u16>,
}

/// Time spent, by stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stages {
    /// Fetching, in milliseconds.
    pub fetch_ms: Spent,
    /// Parsing, in microseconds.
    pub parse_us: Spent,
}

/// A sum of durations.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Spent {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub total: u64,
    /// The longest.
    pub max: u64,
}

impl Tally {
    /// Counts one settle.
    pub fn count(&mut self, settle: &Settle) {
        *self.outcomes.entry(settle.outcome.name()).or_default() += 1;
        let good = u64::from(settle.outcome.is_good());
        self.good += good;
        self.records += u64::from(settle.page.is_some());
        self.bytes += settle.bytes;
        if let Some(ms) = settle.duration_ms {
            self.stages.fetch_ms.add(ms);
        }
        if settle.parse_us > 0 {
            self.stages.parse_us.add(settle.parse_us);
        }
        if settle.host.is_empty() {
            return;
        }
        let known = self.hosts.contains_key(&settle.host) || self.hosts.len() < MAX_HOSTS;
        let name = if known { settle.host.as_str() } else { OTHER_HOSTS };
        if !self.hosts.contains_key(name) {
            self.hosts.insert(name.to_owned(), Host::default());
        }
        if let Some(host) = self.hosts.get_mut(name) {
            host.urls += 1;
            host.good += good;
            host.bytes += settle.bytes;
            host.fetch_ms += settle.duration_ms.unwrap_or(0);
            host.last_outcome = settle.outcome.name();
            host.last_status = settle.status.or(host.last_status);
        }
    }

    /// URLs settled, however they ended.
    pub fn settled(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// URLs of one outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(outcome.name()).copied().unwrap_or(0)
    }
}

impl Spent {
    fn add(&mut self, time: u64) {
        self.count += 1;
        self.total += time;
        self.max = self.max.max(time);
    }
}

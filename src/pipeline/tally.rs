//! The one scoreboard: every figure that a person or a program is shown is counted here, from settles alone, so
//! that a resumed run counts exactly like one that was never interrupted.

use std::collections::BTreeMap;

use serde::Serialize;

use super::latency::Latencies;
use crate::model::Outcome;
use crate::store::Settle;

/// Hosts that are counted one by one; the rest share a line.
const MAX_HOSTS: usize = 10_000;
/// Name of that line. No host can be called so, and neither so:
const OTHER_HOSTS: &str = "(other hosts)";
/// The line of what is no URL.
const NO_HOST: &str = "(no host)";

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
    /// By host, so that they add up to all that was settled: what is no URL stands under `(no host)`, and what
    /// came after the first 10,000 hosts under `(other hosts)`.
    pub hosts: BTreeMap<String, Host>,
    /// Time spent, by stage.
    pub stages: Stages,
    /// How long fetches took, one by one.
    #[serde(skip)]
    pub latencies: Latencies,
}

/// One host's share.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Host {
    /// URLs settled.
    pub urls: u64,
    /// Of these with a good outcome.
    pub good: u64,
    /// These by outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Bytes over the wire.
    pub bytes: u64,
    /// URLs that were answered.
    pub answers: u64,
    /// Milliseconds of fetching them, summed up.
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
    pub fn count<P>(&mut self, settle: &Settle<P>) {
        *self.outcomes.entry(settle.outcome.name()).or_default() += 1;
        let good = u64::from(settle.outcome.is_good());
        self.good += good;
        self.records += u64::from(settle.page.is_some());
        self.bytes += settle.bytes;
        if let Some(ms) = settle.duration_ms {
            self.stages.fetch_ms.add(ms);
            self.latencies.count(ms);
        }
        if settle.parse_us > 0 {
            self.stages.parse_us.add(settle.parse_us);
        }
        let known = self.hosts.contains_key(&*settle.host) || self.hosts.len() < MAX_HOSTS;
        let name = match &*settle.host {
            "" => NO_HOST,
            host if known => host,
            _ => OTHER_HOSTS,
        };
        if !self.hosts.contains_key(name) {
            self.hosts.insert(name.to_owned(), Host::default());
        }
        if let Some(host) = self.hosts.get_mut(name) {
            host.urls += 1;
            host.good += good;
            *host.outcomes.entry(settle.outcome.name()).or_default() += 1;
            host.bytes += settle.bytes;
            host.answers += u64::from(settle.duration_ms.is_some());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UrlKey;

    #[test]
    fn hosts_are_bounded_and_add_up() {
        let mut tally = Tally::default();
        let mut settle = |host: String, outcome| {
            tally.count(&Settle {
                key: UrlKey::of(&host),
                outcome,
                host: host.into(),
                admitted: true,
                status: Some(200),
                bytes: 2,
                duration_ms: Some(3),
                parse_us: 0,
                page: None::<crate::store::Page>,
            });
        };
        for n in 0..MAX_HOSTS + 50 {
            settle(format!("h{n}"), Outcome::Ok);
        }
        settle("h0".to_owned(), Outcome::Gone);
        settle(String::new(), Outcome::InvalidUrl);
        assert_eq!(tally.hosts.len(), MAX_HOSTS + 2);
        assert_eq!(tally.hosts.values().map(|host| host.urls).sum::<u64>(), tally.settled());
        let of = |host: &str| (tally.hosts[host].urls, tally.hosts[host].good);
        assert_eq!([of("h0"), of(OTHER_HOSTS), of(NO_HOST)], [(2, 1), (50, 50), (1, 0)]);
        let first = &tally.hosts["h0"];
        assert_eq!(first.outcomes, BTreeMap::from([("gone", 1), ("ok", 1)]));
        assert_eq!((first.bytes, first.answers, first.fetch_ms, first.last_outcome), (4, 2, 6, "gone"));
    }
}

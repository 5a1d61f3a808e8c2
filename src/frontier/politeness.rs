//! Politeness: when a host may be asked again, and how often at once. Knows no network; time is passed in.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use super::settings::Politeness;
use crate::model::FILE_HOST;

/// What one host allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Requests in flight at once.
    pub concurrency: usize,
    /// Least time between the starts of two requests.
    pub delay: Duration,
}

/// A host that is treated otherwise than the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Override {
    /// Instead of `politeness.host_concurrency`.
    pub concurrency: Option<NonZeroUsize>,
    /// Instead of `politeness.host_delay`.
    pub delay: Option<Duration>,
}

/// The rules of a job: what each host allows.
#[derive(Clone, Debug)]
pub struct Rules {
    general: Allowance,
    files: Allowance,
    hosts: BTreeMap<String, Allowance>,
}

impl Rules {
    /// From the `[politeness]` table and the hosts that override it.
    pub fn new(settings: &Politeness, overrides: &BTreeMap<String, Override>) -> Self {
        let general =
            Allowance { concurrency: settings.host_concurrency.get(), delay: settings.host_delay.0 };
        let special = |over: &Override| Allowance {
            concurrency: over.concurrency.map_or(general.concurrency, NonZeroUsize::get),
            delay: over.delay.unwrap_or(general.delay),
        };
        // Nobody has to be spared by reading local files one after the other.
        let files = Allowance { concurrency: settings.max_concurrency.get(), delay: Duration::ZERO };
        let hosts = overrides.iter().map(|(host, over)| (host.clone(), special(over))).collect();
        Self { general, files, hosts }
    }

    /// What a host allows.
    pub fn of(&self, host: &str) -> Allowance {
        match self.hosts.get(host) {
            Some(special) => *special,
            None if host == FILE_HOST => self.files,
            None => self.general,
        }
    }
}

/// The clock of one host.
#[derive(Clone, Copy, Debug)]
pub struct HostClock {
    allowance: Allowance,
    not_before: Instant,
    in_flight: usize,
}

impl HostClock {
    /// A host that may first be asked at `not_before`.
    pub fn new(allowance: Allowance, not_before: Instant) -> Self {
        Self { allowance, not_before, in_flight: 0 }
    }

    /// When the next request may start, as far as time decides.
    pub fn not_before(&self) -> Instant {
        self.not_before
    }

    /// Whether another request may be in flight.
    pub fn has_room(&self) -> bool {
        self.in_flight < self.allowance.concurrency
    }

    /// Whether nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.in_flight == 0
    }

    /// A request starts now.
    pub fn start(&mut self, now: Instant) {
        self.in_flight += 1;
        self.not_before = now + self.allowance.delay;
    }

    /// A request has ended, however it ended.
    pub fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}

//! Politeness: what each host of a job allows. Knows no network and no clock; the one anchor between the clock of
//! the process and the wall is passed in. What follows from it for one host, request by request, is `host_clock`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::hours::Hours;
use super::settings::{Politeness, Retry};
use crate::model::FILE_HOST;

/// One moment by both clocks, so that the hours of the wall can be told from the clock of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// By the clock of the process.
    pub instant: Instant,
    /// By the clock on the wall.
    pub wall: Timestamp,
}

/// How the delay of a host follows its latency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttle {
    /// Requests in flight on average.
    pub target: f64,
    /// Longest delay that comes of it.
    pub max_delay: Duration,
}

/// How long a host without answers is believed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Failures in a row after which it is set aside.
    pub failures: u32,
    /// How long it is first set aside.
    pub pause: Duration,
    /// Failed probes after which it is given up.
    pub probes: u32,
}

/// What one host allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Allowance {
    /// Requests in flight at once; at least 1.
    pub concurrency: usize,
    /// Least time between two requests, as the host sees them.
    pub delay: Duration,
    /// When it may be asked at all; always, if there are none.
    pub hours: Option<Hours>,
    /// Whether its delay follows its latency.
    pub throttle: Option<Throttle>,
    /// When it is set aside and given up; never, without it.
    pub patience: Option<Patience>,
    /// What the hours are told by.
    pub anchor: Anchor,
}

/// A host that is treated otherwise than the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Override {
    /// Instead of `politeness.host_concurrency`.
    pub concurrency: Option<NonZeroUsize>,
    /// Instead of `politeness.host_delay`.
    pub delay: Option<Duration>,
    /// The hours at which it may be asked, instead of always.
    pub hours: Option<Hours>,
}

/// The rules of a job: what each host allows.
#[derive(Clone, Debug)]
pub struct Rules {
    general: Allowance,
    files: Allowance,
    hosts: BTreeMap<String, Allowance>,
}

impl Rules {
    /// From the `[politeness]` and `[retry]` tables and the hosts that override them.
    pub fn new(
        settings: &Politeness,
        retry: &Retry,
        overrides: &BTreeMap<String, Override>,
        anchor: Anchor,
    ) -> Self {
        let (throttle, patience) = (&settings.autothrottle, retry);
        let general = Allowance {
            concurrency: settings.host_concurrency.get(),
            delay: settings.host_delay.0,
            hours: None,
            throttle: throttle
                .enabled
                .then(|| Throttle { target: throttle.target.get(), max_delay: throttle.max_delay.0 }),
            patience: Some(Patience {
                failures: patience.host_failures.get(),
                pause: patience.host_pause.0,
                probes: patience.host_probes,
            }),
            anchor,
        };
        // Nobody has to be spared by reading local files one after the other, and one that cannot be read says
        // nothing about the next.
        let files = Allowance {
            concurrency: settings.max_concurrency.get(),
            delay: Duration::ZERO,
            throttle: None,
            patience: None,
            ..general.clone()
        };
        let special = |(host, over): (&String, &Override)| {
            let base = if host == FILE_HOST { &files } else { &general };
            let allowance = Allowance {
                concurrency: over.concurrency.map_or(base.concurrency, NonZeroUsize::get),
                delay: over.delay.unwrap_or(base.delay),
                hours: over.hours.clone(),
                ..base.clone()
            };
            (host.clone(), allowance)
        };
        let hosts = overrides.iter().map(special).collect();
        Self { general, files, hosts }
    }

    /// What a host allows.
    pub fn of(&self, host: &str) -> Allowance {
        match self.hosts.get(host) {
            Some(special) => special.clone(),
            None if host == FILE_HOST => self.files.clone(),
            None => self.general.clone(),
        }
    }
}

impl Allowance {
    /// The first moment from `at` on that lies within the hours.
    pub fn open_from(&self, at: Instant) -> Instant {
        let Some(hours) = &self.hours else { return at };
        let wall = self.anchor.wall_at(at);
        let wait = hours.next_open(wall).duration_since(wall);
        later(at, Duration::try_from(wait).unwrap_or_default())
    }
}

impl Anchor {
    /// The time on the wall at an instant.
    pub fn wall_at(&self, at: Instant) -> Timestamp {
        let signed = |span: Duration| SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
        let moved = match at.checked_duration_since(self.instant) {
            Some(since) => self.wall.checked_add(signed(since)),
            None => self.wall.checked_sub(signed(self.instant.duration_since(at))),
        };
        // Beyond the calendar there are no hours to keep.
        moved.unwrap_or(self.wall)
    }
}

/// An instant later by `wait`. A wait that no clock can count becomes a century, which is as good as for ever.
pub(super) fn later(at: Instant, wait: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_hours(100 * 365 * 24);
    at.checked_add(wait.min(CENTURY)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontier::settings::{Autothrottle, Number};
    use crate::units::Time;

    fn anchor() -> Anchor {
        Anchor { instant: Instant::now(), wall: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn hosts_get_what_is_said_of_them_and_files_are_not_spared() {
        let settings = Politeness {
            autothrottle: Autothrottle { enabled: true, target: Number::new(2.0), ..Autothrottle::default() },
            host_delay: Time::secs(3),
            ..Politeness::default()
        };
        let hours = Hours::parse(&["01:00-02:00".to_owned()]).ok();
        let over = Override { hours: hours.clone(), delay: Some(Duration::ZERO), concurrency: None };
        let overrides = BTreeMap::from([("a.test".to_owned(), over)]);
        let rules = Rules::new(&settings, &Retry::default(), &overrides, anchor());
        let general = rules.of("b.test");
        assert_eq!((general.concurrency, general.delay, &general.hours), (2, Duration::from_secs(3), &None));
        assert_eq!(general.throttle, Some(Throttle { target: 2.0, max_delay: Duration::from_mins(1) }));
        let patience = Patience { failures: 8, pause: Duration::from_secs(30), probes: 3 };
        assert_eq!(general.patience, Some(patience));
        assert_eq!(rules.of("a.test"), Allowance { hours, delay: Duration::ZERO, ..general });
        let files = rules.of(FILE_HOST);
        assert_eq!((files.concurrency, files.delay), (64, Duration::ZERO));
        assert_eq!((files.throttle, files.patience), (None, None));
    }

    #[test]
    fn hours_are_told_from_the_anchor_in_both_directions() {
        let anchor = anchor();
        let hours = Hours::parse(&["01:00-02:00".to_owned()]).ok();
        let overrides = BTreeMap::from([("h".to_owned(), Override { hours, ..Override::default() })]);
        let allowance = Rules::new(&Politeness::default(), &Retry::default(), &overrides, anchor).of("h");
        let at = |seconds: u64| anchor.instant + Duration::from_secs(seconds);
        assert_eq!(allowance.open_from(at(0)), at(3600));
        assert_eq!(allowance.open_from(at(3600)), at(3600));
        assert_eq!(allowance.open_from(at(7199)), at(7199));
        assert_eq!(allowance.open_from(at(7200)), at(86_400 + 3600));
        assert_eq!(Anchor { instant: at(1), ..anchor }.wall_at(at(0)).to_string(), "1969-12-31T23:59:59Z");
        assert!(later(at(0), Duration::MAX) > at(u64::from(u32::MAX) / 2));
    }
}

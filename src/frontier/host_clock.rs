//! The clock of one host: when it may be asked next, from what became of the requests before. Pure: the time is
//! passed in, and nothing here waits.
//!
//! The delay is exact as the *server* sees it: the least time between two requests to one host, counted from the
//! moment the earlier one had certainly been received: when its answer began, or, while it is unanswered and more
//! than one may be in flight, when it was sent on a standing connection. A request that was handed out and has not
//! gone out yet (its task has not run, or it is still connecting) therefore holds up the next one. With a delay of
//! zero nothing of this holds anybody up.

use std::time::{Duration, Instant};

use super::politeness::{Allowance, later};
use crate::model::UrlKey;

/// Good answers after which a host that asked us to slow down is asked a step faster again.
const GOOD_ANSWERS: u32 = 4;
/// The shortest delay of a host that asked us to slow down.
const SLOW_FROM: Duration = Duration::from_secs(1);
/// The longest delay to which a host can slow us down by its answers alone.
const SLOW_TO: Duration = Duration::from_mins(1);

/// How a request ended, as far as politeness cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// It says nothing about the host: broken off on our side, or sent on a connection that had grown stale.
    Abandoned,
    /// There was an answer.
    Answered {
        /// From the sending of the request to the beginning of its answer.
        latency: Duration,
        /// Whether its status is 400 or more: it may be quick for having done nothing.
        is_error: bool,
        /// Whether its status asks us to slow down: 429 or 503.
        slow_down: bool,
        /// For how long the host wants to be left alone; capped already.
        retry_after: Option<Duration>,
    },
    /// There was none, or no whole one: not connected, timed out, broken.
    Failed,
}

/// How far a request in flight has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Handed out; nothing is known of it yet.
    HandedOut,
    /// It opens a connection.
    Connecting,
    /// It was sent on a connection that stands.
    Sent,
    /// Its answer has begun.
    Answering,
}

/// A request in flight.
#[derive(Clone, Copy, Debug)]
struct Flight {
    key: UrlKey,
    /// The number of the turn in which it was handed out or sent; the highest one counts for the delay.
    turn: u64,
    stage: Stage,
}

/// A host that gives no answers.
#[derive(Clone, Copy, Debug)]
struct Aside {
    /// Only requests of later turns are probes.
    since: u64,
    failed_probes: u32,
}

/// The clock of one host.
#[derive(Clone, Debug)]
pub struct HostClock {
    allowance: Allowance,
    /// No request before this, whatever the delay.
    held_until: Instant,
    /// From when the delay counts.
    counts_from: Option<Instant>,
    flights: Vec<Flight>,
    turn: u64,
    crawl_delay: Duration,
    /// The delay that follows the latency.
    throttled: Duration,
    /// Steps by which the host has slowed us down.
    slow_steps: u32,
    /// The turn of the last such step: what was under way then says nothing new.
    slowed_at: u64,
    good_answers: u32,
    failures: u32,
    aside: Option<Aside>,
    is_given_up: bool,
}

impl HostClock {
    /// A host that may first be asked at `not_before`.
    pub fn new(allowance: Allowance, not_before: Instant) -> Self {
        Self {
            throttled: allowance.delay,
            allowance,
            held_until: not_before,
            counts_from: None,
            flights: Vec::new(),
            turn: 0,
            crawl_delay: Duration::ZERO,
            slow_steps: 0,
            slowed_at: 0,
            good_answers: 0,
            failures: 0,
            aside: None,
            is_given_up: false,
        }
    }

    /// When the next request may start. `None` while there is no room, while a request has not really gone out yet
    /// although there is a delay, and for a host that is given up.
    pub fn ready_at(&self) -> Option<Instant> {
        self.ready_from(self.not_before())
    }

    /// As [`HostClock::ready_at`], but not before `now`: whoever had to wait for something else asks again, because
    /// the allowed hours may be over by then.
    pub fn ready_from(&self, now: Instant) -> Option<Instant> {
        let has_room = self.flights.len() < self.concurrency();
        let waits_for_one = !self.delay().is_zero()
            && self.flights.iter().any(|flight| matches!(flight.stage, Stage::HandedOut | Stage::Connecting));
        let may_start = has_room && !waits_for_one && !self.is_given_up;
        may_start.then(|| self.allowance.open_from(self.not_before().max(now)))
    }

    /// Whether nothing has to be remembered of it but [`HostClock::not_before`].
    pub fn is_plain(&self) -> bool {
        self.slow_steps == 0
            && self.failures == 0
            && self.aside.is_none()
            && !self.is_given_up
            && self.throttled == self.allowance.delay
    }

    /// When the next request may start, as far as delays and owed waits decide.
    pub fn not_before(&self) -> Instant {
        self.counts_from.map_or(self.held_until, |from| later(from, self.delay()).max(self.held_until))
    }

    /// Whether nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.flights.is_empty()
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// The delay as it is now: the configured one or the host's `Crawl-delay`, lengthened by slow answers and by
    /// answers that asked us to slow down.
    pub fn delay(&self) -> Duration {
        let base = self.least_delay().max(self.throttled);
        if self.slow_steps == 0 {
            return base;
        }
        let slower = base.max(SLOW_FROM / 2).saturating_mul(1 << self.slow_steps.min(16));
        slower.min(SLOW_TO).max(base)
    }

    /// Whether so many probes in a row failed that nothing more is expected of the host.
    pub fn is_given_up(&self) -> bool {
        self.is_given_up
    }

    /// A request is handed out.
    pub fn start(&mut self, key: UrlKey, now: Instant) {
        self.turn += 1;
        // Without a delay nobody tells when it goes out; should there be one later, it must not wait for that.
        let stage = if self.delay().is_zero() { Stage::Sent } else { Stage::HandedOut };
        self.flights.push(Flight { key, turn: self.turn, stage });
        self.count_from(now);
    }

    /// It opens a connection: with a delay nothing else starts until it is `connected` or has ended.
    pub fn connecting(&mut self, key: UrlKey) {
        if let Some(flight) = self.flight(key) {
            flight.stage = Stage::Connecting;
        }
    }

    /// It goes out now, on a connection that stands: a new one or one that stood before. The delay counts from here.
    pub fn connected(&mut self, key: UrlKey, now: Instant) {
        // It may go out after a request that was handed out later, if there was no delay then.
        let turn = self.turn + 1;
        let Some(flight) = self.flight(key) else { return };
        (flight.turn, flight.stage) = (turn, Stage::Sent);
        self.turn = turn;
        self.count_from(now);
    }

    /// The first of its answer is here, so it had certainly arrived. The delay counts from here, unless a later
    /// request has started since.
    pub fn answering(&mut self, key: UrlKey, now: Instant) {
        let latest = self.turn;
        let Some(flight) = self.flight(key) else { return };
        flight.stage = Stage::Answering;
        if flight.turn == latest {
            self.count_from(now);
        }
    }

    /// It has ended.
    pub fn end(&mut self, key: UrlKey, now: Instant, report: Report) {
        let Some(at) = self.flights.iter().position(|flight| flight.key == key) else { return };
        let flight = self.flights.swap_remove(at);
        let never_went_out = flight.stage == Stage::HandedOut && report == Report::Abandoned;
        if flight.turn == self.turn && flight.stage != Stage::Answering && !never_went_out {
            // Until now it may have been on its way to the server.
            self.count_from(now);
        }
        match report {
            Report::Abandoned => {}
            Report::Answered { latency, is_error, slow_down, retry_after } => {
                (self.failures, self.aside, self.is_given_up) = (0, None, false);
                self.adapt(latency, is_error);
                self.pace(flight.turn, slow_down);
                if let Some(wait) = retry_after {
                    self.hold_until(later(now, wait));
                }
            }
            Report::Failed => self.failed(flight.turn, now),
        }
    }

    /// The `Crawl-delay` of the host's robots.txt, as far as it is obeyed; none to be rid of it.
    pub fn set_crawl_delay(&mut self, crawl_delay: Option<Duration>) {
        self.crawl_delay = crawl_delay.unwrap_or_default();
    }

    /// Nothing before `at`: a wait that is owed after a resume, or that the host asked for.
    pub fn hold_until(&mut self, at: Instant) {
        self.held_until = self.held_until.max(at);
    }
    fn flight(&mut self, key: UrlKey) -> Option<&mut Flight> {
        self.flights.iter_mut().find(|flight| flight.key == key)
    }

    fn count_from(&mut self, now: Instant) {
        self.counts_from = Some(self.counts_from.map_or(now, |from| from.max(now)));
    }

    fn concurrency(&self) -> usize {
        if self.slow_steps > 0 || self.aside.is_some() { 1 } else { self.allowance.concurrency.max(1) }
    }

    /// What is waited in any case.
    fn least_delay(&self) -> Duration {
        self.allowance.delay.max(self.crawl_delay)
    }

    /// The delay moves half of the way to that at which as many requests as wanted would be in flight.
    fn adapt(&mut self, latency: Duration, is_error: bool) {
        let Some(throttle) = self.allowance.throttle else { return };
        let wanted =
            Duration::try_from_secs_f64(latency.as_secs_f64() / throttle.target).unwrap_or(Duration::MAX);
        let least = self.least_delay();
        let before = self.throttled.max(least);
        let after = (before / 2).saturating_add(wanted / 2).min(throttle.max_delay).max(least);
        if !is_error || after > before {
            self.throttled = after;
        }
    }

    /// One step slower, or, after some good answers, one step faster.
    fn pace(&mut self, turn: u64, slow_down: bool) {
        if slow_down {
            self.good_answers = 0;
            // Of several requests under way at once only the first one that is turned away says something.
            if turn > self.slowed_at && (self.slow_steps == 0 || self.delay() < SLOW_TO) {
                self.slow_steps += 1;
                self.slowed_at = self.turn;
            }
        } else if self.slow_steps > 0 {
            self.good_answers += 1;
            if self.good_answers >= GOOD_ANSWERS {
                self.good_answers = 0;
                self.slow_steps -= 1;
            }
        }
    }

    /// After too many failures in a row the host is set aside, then probed, then given up.
    fn failed(&mut self, turn: u64, now: Instant) {
        let Some(patience) = self.allowance.patience else { return };
        self.failures = self.failures.saturating_add(1);
        let failed_probes = match self.aside {
            None if self.failures < patience.failures => return,
            None => 0,
            // It was under way when the host was set aside.
            Some(aside) if turn <= aside.since => return,
            Some(aside) => aside.failed_probes + 1,
        };
        self.aside = Some(Aside { since: self.turn, failed_probes });
        self.is_given_up = failed_probes >= patience.probes;
        self.hold_until(later(now, patience.pause.saturating_mul(1 << failed_probes.min(16))));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::frontier::hours::Hours;
    use crate::frontier::politeness::{Anchor, Patience, Rules, Throttle};
    use crate::frontier::settings::{Politeness, Retry};

    const NO_ERROR: Report = answered(100);

    const fn answered(latency_ms: u64) -> Report {
        let latency = Duration::from_millis(latency_ms);
        Report::Answered { latency, is_error: false, slow_down: false, retry_after: None }
    }

    const fn slow_down(retry_after: Option<Duration>) -> Report {
        Report::Answered { latency: Duration::ZERO, is_error: true, slow_down: true, retry_after }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn key(request: usize) -> UrlKey {
        UrlKey::of(&request.to_string())
    }

    /// A host with the default rules but for these.
    fn allowance(concurrency: usize, delay_ms: u64, epoch: Instant) -> Allowance {
        let anchor = Anchor { instant: epoch, wall: Timestamp::UNIX_EPOCH };
        let rules = Rules::new(&Politeness::default(), &Retry::default(), &BTreeMap::new(), anchor);
        Allowance { concurrency, delay: ms(delay_ms), ..rules.of("h") }
    }

    /// A clock that counts milliseconds from its epoch.
    struct Timed(HostClock, Instant);

    impl Timed {
        fn with(change: impl FnOnce(&mut Allowance)) -> Self {
            let epoch = Instant::now();
            let mut allowance = allowance(2, 1000, epoch);
            change(&mut allowance);
            Self(HostClock::new(allowance, epoch), epoch)
        }

        fn new(concurrency: usize, delay_ms: u64) -> Self {
            Self::with(|allowance| (allowance.concurrency, allowance.delay) = (concurrency, ms(delay_ms)))
        }

        fn at(&self, at_ms: u64) -> Instant {
            self.1 + ms(at_ms)
        }

        /// When the next request may start.
        fn ready(&self) -> Option<u128> {
            self.0.ready_at().map(|at| at.duration_since(self.1).as_millis())
        }

        /// A whole request that is answered where it starts, at the first moment at which it may.
        fn asked(&mut self, report: Report) -> &mut Self {
            self.asked_often(1, report)
        }

        fn asked_often(&mut self, times: u32, report: Report) -> &mut Self {
            for _ in 0..times {
                let at = self.0.ready_at().expect("ready");
                self.0.start(key(0), at);
                self.0.end(key(0), at, report);
            }
            self
        }
    }

    #[test]
    fn a_delay_that_comes_later_does_not_wait_for_requests_that_went_out_without_one() {
        let mut clock = Timed::with(|allowance| (allowance.concurrency, allowance.delay) = (4, ms(0)));
        for request in 0..5 {
            clock.0.start(key(request), clock.at(0));
        }
        // Five are out, and the host asks to be spared: one at a time, with a second in between.
        for request in 0..4 {
            clock.0.end(key(request), clock.at(10), slow_down(None));
        }
        assert!(clock.ready().is_none(), "one is still out");
        clock.0.end(key(4), clock.at(10), NO_ERROR);
        assert!(clock.ready().is_some());
        let mut two = Timed::with(|allowance| (allowance.concurrency, allowance.delay) = (8, ms(0)));
        two.0.start(key(0), two.at(0));
        two.0.set_crawl_delay(Some(ms(500)));
        assert_eq!(two.ready(), Some(500), "a crawl delay that is known by now counts from the start");
    }

    #[test]
    fn the_delay_counts_from_the_answer_or_from_the_sending() {
        let mut clock = Timed::new(2, 1000);
        clock.0.start(key(1), clock.at(0));
        assert_eq!(clock.ready(), None, "it has not gone out");
        clock.0.connected(key(1), clock.at(5));
        assert_eq!(clock.ready(), Some(1005));
        clock.0.answering(key(1), clock.at(200));
        assert_eq!(clock.ready(), Some(1200));
        clock.0.end(key(1), clock.at(900), NO_ERROR);
        assert_eq!(clock.ready(), Some(1200), "the rest of an answer says nothing new");

        for request in [2, 3] {
            let at = clock.0.ready_at().expect("ready");
            clock.0.start(key(request), at);
            clock.0.connected(key(request), at);
        }
        assert_eq!(clock.ready(), None, "two are in flight");
        clock.0.answering(key(2), clock.at(2700));
        clock.0.end(key(2), clock.at(2800), NO_ERROR);
        assert_eq!(clock.ready(), Some(3200), "a later one started at 2200");
        clock.0.answering(key(3), clock.at(2900));
        assert_eq!(clock.ready(), Some(3900));
    }

    #[test]
    fn a_connection_that_is_opened_holds_up_the_next_request() {
        let mut clock = Timed::new(3, 100);
        clock.0.start(key(1), clock.at(0));
        clock.0.connecting(key(1));
        assert_eq!(clock.ready(), None);
        clock.0.connected(key(1), clock.at(700));
        assert_eq!(clock.ready(), Some(800));
        clock.0.answering(key(1), clock.at(800));
        clock.0.start(key(2), clock.at(900));
        clock.0.connecting(key(2));
        clock.0.end(key(1), clock.at(950), NO_ERROR);
        assert_eq!(clock.ready(), None, "it was the other one that ended");
        clock.0.end(key(2), clock.at(1000), Report::Failed);
        assert_eq!(clock.ready(), Some(1100));
        // A standing connection that turned out to be closed: the request goes out later, on a new one.
        clock.0.start(key(3), clock.at(1100));
        clock.0.connected(key(3), clock.at(1100));
        clock.0.connecting(key(3));
        assert_eq!(clock.ready(), None);
        clock.0.connected(key(3), clock.at(1300));
        assert_eq!(clock.ready(), Some(1400));
    }

    #[test]
    fn without_a_delay_only_the_concurrency_holds_up() {
        let mut clock = Timed::new(2, 0);
        clock.0.start(key(1), clock.at(7));
        clock.0.connecting(key(1));
        assert_eq!(clock.ready(), Some(7));
        clock.0.start(key(2), clock.at(7));
        assert_eq!((clock.ready(), clock.0.in_flight()), (None, 2));
        clock.0.end(key(1), clock.at(9), Report::Abandoned);
        assert_eq!(clock.ready(), Some(7));
        clock.0.end(key(1), clock.at(9), NO_ERROR);
        assert_eq!(clock.0.in_flight(), 1, "nothing ends twice");
    }

    #[test]
    fn what_never_went_out_counts_from_where_it_was_handed_out() {
        let mut clock = Timed::new(1, 1000);
        clock.0.start(key(1), clock.at(0));
        clock.0.end(key(1), clock.at(300), Report::Abandoned);
        assert_eq!(clock.ready(), Some(1000));
        clock.0.start(key(1), clock.at(1000));
        clock.0.connected(key(1), clock.at(1000));
        clock.0.end(key(1), clock.at(1300), Report::Abandoned);
        assert_eq!(clock.ready(), Some(2300), "it may have arrived until it was broken off");
    }

    #[test]
    fn a_crawl_delay_only_lengthens() {
        let mut clock = Timed::new(2, 1000);
        clock.asked(NO_ERROR);
        for (crawl_delay, ready) in
            [(Some(ms(500)), 1000), (Some(ms(3000)), 3000), (Some(Duration::ZERO), 1000), (None, 1000)]
        {
            clock.0.set_crawl_delay(crawl_delay);
            assert_eq!(clock.ready(), Some(ready));
        }
    }

    #[test]
    fn owed_waits_hold_and_never_shrink() {
        let mut clock = Timed::new(2, 1000);
        clock.0.hold_until(clock.at(5000));
        clock.0.hold_until(clock.at(3000));
        assert_eq!(clock.ready(), Some(5000));
        clock.asked(slow_down(Some(Duration::from_secs(90))));
        assert_eq!(clock.ready(), Some(95_000));
        clock.0.hold_until(later(clock.at(0), Duration::MAX));
        assert!(clock.ready().is_some(), "a wait beyond all clocks does no harm");
    }

    #[test]
    fn a_host_that_says_slow_down_is_asked_step_by_step() {
        for (delay_ms, steps) in [
            (0, vec![1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]),
            (300, vec![1000, 2000]),
            (1500, vec![3000, 6000, 12_000, 24_000, 48_000, 60_000, 60_000]),
            (90_000, vec![90_000, 90_000]),
        ] {
            let mut clock = Timed::new(3, delay_ms);
            for step in &steps {
                clock.asked(slow_down(None));
                assert_eq!(clock.0.delay(), ms(*step), "{delay_ms}");
                assert_eq!(clock.0.concurrency(), 1);
            }
            let mut down = steps.clone();
            down.dedup();
            for step in down.iter().rev() {
                assert_eq!(clock.0.delay(), ms(*step), "{delay_ms}");
                clock.asked_often(GOOD_ANSWERS, NO_ERROR);
            }
            assert_eq!((clock.0.delay(), clock.0.concurrency()), (ms(delay_ms), 3));
        }
    }

    #[test]
    fn requests_turned_away_together_are_one_step() {
        let mut clock = Timed::new(4, 0);
        (1..5).for_each(|request| clock.0.start(key(request), clock.at(0)));
        (1..5).for_each(|request| clock.0.end(key(request), clock.at(50), slow_down(None)));
        assert_eq!(clock.0.delay(), ms(1000));
        clock.asked(slow_down(None));
        assert_eq!(clock.0.delay(), ms(2000));
        // A good answer in between does not bring the last one closer to the next step back.
        clock.asked_often(GOOD_ANSWERS - 1, NO_ERROR);
        clock.asked(slow_down(None)).asked(NO_ERROR);
        assert_eq!(clock.0.delay(), ms(4000));
    }

    #[test]
    fn the_delay_follows_the_latency_half_of_the_way() {
        let throttle = Throttle { target: 2.0, max_delay: ms(4000) };
        let mut clock = Timed::with(|allowance| allowance.throttle = Some(throttle));
        let error = |latency| Report::Answered {
            latency: ms(latency),
            is_error: true,
            slow_down: false,
            retry_after: None,
        };
        for (report, delay) in [
            (answered(6000), 2000),
            (answered(6000), 2500),
            (error(0), 2500),
            (Report::Failed, 2500),
            (Report::Abandoned, 2500),
            (error(7000), 3000),
            (answered(60_000), 4000),
            (answered(0), 2000),
            (answered(0), 1000),
            (answered(0), 1000),
        ] {
            clock.asked(report);
            assert_eq!(clock.0.delay(), ms(delay), "{report:?}");
        }
        clock.0.set_crawl_delay(Some(ms(5000)));
        clock.asked(answered(6000));
        assert_eq!(clock.0.delay(), ms(5000), "a crawl delay above the longest holds");
    }

    #[test]
    fn a_host_without_answers_is_set_aside_probed_and_given_up() {
        let patience = Some(Patience { failures: 3, pause: ms(10_000), probes: 2 });
        let mut clock = Timed::with(|allowance| allowance.patience = patience);
        clock.asked(Report::Failed).asked(Report::Failed).asked(NO_ERROR);
        clock.asked(Report::Failed).asked(Report::Abandoned).asked(Report::Failed);
        assert_eq!(clock.ready(), Some(6000), "not three in a row");
        clock.asked(Report::Failed);
        assert_eq!(clock.ready(), Some(16_000));
        clock.asked(Report::Abandoned);
        assert_eq!((clock.ready(), clock.0.concurrency()), (Some(17_000), 1), "it was no probe");
        clock.asked(Report::Failed);
        assert_eq!(clock.ready(), Some(37_000));
        let mut given_up = Timed(clock.0.clone(), clock.1);
        given_up.asked(Report::Failed);
        assert_eq!((given_up.0.is_given_up(), given_up.ready()), (true, None));
        clock.asked(NO_ERROR);
        assert_eq!((clock.ready(), clock.0.concurrency()), (Some(38_000), 2), "it answers again");
        clock.asked(Report::Failed).asked(Report::Failed);
        assert_eq!(clock.ready(), Some(40_000), "counted from anew");
    }

    #[test]
    fn what_was_under_way_when_a_host_is_set_aside_is_no_probe() {
        let patience = Some(Patience { failures: 2, pause: ms(10_000), probes: 1 });
        let mut clock = Timed::with(|allowance| {
            (allowance.patience, allowance.concurrency, allowance.delay) = (patience, 4, Duration::ZERO);
        });
        (1..5).for_each(|request| clock.0.start(key(request), clock.at(0)));
        (1..5).for_each(|request| clock.0.end(key(request), clock.at(50), Report::Failed));
        assert_eq!((clock.ready(), clock.0.is_given_up()), (Some(10_050), false));
        clock.asked(Report::Failed);
        assert!(clock.0.is_given_up());
        // Local files are not set aside.
        let mut files =
            Timed::with(|allowance| (allowance.patience, allowance.delay) = (None, Duration::ZERO));
        files.asked_often(100, Report::Failed);
        assert_eq!(files.ready(), Some(0));
    }

    #[test]
    fn the_hours_are_kept_also_by_who_comes_late() {
        let hours = Hours::parse(&["00:00-00:01".to_owned()]).ok();
        let mut clock = Timed::with(|allowance| allowance.hours = hours);
        assert_eq!(clock.ready(), Some(0));
        let late = clock.0.ready_from(clock.at(60_000)).expect("ready");
        assert_eq!(late, clock.at(86_400_000), "the next day");
        clock.0.hold_until(clock.at(59_500));
        clock.asked(NO_ERROR);
        assert_eq!(clock.ready(), Some(86_400_000));
        assert_eq!(clock.0.not_before(), clock.at(60_500), "the hours are no debt");
    }

    /// What a request of the property test has come to.
    struct Asked {
        started: Instant,
        sent: Option<Instant>,
        answer: Option<Instant>,
        ended: bool,
    }

    /// One step of the life of a request; `choice` decides where there is one.
    fn step(clock: &mut HostClock, id: usize, request: &mut Asked, now: Instant, choice: u8) {
        let mut end = |request: &mut Asked, report| {
            request.answer.get_or_insert(now);
            request.ended = true;
            clock.end(key(id), now, report);
        };
        match (request.sent, request.answer, choice % 8) {
            (_, None, 0) => end(request, Report::Failed),
            (_, None, 1) => end(request, Report::Abandoned),
            (None, _, 2..=4) => clock.connecting(key(id)),
            (None, ..) => {
                request.sent = Some(now);
                clock.connected(key(id), now);
            }
            (Some(_), None, _) => {
                request.answer = Some(now);
                clock.answering(key(id), now);
            }
            (.., 0) => end(request, slow_down(Some(ms(u64::from(choice))))),
            (.., 1) => end(request, Report::Failed),
            (..) => end(request, NO_ERROR),
        }
    }

    proptest! {
        /// However requests come and go: as the server sees them they are never closer than the delay, never more
        /// at once than allowed, and there is always a next one.
        #[test]
        fn the_server_sees_the_delay(
            concurrency in 1..4_usize, delay_ms in 0..100_u64,
            steps in proptest::collection::vec((0..80_u64, any::<u8>(), any::<usize>(), 0.0..=1.0_f64), 1..200),
        ) {
            let epoch = Instant::now();
            let patience = Some(Patience { failures: 3, pause: ms(150), probes: 1000 });
            let throttle = Some(Throttle { target: 1.0, max_delay: ms(200) });
            let allowance = Allowance { throttle, patience, ..allowance(concurrency, delay_ms, epoch) };
            let mut clock = HostClock::new(allowance, epoch);
            let mut now = epoch;
            let mut requests: Vec<Asked> = Vec::new();
            for (wait, choice, pick, _) in &steps {
                now += ms(*wait);
                let flying: Vec<usize> = (0..requests.len()).filter(|id| !requests[*id].ended).collect();
                prop_assert_eq!(clock.in_flight(), flying.len());
                prop_assert!(flying.len() <= concurrency);
                if flying.is_empty() {
                    let ready = clock.ready_at();
                    prop_assert!(ready.is_some(), "stuck for ever");
                    now = now.max(ready.unwrap_or(now));
                }
                if clock.ready_at().is_some_and(|at| at <= now) && (flying.is_empty() || choice % 2 == 0) {
                    clock.start(key(requests.len()), now);
                    requests.push(Asked { started: now, sent: None, answer: None, ended: false });
                } else if let Some(id) = flying.get(pick % flying.len().max(1)) {
                    step(&mut clock, *id, &mut requests[*id], now, *choice);
                }
            }
            // The server gets a request anywhere between its sending and its answer; where the next one had
            // started before the answer, what counts is the sending.
            let mut arrivals = Vec::new();
            for (id, request) in requests.iter().enumerate() {
                let Some(sent) = request.sent else { continue };
                let next = requests.get(id + 1).map_or(now, |next| next.started);
                let latest = request.answer.filter(|at| *at <= next).unwrap_or(sent);
                let part = steps[id % steps.len()].3;
                arrivals.push(sent + latest.duration_since(sent).mul_f64(part));
            }
            for pair in arrivals.windows(2) {
                prop_assert!(pair[1].duration_since(pair[0]) >= ms(delay_ms), "{arrivals:?}");
            }
        }
    }
}

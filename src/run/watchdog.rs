//! Says when the async runtime stood still: a task of it ticks, a thread beside it looks when the last tick was. The
//! judgement is pure; time comes in as an argument.
//!
//! A machine that is busy is not the runtime's fault, nor is a process that was stopped. So what kept this thread itself
//! from waking in time is taken off, and so is what the runtime's thread stood in the queue for a processor, where the
//! system tells (`schedstat` of Linux). What is left is time in which one poll computed or waited for something that
//! blocks.

use std::collections::VecDeque;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How often the runtime ticks, and how often it is looked at.
const EVERY: Duration = Duration::from_millis(20);
/// A runtime that moves on within this is well.
const PATIENCE: Duration = Duration::from_millis(100);
/// A block is reported when it is over, or when it has lasted for so long.
const LASTING: Duration = Duration::from_secs(5);
/// Least time between two warnings.
const QUIET: Duration = Duration::from_secs(10);

/// What is seen at one look. Times are since the watch began.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Now. Read last: what held this thread up before counts as its own lateness.
    pub now: Duration,
    /// When the runtime ticked last.
    pub beat: Duration,
    /// The longest time between two ticks since the last look.
    pub gap: Duration,
    /// How long the runtime's thread has stood in the queue for a processor, ever.
    pub queued: Duration,
}

/// The runtime was blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// For how long.
    pub length: Duration,
    /// Whether it still is.
    pub is_still: bool,
    /// Blocks since the last warning that were not worth one of their own.
    pub unsaid: u64,
}

/// The judgement: what was seen before, as far as it matters.
#[derive(Debug, Default)]
pub struct Judge {
    /// When it was looked, and what had been excused by then.
    looks: VecDeque<(Duration, Duration)>,
    excused: Duration,
    queued: Duration,
    warned: Option<Duration>,
    /// The beat since which it is said to be blocked.
    lasting: Option<Duration>,
    unsaid: u64,
}

impl Judge {
    /// What is to be said after this look.
    pub fn look(&mut self, look: Look) -> Option<Blocked> {
        let before = self.looks.back().map_or(look.now, |(at, _)| *at);
        let late = look.now.saturating_sub(before).saturating_sub(EVERY);
        self.excused += late.max(look.queued.saturating_sub(self.queued));
        self.queued = look.queued;
        self.looks.push_back((look.now, self.excused));
        let lasts = self.length(look.beat, look.now.saturating_sub(look.beat));
        let was = self.length(look.beat.saturating_sub(look.gap), look.gap);
        let since = look.beat.saturating_sub(look.gap).min(look.beat);
        while self.looks.get(1).is_some_and(|(at, _)| *at + 2 * EVERY < since) {
            self.looks.pop_front();
        }
        if lasts >= LASTING && self.lasting != Some(look.beat) {
            return self.say(look.now, lasts, Some(look.beat));
        }
        if was > PATIENCE {
            // Its warning, if there was one, was about a shorter time.
            return self.say(look.now, was, None);
        }
        None
    }

    /// Nothing is watched now. What comes next is held against this moment.
    pub fn rest(&mut self, now: Duration) {
        self.looks.clear();
        self.looks.push_back((now, self.excused));
    }

    /// How much of what began then and took so long is the runtime's own.
    fn length(&self, began: Duration, took: Duration) -> Duration {
        let before = self.looks.iter().rev().find(|(at, _)| *at + 2 * EVERY < began);
        let before = before.or(self.looks.front()).map_or(Duration::ZERO, |(_, excused)| *excused);
        took.saturating_sub(EVERY).saturating_sub(self.excused.saturating_sub(before))
    }

    fn say(&mut self, now: Duration, length: Duration, lasting: Option<Duration>) -> Option<Blocked> {
        self.lasting = lasting;
        if self.warned.is_some_and(|warned| now.saturating_sub(warned) < QUIET) {
            self.unsaid += 1;
            return None;
        }
        self.warned = Some(now);
        let unsaid = std::mem::take(&mut self.unsaid);
        Some(Blocked { length, is_still: lasting.is_some(), unsaid })
    }
}

/// Between the runtime and the thread that looks: microseconds since the watch began.
#[derive(Debug)]
struct Pulse {
    began: Instant,
    beat: AtomicU64,
    gap: AtomicU64,
    /// Id of the runtime's thread; 0 while it does not tick.
    thread: AtomicU64,
}

/// The watch. It ends when this is dropped.
#[derive(Debug)]
pub struct Watchdog {
    pulse: Arc<Pulse>,
    _end: mpsc::Sender<()>,
}

impl Watchdog {
    /// Starts the thread; `warn` is called on it. Nothing is watched before [`Watchdog::tick`] runs.
    pub fn start(mut warn: impl FnMut(Blocked) + Send + 'static) -> std::io::Result<Self> {
        let pulse = Arc::new(Pulse {
            began: Instant::now(),
            beat: AtomicU64::new(0),
            gap: AtomicU64::new(0),
            thread: AtomicU64::new(0),
        });
        let (end, ended) = mpsc::channel();
        let watched = Arc::clone(&pulse);
        let work = move || {
            let mut judge = Judge::default();
            judge.rest(Duration::ZERO);
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                match watched.look() {
                    Some(look) => judge.look(look).into_iter().for_each(&mut warn),
                    None => judge.rest(watched.began.elapsed()),
                }
            }
        };
        thread::Builder::new().name("watchdog".to_owned()).spawn(work)?;
        Ok(Self { pulse, _end: end })
    }

    /// Ticks until it is dropped, as a task of the runtime that is watched, which has one thread. Without it nothing is
    /// watched.
    pub fn tick(&self) -> impl Future<Output = ()> + Send + use<> {
        let pulse = Arc::clone(&self.pulse);
        async move {
            let pulse = Ticking(pulse);
            let mut ticks = tokio::time::interval(EVERY);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                pulse.0.beat();
            }
        }
    }
}

/// While it ticks.
struct Ticking(Arc<Pulse>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.thread.store(0, Ordering::Release);
    }
}

impl Pulse {
    fn beat(&self) {
        let now = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        if self.thread.load(Ordering::Relaxed) == 0 {
            let id = rustix::thread::gettid().as_raw_nonzero().get();
            self.beat.store(now, Ordering::Relaxed);
            self.thread.store(u64::from(id.unsigned_abs()), Ordering::Release);
        }
        let before = self.beat.swap(now, Ordering::Relaxed);
        self.gap.fetch_max(now.saturating_sub(before), Ordering::Release);
    }

    /// `None` while nothing ticks.
    fn look(&self) -> Option<Look> {
        let thread = self.thread.load(Ordering::Acquire);
        // The gap first: a beat that comes in between makes the time since the last one shorter, never longer.
        let gap = Duration::from_micros(self.gap.swap(0, Ordering::Acquire));
        let beat = Duration::from_micros(self.beat.load(Ordering::Relaxed));
        let queued = queued(thread);
        (thread > 0).then(|| Look { now: self.began.elapsed(), beat, gap, queued })
    }
}

/// How long a thread of this process has stood in the queue for a processor.
fn queued(thread: u64) -> Duration {
    let text = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).unwrap_or_default();
    let nanos = text.split_whitespace().nth(1).and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// The warning of a run.
pub fn warn(blocked: Blocked) {
    let Blocked { length, is_still, unsaid } = blocked;
    if is_still {
        tracing::warn!(blocked = ?length, unsaid, "the async runtime stands still: nothing is fetched meanwhile");
    } else {
        tracing::warn!(blocked = ?length, unsaid, "the async runtime was blocked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// A runtime that ticks and a thread that looks, both in time, but for what a test changes.
    struct Machine {
        judge: Judge,
        now: Duration,
        beat: Duration,
        queued: Duration,
    }

    impl Machine {
        fn new() -> Self {
            let mut judge = Judge::default();
            judge.rest(Duration::ZERO);
            let mut machine =
                Self { judge, now: Duration::ZERO, beat: Duration::ZERO, queued: Duration::ZERO };
            assert_eq!(machine.well(ms(1000)), []);
            machine
        }

        fn look(&mut self, late: Duration, beats: bool) -> Option<Blocked> {
            self.now += EVERY + late;
            let gap = if beats { self.now.saturating_sub(self.beat) } else { Duration::ZERO };
            self.beat = if beats { self.now } else { self.beat };
            self.judge.look(Look { now: self.now, beat: self.beat, gap, queued: self.queued })
        }

        fn well(&mut self, length: Duration) -> Vec<Blocked> {
            let looks = length.as_millis() / EVERY.as_millis();
            (0..looks).filter_map(|_| self.look(Duration::ZERO, true)).collect()
        }

        /// No tick for so long, then one. The thread looks all the while.
        fn stall(&mut self, length: Duration, queued_share: u32) -> Vec<Blocked> {
            let looks = length.as_millis() / EVERY.as_millis();
            let mut said = Vec::new();
            for _ in 0..looks {
                self.queued += EVERY * queued_share / 100;
                said.extend(self.look(Duration::ZERO, false));
            }
            said.extend(self.look(Duration::ZERO, true));
            said
        }
    }

    #[test]
    fn a_block_is_said_once_with_its_length_and_a_short_one_is_not() {
        let mut machine = Machine::new();
        assert_eq!(machine.stall(ms(80), 0), []);
        assert_eq!(machine.well(ms(1000)), []);
        assert_eq!(machine.stall(ms(400), 0), [Blocked { length: ms(400), is_still: false, unsaid: 0 }]);
        assert_eq!(machine.well(ms(60_000)), []);
    }

    #[test]
    fn warnings_are_rare_and_count_what_they_leave_out() {
        let mut machine = Machine::new();
        assert_eq!(machine.stall(ms(200), 0).len(), 1);
        for _ in 0..3 {
            assert_eq!(machine.well(ms(200)), []);
            assert_eq!(machine.stall(ms(200), 0), []);
        }
        machine.well(QUIET);
        assert_eq!(machine.stall(ms(300), 0), [Blocked { length: ms(300), is_still: false, unsaid: 3 }]);
    }

    #[test]
    fn a_runtime_that_stands_still_is_reported_before_it_moves_again() {
        let mut machine = Machine::new();
        let said = machine.stall(ms(40_000), 0);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].is_still && said[0].length >= LASTING && said[0].length < LASTING + 2 * EVERY);
        assert_eq!(said[1], Blocked { length: ms(40_000), is_still: false, unsaid: 0 });
    }

    #[test]
    fn a_machine_that_is_busy_or_a_process_that_was_stopped_is_not_the_runtimes_fault() {
        // Both threads stood in the queue: the runtime for nine tenths of the time.
        let mut machine = Machine::new();
        assert_eq!(machine.stall(ms(900), 90), []);
        assert_eq!(machine.well(ms(200)), []);
        // Only a part of it was the machine's.
        assert_eq!(machine.stall(ms(1000), 50), [Blocked { length: ms(500), is_still: false, unsaid: 0 }]);
        // SIGSTOP, and this thread goes on first, or the runtime's.
        for beats in [false, true] {
            let mut machine = Machine::new();
            assert_eq!(machine.look(ms(60_000), beats), None);
            assert_eq!(machine.look(Duration::ZERO, true), None);
            assert_eq!(machine.well(ms(5000)), []);
        }
        // The same before anything else was seen.
        let mut judge = Judge::default();
        judge.rest(Duration::ZERO);
        let (now, beat, gap) = (ms(1010), ms(1005), ms(1004));
        assert_eq!(judge.look(Look { now, beat, gap, queued: Duration::ZERO }), None);
        // The looking thread alone was late.
        let mut machine = Machine::new();
        machine.beat = machine.now + ms(500);
        assert_eq!(machine.look(ms(500), false), None);
    }

    #[test]
    fn a_real_runtime_that_is_blocked_is_caught() {
        let (tell, told) = mpsc::channel();
        let watchdog =
            Watchdog::start(move |blocked| tell.send(blocked).unwrap_or_default()).expect("a thread");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let blocked = runtime.block_on(async {
            tokio::spawn(watchdog.tick());
            // Again and again: on a machine that is too busy to tell it is right to say nothing.
            for _ in 0..200 {
                tokio::time::sleep(2 * EVERY).await;
                tokio::spawn(async { thread::sleep(2 * PATIENCE) }).await.expect("it only sleeps");
                tokio::time::sleep(2 * EVERY).await;
                if let Ok(blocked) = told.try_recv() {
                    return Some(blocked);
                }
            }
            None
        });
        let blocked = blocked.expect("a warning");
        assert!(blocked.length > PATIENCE && !blocked.is_still, "{blocked:?}");
    }
}

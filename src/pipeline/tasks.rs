//! The board: what each request in flight, and each worker, does now, and since when. For people only: it decides
//! nothing, and nobody waits for it. To take a place on it and to leave it costs a lock; to say what is done next is one
//! store.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::frontier::Held;
use crate::model::{Request, Role};

macro_rules! doings {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// What a request in flight or a worker does. The names are those of `tasks.json`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Doing {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Doing {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it means, in a line.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

doings! {
    /// Its host may be asked; it has not begun yet. A local file is read within this stage.
    Starting = "starting",
    /// A connection is opened: name, address, TLS.
    Connecting = "connecting",
    /// It was sent; no answer has begun.
    Headers = "headers",
    /// The body comes in.
    Body = "body",
    /// Waits for a parse thread.
    ParseQueue = "parse_queue",
    /// On a parse thread.
    Parsing = "parsing",
    /// Waits for its checkpoint.
    Checkpoint = "checkpoint",
    /// Its checkpoint is written to the sinks.
    Writing = "writing",
    /// Its checkpoint is written to the journal.
    Journal = "journal",
    /// A worker that has nothing to do.
    Idle = "idle",
    /// The sources wait for room in the queue.
    Room = "room",
    /// The sources are read.
    Reading = "reading",
}

/// Who takes a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A part of the program that lives as long as the crawl.
    Worker(&'static str),
    /// A request in flight.
    Request {
        /// What is asked for.
        url: Arc<str>,
        /// Host key.
        host: Arc<str>,
        /// What it is asked for.
        role: Role,
        /// How often it was asked for before.
        attempt: u32,
    },
}

/// One line of the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who.
    pub who: Who,
    /// What it does.
    pub doing: Doing,
    /// For how long it has done that.
    pub stage_age: Duration,
    /// How long it has been there.
    pub age: Duration,
}

/// Who is there. One for a run.
#[derive(Debug)]
pub struct Board {
    began: Instant,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    taken: Vec<Option<Arc<Place>>>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Place {
    who: Who,
    /// Of the board: times are kept as microseconds since then.
    began: Instant,
    entered: u64,
    /// The time of the last change above the lowest eight bits, which hold the stage: one store changes both.
    state: AtomicU64,
}

/// A place on the board, until this is dropped.
#[derive(Debug)]
pub struct Task {
    board: Arc<Board>,
    number: usize,
    place: Arc<Place>,
}

/// Moves a task on from another thread.
#[derive(Debug)]
pub struct Mark(Arc<Place>);

/// What goes with a request from its lease to its commit.
#[derive(Debug)]
pub struct Escort {
    /// Bytes that count as held.
    pub held: Held,
    /// Its place on the board.
    pub task: Task,
}

impl Default for Board {
    fn default() -> Self {
        Self { began: Instant::now(), places: Mutex::default() }
    }
}

impl Board {
    /// A place for a request in flight.
    pub fn request(self: &Arc<Self>, request: &Request) -> Task {
        let (url, host) = (request.url.clone(), request.host.clone());
        self.enter(Who::Request { url, host, role: request.role, attempt: request.attempt }, Doing::Starting)
    }

    /// A place for a worker.
    pub fn worker(self: &Arc<Self>, name: &'static str) -> Task {
        self.enter(Who::Worker(name), Doing::Idle)
    }

    fn enter(self: &Arc<Self>, who: Who, doing: Doing) -> Task {
        let now = micros(self.began.elapsed());
        let place = Place { who, began: self.began, entered: now, state: AtomicU64::new(packed(now, doing)) };
        let place = Arc::new(place);
        let mut places = self.places();
        let number = places.free.pop().unwrap_or_else(|| {
            places.taken.push(None);
            places.taken.len() - 1
        });
        places.taken[number] = Some(Arc::clone(&place));
        drop(places);
        Task { board: Arc::clone(self), number, place }
    }

    /// Everybody, who has been there longest first.
    pub fn look(&self) -> Vec<Seen> {
        let places: Vec<Arc<Place>> = self.places().taken.iter().flatten().cloned().collect();
        let now = micros(self.began.elapsed());
        let mut seen: Vec<Seen> = places.iter().map(|place| place.look(now)).collect();
        seen.sort_by_key(|seen| std::cmp::Reverse(seen.age));
        seen
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn is(&self, doing: Doing, since: Instant) {
        let since = micros(since.saturating_duration_since(self.began));
        self.state.store(packed(since, doing), Ordering::Relaxed);
    }

    fn look(&self, now: u64) -> Seen {
        let state = self.state.load(Ordering::Relaxed);
        let number = usize::try_from(state & 0xff).unwrap_or(0);
        Seen {
            who: self.who.clone(),
            doing: Doing::ALL.get(number).copied().unwrap_or(Doing::Starting),
            stage_age: Duration::from_micros(now.saturating_sub(state >> 8)),
            age: Duration::from_micros(now.saturating_sub(self.entered)),
        }
    }
}

impl Task {
    /// What it does from now on.
    pub fn is(&self, doing: Doing) {
        self.is_since(doing, Instant::now());
    }

    /// What it has done since then: whoever has the time at hand need not ask for it again.
    pub fn is_since(&self, doing: Doing, since: Instant) {
        self.place.is(doing, since);
    }

    /// What tells it from another thread.
    pub fn mark(&self) -> Mark {
        Mark(Arc::clone(&self.place))
    }
}

impl Mark {
    /// What the task does from now on.
    pub fn is(&self, doing: Doing) {
        self.0.is(doing, Instant::now());
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let mut places = self.board.places();
        places.taken[self.number] = None;
        places.free.push(self.number);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn packed(micros: u64, doing: Doing) -> u64 {
    (micros << 8) | doing as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(board: &Board) -> Vec<(String, &'static str)> {
        let name = |who| match who {
            Who::Worker(name) => name.to_owned(),
            Who::Request { url, .. } => url.to_string(),
        };
        board.look().into_iter().map(|seen| (name(seen.who), seen.doing.name())).collect()
    }

    #[test]
    fn a_place_says_what_is_done_until_it_is_left_and_is_then_taken_again() {
        let board = Arc::new(Board::default());
        let request = |url: &str| {
            let url = url::Url::parse(url).expect("a URL");
            board.request(&Request::seed(&url, "s"))
        };
        let sources = board.worker("sources");
        let first = request("http://a.test/1");
        let second = request("http://a.test/2");
        first.is(Doing::Headers);
        second.mark().is(Doing::Parsing);
        sources.is(Doing::Reading);
        let (one, two) = ("http://a.test/1".to_owned(), "http://a.test/2".to_owned());
        let worker = ("sources".to_owned(), "reading");
        assert_eq!(shown(&board), [worker.clone(), (one, "headers"), (two.clone(), "parsing")]);
        drop(first);
        assert_eq!(shown(&board), [worker, (two, "parsing")]);
        let _third = request("http://a.test/3");
        assert_eq!(board.places().taken.len(), 3, "the place that was left is taken again");
    }

    #[test]
    fn every_stage_is_read_back_as_it_was_stored_with_its_time() {
        for doing in Doing::ALL {
            let place = Place {
                who: Who::Worker("w"),
                began: Instant::now(),
                entered: 1_000,
                state: AtomicU64::new(packed(3_000, *doing)),
            };
            let seen = place.look(10_000);
            assert_eq!(
                (seen.doing, seen.stage_age.as_micros(), seen.age.as_micros()),
                (*doing, 7_000, 9_000)
            );
        }
    }
}

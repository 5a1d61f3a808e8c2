//! What a checkpoint changes in the frontier, beside what it settles: absolute puts under keys assigned
//! beforehand, so that to replay them twice changes nothing.

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use super::request::Request;
use super::visit::{Ending, Visit};

/// Bytes of changes in one frame.
const FRAME_BYTES: usize = 1 << 20;

/// A URL that was found and refused by the way on which it was found. Another way may still lead to it, so it gets its
/// outcome only when the crawl has ended without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The request that it would have been.
    pub request: Request,
    /// How it ends, unless another way leads to it.
    pub outcome: Outcome,
    /// Why, in words.
    pub reason: Option<String>,
    /// Where the rule stands that decided it.
    pub rule: Option<String>,
    /// Whether nothing but the lack of a seed near it stood against it: one that comes later may let it in.
    pub is_outside: bool,
}

/// A request that is made again, with the number of its try, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// The request as it is queued from now on.
    pub request: Request,
    /// What it still has to wait.
    pub wait: Wait,
}

/// A wait as a moment and a length: a clock that is set in between can make it shorter, never longer than it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Until when, in milliseconds since 1970.
    pub until_ms: i64,
    /// How long it was when it began, in milliseconds.
    pub length_ms: u64,
}

/// A host that owes a wait beyond its delay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostWait {
    /// Host key.
    pub host: String,
    /// Its wait.
    pub wait: Wait,
}

/// The robots.txt of an origin as it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RobotsNote {
    /// `https://example.org`, with a port that is not the scheme's own.
    pub origin: String,
    /// When, in milliseconds since 1970.
    pub fetched_at_ms: i64,
    /// HTTP status.
    pub status: u16,
    /// The text; empty unless the status is 2xx.
    pub body: Vec<u8>,
}

/// What becomes known or is put off, beside what is settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes<R = Request> {
    /// Requests that became known.
    pub admitted: Vec<R>,
    /// URLs that were found and refused.
    pub refused: Vec<Refusal>,
    /// Requests that are made again.
    pub again: Vec<Again>,
    /// Hosts that owe a wait.
    pub waits: Vec<HostWait>,
    /// Answers for robots.txt.
    pub robots: Vec<RobotsNote>,
}

impl<R> Default for Changes<R> {
    fn default() -> Self {
        let (admitted, refused, again, waits, robots) = Default::default();
        Self { admitted, refused, again, waits, robots }
    }
}

impl Wait {
    /// A wait of `length_ms` from `now_ms` on.
    pub fn from(now_ms: i64, length_ms: u64) -> Self {
        let length = i64::try_from(length_ms).unwrap_or(i64::MAX);
        Self { until_ms: now_ms.saturating_add(length), length_ms }
    }

    /// What of it is left at `now_ms`, in milliseconds.
    pub fn left_ms(self, now_ms: i64) -> u64 {
        u64::try_from(self.until_ms.saturating_sub(now_ms)).unwrap_or(0).min(self.length_ms)
    }
}

impl Refusal {
    /// A refusal with its ending.
    pub fn new(request: Request, ending: Ending) -> Self {
        Self { request, outcome: ending.outcome, reason: ending.reason, rule: ending.rule, is_outside: false }
    }

    /// About how many bytes it takes in memory and in a journal.
    pub fn weight(&self) -> usize {
        let words = self.reason.iter().chain(&self.rule).map(String::len).sum::<usize>();
        self.request.weight() + words
    }

    /// The visit by which it is settled.
    pub fn into_visit(self) -> Visit {
        let ending = Ending { outcome: self.outcome, reason: self.reason, rule: self.rule, stage: None };
        Visit::refused(self.request, ending)
    }
}

impl Changes {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.admitted.is_empty()
            && self.refused.is_empty()
            && self.again.is_empty()
            && self.waits.is_empty()
            && self.robots.is_empty()
    }

    /// The same in pieces of a bounded size, in order. At least one.
    pub fn pieces(self) -> Vec<Self> {
        let Self { admitted, refused, again, waits, robots } = self;
        let (mut pieces, mut piece, mut bytes) = (Vec::new(), Self::default(), 0);
        let mut grown = |piece: &mut Self, by: usize| {
            bytes += by;
            if bytes >= FRAME_BYTES {
                pieces.push(std::mem::take(piece));
                bytes = 0;
            }
        };
        for request in admitted {
            let weight = request.weight();
            piece.admitted.push(request);
            grown(&mut piece, weight);
        }
        for refusal in refused {
            let weight = refusal.weight();
            piece.refused.push(refusal);
            grown(&mut piece, weight);
        }
        for note in robots {
            let weight = note.body.len() + note.origin.len();
            piece.robots.push(note);
            grown(&mut piece, weight);
        }
        piece.again = again;
        piece.waits = waits;
        pieces.push(piece);
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::super::canonical;
    use super::*;

    #[test]
    fn a_clock_that_was_set_makes_no_wait_longer() {
        let wait = Wait::from(1_000, 500);
        assert_eq!([1_000, 1_200, 1_500, 9_000].map(|now| wait.left_ms(now)), [500, 300, 0, 0]);
        assert_eq!(wait.left_ms(-1_000_000), 500, "set back by a year");
    }

    #[test]
    fn pieces_are_bounded_and_keep_the_order() {
        let long = "x".repeat(10_000);
        let request =
            |n| Request::seed(&canonical(&format!("http://h/{n}/{long}"), None).expect("URL"), "test");
        let ending = || Ending::because(Outcome::SkippedScope, "outside");
        let whole = Changes {
            admitted: (0..300).map(request).collect(),
            refused: (300..600).map(|n| Refusal::new(request(n), ending())).collect(),
            waits: vec![HostWait { host: "h".into(), wait: Wait::default() }],
            ..Changes::default()
        };
        let pieces = whole.clone().pieces();
        assert!(pieces.len() > 4);
        let weight = |piece: &Changes| {
            piece.admitted.iter().map(Request::weight).sum::<usize>()
                + piece.refused.iter().map(Refusal::weight).sum::<usize>()
        };
        assert!(pieces.iter().all(|piece| weight(piece) < 2 * FRAME_BYTES));
        let mut joined = Changes::default();
        for piece in pieces {
            joined.admitted.extend(piece.admitted);
            joined.refused.extend(piece.refused);
            joined.waits.extend(piece.waits);
        }
        assert_eq!(joined, whole);
        assert_eq!(Changes::default().pieces(), [Changes::default()]);
    }
}

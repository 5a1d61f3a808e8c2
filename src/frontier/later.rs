//! Requests that are made again, and not before a time of their own. They hold no slot and no place in their host's
//! queue while they wait.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::model::Request;

/// Waiting requests, by the time at which they are due.
#[derive(Debug, Default)]
pub struct Later {
    waiting: BinaryHeap<Waiting>,
    turn: u64,
}

#[derive(Debug)]
struct Waiting {
    due: Instant,
    turn: u64,
    request: Request,
}

impl Later {
    /// Puts a request off until `due`.
    pub fn put(&mut self, due: Instant, request: Request) {
        self.turn += 1;
        self.waiting.push(Waiting { due, turn: self.turn, request });
    }

    /// One that is due at `now`.
    pub fn take(&mut self, now: Instant) -> Option<Request> {
        let is_due = self.waiting.peek().is_some_and(|waiting| waiting.due <= now);
        if is_due { self.waiting.pop().map(|waiting| waiting.request) } else { None }
    }

    /// When the next one is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.waiting.peek().map(|waiting| waiting.due)
    }

    /// How many wait.
    pub fn len(&self) -> u64 {
        self.waiting.len() as u64
    }
}

/// The earliest stands on top of the heap, of equal ones the first that came.
impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.turn).cmp(&(self.due, self.turn))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.turn == other.turn
    }
}

impl Eq for Waiting {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::canonical;

    #[test]
    fn they_come_when_they_are_due_and_in_the_order_in_which_they_came() {
        let now = Instant::now();
        let at = |ms| now + Duration::from_millis(ms);
        let request =
            |n: u32| Request::seed(&canonical(&format!("http://h/{n}"), None).expect("URL"), "test");
        let mut later = Later::default();
        for (n, ms) in [(1, 30), (2, 10), (3, 10)] {
            later.put(at(ms), request(n));
        }
        assert_eq!((later.len(), later.next_due()), (3, Some(at(10))));
        assert!(later.take(at(9)).is_none());
        let mut taken = || later.take(at(30)).map(|request| request.url);
        assert_eq!(taken().as_deref(), Some("http://h/2"));
        assert_eq!(taken().as_deref(), Some("http://h/3"));
        assert_eq!(taken().as_deref(), Some("http://h/1"));
        assert_eq!(taken(), None);
    }
}

//! Payloads that a run has stored, so that the same is not stored again: in bounded memory, read from the files again
//! after a restart.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use super::record::{Payload, Sum, unlabelled};
use super::scan::{Depth, captures};

/// Memory for payloads that were seen, so that they are not stored again. What comes first once it is full is not
/// remembered, and stored as often as it comes.
const KNOWN_BYTES: usize = 64 << 20;
/// Payloads that were seen in this run, each with the URL and the time of its first capture.
pub(super) struct Known {
    first: HashMap<Sum, (Box<str>, Box<str>)>,
    room: usize,
}

impl Default for Known {
    fn default() -> Self {
        Self { first: HashMap::new(), room: KNOWN_BYTES }
    }
}

impl Known {
    /// URL and time of the first capture of a payload.
    pub(super) fn first(&self, sum: &Sum) -> Option<(&str, &str)> {
        self.first.get(sum).map(|(url, date)| (&**url, &**date))
    }

    /// Remembers the first capture of a payload, if there is room.
    pub(super) fn remember(&mut self, sum: Sum, url: &str, date: &str) {
        let cost = size_of::<(Sum, (Box<str>, Box<str>))>() * 2 + url.len() + date.len();
        if let Some(room) = self.room.checked_sub(cost) {
            self.room = room;
            self.first.entry(sum).or_insert_with(|| (url.into(), date.into()));
        }
    }

    /// Reads what an earlier process of the run has stored.
    pub(super) fn recall(&mut self, path: &Path) -> io::Result<()> {
        let empty = Payload::Held(&[]).sum()?;
        captures(BufReader::with_capacity(1 << 20, File::open(path)?), Depth::Record, |capture| {
            let sum = unlabelled(&capture.digest).filter(|sum| capture.kind == "response" && *sum != empty);
            if let Some(sum) = sum {
                self.remember(sum, &capture.url, &capture.date);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_remembered_in_bounded_memory() {
        let mut known = Known { first: HashMap::new(), room: 1000 };
        for n in 0..100_u8 {
            known.remember([n; 20], "https://example.org/", "2026-11-21T02:00:00.125Z");
        }
        assert!((3..20).contains(&known.first.len()), "{}", known.first.len());
        assert_eq!(known.first(&[0; 20]), Some(("https://example.org/", "2026-11-21T02:00:00.125Z")));
        assert_eq!(known.first(&[99; 20]), None);
    }
}

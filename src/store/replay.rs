//! An unfinished run as its journal tells it: what is queued, what is settled, how far the outputs are committed.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::error::StoreError;
use super::frame::{Begin, Commit, Finish, Frame, Settle};
use super::journal::Journal;
use crate::model::{Position, Request, UrlKey};

/// The state at the last whole frame.
#[derive(Debug, Default)]
pub struct Replay {
    /// Identity of the run. Always there in a journal that opens.
    pub begin: Option<Begin>,
    /// When the first process took it up, RFC 3339.
    pub started: Option<String>,
    /// How many processes took it up.
    pub starts: u32,
    /// Requests that were admitted and not settled, in the order of their admission.
    pub queued: Vec<Request>,
    /// Fingerprints of every key that was ever admitted or settled.
    pub seen: Vec<u64>,
    /// Committed length of every output journal.
    pub positions: BTreeMap<String, Position>,
    /// Set once only the publication is left.
    pub finish: Option<Finish>,
    /// Processes that took the run up since the last commit that settled anything.
    pub idle_starts: u32,
    /// Pages that were parsed alone and never settled, once for each time: what was parsed next when a process died.
    pub suspects: Vec<UrlKey>,
}

impl Replay {
    /// Reads a journal, hands each settle to `settled`, and leaves the journal open for appending.
    pub fn of(path: &Path, mut settled: impl FnMut(&Settle)) -> Result<(Journal, Self), StoreError> {
        let mut replay = Self::default();
        let mut open: HashMap<UrlKey, (u64, Request)> = HashMap::new();
        let mut order = 0;
        let journal = Journal::open(path, |_, frame| match frame {
            Frame::Begin(begin) => replay.begin = Some(begin),
            Frame::Start(start) => {
                replay.started.get_or_insert(start.at);
                replay.starts += 1;
                replay.idle_starts += 1;
            }
            Frame::Suspect(key) => replay.suspects.push(key),
            Frame::Finish(finish) => replay.finish = Some(finish),
            Frame::Commit(commit) => replay.commit(commit, &mut open, &mut order, &mut settled),
        })?;
        let mut queued: Vec<(u64, Request)> = open.into_values().collect();
        queued.sort_unstable_by_key(|(order, _)| *order);
        replay.queued = queued.into_iter().map(|(_, request)| request).collect();
        Ok((journal, replay))
    }

    fn commit(
        &mut self,
        commit: Commit,
        open: &mut HashMap<UrlKey, (u64, Request)>,
        order: &mut u64,
        settled: &mut impl FnMut(&Settle),
    ) {
        if !commit.settled.is_empty() {
            self.idle_starts = 0;
        }
        for request in commit.admitted {
            self.seen.push(request.key.fingerprint());
            *order += 1;
            open.insert(request.key, (*order, request));
        }
        if !self.suspects.is_empty() {
            // Others may be settled between two deaths of the page that kills: only itself clears its name.
            self.suspects.retain(|key| commit.settled.iter().all(|settle| settle.key != *key));
        }
        for settle in &commit.settled {
            if open.remove(&settle.key).is_none() {
                self.seen.push(settle.key.fingerprint());
            }
            settled(settle);
        }
        self.positions.extend(commit.positions);
    }
}

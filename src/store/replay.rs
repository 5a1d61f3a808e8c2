//! An unfinished run as its journal tells it: what is queued, what is settled, how far the outputs are committed.
//!
//! The journal is read twice, so that what a run of any size takes in memory is a few bytes a URL: first for what is
//! settled ([`Replay::of`]), then for what is known and was not ([`Replay::known`]).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::path::Path;

use super::error::StoreError;
use super::frame::{Begin, Commit, Finish, Frame, Settle};
use super::journal::{FramePlace, Frames, Journal};
use super::passed::{PassedPage, PassedRequest};
use crate::model::{Again, HostWait, Position, Refusal, Request, RobotsNote, UrlKey, Wait};

/// The state at the last whole frame.
#[derive(Debug, Default)]
pub struct Replay {
    /// Identity of the run. Always there in a journal that opens.
    pub begin: Option<Begin>,
    /// When the first process took it up, RFC 3339.
    pub started: Option<String>,
    /// How many processes took it up.
    pub starts: u32,
    /// How many requests were admitted and not settled.
    pub queued: u64,
    /// Fingerprints of what is settled.
    pub settled: HashSet<u64, BuildHasherDefault<AsItIs>>,
    /// Requests that are to be made again, as they stand now.
    pub again: HashMap<UrlKey, Again>,
    /// Waits that hosts owe.
    pub waits: BTreeMap<String, Wait>,
    /// In which frame the latest robots.txt of each origin stands: all of them would be much to hold.
    robots: BTreeMap<String, FramePlace>,
    /// Committed length of every output journal.
    pub positions: BTreeMap<String, Position>,
    /// Set once only the publication is left.
    pub finish: Option<Finish>,
    /// Processes that took the run up since the last commit that settled anything.
    pub idle_starts: u32,
    /// Pages that were parsed alone and never settled, once for each time: what was parsed next when a process died.
    pub suspects: Vec<UrlKey>,
}

/// Takes a fingerprint, which is a hash already, as it is.
#[derive(Debug, Default)]
pub struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A URL that ended, without what is remembered of its page.
pub type Settled = Settle<PassedPage>;

/// A URL of an unfinished run.
#[derive(Debug)]
pub enum Known<'a> {
    /// Admitted, and not settled.
    Queued(&'a Request),
    /// Admitted, and settled somewhere behind.
    Done(&'a Request),
    /// It has its outcome.
    Settled(&'a Settled),
    /// Found and refused, and nothing more so far.
    Refused(&'a Refusal),
}

impl Replay {
    /// Reads a journal, hands each settle to `settled`, and leaves the journal open for appending.
    pub fn of(path: &Path, mut settled: impl FnMut(&Settled)) -> Result<(Journal, Self), StoreError> {
        let mut replay = Self::default();
        let journal = Journal::open(path, |place, frame| match frame {
            Frame::Begin(begin) => replay.begin = Some(begin),
            Frame::Start(start) => {
                replay.started.get_or_insert(start.at);
                replay.starts += 1;
                replay.idle_starts += 1;
            }
            Frame::Suspect(key) => replay.suspects.push(key),
            Frame::Finish(finish) => replay.finish = Some(finish),
            Frame::Commit(commit) => replay.commit(place, commit, &mut settled),
        })?;
        Ok((journal, replay))
    }

    fn commit(
        &mut self,
        place: FramePlace,
        commit: Commit<PassedRequest, PassedPage>,
        settled: &mut impl FnMut(&Settled),
    ) {
        if !commit.settled.is_empty() {
            self.idle_starts = 0;
        }
        let changes = commit.changes;
        self.queued += changes.admitted.len() as u64;
        self.again.extend(changes.again.into_iter().map(|again| (again.request.key, again)));
        for HostWait { host, wait } in changes.waits {
            // Of several the one that ends last: a short one does not take a long one back.
            let owed = self.waits.entry(host).or_insert(wait);
            if wait.until_ms > owed.until_ms {
                *owed = wait;
            }
        }
        self.robots.extend(changes.robots.into_iter().map(|note| (note.origin, place)));
        if !self.suspects.is_empty() {
            // Others may be settled between two deaths of the page that kills: only itself clears its name.
            self.suspects.retain(|key| commit.settled.iter().all(|settle| settle.key != *key));
        }
        for settle in &commit.settled {
            self.settled.insert(settle.key.fingerprint());
            self.again.remove(&settle.key);
            self.queued = self.queued.saturating_sub(u64::from(settle.admitted));
            settled(settle);
        }
        self.positions.extend(commit.positions);
    }

    /// Reads the latest robots.txt of each origin, one at a time.
    pub fn robots(&self, path: &Path, mut each: impl FnMut(RobotsNote)) -> Result<(), StoreError> {
        let mut frames = Frames::open(path)?;
        let places: BTreeSet<FramePlace> = self.robots.values().copied().collect();
        for place in places {
            frames.go_to(place)?;
            let next = frames.next_of::<PassedRequest, PassedPage>()?;
            let Some((_, Frame::Commit(commit))) = next else { continue };
            let latest = |note: &RobotsNote| self.robots.get(&note.origin) == Some(&place);
            commit.changes.robots.into_iter().filter(latest).for_each(&mut each);
        }
        Ok(())
    }

    /// Reads the journal again and hands over all that is known, in the order in which it became known.
    pub fn known(&self, path: &Path, mut each: impl FnMut(Known<'_>)) -> Result<(), StoreError> {
        let mut frames = Frames::open(path)?;
        while let Some((_, frame)) = frames.next_of::<Request, PassedPage>()? {
            let Frame::Commit(commit) = frame else { continue };
            for request in &commit.changes.admitted {
                let is_settled = self.settled.contains(&request.key.fingerprint());
                each(if is_settled { Known::Done(request) } else { Known::Queued(request) });
            }
            commit.changes.refused.iter().map(Known::Refused).for_each(&mut each);
            commit.settled.iter().map(Known::Settled).for_each(&mut each);
        }
        Ok(())
    }
}

/// What a run has found and refused, frame by frame, in the order in which that happened.
pub struct Refusals(Frames);

impl Refusals {
    /// Opens a journal, which may still be appended to.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Frames::open(path).map(Self)
    }

    /// The refusals of the next frame that has any.
    pub fn more(&mut self) -> Result<Option<Vec<Refusal>>, StoreError> {
        while let Some((_, frame)) = self.0.next_of::<PassedRequest, PassedPage>()? {
            if let Frame::Commit(commit) = frame
                && !commit.changes.refused.is_empty()
            {
                return Ok(Some(commit.changes.refused));
            }
        }
        Ok(None)
    }
}

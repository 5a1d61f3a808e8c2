//! Keeps sled in step with snapshot and journal, behind the commit point and off its path.
//!
//! It reads the journal itself, so that frames wait on disk and not in memory however far it is behind: a
//! rebuild of a lost index may take minutes while the crawl goes on.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::error::StoreError;
use super::frame::Frame;
use super::history::History;
use super::index::{self, Index, Mark};
use super::journal::Frames;
use super::layout::Layout;
use super::passed::PassedRequest;
use super::snapshot::Reader;
use crate::model::UrlKey;

/// Entries of a batch. Large sorted batches are what sled writes fastest, and nobody reads it while a run lives.
const BATCH: usize = 16_000;
/// How long `trawl get` may hold sled before the follower gives up for this run.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the follower is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many frames are committed.
    Committed(u64),
    /// The journal was merged into this snapshot.
    Published(u64),
}

/// The work of the follower; the caller gives it a thread.
#[derive(Debug)]
pub struct Follower {
    /// Paths of the job.
    pub layout: Layout,
    /// The run whose journal is followed.
    pub run_id: String,
    /// Snapshot that the run stands on.
    pub snapshot: u64,
    /// This boot of the machine.
    pub boot_id: String,
    /// Frames that are committed at the start.
    pub committed: u64,
}

/// An index that is behind the journal by what was read and not put into it.
struct Following {
    index: Index,
    /// How far the index is.
    mark: Mark,
    frames: Frames,
    /// How far the journal was read.
    reached: u64,
    entries: Vec<(UrlKey, History)>,
}

impl Follower {
    /// Follows until the sender is dropped, then closes sled. Only a full disk is an error of the run; any other
    /// trouble costs the index, which the next run rebuilds.
    pub fn run(self, progress: &Receiver<Progress>) -> Result<(), StoreError> {
        match self.follow(progress) {
            Err(error) if error.is_full() => Err(error),
            Err(error) => {
                tracing::warn!(%error, "the index fell behind; it is rebuilt by a later run");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn follow(&self, progress: &Receiver<Progress>) -> Result<(), StoreError> {
        // Not before there is something new: a run that is resumed has better use for the machine until it asks for its
        // first page.
        let Ok(first) = progress.recv() else { return Ok(()) };
        let mut following = self.begin(self.bring_up()?)?;
        self.catch_up(&mut following, self.committed)?;
        for word in std::iter::once(first).chain(progress) {
            match word {
                Progress::Committed(committed) => {
                    let caught_up = self.catch_up(&mut following, committed);
                    if let Err(StoreError::Index { what, full: false, .. }) = caught_up {
                        drop(following);
                        following = self.begin(self.rebuild(&what)?)?;
                        self.catch_up(&mut following, committed)?;
                    } else {
                        caught_up?;
                    }
                }
                Progress::Published(snapshot) => {
                    self.apply(&mut following)?;
                    following.index.apply(Vec::new(), &Mark { snapshot, ..Mark::default() })?;
                }
            }
        }
        self.apply(&mut following)?;
        following.index.close()
    }

    fn begin(&self, (index, mark): (Index, Mark)) -> Result<Following, StoreError> {
        let frames = Frames::open(&self.layout.journal(&self.run_id))?;
        Ok(Following { index, frames, reached: mark.frames, mark, entries: Vec::new() })
    }

    /// Reads frames up to the committed one, and applies them as batches fill up.
    fn catch_up(&self, following: &mut Following, committed: u64) -> Result<(), StoreError> {
        while following.reached < committed {
            let Some((number, frame)) = following.frames.next_of::<PassedRequest, _>()? else { break };
            if number < following.reached {
                continue;
            }
            following.reached = number + 1;
            if let Frame::Commit(commit) = frame {
                following.entries.extend(commit.into_history(&self.run_id));
            }
            if following.entries.len() >= BATCH {
                self.apply(following)?;
            }
        }
        Ok(())
    }

    /// Puts what was read into the index.
    fn apply(&self, following: &mut Following) -> Result<(), StoreError> {
        let Following { index, mark, reached, entries, .. } = following;
        if *reached > mark.frames {
            *mark = self.at(*reached);
            index.apply(std::mem::take(entries), mark)?;
        }
        Ok(())
    }

    fn at(&self, frames: u64) -> Mark {
        Mark { snapshot: self.snapshot, run_id: self.run_id.clone(), frames, ..Mark::default() }
    }

    /// An index that stands on our snapshot, rebuilt if it must be.
    fn bring_up(&self) -> Result<(Index, Mark), StoreError> {
        let expected = self.snapshot > 0 || self.committed > 2;
        if !self.layout.sled().exists() {
            if expected {
                tracing::warn!(path = %self.layout.sled().display(), "the index is gone and is rebuilt");
            }
            return self.renew();
        }
        let opened = self.open_patiently().and_then(|index| Ok((index.mark()?, index)));
        let (mark, index) = match opened {
            Ok(opened) => opened,
            Err(error) if error.is_full() => return Err(error),
            Err(error) => return self.rebuild(&error.to_string()),
        };
        match mark.as_ref().map(|mark| self.continued(mark)).transpose()?.flatten() {
            Some(mark) => Ok((index, mark)),
            None if mark.is_some_and(|mark| !mark.run_id.is_empty() && mark.run_id != self.run_id) => {
                tracing::info!(
                    "the index holds a run that was not published, or not to its end; rebuilding it"
                );
                drop(index);
                self.renew()
            }
            None => {
                drop(index);
                self.rebuild("it does not hold what it should")
            }
        }
    }

    /// Where to go on if an index with this mark holds a part of our snapshot and journal, and nothing else.
    fn continued(&self, mark: &Mark) -> Result<Option<Mark>, StoreError> {
        let ours = mark.run_id == self.run_id && mark.frames <= self.committed;
        if mark.snapshot == self.snapshot {
            let goes_on = ours || mark.run_id.is_empty();
            return Ok(goes_on.then(|| self.at(if ours { mark.frames } else { 0 })));
        }
        // A death after our journal was merged into our snapshot, and before the index was told.
        let merged = match Reader::open(&self.layout, self.snapshot) {
            Ok(reader) => reader.map(|reader| reader.merged().clone()),
            Err(StoreError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        let merged =
            merged.is_some_and(|merged| merged.base == mark.snapshot && merged.run_id == mark.run_id);
        Ok((ours && merged).then(|| self.at(mark.frames)))
    }

    fn open_patiently(&self) -> Result<Index, StoreError> {
        let began = Instant::now();
        loop {
            match Index::open(&self.layout.sled(), &self.layout.sled_mark(), &self.boot_id) {
                Err(StoreError::Index { what, .. })
                    if what.contains("could not acquire lock") && began.elapsed() < PATIENCE =>
                {
                    std::thread::sleep(Duration::from_millis(50));
                }
                other => return other,
            }
        }
    }

    fn rebuild(&self, why: &str) -> Result<(Index, Mark), StoreError> {
        tracing::warn!(path = %self.layout.sled().display(), why, "the index is set aside and rebuilt");
        self.renew()
    }

    fn renew(&self) -> Result<(Index, Mark), StoreError> {
        index::set_aside(&self.layout.sled())?;
        let _ = std::fs::remove_file(self.layout.sled_mark());
        let mut index = self.open_patiently()?;
        let history = match Reader::open(&self.layout, self.snapshot) {
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::warn!(%error, "the index begins without history");
                None
            }
            other => other?,
        };
        if let Some(mut reader) = history {
            // Marked as nothing we know until it is whole, or a kill in between would pass for a whole one.
            let unfinished = Mark { snapshot: u64::MAX, ..Mark::default() };
            while let Some(block) = reader.next()? {
                index.apply(block, &unfinished)?;
            }
        }
        let mark = self.at(0);
        index.apply(Vec::new(), &mark)?;
        Ok((index, mark))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::model::{Outcome, Span};
    use crate::store::{Begin, Commit, Journal, Page, Settle, merge};

    fn settle(n: u32) -> Settle {
        let url = format!("http://x/{n}");
        let record = Span { part: 0, offset: n.into(), length: 1 };
        let page = Page {
            url: url.clone(),
            fetched_at_ms: 0,
            status: 200,
            digest: String::new(),
            etag: None,
            last_modified: None,
            title: None,
            record,
        };
        Settle {
            key: UrlKey::of(&url),
            outcome: Outcome::Ok,
            host: "x".into(),
            admitted: true,
            status: Some(200),
            bytes: 0,
            duration_ms: None,
            parse_us: 0,
            page: Some(page),
        }
    }

    fn journal(layout: &Layout, run: &str, snapshot: u64, pages: std::ops::Range<u32>) -> u64 {
        let begin = Begin { run_id: run.into(), snapshot, sealed: String::new(), parent: None };
        let mut journal = Journal::create(&layout.journal(run), &begin).expect("creates");
        for n in pages {
            let commit = Commit { settled: vec![settle(n)], ..Commit::default() };
            journal.append(&Frame::Commit(commit)).expect("appends");
        }
        journal.sync().expect("syncs");
        journal.frames()
    }

    fn follow(layout: &Layout, run: &str, snapshot: u64, words: &[Progress], committed: u64) {
        let (tell, told) = mpsc::channel();
        for word in words {
            tell.send(*word).expect("sends");
        }
        drop(tell);
        let follower = Follower {
            layout: layout.clone(),
            run_id: run.into(),
            snapshot,
            boot_id: "boot".into(),
            committed,
        };
        follower.run(&told).expect("follows");
    }

    fn indexed(layout: &Layout) -> usize {
        let index = Index::open(&layout.sled(), &layout.sled_mark(), "boot").expect("opens");
        index.scan().inspect(|entry| assert!(entry.is_ok())).count()
    }

    #[test]
    fn it_follows_is_rebuilt_when_lost_and_forgets_what_was_not_published() {
        let dir = tempfile::tempdir().expect("temp dir");
        let layout = Layout::open(dir.path()).expect("opens");
        let frames = journal(&layout, "a", 0, 0..10);
        follow(&layout, "a", 0, &[Progress::Committed(5), Progress::Committed(frames)], frames);
        assert_eq!(indexed(&layout), 10);

        std::fs::remove_dir_all(layout.sled()).expect("removes");
        follow(&layout, "a", 0, &[Progress::Committed(frames)], frames);
        assert_eq!(indexed(&layout), 10);

        assert_eq!(merge(&layout, 0, "a", &layout.journal("a")).expect("merges"), 1);
        let frames = journal(&layout, "b", 1, 10..20);
        follow(&layout, "b", 1, &[Progress::Committed(frames)], frames);
        assert_eq!(indexed(&layout), 20);

        let frames = journal(&layout, "c", 1, 30..31);
        follow(&layout, "c", 1, &[Progress::Committed(frames)], frames);
        assert_eq!(indexed(&layout), 11, "run b was never published");
    }

    #[test]
    fn a_damaged_index_is_set_aside() {
        let dir = tempfile::tempdir().expect("temp dir");
        let layout = Layout::open(dir.path()).expect("opens");
        let frames = journal(&layout, "a", 0, 0..10);
        follow(&layout, "a", 0, &[Progress::Committed(frames)], frames);
        for entry in std::fs::read_dir(layout.sled()).expect("lists") {
            let path = entry.expect("entry").path();
            if path.is_file() {
                let length = path.metadata().expect("metadata").len();
                std::fs::write(&path, vec![0; usize::try_from(length).expect("small")]).expect("zeroes");
            }
        }
        follow(&layout, "a", 0, &[Progress::Committed(frames)], frames);
        assert_eq!(indexed(&layout), 10);
        assert!(layout.sled().with_extension("damaged").exists());
    }
}

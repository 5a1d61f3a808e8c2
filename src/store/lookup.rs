//! Reads what is known of URLs beside a run that may be alive: from sled if nobody uses it, else from the files.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::StoreError;
use super::frame::Frame;
use super::history::History;
use super::index::{Index, Mark};
use super::journal::Frames;
use super::layout::Layout;
use super::lock;
use super::snapshot::Reader;
use crate::model::UrlKey;

/// What is known of one URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its history.
    pub history: History,
    /// Whether the run that wrote it is not published yet.
    pub unpublished: bool,
}

/// The history of a job, open for reading.
pub struct Lookup {
    layout: Layout,
    snapshot: u64,
    index: Option<Index>,
    /// What the unfinished run has committed so far.
    recent: BTreeMap<UrlKey, History>,
}

impl Lookup {
    /// Opens the state of a job; `None` if it never ran.
    pub fn open(state_dir: &Path) -> Result<Option<Self>, StoreError> {
        let Some(layout) = Layout::existing(state_dir)? else { return Ok(None) };
        let snapshot = layout.newest_snapshot()?;
        let recent = match layout.unfinished()? {
            Some(journal) => committed(&journal)?,
            None => BTreeMap::new(),
        };
        let index = if recent.is_empty() && lock::holder(&layout.lock()).is_none() {
            current_index(&layout, snapshot)
        } else {
            None
        };
        Ok(Some(Self { layout, snapshot, index, recent }))
    }

    /// What is known of one URL.
    pub fn get(&self, key: UrlKey) -> Result<Option<Found>, StoreError> {
        if let Some(history) = self.recent.get(&key) {
            return Ok(Some(Found { history: history.clone(), unpublished: true }));
        }
        if let Some(Ok(history)) = self.index.as_ref().map(|index| index.get(key)) {
            return Ok(history.map(published));
        }
        let Some(mut reader) = Reader::open(&self.layout, self.snapshot)? else { return Ok(None) };
        Ok(reader.find(key)?.map(published))
    }

    /// Hands everything that is known to `each`, in the order of keys, until it says no.
    pub fn each(&self, mut each: impl FnMut(UrlKey, Found) -> bool) -> Result<(), StoreError> {
        let mut recent = self.recent.iter().peekable();
        if let Some(mut reader) = Reader::open(&self.layout, self.snapshot)? {
            while let Some(block) = reader.next()? {
                for (key, history) in block {
                    while let Some((early, history)) = recent.next_if(|(recent, _)| **recent < key) {
                        if !each(*early, Found { history: history.clone(), unpublished: true }) {
                            return Ok(());
                        }
                    }
                    let newer = recent.next_if(|(recent, _)| **recent == key);
                    let found = newer.map_or_else(
                        || published(history),
                        |(_, history)| Found { history: history.clone(), unpublished: true },
                    );
                    if !each(key, found) {
                        return Ok(());
                    }
                }
            }
        }
        for (key, history) in recent {
            if !each(*key, Found { history: history.clone(), unpublished: true }) {
                break;
            }
        }
        Ok(())
    }

    /// Lets go of the index, so that the next run finds it closed well.
    pub fn close(self) -> Result<(), StoreError> {
        self.index.map_or(Ok(()), Index::close)
    }
}

fn published(history: History) -> Found {
    Found { history, unpublished: false }
}

/// sled, if it opens and holds exactly the snapshot; whatever is wrong with it, the files answer instead.
fn current_index(layout: &Layout, snapshot: u64) -> Option<Index> {
    if snapshot == 0 || !layout.sled().exists() {
        return None;
    }
    let index = Index::open(&layout.sled(), &layout.sled_mark(), &lock::boot_id());
    let index = index.map_err(|error| tracing::debug!(%error, "answering from the snapshot")).ok()?;
    match index.mark() {
        Ok(Some(Mark { snapshot: held, run_id, .. })) if held == snapshot && run_id.is_empty() => Some(index),
        _ => {
            let _ = index.close();
            None
        }
    }
}

fn committed(journal: &Path) -> Result<BTreeMap<UrlKey, History>, StoreError> {
    let mut found = BTreeMap::new();
    let mut run_id = String::new();
    let mut frames = Frames::open(journal)?;
    while let Some((_, frame)) = frames.next()? {
        match frame {
            Frame::Begin(begin) => run_id = begin.run_id,
            Frame::Commit(commit) => {
                for settle in commit.settled {
                    if let Some(page) = settle.page {
                        found.insert(settle.key, History { run_id: run_id.clone(), page });
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

//! Reads what is known of URLs beside a run that may be alive: from sled if nobody uses it, else from the files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::error::StoreError;
use super::frame::Frame;
use super::history::History;
use super::index::{Index, Mark};
use super::journal::Frames;
use super::layout::Layout;
use super::lock;
use super::passed::PassedRequest;
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
    /// Opened at once: a run that is published beside us removes the file, but not from under us.
    reader: Option<Reader>,
    index: Option<Index>,
    /// What the unfinished run has committed so far.
    recent: BTreeMap<UrlKey, History>,
}

impl Lookup {
    /// Opens the state of a job; `None` if it never ran.
    pub fn open(state_dir: &Path) -> Result<Option<Self>, StoreError> {
        let Some(layout) = Layout::existing(state_dir)? else { return Ok(None) };
        // A publication moves the journal into the next snapshot: what is read must be from before or after it.
        let (snapshot, reader, recent) = loop {
            let (snapshot, journal) = (layout.newest_snapshot()?, layout.unfinished()?);
            let read = read(&layout, snapshot, journal.as_deref());
            if layout.newest_snapshot()? == snapshot && layout.unfinished()? == journal {
                let (reader, recent) = read?;
                break (snapshot, reader, recent);
            }
        };
        let index = if recent.is_empty() && lock::holder(&layout.lock()).is_none() {
            current_index(&layout, snapshot)
        } else {
            None
        };
        Ok(Some(Self { layout, snapshot, reader, index, recent }))
    }

    /// What is known of one URL.
    pub fn get(&mut self, key: UrlKey) -> Result<Option<Found>, StoreError> {
        if let Some(history) = self.recent.get(&key) {
            return Ok(Some(Found { history: history.clone(), unpublished: true }));
        }
        if let Some(Ok(history)) = self.index.as_mut().map(|index| index.get(key)) {
            return Ok(history.map(published));
        }
        let Some(mut reader) = self.reader()? else { return Ok(None) };
        Ok(reader.find(key)?.map(published))
    }

    /// Hands everything that is known to `each`, in the order of keys, until it says no.
    pub fn each(&mut self, mut each: impl FnMut(UrlKey, Found) -> bool) -> Result<(), StoreError> {
        let reader = self.reader()?;
        let mut recent = self.recent.iter().peekable();
        if let Some(mut reader) = reader {
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

    /// The snapshot from its beginning.
    fn reader(&mut self) -> Result<Option<Reader>, StoreError> {
        self.reader
            .take()
            .map_or_else(|| Reader::open(&self.layout, self.snapshot), |reader| Ok(Some(reader)))
    }

    /// Lets go of the index, so that the next run finds it closed well.
    pub fn close(self) -> Result<(), StoreError> {
        self.index.map_or(Ok(()), Index::close)
    }
}

fn read(
    layout: &Layout,
    snapshot: u64,
    journal: Option<&Path>,
) -> Result<(Option<Reader>, BTreeMap<UrlKey, History>), StoreError> {
    let reader = match Reader::open(layout, snapshot) {
        // The index may know; if not, this is said when it is opened again.
        Err(StoreError::Damaged { .. }) => None,
        opened => opened?,
    };
    Ok((reader, journal.map_or_else(|| Ok(BTreeMap::new()), committed)?))
}

fn published(history: History) -> Found {
    Found { history, unpublished: false }
}

/// sled, if it opens and holds exactly the snapshot; whatever is wrong with it, the files answer instead.
fn current_index(layout: &Layout, snapshot: u64) -> Option<Index> {
    if snapshot == 0 || !layout.sled().exists() {
        return None;
    }
    let index = Index::open(layout);
    let index = index.map_err(|error| tracing::debug!(%error, "answering from the snapshot")).ok()?;
    match index.mark() {
        Ok(Some(Mark { snapshot: Some(held), .. })) if held == snapshot => Some(index),
        _ => {
            let _ = index.close();
            None
        }
    }
}

fn committed(journal: &Path) -> Result<BTreeMap<UrlKey, History>, StoreError> {
    let mut found = BTreeMap::new();
    let mut run_id: Arc<str> = Arc::default();
    let mut frames = Frames::open(journal)?;
    while let Some((_, frame)) = frames.next_of::<PassedRequest, _>()? {
        match frame {
            Frame::Begin(begin) => run_id = begin.run_id.into(),
            Frame::Commit(commit) => found.extend(commit.into_history(&run_id)),
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Outcome, Span};
    use crate::store::{Begin, Commit, Journal, Page, Settle, merge};

    /// A run with a record of one page, merged onto `base` but for its journal, which is left.
    fn run(layout: &Layout, base: u64, run_id: &str) {
        let page = Page {
            url: "http://x/".into(),
            fetched_at_ms: 0,
            status: 200,
            digest: String::new(),
            etag: None,
            last_modified: None,
            title: None,
            record: Span { part: 0, offset: 0, length: 1 },
        };
        let settle = Settle {
            key: UrlKey::of("http://x/"),
            outcome: Outcome::Ok,
            host: "x".into(),
            admitted: true,
            status: Some(200),
            bytes: 0,
            duration_ms: None,
            parse_us: 0,
            page: Some(page),
        };
        let path = layout.journal(run_id);
        let begin = Begin { run_id: run_id.into(), snapshot: base, sealed: String::new(), parent: None };
        let mut journal = Journal::create(&path, &begin).expect("creates");
        journal
            .append(&Frame::Commit(Commit { settled: vec![settle], ..Commit::default() }))
            .expect("appends");
        merge(layout, base, run_id, &path).expect("merges");
    }

    #[test]
    fn a_publication_beside_it_takes_nothing_away() {
        let dir = tempfile::tempdir().expect("temp dir");
        let layout = Layout::open(dir.path()).expect("opens");
        run(&layout, 0, "a");
        std::fs::remove_file(layout.journal("a")).expect("retires");
        let mut lookup = Lookup::open(dir.path()).expect("opens").expect("has run");
        run(&layout, 1, "b");
        std::fs::remove_file(layout.snapshot(1)).expect("removes the base");
        std::fs::remove_file(layout.journal("b")).expect("retires");
        let found = lookup.get(UrlKey::of("http://x/")).expect("reads").expect("is known");
        assert_eq!((&*found.history.run_id, found.unpublished), ("a", false));
        let mut later = Lookup::open(dir.path()).expect("opens").expect("has run");
        let found = later.get(UrlKey::of("http://x/")).expect("reads").expect("is known");
        assert_eq!(&*found.history.run_id, "b");
    }
}

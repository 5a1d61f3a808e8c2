//! At publication, base and journal become the next snapshot: an external merge sort, so that memory is bounded
//! however many URLs there are. The index in sled is brought along, and nothing is read back from it.
//!
//! The journal is read once. What it says is sorted in memory piece by piece; all pieces but the last go to files.
//! Then base and pieces are merged, the newest word about a key winning.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::StoreError;
use super::frame::Frame;
use super::history::History;
use super::indexing::Indexing;
use super::journal::Frames;
use super::layout::{Layout, sync_dir};
use super::passed::PassedRequest;
use super::snapshot::{Merged, Reader, Writer};
use crate::crash;
use crate::model::UrlKey;

/// Entries that are sorted in memory: about 20 MB.
const PIECE: usize = 50_000;

/// Brings the history from snapshot `base` to the next one, by what the journal of a finished run says; and the
/// index, too. Durable on return. Gives the new number. Doing it twice gives the same.
pub fn merge(layout: &Layout, base: u64, run_id: &str, journal: &Path) -> Result<u64, StoreError> {
    if layout.newest_snapshot()? > base {
        return reindex(layout, base + 1);
    }
    merge_in_pieces(layout, base, run_id, journal, PIECE)
}

/// What a death left undone between the snapshot and the end of the index.
fn reindex(layout: &Layout, number: u64) -> Result<u64, StoreError> {
    let mut indexing = Indexing::begin(layout, number);
    if indexing.is_anew()
        && let Err(error) = put_all(layout, number, &mut indexing)
    {
        indexing.give_up(error);
    }
    indexing.finish(number)?;
    Ok(number)
}

fn put_all(layout: &Layout, number: u64, indexing: &mut Indexing) -> Result<(), StoreError> {
    let mut source = Source::base(layout, number)?;
    while let Some((key, history)) = source.next()? {
        indexing.put(key, &history);
    }
    Ok(())
}

fn merge_in_pieces(
    layout: &Layout,
    base: u64,
    run_id: &str,
    journal: &Path,
    piece: usize,
) -> Result<u64, StoreError> {
    let (number, sorting) = (base + 1, layout.snapshots().join("sorting"));
    clear(&sorting)?;
    std::fs::create_dir(&sorting).map_err(StoreError::io("create", &sorting))?;
    // In the order of age: the base, then the pieces of the journal.
    let mut sources = vec![Source::base(layout, base)?];
    sources.extend(sort(journal, run_id, &sorting, piece)?);

    let path = layout.snapshot(number);
    let unfinished = path.with_extension("writing");
    let mut writer = Writer::create(unfinished.clone(), Merged { base, run_id: run_id.to_owned() })?;
    let mut heads = BinaryHeap::new();
    for (age, source) in sources.iter_mut().enumerate() {
        heads.extend(source.peek()?.map(|key| Reverse((key, Reverse(age)))));
    }
    let mut indexing = Indexing::begin(layout, base);
    let mut last = None;
    while let Some(Reverse((key, Reverse(age)))) = heads.pop() {
        let source = &mut sources[age];
        let entry = source.next()?;
        heads.extend(source.peek()?.map(|key| Reverse((key, Reverse(age)))));
        // The newest word about a key comes first; what follows is older.
        if last != Some(key)
            && let Some(entry) = entry
        {
            if age > 0 || indexing.is_anew() {
                indexing.put(key, &entry.1);
            }
            writer.push(entry)?;
        }
        last = Some(key);
    }
    writer.finish()?;
    std::fs::rename(&unfinished, &path).map_err(StoreError::io("rename", &unfinished))?;
    sync_dir(&layout.snapshots())?;
    clear(&sorting)?;
    crash::reached("publish.snapshot");
    if sources[0].is_damaged && !indexing.is_anew() {
        // It would know of pages that the history has lost. Left without a mark, the next run makes it anew.
        return Ok(number);
    }
    indexing.finish(number)?;
    Ok(number)
}

fn clear(dir: &Path) -> Result<(), StoreError> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io("remove", dir)(error))
        }
        _ => Ok(()),
    }
}

/// The pages of a journal in sorted pieces, oldest first.
fn sort(journal: &Path, run_id: &str, sorting: &Path, size: usize) -> Result<Vec<Source>, StoreError> {
    let (mut pieces, mut piece, run_id) = (Vec::new(), Vec::new(), Arc::from(run_id));
    let mut frames = Frames::open(journal)?;
    while let Some((_, frame)) = frames.next_of::<PassedRequest, _>()? {
        let Frame::Commit(commit) = frame else { continue };
        piece.extend(commit.into_history(&run_id));
        if piece.len() >= size {
            let path = sorting.join(format!("{}.piece", pieces.len()));
            pieces.push(Source::written(path, sorted(std::mem::take(&mut piece)))?);
        }
    }
    pieces.push(Source::held(sorted(piece)));
    Ok(pieces)
}

/// In the order of keys, of each key the newest. Moves each entry once: they are large.
fn sorted(mut piece: Vec<(UrlKey, History)>) -> Vec<(UrlKey, History)> {
    piece.reverse();
    piece.sort_by_cached_key(|(key, _)| *key);
    piece.dedup_by_key(|(key, _)| *key);
    piece
}

/// Sorted entries, one at a time.
struct Source {
    reader: Option<Reader>,
    block: std::vec::IntoIter<(UrlKey, History)>,
    /// The base: if it is damaged, that must not keep a finished run from being published. History is what can be
    /// spared.
    can_be_spared: bool,
    /// Whether it was spared, or a part of it.
    is_damaged: bool,
}

impl Source {
    fn base(layout: &Layout, number: u64) -> Result<Self, StoreError> {
        let reader = match Reader::open(layout, number) {
            Err(StoreError::Damaged { path, .. }) => {
                tracing::warn!(path = %path.display(), "the history snapshot is damaged, history begins anew");
                let block = Vec::new().into_iter();
                return Ok(Self { reader: None, block, can_be_spared: true, is_damaged: true });
            }
            other => other?,
        };
        Ok(Self { reader, block: Vec::new().into_iter(), can_be_spared: true, is_damaged: false })
    }

    fn written(path: PathBuf, entries: Vec<(UrlKey, History)>) -> Result<Self, StoreError> {
        let mut writer = Writer::create(path.clone(), Merged::default())?;
        entries.into_iter().try_for_each(|entry| writer.push(entry))?;
        writer.finish()?;
        let (reader, block) = (Some(Reader::of(path)?), Vec::new().into_iter());
        Ok(Self { reader, block, can_be_spared: false, is_damaged: false })
    }

    fn held(entries: Vec<(UrlKey, History)>) -> Self {
        Self { reader: None, block: entries.into_iter(), can_be_spared: false, is_damaged: false }
    }

    fn peek(&mut self) -> Result<Option<UrlKey>, StoreError> {
        while self.block.as_slice().is_empty() {
            let Some(reader) = &mut self.reader else { return Ok(None) };
            match reader.next() {
                Ok(Some(entries)) => self.block = entries.into_iter(),
                Ok(None) => self.reader = None,
                Err(StoreError::Damaged { path, .. }) if self.can_be_spared => {
                    tracing::warn!(path = %path.display(), "the history snapshot is damaged, its rest is lost");
                    self.reader = None;
                    self.is_damaged = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.block.as_slice().first().map(|(key, _)| *key))
    }

    fn next(&mut self) -> Result<Option<(UrlKey, History)>, StoreError> {
        self.peek()?;
        Ok(self.block.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Outcome, Span};
    use crate::store::{Begin, Commit, Journal, Page, Settle};

    fn page(url: &str, status: u16) -> Page {
        let record = Span { part: 0, offset: 0, length: 1 };
        let digest = String::new();
        Page {
            url: url.into(),
            fetched_at_ms: 0,
            status,
            digest,
            etag: None,
            last_modified: None,
            title: None,
            record,
        }
    }

    #[test]
    fn of_one_journal_the_newest_word_about_a_key_counts() {
        let history = |status| History { run_id: "a".into(), page: page("http://x/", status).into() };
        let keys = [2, 1, 2, 3, 1].map(|n: u8| UrlKey::from_bytes([n; 16]));
        let piece = keys.into_iter().zip([200, 201, 202, 203, 204].map(history)).collect();
        let statuses: Vec<_> = sorted(piece).into_iter().map(|(_, history)| history.page.status).collect();
        assert_eq!(statuses, [204, 202, 203]);
    }

    /// A run that fetched these URLs, merged onto `base`.
    fn publish(layout: &Layout, base: u64, run: &str, urls: std::ops::Range<u32>) {
        let path = layout.journal(run);
        let begin = Begin { run_id: run.into(), snapshot: base, sealed: String::new(), parent: None };
        let mut journal = Journal::create(&path, &begin).expect("creates");
        let settle = |n: u32| {
            let url = format!("http://x/{n}");
            let (key, host, outcome) = (UrlKey::of(&url), "x".into(), Outcome::Ok);
            let page = Some(page(&url, 200));
            Settle {
                key,
                outcome,
                host,
                admitted: true,
                status: None,
                bytes: 0,
                duration_ms: None,
                parse_us: 0,
                page,
            }
        };
        for some in urls.collect::<Vec<_>>().chunks(100) {
            let settled = some.iter().copied().map(settle).collect();
            journal.append(&Frame::Commit(Commit { settled, ..Commit::default() })).expect("appends");
        }
        journal.sync().expect("syncs");
        // Pieces so small that most of them go to files.
        assert_eq!(merge_in_pieces(layout, base, run, &path, 300).expect("merges"), base + 1);
        assert!(!layout.snapshots().join("sorting").exists());
    }

    fn all(layout: &Layout, number: u64) -> Vec<(UrlKey, History)> {
        let mut reader = Reader::open(layout, number).expect("opens").expect("has a file");
        let mut all = Vec::new();
        while let Some(block) = reader.next().expect("reads") {
            all.extend(block);
        }
        all
    }

    #[test]
    fn a_merge_keeps_the_old_takes_the_new_and_stays_sorted() {
        let dir = tempfile::tempdir().expect("temp dir");
        let layout = Layout::open(dir.path()).expect("opens");
        publish(&layout, 0, "a", 0..1500);
        publish(&layout, 1, "b", 1000..2000);
        let entries = all(&layout, 2);
        assert_eq!(entries.len(), 2000);
        assert!(entries.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(entries.iter().filter(|(_, history)| *history.run_id == *"b").count(), 1000);
        let find =
            |url: &str| Reader::open(&layout, 2).unwrap().unwrap().find(UrlKey::of(url)).expect("reads");
        assert_eq!(find("http://x/7").map(|h| h.run_id), Some("a".into()));
        assert_eq!(find("http://x/1007").map(|h| h.run_id), Some("b".into()));
        assert_eq!(find("http://x/9999"), None);
    }

    #[test]
    fn the_index_is_that_of_the_history_whatever_is_damaged() {
        let dir = tempfile::tempdir().expect("temp dir");
        let layout = Layout::open(dir.path()).expect("opens");
        let indexed = |n: u32| {
            let mut index = super::super::index::Index::open(&layout).expect("opens");
            let found = index.get(UrlKey::of(&format!("http://x/{n}"))).expect("reads").is_some();
            (index.mark().expect("reads").expect("is marked").snapshot, found)
        };
        publish(&layout, 0, "a", 0..40);
        assert_eq!((indexed(7), indexed(40)), ((Some(1), true), (Some(1), false)));
        std::fs::write(layout.snapshot(1), "nonsense").expect("writes");
        publish(&layout, 1, "b", 35..50);
        assert_eq!(indexed(7).0, None, "it is not believed beside a history that lost pages");
        publish(&layout, 2, "c", 50..60);
        assert_eq!(
            (indexed(7), indexed(36), indexed(55)),
            ((Some(3), false), (Some(3), true), (Some(3), true))
        );
        std::fs::remove_dir_all(layout.sled()).expect("removes");
        assert_eq!(merge(&layout, 2, "c", &layout.journal("c")).expect("merges"), 3, "it was merged already");
        assert_eq!((indexed(36), indexed(7)), ((Some(3), true), (Some(3), false)));
        std::fs::write(layout.snapshot(3), "nonsense").expect("writes");
        std::fs::remove_dir_all(layout.sled()).expect("removes");
        publish(&layout, 3, "d", 60..70);
        assert_eq!(
            (indexed(65), indexed(36)),
            ((Some(4), true), (Some(4), false)),
            "anew, it has nothing to forget"
        );
    }

    #[test]
    fn a_damaged_base_costs_history_but_not_the_merge() {
        let dir = tempfile::tempdir().expect("temp dir");
        let layout = Layout::open(dir.path()).expect("opens");
        publish(&layout, 0, "a", 0..10);
        std::fs::write(layout.snapshot(1), "nonsense").expect("writes");
        publish(&layout, 1, "b", 5..15);
        assert_eq!(all(&layout, 2).len(), 10);
    }
}

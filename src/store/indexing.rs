//! Brings the index from one snapshot to the next while a publication goes through the entries in the order of their
//! keys. During a crawl nobody reads the index, so that it is not touched before.
//!
//! In sled stand blocks of entries and not single ones, because sled 0.34 costs by the put. A block begins at its key
//! and goes up to the next one's. What a run has fetched anew is merged into the blocks where it belongs; the others
//! stay as they are.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::error::StoreError;
use super::history::History;
use super::index::{self, Block, Entries, Index, Mark};
use super::layout::Layout;
use crate::crash;
use crate::model::UrlKey;

/// Entries of a block, more or less.
const ENTRIES: usize = 16;
/// Bytes of a block, before packing, above which it ends early. Sixteen blocks are a page of sled, and one above 128 KiB
/// would stand in a file of its own.
const BYTES: usize = 7 << 10;

/// An index on its way. Whatever is wrong with it costs the index, which a later publication rebuilds, and not the
/// run: only a full disk is an error, and is told at the end.
pub struct Indexing {
    changes: Option<Changes>,
    fault: Option<StoreError>,
    is_anew: bool,
}

/// The block that is written, and what is still to be written of it.
struct Changes {
    index: Index,
    entries: u64,
    block: Option<Writing>,
}

struct Writing {
    /// Where the next block that is written begins; with its first entry if that is not known.
    start: Option<UrlKey>,
    /// Where the block ends as it stands in the index.
    end: Option<UrlKey>,
    /// What it held that was not reached yet.
    old: Peekable<IntoIter<(UrlKey, History)>>,
    /// What is to be written.
    new: Entries,
    bytes: usize,
}

impl Indexing {
    /// Opens the index, which should hold the snapshot `base`. If it does not, it is set aside, and wants all entries.
    pub fn begin(layout: &Layout, base: u64) -> Self {
        match open(layout, base).and_then(|(index, entries)| {
            index.set_mark(Mark { snapshot: None, entries: 0 })?;
            crash::reached("publish.indexing");
            Ok((index, entries))
        }) {
            Ok((index, entries)) => Self {
                is_anew: entries.is_none(),
                changes: Some(Changes { index, entries: entries.unwrap_or(0), block: None }),
                fault: None,
            },
            Err(error) => Self { changes: None, fault: Some(error), is_anew: false },
        }
    }

    /// Whether it wants the entries of the base too.
    pub fn is_anew(&self) -> bool {
        self.is_anew
    }

    /// Puts an entry that is new, or newer than what stands there. Its key is above that of the last call.
    pub fn put(&mut self, key: UrlKey, history: &History) {
        if let Some(changes) = &mut self.changes
            && let Err(error) = changes.put(key, history)
        {
            self.give_up(error);
        }
    }

    /// Does without the index, because of this.
    pub fn give_up(&mut self, why: StoreError) {
        self.changes = None;
        self.fault = Some(why);
    }

    /// Ends it: the index holds this snapshot, and is closed. An `Err` only if the disk is full.
    pub fn finish(self, snapshot: u64) -> Result<(), StoreError> {
        let Self { changes, fault, .. } = self;
        let ended = match (changes, fault) {
            (_, Some(fault)) => Err(fault),
            (None, None) => Ok(()),
            (Some(changes), None) => changes.finish(snapshot),
        };
        match ended {
            Err(error) if !error.is_full() => {
                tracing::warn!(%error, "the index is not up to date; a later run rebuilds it");
                Ok(())
            }
            ended => ended,
        }
    }
}

/// The index, and how many entries it holds if they are those of the snapshot `base`.
fn open(layout: &Layout, base: u64) -> Result<(Index, Option<u64>), StoreError> {
    let path = layout.sled();
    if !path.exists() {
        if base > 0 {
            tracing::warn!(path = %path.display(), "the index is gone and is rebuilt");
        }
        return renewed(layout);
    }
    let why = match Index::open_patiently(layout).and_then(|index| Ok((index.mark()?, index))) {
        Ok((Some(Mark { snapshot, entries }), index)) if snapshot == Some(base) => {
            return Ok((index, Some(entries)));
        }
        Ok((Some(Mark { snapshot: None, .. }), index)) => {
            tracing::info!(path = %path.display(), "a publication was cut short: the index is made anew");
            drop(index);
            // Nothing is wrong with it, and room may be short.
            std::fs::remove_dir_all(&path).map_err(StoreError::io("remove", &path))?;
            return renewed(layout);
        }
        Ok(_) => "it does not hold what it should".to_owned(),
        Err(error) if error.is_full() => return Err(error),
        Err(error) => error.to_string(),
    };
    tracing::warn!(path = %path.display(), why, "the index is set aside and rebuilt");
    renewed(layout)
}

fn renewed(layout: &Layout) -> Result<(Index, Option<u64>), StoreError> {
    index::set_aside(&layout.sled())?;
    let _ = std::fs::remove_file(layout.sled_mark());
    Ok((Index::open_patiently(layout)?, None))
}

impl Changes {
    fn put(&mut self, key: UrlKey, history: &History) -> Result<(), StoreError> {
        if self.block.as_ref().is_some_and(|block| block.end.is_some_and(|end| end <= key)) {
            self.end_block()?;
        }
        let block = match &mut self.block {
            Some(block) => block,
            none => {
                let Block { start, end, entries } = self.index.block(key)?;
                let old = entries.into_iter().peekable();
                none.insert(Writing { start: Some(start), end, old, new: Vec::new(), bytes: 0 })
            }
        };
        while let Some(earlier) = block.old.next_if(|(old, _)| *old < key) {
            block.push(earlier, &mut self.index)?;
        }
        let is_known = block.old.next_if(|(old, _)| *old == key).is_some();
        self.entries += u64::from(!is_known);
        block.push((key, history.clone()), &mut self.index)
    }

    /// Writes what is left of the block.
    fn end_block(&mut self) -> Result<(), StoreError> {
        let Some(mut block) = self.block.take() else { return Ok(()) };
        while let Some(later) = block.old.next() {
            block.push(later, &mut self.index)?;
        }
        if block.new.len() > 3 * ENTRIES / 2 {
            block.write(block.new.len() / 2, &mut self.index)?;
        }
        block.write(block.new.len(), &mut self.index)
    }

    fn finish(mut self, snapshot: u64) -> Result<(), StoreError> {
        self.end_block()?;
        crash::reached("publish.indexed");
        self.index.set_mark(Mark { snapshot: Some(snapshot), entries: self.entries })?;
        self.index.close()
    }
}

impl Writing {
    fn push(&mut self, entry: (UrlKey, History), index: &mut Index) -> Result<(), StoreError> {
        self.start.get_or_insert(entry.0);
        self.bytes += weight(&entry.1);
        self.new.push(entry);
        if self.bytes >= BYTES {
            self.write(self.new.len(), index)
        } else if self.new.len() >= 2 * ENTRIES {
            self.write(ENTRIES, index)
        } else {
            Ok(())
        }
    }

    /// Writes the first entries as a block.
    fn write(&mut self, count: usize, index: &mut Index) -> Result<(), StoreError> {
        let rest = self.new.split_off(count);
        let Some(start) = self.start.filter(|_| !self.new.is_empty()) else { return Ok(()) };
        index.put(start, &self.new)?;
        self.start = rest.first().map(|(key, _)| *key);
        self.bytes = rest.iter().map(|(_, history)| weight(history)).sum();
        self.new = rest;
        Ok(())
    }
}

/// About how many bytes an entry has.
fn weight(history: &History) -> usize {
    /// Key, run, digest and numbers.
    const REST: usize = 150;
    let page = &history.page;
    let texts = [&page.title, &page.etag, &page.last_modified];
    REST + page.url.len() + texts.into_iter().flatten().map(String::len).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::model::Span;
    use crate::store::Page;

    fn history(n: u64, run_id: &str, length: usize) -> History {
        let page = Page {
            url: format!("http://x/{n}/{}", "u".repeat(length)).into(),
            fetched_at_ms: 0,
            status: 200,
            digest: String::new(),
            etag: None,
            last_modified: None,
            title: None,
            record: Span { part: 0, offset: n, length: 1 },
        };
        History { run_id: run_id.into(), page: page.into() }
    }

    fn key(n: u64) -> UrlKey {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&n.to_be_bytes());
        UrlKey::from_bytes(bytes)
    }

    /// All entries, in the order in which the blocks stand.
    fn all(index: &mut Index) -> Vec<(UrlKey, History)> {
        let (mut all, mut from) = (Vec::new(), Some(key(0)));
        while let Some(at) = from {
            let block = index.block(at).expect("reads");
            assert!(block.entries.len() <= 2 * ENTRIES, "{} in a block", block.entries.len());
            all.extend(block.entries);
            from = block.end;
        }
        all
    }

    /// Brings the index from `base` to the next snapshot by these entries.
    fn advance(layout: &Layout, base: u64, entries: &BTreeMap<u64, History>) -> bool {
        let mut indexing = Indexing::begin(layout, base);
        for (n, history) in entries {
            indexing.put(key(*n), history);
        }
        let is_anew = indexing.is_anew();
        indexing.finish(base + 1).expect("finishes");
        is_anew
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn after_any_runs_it_holds_the_newest_word_about_every_key(
            runs in prop::collection::vec(prop::collection::vec((0..600_u64, 0..4000_usize), 0..400), 1..5),
        ) {
            let dir = tempfile::tempdir().expect("temp dir");
            let layout = Layout::open(dir.path()).expect("opens");
            let mut expected = BTreeMap::new();
            for (base, run) in (0..).zip(&runs) {
                let entries: BTreeMap<u64, History> =
                    run.iter().map(|(n, length)| (*n, history(*n, &format!("run {base}"), *length))).collect();
                prop_assert_eq!(advance(&layout, base, &entries), base == 0);
                expected.extend(entries);
                let mut index = Index::open(&layout).expect("opens");
                let mark = Mark { snapshot: Some(base + 1), entries: expected.len() as u64 };
                prop_assert_eq!(index.mark().expect("reads"), Some(mark));
                let wanted: Vec<_> = expected.iter().map(|(n, history)| (key(*n), history.clone())).collect();
                prop_assert_eq!(all(&mut index), wanted);
                for n in 0..600 {
                    prop_assert_eq!(index.get(key(n)).expect("reads"), expected.get(&n).cloned());
                }
                index.close().expect("closes");
            }
        }
    }

    /// Those are never synced by sled, and their loss is not noticed.
    #[test]
    fn long_addresses_that_do_not_pack_make_no_files_of_their_own() {
        let dir = tempfile::tempdir().expect("temp dir");
        let layout = Layout::open(dir.path()).expect("opens");
        let noise =
            |n: u64| (0..20).map(|part| UrlKey::of(&format!("{n} {part}")).to_string()).collect::<String>();
        let mut entries: BTreeMap<u64, History> = (0..2_000).map(|n| (n, history(n, "a", 0))).collect();
        for (n, entry) in &mut entries {
            let page = Arc::make_mut(&mut entry.page);
            page.url = format!("{}{}", page.url, noise(*n)).into();
        }
        let (some, others) = entries.into_iter().partition(|(n, _)| n % 2 == 0);
        advance(&layout, 0, &some);
        advance(&layout, 1, &others);
        let blobs = std::fs::read_dir(layout.sled().join("blobs")).map_or(0, Iterator::count);
        assert_eq!(blobs, 0);
    }

    #[test]
    fn one_that_was_not_brought_to_its_end_is_made_anew() {
        let dir = tempfile::tempdir().expect("temp dir");
        let layout = Layout::open(dir.path()).expect("opens");
        let entries: BTreeMap<u64, History> = (0..100).map(|n| (n, history(n, "a", 0))).collect();
        advance(&layout, 0, &entries);
        let mut indexing = Indexing::begin(&layout, 1);
        indexing.put(key(7), &history(7, "b", 0));
        assert!(!indexing.is_anew());
        drop(indexing);
        let index = Index::open(&layout).expect("opens");
        assert_eq!(index.mark().expect("reads").expect("is marked").snapshot, None);
        drop(index);
        assert!(advance(&layout, 1, &entries), "it is made anew");
    }
}

//! The history of all published runs, as one immutable file of sorted blocks.
//!
//! A new snapshot is merged from the one before and a finished run's journal in passes over ranges of keys,
//! so that memory is bounded however many URLs there are. It is never read back from sled.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::codec::{self, Next};
use super::error::StoreError;
use super::frame::{Frame, Page};
use super::history::History;
use super::journal::Frames;
use super::layout::{Layout, sync_dir};
use crate::model::UrlKey;

const MAGIC: &[u8; 8] = b"TRAWLS01";
/// Entries of a block: about 100 KB before packing.
const BLOCK: usize = 512;
/// Entries of the journal that are held at once while merging: about 100 MB.
const PASS: usize = 250_000;

/// What a snapshot was merged from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// Number of the snapshot before.
    pub base: u64,
    /// The run whose journal was merged into it.
    pub run_id: String,
}

#[derive(Serialize, Deserialize)]
enum Block {
    Merged(Merged),
    Entries(Vec<(UrlKey, History)>),
    End(u64),
}

/// Reads a snapshot in the order of its keys.
pub struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    merged: Merged,
}

impl Reader {
    /// Opens the snapshot of this number. `None` for number 0, the empty history.
    pub fn open(layout: &Layout, number: u64) -> Result<Option<Self>, StoreError> {
        if number == 0 {
            return Ok(None);
        }
        let path = layout.snapshot(number);
        let file = File::open(&path).map_err(StoreError::io("open", &path))?;
        let mut file = BufReader::with_capacity(256 << 10, file);
        let mut magic = [0; MAGIC.len()];
        if file.read_exact(&mut magic).is_err() || &magic != MAGIC {
            return Err(damaged(&path));
        }
        match codec::decode(&mut file).map_err(StoreError::io("read", &path))? {
            Next::Block(_, Block::Merged(merged), _) => Ok(Some(Self { path, file, merged })),
            _ => Err(damaged(&path)),
        }
    }

    /// What it was merged from.
    pub fn merged(&self) -> &Merged {
        &self.merged
    }

    /// The next sorted block of entries; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Vec<(UrlKey, History)>>, StoreError> {
        match codec::decode(&mut self.file).map_err(StoreError::io("read", &self.path))? {
            Next::Block(_, Block::Entries(entries), _) => Ok(Some(entries)),
            Next::Block(_, Block::End(_), _) => Ok(None),
            _ => Err(damaged(&self.path)),
        }
    }

    /// What the history says of one URL.
    pub fn find(&mut self, key: UrlKey) -> Result<Option<History>, StoreError> {
        while let Some(mut entries) = self.next()? {
            if entries.last().is_some_and(|(last, _)| *last < key) {
                continue;
            }
            let at = entries.binary_search_by_key(&key, |(key, _)| *key);
            return Ok(at.ok().map(|at| entries.swap_remove(at).1));
        }
        Ok(None)
    }
}

fn damaged(path: &Path) -> StoreError {
    StoreError::Damaged {
        path: path.to_owned(),
        what: "a block of the history snapshot is broken".to_owned(),
        hint: "move it away: history begins anew, published runs are not touched",
    }
}

/// Merges snapshot `base` and the journal of a finished run into the next snapshot, durable on return.
/// Gives the new number. Doing it twice gives the same.
pub fn merge(layout: &Layout, base: u64, run_id: &str, journal: &Path) -> Result<u64, StoreError> {
    let number = base + 1;
    let path = layout.snapshot(number);
    let dir = layout.snapshots();
    let mut pages = 0_usize;
    each_page(journal, |_, _| pages += 1)?;
    let merged = Merged { base, run_id: run_id.to_owned() };
    let unfinished = path.with_extension("writing");
    let file = File::create(&unfinished).map_err(StoreError::io("create", &unfinished))?;
    let mut writer =
        Writer { path: &unfinished, file: BufWriter::new(file), block: Vec::new(), blocks: 0, entries: 0 };
    writer.begin(merged)?;
    let mut old = Old::open(layout, base)?;
    let passes = u64::try_from(pages.div_ceil(PASS).max(1)).unwrap_or(1);
    for pass in 0..passes {
        let new = updates(journal, run_id, |key| shard(key, passes) == pass)?;
        for (key, history) in new {
            while let Some(entry) = old.take_below(key)? {
                writer.push(entry)?;
            }
            old.drop_equal(key)?;
            writer.push((key, history))?;
        }
    }
    while let Some(entry) = old.take_any()? {
        writer.push(entry)?;
    }
    writer.finish()?;
    std::fs::rename(&unfinished, &path).map_err(StoreError::io("rename", &unfinished))?;
    sync_dir(&dir)?;
    Ok(number)
}

/// The range of keys, out of `passes`, that a key falls into. Ranges are in the order of keys.
fn shard(key: UrlKey, passes: u64) -> u64 {
    let high = u64::from_be_bytes(key.to_bytes()[..8].try_into().unwrap_or([0; 8]));
    u64::try_from(u128::from(high) * u128::from(passes) >> 64).unwrap_or(0)
}

fn updates(
    journal: &Path,
    run_id: &str,
    wanted: impl Fn(UrlKey) -> bool,
) -> Result<BTreeMap<UrlKey, History>, StoreError> {
    let mut found = BTreeMap::new();
    let keep = |key, page| {
        if wanted(key) {
            found.insert(key, History { run_id: run_id.to_owned(), page });
        }
    };
    each_page(journal, keep)?;
    Ok(found)
}

fn each_page(journal: &Path, mut each: impl FnMut(UrlKey, Page)) -> Result<(), StoreError> {
    let mut reader = Frames::open(journal)?;
    while let Some((_, frame)) = reader.next()? {
        if let Frame::Commit(commit) = frame {
            for settle in commit.settled {
                if let Some(page) = settle.page {
                    each(settle.key, page);
                }
            }
        }
    }
    Ok(())
}

/// The entries of the base, one at a time.
struct Old {
    reader: Option<Reader>,
    block: std::vec::IntoIter<(UrlKey, History)>,
}

impl Old {
    /// A damaged base must not keep a finished run from being published: history is what can be spared.
    fn open(layout: &Layout, base: u64) -> Result<Self, StoreError> {
        let reader = match Reader::open(layout, base) {
            Err(StoreError::Damaged { path, .. }) => {
                tracing::warn!(path = %path.display(), "the history snapshot is damaged, history begins anew");
                None
            }
            other => other?,
        };
        Ok(Self { reader, block: Vec::new().into_iter() })
    }

    fn peek(&mut self) -> Result<Option<UrlKey>, StoreError> {
        while self.block.as_slice().is_empty() {
            let Some(reader) = &mut self.reader else { return Ok(None) };
            match reader.next() {
                Ok(Some(entries)) => self.block = entries.into_iter(),
                Ok(None) => self.reader = None,
                Err(StoreError::Damaged { path, .. }) => {
                    tracing::warn!(path = %path.display(), "the history snapshot is damaged, its rest is lost");
                    self.reader = None;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.block.as_slice().first().map(|(key, _)| *key))
    }

    fn take_any(&mut self) -> Result<Option<(UrlKey, History)>, StoreError> {
        self.peek()?;
        Ok(self.block.next())
    }

    fn take_below(&mut self, key: UrlKey) -> Result<Option<(UrlKey, History)>, StoreError> {
        if self.peek()?.is_some_and(|first| first < key) { self.take_any() } else { Ok(None) }
    }

    fn drop_equal(&mut self, key: UrlKey) -> Result<(), StoreError> {
        if self.peek()? == Some(key) {
            self.take_any()?;
        }
        Ok(())
    }
}

struct Writer<'a> {
    path: &'a Path,
    file: BufWriter<File>,
    block: Vec<(UrlKey, History)>,
    blocks: u64,
    entries: u64,
}

impl Writer<'_> {
    fn begin(&mut self, merged: Merged) -> Result<(), StoreError> {
        self.file.write_all(MAGIC).map_err(StoreError::io("write", self.path))?;
        self.write(&Block::Merged(merged))
    }

    fn push(&mut self, entry: (UrlKey, History)) -> Result<(), StoreError> {
        self.block.push(entry);
        self.entries += 1;
        if self.block.len() == BLOCK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.block.is_empty() {
            return Ok(());
        }
        let entries = Block::Entries(std::mem::take(&mut self.block));
        self.write(&entries)
    }

    fn write(&mut self, block: &Block) -> Result<(), StoreError> {
        let bytes = codec::encode(self.blocks, block).map_err(StoreError::io("write", self.path))?;
        self.blocks += 1;
        self.file.write_all(&bytes).map_err(StoreError::io("write", self.path))
    }

    fn finish(mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.write(&Block::End(self.entries))?;
        self.file.flush().map_err(StoreError::io("write", self.path))?;
        self.file.get_ref().sync_all().map_err(StoreError::io("sync", self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Outcome, Span};
    use crate::store::{Begin, Commit, Journal, Settle};

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

    /// A run that fetched these URLs, merged onto `base`.
    fn publish(layout: &Layout, base: u64, run: &str, urls: std::ops::Range<u32>) {
        let path = layout.journal(run);
        let begin = Begin { run_id: run.into(), snapshot: base, sealed: String::new(), parent: None };
        let mut journal = Journal::create(&path, &begin).expect("creates");
        let settled = urls.map(|n| {
            let url = format!("http://x/{n}");
            let key = UrlKey::of(&url);
            Settle {
                key,
                outcome: Outcome::Ok,
                host: "x".into(),
                bytes: 0,
                duration_ms: None,
                parse_us: 0,
                page: Some(page(&url, 200)),
            }
        });
        journal
            .append(&Frame::Commit(Commit { settled: settled.collect(), ..Commit::default() }))
            .expect("appends");
        journal.sync().expect("syncs");
        assert_eq!(merge(layout, base, run, &path).expect("merges"), base + 1);
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
        assert_eq!(entries.iter().filter(|(_, history)| history.run_id == "b").count(), 1000);
        let find =
            |url: &str| Reader::open(&layout, 2).unwrap().unwrap().find(UrlKey::of(url)).expect("reads");
        assert_eq!(find("http://x/7").map(|h| h.run_id), Some("a".to_owned()));
        assert_eq!(find("http://x/1007").map(|h| h.run_id), Some("b".to_owned()));
        assert_eq!(find("http://x/9999"), None);
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

//! sled, held by its edges. It is only ever an index: losing it costs a rebuild, never data.
//!
//! What is known of sled 0.34.7 and minded here: a kill while it opens leaves `snap.*.generating`, which bricks
//! the next open; recovery may panic; big batches of random keys hold memory; after a full disk every call fails until it is opened anew; its flush does not survive a power cut.

use std::cell::Cell;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::codec::{Decoder, Encoder, Next};
use super::error::StoreError;
use super::history::History;
use super::layout::{Layout, replace_file, sync_dir};
use super::lock;
use crate::model::UrlKey;

/// How far the index is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Number of the snapshot that it holds; none while it is brought from one to the next.
    pub snapshot: Option<u64>,
    /// Entries at least, by which a loss is noticed.
    pub entries: u64,
}

/// Entries in the order of their keys.
pub type Entries = Vec<(UrlKey, History)>;

/// A block of the index: where it begins, and what stands in it.
pub struct Block {
    /// Its entries have this key or a higher one.
    pub start: UrlKey,
    /// Where the next block begins.
    pub end: Option<UrlKey>,
    /// What it holds.
    pub entries: Entries,
}

/// Which boot had sled open last. After another boot its files may lack what it believed to be on disk.
#[derive(Serialize, Deserialize)]
struct Opened {
    boot_id: String,
    closed: bool,
}

/// The open index.
pub struct Index {
    dir: PathBuf,
    opened: PathBuf,
    boot_id: String,
    db: Open,
    encoder: Encoder,
    decoder: Decoder,
}

/// sled as long as it is open. It syncs while it is dropped, and panics if the disk does not let it.
struct Open(Option<sled::Db>);

impl Open {
    /// `None` if it panicked.
    fn close(&mut self) -> Option<()> {
        let db = self.0.take();
        quietly(|| drop(db))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

const MARK: &[u8] = b"mark";
/// What the keys of blocks begin with.
const BLOCK: u8 = b'p';
/// Where the first block begins.
const LEAST: UrlKey = UrlKey::from_bytes([0; 16]);
/// How long `trawl get` may hold sled before a publication does without the index.
const PATIENCE: Duration = Duration::from_secs(30);
/// Cache of sled; its real use of memory is up to twice that.
const CACHE: u64 = 4 << 20;

impl Index {
    /// Opens the index of a job, or an empty one. An `Err` that is not [`StoreError::is_full`] means: set it aside.
    pub fn open(layout: &Layout) -> Result<Self, StoreError> {
        Self::of_boot(&layout.sled(), &layout.sled_mark(), &lock::boot_id())
    }

    /// The same, and waits for somebody else to let go of it.
    pub fn open_patiently(layout: &Layout) -> Result<Self, StoreError> {
        let began = Instant::now();
        loop {
            match Self::open(layout) {
                Err(StoreError::Index { what, .. })
                    if what.contains("could not acquire lock") && began.elapsed() < PATIENCE =>
                {
                    std::thread::sleep(Duration::from_millis(50));
                }
                other => return other,
            }
        }
    }

    fn of_boot(dir: &Path, opened: &Path, boot_id: &str) -> Result<Self, StoreError> {
        let fault = |what: String, full| StoreError::Index { path: dir.to_owned(), what, full };
        let last: Option<Opened> =
            std::fs::read_to_string(opened).ok().and_then(|text| serde_json::from_str(&text).ok());
        let closed = last.as_ref().is_some_and(|last| last.closed);
        // Where the system does not tell one boot from another, it may have been another.
        if last.is_some_and(|last| !last.closed && (last.boot_id != boot_id || boot_id.is_empty())) {
            return Err(fault("the machine went down while it was open".to_owned(), false));
        }
        remove_half_snapshots(dir)?;
        let config = sled::Config::new().path(dir).cache_capacity(CACHE).flush_every_ms(None);
        // Recovery of a damaged database panics in places; that must not end the run.
        let db = match quietly(|| config.open()) {
            Some(Ok(db)) => db,
            Some(Err(error)) => return Err(fault(error.to_string(), is_full(&error))),
            None => return Err(fault("its recovery panicked".to_owned(), false)),
        };
        let db = Open(Some(db));
        write_opened(opened, boot_id, false)?;
        let mut index = Self {
            dir: dir.to_owned(),
            opened: opened.to_owned(),
            boot_id: boot_id.to_owned(),
            db,
            encoder: Encoder::new().map_err(StoreError::io("write", dir))?,
            decoder: Decoder::new().map_err(StoreError::io("read", dir))?,
        };
        if !closed {
            index.check()?;
        }
        Ok(index)
    }

    /// After a death with the index open: every entry still reads, stands where it belongs, and none is missing.
    fn check(&mut self) -> Result<(), StoreError> {
        let Some(Mark { entries, snapshot: Some(_) }) = self.mark()? else { return Ok(()) };
        let (mut found, mut from) = (0, Some(LEAST));
        while let Some(key) = from {
            let block = self.block(key)?;
            let mut keys = block.entries.iter().map(|(key, _)| *key);
            let is_inside = |key: &UrlKey| *key >= block.start && block.end.is_none_or(|end| *key < end);
            if block.start != key || !keys.clone().is_sorted() || !keys.all(|key| is_inside(&key)) {
                return Err(self.fault("a block stands where it does not belong".to_owned(), false));
            }
            found += block.entries.len() as u64;
            from = block.end;
        }
        if found < entries {
            return Err(self.fault(format!("{found} of {entries} entries are left"), false));
        }
        Ok(())
    }

    /// How far it is. `None` if it is empty or says nothing sensible.
    pub fn mark(&self) -> Result<Option<Mark>, StoreError> {
        let bytes = self.guard(|db| db.get(MARK))?;
        Ok(bytes.and_then(|bytes| postcard::from_bytes(&bytes).ok()))
    }

    /// Says how far it is.
    pub fn set_mark(&self, mark: Mark) -> Result<(), StoreError> {
        let mark = postcard::to_stdvec(&mark).map_err(|error| self.fault(error.to_string(), false))?;
        self.guard(|db| db.insert(MARK, mark)).map(drop)
    }

    /// Puts a block in place of the one that begins at the same key.
    pub fn put(&mut self, start: UrlKey, entries: &Entries) -> Result<(), StoreError> {
        let encoded = self.encoder.encode(0, entries).map(sled::IVec::from);
        let block = encoded.map_err(|error| self.fault(error.to_string(), false))?;
        // A batch would hold one epoch pin however long it is, so that garbage outruns its collection.
        self.guard(|db| db.insert(block_key(start), block)).map(drop)
    }

    /// The block in which a key stands, if it stands anywhere; one without entries if there is none.
    pub fn block(&mut self, key: UrlKey) -> Result<Block, StoreError> {
        let key = block_key(key);
        let before = self.guard(|db| db.range(..=key).next_back().transpose())?;
        let (start, entries) = match before.and_then(|(start, block)| Some((key_of(&start)?, block))) {
            Some((start, block)) => (start, self.decode(&block)?),
            None => (LEAST, Vec::new()),
        };
        let behind = (Bound::Excluded(block_key(start)), Bound::Unbounded);
        let next = self.guard(|db| db.range::<[u8; 17], _>(behind).keys().next().transpose())?;
        Ok(Block { start, end: next.and_then(|next| key_of(&next)), entries })
    }

    fn decode(&mut self, block: &[u8]) -> Result<Entries, StoreError> {
        match self.decoder.decode(&mut &*block) {
            Ok(Next::Block(_, entries, _)) => Ok(entries),
            _ => Err(self.fault("a block of it is broken".to_owned(), false)),
        }
    }

    /// What is known of one URL.
    pub fn get(&mut self, key: UrlKey) -> Result<Option<History>, StoreError> {
        let mut entries = self.block(key)?.entries;
        let at = entries.binary_search_by_key(&key, |(key, _)| *key);
        Ok(at.ok().map(|at| entries.swap_remove(at).1))
    }

    /// Closes it so that another boot may trust it: flushed, and every file really on disk.
    pub fn close(self) -> Result<(), StoreError> {
        self.guard(|db| db.flush())?;
        let Self { dir, opened, boot_id, mut db, .. } = self;
        if db.close().is_none() {
            let what = "its last sync failed".to_owned();
            return Err(StoreError::Index { path: dir, what, full: false });
        }
        sync_below(&dir)?;
        write_opened(&opened, &boot_id, true)
    }

    /// Runs a call of sled. A damaged page may panic instead of failing.
    fn guard<T>(&self, call: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, StoreError> {
        match self.db.0.as_ref().and_then(|db| quietly(|| call(db))) {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(self.fault(error.to_string(), is_full(&error))),
            None => Err(self.fault("it panicked".to_owned(), false)),
        }
    }

    fn fault(&self, what: String, full: bool) -> StoreError {
        StoreError::Index { path: self.dir.clone(), what, full }
    }
}

thread_local! {
    /// Whether this thread is in a call of sled whose panic is caught.
    static IS_MINDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread, now, is one of sled's that is caught and said in our words.
pub fn is_minded_panic() -> bool {
    IS_MINDED.get()
}

/// `None` if the call panics, which sled does on some damaged files and some broken disks.
fn quietly<T>(call: impl FnOnce() -> T) -> Option<T> {
    let before = IS_MINDED.replace(true);
    let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).ok();
    IS_MINDED.set(before);
    answer
}

/// Moves a damaged database out of the way, replacing the one that was set aside before.
pub fn set_aside(dir: &Path) -> Result<PathBuf, StoreError> {
    let aside = dir.with_extension("damaged");
    let removed = match std::fs::symlink_metadata(&aside) {
        Ok(metadata) if !metadata.is_dir() => std::fs::remove_file(&aside),
        _ => std::fs::remove_dir_all(&aside),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(StoreError::io("remove", &aside)(error));
        }
        _ => {}
    }
    match std::fs::rename(dir, &aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io("set aside", dir)(error))
        }
        _ => Ok(aside),
    }
}

fn block_key(start: UrlKey) -> [u8; 17] {
    let mut bytes = [BLOCK; 17];
    bytes[1..].copy_from_slice(&start.to_bytes());
    bytes
}

/// Where a block begins; `None` if it is the key of something else.
fn key_of(bytes: &[u8]) -> Option<UrlKey> {
    let (kind, key) = bytes.split_first()?;
    (*kind == BLOCK).then_some(())?;
    key.try_into().ok().map(UrlKey::from_bytes)
}

fn write_opened(path: &Path, boot_id: &str, closed: bool) -> Result<(), StoreError> {
    let opened = Opened { boot_id: boot_id.to_owned(), closed };
    replace_file(path, serde_json::to_string(&opened).unwrap_or_default().as_bytes())
}

/// What sled has written to a file of its own, because it is large, was never synced.
fn sync_below(dir: &Path) -> Result<(), StoreError> {
    for entry in std::fs::read_dir(dir).map_err(StoreError::io("list", dir))? {
        let path = entry.map_err(StoreError::io("list", dir))?.path();
        if path.is_dir() {
            sync_below(&path)?;
        } else {
            let synced = std::fs::File::open(&path).and_then(|file| file.sync_all());
            synced.map_err(StoreError::io("sync", &path))?;
        }
    }
    sync_dir(dir)
}

/// sled reads a left-over `snap.*.generating` as its newest snapshot and then refuses to open.
fn remove_half_snapshots(dir: &Path) -> Result<(), StoreError> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(()) };
    for path in entries.filter_map(|entry| entry.ok().map(|e| e.path())) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            std::fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
    }
    Ok(())
}

fn is_full(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_left_over_of_a_kill_while_opening_does_no_harm() {
        let dir = tempfile::tempdir().expect("temp dir");
        let (sled, mark) = (dir.path().join("sled"), dir.path().join("sled.mark"));
        let wanted = Mark { snapshot: Some(3), entries: 0 };
        let index = Index::of_boot(&sled, &mark, "boot").expect("opens");
        index.set_mark(wanted).expect("is marked");
        index.close().expect("closes");
        std::fs::write(sled.join("snap.00000000000FFFFF.generating"), "half").expect("writes");
        let index = Index::of_boot(&sled, &mark, "boot").expect("opens again");
        assert_eq!(index.mark().expect("reads"), Some(wanted));
    }

    #[test]
    fn whatever_stands_in_its_place_is_set_aside_again_and_again() {
        let dir = tempfile::tempdir().expect("temp dir");
        let sled = dir.path().join("sled");
        for content in ["one", "two"] {
            std::fs::write(&sled, content).expect("writes");
            let aside = set_aside(&sled).expect("sets aside");
            assert_eq!(std::fs::read_to_string(aside).expect("reads"), content);
        }
        std::fs::create_dir(&sled).expect("creates");
        assert!(set_aside(&sled).expect("sets aside").is_dir());
        assert!(set_aside(&sled).is_ok(), "nothing there");
    }

    #[test]
    fn an_index_left_open_is_not_trusted_after_another_boot() {
        let dir = tempfile::tempdir().expect("temp dir");
        let (sled, mark) = (dir.path().join("sled"), dir.path().join("sled.mark"));
        drop(Index::of_boot(&sled, &mark, "boot").expect("opens"));
        assert!(Index::of_boot(&sled, &mark, "another").is_err());
        Index::of_boot(&sled, &mark, "boot").expect("the same boot").close().expect("closes");
        drop(Index::of_boot(&sled, &mark, "another").expect("it was closed"));
    }

    #[test]
    fn without_the_name_of_the_boot_an_index_left_open_is_not_trusted() {
        let dir = tempfile::tempdir().expect("temp dir");
        let (sled, mark) = (dir.path().join("sled"), dir.path().join("sled.mark"));
        Index::of_boot(&sled, &mark, "").expect("opens").close().expect("closes");
        drop(Index::of_boot(&sled, &mark, "").expect("it was closed"));
        assert!(Index::of_boot(&sled, &mark, "").is_err());
    }
}

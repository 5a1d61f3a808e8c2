//! sled, held by its edges. It is only ever an index: losing it costs a rebuild, never data.
//!
//! What is known of sled 0.34.7 and minded here: a kill while it opens leaves `snap.*.generating`, which bricks
//! the next open; recovery may panic; big batches of random keys hold memory; after a full disk every call fails until it is opened anew; its flush does not survive a power cut.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::history::History;
use super::layout::{replace_file, sync_dir};
use crate::model::UrlKey;

/// How far the index is: which snapshot it was built from and which frames of which journal it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Number of the snapshot.
    pub snapshot: u64,
    /// Journal applied on top; empty if none.
    pub run_id: String,
    /// Frames of that journal that are applied.
    pub frames: u64,
    /// Entries at least, by which a loss is noticed.
    pub entries: u64,
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
    entries: u64,
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

const MARK: &[u8] = b"m";
const PAGE: u8 = b'p';
/// Cache of sled; its real use of memory is up to twice that.
const CACHE: u64 = 16 << 20;

impl Index {
    /// Opens what is there, or an empty one. An `Err` that is not [`StoreError::is_full`] means: set it aside.
    pub fn open(dir: &Path, opened: &Path, boot_id: &str) -> Result<Self, StoreError> {
        let fault = |what: String, full| StoreError::Index { path: dir.to_owned(), what, full };
        let last: Option<Opened> =
            std::fs::read_to_string(opened).ok().and_then(|text| serde_json::from_str(&text).ok());
        let closed = last.as_ref().is_some_and(|last| last.closed);
        // Where the system does not tell one boot from another, it may have been another.
        if last.is_some_and(|last| !last.closed && (last.boot_id != boot_id || boot_id.is_empty())) {
            return Err(fault("the machine went down while it was open".to_owned(), false));
        }
        remove_half_snapshots(dir)?;
        let config = sled::Config::new().path(dir).cache_capacity(CACHE).flush_every_ms(Some(500));
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
            entries: 0,
        };
        index.entries = index.mark()?.map_or(0, |mark| mark.entries);
        if !closed {
            index.check()?;
        }
        Ok(index)
    }

    /// After a death with the index open: every entry still reads, and none is missing.
    fn check(&mut self) -> Result<(), StoreError> {
        let found = self.guard_scan()?;
        if found < self.entries {
            return Err(self.fault(format!("{found} of {} entries are left", self.entries), false));
        }
        self.entries = found;
        Ok(())
    }

    fn guard_scan(&self) -> Result<u64, StoreError> {
        let counted = quietly(|| self.scan().try_fold(0_u64, |count, entry| entry.map(|_| count + 1)));
        counted.unwrap_or_else(|| Err(self.fault("it panicked".to_owned(), false)))
    }

    /// How far it is. `None` if it is empty or says nothing sensible.
    pub fn mark(&self) -> Result<Option<Mark>, StoreError> {
        let bytes = self.guard(|db| db.get(MARK))?;
        Ok(bytes.and_then(|bytes| postcard::from_bytes(&bytes).ok()))
    }

    /// Puts entries in the order of their keys, then the mark. A death in between repeats the puts, which
    /// changes nothing.
    pub fn apply(&mut self, mut entries: Vec<(UrlKey, History)>, mark: &Mark) -> Result<(), StoreError> {
        // Moves each of them once: they are large.
        entries.sort_by_cached_key(|(key, _)| *key);
        // Single inserts in order are as fast as a batch, and a batch would hold one epoch pin however long it
        // is, so that garbage outruns its collection.
        for (key, history) in &entries {
            let value = self.pack(history)?;
            let old = self.guard(|db| db.insert(page_key(*key), value))?;
            self.entries += u64::from(old.is_none());
        }
        let mark = self.pack(&Mark { entries: self.entries, ..mark.clone() })?;
        self.guard(|db| db.insert(MARK, mark)).map(|_| ())
    }

    fn pack<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, StoreError> {
        postcard::to_stdvec(value).map_err(|error| self.fault(error.to_string(), false))
    }

    /// What is known of one URL.
    pub fn get(&self, key: UrlKey) -> Result<Option<History>, StoreError> {
        let bytes = self.guard(|db| db.get(page_key(key)))?;
        bytes.map(|bytes| self.unpack(&bytes)).transpose()
    }

    /// Everything, in the order of keys.
    pub fn scan(&self) -> impl Iterator<Item = Result<(UrlKey, History), StoreError>> + '_ {
        self.db.0.iter().flat_map(|db| db.scan_prefix([PAGE])).map(|entry| {
            let (key, value) = entry.map_err(|error| self.fault(error.to_string(), is_full(&error)))?;
            let key = key.get(1..17).and_then(|key| key.try_into().ok());
            let key = key.ok_or_else(|| self.fault("a key of the wrong length".to_owned(), false))?;
            Ok((UrlKey::from_bytes(key), self.unpack(&value)?))
        })
    }

    fn unpack(&self, bytes: &[u8]) -> Result<History, StoreError> {
        postcard::from_bytes(bytes).map_err(|error| self.fault(error.to_string(), false))
    }

    /// Closes it so that another boot may trust it: flushed, and every file really on disk.
    pub fn close(self) -> Result<(), StoreError> {
        self.guard(|db| db.flush())?;
        let Self { dir, opened, boot_id, mut db, .. } = self;
        if db.close().is_none() {
            let what = "its last sync failed".to_owned();
            return Err(StoreError::Index { path: dir, what, full: false });
        }
        for entry in std::fs::read_dir(&dir).map_err(StoreError::io("list", &dir))? {
            let path = entry.map_err(StoreError::io("list", &dir))?.path();
            if path.is_file() {
                let synced = std::fs::File::open(&path).and_then(|file| file.sync_all());
                synced.map_err(StoreError::io("sync", &path))?;
            }
        }
        sync_dir(&dir)?;
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

fn page_key(key: UrlKey) -> [u8; 17] {
    let mut bytes = [PAGE; 17];
    bytes[1..].copy_from_slice(&key.to_bytes());
    bytes
}

fn write_opened(path: &Path, boot_id: &str, closed: bool) -> Result<(), StoreError> {
    let opened = Opened { boot_id: boot_id.to_owned(), closed };
    replace_file(path, serde_json::to_string(&opened).unwrap_or_default().as_bytes())
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
        let wanted = Mark { snapshot: 3, ..Mark::default() };
        let mut index = Index::open(&sled, &mark, "boot").expect("opens");
        index.apply(Vec::new(), &wanted).expect("applies");
        index.close().expect("closes");
        std::fs::write(sled.join("snap.00000000000FFFFF.generating"), "half").expect("writes");
        let index = Index::open(&sled, &mark, "boot").expect("opens again");
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
        drop(Index::open(&sled, &mark, "boot").expect("opens"));
        assert!(Index::open(&sled, &mark, "another").is_err());
        Index::open(&sled, &mark, "boot").expect("the same boot").close().expect("closes");
        drop(Index::open(&sled, &mark, "another").expect("it was closed"));
    }

    #[test]
    fn without_the_name_of_the_boot_an_index_left_open_is_not_trusted() {
        let dir = tempfile::tempdir().expect("temp dir");
        let (sled, mark) = (dir.path().join("sled"), dir.path().join("sled.mark"));
        Index::open(&sled, &mark, "").expect("opens").close().expect("closes");
        drop(Index::open(&sled, &mark, "").expect("it was closed"));
        assert!(Index::open(&sled, &mark, "").is_err());
    }
}

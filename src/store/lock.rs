//! One run of a job at a time: an advisory lock that dies with its process, and says who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::StoreError;

/// Who holds a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Boot of the machine it runs on.
    pub boot_id: String,
    /// When it took the lock, RFC 3339.
    pub since: String,
}

/// The held lock of a job: of its state directory and of its output directory.
#[derive(Debug)]
pub struct JobLock {
    _files: Vec<File>,
}

impl JobLock {
    /// Takes the locks, or says who has them. Never waits for another run to end.
    pub fn take(paths: &[PathBuf], since: &str) -> Result<Self, StoreError> {
        let holder = Holder { pid: std::process::id(), boot_id: boot_id(), since: since.to_owned() };
        let files = paths.iter().map(|path| take(path, &holder)).collect::<Result<_, _>>()?;
        Ok(Self { _files: files })
    }
}

fn take(path: &Path, holder: &Holder) -> Result<File, StoreError> {
    let mut file = open(path)?;
    // `holder` below holds the lock for a moment to look at it: that must not refuse a run.
    let mut tries = 5;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if tries > 0 => {
                tries -= 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                let other = read(&mut file);
                let pid = other.as_ref().map_or(0, |other| other.pid);
                let holder = other.map_or_else(
                    || "a process that has not written its name yet".to_owned(),
                    |other| format!("process {} since {}", other.pid, other.since),
                );
                return Err(StoreError::Locked { holder, pid, path: path.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", path)(error)),
        }
    }
    let text = serde_json::to_string(holder).unwrap_or_default();
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(text.as_bytes()))
        .map_err(StoreError::io("write", path))?;
    Ok(file)
}

/// Who holds the lock at this path now, if anybody does.
pub fn holder(path: &Path) -> Option<Holder> {
    let mut file = File::open(path).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => read(&mut file),
        _ => None,
    }
}

fn open(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(StoreError::io("open", path))
}

fn read(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(4096).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Identifies the running boot of the machine; empty where the system does not say.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_told_who_has_it_and_a_left_file_does_not_block() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("lock");
        assert_eq!(holder(&path), None);
        let held = JobLock::take(std::slice::from_ref(&path), "now").expect("free");
        assert_eq!(holder(&path).map(|h| h.pid), Some(std::process::id()));
        let refused = JobLock::take(std::slice::from_ref(&path), "later").expect_err("held").to_string();
        assert!(refused.contains(&format!("process {} since now", std::process::id())), "{refused}");
        drop(held);
        assert_eq!(holder(&path), None);
        JobLock::take(&[path], "later").expect("free again");
    }
}

//! `manifest.json`: what a finished run consists of, file by file, so that a consumer can check what it loads.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::RunError;
use crate::sink::Artifact;

/// Version of the manifest itself.
pub const FORMAT_VERSION: u32 = 1;
/// Name of the manifest in a run directory.
pub const MANIFEST: &str = "manifest.json";
/// The empty file that is written last: with it, the run is whole.
pub const SUCCESS: &str = "_SUCCESS";

/// `manifest.json`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format.
    pub format_version: u32,
    /// Version of the record and outcome schemas.
    pub schema_version: u32,
    /// Version of the program.
    pub tool_version: String,
    /// The run.
    pub run_id: String,
    /// The job.
    pub job: String,
    /// The run that was published before.
    pub parent: Option<String>,
    /// Digest of the config file as it was read.
    pub config_digest: String,
    /// Whether every known URL was settled.
    pub complete: bool,
    /// Why the run ended.
    pub finish_reason: String,
    /// URLs and records in all.
    pub totals: Totals,
    /// Every file but this one and `_SUCCESS`, by path.
    pub files: Vec<Entry>,
}

/// URLs and records in all: `discovered = sum of outcomes + queued`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// URLs that were ever known.
    pub discovered: u64,
    /// URLs with an outcome.
    pub settled: u64,
    /// URLs left in the queue.
    pub queued: u64,
    /// Records.
    pub records: u64,
}

/// One file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Relative to the run directory.
    pub path: String,
    /// Length in bytes.
    pub bytes: u64,
    /// Lines, rows of a table without its heading, or 1 for a file that is one thing.
    pub records: u64,
    /// SHA-256 in hex.
    pub sha256: String,
}

impl Entry {
    /// Measures a file of the run directory, whose digest may have been taken while it was written.
    pub fn of(dir: &Path, artifact: &Artifact) -> Result<Self, RunError> {
        let path = dir.join(&artifact.path);
        let measured = match artifact.sha256 {
            Some(sha256) => fs::metadata(&path).map(|metadata| (metadata.len(), hex(&sha256))),
            None => digest(&path),
        };
        let (bytes, sha256) = measured.map_err(|error| RunError::Io { action: "read", path, error })?;
        let path = artifact.path.to_string_lossy().into_owned();
        Ok(Self { path, bytes, records: artifact.records, sha256 })
    }
}

/// Length and SHA-256 of a file, in hex.
pub fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut hasher, mut length) = (Sha256::new(), 0);
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(&buffer[..read]);
                length += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((length, hex(&hasher.finalize())))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Every file below a run directory, relative to it, in order. Symbolic links are not followed.
pub fn files_below(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else if let Ok(path) = entry.path().strip_prefix(dir) {
                found.push(path.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

//! What can go wrong with the state of a job, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// State that cannot be read or written.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The system refused.
    #[error(
        "cannot {action} `{path}`: {error}\nhint: mend that and give the same command again: what was committed is not lost"
    )]
    Io {
        /// What was tried: `open`, `write`, `sync`, ...
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// Written by a version of the program that lays its state out differently.
    #[error(
        "`{path}` has format {found}, this program writes format {known}\nhint: finish the run with the version that began it, or give the job a new `job.state_dir`"
    )]
    Version {
        /// The file that says so.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What we know.
        known: u32,
    },
    /// Bytes that no crash explains.
    #[error("`{path}` is damaged: {what}\nhint: {hint}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
        /// The way out.
        hint: &'static str,
    },
    /// Another run of the job is alive.
    #[error(
        "another run holds the job: {holder}\nhint: wait for it to end, or stop it with `kill {pid}`; `{path}` is its lock"
    )]
    Locked {
        /// Who.
        holder: String,
        /// Its process id.
        pid: u32,
        /// The lock file.
        path: PathBuf,
    },
    /// sled said no.
    #[error(
        "the index at `{path}`: {what}\nhint: give the same command again: it is made anew from the history"
    )]
    Index {
        /// Directory of sled.
        path: PathBuf,
        /// What it said.
        what: String,
        /// Whether the disk is full, which ends the run.
        full: bool,
    },
}

impl StoreError {
    /// Names the file in an IO error.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { action, path, error }
    }

    /// A journal that does not say which run it belongs to.
    pub fn no_beginning(path: &Path) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            what: "its first frame is broken".to_owned(),
            hint: "start over with `--fresh`; published runs are not touched",
        }
    }

    /// Whether the cause is a full disk or quota.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io { error, .. } => {
                matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            Self::Index { full, .. } => *full,
            _ => false,
        }
    }
}

//! Why a run could not be carried out, and the exit code that says so.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::exit::Exit;
use crate::export::ExportError;
use crate::frontier::BacklogError;
use crate::pipeline::{CommitError, PipelineError, PlanError};
use crate::sink::SinkError;
use crate::store::StoreError;

/// A run's trouble. A page's trouble is never one of these.
#[derive(Debug, Error)]
pub enum RunError {
    /// State, journal or lock.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Building the parts from the config.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The flow itself.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// Committing.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The queue cannot be written to disk or read back.
    #[error(transparent)]
    Backlog(#[from] BacklogError),
    /// The config differs from the one with which the unfinished run began.
    #[error(
        "run {run_id} is unfinished and began with another config:\n{difference}\nhint: restore the config to finish it, or give `--fresh` to set it aside and start over"
    )]
    Changed {
        /// The unfinished run.
        run_id: String,
        /// Which keys differ.
        difference: String,
    },
    /// Output or state cannot be created.
    #[error("cannot create `{path}`: {error}\nhint: choose another `{key}`, or make its parent writable")]
    Create {
        /// The directory.
        path: PathBuf,
        /// The key in the config.
        key: &'static str,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// Reading or writing a file of the run.
    #[error(
        "cannot {action} `{path}`: {error}\nhint: mend that and give the same command again: what was committed is not lost"
    )]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// `--only-source` names no source.
    #[error("no source has the id `{id}`\nhint: the sources are {known}")]
    NoSource {
        /// What was asked for.
        id: String,
        /// What there is.
        known: String,
    },
    /// An export cannot be made.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A file that would stand where only a manifest says what may stand.
    #[error(
        "`{path}` would stand in the run itself, which holds what its manifest names\nhint: choose a path outside of the run directory"
    )]
    WithinRun {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing to look at.
    #[error("no run in `{path}`\nhint: {hint}")]
    NoRun {
        /// Where it was looked for.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
    },
    /// The books do not balance.
    #[error(
        "internal error: {discovered} URLs were discovered, but {settled} settled and {queued} queued\nhint: please report this; the output is kept in `{path}`"
    )]
    Unbalanced {
        /// URLs that were ever known.
        discovered: u64,
        /// Outcomes.
        settled: u64,
        /// Left in the queue.
        queued: u64,
        /// The run directory.
        path: PathBuf,
    },
}

impl RunError {
    /// Whether what the system said is that the disk is full.
    pub fn is_full(error: Option<&io::Error>) -> bool {
        error.is_some_and(is_full)
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => store(error),
            Self::Plan(PlanError::Fetch(_) | PlanError::Source(_) | PlanError::Scope(_))
            | Self::Changed { .. } => Exit::InvalidConfig,
            Self::Pipeline(PipelineError::Commit(error)) | Self::Commit(error) => commit(error),
            Self::Pipeline(PipelineError::Task(_)) => Exit::Error,
            Self::Backlog(error) if error.is_full() => Exit::DiskFull,
            Self::Backlog(_) | Self::Pipeline(PipelineError::Source(_)) | Self::NoRun { .. } => Exit::Io,
            Self::Create { error, .. } if is_full(error) => Exit::DiskFull,
            Self::Create { .. } => Exit::CannotCreate,
            Self::Io { error, .. } => io_exit(error),
            Self::NoSource { .. } | Self::WithinRun { .. } | Self::Export(ExportError::LeftOut { .. }) => {
                Exit::Usage
            }
            Self::Export(error) => error.io().map_or(Exit::Io, io_exit),
            Self::Unbalanced { .. } => Exit::Invariant,
        }
    }
}

fn store(error: &StoreError) -> Exit {
    match error {
        _ if error.is_full() => Exit::DiskFull,
        StoreError::Io { error, .. } => io_exit(error),
        StoreError::Version { .. } => Exit::StoreVersion,
        StoreError::Locked { .. } => Exit::Locked,
        StoreError::Damaged { .. } | StoreError::Index { .. } => Exit::Io,
    }
}

fn commit(error: &CommitError) -> Exit {
    match error {
        CommitError::Sink(SinkError::Io { error, .. }) => io_exit(error),
        CommitError::Sink(SinkError::Folder { .. }) => Exit::InvalidConfig,
        CommitError::Sink(_) => Exit::Io,
        CommitError::Store(error) => store(error),
        CommitError::LowDisk { .. } => Exit::DiskFull,
        CommitError::Gone(_) => Exit::Error,
    }
}

fn io_exit(error: &io::Error) -> Exit {
    match error.kind() {
        _ if is_full(error) => Exit::DiskFull,
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Exit::CannotCreate,
        _ => Exit::Io,
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

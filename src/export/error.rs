//! Why a file could not be made of the records of a run.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// An export's trouble. The records are never harmed by it.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The system refused.
    #[error(
        "cannot {action} `{path}`: {error}\nhint: mend that, or give another path, and make it with `trawl export`"
    )]
    Io {
        /// `create`, `write`, `sync`, `rename`, `remove`, `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// A record that does not fit.
    #[error("`{path}:{line}`: {what}\nhint: `trawl verify` says whether the run is as it was written")]
    Misfit {
        /// The part, relative to the run directory.
        path: PathBuf,
        /// Which of its lines.
        line: u64,
        /// The field, and what is wrong with it.
        what: String,
    },
    /// The library of the format refused.
    #[error("cannot write `{path}`: {error}")]
    Format {
        /// The file that was to be made.
        path: PathBuf,
        /// What it said.
        #[source]
        error: Box<dyn Error + Send + Sync>,
    },
    /// A database that cannot be reached, or does not take the records.
    #[error(
        "the database does not take the records: {what}\nhint: what is not loaded yet is loaded by `trawl export`, however often it is tried"
    )]
    Database {
        /// What it said.
        what: String,
    },
    /// A format that is known, and not in this build.
    #[error(
        "this build of trawl cannot write `{format}`\nhint: build it with `--features {format}`, which is on by default"
    )]
    LeftOut {
        /// The name of the format.
        format: String,
    },
}

impl ExportError {
    /// What the system said, if it is the system's fault.
    pub fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }

    pub(super) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { action, path, error }
    }
}

/// What a writer finds; it knows neither the line nor the name of its file.
#[derive(Debug)]
pub enum Fault {
    /// The record does not fit.
    Misfit(String),
    /// The system refused.
    Io(io::Error),
    /// The library refused.
    Format(Box<dyn Error + Send + Sync>),
}

impl Fault {
    /// The error of a file that was to be made.
    pub(super) fn at(self, path: &Path) -> ExportError {
        let path = path.to_owned();
        match self {
            Self::Misfit(what) => ExportError::Format { path, error: what.into() },
            Self::Io(error) => ExportError::Io { action: "write", path, error },
            Self::Format(error) => ExportError::Format { path, error },
        }
    }
}

impl From<serde_json::Error> for Fault {
    /// A line has one line: only the column says something.
    fn from(error: serde_json::Error) -> Self {
        let words = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        match words.strip_suffix(&place) {
            Some(what) => Self::Misfit(format!("{what} at byte {}", error.column())),
            None => Self::Misfit(words),
        }
    }
}

//! Visits to files. Plain blocking code: each writer has a thread of its own, given by the pipeline.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::{Position, Span, Visit};

/// A format that visits can be written to.
pub trait Sink: Send + Sync {
    /// Name of the sink: unique in a job, and its folder in the run directory.
    fn id(&self) -> &str;

    /// Whether it reads the bytes of bodies; if none does they are dropped after parsing.
    fn needs_bodies(&self) -> bool {
        false
    }

    /// Opens the sink in the run directory `dir`. With a position, everything behind it is cut off first;
    /// without one it must be empty and is emptied.
    fn open(&self, dir: &Path, at: Option<Position>) -> Result<Box<dyn Writer>, SinkError>;
}

/// An open output journal: appends, and can be cut back to a committed position.
pub trait Writer: Send {
    /// Writes what the visit gives to this format, if anything, and says where its line stands.
    fn write(&mut self, visit: &Visit) -> Result<Option<Span>, SinkError>;

    /// Everything written so far is on disk when this returns.
    fn sync(&mut self) -> Result<Position, SinkError>;

    /// Syncs, closes, and names the finished files.
    fn finish(self: Box<Self>) -> Result<Vec<Artifact>, SinkError>;
}

/// A finished file of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Relative to the run directory.
    pub path: PathBuf,
    /// Lines, or 1 for a file that is one thing.
    pub records: u64,
}

/// Output that cannot be written, or is not what was committed.
#[derive(Debug, Error)]
pub enum SinkError {
    /// The system refused.
    #[error("sink `{sink}`: cannot {action} `{path}`: {error}")]
    Io {
        /// Id of the sink.
        sink: String,
        /// `create`, `write`, `sync`, `cut back`, `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
    /// A file is shorter than what was committed: somebody else changed it.
    #[error(
        "sink `{sink}`: `{path}` has {found} bytes, but {committed} were committed\nhint: restore the file, or start over with `--fresh`"
    )]
    Shorter {
        /// Id of the sink.
        sink: String,
        /// The file.
        path: PathBuf,
        /// Its length now.
        found: u64,
        /// Its length at the last checkpoint.
        committed: u64,
    },
}

/// One `[[sinks]]` table: `type` decides which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Settings {
    /// Bodies of pages as files.
    Pages(PagesSettings),
}

/// `[[sinks]] type = "pages"`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PagesSettings {
    /// Name of the sink.
    pub id: String,
    /// Folder in the run directory; the id if not given.
    #[serde(default)]
    pub path: Option<String>,
}

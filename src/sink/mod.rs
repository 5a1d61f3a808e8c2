//! Visits to files. Plain blocking code: each writer has a thread of its own, given by the pipeline. What one visit
//! alone decides is made by a [`Render`], where the page was read; the writer then has nothing to do but to write.

mod columns;
pub mod csv;
mod journal;
pub mod jsonl;
mod lines;
mod names;
mod packing;
pub mod pages;
mod place;
mod roll;
#[cfg(test)]
mod testing;
pub mod warc;

pub use packing::Compression;
pub use roll::Roll;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::inside;
use crate::kind::Kind;
use crate::model::{Origin, Position, Span, Visit};
use crate::units::Size;

/// Bytes of a part of text before the next one begins, unless something else is asked for.
pub const PART_BYTES: Size = Size::mib(512);

/// A format that visits can be written to.
pub trait Sink: Send + Sync {
    /// Name of the sink: unique in a job, and its folder in the run directory.
    fn id(&self) -> &str;

    /// Whether it reads the bytes of bodies; if none does they are dropped after parsing.
    fn needs_bodies(&self) -> bool {
        false
    }

    /// Whether it reads answers as they came; if none does, neither raw bodies nor sent headers are kept.
    fn needs_raw(&self) -> bool {
        false
    }

    /// What makes its lines, where each is made of one visit alone; else its writer is given the visits.
    fn render(&self) -> Option<Render> {
        None
    }

    /// Opens the sink in the run directory `dir`. With a position, everything behind it is cut off first;
    /// without one it must be empty and is emptied.
    fn open(&self, dir: &Path, at: Option<Position>) -> Result<Box<dyn Writer>, SinkError>;
}

/// Puts what a visit gives to a format, its line end included, behind what stands in the buffer; nothing if it gives
/// nothing. Called by the thread that has read the page.
pub type Render = Arc<dyn Fn(&Visit, &mut Vec<u8>) -> io::Result<()> + Send + Sync>;

/// What a writer is given of a visit.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    /// What the sink's [`Render`] has made of it.
    Line(&'a [u8]),
    /// All of it, for a sink that has none.
    Visit(&'a Visit),
}

/// An open output journal: appends, and can be cut back to a committed position.
pub trait Writer: Send {
    /// Writes what the visit gives to this format, if anything, and says where its line stands.
    fn write(&mut self, piece: Piece<'_>) -> Result<Option<Span>, SinkError>;

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
    /// SHA-256 of what was written, where all of it was written by this process: else it has to be read.
    pub sha256: Option<[u8; 32]>,
}

impl Artifact {
    /// A file whose digest nobody knows yet.
    pub fn new(path: impl Into<PathBuf>, records: u64) -> Self {
        Self { path: path.into(), records, sha256: None }
    }
}

impl<'a> Piece<'a> {
    /// The line, for a writer of lines.
    fn line(self) -> io::Result<&'a [u8]> {
        match self {
            Self::Line(line) => Ok(line),
            Self::Visit(_) => Err(io::Error::other("a visit was handed over that no line was made of")),
        }
    }

    /// The visit, for a writer of whatever it needs of one.
    fn visit(self) -> io::Result<&'a Visit> {
        match self {
            Self::Visit(visit) => Ok(visit),
            Self::Line(_) => Err(io::Error::other("the visit was dropped before it was written")),
        }
    }
}

/// Output that cannot be written, or is not what was committed.
#[derive(Debug, Error)]
pub enum SinkError {
    /// A visit that no line could be made of.
    #[error("sink `{sink}`: cannot make a line of `{url}`: {error}")]
    Render {
        /// Id of the sink.
        sink: String,
        /// The visit's URL.
        url: String,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The system refused.
    #[error(
        "sink `{sink}`: cannot {action} `{path}`: {error}\nhint: mend that and give the same command again: what was committed is not lost"
    )]
    Io {
        /// Id of the sink.
        sink: String,
        /// `create`, `write`, `pack`, `sync`, `index`, `cut back`, `remove`, `read`.
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
    /// The finished parts do not hold the lines that were written: somebody else changed them.
    #[error(
        "sink `{sink}`: the parts in `{path}` have {found} lines, but {committed} were written\nhint: restore the files, or start over with `--fresh`"
    )]
    Miscounted {
        /// Id of the sink.
        sink: String,
        /// The folder of the parts.
        path: PathBuf,
        /// Lines found.
        found: u64,
        /// Lines written.
        committed: u64,
    },
    /// The folder that the config names cannot be used.
    #[error("sink `{sink}`: {what}")]
    Folder {
        /// Id of the sink.
        sink: String,
        /// What is wrong with it.
        what: String,
    },
}

/// Something wrong with a key of a `[[sinks]]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The key within the table: `columns[2]`.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// One `[[sinks]]` table: `type` decides which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Settings {
    /// Records as JSON Lines once more: packed, rolled, or with fewer fields.
    Jsonl(jsonl::Settings),
    /// Records as tables by RFC 4180.
    Csv(csv::Settings),
    /// Requests and answers as they came, as WARC 1.1 with a CDXJ index.
    Warc(warc::Settings),
    /// Bodies of pages as files.
    Pages(pages::Settings),
}

/// The kinds of sink that a config can add: one line each feeds config errors, help and docs.
pub const SINKS: &[Kind<()>] = &[
    Kind { name: "jsonl", about: "records as JSON Lines: packed, rolled, or with fewer fields", build: () },
    Kind { name: "csv", about: "records as tables by RFC 4180", build: () },
    Kind {
        name: "warc",
        about: "requests and answers as they came, as WARC 1.1 with a CDXJ index",
        build: (),
    },
    Kind { name: "pages", about: "bodies of pages as files, with an index that lists them", build: () },
];

impl Settings {
    /// The id that the config gives.
    pub fn id(&self) -> &str {
        match self {
            Self::Jsonl(settings) => &settings.id,
            Self::Csv(settings) => &settings.id,
            Self::Warc(settings) => &settings.id,
            Self::Pages(settings) => &settings.id,
        }
    }

    /// The folder that the config names, if it is not the id.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Jsonl(settings) => settings.path.as_deref(),
            Self::Csv(settings) => settings.path.as_deref(),
            Self::Warc(settings) => settings.path.as_deref(),
            Self::Pages(settings) => settings.path.as_deref(),
        }
    }

    /// The folder in the run directory, or why the config's folder cannot be used.
    pub fn folder(&self) -> Result<PathBuf, String> {
        inside::folder(self.path().unwrap_or(self.id()))
    }

    /// What is wrong with its keys, but for id and folder.
    pub fn check(&self) -> Vec<Wrong> {
        match self {
            Self::Jsonl(settings) => settings.check(),
            Self::Csv(settings) => settings.check(),
            Self::Warc(settings) => settings.check(),
            Self::Pages(_) => Vec::new(),
        }
    }
}

/// Who crawls, and for what.
#[derive(Clone, Copy, Debug)]
pub struct Crawler<'a> {
    /// The job and the run.
    pub origin: &'a Origin,
    /// `http.user_agent`
    pub user_agent: &'a str,
    /// `politeness.obey_robots`
    pub obeys_robots: bool,
}

/// The sink that the settings describe. Nothing is touched before it is opened.
pub fn build(settings: &Settings, crawler: &Crawler<'_>) -> Box<dyn Sink> {
    let origin = crawler.origin;
    match settings {
        Settings::Jsonl(settings) => Box::new(jsonl::Jsonl::new(settings.clone(), origin.clone())),
        Settings::Csv(settings) => Box::new(csv::Csv::new(settings.clone(), origin.clone())),
        Settings::Warc(settings) => Box::new(warc::Warc::new(settings.clone(), crawler)),
        Settings::Pages(settings) => Box::new(pages::Pages::new(settings.clone())),
    }
}

/// Counts the lines of a finished file as its manifest counts them, and looks whether it is whole as far as its
/// format tells; none for a file of no format that is counted here.
pub fn count(path: &Path) -> Option<io::Result<u64>> {
    let (compression, name) = Compression::of(path.file_name()?.to_str()?);
    let count: place::Count = match Path::new(name).extension()?.to_str()? {
        "warc" => return Some(File::open(path).and_then(|file| warc::checked(&mut BufReader::new(file)))),
        "jsonl" | "cdxj" => place::count_lines,
        "csv" => csv::count_rows,
        _ => return None,
    };
    Some(File::open(path).and_then(|file| compression.reader(file)).and_then(|mut part| count(&mut *part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_settings() {
        for kind in SINKS {
            let table = serde_json::json!({ "type": kind.name, "id": "mine" });
            let settings: Settings = serde_json::from_value(table).expect(kind.name);
            let crawler = Crawler { origin: &testing::origin(), user_agent: "t", obeys_robots: true };
            assert_eq!(build(&settings, &crawler).id(), "mine");
            assert_eq!((settings.id(), settings.path(), settings.check()), ("mine", None, Vec::new()));
            assert_eq!(settings.folder(), Ok("mine".into()));
        }
    }
}

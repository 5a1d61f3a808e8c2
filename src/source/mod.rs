//! Where seeds come from. Sources only seed: they fetch nothing and decide nothing.

pub mod files;
pub mod list;
pub mod urls;

use std::path::PathBuf;

use futures::stream::BoxStream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::kind::Kind;
use crate::model::Seed;

/// A stream of seeds. Pouring it twice gives the same seeds; the frontier drops repeats.
pub trait Source: Send {
    /// The seeds, in the order of the source. An `Err` ends the run; one bad line is a [`Seed::Refused`].
    fn requests(self: Box<Self>) -> BoxStream<'static, Result<Seed, SourceError>>;
}

/// One `[[sources]]` table: `type` decides which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Settings {
    /// URLs in the config.
    Urls(urls::Settings),
    /// A file, or standard input, that lists URLs.
    List(list::Settings),
    /// Local files.
    Files(files::Settings),
}

/// The kinds of source: one line each feeds config errors, help and docs.
pub const SOURCES: &[Kind<()>] = &[
    Kind { name: "urls", about: "URLs written in the config", build: () },
    Kind {
        name: "list",
        about: "a file or standard input that lists URLs: one a line, or a column of CSV or JSON Lines",
        build: (),
    },
    Kind { name: "files", about: "local HTML, XML, JSON and text files, by globs", build: () },
];

/// What a source needs from its surroundings.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Where standard input was spooled, so that a resume can read it again.
    pub stdin_spool: Option<PathBuf>,
}

/// A source that cannot be read at all.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The file of a source cannot be opened or read.
    #[error("source `{id}`: cannot read `{path}`: {error}")]
    Read {
        /// Id of the source.
        id: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file can be read but is not what the config says.
    #[error("source `{id}`: `{path}`: {what}")]
    Format {
        /// Id of the source.
        id: String,
        /// The file.
        path: PathBuf,
        /// What was wrong and what to do.
        what: String,
    },
}

impl Settings {
    /// The id that requests and records carry.
    pub fn id(&self) -> &str {
        match self {
            Self::Urls(settings) => &settings.id,
            Self::List(settings) => &settings.id,
            Self::Files(settings) => &settings.id,
        }
    }
}

//! The `[[exports]]` tables as they are written. They say the same in every build: whether a format is in it is asked
//! elsewhere.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inside;

/// One `[[exports]]` table: `type` decides which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Settings {
    /// An Apache Parquet table with a typed column for each field.
    Parquet(File),
    /// A database in one file: a table of records and one of their fields.
    Sqlite(File),
}

/// A file in the run directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Name of the export.
    pub id: String,
    /// File in the run directory; the id with the name of the type as its ending if not given.
    #[serde(default)]
    pub path: Option<String>,
}

impl Settings {
    /// Name of the format, as `type` has it.
    pub fn format(&self) -> &'static str {
        match self {
            Self::Parquet(_) => "parquet",
            Self::Sqlite(_) => "sqlite",
        }
    }

    /// The id that the config gives.
    pub fn id(&self) -> &str {
        &self.settings().id
    }

    /// The path that the config gives.
    pub fn path(&self) -> Option<&str> {
        self.settings().path.as_deref()
    }

    /// The file relative to the run directory, or why the config's path cannot be used.
    pub fn file(&self) -> Result<PathBuf, String> {
        let named = || format!("{}.{}", self.id(), self.format());
        inside::file(&self.path().map_or_else(named, str::to_owned))
    }

    fn settings(&self) -> &File {
        match self {
            Self::Parquet(file) | Self::Sqlite(file) => file,
        }
    }
}

//! The `[[exports]]` tables as they are written. They say the same in every build: whether a format is in it is asked
//! elsewhere.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inside;
use crate::secret::Text;

/// One `[[exports]]` table: `type` decides which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Settings {
    /// An Apache Parquet table with a typed column for each field.
    Parquet(File),
    /// A database in one file: a table of records and one of their fields.
    Sqlite(File),
    /// Rows of a table in a `PostgreSQL` database, put there by `record_id`: a newer record replaces an older one.
    Postgres(Table),
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

/// A table in a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Name of the export.
    pub id: String,
    /// Address of the database: `postgres://user@host/name`. With a password, a reference to where it is kept.
    pub url: Text,
    /// The table, also as `schema.table`; made if it is not there. What was loaded is noted in another one, whose name ends in
    /// `_parts`.
    #[serde(default = "default_table")]
    pub table: String,
}

fn default_table() -> String {
    "records".to_owned()
}

impl Settings {
    /// Name of the format, as `type` has it.
    pub fn format(&self) -> &'static str {
        match self {
            Self::Parquet(_) => "parquet",
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// The id that the config gives.
    pub fn id(&self) -> &str {
        match self {
            Self::Parquet(file) | Self::Sqlite(file) => &file.id,
            Self::Postgres(table) => &table.id,
        }
    }

    /// The path that the config gives.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Parquet(file) | Self::Sqlite(file) => file.path.as_deref(),
            Self::Postgres(_) => None,
        }
    }

    /// The file relative to the run directory, if it is one, or why the config's path cannot be used.
    pub fn file(&self) -> Result<Option<PathBuf>, String> {
        if matches!(self, Self::Postgres(_)) {
            return Ok(None);
        }
        let named = || format!("{}.{}", self.id(), self.format());
        inside::file(&self.path().map_or_else(named, str::to_owned)).map(Some)
    }
}

//! A file, or standard input, that lists URLs.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[[sources]] type = "list"`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of the source in records.
    pub id: String,
    /// The file, relative to the config; `"-"` is standard input.
    #[schemars(extend("format" = "path-or-stdin"))]
    pub path: PathBuf,
    /// How it is written; told from the file's name if not given: `.csv`, `.jsonl`, else lines.
    #[serde(default)]
    pub format: Option<Format>,
    /// Column (CSV) or key (JSON Lines) that holds the URL. Needed for these two.
    #[serde(default)]
    pub column: Option<String>,
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One URL a line; empty lines and lines that begin with `#` are left out.
    Lines,
    /// CSV with a header line.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

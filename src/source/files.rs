//! Local files, by globs.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[[sources]] type = "files"`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of the source in records.
    pub id: String,
    /// Files, folders or globs (`docs/**/*.html`), relative to the config. A folder means all files
    /// below it with a known ending: html, htm, xhtml, xml, json, txt, md.
    #[schemars(extend("format" = "paths"))]
    pub paths: Vec<PathBuf>,
    /// Address that the root of the tree stands for: relative links resolve against it.
    #[serde(default)]
    pub base_url: Option<String>,
}

//! URLs written in the config.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[[sources]] type = "urls"`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of the source in records.
    pub id: String,
    /// The URLs.
    pub urls: Vec<String>,
}

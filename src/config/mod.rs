//! The config file of a job: typed, strict, every error at once.
//!
//! [`Config`] is composed from the settings of the rooms; each room owns and obeys its own. The JSON
//! Schema derived from these types drives the check of a file, so schema and check cannot disagree.
//! Nothing here is carried out: that begins in `pipeline`.

mod check;
mod limits;
mod load;
mod outputs;
mod problem;
mod read;
mod reference;
mod seeds;
mod sets;
mod shape;
mod suggest;
mod surroundings;
mod tests_table;
mod text;
mod walk;

pub use limits::{Checkpoint, Format, Host, Job, Level, Limits, Log, Records};
pub use load::{Loaded, from_text, load};
pub use problem::{ConfigErrors, Problem};
pub use read::DEFAULT_PATH;
pub use reference::reference;
pub use seeds::Seeds;
pub use surroundings::{Finding, Survey, Weight, survey};
pub use tests_table::{Ends, Links as ExpectedLinks, Test};
pub use text::{Place, shown_whole as shown};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::export;
use crate::fetch;
use crate::frontier::{Politeness, Retry};
use crate::model::ScopeSettings;
use crate::parse::RuleSettings;
use crate::sink;
use crate::source;

/// The version of the config format that this program reads.
pub const CONFIG_VERSION: u32 = 1;

/// A whole config file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Trawl config", description = "What one job crawls, how politely, and where it writes")]
pub struct Config {
    /// Version of the config format: 1.
    #[schemars(extend("const" = CONFIG_VERSION))]
    pub config_version: u32,
    /// What the job is called and where it keeps things.
    pub job: Job,
    /// What one HTTP client of the job does and refuses.
    #[serde(default)]
    pub http: fetch::Settings,
    /// How hosts are treated.
    #[serde(default)]
    pub politeness: Politeness,
    /// What is tried again.
    #[serde(default)]
    pub retry: Retry,
    /// Which links are followed.
    #[serde(default)]
    pub scope: ScopeSettings,
    /// Where a run ends early.
    #[serde(default)]
    pub limits: Limits,
    /// How often progress is made safe.
    #[serde(default)]
    pub checkpoint: Checkpoint,
    /// What records carry.
    #[serde(default)]
    pub records: Records,
    /// What is said while it runs.
    #[serde(default)]
    pub log: Log,
    /// Exceptions for single hosts, by name and port: `[hosts."example.org"]`, `[hosts."example.org:8080"]`.
    #[serde(default)]
    pub hosts: BTreeMap<String, Host>,
    /// Where URLs come from; at least one.
    #[schemars(length(min = 1))]
    pub sources: Vec<source::Settings>,
    /// Which fields the records of which pages have.
    #[serde(default)]
    pub extract: Vec<RuleSettings>,
    /// Further outputs beside `records` and `outcomes`.
    #[serde(default)]
    pub sinks: Vec<sink::Settings>,
    /// Files of other formats, made of the records when the run has ended.
    #[serde(default)]
    pub exports: Vec<export::Settings>,
    /// Pages that were kept, and what the rules are to find in them: `trawl test`.
    #[serde(default)]
    pub tests: Vec<Test>,
}

/// The JSON Schema (draft 2020-12) of a config file.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Config).to_value()
}

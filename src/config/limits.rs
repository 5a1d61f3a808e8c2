//! The tables that belong to no room: `[job]`, `[limits]`, `[checkpoint]`, `[records]`, `[hosts."x"]`, `[log]`.
//! Values and their defaults only; what they mean happens in the rooms that are handed them.

use std::collections::BTreeMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::Text;
use crate::units::{Size, Time};

/// The `[job]` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Name of the job, in records and in folder names: letters, digits, `.`, `_` and `-`, at most 64.
    pub name: String,
    /// Folder for what the job remembers from run to run, relative to the config.
    #[serde(default)]
    #[schemars(extend("format" = "path", "default" = "data/store/<name>"))]
    pub state_dir: PathBuf,
    /// Folder for the finished runs, relative to the config.
    #[serde(default)]
    #[schemars(extend("format" = "path", "default" = "data/out/<name>"))]
    pub output_dir: PathBuf,
    /// Whether each run has a `report.html`.
    #[serde(default = "yes")]
    pub report: bool,
    /// Published runs that are kept: the newest so many, and the one that `latest` names. Older ones are deleted when a
    /// run has ended; of those that failed or were set aside as many are kept. Without it, all runs are.
    pub keep_runs: Option<NonZeroUsize>,
}

/// The `[limits]` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Pages with a record that one run yields at most; without it, all there are. URLs that end otherwise, such
    /// as redirects and failures, do not count.
    pub max_pages: Option<NonZeroU64>,
    /// How long one run may fetch; without it, until all is done.
    pub max_duration: Option<Time>,
    /// Pages with a record that one run yields of one host at most; what is left of the host ends as `skipped_budget`.
    pub max_pages_per_host: Option<NonZeroU64>,
    /// Links that are followed from a seed on at most: 0 for the seeds alone. With it, a host is crawled level by
    /// level, so that every run comes to the same pages as long as links stay on their hosts.
    pub max_depth: Option<u32>,
    /// Bytes of bodies over the wire after which no new request starts.
    pub max_bytes: Option<Size>,
    /// Whether what a limit leaves in the queue is asked for by the next run, too.
    pub keep_queue: bool,
    /// The run stops, resumable, before the disk has less than this free.
    pub min_free_disk: Size,
    /// Pages held in memory at once, in bytes: bodies, and what was read out of them. Above it no new request begins.
    pub memory: Size,
    /// How long a run that is told to stop lets its requests finish.
    pub drain: Time,
}

fn yes() -> bool {
    true
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_pages: None,
            max_duration: None,
            max_pages_per_host: None,
            max_depth: None,
            max_bytes: None,
            keep_queue: false,
            min_free_disk: Size::mib(64),
            memory: Size::mib(48),
            drain: Time::secs(8),
        }
    }
}

/// The `[checkpoint]` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Checkpoint {
    /// A checkpoint is made at the latest after so many URLs.
    pub records: NonZeroUsize,
    /// A checkpoint is made at the latest after this time.
    pub every: Time,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self { records: NonZeroUsize::MIN.saturating_add(255), every: Time::secs(1) }
    }
}

/// The `[records]` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Records {
    /// Whether records carry the links of the page.
    pub links: bool,
}

impl Default for Records {
    fn default() -> Self {
        Self { links: true }
    }
}

/// A `[hosts."example.org"]` table: what is different for one host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Host {
    /// Requests in flight at once for this host, instead of `politeness.host_concurrency`.
    pub concurrency: Option<NonZeroUsize>,
    /// Least time between the starts of two requests to this host, instead of `politeness.host_delay`.
    pub delay: Option<Time>,
    /// When this host may be asked, in UTC: `["22:00-06:00"]`. Always, unless given.
    pub allowed_hours: Vec<String>,
    /// Headers of every request to this host, on top of `http.headers`.
    pub headers: BTreeMap<String, Text>,
}

/// The `[log]` table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How much is said on standard error.
    pub level: Level,
    /// How it is written.
    pub format: Format,
}

/// How much is logged; each level includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing.
    Off,
    /// What ends a run.
    Error,
    /// What somebody should look at.
    Warn,
    /// Milestones of a run.
    #[default]
    Info,
    /// Every URL.
    Debug,
    /// Everything.
    Trace,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

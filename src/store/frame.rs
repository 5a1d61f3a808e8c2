//! What the frontier journal says, frame by frame. A frame holds absolute puts under keys assigned
//! beforehand, so that replaying it twice changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Changes, Outcome, Position, Request, Span, UrlKey};

/// One frame of the journal. `R` and `P` are what a reader wants of requests and of pages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Frame<R = Request, P = Page> {
    /// The first frame: which run this is.
    Begin(Begin),
    /// A process took the run up.
    Start(Start),
    /// The commit point of a checkpoint.
    Commit(Commit<R, P>),
    /// After several deaths without a commit: this page is parsed next, alone.
    Suspect(UrlKey),
    /// Nothing is left to crawl: from here on the run is only published.
    Finish(Finish),
}

/// The identity of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// Id of the run.
    pub run_id: String,
    /// Number of the history snapshot that it stands on.
    pub snapshot: u64,
    /// The parts of the config that may not change within a run, as JSON.
    pub sealed: String,
    /// Run that was published before it.
    pub parent: Option<String>,
}

/// A process that took the run up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// When, RFC 3339.
    pub at: String,
    /// Process id.
    pub pid: u32,
    /// Boot of the machine.
    pub boot_id: String,
}

/// What a checkpoint makes true. No settle stands in an earlier frame than its admission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Commit<R = Request, P = Page> {
    /// What became known or was put off.
    pub changes: Changes<R>,
    /// URLs that ended.
    pub settled: Vec<Settle<P>>,
    /// Committed length of every output journal. Empty in frames that settle nothing.
    pub positions: BTreeMap<String, Position>,
}

impl<R, P> Default for Commit<R, P> {
    fn default() -> Self {
        Self { changes: Changes::default(), settled: Vec::new(), positions: BTreeMap::new() }
    }
}

/// How one URL ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settle<P = Page> {
    /// Which.
    pub key: UrlKey,
    /// How.
    pub outcome: Outcome,
    /// Host key.
    pub host: Arc<str>,
    /// Whether it was admitted before, and not refused at once.
    pub admitted: bool,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Bytes that came over the wire.
    pub bytes: u64,
    /// How long the fetch took, in milliseconds; none if there was none.
    pub duration_ms: Option<u64>,
    /// How long parsing took, in microseconds.
    pub parse_us: u64,
    /// What is remembered of a page that has a record.
    pub page: Option<P>,
}

/// What later runs and `trawl get` want to know of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// URL in canonical form.
    pub url: Arc<str>,
    /// When it was fetched, in milliseconds since 1970.
    pub fetched_at_ms: i64,
    /// HTTP status.
    pub status: u16,
    /// Digest of the unpacked body.
    pub digest: String,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
    /// Title, cut to some hundred bytes.
    pub title: Option<String>,
    /// Where the full record stands.
    pub record: Span,
}

/// How the crawl ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finish {
    /// `finish_reason` of the summary.
    pub reason: String,
    /// Whether every known URL was settled.
    pub complete: bool,
    /// URLs that were ever known.
    pub discovered: u64,
    /// Requests that were still queued.
    pub queued: u64,
    /// Process exit code that the publication ends with.
    pub exit: u8,
}

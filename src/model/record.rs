//! One line for the consumer, and one line for every URL whatever happened.
//!
//! Names follow the Common Crawl columnar index where it has one. Every field is always present, null
//! when empty. Adding a nullable field is a minor change; all else raises [`SCHEMA_VERSION`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::parsed::Link;
use super::url::{UrlKey, registered_domain};
use super::visit::Visit;

/// Version of the record and outcome schemas.
pub const SCHEMA_VERSION: u32 = 1;

/// What all lines of a run share.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Name of the job.
    pub job: String,
    /// Id of the run.
    pub run_id: String,
    /// Whether records carry the links of the page.
    pub links: bool,
}

/// One page, as a consumer reads it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Trawl record", description = "One fetched page or file")]
pub struct Record {
    /// Version of this schema.
    pub schema_version: u32,
    /// Hash of job and URL key: the same in every run of the job.
    pub record_id: String,
    /// The run that fetched it.
    pub run_id: String,
    /// The job.
    pub job: String,
    /// Id of the source that led here.
    pub source_id: String,
    /// URL that answered, in canonical form.
    pub url: String,
    /// 128-bit hash of `url` in hex.
    pub url_key: String,
    /// URL that was first asked for, before any redirect.
    pub url_requested: String,
    /// `<link rel=canonical>` of the page.
    pub url_canonical: Option<String>,
    /// URLs that redirected here, oldest first.
    pub redirects: Vec<String>,
    /// Host, with a port that is not the scheme's own.
    pub host: String,
    /// Registrable domain by the public suffix list.
    pub registered_domain: Option<String>,
    /// Links followed since the seed.
    pub depth: u32,
    /// URL of the page that named it.
    pub discovered_from: Option<String>,
    /// When the fetch began: RFC 3339, UTC, milliseconds.
    pub fetch_time: String,
    /// HTTP status; 200 for a local file.
    pub fetch_status: u16,
    /// From the request to the last byte, in milliseconds.
    pub fetch_duration_ms: u64,
    /// How often it was asked for in this run.
    pub fetch_attempts: u32,
    /// Bytes of the body as they came over the wire.
    pub fetch_bytes: u64,
    /// Address that answered.
    pub fetch_ip: Option<String>,
    /// `http/1.1`, `h2` or `file`.
    pub fetch_protocol: String,
    /// `ETag` header.
    pub http_etag: Option<String>,
    /// `Last-Modified` header, or the file's time in the same form.
    pub http_last_modified: Option<String>,
    /// MIME type that the server declared, without parameters, lower case.
    pub content_mime_type: Option<String>,
    /// MIME type told from the bytes.
    pub content_mime_detected: Option<String>,
    /// Charset the text was decoded with, by its WHATWG name.
    pub content_charset: Option<String>,
    /// Who named it: `bom`, `header`, `meta`, `sniffed`, `default`.
    pub content_charset_source: Option<String>,
    /// Declared languages.
    pub content_languages: Vec<String>,
    /// Bytes of the unpacked body.
    pub content_length: u64,
    /// Whether the body was cut; such bodies are the outcome `too_large`, so this is false.
    pub content_truncated: bool,
    /// `blake3:` and the hash of the unpacked body in hex.
    pub content_digest: String,
    /// Title.
    pub title: Option<String>,
    /// `<meta name=description>`.
    pub description: Option<String>,
    /// Main text; null in this version.
    pub text: Option<String>,
    /// Links of the page in document order; null if `records.links` is off.
    pub links: Option<Vec<RecordLink>>,
    /// Fields of the extraction rule; empty in this version.
    pub fields: serde_json::Map<String, serde_json::Value>,
    /// Id of the extraction rule; null in this version.
    pub extract_rule: Option<String>,
    /// What was odd about the page.
    pub extract_warnings: Vec<String>,
}

/// A link in a record.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordLink {
    /// Absolute URL.
    pub url: String,
    /// The `rel` attribute.
    pub rel: Option<String>,
}

/// How one URL ended: there is one such line for every URL of a run.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Trawl outcome", description = "How one URL ended")]
pub struct OutcomeLine {
    /// Version of this schema.
    pub schema_version: u32,
    /// The run.
    pub run_id: String,
    /// URL in canonical form, or the raw text where it is none.
    pub url: String,
    /// 128-bit hash of `url` in hex.
    pub url_key: String,
    /// Id of the source that led here.
    pub source_id: String,
    /// Row of the closed table of outcomes.
    pub outcome: String,
    /// Why, in words.
    pub reason: Option<String>,
    /// Where the rule or the line stands that decided it.
    pub rule: Option<String>,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Where it failed: `connect`, `transfer`, `decode`, `read`.
    pub stage: Option<String>,
    /// Target of a redirect.
    pub target: Option<String>,
    /// URL of the page that named it.
    pub discovered_from: Option<String>,
    /// How often it was asked for.
    pub attempts: u32,
    /// When the fetch began; null where nothing was fetched.
    pub time: Option<String>,
}

//! What one hop brought, or why it brought nothing.

use std::fs::File;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Version};
use jiff::Timestamp;
use url::Url;

use super::outcome::Outcome;

/// The protocol of an answer, as records name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// A local file.
    File,
}

impl Protocol {
    /// The name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2",
            Self::File => "file",
        }
    }
}

/// A body in a file without a name: the system frees it with the last handle, however the process ends.
#[derive(Debug)]
pub struct Spool {
    /// Read it at offsets of your own: its position is shared.
    pub file: File,
    /// How long it is.
    pub bytes: u64,
}

/// What only an archive wants to know of an exchange.
#[derive(Clone, Debug, Default)]
pub struct Wire {
    /// Headers that were sent, but for those that carry credentials; none for a local file.
    pub sent: HeaderMap,
    /// The version that the status line named.
    pub version: Version,
    /// The reason phrase, where it is not the usual one.
    pub reason: Option<Bytes>,
}

/// The answer to one request: one hop, body as it came over the wire.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// HTTP status; 200 for a local file that was read.
    pub status: u16,
    /// Headers as they came. A local file has `last-modified` and `content-length`.
    pub headers: HeaderMap,
    /// Body before any `Content-Encoding` is undone; empty if it lies in `spool`.
    pub body: Bytes,
    /// The body where it is too large for memory: only that of a sitemap or feed.
    pub spool: Option<Arc<Spool>>,
    /// When the request began.
    pub started: Timestamp,
    /// From the start of the request to the last byte of the body.
    pub duration: Duration,
    /// The address that answered; none for a file or behind a proxy.
    pub ip: Option<IpAddr>,
    /// How it came.
    pub protocol: Protocol,
    /// There only if a sink keeps answers as they came: then the body is kept, too, until it is committed.
    pub wire: Option<Box<Wire>>,
    /// The address that answered, where it was parsed on the way: whoever needs its parts need not parse it again.
    pub url: Option<Url>,
}

impl Fetched {
    /// A header as text, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// How many bytes of body came over the wire, before any `Content-Encoding` is undone.
    pub fn wire_bytes(&self) -> u64 {
        self.spool.as_ref().map_or(self.body.len() as u64, |spool| spool.bytes)
    }

    /// The MIME type that the server declared: lower case, without parameters.
    pub fn declared_mime(&self) -> Option<String> {
        let value = self.header("content-type")?;
        let essence = value.split(';').next().unwrap_or(value).trim();
        (!essence.is_empty()).then(|| essence.to_ascii_lowercase())
    }
}

/// Where in a page's life something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before any byte was sent: address, DNS, connection, TLS.
    Connect,
    /// Between the request and the last byte of the answer.
    Transfer,
    /// Undoing the `Content-Encoding`.
    Decode,
    /// Opening or reading a local file.
    Read,
}

impl Stage {
    /// The name in outcome lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Transfer => "transfer",
            Self::Decode => "decode",
            Self::Read => "read",
        }
    }
}

/// Why one hop brought no answer. Data, not an error of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where it failed.
    pub stage: Stage,
    /// How the URL ends, unless it is tried again.
    pub cause: Outcome,
    /// What was wrong, in words.
    pub detail: String,
    /// Whether it was sent on a connection that had stood before, and the connection broke before the head of its
    /// answer was whole:
    /// the server may have closed it without looking at the request.
    pub stale: bool,
}

impl Failure {
    /// A failure in words, not of a stale connection.
    pub fn new(stage: Stage, cause: Outcome, detail: impl Into<String>) -> Self {
        Self { stage, cause, detail: detail.into(), stale: false }
    }
}

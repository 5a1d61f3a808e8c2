//! What one hop brought, or why it brought nothing.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;

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

/// The answer to one request: one hop, body as it came over the wire.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// HTTP status; 200 for a local file that was read.
    pub status: u16,
    /// Headers as they came. A local file has `last-modified` and `content-length`.
    pub headers: HeaderMap,
    /// Body before any `Content-Encoding` is undone.
    pub body: Bytes,
    /// When the request began.
    pub started: Timestamp,
    /// From the start of the request to the last byte of the body.
    pub duration: Duration,
    /// The address that answered; none for a file or behind a proxy.
    pub ip: Option<IpAddr>,
    /// How it came.
    pub protocol: Protocol,
}

impl Fetched {
    /// A header as text, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
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
}

impl Failure {
    /// A failure in words.
    pub fn new(stage: Stage, cause: Outcome, detail: impl Into<String>) -> Self {
        Self { stage, cause, detail: detail.into() }
    }
}

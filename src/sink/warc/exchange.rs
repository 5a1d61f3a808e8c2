//! A visit as an archive sees it: its request and its answer as HTTP/1.1 messages, and what is said about them. Pure.

use std::fmt::Write as _;
use std::io;

use http::header::{HeaderMap, TRANSFER_ENCODING};
use http::{StatusCode, Version};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use url::{Position, Url};

use super::record::{Payload, Record, push_field, record_id};
use crate::model::{Fetched, Origin, Protocol, Visit, Wire};

/// The chunks of a body are undone, so that the header is no longer true: its name says that it is a note.
const NOTED_TRANSFER_ENCODING: &str = "X-Crawler-Transfer-Encoding";

/// An answer with all that an archive wants.
pub(super) struct Exchange<'a> {
    visit: &'a Visit,
    fetched: &'a Fetched,
    wire: &'a Wire,
}

impl<'a> Exchange<'a> {
    /// The exchange of a visit; none if nothing was answered. An error if the answer was not kept as it came.
    pub(super) fn of(visit: &'a Visit) -> io::Result<Option<Self>> {
        let Some(fetched) = &visit.fetched else { return Ok(None) };
        match &fetched.wire {
            Some(wire) if fetched.wire_bytes() == visit.wire_bytes => Ok(Some(Self { visit, fetched, wire })),
            _ => Err(io::Error::other("the answer was dropped before it was written")),
        }
    }

    pub(super) fn url(&self) -> &'a str {
        &self.visit.request.url
    }

    /// When the request began.
    pub(super) fn date(&self) -> String {
        moment(self.fetched.started)
    }

    pub(super) fn is_file(&self) -> bool {
        self.fetched.protocol == Protocol::File
    }

    /// The body before its `Content-Encoding` is undone.
    pub(super) fn payload(&self) -> Payload<'a> {
        match &self.fetched.spool {
            Some(spool) => Payload::Spooled(spool),
            None => Payload::Held(&self.fetched.body),
        }
    }

    /// The MIME type that the bytes show.
    pub(super) fn identified(&self) -> Option<&'static str> {
        self.visit.parsed.as_ref().and_then(|parsed| parsed.mime_detected)
    }

    /// The type of the record's block.
    pub(super) fn content_type(&self) -> String {
        if !self.is_file() {
            return "application/http;msgtype=response".to_owned();
        }
        let declared = self.fetched.declared_mime().or_else(|| self.identified().map(str::to_owned));
        declared.unwrap_or_else(|| "application/octet-stream".to_owned())
    }

    /// Adds what every record of the exchange names.
    pub(super) fn named(&self, record: Record) -> Record {
        let protocol = match (self.fetched.protocol, self.wire.version) {
            (Protocol::File, _) => None,
            (Protocol::Http2, _) => Some("h2"),
            (Protocol::Http1, Version::HTTP_10) => Some("http/1.0"),
            (Protocol::Http1, _) => Some("http/1.1"),
        };
        let ip = self.fetched.ip.map(|ip| ip.to_string());
        record
            .field("WARC-Target-URI", self.url())
            .maybe("WARC-IP-Address", ip.as_deref())
            .maybe("WARC-Protocol", protocol)
    }

    /// The request as a message; none for a file.
    pub(super) fn request(&self) -> Option<Vec<u8>> {
        let url = Url::parse(self.url()).ok().filter(|_| !self.is_file())?;
        let target = &url[Position::BeforePath..Position::AfterQuery];
        let mut message = format!("GET {target} HTTP/1.1\r\n").into_bytes();
        push_headers(&self.wire.sent, &mut message);
        Some(message)
    }

    /// Status line and headers of the answer; nothing for a file.
    pub(super) fn answer_head(&self) -> Vec<u8> {
        if self.is_file() {
            return Vec::new();
        }
        let version = if self.wire.version == Version::HTTP_10 { "1.0" } else { "1.1" };
        let status = self.fetched.status;
        let usual = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let reason = self.wire.reason.as_deref().or(usual.map(str::as_bytes)).unwrap_or_default();
        let mut message = format!("HTTP/{version} {status} ").into_bytes();
        message.extend_from_slice(reason);
        message.extend_from_slice(b"\r\n");
        push_headers(&self.fetched.headers, &mut message);
        message
    }

    /// Where the URL was found, how it ended and how long it took (fields of ISO 28500, 6.6, and our own).
    pub(super) fn about(&self) -> String {
        let Visit { request, ending, .. } = self.visit;
        let mut lines = String::new();
        let mut say = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                push_field(&mut lines, name, value);
            }
        };
        say("via", request.discovered_from.as_deref());
        say("hopsFromSeed", Some(&request.depth.to_string()));
        say("fetchTimeMs", Some(&self.fetched.duration.as_millis().to_string()));
        say("source", Some(&request.source));
        say("outcome", Some(ending.outcome.name()));
        say("reason", ending.reason.as_deref());
        lines
    }
}

/// Headers and the blank line behind them.
fn push_headers(headers: &HeaderMap, message: &mut Vec<u8>) {
    for (name, value) in headers {
        let name = if name == TRANSFER_ENCODING { NOTED_TRANSFER_ENCODING } else { name.as_str() };
        message.extend_from_slice(name.as_bytes());
        message.extend_from_slice(b": ");
        message.extend_from_slice(value.as_bytes());
        message.extend_from_slice(b"\r\n");
    }
    message.extend_from_slice(b"\r\n");
}

/// A moment as records name it, the same wherever one refers to another.
pub(super) fn moment(time: Timestamp) -> String {
    let mut text = String::new();
    let _ = write!(text, "{time:.3}");
    text
}

/// The id of a record about something, in a run of a job.
pub(super) fn id(origin: &Origin, what: &str, kind: &str) -> String {
    record_id(&format!("trawl\0{}\0{}\0{what}\0{kind}", origin.job, origin.run_id))
}

/// When a run began, which its id says: `20261121T020000Z-7f3a`.
pub(super) fn began(origin: &Origin) -> Option<Timestamp> {
    let time = origin.run_id.split('-').next()?;
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", time).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

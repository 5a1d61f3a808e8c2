//! One local file as an answer. Reads regular files only and never waits for one: FIFOs, devices and
//! sockets are refused before and after opening, and opening does not block.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::sync::Semaphore;
use url::Url;

use super::settings::Settings;
use crate::model::{Failure, Fetched, Outcome, Protocol, Stage};
use crate::units::{Size, Time};

/// Files read at the same time: enough to keep a disk busy, without a thread for each file in flight.
const READERS: usize = 8;

/// The type of a file by its ending. Charsets are left to the bytes.
const TYPES: &[(&str, &str)] = &[
    ("html", "text/html"),
    ("htm", "text/html"),
    ("xhtml", "application/xhtml+xml"),
    ("xht", "application/xhtml+xml"),
    ("xml", "application/xml"),
    ("rss", "application/rss+xml"),
    ("atom", "application/atom+xml"),
    ("svg", "image/svg+xml"),
    ("json", "application/json"),
    ("jsonl", "application/jsonl"),
    ("txt", "text/plain"),
    ("text", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("css", "text/css"),
    ("js", "text/javascript"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("gz", "application/gzip"),
    ("zip", "application/zip"),
];

/// Reads local files.
pub(super) struct Files {
    readers: Arc<Semaphore>,
    total: Duration,
    max_body: u64,
}

impl Files {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            readers: Arc::new(Semaphore::new(READERS)),
            total: settings.timeout.total.0,
            max_body: settings.max_body.0,
        }
    }

    /// Reads one file on one blocking thread. A file system that hangs ends as a timeout here, though its
    /// thread stays with it.
    pub(super) async fn fetch(&self, url: &Url) -> Result<Fetched, Failure> {
        let path = url.to_file_path().map_err(|()| unreadable("its URL names no local path"))?;
        let started = Timestamp::now();
        let clock = Instant::now();
        let max_body = self.max_body;
        let readers = Arc::clone(&self.readers);
        let work = async move {
            let permit = readers.acquire_owned().await;
            #[allow(clippy::disallowed_methods)]
            // one hop for all of stat, open and read; `READERS` bounds it
            let reading = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                read(&path, max_body).map(|(body, metadata)| (headers(&path, &body, &metadata), body))
            });
            reading.await
        };
        let (headers, body) = match tokio::time::timeout(self.total, work).await {
            Ok(Ok(result)) => result?,
            Ok(Err(_)) => return Err(unreadable("reading it was broken off")),
            Err(_) => {
                let words = format!("reading took longer than {}", Time(self.total));
                return Err(Failure::new(Stage::Read, Outcome::Timeout, words));
            }
        };
        Ok(Fetched {
            status: 200,
            headers,
            body,
            started,
            duration: clock.elapsed(),
            ip: None,
            protocol: Protocol::File,
        })
    }
}

/// What is in the file now. If it changes while it is read, the bytes that were read count.
fn read(path: &Path, max_body: u64) -> Result<(Bytes, Metadata), Failure> {
    let in_words = |error: io::Error| unreadable(&words(&error));
    // Before opening, because opening a device may do something to it.
    regular(&std::fs::metadata(path).map_err(in_words)?)?;
    let file = open(path).map_err(in_words)?;
    // And after it, because the path may lead elsewhere by now.
    let metadata = file.metadata().map_err(in_words)?;
    regular(&metadata)?;
    if metadata.len() > max_body {
        return Err(too_large(max_body));
    }
    let mut body = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0).saturating_add(1));
    file.take(max_body.saturating_add(1)).read_to_end(&mut body).map_err(in_words)?;
    if body.len() as u64 > max_body {
        return Err(too_large(max_body));
    }
    body.shrink_to_fit();
    Ok((body.into(), metadata))
}

fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::OFlags;
    let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY).bits();
    OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)
}

fn regular(metadata: &Metadata) -> Result<(), Failure> {
    match metadata {
        _ if metadata.is_file() => Ok(()),
        _ if metadata.is_dir() => Err(unreadable("it is a directory")),
        _ => Err(unreadable("it is not a regular file")),
    }
}

fn headers(path: &Path, body: &Bytes, metadata: &Metadata) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len() as u64));
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if let Some((_, mime)) = TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending)) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(mime));
    }
    if let Some(date) = metadata.modified().ok().and_then(http_date) {
        headers.insert(LAST_MODIFIED, date);
    }
    headers
}

fn http_date(time: std::time::SystemTime) -> Option<HeaderValue> {
    let timestamp = Timestamp::try_from(time).ok()?;
    let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&timestamp).ok()?;
    HeaderValue::try_from(text).ok()
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it is not there".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

fn unreadable(words: &str) -> Failure {
    Failure::new(Stage::Read, Outcome::Unreadable, words)
}

fn too_large(max_body: u64) -> Failure {
    let words = format!("the file is larger than `http.max_body`, {}", Size(max_body));
    Failure::new(Stage::Read, Outcome::TooLarge, words)
}

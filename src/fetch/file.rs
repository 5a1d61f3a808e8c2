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
            spool: None,
            started,
            duration: clock.elapsed(),
            ip: None,
            protocol: Protocol::File,
            wire: None,
            url: None,
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::super::Fetcher;
    use super::super::testing::request;
    use super::*;
    use crate::model::canonical_file;

    async fn fetch(path: &Path) -> Result<Fetched, Failure> {
        let settings = Settings { max_body: Size(100), ..Settings::default() };
        let url = canonical_file(path).expect("an absolute path");
        Fetcher::new(&settings, &BTreeMap::new(), None)
            .expect("fetcher")
            .fetch(&request(url.as_str()), &mut ())
            .await
    }

    async fn failure(path: &Path) -> String {
        let failure = fetch(path).await.map(|answer| answer.body).expect_err("a failure");
        format!("{} {} {}", failure.cause, failure.stage.name(), failure.detail)
    }

    #[tokio::test]
    async fn a_file_is_an_answer() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("a b%41#ü.HTML");
        std::fs::write(&path, "<title>x</title>").expect("write");
        let time = std::time::UNIX_EPOCH + Duration::from_secs(784_111_777);
        File::options().write(true).open(&path).expect("open").set_modified(time).expect("time");
        let answer = fetch(&path).await.expect("an answer");
        assert_eq!((answer.status, answer.protocol, answer.ip), (200, Protocol::File, None));
        assert_eq!(&answer.body[..], b"<title>x</title>");
        let header = |name| answer.header(name).expect(name);
        assert_eq!(header("content-type"), "text/html");
        assert_eq!(header("content-length"), "16");
        assert_eq!(header("last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");

        let link = dir.path().join("link");
        symlink(&path, &link).expect("link");
        let answer = fetch(&link).await.expect("an answer");
        assert_eq!((answer.body.len(), answer.header("content-type")), (16, None));
    }

    #[tokio::test]
    async fn what_is_no_regular_file_is_unreadable() {
        let dir = tempfile::tempdir().expect("dir");
        let at = |name: &str| dir.path().join(name);
        assert_eq!(failure(dir.path()).await, "unreadable read it is a directory");
        assert_eq!(failure(&at("none")).await, "unreadable read it is not there");
        assert_eq!(failure(Path::new("/dev/zero")).await, "unreadable read it is not a regular file");
        let _socket = UnixListener::bind(at("socket")).expect("socket");
        assert_eq!(failure(&at("socket")).await, "unreadable read it is not a regular file");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), rustix::fs::FileType::Fifo, mode, 0).expect("fifo");
        assert_eq!(failure(&at("fifo")).await, "unreadable read it is not a regular file");
        // What took a file's place between looking and opening: opening must not wait for a writer.
        let fifo = open(&at("fifo")).expect("opened at once").metadata().expect("metadata");
        assert!(regular(&fifo).is_err());
        symlink(at("loop"), at("loop")).expect("link");
        assert!(failure(&at("loop")).await.starts_with("unreadable read Too many levels of symbolic links"));
        let denied = words(&io::ErrorKind::PermissionDenied.into());
        assert_eq!(denied, "permission denied");
    }

    #[tokio::test]
    async fn files_end_at_the_cap() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("sparse");
        for (size, fits) in [(100, true), (101, false), (1 << 40, false)] {
            File::create(&path).and_then(|file| file.set_len(size)).expect("a sparse file");
            match fetch(&path).await {
                Ok(answer) => assert!(fits && answer.body.len() == 100),
                Err(failure) => assert!(!fits && failure.cause == Outcome::TooLarge),
            }
        }
    }

    #[tokio::test]
    async fn a_length_that_lies_does_no_harm() {
        // Files of /proc say that they are empty; they stand for every file that grows while it is read.
        let answer = fetch(Path::new("/proc/self/comm")).await.expect("an answer");
        assert!(!answer.body.is_empty());
        assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
        let long = failure(Path::new("/proc/self/maps")).await;
        assert_eq!(long, "too_large read the file is larger than `http.max_body`, 100B");
    }
}

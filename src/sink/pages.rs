//! Bodies of pages as files, listed by an index journal.
//!
//! A file counts once a committed line of the index names it; all others are removed when the
//! sink is opened again. Bodies are made durable before the index that names them.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::journal::Journal;
use super::names::{identity, kind, page_path};
use super::place::{Place, sync_dir};
use super::{Artifact, Piece, Sink, SinkError, Writer};
use crate::inside;
use crate::model::{Fetched, Outcome, Position, Span, UrlKey};

/// Up to so many new files are synced one by one; for more it is cheaper to sync the file system.
const SINGLE_SYNCS: usize = 8;

/// The index is small beside the bodies: it rolls late.
const INDEX_ROLL_BYTES: u64 = 256 << 20;

/// `[[sinks]] type = "pages"`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of the sink.
    pub id: String,
    /// Folder in the run directory; the id if not given.
    #[serde(default)]
    pub path: Option<String>,
}

impl Settings {
    fn folder(&self) -> Result<PathBuf, String> {
        inside::folder(self.path.as_ref().unwrap_or(&self.id))
    }
}

/// The sink `pages`.
#[derive(Clone, Debug)]
pub struct Pages {
    settings: Settings,
}

impl Pages {
    /// A sink as its settings say.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Sink for Pages {
    fn id(&self) -> &str {
        &self.settings.id
    }

    fn needs_bodies(&self) -> bool {
        true
    }

    fn open(&self, dir: &Path, at: Option<Position>) -> Result<Box<dyn Writer>, SinkError> {
        let sink = self.settings.id.clone();
        let folder = self.settings.folder().map_err(|what| SinkError::Folder { sink: sink.clone(), what })?;
        let place = Place::lines(sink, dir, folder.join("index"), INDEX_ROLL_BYTES);
        let root = dir.join(&folder);
        let index = Journal::open(place, at)?;
        let handle = File::open(&root).map_err(|error| index.place().failed("read", &root, error))?;
        let committed = at.map_or_else(|| Ok(Committed::new()), |at| committed(&index, at.part))?;
        let unsynced = remove_strangers(&root, committed, &index)?;
        Ok(Box::new(PagesWriter { root, folder, handle, index, unsynced, pending: Vec::new() }))
    }
}

/// A line of the index.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct IndexLine {
    url: String,
    url_key: String,
    /// Relative to the run directory.
    path: String,
    bytes: u64,
    digest: String,
    mime: Option<String>,
}

/// Pages that the index names, with their length.
type Committed = HashMap<(UrlKey, &'static str), u64>;

/// Calls `each` for every line of the index up to `last`, one at a time.
fn read_index(
    place: &Place,
    last: u32,
    mut each: impl FnMut(IndexLine) -> io::Result<()>,
) -> Result<(), SinkError> {
    for path in (0..=last).map(|part| place.part(part)) {
        let mut read = || -> io::Result<()> {
            for line in BufReader::new(File::open(&path)?).lines() {
                each(serde_json::from_str(&line?)?)?;
            }
            Ok(())
        };
        read().map_err(|error| place.failed("read", &path, error))?;
    }
    Ok(())
}

fn committed(index: &Journal, last: u32) -> Result<Committed, SinkError> {
    let mut pages = Committed::new();
    read_index(index.place(), last, |line| {
        let name = Path::new(&line.path).file_name().and_then(OsStr::to_str).and_then(identity);
        let name = name.ok_or_else(|| io::Error::other(format!("`{}` is no page of ours", line.path)))?;
        pages.insert(name, line.bytes);
        Ok(())
    })?;
    Ok(pages)
}

/// Removes every page that the index does not name, and returns the folders where it did.
fn remove_strangers(
    root: &Path,
    mut committed: Committed,
    index: &Journal,
) -> Result<BTreeSet<PathBuf>, SinkError> {
    let mut changed = BTreeSet::new();
    for shard in (0..=u8::MAX).map(|first| root.join(format!("{first:02x}"))) {
        let failed = |error| index.place().failed("cut back", &shard, error);
        let entries = match fs::read_dir(&shard) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_str().and_then(identity);
            match name.and_then(|name| committed.remove(&name)) {
                Some(bytes) => {
                    let found = entry.metadata().map_err(failed)?.len();
                    whole(index, &entry.path(), found, bytes)?;
                }
                None if entry.file_type().map_err(failed)?.is_dir() => {}
                None => {
                    fs::remove_file(entry.path()).map_err(failed)?;
                    changed.insert(shard.clone());
                }
            }
        }
    }
    if let Some(((key, ending), bytes)) = committed.into_iter().next() {
        whole(index, &root.join(page_path(key, ending)), 0, bytes.max(1))?;
    }
    Ok(changed)
}

fn whole(index: &Journal, path: &Path, found: u64, committed: u64) -> Result<(), SinkError> {
    if found >= committed {
        return Ok(());
    }
    Err(SinkError::Shorter { sink: index.place().sink.clone(), path: path.to_owned(), found, committed })
}

/// An open folder of pages.
struct PagesWriter {
    root: PathBuf,
    folder: PathBuf,
    /// Open before the first page is written, so that a sync of the file system reports its errors.
    handle: File,
    index: Journal,
    /// Folders with names that are not durable yet.
    unsynced: BTreeSet<PathBuf>,
    /// Pages that are not durable yet.
    pending: Vec<PathBuf>,
}

impl PagesWriter {
    fn store(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Some(shard) = path.parent() {
            if !self.unsynced.contains(shard) && create_dir(shard)? {
                self.unsynced.insert(self.root.clone());
            }
            self.unsynced.insert(shard.to_owned());
        }
        File::create(path)?.write_all(bytes)?;
        self.pending.push(path.to_owned());
        Ok(())
    }

    /// Pages and their names, made durable before the index that names them. An error says at which.
    fn sync_pages(&mut self) -> Result<(), (PathBuf, io::Error)> {
        let is_many = self.pending.len() > SINGLE_SYNCS;
        if is_many && sync_file_system(&self.handle).map_err(|error| (self.root.clone(), error))? {
            self.pending.clear();
            self.unsynced.clear();
        }
        for path in self.pending.drain(..) {
            File::open(&path).and_then(|page| page.sync_all()).map_err(|error| (path, error))?;
        }
        while let Some(folder) = self.unsynced.pop_last() {
            sync_dir(&folder).map_err(|error| (folder, error))?;
        }
        Ok(())
    }
}

impl Writer for PagesWriter {
    fn write(&mut self, piece: Piece<'_>) -> Result<Option<Span>, SinkError> {
        let visit = piece.visit().map_err(|error| self.index.failed("write", error))?;
        let (Outcome::Ok, Some(parsed), Some(body)) =
            (visit.ending.outcome, visit.parsed.as_ref(), visit.body.as_ref())
        else {
            return Ok(None);
        };
        let declared = visit.fetched.as_ref().and_then(Fetched::declared_mime);
        let (mime, ending) = kind(parsed.mime_detected, declared.as_deref());
        let name = page_path(visit.request.key, ending);
        let path = self.root.join(&name);
        let stored = if body.bytes.len() as u64 == body.length {
            self.store(&path, &body.bytes)
        } else {
            Err(io::Error::other("the body was dropped before it was written"))
        };
        if let Err(error) = stored {
            self.index.give_up();
            return Err(self.index.place().failed("write", &path, error));
        }
        let line = IndexLine {
            url: visit.request.url.to_string(),
            url_key: visit.request.key.to_string(),
            path: self.folder.join(name).to_string_lossy().into_owned(),
            bytes: body.length,
            digest: body.digest.clone(),
            mime: mime.map(str::to_owned),
        };
        let mut line = serde_json::to_vec(&line).map_err(|error| self.index.failed("write", error.into()))?;
        line.push(b'\n');
        self.index.append(&line).map(Some)
    }

    fn sync(&mut self) -> Result<Position, SinkError> {
        if let Err((path, error)) = self.sync_pages() {
            self.index.give_up();
            return Err(self.index.place().failed("sync", &path, error));
        }
        self.index.sync()
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<Artifact>, SinkError> {
        let end = self.sync()?;
        let place = self.index.place().clone();
        let mut artifacts = self.index.finish()?;
        read_index(&place, end.part, |line| {
            artifacts.push(Artifact::new(line.path, 1));
            Ok(())
        })?;
        Ok(artifacts)
    }
}

/// Whether the folder is new.
fn create_dir(path: &Path) -> io::Result<bool> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        created => created.map(|()| true),
    }
}

/// Syncs everything on the file system of `handle`, where the system can; `false` where it cannot.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn sync_file_system(handle: &File) -> io::Result<bool> {
    rustix::fs::syncfs(handle)?;
    Ok(true)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn sync_file_system(_: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tempfile::TempDir;

    use super::*;
    use crate::model::{Body, Ending, Parsed, Request, Visit, canonical};

    fn settings(path: &str) -> Settings {
        Settings { id: "pages".into(), path: Some(path.into()) }
    }

    fn visit(name: &str, body: &[u8], mime: Option<&'static str>) -> Visit {
        let url = canonical(&format!("https://example.org/{name}"), None).expect(name);
        Visit {
            parsed: Some(Parsed { mime_detected: mime, ..Parsed::default() }),
            body: Some(Body {
                bytes: Bytes::copy_from_slice(body),
                length: body.len() as u64,
                digest: "blake3:00".into(),
            }),
            ..Visit::refused(Request::seed(&url, "seeds"), Ending::plain(Outcome::Ok))
        }
    }

    fn open(dir: &TempDir, at: Option<Position>) -> Result<Box<dyn Writer>, SinkError> {
        Pages::new(settings("web/pages")).open(dir.path(), at)
    }

    /// Paths and content of all pages, the index left out.
    fn pages(dir: &TempDir) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        for shard in fs::read_dir(dir.path().join("web/pages")).expect("list") {
            let shard = shard.expect("shard").path();
            for page in fs::read_dir(&shard).expect("list").filter(|_| !shard.ends_with("index")) {
                let page = page.expect("page").path();
                let name = page.strip_prefix(dir.path()).expect("inside").to_string_lossy().into_owned();
                found.push((name, fs::read(&page).expect("page")));
            }
        }
        found.sort();
        found
    }

    #[test]
    fn folders_stay_inside_the_run_directory() {
        for bad in [
            "",
            "..",
            "../x",
            "/x",
            "a/../../x",
            ".",
            ".x",
            "a\u{1b}",
            "a b",
            "records",
            "outcomes/x",
            "manifest.json",
        ] {
            assert!(settings(bad).folder().is_err(), "{bad}");
            let dir = tempfile::tempdir().expect("temp dir");
            let opened = Pages::new(settings(bad)).open(dir.path(), None);
            assert!(matches!(opened, Err(SinkError::Folder { .. })), "{bad}");
            assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 0, "{bad}");
        }
        assert_eq!(settings("a/b").folder(), Ok("a/b".into()));
        assert_eq!(settings("a//./b/").folder().map(PathBuf::into_os_string), Ok("a/b".into()));
        assert_eq!(Settings { id: "web".into(), path: None }.folder(), Ok("web".into()));
    }

    #[test]
    fn a_page_stands_where_the_index_says() {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut writer = open(&dir, None).expect("open");
        let page = visit("../../a b?c=/..%2f", b"<html>", Some("text/html"));
        let gone = Visit { ending: Ending::plain(Outcome::Gone), ..visit("gone", b"x", None) };
        assert!(writer.write(Piece::Visit(&page)).expect("write").is_some());
        assert!(writer.write(Piece::Visit(&gone)).expect("write").is_none());
        let artifacts = writer.finish().expect("finish");

        let key = page.request.key.to_string();
        let path = format!("web/pages/{}/{key}.html", &key[..2]);
        assert_eq!(pages(&dir), [(path.clone(), b"<html>".to_vec())]);
        let index = "web/pages/index/part-00000.jsonl";
        let line = fs::read_to_string(dir.path().join(index)).expect("index");
        let line: IndexLine = serde_json::from_str(&line).expect("line");
        let expected = IndexLine {
            url: page.request.url.to_string(),
            url_key: key,
            path: path.clone(),
            bytes: 6,
            digest: "blake3:00".into(),
            mime: Some("text/html".into()),
        };
        assert_eq!(line, expected);
        let named: Vec<_> = artifacts.iter().map(|artifact| (&*artifact.path, artifact.records)).collect();
        assert_eq!(named, [(Path::new(&index), 1), (Path::new(&path), 1)]);
    }

    #[test]
    fn what_was_not_committed_is_removed_on_resume() {
        for many in [1, SINGLE_SYNCS + 5] {
            let dir = tempfile::tempdir().expect("temp dir");
            let mut writer = open(&dir, None).expect("open");
            for n in 0..many {
                writer.write(Piece::Visit(&visit(&format!("kept{n}"), b"kept", None))).expect("write");
            }
            let committed = writer.sync().expect("sync");
            let kept = pages(&dir);
            assert_eq!(kept.len(), many);
            let late = visit("late", b"late", None);
            writer.write(Piece::Visit(&late)).expect("write");
            // Its lines reached the disk, but no frame knows of them.
            writer.sync().expect("sync");
            drop(writer);
            assert_eq!(pages(&dir).len(), many + 1);

            let mut writer = open(&dir, Some(committed)).expect("resume");
            assert_eq!(pages(&dir), kept);
            writer.write(Piece::Visit(&late)).expect("write");
            assert_eq!(writer.finish().expect("finish").len(), many + 2);
            drop(open(&dir, None).expect("fresh"));
            assert_eq!(pages(&dir), []);
        }
    }

    #[test]
    fn half_written_pages_are_overwritten() {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut writer = open(&dir, None).expect("open");
        writer.write(Piece::Visit(&visit("a", b"longer than the next", None))).expect("write");
        writer.write(Piece::Visit(&visit("a", b"short", None))).expect("write");
        writer.sync().expect("sync");
        assert_eq!(pages(&dir)[0].1, b"short");
    }

    #[test]
    fn committed_pages_that_are_missing_or_shorter_are_refused() {
        let change: [fn(&Path); 2] =
            [|path| fs::remove_file(path).expect("remove"), |path| fs::write(path, "sh").expect("cut")];
        for (change, left) in change.iter().zip([0, 2]) {
            let dir = tempfile::tempdir().expect("temp dir");
            let mut writer = open(&dir, None).expect("open");
            writer.write(Piece::Visit(&visit("a", b"page", None))).expect("write");
            let committed = writer.sync().expect("sync");
            change(&dir.path().join(&pages(&dir)[0].0));
            match open(&dir, Some(committed)).map(|_| ()) {
                Err(SinkError::Shorter { found, committed: 4, .. }) => assert_eq!(found, left),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_dropped_body_is_never_written_as_an_empty_page() {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut writer = open(&dir, None).expect("open");
        let mut page = visit("a", b"page", None);
        page.body = Some(Body { bytes: Bytes::new(), ..page.body.expect("body") });
        assert!(writer.write(Piece::Visit(&page)).is_err());
        assert!(writer.sync().is_err());
    }
}

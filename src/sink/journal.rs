//! A folder of append-only part files that can be cut back to a committed position.
//!
//! Parts are rolled at line bounds; lines never span parts. Here is nothing about what a line means,
//! and nothing is durable before [`Journal::sync`] returns.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{Artifact, SinkError};
use crate::crash;
use crate::model::{Position, Span};

/// Lines are handed to the system in pieces of this size.
const BUFFER_BYTES: usize = 256 * 1024;

/// Where a journal lives and when it rolls.
#[derive(Clone, Debug)]
pub struct Place {
    /// Id of the sink, for errors.
    pub sink: String,
    /// The run directory: artifacts are named relative to it.
    pub run_dir: PathBuf,
    /// Folder of the parts, relative to the run directory.
    pub folder: PathBuf,
    /// Ending of the parts, without the dot.
    pub extension: &'static str,
    /// A part is not made longer than this, unless one line alone is.
    pub roll_bytes: u64,
}

/// An open journal. After an error it takes nothing more: what is on disk is then unknown, and only
/// cutting back to the committed position makes it known again.
#[derive(Debug)]
pub struct Journal {
    place: Place,
    file: File,
    /// Lines that the system has not been given yet. Part and offset below count them already.
    buffer: Vec<u8>,
    end: Position,
    /// The part that was continued, if the journal was cut back; it and all before were written earlier.
    continued: Option<u32>,
    /// Lines appended to each part since the journal was opened.
    appended: Vec<u64>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Synced,
    Dirty,
    Broken,
}

/// File name of a part.
pub fn part_name(part: u32, extension: &str) -> String {
    format!("part-{part:05}.{extension}")
}

fn part_number(name: &str, extension: &str) -> Option<u32> {
    let number = name.strip_prefix("part-")?.split('.').next()?.parse().ok()?;
    (name == part_name(number, extension)).then_some(number)
}

impl Place {
    /// Path of a part.
    pub fn part(&self, part: u32) -> PathBuf {
        self.dir().join(part_name(part, self.extension))
    }

    fn dir(&self) -> PathBuf {
        self.run_dir.join(&self.folder)
    }

    /// The error of this sink at `path`.
    pub(super) fn failed(&self, action: &'static str, path: &Path, error: io::Error) -> SinkError {
        SinkError::Io { sink: self.sink.clone(), action, path: path.to_owned(), error }
    }

    /// Removes the parts from `first` on.
    fn remove_from(&self, first: u32) -> Result<(), SinkError> {
        let dir = self.dir();
        for entry in fs::read_dir(&dir).map_err(|error| self.failed("read", &dir, error))? {
            let path = entry.map_err(|error| self.failed("read", &dir, error))?.path();
            let number = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| part_number(name, self.extension));
            if number.is_some_and(|number| number >= first) {
                fs::remove_file(&path).map_err(|error| self.failed("remove", &path, error))?;
            }
        }
        Ok(())
    }

    /// Creates the folder, and makes its name and those above it up to the run directory durable.
    fn create_folder(&self) -> Result<(), SinkError> {
        let dir = self.dir();
        fs::create_dir_all(&dir).map_err(|error| self.failed("create", &dir, error))?;
        for above in dir.ancestors().skip(1).take(self.folder.components().count()) {
            sync_dir(above).map_err(|error| self.failed("sync", above, error))?;
        }
        Ok(())
    }

    fn create_part(&self, part: u32) -> Result<File, SinkError> {
        let path = self.part(part);
        let file = OpenOptions::new().append(true).create(true).open(&path);
        let file = file.map_err(|error| self.failed("create", &path, error))?;
        sync_dir(&self.dir()).map_err(|error| self.failed("sync", &self.dir(), error))?;
        Ok(file)
    }

    /// Cuts `at.part` back to what was committed. A part that never held a committed byte may be missing.
    fn cut_part(&self, at: Position) -> Result<File, SinkError> {
        for earlier in (0..at.part).map(|part| self.part(part)) {
            fs::metadata(&earlier).map_err(|error| self.failed("read", &earlier, error))?;
        }
        let path = self.part(at.part);
        let found = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(self.failed("read", &path, error)),
        };
        if found < at.offset {
            let sink = self.sink.clone();
            return Err(SinkError::Shorter { sink, path, found, committed: at.offset });
        }
        let file = self.create_part(at.part)?;
        if found > at.offset {
            file.set_len(at.offset).map_err(|error| self.failed("cut back", &path, error))?;
        }
        Ok(file)
    }
}

impl Journal {
    /// Opens the journal. With a position, later parts are removed and its part is cut back; without,
    /// all parts are removed.
    pub fn open(place: Place, at: Option<Position>) -> Result<Self, SinkError> {
        place.create_folder()?;
        let end = at.unwrap_or_default();
        let file = if at.is_some() {
            place.remove_from(end.part.saturating_add(1))?;
            place.cut_part(end)?
        } else {
            place.remove_from(0)?;
            place.create_part(0)?
        };
        Ok(Self {
            place,
            file,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            end,
            continued: at.map(|at| at.part),
            appended: vec![0],
            // The cut is not durable yet; the first sync makes it so.
            state: State::Dirty,
        })
    }

    /// Where the journal lives.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Appends one line, its line end included, and says where it stands.
    pub fn append(&mut self, line: &[u8]) -> Result<Span, SinkError> {
        crash::reached("sink.append");
        self.usable()?;
        let length = u32::try_from(line.len())
            .map_err(|_| self.failed("write", io::Error::other("a line is longer than 4 GiB")))?;
        if self.end.offset > 0 && self.end.offset + u64::from(length) > self.place.roll_bytes {
            self.roll()?;
        }
        self.state = State::Dirty;
        let span = Span { part: self.end.part, offset: self.end.offset, length };
        if self.buffer.len() + line.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if line.len() >= BUFFER_BYTES {
            self.hand_over(line)?;
        } else {
            self.buffer.extend_from_slice(line);
        }
        self.end.offset += u64::from(length);
        self.end.records += 1;
        if let Some(count) = self.appended.last_mut() {
            *count += 1;
        }
        Ok(span)
    }

    /// Everything appended so far is on disk when this returns.
    pub fn sync(&mut self) -> Result<Position, SinkError> {
        self.usable()?;
        if self.state == State::Dirty {
            self.flush()?;
            crash::reached("sink.written");
            let synced = self.file.sync_data();
            self.checked("sync", synced)?;
            self.state = State::Synced;
            crash::reached("sink.synced");
        }
        Ok(self.end)
    }

    /// Syncs, and names the parts with their lines. Parts from before a resume are counted.
    pub fn finish(mut self) -> Result<Vec<Artifact>, SinkError> {
        self.sync()?;
        let mut artifacts = Vec::with_capacity(self.end.part as usize + 1);
        for part in 0..=self.end.part {
            let first = self.continued.unwrap_or(0);
            let records = match self.continued {
                Some(continued) if part <= continued => self.count_lines(part)?,
                _ => self.appended.get((part - first) as usize).copied().unwrap_or(0),
            };
            let path = self.place.folder.join(part_name(part, self.place.extension));
            artifacts.push(Artifact { path, records });
        }
        let found = artifacts.iter().map(|artifact| artifact.records).sum();
        if found != self.end.records {
            let (sink, path) = (self.place.sink.clone(), self.place.dir());
            return Err(SinkError::Miscounted { sink, path, found, committed: self.end.records });
        }
        Ok(artifacts)
    }

    /// The current part is made whole and durable before the next one begins: later syncs only look at
    /// the part that is open.
    fn roll(&mut self) -> Result<(), SinkError> {
        self.sync()?;
        let part = self.end.part + 1;
        self.file = self.place.create_part(part).inspect_err(|_| self.state = State::Broken)?;
        self.end = Position { part, offset: 0, records: self.end.records };
        self.appended.push(0);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.hand_over(&buffer)?;
        buffer.clear();
        self.buffer = buffer;
        Ok(())
    }

    fn hand_over(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        let written = self.file.write_all(bytes);
        self.checked("write", written)
    }

    fn checked(&mut self, action: &'static str, result: io::Result<()>) -> Result<(), SinkError> {
        result.map_err(|error| {
            self.state = State::Broken;
            self.failed(action, error)
        })
    }

    fn usable(&self) -> Result<(), SinkError> {
        match self.state {
            State::Broken => Err(self.failed("write", io::Error::other("an earlier write failed"))),
            State::Synced | State::Dirty => Ok(()),
        }
    }

    /// The error of this journal at its open part.
    pub(super) fn failed(&self, action: &'static str, error: io::Error) -> SinkError {
        self.place.failed(action, &self.place.part(self.end.part), error)
    }

    /// Says that something outside went wrong that its lines depend on: it takes nothing more.
    pub(super) fn give_up(&mut self) {
        self.state = State::Broken;
    }

    fn count_lines(&self, part: u32) -> Result<u64, SinkError> {
        let path = self.place.part(part);
        let count = || -> io::Result<u64> {
            let (mut file, mut piece, mut lines) = (File::open(&path)?, vec![0; BUFFER_BYTES], 0);
            loop {
                match file.read(&mut piece) {
                    Ok(0) => return Ok(lines),
                    Ok(read) => lines += memchr::memchr_iter(b'\n', &piece[..read]).count() as u64,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        };
        count().map_err(|error| self.place.failed("read", &path, error))
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    fn place(dir: &TempDir, roll_bytes: u64) -> Place {
        Place {
            sink: "records".into(),
            run_dir: dir.path().into(),
            folder: "deep/records".into(),
            extension: "jsonl",
            roll_bytes,
        }
    }

    fn temp() -> TempDir {
        tempfile::tempdir().expect("temp dir")
    }

    fn open(dir: &TempDir, roll_bytes: u64, at: Option<Position>) -> Journal {
        Journal::open(place(dir, roll_bytes), at).expect("open")
    }

    /// Everything on disk, in order of the parts.
    fn content(dir: &TempDir) -> Vec<String> {
        let place = place(dir, 0);
        (0..).map_while(|part| fs::read_to_string(place.part(part)).ok()).collect()
    }

    fn append<T: AsRef<str>>(journal: &mut Journal, lines: impl IntoIterator<Item = T>) {
        for line in lines {
            journal.append(line.as_ref().as_bytes()).expect("append");
        }
    }

    fn counts(journal: Journal) -> Vec<u64> {
        journal.finish().expect("finish").iter().map(|artifact| artifact.records).collect()
    }

    #[test]
    fn lines_stand_where_their_spans_say() {
        let dir = temp();
        let mut journal = open(&dir, 1 << 20, None);
        let long = format!("{}\n", "x".repeat(BUFFER_BYTES + 1));
        let spans: Vec<_> = ["a\n", &long, "bcd\n"]
            .iter()
            .map(|line| (journal.append(line.as_bytes()).expect("append"), *line))
            .collect();
        let end = journal.sync().expect("sync");
        assert_eq!(end, Position { part: 0, offset: long.len() as u64 + 6, records: 3 });
        let text = content(&dir).remove(0);
        for (span, line) in spans {
            let from = usize::try_from(span.offset).expect("offset");
            assert_eq!(&text[from..from + span.length as usize], line);
        }
        let artifacts = journal.finish().expect("finish");
        assert_eq!(artifacts, [Artifact { path: "deep/records/part-00000.jsonl".into(), records: 3 }]);
    }

    #[test]
    fn parts_roll_at_line_bounds() {
        let dir = temp();
        let mut journal = open(&dir, 6, None);
        append(&mut journal, ["1\n", "22\n", "4\n", "a line longer than a part\n", "5\n", "66\n"]);
        assert_eq!(counts(journal), [2, 1, 1, 2]);
        assert_eq!(content(&dir), ["1\n22\n", "4\n", "a line longer than a part\n", "5\n66\n"]);
    }

    #[test]
    fn cut_back_from_every_length() {
        let lines = ["one\n", "2\n", "three\n"];
        let whole: String = lines.concat();
        let committed = Position { part: 0, offset: 6, records: 2 };
        for length in 0..=whole.len() {
            let dir = temp();
            let mut journal = open(&dir, 1 << 20, None);
            append(&mut journal, lines);
            journal.sync().expect("sync");
            let part = place(&dir, 0).part(0);
            let file = OpenOptions::new().write(true).open(&part).expect("part");
            file.set_len(length as u64).expect("cut");
            match Journal::open(place(&dir, 1 << 20), Some(committed)) {
                Err(SinkError::Shorter { found, committed: 6, .. }) => {
                    assert!(length < 6);
                    assert_eq!(found, length as u64);
                }
                Err(error) => panic!("{length}: {error}"),
                Ok(mut journal) => {
                    assert!(length >= 6);
                    journal.append(b"again\n").expect("append");
                    assert_eq!(counts(journal), [3]);
                    assert_eq!(content(&dir), ["one\n2\nagain\n"]);
                }
            }
        }
    }

    #[test]
    fn a_missing_part_is_refused_unless_nothing_was_committed_to_it() {
        let dir = temp();
        let at = |part, offset, records| Some(Position { part, offset, records });
        let missing = Journal::open(place(&dir, 9), at(0, 3, 1)).expect_err("missing");
        assert!(matches!(missing, SinkError::Shorter { found: 0, committed: 3, .. }), "{missing}");
        let earlier = Journal::open(place(&dir, 9), at(1, 0, 1)).expect_err("missing");
        assert!(matches!(earlier, SinkError::Io { action: "read", .. }), "{earlier}");
        assert_eq!(counts(open(&dir, 9, at(0, 0, 0))), [0]);
    }

    #[test]
    fn without_a_position_only_its_parts_are_removed() {
        let dir = temp();
        let folder = place(&dir, 0).dir();
        fs::create_dir_all(&folder).expect("folder");
        for name in ["part-00000.jsonl", "part-00007.jsonl", "part-00001.csv", "part-7.jsonl", "notes"] {
            fs::write(folder.join(name), "old\n").expect("write");
        }
        drop(open(&dir, 9, None));
        let mut left: Vec<_> =
            fs::read_dir(&folder).expect("list").map(|entry| entry.expect("entry").file_name()).collect();
        left.sort();
        assert_eq!(left, ["notes", "part-00000.jsonl", "part-00001.csv", "part-7.jsonl"]);
        assert_eq!(content(&dir), [""]);
    }

    #[test]
    fn parts_that_somebody_changed_are_noticed_at_the_end() {
        let dir = temp();
        let mut journal = open(&dir, 4, None);
        append(&mut journal, ["1\n", "2\n", "3\n"]);
        let end = journal.sync().expect("sync");
        drop(journal);
        fs::write(place(&dir, 4).part(0), "1\n").expect("write");
        let error = open(&dir, 4, Some(end)).finish().expect_err("changed");
        assert!(matches!(error, SinkError::Miscounted { found: 2, committed: 3, .. }), "{error}");
    }

    #[test]
    fn after_an_error_nothing_more_is_taken() {
        let dir = temp();
        let mut journal = open(&dir, 1 << 20, None);
        // A device that is always full stands in for the disk.
        journal.file = OpenOptions::new().append(true).open("/dev/full").expect("/dev/full");
        journal.append(b"1\n").expect("buffered");
        let full = journal.sync().expect_err("full");
        let SinkError::Io { action: "write", error, .. } = full else { panic!("{full}") };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(journal.append(b"2\n").is_err());
        assert!(journal.sync().is_err());
        assert!(journal.finish().is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever is appended after a commit and however the end was torn: cutting back gives
        /// exactly what was committed, and going on from there gives what an undisturbed run gives.
        #[test]
        fn cut_and_continued_equals_undisturbed(
            lengths in prop::collection::vec(0usize..40, 1..60),
            commit_after in 0usize..60,
            garbage in prop::collection::vec(any::<u8>(), 0..100),
            roll_bytes in 1u64..200,
        ) {
            let lines: Vec<String> =
                lengths.iter().enumerate().map(|(i, length)| format!("{i}{}\n", "x".repeat(*length))).collect();
            let split = commit_after.min(lines.len());
            let (cut, straight) = (temp(), temp());

            let mut journal = open(&straight, roll_bytes, None);
            append(&mut journal, &lines);
            let expected = counts(journal);

            let mut journal = open(&cut, roll_bytes, None);
            append(&mut journal, &lines[..split]);
            let committed = journal.sync().expect("sync");
            let before = content(&cut);
            append(&mut journal, &lines[split..]);
            let torn = if garbage.len() % 2 == 0 { journal.sync().expect("sync"); journal.end.part } else { committed.part };
            drop(journal);
            let mut file = OpenOptions::new().append(true).open(place(&cut, 0).part(torn)).expect("part");
            file.write_all(&garbage).expect("garbage");

            let mut journal = open(&cut, roll_bytes, Some(committed));
            prop_assert_eq!(content(&cut), before);
            append(&mut journal, &lines[split..]);
            prop_assert_eq!(counts(journal), expected);
            prop_assert_eq!(content(&cut), content(&straight));
        }
    }
}

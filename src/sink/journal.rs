//! A folder of append-only part files that can be cut back to a committed position.
//!
//! Parts are rolled at line bounds; lines never span parts. Packed parts end a member or frame at each sync. Here
//! is nothing about what a line means, and nothing is durable before [`Journal::sync`] returns. Digests are taken on the
//! way, so that finished files need not be read again.

use std::fs::File;
use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::packing::Packer;
use super::place::Place;
use super::{Artifact, SinkError};
use crate::crash;
use crate::model::{Position, Span};

/// Lines are handed to the system in pieces of this size: large enough for it, and small beside the caches.
const BUFFER_BYTES: usize = 64 * 1024;

/// An open journal. After an error it takes nothing more: what is on disk is then unknown, and only
/// cutting back to the committed position makes it known again.
#[derive(Debug)]
pub struct Journal {
    place: Place,
    file: File,
    packer: Option<Packer>,
    /// Bytes that the system has not been given yet. Part and offset below count them already.
    buffer: Vec<u8>,
    /// In a packed part its offset counts what the packer has given.
    end: Position,
    /// Whether anything stands in the part, or in the packer.
    is_begun: bool,
    /// Lines in the part; counted only if parts are rolled by it.
    in_part: u64,
    /// The part that was continued, if the journal was cut back; it and all before were written earlier.
    continued: Option<u32>,
    /// What was written since the journal was opened, by part; the open one last.
    parts: Vec<Written>,
    state: State,
}

/// What was written to a part since the journal was opened.
#[derive(Debug)]
struct Written {
    /// Lines.
    records: u64,
    /// Of all bytes; `None` if the part was begun before.
    digest: Option<Sha256>,
}

impl Written {
    fn anew() -> Self {
        Self { records: 0, digest: Some(Sha256::new()) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Synced,
    Dirty,
    Broken,
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
        let in_part = match (at, place.roll_records) {
            (Some(at), Some(_)) if at.offset > 0 => place.counted(at.part)?,
            _ => 0,
        };
        Ok(Self {
            packer: Packer::new(place.compression),
            place,
            file,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            end,
            is_begun: end.offset > 0,
            in_part,
            continued: at.map(|at| at.part),
            parts: vec![Written { records: 0, digest: (end.offset == 0).then(Sha256::new) }],
            // The cut is not durable yet; the first sync makes it so.
            state: State::Dirty,
        })
    }

    /// Where the journal lives.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Appends one line, its line end included, and says where it stands; in a packed part nobody can say.
    pub fn append(&mut self, line: &[u8]) -> Result<Span, SinkError> {
        self.append_below(|_| Vec::new(), line)
    }

    /// The same for parts that begin with a head, which is no line; it is made for the number of a new part.
    pub fn append_below(&mut self, head: impl Fn(u32) -> Vec<u8>, line: &[u8]) -> Result<Span, SinkError> {
        crash::reached("sink.append");
        self.usable()?;
        let length = u32::try_from(line.len())
            .map_err(|_| self.failed("write", io::Error::other("a line is longer than 4 GiB")))?;
        if self.is_full(length) {
            self.roll()?;
        }
        if !self.is_begun {
            self.put(&head(self.end.part))?;
        }
        let span = Span { part: self.end.part, offset: self.end.offset, length };
        self.put(line)?;
        self.end.records += 1;
        self.in_part += 1;
        if let Some(part) = self.parts.last_mut() {
            part.records += 1;
        }
        Ok(span)
    }

    /// Whether a line of this length is for the next part.
    fn is_full(&self, length: u32) -> bool {
        let with_it = match self.packer {
            // Packed it is shorter, and nobody knows how much.
            Some(_) => self.end.offset.saturating_add(1),
            None => self.end.offset.saturating_add(length.into()),
        };
        let by_records = self.place.roll_records.is_some_and(|most| self.in_part >= most);
        self.is_begun && (with_it > self.place.roll_bytes || by_records)
    }

    /// Everything appended so far is on disk when this returns.
    pub fn sync(&mut self) -> Result<Position, SinkError> {
        self.usable()?;
        if self.state == State::Dirty {
            self.end_frame()?;
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
    pub fn finish(self) -> Result<Vec<Artifact>, SinkError> {
        self.finish_below(|_| Vec::new())
    }

    /// The same for parts that begin with a head: a part without a line has one, too.
    pub fn finish_below(mut self, head: impl Fn(u32) -> Vec<u8>) -> Result<Vec<Artifact>, SinkError> {
        if !self.is_begun {
            // Packed, even nothing is a member or frame: without it no reader takes the file for whole.
            self.put(&head(self.end.part))?;
        }
        self.sync()?;
        let mut artifacts = Vec::with_capacity(self.end.part as usize + 1);
        for part in 0..=self.end.part {
            let first = self.continued.unwrap_or(0);
            let written = part.checked_sub(first).and_then(|index| self.parts.get(index as usize));
            let digest = written.and_then(|written| written.digest.clone());
            let records = match self.continued {
                Some(continued) if part <= continued => self.place.counted(part)?,
                _ => written.map_or(0, |written| written.records),
            };
            let path = self.place.folder.join(self.place.name(part));
            artifacts.push(Artifact { path, records, sha256: digest.map(|digest| digest.finalize().into()) });
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
        (self.is_begun, self.in_part) = (false, 0);
        self.parts.push(Written::anew());
        Ok(())
    }

    /// Takes bytes into the buffer, packed if they are to be.
    fn put(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.usable()?;
        (self.state, self.is_begun) =
            (State::Dirty, self.is_begun || !bytes.is_empty() || self.packer.is_some());
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if let Some(packer) = &mut self.packer {
            let before = self.buffer.len();
            let packed = packer.pack(bytes, &mut self.buffer);
            self.end.offset += (self.buffer.len() - before) as u64;
            return self.checked("pack", packed);
        }
        self.end.offset += bytes.len() as u64;
        if bytes.len() >= BUFFER_BYTES {
            return self.hand_over(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn end_frame(&mut self) -> Result<(), SinkError> {
        let Some(packer) = &mut self.packer else { return Ok(()) };
        let before = self.buffer.len();
        let ended = packer.end(&mut self.buffer);
        self.end.offset += (self.buffer.len() - before) as u64;
        self.checked("pack", ended)
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
        if let Some(digest) = self.parts.last_mut().and_then(|part| part.digest.as_mut()) {
            digest.update(bytes);
        }
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
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Read;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::super::packing::Compression;
    use super::super::place::count_lines;
    use super::*;

    fn place(dir: &TempDir, roll_bytes: u64) -> Place {
        Place::lines("records".into(), dir.path(), "deep/records".into(), roll_bytes)
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
        let sha256 = Some(Sha256::digest(&text).into());
        assert_eq!(
            artifacts,
            [Artifact { path: "deep/records/part-00000.jsonl".into(), records: 3, sha256 }]
        );
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
    fn what_this_process_wrote_alone_has_its_digest() {
        let dir = temp();
        let mut journal = open(&dir, 6, None);
        append(&mut journal, ["1\n", "22\n", "4444\n"]);
        let end = journal.sync().expect("sync");
        drop(journal);
        let mut journal = open(&dir, 6, Some(end));
        append(&mut journal, ["5\n", "66\n"]);
        let artifacts = journal.finish().expect("finish");
        let texts = content(&dir);
        assert_eq!(texts, ["1\n22\n", "4444\n", "5\n66\n"]);
        let digests: Vec<_> = artifacts.iter().map(|artifact| artifact.sha256).collect();
        assert_eq!(digests, [None, None, Some(Sha256::digest(&texts[2]).into())]);
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

        /// The same for packed parts with heads that roll by lines: what they unpack to is the same, though members
        /// and frames end elsewhere.
        #[test]
        fn packed_parts_are_cut_on_an_edge(
            lines in prop::collection::vec("[ab\"]{0,9}\n", 1..40),
            commits in prop::collection::vec(1usize..8, 1..6),
            garbage in prop::collection::vec(any::<u8>(), 0..100),
            compression in prop::sample::select(vec![Compression::Gzip, Compression::Zstd]),
        ) {
            let packed = |dir: &TempDir| Place {
                compression,
                extension: "jsonl.x".into(),
                roll_records: Some(7),
                count: |part| Ok(count_lines(part)? - 1),
                ..place(dir, 1 << 20)
            };
            let head = |part: u32| format!("head {part}\n").into_bytes();
            let write = |journal: &mut Journal, lines: &[String]| {
                for line in lines {
                    journal.append_below(head, line.as_bytes()).expect("append");
                }
            };
            let unpacked = |dir: &TempDir| -> Vec<Vec<u8>> {
                let read = |part| {
                    let mut text = Vec::new();
                    let file = File::open(packed(dir).part(part)).ok()?;
                    compression.reader(file).and_then(|mut part| part.read_to_end(&mut text)).expect("whole");
                    Some(text)
                };
                (0..).map_while(read).collect()
            };
            let dir = temp();
            let mut journal = Journal::open(packed(&dir), None).expect("open");
            let mut left = &lines[..];
            for count in commits {
                let (now, later) = left.split_at(count.min(left.len()));
                write(&mut journal, now);
                let committed = journal.sync().expect("sync");
                // What follows is lost: some of it on disk, some in the packer.
                write(&mut journal, later);
                if count % 2 == 0 {
                    journal.sync().expect("sync");
                }
                let torn = journal.end.part;
                drop(journal);
                let mut file = OpenOptions::new().append(true).open(packed(&dir).part(torn)).expect("part");
                file.write_all(&garbage).expect("garbage");
                journal = Journal::open(packed(&dir), Some(committed)).expect("resume");
                left = later;
            }
            write(&mut journal, left);
            let counts: Vec<u64> =
                journal.finish_below(head).expect("finish").iter().map(|part| part.records).collect();
            let expected: Vec<Vec<u8>> = lines
                .chunks(7)
                .enumerate()
                .map(|(part, lines)| format!("head {part}\n{}", lines.concat()).into_bytes())
                .collect();
            prop_assert_eq!(unpacked(&dir), expected);
            prop_assert_eq!(counts, lines.chunks(7).map(|part| part.len() as u64).collect::<Vec<_>>());
        }
    }
}

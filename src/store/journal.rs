//! The frontier journal: an append-only log of frames, one file a run, the truth about that run.
//!
//! A frame is committed once [`Journal::sync`] returned after it. On opening, a torn tail is cut off: it was
//! never committed, or everything behind the last whole frame is done again, which costs fetches but no data.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::codec::{Decoder, Encoder, Next};
use super::error::StoreError;
use super::frame::{Begin, Frame};
use super::layout::sync_dir;
use super::passed::{PassedPage, PassedRequest};
use crate::crash;

const MAGIC: &[u8; 8] = b"TRAWLJ02";
/// The number in it.
const FORMAT: u32 = 2;

/// A journal open for appending.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    encoder: Encoder,
    /// End of the last whole frame.
    length: u64,
    /// End of the last frame that is committed, and the number of the one behind it.
    synced: (u64, u64),
    /// Number of the next frame.
    next: u64,
}

impl Journal {
    /// Begins the journal of a new run. It appears under its name only with its first frame in it.
    pub fn create(path: &Path, begin: &Begin) -> Result<Self, StoreError> {
        let dir = path.parent().unwrap_or(Path::new("."));
        let mut bytes = MAGIC.to_vec();
        let frame = <Frame>::Begin(begin.clone());
        let mut encoder = Encoder::new().map_err(StoreError::io("write", path))?;
        bytes.extend_from_slice(encoder.encode(0, &frame).map_err(StoreError::io("write", path))?);
        super::layout::replace_file(path, &bytes)?;
        sync_dir(dir)?;
        Self::open(path, |_, _: Frame| {})
    }

    /// Opens a journal, hands every whole frame with its number to `each`, and cuts a torn tail off.
    pub fn open<R: DeserializeOwned, P: DeserializeOwned>(
        path: &Path,
        mut each: impl FnMut(FramePlace, Frame<R, P>),
    ) -> Result<Self, StoreError> {
        let mut frames = Frames::open(path)?;
        let mut place = frames.place();
        while let Some((_, frame)) = frames.next_of()? {
            each(place, frame);
            place = frames.place();
        }
        let (length, next) = (frames.offset, frames.number);
        if next == 0 {
            // It appeared with its first frame in it: no crash took that, and there may be more behind it to rescue.
            return Err(StoreError::no_beginning(path));
        }
        let file = OpenOptions::new().write(true).open(path).map_err(StoreError::io("open", path))?;
        let actual = file.metadata().map_err(StoreError::io("read", path))?.len();
        if actual > length {
            tracing::warn!(path = %path.display(), bytes = actual - length, "cutting a torn tail off the frontier journal");
            file.set_len(length).map_err(StoreError::io("cut", path))?;
            file.sync_all().map_err(StoreError::io("sync", path))?;
        }
        let encoder = Encoder::new().map_err(StoreError::io("write", path))?;
        let mut journal = Self { path: path.to_owned(), file, encoder, length, synced: (length, next), next };
        journal.file.seek(SeekFrom::Start(length)).map_err(StoreError::io("read", path))?;
        Ok(journal)
    }

    /// Appends a frame and gives its number. Not committed before [`Journal::sync`].
    pub fn append(&mut self, frame: &Frame) -> Result<u64, StoreError> {
        let number = self.next;
        let block = self.encoder.encode(number, frame).map_err(StoreError::io("write", &self.path))?;
        if let Err(error) = self.file.write_all(block) {
            // Half a frame would hide every frame behind it: take it back, so that the run can end well.
            let _ = self.file.set_len(self.length);
            let _ = self.file.seek(SeekFrom::Start(self.length));
            return Err(StoreError::io("write", &self.path)(error));
        }
        self.length += block.len() as u64;
        self.next += 1;
        crash::reached("journal.written");
        Ok(number)
    }

    /// The commit point: all frames so far are durable when this returns.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        if let Err(error) = self.file.sync_data() {
            // What did not reach the disk would still be read back from memory, and a second sync would find
            // nothing to do: the next start must not build on it.
            let _ = self.file.set_len(self.synced.0);
            let _ = self.file.seek(SeekFrom::Start(self.synced.0));
            (self.length, self.next) = self.synced;
            return Err(StoreError::io("sync", &self.path)(error));
        }
        self.synced = (self.length, self.next);
        crash::reached("journal.synced");
        Ok(())
    }

    /// Where it stands.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Which run a journal belongs to, and whether only its publication is left. Changes nothing.
pub fn beginning(path: &Path) -> Result<(Begin, bool), StoreError> {
    let mut frames = Frames::open(path)?;
    let mut next = || frames.next_of::<PassedRequest, PassedPage>();
    let Some((_, Frame::Begin(begin))) = next()? else { return Err(StoreError::no_beginning(path)) };
    while let Some((_, frame)) = next()? {
        if matches!(frame, Frame::Finish(_)) {
            return Ok((begin, true));
        }
    }
    Ok((begin, false))
}

/// Where a frame stands in its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FramePlace {
    offset: u64,
    number: u64,
}

/// A frame and its number.
type Numbered<R, P> = Option<(u64, Frame<R, P>)>;

/// Reads a journal from its beginning, up to the first bytes that are no whole frame.
#[derive(Debug)]
pub struct Frames {
    path: PathBuf,
    reader: BufReader<File>,
    decoder: Decoder,
    offset: u64,
    number: u64,
}

impl Frames {
    /// Opens a journal for reading; it may be growing.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(StoreError::io("open", path))?;
        let mut reader = BufReader::with_capacity(256 << 10, file);
        let mut magic = [0; MAGIC.len()];
        let read = reader.read_exact(&mut magic);
        if read.is_err() || &magic != MAGIC {
            if let Some(found) = magic.strip_prefix(&MAGIC[..6]).filter(|_| read.is_ok()) {
                let found = String::from_utf8_lossy(found).into_owned();
                return Err(StoreError::Version { path: path.to_owned(), found, known: FORMAT });
            }
            return Err(StoreError::Damaged {
                path: path.to_owned(),
                what: "it does not begin like a frontier journal".to_owned(),
                hint: "start over with `--fresh`; published runs are not touched",
            });
        }
        let decoder = Decoder::new().map_err(StoreError::io("read", path))?;
        Ok(Self { path: path.to_owned(), reader, decoder, offset: MAGIC.len() as u64, number: 0 })
    }

    /// Where the next frame stands, or will.
    pub const fn place(&self) -> FramePlace {
        FramePlace { offset: self.offset, number: self.number }
    }

    /// Goes on with the frame at a place of this journal.
    pub fn go_to(&mut self, place: FramePlace) -> Result<(), StoreError> {
        let FramePlace { offset, number } = place;
        self.reader.seek(SeekFrom::Start(offset)).map_err(StoreError::io("read", &self.path))?;
        (self.offset, self.number) = (offset, number);
        Ok(())
    }

    /// The next whole frame and its number. `None` at the end, or where the tail is torn; asked again later,
    /// it looks again: a journal may be growing.
    pub fn next(&mut self) -> Result<Option<(u64, Frame)>, StoreError> {
        self.next_of()
    }

    /// The same, with as much of requests and pages as is asked for.
    pub fn next_of<R: DeserializeOwned, P: DeserializeOwned>(
        &mut self,
    ) -> Result<Numbered<R, P>, StoreError> {
        match self.decoder.decode(&mut self.reader).map_err(StoreError::io("read", &self.path))? {
            Next::Block(number, frame, length) if number == self.number => {
                self.offset += length;
                self.number += 1;
                Ok(Some((number, frame)))
            }
            Next::Foreign => Err(StoreError::Damaged {
                path: self.path.clone(),
                what: format!("frame {} is whole and says nothing this version understands", self.number),
                hint: "finish the run with the version that began it, or start over with `--fresh`",
            }),
            _ => {
                self.reader.seek(SeekFrom::Start(self.offset)).map_err(StoreError::io("read", &self.path))?;
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UrlKey;

    fn begin() -> Begin {
        Begin { run_id: "r".into(), snapshot: 0, sealed: "{}".into(), parent: None }
    }

    fn read(path: &Path) -> Vec<Frame> {
        let mut all = Vec::new();
        Journal::open(path, |_, frame| all.push(frame)).expect("opens");
        all
    }

    #[test]
    fn a_torn_tail_is_cut_and_appending_goes_on_behind_the_last_whole_frame() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("r.journal");
        let mut journal = Journal::create(&path, &begin()).expect("creates");
        for n in 0..3 {
            journal.append(&Frame::Suspect(UrlKey::of(&n.to_string()))).expect("appends");
        }
        journal.sync().expect("syncs");
        let whole = std::fs::read(&path).expect("reads");
        for cut in 60..whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("writes");
            let before = read(&path);
            let mut journal = Journal::open(&path, |_, _: Frame| {}).expect("opens");
            journal.append(&Frame::Suspect(UrlKey::of("new"))).expect("appends");
            let after = read(&path);
            assert_eq!(after[..before.len()], before[..]);
            assert_eq!(after.len(), before.len() + 1, "cut at {cut}");
        }
    }

    #[test]
    fn frames_are_seen_as_they_come() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("r.journal");
        let mut journal = Journal::create(&path, &begin()).expect("creates");
        let mut frames = Frames::open(&path).expect("opens");
        assert!(matches!(frames.next().expect("reads"), Some((0, Frame::Begin(_)))));
        assert!(frames.next().expect("reads").is_none());
        journal.append(&Frame::Suspect(UrlKey::of("x"))).expect("appends");
        assert!(matches!(frames.next().expect("reads"), Some((1, Frame::Suspect(_)))));
        assert!(frames.next().expect("reads").is_none());
    }

    #[test]
    fn a_frame_of_another_version_is_refused_and_not_cut_off() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("r.journal");
        Journal::create(&path, &begin()).expect("creates");
        let mut content = std::fs::read(&path).expect("reads");
        let mut encoder = Encoder::new().expect("an encoder");
        content.extend(encoder.encode(1, &(99_u8, "a frame of tomorrow")).expect("encodes"));
        std::fs::write(&path, &content).expect("writes");
        let error = Journal::open(&path, |_, _: Frame| {}).expect_err("refused").to_string();
        assert!(error.contains("frame 1 is whole"), "{error}");
        assert_eq!(std::fs::read(&path).expect("reads"), content);
    }

    #[test]
    fn another_file_is_refused_with_a_way_out() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("r.journal");
        std::fs::write(&path, "hello").expect("writes");
        let error = Journal::open(&path, |_, _: Frame| {}).expect_err("refused").to_string();
        assert!(error.contains("does not begin like a frontier journal"), "{error}");
        assert!(error.contains("--fresh"), "{error}");
        std::fs::write(&path, "TRAWLJ01 and more").expect("writes");
        let error = Journal::open(&path, |_, _: Frame| {}).expect_err("refused").to_string();
        assert!(error.contains("has format 01, this program writes format 2"), "{error}");
    }

    #[test]
    fn a_journal_without_its_beginning_is_left_as_it_is() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("r.journal");
        let mut journal = Journal::create(&path, &begin()).expect("creates");
        journal.append(&Frame::Suspect(UrlKey::of("x"))).expect("appends");
        let mut bytes = std::fs::read(&path).expect("reads");
        bytes[20] ^= 1;
        std::fs::write(&path, &bytes).expect("writes");
        let error = Journal::open(&path, |_, _: Frame| {}).expect_err("refused").to_string();
        assert!(error.contains("its first frame is broken"), "{error}");
        assert_eq!(std::fs::read(&path).expect("reads"), bytes, "what is left of it can be rescued");
    }
}

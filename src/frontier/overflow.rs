//! Where long queues go when memory is full: segments of packed requests in append-only scratch files. They are no
//! truth: the journal is, so that nothing here is synced, and what an earlier process left is deleted unread. What
//! comes back is checked all the same, since the run would go on with it.
//!
//! Plain files and not the index, because sled 0.34 takes 27 to 50 us a put and grows under such a load, where an
//! append takes well under one.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::backlog::BacklogError;
use super::blocks::{Blocks, Chain};

/// Bytes of a scratch file at most, unless one segment alone is larger. With little memory files are smaller.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Bytes that are written at once.
const WRITE_BYTES: usize = 1 << 20;
/// The checksum (u64, little-endian) that precedes a segment.
const HEADER: usize = 8;
const PREFIX: &str = "queue-";
const ENDING: &str = ".scratch";

/// How much of the queue is kept in memory, and where the rest goes.
#[derive(Clone, Debug)]
pub struct Overflow {
    /// A directory for this process alone. Made when it is first needed.
    pub dir: PathBuf,
    /// Bytes of packed requests in memory above which they are written out.
    pub memory: u64,
}

/// Where a segment stands. Whoever holds it takes it back once, by [`Scratch::take`].
#[derive(Debug, PartialEq, Eq)]
pub struct Segment {
    file: u32,
    offset: u32,
    /// Without the checksum.
    length: u32,
    /// Requests in it.
    pub count: u32,
}

/// Segments in a row. Their places are noted in blocks of the [`Scratch`] that wrote them: a list for each lane would
/// leave a hole in memory wherever one grows.
#[derive(Debug, Default)]
pub struct Segments {
    notes: Chain,
    count: u64,
}

impl Segments {
    /// Requests in all of them.
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl Segment {
    const BYTES: usize = 4 * size_of::<u32>();

    fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let numbers = [self.file, self.offset, self.length, self.count];
        for (place, number) in bytes.chunks_exact_mut(size_of::<u32>()).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| bytes[at * 4 + byte]));
        Self { file: number(0), offset: number(1), length: number(2), count: number(3) }
    }
}

/// The scratch files of a backlog. Deleted with it.
#[derive(Debug, Default)]
pub struct Scratch {
    dir: PathBuf,
    file_bytes: u64,
    files: HashMap<u32, Part>,
    /// The file that is appended to.
    last: u32,
    /// The end of the last file that is not written yet.
    unwritten: Vec<u8>,
    /// The segment that was taken last, behind its checksum.
    taken: Vec<u8>,
    /// Where the places of segments are noted.
    notes: Blocks,
}

#[derive(Debug)]
struct Part {
    file: File,
    path: PathBuf,
    /// Bytes, those not yet written counted.
    length: u64,
    /// Segments that were not taken back.
    live: u32,
}

impl Scratch {
    /// Scratch files in this directory, none yet. Deletes those of an earlier process.
    pub fn new(settings: &Overflow) -> Result<Self, BacklogError> {
        clear(&settings.dir)?;
        Ok(Self {
            dir: settings.dir.clone(),
            file_bytes: settings.memory.saturating_mul(4).min(MAX_FILE_BYTES),
            files: HashMap::new(),
            last: 0,
            unwritten: Vec::new(),
            taken: Vec::new(),
            notes: Blocks::default(),
        })
    }

    /// Writes a segment of so many requests behind those of `to`. Reads of it see it at once.
    pub fn append(&mut self, packed: &[u8], count: u32, to: &mut Segments) -> Result<(), BacklogError> {
        let segment = self.add(packed, count)?;
        to.notes.append(&segment.to_bytes(), &mut self.notes);
        to.count += u64::from(count);
        Ok(())
    }

    /// The first of these segments, to be taken back now.
    pub fn first(&mut self, segments: &mut Segments) -> Option<Segment> {
        let mut bytes = [0; Segment::BYTES];
        if segments.notes.read(&mut bytes, &mut self.notes) < bytes.len() {
            return None;
        }
        let segment = Segment::from_bytes(bytes);
        segments.count -= u64::from(segment.count);
        Some(segment)
    }

    /// Puts segments before others.
    pub fn put_before(&mut self, segments: &mut Segments, mut first: Segments) {
        let mut notes = Vec::new();
        first.notes.take(usize::MAX, &mut self.notes, &mut notes);
        segments.notes.prepend(&notes, &mut self.notes);
        segments.count += first.count;
    }

    /// Appends a segment.
    fn add(&mut self, packed: &[u8], count: u32) -> Result<Segment, BacklogError> {
        let (last, offset) = self.place((HEADER + packed.len()) as u64)?;
        let too_large = |_| BacklogError::io("write", &self.dir)(io::ErrorKind::FileTooLarge.into());
        let segment = Segment {
            file: last,
            offset: u32::try_from(offset).map_err(too_large)?,
            length: u32::try_from(packed.len()).map_err(too_large)?,
            count,
        };
        self.unwritten.extend_from_slice(&checksum(&segment, packed).to_le_bytes());
        self.unwritten.extend_from_slice(packed);
        if let Some(part) = self.files.get_mut(&last) {
            part.length += (HEADER + packed.len()) as u64;
            part.live += 1;
        }
        if self.unwritten.len() >= WRITE_BYTES {
            self.write()?;
        }
        Ok(segment)
    }

    /// Writes what was appended.
    pub fn write(&mut self) -> Result<(), BacklogError> {
        if let Some(part) = self.files.get_mut(&self.last) {
            part.file.write_all(&self.unwritten).map_err(BacklogError::io("write", &part.path))?;
        }
        self.unwritten.clear();
        Ok(())
    }

    /// The bytes of a segment. A file from which all was taken back is deleted.
    #[allow(clippy::needless_pass_by_value, reason = "a segment is taken once")]
    pub fn take(&mut self, segment: Segment) -> Result<&[u8], BacklogError> {
        if !self.unwritten.is_empty() {
            self.write()?;
        }
        let offset = u64::from(segment.offset);
        let Some(part) = self.files.get_mut(&segment.file) else {
            return Err(BacklogError::Damaged { path: path(&self.dir, segment.file), offset });
        };
        self.taken.resize(HEADER + segment.length as usize, 0);
        part.file.read_exact_at(&mut self.taken, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => BacklogError::Damaged { path: part.path.clone(), offset },
            _ => BacklogError::io("read", &part.path)(error),
        })?;
        let (sum, packed) = self.taken.split_at(HEADER);
        if sum != checksum(&segment, packed).to_le_bytes() {
            return Err(BacklogError::Damaged { path: part.path.clone(), offset });
        }
        part.live -= 1;
        if part.live == 0
            && let Some(part) = self.files.remove(&segment.file)
        {
            fs::remove_file(&part.path).map_err(BacklogError::io("delete", &part.path))?;
        }
        Ok(&self.taken[HEADER..])
    }

    /// Bytes of all scratch files.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|part| part.length).sum()
    }

    /// The file and the offset where so many bytes more have room.
    fn place(&mut self, bytes: u64) -> Result<(u32, u64), BacklogError> {
        if let Some(part) = self.files.get(&self.last)
            && part.length + bytes <= self.file_bytes
        {
            return Ok((self.last, part.length));
        }
        self.write()?;
        if self.files.is_empty() {
            fs::create_dir_all(&self.dir).map_err(BacklogError::io("create", &self.dir))?;
        }
        self.last += 1;
        let path = path(&self.dir, self.last);
        let file = OpenOptions::new().read(true).append(true).create_new(true).open(&path);
        let file = file.map_err(BacklogError::io("create", &path))?;
        self.files.insert(self.last, Part { file, path, length: 0, live: 0 });
        Ok((self.last, 0))
    }
}

impl Drop for Scratch {
    /// What cannot be deleted now is deleted at the next start.
    fn drop(&mut self) {
        for part in self.files.values() {
            let _ = fs::remove_file(&part.path);
        }
        // Only an empty directory goes away by this.
        let _ = fs::remove_dir(&self.dir);
    }
}

/// Seeded by the place, so that a segment that stands where another should is noticed, too.
fn checksum(segment: &Segment, packed: &[u8]) -> u64 {
    xxh3_64_with_seed(packed, u64::from(segment.file) << 32 | u64::from(segment.offset))
}

fn path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{PREFIX}{number:08}{ENDING}"))
}

/// Deletes the scratch files of an earlier process, and nothing else.
fn clear(dir: &Path) -> Result<(), BacklogError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(BacklogError::io("read", dir)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(BacklogError::io("read", dir))?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(ENDING)) {
            fs::remove_file(entry.path()).map_err(BacklogError::io("delete", &entry.path()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(dir: &Path) -> Scratch {
        Scratch::new(&Overflow { dir: dir.to_owned(), memory: 1_024 }).expect("a directory of ours")
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).into_iter().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn taken(scratch: &mut Scratch, segment: Segment) -> Vec<u8> {
        scratch.take(segment).expect("whole").to_vec()
    }

    #[test]
    fn segments_come_back_in_any_order_and_files_go_when_nothing_in_them_is_wanted() {
        let dir = tempfile::tempdir().expect("directory");
        let dir = dir.path().join("scratch");
        let mut scratch = scratch(&dir);
        assert!(!dir.exists(), "nothing was written");
        // Four of 1,008 bytes fit in a file of 4,096.
        let text = |n: u8| vec![n; 1_000];
        let mut segments: Vec<Option<Segment>> =
            (0..9).map(|n| Some(scratch.add(&text(n), 10).expect("disk"))).collect();
        let all = ["queue-00000001.scratch", "queue-00000002.scratch", "queue-00000003.scratch"];
        assert_eq!(names(&dir), all);
        assert_eq!(scratch.bytes(), 9 * 1_008);
        let mut take = |n: u8| {
            let segment = segments[usize::from(n)].take().expect("taken once");
            assert_eq!(segment.count, 10);
            assert_eq!(taken(&mut scratch, segment), text(n));
            names(&dir)
        };
        for n in [5, 0, 2, 3] {
            assert_eq!(take(n), all);
        }
        assert_eq!(take(1), all[1..]);
        assert_eq!(take(8), all[1..2]);
        assert_eq!([4, 6].map(&mut take).concat(), [all[1], all[1]]);
        assert_eq!(take(7), Vec::<String>::new());
        scratch.add(&text(9), 1).expect("disk");
        assert_eq!(names(&dir), ["queue-00000004.scratch"]);
    }

    #[test]
    fn a_segment_larger_than_a_file_gets_one_of_its_own() {
        let dir = tempfile::tempdir().expect("directory");
        let mut scratch = scratch(dir.path());
        let large: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let (first, second) = (scratch.add(b"x", 1).expect("disk"), scratch.add(&large, 1).expect("disk"));
        assert_ne!(first.file, second.file);
        assert_eq!(taken(&mut scratch, second), large);
        assert_eq!(taken(&mut scratch, first), b"x");
        assert_eq!(names(dir.path()), Vec::<String>::new());
    }

    #[test]
    fn segments_come_in_a_row_and_some_before_others() {
        let dir = tempfile::tempdir().expect("directory");
        let mut scratch = scratch(dir.path());
        let (mut row, mut first) = (Segments::default(), Segments::default());
        for n in 20..60 {
            scratch.append(&[n], 2, &mut row).expect("disk");
        }
        for n in 0..20 {
            scratch.append(&[n], 1, &mut first).expect("disk");
        }
        scratch.put_before(&mut row, first);
        for n in 0..60 {
            assert_eq!(row.count(), (60 - u64::from(n).max(20)) * 2 + 20_u64.saturating_sub(n.into()));
            let segment = scratch.first(&mut row).expect("one is left");
            assert_eq!(segment.count, if n < 20 { 1 } else { 2 });
            assert_eq!(scratch.take(segment).expect("whole"), [n]);
        }
        assert!(scratch.first(&mut row).is_none());
        assert_eq!((scratch.bytes(), scratch.notes.memory()), (0, 0));
    }

    #[test]
    fn what_an_earlier_process_left_goes_and_nothing_else() {
        let dir = tempfile::tempdir().expect("directory");
        for name in ["queue-00000001.scratch", "queue-1.txt", "notes.scratch"] {
            fs::write(dir.path().join(name), "left").expect("writes");
        }
        let mut scratch = scratch(dir.path());
        assert_eq!(names(dir.path()), ["notes.scratch", "queue-1.txt"]);
        scratch.add(b"x", 1).expect("disk");
        assert_eq!(names(dir.path()).len(), 3);
        drop(scratch);
        assert_eq!(names(dir.path()), ["notes.scratch", "queue-1.txt"]);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed_and_the_file_named() {
        let dir = tempfile::tempdir().expect("directory");
        let file = dir.path().join("queue-00000001.scratch");
        for at in 0..28_usize {
            let mut scratch = scratch(dir.path());
            let segment = scratch.add(b"twenty bytes of text", 1).expect("disk");
            scratch.write().expect("disk");
            let mut bytes = fs::read(&file).expect("file");
            assert_eq!(bytes.len(), 28);
            bytes[at] ^= 1 << (at % 8);
            if at % 2 == 0 {
                bytes.truncate(at);
            }
            fs::write(&file, bytes).expect("writes");
            let error = scratch.take(segment).expect_err("damaged");
            assert!(matches!(&error, BacklogError::Damaged { path, offset: 0 } if *path == file), "{error}");
            assert!(error.to_string().contains("queue-00000001.scratch"), "{error}");
        }
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().expect("directory");
        fs::write(dir.path().join("file"), "").expect("writes");
        let inside = dir.path().join("file/scratch");
        let error =
            Scratch::new(&Overflow { dir: inside.clone(), memory: 1 }).expect_err("a file is in the way");
        assert!(error.to_string().starts_with(&format!("cannot read `{}`", inside.display())), "{error}");
        assert!(!error.is_full());
    }
}

//! Where the parts of an output journal stand, what they are called, and how one is cut back. Writes no line and
//! knows no format.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use super::SinkError;
use super::packing::Compression;
use crate::model::Position;

/// Where a journal lives and when it rolls.
#[derive(Clone, Debug)]
pub struct Place {
    /// Id of the sink, for errors.
    pub sink: String,
    /// The run directory: artifacts are named relative to it.
    pub run_dir: PathBuf,
    /// Folder of the parts, relative to the run directory.
    pub folder: PathBuf,
    /// What the names of the parts begin with.
    pub stem: String,
    /// Ending of the parts, without the dot.
    pub extension: String,
    /// How the parts are packed, if it is done here.
    pub compression: Compression,
    /// A part is not made longer than this, unless one line alone is, or by what a packer holds back.
    pub roll_bytes: u64,
    /// Lines of a part at most.
    pub roll_records: Option<u64>,
    /// Counts the lines of an unpacked part.
    pub count: Count,
}

/// Counts the lines of an unpacked part, from its beginning.
pub type Count = fn(&mut dyn BufRead) -> io::Result<u64>;

fn numbered(stem: &str, part: u32, extension: &str) -> String {
    format!("{stem}-{part:05}.{extension}")
}

/// Lines by their ends.
pub(super) fn count_lines(part: &mut dyn BufRead) -> io::Result<u64> {
    let mut lines = 0;
    loop {
        let piece = part.fill_buf()?;
        if piece.is_empty() {
            return Ok(lines);
        }
        lines += memchr::memchr_iter(b'\n', piece).count() as u64;
        let read = piece.len();
        part.consume(read);
    }
}

impl Place {
    /// A folder of parts with lines of text, `part-00000.jsonl` and so on.
    pub fn lines(sink: String, run_dir: &Path, folder: PathBuf, roll_bytes: u64) -> Self {
        Self {
            sink,
            run_dir: run_dir.to_owned(),
            folder,
            stem: "part".to_owned(),
            extension: "jsonl".to_owned(),
            compression: Compression::None,
            roll_bytes,
            roll_records: None,
            count: count_lines,
        }
    }

    /// Path of a part.
    pub fn part(&self, part: u32) -> PathBuf {
        self.dir().join(self.name(part))
    }

    pub(super) fn name(&self, part: u32) -> String {
        numbered(&self.stem, part, &self.extension)
    }

    fn number(&self, name: &str) -> Option<u32> {
        let digits = name.strip_prefix(&self.stem)?.strip_prefix('-')?.split('.').next()?;
        let number = digits.parse().ok()?;
        (name == self.name(number)).then_some(number)
    }

    /// The lines of a part, counted.
    pub(super) fn counted(&self, part: u32) -> Result<u64, SinkError> {
        let path = self.part(part);
        let count = || (self.count)(&mut *self.compression.reader(File::open(&path)?)?);
        count().map_err(|error| self.failed("read", &path, error))
    }

    pub(super) fn dir(&self) -> PathBuf {
        self.run_dir.join(&self.folder)
    }

    /// The error of this sink at `path`.
    pub(super) fn failed(&self, action: &'static str, path: &Path, error: io::Error) -> SinkError {
        SinkError::Io { sink: self.sink.clone(), action, path: path.to_owned(), error }
    }

    /// Removes the parts from `first` on.
    pub(super) fn remove_from(&self, first: u32) -> Result<(), SinkError> {
        let dir = self.dir();
        for entry in fs::read_dir(&dir).map_err(|error| self.failed("read", &dir, error))? {
            let path = entry.map_err(|error| self.failed("read", &dir, error))?.path();
            let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| self.number(name));
            if number.is_some_and(|number| number >= first) {
                fs::remove_file(&path).map_err(|error| self.failed("remove", &path, error))?;
            }
        }
        Ok(())
    }

    /// Creates the folder, and makes its name and those above it up to the run directory durable.
    pub(super) fn create_folder(&self) -> Result<(), SinkError> {
        let dir = self.dir();
        fs::create_dir_all(&dir).map_err(|error| self.failed("create", &dir, error))?;
        for above in dir.ancestors().skip(1).take(self.folder.components().count()) {
            sync_dir(above).map_err(|error| self.failed("sync", above, error))?;
        }
        Ok(())
    }

    pub(super) fn create_part(&self, part: u32) -> Result<File, SinkError> {
        let path = self.part(part);
        let file = OpenOptions::new().append(true).create(true).open(&path);
        let file = file.map_err(|error| self.failed("create", &path, error))?;
        sync_dir(&self.dir()).map_err(|error| self.failed("sync", &self.dir(), error))?;
        Ok(file)
    }

    /// Cuts `at.part` back to what was committed. A part that never held a committed byte may be missing.
    pub(super) fn cut_part(&self, at: Position) -> Result<File, SinkError> {
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

/// Makes the names in a folder durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

//! Where the files of a job's state stand, and how a file is replaced so that a crash leaves the old or the new.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// Format of everything below the state directory.
const FORMAT: u32 = 1;

/// The paths below `job.state_dir`.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Creates the directory where it is missing, and checks that its format is ours.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let layout = Self { root: root.to_owned() };
        for dir in [layout.root.clone(), layout.journals(), layout.snapshots()] {
            fs::create_dir_all(&dir).map_err(StoreError::io("create", &dir))?;
        }
        if !layout.check_format()? {
            replace_file(&layout.format_file(), FORMAT.to_string().as_bytes())?;
        }
        Ok(layout)
    }

    /// The paths of a state that exists; `None` where no run has been. Writes nothing.
    pub fn existing(root: &Path) -> Result<Option<Self>, StoreError> {
        let layout = Self { root: root.to_owned() };
        Ok(layout.check_format()?.then_some(layout))
    }

    fn check_format(&self) -> Result<bool, StoreError> {
        let path = self.format_file();
        match fs::read_to_string(&path) {
            Ok(text) if text.trim() == FORMAT.to_string() => Ok(true),
            Ok(text) => {
                let found = text.trim().chars().take(20).collect();
                Err(StoreError::Version { path, found, known: FORMAT })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::io("read", &path)(error)),
        }
    }

    fn format_file(&self) -> PathBuf {
        self.root.join("format")
    }

    /// `state_dir` itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Directory of the frontier journals.
    pub fn journals(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// The frontier journal of a run.
    pub fn journal(&self, run_id: &str) -> PathBuf {
        self.journals().join(format!("{run_id}.journal"))
    }

    /// The journal of the unfinished run, if there is one.
    pub fn unfinished(&self) -> Result<Option<PathBuf>, StoreError> {
        let mut found: Vec<PathBuf> = list(&self.journals())?
            .into_iter()
            .filter(|path| path.extension().is_some_and(|ending| ending == "journal"))
            .collect();
        found.sort();
        Ok(found.pop())
    }

    /// Directory of the history snapshots.
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshot")
    }

    /// A numbered snapshot. Number 0 is the empty history and has no file.
    pub fn snapshot(&self, number: u64) -> PathBuf {
        self.snapshots().join(format!("{number:08}.snap"))
    }

    /// The newest snapshot's number, 0 if there is none.
    pub fn newest_snapshot(&self) -> Result<u64, StoreError> {
        let numbers = list(&self.snapshots())?.into_iter().filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            name.strip_suffix(".snap")?.parse().ok()
        });
        Ok(numbers.max().unwrap_or(0))
    }

    /// Directory of sled.
    pub fn sled(&self) -> PathBuf {
        self.root.join("sled")
    }

    /// Says which boot last had sled open and whether it was closed well.
    pub fn sled_mark(&self) -> PathBuf {
        self.root.join("sled.mark")
    }

    /// The job's lock.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Scratch files of requests that memory has no room for.
    pub fn queue(&self) -> PathBuf {
        self.root.join("queue")
    }

    /// The journal of the run before, which left requests in its queue for the next one.
    pub fn carried(&self) -> PathBuf {
        self.root.join("carried")
    }

    /// Where standard input is kept while a run that reads it is unfinished.
    pub fn stdin_spool(&self) -> PathBuf {
        self.root.join("stdin")
    }

    /// How long that is, and its digest.
    pub fn stdin_sum(&self) -> PathBuf {
        self.root.join("stdin.sum")
    }
}

/// The entries of a directory; none if it is not there.
fn list(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("list", dir)(error)),
    };
    entries.map(|entry| entry.map(|e| e.path()).map_err(StoreError::io("list", dir))).collect()
}

/// Replaces a file as a whole: written beside it, synced, renamed, directory synced.
pub fn replace_file(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".writing-")
        .permissions(permissions())
        .tempfile_in(dir)
        .map_err(StoreError::io("write in", dir))?;
    file.write_all(content).map_err(StoreError::io("write", path))?;
    file.as_file().sync_all().map_err(StoreError::io("sync", path))?;
    let writing = file.into_temp_path();
    fs::rename(&writing, path).map_err(StoreError::io("replace", path))?;
    // Nothing stands under that name any more: it is not to be removed.
    let _ = writing.keep();
    sync_dir(dir)
}

/// What a file that others read is created with; the umask still applies.
fn permissions() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o644)
}

/// Makes creations, renames and removals in a directory durable.
pub fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(StoreError::io("sync", dir))
}

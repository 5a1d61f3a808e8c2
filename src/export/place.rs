//! Where a file is made: under another name beside its own, which it gets when it is whole and on disk. A death in
//! between leaves a file that begins with `.writing-`, and the next try begins anew.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::error::ExportError;

/// A file that is to be made.
#[derive(Debug)]
pub(super) struct Place {
    to: PathBuf,
    writing: PathBuf,
}

impl Place {
    /// Makes the folder and removes what an earlier try has left.
    pub(super) fn prepare(to: &Path) -> Result<Self, ExportError> {
        if to.file_name().is_none() || to.is_dir() {
            return Err(ExportError::at("create", to)(io::ErrorKind::IsADirectory.into()));
        }
        let writing = hidden(to);
        fs::create_dir_all(folder(to)).map_err(ExportError::at("create", folder(to)))?;
        let place = Self { to: to.to_owned(), writing };
        place.clear().map_err(ExportError::at("remove", &place.writing))?;
        Ok(place)
    }

    /// Writes the file; what an error has left of it is removed.
    pub(super) fn failing<T>(
        &self,
        write: impl FnOnce(&Path) -> Result<T, ExportError>,
    ) -> Result<T, ExportError> {
        write(&self.writing).inspect_err(|_| drop(self.clear()))
    }

    /// Makes it durable under its name.
    pub(super) fn keep(&self) -> Result<(), ExportError> {
        let Self { to, writing } = self;
        let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
        sync(writing).map_err(ExportError::at("sync", to))?;
        fs::rename(writing, to).map_err(ExportError::at("rename", to))?;
        sync(folder(to)).map_err(ExportError::at("sync", folder(to)))
    }

    fn clear(&self) -> io::Result<()> {
        removed(&self.writing)
    }
}

/// Removes a file and what an unfinished try has left of it, if there is any.
pub(super) fn forget(to: &Path) -> Result<(), ExportError> {
    for path in [&*hidden(to), to] {
        removed(path).map_err(ExportError::at("remove", path))?;
    }
    Ok(())
}

fn removed(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What a file is called until it is whole.
fn hidden(to: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".writing-");
    name.push(to.file_name().unwrap_or_default());
    folder(to).join(name)
}

/// The folder of a file, which for a bare name is the current one.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_when_it_is_whole_and_an_error_leaves_the_old_one() {
        let dir = tempfile::tempdir().expect("folder");
        let to = dir.path().join("a/b.txt");
        let names = || {
            let entries = fs::read_dir(dir.path().join("a")).expect("folder").flatten();
            entries.map(|entry| entry.file_name().into_string().expect("a name")).collect::<Vec<_>>()
        };
        let write = |text: &'static str| {
            move |path: &Path| fs::write(path, text).map_err(ExportError::at("write", path))
        };
        let place = Place::prepare(&to).expect("place");
        place.failing(write("one")).expect("written");
        assert_eq!(names(), [".writing-b.txt"]);
        place.keep().expect("kept");
        let place = Place::prepare(&to).expect("place");
        let refused = place.failing(|path| {
            write("two")(path)?;
            Err::<(), _>(ExportError::LeftOut { format: "x".to_owned() })
        });
        assert!(refused.is_err());
        assert_eq!(
            (names(), fs::read_to_string(&to).expect("read")),
            (vec!["b.txt".to_owned()], "one".into())
        );
        // What a death has left does not stand in the way.
        write("half")(&place.writing).expect("written");
        assert!(!Place::prepare(&to).expect("place").writing.exists());
        forget(&to).expect("removed");
        assert_eq!(names(), [""; 0]);
        forget(&to).expect("nothing to remove");
        assert!(Place::prepare(dir.path()).is_err() && Place::prepare(Path::new("/")).is_err());
    }
}

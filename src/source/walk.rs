//! Every entry of a folder and of the folders below it, in order of their names, a small piece at a
//! time. Follows symbolic links, but not in circles; enters nothing but folders. Chooses nothing.

use std::ffi::OsString;
use std::fs::{self, FileType, Metadata, ReadDir};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::vec;

/// A folder is read in pieces of so many names.
const NAMES_A_STEP: usize = 256;

/// So many symbolic links to folders may stand in one path: links that fork at each level lead to
/// more paths than anybody can walk.
const MAX_LINKED_FOLDERS: u32 = 8;

/// What the walk came by.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A regular file that may be read.
    File(PathBuf),
    /// Something under a name that cannot be read as a file, and why.
    Odd(PathBuf, String),
    /// A folder that is not walked, and why: any file may be missing with it.
    Closed(PathBuf, String),
}

/// A walk under way. An item is `None` where a step found nothing.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The folder being read, last, and those it is in.
    folders: Vec<Folder>,
    /// Folders deeper than this are not entered.
    max_depth: Option<usize>,
    /// What is to be said of the first folder.
    first: Option<Found>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Device and inode: the same folder under every name.
    identity: (u64, u64),
    linked: u32,
    names: Names,
}

/// A name, and what it is if the folder says so.
type Name = (OsString, Option<FileType>);

#[derive(Debug)]
enum Names {
    Reading(ReadDir, Vec<Name>),
    Sorted(vec::IntoIter<Name>),
}

/// How a folder is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Name,
    Link,
}

impl Walk {
    /// Walks `root`; files right in it have depth 1.
    pub(super) fn new(root: PathBuf, max_depth: Option<usize>) -> Self {
        let mut walk = Self { max_depth, ..Self::default() };
        walk.first = walk.enter(root, By::Name);
        walk
    }

    fn visit(&mut self, path: PathBuf, kind: Option<FileType>) -> Option<Found> {
        match kind {
            Some(kind) if kind.is_dir() => self.enter(path, By::Name),
            Some(kind) if kind.is_file() => Some(readable(path)),
            Some(kind) if !kind.is_symlink() => Some(Found::Odd(path, words(kind).to_owned())),
            _ => match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => self.enter(path, By::Link),
                metadata => Some(judge(path, metadata)),
            },
        }
    }

    fn enter(&mut self, path: PathBuf, by: By) -> Option<Found> {
        if self.max_depth.is_some_and(|depth| self.folders.len() >= depth) {
            return None;
        }
        let opened = fs::metadata(&path).and_then(|metadata| Ok((metadata, fs::read_dir(&path)?)));
        let (metadata, names) = match opened {
            Ok(opened) => opened,
            Err(error) => return Some(Found::Closed(path, format!("cannot list this folder: {error}"))),
        };
        let identity = (metadata.dev(), metadata.ino());
        let linked = self.folders.last().map_or(0, |folder| folder.linked) + u32::from(by == By::Link);
        let above = self.folders.iter().find(|folder| folder.identity == identity);
        if let Some(above) = above {
            let reason = format!("leads back to `{}`, which it is in", above.path.display());
            return Some(Found::Closed(path, reason));
        }
        if linked > MAX_LINKED_FOLDERS {
            let reason = format!("more than {MAX_LINKED_FOLDERS} symbolic links to folders on the way");
            return Some(Found::Closed(path, reason));
        }
        self.folders.push(Folder { path, identity, linked, names: Names::Reading(names, Vec::new()) });
        None
    }
}

impl Iterator for Walk {
    type Item = Option<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.take() {
            return Some(Some(first));
        }
        let folder = self.folders.last_mut()?;
        match &mut folder.names {
            Names::Reading(entries, names) => {
                for _ in 0..NAMES_A_STEP {
                    match entries.next() {
                        Some(Ok(entry)) => names.push((entry.file_name(), entry.file_type().ok())),
                        Some(Err(error)) => {
                            let reason = format!("cannot list all of this folder: {error}");
                            return Some(Some(Found::Closed(folder.path.clone(), reason)));
                        }
                        None => {
                            names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
                            folder.names = Names::Sorted(std::mem::take(names).into_iter());
                            break;
                        }
                    }
                }
                Some(None)
            }
            Names::Sorted(names) => {
                let Some((name, kind)) = names.next() else {
                    self.folders.pop();
                    return Some(None);
                };
                let path = folder.path.join(name);
                Some(self.visit(path, kind))
            }
        }
    }
}

/// What stands under one path.
pub(super) fn look(path: &Path) -> Found {
    judge(path.to_owned(), fs::metadata(path))
}

fn judge(path: PathBuf, metadata: io::Result<Metadata>) -> Found {
    let is_link = || fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
    match metadata {
        Ok(metadata) if metadata.is_file() => readable(path),
        Ok(metadata) => Found::Odd(path, words(metadata.file_type()).to_owned()),
        // It may have been meant for a folder, so it counts whatever its name.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            Found::Closed(path, "symbolic links that lead in a circle".to_owned())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_link() => {
            Found::Odd(path, "a symbolic link that leads nowhere".to_owned())
        }
        Err(error) => Found::Odd(path, error.to_string()),
    }
}

fn readable(path: PathBuf) -> Found {
    match rustix::fs::access(&path, rustix::fs::Access::READ_OK) {
        Ok(()) => Found::File(path),
        Err(error) => Found::Odd(path, io::Error::from(error).to_string()),
    }
}

fn words(kind: FileType) -> &'static str {
    match kind {
        _ if kind.is_dir() => "a folder, not a file",
        _ if kind.is_fifo() => "a pipe, not a regular file",
        _ if kind.is_socket() => "a socket, not a regular file",
        _ if kind.is_block_device() || kind.is_char_device() => "a device, not a regular file",
        _ => "not a regular file",
    }
}

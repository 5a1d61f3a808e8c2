//! Bodies as they grow: in memory, or, where they may become too large for it, in a file without a name. Knows
//! no cap and no HTTP; the file is written a piece at a time on a blocking thread, never on that of the runtime.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::buffers::{Buffer, Buffers};
use crate::model::{Failure, Outcome, Spool, Stage};

/// A body that may be spooled is held in memory up to so many bytes, and written in pieces of about as many.
pub(super) const MAX_HELD: usize = 1 << 20;

/// A body that grows.
pub(super) struct Growing {
    /// Where it may be spooled; `None` for one that is held in memory whatever its size.
    dir: Option<PathBuf>,
    /// What is not in the file.
    held: Buffer,
    file: Option<File>,
    written: u64,
}

impl Growing {
    /// An empty body with room for `reserve` bytes.
    pub(super) fn new(dir: Option<&Path>, reserve: usize, buffers: &Buffers) -> Self {
        let reserve = if dir.is_some() { reserve.min(MAX_HELD) } else { reserve };
        Self { dir: dir.map(Path::to_owned), held: buffers.take(reserve), file: None, written: 0 }
    }

    /// How long it is so far.
    pub(super) fn len(&self) -> u64 {
        self.written + self.held.len() as u64
    }

    /// How much of it is in memory.
    pub(super) fn held(&self) -> u64 {
        self.held.len() as u64
    }

    /// Appends. The failure is that of the disk.
    pub(super) async fn extend(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.held.extend_from_slice(bytes);
        if self.dir.is_some() && self.held.len() > MAX_HELD {
            self.write().await?;
        }
        Ok(())
    }

    /// The body: in memory, or, with nothing there, in its file.
    pub(super) async fn finish(mut self) -> Result<(Bytes, Option<Arc<Spool>>), Failure> {
        if self.file.is_some() {
            self.write().await?;
        }
        if let Some(file) = self.file {
            return Ok((Bytes::new(), Some(Arc::new(Spool { file, bytes: self.written }))));
        }
        self.held.fit();
        Ok((Bytes::from_owner(self.held), None))
    }

    async fn write(&mut self) -> Result<(), Failure> {
        let Some(dir) = self.dir.clone() else { return Ok(()) };
        let (held, file) = (std::mem::take(&mut self.held), self.file.take());
        self.written += held.len() as u64;
        let place = dir.clone();
        #[allow(clippy::disallowed_methods)] // one for each MiB of the few bodies that are that large
        let writing = tokio::task::spawn_blocking(move || {
            let mut file = file.map_or_else(|| tempfile::tempfile_in(&dir), Ok)?;
            file.write_all(&held).map(|()| (file, held))
        });
        match writing.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok((file, mut emptied)) => {
                emptied.clear();
                (self.held, self.file) = (emptied, Some(file));
                Ok(())
            }
            Err(error) => {
                let words = format!("cannot keep the body in a file in `{}`: {error}", place.display());
                Err(Failure::new(Stage::Transfer, Outcome::Internal, words))
            }
        }
    }
}

/// Reads a spooled body from its beginning, whoever else reads it.
pub(super) struct Reader<'a> {
    spool: &'a Spool,
    at: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(spool: &'a Spool) -> Self {
        Self { spool, at: 0 }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.spool.file.read_at(out, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Grows a body by pieces of so many bytes. Gives it, the most that was held, and what names the folder had.
    async fn grown(size: usize, piece: usize, may_spool: bool) -> (Bytes, Option<Arc<Spool>>, u64) {
        let dir = tempfile::tempdir().expect("folder");
        let body: Vec<u8> = (0..size).map(|at| u8::try_from(at / 7 % 251).expect("below 251")).collect();
        let mut growing = Growing::new(may_spool.then_some(dir.path()), size, &Buffers::default());
        let mut most = 0;
        for piece in body.chunks(piece) {
            growing.extend(piece).await.expect("written");
            most = most.max(growing.held());
        }
        assert_eq!(growing.len(), size as u64);
        let (bytes, spool) = growing.finish().await.expect("written");
        let mut whole = bytes.to_vec();
        if let Some(spool) = &spool {
            Reader::new(spool).read_to_end(&mut whole).expect("read");
            assert_eq!(spool.bytes, size as u64);
        }
        assert!(whole == body, "{size}");
        assert_eq!(std::fs::read_dir(dir.path()).expect("folder").count(), 0, "a file has a name");
        (bytes, spool, most)
    }

    #[tokio::test]
    async fn what_is_larger_than_its_bound_goes_to_a_file() {
        for (size, is_spooled) in
            [(0, false), (MAX_HELD, false), (MAX_HELD + 1, true), (5 * MAX_HELD + 3, true)]
        {
            let (bytes, spool, most) = grown(size, 65_537, true).await;
            assert_eq!((spool.is_some(), bytes.is_empty()), (is_spooled, is_spooled || size == 0), "{size}");
            assert!(most <= MAX_HELD as u64);
            assert!(grown(size, 65_537, false).await.1.is_none());
        }
    }

    #[tokio::test]
    async fn two_readers_do_not_disturb_each_other() {
        let (_, spool, _) = grown(MAX_HELD + 100, 4096, true).await;
        let spool = spool.expect("spooled");
        let (mut one, mut other) = (Reader::new(&spool), Reader::new(&spool));
        let (mut a, mut b) = ([0; 1000], [0; 1000]);
        one.read_exact(&mut a).expect("read");
        other.read_exact(&mut b).expect("read");
        assert_eq!(a, b);
    }

    #[tokio::test]
    async fn a_disk_that_refuses_fails_the_body() {
        let mut growing = Growing::new(Some(Path::new("/proc/none")), 0, &Buffers::default());
        let failure = growing.extend(&vec![0; MAX_HELD + 1]).await.expect_err("no such folder");
        assert_eq!((failure.cause, failure.stage), (Outcome::Internal, Stage::Transfer));
        assert!(
            failure.detail.starts_with("cannot keep the body in a file in `/proc/none`: "),
            "{}",
            failure.detail
        );
    }
}

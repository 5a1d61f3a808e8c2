//! Standard input can be read once, a run may be taken up many times: it is copied to a file first. Because no other
//! copy of it exists, a resumed run makes sure that the file is as it was written.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::directory;
use super::error::RunError;
use crate::config::Config;
use crate::source;
use crate::store::{Layout, StoreError, replace_file, sync_dir};

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// Copies standard input, if a source reads it.
pub fn spool(config: &Config, layout: &Layout) -> Result<Option<PathBuf>, RunError> {
    if !is_read(config) {
        return Ok(None);
    }
    let path = layout.stdin_spool();
    let writing = path.with_extension("writing");
    let fault = |action, path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| RunError::Io { action, path, error }
    };
    let mut file = File::create(&writing).map_err(fault("create", &writing))?;
    let sum = copy(&mut io::stdin().lock(), &mut file).map_err(fault("copy standard input to", &writing))?;
    file.sync_all().map_err(fault("sync", &writing))?;
    replace_file(&layout.stdin_sum(), sum.as_bytes())?;
    fs::rename(&writing, &path).map_err(fault("rename", &writing))?;
    sync_dir(layout.root())?;
    Ok(Some(path))
}

/// The copy that an earlier process of the run made, if a source reads it. It must be whole: without it, or with half
/// of it, the run would end well and lack pages.
pub fn spooled(config: &Config, layout: &Layout) -> Result<Option<PathBuf>, RunError> {
    if !is_read(config) {
        return Ok(None);
    }
    let path = layout.stdin_spool();
    let damaged = |what: &str| StoreError::Damaged {
        path: path.clone(),
        what: format!("{what}, and it holds what standard input said when the run began"),
        hint: "start over with `--fresh` and the same input; published runs are not touched",
    };
    let mut file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged("it is gone").into()),
        file => file.map_err(|error| RunError::Io { action: "open", path: path.clone(), error })?,
    };
    // A run that an earlier version began has none.
    if let Ok(sum) = fs::read_to_string(layout.stdin_sum()) {
        let found = copy(&mut file, &mut io::sink()).map_err(|error| RunError::Io {
            action: "read",
            path: path.clone(),
            error,
        })?;
        if found != sum {
            return Err(damaged("it is not what was written").into());
        }
    }
    Ok(Some(path))
}

/// Removes the copy.
pub fn forget(layout: &Layout) -> Result<(), RunError> {
    directory::remove(&layout.stdin_spool())?;
    directory::remove(&layout.stdin_sum())
}

fn is_read(config: &Config) -> bool {
    let is_stdin =
        |settings: &source::Settings| matches!(settings, source::Settings::List(list) if list.is_stdin());
    config.sources.iter().any(is_stdin)
}

/// Copies all of it, and gives its length and digest in a line.
fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<String> {
    let (mut hasher, mut length, mut piece) = (blake3::Hasher::new(), 0_u64, vec![0; PIECE]);
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(format!("{length} {}\n", hasher.finalize().to_hex())),
            Ok(read) => {
                let read = piece.get(..read).unwrap_or_default();
                hasher.update(read);
                length += read.len() as u64;
                to.write_all(read)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::copy;

    #[test]
    fn the_sum_tells_lengths_and_contents_apart() {
        let sum = |text: &[u8]| {
            let mut to = Vec::new();
            let sum = copy(&mut &*text, &mut to).expect("copied");
            assert_eq!(to, text);
            sum
        };
        let long = vec![b'a'; super::PIECE * 2 + 1];
        assert_eq!(sum(&long), sum(&long.clone()));
        assert!(sum(&long).starts_with("131073 "));
        assert_ne!(sum(b"ab"), sum(b"ac"));
        assert_ne!(sum(b"ab"), sum(b"ab\n"));
    }
}

//! Where the outputs of a config may stand in the run directory: plain names only, and none that every run writes
//! itself. Touches no disk.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// Longest name of a folder or file, in bytes.
const LONGEST_NAME: usize = 64;

/// Names in the run directory that are not for an output of the config.
const TAKEN: [&str; 11] = [
    "records",
    "outcomes",
    "manifest.json",
    "summary.json",
    "status.json",
    "tasks.json",
    "hosts.csv",
    "report.html",
    "config.toml",
    "run.log.jsonl",
    "_SUCCESS",
];

/// A folder relative to the run directory, or why it cannot be used.
pub fn folder(text: &str) -> Result<PathBuf, String> {
    checked(text, "a folder inside the run directory, such as `pages`")
}

/// A file relative to the run directory, or why it cannot be used.
pub fn file(text: &str) -> Result<PathBuf, String> {
    checked(text, "a file inside the run directory, such as `table.parquet`")
}

fn checked(text: &str, wanted: &str) -> Result<PathBuf, String> {
    let path: PathBuf = Path::new(text).components().collect();
    let plain = path.components().all(|part| matches!(part, Component::Normal(name) if is_plain(name)));
    if text.is_empty() || !plain {
        let text = text.escape_debug();
        return Err(format!("`{text}` is not {wanted}: letters, digits, `.`, `_` and `-`"));
    }
    if TAKEN.iter().any(|name| path.starts_with(name)) {
        return Err(format!("`{text}` is taken by what every run writes; choose another `path`"));
    }
    Ok(path)
}

/// Whether a name can be a folder on every system, and hides nothing.
fn is_plain(name: &OsStr) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let bytes = name.as_encoded_bytes();
    !bytes.starts_with(b".") && bytes.iter().all(is_plain) && bytes.len() <= LONGEST_NAME
}

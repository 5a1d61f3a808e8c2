//! Old runs: which go by `job.keep_runs`, and how, so that a death in between leaves a whole run or a rest that the next
//! start removes. Follows no symbolic link, and touches nothing that is not known to be an ended run of this job.
//!
//! ```text
//! <run_id> ──rename, sync──► .deleting-<run_id> ──entry by entry──► gone
//! ```

use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::directory::{RunDir, is_run_id, latest};
use super::manifest::MANIFEST;
use crate::crash;
use crate::store::{StoreError, replace_file, sync_dir};

/// What the name of a run begins with while it is deleted.
const DELETING: &str = ".deleting-";
/// What an unfinished run that was set aside holds, in place of the manifest that it never had.
const ABANDONED: &str = "abandoned.json";

/// Which run of which job a directory holds, as its manifest or `abandoned.json` says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Label {
    run_id: String,
    job: String,
}

/// Marks an unfinished run that was set aside as a run of this job.
pub fn mark_abandoned(dir: &RunDir, run_id: &str, job: &str) -> Result<(), StoreError> {
    let label = Label { run_id: run_id.to_owned(), job: job.to_owned() };
    let text = serde_json::to_string_pretty(&label).unwrap_or_default() + "\n";
    replace_file(&dir.abandoned().join(ABANDONED), text.as_bytes())
}

/// Removes what is left of runs whose deletion was begun.
pub fn finish(runs: &Path) {
    for name in directories(runs) {
        if name.strip_prefix(DELETING).is_some_and(|rest| is_run_id(stem(rest))) {
            let path = runs.join(&name);
            match remove(&path) {
                Ok(()) => tracing::info!(path = %path.display(), "removed what was left of a deleted run"),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "a deleted run cannot be removed");
                }
            }
        }
    }
}

/// Deletes published runs but for the newest `keep`, and so, counted for themselves, those that failed or were set aside.
/// The one that `latest` names and the one that has just ended stay, whatever their age. What cannot be deleted stays, with
/// a warning: it harms no run.
pub fn keep_newest(ended: &RunDir, job: &str, keep: NonZeroUsize) {
    let runs = ended.runs();
    let (published, others): (Vec<String>, Vec<String>) = directories(&runs)
        .into_iter()
        .filter(|name| is_of(&runs.join(name), name, job))
        .partition(|name| is_run_id(name));
    let mut spared = pointed_at(ended.output());
    spared.push(ended.run_id().to_owned());
    for mut names in [published, others] {
        // By time, but for the one that has just ended: an id tells no two runs of one second apart, nor a clock set back.
        names.sort_unstable_by(|a, b| {
            let is_new = |name: &str| stem(name) == ended.run_id();
            (is_new(a), a).cmp(&(is_new(b), b))
        });
        let old = names.len().saturating_sub(keep.get());
        for name in names.iter().take(old).filter(|name| !spared.iter().any(|run_id| run_id == stem(name))) {
            let path = runs.join(name);
            match delete(&runs, name) {
                Ok(()) => tracing::info!(path = %path.display(), keep_runs = keep, "deleted an old run"),
                Err(error) => tracing::warn!(path = %path.display(), %error, "an old run cannot be deleted"),
            }
        }
    }
}

/// The names of directories; of these alone, and not of links to some.
fn directories(runs: &Path) -> Vec<String> {
    let entries = fs::read_dir(runs).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn stem(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// Whether this is an ended run of the job, by its name and by what it says of itself.
fn is_of(path: &Path, name: &str, job: &str) -> bool {
    let run_id = stem(name);
    if !is_run_id(run_id) {
        return false;
    }
    let label = match &name[run_id.len()..] {
        "" | ".failed" => MANIFEST,
        ".abandoned" => ABANDONED,
        _ => return false,
    };
    let found = fs::read(path.join(label)).ok().and_then(|text| serde_json::from_slice::<Label>(&text).ok());
    found == Some(Label { run_id: run_id.to_owned(), job: job.to_owned() })
}

/// What `latest` and `latest.json` name. Somebody may have pointed them at an older run.
fn pointed_at(output: &Path) -> Vec<String> {
    let link = fs::read_link(output.join("latest")).ok();
    let link = link.and_then(|target| Some(target.file_name()?.to_str()?.to_owned()));
    link.into_iter().chain(latest(output).map(|latest| latest.run_id)).collect()
}

fn delete(runs: &Path, name: &str) -> io::Result<()> {
    let going = runs.join(format!("{DELETING}{name}"));
    fs::rename(runs.join(name), &going)?;
    crash::reached("retention.renamed");
    sync_dir(runs).map_err(io::Error::other)?;
    remove(&going)
}

/// Removes a directory and what is in it; of a symbolic link the link.
fn remove(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path: PathBuf = entry.path();
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(&path)?;
        } else {
            fs::remove_file(&path)?;
        }
        crash::reached("retention.removed");
    }
    fs::remove_dir(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_their_ending() {
        assert_eq!(stem("20261121T020000Z-7f3a.failed"), "20261121T020000Z-7f3a");
        assert_eq!(stem(".hidden"), "");
        assert_eq!(stem(""), "");
    }

    #[test]
    fn latest_has_two_names() {
        let output = tempfile::tempdir().expect("folder");
        std::os::unix::fs::symlink("runs/a", output.path().join("latest")).expect("link");
        fs::write(output.path().join("latest.json"), r#"{"run_id":"b","path":"runs/b"}"#).expect("file");
        assert_eq!(pointed_at(output.path()), ["a", "b"]);
    }
}

//! The directories of a job's output: `runs/<run_id>.partial` while a run is unfinished, `runs/<run_id>` once it is
//! published, and `latest`, which moves in one step.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::RunError;
use crate::store::{replace_file, sync_dir};

/// The output directory of a job, seen from one of its runs.
#[derive(Clone, Debug)]
pub struct RunDir {
    output: PathBuf,
    run_id: String,
}

/// `latest.json`, for systems without symbolic links.
#[derive(Debug, Serialize, Deserialize)]
pub struct Latest {
    /// The run that was published last.
    pub run_id: String,
    /// Its directory, relative to the file.
    pub path: String,
}

impl RunDir {
    /// The directories of one run.
    pub fn new(output: &Path, run_id: &str) -> Self {
        Self { output: output.to_owned(), run_id: run_id.to_owned() }
    }

    /// The job's output directory.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// The run.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Where the runs stand.
    pub fn runs(&self) -> PathBuf {
        self.output.join("runs")
    }

    /// While it runs, or after a crash.
    pub fn partial(&self) -> PathBuf {
        self.named("partial")
    }

    /// Once it is published.
    pub fn published(&self) -> PathBuf {
        self.runs().join(&self.run_id)
    }

    /// Kept, and not published.
    pub fn failed(&self) -> PathBuf {
        self.named("failed")
    }

    /// Set aside by `--fresh`.
    pub fn abandoned(&self) -> PathBuf {
        self.named("abandoned")
    }

    /// Whether it is published, or kept as failed.
    pub fn is_renamed(&self) -> bool {
        self.published().exists() || self.failed().exists()
    }

    fn named(&self, ending: &str) -> PathBuf {
        self.runs().join(format!("{}.{ending}", self.run_id))
    }

    /// Creates the directory of an unfinished run, durably.
    pub fn create(&self) -> Result<(), RunError> {
        let dir = self.partial();
        fs::create_dir_all(&dir).map_err(|error| RunError::Create {
            path: dir,
            key: "job.output_dir",
            error,
        })?;
        sync_dir(&self.runs())?;
        Ok(sync_dir(&self.output)?)
    }

    /// Removes what runs left that died between their directory and their journal: directories without anything
    /// in them. One that holds something is left alone, and so is one that cannot be removed.
    pub fn sweep(&self) {
        let entries = fs::read_dir(self.runs()).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            if path.extension().is_some_and(|ending| ending == "partial") && fs::remove_dir(&path).is_ok() {
                tracing::debug!(path = %path.display(), "removed the empty directory of a run that never began");
            }
        }
    }

    /// Renames the unfinished run, durably. Nothing happens if that was done before.
    pub fn rename(&self, to: &Path) -> Result<(), RunError> {
        let from = self.partial();
        match fs::rename(&from, to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(RunError::Io { action: "rename", path: from, error }),
            Ok(()) => {}
        }
        Ok(sync_dir(&self.runs())?)
    }

    /// Moves `latest` to this run in one step, and says so in `latest.json`.
    pub fn point_latest(&self) -> Result<(), RunError> {
        let target = Path::new("runs").join(&self.run_id);
        let (link, writing) = (self.output.join("latest"), self.output.join(".writing-latest"));
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |error| RunError::Io { action, path, error }
        };
        remove(&writing)?;
        std::os::unix::fs::symlink(&target, &writing).map_err(io("create", &writing))?;
        fs::rename(&writing, &link).map_err(io("replace", &link))?;
        let latest = Latest { run_id: self.run_id.clone(), path: target.to_string_lossy().into_owned() };
        let text = serde_json::to_string_pretty(&latest).unwrap_or_default() + "\n";
        Ok(replace_file(&self.output.join("latest.json"), text.as_bytes())?)
    }
}

/// Whether a text is the id of a run: `20261121T020000Z-7f3a`.
pub fn is_run_id(text: &str) -> bool {
    let is_like = |(byte, like): (&u8, &u8)| match like {
        b'0' => byte.is_ascii_digit(),
        b'f' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        _ => byte == like,
    };
    let form = b"00000000T000000Z-ffff";
    text.len() == form.len() && text.as_bytes().iter().zip(form).all(is_like)
}

/// The run that was published last, if there is one.
pub fn latest(output: &Path) -> Option<Latest> {
    serde_json::from_str(&fs::read_to_string(output.join("latest.json")).ok()?).ok()
}

/// The newest run that failed since the one that was published last, if there is one.
pub fn failed(output: &Path) -> Option<Latest> {
    let published = latest(output).map(|latest| latest.run_id);
    let names = fs::read_dir(output.join("runs"))
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    // Ids begin with their time.
    let failed = names.filter_map(|name| name.strip_suffix(".failed").map(str::to_owned));
    let run_id =
        failed.filter(|run_id| published.as_ref().is_none_or(|published| run_id > published)).max()?;
    let path = format!("runs/{run_id}.failed");
    Some(Latest { run_id, path })
}

/// Creates a directory and those above it, durably: a power cut must not take a published run with its folder.
pub fn create(dir: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = dir.ancestors().take_while(|above| !above.exists()).collect();
    fs::create_dir_all(dir)?;
    for above in missing.into_iter().filter_map(Path::parent) {
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        match File::open(above).and_then(|above| above.sync_all()) {
            // A folder may be writable and not readable; then the system decides when it is on disk.
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Removes a file if it is there.
pub fn remove(path: &Path) -> Result<(), RunError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(RunError::Io { action: "remove", path: path.to_owned(), error })
        }
        _ => Ok(()),
    }
}

/// Removes what a death in the middle of [`replace_file`] left in a directory.
pub fn sweep(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(".writing-") || name.ends_with(".writing") {
            let _ = fs::remove_file(entry.path());
        }
    }
}

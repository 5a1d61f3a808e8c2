//! How far a job has come, seen from outside: its unfinished run by `status.json` and the lock, else the run that ended
//! last by its summary. Reads files only; takes no lock that would keep a run from starting.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use super::directory::{RunDir, latest};
use super::error::RunError;
use super::status::{STATUS, Status};
use crate::config::Job;
use crate::store::{Holder, Layout, beginning, holder};

/// What is to be seen of a job.
#[derive(Debug)]
pub enum Progress {
    /// It has never run.
    Nothing,
    /// It has an unfinished run.
    Unfinished(Box<Unfinished>),
    /// Its runs have ended; this is the last of them.
    Ended(Box<Ended>),
}

/// A run between its start and its publication.
#[derive(Debug)]
pub struct Unfinished {
    /// The run.
    pub run_id: String,
    /// Who works on it; none if its process is gone.
    pub holder: Option<Holder>,
    /// What it last said of itself, and how many milliseconds ago, if it has said anything.
    pub status: Option<(Status, u64)>,
    /// Whether only its publication is left. Not looked for while it says something.
    pub is_crawled: bool,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its directory.
    pub path: PathBuf,
    /// Whether it was published; else it was kept as failed.
    pub is_published: bool,
    /// `summary.json`
    pub summary: Value,
}

/// Looks at a job.
pub fn look(job: &Job, now: Timestamp) -> Result<Progress, RunError> {
    if let Some(layout) = Layout::existing(&job.state_dir)?
        && let Some(journal) = layout.unfinished()?
    {
        let unfinished = unfinished(job, &layout, &journal, now);
        // A journal that vanished while it was looked at: the run has been published.
        if journal.exists() {
            return Ok(Progress::Unfinished(Box::new(unfinished?)));
        }
    }
    Ok(ended(&job.output_dir)?.map_or(Progress::Nothing, |ended| Progress::Ended(Box::new(ended))))
}

fn unfinished(job: &Job, layout: &Layout, journal: &Path, now: Timestamp) -> Result<Unfinished, RunError> {
    let run_id = journal.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let holder = holder(&layout.lock());
    let text = fs::read(RunDir::new(&job.output_dir, &run_id).partial().join(STATUS));
    let status = text.ok().and_then(|text| serde_json::from_slice::<Status>(&text).ok());
    // A process that has taken the run up again has not said anything yet.
    let status = status.filter(|status| holder.as_ref().is_none_or(|holder| holder.pid == status.pid));
    let age = |status: &Status| {
        let updated = status.updated.parse::<Timestamp>().unwrap_or(now);
        u64::try_from(now.duration_since(updated).as_millis()).unwrap_or(0)
    };
    let status = status.map(|status| {
        let age = age(&status);
        (status, age)
    });
    let is_crawled = status.is_none() && beginning(journal)?.1;
    Ok(Unfinished { run_id, holder, status, is_crawled })
}

/// The run that ended last, published or kept as failed.
fn ended(output: &Path) -> Result<Option<Ended>, RunError> {
    let published =
        latest(output).map(|latest| Ended::read(RunDir::new(output, &latest.run_id).published(), true));
    let failed =
        newest_failed(output)?.map(|run_id| Ended::read(RunDir::new(output, &run_id).failed(), false));
    let both = [published.transpose()?, failed.transpose()?];
    // Not by their ids: two runs of one second differ by chance there.
    Ok(both.into_iter().flatten().max_by(|a, b| a.finished().cmp(b.finished())))
}

impl Ended {
    fn read(path: PathBuf, is_published: bool) -> Result<Self, RunError> {
        let file = path.join("summary.json");
        let text = fs::read(&file).map_err(|error| RunError::Io { action: "read", path: file, error })?;
        Ok(Self { path, is_published, summary: serde_json::from_slice(&text).unwrap_or_default() })
    }

    /// Such times sort as texts.
    fn finished(&self) -> &str {
        self.summary["finished"].as_str().unwrap_or_default()
    }
}

fn newest_failed(output: &Path) -> Result<Option<String>, RunError> {
    let runs = output.join("runs");
    let entries = match fs::read_dir(&runs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RunError::Io { action: "list", path: runs, error }),
    };
    let id = |entry: fs::DirEntry| Some(entry.file_name().to_str()?.strip_suffix(".failed")?.to_owned());
    Ok(entries.flatten().filter_map(id).max())
}

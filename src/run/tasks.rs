//! `tasks.json`: what each request in flight and each worker of a live run is doing, written when somebody asks. Who asks
//! leaves a file in the state directory, and the run, which looks for it, answers and takes it away: no signal can reach
//! the wrong process so, and nobody listens on a port.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::directory::RunDir;
use super::error::RunError;
use crate::config::Job;
use crate::frontier::Frontier;
use crate::model::Role;
use crate::pipeline::{Board, Seen, Who};
use crate::store::{Holder, Layout, beginning, holder};

/// Name of the file in the directory of an unfinished run.
pub const TASKS: &str = "tasks.json";
/// Name of the file in the state directory by which it is asked for.
const WANTED: &str = "tasks-wanted";
/// Requests that are listed.
const MAX_REQUESTS: usize = 10_000;
/// Hosts that are listed.
const MAX_HOSTS: usize = 100;
/// How often it is looked whether the run has answered.
const EVERY: Duration = Duration::from_millis(20);

/// `tasks.json`
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Tasks {
    /// The run.
    pub run_id: String,
    /// The process that works on it.
    pub pid: u32,
    /// When this was written: RFC 3339, UTC, milliseconds.
    pub written: String,
    /// Requests between their lease and their commit, by stage.
    pub stages: BTreeMap<String, u64>,
    /// Parts of the program that live as long as the crawl.
    pub workers: Vec<WorkerTask>,
    /// Requests between their lease and their commit, the oldest first, at most 10,000.
    pub requests: Vec<RequestTask>,
    /// Hosts with requests that wait for their turn, at most 100.
    pub waiting: Vec<WaitingHost>,
}

/// A part of the program.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WorkerTask {
    /// Its name.
    pub name: String,
    /// What it does.
    pub stage: String,
    /// For how long it has done that, in milliseconds.
    pub stage_ms: u64,
}

/// A request in flight.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RequestTask {
    /// What is asked for.
    pub url: String,
    /// Host key.
    pub host: String,
    /// What it is asked for: `page`, `robots`, `sitemap` or `feed`.
    pub role: String,
    /// How often it was asked for before, without an answer.
    pub attempt: u32,
    /// How far it is.
    pub stage: String,
    /// For how long it has been there, in milliseconds.
    pub stage_ms: u64,
    /// For how long it has been under way, in milliseconds.
    pub age_ms: u64,
}

/// A host with requests that wait.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WaitingHost {
    /// Host key.
    pub host: String,
    /// Requests that wait.
    pub queued: u64,
    /// Requests in flight.
    pub in_flight: u64,
    /// In how many milliseconds it may be asked again; null while it has no room.
    pub due_ms: Option<u64>,
}

impl Tasks {
    /// What is done now.
    pub fn of(run_id: &str, board: &Board, frontier: &Frontier, now: Timestamp) -> Self {
        let (run_id, written) = (run_id.to_owned(), format!("{now:.3}"));
        let mut tasks = Self { run_id, pid: std::process::id(), written, ..Self::default() };
        for Seen { who, doing, stage_age, age } in board.look() {
            let (stage, stage_ms) = (doing.name().to_owned(), millis(stage_age));
            match who {
                Who::Worker(name) => {
                    tasks.workers.push(WorkerTask { name: name.to_owned(), stage, stage_ms });
                }
                Who::Request { url, host, role, attempt } => {
                    *tasks.stages.entry(stage.clone()).or_default() += 1;
                    if tasks.requests.len() < MAX_REQUESTS {
                        let (role, age_ms) = (name(role).to_owned(), millis(age));
                        tasks.requests.push(RequestTask {
                            url: url.to_string(),
                            host: host.to_string(),
                            role,
                            attempt,
                            stage,
                            stage_ms,
                            age_ms,
                        });
                    }
                }
            }
        }
        let hosts = frontier.hosts(MAX_HOSTS).0.into_iter().filter(|host| host.queued > 0);
        tasks.waiting = hosts
            .map(|view| WaitingHost {
                host: view.host,
                queued: view.queued,
                in_flight: view.in_flight,
                due_ms: view.due_ms,
            })
            .collect();
        tasks
    }

    /// Replaces the file in one step. It is not synced: after a crash it is of no use.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        replace(dir, TASKS, &serde_json::to_vec_pretty(self).unwrap_or_default())
    }

    /// To the log, the first of them.
    pub fn log(&self) {
        const MOST: usize = 100;
        let stages: Vec<String> = self.stages.iter().map(|(name, count)| format!("{name} {count}")).collect();
        tracing::info!(in_flight = self.requests.len(), stages = stages.join(", "), "tasks");
        for WorkerTask { name, stage, stage_ms } in &self.workers {
            tracing::info!(name, stage, stage_ms, "task");
        }
        for RequestTask { url, role, attempt, stage, stage_ms, age_ms, .. } in self.requests.iter().take(MOST)
        {
            tracing::info!(url, stage, stage_ms, age_ms, role, attempt, "task");
        }
        for WaitingHost { host, queued, due_ms, .. } in self.waiting.iter().take(MOST) {
            tracing::info!(host, queued, due_ms, "waits");
        }
    }
}

/// Replaces a file that is of no use after a crash.
pub fn replace(dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let writing = dir.join(format!(".writing-{name}"));
    fs::write(&writing, content)?;
    fs::rename(&writing, dir.join(name))
}

/// Where the tasks of a job are asked for.
pub fn wanted(state_dir: &Path) -> PathBuf {
    state_dir.join(WANTED)
}

/// What came of asking.
#[derive(Debug)]
pub enum Asked {
    /// The answer.
    Told(Box<Tasks>),
    /// Nobody works on the job.
    NotRunning,
    /// The crawl of the run is over: nothing is in flight.
    Publishing(Holder),
    /// It has not answered in time.
    Silent(Holder),
}

/// Asks the live run of a job what it does.
pub fn ask(job: &Job, patience: Duration) -> Result<Asked, RunError> {
    let Some(layout) = Layout::existing(&job.state_dir)? else { return Ok(Asked::NotRunning) };
    let Some(holder) = holder(&layout.lock()) else { return Ok(Asked::NotRunning) };
    let wanted = wanted(&job.state_dir);
    fs::write(&wanted, []).map_err(|error| RunError::Io { action: "write", path: wanted.clone(), error })?;
    let told = wait(job, &layout, &wanted, Instant::now() + patience);
    if !matches!(told, Ok(Some(_))) {
        let _ = fs::remove_file(&wanted);
    }
    match told? {
        Some(tasks) => Ok(Asked::Told(Box::new(tasks))),
        None if crate::store::holder(&layout.lock()).is_none() => Ok(Asked::NotRunning),
        None => match layout.unfinished()? {
            Some(journal) if !beginning(&journal)?.1 => Ok(Asked::Silent(holder)),
            _ => Ok(Asked::Publishing(holder)),
        },
    }
}

/// The answer, or nothing if there is none in time or nobody left to give one.
fn wait(job: &Job, layout: &Layout, wanted: &Path, until: Instant) -> Result<Option<Tasks>, RunError> {
    while Instant::now() < until {
        if !wanted.exists() {
            let Some(journal) = layout.unfinished()? else { return Ok(None) };
            let run_id =
                journal.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let path = RunDir::new(&job.output_dir, &run_id).partial().join(TASKS);
            return match fs::read(&path) {
                Ok(text) => Ok(serde_json::from_slice(&text).ok()),
                // The crawl has ended in this moment and has taken the file with it.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(RunError::Io { action: "read", path, error }),
            };
        }
        if holder(&layout.lock()).is_none() {
            break;
        }
        std::thread::sleep(EVERY);
    }
    Ok(None)
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Page => "page",
        Role::Robots => "robots",
        Role::Sitemap => "sitemap",
        Role::Feed => "feed",
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

//! `trawl status --tasks`: what each request in flight and each worker of a live run is doing.

use std::fmt::Write as _;
use std::time::Duration;

use super::report::{Report, tame_json};
use super::table::{Table, count, span};
use crate::config::{Loaded, shown};
use crate::run::{Asked, Exit, Tasks, ask_tasks};

/// How long a run may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How it is printed.
#[derive(Clone, Copy, Debug)]
pub struct Ways {
    /// As JSON.
    pub json: bool,
    /// Requests that are listed.
    pub most: usize,
}

/// Asks the run and prints its answer. Exit 1 if there is none.
pub fn run(loaded: &Loaded, ways: Ways, report: &Report) -> Exit {
    let job = &loaded.config.job;
    let name = shown(&job.name);
    match ask_tasks(job, PATIENCE) {
        Ok(Asked::Told(tasks)) => {
            let text = if ways.json { as_json(&tasks) } else { for_people(&name, &tasks, ways.most) };
            report.result(Exit::Complete, |out| out.write_all(text.as_bytes()))
        }
        Ok(Asked::NotRunning) => {
            let words =
                format!("job `{name}` is not running\nhint: `trawl status` says what its last run came to");
            report.error(Exit::Error, &words)
        }
        Ok(Asked::Publishing(holder)) => {
            let pid = holder.pid;
            report.error(
                Exit::Error,
                &format!("job `{name}` has nothing in flight: process {pid} publishes it"),
            )
        }
        Ok(Asked::Silent(holder)) => {
            let (pid, patience) = (holder.pid, PATIENCE.as_secs());
            let words = format!(
                "process {pid} has not said what it does for {patience}s\nhint: it is starting, or stopped, or the machine is busy; \
                 `kill -USR1 {pid}` has it written to the log"
            );
            report.error(Exit::Error, &words)
        }
        Err(error) => report.error(error.exit(), &error),
    }
}

fn as_json(tasks: &Tasks) -> String {
    tame_json(&serde_json::to_string_pretty(tasks).unwrap_or_default()) + "\n"
}

fn for_people(job: &str, tasks: &Tasks, most: usize) -> String {
    let in_all: u64 = tasks.stages.values().sum();
    let stages: Vec<String> =
        tasks.stages.iter().map(|(name, number)| format!("{} {}", shown(name), count(*number))).collect();
    let mut text = format!(
        "run {} of job {job}, process {}: {} in flight{}{}\n",
        shown(&tasks.run_id),
        tasks.pid,
        count(in_all),
        if stages.is_empty() { "" } else { ": " },
        stages.join(", "),
    );
    let mut table = Table::new(&["task", "stage", ">for", ">in all", ">attempt", "url"]);
    for worker in &tasks.workers {
        let (name, stage) = (shown(&worker.name), shown(&worker.stage));
        table.row(&[name, stage, span(worker.stage_ms), String::new(), String::new(), String::new()]);
    }
    for request in tasks.requests.iter().take(most) {
        table.row(&[
            shown(&request.role),
            shown(&request.stage),
            span(request.stage_ms),
            span(request.age_ms),
            request.attempt.to_string(),
            shown(&request.url),
        ]);
    }
    let _ = write!(text, "\n{table}");
    let listed = most.min(tasks.requests.len()) as u64;
    if in_all > listed {
        let _ = writeln!(text, "{} of {} in flight, the oldest", count(listed), count(in_all));
    }
    if !tasks.waiting.is_empty() && most > 0 {
        let mut table = Table::new(&["waiting for host", ">queued", ">in flight", ">next"]);
        for host in tasks.waiting.iter().take(most) {
            let next = match host.due_ms {
                None => "-".to_owned(),
                Some(0) => "now".to_owned(),
                Some(due) => span(due),
            };
            table.row(&[shown(&host.host), count(host.queued), count(host.in_flight), next]);
        }
        let _ = write!(text, "\n{table}");
    }
    text
}

//! `trawl status`: what a job is doing now, or what its last run came to.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::args::{ConfigArgs, Global};
use super::report::{Report, tame_json};
use super::table::{Table, amount, count, span};
use super::tasks;
use crate::config::{Loaded, shown};
use crate::run::{self, EndedRun, Exit, HostStatus, Progress, Status, UnfinishedRun};

/// How often `--watch` looks again.
const EVERY: Duration = Duration::from_secs(1);
/// A live run writes its status every second: one that is silent for longer is in trouble.
const SILENT_MS: u64 = 10_000;
/// Puts the cursor home and clears the screen.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Arguments of `trawl status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Look again every second until the run ends
    #[arg(short, long)]
    watch: bool,
    /// List so many hosts, or tasks, at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    hosts: usize,
    /// Ask the live run what each request in flight is doing
    #[arg(long, conflicts_with = "watch")]
    tasks: bool,
    /// Print JSON; with `--watch` one object a line
    #[arg(long)]
    json: bool,
}

/// Prints it. Exit 1 if the job has never run.
pub fn run(args: &Args, global: &Global, report: &Report) -> Exit {
    let loaded = match args.config.load(global) {
        Ok(loaded) => loaded,
        Err(errors) => return report.error(Exit::InvalidConfig, &errors),
    };
    if args.tasks {
        return tasks::run(&loaded, tasks::Ways { json: args.json, most: args.hosts }, report);
    }
    let clears = args.watch && !args.json && io::stdout().is_terminal();
    loop {
        let progress = match run::look(&loaded.config.job, Timestamp::now()) {
            Ok(progress) => progress,
            Err(error) => return report.error(error.exit(), &error),
        };
        let text = match &progress {
            Progress::Nothing => return never(&loaded, report),
            seen if args.json => tame_json(&as_json(seen, args.watch)) + "\n",
            Progress::Unfinished(unfinished) => for_people(&loaded, unfinished, args.hosts),
            Progress::Ended(ended) => ended_for_people(ended),
        };
        let is_over = !matches!(&progress, Progress::Unfinished(unfinished) if unfinished.holder.is_some());
        let mut has_reader = true;
        let exit = report.result(Exit::Complete, |out| {
            let between = if args.watch && !clears && !args.json && !is_over { "\n" } else { "" };
            let written = write!(out, "{}{text}{between}", if clears { CLEAR } else { "" });
            let written = written.and_then(|()| out.flush());
            has_reader = !written.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe);
            written
        });
        if !args.watch || is_over || !has_reader || exit != Exit::Complete {
            return exit;
        }
        std::thread::sleep(EVERY);
    }
}

fn never(loaded: &Loaded, report: &Report) -> Exit {
    let job = &loaded.config.job.name;
    report.error(Exit::Error, &format!("job `{job}` has not run yet\nhint: start it with `trawl run`"))
}

/// What state a job is in, in a word.
fn state(progress: &Progress) -> &'static str {
    match progress {
        Progress::Nothing => "never_run",
        Progress::Unfinished(unfinished) => match (&unfinished.holder, &unfinished.status) {
            (None, _) => "interrupted",
            (Some(_), Some(_)) => "running",
            (Some(_), None) if unfinished.is_crawled => "publishing",
            (Some(_), None) => "starting",
        },
        Progress::Ended(ended) if ended.is_published => "published",
        Progress::Ended(_) => "failed",
    }
}

/// The file as it stands, with the state in front.
fn as_json(progress: &Progress, in_a_line: bool) -> String {
    let file = match progress {
        Progress::Nothing => Value::Null,
        Progress::Ended(ended) => ended.summary.clone(),
        Progress::Unfinished(unfinished) => match &unfinished.status {
            Some((status, _)) => json!(status),
            None => json!({ "run_id": unfinished.run_id }),
        },
    };
    let mut object = serde_json::Map::new();
    object.insert("state".to_owned(), state(progress).into());
    if let Value::Object(file) = file {
        object.extend(file);
    }
    let object = Value::Object(object);
    if in_a_line { object.to_string() } else { format!("{object:#}") }
}

fn for_people(loaded: &Loaded, unfinished: &UnfinishedRun, most: usize) -> String {
    let UnfinishedRun { run_id, holder, status, is_crawled } = unfinished;
    let how = match (holder, status) {
        (Some(holder), Some((status, _))) => {
            format!("running for {}, process {}", span(status.elapsed_s * 1000), holder.pid)
        }
        (Some(holder), None) if *is_crawled => format!("is being published, process {}", holder.pid),
        (Some(holder), None) => format!("is starting, process {}", holder.pid),
        (None, Some((_, age))) => {
            format!("interrupted, last heard of {} ago; `trawl run` goes on with it", span(*age))
        }
        (None, None) if *is_crawled => "waits to be published; `trawl run` does it".to_owned(),
        (None, None) => "interrupted; `trawl run` goes on with it".to_owned(),
    };
    let mut text = format!("run {} of job {}: {how}\n", shown(run_id), shown(&loaded.config.job.name));
    let Some((status, age)) = status else { return text };
    if holder.is_some() && *age > SILENT_MS {
        let _ = writeln!(text, "no word from it for {}: it is stopped, or the machine is busy", span(*age));
    }
    totals(&mut text, status);
    hosts(&mut text, status, *age, most);
    text
}

fn totals(text: &mut String, status: &Status) {
    let Status { discovered, queued, in_flight, settled, refused, records, bytes, .. } = status;
    let (now, recent) = (status.pages_per_second, status.recent_pages_per_second);
    let rows = [
        ("discovered", count(*discovered)),
        ("queued", count(*queued)),
        ("in flight", count(*in_flight)),
        ("refused so far", count(*refused)),
        ("settled", format!("{}, {now:.0} in the last second, {recent:.1}/s of late", count(*settled))),
        ("records", count(*records)),
        ("received", amount(*bytes)),
    ];
    for (name, value) in rows {
        let _ = writeln!(text, "{name:<15} {value}");
    }
    let outcomes: Vec<String> = status
        .outcomes
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, number)| format!("{} {}", shown(name), count(*number)))
        .collect();
    if let Some(eta) = status.eta_s {
        let _ = writeln!(text, "{:<15} {}", "ETA", span(eta.saturating_mul(1000)));
    }
    if let Some(slow) = &status.slowest_host {
        let _ = writeln!(
            text,
            "{:<15} {}, {} an answer",
            "slowest host",
            shown(&slow.host),
            span(slow.mean_fetch_ms)
        );
    }
    if !outcomes.is_empty() {
        let _ = writeln!(text, "{:<15} {}", "outcomes", outcomes.join(", "));
    }
}

/// The hosts with the most that waits.
fn hosts(text: &mut String, status: &Status, age: u64, most: usize) {
    if status.hosts.is_empty() || most == 0 {
        return;
    }
    let between = |from: &str, to: &str| {
        let (from, to) = (from.parse::<Timestamp>().ok()?, to.parse::<Timestamp>().ok()?);
        u64::try_from(to.duration_since(from).as_millis()).ok()
    };
    let age = age + between(&status.hosts_updated, &status.updated).unwrap_or(0);
    let mut table =
        Table::new(&["host", ">queued", ">in flight", ">delay", ">next", ">status", ">ok", "last"]);
    for host in status.hosts.iter().take(most) {
        table.row(&[
            shown(&host.host),
            count(host.queued),
            count(host.in_flight),
            if host.delay_ms == 0 { "-".to_owned() } else { span(host.delay_ms) },
            next(host, age),
            host.last_status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
            format!("{} of {}", count(host.ok), count(host.urls)),
            host.last_outcome.as_deref().map_or_else(|| "-".to_owned(), shown),
        ]);
    }
    let _ = write!(text, "\n{table}");
    let listed = most.min(status.hosts.len()) as u64;
    if status.hosts_known > listed {
        let _ = writeln!(text, "{} of {} hosts", count(listed), count(status.hosts_known));
    }
}

/// When a host is next asked.
fn next(host: &HostStatus, age: u64) -> String {
    match host.due_ms {
        _ if host.is_given_up => "given up".to_owned(),
        None => "-".to_owned(),
        Some(due) if due <= age => "now".to_owned(),
        Some(due) => span(due - age),
    }
}

fn ended_for_people(ended: &EndedRun) -> String {
    let summary = &ended.summary;
    let word = |key: &str| shown(summary[key].as_str().unwrap_or("-"));
    let number = |key: &str| summary[key].as_u64().unwrap_or(0);
    let took = SignedDuration::from_millis(summary["duration_ms"].as_i64().unwrap_or(0));
    let mut text = format!(
        "run {} of job {}: {} at {}, took {took:#}\n",
        word("run_id"),
        word("job"),
        if ended.is_published { "published" } else { "failed, not published," },
        word("finished"),
    );
    let _ = writeln!(text, "{:<15} {}, exit code {}", "ended by", word("finish_reason"), number("exit_code"));
    for (name, key) in [("discovered", "discovered"), ("left in queue", "queued"), ("records", "records")] {
        let _ = writeln!(text, "{name:<15} {}", count(number(key)));
    }
    let _ = writeln!(text, "{:<15} {}", "received", amount(number("bytes")));
    for (name, number) in summary["outcomes"].as_object().into_iter().flatten() {
        let _ = writeln!(text, "{:>15} {}", count(number.as_u64().unwrap_or(0)), shown(name));
    }
    let _ = writeln!(text, "{}", shown(&ended.path.display().to_string()));
    text
}

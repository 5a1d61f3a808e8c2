//! One run of a job, from the lock to the exit code: start or resume, crawl, publish.

mod carry;
mod crawl;
mod difference;
mod digest;
mod directory;
mod error;
mod exit;
mod explain;
mod exports;
mod extract;
pub mod hosts;
mod keeping;
mod lines;
mod live;
mod log;
mod manifest;
mod observer;
mod plan;
mod progress;
mod proving;
mod publish;
mod refusals;
mod report;
mod retention;
mod screen;
mod seal;
mod signals;
mod start;
mod status;
mod stdin;
mod summary;
mod tasks;
mod verify;
mod watchdog;

use std::path::PathBuf;

use jiff::Timestamp;

use self::crawl::{Crawled, Finished};
pub use self::difference::{Difference, Differences};
pub use self::digest::{Digest, FailureKind};
pub use self::directory::{RunDir, latest};
pub use self::error::RunError;
pub use self::exit::Exit;
pub use self::explain::{Explanation, InRun, Refused, SourceVerdict, explain, meant};
pub use self::exports::{Exported, Text};
pub use self::extract::{Ask as ExtractAsk, ExtractError, Extraction, extract};
pub use self::keeping::{Ask as KeepAsk, KeepError, Kept, keep};
pub use self::log::{RunLog, Saying, init as init_log};
pub use self::plan::{MAX_URLS, follows_links, plan as plan_run};
pub use self::progress::{Ended as EndedRun, Progress, Unfinished as UnfinishedRun, look};
pub use self::proving::{Proved, Proving, Unproved, prove};
use self::publish::Publication;
pub use self::screen::Screen;
pub use self::seal::unfinished;
use self::signals::Signals;
use self::start::Taken;
pub use self::start::Unfinished;
pub use self::status::{HostStatus, SlowHost, Status};
pub use self::tasks::{Asked, RequestTask, Tasks, WaitingHost, WorkerTask, ask as ask_tasks};
pub use self::verify::{Report, find_run, verify};
use crate::config::Config;
use crate::pipeline::{self, Circumstances, Closed, Plan, SinkThread, Stop};
use crate::sink::Sink;
use crate::store::Finish;

/// What to run.
pub struct Job<'a> {
    /// The config in effect.
    pub config: &'a Config,
    /// The same as TOML, secrets as references.
    pub config_text: &'a str,
    /// Digest of the config file.
    pub config_digest: &'a str,
    /// Where a key of the config stands: `config.toml:12:3`.
    pub places: &'a dyn Fn(&str) -> String,
    /// What to do with an unfinished run.
    pub unfinished: Unfinished,
    /// The log, which is written to the run directory, too.
    pub log: RunLog,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code.
    pub exit: Exit,
    /// What it came to; none if the run was not finished.
    pub digest: Option<Box<Digest>>,
    /// Where the run stands.
    pub place: PathBuf,
}

/// Runs a job, or continues its unfinished run.
pub fn run(job: &Job<'_>) -> Result<Ended, RunError> {
    let stop = Stop::default();
    let watched = Signals::watch(&stop, job.config.limits.drain.0);
    let signals = watched.map_err(|error| RunError::Io {
        action: "watch signals for",
        path: job.config.job.output_dir.clone(),
        error,
    })?;
    let mut taken = start::take(job.config, job.unfinished, Timestamp::now())?;
    let dir = taken.session.dir.partial();
    if dir.exists() {
        job.log.open(&dir).map_err(|error| RunError::Io {
            action: "open the log in",
            path: dir.clone(),
            error,
        })?;
    }
    let (run_id, resumed) = (taken.session.begin.run_id.as_str(), taken.is_resumed());
    tracing::info!(run_id, resumed, queued = taken.replay.queued, path = %dir.display(), "run");
    match taken.replay.finish.take() {
        Some(finish) => {
            signals.crawled();
            finish_publication(job, taken, &finish)
        }
        None => match crawl::crawl(job, taken, &stop, &signals)? {
            Crawled::Stopped(exit, place) => Ok(Ended { exit, digest: None, place }),
            Crawled::Ended(finished) => {
                let Finished { session, closed, finish, tally } = *finished;
                signals.crawled();
                let publication = Publication { job, session: &session, finish: &finish, tally: &tally };
                publish(&publication, closed)
            }
        },
    }
}

/// A run whose crawl has ended before: only its publication is left.
fn finish_publication(job: &Job<'_>, taken: Taken, finish: &Finish) -> Result<Ended, RunError> {
    let unpublished = taken.session.dir.partial().exists();
    // Of the plan only the sinks are needed: seeds that are gone by now must not hold up what is ready.
    let sinks = pipeline::sinks(job.config, &taken.session.begin.run_id);
    let sinks = if unpublished { open_sinks(&sinks, &taken)? } else { Vec::new() };
    let Taken { session, journal, tally, .. } = taken;
    let publication = Publication { job, session: &session, finish, tally: &tally };
    publish(&publication, Closed::new(journal, sinks))
}

fn publish(publication: &Publication<'_>, mut closed: Closed) -> Result<Ended, RunError> {
    let (exit, digest) = publication.carry_out(&mut closed, Timestamp::now())?;
    // Before the journal retires, so that the start after a death goes on with it.
    if let Some(keep) = publication.job.config.job.keep_runs {
        retention::keep_newest(&publication.session.dir, &publication.job.config.job.name, keep);
    }
    publication.retire(closed.journal.path())?;
    Ok(Ended { exit, digest: Some(Box::new(digest)), place: publication.place() })
}

fn plan(job: &Job<'_>, taken: &Taken) -> Result<Plan, RunError> {
    let config = job.config;
    Ok(Plan::new(
        config,
        &Circumstances {
            places: job.places,
            spool: taken.session.layout.root().to_owned(),
            run_id: &taken.session.begin.run_id,
            disks: vec![config.job.output_dir.clone(), config.job.state_dir.clone()],
            stdin_spool: taken.session.stdin_spool.as_deref(),
            careful: taken.is_careful(),
        },
    )?)
}

fn open_sinks(sinks: &[Box<dyn Sink>], taken: &Taken) -> Result<Vec<SinkThread>, RunError> {
    let dir = taken.session.dir.partial();
    let open = |(place, sink): (usize, &dyn Sink)| {
        let position = taken.replay.positions.get(sink.id()).copied();
        Ok(SinkThread::start(sink, place, &dir, position)?)
    };
    sinks.iter().map(|sink| &**sink).enumerate().map(open).collect()
}

//! Start or resume: takes the job's lock, finds an unfinished run and how far it came, or begins a new one.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::carry;
use super::directory::{self, RunDir};
use super::error::RunError;
use super::retention;
use super::seal;
use super::stdin;
use crate::config::Config;
use crate::crash;
use crate::pipeline::{Disks, Plan, Tally};
use crate::store::{Begin, Frame, JobLock, Journal, Layout, Replay, Start, StoreError, boot_id, sync_dir};

/// Starts without a commit after which pages are parsed one at a time.
const IDLE_STARTS: u32 = 3;

/// A run that was taken up: what stays the same until it ends.
#[derive(Debug)]
pub struct Session {
    /// State of the job.
    pub layout: Layout,
    /// Held as long as the run lives.
    pub _lock: JobLock,
    /// Which run it is.
    pub begin: Begin,
    /// Its directories.
    pub dir: RunDir,
    /// Where standard input was spooled.
    pub stdin_spool: Option<PathBuf>,
    /// When its first process began, RFC 3339.
    pub started: String,
    /// Processes that worked on it, this one included.
    pub starts: u32,
}

/// A run that was taken up, and how far it had come.
#[derive(Debug)]
pub struct Taken {
    /// Which run.
    pub session: Session,
    /// Open for appending.
    pub journal: Journal,
    /// How far it had come. Empty for a new run.
    pub replay: Replay,
    /// What was settled before.
    pub tally: Tally,
}

impl Taken {
    /// Whether pages are parsed one at a time, because the run died repeatedly without settling anything, or died
    /// while it did that.
    pub fn is_careful(&self) -> bool {
        self.replay.idle_starts >= IDLE_STARTS || !self.replay.suspects.is_empty()
    }

    /// Whether an earlier process began this run.
    pub fn is_resumed(&self) -> bool {
        self.session.starts > 1
    }
}

/// Whether an unfinished run is continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// Continue it.
    Resume,
    /// Set it aside and start over.
    SetAside,
}

/// Takes the job up.
pub fn take(config: &Config, unfinished: Unfinished, now: Timestamp) -> Result<Taken, RunError> {
    let (state, output) = (&config.job.state_dir, &config.job.output_dir);
    for (path, key) in [(state, "job.state_dir"), (output, "job.output_dir")] {
        directory::create(path).map_err(|error| RunError::Create { path: path.clone(), key, error })?;
    }
    let since = format!("{now:.0}");
    let lock = JobLock::take(&[state.join("lock"), output.join(".lock")], &since)?;
    let layout = Layout::open(state)?;
    for dir in [layout.root(), &layout.journals(), &layout.snapshots(), output] {
        directory::sweep(dir);
    }
    retention::finish(&output.join("runs"));
    let found = match (layout.unfinished()?, unfinished) {
        (Some(journal), Unfinished::SetAside) => {
            set_aside(&layout, &journal, config)?;
            None
        }
        (found, _) => found,
    };
    let mut taken = match found {
        Some(journal) => resume(config, layout, lock, &journal)?,
        None => begin(config, layout, lock, now)?,
    };
    if taken.replay.finish.is_none()
        && carry::take_over(&taken.session.layout, &mut taken.journal, config.limits.keep_queue)?
    {
        taken.replay = Replay::of(taken.journal.path(), |_| ())?.1;
    }
    let start = Start { at: format!("{now:.3}"), pid: std::process::id(), boot_id: boot_id() };
    taken.journal.append(&Frame::Start(start))?;
    taken.journal.sync()?;
    Ok(taken)
}

fn begin(config: &Config, layout: Layout, lock: JobLock, now: Timestamp) -> Result<Taken, RunError> {
    // A run that was begun may not change its sources: what cannot go must not begin.
    Plan::rehearse(config)?;
    let output = &config.job.output_dir;
    let paths = vec![output.clone(), config.job.state_dir.clone()];
    Disks { paths, min_free: config.limits.min_free_disk }.check()?;
    let stdin_spool = stdin::spool(config, &layout)?;
    let run_id = new_run_id(now);
    let begin = Begin {
        run_id: run_id.clone(),
        snapshot: layout.newest_snapshot()?,
        sealed: seal::seal(config).to_string(),
        parent: directory::latest(output).map(|latest| latest.run_id),
    };
    let dir = RunDir::new(output, &run_id);
    dir.sweep();
    dir.create()?;
    crash::reached("start.directory");
    // The journal comes last: a directory without a journal is litter, which the next start sweeps up; a journal
    // without one would be a loss.
    let journal = Journal::create(&layout.journal(&run_id), &begin)?;
    let session =
        Session { layout, _lock: lock, begin, dir, stdin_spool, started: format!("{now:.3}"), starts: 1 };
    Ok(Taken { session, journal, replay: Replay::default(), tally: Tally::default() })
}

fn resume(config: &Config, layout: Layout, lock: JobLock, journal: &Path) -> Result<Taken, RunError> {
    let mut tally = Tally::default();
    let (journal, mut replay) = Replay::of(journal, |settle| tally.count(settle))?;
    let Some(begin) = replay.begin.take() else {
        return Err(StoreError::no_beginning(journal.path()).into());
    };
    let dir = RunDir::new(&config.job.output_dir, &begin.run_id);
    let mut difference = seal::differences(config, &begin);
    if replay.finish.is_some() {
        // What is only to be published has no use for sources any more; a sink must still name its files.
        difference.retain(|line| line.starts_with("  `sinks") && dir.partial().exists());
    }
    if !difference.is_empty() {
        return Err(RunError::Changed { run_id: begin.run_id, difference: difference.join("\n") });
    }
    if replay.finish.is_none() && replay.positions.is_empty() {
        dir.create()?;
    } else if !dir.partial().exists() && (replay.finish.is_none() || !dir.is_renamed()) {
        let hint = "what an unfinished run has written stood there: restore it or `job.output_dir`, or start over with `--fresh`";
        return Err(RunError::NoRun { path: dir.partial(), hint });
    }
    // What is only to be published reads no source any more.
    let stdin_spool = if replay.finish.is_none() { stdin::spooled(config, &layout)? } else { None };
    let (started, starts) = (replay.started.clone().unwrap_or_default(), replay.starts + 1);
    let session = Session { layout, _lock: lock, begin, dir, stdin_spool, started, starts };
    Ok(Taken { session, journal, replay, tally })
}

fn set_aside(layout: &Layout, journal: &Path, config: &Config) -> Result<(), RunError> {
    if let Some(run_id) = journal.file_stem().and_then(|stem| stem.to_str()) {
        let dir = RunDir::new(&config.job.output_dir, run_id);
        tracing::warn!(run_id, path = %dir.abandoned().display(), "setting the unfinished run aside");
        if dir.partial().exists() {
            dir.rename(&dir.abandoned())?;
        }
        if dir.abandoned().exists() {
            retention::mark_abandoned(&dir, run_id, &config.job.name)?;
        }
    }
    directory::remove(journal)?;
    stdin::forget(layout)?;
    Ok(sync_dir(&layout.journals())?)
}

/// UTC time and a short random suffix: `20261121T020000Z-7f3a`.
fn new_run_id(now: Timestamp) -> String {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(now.as_nanosecond()) & 0xffff;
    format!("{}-{random:04x}", now.strftime("%Y%m%dT%H%M%SZ"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_are_sortable_by_time() {
        let id = new_run_id("2026-11-21T02:00:00.7Z".parse().expect("time"));
        assert!(id.starts_with("20261121T020000Z-"), "{id}");
        assert_eq!(id.len(), 21);
        assert!(directory::is_run_id(&id));
        for other in
            ["", "runs", "20261121T020000Z-7F3A", "20261121T020000Z-7f3a.partial", "20261121 020000Z-7f3a"]
        {
            assert!(!directory::is_run_id(other), "{other}");
        }
    }
}

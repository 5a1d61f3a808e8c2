//! Publication: from a run with nothing left to crawl to files that consumers load.
//!
//! Each step can be repeated, and each leaves a state that the next start recognises: the journal ends with a
//! `Finish` frame, so nothing is crawled again, and what was done is done once more without harm.
//!
//! ```text
//! finish sinks ─► exports ─► summary, hosts, report, config, manifest ─► _SUCCESS ─► rename ─► latest ─► merge history ─► old runs go ─► journal retires
//! ```

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::Job;
use super::carry;
use super::digest::Digest;
use super::directory;
use super::error::RunError;
use super::exit::Exit;
use super::exports;
use super::hosts::{self, HOSTS};
use super::log::RUN_LOG;
use super::manifest::{Entry, FORMAT_VERSION, MANIFEST, Manifest, SUCCESS, Totals};
use super::report::{self, REPORT};
use super::start::Session;
use super::status::STATUS;
use super::stdin;
use super::summary::Summary;
use super::tasks::TASKS;
use crate::crash;
use crate::model::SCHEMA_VERSION;
use crate::pipeline::{Closed, Tally};
use crate::sink::Artifact;
use crate::store::{Finish, merge, replace_file, sync_dir};

/// What a publication needs to know.
pub struct Publication<'a> {
    /// The job.
    pub job: &'a Job<'a>,
    /// The run.
    pub session: &'a Session,
    /// How the crawl ended.
    pub finish: &'a Finish,
    /// The scoreboard.
    pub tally: &'a Tally,
}

impl Publication<'_> {
    /// Whether consumers are to see it.
    fn is_good(&self) -> bool {
        self.finish.exit != Exit::Failed.code() && self.finish.exit != Exit::Invariant.code()
    }

    /// Where the run stands at the end.
    pub fn place(&self) -> PathBuf {
        if self.is_good() { self.session.dir.published() } else { self.session.dir.failed() }
    }

    /// Carries it out, up to the journal. Gives the exit code, and what the run came to.
    pub fn carry_out(&self, closed: &mut Closed, now: Timestamp) -> Result<(Exit, Digest), RunError> {
        let config = self.job.config;
        let names = (self.session.begin.run_id.as_str(), config.job.name.as_str());
        let started = (self.session.started.as_str(), self.session.starts);
        let mut summary = Summary::new(names, self.finish, started, now, self.tally);
        let mut exit = self.exit(&[]);
        let dir = self.session.dir.partial();
        if dir.exists() {
            let mut artifacts = closed.finish_sinks()?;
            crash::reached("publish.finished");
            if self.is_good() {
                exit = self.exit(&exports::add(config, &self.session.begin, &dir, &mut artifacts)?);
            }
            summary.exit_code = exit.code();
            self.write(artifacts, &summary)?;
            crash::reached("publish.success");
            self.session.dir.rename(&self.place())?;
            crash::reached("publish.renamed");
        } else if self.is_good() {
            exit = self.exit(&exports::missing(config, &self.place())?);
        }
        if self.is_good() {
            self.session.dir.point_latest()?;
            crash::reached("publish.latest");
            self.merge_history(closed)?;
        }
        Ok((exit, Digest::new(&summary, exit, &self.place())))
    }

    /// How the process ends: as the crawl did, but for exports that could not be made.
    fn exit(&self, failed: &[String]) -> Exit {
        let ended = Exit::ALL.into_iter().find(|exit| exit.code() == self.finish.exit);
        if failed.is_empty() { ended.unwrap_or(Exit::Error) } else { Exit::Io }
    }

    /// The files beside those of the sinks, the manifest last but one, `_SUCCESS` last.
    fn write(&self, mut artifacts: Vec<Artifact>, summary: &Summary<'_>) -> Result<(), RunError> {
        let dir = self.session.dir.partial();
        directory::remove(&dir.join(STATUS))?;
        directory::remove(&dir.join(TASKS))?;
        directory::sweep(&dir);
        let text = serde_json::to_string_pretty(summary).unwrap_or_default() + "\n";
        replace_file(&dir.join("summary.json"), text.as_bytes())?;
        replace_file(&dir.join(HOSTS), &hosts::csv(self.tally))?;
        if self.job.config.job.report {
            report::write(&dir, summary, &self.job.config.extract)?;
            artifacts.push(Artifact::new(REPORT, 1));
        } else {
            // A publication that died may have had one.
            directory::remove(&dir.join(REPORT))?;
        }
        replace_file(&dir.join("config.toml"), self.job.config_text.as_bytes())?;
        let log = dir.join(RUN_LOG);
        self.job.log.close().map_err(|error| RunError::Io { action: "sync", path: log.clone(), error })?;
        artifacts.push(Artifact::new("summary.json", 1));
        artifacts.push(Artifact::new(HOSTS, self.tally.hosts.len() as u64));
        artifacts.push(Artifact::new("config.toml", 1));
        if log.exists() {
            let lines = File::open(&log).map_or(0, |file| BufReader::new(file).split(b'\n').count());
            artifacts.push(Artifact::new(RUN_LOG, lines as u64));
        }
        artifacts.sort_by(|a, b| a.path.cmp(&b.path));
        let files = artifacts.iter().map(|artifact| Entry::of(&dir, artifact)).collect::<Result<_, _>>()?;
        let manifest = serde_json::to_string_pretty(&self.manifest(files)).unwrap_or_default() + "\n";
        replace_file(&dir.join(MANIFEST), manifest.as_bytes())?;
        crash::reached("publish.manifest");
        if self.is_good() {
            replace_file(&dir.join(SUCCESS), b"")?;
        }
        Ok(sync_dir(&dir)?)
    }

    fn manifest(&self, files: Vec<Entry>) -> Manifest {
        Manifest {
            format_version: FORMAT_VERSION,
            schema_version: SCHEMA_VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            run_id: self.session.begin.run_id.clone(),
            job: self.job.config.job.name.clone(),
            parent: self.session.begin.parent.clone(),
            config_digest: self.job.config_digest.to_owned(),
            complete: self.finish.complete,
            finish_reason: self.finish.reason.clone(),
            totals: Totals {
                discovered: self.finish.discovered,
                settled: self.tally.settled(),
                queued: self.finish.queued,
                records: self.tally.records,
            },
            files,
        }
    }

    /// Merges base and journal into the next snapshot, and into the index.
    fn merge_history(&self, closed: &Closed) -> Result<(), RunError> {
        let (layout, begin) = (&self.session.layout, &self.session.begin);
        merge(layout, begin.snapshot, &begin.run_id, closed.journal.path())?;
        if begin.snapshot > 0 {
            directory::remove(&layout.snapshot(begin.snapshot))?;
        }
        Ok(())
    }

    /// The last step: from here on there is no unfinished run.
    pub fn retire(&self, journal: &Path) -> Result<(), RunError> {
        if self.finish.queued > 0 && self.job.config.limits.keep_queue {
            carry::leave(&self.session.layout, journal)?;
        } else {
            directory::remove(journal)?;
        }
        stdin::forget(&self.session.layout)?;
        sync_dir(&self.session.layout.journals())?;
        crash::reached("publish.retired");
        Ok(())
    }
}

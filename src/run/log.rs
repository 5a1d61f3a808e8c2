//! Where log lines go: to standard error, and as JSON Lines to `run.log.jsonl` of the run while one is open.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Name of the log in a run directory.
pub const RUN_LOG: &str = "run.log.jsonl";

/// The log of the run that is open, if any. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct RunLog {
    file: Arc<Mutex<Option<File>>>,
}

/// How log lines are written to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sets the log up for this process, once.
pub fn init(level: LevelFilter, style: Style, colour: bool) -> RunLog {
    let log = RunLog::default();
    // sled and the HTTP stack have their own words for what we report in ours.
    let ours = |level| Targets::new().with_target("trawl", level).with_default(LevelFilter::ERROR.min(level));
    let stderr = fmt::layer().with_writer(io::stderr).with_target(false);
    let stderr = match style {
        Style::Json => stderr.json().with_filter(ours(level)).boxed(),
        Style::Text => {
            let ansi = colour && io::stderr().is_terminal();
            stderr.with_ansi(ansi).with_filter(ours(level)).boxed()
        }
    };
    let file = fmt::layer().json().with_writer(log.clone()).with_filter(ours(level.max(LevelFilter::INFO)));
    let _ = tracing_subscriber::registry().with(stderr).with(file).try_init();
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a thread panicked")));
    log
}

impl RunLog {
    /// Log lines go to this run directory, too, from now on.
    pub fn open(&self, dir: &Path) -> io::Result<()> {
        let file = OpenOptions::new().create(true).append(true).open(dir.join(RUN_LOG))?;
        *self.file() = Some(file);
        Ok(())
    }

    /// The file is complete: nothing more is written to it.
    pub fn close(&self) -> io::Result<()> {
        let file = self.file().take();
        file.map_or(Ok(()), |file| file.sync_all())
    }

    fn file(&self) -> MutexGuard<'_, Option<File>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> MakeWriter<'a> for RunLog {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for RunLog {
    /// A log that cannot be written must not end a run.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(file) = self.file().as_mut() {
            let _ = file.write_all(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

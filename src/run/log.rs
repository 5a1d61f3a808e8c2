//! Where log lines go: to standard error, and as JSON Lines to `run.log.jsonl` of the run while one is open.

use std::fmt::Write as _;
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

use crate::config::shown;
use crate::store::is_minded_panic;

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
    // sled and the HTTP stack have their own words for what we report in ours, and sled's name no file.
    let ours = |level| {
        let others = LevelFilter::ERROR.min(level);
        Targets::new().with_target("trawl", level).with_target("sled", LevelFilter::OFF).with_default(others)
    };
    let is_coloured = style == Style::Text && colour && io::stderr().is_terminal();
    let tame = move || Tame { style, is_coloured };
    let stderr = fmt::layer().with_writer(tame).with_target(false);
    let stderr = match style {
        Style::Json => stderr.json().with_filter(ours(level)).boxed(),
        Style::Text => stderr.with_ansi(is_coloured).with_filter(ours(level)).boxed(),
    };
    let file = fmt::layer().json().with_writer(log.clone()).with_filter(ours(level.max(LevelFilter::INFO)));
    let _ = tracing_subscriber::registry().with(stderr).with(file).try_init();
    std::panic::set_hook(Box::new(|panic| {
        if is_minded_panic() {
            tracing::debug!(%panic, "the index panicked");
        } else {
            tracing::error!(%panic, "a thread panicked");
        }
    }));
    log
}

/// Standard error, where names from outside command no terminal: what would is spelled out.
struct Tame {
    style: Style,
    /// Then the escapes are ours: those in values are spelled out before they come here.
    is_coloured: bool,
}

impl Tame {
    fn tamed(&self, lines: &str) -> String {
        let mut tame = String::with_capacity(lines.len());
        for character in lines.chars() {
            let mut one = [0; 4];
            let one = &*character.encode_utf8(&mut one);
            match self.style {
                _ if character == '\n' || (character == '\u{1b}' && self.is_coloured) => tame.push(character),
                Style::Text => tame.push_str(&shown(one)),
                // Within a text, since nothing else of JSON is such a character.
                Style::Json if shown(one) != one => _ = write!(tame, "\\u{:04x}", u32::from(character)),
                Style::Json => tame.push(character),
            }
        }
        tame
    }
}

impl Write for Tame {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write_all(self.tamed(&String::from_utf8_lossy(lines)).as_bytes())?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_outside_command_no_terminal() {
        let line = "INFO run path=a\u{1b}[31m\u{202e}b\u{9b}\n";
        let tamed = |style, is_coloured| Tame { style, is_coloured }.tamed(line);
        assert_eq!(tamed(Style::Text, false), "INFO run path=a\\u{1b}[31m\\u{202e}b\\u{9b}\n");
        assert_eq!(tamed(Style::Text, true), "INFO run path=a\u{1b}[31m\\u{202e}b\\u{9b}\n");
        assert_eq!(tamed(Style::Json, false), "INFO run path=a\\u001b[31m\\u202eb\\u009b\n");
    }
}

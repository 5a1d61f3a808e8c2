//! Where log lines go: to standard error, above the block of a live run, and as JSON Lines to `run.log.jsonl` of the run while one is open.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::screen::Screen;
use crate::config::shown;
use crate::store::is_minded_panic;

/// Name of the log in a run directory.
pub const RUN_LOG: &str = "run.log.jsonl";
/// Target of the lines that say how far a run has come: a terminal that shows that has no use for them.
pub const PROGRESS: &str = "trawl::progress";

/// The log of the run that is open, if any. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct RunLog {
    file: Arc<Mutex<Option<File>>>,
    screen: Screen,
}

/// How log lines are written to standard error.
#[derive(Clone, Debug)]
pub enum Saying {
    /// For people.
    Text {
        /// Where they are written.
        screen: Screen,
        /// Whether in colour.
        is_coloured: bool,
    },
    /// One JSON object a line.
    Json,
}

/// Sets the log up for this process, once.
pub fn init(level: LevelFilter, saying: Saying) -> RunLog {
    let mut log = RunLog::default();
    // sled and the HTTP stack have their own words for what we report in ours, and sled's name no file.
    let ours = |level| {
        let others = LevelFilter::ERROR.min(level);
        Targets::new().with_target("trawl", level).with_target("sled", LevelFilter::OFF).with_default(others)
    };
    let stderr = fmt::layer().with_target(false);
    let stderr = match saying {
        Saying::Json => {
            let tame = || Tame { style: Style::Json, is_coloured: false, screen: Screen::default() };
            stderr.json().with_writer(tame).with_filter(ours(level)).boxed()
        }
        Saying::Text { screen, is_coloured } => {
            let progress = if screen.is_live() { LevelFilter::OFF } else { level };
            let filter = ours(level).with_target(PROGRESS, progress);
            log.screen = screen.clone();
            let tame = move || Tame { style: Style::Text, is_coloured, screen: screen.clone() };
            stderr.with_writer(tame).with_ansi(is_coloured).with_filter(filter).boxed()
        }
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

/// Which characters mean something in a line.
#[derive(Clone, Copy)]
enum Style {
    Text,
    Json,
}

/// Standard error, where names from outside command no terminal: what would is spelled out.
struct Tame {
    style: Style,
    screen: Screen,
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
    /// A whole event at once, as the layer writes it.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let tamed = self.tamed(&String::from_utf8_lossy(lines));
        self.screen.write_all(tamed.as_bytes())?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.screen.flush()
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

    /// Standard error, where a live run shows how far it is.
    pub fn screen(&self) -> Screen {
        self.screen.clone()
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
        let tamed = |style, is_coloured| Tame { style, is_coloured, screen: Screen::default() }.tamed(line);
        assert_eq!(tamed(Style::Text, false), "INFO run path=a\\u{1b}[31m\\u{202e}b\\u{9b}\n");
        assert_eq!(tamed(Style::Text, true), "INFO run path=a\u{1b}[31m\\u{202e}b\\u{9b}\n");
        assert_eq!(tamed(Style::Json, false), "INFO run path=a\\u001b[31m\\u202eb\\u009b\n");
    }
}

//! Where words go: results to standard output, everything else to standard error. The only place that
//! writes to either.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};

use super::args::Color;
use crate::run::Exit;

/// Writes to the two standard outputs.
#[derive(Debug)]
pub struct Report {
    /// Whether standard error shows colour.
    is_coloured: bool,
}

impl Report {
    /// With colour as asked for.
    pub fn new(color: Color) -> Self {
        let is_asked_not_to = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_coloured = match color {
            Color::Auto => !is_asked_not_to && io::stderr().is_terminal(),
            Color::Always => true,
            Color::Never => false,
        };
        Self { is_coloured }
    }

    /// Whether standard error shows colour.
    pub fn is_coloured(&self) -> bool {
        self.is_coloured
    }

    /// Writes a result. A reader that has gone (`| head`) has seen enough: that is no error.
    pub fn result(&self, exit: Exit, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Exit {
        let mut out = io::BufWriter::new(io::stdout().lock());
        match write(&mut out).and_then(|()| out.flush()) {
            Ok(()) => exit,
            Err(error) if error.kind() == ErrorKind::BrokenPipe => exit,
            Err(error) => self.error(Exit::Io, &format!("cannot write to standard output: {error}")),
        }
    }

    /// Says why it ends with `exit`.
    pub fn error(&self, exit: Exit, words: &dyn Display) -> Exit {
        self.say("error", "31", words);
        exit
    }

    /// Says what somebody should look at.
    pub fn warning(&self, words: &dyn Display) {
        self.say("warning", "33", words);
    }

    /// Says something that is no result.
    pub fn note(words: &dyn Display) {
        // Nobody is left to be told that standard error is gone.
        let _ = writeln!(io::stderr().lock(), "{words}");
    }

    fn say(&self, label: &str, colour: &str, words: &dyn Display) {
        if self.is_coloured {
            Self::note(&format_args!("\u{1b}[1;{colour}m{label}\u{1b}[0m: {words}"));
        } else {
            Self::note(&format_args!("{label}: {words}"));
        }
    }
}

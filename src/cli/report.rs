//! Where words go: results to standard output, everything else to standard error. The only place that
//! writes to either.

use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind, IsTerminal, Write};

use super::args::Color;
use crate::config::shown;
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
        Self::print(&printable(words));
    }

    fn say(&self, label: &str, colour: &str, words: &dyn Display) {
        let words = printable(words);
        if self.is_coloured {
            Self::print(&format!("\u{1b}[1;{colour}m{label}\u{1b}[0m: {words}"));
        } else {
            Self::print(&format!("{label}: {words}"));
        }
    }

    fn print(words: &str) {
        // Nobody is left to be told that standard error is gone.
        let _ = writeln!(io::stderr().lock(), "{words}");
    }
}

/// Words that may hold names from outside: what would command the terminal is spelled out.
pub fn printable(words: &dyn Display) -> String {
    let words = words.to_string();
    words.split('\n').map(shown).collect::<Vec<_>>().join("\n")
}

/// JSON that means the same and does nothing to a terminal: what serde leaves as it is, such as marks that
/// turn a line around, stands only within texts, where it can be escaped.
pub fn tame_json(json: &str) -> String {
    let mut tame = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}' => _ = write!(tame, "\\u{:04x}", u32::from(character)),
            character => tame.push(character),
        }
    }
    tame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_commands_the_terminal() {
        assert_eq!(printable(&"a\u{1b}[31m\u{202e}\nhint: b\u{7}"), "a\\u{1b}[31m\\u{202e}\nhint: b\\u{7}");
        let value = serde_json::json!({ "title": "\u{9b}31m\u{202e}\u{1b}\u{7f}\u{feff}é" });
        let tame = tame_json(&value.to_string());
        assert_eq!(tame, "{\"title\":\"\\u009b31m\\u202e\\u001b\\u007f\\ufeffé\"}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&tame).expect("JSON"), value);
    }
}

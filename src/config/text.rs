//! The texts a config is made of, the file and each `--set`, laid end to end, so that one offset names a
//! place in any of them. Also: how a place and the line around it are shown. Judges nothing.

use std::fmt::{self, Write as _};
use std::ops::Range;

/// Widest part of a source line that is quoted.
const WIDEST_LINE: usize = 100;
/// Longest value that a message repeats.
const LONGEST_VALUE: usize = 60;

/// All texts of one config.
#[derive(Clone, Debug)]
pub struct Texts {
    /// In the order of their offsets; the file comes first.
    pieces: Vec<Piece>,
    /// The pieces, each closed by a line end.
    all: String,
    /// Where the lines of the file begin.
    lines: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Piece {
    /// How places in it are called.
    name: String,
    /// Where it begins in `all`.
    start: usize,
    /// The file has lines; a `--set` is named by itself.
    has_lines: bool,
}

/// A place that a person can find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as it was named, or the `--set` itself.
    pub name: String,
    /// Line and column, both from 1, the column in characters; a `--set` has none.
    pub line: Option<(usize, usize)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some((line, column)) => write!(f, "{}:{line}:{column}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl Texts {
    /// The texts of a config that is only a file yet.
    pub fn new(name: &str, text: &str) -> Self {
        let file = Piece { name: shown_whole(name), start: 0, has_lines: true };
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        Self { pieces: vec![file], all: format!("{text}\n"), lines }
    }

    /// Adds a `--set` and returns the offset at which it begins.
    pub fn add_set(&mut self, set: &str) -> usize {
        let start = self.all.len();
        self.pieces.push(Piece { name: format!("--set {}", shown(set)), start, has_lines: false });
        self.all.push_str(set);
        self.all.push('\n');
        start
    }

    /// What a span holds.
    pub fn slice(&self, span: &Range<usize>) -> &str {
        self.all.get(span.clone()).unwrap_or_default()
    }

    /// Where an offset is.
    pub fn place(&self, offset: usize) -> Place {
        let piece = self.piece(offset);
        let line = piece.has_lines.then(|| {
            let number = self.lines.partition_point(|start| *start <= offset);
            let before = self.all.get(self.lines[number - 1]..offset).unwrap_or_default();
            (number, before.chars().count() + 1)
        });
        Place { name: piece.name.clone(), line }
    }

    /// The line of a span with the span marked below it, each line ended.
    pub fn excerpt(&self, span: &Range<usize>) -> String {
        let Place { line: Some((number, column)), .. } = self.place(span.start) else {
            return String::new();
        };
        let line = self.all[self.lines[number - 1]..].lines().next().unwrap_or_default();
        let first = column - 1;
        let marked = self.slice(span).lines().next().unwrap_or_default().chars().count().max(1);
        let (text, before, width) = cut_around(line, first, marked);
        let number = number.to_string();
        let gap = " ".repeat(number.len());
        format!("  {number} | {text}\n  {gap} | {}{}\n", " ".repeat(before), "^".repeat(width))
    }

    fn piece(&self, offset: usize) -> &Piece {
        let behind = self.pieces.partition_point(|piece| piece.start <= offset);
        &self.pieces[behind.saturating_sub(1)]
    }
}

/// The part of `line` around `marked` characters from `first` on, safe to print, with how many columns
/// stand before the mark and how many it covers.
fn cut_around(line: &str, first: usize, marked: usize) -> (String, usize, usize) {
    let length = line.chars().count();
    let room = WIDEST_LINE.saturating_sub(marked.min(WIDEST_LINE)) / 2;
    let from = if length <= WIDEST_LINE { 0 } else { first.saturating_sub(room) };
    let mut text = String::new();
    if from > 0 {
        text.push('…');
    }
    let (mut before, mut width) = (text.chars().count(), 0);
    for (index, character) in line.chars().enumerate().skip(from).take(WIDEST_LINE) {
        let piece = printable(character);
        let columns = piece.chars().count();
        match index {
            _ if index < first => before += columns,
            _ if index < first + marked => width += columns,
            _ => {}
        }
        text.push_str(&piece);
    }
    if from + WIDEST_LINE < length {
        text.push('…');
    }
    (text.trim_end().to_owned(), before, width.max(1))
}

/// A text from outside, safe to print within a message, cut if it is long.
pub fn shown(text: &str) -> String {
    let mut safe: String = text.chars().take(LONGEST_VALUE).map(printable).collect();
    if text.chars().nth(LONGEST_VALUE).is_some() {
        safe.push('…');
    }
    safe
}

/// A text from outside, safe to print, whole.
pub fn shown_whole(text: &str) -> String {
    text.chars().map(printable).collect()
}

/// A character as it may be printed: what would move the cursor or turn the line around is spelled out.
fn printable(character: char) -> String {
    let mut text = String::new();
    match character {
        '\t' => text.push(' '),
        '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}' => {
            let _ = write!(text, "{}", character.escape_unicode());
        }
        _ if character.is_control() => text.extend(character.escape_default()),
        _ => text.push(character),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_offset_names_a_place_in_the_file_or_a_set() {
        let mut texts = Texts::new("c.toml", "a = 1\nü = 2");
        let set = texts.add_set("http.max_body=1");
        assert_eq!(texts.place(0).to_string(), "c.toml:1:1");
        assert_eq!(texts.place(9).to_string(), "c.toml:2:3");
        assert_eq!(texts.place(set + 3).to_string(), "--set http.max_body=1");
        assert!(texts.place(set).line.is_none() && texts.place(0).line.is_some());
    }

    #[test]
    fn the_line_is_quoted_with_a_mark_below() {
        let texts = Texts::new("c.toml", "x = 1\n\tüb = 22 # note\n");
        assert_eq!(texts.excerpt(&(13..15)), "  2 |  üb = 22 # note\n    |       ^^\n");
    }

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        let line = format!("{}BAD{}", "a".repeat(500), "b".repeat(500));
        let excerpt = Texts::new("c.toml", &line).excerpt(&(500..503));
        let lines: Vec<&str> = excerpt.lines().collect();
        assert!(lines[0].starts_with("  1 | …aaa") && lines[0].ends_with("bbb…"));
        assert_eq!(lines[0].find("BAD").map(|at| at - '…'.len_utf8() + 1), lines[1].find("^^^"));
        assert!(lines[0].chars().count() < 120);
    }

    #[test]
    fn nothing_from_the_file_reaches_the_terminal_raw() {
        let excerpt = Texts::new("c.toml", "a = \"\u{1b}[31m\u{202e}\"").excerpt(&(0..1));
        assert!(excerpt.contains("\\u{1b}[31m\\u{202e}"), "{excerpt}");
    }

    proptest::proptest! {
        #[test]
        fn any_span_of_any_text_can_be_shown(text in "\\PC{0,40}(\n\\PC{0,200}){0,3}", from in 0usize..300, length in 0usize..300) {
            let texts = Texts::new("c.toml", &text);
            let mut from = from.min(text.len());
            while !text.is_char_boundary(from) { from -= 1; }
            let to = (from + length).min(text.len());
            let shown = texts.excerpt(&(from..to));
            proptest::prop_assert!(shown.contains('^'));
        }
    }
}

//! Standard error of a run: log lines, and below them, on a terminal, a block that is drawn again in its place. Both go
//! through here, so that neither garbles the other. Decides nothing about what is said.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Where the terminal does not say how large it is.
const USUAL: (usize, usize) = (80, 24);

/// How a piece of a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// As everything.
    Plain,
    /// What it is about.
    Strong,
    /// Less than the rest.
    Faint,
    /// Bad news.
    Bad,
}

/// A line of the block: pieces without line ends.
pub type Line = Vec<(Paint, String)>;

/// Standard error. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Screen {
    is_live: bool,
    is_coloured: bool,
    block: Arc<Mutex<Block>>,
}

#[derive(Debug, Default)]
struct Block {
    /// As it stands there now, and how many columns each line takes.
    drawn: Vec<(String, usize)>,
}

impl Screen {
    /// With a block below the log lines if `is_live`.
    pub fn new(is_live: bool, is_coloured: bool) -> Self {
        Self { is_live, is_coloured, block: Arc::default() }
    }

    /// Whether standard error is a terminal on which lines can be drawn again.
    pub fn is_possible() -> bool {
        io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// Whether there is a block.
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// Draws the block anew, each line cut to the terminal; without lines it is gone.
    pub fn show(&self, lines: &[Line]) {
        if !self.is_live {
            return;
        }
        let (columns, rows) = size();
        let mut block = self.block();
        let mut out = block.erased(columns);
        // A terminal that wraps at its last column would take one more row; a low one keeps a row for the log.
        let lines = lines.iter().take(rows.saturating_sub(1));
        block.drawn = lines.map(|line| painted(line, columns.saturating_sub(1), self.is_coloured)).collect();
        block.draw(&mut out);
        put(&out);
    }

    fn block(&self) -> MutexGuard<'_, Block> {
        self.block.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Block {
    /// What takes the block off a terminal that is so wide now: the cursor stands below it, at whatever column.
    fn erased(&self, columns: usize) -> Vec<u8> {
        let rows: usize = self.drawn.iter().map(|(_, width)| width.div_ceil(columns.max(1)).max(1)).sum();
        if rows == 0 { Vec::new() } else { format!("\r\u{1b}[{rows}A\u{1b}[J").into_bytes() }
    }

    fn draw(&self, out: &mut Vec<u8>) {
        for (line, _) in &self.drawn {
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
        }
    }
}

/// Nobody is left to be told that standard error is gone.
fn put(bytes: &[u8]) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(bytes).and_then(|()| stderr.flush());
}

fn size() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok();
    let size = size.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
    size.filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or(USUAL)
}

/// A line of at most so many columns, with its colours, and how many it takes.
fn painted(line: &Line, columns: usize, is_coloured: bool) -> (String, usize) {
    let (mut text, mut used) = (String::new(), 0);
    let mut left: usize = line.iter().map(|(_, piece)| piece.width()).sum();
    for (paint, piece) in line {
        let all = left + used <= columns;
        let room = if all { columns - used } else { (columns - used).saturating_sub(1) };
        let kept = within(piece, room);
        let colour = match paint {
            Paint::Strong => "1",
            Paint::Faint => "2",
            Paint::Bad => "31",
            Paint::Plain => "",
        };
        if is_coloured && !colour.is_empty() && !kept.is_empty() {
            let _ = write!(text, "\u{1b}[{colour}m{kept}\u{1b}[0m");
        } else {
            text.push_str(kept);
        }
        used += kept.width();
        left -= piece.width();
        if kept.len() < piece.len() {
            text.push('…');
            return (text, used + 1);
        }
    }
    (text, used)
}

/// As much of a text as fits into so many columns.
fn within(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += character.width().unwrap_or(0);
        if used > columns {
            return &text[..at];
        }
    }
    text
}

impl Write for Screen {
    /// Log lines go above the block.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let block = self.block();
        if block.drawn.is_empty() {
            // Held all the same: no line may come between two halves of another.
            put(lines);
        } else {
            let mut out = block.erased(size().0);
            out.extend_from_slice(lines);
            block.draw(&mut out);
            put(&out);
        }
        drop(block);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str, columns: usize) -> (String, usize) {
        painted(&vec![(Paint::Plain, text.to_owned())], columns, true)
    }

    #[test]
    fn a_line_is_cut_to_columns_and_not_to_letters() {
        assert_eq!(plain("abc", 3), ("abc".to_owned(), 3));
        assert_eq!(plain("abcd", 3), ("ab…".to_owned(), 3));
        // Each of these letters takes two columns.
        assert_eq!(plain("日本語", 6), ("日本語".to_owned(), 6));
        assert_eq!(plain("日本語", 5), ("日本…".to_owned(), 5));
        assert_eq!(plain("日本語", 4), ("日…".to_owned(), 3));
        assert_eq!(plain("e\u{301}e\u{301}", 2), ("e\u{301}e\u{301}".to_owned(), 2));
        assert_eq!(plain("abc", 0), ("…".to_owned(), 1));
    }

    #[test]
    fn pieces_share_a_line_and_colours_take_no_room() {
        let line = vec![
            (Paint::Strong, "job".to_owned()),
            (Paint::Plain, " 12".to_owned()),
            (Paint::Bad, " x".into()),
        ];
        assert_eq!(painted(&line, 8, false), ("job 12 x".to_owned(), 8));
        assert_eq!(painted(&line, 7, false), ("job 12…".to_owned(), 7));
        assert_eq!(painted(&line, 8, true).0, "\u{1b}[1mjob\u{1b}[0m 12\u{1b}[31m x\u{1b}[0m");
        assert_eq!(painted(&line, 2, true).0, "\u{1b}[1mj\u{1b}[0m…");
    }

    #[test]
    fn a_block_is_taken_off_with_all_rows_that_it_has_come_to_take() {
        let block = Block { drawn: vec![("a".repeat(79), 79), (String::new(), 0)] };
        assert_eq!(block.erased(80), b"\r\x1b[2A\x1b[J");
        assert_eq!(block.erased(40), b"\r\x1b[3A\x1b[J", "the terminal was made narrower");
        assert_eq!(Block::default().erased(80), b"");
    }
}

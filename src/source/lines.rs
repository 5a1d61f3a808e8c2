//! Lines of a file, one small piece at a time and with bounded memory, whatever the file holds.
//! Knows nothing of URLs.

use std::io::{self, BufRead};

/// What one step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// [`Lines::line`] is a whole line, or the head of one that is too long.
    Line,
    /// Part of a line was read.
    Part,
    /// The file is at its end.
    End,
}

/// A reader of lines.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: R,
    /// Never longer than `limit`.
    line: Vec<u8>,
    limit: usize,
    length: u64,
    number: u64,
    complete: bool,
}

impl<R: BufRead> Lines<R> {
    /// The lines of `reader`; of one longer than `limit` only the head is kept.
    pub(super) fn new(reader: R, limit: usize) -> Self {
        Self { reader, line: Vec::new(), limit, length: 0, number: 0, complete: false }
    }

    /// Reads on, at most as far as the reader's buffer reaches.
    pub(super) fn step(&mut self) -> io::Result<Piece> {
        if self.complete {
            self.line.clear();
            self.length = 0;
            self.complete = false;
        }
        let chunk = match self.reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Piece::Part),
            chunk => chunk?,
        };
        let at_end = chunk.is_empty();
        if at_end && self.length == 0 {
            return Ok(Piece::End);
        }
        let line_end = memchr::memchr(b'\n', chunk);
        let taken = line_end.unwrap_or(chunk.len());
        let room = self.limit - self.line.len();
        self.line.extend_from_slice(&chunk[..taken.min(room)]);
        self.length += taken as u64;
        self.reader.consume(taken + usize::from(line_end.is_some()));
        self.complete = at_end || line_end.is_some();
        if self.complete {
            self.number += 1;
        }
        Ok(if self.complete { Piece::Line } else { Piece::Part })
    }

    /// The line that was found, without its line feed.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Its number in the file, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes the line has, where that is more than [`Lines::line`] holds.
    pub(super) fn too_long(&self) -> Option<u64> {
        (self.length > self.line.len() as u64).then_some(self.length)
    }
}

/// Bytes as people can read them and tell them apart: what is no UTF-8 becomes `\xNN`.
pub(super) fn readable(bytes: &[u8]) -> String {
    bytes
        .utf8_chunks()
        .flat_map(|chunk| [chunk.valid().to_owned(), chunk.invalid().escape_ascii().to_string()])
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn all(text: &[u8], buffer: usize, limit: usize) -> Vec<(u64, Vec<u8>, Option<u64>)> {
        let mut lines = Lines::new(BufReader::with_capacity(buffer, text), limit);
        let mut found = Vec::new();
        loop {
            match lines.step().expect("step") {
                Piece::Line => found.push((lines.number(), lines.line().to_vec(), lines.too_long())),
                Piece::Part => {}
                Piece::End => return found,
            }
        }
    }

    #[test]
    fn long_lines_keep_their_head_and_their_length() {
        let found = all(b"ab\n\nabcdefgh\nx", 3, 4);
        let expected: [(u64, &[u8], Option<u64>); 4] =
            [(1, b"ab", None), (2, b"", None), (3, b"abcd", Some(8)), (4, b"x", None)];
        assert_eq!(found, expected.map(|(number, line, long)| (number, line.to_vec(), long)));
    }

    #[test]
    fn what_is_no_utf8_is_shown() {
        assert_eq!(readable(b"caf\xc3\xa9 \xff\xc3"), "café \\xff\\xc3");
    }

    proptest! {
        #[test]
        fn lines_are_those_of_split(text in "[ab\n]{0,60}", buffer in 1usize..9) {
            let found: Vec<_> = all(text.as_bytes(), buffer, 1000).into_iter().map(|found| found.1).collect();
            let expected: Vec<_> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}

//! One column of a CSV file, in small pieces and with bounded memory: a cell that never ends, because
//! a quote was left open, is read past and not held. Knows nothing of URLs.

use std::io::{self, BufRead};

use csv_core::{ReadFieldResult, Reader};

/// A header line that is longer is none.
const MAX_HEADER_BYTES: usize = 1 << 20;

/// What one step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// [`Table::row`] is a whole row.
    Row,
    /// Part of a row was read.
    Part,
    /// The file is at its end.
    End,
}

/// What is kept of a row.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Line on which it begins, from 1; 0 while it has not begun.
    pub line: u64,
    /// How many cells it has.
    pub cells: usize,
    /// Whether all its cells are empty.
    pub is_empty: bool,
    /// The wanted cell, quotes undone; its head if it is too long.
    pub cell: Vec<u8>,
    /// How many bytes the wanted cell has.
    pub length: u64,
}

/// A reader of one column.
pub(super) struct Table<R> {
    reader: R,
    core: Reader,
    wanted: usize,
    limit: usize,
    /// Number of the line that is being read.
    line: u64,
    row: Row,
    complete: bool,
}

impl<R: BufRead> Table<R> {
    /// A table over `reader`; of a cell longer than `limit` only the head is kept.
    pub(super) fn new(reader: R, limit: usize) -> Self {
        let row = Row::default();
        Self { reader, core: Reader::new(), wanted: 0, limit, line: 1, row, complete: true }
    }

    /// Reads the header line: the names of the columns. To be called first, and once.
    pub(super) fn header(&mut self) -> io::Result<Vec<String>> {
        let (mut names, mut bytes) = (Vec::new(), 0);
        loop {
            let piece = self.step()?;
            if self.row.cells > names.len() {
                names.push(String::from_utf8_lossy(&self.row.cell).trim().to_owned());
                bytes += self.row.cell.len() + 1;
                self.row.cell.clear();
                self.row.length = 0;
                self.wanted = names.len();
            }
            if bytes.max(usize::try_from(self.row.length).unwrap_or(usize::MAX)) > MAX_HEADER_BYTES {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the header line is longer than 1 MiB",
                ));
            }
            if piece != Piece::Part {
                return Ok(names);
            }
        }
    }

    /// From now on this column is wanted.
    pub(super) fn want(&mut self, column: usize) {
        self.wanted = column;
    }

    /// Reads on: to the end of a cell, or as far as the reader's buffer reaches.
    pub(super) fn step(&mut self) -> io::Result<Piece> {
        if self.complete {
            self.row = Row { is_empty: true, cell: std::mem::take(&mut self.row.cell), ..Row::default() };
            self.row.cell.clear();
            self.complete = false;
        }
        let chunk = match self.reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Piece::Part),
            chunk => chunk?,
        };
        if self.row.line == 0 {
            if let Some(end @ (b'\r' | b'\n')) = chunk.first() {
                // What is left of the line end before, or an empty line. The row begins behind it.
                self.line += u64::from(*end == b'\n');
                self.reader.consume(1);
                return Ok(Piece::Part);
            }
            self.row.line = self.line;
        }
        let mut output = [0; 4096];
        let (found, read, written) = self.core.read_field(chunk, &mut output);
        self.line += memchr::memchr_iter(b'\n', &chunk[..read]).count() as u64;
        self.reader.consume(read);
        self.row.is_empty &= written == 0;
        if self.row.cells == self.wanted {
            let room = self.limit - self.row.cell.len();
            self.row.cell.extend_from_slice(&output[..written.min(room)]);
            self.row.length += written as u64;
        }
        match found {
            ReadFieldResult::End => return Ok(Piece::End),
            ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
            ReadFieldResult::Field { record_end } => {
                self.row.cells += 1;
                self.complete = record_end;
            }
        }
        Ok(if self.complete { Piece::Row } else { Piece::Part })
    }

    /// The row that was found.
    pub(super) fn row(&self) -> &Row {
        &self.row
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    /// Column `b` of the table: line, cells, text, length.
    fn column_b(text: &str, buffer: usize, limit: usize) -> Vec<(u64, usize, String, u64)> {
        let mut table = Table::new(BufReader::with_capacity(buffer, text.as_bytes()), limit);
        let header = table.header().expect("header");
        table.want(header.iter().position(|name| name == "b").expect("column"));
        let mut rows = Vec::new();
        loop {
            match table.step().expect("step") {
                Piece::End => return rows,
                Piece::Part => {}
                Piece::Row => {
                    let row = table.row();
                    let cell = String::from_utf8(row.cell.clone()).expect("text");
                    rows.push((row.line, row.cells, cell, row.length));
                }
            }
        }
    }

    fn check(text: &str, expected: &[(u64, usize, &str, u64)]) {
        for buffer in [3, 5, 4096] {
            let found = column_b(text, buffer, 4);
            let found: Vec<_> = found.iter().map(|(l, c, text, n)| (*l, *c, text.as_str(), *n)).collect();
            assert_eq!(found, expected, "{text:?} through {buffer} bytes");
        }
    }

    #[test]
    fn rows_know_their_line_and_their_width() {
        check("a,b\n1,2\n3,4", &[(2, 2, "2", 1), (3, 2, "4", 1)]);
        check("\"b\",a\r\n\r\n1,2\r\n3\r\n", &[(3, 2, "1", 1), (4, 1, "3", 1)]);
        check("a,b\n\"x\ny\",\"\"\"\"\n1,2,3\n", &[(2, 2, "\"", 1), (4, 3, "2", 1)]);
        check("b\n", &[]);
    }

    #[test]
    fn an_open_quote_costs_one_row_and_no_memory() {
        let text = format!("a,b\n1,ok\n2,\"{}\n3,x\n", "y".repeat(10_000));
        check(&text, &[(2, 2, "ok", 2), (3, 2, "yyyy", 10_005)]);
    }

    #[test]
    fn a_header_without_end_is_an_error() {
        let text = format!("\"{}", "x".repeat(3 << 20));
        assert!(Table::new(text.as_bytes(), 1 << 16).header().is_err());
        let text = "x,".repeat(2 << 20);
        assert!(Table::new(text.as_bytes(), 1 << 16).header().is_err());
    }

    proptest! {
        #[test]
        fn any_text_comes_to_its_end(text in "[ab,\"\r\n]{0,80}", buffer in 3usize..9) {
            let rows = column_b(&format!("a,b\n{text}"), buffer, 1000);
            let lines = text.matches('\n').count() as u64 + 2;
            prop_assert!(rows.iter().all(|row| (2..=lines).contains(&row.0)));
        }
    }
}

//! Tables as people read them. Prints nothing, and trusts that texts from outside were
//! made printable before they came here.

use std::fmt;

use unicode_width::UnicodeWidthStr;

pub use crate::units::{amount, count, span};

/// The widest cell; what is longer is cut.
const WIDEST: usize = 60;

/// A table with a heading, columns as wide as their widest cell.
pub struct Table {
    /// Whether a column stands to the right.
    is_right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings; a column whose heading begins with `>` stands to the right.
    pub fn new(headings: &[&str]) -> Self {
        let is_right = headings.iter().map(|heading| heading.starts_with('>')).collect();
        let first = headings.iter().map(|heading| heading.trim_start_matches('>').to_owned()).collect();
        Self { is_right, rows: vec![first] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[String]) {
        self.rows.push(cells.iter().map(|cell| cut(cell)).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width =
            |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| length(cell)).max();
        let widths: Vec<usize> = (0..self.is_right.len()).map(|column| width(column).unwrap_or(0)).collect();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), is_right) in row.iter().zip(&widths).zip(&self.is_right) {
                let gap = " ".repeat(width - length(cell));
                if *is_right {
                    line.push_str(&gap);
                }
                line.push_str(cell);
                if !*is_right {
                    line.push_str(&gap);
                }
                line.push_str("  ");
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn length(cell: &str) -> usize {
    cell.width()
}

fn cut(cell: &str) -> String {
    match cell.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let mut table = Table::new(&["host", ">n", "last"]);
        table.row(&["a".to_owned(), "1,000".to_owned(), "ok".to_owned()]);
        table.row(&["é".repeat(70), "7".to_owned(), String::new()]);
        let long = "é".repeat(60) + "…";
        let space = " ".repeat(57);
        assert_eq!(
            table.to_string(),
            format!("host{space}      n  last\na   {space}  1,000  ok\n{long}      7\n")
        );
    }
}

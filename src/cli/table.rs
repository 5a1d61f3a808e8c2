//! Tables, numbers and lengths of time as people read them. Prints nothing, and trusts that texts from outside were
//! made printable before they came here.

use std::fmt;
use std::time::Duration;

use crate::units::Time;

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
    cell.chars().count()
}

fn cut(cell: &str) -> String {
    match cell.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_owned(),
    }
}

/// `1,234,567`
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes with a unit, to three digits.
pub fn amount(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, factor)| bytes >= *factor) {
        Some((unit, factor)) => {
            let (whole, tenth) = (bytes / factor, bytes % factor * 10 / factor);
            if whole < 100 { format!("{whole}.{tenth} {unit}") } else { format!("{whole} {unit}") }
        }
        None => format!("{bytes} bytes"),
    }
}

/// A length of time: exact below a second, tenths below a minute, whole seconds above.
pub fn span(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds}ms"),
        1000..60_000 if milliseconds.is_multiple_of(1000) => format!("{}s", milliseconds / 1000),
        1000..60_000 => format!("{}.{}s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => Time(Duration::from_secs(milliseconds / 1000)).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 1023, 1024, 1_600_000, 300 << 30].map(amount),
            ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 MiB", "300 GiB"]
        );
        assert_eq!(
            [0, 999, 1000, 1540, 59_999, 60_000, 3_723_456].map(span),
            ["0ms", "999ms", "1s", "1.5s", "59.9s", "1m", "1h 2m 3s"]
        );
    }

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

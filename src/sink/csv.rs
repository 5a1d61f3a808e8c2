//! The sink `csv`: a row for each page that was read, by RFC 4180: a heading in each part, CRLF, quotes where they
//! are needed, UTF-8. Cells that a spreadsheet would run as a formula are guarded. Knows no table but that of
//! records.

use std::collections::BTreeSet;
use std::io::{self, BufRead};
use std::path::Path;
use std::sync::Arc;

use csv_core::{QuoteStyle, Terminator, WriteResult, WriterBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::columns::{self, Cell, Column};
use super::lines::{Lines, text_place};
use super::packing::Compression;
use super::place::Place;
use super::roll::Roll;
use super::{Render, Sink, SinkError, Writer, Wrong};
use crate::model::{Origin, Position, Record};

/// Columns where the config names none: what fits in a cell and says what was got.
const COLUMNS: [&str; 12] = [
    "url",
    "title",
    "description",
    "fetch_time",
    "fetch_status",
    "content_mime_type",
    "content_charset",
    "content_length",
    "content_digest",
    "depth",
    "discovered_from",
    "source_id",
];

/// `[[sinks]] type = "csv"`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of the sink.
    pub id: String,
    /// Folder in the run directory; the id if not given.
    #[serde(default)]
    pub path: Option<String>,
    /// Fields of a record, and `fields.NAME` for what extraction rules gave; lists and objects stand as JSON.
    #[serde(default = "default_columns")]
    pub columns: Vec<String>,
    /// What stands between cells: one ASCII character, such as `,`, `;` or a tab.
    #[serde(default = "default_delimiter")]
    pub delimiter: String,
    /// Whether a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return gets an apostrophe in front, so
    /// that no spreadsheet runs it. Numbers are left alone.
    #[serde(default = "default_formula_safe")]
    pub formula_safe: bool,
    /// How the parts are packed.
    #[serde(default)]
    pub compression: Compression,
    /// When the next part is begun.
    #[serde(default)]
    pub roll: Roll,
}

fn default_columns() -> Vec<String> {
    COLUMNS.map(str::to_owned).to_vec()
}

fn default_delimiter() -> String {
    ",".to_owned()
}

fn default_formula_safe() -> bool {
    true
}

impl Settings {
    /// The settings that a config has which gives nothing but an id.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            path: None,
            columns: default_columns(),
            delimiter: default_delimiter(),
            formula_safe: default_formula_safe(),
            compression: Compression::default(),
            roll: Roll::default(),
        }
    }

    /// What is wrong with its keys.
    pub(super) fn check(&self) -> Vec<Wrong> {
        let mut wrongs = self.roll.check();
        if self.separator().is_none() {
            let what = format!("`{}` cannot stand between cells", self.delimiter.escape_debug());
            let hint = "write one ASCII character that is no letter, digit, quote or line end, such as \";\" or \"\\t\"";
            wrongs.push(Wrong { key: "delimiter".to_owned(), what, hint: Some(hint.to_owned()) });
        }
        if self.columns.is_empty() {
            let what = "a table without any column".to_owned();
            let hint = Some("leave the key out to get its default".to_owned());
            wrongs.push(Wrong { key: "columns".to_owned(), what, hint });
        }
        let mut seen = BTreeSet::new();
        for (index, name) in self.columns.iter().enumerate() {
            let key = format!("columns[{index}]");
            if Column::named(name).is_none() {
                let (what, hint) = columns::unknown(name);
                wrongs.push(Wrong { key, what, hint: Some(hint) });
            } else if !seen.insert(name) {
                let what = format!("the column `{}` stands twice", name.escape_debug());
                wrongs.push(Wrong { key, what, hint: None });
            }
        }
        wrongs
    }

    fn separator(&self) -> Option<u8> {
        match self.delimiter.as_bytes() {
            [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n\0".contains(byte) => {
                Some(*byte)
            }
            _ => None,
        }
    }
}

/// The sink `csv`.
#[derive(Clone, Debug)]
pub struct Csv {
    settings: Settings,
    origin: Origin,
}

impl Csv {
    /// A sink as its settings say, for records of this origin.
    pub fn new(settings: Settings, origin: Origin) -> Self {
        Self { settings, origin }
    }
}

impl Sink for Csv {
    fn id(&self) -> &str {
        &self.settings.id
    }

    fn render(&self) -> Option<Render> {
        let (origin, rows) = (self.origin.clone(), Rows::new(&self.settings));
        Some(Arc::new(move |visit, line| {
            Record::from_visit(&origin, visit).map_or(Ok(()), |record| Ok(rows.put(&record, line)?))
        }))
    }

    fn open(&self, dir: &Path, at: Option<Position>) -> Result<Box<dyn Writer>, SinkError> {
        let Settings { id, path, compression, roll, .. } = &self.settings;
        let place = text_place(id, path.as_ref(), dir, "csv", *compression, *roll)?;
        Lines::open(Place { count: count_rows, ..place }, at, Rows::new(&self.settings).heading)
    }
}

/// Rows of a part without its heading. A line end within quotes is none.
pub(super) fn count_rows(part: &mut dyn BufRead) -> io::Result<u64> {
    let (mut rows, mut is_quoted) = (0_u64, false);
    loop {
        let piece = part.fill_buf()?;
        if piece.is_empty() {
            return Ok(rows.saturating_sub(1));
        }
        for at in memchr::memchr2_iter(b'"', b'\n', piece) {
            // A quote within quotes is doubled, so that it changes nothing.
            if piece[at] == b'"' {
                is_quoted = !is_quoted;
            } else if !is_quoted {
                rows += 1;
            }
        }
        let read = piece.len();
        part.consume(read);
    }
}

#[derive(Clone, Copy)]
struct Format {
    separator: u8,
    formula_safe: bool,
}

/// One row as it grows, behind what stands in `out`.
struct Row<'o> {
    format: Format,
    writer: csv_core::Writer,
    out: &'o mut Vec<u8>,
    has_cells: bool,
}

impl<'o> Row<'o> {
    fn new(format: Format, out: &'o mut Vec<u8>) -> Self {
        let writer = WriterBuilder::new()
            .delimiter(format.separator)
            .terminator(Terminator::CRLF)
            .quote_style(QuoteStyle::Necessary)
            .build();
        Self { format, writer, out, has_cells: false }
    }

    fn cell(&mut self, text: &[u8], kind: Cell) {
        if std::mem::replace(&mut self.has_cells, true) {
            self.put(4, csv_core::Writer::delimiter);
        }
        if self.format.formula_safe && kind == Cell::Text && is_formula(text) {
            self.field(&[b"'", text].concat());
        } else {
            self.field(text);
        }
    }

    fn field(&mut self, mut text: &[u8]) {
        self.put(2 * text.len() + 4, |writer, room| {
            let (result, read, written) = writer.field(text, room);
            text = &text[read..];
            (result, written)
        });
    }

    /// Ends the line.
    fn end(mut self) {
        self.put(8, csv_core::Writer::terminator);
    }

    /// Has the writer write until it is done.
    fn put(
        &mut self,
        room: usize,
        mut step: impl FnMut(&mut csv_core::Writer, &mut [u8]) -> (WriteResult, usize),
    ) {
        loop {
            let at = self.out.len();
            self.out.resize(at + room, 0);
            let (result, written) = step(&mut self.writer, &mut self.out[at..]);
            self.out.truncate(at + written);
            if result == WriteResult::InputEmpty {
                return;
            }
        }
    }
}

/// Whether a spreadsheet may take a text for a formula (OWASP, CSV Injection). A number says no more than itself.
fn is_formula(text: &[u8]) -> bool {
    let is_number = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
            && text.parse::<f64>().is_ok()
    };
    matches!(text, [b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r', ..])
        && !std::str::from_utf8(text).is_ok_and(is_number)
}

/// Records as rows of a table.
pub struct Rows {
    columns: Vec<Column>,
    heading: Vec<u8>,
    format: Format,
}

impl Rows {
    /// The table that the settings describe.
    pub fn new(settings: &Settings) -> Self {
        let Settings { columns, formula_safe, .. } = settings;
        let format = Format { separator: settings.separator().unwrap_or(b','), formula_safe: *formula_safe };
        let mut heading = Vec::new();
        let mut row = Row::new(format, &mut heading);
        for name in columns {
            row.cell(name.as_bytes(), Cell::Text);
        }
        row.end();
        let columns = columns.iter().filter_map(|name| Column::named(name)).collect();
        Self { columns, heading, format }
    }

    /// The row of names, with its line end.
    pub fn heading(&self) -> &[u8] {
        &self.heading
    }

    /// Puts the row of a record, with its line end, behind what stands in `out`.
    pub fn put(&self, record: &Record<'_>, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let (mut row, mut cell) = (Row::new(self.format, out), Vec::new());
        for column in &self.columns {
            cell.clear();
            let kind = column.write(record, &mut cell)?;
            row.cell(&cell, kind);
        }
        row.end();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use proptest::prelude::*;

    use super::super::testing::{origin, page, refused, write};
    use super::*;
    use crate::model::Outcome;

    fn settings(columns: &[&str]) -> Settings {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        let text = serde_json::json!({ "id": "table" });
        Settings { columns, ..serde_json::from_value(text).expect("settings") }
    }

    fn row(format: Format, cells: &[(&str, Cell)]) -> String {
        let mut out = Vec::new();
        let mut row = Row::new(format, &mut out);
        for (text, kind) in cells {
            row.cell(text.as_bytes(), *kind);
        }
        row.end();
        String::from_utf8(out).expect("text")
    }

    fn texts(formula_safe: bool, cells: &[&str]) -> String {
        let cells: Vec<_> = cells.iter().map(|text| (*text, Cell::Text)).collect();
        row(Format { separator: b',', formula_safe }, &cells)
    }

    /// Rows as an RFC 4180 reader gives them.
    fn read(separator: u8, mut text: &[u8]) -> Vec<Vec<String>> {
        let mut reader = csv_core::ReaderBuilder::new().delimiter(separator).build();
        let (mut rows, mut out, mut ends) = (Vec::new(), vec![0; text.len() + 8], vec![0; 100]);
        loop {
            let (result, read, _, fields) = reader.read_record(text, &mut out, &mut ends);
            text = &text[read..];
            match result {
                csv_core::ReadRecordResult::Record => {}
                csv_core::ReadRecordResult::InputEmpty if read > 0 => continue,
                _ => return rows,
            }
            let starts = std::iter::once(0).chain(ends.iter().copied());
            let cells = starts.zip(&ends[..fields]);
            rows.push(cells.map(|(a, b)| String::from_utf8(out[a..*b].to_vec()).expect("text")).collect());
        }
    }

    #[test]
    fn quotes_stand_where_they_are_needed() {
        assert_eq!(texts(true, &["a", "b c", ""]), "a,b c,\r\n");
        assert_eq!(
            texts(true, &["a,b", "say \"x\"", "1\n2", "1\r2"]),
            "\"a,b\",\"say \"\"x\"\"\",\"1\n2\",\"1\r2\"\r\n"
        );
        assert_eq!(texts(true, &[""]), "\"\"\r\n");
        let format = Format { separator: b';', formula_safe: true };
        assert_eq!(row(format, &[("a,b", Cell::Text), ("c;d", Cell::Text)]), "a,b;\"c;d\"\r\n");
    }

    #[test]
    fn no_text_is_a_formula() {
        for (text, safe) in [
            ("=1+1", "'=1+1"),
            ("+SUM(A1)", "'+SUM(A1)"),
            ("-2+3", "'-2+3"),
            ("@x", "'@x"),
            ("\tx", "'\tx"),
            ("-", "'-"),
            ("-inf", "'-inf"),
            ("-12.5", "-12.5"),
            ("+3e4", "+3e4"),
            ("x=1", "x=1"),
            (" =1", " =1"),
            ("'=1", "'=1"),
        ] {
            assert_eq!(texts(true, &[text]), format!("{safe}\r\n"), "{text:?}");
            assert_eq!(texts(false, &[text]), format!("{text}\r\n"), "{text:?}");
        }
        assert_eq!(texts(true, &["\r=1"]), "\"'\r=1\"\r\n");
        let format = Format { separator: b',', formula_safe: true };
        assert_eq!(row(format, &[("-5", Cell::Plain), ("=", Cell::Plain)]), "-5,=\r\n");
    }

    #[test]
    fn each_part_has_its_heading_and_a_row_for_each_record() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let dir = tempfile::tempdir().expect("temp dir");
            let roll = Roll { records: std::num::NonZeroU64::new(2), size: None };
            let settings = Settings { compression, roll, ..settings(&["url", "title", "depth", "links"]) };
            let sink = Csv::new(settings, origin());
            let mut writer = sink.open(dir.path(), None).expect("open");
            for path in ["a", "b", "c"] {
                write(&sink, &mut *writer, &page(path));
            }
            assert!(write(&sink, &mut *writer, &refused("d", Outcome::Gone)).is_none());
            let artifacts = writer.finish().expect("finish");
            let heading = ["url", "title", "depth", "links"].map(str::to_owned).to_vec();
            for (artifact, paths) in artifacts.iter().zip([&["a", "b"][..], &["c"]]) {
                assert_eq!(artifact.records, paths.len() as u64);
                let name = artifact.path.to_str().expect("name");
                let file = fs::File::open(dir.path().join(name)).expect("part");
                let mut text = Vec::new();
                Compression::of(name).0.reader(file).expect("reader").read_to_end(&mut text).expect("text");
                assert_eq!(count_rows(&mut &text[..]).expect("count"), artifact.records);
                let mut expected = vec![heading.clone()];
                expected.extend(paths.iter().map(|path| {
                    let links = r#"[{"url":"https://example.org/next","rel":null}]"#;
                    let title = format!("title of\n{path}");
                    vec![format!("https://example.org/{path}"), title, "0".to_owned(), links.to_owned()]
                }));
                assert_eq!(read(b',', &text), expected);
            }
        }
    }

    #[test]
    fn a_table_without_a_row_has_its_heading() {
        let dir = tempfile::tempdir().expect("temp dir");
        let sink = Csv::new(settings(&["url", "title"]), origin());
        let artifacts = sink.open(dir.path(), None).expect("open").finish().expect("finish");
        let path = dir.path().join(&artifacts[0].path);
        assert_eq!(
            (fs::read_to_string(&path).expect("part"), artifacts[0].records),
            ("url,title\r\n".into(), 0)
        );

        // The same after a death in the middle of the heading.
        fs::write(&path, "url,ti").expect("write");
        let artifacts =
            sink.open(dir.path(), Some(Position::default())).expect("open").finish().expect("finish");
        assert_eq!(
            (fs::read_to_string(&path).expect("part"), artifacts[0].records),
            ("url,title\r\n".into(), 0)
        );
    }

    #[test]
    fn what_cannot_be_a_table_is_wrong() {
        let said = |settings: Settings| {
            settings.check().iter().map(|wrong| format!("{} {}", wrong.key, wrong.what)).collect::<Vec<_>>()
        };
        assert_eq!(said(settings(&["url", "fields.price"])), [""; 0]);
        assert_eq!(
            said(settings(&["url", "prize", "url", "fields."])),
            [
                "columns[1] `prize` is no field of a record",
                "columns[2] the column `url` stands twice",
                "columns[3] `fields.` is no field of a record"
            ]
        );
        assert_eq!(said(settings(&[])), ["columns a table without any column"]);
        for delimiter in ["", ",,", "\"", "\n", "x", "7", "ü"] {
            let settings = Settings { delimiter: delimiter.into(), ..settings(&["url"]) };
            assert_eq!(settings.check().len(), 1, "{delimiter:?}");
        }
        for delimiter in ["\t", ";", "|"] {
            let settings = Settings { delimiter: delimiter.into(), ..settings(&["url"]) };
            assert_eq!(settings.check().len(), 0, "{delimiter:?}");
        }
        let defaults: Settings = serde_json::from_value(serde_json::json!({ "id": "t" })).expect("settings");
        assert_eq!(defaults.check().len(), 0);
    }

    proptest! {
        /// Whatever stands in cells, a reader gets it back, and rows are counted as it sees them.
        #[test]
        fn rows_read_back_as_written(
            rows in prop::collection::vec(prop::collection::vec("[a,;\"'\r\n\t=+ü-]{0,6}", 3), 1..6),
            separator in prop::sample::select(vec![b',', b';', b'\t', b'\'']),
        ) {
            let mut text = Vec::new();
            for cells in &rows {
                let cells: Vec<_> = cells.iter().map(|cell| (cell.as_str(), Cell::Text)).collect();
                text.extend(row(Format { separator, formula_safe: false }, &cells).into_bytes());
            }
            prop_assert_eq!(count_rows(&mut &text[..]).expect("count"), rows.len() as u64 - 1);
            prop_assert_eq!(read(separator, &text), rows);
        }
    }
}

//! A file, or standard input, that lists URLs.
//!
//! The file is read in small pieces, so that it may be longer than memory. One bad line is refused at
//! its place; only a file that cannot be read, or that lacks the column, is an error. Standard input is
//! read from where it was spooled.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use futures::stream::BoxStream;
use schemars::JsonSchema;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lines::{self, Lines, readable};
use super::table::{self, Table};
use super::{Seeds, Source, SourceError, Surroundings, paced};
use crate::kind::nearest;
use crate::model::{ScopeOverride, Seed};

/// No URL is as long as this: a longer line or cell is refused.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// A line of JSON may hold more than its URL.
const MAX_JSON_BYTES: usize = 16 << 20;

/// `[[sources]] type = "list"`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of the source in records.
    pub id: String,
    /// The file, relative to the config; `"-"` is standard input.
    #[schemars(extend("format" = "path-or-stdin"))]
    pub path: PathBuf,
    /// How it is written; told from the file's name if not given: `.csv`, `.jsonl`, else lines.
    #[serde(default)]
    pub format: Option<Format>,
    /// Column (CSV) or key (JSON Lines) that holds the URL. Needed for these two.
    #[serde(default)]
    pub column: Option<String>,
    /// Which links are followed from its pages: the keys of `[scope]` that are different for this source.
    #[serde(default)]
    pub scope: Option<ScopeOverride>,
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One URL a line; empty lines and lines that begin with `#` are left out.
    Lines,
    /// CSV with a header line.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl Settings {
    /// How the list is written: as the config says, else by the file's name.
    pub fn format(&self) -> Format {
        self.format.unwrap_or_else(|| Format::of(&self.path))
    }

    /// Whether it comes from standard input.
    pub fn is_stdin(&self) -> bool {
        self.path == Path::new("-")
    }
}

/// The source `list`.
pub struct List {
    id: String,
    path: PathBuf,
    /// What places begin with: the name of the file.
    name: String,
    rows: Rows,
    seeds: Seeds,
}

/// The file as it is written.
enum Rows {
    Lines(Lines<BufReader<File>>),
    Csv { table: Box<Table<BufReader<File>>>, column: String, width: usize },
    Jsonl { lines: Lines<BufReader<File>>, key: String },
}

/// A seed, or none in this piece; or the end.
type Next = ControlFlow<(), Option<Seed>>;

impl List {
    /// Opens the list, and reads the header of a CSV file.
    pub fn open(settings: &Settings, surroundings: &Surroundings) -> Result<Self, SourceError> {
        let id = settings.id.clone();
        let is_stdin = settings.is_stdin();
        let wrong = |what: String| SourceError::Format { id: id.clone(), path: settings.path.clone(), what };
        let path = match &surroundings.stdin_spool {
            Some(spool) if is_stdin => spool.clone(),
            None if is_stdin => return Err(wrong("standard input was not spooled".into())),
            _ => settings.path.clone(),
        };
        let unread = |error| SourceError::Read { id: id.clone(), path: path.clone(), error };
        let file = open_regular(&path).map_err(unread)?.map_err(wrong)?;
        let mut reader = BufReader::with_capacity(MAX_TEXT_BYTES, file);
        match reader.fill_buf().map_err(unread)? {
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
                return Err(wrong("is written in UTF-16\nhint: save it as UTF-8".into()));
            }
            [0xEF, 0xBB, 0xBF, ..] => reader.consume(3),
            _ => {}
        }
        let column = || {
            settings.column.clone().ok_or_else(|| wrong("needs `column`, the name that holds the URL".into()))
        };
        let rows = match settings.format() {
            Format::Lines => Rows::Lines(Lines::new(reader, MAX_TEXT_BYTES)),
            Format::Jsonl => Rows::Jsonl { lines: Lines::new(reader, MAX_JSON_BYTES), key: column()? },
            Format::Csv => {
                let (mut table, column) = (Table::new(reader, MAX_TEXT_BYTES), column()?);
                let header = table.header().map_err(unread)?;
                table.want(find(&column, &header).map_err(wrong)?);
                Rows::Csv { table: Box::new(table), column, width: header.len() }
            }
        };
        let name = match settings.path.file_name() {
            Some(name) if !is_stdin => name.to_string_lossy().into_owned(),
            _ => "stdin".to_owned(),
        };
        Ok(Self { id, path, name, rows, seeds: Seeds::of(&settings.id) })
    }

    fn step(&mut self) -> io::Result<Next> {
        let Self { name, rows, seeds, .. } = self;
        Ok(ControlFlow::Continue(match rows {
            Rows::Lines(lines) => match lines.step()? {
                lines::Piece::End => return Ok(ControlFlow::Break(())),
                lines::Piece::Part => None,
                lines::Piece::Line => from_line(lines, seeds, name),
            },
            Rows::Csv { table, column, width } => match table.step()? {
                table::Piece::End => return Ok(ControlFlow::Break(())),
                table::Piece::Part => None,
                table::Piece::Row => from_row(table.row(), seeds, column, *width, name),
            },
            Rows::Jsonl { lines, key } => match lines.step()? {
                lines::Piece::End => return Ok(ControlFlow::Break(())),
                lines::Piece::Part => None,
                lines::Piece::Line => from_json(lines, seeds, key, name),
            },
        }))
    }
}

impl Source for List {
    fn requests(self: Box<Self>) -> BoxStream<'static, Result<Seed, SourceError>> {
        let mut list = Some(self);
        paced(std::iter::from_fn(move || match list.as_mut()?.step() {
            Ok(ControlFlow::Continue(seed)) => Some(seed.map(Ok)),
            Ok(ControlFlow::Break(())) => None,
            Err(error) => list.take().map(|list| {
                let List { id, path, .. } = *list;
                Some(Err(SourceError::Read { id, path, error }))
            }),
        }))
    }
}

impl Format {
    fn of(path: &Path) -> Self {
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        match ending.to_str() {
            Some("csv") => Self::Csv,
            Some("jsonl" | "ndjson") => Self::Jsonl,
            _ => Self::Lines,
        }
    }
}

/// Opens a regular file, or says what the path leads to instead. Never waits for the other end of a pipe.
fn open_regular(path: &Path) -> io::Result<Result<File, String>> {
    let without_waiting = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(without_waiting).open(path)?;
    let kind = file.metadata()?.file_type();
    Ok(match kind {
        _ if kind.is_file() => Ok(file),
        _ if kind.is_dir() => Err("is a folder, not a list\nhint: use a source of `type = \"files\"`".into()),
        _ if kind.is_fifo() => Err("is a pipe, which cannot be read again after a crash\nhint: give it to \
                                    standard input and write `path = \"-\"`"
            .into()),
        _ => Err("is not a regular file".into()),
    })
}

/// Which column bears the name.
fn find(column: &str, header: &[String]) -> Result<usize, String> {
    let found = header.iter().position(|name| name == column.trim());
    found.ok_or_else(|| {
        let columns: Vec<_> = header.iter().take(20).map(|name| format!("`{name}`")).collect();
        let more = if header.len() > columns.len() { ", ..." } else { "" };
        let hint = nearest(column, header.iter().map(String::as_str)).map_or_else(
            || "name one of these as `column`".to_owned(),
            |name| format!("did you mean `{name}`?"),
        );
        if columns.is_empty() {
            return format!(
                "has no header line, so no column `{column}`\nhint: its first line must name the columns"
            );
        }
        format!("has no column `{column}`; it has {}{more}\nhint: {hint}", columns.join(", "))
    })
}

/// What a line gives: nothing if it is empty or a comment.
fn from_line<R: BufRead>(lines: &Lines<R>, seeds: &mut Seeds, name: &str) -> Option<Seed> {
    let (line, too_long) = (lines.line().trim_ascii(), lines.too_long());
    if line.starts_with(b"#") || (line.is_empty() && too_long.is_none()) {
        return None;
    }
    Some(from_bytes(line, too_long, seeds, || format!("{name}:{}", lines.number())))
}

/// What a row of a table gives: nothing if all its cells are empty.
fn from_row(row: &table::Row, seeds: &mut Seeds, column: &str, width: usize, name: &str) -> Option<Seed> {
    let cell = row.cell.trim_ascii();
    let place = || format!("{name}:{}", row.line);
    let fault = match row {
        _ if row.is_empty => return None,
        _ if row.cells != width => {
            let cells = row.cells;
            format!("the row has {cells} cells, the header {width}; cells with a comma need quotes")
        }
        _ if row.length == 0 => format!("column `{column}` is empty"),
        _ => {
            let too_long = (row.length > row.cell.len() as u64).then_some(row.length);
            return Some(from_bytes(cell, too_long, seeds, place));
        }
    };
    Some(seeds.refused(&readable(cell), fault, place()))
}

/// What a line of JSON gives under `key`: nothing if it is empty.
fn from_json<R: BufRead>(lines: &Lines<R>, seeds: &mut Seeds, key: &str, name: &str) -> Option<Seed> {
    let (line, too_long) = (lines.line().trim_ascii(), lines.too_long());
    let place = || format!("{name}:{}", lines.number());
    if too_long.is_some() {
        return Some(from_bytes(line, too_long, seeds, place));
    }
    if line.is_empty() {
        return None;
    }
    let mut json = serde_json::Deserializer::from_slice(line);
    let fault = match Pick(key).deserialize(&mut json).and_then(|value| json.end().map(|()| value)) {
        Ok(Some(Value::String(url))) => return Some(seeds.seed(url.trim(), place)),
        Ok(Some(_)) => format!("`{key}` is not a text"),
        Ok(None) => format!("the object has no key `{key}`"),
        // It counts lines within this one.
        Err(error) => format!("not a JSON object: {error}").replace(" at line 1 column ", " at column "),
    };
    Some(seeds.refused(&readable(line), fault, place()))
}

/// What the bytes of a line or cell are.
fn from_bytes(
    bytes: &[u8],
    too_long: Option<u64>,
    seeds: &mut Seeds,
    place: impl FnOnce() -> String,
) -> Seed {
    let fault = match (std::str::from_utf8(bytes), too_long) {
        (_, Some(length)) => format!("is {length} bytes long, more than any URL"),
        (Ok(text), None) => return seeds.seed(text.trim(), place),
        (Err(_), None) => "is not UTF-8".to_owned(),
    };
    seeds.refused(&readable(bytes), fault, place())
}

/// Reads one key of a JSON object and passes over the others. The first counts.
struct Pick<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if found.is_none() && key == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{pour, show};
    use super::*;

    fn settings(path: &Path, column: Option<&str>) -> Settings {
        Settings {
            id: "urls".into(),
            path: path.into(),
            format: None,
            column: column.map(Into::into),
            scope: None,
        }
    }

    fn open(name: &str, content: &[u8], column: Option<&str>) -> Result<List, SourceError> {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join(name);
        std::fs::write(&path, content).expect("list");
        List::open(&settings(&path, column), &Surroundings::default())
    }

    fn check(name: &str, content: &str, column: Option<&str>, expected: &[&str]) {
        assert_eq!(
            show(pour(open(name, content.as_bytes(), column).expect("open"))),
            expected,
            "{content:?}"
        );
    }

    fn fault(name: &str, content: &[u8], column: Option<&str>) -> String {
        let error = open(name, content, column).err().expect("an error").to_string();
        error.split_once(&format!("{name}`: ")).expect("the path").1.to_owned()
    }

    #[test]
    fn one_url_a_line() {
        check("a.txt", "", None, &[]);
        check("a.txt", "http://a/", None, &["http://a/"]);
        check(
            "a.txt",
            "\u{feff}http://a/\r\n\r\n  # no\n#no\n http://b/ \n",
            None,
            &["http://a/", "http://b/"],
        );
        check("a.txt", "http://a/x #y\n", None, &["http://a/x%20"]);
        check(
            "a.txt",
            "http://a/\nnonsense\nftp://b/",
            None,
            &[
                "http://a/",
                "nonsense: invalid_url at a.txt:2: not a URL: it does not begin with `https://` or `http://`",
                "ftp://b/: invalid_url at a.txt:3: scheme `ftp` cannot be fetched, only http, https and, \
                 from a `files` source, file",
            ],
        );
    }

    #[test]
    fn bad_bytes_and_endless_lines_are_refused_at_their_place() {
        let content = [b"\xff\xfehttp".as_slice(), b"\n", &vec![b'x'; 1 << 20], b"\nhttp://a/\n"].concat();
        let content = [b"#\n".as_slice(), &content].concat();
        let seeds = show(pour(open("a.txt", &content, None).expect("open")));
        assert_eq!(seeds[0], "\\xff\\xfehttp: invalid_url at a.txt:2: is not UTF-8");
        let (head, rest) = seeds[1].split_once("...").expect("a head");
        assert_eq!(head, "x".repeat(2048));
        assert_eq!(rest, " (a.txt:3): invalid_url at a.txt:3: is 1048576 bytes long, more than any URL");
        assert_eq!(seeds[2..], ["http://a/"]);
    }

    #[test]
    fn a_column_of_csv() {
        check(
            "a.csv",
            "id,url\n1,http://a/\n2,\"http://b/x,y\"\n",
            Some("url"),
            &["http://a/", "http://b/x,y"],
        );
        check("A.CSV", "\u{feff}url \r\nhttp://a/\r\n", Some("url"), &["http://a/"]);
        check(
            "a.csv",
            "id,url\n1\n,\n2,http://a/x,y\n3,\n4,http://b/\n5,\"http://c/\n",
            Some("url"),
            &[
                "a.csv:2: invalid_url at a.csv:2: the row has 1 cells, the header 2; cells with a comma need quotes",
                "http://a/x: invalid_url at a.csv:4: the row has 3 cells, the header 2; cells with a comma \
                 need quotes",
                "a.csv:5: invalid_url at a.csv:5: column `url` is empty",
                "http://b/",
                "http://c/",
            ],
        );
    }

    #[test]
    fn a_key_of_json_lines() {
        check(
            "a.jsonl",
            "{\"n\":{\"url\":1},\"url\":\"http:\\/\\/a/\"}\n\n{\"url\":1}\n{}\n[]\n{\"url\":\"http://b/\"}x\n",
            Some("url"),
            &[
                "http://a/",
                "{\"url\":1}: invalid_url at a.jsonl:3: `url` is not a text",
                "{}: invalid_url at a.jsonl:4: the object has no key `url`",
                "[]: invalid_url at a.jsonl:5: not a JSON object: invalid type: sequence, expected an object \
                 at column 0",
                "{\"url\":\"http://b/\"}x: invalid_url at a.jsonl:6: not a JSON object: trailing characters at \
                 column 20",
            ],
        );
    }

    #[test]
    fn what_is_wrong_with_the_list_as_a_whole() {
        assert_eq!(
            fault("a.csv", b"id,URL,name\n", Some("ulr")),
            "has no column `ulr`; it has `id`, `URL`, `name`\nhint: did you mean `URL`?"
        );
        assert_eq!(
            fault("a.csv", b"", Some("url")),
            "has no header line, so no column `url`\nhint: its first line must name the columns"
        );
        assert_eq!(fault("a.jsonl", b"", None), "needs `column`, the name that holds the URL");
        assert!(fault("a.txt", b"\xff\xfeh\0", None).starts_with("is written in UTF-16"));
        let missing = List::open(&settings(Path::new("/nowhere/a.txt"), None), &Surroundings::default());
        assert!(matches!(missing, Err(SourceError::Read { .. })));
        let folder = List::open(&settings(Path::new("/"), None), &Surroundings::default());
        assert!(folder.err().expect("an error").to_string().contains("is a folder"));
    }

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("pipe");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).expect("pipe");
        let error = List::open(&settings(&path, None), &Surroundings::default()).err().expect("an error");
        assert!(error.to_string().contains("is a pipe"), "{error}");
    }

    #[test]
    fn standard_input_is_read_from_its_spool() {
        let spool = tempfile::NamedTempFile::new().expect("spool");
        std::fs::write(spool.path(), "http://a/\nx\n").expect("spool");
        let surroundings = Surroundings { stdin_spool: Some(spool.path().into()) };
        let list = List::open(&settings(Path::new("-"), None), &surroundings).expect("open");
        let expected = "x: invalid_url at stdin:2: not a URL: it does not begin with `https://` or `http://`";
        assert_eq!(show(pour(list)), ["http://a/", expected]);
        assert!(List::open(&settings(Path::new("-"), None), &Surroundings::default()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_give_seeds_and_never_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            name in prop::sample::select(vec!["a.txt", "a.csv", "a.jsonl"]),
        ) {
            let content = [b"url,b\n".as_slice(), &bytes].concat();
            let seeds = pour(open(name, &content, Some("url")).expect("open"));
            prop_assert!(seeds.iter().all(Result::is_ok));
            prop_assert!(seeds.len() <= content.split(|byte| matches!(byte, b'\n' | b'\r')).count());
        }
    }
}

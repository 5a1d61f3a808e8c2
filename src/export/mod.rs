//! Files of other formats, made of the finished parts of a run: read line by line, written under another name, and
//! renamed when they are whole; and rows of databases, loaded once a part. Changes nothing in what it reads, and makes a
//! file anew rather than mending it.

#[cfg(any(feature = "parquet", feature = "postgres", feature = "sqlite"))]
mod columns;
mod error;
#[cfg(any(feature = "parquet", feature = "postgres", feature = "sqlite"))]
mod moment;
#[cfg(feature = "parquet")]
mod parquet;
mod place;
#[cfg(feature = "postgres")]
mod postgres;
mod reader;
mod settings;
mod shape;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use error::{ExportError, Fault};
pub use settings::{File, Settings, Table};
pub use shape::{Field, Rule, Shape};

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::crash;
use crate::kind::Kind;

/// Bytes of text that are written at once.
const BUFFER_BYTES: usize = 256 << 10;

/// An open file of a format.
trait Writer {
    /// Takes a record, a line of JSON.
    fn record(&mut self, line: &str) -> Result<(), Fault>;

    /// A part of the run has ended.
    fn end_part(&mut self) -> Result<(), Fault>;

    /// All records were taken: what is left is written.
    fn finish(self: Box<Self>) -> Result<(), Fault>;
}

/// Opens a file of a format, for records of these rules. There is nothing at the path.
type Open = fn(&Path, &[Rule]) -> Result<Box<dyn Writer>, Fault>;

/// Loads records into a database, under the id of their run.
type Load = fn(&Database<'_>, &str, Records<'_>) -> Result<u64, ExportError>;

/// How a format is made.
#[derive(Clone, Copy, Debug)]
pub struct Build(Way);

#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "a build may have left out all of a way")]
enum Way {
    /// As a file.
    File(Open),
    /// As rows of somebody else's database.
    Database(Load),
    /// Not in this build.
    LeftOut,
}

/// The kinds of export: one line each feeds config errors, help and docs.
pub const EXPORTS: &[Kind<Build>] = &[
    Kind {
        name: "parquet",
        about: "an Apache Parquet table with a typed column for each field",
        build: PARQUET,
    },
    Kind {
        name: "sqlite",
        about: "an SQLite database: a table of records and one of their fields",
        build: SQLITE,
    },
    Kind { name: "postgres", about: "rows of a table in a PostgreSQL database", build: POSTGRES },
];

#[cfg(feature = "parquet")]
const PARQUET: Build = Build(Way::File(parquet::open));
#[cfg(not(feature = "parquet"))]
const PARQUET: Build = Build(Way::LeftOut);

#[cfg(feature = "sqlite")]
const SQLITE: Build = Build(Way::File(sqlite::open));
#[cfg(not(feature = "sqlite"))]
const SQLITE: Build = Build(Way::LeftOut);
#[cfg(feature = "postgres")]
const POSTGRES: Build = Build(Way::Database(postgres::load));
#[cfg(not(feature = "postgres"))]
const POSTGRES: Build = Build(Way::LeftOut);

/// A database that is there.
#[derive(Clone, Copy)]
pub struct Database<'a> {
    /// Its address: `postgres://user:password@host/name`. Never shown.
    pub url: &'a str,
    /// The table of records, made if it is not there: a name that [`check_table`] takes.
    pub table: &'a str,
}

/// The records that a file is made of.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a> {
    /// The run directory.
    pub dir: &'a Path,
    /// Finished parts in their order, relative to it.
    pub parts: &'a [PathBuf],
    /// The rules that gave the fields.
    pub rules: &'a [Rule],
}

/// Whether this build can make a format of [`EXPORTS`]; the error says what to do.
pub fn check(format: &str) -> Result<(), ExportError> {
    match way(format) {
        Way::LeftOut => Err(left_out(format)),
        _ => Ok(()),
    }
}

/// Whether a format is made in a database and not as a file.
pub fn is_database(format: &str) -> bool {
    // A build that has left it out is asked, too.
    format == "postgres"
}

/// Why a text is no name of a table: `table` or `schema.table`.
pub fn check_table(name: &str) -> Result<(), String> {
    let is_word = |part: &str| {
        let mut bytes = part.bytes();
        let begins = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
        begins && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    if name.split('.').count() <= 2 && name.split('.').all(is_word) && name.len() <= 50 {
        return Ok(());
    }
    Err(format!(
        "`{name}` is no name of a table, such as `records` or `crawl.records`: lower-case letters, digits and `_`, at most 50"
    ))
}

/// Loads records into a database of a format, and gives their count. What was loaded stays; what a broken load has
/// begun is not to be seen, and the next one goes on.
pub fn load(
    format: &str,
    database: &Database<'_>,
    run: &str,
    records: Records<'_>,
) -> Result<u64, ExportError> {
    match way(format) {
        Way::Database(load) => load(database, run, records),
        _ => Err(left_out(format)),
    }
}

/// Makes a file of a format and gives the count of its records. What stands at `to` is replaced when the new file is
/// whole and on disk; until then, and after an error, it is what it was.
pub fn make(format: &str, records: Records<'_>, to: &Path) -> Result<u64, ExportError> {
    let open = opener(format)?;
    let place = place::Place::prepare(to)?;
    let made = place.failing(|writing| {
        let fault = |fault: Fault| fault.at(to);
        let mut writer = open(writing, records.rules).map_err(fault)?;
        let count = reader::read(records.dir, records.parts, |event| match event {
            reader::Event::Line(line) => writer.record(line),
            reader::Event::End => {
                crash::reached("export.part");
                writer.end_part()
            }
        });
        let count = count.map_err(|error| error.writing(to))?;
        writer.finish().map_err(fault)?;
        Ok(count)
    })?;
    crash::reached("export.written");
    place.keep()?;
    crash::reached("export.made");
    Ok(made)
}

/// Removes a file and what was left of making it, if there is any of it.
pub fn forget(to: &Path) -> Result<(), ExportError> {
    place::forget(to)
}

/// Writes a file that appears, or replaces the one before, when it is whole and on disk.
pub fn replace(
    to: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<u64, ExportError>,
) -> Result<u64, ExportError> {
    let place = place::Place::prepare(to)?;
    let written = place.failing(|writing| {
        let file = fs::File::create(writing).map_err(ExportError::at("create", to))?;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
        let written = write(&mut out)?;
        out.flush().map_err(ExportError::at("write", to))?;
        Ok(written)
    })?;
    place.keep()?;
    Ok(written)
}

/// Hands on every record as its line of JSON, without the line end, and counts them. `to` is where they go, in errors.
pub fn each(
    records: Records<'_>,
    to: &Path,
    mut take: impl FnMut(&str) -> Result<(), Fault>,
) -> Result<u64, ExportError> {
    let read = reader::read(records.dir, records.parts, |event| match event {
        reader::Event::Line(line) => take(line),
        reader::Event::End => Ok(()),
    });
    read.map_err(|error| error.writing(to))
}

fn opener(format: &str) -> Result<Open, ExportError> {
    match way(format) {
        Way::File(open) => Ok(open),
        _ => Err(left_out(format)),
    }
}

fn way(format: &str) -> Way {
    EXPORTS.iter().find(|kind| kind.name == format).map_or(Way::LeftOut, |kind| kind.build.0)
}

fn left_out(format: &str) -> ExportError {
    ExportError::LeftOut { format: format.to_owned() }
}

#[cfg(test)]
#[cfg(any(feature = "parquet", feature = "postgres", feature = "sqlite"))]
mod testing;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_settings() {
        for kind in EXPORTS {
            let mut table = serde_json::json!({ "type": kind.name, "id": "mine" });
            if is_database(kind.name) {
                table["url"] = "postgres:///x".into();
            }
            let settings: Settings = serde_json::from_value(table).expect(kind.name);
            assert_eq!((settings.format(), settings.id()), (kind.name, "mine"));
            let file = (!is_database(kind.name)).then(|| format!("mine.{}", kind.name).into());
            assert_eq!(settings.file(), Ok(file));
        }
    }
}

//! Exports: files of other formats, made of the records of a run, before its publication as the config asks or later
//! for whoever wants one. The records come first: an export that cannot be made never keeps them from being published.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::RunError;
use super::manifest::{MANIFEST, Manifest};
use super::seal;
use crate::config::Config;
use crate::export::{self, Database, ExportError, Fault, Field, Records, Rule, Shape};
use crate::model::Record;
use crate::parse::{FieldSettings, RuleSettings, Type};
use crate::sink::{Artifact, csv};
use crate::store::Begin;

/// Folder of the records in a run directory.
const RECORDS: &str = "records";

/// Makes the exports that the config asks for in the directory of a run whose sinks are finished, anew whatever an
/// earlier process has made. Those that were made join the artifacts. What cannot be made is said and left out; only a
/// full disk is an error, because the same command goes on once there is room.
pub fn add(
    config: &Config,
    begin: &Begin,
    dir: &Path,
    artifacts: &mut Vec<Artifact>,
) -> Result<Vec<String>, RunError> {
    for old in seal::exports(begin).iter().filter(|old| !config.exports.contains(old)) {
        if let Ok(Some(file)) = old.file() {
            export::forget(&dir.join(file))?;
        }
    }
    if config.exports.is_empty() {
        return Ok(Vec::new());
    }
    let parts = parts(artifacts.iter().map(|artifact| artifact.path.clone()));
    let rules = rules(&config.extract);
    let mut failed = Vec::new();
    let records = Records { dir, parts: &parts, rules: &rules };
    for settings in &config.exports {
        let (id, format) = (settings.id(), settings.format());
        if let export::Settings::Postgres(table) = settings {
            match load(table, &begin.run_id, records) {
                Ok(records) => tracing::info!(export = id, records, table = table.table, "exported"),
                Err(error) => {
                    said(id, &error.to_string());
                    failed.push(id.to_owned());
                }
            }
            continue;
        }
        // What cannot be a path was refused when the config was read.
        let Ok(Some(path)) = settings.file() else { continue };
        let to = dir.join(&path);
        match export::make(format, records, &to) {
            Ok(records) => {
                tracing::info!(export = id, records, path = %path.display(), "exported");
                artifacts.push(Artifact::new(path, records));
            }
            // The run is not published without it: only the same command can make it.
            Err(ExportError::Io { action, path, error }) if RunError::is_full(Some(&error)) => {
                return Err(RunError::Io { action, path, error });
            }
            Err(error) => {
                if let Err(left) = export::forget(&to) {
                    tracing::warn!(export = id, error = %left, "something is left of it");
                }
                said(id, &error.to_string());
                failed.push(id.to_owned());
            }
        }
    }
    Ok(failed)
}

/// Loads records into the table of a config.
fn load(table: &export::Table, run: &str, records: Records<'_>) -> Result<u64, RunError> {
    let url = table.url.resolve().map_err(|error| ExportError::Database { what: error.to_string() })?;
    let database = Database { url: url.expose(), table: &table.table };
    Ok(export::load("postgres", &database, run, records)?)
}

/// Says that an export could not be made.
fn said(export: &str, error: &str) {
    let error = error.split("\nhint: ").next().unwrap_or_default();
    tracing::error!(
        export,
        error,
        "the run is published without an export; `trawl export` can make it later"
    );
}

/// The exports of the config that a published run lacks, as far as its files say it.
pub fn missing(config: &Config, dir: &Path) -> Result<Vec<String>, RunError> {
    if config.exports.is_empty() {
        return Ok(Vec::new());
    }
    let manifest = manifest(dir)?;
    let is_there = |file: &Path| manifest.files.iter().any(|entry| Path::new(&entry.path) == file);
    let lacking =
        |one: &&export::Settings| one.file().is_ok_and(|file| file.is_some_and(|file| !is_there(&file)));
    Ok(config.exports.iter().filter(lacking).map(|one| one.id().to_owned()).collect())
}

/// A run that has ended, to be exported.
#[derive(Debug)]
pub struct Exported {
    dir: PathBuf,
    parts: Vec<PathBuf>,
    rules: Vec<Rule>,
}

/// The formats of text that need no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// Records as they stand in the run.
    Jsonl,
    /// A table by RFC 4180.
    Csv,
}

impl Exported {
    /// The run in a directory. What its fields are is told by the config that it was run with.
    pub fn open(dir: &Path) -> Result<Self, RunError> {
        #[derive(Deserialize)]
        struct Snapshot {
            #[serde(default)]
            extract: Vec<RuleSettings>,
        }
        let path = dir.join("config.toml");
        let text = fs::read_to_string(&path);
        let snapshot = text.and_then(|text| toml::from_str::<Snapshot>(&text).map_err(io::Error::other));
        let snapshot = snapshot.map_err(|error| RunError::Io { action: "read", path, error })?;
        let parts = parts(manifest(dir)?.files.into_iter().map(|entry| entry.path.into()));
        Ok(Self { dir: dir.to_owned(), parts, rules: rules(&snapshot.extract) })
    }

    /// The id of the run, or the name of the directory.
    pub fn name(&self) -> String {
        let dir = fs::canonicalize(&self.dir).unwrap_or_else(|_| self.dir.clone());
        dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Makes a file of one of the formats of [`export::EXPORTS`], and gives the count of its records.
    pub fn make(&self, format: &str, to: &Path) -> Result<u64, RunError> {
        self.check_outside(to)?;
        Ok(export::make(format, self.records(), to)?)
    }

    /// Loads the records into a database of one of these formats, and gives their count.
    pub fn load(&self, format: &str, database: &Database<'_>) -> Result<u64, RunError> {
        Ok(export::load(format, database, &self.name(), self.records())?)
    }

    /// Makes a file of text.
    pub fn write(&self, text: Text, to: &Path) -> Result<u64, RunError> {
        self.check_outside(to)?;
        Ok(export::replace(to, |out| self.text(text, to, out))?)
    }

    /// Writes the records as text, and gives their count. `to` is what errors call it.
    pub fn text(&self, text: Text, to: &Path, out: &mut dyn Write) -> Result<u64, ExportError> {
        if text == Text::Jsonl {
            return export::each(self.records(), to, |line| writeln!(out, "{line}").map_err(Fault::Io));
        }
        let mut settings = csv::Settings::new("csv");
        for field in self.rules.iter().flat_map(|rule| &rule.fields) {
            let column = format!("fields.{}", field.name);
            if !settings.columns.contains(&column) {
                settings.columns.push(column);
            }
        }
        let (rows, mut row) = (csv::Rows::new(&settings), Vec::new());
        let failed = |error| ExportError::Io { action: "write", path: to.to_owned(), error };
        out.write_all(rows.heading()).map_err(failed)?;
        export::each(self.records(), to, |line| {
            let record: Record<'_> = serde_json::from_str(line)?;
            row.clear();
            rows.put(&record, &mut row)?;
            out.write_all(&row).map_err(Fault::Io)
        })
    }

    fn records(&self) -> Records<'_> {
        Records { dir: &self.dir, parts: &self.parts, rules: &self.rules }
    }

    /// A finished run holds what its manifest names and nothing else.
    fn check_outside(&self, to: &Path) -> Result<(), RunError> {
        let near = to.ancestors().skip(1).find_map(|above| {
            fs::canonicalize(if above.as_os_str().is_empty() { Path::new(".") } else { above }).ok()
        });
        let dir = fs::canonicalize(&self.dir).unwrap_or_else(|_| self.dir.clone());
        if near.is_some_and(|near| near.starts_with(&dir)) {
            return Err(RunError::WithinRun { path: to.to_owned() });
        }
        Ok(())
    }
}

/// The parts of the records among the files of a run, in their order.
fn parts(files: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut parts: Vec<PathBuf> = files.filter(|path| path.starts_with(RECORDS)).collect();
    parts.sort_by(|a, b| a.as_os_str().len().cmp(&b.as_os_str().len()).then_with(|| a.cmp(b)));
    parts
}

fn manifest(dir: &Path) -> Result<Manifest, RunError> {
    let path = dir.join(MANIFEST);
    let read = fs::read(&path).and_then(|text| Ok(serde_json::from_slice(&text)?));
    read.map_err(|error| RunError::Io { action: "read", path, error })
}

/// What the fields of extraction rules are, for a table.
fn rules(settings: &[RuleSettings]) -> Vec<Rule> {
    let rule = |rule: &RuleSettings| Rule { id: rule.id.clone(), fields: fields(rule.fields.iter()) };
    settings.iter().map(rule).collect()
}

fn fields<'a>(settings: impl Iterator<Item = (&'a String, &'a FieldSettings)>) -> Vec<Field> {
    settings.map(|(name, settings)| Field::new(name, shape(settings))).collect()
}

fn shape(field: &FieldSettings) -> Shape {
    if !field.fields.is_empty() {
        return Shape::Object(fields(field.fields.iter())).list();
    }
    let one = match field.kind {
        // Without a type a text is a text, and what a path finds is what it is.
        None if field.json.is_some() => Shape::Json,
        None | Some(Type::String | Type::Url) => Shape::Text,
        Some(Type::Int) => Shape::Int,
        Some(Type::Float) => Shape::Float,
        Some(Type::Bool) => Shape::Bool,
        Some(Type::Date) => Shape::Date,
        Some(Type::Datetime) => Shape::Moment,
        Some(Type::Json) => Shape::Json,
    };
    if field.many { one.list() } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_come_from_rules() {
        let rule: RuleSettings = toml::from_str(
            "id = 'r'
            fields.a = { css = 'a' }
            fields.b = { json = '$.b' }
            fields.c = { css = 'c', type = 'date', many = true }
            fields.d = { each = 'd', fields.e = { css = 'e', type = 'datetime' } }",
        )
        .expect("a rule");
        let field = |name: &str, shape| Field::new(name, shape);
        let expected = vec![
            field("a", Shape::Text),
            field("b", Shape::Json),
            field("c", Shape::Date.list()),
            field("d", Shape::Object(vec![field("e", Shape::Moment)]).list()),
        ];
        assert_eq!(rules(&[rule]), [Rule { id: "r".to_owned(), fields: expected }]);
    }

    #[test]
    fn parts_are_in_the_order_of_their_numbers() {
        let files =
            ["records/part-100000.jsonl", "outcomes/part-00000.jsonl", "records/part-99999.jsonl", "x"];
        let found = parts(files.into_iter().map(PathBuf::from));
        assert_eq!(found, ["records/part-99999.jsonl", "records/part-100000.jsonl"].map(PathBuf::from));
    }
}

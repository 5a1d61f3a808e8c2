//! The export `sqlite`: a table of records, with lists and objects as JSON, and a long table of the fields of
//! extraction rules, a row for each value. The database is written to in one go and never mended, so it keeps no
//! journal of its own.

use std::io;
use std::path::Path;

use rusqlite::types::Value as Cell;
use rusqlite::{Connection, ErrorCode, params_from_iter};
use serde_json::{Map, Value};

use super::Writer;
use super::columns::{FIELDS, columns};
use super::error::Fault;
use super::moment::{days, milliseconds};
use super::shape::{Field, Rule, Shape};
use crate::model::SCHEMA_VERSION;

const FIELDS_TABLE: &str = "
    CREATE TABLE fields (
        record_id TEXT NOT NULL REFERENCES records (record_id),
        rule TEXT NOT NULL,
        name TEXT NOT NULL,
        position INTEGER,
        type TEXT NOT NULL,
        value
    );";
const INDEXES: &str = "
    CREATE INDEX records_by_url ON records (url);
    CREATE INDEX fields_by_record ON fields (record_id);
    CREATE INDEX fields_by_name ON fields (name, rule);";
const INSERT_FIELD: &str = "INSERT INTO fields VALUES (?, ?, ?, ?, ?, ?)";

/// Opens a database where there is none.
pub(super) fn open(path: &Path, rules: &[Rule]) -> Result<Box<dyn Writer>, Fault> {
    let connection = Connection::open(path)?;
    // It is thrown away if anything goes wrong, and synced when it is whole.
    connection.pragma_update(None, "journal_mode", "OFF")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    let columns = columns();
    let cells: Vec<String> = columns.iter().filter(|column| column.name != FIELDS).map(column).collect();
    connection.execute_batch(&format!("CREATE TABLE records ({}); {FIELDS_TABLE}", cells.join(", ")))?;
    let marks = vec!["?"; cells.len()].join(", ");
    let insert = format!("INSERT INTO records VALUES ({marks})");
    Ok(Box::new(Database { connection, columns, insert, rules: rules.to_owned() }))
}

/// The definition of a column.
fn column(field: &Field) -> String {
    let kind = match field.shape {
        Shape::Int | Shape::Bool => "INTEGER",
        Shape::Float => "REAL",
        _ => "TEXT",
    };
    let null = if field.is_nullable { "" } else { " NOT NULL" };
    let key = if field.name == "record_id" { " PRIMARY KEY" } else { "" };
    format!("{} {kind}{null}{key}", field.name)
}

/// An open database.
struct Database {
    connection: Connection,
    columns: Vec<Field>,
    insert: String,
    rules: Vec<Rule>,
}

impl Writer for Database {
    fn record(&mut self, line: &str) -> Result<(), Fault> {
        if self.connection.is_autocommit() {
            self.connection.execute_batch("BEGIN")?;
        }
        let record: Map<String, Value> = serde_json::from_str(line)?;
        if let Some(name) = record.keys().find(|name| !self.columns.iter().any(|field| field.name == **name))
        {
            return Err(Fault::Misfit(format!("`{name}` is no field of a record that is known here")));
        }
        let cells = self.columns.iter().filter(|column| column.name != FIELDS);
        let cells: Vec<Cell> =
            cells.map(|field| cell(field, record.get(&field.name))).collect::<Result<_, _>>()?;
        self.connection.prepare_cached(&self.insert)?.execute(params_from_iter(cells))?;
        self.fields(&record)
    }

    fn end_part(&mut self) -> Result<(), Fault> {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("COMMIT")?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Fault> {
        self.connection.execute_batch(INDEXES)?;
        self.connection.close().map_err(|(_, error)| error.into())
    }
}

impl Database {
    /// A row for each value of a field: one, or as many as its list has.
    fn fields(&self, record: &Map<String, Value>) -> Result<(), Fault> {
        let (Some(Value::Object(fields)), Some(id)) = (record.get(FIELDS), record.get("record_id")) else {
            return Err(Fault::Misfit(format!("`{FIELDS}` is no object")));
        };
        let Some(rule) = record.get("extract_rule").and_then(Value::as_str) else { return Ok(()) };
        let known = self.rules.iter().find(|known| known.id == rule);
        let mut insert = self.connection.prepare_cached(INSERT_FIELD)?;
        for (name, value) in fields {
            let field = known.and_then(|known| known.fields.iter().find(|field| field.name == *name));
            let field = field.ok_or_else(|| {
                Fault::Misfit(format!("the config of the run has no field `{name}` of a rule `{rule}`"))
            })?;
            let mut row = |shape: &Shape, position: Option<usize>, value: &Value| {
                let named = Field::new(format!("{FIELDS}.{name}"), shape.clone());
                let position = position.and_then(|position| i64::try_from(position).ok());
                let cell = cell(&named, Some(value))?;
                insert.execute((id.as_str(), rule, name, position, shape.name(), cell))?;
                Ok::<_, Fault>(())
            };
            match (&field.shape, value) {
                (Shape::List(item), Value::Array(values)) => {
                    for (position, value) in values.iter().enumerate() {
                        row(item, Some(position), value)?;
                    }
                }
                (shape, value) => row(shape, None, value)?,
            }
        }
        Ok(())
    }
}

/// A value as it stands in a cell, if it is what its field says.
fn cell(field: &Field, value: Option<&Value>) -> Result<Cell, Fault> {
    let misfit = |what: &str| Fault::Misfit(format!("`{}` is {what}", field.name));
    let found = match (&field.shape, value) {
        // JSON may be null and say so; as a cell it is nothing, too. Records of older versions lack what came later.
        (_, None | Some(Value::Null)) if field.is_nullable => Some(Cell::Null),
        (_, None) => return Err(misfit("missing")),
        (Shape::Int, Some(value)) => value.as_i64().map(Cell::Integer),
        (Shape::Float, Some(value)) => value.as_f64().map(Cell::Real),
        (Shape::Bool, Some(value)) => value.as_bool().map(|truth| Cell::Integer(truth.into())),
        (Shape::Text, Some(Value::String(text))) => Some(Cell::Text(text.clone())),
        (Shape::Date, Some(Value::String(text))) => days(text).map(|_| Cell::Text(text.clone())),
        (Shape::Moment, Some(Value::String(text))) => milliseconds(text).map(|_| Cell::Text(text.clone())),
        (Shape::Json, Some(value))
        | (Shape::List(_), Some(value @ Value::Array(_)))
        | (Shape::Object(_), Some(value @ Value::Object(_))) => Some(Cell::Text(value.to_string())),
        _ => None,
    };
    found.ok_or_else(|| misfit(&format!("no value of the type `{}`", field.shape.name())))
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Io(io::ErrorKind::StorageFull.into()),
            Some(ErrorCode::ConstraintViolation) => {
                Self::Misfit(format!("the database does not take the record: {error}"))
            }
            Some(ErrorCode::TooBig) => Self::Misfit("the record is too large for SQLite".to_owned()),
            _ => Self::Format(Box::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Parts, record, rule, values};
    use super::super::{ExportError, make};
    use super::*;

    fn made(rules: Vec<Rule>, parts: &[&[Value]]) -> Result<(Parts, Connection), ExportError> {
        let parts = Parts::new(rules, parts);
        let to = parts.dir.path().join("x.sqlite");
        let count = make("sqlite", parts.records(), &to)?;
        let connection = Connection::open(to).expect("opens");
        let rows = query(&connection, "SELECT count(*) FROM records");
        assert_eq!(rows, [[json!(count)]]);
        Ok((parts, connection))
    }

    /// Rows as JSON.
    fn query(connection: &Connection, sql: &str) -> Vec<Vec<Value>> {
        let mut statement = connection.prepare(sql).expect(sql);
        let width = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| -> rusqlite::Result<Vec<Value>> {
            (0..width)
                .map(|at| {
                    Ok(match row.get(at)? {
                        Cell::Null => Value::Null,
                        Cell::Integer(number) => json!(number),
                        Cell::Real(number) => json!(number),
                        Cell::Text(text) => json!(text),
                        Cell::Blob(_) => json!("a blob"),
                    })
                })
                .collect()
        };
        statement.query_map([], row).expect(sql).collect::<Result<_, _>>().expect(sql)
    }

    #[test]
    fn records_read_back_as_they_were() {
        let one = record(1, Some("all"), values());
        let (_parts, connection) =
            made(vec![rule()], &[std::slice::from_ref(&one), &[], &[record(2, None, json!({}))]])
                .expect("made");
        let names: Vec<String> = columns().into_iter().map(|field| field.name).collect();
        for name in names.iter().filter(|name| *name != FIELDS) {
            let found = query(&connection, &format!("SELECT {name} FROM records WHERE depth = 1"));
            let expected = match &one[name] {
                Value::Bool(truth) => json!(i64::from(*truth)),
                value @ (Value::Array(_) | Value::Object(_)) => json!(value.to_string()),
                value => value.clone(),
            };
            assert_eq!(found, [[expected]], "{name}");
        }
        assert_eq!(query(&connection, "PRAGMA integrity_check"), [[json!("ok")]]);
        assert_eq!(query(&connection, "PRAGMA foreign_key_check"), [[Value::Null; 0]; 0]);
        assert_eq!(query(&connection, "PRAGMA user_version"), [[json!(SCHEMA_VERSION)]]);
    }

    #[test]
    fn fields_are_rows_with_their_types() {
        let (_parts, connection) = made(vec![rule()], &[&[record(1, Some("all"), values())]]).expect("made");
        let id = format!("{:032x}", 1);
        let found = query(&connection, "SELECT * FROM fields ORDER BY rowid");
        let expected = [
            ("text", None, "string", json!("x")),
            ("int", None, "int", json!(i64::MIN)),
            ("float", None, "float", json!(0.1)),
            ("bool", None, "bool", json!(1)),
            ("date", None, "date", json!("1969-12-31")),
            ("moment", None, "datetime", json!("1960-01-01T00:00:00.500Z")),
            ("json", None, "json", json!("{\"a\":[1,\"b\",null]}")),
            ("tags", Some(0), "string", json!("a")),
            ("tags", Some(1), "string", json!("b")),
            ("items", Some(0), "object", json!("{\"name\":\"n\",\"price\":null}")),
            ("items", Some(1), "object", json!("{\"name\":null,\"price\":2.5}")),
        ];
        let expected: Vec<Vec<Value>> = expected
            .into_iter()
            .map(|(name, position, kind, value)| {
                vec![json!(id), json!("all"), json!(name), json!(position), json!(kind), value]
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_does_not_fit_is_an_error_with_its_place_and_leaves_no_file() {
        let fails = |change: &dyn Fn(&mut Value), expected: &str| {
            let mut bad = record(2, Some("all"), values());
            change(&mut bad);
            let parts = Parts::new(vec![rule()], &[&[record(1, None, json!({})), bad]]);
            let error = make("sqlite", parts.records(), &parts.dir.path().join("out/x")).expect_err(expected);
            let words = error.to_string();
            let place = "`records/part-00000.jsonl:2`: ";
            assert!(words.starts_with(&format!("{place}{expected}")), "{words}");
            assert_eq!(std::fs::read_dir(parts.dir.path().join("out")).expect("folder").count(), 0);
        };
        fails(&|bad| bad["fields"]["int"] = json!("7"), "`fields.int` is no value of the type `int`");
        fails(&|bad| bad["fields"]["date"] = json!("2026-02-30"), "`fields.date` is no value");
        fails(
            &|bad| bad["fields"]["tags"] = json!(["a", 1]),
            "`fields.tags` is no value of the type `string`",
        );
        fails(
            &|bad| bad["fields"]["new"] = json!(1),
            "the config of the run has no field `new` of a rule `all`",
        );
        fails(
            &|bad| bad["extract_rule"] = json!("gone"),
            "the config of the run has no field `text` of a rule",
        );
        fails(&|bad| bad["url"] = Value::Null, "`url` is no value of the type `string`");
        fails(&|bad| bad["new"] = json!(1), "`new` is no field of a record");
        fails(&|bad| drop(bad.as_object_mut().expect("record").remove("url")), "`url` is missing");
        fails(
            &|bad| bad["record_id"] = json!(format!("{:032x}", 1)),
            "the database does not take the record",
        );
        fails(&|bad| *bad = json!("torn"), "invalid type: string \"torn\", expected a map at byte 6");
    }
}

//! Reads exported files as a consumer would, and holds them against the records of their run.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use serde_json::{Map, Value, json};

use crate::parquet_file;
use crate::support::Dataset;

/// The file of a run by its path in the manifest, where it must stand with so many records.
#[track_caller]
pub fn listed(run: &Dataset, name: &str, records: usize) -> std::path::PathBuf {
    let files = run.manifest["files"].as_array().expect("files");
    let entry = files.iter().find(|file| file["path"] == name);
    let entry = entry.unwrap_or_else(|| panic!("{name} is not in the manifest"));
    assert_eq!(entry["records"], records, "{name}");
    run.dir.join(name)
}

/// Rows of a query, each with the names of its columns.
pub fn query(path: &Path, sql: &str) -> Vec<Map<String, Value>> {
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("opens");
    let mut statement = database.prepare(sql).expect(sql);
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let value = |row: &Row<'_>, at: usize| match row.get_ref(at).expect("a cell") {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => json!(number),
        ValueRef::Real(number) => json!(number),
        ValueRef::Text(text) => json!(std::str::from_utf8(text).expect("text")),
        ValueRef::Blob(_) => panic!("a blob"),
    };
    let rows = statement.query_map([], |row| {
        Ok(names.iter().enumerate().map(|(at, name)| (name.clone(), value(row, at))).collect())
    });
    rows.expect(sql).collect::<Result<_, _>>().expect(sql)
}

/// Holds a database against the records: each one once, each cell, each value of each field.
#[track_caller]
pub fn check_sqlite(path: &Path, records: &[Value]) {
    assert_eq!(query(path, "PRAGMA integrity_check")[0]["integrity_check"], "ok");
    assert!(query(path, "PRAGMA foreign_key_check").is_empty());
    let found = query(path, "SELECT * FROM records ORDER BY rowid");
    let expected: Vec<Map<String, Value>> = records.iter().map(row).collect();
    assert_eq!(found, expected);
    let mut fields: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for mut row in query(path, "SELECT * FROM fields ORDER BY rowid") {
        let id = row.remove("record_id").expect("an id");
        fields.entry(id.as_str().expect("text").to_owned()).or_default().push(Value::Object(row));
    }
    for record in records {
        let found = fields.remove(record["record_id"].as_str().expect("an id")).unwrap_or_default();
        let untyped: Vec<Value> =
            found.iter().map(|row| json!([row["name"], row["position"], row["value"]])).collect();
        assert_eq!(untyped, values(record), "{}", record["url"]);
        assert!(found.iter().all(|row| row["rule"] == record["extract_rule"]));
    }
    assert!(fields.is_empty(), "of no record: {fields:?}");
}

/// A record as its row: lists and objects as JSON, truths as numbers, without its fields.
fn row(record: &Value) -> Map<String, Value> {
    let cell = |value: &Value| match value {
        Value::Bool(truth) => json!(u8::from(*truth)),
        Value::Array(_) | Value::Object(_) => json!(value.to_string()),
        value => value.clone(),
    };
    let fields = record.as_object().expect("an object").iter().filter(|(name, _)| *name != "fields");
    fields.map(|(name, value)| (name.clone(), cell(value))).collect()
}

/// The rows of a record's fields.
fn values(record: &Value) -> Vec<Value> {
    let cell = |value: &Value| match value {
        Value::Bool(truth) => json!(u8::from(*truth)),
        Value::Object(_) => json!(value.to_string()),
        value => value.clone(),
    };
    let mut rows = Vec::new();
    for (name, value) in record["fields"].as_object().expect("fields") {
        match value {
            Value::Array(items) => {
                rows.extend(items.iter().enumerate().map(|(at, item)| json!([name, at, cell(item)])));
            }
            value => rows.push(json!([name, null, cell(value)])),
        }
    }
    rows
}

/// Holds a Parquet file against the records: each one once and in order, each cell, and the types of its columns.
#[track_caller]
pub fn check_parquet(path: &Path, records: &[Value], types: &[(&str, &str)]) {
    let (rows, found, _) = parquet_file::read(path);
    let found: Vec<(&str, &str)> = found.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
    let of_rules: Vec<(&str, &str)> =
        found.iter().filter_map(|(name, kind)| Some((name.strip_prefix("fields.")?, *kind))).collect();
    assert_eq!(of_rules, types);
    let names: Vec<&str> =
        found.iter().map(|(name, _)| *name).filter(|name| !name.starts_with("fields.")).collect();
    for (record, row) in records.iter().zip(&rows) {
        let fields = record.as_object().expect("an object").iter().filter(|(name, _)| *name != "fields");
        assert!(fields.clone().map(|(name, _)| name).eq(names.iter()), "the columns are the fields");
        for (name, value) in fields {
            assert_eq!(row[name], *value, "{name}");
        }
        for (name, _) in types {
            assert_eq!(row[&format!("fields.{name}")], record["fields"][name], "{name}");
        }
    }
    assert_eq!(rows.len(), records.len());
}

//! Records for the tests of this room.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Field, Records, Rule, Shape};

const RECORD: &str = r#"{
    "schema_version": 1, "record_id": "", "run_id": "20261121T020000Z-7f3a", "job": "news", "source_id": "seeds",
    "url": "", "url_key": "", "url_requested": "http://example.org/", "url_canonical": null,
    "redirects": ["http://example.org/é"], "host": "example.org", "registered_domain": "example.org",
    "depth": 0, "discovered_from": null, "fetch_time": "2026-11-21T02:00:00.125Z", "fetch_status": 200,
    "fetch_duration_ms": 41, "fetch_attempts": 1, "fetch_bytes": 7, "fetch_ip": "127.0.0.1",
    "fetch_protocol": "h2", "http_etag": null, "http_last_modified": null, "content_mime_type": "text/html",
    "content_mime_detected": null, "content_charset": "UTF-8", "content_charset_source": "header",
    "content_languages": [], "content_languages_source": null, "content_length": 12, "content_truncated": false, "content_digest": "blake3:00",
    "title": "A \u2028\"title\"\n", "description": null, "text": null, "word_count": 3,
    "links": [{"url": "https://example.org/b", "rel": null}, {"url": "https://example.org/c", "rel": "me"}],
    "fields": {}, "extract_rule": null, "extract_warnings": [], "structured": null,
    "sitemap": {"lastmod": "2026-11-21", "changefreq": null, "priority": "0.5"}
}"#;

/// A record of a page, with the fields of a rule.
pub(super) fn record(number: usize, rule: Option<&str>, fields: Value) -> Value {
    let mut record: Value = serde_json::from_str(RECORD).expect("a record");
    record["record_id"] = json!(format!("{number:032x}"));
    record["url_key"] = record["record_id"].clone();
    record["url"] = json!(format!("https://example.org/{number}"));
    record["depth"] = json!(number);
    record["extract_rule"] = json!(rule);
    record["fields"] = fields;
    record
}

/// A rule with a field of each shape.
pub(super) fn rule() -> Rule {
    let item = Shape::Object(vec![Field::new("name", Shape::Text), Field::new("price", Shape::Float)]);
    let fields = [
        ("text", Shape::Text),
        ("int", Shape::Int),
        ("float", Shape::Float),
        ("bool", Shape::Bool),
        ("date", Shape::Date),
        ("moment", Shape::Moment),
        ("json", Shape::Json),
        ("tags", Shape::Text.list()),
        ("items", item.list()),
    ];
    let fields = fields.map(|(name, shape)| Field::new(name, shape)).into();
    Rule { id: "all".to_owned(), fields }
}

/// Values of that rule.
pub(super) fn values() -> Value {
    json!({
        "text": "x", "int": i64::MIN, "float": 0.1, "bool": true, "date": "1969-12-31",
        "moment": "1960-01-01T00:00:00.500Z", "json": { "a": [1, "b", null] }, "tags": ["a", "b"],
        "items": [{ "name": "n", "price": null }, { "name": null, "price": 2.5 }],
    })
}

/// Parts in a directory.
pub(super) struct Parts {
    pub(super) dir: TempDir,
    names: Vec<PathBuf>,
    rules: Vec<Rule>,
}

impl Parts {
    /// Each slice is a part.
    pub(super) fn new(rules: Vec<Rule>, parts: &[&[Value]]) -> Self {
        let dir = tempfile::tempdir().expect("folder");
        fs::create_dir(dir.path().join("records")).expect("folder");
        let names: Vec<PathBuf> =
            (0..parts.len()).map(|n| format!("records/part-{n:05}.jsonl").into()).collect();
        for (name, part) in names.iter().zip(parts) {
            let lines: Vec<String> = part.iter().map(Value::to_string).chain([String::new()]).collect();
            fs::write(dir.path().join(name), lines.join("\n")).expect("writes");
        }
        Self { dir, names, rules }
    }

    /// What a file is made of.
    pub(super) fn records(&self) -> Records<'_> {
        Records { dir: self.dir.path(), parts: &self.names, rules: &self.rules }
    }
}

//! What the lines of a run say that its tally does not: when URLs were asked for, which fields records have, and examples.
//! Reads each line once and keeps a bounded part of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use jiff::Timestamp;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::series::{Class, Series};
use crate::model::Outcome;
use crate::parse::RuleSettings;
use crate::run::error::RunError;

/// Records that are shown.
const SAMPLES: u64 = 10;
/// Bytes of records up to which samples are counted off; of more they are looked up, as reading all would take long.
const FEW_BYTES: u64 = 1 << 20;
/// URLs that are shown of one outcome.
const EXAMPLES: usize = 5;

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// When URLs were asked for.
    pub series: Series,
    /// Examples of URLs that failed, by outcome.
    pub failures: BTreeMap<&'static str, Vec<Failure>>,
    /// Some records, evenly over the run.
    pub samples: Vec<Sample>,
    /// By the id of the rule, in the order of the config.
    pub coverage: IndexMap<String, Coverage>,
}

/// A URL that failed.
#[derive(Debug)]
pub struct Failure {
    /// Which.
    pub url: String,
    /// Why.
    pub reason: Option<String>,
    /// HTTP status.
    pub status: Option<u16>,
    /// How often it was asked for.
    pub attempts: u32,
}

/// A record.
#[derive(Debug)]
pub struct Sample {
    /// Of which URL.
    pub url: String,
    /// Title.
    pub title: Option<String>,
    /// Id of its rule.
    pub rule: Option<String>,
    /// Fields.
    pub fields: Map<String, Value>,
}

/// What the records of a rule have.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// How many there are.
    pub records: u64,
    /// Of these those in which a field has a value: neither null nor an empty list.
    pub fields: IndexMap<String, u64>,
}

/// What is read of the outcome line of a URL that is shown.
#[derive(Deserialize)]
struct OutcomeSight<'a> {
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
    status: Option<u16>,
    attempts: u32,
}

/// What is read of a record that is shown.
#[derive(Deserialize)]
struct RecordSight<'a> {
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow)]
    title: Option<Cow<'a, str>>,
    #[serde(borrow)]
    extract_rule: Option<Cow<'a, str>>,
    fields: Map<String, Value>,
}

/// Reads the lines of a run. `started` is its first moment, and `records` how many records it has.
pub fn gather(
    dir: &Path,
    started: Timestamp,
    records: u64,
    rules: &[RuleSettings],
) -> Result<Findings, RunError> {
    let mut findings = Findings::default();
    for rule in rules.iter().filter(|rule| !rule.fields.is_empty()) {
        let fields = rule.fields.keys().map(|name| (name.clone(), 0)).collect();
        findings.coverage.insert(rule.id.clone(), Coverage { records: 0, fields });
    }
    let outcomes: BTreeMap<&str, Outcome> = Outcome::ALL.iter().map(|one| (one.name(), *one)).collect();
    let ends = Ends::default();
    lines(&parts(&dir.join("outcomes"))?, |line| {
        let Some((outcome, time)) = ends.of(line) else { return };
        if let Some(outcome) = outcomes.get(outcome) {
            findings.outcome(line, *outcome, time, started);
        }
    })?;
    let (mut number, has_fields) = (0_u64, !findings.coverage.is_empty());
    let (every, finder) = ((records / SAMPLES).max(1), Fields::default());
    let parts = parts(&dir.join("records"))?;
    if !has_fields && parts.iter().map(|part| part.bytes).sum::<u64>() > FEW_BYTES {
        spread(&parts, SAMPLES, |line| findings.sample(line))?;
        return Ok(findings);
    }
    lines(&parts, |line| {
        let is_sample = number.is_multiple_of(every) && number / every < SAMPLES;
        number += 1;
        if is_sample {
            findings.sample(line);
        }
        if has_fields && let Some((fields, rule)) = finder.of(line) {
            findings.cover(rule.as_deref(), &fields);
        }
    })?;
    Ok(findings)
}

impl Findings {
    fn outcome(&mut self, line: &[u8], outcome: Outcome, time: Option<&str>, started: Timestamp) {
        let class = Class::of(outcome);
        if let Some(time) = time.and_then(|time| time.parse::<Timestamp>().ok()) {
            let since = time.duration_since(started).as_millis();
            self.series.count(u64::try_from(since).unwrap_or(0), class);
        }
        if class == Class::Failed {
            let examples = self.failures.entry(outcome.name()).or_default();
            if examples.len() < EXAMPLES
                && let Ok(sight) = serde_json::from_slice::<OutcomeSight<'_>>(line)
            {
                examples.push(Failure {
                    url: sight.url.into_owned(),
                    reason: sight.reason.map(Cow::into_owned),
                    status: sight.status,
                    attempts: sight.attempts,
                });
            }
        }
    }

    fn cover(&mut self, rule: Option<&str>, fields: &Map<String, Value>) {
        let Some(coverage) = rule.and_then(|rule| self.coverage.get_mut(rule)) else { return };
        coverage.records += 1;
        for (name, count) in &mut coverage.fields {
            *count += u64::from(fields.get(name).is_some_and(is_something));
        }
    }

    fn sample(&mut self, line: &[u8]) {
        let Ok(sight) = serde_json::from_slice::<RecordSight<'_>>(line) else { return };
        self.samples.push(Sample {
            url: sight.url.into_owned(),
            title: sight.title.map(Cow::into_owned),
            rule: sight.extract_rule.map(Cow::into_owned),
            fields: sight.fields,
        });
    }
}

/// Finds the outcome and the time of an outcome line without reading the rest: there is one for every URL.
struct Ends<'f> {
    outcome: Finder<'f>,
    time: Finder<'f>,
}

impl Default for Ends<'_> {
    fn default() -> Self {
        // A quote within a text is escaped, and `tries`, whose objects begin with such a key, stands behind.
        Self { outcome: Finder::new(",\"outcome\":\""), time: Finder::new(",\"time\":") }
    }
}

impl Ends<'_> {
    fn of<'a>(&self, line: &'a [u8]) -> Option<(&'a str, Option<&'a str>)> {
        // Neither names of outcomes nor times have anything that is escaped.
        let text = |bytes: &'a [u8]| std::str::from_utf8(&bytes[..memchr::memchr(b'"', bytes)?]).ok();
        let rest = line.get(self.outcome.find(line)? + self.outcome.needle().len()..)?;
        let time = rest.get(self.time.find(rest)? + self.time.needle().len()..)?;
        Some((text(rest)?, time.strip_prefix(b"\"").and_then(text)))
    }
}

/// Finds the fields of a record and its rule, without reading what stands before them: the links are most of a record.
struct Fields<'f> {
    fields: Finder<'f>,
}

impl Default for Fields<'_> {
    fn default() -> Self {
        // A quote within a text is escaped, and no key before this one holds an object with such a key.
        Self { fields: Finder::new(",\"fields\":") }
    }
}

impl Fields<'_> {
    fn of(&self, line: &[u8]) -> Option<(Map<String, Value>, Option<String>)> {
        let fields = line.get(self.fields.find(line)? + self.fields.needle().len()..)?;
        let mut values = serde_json::Deserializer::from_slice(fields).into_iter::<Value>();
        let Value::Object(found) = values.next()?.ok()? else { return None };
        let rest = fields.get(values.byte_offset()..)?.strip_prefix(b",\"extract_rule\":")?;
        let rule = serde_json::Deserializer::from_slice(rest).into_iter::<Option<String>>().next()?.ok()?;
        Some((found, rule))
    }
}

fn is_something(value: &Value) -> bool {
    !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty())
}

/// A file of lines.
struct Part {
    path: PathBuf,
    bytes: u64,
}

fn fault(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunError + use<> {
    let path = path.to_owned();
    move |error| RunError::Io { action, path, error }
}

/// The parts of a folder, in order.
fn parts(dir: &Path) -> Result<Vec<Part>, RunError> {
    let mut parts = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(fault("list", dir))? {
        let path = entry.map_err(fault("list", dir))?.path();
        if path.extension().is_some_and(|ending| ending == "jsonl") {
            let bytes = path.metadata().map_err(fault("read", &path))?.len();
            parts.push(Part { path, bytes });
        }
    }
    parts.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(parts)
}

/// Hands on every line.
fn lines(parts: &[Part], mut each: impl FnMut(&[u8])) -> Result<(), RunError> {
    let mut line = Vec::new();
    for Part { path, .. } in parts {
        let mut reader = BufReader::with_capacity(256 << 10, File::open(path).map_err(fault("read", path))?);
        while reader.read_until(b'\n', &mut line).map_err(fault("read", path))? > 0 {
            each(&line);
            line.clear();
        }
    }
    Ok(())
}

/// Hands on so many lines at most, evenly over all bytes.
fn spread(parts: &[Part], count: u64, mut each: impl FnMut(&[u8])) -> Result<(), RunError> {
    let all: u64 = parts.iter().map(|part| part.bytes).sum();
    let (mut line, mut last) = (Vec::new(), None);
    for number in 0..count {
        let mut offset = all / count * number;
        let Some((index, Part { path, .. })) = parts.iter().enumerate().find(|(_, part)| {
            let is_here = offset < part.bytes;
            offset -= if is_here { 0 } else { part.bytes };
            is_here
        }) else {
            break;
        };
        let mut reader = BufReader::new(File::open(path).map_err(fault("read", path))?);
        // The line that begins here or behind.
        if let Some(before) = offset.checked_sub(1) {
            reader.seek(SeekFrom::Start(before)).map_err(fault("read", path))?;
            reader.read_until(b'\n', &mut line).map_err(fault("read", path))?;
            offset = before + line.len() as u64;
            line.clear();
        }
        if last.replace((index, offset)) != Some((index, offset)) {
            reader.read_until(b'\n', &mut line).map_err(fault("read", path))?;
            each(&line);
            line.clear();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::{OutcomeLine, Record, TryLine};

    /// A record with these links, fields and rule, written as records are.
    fn line(link: &str, title: &str, fields: &Value, rule: Option<&str>) -> Vec<u8> {
        let record = json!({
            "schema_version": 1, "record_id": "", "run_id": "r", "job": "j", "source_id": "s", "url": "u", "url_key": "k",
            "url_requested": "u", "url_canonical": null, "redirects": [link], "host": "h", "registered_domain": null,
            "depth": 0, "discovered_from": null, "fetch_time": "", "fetch_status": 200, "fetch_duration_ms": 1,
            "fetch_attempts": 1, "fetch_bytes": 1, "fetch_ip": null, "fetch_protocol": "h2", "http_etag": title,
            "http_last_modified": null, "content_mime_type": null, "content_mime_detected": null,
            "content_charset": null, "content_charset_source": null, "content_languages": [], "content_length": 1,
            "content_truncated": false, "content_digest": "", "title": title, "description": link, "text": null,
            "links": [{ "url": link, "rel": title }], "fields": fields, "extract_rule": rule, "extract_warnings": [],
            "sitemap": null,
        });
        let text = record.to_string();
        let record: Record<'_> = serde_json::from_str(&text).expect("a record");
        serde_json::to_vec(&record).expect("a line")
    }

    proptest! {
        #[test]
        fn samples_are_whole_lines_in_order(lengths in prop::collection::vec(prop::collection::vec(0..9_usize, 0..9), 1..4), count in 1..9_u64) {
            let dir = tempfile::tempdir().expect("temp dir");
            let mut all = Vec::new();
            for (part, lengths) in lengths.iter().enumerate() {
                let numbered = lengths.iter().enumerate().map(|(n, length)| format!("{part} {n} {}\n", "x".repeat(*length)));
                let text: Vec<String> = numbered.collect();
                std::fs::write(dir.path().join(format!("part-{part}.jsonl")), text.concat()).expect("a part");
                all.extend(text);
            }
            let parts = parts(dir.path()).expect("parts");
            let (mut read, mut some) = (Vec::new(), Vec::new());
            lines(&parts, |line| read.push(String::from_utf8(line.to_vec()).expect("text"))).expect("lines");
            prop_assert_eq!(&read, &all);
            spread(&parts, count, |line| some.push(String::from_utf8(line.to_vec()).expect("text"))).expect("lines");
            some.retain(|line| !line.is_empty());
            let places: Vec<_> = some.iter().map(|line| all.iter().position(|other| other == line)).collect();
            prop_assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{some:?}");
            prop_assert!(some.len() as u64 <= count && some.first() == all.first(), "{some:?} of {all:?}");
            prop_assert_eq!(places.iter().collect::<std::collections::BTreeSet<_>>().len(), places.len());
        }

        #[test]
        fn ends_are_found_whatever_stands_around_them(
            text in "[,\"outcome:tim\\\\]{0,20}", time in proptest::option::of("[0-9T:.Z-]{1,9}")
        ) {
            let line = OutcomeLine {
                schema_version: 1,
                run_id: text.as_str().into(),
                url: text.as_str().into(),
                url_key: text.clone(),
                source_id: text.as_str().into(),
                outcome: "http_error".into(),
                reason: Some(text.as_str().into()),
                rule: None,
                status: None,
                stage: None,
                target: Some(text.as_str().into()),
                discovered_from: None,
                attempts: 1,
                time: time.clone(),
                depth: 0,
                tries: Some(vec![TryLine { time: text.clone(), reason: text.as_str().into() }]),
            };
            let line = serde_json::to_vec(&line).expect("a line");
            prop_assert_eq!(Ends::default().of(&line), Some(("http_error", time.as_deref())));
        }

        #[test]
        fn fields_are_found_whatever_stands_before_and_in_them(
            link in "\\PC{0,9}|,\"fields\":\\{\\}", title in "[,\"fields:{}\\\\]{0,20}", value in "[,\"extract_rule:{}\\\\]{0,20}", rule in proptest::option::of("[a-z\"]{1,3}")
        ) {
            let fields = json!({ "a": value, "b": { "x": 1, "fields": { "extract_rule": "y" } }, "c": [] });
            let found = Fields::default().of(&line(&link, &title, &fields, rule.as_deref()));
            prop_assert_eq!(found, Some((fields.as_object().expect("an object").clone(), rule)));
        }
    }
}

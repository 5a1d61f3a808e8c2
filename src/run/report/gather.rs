//! What the lines of a run say that its tally does not: when URLs were asked for, which fields records have, and examples.
//! Reads each line once and keeps a bounded part of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::series::{Class, Series};
use crate::model::Outcome;
use crate::parse::RuleSettings;
use crate::run::error::RunError;

/// Records that are shown.
const SAMPLES: u64 = 10;
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

/// What is read of an outcome line.
#[derive(Deserialize)]
struct OutcomeSight<'a> {
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow)]
    outcome: Cow<'a, str>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
    status: Option<u16>,
    attempts: u32,
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
}

/// What is read of a record. Its links, which are most of it, are passed over.
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
    lines(&dir.join("outcomes"), |line| findings.outcome(line, started, &outcomes))?;
    let (mut number, has_fields) = (0_u64, !findings.coverage.is_empty());
    let every = (records / SAMPLES).max(1);
    lines(&dir.join("records"), |line| {
        let is_sample = number.is_multiple_of(every) && number / every < SAMPLES;
        number += 1;
        if is_sample || has_fields {
            findings.record(line, is_sample);
        }
    })?;
    Ok(findings)
}

impl Findings {
    fn outcome(&mut self, line: &[u8], started: Timestamp, outcomes: &BTreeMap<&str, Outcome>) {
        // What stands in a committed line was written by this program; what cannot be read is not counted here.
        let Ok(sight) = serde_json::from_slice::<OutcomeSight<'_>>(line) else { return };
        let Some(outcome) = outcomes.get(&*sight.outcome) else { return };
        let class = Class::of(*outcome);
        if let Some(time) = sight.time.and_then(|time| time.parse::<Timestamp>().ok()) {
            let since = time.duration_since(started).as_millis();
            self.series.count(u64::try_from(since).unwrap_or(0), class);
        }
        if class == Class::Failed {
            let examples = self.failures.entry(outcome.name()).or_default();
            if examples.len() < EXAMPLES {
                examples.push(Failure {
                    url: sight.url.into_owned(),
                    reason: sight.reason.map(Cow::into_owned),
                    status: sight.status,
                    attempts: sight.attempts,
                });
            }
        }
    }

    fn record(&mut self, line: &[u8], is_sample: bool) {
        let Ok(sight) = serde_json::from_slice::<RecordSight<'_>>(line) else { return };
        if let Some(coverage) = sight.extract_rule.as_deref().and_then(|rule| self.coverage.get_mut(rule)) {
            coverage.records += 1;
            for (name, count) in &mut coverage.fields {
                *count += u64::from(sight.fields.get(name).is_some_and(is_something));
            }
        }
        if is_sample {
            self.samples.push(Sample {
                url: sight.url.into_owned(),
                title: sight.title.map(Cow::into_owned),
                rule: sight.extract_rule.map(Cow::into_owned),
                fields: sight.fields,
            });
        }
    }
}

fn is_something(value: &Value) -> bool {
    !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty())
}

/// Hands on every line of the parts of a folder, in order.
fn lines(dir: &Path, mut each: impl FnMut(&[u8])) -> Result<(), RunError> {
    let fault = |action, path: &Path| {
        let path = path.to_owned();
        move |error| RunError::Io { action, path, error }
    };
    let mut parts: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(fault("list", dir))? {
        parts.push(entry.map_err(fault("list", dir))?.path());
    }
    parts.retain(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    parts.sort();
    let mut line = Vec::new();
    for path in parts {
        let mut reader =
            BufReader::with_capacity(256 << 10, File::open(&path).map_err(fault("read", &path))?);
        while reader.read_until(b'\n', &mut line).map_err(fault("read", &path))? > 0 {
            each(&line);
            line.clear();
        }
    }
    Ok(())
}

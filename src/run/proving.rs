//! The `[[tests]]` of a job, carried out: each kept page is read as a run would read it, and what its rule gives is held
//! against what is expected. Asks no network and writes nothing.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use futures::executor::block_on;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::difference::Differences;
use super::explain::meant;
use super::extract::{ExtractError, request};
use crate::config::{Config, Test};
use crate::model::{Ending, Fetched, Parsed, Protocol};
use crate::parse::{Rules, Trace};
use crate::pipeline::{PageReader, Preview};

/// What fields are called, so that none of them is taken for the title or the links of the page.
const FIELDS: &str = "fields.";

/// What came of the tests.
#[derive(Debug, Serialize)]
pub struct Proving {
    /// Each test, in the order of the config.
    pub tests: Vec<Proved>,
    /// Rules and fields that no test is about; empty where only some tests were asked for.
    pub unproved: Vec<Unproved>,
}

/// What came of one test.
#[derive(Debug, Serialize)]
pub struct Proved {
    /// Its name.
    pub name: String,
    /// Where it stands in the config.
    pub place: String,
    /// Whether all is as expected.
    pub ok: bool,
    /// Id of the rule that is for the page; none if none is, or if it was not read.
    pub rule: Option<String>,
    /// Why the page could not be read.
    pub error: Option<String>,
    /// What is not as expected.
    #[serde(flatten)]
    pub differences: Differences,
    /// What was odd about the page.
    pub warnings: Vec<String>,
}

/// A rule with something that no test is about.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Unproved {
    /// Its id.
    pub rule: String,
    /// Whether there is a test with a page of the rule at all.
    pub has_test: bool,
    /// The fields that none of these expects anything of; all of them where there is no test.
    pub fields: Vec<String>,
}

/// Carries out the tests, or the one of a name. `places` says where a key of the config stands.
pub fn prove(
    config: &Config,
    places: &dyn Fn(&str) -> String,
    only: Option<&str>,
) -> Result<Proving, ExtractError> {
    let reader = PageReader::start(config, Rules::compile(&config.extract, places).0)?;
    let mut proving = Proving { tests: Vec::new(), unproved: Vec::new() };
    for (index, test) in config.tests.iter().enumerate() {
        if only.is_none_or(|name| name == test.name) {
            let key = format!("tests[{index}]");
            proving.tests.push(one(config, &reader, test, &|inner| places(&format!("{key}{inner}"))));
        }
    }
    if only.is_none() {
        proving.unproved = unproved(config, &proving.tests);
    }
    Ok(proving)
}

impl Proving {
    /// How many tests found all as expected.
    pub fn passed(&self) -> usize {
        self.tests.iter().filter(|test| test.ok).count()
    }
}

fn one(config: &Config, reader: &PageReader, test: &Test, place: &dyn Fn(&str) -> String) -> Proved {
    let mut proved = Proved {
        name: test.name.clone(),
        place: place(""),
        ok: false,
        rule: None,
        error: None,
        differences: Differences::default(),
        warnings: Vec::new(),
    };
    match preview(config, reader, test) {
        Ok(preview) => {
            proved.rule = preview.rule().map(str::to_owned);
            proved.differences = compare(test, &preview);
            proved.ok = proved.differences.is_empty();
            proved.warnings = preview.parsed.map_or_else(Vec::new, |parsed| parsed.warnings);
        }
        Err(why) => {
            let hint = "keep the page again with `trawl test --record URL`, or take the test out";
            proved.error = Some(format!("{}: {why}\nhint: {hint}", place(".page")));
        }
    }
    proved
}

/// The page, as a run would read it.
fn preview(config: &Config, reader: &PageReader, test: &Test) -> Result<Preview, String> {
    let body = read(&test.page, config.http.max_body.0)
        .map_err(|error| format!("cannot read the page `{}`: {error}", test.page.display()))?;
    let url = meant(&test.url, &config.scope.normalize.build()).map_err(|error| error.to_string())?;
    let request = request(config, &url, test.source.as_deref()).map_err(|error| error.to_string())?;
    let fetched = Fetched {
        status: 200,
        headers: headers(test),
        body: body.into(),
        spool: None,
        started: Timestamp::UNIX_EPOCH,
        duration: Duration::ZERO,
        ip: None,
        protocol: Protocol::Http1,
        wire: None,
        url: None,
    };
    Ok(block_on(reader.read(request, fetched)))
}

/// A file, and of a larger one than may be read one byte more, so that it is seen to be too large.
fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // Asked before it is opened: opening a FIFO would wait for somebody to write.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut body = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut body)?;
    Ok(body)
}

fn headers(test: &Test) -> HeaderMap {
    let own = test.content_type.iter().map(|value| ("content-type", value));
    let all = own.chain(test.headers.iter().map(|(name, value)| (name.as_str(), value)));
    // What is no header was found when the config was read.
    all.filter_map(|(name, value)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::from_str(value).ok()?))
    })
    .collect()
}

/// Holds a page against what is expected of it.
fn compare(test: &Test, preview: &Preview) -> Differences {
    let mut differences = Differences::default();
    let Ending { outcome, reason, .. } = &preview.visit.ending;
    let expected = test.outcome.outcome();
    if *outcome != expected {
        differences.add("outcome", expected.name().into(), outcome.name().into(), reason.clone());
    }
    let Some(parsed) = &preview.parsed else { return differences };
    if let Some(rule) = test.rule.as_deref().filter(|rule| Some(*rule) != preview.rule()) {
        differences.add("rule", rule.into(), preview.rule().into(), None);
    }
    if let Some(title) = &test.title {
        differences.value("title", &title.as_str().into(), &parsed.title.as_deref().into());
    }
    links(test, parsed, &mut differences);
    let fields = parsed.extracted.as_ref().map(|extracted| &extracted.fields);
    let nulls = test.null.iter().map(|name| (name, &Value::Null));
    for (name, value) in test.expect.iter().chain(nulls) {
        let before = differences.shown.len();
        let found = fields.and_then(|fields| fields.get(name));
        differences.value(&format!("{FIELDS}{name}"), value, found.unwrap_or(&Value::Null));
        for difference in &mut differences.shown[before..] {
            let Some(trace) = trace(&preview.traces, &difference.what) else { continue };
            difference.selector = Some(trace.find.clone());
            difference.nodes = Some(trace.found);
            difference.note = difference.note.take().or_else(|| trace.trouble.clone());
        }
    }
    differences
}

/// What a field came to: of `fields.items[2].price` what all prices together did.
fn trace<'a>(traces: &'a [Trace], what: &str) -> Option<&'a Trace> {
    let what = what.strip_prefix(FIELDS)?;
    let mut path = String::new();
    let mut is_index = false;
    for character in what.chars() {
        match character {
            '[' => is_index = true,
            ']' => is_index = false,
            other if !is_index => path.push(other),
            _ => {}
        }
    }
    // What lies within a value of JSON has no trace of its own.
    let mut path = path.as_str();
    loop {
        if let Some(trace) = traces.iter().find(|trace| trace.field == path) {
            return Some(trace);
        }
        path = path.rsplit_once('.')?.0;
    }
}

fn links(test: &Test, parsed: &Parsed, differences: &mut Differences) {
    let Some(expected) = &test.links else { return };
    let found: Vec<&str> = parsed.links.iter().map(|link| link.url).collect();
    for url in expected.contains.iter().filter(|url| !found.contains(&url.as_str())) {
        let note = format!("is not among the {} links", found.len());
        differences.add("links", url.as_str().into(), Value::Null, Some(note));
    }
    if let Some(exactly) = &expected.exactly {
        differences.texts("links", exactly, &found);
    }
}

/// Rules and fields that no test is about.
fn unproved(config: &Config, proved: &[Proved]) -> Vec<Unproved> {
    let mut found = Vec::new();
    for rule in &config.extract {
        let pairs = config.tests.iter().zip(proved);
        let tests: Vec<&Test> = pairs
            .filter(|(_, proved)| proved.rule.as_ref() == Some(&rule.id))
            .map(|(test, _)| test)
            .collect();
        let is_expected = |name: &String| {
            tests.iter().any(|test| test.expect.contains_key(name) || test.null.contains(name))
        };
        let fields: Vec<String> = rule.fields.keys().filter(|name| !is_expected(name)).cloned().collect();
        if tests.is_empty() || !fields.is_empty() {
            found.push(Unproved { rule: rule.id.clone(), has_test: !tests.is_empty(), fields });
        }
    }
    found
}

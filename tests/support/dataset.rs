//! Reads a published run as a consumer would, and examines it: whole lines, each URL once, records exactly
//! for `ok`, manifest equal to the files, sums that add up. Knows no code of the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// A run directory, read.
#[derive(Debug)]
pub struct Dataset {
    /// `runs/<run_id>`.
    pub dir: PathBuf,
    /// Lines of `records/`.
    pub records: Vec<Value>,
    /// Lines of `outcomes/`.
    pub outcomes: Vec<Value>,
    /// `manifest.json`.
    pub manifest: Value,
    /// `summary.json`.
    pub summary: Value,
}

impl Dataset {
    /// Reads a run directory. A torn or malformed line is a failure here already.
    pub fn read(dir: &Path) -> Self {
        let json = |name: &str| -> Value {
            let text = fs::read(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        Self {
            records: lines(&dir.join("records")),
            outcomes: lines(&dir.join("outcomes")),
            manifest: json("manifest.json"),
            summary: json("summary.json"),
            dir: dir.to_owned(),
        }
    }

    /// The name of its directory.
    pub fn run_id(&self) -> String {
        self.dir.file_name().expect("a name").to_string_lossy().into_owned()
    }

    /// The record of a URL.
    #[track_caller]
    pub fn record(&self, url: &str) -> &Value {
        let found = self.records.iter().find(|record| record["url"] == url);
        found.unwrap_or_else(|| panic!("no record of {url}; outcome {:?}", self.outcome_line(url)))
    }

    fn outcome_line(&self, url: &str) -> Option<&Value> {
        self.outcomes.iter().find(|line| line["url"] == url)
    }

    /// The whole outcome line of a URL.
    #[track_caller]
    pub fn ending(&self, url: &str) -> &Value {
        self.outcome_line(url).unwrap_or_else(|| panic!("no outcome of {url} among {:?}", self.urls()))
    }

    /// The outcome of a URL.
    #[track_caller]
    pub fn outcome(&self, url: &str) -> &str {
        self.ending(url)["outcome"].as_str().expect("outcome is text")
    }

    /// Every URL that has an outcome.
    pub fn urls(&self) -> BTreeSet<&str> {
        self.outcomes.iter().filter_map(|line| line["url"].as_str()).collect()
    }

    /// URLs that ended so.
    pub fn ended(&self, outcome: &str) -> BTreeSet<&str> {
        let lines = self.outcomes.iter().filter(|line| line["outcome"] == outcome);
        lines.filter_map(|line| line["url"].as_str()).collect()
    }

    /// URLs that have a record.
    pub fn recorded(&self) -> BTreeSet<&str> {
        self.records.iter().filter_map(|record| record["url"].as_str()).collect()
    }

    /// Checks that a URL ended so and, if a rule is given, that the line names its place.
    #[track_caller]
    pub fn ends(&self, url: &str, outcome: &str, rule: Option<&str>) {
        let line = self.ending(url);
        assert_eq!(line["outcome"], outcome, "{line}");
        if let Some(rule) = rule {
            let named = line["rule"].as_str().unwrap_or_default();
            assert!(named.contains(rule), "{url} names the rule {named:?}, not {rule:?}: {line}");
            assert!(line["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "no reason: {line}");
        }
    }

    /// What makes two runs equal: keys and contents.
    pub fn contents(&self) -> BTreeSet<(String, String)> {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        self.records
            .iter()
            .map(|record| (text(&record["url_key"]), text(&record["content_digest"])))
            .collect()
    }

    /// Checks everything that holds for every published run, and that its URLs are exactly these.
    pub fn verify<U: AsRef<str>>(&self, expected: impl IntoIterator<Item = U>) {
        self.verify_urls(&expected.into_iter().map(|url| url.as_ref().to_owned()).collect());
        self.verify_manifest();
        self.verify_sum();
    }

    fn verify_urls(&self, expected: &BTreeSet<String>) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut keys = BTreeSet::new();
        for line in &self.outcomes {
            *counts.entry(line["url"].as_str().expect("url")).or_default() += 1;
            keys.insert(line["url_key"].as_str().expect("url_key"));
        }
        let twice: Vec<_> = counts.iter().filter(|(_, n)| **n > 1).collect();
        assert!(twice.is_empty(), "more than one outcome: {twice:?}");
        assert_eq!(keys.len(), counts.len(), "one key for each URL");
        let missing: Vec<_> = expected.iter().filter(|url| !counts.contains_key(url.as_str())).collect();
        let surplus: Vec<_> = counts.keys().filter(|url| !expected.contains(**url)).collect();
        assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:?}, not expected {surplus:?}");

        let mut recorded = BTreeSet::new();
        for record in &self.records {
            let url = record["url"].as_str().expect("url");
            assert!(recorded.insert(url), "two records of {url}");
        }
        let ok: BTreeSet<&str> = self
            .outcomes
            .iter()
            .filter(|line| line["outcome"] == "ok")
            .filter_map(|line| line["url"].as_str())
            .collect();
        assert_eq!(recorded, ok, "records exactly for the outcome ok");
    }

    /// `manifest.json`: `files` with `path`, `bytes`, `records`, `sha256`; `complete`.
    fn verify_manifest(&self) {
        assert!(self.dir.join("_SUCCESS").is_file(), "no _SUCCESS");
        assert!(self.manifest["complete"].is_boolean(), "manifest says nothing of `complete`");
        let mut listed = BTreeSet::new();
        for file in self.manifest["files"].as_array().expect("manifest has `files`") {
            let name = file["path"].as_str().expect("path");
            let path = self.dir.join(name);
            assert!(path.starts_with(&self.dir) && !name.contains(".."), "{name} is outside the run");
            let content = fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(file["bytes"], content.len(), "{name}: bytes");
            let sum = Sha256::digest(&content).iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            assert_eq!(file["sha256"], sum.as_str(), "{name}: sha256");
            if name.ends_with(".jsonl") && (name.starts_with("records/") || name.starts_with("outcomes/")) {
                assert_eq!(
                    file["records"],
                    content.split_inclusive(|byte| *byte == b'\n').count(),
                    "{name}: records"
                );
            }
            assert!(listed.insert(name.to_owned()), "{name} is listed twice");
        }
        for path in below(&self.dir) {
            let name = path.strip_prefix(&self.dir).expect("below").to_string_lossy().into_owned();
            // What stands at the top is about the run; what stands in folders is its data.
            assert!(listed.contains(&name) || !name.contains('/'), "{name} is not in the manifest");
        }
    }

    /// `summary.json`: `discovered`, `outcomes` by name, `queued`.
    fn verify_sum(&self) {
        let mut counted: BTreeMap<String, u64> = BTreeMap::new();
        for line in &self.outcomes {
            *counted.entry(line["outcome"].as_str().expect("outcome").to_owned()).or_default() += 1;
        }
        let summed: BTreeMap<String, u64> = self.summary["outcomes"]
            .as_object()
            .expect("summary has `outcomes`")
            .iter()
            .map(|(name, count)| (name.clone(), count.as_u64().expect("a count")))
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(summed, counted, "the summary counts what the outcome lines say");
        let number =
            |name: &str| self.summary[name].as_u64().unwrap_or_else(|| panic!("summary has `{name}`"));
        assert_eq!(
            number("discovered"),
            summed.values().sum::<u64>() + number("queued"),
            "discovered = sum of outcomes + queued"
        );
    }
}

/// All lines of the JSON Lines files of a directory. Every line must be whole.
fn lines(dir: &Path) -> Vec<Value> {
    let mut all = Vec::new();
    let mut parts = below(dir);
    parts.sort();
    for path in parts {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(text.is_empty() || text.ends_with('\n'), "{}: torn last line", path.display());
        for (number, line) in text.lines().enumerate() {
            let value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{}:{}: {error}: {line}", path.display(), number + 1));
            all.push(value);
        }
    }
    all
}

/// All files below a directory.
pub fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(dir) else { return found };
    for entry in entries {
        let path = entry.expect("entry").path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

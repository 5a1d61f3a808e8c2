//! Verification of a finished run: every file is what the manifest says, every line is what the schema says, and
//! every URL ended exactly once.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::directory;
use super::error::RunError;
use super::manifest::{Entry, MANIFEST, Manifest, SUCCESS, digest, files_below};
use crate::model::{Outcome, OutcomeLine, Record, SCHEMA_VERSION, UrlKey};
use crate::sink;

/// Folders whose files are read line by line below.
const LOOKED_AT: [&str; 2] = ["records/", "outcomes/"];
/// Findings that are listed; beyond it they are counted.
const MAX_FINDINGS: usize = 100;

/// What a verification found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The run directory.
    pub path: PathBuf,
    /// Files that were checked.
    pub files: usize,
    /// Records that were read.
    pub records: u64,
    /// Outcomes that were read.
    pub outcomes: u64,
    /// What is wrong, one line each; empty if all is well.
    pub findings: Vec<String>,
    /// Findings beyond those listed.
    pub more: usize,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }

    fn say(&mut self, what: String) {
        if self.findings.len() < MAX_FINDINGS { self.findings.push(what) } else { self.more += 1 }
    }
}

/// The directory of a run: by path, by id, or the latest of the job.
pub fn find_run(output: &Path, wanted: Option<&str>) -> Result<PathBuf, RunError> {
    let found = match wanted {
        Some(wanted) => [PathBuf::from(wanted), output.join("runs").join(wanted)]
            .into_iter()
            .find(|path| path.join(MANIFEST).exists()),
        None => directory::latest(output).map(|latest| output.join(latest.path)),
    };
    found.ok_or_else(|| RunError::NoRun {
        path: wanted.map_or_else(|| output.to_owned(), PathBuf::from),
        hint: "give the id of a published run, or its directory; `trawl run` makes one",
    })
}

/// Checks a finished run. An `Err` means that it could not be looked at; what is wrong with it is in the report.
pub fn verify(dir: &Path) -> Result<Report, RunError> {
    let mut report = Report { path: dir.to_owned(), ..Report::default() };
    let path = dir.join(MANIFEST);
    let text =
        std::fs::read_to_string(&path).map_err(|error| RunError::Io { action: "read", path, error })?;
    let manifest: Manifest = match serde_json::from_str(&text) {
        Ok(manifest) => manifest,
        Err(error) => {
            report.say(format!("{MANIFEST}: {error}"));
            return Ok(report);
        }
    };
    if !dir.join(SUCCESS).exists() {
        report.say(format!("{SUCCESS} is missing: the run was not published"));
    }
    files(dir, &manifest, &mut report)?;
    let good = outcomes(dir, &manifest, &mut report);
    records(dir, &manifest, &good, &mut report);
    totals(&manifest, &mut report);
    Ok(report)
}

fn files(dir: &Path, manifest: &Manifest, report: &mut Report) -> Result<(), RunError> {
    let there =
        files_below(dir).map_err(|error| RunError::Io { action: "list", path: dir.to_owned(), error })?;
    let mut there: BTreeSet<PathBuf> = there.into_iter().collect();
    for entry in &manifest.files {
        report.files += 1;
        if !there.remove(Path::new(&entry.path)) {
            report.say(format!("{}: missing", entry.path));
            continue;
        }
        match digest(&dir.join(&entry.path)) {
            Ok((bytes, _)) if bytes != entry.bytes => {
                report.say(format!("{}: {bytes} bytes, the manifest says {}", entry.path, entry.bytes));
            }
            Ok((_, sha256)) if sha256 != entry.sha256 => {
                report.say(format!("{}: its SHA-256 differs from the manifest", entry.path));
            }
            Ok(_) => counted(dir, entry, report),
            Err(error) => report.say(format!("{}: {error}", entry.path)),
        }
    }
    for path in there.iter().filter(|path| !matches!(path.to_str(), Some(MANIFEST | SUCCESS))) {
        report.say(format!("{}: not in the manifest", path.display()));
    }
    Ok(())
}

/// Holds the lines of a file against its entry, and whether its format says that it is whole.
fn counted(dir: &Path, entry: &Entry, report: &mut Report) {
    if LOOKED_AT.iter().any(|folder| entry.path.starts_with(folder)) {
        return;
    }
    match sink::count(&dir.join(&entry.path)) {
        Some(Ok(count)) if count != entry.records => {
            report.say(format!("{}: {count} records, the manifest says {}", entry.path, entry.records));
        }
        Some(Err(error)) => report.say(format!("{}: {error}", entry.path)),
        Some(Ok(_)) | None => {}
    }
}

/// Reads all lines of one kind of journal and hands them on with their place.
fn lines(
    dir: &Path,
    manifest: &Manifest,
    kind: &str,
    report: &mut Report,
    mut each: impl FnMut(&str, &str, &mut Report),
) {
    let prefix = format!("{kind}/");
    let parts: Vec<&Entry> = manifest.files.iter().filter(|entry| entry.path.starts_with(&prefix)).collect();
    for part in parts {
        let Ok(file) = File::open(dir.join(&part.path)) else { continue };
        let mut reader = BufReader::new(file);
        let (mut line, mut count) = (Vec::new(), 0_u64);
        while let Ok(read @ 1..) = reader.read_until(b'\n', &mut line) {
            count += 1;
            let place = format!("{}:{count}", part.path);
            match std::str::from_utf8(&line[..read]) {
                Ok(text) if text.ends_with('\n') => each(&place, text, report),
                Ok(_) => report.say(format!("{place}: the last line is torn")),
                Err(_) => report.say(format!("{place}: not UTF-8")),
            }
            line.clear();
        }
        if count != part.records {
            report.say(format!("{}: {count} lines, the manifest says {}", part.path, part.records));
        }
    }
}

/// Every URL ends once. Gives the keys of those that have a record.
fn outcomes(dir: &Path, manifest: &Manifest, report: &mut Report) -> HashSet<UrlKey> {
    let names: BTreeMap<&str, Outcome> =
        Outcome::ALL.iter().map(|outcome| (outcome.name(), *outcome)).collect();
    let (mut seen, mut good) = (HashSet::new(), HashSet::new());
    let run_id = manifest.run_id.clone();
    lines(dir, manifest, "outcomes", report, |place, text, report| {
        report.outcomes += 1;
        let line: OutcomeLine = match serde_json::from_str(text) {
            Ok(line) => line,
            Err(error) => return report.say(format!("{place}: {error}")),
        };
        let Ok(key) = line.url_key.parse::<UrlKey>() else {
            return report.say(format!("{place}: `{}` is no URL key", line.url_key));
        };
        if line.schema_version != SCHEMA_VERSION || line.run_id != run_id {
            report.say(format!("{place}: of another run or schema"));
        }
        if key != UrlKey::of(&line.url) {
            report.say(format!("{place}: the key is not that of `{}`", line.url));
        }
        if !seen.insert(key) {
            report.say(format!("{place}: `{}` ended more than once", line.url));
        }
        match names.get(&*line.outcome) {
            Some(Outcome::Ok) => drop(good.insert(key)),
            Some(_) => {}
            None => report.say(format!("{place}: `{}` is no outcome", line.outcome)),
        }
    });
    good
}

/// There is one record for every `ok`, and none besides.
fn records(dir: &Path, manifest: &Manifest, good: &HashSet<UrlKey>, report: &mut Report) {
    let mut seen = HashSet::new();
    let run_id = manifest.run_id.clone();
    lines(dir, manifest, "records", report, |place, text, report| {
        report.records += 1;
        let record: Record = match serde_json::from_str(text) {
            Ok(record) => record,
            Err(error) => return report.say(format!("{place}: {error}")),
        };
        if record.schema_version != SCHEMA_VERSION || record.run_id != run_id {
            report.say(format!("{place}: of another run or schema"));
        }
        match record.url_key.parse::<UrlKey>() {
            Ok(key) if key != UrlKey::of(&record.url) => {
                report.say(format!("{place}: the key is not that of `{}`", record.url));
            }
            Ok(key) if !good.contains(&key) => {
                report.say(format!("{place}: `{}` has no outcome `ok`", record.url));
            }
            Ok(key) if !seen.insert(key) => {
                report.say(format!("{place}: a second record of `{}`", record.url));
            }
            Ok(_) => {}
            Err(_) => report.say(format!("{place}: `{}` is no URL key", record.url_key)),
        }
    });
    if seen.len() != good.len() {
        report.say(format!("{} URLs are `ok`, but {} have a record", good.len(), seen.len()));
    }
}

fn totals(manifest: &Manifest, report: &mut Report) {
    let totals = &manifest.totals;
    if totals.discovered != totals.settled + totals.queued {
        report.say(format!(
            "{MANIFEST}: {} discovered, but {} settled and {} queued",
            totals.discovered, totals.settled, totals.queued
        ));
    }
    if totals.settled != report.outcomes || totals.records != report.records {
        report.say(format!(
            "{MANIFEST}: {} outcomes and {} records, but {} and {} lines",
            totals.settled, totals.records, report.outcomes, report.records
        ));
    }
}

//! One call that changes the disk fails, or all from one on do: whichever it is, the run says which file it was and
//! what to do, ends with the right exit code, and the same command makes the data set that an undisturbed run makes.
//!
//! By default some hundred places are tried: the first calls of a run one by one, and each kind of call on each kind
//! of file. `TRAWL_FULL_FAULTS=1` tries every call.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::dataset::below;
use crate::support::faults::{Call, Errno, Fault, library};
use crate::support::machine::could_not_run;
use crate::support::{Crawl, Dataset, Run, Site, outputs};

/// Pages over HTTP.
const PAGES: usize = 8;
/// Pages that are local files.
const FILES: usize = 4;
/// Calls at the beginning of a run that are tried one by one.
const FIRST: usize = 40;

/// A job with every kind of output, and what it gives when nobody disturbs it.
struct Patient {
    site: Site,
    files: TempDir,
    urls: Vec<String>,
    whole: BTreeSet<(String, String)>,
}

impl Patient {
    fn new() -> Self {
        let (site, mut urls) = Site::with_pages(PAGES, Duration::from_millis(2));
        let files = tempfile::Builder::new().prefix("trawl-test-").tempdir().expect("a folder");
        for n in 0..FILES {
            let path = files.path().join(format!("{n}.html"));
            std::fs::write(&path, format!("<title>File {n}</title>")).expect("a file");
            urls.push(format!("file://{}", path.display()));
        }
        let mut patient = Self { site, files, urls, whole: BTreeSet::new() };
        let crawl = patient.job();
        crawl.run().expect(0);
        patient.whole = crawl.verify_exact(&patient.urls).contents();
        patient.examine(&crawl);
        patient
    }

    fn job(&self) -> Crawl {
        let crawl = Crawl::over(&self.urls[..PAGES])
            .source(&format!("id = 'files'\ntype = 'files'\npaths = ['{}']", self.files.path().display()))
            .sink("id = 'pages'\ntype = 'pages'")
            .export("id = 'database'\ntype = 'sqlite'")
            .export("id = 'table'\ntype = 'parquet'\npath = 'tables/table.parquet'");
        outputs::SINKS
            .into_iter()
            .fold(crawl, Crawl::sink)
            .set("politeness.max_concurrency", 4)
            .set("checkpoint.records", 4)
            .set("checkpoint.every", "50ms")
    }

    /// Demands that what is published is what an undisturbed run publishes, and that nothing else is left.
    #[track_caller]
    fn examine(&self, crawl: &Crawl) {
        let run = crawl.verify_exact(&self.urls);
        assert_eq!(run.contents(), self.whole, "the same keys and digests as an undisturbed run");
        run.verify_outputs();
        examine_exports(&run);
        crawl.trawl(&["verify"]).expect(0);
        crawl.trawl(&["get", &self.urls[0]]).expect(0);
        let half: Vec<_> = ["out", "store"].iter().flat_map(|dir| below(&crawl.path(dir))).collect();
        let half: Vec<_> = half.iter().filter(|path| path.to_string_lossy().contains("writing")).collect();
        assert!(half.is_empty(), "half a file is left: {half:?}");
    }

    /// The calls of an undisturbed run.
    fn calls(&self, library: &Path) -> Vec<Place> {
        let crawl = self.job().on_faulty_disk(library, &Fault::once(Errno::Io, 0));
        crawl.run().expect(0);
        let root = crawl.path("");
        crawl.calls().iter().map(|call| Place::of(call, &root)).collect()
    }

    /// Lets calls fail, examines how the program ends, and goes on without the fault. Gives what failed first.
    fn survives(&self, library: &Path, fault: &Fault) -> Option<String> {
        let crawl = self.job().on_faulty_disk(library, fault);
        let run = crawl.run();
        let failed: Vec<Call> = crawl.calls().into_iter().filter(|call| call.failed).collect();
        let crawl = crawl.without_env();
        let Some(first) = failed.first() else {
            run.expect(0);
            self.examine(&crawl);
            return None;
        };
        let root = crawl.path("");
        let what = format!("{fault:?}: {first:?}");
        assert!(!run.stderr.contains("panicked at"), "{what} {run}");
        judge(&run, fault, &failed, &root, &what);
        if run.code != Some(0) {
            let again = crawl.run();
            assert_eq!(again.code, Some(0), "{what}, and without the fault {again}");
        }
        let exact = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.examine(&crawl)));
        assert!(exact.is_ok(), "{what} {run}");
        Some(first.name.clone())
    }

    /// Tries places; demands that nearly all were met, and each kind of call among them.
    fn survives_all(&self, library: &Path, faults: impl IntoIterator<Item = Fault>, kinds: &[&str]) {
        let (mut met, mut tried) = (BTreeMap::<String, usize>::new(), 0);
        for fault in faults {
            tried += 1;
            if let Some(name) = self.survives(library, &fault) {
                *met.entry(name).or_default() += 1;
            }
        }
        let count: usize = met.values().sum();
        eprintln!("{count} of {tried} places were met: {met:?}");
        assert!(count * 4 >= tried * 3, "{count} of {tried} places were met");
        assert!(kinds.iter().all(|kind| met.contains_key(*kind)), "not each kind of call was met: {met:?}");
    }
}

/// Holds the exports of a run against its records.
fn examine_exports(run: &Dataset) {
    let table = run.dir.join("tables/table.parquet");
    assert_eq!(run.listed(&table), run.records.len());
    let path = run.dir.join("database.sqlite");
    assert_eq!(run.listed(&path), run.records.len());
    let database = rusqlite::Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
        .expect("a database");
    let mut rows = database.prepare("SELECT url_key, content_digest FROM records").expect("a query");
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    let rows: BTreeSet<(String, String)> = rows.collect::<Result<_, _>>().expect("rows");
    assert_eq!(rows, run.contents(), "rows of the database");
}

/// Demands the exit code that the fault must have, and words that name a file that failed and say what to do.
fn judge(run: &Run, fault: &Fault, failed: &[Call], root: &Path, what: &str) {
    let at_fault = |call: &Call| call.path.strip_prefix(root).expect("below the job").to_owned();
    let code = run.code.unwrap_or_else(|| panic!("{what}: ended by a signal {run}"));
    match fault.errno {
        Errno::Full => assert_eq!(code, 13, "{what} {run}"),
        Errno::ReadOnly => assert_eq!(code, 73, "{what} {run}"),
        // Nothing can be created: that has a code of its own.
        Errno::Io if failed[0].name == "folder" && run.stderr.contains("hint: choose another") => {
            assert_eq!(code, 73, "{what} {run}");
        }
        // The run does without its log, its status and the index, which others are rebuilt from nothing.
        Errno::Io if code == 0 => {
            let path = at_fault(&failed[0]);
            let path = path.to_string_lossy();
            let is_index =
                path.starts_with("store/sled") || path.starts_with("store/.writing-") || path == "store";
            assert!(is_index || path.ends_with("run.log.jsonl") || path.contains("status"), "{what} {run}");
            // sled is silent about some syncs; it is synced once more when it is closed.
            let is_told = failed[0].name == "sync" || run.stderr.contains("the index");
            assert!(!is_index || is_told, "{what} {run}");
            return;
        }
        Errno::Io => assert_eq!(code, 74, "{what} {run}"),
    }
    let is_named = |call: &Call| {
        let path = at_fault(call);
        let folder = path.parent().filter(|folder| folder.components().count() > 0);
        let says = |path: &Path| run.stderr.contains(&*path.to_string_lossy());
        says(&path) || folder.is_some_and(says)
    };
    assert!(failed.iter().any(is_named), "{what}: no file that failed is named {run}");
    // An export that is missing can be made later; of all else the words say what to do.
    assert!(run.stderr.contains("hint: ") || run.stderr.contains("`trawl export`"), "{what} {run}");
}

/// A call of a run, told so that it is found again in another one: what it is, on which kind of file, the n-th.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    name: String,
    /// The longest part of the path that is the same in every run.
    part: String,
}

impl Place {
    fn of(call: &Call, root: &Path) -> Self {
        let path = call.path.strip_prefix(root).expect("below the job").to_string_lossy().into_owned();
        let path = match path.split_once("/pages/") {
            Some((_, page)) if !page.starts_with("index") => "/pages/",
            _ => &path,
        };
        let path = without_ids(path);
        let part = match path.split_once(".writing-") {
            Some((folder, name)) if name.len() == 6 => &path[..folder.len() + ".writing-".len()],
            _ => path,
        };
        Self { name: call.name.clone(), part: part.to_owned() }
    }
}

/// The longest part of a path between ids of a run, which are like `20261121T020000Z-7f3a`.
fn without_ids(path: &str) -> &str {
    let ends = path.match_indices("Z-").map(|(at, _)| at);
    let mut begin = 0;
    let mut parts = Vec::new();
    for at in ends {
        parts.push(&path[begin..at - "20261121T020000".len()]);
        begin = at + "Z-7f3a".len();
    }
    parts.push(&path[begin..]);
    parts.into_iter().max_by_key(|part| part.len()).unwrap_or_default()
}

/// One call of each kind on each kind of file: the last of them, or with `lasts`, so that there is more to come, the
/// first.
fn one_of_each(calls: &[Place], wanted: impl Fn(&Place) -> bool, fault: &Fault) -> Vec<Fault> {
    let kinds: BTreeSet<&Place> = calls.iter().filter(|call| wanted(call)).collect();
    let at_kind = |kind: &Place| {
        let counts = |call: &&Place| call.name == kind.name && call.part.contains(&kind.part);
        let at = if fault.lasts { 1 } else { calls.iter().filter(counts).count() };
        Fault { at, only: Some((kind.name.clone(), kind.part.clone())), ..fault.clone() }
    };
    kinds.into_iter().map(at_kind).collect()
}

/// Every call, if that is asked for; some more than there are, because no two runs make the same number.
fn every_call(calls: usize, fault: impl Fn(usize) -> Fault) -> Option<Vec<Fault>> {
    std::env::var_os("TRAWL_FULL_FAULTS").map(|_| (1..=calls + calls / 20).map(fault).collect())
}

/// The patient and the library, or a word that there is none.
fn with_library(work: impl FnOnce(&Patient, &Path)) {
    match library() {
        Ok(library) => work(&Patient::new(), library),
        Err(why) => could_not_run("faults of the disk", why),
    }
}

const KINDS: [&str; 7] = ["create", "folder", "link", "remove", "rename", "sync", "write"];

#[test]
fn a_call_that_fails_costs_nothing() {
    with_library(|patient, library| {
        let calls = patient.calls(library);
        let some = || {
            let first = (1..=FIRST).map(|n| Fault::once(Errno::Io, n));
            let later =
                one_of_each(&calls, |call| !calls[..FIRST].contains(call), &Fault::once(Errno::Io, 0));
            first.chain(later).collect()
        };
        let faults = every_call(calls.len(), |n| Fault::once(Errno::Io, n)).unwrap_or_else(some);
        patient.survives_all(library, faults, &KINDS);
    });
}

#[test]
fn a_disk_that_fills_up_at_any_call_costs_nothing() {
    with_library(|patient, library| {
        let calls = patient.calls(library);
        let full = |n| Fault::from(Errno::Full, n);
        // What gives room back cannot fail for want of it, a sync or a new name seldom does.
        let takes = |call: &Place| !["remove", "cut", "sync", "rename"].contains(&&*call.name);
        let some = || one_of_each(&calls, takes, &full(0));
        let faults = every_call(calls.len(), full).unwrap_or_else(some);
        patient.survives_all(library, faults, &["create", "folder", "link", "write"]);
    });
}

#[test]
fn a_disk_that_goes_read_only_is_named() {
    with_library(|patient, library| {
        let calls = patient.calls(library);
        let some = || (3..calls.len()).step_by(25).map(|n| Fault::from(Errno::ReadOnly, n)).collect();
        let faults = every_call(calls.len(), |n| Fault::from(Errno::ReadOnly, n)).unwrap_or_else(some);
        patient.survives_all(library, faults, &["sync", "write"]);
    });
}

/// Found here: sled panics when the sync fails that it makes while it is dropped.
#[test]
fn an_index_that_cannot_be_synced_is_set_aside_without_a_panic() {
    with_library(|patient, library| {
        let mut met = 0;
        for at in 1.. {
            let only = Some(("sync".to_owned(), "store/sled/db".to_owned()));
            let fault = Fault { only, ..Fault::once(Errno::Io, at) };
            if patient.survives(library, &fault).is_none() {
                break;
            }
            met += 1;
        }
        assert!(met >= 2, "the index was synced {met} times");
    });
}

/// The system forgets what a failed sync did not write, and reads it back from memory until then: the next process
/// must not take it for durable.
#[test]
fn a_frame_whose_sync_failed_is_not_believed() {
    with_library(|patient, library| {
        let (journal, no) = (".journal", Fault::once(Errno::Io, 0));
        let crawl = patient.job().set("checkpoint.records", 1000).set("checkpoint.every", "60s");
        let crawl = crawl.on_faulty_disk(library, &no);
        crawl.run().expect(0);
        let is_sync = |call: &&Call| call.name == "sync" && call.path.to_string_lossy().ends_with(journal);
        let syncs = crawl.calls().iter().filter(is_sync).count();
        // The first says that a process began, the next commits the pages.
        assert!(syncs >= 3, "the journal was synced {syncs} times");
        let only = Some(("sync".to_owned(), journal.to_owned()));
        let fault = Fault { only, ..Fault::once(Errno::Io, 2) };
        let crawl = patient.job().set("checkpoint.records", 1000).set("checkpoint.every", "60s");
        let crawl = crawl.on_faulty_disk(library, &fault);
        patient.site.forget();
        crawl.run().expect(74).says("cannot sync").says(journal);
        let crawl = crawl.without_env();
        assert_eq!(patient.site.hits(), PAGES);
        crawl.run().expect(0);
        assert_eq!(patient.site.hits(), 2 * PAGES, "no page of the frame is taken for settled");
        patient.examine(&crawl);
    });
}

//! Disk, store and lock: what is in the way, and the way out.

use std::fs;

use crate::snapshot::{check, check_output};
use crate::support::machine::{could_not_run, in_own_mounts, tool};
use crate::support::{Answer, Crawl, Gate, Site, wait_for};

/// A job over two local pages.
fn pages() -> Crawl {
    Crawl::new()
        .write("pages/a.html", "<title>A</title>")
        .write("pages/b.html", "<title>B</title>")
        .source("id = 'pages'\ntype = 'files'\npaths = ['pages/*.html']")
}

#[test]
fn output_is_a_file() {
    let crawl = pages().write("out", "not a folder");
    check("output_is_a_file", &crawl, "trawl run", &crawl.run());
}

#[test]
fn state_is_a_file() {
    let crawl = pages().write("store", "not a folder");
    check("state_is_a_file", &crawl, "trawl run", &crawl.run());
}

#[test]
fn folders_that_cannot_be_written() {
    let tried = in_own_mounts(|| {
        let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
        let root = fs::canonicalize(scratch.path()).map_err(|error| error.to_string())?;
        let crawl = Crawl::at(&root)
            .write("pages/a.html", "<title>A</title>")
            .source("id = 'pages'\ntype = 'files'\npaths = ['pages/*.html']")
            .write("sealed/x", "");
        let sealed = root.join("sealed").to_string_lossy().into_owned();
        tool("mount", &["-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", &sealed])?;
        let output = crawl.set("job.output_dir", "sealed/out");
        check("output_read_only", &output, "trawl run", &output.run());
        let state = output.set("job.output_dir", "out").set("job.state_dir", "sealed/state");
        check("state_read_only", &state, "trawl run", &state.run());
        tool("umount", &[&sealed]).map(drop)
    });
    if let Err(why) = tried.and_then(|inner| inner) {
        could_not_run("folders that cannot be written", &why);
    }
}

#[test]
fn too_little_room() {
    let crawl = pages().set("limits.min_free_disk", "900TiB");
    check("too_little_room", &crawl, "trawl run", &crawl.run());
}

#[test]
fn another_run_holds_the_job() {
    let (site, gate) = (Site::new(), Gate::closed());
    let behind = gate.clone();
    site.otherwise(move |_| Answer::page("Held").behind(&behind));
    let crawl = Crawl::over([site.url("/")]);
    let first = crawl.spawn();
    site.wait_until("the first run", |view| view.in_flight == 1);
    check("another_run_holds_the_job", &crawl, "trawl run", &crawl.run());
    gate.open();
    first.wait().expect(0);
}

/// A job that was killed with a page under way.
fn unfinished() -> (Site, Crawl) {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path));
    let crawl = Crawl::over(site.urls(["/a", "/b", "/c"])).set("politeness.max_concurrency", 1);
    let killed = crawl.run_killed_at(&site, 2);
    assert!(killed.was_killed(), "{killed}");
    (site, crawl)
}

/// The way out that the hints name is one.
fn fresh(crawl: &Crawl) {
    crawl.trawl(&["run", "--fresh"]).expect(0);
    assert!(crawl.is_published());
}

fn journal(crawl: &Crawl) -> std::path::PathBuf {
    let mut journals = fs::read_dir(crawl.path("store/journal")).expect("journals");
    journals.next().expect("one journal").expect("an entry").path()
}

#[test]
fn journal_damaged() {
    let (_site, crawl) = unfinished();
    fs::write(journal(&crawl), "nothing of ours").expect("damage");
    check("journal_damaged", &crawl, "trawl run", &crawl.run());
    fresh(&crawl);
}

#[test]
fn journal_without_its_beginning() {
    let (_site, crawl) = unfinished();
    let path = journal(&crawl);
    let mut bytes = fs::read(&path).expect("a journal");
    bytes[20] ^= 1;
    fs::write(&path, &bytes).expect("damage");
    check("journal_without_its_beginning", &crawl, "trawl run", &crawl.run());
    assert_eq!(fs::read(&path).expect("a journal"), bytes, "what is left of it can be rescued");
    fresh(&crawl);
}

#[test]
fn journal_of_another_version() {
    let (_site, crawl) = unfinished();
    let path = journal(&crawl);
    let mut bytes = fs::read(&path).expect("a journal");
    bytes[..8].copy_from_slice(b"TRAWLJ99");
    fs::write(&path, bytes).expect("damage");
    check("journal_of_another_version", &crawl, "trawl run", &crawl.run());
    fresh(&crawl);
}

#[test]
fn output_shorter_than_committed() {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path));
    let paths: Vec<String> = (0..40).map(|n| format!("/{n}")).collect();
    let crawl =
        Crawl::over(site.urls(&paths)).set("politeness.max_concurrency", 1).set("checkpoint.records", 2);
    let killed = crawl.run_killed_at(&site, 30);
    assert!(killed.was_killed(), "{killed}");
    let records = crawl.path(&format!("out/runs/{}/records/part-00000.jsonl", crawl.runs()[0]));
    assert!(fs::metadata(&records).expect("records").len() > 0);
    fs::write(&records, "").expect("damage");
    check("output_shorter_than_committed", &crawl, "trawl run", &crawl.run());
    fresh(&crawl);
}

#[test]
fn store_of_another_version() {
    let crawl = pages();
    crawl.run().expect(0);
    let version = wait_for("the version of the store", || {
        let entries = fs::read_dir(crawl.path("store")).expect("a store");
        entries
            .map(|entry| entry.expect("an entry").path())
            .find(|path| path.is_file() && path.to_string_lossy().to_lowercase().contains("format"))
    });
    fs::write(&version, "99\n").expect("damage");
    check("store_of_another_version", &crawl, "trawl run", &crawl.run());
}

#[test]
fn changed_config() {
    let (_site, crawl) = unfinished();
    let crawl = crawl.set("records.links", false);
    check("changed_config", &crawl, "trawl run", &crawl.run());
}

#[test]
fn verify_failures() {
    let crawl = pages();
    crawl.run().expect(0);
    let records = crawl.path("out/latest/records/part-00000.jsonl");
    let text = fs::read_to_string(&records).expect("records");
    fs::write(&records, text.replacen("\"A\"", "\"Z\"", 1)).expect("damage");
    check_output("verify_changed_file", &crawl, "trawl verify", &crawl.trawl(&["verify"]));
    fs::remove_file(&records).expect("damage");
    check_output("verify_missing_file", &crawl, "trawl verify", &crawl.trawl(&["verify"]));
}

#[test]
fn no_run_yet() {
    let crawl = pages();
    for command in ["status", "verify", "list"] {
        let run = crawl.trawl(&[command]);
        check_output(&format!("no_run_yet_{command}"), &crawl, &format!("trawl {command}"), &run);
    }
    let run = crawl.trawl(&["get", "https://example.org/"]);
    check_output("no_run_yet_get", &crawl, "trawl get https://example.org/", &run);
    let run = crawl.trawl(&["export", "--to", "csv"]);
    check_output("no_run_yet_export", &crawl, "trawl export --to csv", &run);
}

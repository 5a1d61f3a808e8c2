//! What a finished run leaves, and the commands that read it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::{Answer, Crawl, Site};

fn published() -> (Site, Crawl, Vec<String>) {
    let (site, urls) = Site::with_pages(12, Duration::ZERO);
    let crawl = Crawl::over(&urls).sink("id = 'pages'\ntype = 'pages'");
    crawl.run().expect(0);
    (site, crawl, urls)
}

#[test]
fn a_second_run_is_a_second_directory_and_moves_latest() {
    let (site, crawl, urls) = published();
    let first = crawl.verify_exact(&urls);
    site.serve("/page/0", Answer::page("Changed"));
    crawl.run().expect(0);
    let second = crawl.verify_exact(&urls);
    assert_ne!(first.run_id(), second.run_id());
    assert_eq!(crawl.runs().len(), 2);
    assert_eq!(second.record(&urls[0])["title"], "Changed");
    assert_eq!(
        second.record(&urls[0])["record_id"],
        first.record(&urls[0])["record_id"],
        "stable across runs"
    );
    // The first one is what it was.
    first.verify(&urls);
    assert_eq!(site.hits(), 24);
}

#[test]
fn fresh_leaves_an_unfinished_run_behind() {
    let (site, urls) = Site::with_pages(40, Duration::from_millis(10));
    let crawl = Crawl::over(&urls).set("politeness.max_concurrency", 4).set("checkpoint.records", 4);
    assert!(crawl.run_killed_at(&site, 20).was_killed());
    site.forget();
    crawl.trawl(&["run", "config.toml", "--fresh"]).expect(0);
    crawl.latest().verify(&urls);
    assert_eq!(site.hits(), urls.len(), "everything was fetched anew");
}

#[test]
fn get_and_list_know_every_url() {
    let (_site, crawl, urls) = published();
    let list = crawl.trawl(&["list"]).expect(0);
    for (n, url) in urls.iter().enumerate() {
        assert!(list.stdout.contains(url.as_str()), "list lacks {url} {list}");
        let get = crawl.trawl(&["get", url]).expect(0);
        assert!(get.stdout.contains(&format!("Page {n} of 12")), "get {url} {get}");
    }
    let missing = crawl.trawl(&["get", "http://example.org/never"]);
    assert!(!matches!(missing.code, None | Some(0 | 70)), "{missing}");
}

#[test]
fn commands_before_any_run_say_so() {
    let (site, urls) = Site::with_pages(1, Duration::ZERO);
    let crawl = Crawl::over(&urls);
    for args in [&["get", urls[0].as_str()][..], &["list"], &["verify"]] {
        let run = crawl.trawl(args);
        assert!(!matches!(run.code, None | Some(0 | 70)), "{args:?} {run}");
        assert!(!run.stderr.is_empty() && !run.stderr.contains("panicked"), "{args:?} {run}");
    }
    assert_eq!(site.hits(), 0);
}

/// Changes something in a published run and gives it to `trawl verify`.
#[track_caller]
fn verify_finds(change: impl FnOnce(&Path)) {
    let (_site, crawl, _urls) = published();
    crawl.trawl(&["verify"]).expect(0);
    let run = crawl.latest();
    change(&run.dir);
    crawl.trawl(&["verify"]).expect(14);
    // By its name too, not only as the latest.
    crawl.trawl(&["verify", &run.run_id()]).expect(14);
}

fn first_file(dir: &Path) -> std::path::PathBuf {
    crate::support::dataset::below(dir).into_iter().min().expect("a file")
}

#[test]
fn verify_finds_a_flipped_byte() {
    verify_finds(|dir| {
        let path = first_file(&dir.join("records"));
        let mut content = fs::read(&path).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        fs::write(&path, content).unwrap();
    });
}

#[test]
fn verify_finds_a_missing_file() {
    verify_finds(|dir| fs::remove_file(first_file(&dir.join("outcomes"))).unwrap());
}

#[test]
fn verify_finds_an_extra_file() {
    verify_finds(|dir| fs::write(dir.join("records/part-99999.jsonl"), "{}\n").unwrap());
}

#[test]
fn verify_finds_a_shorter_page() {
    verify_finds(|dir| {
        let path = crate::support::dataset::below(&dir.join("pages"))
            .into_iter()
            .find(|path| path.extension().is_none_or(|ending| ending != "jsonl"))
            .expect("a page");
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(3).unwrap();
    });
}

#[test]
fn verify_finds_a_sum_that_does_not_add_up() {
    verify_finds(|dir| {
        let path = dir.join("summary.json");
        let mut summary: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        summary["discovered"] = (summary["discovered"].as_u64().unwrap() + 1).into();
        fs::write(&path, summary.to_string()).unwrap();
    });
}

#[test]
fn a_limit_ends_a_run_early_and_publishes_it() {
    let (site, urls) = Site::with_pages(30, Duration::ZERO);
    let crawl = Crawl::over(&urls).set("limits.max_pages", 10).set("politeness.max_concurrency", 2);
    crawl.run().expect(3);
    let run = crawl.latest();
    run.verify(run.urls());
    assert_eq!(run.summary["finish_reason"], "limit_pages");
    assert_eq!(run.manifest["complete"], false);
    assert_eq!(run.records.len(), 10);
    assert_eq!(site.hits(), 10);
}

#[test]
fn a_changed_job_does_not_continue_an_unfinished_run() {
    let (site, urls) = Site::with_pages(40, Duration::from_millis(10));
    let crawl = Crawl::over(&urls).set("politeness.max_concurrency", 4).set("checkpoint.records", 4);
    assert!(crawl.run_killed_at(&site, 20).was_killed());
    site.forget();
    crawl.trawl(&["validate"]).expect(0);
    let crawl = crawl.sink("id = 'pages'\ntype = 'pages'");
    crawl.trawl(&["validate"]).expect(78).says("`sinks[0]` was not there").says("--fresh");
    crawl.run().expect(78).says("`sinks[0]` was not there").says("--fresh");
    assert_eq!(site.hits(), 0, "refused before any request");
}

#[test]
fn an_ended_run_is_published_without_its_seeds() {
    if !cfg!(debug_assertions) {
        return;
    }
    let (_site, urls) = Site::with_pages(6, Duration::ZERO);
    let crawl = Crawl::over(&urls).env("TRAWL_CRASH_AT", "publish.finished");
    assert!(crawl.run().was_killed());
    let crawl = crawl.without_env();
    // Nothing is poured any more: a list that was only there for a while must not block what is ready.
    fs::remove_file(crawl.path("urls.txt")).unwrap();
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
}

#[test]
fn an_ended_run_is_published_with_the_sinks_it_had() {
    if !cfg!(debug_assertions) {
        return;
    }
    let (_site, urls) = Site::with_pages(6, Duration::ZERO);
    let crawl = Crawl::over(&urls).sink("id = 'pages'\ntype = 'pages'");
    let crawl = crawl.env("TRAWL_CRASH_AT", "publish.finished");
    assert!(crawl.run().was_killed());
    let crawl = crawl.without_env();
    // A manifest without the files of a sink that was taken out would be wrong.
    let other = fs::read_to_string(crawl.path("config.toml")).unwrap().replace("'pages'", "'other'");
    let other = other.replace("id = \"pages\"", "id = \"other\"");
    fs::write(crawl.path("other.toml"), other).unwrap();
    crawl.trawl(&["run", "other.toml"]).expect(78).says("sinks");
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
    crawl.trawl(&["verify"]).expect(0);
}

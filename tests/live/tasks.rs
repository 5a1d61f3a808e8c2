//! What each request in flight is doing: by SIGUSR1, and by `trawl status --tasks`.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::crawl::table;
use crate::support::{Answer, Crawl, Gate, Site, wait_for};

/// A page that hangs before its first byte, and more of its host that wait behind it.
fn hanging(gate: &Gate) -> (Site, Crawl, Vec<String>) {
    let site = Site::new();
    let behind = gate.clone();
    site.otherwise(move |seen| Answer::page(&seen.path).behind(&behind));
    let urls = site.urls(["/hangs", "/waits1", "/waits2"]);
    let crawl = Crawl::over(&urls).set("politeness.host_concurrency", 1);
    (site, crawl, urls)
}

#[test]
fn a_signal_has_a_hanging_page_named_in_the_log_and_the_run_goes_on() {
    let gate = Gate::closed();
    let (site, crawl, urls) = hanging(&gate);
    let running = crawl.spawn();
    site.wait_until("a page in flight", |view| view.in_flight == 1);
    running.signal(Signal::USR1);
    let line = wait_for("the page in the log", || {
        let said = running.stderr_so_far();
        said.lines().find(|line| line.contains("task") && line.contains(&urls[0])).map(ToOwned::to_owned)
    });
    assert!(
        line.contains("stage=\"headers\"") && line.contains("stage_ms=") && line.contains("age_ms="),
        "{line}"
    );
    gate.open();
    let run = running.wait().expect(0);
    assert!(run.stderr.lines().any(|line| line.contains("waits") && line.contains("queued=2")), "{run}");
    let dataset = crawl.verify_exact(&urls);
    let log = fs::read_to_string(dataset.dir.join("run.log.jsonl")).unwrap();
    let tasks = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["fields"].clone());
    let task = tasks
        .into_iter()
        .find(|fields| fields["url"] == urls[0].as_str())
        .expect("in the run's own log, too");
    assert_eq!((&task["message"], &task["stage"]), (&json!("task"), &json!("headers")));
    assert!(!dataset.dir.join("tasks.json").exists(), "it is of a live run only");
}

#[test]
fn status_asks_the_run_what_it_is_doing() {
    let gate = Gate::closed();
    let (site, crawl, urls) = hanging(&gate);
    let running = crawl.spawn();
    site.wait_until("a page in flight", |view| view.in_flight == 1);
    let tasks: Value =
        serde_json::from_str(&crawl.trawl(&["status", "--tasks", "--json"]).expect(0).stdout).unwrap();
    let request = &tasks["requests"][0];
    assert_eq!((&request["url"], &request["host"]), (&json!(urls[0]), &json!(site.host())), "{tasks}");
    assert_eq!((&request["stage"], &request["role"]), (&json!("headers"), &json!("page")), "{tasks}");
    assert_eq!(tasks["stages"], json!({ "headers": 1 }));
    assert_eq!(tasks["pid"], running.pid().as_raw_nonzero().get());
    let waiting = &tasks["waiting"][0];
    assert_eq!(
        (&waiting["host"], &waiting["queued"], &waiting["in_flight"]),
        (&json!(site.host()), &json!(2), &json!(1))
    );

    let people = crawl.trawl(&["status", "--tasks"]).expect(0).stdout;
    let line = people.lines().find(|line| line.ends_with(&urls[0])).unwrap_or_else(|| panic!("{people}"));
    assert!(line.starts_with("page  headers  "), "{people}");
    assert!(people.contains("1 in flight: headers 1") && people.contains("waiting for host"), "{people}");
    // Each answer is a new one.
    let again: Value =
        serde_json::from_str(&crawl.trawl(&["status", "--tasks", "--json"]).expect(0).stdout).unwrap();
    assert!(again["requests"][0]["age_ms"].as_u64() > request["age_ms"].as_u64(), "{again}");

    gate.open();
    running.wait().expect(0);
    crawl.verify_exact(&urls);
    crawl.trawl(&["status", "--tasks"]).expect(1).says("is not running");
    assert!(!crawl.path("store/tasks-wanted").exists());
}

#[test]
fn what_is_before_and_behind_the_headers_has_a_stage_of_its_own() {
    let site = Site::slow_to_connect(&["127.0.0.1", "a.test"], |_| Duration::from_hours(1));
    let crawl = Crawl::web(["a.test"])
        .seeds([site.at("a.test", "/")])
        .write("ca.pem", site.certificate())
        .set("http.ca_file", "ca.pem")
        .set("http.timeout", table("connect = '10m'"))
        .set("politeness.obey_robots", false);
    let running = crawl.spawn();
    let stage = |crawl: &Crawl| {
        let asked = crawl.trawl(&["status", "--tasks", "--json"]);
        let tasks: Value = serde_json::from_str(&asked.stdout).ok()?;
        Some(tasks["requests"][0]["stage"].as_str()?.to_owned())
    };
    wait_for("the handshake", || stage(&crawl).filter(|stage| stage == "connecting"));
    running.kill9();
    crawl.trawl(&["status", "--tasks"]).expect(1).says("is not running");
}

#[test]
fn what_was_asked_of_a_run_that_died_is_not_answered_by_its_successor() {
    let gate = Gate::closed();
    let (site, crawl, urls) = hanging(&gate);
    let running = crawl.spawn();
    site.wait_until("a page in flight", |view| view.in_flight == 1);
    crawl.trawl(&["status", "--tasks"]).expect(0);
    assert!(running.kill9().was_killed());
    fs::write(crawl.path("store/tasks-wanted"), "").unwrap();
    gate.open();
    crawl.run().expect(0);
    let dataset = crawl.verify_exact(&urls);
    assert!(!dataset.dir.join("tasks.json").exists() && !crawl.path("store/tasks-wanted").exists());
}

//! What each request in flight is doing: by SIGUSR1, and by `trawl status --tasks`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
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

/// How far the oldest request is.
fn stage(crawl: &Crawl) -> Option<String> {
    let asked = crawl.trawl(&["status", "--tasks", "--json"]);
    let tasks: Value = serde_json::from_str(&asked.stdout).ok()?;
    Some(tasks["requests"][0]["stage"].as_str()?.to_owned())
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
    assert_eq!(line.split_whitespace().take(2).collect::<Vec<_>>(), ["page", "headers"], "{people}");
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
fn a_handshake_that_hangs_is_told_from_an_answer_that_does() {
    let site = Site::slow_to_connect(&["127.0.0.1", "a.test"], |_| Duration::from_hours(1));
    let crawl = Crawl::web(["a.test"])
        .seeds([site.at("a.test", "/")])
        .write("ca.pem", site.certificate())
        .set("http.ca_file", "ca.pem")
        .set("http.timeout", table("connect = '10m'"))
        .set("politeness.obey_robots", false);
    let running = crawl.spawn();
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

#[test]
fn a_body_that_stands_still_is_seen_to_do_so() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", server.local_addr().unwrap());
    let serving = move || {
        let (mut stream, _) = server.accept().unwrap();
        // An answer before its request is none.
        let request = stream.read(&mut [0; 4096]).unwrap();
        assert!(request > 0);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100\r\n\r\nhalf";
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let serving = std::thread::Builder::new().name("half".to_owned()).spawn(serving).unwrap();
    let crawl = Crawl::over([&url]);
    let running = crawl.spawn();
    wait_for("the body", || stage(&crawl).filter(|stage| stage == "body"));
    drop(serving.join().unwrap());
    // Half a page is a failure.
    running.wait().expect(4);
}

#[test]
fn a_page_waits_for_its_checkpoint_and_the_workers_are_named() {
    let gate = Gate::closed();
    let site = Site::new();
    let behind = gate.clone();
    site.otherwise(|seen| Answer::page(&seen.path));
    site.serve_with("/hangs", move |_| Answer::page("hangs").behind(&behind));
    let urls = site.urls(["/1", "/hangs", "/later"]);
    let crawl = Crawl::over(&urls).set("politeness.max_concurrency", 1).set("checkpoint.every", "1h");
    let running = crawl.spawn();
    site.wait_until("the second page", |view| view.hits() == 2);
    let tasks = wait_for("one page in a checkpoint, one without an answer", || {
        let tasks: Value =
            serde_json::from_str(&crawl.trawl(&["status", "--tasks", "--json"]).stdout).ok()?;
        (tasks["stages"] == json!({ "checkpoint": 1, "headers": 1 })).then_some(tasks)
    });
    assert_eq!(
        (&tasks["requests"][0]["url"], &tasks["requests"][1]["url"]),
        (&json!(urls[0]), &json!(urls[1]))
    );
    let workers: Vec<&str> =
        tasks["workers"].as_array().unwrap().iter().map(|worker| worker["name"].as_str().unwrap()).collect();
    assert!(workers.contains(&"commit"), "{tasks}");
    gate.open();
    running.wait().expect(0);
    crawl.verify_exact(&urls);
}

#[test]
fn a_stopped_process_does_not_blame_its_runtime() {
    let gate = Gate::closed();
    let (site, crawl, urls) = hanging(&gate);
    let running = crawl.spawn();
    site.wait_until("a page in flight", |view| view.in_flight == 1);
    let stat = format!("/proc/{}/stat", running.pid().as_raw_nonzero());
    running.signal(Signal::STOP);
    wait_for("it to stand still", || fs::read_to_string(&stat).unwrap().contains(") T ").then_some(()));
    // So long that it would be worth a warning ten times over.
    std::thread::sleep(Duration::from_secs(1));
    running.signal(Signal::CONT);
    // It is watched again once it answers.
    crawl.trawl(&["status", "--tasks"]).expect(0);
    gate.open();
    let run = running.wait().expect(0);
    assert!(!run.stderr.contains("runtime"), "{run}");
    crawl.verify_exact(&urls);
}

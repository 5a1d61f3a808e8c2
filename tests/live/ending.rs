//! The summary that a run ends with, and what is seen of a run that ended otherwise.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Answer, Crawl, Gate, Site, wait_for};

#[test]
fn a_summary_says_what_failed_with_an_example_where_it_all_is_and_what_to_do() {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path));
    site.serve("/none/1", Answer::status(404)).serve("/none/2", Answer::status(404));
    site.serve("/broken", Answer::status(500)).serve("/moved", Answer::redirect(302, "/1"));
    let urls = site.urls(["/1", "/2", "/3", "/none/1", "/none/2", "/broken", "/moved"]);
    let crawl = Crawl::over(urls.iter().cloned().chain([site.at("b.test", "/1")]))
        .set("http.resolve", crate::support::crawl::table("'b.test' = ['127.0.0.1']"));
    let run = crawl.trawl(&["run", "config.toml"]).expect(0);
    assert_eq!(run.stdout, "", "no result: it is no place for a summary");
    let dataset = crawl.latest();
    let said = &run.stderr;
    let line = |start: &str| {
        let line = said.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no line `{start}` {run}"))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let first = line(&format!("run {} of job test: finished in ", dataset.run_id()));
    assert!(first.contains(" pages/s, ") && first.ends_with("bytes"), "{first}");
    assert_eq!(line("ok "), "ok 4 Fetched and parsed: it has a record.");
    assert_eq!(line("gone "), "gone 2 HTTP 404 or 410.");
    assert!(line("in all ").ends_with("8 4 records"), "{run}");
    let gone = line("  gone 2 ");
    assert!(gone.contains(&site.url("/none/")) && gone.ends_with("(HTTP 404)"), "{gone}");
    assert_eq!(line("  http_error 1 "), format!("http_error 1 {} (HTTP 500)", site.url("/broken")));
    assert!(line(&site.host()).ends_with("ms"), "a slow host {run}");
    assert!(said.contains(&format!("\n{}\n", dataset.dir.display())), "{run}");
    let outputs = line("  outcomes/ ");
    assert!(outputs.contains("records/") && outputs.contains("report.html"), "{outputs}");
    let next = line("  trawl explain ");
    assert!(next.contains(&site.url("/none/")) && next.contains("' config.toml"), "{next}");
    // What is advised can be done.
    let url = next.split('\'').nth(1).unwrap();
    let explained = crawl.trawl(&["explain", url, "config.toml"]).expect(0);
    assert!(explained.stdout.contains("gone"), "{explained}");
}

#[test]
fn examples_are_those_of_the_whole_run_also_after_it_was_interrupted() {
    let gate = Gate::closed();
    let site = Site::new();
    let behind = gate.clone();
    site.serve("/none", Answer::status(404));
    site.serve_with("/slow", move |_| Answer::page("slow").behind(&behind));
    let urls = site.urls(["/none", "/slow"]);
    let crawl = Crawl::over(&urls).set("checkpoint.every", "20ms").set("limits.drain", "1s");
    let running = crawl.spawn();
    wait_for("the first to be settled", || {
        let status: Value = serde_json::from_str(&crawl.trawl(&["status", "--json"]).stdout).ok()?;
        (status["settled"] == 1 && status["in_flight"] == 1 && status["failed"] == 1).then_some(())
    });
    running.signal(Signal::TERM);
    let stopped = running.wait().expect(11);
    assert!(stopped.stderr.contains("the same command continues") && !stopped.stderr.contains("finished in"));
    // What it last said of itself is as it was left, and is said to be so.
    let left: Value = serde_json::from_str(&crawl.trawl(&["status", "--json"]).expect(0).stdout).unwrap();
    assert_eq!(
        (&left["state"], &left["settled"], &left["in_flight"]),
        (&json!("interrupted"), &json!(1), &json!(0))
    );
    let people = crawl.trawl(&["status"]).expect(0).stdout;
    assert!(
        people.contains("interrupted, last heard of") && people.contains("`trawl run` goes on"),
        "{people}"
    );
    gate.open();
    let run = crawl.run().expect(0);
    assert!(run.stderr.contains(&format!("  gone 1  {}  (HTTP 404)\n", urls[0])), "{run}");
    crawl.verify_exact(&urls);
}

#[test]
fn an_end_is_foretold_only_where_it_can_be_known() {
    for (key, value, is_known) in [
        ("scope.type", toml::Value::from("page"), true),
        ("scope.type", "host".into(), false),
        ("limits.max_pages", 10.into(), false),
    ] {
        let gate = Gate::closed();
        let site = Site::new();
        let behind = gate.clone();
        site.otherwise(|seen| Answer::page(&seen.path));
        site.serve_with("/slow", move |_| Answer::page("slow").behind(&behind));
        let urls = site.urls(["/1", "/slow"]);
        let crawl = Crawl::over(&urls).set("checkpoint.every", "20ms").set(key, value.clone());
        let running = crawl.spawn();
        let status = wait_for("one page settled", || {
            let status: Value = serde_json::from_str(&crawl.trawl(&["status", "--json"]).stdout).ok()?;
            (status["settled"] == 1 && status["queued"] == 1).then_some(status)
        });
        assert_eq!(status["eta_s"].is_u64(), is_known, "{key} = {value}: {status}");
        assert_eq!(status["slowest_host"]["host"], site.host());
        gate.open();
        running.wait().expect(0);
        crawl.verify_exact(&urls);
    }
}

//! What a terminal shows while a run lives.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Answer, Crawl, Gate, Running, Site, wait_for};
use crate::terminal::{is_there, screen};

/// Two pages that are through, one that is gone, and some behind the gate.
fn half_way(gate: &Gate) -> (Site, Crawl, Vec<String>) {
    let site = Site::new();
    let behind = gate.clone();
    site.otherwise(|seen| Answer::page(&seen.path));
    site.serve_with("/slow1", {
        let behind = behind.clone();
        move |_| Answer::page("slow").behind(&behind)
    });
    site.serve_with("/slow2", move |_| Answer::page("slow").behind(&behind));
    site.serve("/gone", Answer::status(404));
    let urls = site.urls(["/1", "/2", "/gone", "/slow1", "/slow2"]);
    let crawl = Crawl::over(&urls).set("checkpoint.every", "50ms");
    (site, crawl, urls)
}

/// Waits until the terminal shows all of these at once, and gives what it shows.
fn shows(running: &Running, wanted: &[&str]) -> String {
    wait_for(&format!("{wanted:?} on the terminal, where there is {:?}", running.stdout_so_far()), || {
        let written = running.stdout_so_far();
        // Not in the middle of a sequence.
        let whole = &written[..=written.rfind('\n')?];
        let shown = screen(whole).join("\n");
        wanted.iter().all(|words| shown.contains(words)).then_some(shown)
    })
}

#[test]
fn a_terminal_shows_how_far_a_run_is_and_nothing_of_it_stays() {
    if !is_there() {
        return;
    }
    let gate = Gate::closed();
    let (site, crawl, urls) = half_way(&gate);
    let running = crawl.start_on_terminal(300, &["run", "config.toml", "-v"]);
    let host = site.host();
    let slowest = format!("slowest host {host}: ");
    let shown = shows(
        &running,
        &["test  ", "3 done", "2 queued", "2 in flight", "/s", "ETA ", "failed 1: gone 1", &slowest],
    );
    let block: Vec<&str> = shown.lines().filter(|line| line.contains("in flight")).collect();
    assert_eq!(block.len(), 1, "drawn once, in its place: {shown}");
    assert!(shown.lines().last().unwrap().contains(&slowest), "below all log lines: {shown}");
    assert!(!shown.contains("progress"), "the log does not repeat it: {shown}");

    gate.open();
    let run = running.wait().expect(0);
    let shown = screen(&run.stdout);
    assert!(!shown.iter().any(|line| line.contains("in flight") || line.contains("ETA")), "{shown:#?}");
    assert!(shown.iter().any(|line| line.contains("finished in")), "{shown:#?}");
    // Every line of the log is on the screen, whole and on a line of its own.
    let log = fs::read_to_string(crawl.latest().dir.join("run.log.jsonl")).unwrap();
    let settled = log.lines().filter(|line| line.contains("\"settled\"")).count();
    assert_eq!(settled, urls.len(), "{log}");
    for url in &urls {
        let lines: Vec<&String> = shown
            .iter()
            .filter(|line| line.contains("settled") && line.contains(&format!("\"{url}\"")))
            .collect();
        let [line] = lines[..] else { panic!("{url} stands on {} lines: {shown:#?}", lines.len()) };
        assert!(line.starts_with("20") && line.contains(" DEBUG settled url="), "{line}");
    }
    crawl.verify_exact(&urls);
}

#[test]
fn a_narrow_terminal_cuts_the_lines_by_columns() {
    if !is_there() {
        return;
    }
    let gate = Gate::closed();
    let long = format!("{}.test", "long-".repeat(11) + "host");
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path));
    let behind = gate.clone();
    site.serve_with("/slow", move |_| Answer::page("slow").behind(&behind));
    let urls = [site.at(&long, "/1"), site.at(&long, "/slow")];
    let crawl =
        Crawl::web([&long]).seeds(&urls).set("politeness.obey_robots", false).set("log.level", "warn");
    let running = crawl.start_on_terminal(40, &["run"]);
    let shown = shows(&running, &["1 done", "slowest host long-"]);
    for line in shown.lines() {
        assert!(line.chars().count() < 40, "{line:?} would be wrapped");
    }
    let slowest = shown.lines().find(|line| line.contains("slowest host")).unwrap();
    assert!(slowest.ends_with('…') && slowest.chars().count() == 39, "{slowest:?}");
    gate.open();
    running.wait().expect(0);
    crawl.verify_exact(&urls);
}

#[test]
fn colours_are_shown_unless_no_color_says_otherwise() {
    if !is_there() {
        return;
    }
    let (_site, urls) = Site::with_pages(1, std::time::Duration::ZERO);
    for (no_color, wanted) in [("1", false), ("", true)] {
        let crawl = Crawl::over(&urls).env("NO_COLOR", no_color);
        let run = crawl.start_on_terminal(100, &["run"]).wait().expect(0);
        assert!(run.stdout.contains("\u{1b}[J"), "it is drawn all the same {run}");
        assert_eq!(run.stdout.contains("\u{1b}[1m"), wanted, "{run}");
        assert_eq!(run.stdout.contains("\u{1b}[0m"), wanted, "{run}");
    }
}

#[test]
fn nothing_is_drawn_when_quiet_in_json_or_without_a_terminal() {
    let (_site, urls) = Site::with_pages(3, std::time::Duration::ZERO);
    let crawl = || Crawl::over(&urls).env("NO_COLOR", "");
    let run = crawl().run().expect(0);
    assert!(!run.stderr.contains('\u{1b}') && !run.stdout.contains('\u{1b}'), "{run}");
    if !is_there() {
        return;
    }
    let run = crawl().start_on_terminal(100, &["run", "--quiet"]).wait().expect(0);
    assert_eq!(run.stdout, "", "{run}");
    let run = crawl().start_on_terminal(100, &["run", "--set", "log.format=json"]).wait().expect(0);
    assert!(!run.stdout.contains('\u{1b}') && run.stdout.lines().count() > 1, "{run}");
    for line in run.stdout.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    }
}

#[test]
fn an_interrupted_run_leaves_nothing_of_the_block_behind() {
    if !is_there() {
        return;
    }
    let gate = Gate::closed();
    let (_site, crawl, urls) = half_way(&gate);
    let crawl = crawl.set("limits.drain", "1s");
    let running = crawl.start_on_terminal(300, &["run"]);
    shows(&running, &["3 done", "2 in flight"]);
    let lock = fs::read_to_string(crawl.path("store/lock")).unwrap();
    let pid = serde_json::from_str::<serde_json::Value>(&lock).unwrap()["pid"].as_i64().unwrap();
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let shown = screen(&running.wait().expect(11).stdout);
    assert!(!shown.iter().any(|line| line.contains("in flight  ")), "{shown:#?}");
    assert!(shown.iter().any(|line| line.contains("INFO stopping: ")), "{shown:#?}");
    assert!(shown.iter().any(|line| line.contains("the same command continues")), "{shown:#?}");
    gate.open();
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
}

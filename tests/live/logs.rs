//! `--quiet`, `-v` and JSON logs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Crawl, Gate, Run, Site, wait_for};

/// The lines of standard error, each a JSON object.
#[track_caller]
fn json_lines(run: &Run) -> Vec<Value> {
    let parse =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?} {run}"));
    run.stderr.lines().map(parse).collect()
}

#[test]
fn quiet_says_nothing_of_a_run_that_went_well_and_what_to_do_of_one_that_did_not() {
    let (site, urls) = Site::with_pages(3, Duration::ZERO);
    let crawl = Crawl::over(&urls);
    let run = crawl.trawl(&["run", "-q"]).expect(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    site.serve("/none", Answer::status(404));
    let run = Crawl::over([site.url("/none")]).trawl(&["run", "-q"]).expect(4);
    assert_eq!(run.stdout, "");
    let lines: Vec<&str> = run.stderr.lines().collect();
    let said = matches!(lines[..], [what, hint] if what.contains("nothing could be fetched") && hint.starts_with("hint: "));
    assert!(said, "{run}");
}

#[test]
fn verbose_names_every_url_with_its_outcome_and_twice_when_it_is_asked_for() {
    let (site, mut urls) = Site::with_pages(2, Duration::ZERO);
    site.serve("/none", Answer::status(404));
    urls.push(site.url("/none"));
    let lines_with = |run: &Run, words: &str| {
        let of = |url: &String| {
            run.stderr.lines().filter(|line| line.contains(words) && line.contains(url)).count()
        };
        urls.iter().map(of).collect::<Vec<_>>()
    };
    let crawl = || Crawl::over(&urls);
    let usual = crawl().trawl(&["run"]).expect(0);
    assert_eq!(lines_with(&usual, "settled"), [0, 0, 0], "{usual}");
    let verbose = crawl().trawl(&["run", "-v"]).expect(0);
    assert_eq!(lines_with(&verbose, "settled"), [1, 1, 1], "{verbose}");
    assert_eq!(lines_with(&verbose, "outcome=\"gone\" status=404"), [0, 0, 1], "{verbose}");
    assert_eq!(lines_with(&verbose, "asking"), [0, 0, 0], "{verbose}");
    let twice = crawl().trawl(&["run", "-vv"]).expect(0);
    assert_eq!(lines_with(&twice, "asking"), [1, 1, 1], "{twice}");
}

#[test]
fn json_logs_are_json_line_by_line_from_the_start_to_the_end() {
    let (site, mut urls) = Site::with_pages(2, Duration::ZERO);
    site.serve("/none", Answer::status(404));
    urls.extend([site.url("/none"), "no \u{1b}[31m url".to_owned()]);
    let crawl = Crawl::over(&urls).set("log.format", "json");
    let run = crawl.trawl(&["run", "-v"]).expect(0);
    assert_eq!(run.stdout, "");
    let lines = json_lines(&run);
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
        assert!(line["fields"]["message"].is_string(), "{line}");
    }
    assert_eq!(lines.iter().filter(|line| line["fields"]["message"] == "settled").count(), urls.len());
    let last = &lines.last().expect("a line")["fields"];
    assert_eq!((&last["message"], &last["exit_code"]), (&json!("run ended"), &json!(0)), "{last}");
    assert_eq!(last["path"], crawl.latest().dir.to_str().unwrap());
    let outcomes: Value = serde_json::from_str(last["outcomes"].as_str().unwrap()).unwrap();
    assert_eq!(outcomes, json!({"ok": 2, "gone": 1, "invalid_url": 1}));
}

#[test]
fn what_ends_a_run_is_json_too() {
    let (site, _) = Site::with_pages(0, Duration::ZERO);
    site.serve("/none", Answer::status(404));
    let crawl = Crawl::over([site.url("/none")]).set("log.format", "json");
    let lines = json_lines(&crawl.run().expect(4));
    let said =
        |code: i64| lines.iter().any(|line| line["fields"]["exit_code"] == code && line["level"] == "WARN");
    assert!(said(4), "{lines:#?}");
    let crawl = crawl.write("occupied", "no directory").set("job.output_dir", "occupied");
    let lines = json_lines(&crawl.run().expect(73));
    let last = lines.last().expect("a line");
    assert_eq!((&last["level"], &last["fields"]["exit_code"]), (&json!("ERROR"), &json!(73)), "{last}");
    assert!(last["fields"]["error"].as_str().unwrap().contains("occupied"), "{last}");
}

#[test]
fn without_a_terminal_the_log_says_now_and_then_how_far_a_run_is() {
    let gate = Gate::closed();
    let site = Site::new();
    let behind = gate.clone();
    site.otherwise(|seen| Answer::page(&seen.path));
    site.serve_with("/slow", move |_| Answer::page("slow").behind(&behind));
    let urls = site.urls(["/1", "/slow"]);
    let crawl = Crawl::over(&urls).set("checkpoint.every", "20ms");
    let running = crawl.spawn();
    let line = wait_for("a line of progress", || {
        let said = running.stderr_so_far();
        said.lines()
            .find(|line| line.contains(" INFO progress ") && line.contains("eta="))
            .map(ToOwned::to_owned)
    });
    assert!(
        line.contains("settled=1 ") && line.contains("queued=1 ") && line.contains("in_flight=1 "),
        "{line}"
    );
    gate.open();
    running.wait().expect(0);
    crawl.verify_exact(&urls);
}

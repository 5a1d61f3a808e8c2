//! How runs end that are not simply complete.

use rustix::process::Signal;

use crate::snapshot::{check, check_output, kept};
use crate::support::{Answer, Crawl, Gate, Site, wait_for};

#[test]
fn nothing_was_ok() {
    let site = Site::new();
    site.otherwise(|_| Answer::status(500));
    let crawl = Crawl::over(site.urls(["/a", "/b"]));
    check_output("nothing_was_ok", &crawl, "trawl run", &crawl.run());
}

#[test]
fn limit_reached() {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path));
    let crawl = Crawl::over(site.urls(["/a", "/b", "/c"])).set("politeness.max_concurrency", 1);
    let run = crawl.trawl(&["run", "--limit", "1"]);
    check_output("limit_reached", &crawl, "trawl run --limit 1", &run);
}

#[test]
fn interrupted() {
    let (site, gate) = (Site::new(), Gate::closed());
    let behind = gate.clone();
    site.otherwise(move |_| Answer::page("Held").behind(&behind));
    let crawl = Crawl::over(site.urls(["/a", "/b", "/c"])).set("politeness.max_concurrency", 1);
    let running = crawl.spawn();
    site.wait_until("the first request", |view| view.in_flight == 1);
    let before = running.stderr_so_far().len();
    running.signal(Signal::INT);
    wait_for("a word about the signal", || (running.stderr_so_far().len() > before).then_some(()));
    gate.open();
    check_output("interrupted", &crawl, "trawl run", &running.wait());
}

#[test]
fn complete() {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path));
    let crawl = Crawl::over(site.urls(["/a", "/b"]));
    check("complete", &crawl, "trawl run", &crawl.run());
}

#[test]
fn every_error_has_its_snapshot() {
    assert!(kept().len() >= 40, "{} messages are kept", kept().len());
}

//! Being told to stop, and two runs of one job.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Answer, Crawl, Gate, Running, Site, wait_for};

const IN_FLIGHT: usize = 4;

/// A job whose requests are all held at the gate.
fn held(pages: usize) -> (Site, Gate, Vec<String>, Crawl) {
    let site = Site::new();
    let gate = Gate::closed();
    let behind = gate.clone();
    site.otherwise(move |seen| Answer::page(&seen.path).behind(&behind));
    let urls = site.urls((0..pages).map(|n| format!("/{n}")));
    let crawl = Crawl::over(&urls).set("politeness.max_concurrency", i64::try_from(IN_FLIGHT).unwrap());
    (site, gate, urls, crawl)
}

/// Sends a signal and waits until the program says on stderr that it has heard it.
fn tell(running: &Running, signal: Signal) {
    let before = running.stderr_so_far().len();
    running.signal(signal);
    wait_for("a word on stderr about the signal", || (running.stderr_so_far().len() > before).then_some(()));
}

fn finishes_what_is_in_flight(signal: Signal) {
    let (site, gate, urls, crawl) = held(40);
    let running = crawl.spawn();
    site.wait_until("full use", |view| view.in_flight == IN_FLIGHT);
    tell(&running, signal);
    gate.open();
    let run = running.wait().expect(11);
    assert!(run.took < Duration::from_secs(30), "{:?}", run.took);
    assert_eq!(site.hits(), IN_FLIGHT, "no new request after the signal");
    assert!(!crawl.path("out/latest").exists());

    crawl.run().expect(0);
    crawl.verify_exact(&urls);
    assert_eq!(site.hits(), urls.len(), "what was in flight was finished, not fetched again");
}

#[test]
fn sigterm_finishes_what_is_in_flight() {
    finishes_what_is_in_flight(Signal::TERM);
}

#[test]
fn sigint_finishes_what_is_in_flight() {
    finishes_what_is_in_flight(Signal::INT);
}

#[test]
fn the_drain_ends_at_its_deadline() {
    let (site, gate, urls, crawl) = held(20);
    let crawl = crawl.set("limits.drain", "1s");
    let running = crawl.spawn();
    site.wait_until("full use", |view| view.in_flight == IN_FLIGHT);
    let told = std::time::Instant::now();
    running.signal(Signal::TERM);
    running.wait().expect(11);
    let took = told.elapsed();
    // The lower bound shows that it waited for the answers, the upper one that it did not do so for ever.
    assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(6), "ended after {took:?}");
    assert_eq!(site.hits(), IN_FLIGHT);
    gate.open();
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
    assert_eq!(site.hits(), urls.len() + IN_FLIGHT, "what was put back was fetched again, nothing else");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (site, gate, urls, crawl) = held(20);
    let crawl = crawl.set("limits.drain", "10m");
    let running = crawl.spawn();
    site.wait_until("full use", |view| view.in_flight == IN_FLIGHT);
    tell(&running, Signal::INT);
    running.signal(Signal::INT);
    running.wait().expect(11);
    gate.open();
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
}

#[test]
fn a_stop_in_the_middle_of_the_flow_is_exact() {
    let (site, urls) = Site::with_pages(120, Duration::from_millis(15));
    let crawl = Crawl::over(&urls).set("politeness.max_concurrency", 4).set("checkpoint.records", 8);
    let mut stops = 0;
    // While there is something left to ask for, a request shows that the program is up and hears signals.
    while site.hits() < urls.len() {
        let wanted = (site.hits() + 25).min(urls.len());
        let running = crawl.spawn();
        site.wait_until("some progress", |view| view.hits() >= wanted);
        running.signal(Signal::TERM);
        let run = running.wait();
        if run.code == Some(0) {
            break;
        }
        run.expect(11);
        stops += 1;
        assert!(stops < 10, "it never gets through");
    }
    if !crawl.is_published() {
        crawl.run().expect(0);
    }
    assert!(stops >= 2, "stopped only {stops} times");
    crawl.verify_exact(&urls);
    assert_eq!(site.hits(), urls.len(), "a clean stop repeats nothing");
}

#[test]
fn a_second_run_of_the_same_job_is_refused() {
    let (site, gate, urls, crawl) = held(10);
    let first = crawl.spawn();
    site.wait_until("full use", |view| view.in_flight == IN_FLIGHT);
    let pid = first.pid().as_raw_nonzero().to_string();
    crawl.run().expect(75).says(&pid);
    assert_eq!(site.hits(), IN_FLIGHT, "the second run sent nothing");

    // Another state directory with the same output is the same clash.
    let elsewhere = ["run", "config.toml", "--set", "job.state_dir=elsewhere"];
    crawl.trawl(&elsewhere).expect(75).says(&pid);
    gate.open();
    first.wait().expect(0);
    crawl.verify_exact(&urls);
}

#[test]
fn the_lock_of_a_dead_run_blocks_nobody() {
    let (site, gate, urls, crawl) = held(10);
    let first = crawl.spawn();
    site.wait_until("full use", |view| view.in_flight == IN_FLIGHT);
    first.kill9();
    let told = crawl.trawl(&["validate", "config.toml"]).expect(0).stdout;
    assert!(told.contains("which is unfinished"), "{told}");
    assert!(crawl.path("store/lock").exists(), "the lock file of the dead run is there");
    gate.open();
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
}

#[test]
fn results_can_be_read_while_a_run_is_alive() {
    let (site, gate, urls, crawl) = held(8);
    gate.open();
    crawl.run().expect(0);
    let again = Gate::closed();
    let behind = again.clone();
    site.otherwise(move |seen| Answer::page(&seen.path).behind(&behind));
    let second = crawl.spawn();
    site.wait_until("full use", |view| view.in_flight == IN_FLIGHT);
    let get = crawl.trawl(&["get", &urls[0]]).expect(0);
    assert!(get.stdout.contains("/0"), "{get}");
    crawl.trawl(&["list"]).expect(0);
    again.open();
    second.wait().expect(0);
}

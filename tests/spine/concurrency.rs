//! How many requests are out at once, and how far apart, as the server sees it.

use std::time::{Duration, Instant};

use crate::support::{Answer, Crawl, Gate, Site};

fn crawl(urls: &[String], all: i64, host: i64) -> Crawl {
    Crawl::over(urls).set("politeness.max_concurrency", all).set("politeness.host_concurrency", host)
}

#[test]
fn ten_held_urls_are_all_out_together() {
    let site = Site::new();
    let gate = Gate::closed();
    let behind = gate.clone();
    site.otherwise(move |seen| Answer::page(&seen.path).behind(&behind));
    let urls = site.urls((0..10).map(|n| format!("/{n}")));
    let crawl = crawl(&urls, 10, 10);
    let running = crawl.spawn();
    // If they were not fetched at the same time this would wait in vain.
    site.wait_until("ten requests at once", |view| view.in_flight == 10);
    gate.open();
    running.wait().expect(0);
    crawl.verify_exact(&urls);
}

#[test]
fn one_at_a_time_is_one_at_a_time() {
    let (site, urls) = Site::with_pages(12, Duration::from_millis(5));
    let crawl = crawl(&urls, 1, 10);
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
    assert_eq!(site.see(|view| view.max_in_flight), 1);
}

#[test]
fn never_more_than_configured_in_all_or_for_a_host() {
    for (all, host, most) in [(7, 64, 7), (64, 3, 3), (5, 5, 5)] {
        let (site, urls) = Site::with_pages(60, Duration::from_millis(10));
        let crawl = crawl(&urls, all, host);
        crawl.run().expect(0);
        crawl.verify_exact(&urls);
        let seen = site.see(|view| view.max_in_flight);
        assert!(seen <= most, "{seen} at once with max_concurrency {all}, host_concurrency {host}");
        assert!(seen > 1, "never more than one at once");
    }
}

#[test]
fn a_limit_of_one_host_is_not_a_limit_of_another() {
    let (a, mut urls) = Site::with_pages(20, Duration::from_millis(5));
    let gate = Gate::closed();
    let slow = Site::new();
    let behind = gate.clone();
    slow.otherwise(move |seen| Answer::page(&seen.path).behind(&behind));
    let held = slow.urls((0..20).map(|n| format!("/{n}")));
    // The slow host comes first and has more than it may have in flight.
    let mut all = held.clone();
    all.append(&mut urls);
    let crawl = crawl(&all, 8, 2);
    let running = crawl.spawn();
    a.wait_until("the quick host to be through while the slow one hangs", |view| view.hits() == 20);
    assert_eq!(slow.see(|view| view.max_in_flight), 2);
    gate.open();
    running.wait().expect(0);
    crawl.verify_exact(&all);
}

#[test]
fn the_delay_of_a_host_holds_between_arrivals() {
    let delay = Duration::from_millis(150);
    let (site, urls) = Site::with_pages(8, Duration::ZERO);
    let crawl = crawl(&urls, 8, 8).set("politeness.host_delay", "150ms");
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
    let arrivals: Vec<Instant> = site.see(|view| view.log.iter().map(|seen| seen.at).collect());
    let all = arrivals[7].duration_since(arrivals[0]);
    // Requests may be held up on their way, so that two come closer together than they were sent; the sum
    // over all of them still shows the delay. A tenth is left for the first one having been late.
    assert!(all >= (delay * 7).mul_f64(0.9), "8 requests within {all:?}");
    for pair in arrivals.windows(2) {
        let gap = pair[1].duration_since(pair[0]);
        assert!(gap >= delay.mul_f64(0.5), "only {gap:?} between two requests");
    }
}

#[test]
fn the_delay_holds_across_a_kill() {
    let delay = Duration::from_millis(400);
    let (site, urls) = Site::with_pages(6, Duration::ZERO);
    let crawl = crawl(&urls, 4, 4).set("politeness.host_delay", "400ms");
    assert!(crawl.run_killed_at(&site, 3).was_killed());
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
    let arrivals: Vec<Instant> = site.see(|view| view.log.iter().map(|seen| seen.at).collect());
    for pair in arrivals.windows(2) {
        let gap = pair[1].duration_since(pair[0]);
        assert!(gap >= delay.mul_f64(0.7), "only {gap:?} between two requests, one of them after a restart");
    }
}

#[test]
fn connections_are_used_again() {
    let (site, urls) = Site::with_pages(40, Duration::ZERO);
    let crawl = crawl(&urls, 4, 4);
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
    let peers: std::collections::BTreeSet<_> =
        site.see(|view| view.log.iter().map(|seen| seen.peer).collect());
    assert!(peers.len() <= 20, "{} connections for 40 requests, 4 at once", peers.len());
}

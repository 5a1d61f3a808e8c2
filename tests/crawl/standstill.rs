//! Runs that once came to a standstill or could have: whatever a host waits for must come, or the wait must end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::crawl::table;
use crate::support::{Answer, Crawl, Site};

/// A page of a chain: `/0` leads to `/1`, and so on.
fn chain(path: &str) -> Answer {
    let number: usize = path[1..].parse().unwrap_or(0);
    Answer::links(path, [format!("/{}", number + 1)])
}

#[test]
fn a_connection_that_had_grown_stale_holds_up_no_deeper_level() {
    let site = Site::new();
    let asked = AtomicUsize::new(0);
    site.serve("/robots.txt", Answer::text(""));
    // The first page comes over the connection of robots.txt, which is reset: that says nothing of the host.
    site.otherwise(move |seen| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::reset(),
        _ => chain(&seen.path),
    });
    let crawl = Crawl::web(["a.test"])
        .seeds([site.at("a.test", "/0")])
        .set("scope.type", "host")
        .set("politeness.host_concurrency", 1)
        .set("limits.max_depth", 3);
    crawl.run().expect(0);
    let run = crawl.verify_exact((0..5).map(|n| site.at("a.test", &format!("/{n}"))));
    assert_eq!(run.ended("ok").len(), 4);
}

#[test]
fn a_spent_budget_waits_for_no_robots_txt() {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path)).serve("/robots.txt", Answer::text(""));
    // It is redirected when the one page is long there.
    let late = Answer::redirect(302, "/rules.txt").after(Duration::from_millis(500));
    site.serve("//slow.test/robots.txt", late);
    let urls = [site.at("quick.test", "/1"), site.at("slow.test", "/1")];
    let crawl = Crawl::web(["quick.test", "slow.test"]).seeds(&urls).set("limits.max_pages", 1);
    crawl.run().expect(3);
    let run = crawl.verify_exact([&urls[0]]);
    assert_eq!(run.summary["queued"], 1);
}

#[test]
fn rules_that_are_older_than_the_delay_still_let_a_page_through() {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path)).serve("/robots.txt", Answer::text(""));
    let urls: Vec<String> = (0..3).map(|n| site.at("a.test", &format!("/{n}"))).collect();
    let crawl = Crawl::web(["a.test"])
        .seeds(&urls)
        .set("politeness.host_concurrency", 1)
        .set("politeness.host_delay", "300ms")
        .set("politeness.robots_lifetime", "100ms");
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
    assert!(site.hits_of("/robots.txt") <= 3, "asked {} times", site.hits_of("/robots.txt"));
}

#[test]
fn a_retry_that_waits_leaves_its_place_in_the_budget_to_others() {
    let site = Site::new();
    let asked = AtomicUsize::new(0);
    site.otherwise(|seen| Answer::page(&seen.path)).serve("/robots.txt", Answer::text(""));
    site.serve_with("/bad", move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::status(500),
        _ => Answer::page("Bad"),
    });
    let urls = ["/bad", "/1"].map(|path| site.at("a.test", path));
    let crawl = Crawl::web(["a.test"])
        .seeds(&urls)
        .set("limits.max_pages_per_host", 1)
        .set("retry.backoff", table("initial = '3s'\nmax = '3s'\njitter = 0.0"));
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    run.ends(&urls[1], "ok", None);
    run.ends(&urls[0], "skipped_budget", None);
}

#[test]
fn a_robots_txt_that_moved_to_a_host_that_is_given_up_ends() {
    let site = Site::new();
    site.otherwise(|seen| match (seen.host.as_str(), seen.path.as_str()) {
        ("ill.test", _) => Answer::reset(),
        (_, "/robots.txt") => Answer::text(""),
        _ => Answer::page(&seen.path).header("connection", "close"),
    });
    let moved = Answer::redirect(302, &site.at("ill.test", "/robots.txt"));
    for n in 0..8 {
        site.serve(&format!("//h{n}.test/robots.txt"), moved.clone().after(Duration::from_millis(1500)));
    }
    let mut urls: Vec<String> = (0..8).map(|n| site.at(&format!("h{n}.test"), "/1")).collect();
    urls.extend((0..20).map(|n| site.at("ill.test", &format!("/{n}"))));
    urls.push(site.at("well.test", "/1"));
    let hosts = (0..8).map(|n| format!("h{n}.test")).chain(["ill.test".into(), "well.test".into()]);
    let crawl = Crawl::web(hosts)
        .seeds(&urls)
        .set("politeness.host_concurrency", 1)
        .set("politeness.robots_on_5xx", "allow")
        .set("retry.host_failures", 2)
        .set("retry.host_pause", "20ms")
        .set("retry.host_probes", 1);
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    let asked = site.see(|view| view.paths("ill.test").len());
    assert!(asked <= 5, "a host that was given up was asked {asked} times");
    assert!(urls[..8].iter().all(|url| run.outcome(url) == "ok"), "{:?}", run.outcomes);
}

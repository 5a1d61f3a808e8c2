//! The machine stands still for a while, or its clock goes back by more than a year: nothing is lost, nothing waits
//! for a time that has gone.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::crawl::table;
use crate::support::faults::library;
use crate::support::machine::could_not_run;
use crate::support::{Answer, Crawl, Gate, Site, wait_for};

/// Seconds of 400 days.
const LONG: i64 = 400 * 24 * 60 * 60;
const PAGES: usize = 24;

/// Letter of the state that the kernel shows for a process: `T` is stopped.
fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Stops a run with requests in flight for longer than `timeout`, and lets it go on.
fn stands_still(timeout: &str, pause: Duration) {
    let (site, gate) = (Site::new(), Gate::closed());
    let held = gate.clone();
    site.otherwise(move |seen| Answer::page(&seen.path).behind(&held));
    let urls = site.urls((0..PAGES).map(|n| format!("/{n}")));
    let crawl = Crawl::over(&urls)
        .set("politeness.max_concurrency", 6)
        .set("retry.max_retries", 2)
        .set("http.timeout.read", timeout)
        .set("http.timeout.total", timeout)
        .set("checkpoint.every", "100ms");
    let running = crawl.spawn();
    site.wait_until("six requests in flight", |view| view.in_flight == 6);
    running.signal(Signal::STOP);
    let pid = running.pid().as_raw_nonzero().get();
    wait_for("the program to stand still", || (state(pid) == Some('T')).then_some(()));
    // The answers come while nobody listens. How long it stands is what is tested here.
    gate.open();
    std::thread::sleep(pause);
    assert_eq!(state(pid), Some('T'), "it stands still until it is told to go on");
    running.signal(Signal::CONT);
    running.wait().expect(0);
    let run = crawl.verify_exact(&urls);
    assert_eq!(run.records.len(), PAGES, "every page is got: {:?}", run.outcomes);
    assert!(site.hits() <= PAGES + 6, "{} requests: only what was in flight is asked for again", site.hits());
}

#[test]
fn it_stands_still_for_longer_than_its_timeouts() {
    stands_still("2s", Duration::from_secs(4));
}

#[test]
fn it_stands_still_for_eight_seconds() {
    stands_still("30s", Duration::from_secs(8));
}

/// Pages of a host that owes a wait: one is asked for again after two seconds.
fn busy() -> (Site, Vec<String>, Crawl) {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path).after(Duration::from_millis(20)));
    site.serve("/robots.txt", Answer::text("User-agent: *\nCrawl-delay: 0\n"));
    let count = std::sync::atomic::AtomicUsize::new(0);
    site.serve_with("/0", move |_| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => Answer::status(503).header("retry-after", "2"),
        _ => Answer::page("Free"),
    });
    let urls: Vec<String> =
        (0..PAGES).flat_map(|n| ["a.test", "b.test"].map(|host| site.at(host, &format!("/{n}")))).collect();
    let crawl = Crawl::web(["a.test", "b.test"])
        .seeds(&urls)
        .set("retry.max_retries", 3)
        .set("retry.backoff", table("initial = '300ms'\nmax = '300ms'"))
        .set("politeness.host_concurrency", 1)
        .set("checkpoint.records", 2)
        .set("checkpoint.every", "20ms");
    (site, urls, crawl)
}

/// Demands that all is published, and that the run and the one after it are found.
fn is_well(crawl: &Crawl, urls: &[String]) {
    let run = crawl.verify_exact(urls);
    assert_eq!(run.records.len(), urls.len(), "{:?}", run.outcomes);
    crawl.trawl(&["verify"]).expect(0);
    crawl.trawl(&["status"]).expect(0);
    crawl.trawl(&["get", &urls[1]]).expect(0);
}

#[test]
fn the_clock_goes_back_or_ahead_between_a_kill_and_the_next_start() {
    let library = match library() {
        Ok(library) => library,
        Err(why) => return could_not_run("the clock that is set back", why),
    };
    for seconds in [-LONG, LONG] {
        let (site, urls, crawl) = busy();
        assert!(crawl.run_killed_at(&site, PAGES).was_killed());
        let crawl = crawl.with_clock(library, seconds);
        crawl.run().expect(0);
        is_well(&crawl, &urls);
        let first = crawl.latest().run_id();
        // The next run is of another year, and the one that counts.
        crawl.run().expect(0);
        is_well(&crawl, &urls);
        assert_ne!(crawl.latest().run_id(), first);
        assert_eq!((crawl.latest().run_id() < first), seconds < 0, "the clock was wrong");
    }
}

#[test]
fn the_clock_goes_back_while_it_runs() {
    let library = match library() {
        Ok(library) => library,
        Err(why) => return could_not_run("the clock that is set back", why),
    };
    let (site, urls, crawl) = busy();
    let crawl = crawl.with_clock(library, 0);
    let clock = crawl.path("clock");
    site.at_request(PAGES, move || std::fs::write(clock, (-LONG).to_string()).expect("the clock"));
    crawl.run().expect(0);
    is_well(&crawl, &urls);
    let fetched: Vec<String> = crawl
        .latest()
        .records
        .iter()
        .map(|record| record["fetch_time"].as_str().unwrap()[..4].to_owned())
        .collect();
    let years: std::collections::BTreeSet<&String> = fetched.iter().collect();
    assert!(years.len() >= 2, "the clock was set back while it ran: {years:?}");
}

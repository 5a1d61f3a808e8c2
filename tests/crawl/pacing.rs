//! How far apart requests to one host arrive and over how many connections, as the server sees it. With one
//! request at a time the delay counts from the beginning of an answer, so that no gap in the server's log is
//! ever shorter, however late anything is: these tests allow nothing. Where two may be out at once the server's
//! own clock stands between, and a part of the delay is left to it.

use std::time::Duration;

use crate::support::{Answer, Crawl, Dice, Site};

const DELAY: Duration = Duration::from_millis(150);

/// A job of one request at a time with the delay.
fn patient(site: &Site, paths: &[&str]) -> Crawl {
    Crawl::web(["a.test"])
        .seeds(paths.iter().map(|path| site.at("a.test", path)))
        .set("politeness.host_concurrency", 1)
        .set("politeness.host_delay", "150ms")
}

#[track_caller]
fn never_closer(site: &Site, requests: usize) {
    let paths = site.see(|view| view.paths("a.test"));
    assert_eq!(paths.len(), requests, "{paths:?}");
    let gaps = site.see(|view| view.gaps("a.test"));
    assert!(gaps.iter().all(|gap| *gap >= DELAY), "closer than {DELAY:?}: {gaps:?} before {:?}", &paths[1..]);
}

fn pages() -> Site {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path)).serve("/robots.txt", Answer::text(""));
    site
}

#[test]
fn between_pages_and_after_robots_txt() {
    let site = pages();
    patient(&site, &["/1", "/2", "/3", "/4", "/5"]).run().expect(0);
    never_closer(&site, 6);
}

#[test]
fn through_the_redirects_of_robots_txt() {
    let site = pages();
    site.serve("/robots.txt", Answer::redirect(301, "/r1")).serve("/r1", Answer::redirect(302, "/r2"));
    site.serve("/r2", Answer::text(""));
    patient(&site, &["/1", "/2"]).run().expect(0);
    never_closer(&site, 5);
}

#[test]
fn through_a_chain_of_redirects() {
    let site = pages();
    for (from, to) in [("/1", "/2"), ("/2", "/3"), ("/3", "/4")] {
        site.serve(from, Answer::redirect(302, to));
    }
    patient(&site, &["/1", "/other"]).run().expect(0);
    never_closer(&site, 6);
}

#[test]
fn through_retries_of_whatever_failed() {
    for trouble in [Answer::status(500), Answer::reset(), Answer::page("Half").cut()] {
        let site = pages();
        site.serve_with("/bad", move |_| trouble.clone());
        let crawl = patient(&site, &["/bad", "/1", "/2"]);
        crawl.run().expect(0);
        let gaps = site.see(|view| view.gaps("a.test"));
        assert!(gaps.iter().all(|gap| *gap >= DELAY), "{gaps:?}");
        assert!(site.hits_of("/bad") >= 3, "asked for {} times", site.hits_of("/bad"));
    }
}

#[test]
fn after_a_kill_and_its_resume() {
    for at in [1, 2, 4] {
        let site = pages();
        let crawl = patient(&site, &["/1", "/2", "/3", "/4", "/5"]);
        assert!(crawl.run_killed_at(&site, at).was_killed());
        crawl.run().expect(0);
        let gaps = site.see(|view| view.gaps("a.test"));
        assert!(gaps.iter().all(|gap| *gap >= DELAY), "killed at request {at}: {gaps:?}");
    }
}

#[test]
fn with_slow_answers() {
    let site = Site::new();
    let dice = Dice::of(5);
    site.otherwise(move |seen| Answer::page(&seen.path).after(Duration::from_millis(dice.below(250))));
    patient(&site, &["/1", "/2", "/3", "/4", "/5", "/6", "/7"]).run().expect(0);
    never_closer(&site, 8);
}

/// A request that waits for its connection arrives late; what follows on a quick one must wait for it.
fn slow_connections(host_concurrency: i64) -> Site {
    let slow = |n: usize| Duration::from_millis([0, 140, 0, 60, 120][n % 5]);
    let site = Site::slow_to_connect(&["a.test"], slow);
    // A connection for each request.
    site.otherwise(|seen| Answer::page(&seen.path).header("connection", "close"));
    patient(&site, &["/1", "/2", "/3", "/4", "/5", "/6", "/7"])
        .write("ca.pem", site.certificate())
        .set("http.ca_file", "ca.pem")
        .set("politeness.host_concurrency", host_concurrency)
        .run()
        .expect(0);
    site
}

#[test]
fn with_slow_connections() {
    never_closer(&slow_connections(1), 8);
}

#[test]
fn with_slow_connections_two_at_once() {
    let gaps = slow_connections(2).see(|view| view.gaps("a.test"));
    assert_eq!(gaps.len(), 7);
    assert!(gaps.iter().all(|gap| *gap >= DELAY.mul_f64(0.6)), "{gaps:?}");
}

#[test]
fn with_two_at_once() {
    let site = Site::new();
    // Each answer takes longer than two delays, so that there are always two under way.
    site.otherwise(|seen| Answer::page(&seen.path).after(DELAY * 5 / 2));
    let paths = ["/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8"];
    patient(&site, &paths).set("politeness.host_concurrency", 2).run().expect(0);
    let gaps = site.see(|view| view.gaps("a.test"));
    assert!(gaps.iter().all(|gap| *gap >= DELAY.mul_f64(0.6)), "{gaps:?}");
    let all: Duration = gaps.iter().sum();
    assert!(all >= (DELAY * 8).mul_f64(0.9), "nine requests within {all:?}");
    assert_eq!(site.see(|view| view.max_in_flight_at("a.test")), 2, "they did overlap");
}

#[test]
fn a_host_of_its_own_pace() {
    let site = pages();
    let hosts = format!("['a.test:{0}']\ndelay = '150ms'\nconcurrency = 1", site.port());
    let urls: Vec<String> =
        (0..5).flat_map(|n| ["a.test", "b.test"].map(|host| site.at(host, &format!("/{n}")))).collect();
    let crawl =
        Crawl::web(["a.test", "b.test"]).seeds(&urls).set("hosts", crate::support::crawl::table(&hosts));
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
    never_closer(&site, 6);
    let other: Duration = site.see(|view| view.gaps("b.test")).iter().sum();
    assert!(other < DELAY * 5, "the other host has no delay: {other:?}");
}

/// Asks eight hosts for twenty pages each; some answers end their connection.
fn many_hosts(host_concurrency: i64) -> (Site, Vec<String>) {
    let site = Site::new();
    let dice = Dice::of(9);
    site.otherwise(move |seen| {
        let answer = Answer::page(&seen.path).after(Duration::from_millis(dice.below(15)));
        if dice.chance(20) { answer.header("connection", "close") } else { answer }
    });
    let hosts: Vec<String> = (0..8).map(|n| format!("h{n}.test")).collect();
    let urls: Vec<String> = (0..20)
        .flat_map(|n| hosts.iter().map(move |host| (host, n)))
        .map(|(host, n)| site.at(host, &format!("/{n}")))
        .collect();
    let crawl = Crawl::web(&hosts)
        .seeds(&urls)
        .set("politeness.host_concurrency", host_concurrency)
        // Time for the server to notice that a connection has ended.
        .set("politeness.host_delay", "10ms");
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
    (site, hosts)
}

#[test]
fn one_connection_where_one_is_allowed() {
    let (site, hosts) = many_hosts(1);
    site.see(|view| {
        for host in &hosts {
            assert_eq!(view.max_in_flight_at(host), 1, "requests at once to {host}");
            assert_eq!(view.max_connections(host), 1, "open connections to {host}");
        }
        assert!(view.max_in_flight > 2, "the hosts were asked side by side");
    });
}

#[test]
fn never_three_connections_where_two_are_allowed() {
    let (site, hosts) = many_hosts(2);
    site.see(|view| {
        for host in &hosts {
            assert!(view.max_in_flight_at(host) <= 2, "requests at once to {host}");
            assert!(view.max_connections(host) <= 2, "open connections to {host}");
        }
    });
}

#[test]
fn a_connection_is_kept_where_nothing_ends_it() {
    let site = pages();
    let paths: Vec<String> = (0..20).map(|n| format!("/{n}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    patient(&site, &paths).set("politeness.host_delay", "0s").run().expect(0);
    let peers: std::collections::BTreeSet<_> =
        site.see(|view| view.log.iter().map(|seen| seen.peer).collect());
    assert_eq!(peers.len(), 1, "one at a time needs one connection");
}

#[test]
fn a_host_that_answers_slowly_is_asked_less_often() {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path).after(Duration::from_millis(200)));
    let throttle = crate::support::crawl::table("enabled = true\ntarget = 0.5\nmax_delay = '2s'");
    let urls: Vec<String> = (0..8).map(|n| site.at("a.test", &format!("/{n}"))).collect();
    let crawl = Crawl::web(["a.test"])
        .seeds(&urls)
        .set("politeness.host_concurrency", 1)
        .set("politeness.host_delay", "10ms")
        .set("politeness.autothrottle", throttle);
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
    // Half a request at once on average: after some answers there is about one answer's time between them.
    let last = *site.see(|view| view.gaps("a.test")).last().expect("gaps");
    assert!(last >= Duration::from_millis(400), "{last:?}");
}

#[test]
fn before_the_retry_of_a_page_that_was_the_last_of_its_host() {
    let site = pages();
    let count = std::sync::atomic::AtomicUsize::new(0);
    site.serve_with("/bad", move |_| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 | 1 => Answer::status(500),
        _ => Answer::page("Well"),
    });
    // The next try would be due after some milliseconds, when the host has nothing else to remember it by.
    patient(&site, &["/bad"]).run().expect(0);
    never_closer(&site, 4);
}

#[test]
fn before_the_robots_txt_of_another_host_that_moved_here() {
    let site = pages();
    let moved = Answer::redirect(302, &site.at("a.test", "/rules.txt")).after(Duration::from_millis(220));
    site.serve("//b.test/robots.txt", moved).serve("/rules.txt", Answer::text(""));
    let crawl = patient(&site, &["/1"]).set("politeness.obey_robots", true);
    let crawl = crawl.source(&format!("id = 'b'\ntype = 'urls'\nurls = ['{}']", site.at("b.test", "/1")));
    let hosts = crate::support::crawl::table("'a.test' = ['127.0.0.1']\n'b.test' = ['127.0.0.1']");
    crawl.set("http.resolve", hosts).run().expect(0);
    never_closer(&site, 3);
}

//! What is asked for again, how often, when, and what waits for it meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::crawl::table;
use crate::support::{Answer, Crawl, Gate, Site};

/// Answers the first `times` requests for a path with trouble.
fn ails(site: &Site, route: &str, times: usize, trouble: Answer) {
    let count = AtomicUsize::new(0);
    site.serve_with(route, move |seen| {
        let is_over = count.fetch_add(1, Ordering::SeqCst) >= times;
        if is_over { Answer::page(&seen.path) } else { trouble.clone() }
    });
}

fn site() -> Site {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path)).serve("/robots.txt", Answer::text(""));
    site
}

#[test]
fn the_statuses_of_the_table_are_asked_for_again() {
    let site = site();
    let again = [408, 425, 429, 500, 502, 503, 504];
    let (hosts, urls): (Vec<String>, Vec<String>) = again
        .iter()
        .map(|status| {
            let host = format!("s{status}.test");
            ails(&site, &format!("//{host}/page"), 2, Answer::status(*status));
            (host.clone(), site.at(&host, "/page"))
        })
        .unzip();
    let crawl = Crawl::web(&hosts).seeds(&urls);
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    for url in &urls {
        run.ends(url, "ok", None);
        assert_eq!(run.ending(url)["attempts"], 3, "{url}");
        assert_eq!(run.record(url)["fetch_attempts"], 3, "{url}");
    }
    assert_eq!(site.pages(), again.len() * 3);
}

#[test]
fn other_statuses_are_answers() {
    let site = site();
    let answers = [400, 401, 403, 404, 405, 410, 451, 501, 505];
    for status in answers {
        site.serve(&format!("/{status}"), Answer::status(status));
    }
    let urls: Vec<String> = answers.iter().map(|status| site.at("a.test", &format!("/{status}"))).collect();
    let crawl = Crawl::web(["a.test"]).seeds(with_a_good_page(&urls, &site));
    crawl.run().expect(0);
    let run = crawl.latest();
    for (status, url) in answers.iter().zip(&urls) {
        assert_eq!(site.hits_of(&format!("/{status}")), 1, "{status}");
        assert_eq!(run.ending(url)["attempts"], 1, "{status}");
        assert_eq!(run.ending(url)["status"], *status);
    }
}

/// A run in which nothing was good is not published.
fn with_a_good_page(urls: &[String], site: &Site) -> Vec<String> {
    urls.iter().cloned().chain([site.at("a.test", "/ok")]).collect()
}

#[test]
fn what_fails_on_the_way_is_asked_for_again() {
    let site = site();
    let gate = Gate::closed();
    ails(&site, "/reset", 2, Answer::reset());
    ails(&site, "/cut", 2, Answer::page("Half").cut());
    ails(&site, "/silent", 1, Answer::page("Never").behind(&gate));
    let urls = ["/reset", "/cut", "/silent"].map(|path| site.at("a.test", path));
    let crawl = Crawl::web(["a.test"]).seeds(&urls).set("http.timeout.read", "500ms");
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    assert_eq!(run.ended("ok").len(), 3, "{:?}", run.outcomes);
    assert_eq!(run.ending(&urls[1])["attempts"], 3);
    assert_eq!(run.ending(&urls[2])["attempts"], 2);
}

#[test]
fn a_failure_that_stays_ends_after_the_last_try() {
    let site = site();
    site.serve("/500", Answer::status(500)).serve("/cut", Answer::page("Half").cut());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let urls = [site.at("a.test", "/500"), site.at("a.test", "/cut"), format!("http://b.test:{free}/")];
    let crawl = Crawl::web(["a.test", "b.test"])
        .set("politeness.obey_robots", false)
        .set("retry.max_retries", 3)
        .seeds(with_a_good_page(&urls, &site));
    crawl.run().expect(0);
    let run = crawl.latest();
    for (url, outcome) in urls.iter().zip(["http_error", "network_error", "connect_error"]) {
        run.ends(url, outcome, None);
        assert_eq!(run.ending(url)["attempts"], 4, "{url}");
    }
    assert_eq!((site.hits_of("/500"), site.hits_of("/cut")), (4, 4));
}

#[test]
fn what_cannot_become_better_is_asked_for_once() {
    let site = site();
    site.serve("/large", Answer::bytes("text/html", vec![b'a'; 64 << 10]));
    site.serve("/206", Answer::status(206));
    let urls = [site.at("a.test", "/large"), site.at("a.test", "/206"), site.at("a.test", "/ok")];
    let crawl = Crawl::web(["a.test"]).seeds(&urls).set("http.max_body", "16KiB");
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    assert_eq!((run.outcome(&urls[0]), run.outcome(&urls[1])), ("too_large", "invalid_response"));
    assert_eq!(site.pages(), 3);
}

#[test]
fn what_waits_for_its_next_try_holds_no_place() {
    let site = site();
    ails(&site, "/bad", 1, Answer::status(500));
    let paths = ["/bad", "/1", "/2", "/3", "/4", "/5"];
    let crawl = Crawl::web(["a.test"])
        .seeds(paths.map(|path| site.at("a.test", path)))
        .set("politeness.max_concurrency", 1)
        .set("retry.backoff", table("initial = '3s'\nmax = '3s'\njitter = 0.0"));
    crawl.run().expect(0);
    let seen = site.see(|view| view.paths("a.test"));
    assert_eq!(seen, ["/robots.txt", "/bad", "/1", "/2", "/3", "/4", "/5", "/bad"]);
}

#[test]
fn each_wait_is_longer_than_the_one_before_up_to_the_most() {
    let site = site();
    ails(&site, "/bad", 4, Answer::status(500));
    let crawl = Crawl::web(["a.test"])
        .seeds([site.at("a.test", "/bad")])
        .set("retry.max_retries", 4)
        .set("retry.backoff", table("initial = '100ms'\nfactor = 2.0\nmax = '250ms'\njitter = 0.0"));
    crawl.run().expect(0);
    let gaps = site.see(|view| view.gaps("a.test"));
    for (gap, least) in gaps[1..].iter().zip([100, 200, 250, 250]) {
        assert!(*gap >= Duration::from_millis(least), "{gaps:?}");
    }
}

/// A host that says 503 and to wait; gives the arrivals after that answer, as times since it.
fn told_to_wait(
    header: impl Fn() -> String + Send + Sync + 'static,
    change: impl Fn(Crawl) -> Crawl,
) -> Vec<Duration> {
    let site = site();
    let count = AtomicUsize::new(0);
    site.serve_with("/busy", move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::status(503).header("retry-after", &header()),
        _ => Answer::page("Free"),
    });
    let urls = ["/busy", "/1", "/2"].map(|path| site.at("a.test", path));
    let crawl = Crawl::web(["a.test"]).seeds(&urls).set("politeness.host_concurrency", 1);
    let crawl = change(crawl);
    crawl.run().expect(0);
    assert_eq!(crawl.verify_exact(&urls).ended("ok").len(), 3);
    site.see(|view| {
        let arrivals = view.arrivals("a.test");
        let told = arrivals.iter().position(|seen| seen.path == "/busy").expect("it was asked");
        arrivals[told + 1..].iter().map(|seen| seen.at.duration_since(arrivals[told].at)).collect()
    })
}

#[test]
fn retry_after_in_seconds_is_waited_by_the_whole_host() {
    let after = told_to_wait(|| "2".to_owned(), |crawl| crawl);
    assert!(after.iter().all(|time| *time >= Duration::from_secs(2)), "{after:?}");
}

#[test]
fn retry_after_as_a_date_is_waited() {
    let date = || {
        let then = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
        then.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    };
    // A date has whole seconds: of four up to one is lost.
    let after = told_to_wait(date, |crawl| crawl);
    assert!(after.iter().all(|time| *time >= Duration::from_millis(2900)), "{after:?}");
}

#[test]
fn retry_after_has_a_bound() {
    let after = told_to_wait(|| "3600".to_owned(), |crawl| crawl.set("politeness.max_retry_after", "1500ms"));
    assert!(after[0] >= Duration::from_millis(1500), "{after:?}");
}

#[test]
fn retry_after_may_be_ignored() {
    let after =
        told_to_wait(|| "3600".to_owned(), |crawl| crawl.set("politeness.respect_retry_after", false));
    assert_eq!(after.len(), 3);
}

#[test]
fn too_many_requests_slow_a_host_down() {
    let after = told_to_wait(|| "0".to_owned(), |crawl| crawl.set("politeness.host_delay", "10ms"));
    // Even if it may be asked at once, its delay is doubled, and at least a second.
    assert!(after[0] >= Duration::from_secs(1), "{after:?}");
}

//! One host never costs another anything: a host that hangs, fails, is given up or is closed for now.

use std::time::Duration;

use crate::support::crawl::table;
use crate::support::{Answer, Crawl, Gate, Site};

#[test]
fn one_host_that_hangs_holds_up_none_of_two_hundred() {
    let site = Site::new();
    let gate = Gate::closed();
    let behind = gate.clone();
    site.otherwise(move |seen| {
        let answer = Answer::page(&seen.path);
        let hangs = seen.host == "h0.test" && seen.path != "/robots.txt";
        if hangs { answer.behind(&behind) } else { answer }
    });
    let hosts: Vec<String> = (0..200).map(|n| format!("h{n}.test")).collect();
    let urls: Vec<String> =
        hosts.iter().flat_map(|host| (0..4).map(|n| site.at(host, &format!("/{n}")))).collect();
    let crawl = Crawl::web(&hosts)
        .seeds(&urls)
        .set("politeness.max_concurrency", 8)
        .set("politeness.host_concurrency", 2);
    let running = crawl.spawn();
    site.wait_until("all other hosts to be through while one hangs", |view| {
        view.pages() == 199 * 4 + 2 && view.in_flight == 2
    });
    assert_eq!(site.see(|view| view.max_in_flight_at("h0.test")), 2);
    gate.open();
    running.wait().expect(0);
    crawl.verify_exact(&urls);
}

/// Was so: what was found while the last page of a host was in flight waited for its end.
#[test]
fn a_page_that_hangs_holds_up_no_other_of_its_host() {
    let site = Site::new();
    let gate = Gate::closed();
    site.serve("/robots.txt", Answer::text(""));
    site.serve("/", Answer::links("Start", ["/slow", "/1"]));
    site.serve("/slow", Answer::page("slow").behind(&gate));
    site.serve("/1", Answer::links("One", ["/2"])).serve("/2", Answer::page("Two"));
    let crawl = Crawl::web(["a.test"])
        .seeds([site.at("a.test", "/")])
        .set("scope.type", "host")
        .set("http.timeout", table("read = '5m'\ntotal = '5m'"));
    let running = crawl.spawn();
    site.wait_until("a link found meanwhile to be followed", |view| view.hits_of("/2") == 1);
    gate.open();
    running.wait().expect(0);
    crawl.verify_exact(["/", "/slow", "/1", "/2"].map(|path| site.at("a.test", path)));
}

#[test]
fn a_host_whose_robots_txt_hangs_holds_up_none() {
    let site = Site::new();
    let gate = Gate::closed();
    site.otherwise(|seen| Answer::page(&seen.path));
    site.serve("//slow.test/robots.txt", Answer::text("").behind(&gate));
    let hosts: Vec<String> = (0..40).map(|n| format!("h{n}.test")).chain(["slow.test".to_owned()]).collect();
    let urls: Vec<String> = hosts.iter().rev().map(|host| site.at(host, "/")).collect();
    let crawl = Crawl::web(&hosts).seeds(&urls).set("politeness.max_concurrency", 2);
    let running = crawl.spawn();
    site.wait_until("all other hosts to be through", |view| view.pages() == 40);
    gate.open();
    running.wait().expect(0);
    crawl.verify_exact(&urls);
}

/// A host that resets the first `failing` requests for pages, beside one that is well.
fn ailing(failing: usize) -> (Site, Vec<String>, Crawl) {
    let site = Site::new();
    let count = std::sync::atomic::AtomicUsize::new(0);
    site.serve("/robots.txt", Answer::text(""));
    site.otherwise(move |seen| {
        let ails =
            seen.host == "ill.test" && count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < failing;
        // A connection for each request: a reset of a used one is no failure of the host.
        if ails { Answer::reset() } else { Answer::page(&seen.path).header("connection", "close") }
    });
    let urls: Vec<String> =
        (0..12).flat_map(|n| ["ill.test", "well.test"].map(|host| site.at(host, &format!("/{n}")))).collect();
    let crawl = Crawl::web(["ill.test", "well.test"])
        .seeds(&urls)
        .set("politeness.host_concurrency", 1)
        .set("retry.max_retries", 9)
        .set("retry.host_failures", 3)
        .set("retry.host_pause", "200ms")
        .set("retry.host_probes", 2);
    (site, urls, crawl)
}

#[test]
fn a_host_that_fails_again_and_again_is_given_up() {
    let (site, urls, crawl) = ailing(usize::MAX);
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    let (ill, well): (Vec<&String>, Vec<&String>) = urls.iter().partition(|url| url.contains("ill.test"));
    assert!(well.iter().all(|url| run.outcome(url) == "ok"));
    assert!(ill.iter().all(|url| run.outcome(url) != "ok"));
    let asked = site.see(|view| view.paths("ill.test").len()) - 1;
    // Three failures, two probes; a reset may be tried once more at once.
    assert!((5..=10).contains(&asked), "asked {asked} times");
    let reasons = ill.iter().filter(|url| run.ending(url)["attempts"] == 0).count();
    assert!(reasons >= 7, "most were never asked for: {reasons}");
}

#[test]
fn a_host_that_recovers_is_taken_back() {
    let (site, urls, crawl) = ailing(4);
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    assert_eq!(run.ended("ok").len(), urls.len());
    let gaps = site.see(|view| view.gaps("ill.test"));
    assert!(gaps.iter().any(|gap| *gap >= Duration::from_millis(200)), "it was set aside: {gaps:?}");
}

/// The hours from `from` to `to` hours after now, in UTC.
fn hours(from: i64, to: i64) -> String {
    let now = jiff::Timestamp::now();
    let at = |hours: i64| (now + jiff::SignedDuration::from_hours(hours)).strftime("%H:%M").to_string();
    format!("{}-{}", at(from), at(to))
}

fn with_hours(hours: &str) -> (Site, [String; 4], Crawl) {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path));
    let urls = [("shop.test", "/1"), ("shop.test", "/2"), ("open.test", "/1"), ("open.test", "/2")]
        .map(|(host, path)| site.at(host, path));
    let hosts = format!("['shop.test:{}']\nallowed_hours = ['{hours}']", site.port());
    let crawl = Crawl::web(["shop.test", "open.test"]).seeds(&urls).set("hosts", table(&hosts));
    (site, urls, crawl)
}

#[test]
fn a_closed_host_is_not_asked_and_its_urls_stay() {
    let (site, urls, crawl) = with_hours(&hours(2, 4));
    let crawl = crawl.set("limits.max_duration", "2s");
    crawl.run().expect(3);
    let run = crawl.verify_exact(&urls[2..]);
    assert_eq!(run.summary["queued"], 2);
    assert_eq!(run.summary["finish_reason"], "limit_duration");
    assert_eq!(site.see(|view| view.paths("shop.test")), Vec::<String>::new(), "not even its robots.txt");
}

#[test]
fn an_open_host_is_asked() {
    let (_site, urls, crawl) = with_hours(&hours(-2, 2));
    crawl.run().expect(0);
    assert_eq!(crawl.verify_exact(&urls).ended("ok").len(), 4);
}

//! A robots.txt that is missing, broken, moved or out of reach: what becomes of the pages behind it.

use crate::support::{Answer, Crawl, Dataset, Gate, Site};

/// A host `a.test` whose robots.txt answers like this; `ok.test` beside it has none, so that the run has a page.
fn crawl(site: &Site, robots: impl Fn(usize) -> Answer + Send + Sync + 'static) -> (Crawl, [String; 3]) {
    let count = std::sync::atomic::AtomicUsize::new(0);
    site.otherwise(|seen| Answer::page(&seen.path));
    site.serve("//ok.test/robots.txt", Answer::status(404));
    site.serve_with("//a.test/robots.txt", move |_| {
        robots(count.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
    });
    let urls = [site.at("a.test", "/yes"), site.at("a.test", "/no"), site.at("ok.test", "/")];
    (Crawl::web(["a.test", "ok.test"]).seeds(&urls), urls)
}

/// Runs it and gives the outcomes of `/yes` and `/no`, and how often the robots.txt was asked for.
fn endings(
    policy: &str,
    robots: impl Fn(usize) -> Answer + Send + Sync + 'static,
) -> (String, String, usize) {
    let site = Site::new();
    let (crawl, urls) = crawl(&site, robots);
    let run = examined(&crawl.set("politeness.robots_on_5xx", policy), &urls);
    let asked = site.see(|view| view.paths("a.test").iter().filter(|path| *path == "/robots.txt").count());
    (run.outcome(&urls[0]).to_owned(), run.outcome(&urls[1]).to_owned(), asked)
}

fn examined(crawl: &Crawl, urls: &[String]) -> Dataset {
    crawl.run().expect(0);
    let run = crawl.verify_exact(urls);
    assert_eq!(run.outcome(&urls[2]), "ok", "another host's trouble is not ours");
    run
}

fn rules() -> Answer {
    Answer::text("User-agent: *\nDisallow: /no")
}

fn outcomes(yes: &str, no: &str, asked: usize) -> (String, String, usize) {
    (yes.to_owned(), no.to_owned(), asked)
}

#[test]
fn one_that_is_not_there_allows_all() {
    for status in [400, 401, 403, 404, 410, 418] {
        assert_eq!(endings("defer", move |_| Answer::status(status)), outcomes("ok", "ok", 1), "{status}");
    }
}

#[test]
fn a_server_error_is_waited_out() {
    let recovering = |n| if n < 2 { Answer::status(500) } else { rules() };
    assert_eq!(endings("defer", recovering), outcomes("ok", "skipped_robots", 3));
}

#[test]
fn a_server_error_that_stays_forbids_all() {
    let (yes, no, asked) = endings("defer", |_| Answer::status(500));
    assert_eq!((yes.as_str(), no.as_str()), ("skipped_robots", "skipped_robots"));
    assert!((2..=5).contains(&asked), "asked {asked} times");
}

#[test]
fn a_server_error_means_what_the_config_says() {
    let forbidden = endings("disallow", |_| Answer::status(500));
    assert_eq!((forbidden.0.as_str(), forbidden.1.as_str()), ("skipped_robots", "skipped_robots"));
    let allowed = endings("allow", |_| Answer::status(500));
    assert_eq!((allowed.0.as_str(), allowed.1.as_str()), ("ok", "ok"));
}

#[test]
fn why_all_is_forbidden_stands_in_the_outcome() {
    let site = Site::new();
    let (crawl, urls) = crawl(&site, |_| Answer::status(500));
    let run = examined(&crawl.set("politeness.robots_on_5xx", "disallow"), &urls);
    let reason = run.ending(&urls[0])["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("robots.txt") && reason.contains("500"), "{reason}");
}

#[test]
fn a_broken_answer_is_asked_for_again() {
    let torn = |n| if n == 0 { rules().cut() } else { rules() };
    let (yes, no, asked) = endings("defer", torn);
    assert_eq!((yes.as_str(), no.as_str()), ("ok", "skipped_robots"), "half of the rules are no rules");
    assert_eq!(asked, 2);
    let (yes, no, _) = endings("defer", |n| if n == 0 { Answer::reset() } else { rules() });
    assert_eq!((yes.as_str(), no.as_str()), ("ok", "skipped_robots"));
}

#[test]
fn silence_is_waited_out_like_a_server_error() {
    let site = Site::new();
    let gate = Gate::closed();
    let (crawl, urls) = crawl(&site, move |n| if n == 0 { rules().behind(&gate) } else { rules() });
    let crawl = crawl.set("http.timeout.read", "400ms");
    let run = examined(&crawl, &urls);
    assert_eq!((run.outcome(&urls[0]), run.outcome(&urls[1])), ("ok", "skipped_robots"));
}

/// A chain of so many redirects, the last of which leads to rules.
fn behind(redirects: usize) -> (Site, Dataset, [String; 3]) {
    let site = Site::new();
    for n in 1..redirects {
        site.serve(&format!("/r{n}.txt"), Answer::redirect(302, &format!("/r{}.txt", n + 1)));
    }
    site.serve(&format!("/r{redirects}.txt"), rules());
    let (crawl, urls) = crawl(&site, |_| Answer::redirect(301, "/r1.txt"));
    let run = examined(&crawl, &urls);
    (site, run, urls)
}

#[test]
fn five_redirects_are_followed() {
    let (site, run, urls) = behind(5);
    run.ends(&urls[0], "ok", None);
    run.ends(&urls[1], "skipped_robots", Some("robots.txt:2"));
    let way = ["/robots.txt", "/r1.txt", "/r2.txt", "/r3.txt", "/r4.txt", "/r5.txt"];
    assert_eq!(site.see(|view| view.paths("a.test"))[..6], way);
    assert_eq!(run.urls().len(), 3, "none of them is a URL of the run");
}

#[test]
fn the_sixth_redirect_leads_to_no_rules() {
    let (site, run, urls) = behind(6);
    assert_eq!((run.outcome(&urls[0]), run.outcome(&urls[1])), ("ok", "ok"));
    assert_eq!(site.hits_of("/r6.txt"), 0);
}

#[test]
fn a_circle_of_redirects_leads_to_no_rules() {
    let (yes, no, asked) = endings("defer", |_| Answer::redirect(302, "/robots.txt"));
    assert_eq!((yes.as_str(), no.as_str()), ("ok", "ok"));
    assert!(asked <= 6, "asked {asked} times");
}

#[test]
fn rules_at_another_host_are_rules() {
    let site = Site::new();
    let elsewhere = site.at("ok.test", "/rules-of-a.txt");
    site.serve("/rules-of-a.txt", rules());
    let (crawl, urls) = crawl(&site, move |_| Answer::redirect(301, &elsewhere));
    let run = examined(&crawl, &urls);
    assert_eq!((run.outcome(&urls[0]), run.outcome(&urls[1])), ("ok", "skipped_robots"));
}

#[test]
fn a_host_out_of_reach_ends_its_pages_as_such() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let site = Site::new();
    let (crawl, urls) = crawl(&site, |_| rules());
    let dead = [format!("http://a.test:{free}/1"), format!("http://a.test:{free}/2")];
    let nameless = ["http://nowhere.invalid/1".to_owned(), "http://nowhere.invalid/2".to_owned()];
    let crawl = crawl.source(&format!("id = 'dead'\ntype = 'urls'\nurls = {dead:?}"));
    let crawl = crawl.source(&format!("id = 'nameless'\ntype = 'urls'\nurls = {nameless:?}"));
    crawl.run().expect(0);
    let run = crawl.verify_exact(urls.iter().chain(&dead).chain(&nameless));
    assert!(dead.iter().all(|url| run.outcome(url) == "connect_error"));
    assert!(nameless.iter().all(|url| run.outcome(url) == "dns_error"));
    let reason = run.ending(&dead[0])["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("robots.txt"), "{reason}");
}

#[test]
fn one_that_is_larger_than_a_page_may_be_is_read() {
    let site = Site::new();
    let (crawl, urls) =
        crawl(&site, |_| Answer::text(format!("User-agent: *\nDisallow: /no\n#{}", "x".repeat(9000))));
    let run = examined(&crawl.set("http.max_body", "4KiB"), &urls);
    assert_eq!((run.outcome(&urls[0]), run.outcome(&urls[1])), ("ok", "skipped_robots"));
}

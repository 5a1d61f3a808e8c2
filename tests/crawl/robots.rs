//! robots.txt by RFC 9309: asked for first and once, obeyed by every way that leads to a page, named as the
//! rule that decided.

use std::time::Duration;

use crate::support::{Answer, Crawl, Site};

/// A site of one host `a.test` with this robots.txt and a page for every other path.
fn site(robots: &str) -> Site {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path)).serve("/robots.txt", Answer::text(robots));
    site
}

/// Crawls paths of `a.test` with a name of our own and gives those that got a record.
fn fetched(robots: &str, paths: &[&str]) -> Vec<String> {
    let site = site(robots);
    let urls: Vec<String> = paths.iter().map(|path| site.at("a.test", path)).collect();
    let crawl = Crawl::web(["a.test"]).seeds(&urls).set("http.user_agent", "My-Crawler/1.2 (+http://x.test)");
    let run = crawl.run();
    assert!(matches!(run.code, Some(0 | 4)), "{run}");
    let asked: Vec<String> = site.see(|view| view.paths("a.test"));
    assert_eq!(asked[0], "/robots.txt");
    paths.iter().filter(|path| asked[1..].iter().any(|seen| seen == *path)).map(ToString::to_string).collect()
}

#[test]
fn it_comes_first_and_once_at_every_host() {
    let site = site("User-agent: *\nDisallow: /no\n");
    let hosts: Vec<String> = (0..30).map(|n| format!("h{n}.test")).collect();
    let urls = hosts.iter().flat_map(|host| ["/a", "/no/b", "/c", "/d"].map(|path| site.at(host, path)));
    let urls: Vec<String> = urls.collect();
    let crawl = Crawl::web(&hosts).seeds(&urls);
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    for host in &hosts {
        let mut paths = site.see(|view| view.paths(host));
        assert_eq!(paths.remove(0), "/robots.txt", "{host}");
        paths.sort();
        assert_eq!(paths, ["/a", "/c", "/d"], "{host}");
        run.ends(&site.at(host, "/no/b"), "skipped_robots", Some(&site.at(host, "/robots.txt:2")));
    }
    assert!(run.urls().iter().all(|url| !url.ends_with("/robots.txt")), "it is no URL of the run");
}

#[test]
fn nothing_is_asked_before_it_is_answered() {
    let gate = crate::support::Gate::closed();
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path));
    site.serve("//slow.test/robots.txt", Answer::text("").behind(&gate));
    let urls: Vec<String> = (0..4)
        .flat_map(|n| ["slow.test", "quick.test"].map(|host| site.at(host, &format!("/{n}"))))
        .collect();
    let crawl = Crawl::web(["slow.test", "quick.test"]).seeds(&urls);
    let running = crawl.spawn();
    site.wait_until("the other host to be through", |view| view.paths("quick.test").len() == 5);
    assert_eq!(site.see(|view| view.paths("slow.test")), ["/robots.txt"]);
    gate.open();
    running.wait().expect(0);
    crawl.verify_exact(&urls);
}

#[test]
fn each_port_has_its_own() {
    let (open, closed) = (site(""), site("User-agent: *\nDisallow: /"));
    let urls = [open.at("a.test", "/x"), closed.at("a.test", "/x")];
    let crawl = Crawl::web(["a.test"]).seeds(&urls);
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    run.ends(&urls[0], "ok", None);
    run.ends(&urls[1], "skipped_robots", Some(":2"));
    assert_eq!(open.see(|view| view.paths("a.test")), ["/robots.txt", "/x"]);
    assert_eq!(closed.see(|view| view.paths("a.test")), ["/robots.txt"]);
}

#[test]
fn the_longest_rule_of_our_group_decides() {
    let both = &["/p/a", "/p/b", "/q"][..];
    assert_eq!(fetched("User-agent: *\nDisallow: /p\nAllow: /p/a", both), ["/p/a", "/q"]);
    assert_eq!(fetched("User-agent: *\nDisallow: /p\nAllow: /p", both), both, "allow wins a tie");
    assert_eq!(fetched("User-agent: *\nDisallow: /*b$", both), ["/p/a", "/q"]);
    assert_eq!(fetched("User-agent: *\nDisallow:", both), both);
    assert_eq!(fetched("\u{feff}User-agent: *\r\nDisallow: /q # why\r\n", both), ["/p/a", "/p/b"]);
    assert_eq!(fetched("<html><title>Not found</title>", both), both);
    assert_eq!(fetched("User-agent: *\nDisallow: /%70/a", both), ["/p/b", "/q"]);
}

#[test]
fn a_group_with_our_name_goes_before_the_one_for_all() {
    let robots = "User-agent: *\nDisallow: /\n\nUser-agent: my-crawler\nUser-agent: other\nDisallow: /p/a\n";
    assert_eq!(fetched(robots, &["/p/a", "/p/b"]), ["/p/b"]);
    let split = "User-agent: MY-CRAWLER\nDisallow: /a\n\nUser-agent: x\nDisallow: /\n\nUser-agent: my-crawler\nDisallow: /b";
    assert_eq!(fetched(split, &["/a", "/b", "/c"]), ["/c"], "groups with one name are one");
}

#[test]
fn only_the_first_500_kib_count() {
    let rules = format!("User-agent: *\nDisallow: /early\n#{}\nDisallow: /late\n", "x".repeat(600 << 10));
    assert_eq!(fetched(&rules, &["/early", "/late"]), ["/late"]);
}

#[test]
fn it_holds_for_links_and_for_targets_of_redirects() {
    let site = site("User-agent: *\nDisallow: /no\n");
    site.serve("/", Answer::links("Start", ["/no/link", "/moved"]));
    site.serve("/moved", Answer::redirect(302, "/no/target"));
    site.serve("//a.test/away", Answer::redirect(302, &site.at("b.test", "/no/abroad")));
    let seeds = [site.at("a.test", "/"), site.at("a.test", "/away")];
    let crawl = Crawl::web(["a.test", "b.test"]).seeds(&seeds).set("scope.type", "host");
    crawl.run().expect(0);
    let refused = [("a.test", "/no/link"), ("a.test", "/no/target"), ("b.test", "/no/abroad")];
    let mut urls = vec![seeds[0].clone(), seeds[1].clone(), site.at("a.test", "/moved")];
    urls.extend(refused.map(|(host, path)| site.at(host, path)));
    let run = crawl.verify_exact(&urls);
    for (host, path) in refused {
        run.ends(&site.at(host, path), "skipped_robots", Some(&site.at(host, "/robots.txt:2")));
    }
    assert_eq!(run.ended("redirected").len(), 2);
    assert_eq!(site.see(|view| view.paths("b.test")), ["/robots.txt"], "the other host's own was asked");
}

#[test]
fn a_job_may_say_not_to_ask() {
    let site = site("User-agent: *\nDisallow: /");
    let crawl = Crawl::web(["a.test"]).seeds([site.at("a.test", "/x")]).set("politeness.obey_robots", false);
    crawl.run().expect(0);
    assert_eq!(site.see(|view| view.paths("a.test")), ["/x"]);
}

#[test]
fn its_crawl_delay_is_kept() {
    let site = site("User-agent: *\nCrawl-delay: 0.3\n");
    let urls: Vec<String> = (0..5).map(|n| site.at("a.test", &format!("/{n}"))).collect();
    let crawl = Crawl::web(["a.test"]).seeds(&urls).set("politeness.host_concurrency", 1);
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
    let gaps = site.see(|view| view.gaps("a.test"));
    assert!(gaps.iter().all(|gap| *gap >= Duration::from_millis(300)), "{gaps:?}");

    site.forget();
    let crawl = Crawl::web(["a.test"]).seeds(&urls).set("politeness.obey_crawl_delay", false);
    let took = crawl.run().expect(0).took;
    let gaps = site.see(|view| view.gaps("a.test"));
    assert!(gaps.iter().any(|gap| *gap < Duration::from_millis(300)), "{gaps:?} in {took:?}");
}

#[test]
fn a_crawl_delay_longer_than_allowed_ends_the_host() {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path));
    site.serve("//slow.test/robots.txt", Answer::text("User-agent: *\nCrawl-delay: 3600"));
    let urls = [site.at("slow.test", "/a"), site.at("slow.test", "/b"), site.at("other.test", "/a")];
    let crawl = Crawl::web(["slow.test", "other.test"]).seeds(&urls).set("politeness.max_crawl_delay", "2s");
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    assert_eq!(run.ended("skipped_crawl_delay").len(), 2);
    assert_eq!(run.ending(&urls[0])["reason"].as_str().map(str::is_empty), Some(false));
    assert_eq!(site.see(|view| view.paths("slow.test")), ["/robots.txt"]);
}

#[test]
fn it_is_asked_for_again_when_it_is_too_old() {
    let site = site("");
    let urls: Vec<String> = (0..10).map(|n| site.at("a.test", &format!("/{n}"))).collect();
    let crawl = Crawl::web(["a.test"])
        .seeds(&urls)
        .set("politeness.host_concurrency", 1)
        .set("politeness.host_delay", "100ms")
        .set("politeness.robots_lifetime", "300ms");
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
    let asked = site.hits_of("/robots.txt");
    assert!((2..=5).contains(&asked), "asked {asked} times in about a second");
}

//! Webs grown from seeds: every URL ends as the oracle says, is asked for as often as it says, and no other is.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::support::web::Fate;
use crate::support::{Crawl, Dataset, Dice, Site, Web};

/// A web and the site that serves it.
pub fn web(seed: u64, count: usize) -> (Site, Arc<Web>) {
    let site = Site::new();
    let web = Arc::new(Web::grown(seed, count, site.port()));
    web.serve(&site);
    (site, web)
}

/// Checks that the published run is exactly what the oracle says, with its rules.
#[track_caller]
pub fn examine(crawl: &Crawl, fates: &BTreeMap<String, Fate>) -> Dataset {
    let dataset = crawl.verify_exact(fates.keys());
    for (url, fate) in fates {
        dataset.ends(url, fate.outcome, fate.rule.as_deref());
    }
    dataset
}

/// How often each address of the web was asked for, the robots.txt files left out.
pub fn asked(site: &Site) -> BTreeMap<String, usize> {
    let counts = site.see(crate::support::site::View::counts_by_host).into_iter();
    let counts = counts.filter(|((_, path), _)| !path.starts_with("/robots"));
    counts.map(|((host, path), count)| (site.at(&host, &path), count)).collect()
}

/// How often the oracle wants each address to be asked for.
pub fn wanted(fates: &BTreeMap<String, Fate>) -> BTreeMap<String, usize> {
    let counts = fates.iter().map(|(url, fate)| (url.clone(), Web::asked(fate)));
    counts.filter(|(_, count)| *count > 0).collect()
}

fn is_exact(seed: u64, count: usize) {
    let (site, web) = web(seed, count);
    let crawl = web.crawl();
    crawl.run().expect(0);
    let fates = web.oracle(|_| None);
    examine(&crawl, &fates);
    assert_eq!(asked(&site), wanted(&fates), "each URL as often as it should be, seed {seed}");
    site.see(|view| {
        for host in web.hosts_within() {
            let paths = view.paths(&host);
            assert_eq!(paths[0], "/robots.txt", "robots.txt comes first at {host}, seed {seed}");
            let again = paths.iter().filter(|path| *path == "/robots.txt").count();
            assert_eq!(again, 1, "robots.txt is asked for once at {host}, seed {seed}");
        }
        let outside: Vec<String> =
            view.hosts().into_iter().filter(|host| !web.hosts_within().contains(host)).collect();
        assert!(outside.is_empty(), "hosts outside of the scope were asked: {outside:?}");
    });
}

#[test]
fn small_webs_are_crawled_exactly() {
    for seed in 1..=6 {
        is_exact(seed, 40);
    }
}

#[test]
fn large_webs_are_crawled_exactly() {
    for seed in 101..=103 {
        is_exact(seed, 600);
    }
}

#[test]
fn a_web_that_was_never_seen_before_is_crawled_exactly() {
    is_exact(Dice::thrown("graph.rs").next(), 200);
}

#[test]
fn one_at_a_time_gives_the_same_as_many() {
    let (_site, web) = web(7, 120);
    let fates = web.oracle(|_| None);
    let contents = [1, 64].map(|concurrency| {
        let crawl = web.crawl().set("politeness.max_concurrency", concurrency);
        crawl.run().expect(0);
        examine(&crawl, &fates).contents()
    });
    assert_eq!(contents[0], contents[1]);
}

/// The oracle is a program, too: a small web by hand shows that it tells the kinds of endings apart.
#[test]
fn the_oracle_knows_every_ending() {
    let seen: std::collections::BTreeSet<&str> = (1..=6)
        .flat_map(|seed| web(seed, 120).1.oracle(|_| None).into_values())
        .map(|fate| fate.outcome)
        .collect();
    let all = ["gone", "http_error", "ok", "redirect_loop", "redirected", "skipped_robots", "skipped_scope"];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}

/// Nor may the spellings lead elsewhere than the oracle thinks, or it would blame the program.
#[test]
fn every_spelling_is_of_its_address() {
    for seed in 1..=20 {
        for (base, written, url) in web(seed, 100).1.links() {
            let read = url::Url::parse(&base).unwrap().join(&written).unwrap();
            let params = read.query_pairs().filter(|(name, _)| !name.starts_with("utm_"));
            let expected = url::Url::parse(&url).unwrap();
            let decoded =
                |url: &url::Url| percent_encoding::percent_decode_str(url.path()).collect::<Vec<u8>>();
            assert_eq!(decoded(&read), decoded(&expected), "{written} against {base}");
            assert!(params.eq(expected.query_pairs()), "{written} against {base}");
            assert_eq!(read.host_str().unwrap().trim_end_matches('.'), expected.host_str().unwrap());
            assert_eq!(read.port(), expected.port(), "{written} against {base}");
        }
    }
}

//! `limits.max_depth` is exact: which pages are reached does not hang on how slow single pages are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::support::{Answer, Crawl, Dice, Site};

const HOST: &str = "a.test";

/// The depth of each page that a graph of one host has below `max`, from page 0; deeper ones have `max + 1`.
fn depths(links: &[Vec<usize>], max: usize) -> BTreeMap<usize, usize> {
    let mut depths = BTreeMap::from([(0, 0)]);
    let mut level = vec![0];
    for depth in 1..=max + 1 {
        let next: BTreeSet<usize> = level.iter().flat_map(|page| links[*page].iter().copied()).collect();
        level = next.into_iter().filter(|page| !depths.contains_key(page)).collect();
        depths.extend(level.iter().map(|page| (*page, depth)));
    }
    depths
}

/// Crawls a graph whose pages answer as slowly as `slow` says, and demands the exact set and depths.
#[track_caller]
fn is_exact(links: &[Vec<usize>], max: usize, slow: impl Fn(usize) -> u64 + Send + Sync + 'static) {
    let site = Site::new();
    let graph = links.to_vec();
    site.serve("/robots.txt", Answer::text("")).otherwise(move |seen| {
        let page: usize = seen.path[1..].parse().expect("a page of the graph");
        let addresses = graph[page].iter().map(|to| format!("/{to}"));
        Answer::links(&seen.path, addresses).after(Duration::from_millis(slow(page)))
    });
    let crawl = Crawl::web([HOST])
        .seeds([site.at(HOST, "/0")])
        .set("scope.type", "host")
        .set("politeness.host_concurrency", 8)
        .set("limits.max_depth", max as i64);
    crawl.run().expect(0);
    let depths = depths(links, max);
    let run = crawl.verify_exact(depths.keys().map(|page| site.at(HOST, &format!("/{page}"))));
    for (page, depth) in depths {
        let url = site.at(HOST, &format!("/{page}"));
        if depth <= max {
            assert_eq!(run.record(&url)["depth"], depth, "{url}");
        } else {
            run.ends(&url, "skipped_depth", Some(&crawl.place("max_depth")));
            assert_eq!(site.hits_of(&format!("/{page}")), 0, "{url}");
        }
    }
}

/// The short way to page 4 leads over page 1, the long one over 2 and 3.
fn two_ways() -> Vec<Vec<usize>> {
    vec![vec![1, 2], vec![4], vec![3], vec![4], vec![5], vec![6], vec![7], vec![]]
}

#[test]
fn the_short_way_counts_though_it_is_slow() {
    for max in 0..=5 {
        is_exact(&two_ways(), max, |page| if page == 1 { 300 } else { 0 });
    }
}

#[test]
fn the_short_way_counts_though_the_long_one_is_slow() {
    is_exact(&two_ways(), 3, |page| if page == 2 || page == 3 { 150 } else { 0 });
}

#[test]
fn any_graph_at_any_pace() {
    let dice = Dice::thrown("depth.rs");
    for _ in 0..6 {
        let pages = 60;
        let links = (0..pages).map(|page| {
            let near = (0..dice.below(3)).map(|_| (page + 1 + dice.index(4)).min(pages - 1));
            near.chain((0..dice.below(2)).map(|_| dice.index(pages))).collect()
        });
        let links: Vec<Vec<usize>> = links.collect();
        let pace = Dice::of(dice.next());
        is_exact(&links, 1 + dice.index(5), move |_| pace.below(40));
    }
}

#[test]
fn a_redirect_is_no_step() {
    let site = Site::new();
    site.serve("/0", Answer::links("0", ["/r"])).serve("/r", Answer::redirect(302, "/1"));
    site.serve("/1", Answer::links("1", ["/2"])).serve("/2", Answer::links("2", ["/3"]));
    let crawl =
        Crawl::web([HOST]).seeds([site.at(HOST, "/0")]).set("scope.type", "host").set("limits.max_depth", 2);
    crawl.run().expect(0);
    let urls = ["/0", "/r", "/1", "/2", "/3"].map(|path| site.at(HOST, path));
    let run = crawl.verify_exact(&urls);
    assert_eq!(run.record(&urls[2])["depth"], 1);
    run.ends(&urls[4], "skipped_depth", None);
}

/// The target of a redirect is as near as what redirects to it, and what it leads to is nearer than by the long way.
#[test]
fn a_slow_redirect_is_the_short_way() {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path)).serve("/robots.txt", Answer::text(""));
    site.serve("/0", Answer::links("0", ["/r", "/1"])).serve("/1", Answer::links("1", ["/2"]));
    site.serve("/2", Answer::links("2", ["/x"])).serve("/x", Answer::links("x", ["/y"]));
    let slow = Duration::from_millis(300);
    site.serve("/r", Answer::redirect(302, "/q").after(slow))
        .serve("/q", Answer::links("q", ["/x"]).after(slow));
    site.serve("/y", Answer::links("y", ["/z"]));
    let crawl = Crawl::web([HOST])
        .seeds([site.at(HOST, "/0")])
        .set("scope.type", "host")
        .set("politeness.host_concurrency", 2)
        .set("limits.max_depth", 3);
    crawl.run().expect(0);
    let urls = ["/0", "/r", "/1", "/2", "/q", "/x", "/y", "/z"].map(|path| site.at(HOST, path));
    let run = crawl.verify_exact(&urls);
    assert_eq!(run.record(&site.at(HOST, "/x"))["depth"], 2);
    assert_eq!(run.record(&site.at(HOST, "/y"))["depth"], 3);
    run.ends(&site.at(HOST, "/z"), "skipped_depth", None);
}

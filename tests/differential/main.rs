//! Titles and links of whole pages against trees: a full `scraper` parse for the title, `html5ever` with scripting off for
//! the links, over 2,000 generated pages.
//!
//! `TRAWL_BENCH_PAGES=DIR cargo test --release --test differential -- --nocapture` takes the HTML files below a directory
//! instead and prints what differs. There a tree may know better where it throws tags away or moves them, and where a
//! page is given up because it costs too much: fewer than one link in a thousand, and no title.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a test fails by them, and says what it saw")]

#[allow(dead_code, clippy::expect_used, clippy::cast_precision_loss, reason = "the pages of the benches")]
#[path = "../../benches/throughput/corpus.rs"]
mod corpus;

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use html5ever::driver::{ParseOpts, parse_document};
use html5ever::tendril::TendrilSink;
use html5ever::tree_builder::TreeBuilderOpts;
use scraper::{Html, HtmlTreeSink, Selector};
use trawl::model::{Normalize, canonical};
use trawl::parse::{Page, parse};
use url::Url;

/// What pages came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Findings {
    pages: usize,
    titles: usize,
    links: usize,
    /// Pages whose title differs, with both.
    other_titles: Vec<String>,
    /// Links that only the tree has, or only the scanner, with the page's number.
    missing: Vec<String>,
    surplus: Vec<String>,
}

fn compare(number: usize, body: &[u8], found: &mut Findings) {
    let url = Url::parse("http://site.example/library/index.html").expect("a URL");
    let page = Page {
        url: &url,
        content_type: Some("text/html; charset=utf-8"),
        content_language: None,
        robots_tag: None,
        normalize: &Normalize::default(),
        asked: None,
    };
    let parsed = parse(&page, body);
    let text = String::from_utf8_lossy(body);
    let title = full_title(&text);
    found.pages += 1;
    found.titles += usize::from(title.is_some());
    if parsed.title != title {
        found.other_titles.push(format!("{number}: {:?}, a tree has {title:?}", parsed.title));
    }
    let expected = tree_links(&text, &url);
    found.links += expected.values().sum::<usize>();
    let mut ours: BTreeMap<String, usize> = BTreeMap::new();
    for link in parsed.links.iter() {
        *ours.entry(link.url.to_owned()).or_default() += 1;
    }
    let lacks = |one: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>| -> Vec<String> {
        let fewer = one.iter().filter(|(link, count)| other.get(*link).copied().unwrap_or(0) < **count);
        fewer.map(|(link, _)| format!("{number}: {link}")).collect()
    };
    found.missing.extend(lacks(&expected, &ours));
    found.surplus.extend(lacks(&ours, &expected));
}

/// The title of a full parse, its white space collapsed.
fn full_title(text: &str) -> Option<String> {
    let html = Html::parse_document(text);
    let titles = Selector::parse("title").expect("a selector");
    let title =
        html.select(&titles).find(|title| &*title.value().name.ns == "http://www.w3.org/1999/xhtml")?;
    let words = title.text().collect::<String>();
    let words = words.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    (!words.is_empty()).then_some(words)
}

/// The links of a tree that was built with scripting off, and how often each occurs.
fn tree_links(text: &str, page: &Url) -> BTreeMap<String, usize> {
    let tree_builder = TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
    let options = ParseOpts { tree_builder, ..ParseOpts::default() };
    let html = parse_document(HtmlTreeSink::new(Html::new_document()), options).one(text);
    let first = |selector: &str, name: &str| {
        let selector = Selector::parse(selector).expect("a selector");
        html.select(&selector).next().and_then(|element| element.attr(name).map(str::to_owned))
    };
    let base =
        first("base[href]", "href").and_then(|base| page.join(&base).ok()).unwrap_or_else(|| page.clone());
    let anchors = Selector::parse("a[href], area[href]").expect("a selector");
    let mut links = BTreeMap::new();
    for element in html.select(&anchors) {
        if let Ok(link) = canonical(element.attr("href").unwrap_or_default(), Some(&base)) {
            *links.entry(String::from(link)).or_default() += 1;
        }
    }
    links
}

#[test]
fn titles_and_links_are_those_of_trees() {
    let mut pages = corpus::Corpus::of(2_000, 0).real;
    // A small directory is gone through again and again.
    let mut seen = BTreeSet::new();
    pages.retain(|page| seen.insert(page.as_ptr()));
    let share = pages.len().div_ceil(2);
    let found = thread::scope(|scope| {
        let work = |(part, pages): (usize, &[bytes::Bytes])| {
            let mut found = Findings::default();
            pages.iter().zip(part * share..).for_each(|(page, number)| compare(number, page, &mut found));
            found
        };
        let parts: Vec<_> =
            pages.chunks(share).enumerate().map(|part| scope.spawn(move || work(part))).collect();
        let mut all = Findings::default();
        for part in parts {
            let part = part.join().expect("a thread");
            all.pages += part.pages;
            all.titles += part.titles;
            all.links += part.links;
            all.other_titles.extend(part.other_titles);
            all.missing.extend(part.missing);
            all.surplus.extend(part.surplus);
        }
        all
    });
    println!("{} pages, {} titles, {} links", found.pages, found.titles, found.links);
    for (what, all) in [
        ("titles that differ", &found.other_titles),
        ("missing", &found.missing),
        ("surplus", &found.surplus),
    ] {
        println!("{what}: {}", all.len());
        all.iter().take(40).for_each(|one| println!("  {one}"));
    }
    assert_eq!(found.other_titles, [""; 0]);
    assert!(found.titles > 0 && found.links > 0, "there was something to compare");
    let differ = found.missing.len() + found.surplus.len();
    if std::env::var_os("TRAWL_BENCH_PAGES").is_some() {
        assert!(differ * 1_000 < found.links, "{differ} of {} links differ", found.links);
    } else {
        assert_eq!(differ, 0, "links differ on generated pages");
    }
}

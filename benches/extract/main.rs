//! What extraction costs: a page parsed with ten CSS fields against one full `scraper` parse of the same page, as a
//! ratio. Says nothing of the network or the disk.
//!
//! `cargo bench --bench extract [-- FILE...]`: generated pages, and HTML files that are named.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints, and ends where it cannot go on"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use scraper::Html;
use trawl::model::Normalize;
use trawl::parse::{Asked, Page, RuleSettings, Rules, parse};
use url::Url;

/// How often a page is parsed in each way; the least time counts.
const ROUNDS: usize = 60;

const RULE: &str = "
id = 'r'
fields.title = { css = 'h1' }
fields.author = { css = '.byline a', attr = 'href', type = 'url' }
fields.when = { css = 'time', attr = 'datetime', type = 'datetime' }
fields.price = { css = '.price', regex = '([0-9.]+)', type = 'float' }
fields.tags = { css = '.tag', many = true }
fields.lead = { css = 'article > p:first-child' }
fields.images = { css = 'article img', attr = 'src', type = 'url', many = true }
fields.missing = { css = '#sidebar .none' }
fields.headings = { css = 'h2, h3', many = true }
fields.body = { css = 'article', html = true }
";

/// The least that a tree is built for.
const ONE: &str = "id = 'r'\nfields.missing = { css = '#none' }";

fn main() {
    let mut pages: Vec<(String, String)> = [8, 60, 400]
        .map(|paragraphs| (format!("generated, {paragraphs} paragraphs"), generated(paragraphs)))
        .into();
    for path in std::env::args().skip(1).filter(|arg| !arg.starts_with("--")) {
        let body = std::fs::read(&path).expect("the file can be read");
        pages.push((path, String::from_utf8_lossy(&body).into_owned()));
    }
    let settings: RuleSettings = toml::from_str(RULE).expect("a rule");
    let (rules, wrongs) = Rules::compile(&[settings], &str::to_owned);
    assert!(wrongs.is_empty(), "{wrongs:?}");
    let (one, _) = Rules::compile(&[toml::from_str(ONE).expect("a rule")], &str::to_owned);
    println!(
        "{:<40} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7} {:>7}",
        "page", "bytes", "scraper", "plain", "one", "ten", "ratio", "whole"
    );
    for (name, body) in &pages {
        let full = least(|| drop(black_box(Html::parse_document(black_box(body)))));
        let plain = least(|| drop(black_box(parse(&page(None), black_box(body.as_bytes())))));
        let single = Asked { rules: &one, url: "https://x.example/a", source: "s" };
        let single = least(|| drop(black_box(parse(&page(Some(single)), black_box(body.as_bytes())))));
        let asked = Asked { rules: &rules, url: "https://x.example/a", source: "s" };
        let whole = least(|| drop(black_box(parse(&page(Some(asked)), black_box(body.as_bytes())))));
        let fields = whole.saturating_sub(plain);
        let ratio = |time: Duration| time.as_secs_f64() / full.as_secs_f64();
        println!(
            "{:<40} {:>9} {:>7}us {:>7}us {:>7}us {:>7}us {:>7.2} {:>7.2}",
            name.chars().rev().take(40).collect::<Vec<_>>().into_iter().rev().collect::<String>(),
            body.len(),
            full.as_micros(),
            plain.as_micros(),
            single.saturating_sub(plain).as_micros(),
            fields.as_micros(),
            ratio(fields),
            ratio(whole),
        );
    }
}

fn page(asked: Option<Asked<'_>>) -> Page<'_> {
    static BASE: std::sync::LazyLock<(Url, Normalize)> = std::sync::LazyLock::new(|| {
        (Url::parse("https://x.example/a").expect("a URL"), Normalize::default())
    });
    let (url, normalize) = &*BASE;
    Page {
        url,
        content_type: Some("text/html; charset=utf-8"),
        content_language: None,
        robots_tag: None,
        normalize,
        asked,
    }
}

fn least(mut work: impl FnMut()) -> Duration {
    let time = |_| {
        let began = Instant::now();
        work();
        began.elapsed()
    };
    (0..ROUNDS).map(time).min().unwrap_or_default()
}

/// An article with a menu, tags and paragraphs full of links.
fn generated(paragraphs: usize) -> String {
    let mut page =
        "<!doctype html><html lang=en><head><title>T</title></head><body><ul class=menu>".to_owned();
    for n in 0..40 {
        let _ = write!(
            page,
            "<li class='item level{}'><a href=\"/menu/{n}\" title=\"Menu entry {n}\">Entry {n}</a></li>",
            n % 3
        );
    }
    page.push_str("</ul><main><h1>A title</h1><div class=byline>By <a href=/staff/1>Ann</a></div><time datetime=2026-11-21>today</time><article>");
    for n in 0..paragraphs {
        if n % 8 == 0 {
            let _ = write!(page, "<h2 id=s{n}>Section {n}</h2><img src=/i/{n}.png alt='' class='wide left'>");
        }
        let _ = write!(page, "<p class='text p{n}'>");
        for word in 0..12 {
            let _ = write!(
                page,
                "Some words of text that say little, <a class=ref href=\"/p/{n}/{word}\">a link {word}</a> and <em>more</em>. "
            );
        }
        page.push_str("</p>");
    }
    page.push_str("</article><span class=tag>a</span><span class=tag>b</span><b class=price>EUR 12.50</b></main></body></html>");
    page
}

//! Parsing alone, in one thread, without network or disk: title and absolute links of the pages by this crate, by one pass of
//! `lol_html`, and by a whole `scraper` tree. Each round times every parser on every page, in turn.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use trawl::model::Normalize;
use trawl::parse::{Page, parse};
use url::Url;

use crate::bare;

/// A parser, by its name.
type Parser<'a> = (&'static str, &'a dyn Fn(&[u8]));

/// The time that each parser takes for all pages: the least of some rounds.
pub fn table(pages: &[Bytes], rounds: usize) -> Vec<(&'static str, Duration)> {
    let url = Url::parse("http://site.example/library/index.html").expect("a URL");
    let normalize = Normalize::default();
    let ours = |body: &[u8]| {
        let page = Page {
            url: &url,
            content_type: Some("text/html; charset=utf-8"),
            content_language: None,
            robots_tag: None,
            normalize: &normalize,
            asked: None,
        };
        drop(black_box(parse(&page, body)));
    };
    let resolved = |(title, hrefs): bare::Said| drop(black_box((title, bare::resolved(&url, &hrefs))));
    let parsers: [Parser<'_>; 3] = [
        ("trawl", &ours),
        ("lol_html", &|body| resolved(bare::lol_html(body))),
        ("scraper", &|body| resolved(bare::scraper(body))),
    ];
    let mut least = [Duration::MAX; 3];
    for _ in 0..rounds {
        for ((_, parser), least) in parsers.iter().zip(&mut least) {
            let began = Instant::now();
            for page in pages {
                parser(page);
            }
            *least = began.elapsed().min(*least);
        }
    }
    parsers.iter().zip(least).map(|((name, _), time)| (*name, time)).collect()
}

//! One test for each job. The address of the site is the only thing that is changed in them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::example_site::{EXAMPLES, ExampleSite, text_of};
use crate::support::{Crawl, Dataset};

/// The rows of a CSV file without quoted line breaks, below its head.
fn rows(crawl: &Crawl, sink: &str) -> Vec<String> {
    let dir = crawl.path("out/latest").join(sink);
    let parts = fs::read_dir(&dir).expect("a sink").map(|part| part.expect("part").path());
    let mut parts: Vec<PathBuf> =
        parts.filter(|part| part.extension().is_some_and(|ext| ext == "csv")).collect();
    parts.sort();
    let text: Vec<String> = parts.iter().map(|part| fs::read_to_string(part).expect("a part")).collect();
    text.iter().flat_map(|text| text.lines().skip(1)).map(str::to_owned).collect()
}

/// The most requests that were under way at once, by what the records say of their times.
fn most_at_once(run: &Dataset) -> usize {
    let moment = |record: &Value| -> i64 {
        let text = record["fetch_time"].as_str().expect("a time");
        text.parse::<jiff::Timestamp>().expect("RFC 3339").as_millisecond()
    };
    let took = |record: &Value| record["fetch_duration_ms"].as_i64().expect("milliseconds");
    let times: Vec<(i64, i64)> = run
        .recorded()
        .into_iter()
        .map(|url| run.record(url))
        .map(|record| (moment(record), moment(record) + took(record)))
        .collect();
    let under_way = |at: i64| times.iter().filter(|(begin, end)| *begin <= at && at < *end).count();
    times.iter().map(|(begin, _)| under_way(*begin)).max().unwrap_or_default()
}

#[test]
fn each_example_is_valid_and_has_a_test() {
    let names: BTreeSet<String> = fs::read_dir(EXAMPLES)
        .expect("examples")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    let tests =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/jobs.rs")).expect("this");
    let docs =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples.md")).expect("the page");
    for name in names {
        Crawl::of(&text_of(&name)).trawl(&["validate"]).expect(0);
        assert!(tests.matches(&format!("(\"{name}\")")).count() > 0, "no test runs `{name}`");
        assert!(docs.contains(&format!("examples/{name}.toml")), "docs/examples.md does not name `{name}`");
    }
}

#[test]
fn a_news_site() {
    let site = ExampleSite::start();
    let (crawl, run) = site.run("news");
    assert_eq!((run.recorded().len(), run.ended("listed").len()), (12, 3));
    let article = run.record(&site.url("/news/2026/2"));
    assert_eq!(
        article["fields"],
        json!({
            "title": "Calw opens its bridge no. 2", "author": "C. Herbst", "published": "2026-11-07T07:30:00.000Z",
        })
    );
    let text = article["text"].as_str().expect("main text");
    for part in ["After 2 years of work the people of Calw", "lamps that follow those who walk by."] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("Subscribe") && !text.contains("All rights"), "{text}");
    let row = format!(
        "{},Calw opens its bridge no. 2,C. Herbst,2026-11-07T07:30:00.000Z",
        site.url("/news/2026/2")
    );
    let rows = rows(&crawl, "table");
    assert!(rows.contains(&row) && rows.len() == 12, "{rows:?}");
}

#[test]
fn a_product_listing() {
    let site = ExampleSite::start();
    let (_, run) = site.run("products");
    let pages = ["/shop/", "/shop/?page=2", "/shop/?page=3"].map(|path| site.url(path));
    let products: Vec<&Value> = pages
        .iter()
        .flat_map(|url| run.record(url)["fields"]["products"].as_array().expect("a list"))
        .collect();
    assert_eq!((run.recorded().len(), products.len()), (3, 25));
    assert_eq!(
        *products[11],
        json!({ "sku": "P012", "name": "Kettle no. 12", "price": 1491.35, "stock": "sold out" })
    );
}

#[test]
fn a_json_api_page_by_page() {
    let site = ExampleSite::start();
    let (_, run) = site.run("api");
    let pages = [1, 2, 3].map(|page| site.url(&format!("/api/items?page={page}")));
    assert_eq!(run.recorded(), pages.iter().map(String::as_str).collect());
    let items: Vec<&Value> =
        pages.iter().flat_map(|url| run.record(url)["fields"]["items"].as_array().expect("a list")).collect();
    let ids: Vec<u64> = items.iter().map(|item| item["id"].as_u64().expect("a number")).collect();
    assert_eq!(ids, (1..=25).collect::<Vec<_>>());
    assert_eq!(*items[1], json!({ "id": 2, "name": "Kettle no. 2", "price": 256.85, "tags": ["home", "2"] }));
}

#[test]
fn a_folder_of_local_files() {
    let crawl = Crawl::of(&text_of("folder"));
    crawl.run().expect(0);
    let run = crawl.latest();
    let pages = run.recorded();
    assert!(pages.len() >= 5 && pages.iter().all(|url| url.starts_with("file:///")), "{pages:?}");
    assert_eq!(rows(&crawl, "table").len(), pages.len());
    let packed = fs::read(crawl.path("out/latest/packed/part-00000.jsonl.zst")).expect("a part");
    let text = String::from_utf8(zstd::decode_all(&packed[..]).expect("zstd")).expect("UTF-8");
    assert_eq!(text.lines().count(), pages.len());
}

#[test]
fn many_at_once_and_their_lengths() {
    let site = ExampleSite::start();
    let (crawl, _) = site.run("lengths");
    let expected: BTreeSet<String> = [1_000, 20_000, 300_000]
        .map(|size| format!("{},{size}", site.url(&format!("/length/{size}"))))
        .into();
    assert_eq!(rows(&crawl, "lengths").into_iter().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn so_many_at_a_time() {
    let site = ExampleSite::start();
    let (_, run) = site.run("n-at-a-time");
    assert_eq!((run.recorded().len(), most_at_once(&run)), (9, 3));
}

#[test]
fn pages_saved_to_a_folder() {
    let site = ExampleSite::start();
    let (crawl, run) = site.run("save-pages");
    assert_eq!(run.recorded().len(), 12);
    let index = fs::read_to_string(crawl.path("out/latest/pages/index/part-00000.jsonl")).expect("the index");
    assert_eq!(index.lines().count(), 12);
    for line in index.lines() {
        let entry: Value = serde_json::from_str(line).expect("JSON");
        let path = crawl.path("out/latest").join(entry["path"].as_str().expect("a path"));
        let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(page.contains("opens its bridge"), "{entry}");
    }
}

#[test]
fn bad_pages_among_good_ones() {
    let site = ExampleSite::start();
    let (_, run) = site.run("some-are-bad");
    let expected = [
        ("/news/2026/1", "ok"),
        ("/bad/404", "gone"),
        ("/bad/500", "http_error"),
        ("/bad/loop", "redirect_loop"),
        ("/private/diary", "skipped_robots"),
        ("/news/2026/2", "ok"),
    ];
    for (path, outcome) in expected {
        assert_eq!(run.outcome(&site.url(path)), outcome, "{path}");
    }
    assert_eq!(run.urls().len(), expected.len());
}

#[test]
fn slow_pages_are_given_up() {
    let site = ExampleSite::start();
    let (_, run) = site.run("time-out");
    assert_eq!(run.ended("timeout"), BTreeSet::from([site.url("/slow/30000").as_str()]));
    assert_eq!(run.recorded().len(), 2);
}

#[test]
fn a_run_goes_on_where_the_last_one_ended() {
    let site = ExampleSite::start();
    let crawl = site.job("stop-and-continue");
    let mut all = BTreeSet::new();
    for _ in 0..3 {
        // A limit ended it.
        crawl.run().expect(3);
        let run = crawl.latest();
        assert_eq!(run.recorded().len(), 4);
        all.extend(run.recorded().into_iter().map(str::to_owned));
    }
    assert_eq!(all, (1..=12).map(|n| site.url(&format!("/news/2026/{n}"))).collect());
}

#[test]
fn json_endpoints_in_one_table() {
    let site = ExampleSite::start();
    let (crawl, _) = site.run("json-endpoints");
    let mut rows = rows(&crawl, "table");
    rows.sort();
    let expected = ["mail", "search", "shop"]
        .map(|name| format!("{name},true,{}", site.url(&format!("/api/status/{name}"))));
    assert_eq!(rows, expected);
}

#[test]
fn one_at_a_time_or_all_at_once() {
    let site = ExampleSite::start();
    let (crawl, together) = site.run("one-or-all");
    assert!(most_at_once(&together) > 1, "together");
    crawl.trawl(&["run", "config.toml", "--set", "politeness.max_concurrency=1"]).expect(0);
    assert_eq!(most_at_once(&crawl.latest()), 1, "one by one");
}

//! What rules take by a switch, in the records of a finished run and in what `trawl extract` prints.

use serde_json::{Value, json};

use crate::records::html;
use crate::support::{Crawl, Site};

const PAGE: &str = r#"<!doctype html><html><head><title>Tides</title><base href="/sea/">
<meta name="description" content="On tides"><meta name="author" content="Sam">
<meta property="og:title" content="Notes on tides"><meta property="og:image" content="moon.jpg">
<meta property="article:published_time" content="2026-03-01T10:00:00+01:00"><meta name="twitter:card" content="summary">
<script type="application/ld+json">{"@type": "Article", "dateModified": "2026-03-02", "publisher": {"name": "Sea notes"}}</script>
<script type="application/ld+json">{"@type": </script></head><body>
<nav><a href="/">Start</a> <a href="/all">All the notes</a></nav>
<article itemscope itemtype="https://schema.org/Article"><h1 itemprop="headline">Notes on <i>tides</i></h1>
<p>The tide comes twice a day, and yet never at the same time. Each one is about fifty minutes later than the day before.</p>
<img itemprop="image" src="bay.jpg" alt="The bay" width="640" height="480">
<h2>Springs</h2><p itemprop="about">When sun and moon pull in one line, the water rises higher: a spring tide.</p></article>
<div class="comments"><p>Thank you, this is the first explanation of the fifty minutes that I have understood.</p></div>
</body></html>"#;

/// A site of one page, and a job with both switches.
fn tides() -> (Site, Crawl) {
    let site = Site::new();
    site.serve("/tides", html(PAGE));
    let crawl =
        Crawl::new().seeds([site.url("/tides")]).rule("id = 'r'\nmain_text = true\nstructured_data = true");
    (site, crawl)
}

fn check(record: &Value, site: &Site) {
    let image = site.url("/sea/bay.jpg");
    let about = "When sun and moon pull in one line, the water rises higher: a spring tide.";
    let text = format!(
        "Notes on tides\nThe tide comes twice a day, and yet never at the same time. Each one is about fifty minutes later \
         than the day before.\nSprings\n{about}"
    );
    assert_eq!((&record["text"], &record["word_count"]), (&json!(text), &json!(43)));
    assert_eq!(
        (&record["content_languages"], &record["content_languages_source"]),
        (&json!(["en"]), &json!("detected"))
    );
    assert_eq!(record["description"], "On tides");
    assert_eq!(
        record["structured"],
        json!({
            "site_name": "Sea notes", "author": "Sam", "published": "2026-03-01T09:00:00.000Z",
            "modified": "2026-03-02T00:00:00.000Z",
            "open_graph": {
                "og:title": ["Notes on tides"], "og:image": ["moon.jpg"],
                "article:published_time": ["2026-03-01T10:00:00+01:00"],
            },
            "twitter": { "twitter:card": ["summary"] },
            "json_ld": [{ "@type": "Article", "dateModified": "2026-03-02", "publisher": { "name": "Sea notes" } }],
            "microdata": [{
                "type": ["https://schema.org/Article"],
                "properties": { "headline": ["Notes on tides"], "image": [image], "about": [about] },
            }],
            "headings": [{ "level": 1, "text": "Notes on tides" }, { "level": 2, "text": "Springs" }],
            "images": [{ "url": image, "alt": "The bay", "width": 640, "height": 480 }],
        })
    );
    assert_eq!(
        record["extract_warnings"],
        json!(["rule `r`: JSON-LD is not read: EOF while parsing a value at line 1 column 10"])
    );
}

#[test]
fn both_switches_in_a_record() {
    let (site, crawl) = tides();
    crawl.run().expect(0);
    let run = crawl.verify_exact([site.url("/tides")]);
    check(run.record(&site.url("/tides")), &site);
}

#[test]
fn both_switches_for_one_page() {
    let (site, crawl) = tides();
    let ran = crawl.trawl(&["extract", &site.url("/tides")]).expect(0);
    check(&serde_json::from_str(&ran.stdout).expect("JSON"), &site);
}

#[test]
fn without_the_switches_there_is_nothing() {
    let (site, crawl) = tides();
    let other = Crawl::new().seeds([site.url("/tides")]).rule("id = 'r'\nfields.a = { css = 'h1' }");
    other.run().expect(0);
    let record = &other.latest().records[0];
    for name in ["text", "word_count", "structured", "content_languages_source"] {
        assert_eq!(record[name], Value::Null, "{name}");
    }
    crawl
        .rule("id = 'l'\nemit = false\nstructured_data = true")
        .trawl(&["validate"])
        .expect(78)
        .says("structured_data");
}

#[test]
fn the_schema_of_records_knows_them() {
    let (_site, crawl) = tides();
    let ran = crawl.trawl(&["schema", "records"]).expect(0);
    let schema: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let names: Vec<&String> =
        schema["$defs"]["Structured"]["properties"].as_object().expect("properties").keys().collect();
    assert_eq!(
        names,
        [
            "site_name",
            "author",
            "published",
            "modified",
            "open_graph",
            "twitter",
            "json_ld",
            "microdata",
            "headings",
            "images"
        ]
    );
    assert_eq!(schema["properties"]["word_count"]["type"], json!(["integer", "null"]));
}

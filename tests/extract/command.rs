//! `trawl extract` and what else speaks of rules: errors of a config, the schema of records.

use serde_json::{Value, json};

use crate::records::newspaper;
use crate::support::{Answer, Crawl};

#[test]
fn a_page_is_extracted_by_itself() {
    let (site, crawl) = newspaper();
    let crawl = crawl.set("politeness.obey_robots", true);
    site.serve("/robots.txt", Answer::text("User-agent: *\nDisallow: /news/2\n"));
    let ran = crawl.trawl(&["extract", &site.url("/news/1")]).expect(0);
    let record: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((&record["fields"]["title"], &record["extract_rule"]), (&json!("Title 1"), &json!("article")));
    let title = ran.stderr.lines().find(|line| line.starts_with("title")).expect("a row");
    assert_eq!(title.split_whitespace().collect::<Vec<_>>(), ["title", "h1", "1", "Title", "1"]);
    assert_eq!(site.pages(), 1);

    let refused = crawl.trawl(&["extract", &site.url("/news/2")]).expect(1).says("skipped_robots");
    assert_eq!(refused.stdout, "");
    crawl.trawl(&["extract", &site.url("/news/2"), "--force"]).expect(0);
    crawl.trawl(&["extract", &site.url("/news/3")]).expect(1).says("the required field `title` has no value");
    crawl.trawl(&["extract", &site.url("/nothing")]).expect(1).says("gone");
    crawl.trawl(&["extract", &site.url("/about")]).expect(0).says("no rule is for");
    let forced = crawl.trawl(&["extract", &site.url("/about"), "--rule", "article"]).expect(0);
    assert!(forced.stdout.contains("\"title\": \"About\""), "{forced}");
    crawl.trawl(&["extract", &site.url("/about"), "--rule", "x"]).expect(2).says("no rule has the id `x`");
    assert!(!crawl.path("store").exists() && !crawl.path("out").exists(), "nothing is left behind");
}

#[test]
fn a_local_file_belongs_to_the_source_that_lists_it() {
    let crawl = Crawl::new()
        .seeds(["http://127.0.0.1:9/"])
        .write("in/a.html", "<a href=b>x</a><i>7,5</i><i>y</i>")
        .source("id = 'files'\ntype = 'files'\npaths = ['in/*.html']\nbase_url = 'https://docs.example/'")
        .rule("id = 'r'\nmatch = { source = 'files' }\nfields.u = { css = 'a', attr = 'href', type = 'url' }\nfields.n = { css = 'i', type = 'float', many = true }");
    let ran = crawl.trawl(&["extract", "in/a.html"]).expect(0);
    let record: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(record["fields"], json!({ "u": "https://docs.example/b", "n": [] }));
    assert!(ran.stderr.contains("`7,5` is no `float` (1 more)"), "{ran}");
}

#[test]
fn redirects_are_followed_and_robots_asked_once() {
    let (site, crawl) = newspaper();
    let crawl = crawl.set("politeness.obey_robots", true);
    site.serve("/old", Answer::redirect(301, "/news/1"));
    let ran = crawl.trawl(&["extract", &site.url("/old")]).expect(0);
    let record: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(
        (&record["url"], &record["redirects"]),
        (&json!(site.url("/news/1")), &json!([site.url("/old")]))
    );
    assert_eq!((site.hits(), site.pages()), (3, 2));
}

#[test]
fn wrong_rules_are_refused_with_their_place() {
    let crawl = Crawl::new()
        .seeds(["http://127.0.0.1:9/"])
        .rule("id = 'r'\nfields.a = { css = 'p:' }\nfields.b = { css = 'p', type = 'number' }")
        .rule("id = 'r'\nmatch = { url = '(' }\nfields.a = { attr = 'x' }");
    let ran = crawl.trawl(&["validate"]).expect(78);
    for words in [
        "`extract[0].fields.b.type` must be one of",
        "`r` is already the id of extract[0]",
        "`(` is no regex: unclosed group",
        "`a` has neither `css` nor `json`",
        "`p:` is no CSS selector",
    ] {
        assert!(ran.stderr.contains(words), "{words}: {ran}");
    }
    assert_eq!(ran.stderr.matches("config.toml:").count(), 6, "each with its place {ran}");
}

#[test]
fn the_schema_of_records_knows_the_fields() {
    let (_site, crawl) = newspaper();
    crawl.run().expect(0);
    let ran = crawl.trawl(&["schema", "records", "--config", "config.toml"]).expect(0);
    let schema: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let kinds = schema["properties"]["fields"]["anyOf"].as_array().expect("kinds");
    assert_eq!(kinds.len(), 2, "the rule with records, and no rule");
    assert_eq!(kinds[0]["title"], "article");
    let of = |name: &str| kinds[0]["properties"][name].clone();
    assert_eq!(of("title"), json!({ "type": "string" }));
    assert_eq!(of("when"), json!({ "type": ["string", "null"], "format": "date-time" }));
    assert_eq!(of("tags"), json!({ "type": "array", "items": { "type": "string" } }));
    assert_eq!(of("rating"), json!({ "type": "number" }));
    let names: Vec<&str> =
        kinds[0]["required"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
    for record in crawl.latest().records.iter().filter(|record| record["extract_rule"] == "article") {
        assert!(record["fields"].as_object().expect("fields").keys().eq(names.iter()), "{record}");
    }
}

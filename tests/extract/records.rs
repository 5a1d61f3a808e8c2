//! Fields in the records of finished runs: a news site, a shop, an API page by page, local files, and a run that is
//! killed again and again.

use serde_json::{Value, json};

use crate::support::{Answer, Crawl, Dataset, Site};

/// A page.
pub fn html(body: &str) -> Answer {
    Answer::bytes("text/html; charset=utf-8", body.to_owned())
}

/// A small newspaper: a front page, articles, one of them without a title.
pub fn newspaper() -> (Site, Crawl) {
    let site = Site::new();
    let article = |number: usize, title: &str| {
        format!(
            "<!doctype html><title>T{number}</title><article><h1>{title}</h1><p class=by>By <a href='/staff/{number}'>Ann</a></p>\
             <time datetime='2026-11-2{number}T08:00:00+01:00'></time><div class=body><p>One &amp; <b>two</b>.</p></div>\
             <span class=tag>sea</span><span class=tag>wind</span><i class=words>1.20{number}</i></article>"
        )
    };
    let front = "<a href=/news/1>1</a><a href=/news/2>2</a><a href=/news/3>3</a><a href=/about>about</a>";
    site.serve("/", html(front));
    for number in 1..=2 {
        site.serve(&format!("/news/{number}"), html(&article(number, &format!(" Title\n {number} "))));
    }
    site.serve("/news/3", html(&article(3, " ")));
    site.serve("/about", html("<h1>About</h1>"));
    let crawl = Crawl::new()
        .seeds([site.url("/")])
        .set("scope.type", "host")
        .rule(
            "id = 'article'
            match = { url = '/news/' }
            fields.title = { css = 'h1', required = true }
            fields.author = { css = '.by a', attr = 'href', type = 'url' }
            fields.when = { css = 'time', attr = 'datetime', type = 'datetime' }
            fields.words = { css = '.words', type = 'int', decimal = ',' }
            fields.tags = { css = '.tag', many = true }
            fields.body = { css = '.body', html = true }
            fields.rating = { css = '.stars', type = 'float', default = 0 }",
        )
        .rule("id = 'front'\nmatch = { url = '/$' }\nemit = false");
    (site, crawl)
}

/// The keys of an object, in their order.
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn a_newspaper() {
    let (site, crawl) = newspaper();
    crawl.run().expect(0);
    let urls = ["/", "/news/1", "/news/2", "/news/3", "/about"].map(|path| site.url(path));
    let staff = [1, 2, 3].map(|number| site.url(&format!("/staff/{number}")));
    // The links of a page count, also where it is listed or rejected.
    let run = crawl.verify_exact(urls.iter().chain(&staff));
    assert_eq!(run.ended("gone").len(), 3);
    let record = run.record(&urls[1]);
    assert_eq!(
        record["fields"],
        json!({
            "title": "Title 1", "author": site.url("/staff/1"), "when": "2026-11-21T07:00:00.000Z", "words": 1201,
            "tags": ["sea", "wind"], "body": "<p>One &amp; <b>two</b>.</p>", "rating": 0.0,
        })
    );
    assert_eq!(keys(&record["fields"]), ["title", "author", "when", "words", "tags", "body", "rating"]);
    assert_eq!((&record["extract_rule"], &record["extract_warnings"]), (&json!("article"), &json!([])));
    let about = run.record(&urls[4]);
    assert_eq!((&about["fields"], &about["extract_rule"]), (&json!({}), &Value::Null));
    let listed = run.ending(&urls[0]);
    assert_eq!(
        (listed["outcome"].as_str(), listed["rule"].as_str().map(|rule| rule.starts_with("config.toml:"))),
        (Some("listed"), Some(true))
    );
    let rejected = run.ending(&urls[3]);
    assert_eq!(rejected["outcome"], "rejected");
    assert_eq!(rejected["reason"], "rule `article`: the required field `title` has no value");
    assert!(
        rejected["rule"].as_str().unwrap().starts_with(&crawl.place("[extract.fields.title]")),
        "{rejected}"
    );
}

#[test]
fn a_shop_with_rows() {
    let site = Site::new();
    let rows = "<table><tr class=row id=a><td class=name>Lamp</td><td class=price>1.299,50 EUR</td></tr>\
        <tr class=row id=b><td class=name>Rope</td><td class=price>on request</td></tr><tr class=row><td>ad</td></tr></table>";
    site.serve("/list", html(rows));
    let crawl = Crawl::new().seeds([site.url("/list")]).rule(
        "id = 'list'
        [fields.items]
        each = '.row'
        fields.id = { css = ':scope', attr = 'id' }
        fields.name = { css = '.name', required = true }
        fields.price = { css = '.price', regex = '([0-9.,]+|on .*)', type = 'float', decimal = ',' }",
    );
    crawl.run().expect(0);
    let run = crawl.verify_exact([site.url("/list")]);
    let record = run.record(&site.url("/list"));
    assert_eq!(
        record["fields"],
        json!({ "items": [{ "id": "a", "name": "Lamp", "price": 1299.5 }, { "id": "b", "name": "Rope", "price": null }] })
    );
    assert_eq!(
        record["extract_warnings"],
        json!([
            "rule `list`, field `items.price`: `on request` is no `float`",
            "rule `list`, field `items`: left out where `items.name` has no value",
        ])
    );
}

/// An API of so many pages, each of which names the next one.
fn api(pages: usize) -> (Site, Crawl, Vec<String>) {
    let site = Site::new();
    let urls: Vec<String> = (1..=pages).map(|page| site.url(&format!("/api?page={page}"))).collect();
    for page in 1..=pages {
        let next = if page < pages { json!(format!("?page={}", page + 1)) } else { Value::Null };
        let body = json!({ "page": page, "next": next, "items": [{ "name": format!("n{page}"), "price": "1.5" }, { "name": "x" }] });
        let answer = Answer::bytes("application/json", body.to_string());
        site.serve(&format!("/api?page={page}"), answer);
    }
    let crawl = Crawl::new().seeds([&urls[0]]).set("scope.type", "host").rule(
        "id = 'api'
        match = { content_type = 'application/json' }
        links = { json = '$.next' }
        fields.page = { json = '$.page', type = 'int' }
        fields.names = { json = '$.items[*].name', many = true }
        [fields.items]
        json = '$.items[?@.price]'
        fields.price = { json = '$.price', type = 'float' }",
    );
    (site, crawl, urls)
}

#[test]
fn an_api_is_followed_from_page_to_page() {
    let (site, crawl, urls) = api(12);
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    assert_eq!(site.hits(), 12);
    let third = run.record(&urls[2]);
    assert_eq!(third["fields"], json!({ "page": 3, "names": ["n3", "x"], "items": [{ "price": 1.5 }] }));
    assert_eq!((&third["depth"], &third["links"]), (&json!(2), &json!([{ "url": urls[3], "rel": null }])));
}

/// The fields and warnings of all records, sorted.
fn fields(run: &Dataset) -> Vec<String> {
    let line = |record: &Value| format!("{} {}", record["fields"], record["extract_warnings"]);
    let mut lines: Vec<String> = run.records.iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn a_run_that_is_killed_has_the_same_fields() {
    let (_site, crawl, urls) = api(30);
    crawl.run().expect(0);
    let whole = fields(&crawl.verify_exact(&urls));
    for kill_at in [2, 9, 23] {
        let (site, crawl, urls) = api(30);
        let crawl = crawl.set("checkpoint.records", 4);
        assert!(crawl.run_killed_at(&site, kill_at).was_killed());
        crawl.run().expect(0);
        assert_eq!(fields(&crawl.verify_exact(&urls)), whole, "killed at request {kill_at}");
    }
}

#[test]
fn other_rules_are_refused_while_a_run_is_unfinished() {
    let (site, crawl, _) = api(30);
    assert!(crawl.run_killed_at(&site, 5).was_killed());
    let other = crawl.rule("id = 'more'\nmatch = { url = 'never' }");
    other.run().expect(78).says("extract");
}

#[test]
fn local_files_of_all_kinds() {
    let crawl = Crawl::new()
        .write("in/page.html", "<h1>Ä</h1><a class=more href=sub/x>more</a><script type='application/ld+json'>{\"@graph\": [{\"sku\": 7}]}</script>")
        .write("in/feed.xml", "<rss><item><pubDate>Sat, 21 Nov 2026 02:00:00 GMT</pubDate></item></rss>")
        .write("in/data.json", "{\"a\": {\"b\": [1, null, \"2\", \"x\"]}}")
        .write("in/note.txt", "nothing")
        .source("id = 'files'\ntype = 'files'\npaths = ['in/*']\nbase_url = 'https://docs.example/'")
        .rule("id = 'page'\nmatch = { content_type = 'text/html' }\nfields.h = { css = 'h1' }\nfields.more = { css = '.more', attr = 'href', type = 'url' }\nfields.sku = { json = '$.sku', from = 'json_ld', type = 'string' }")
        .rule("id = 'feed'\nmatch = { glob = 'file:///**/*.xml' }\nfields.days = { css = 'item > pubDate', type = 'date', many = true }")
        .rule("id = 'data'\nmatch = { content_type = 'application/*' }\nfields.b = { json = '$.a.b[*]', type = 'int', many = true }")
        .rule("id = 'rest'\nfields.none = { css = 'p' }");
    crawl.run().expect(0);
    let run = crawl.latest();
    let of = |end: &str| {
        run.records.iter().find(|record| record["url"].as_str().unwrap().ends_with(end)).expect(end)
    };
    assert_eq!(
        of("page.html")["fields"],
        json!({ "h": "Ä", "more": "https://docs.example/sub/x", "sku": "7" })
    );
    assert_eq!(of("feed.xml")["fields"], json!({ "days": ["2026-11-21"] }));
    assert_eq!(of("data.json")["fields"], json!({ "b": [1, 2] }));
    assert_eq!(of("data.json")["extract_warnings"], json!(["rule `data`, field `b`: `x` is no `int`"]));
    assert_eq!(of("note.txt")["fields"], json!({ "none": null }));
    assert_eq!(of("note.txt")["extract_warnings"], json!(["rule `rest`: the page has no elements"]));
}

//! Exports that a config asks for: made before the run is published, whatever happened on the way.

use std::fs;
use std::path::PathBuf;

use crate::reading::{check_parquet, check_sqlite, listed, query};
use crate::support::{Answer, Crawl, Dataset, Site};

/// Records of a part, so that a run has several.
pub const PAGES: usize = 30;

/// Places at which a process dies, from the end of the crawl to the publication.
const PLACES: [&str; 9] = [
    "publish.finished",
    "export.part",
    "export.written",
    "export.made",
    "export.part:2",
    "export.written:2",
    "export.made:2",
    "publish.manifest",
    "publish.renamed",
];

/// A shop of products, some without a price.
pub fn shop() -> (Site, Crawl) {
    let site = Site::new();
    let front: String = (0..PAGES).map(|n| format!("<a href=/p/{n}>{n}</a>")).collect();
    for n in 0..PAGES {
        let price = if n % 3 == 0 { String::new() } else { format!("<b>{n}.50</b>") };
        let page = format!(
            "<!doctype html><title>P {n} \u{2603}</title><h1>Product {n}</h1>{price}<i>{n}</i><time>2026-11-{:02}</time>\
             <em>a{n}</em><em>b</em><ul><li><a href=/o/{n}>offer</a><s>1.{n}</s></li><li><a>other</a></li></ul>",
            n % 28 + 1
        );
        site.serve(&format!("/p/{n}"), Answer::bytes("text/html; charset=utf-8", page));
    }
    site.serve("/", Answer::bytes("text/html", front));
    let crawl = job(&site);
    (site, crawl)
}

/// A new job over it.
fn job(site: &Site) -> Crawl {
    Crawl::new()
        .seeds([site.url("/")])
        .set("scope.type", "host")
        .set("scope.exclude", vec!["/o/"])
        .set("checkpoint.records", 8)
        .rule(
            "id = 'product'
            match = { url = '/p/' }
            fields.name = { css = 'h1', required = true }
            fields.price = { css = 'b', type = 'float' }
            fields.number = { css = 'i', type = 'int' }
            fields.cheap = { css = 'i', regex = '^(0|1)$', type = 'bool' }
            fields.day = { css = 'time', type = 'date' }
            fields.moment = { css = 'time', type = 'datetime' }
            fields.marks = { css = 'em', many = true }
            fields.link = { css = 'li a', attr = 'href', type = 'url' }
            fields.offers = { each = 'li', fields.text = { css = 'a' }, fields.cost = { css = 's', type = 'float' } }",
        )
}

/// What the columns of its fields are.
pub const TYPES: [(&str, &str); 9] = [
    ("name", "text?"),
    ("price", "float?"),
    ("number", "int?"),
    ("cheap", "bool?"),
    ("day", "date?"),
    ("moment", "moment?"),
    ("marks", "[text?]?"),
    ("link", "text?"),
    ("offers", "[{text text?, cost float?}?]?"),
];

fn with_exports(crawl: Crawl) -> Crawl {
    crawl
        .export("id = 'shop'\ntype = 'sqlite'\npath = 'tables/shop.db'")
        .export("id = 'table'\ntype = 'parquet'")
}

/// Holds every export of a run against its records.
#[track_caller]
fn check(crawl: &Crawl) -> Dataset {
    let run = crawl.latest();
    assert_eq!(run.records.len(), PAGES + 1);
    check_sqlite(&listed(&run, "tables/shop.db", PAGES + 1), &run.records);
    check_parquet(&listed(&run, "table.parquet", PAGES + 1), &run.records, &TYPES);
    crawl.trawl(&["verify"]).expect(0);
    run
}

/// What two runs over the same pages share.
fn rows(run: &Dataset) -> Vec<String> {
    let sql = "SELECT url, content_digest, title, name, position, type, value FROM records LEFT JOIN fields USING (record_id)";
    let rows = query(&run.dir.join("tables/shop.db"), sql);
    let mut rows: Vec<String> =
        rows.into_iter().map(|row| serde_json::Value::Object(row).to_string()).collect();
    rows.sort();
    rows
}

#[test]
fn a_run_has_its_exports_in_the_manifest() {
    let (_site, crawl) = shop();
    let crawl = with_exports(crawl);
    crawl.run().expect(0);
    let run = check(&crawl);
    let kinds = query(
        &run.dir.join("tables/shop.db"),
        "SELECT name, type, typeof(value) AS cell FROM fields WHERE value IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1",
    );
    let kinds: Vec<[&str; 3]> =
        kinds.iter().map(|row| ["name", "type", "cell"].map(|name| row[name].as_str().unwrap())).collect();
    assert_eq!(
        kinds,
        [
            ["cheap", "bool", "integer"],
            ["day", "date", "text"],
            ["link", "string", "text"],
            ["marks", "string", "text"],
            ["moment", "datetime", "text"],
            ["name", "string", "text"],
            ["number", "int", "integer"],
            ["offers", "object", "text"],
            ["price", "float", "real"],
        ]
    );
}

#[test]
fn a_run_that_was_killed_while_it_exported_equals_an_undisturbed_one() {
    let (site, crawl) = shop();
    let crawl = with_exports(crawl);
    crawl.run().expect(0);
    let whole = rows(&check(&crawl));
    for place in PLACES {
        let crawl = with_exports(job(&site)).env("TRAWL_CRASH_AT", place);
        assert!(crawl.run().was_killed(), "{place} is never passed");
        let crawl = crawl.without_env();
        crawl.run().expect(0);
        let run = check(&crawl);
        assert_eq!(rows(&run), whole, "{place}");
        assert_eq!(leftovers(&run.dir), [] as [PathBuf; 0], "{place}");
    }
}

fn leftovers(dir: &std::path::Path) -> Vec<PathBuf> {
    let below = crate::support::dataset::below(dir);
    below.into_iter().filter(|path| path.to_string_lossy().contains(".writing")).collect()
}

#[test]
fn an_export_that_fails_does_not_keep_the_records() {
    let (_site, crawl) = shop();
    let crawl =
        with_exports(crawl).export("id = 'more'\ntype = 'sqlite'").env("TRAWL_CRASH_AT", "publish.finished");
    assert!(crawl.run().was_killed());
    let crawl = crawl.without_env();
    let partial = crawl.path("out/runs").join(&crawl.runs()[0]);
    // Somebody changes a byte of a record, and its length stays what was committed.
    let part = partial.join("records/part-00000.jsonl");
    let text = fs::read_to_string(&part).expect("records");
    fs::write(&part, text.replacen("\"depth\":1", "\"depth\":x", 1)).expect("changed");
    let line = 1 + text.lines().position(|line| line.contains("\"depth\":1")).expect("a line");
    let ran = crawl.run().expect(74).says(&format!("records/part-00000.jsonl:{line}"));
    assert_eq!(ran.stderr.matches("published without an export").count(), 3, "{ran}");
    let run = fs::canonicalize(crawl.path("out/latest")).expect("published");
    assert!(run.join("_SUCCESS").exists());
    assert!(!run.join("tables/shop.db").exists() && !run.join("table.parquet").exists());
    assert_eq!(leftovers(&run), [] as [PathBuf; 0]);
    let summary = fs::read_to_string(run.join("summary.json")).expect("summary");
    assert!(summary.contains("\"exit_code\": 74"), "{summary}");
    // The line that was changed is all that is wrong.
    crawl.trawl(&["verify"]).expect(14).says("expected value");
    crawl.trawl(&["export", "--to", "sqlite=x.db"]).expect(74).says("expected value");
    assert!(!crawl.path("x.db").exists());
    // Mended, it can be made later.
    let part = run.join("records/part-00000.jsonl");
    fs::write(&part, text).expect("mended");
    crawl.trawl(&["export", "--to", "sqlite=x.db", "--to", "parquet=x.parquet"]).expect(0);
    check_sqlite(&crawl.path("x.db"), &crawl.latest().records);
    check_parquet(&crawl.path("x.parquet"), &crawl.latest().records, &TYPES);
}

#[test]
fn an_export_may_not_change_while_a_run_is_unfinished_and_none_is_left_over() {
    let (_site, crawl) = shop();
    let crawl = with_exports(crawl).env("TRAWL_CRASH_AT", "journal.synced");
    assert!(crawl.run().was_killed());
    let other = crawl.without_env().export("id = 'more'\ntype = 'sqlite'");
    other.run().expect(78).says("`exports[2]");

    // After the crawl it may, and what an earlier process has made under another name goes.
    let (_site, crawl) = shop();
    let crawl = with_exports(crawl).env("TRAWL_CRASH_AT", "export.made:2");
    assert!(crawl.run().was_killed());
    let crawl = crawl.without_env().set("exports", toml::Value::Array(Vec::new()));
    let crawl = crawl.export("id = 'late'\ntype = 'sqlite'");
    crawl.run().expect(0);
    let run = crawl.latest();
    assert!(!run.dir.join("tables/shop.db").exists() && !run.dir.join("table.parquet").exists());
    check_sqlite(&listed(&run, "late.sqlite", PAGES + 1), &run.records);
    crawl.trawl(&["verify"]).expect(0);
}

#[test]
fn a_run_without_records_has_no_exports() {
    let site = Site::new();
    let crawl = with_exports(Crawl::new().seeds([site.url("/gone")]));
    crawl.run().expect(4);
    let failed = crawl.path("out/runs").join(&crawl.runs()[0]);
    assert!(failed.join("manifest.json").exists() && !failed.join("tables").exists());
}

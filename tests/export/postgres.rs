//! The export `postgres`, against a real server: typed rows, exactly once whatever happened, and never an older record in
//! place of a newer one.

use serde_json::Value;

use crate::runs::{PAGES, shop};
use crate::support::machine::could_not_run;
use crate::support::postgres::Postgres;
use crate::support::{Answer, Crawl, Dataset};

/// A server, or the word that there is none. Where others rely on it, it must be there.
fn server() -> Option<Postgres> {
    match Postgres::start() {
        Ok(server) => Some(server),
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "{why}");
            could_not_run("the export to PostgreSQL", &why);
            None
        }
    }
}

fn with_table(crawl: Crawl, server: &Postgres) -> Crawl {
    crawl
        .env("TEST_DATABASE", &server.url())
        .export("id = 'db'\ntype = 'postgres'\nurl = { env = 'TEST_DATABASE' }\ntable = 'crawl_records'")
}

/// Holds the table against the records of a run.
#[track_caller]
fn check(server: &Postgres, table: &str, run: &Dataset) {
    let rows = server.query(&format!("SELECT to_jsonb(t) FROM {table} t ORDER BY url"));
    let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).expect("JSON")).collect();
    let mut records: Vec<&Value> = run.records.iter().collect();
    records.sort_by_key(|record| record["url"].as_str().expect("text").as_bytes().to_vec());
    assert_eq!(rows.len(), records.len());
    for (row, record) in rows.iter().zip(records) {
        for (name, value) in record.as_object().expect("an object") {
            let found = &row[name];
            let same = match name.as_str() {
                // The same moment, written as the server does.
                "fetch_time" => moment(found) == moment(value),
                _ => found == value,
            };
            assert!(same, "{name}: {found} and not {value}");
        }
    }
}

fn moment(value: &Value) -> jiff::Timestamp {
    value.as_str().expect("text").parse().expect("a moment")
}

#[test]
fn a_table_has_typed_rows() {
    let Some(server) = server() else { return };
    let (site, crawl) = shop();
    site.serve("/p/5", Answer::bytes("text/html", "<title>tab\there \\N \\.</title><h1>\\x</h1><i>5</i>"));
    let crawl = with_table(crawl, &server);
    crawl.run().expect(0);
    check(&server, "crawl_records", &crawl.latest());
    let sql = "SELECT fields->>'name', (fields->>'price')::float8, fields->'marks'->>0, pg_typeof(fetch_time), title
        FROM crawl_records WHERE url LIKE '%/p/4' OR url LIKE '%/p/5' ORDER BY url";
    let expected = "Product 4|4.5|a4|timestamp with time zone|P 4 \u{2603}\n\\x|||timestamp with time zone|tab here \\N \\.";
    assert_eq!(server.query(sql), expected);
    let parts = server.query("SELECT count(*) > 0, sum(records) FROM crawl_records_parts");
    assert_eq!(parts, format!("t|{}", PAGES + 1));
}

#[test]
fn each_part_is_loaded_once_whoever_was_killed() {
    let Some(server) = server() else { return };
    let (_site, crawl) = shop();
    let mut crawl = with_table(crawl, &server);
    for place in ["export.copied", "export.loaded", "publish.manifest", "publish.renamed"] {
        crawl = crawl.env("TRAWL_CRASH_AT", place);
        assert!(crawl.run().was_killed(), "{place}");
        crawl = crawl.without_env().env("TEST_DATABASE", &server.url());
        crawl.run().expect(0);
        check(&server, "crawl_records", &crawl.latest());
        let run = crawl.latest().run_id();
        let sums = server.query(&format!("SELECT sum(records), count(*) = count(DISTINCT part) FROM crawl_records_parts WHERE run_id = '{run}'"));
        assert_eq!(sums, format!("{}|t", PAGES + 1), "{place}");
    }
}

#[test]
fn a_newer_record_replaces_an_older_one_and_never_the_other_way() {
    let Some(server) = server() else { return };
    let (site, crawl) = shop();
    let crawl = crawl.env("DATABASE_URL", &server.url());
    crawl.run().expect(0);
    let old = crawl.latest();
    site.serve("/p/7", Answer::bytes("text/html", "<title>new</title><h1>New</h1><i>7</i>"));
    crawl.run().expect(0);
    let new = crawl.latest();
    crawl.trawl(&["export", &old.run_id(), "--to", "postgres"]).expect(0).says("records");
    check(&server, "records", &old);
    crawl.trawl(&["export", "latest", "--to", "postgres"]).expect(0);
    check(&server, "records", &new);
    // Into a table of its own, and in the other order.
    for run in [&new, &old, &new] {
        crawl.trawl(&["export", &run.run_id(), "--to", "postgres=archive"]).expect(0);
        check(&server, "archive", &new);
    }
}

#[test]
fn a_server_that_is_down_costs_the_export_and_not_the_run() {
    let Some(mut server) = server() else { return };
    let (_site, crawl) = shop();
    let crawl = with_table(crawl, &server).env("DATABASE_URL", &server.url());
    server.down();
    let ran = crawl.run().expect(74).says("published without an export");
    assert!(!ran.stderr.contains("user=trawl"), "the address is nobody's business {ran}");
    let run = crawl.latest();
    assert_eq!(run.records.len(), PAGES + 1);
    crawl.trawl(&["export", "latest", "--to", "postgres=crawl_records"]).expect(74).says("hint:");
    server.up();
    crawl.trawl(&["export", "latest", "--to", "postgres=crawl_records"]).expect(0);
    check(&server, "crawl_records", &run);
    crawl.trawl(&["export", "latest", "--to", "postgres=Drop Table"]).expect(2).says("is no name of a table");
    crawl.without_env().trawl(&["export", "latest", "--to", "postgres"]).expect(2).says("DATABASE_URL");
}

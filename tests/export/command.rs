//! `trawl export` and `trawl run --stdout`.

use std::fs;

use serde_json::Value;

use crate::reading::{check_parquet, check_sqlite};
use crate::runs::{TYPES, shop};
use crate::support::outputs;

#[test]
fn records_go_to_standard_output_and_nothing_else_does() {
    let (_site, crawl) = shop();
    let ran = crawl.trawl(&["run", "--stdout", "--color", "always"]).expect(0);
    let run = crawl.latest();
    let text = fs::read_to_string(run.dir.join("records/part-00000.jsonl")).expect("records");
    assert_eq!(ran.stdout, text);
    assert!(ran.stderr.contains("finished in"), "the summary is elsewhere {ran}");

    let limited = crawl.trawl(&["run", "--stdout", "--limit", "1"]).expect(3);
    assert_eq!(limited.stdout.lines().count(), 1);
    let again = crawl.env("TRAWL_CRASH_AT", "journal.synced");
    assert_eq!(again.trawl(&["run", "--stdout"]).stdout, "");
}

#[test]
fn earlier_runs_are_exported_by_id_directory_or_as_the_latest() {
    let (_site, crawl) = shop();
    crawl.run().expect(0);
    let run = crawl.latest();
    // A later config knows nothing of the fields; the run does.
    let crawl = crawl.set("extract", toml::Value::Array(Vec::new())).set("limits.max_pages", 1);
    crawl.run().expect(3);
    let id = run.run_id();
    let dir = run.dir.to_str().expect("a path");
    let text = fs::read_to_string(run.dir.join("records/part-00000.jsonl")).expect("records");
    assert_eq!(crawl.trawl(&["export", &id, "--to", "jsonl"]).expect(0).stdout, text);
    assert_eq!(crawl.trawl(&["export", dir, "--config", "none", "--to", "jsonl"]).expect(0).stdout, text);
    for latest in [&["export", "latest", "--to", "jsonl"][..], &["export", "--to", "jsonl"]] {
        assert_eq!(crawl.trawl(latest).expect(0).stdout.lines().count(), 1);
    }
    let ran =
        crawl.trawl(&["export", &id, "--to", "sqlite", "--to", "jsonl=a/b.jsonl", "--to", "csv=c"]).expect(0);
    assert_eq!(ran.stdout, "");
    assert_eq!(fs::read_to_string(crawl.path("a/b.jsonl")).expect("file"), text);
    check_sqlite(&crawl.path(&format!("{id}.sqlite")), &run.records);
    crawl.trawl(&["export", dir, "--to", "parquet=p"]).expect(0);
    check_parquet(&crawl.path("p"), &run.records, &TYPES);
    let rows = outputs::rows(&fs::read_to_string(crawl.path("c")).expect("file"));
    let column = |name: &str| rows[0].iter().position(|cell| cell == name).expect(name);
    let (url, offers) = (column("url"), column("fields.offers"));
    for (row, record) in rows[1..].iter().zip(&run.records) {
        assert_eq!(row[url], record["url"].as_str().expect("text"));
        let fields = &record["fields"]["offers"];
        assert_eq!(row[offers], if fields.is_null() { String::new() } else { fields.to_string() });
    }
    assert_eq!(rows.len(), run.records.len() + 1);
    assert_eq!(
        crawl.trawl(&["export", &id, "--to", "csv"]).expect(0).stdout,
        fs::read_to_string(crawl.path("c")).expect("file")
    );
}

#[test]
fn what_cannot_be_is_said() {
    let (_site, crawl) = shop();
    crawl.run().expect(0);
    let says = |args: &[&str], code: i32, words: &str| drop(crawl.trawl(args).expect(code).says(words));
    says(&["export"], 2, "--to");
    says(&["export", "--to", "sqlit"], 2, "did you mean `sqlite`?");
    says(&["export", "nothing", "--to", "jsonl"], 74, "no run in `nothing`");
    says(&["export", "--to", "jsonl=out/latest/x.jsonl"], 2, "would stand in the run itself");
    says(&["export", "--to", "sqlite=out"], 74, "cannot create `out`");
    crawl.trawl(&["verify"]).expect(0);
    let first: Value = serde_json::from_str(
        crawl.trawl(&["export", "--to", "jsonl"]).expect(0).stdout.lines().next().expect("a line"),
    )
    .expect("JSON");
    assert_eq!(first["job"], "test");
}

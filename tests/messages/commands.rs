//! The command line, used wrongly, and commands that find nothing.

use std::fs;

use crate::snapshot::{check, check_output};
use crate::support::Crawl;

fn pages() -> Crawl {
    Crawl::new()
        .write("pages/a.html", "<title>A</title><p>text")
        .source("id = 'pages'\ntype = 'files'\npaths = ['pages/*.html']")
}

fn used(name: &str, args: &[&str]) {
    let crawl = pages();
    check(name, &crawl, &format!("trawl {}", args.join(" ")), &crawl.trawl(args));
}

#[test]
fn usage() {
    used("usage_unknown_command", &["crawl"]);
    used("usage_unknown_option", &["run", "--frsh"]);
    used("usage_bad_number", &["run", "--limit", "none"]);
    used("usage_missing_argument", &["get"]);
    used("usage_not_a_url", &["get", "example.org"]);
    used("usage_explain_not_a_url", &["explain", "mailto:x@example.org"]);
    used("usage_both", &["-v", "-q", "run"]);
}

#[test]
fn url_without_a_record() {
    let crawl = pages();
    crawl.run().expect(0);
    check(
        "url_without_a_record",
        &crawl,
        "trawl get https://example.org/",
        &crawl.trawl(&["get", "https://example.org/"]),
    );
    check_output(
        "explain_never_found",
        &crawl,
        "trawl explain https://example.org/",
        &crawl.trawl(&["explain", "https://example.org/"]),
    );
}

#[test]
fn export_trouble() {
    let crawl = pages();
    crawl.run().expect(0);
    let tried = |name: &str, args: &[&str]| {
        check(name, &crawl, &format!("trawl {}", args.join(" ")), &crawl.trawl(args));
    };
    tried("export_unknown_format", &["export", "--to", "xlsx=out.xlsx"]);
    tried("export_unknown_run", &["export", "nosuchrun", "--to", "csv"]);
    tried("export_into_a_file", &["export", "--to", "parquet=config.toml/x.parquet"]);
    fs::create_dir(crawl.path("taken.sqlite")).expect("a folder");
    tried("export_onto_a_folder", &["export", "--to", "sqlite=taken.sqlite"]);
}

#[test]
fn init_overwrites_nothing() {
    let crawl = pages();
    check("init_overwrites_nothing", &crawl, "trawl config init", &crawl.trawl(&["config", "init"]));
}

#[test]
fn tests_fail() {
    let crawl = pages()
        .rule("id = 'page'\nfields.title = { css = 'h1', required = true }\nfields.text = { css = 'p' }")
        .test("name = 'first'\npage = 'pages/a.html'\nurl = 'https://example.org/a'\nexpect.text = 'words'");
    check_output("test_fails", &crawl, "trawl test", &crawl.trawl(&["test"]));
    let crawl = crawl.test(
        "name = 'gone'\npage = 'pages/gone.html'\nurl = 'https://example.org/b'\nexpect.text = 'words'",
    );
    check_output("test_page_missing", &crawl, "trawl test", &crawl.trawl(&["test"]));
}

#[test]
fn no_tests() {
    used("no_tests", &["test"]);
}

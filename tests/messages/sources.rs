//! Sources that cannot be read, or have nothing in them.

use std::os::unix::fs::symlink;

use crate::snapshot::{check, check_output};
use crate::support::{Answer, Crawl, Site};

fn list(path: &str) -> Crawl {
    Crawl::new().source(&format!("id = 'addresses'\ntype = 'list'\npath = '{path}'"))
}

#[test]
fn list_missing() {
    let crawl = list("addresses.txt");
    check("list_missing", &crawl, "trawl run", &crawl.run());
    check_output("list_missing_validated", &crawl, "trawl validate", &crawl.trawl(&["validate"]));
}

#[test]
fn list_is_a_folder() {
    let crawl = list("addresses").write("addresses/x", "");
    check("list_is_a_folder", &crawl, "trawl run", &crawl.run());
}

#[test]
fn list_without_its_column() {
    let crawl = Crawl::new()
        .write("a.csv", "url,title\nhttps://example.org/,x\n")
        .source("id = 'addresses'\ntype = 'list'\npath = 'a.csv'\ncolumn = 'link'");
    check("list_without_its_column", &crawl, "trawl run", &crawl.run());
}

#[test]
fn list_with_bad_lines() {
    let crawl = list("a.txt")
        .write("a.txt", "https://example.org/\nexample.org\nmailto:x@example.org\nhttp://[::1/\n");
    check_output("list_with_bad_lines", &crawl, "trawl validate", &crawl.trawl(&["validate"]));
}

#[test]
fn list_without_a_line() {
    let crawl = list("a.txt").write("a.txt", "# nothing yet\n\n");
    check("list_without_a_line", &crawl, "trawl run", &crawl.run());
    check_output("list_without_a_line_validated", &crawl, "trawl validate", &crawl.trawl(&["validate"]));
}

#[test]
fn files_without_a_match() {
    let crawl = Crawl::new().source("id = 'docs'\ntype = 'files'\npaths = ['docs/**/*.html']");
    check("files_without_a_match", &crawl, "trawl run", &crawl.run());
    check_output("files_without_a_match_validated", &crawl, "trawl validate", &crawl.trawl(&["validate"]));
}

#[test]
fn files_that_are_no_files() {
    let crawl = Crawl::new().write("docs/good.html", "<title>Good</title>");
    symlink("nowhere", crawl.path("docs/gone.html")).expect("a link");
    let crawl = crawl.source("id = 'docs'\ntype = 'files'\npaths = ['docs/*.html', 'docs/none.html']");
    check_output("files_that_are_no_files", &crawl, "trawl run", &crawl.run());
}

#[test]
fn only_source_unknown() {
    let crawl = list("a.txt").write("a.txt", "https://example.org/\n");
    let run = crawl.trawl(&["run", "--only-source", "adresses"]);
    check("only_source_unknown", &crawl, "trawl run --only-source adresses", &run);
}

/// A sitemap that is answered so, and what is said of it.
fn sitemap(name: &str, answer: impl Fn() -> Answer + Send + Sync + 'static) {
    let site = Site::new();
    site.serve_with("/sitemap.xml", move |_| answer());
    let url = site.url("/sitemap.xml");
    let crawl = Crawl::new().source(&format!("id = 'map'\ntype = 'sitemap'\nurls = ['{url}']"));
    check_output(&format!("{name}_run"), &crawl, "trawl run", &crawl.run());
    check_output(name, &crawl, "trawl explain URL", &crawl.trawl(&["explain", &url]));
    check_output(&format!("{name}_plan"), &crawl, "trawl plan", &crawl.trawl(&["plan"]));
}

#[test]
fn sitemap_missing() {
    sitemap("sitemap_missing", || Answer::status(404));
}

#[test]
fn sitemap_is_a_page() {
    sitemap("sitemap_is_a_page", || Answer::page("Not here"));
}

#[test]
fn sitemap_is_broken() {
    sitemap("sitemap_is_broken", || Answer::xml("<urlset><url><loc>https://example.org/<"));
}

#[test]
fn list_of_json_with_bad_lines() {
    let crawl = Crawl::new()
        .write("a.jsonl", "{\"url\": \"https://example.org/\"}\n{\"link\": 1}\nnot json\n{\"url\": 7}\n")
        .source("id = 'addresses'\ntype = 'list'\npath = 'a.jsonl'\ncolumn = 'url'");
    check_output("list_of_json_with_bad_lines", &crawl, "trawl validate", &crawl.trawl(&["validate"]));
}

#[test]
fn glob_that_is_none() {
    let crawl = Crawl::new().source("id = 'docs'\ntype = 'files'\npaths = ['docs/[a-.html']");
    check_output("glob_that_is_none", &crawl, "trawl validate", &crawl.trawl(&["validate"]));
}

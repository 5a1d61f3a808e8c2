//! Pages that could not be got: what `trawl explain` says of them and what the summary calls it.

use std::net::TcpListener;
use std::time::Duration;

use crate::snapshot::{check, check_output};
use crate::support::{Answer, Crawl, Gate, Site};

/// Runs a job of one URL that ends badly, and explains it.
fn explained(name: &str, crawl: &Crawl, url: &str) {
    let run = crawl.run();
    check_output(&format!("{name}_run"), crawl, "trawl run", &run);
    check_output(name, crawl, "trawl explain URL", &crawl.trawl(&["explain", url]));
}

#[test]
fn connection_refused() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
    let url = format!("http://127.0.0.1:{port}/news");
    explained("connection_refused", &Crawl::over([&url]).set("retry.max_retries", 0), &url);
}

#[test]
fn name_not_known() {
    // A name with a label that is too long: no resolver is asked.
    let url = format!("http://{}.invalid/", "a".repeat(64));
    explained("name_not_known", &Crawl::over([&url]).set("retry.max_retries", 0), &url);
}

#[test]
fn certificate_not_trusted() {
    let site = Site::tls();
    let url = site.url("/");
    explained("certificate_not_trusted", &Crawl::over([&url]).set("retry.max_retries", 0), &url);
}

#[test]
fn answer_too_slow() {
    let (site, gate) = (Site::new(), Gate::closed());
    let behind = gate.clone();
    site.otherwise(move |_| Answer::page("Late").behind(&behind));
    let url = site.url("/");
    let crawl = Crawl::over([&url]).set("retry.max_retries", 0).set("http.timeout.total", "300ms");
    explained("answer_too_slow", &crawl, &url);
    gate.open();
}

#[test]
fn connection_reset() {
    let site = Site::new();
    site.otherwise(|_| Answer::reset());
    let crawl = Crawl::over([site.url("/")]).set("retry.max_retries", 0);
    check_output("connection_reset", &crawl, "trawl run", &crawl.run());
}

#[test]
fn not_http() {
    let site = Site::raw(|_| b"SSH-2.0-OpenSSH_9.2\r\n".to_vec());
    let url = site.url("/");
    explained("not_http", &Crawl::over([&url]).set("retry.max_retries", 0), &url);
}

#[test]
fn body_cut_off() {
    let site = Site::new();
    site.otherwise(|_| Answer::page(&"long ".repeat(1000)).cut());
    let crawl = Crawl::over([site.url("/")]).set("retry.max_retries", 0);
    check_output("body_cut_off", &crawl, "trawl run", &crawl.run());
}

#[test]
fn body_too_large() {
    let site = Site::new();
    site.otherwise(|_| Answer::text("x".repeat(100_000)));
    let url = site.url("/");
    explained("body_too_large", &Crawl::over([&url]).set("http.max_body", "10 KiB"), &url);
}

#[test]
fn body_not_packed_as_said() {
    let site = Site::new();
    site.otherwise(|_| Answer::page("Plain").header("content-encoding", "gzip"));
    let url = site.url("/");
    explained("body_not_packed_as_said", &Crawl::over([&url]), &url);
}

#[test]
fn not_found() {
    let site = Site::new();
    site.otherwise(|_| Answer::status(404));
    let url = site.url("/");
    explained("not_found", &Crawl::over([&url]), &url);
}

#[test]
fn private_address() {
    let url = "http://127.0.0.1:9/";
    explained("private_address", &Crawl::over([url]).set("http.allow_private_networks", false), url);
}

#[test]
fn robots_says_no() {
    let site = Site::new();
    site.serve("/robots.txt", Answer::text("User-agent: *\nDisallow: /private/\n"))
        .otherwise(|_| Answer::page("Page"));
    let url = site.url("/private/x");
    explained("robots_says_no", &Crawl::over([&url]).set("politeness.obey_robots", true), &url);
}

#[test]
fn redirect_in_a_circle() {
    let site = Site::new();
    site.serve("/a", Answer::redirect(302, "/b")).serve("/b", Answer::redirect(302, "/a"));
    let crawl = Crawl::over([site.url("/a")]);
    crawl.run();
    check_output(
        "redirect_in_a_circle",
        &crawl,
        "trawl explain URL",
        &crawl.trawl(&["explain", &site.url("/b")]),
    );
}

#[test]
fn redirect_to_another_scheme() {
    let site = Site::new();
    site.otherwise(|_| Answer::redirect(302, "ftp://example.org/x"));
    let crawl = Crawl::over([site.url("/a")]);
    crawl.run();
    check_output(
        "redirect_to_another_scheme",
        &crawl,
        "trawl explain URL",
        &crawl.trawl(&["explain", "ftp://example.org/x"]),
    );
}

#[test]
fn extract_cannot_fetch() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
    let url = format!("http://127.0.0.1:{port}/news");
    let crawl = Crawl::over([&url]).rule("id = 'r'\nfields.t = { css = 'p' }");
    check("extract_cannot_fetch", &crawl, "trawl extract URL", &crawl.trawl(&["extract", &url]));
    check("extract_no_such_file", &crawl, "trawl extract gone.html", &crawl.trawl(&["extract", "gone.html"]));
}

#[test]
fn proxy_refused() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
    let url = "http://news.example.org/";
    let crawl =
        Crawl::over([url]).set("retry.max_retries", 0).set("http.proxy", format!("http://127.0.0.1:{port}"));
    let crawl = crawl.set("http.timeout.total", Duration::from_secs(5).as_secs().to_string() + "s");
    explained("proxy_refused", &crawl, url);
}

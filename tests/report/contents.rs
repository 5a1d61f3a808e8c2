//! What stands in the report, and that it is the same however often the run was killed.

use std::fs;

use crate::support::{Answer, Crawl, Site};

/// A title that would be markup, turn the line around, and ring the bell.
const EVIL: &str = "<script>alert(1)</script> & \"'\u{202e}lave\u{7}";

/// A host with a long name, where nobody listens.
const FAR: &str = "long-namelong-namelong-namelong-namelong-namelong-name.test";

/// A site with pages of all kinds, and a job over it.
pub fn harbour() -> (Site, Crawl) {
    let site = Site::new();
    let crawl = job(&site);
    (site, crawl)
}

/// Puts the pages on a site, and gives a job over it.
fn job(site: &Site) -> Crawl {
    let links: String = (0..24).map(|n| format!("<a href=/p/{n}>{n}</a>")).collect();
    site.serve(
        "/",
        Answer::bytes(
            "text/html",
            format!("<title>Front</title>{links}<a href=/old>o</a><a href=/p/gone>g</a>"),
        ),
    );
    for n in 0..24 {
        let title = format!("Notice {n} {EVIL}").replace('&', "&amp;").replace('<', "&lt;");
        let price = if n % 3 == 0 { format!("<b>{n}.5</b>") } else { String::new() };
        let long = "w".repeat(if n == 1 { 5000 } else { 5 });
        let body = format!(
            "<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>{price}<p>{long}</p>"
        );
        site.serve(&format!("/p/{n}"), Answer::bytes("text/html", body));
    }
    site.serve("/old", Answer::redirect(301, "/p/1"));
    site.serve("/p/5", Answer::status(500));
    Crawl::web([FAR])
        .set("politeness.obey_robots", false)
        .set("retry.max_retries", 0)
        .seeds([site.url("/"), "not a url".to_owned(), format!("http://{FAR}:9/")])
        .set("scope.type", "host")
        .rule(
            "id = 'notice'
            match = { url = '/p/' }
            fields.title = { css = 'h1' }
            fields.price = { css = 'b', type = 'float' }
            fields.tags = { css = '.tag', many = true }
            fields.text = { css = 'p' }",
        )
}

fn report(crawl: &Crawl) -> String {
    fs::read_to_string(crawl.path("out/latest/report.html")).expect("a report")
}

/// The text of a section, without its markup.
fn section(html: &str, heading: &str) -> String {
    let (_, rest) =
        html.split_once(&format!("<h2>{heading}</h2>")).unwrap_or_else(|| panic!("no {heading} in {html}"));
    plain(rest.split("</section>").next().expect("its end"))
}

fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut is_markup = false;
    for character in html.chars() {
        match character {
            '<' => is_markup = true,
            '>' => is_markup = false,
            other if !is_markup => text.push(other),
            _ if text.ends_with(' ') => {}
            _ => text.push(' '),
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn it_says_what_the_run_came_to() {
    let (_site, crawl) = harbour();
    crawl.run().expect(0);
    let run = crawl.latest();
    let files: Vec<&str> = run.manifest["files"]
        .as_array()
        .expect("files")
        .iter()
        .filter_map(|file| file["path"].as_str())
        .collect();
    assert!(files.contains(&"report.html"), "{files:?}");
    crawl.trawl(&["verify", "--config", "config.toml"]).expect(0);
    let html = report(&crawl);
    assert!(html.len() < 100_000 && html.contains("name=\"viewport\""), "{}", html.len());
    for word in ["<script", "<link", "@import", "url(", " src=", "\u{202e}", "\u{7}"] {
        assert!(!html.contains(word), "{word}");
    }
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;&#39;\\u{202e}lave"), "{html}");
    let tiles = plain(
        html.split("<div class=\"tiles\">").nth(1).expect("tiles").split("<section>").next().expect("end"),
    );
    assert!(tiles.starts_with("29 URLs found 24 records 4 failed "), "{tiles}");
    let outcomes = section(&html, "Outcomes");
    for row in [
        "24 · 83 %",
        "http_error Any other HTTP status that is no answer. 1 · 3.4 %",
        "invalid_url",
        "gone HTTP 404 or 410. 1",
    ] {
        assert!(outcomes.contains(row), "{row}: {outcomes}");
    }
    let fields = section(&html, "Fields");
    assert!(
        fields.ends_with("notice 23 records title 23 · 100 % price 8 · 35 % tags 0 · 0 % text 23 · 100 %"),
        "{fields}"
    );
    let failures = section(&html, "Sample failures");
    assert!(
        failures.contains("/p/gone") && failures.contains("HTTP 500") && failures.contains("not a url"),
        "{failures}"
    );
    assert!(section(&html, "Sample records").contains("Notice"));
    assert!(section(&html, "Over time").contains("URLs per second"));
    assert!(section(&html, "Latency").contains("of 27 answers"), "{}", section(&html, "Latency"));
}

#[test]
fn a_run_that_was_killed_has_the_same_totals() {
    let told = |crawl: &Crawl| {
        let html = report(crawl);
        let tiles =
            html.split("<div class=\"tiles\">").nth(1).expect("tiles").split("<span>from start").next();
        let tiles = plain(tiles.expect("tiles"));
        let tiles = tiles.rsplit_once("wire").expect("bytes").0.to_owned();
        [tiles, section(&html, "Outcomes"), section(&html, "Fields")]
    };
    let (site, crawl) = harbour();
    crawl.run().expect(0);
    let whole = told(&crawl);
    for kill_at in [3, 11, 20] {
        site.forget();
        let again = job(&site).set("checkpoint.records", 3);
        assert!(again.run_killed_at(&site, kill_at).was_killed());
        again.run().expect(0);
        assert_eq!(told(&again), whole, "killed at request {kill_at}");
    }
}

#[test]
fn it_can_be_switched_off_and_a_failed_run_has_one() {
    let (_site, crawl) = harbour();
    let crawl = crawl.set("job.report", false);
    crawl.run().expect(0);
    assert!(!crawl.path("out/latest/report.html").exists());
    crawl.trawl(&["verify", "--config", "config.toml"]).expect(0);

    let failed = Crawl::new().seeds(["http://127.0.0.1:9/"]);
    failed.run().expect(4);
    let name = failed.runs().into_iter().find(|name| name.ends_with(".failed")).expect("a failed run");
    let html = fs::read_to_string(failed.path("out/runs").join(name).join("report.html")).expect("a report");
    assert!(html.contains("<span class=\"state failed\">failed") && html.contains("connect_error"), "{html}");
}

//! Sitemaps and feeds: what they list is fetched like seeds, they themselves are listed, not recorded, and
//! nothing that stands in them harms a run.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::json;

use crate::support::{Answer, Crawl, Dataset, Site};

fn site() -> Site {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&format!("{}{}", seen.host, seen.path)));
    site.serve("/robots.txt", Answer::status(404));
    site
}

/// A job over a sitemap or feed of `a.test`.
fn over(site: &Site, kind: &str, path: &str, more: &str) -> Crawl {
    let url = site.at("a.test", path);
    Crawl::web(["a.test", "b.test"]).source(&format!("id = 'l'\ntype = '{kind}'\nurls = ['{url}']\n{more}"))
}

fn at(site: &Site, paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| site.at("a.test", path)).collect()
}

const HEAD: &str =
    "<?xml version='1.0' encoding='UTF-8'?><urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>";

/// A sitemap of these addresses.
fn sitemap<A: AsRef<str>>(addresses: impl IntoIterator<Item = A>) -> String {
    let mut text = HEAD.to_owned();
    for address in addresses {
        let _ = write!(text, "<url><loc> {}\n</loc></url>", address.as_ref().replace('&', "&amp;"));
    }
    text + "</urlset>"
}

fn index(addresses: &[String]) -> String {
    let entries: String =
        addresses.iter().map(|address| format!("<sitemap><loc>{address}</loc></sitemap>")).collect();
    format!("<sitemapindex xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{entries}</sitemapindex>")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// Runs it and checks that exactly these were recorded and these were listed.
#[track_caller]
fn check(site: &Site, crawl: &Crawl, recorded: &[&str], listed: &[&str]) -> Dataset {
    crawl.run().expect(0);
    let run = crawl.verify_exact(at(site, &[recorded, listed].concat()));
    for path in listed {
        run.ends(&site.at("a.test", path), "listed", None);
        assert_eq!(site.hits_of(path), 1, "{path}");
    }
    assert_eq!(run.records.len(), recorded.len());
    run
}

#[test]
fn entries_are_fetched_with_what_is_said_of_them() {
    let site = site();
    let url = |path: &str| site.at("a.test", path);
    let text = format!(
        "{HEAD}<url><loc>{}</loc><lastmod>2026-01-02</lastmod><changefreq>weekly</changefreq>\
         <priority>0.8</priority></url>\n<url><loc><![CDATA[{}]]></loc></url></urlset>",
        url("/1?a=1&amp;b=2"),
        url("/2")
    );
    site.serve("/map.xml", Answer::xml(text));
    let run = check(&site, &over(&site, "sitemap", "/map.xml", ""), &["/1?a=1&b=2", "/2"], &["/map.xml"]);
    let one = run.record(&url("/1?a=1&b=2"));
    assert_eq!(one["sitemap"], json!({"lastmod": "2026-01-02", "changefreq": "weekly", "priority": "0.8"}));
    assert_eq!((&one["depth"], &one["source_id"]), (&json!(0), &json!("l")));
    assert_eq!(one["discovered_from"], url("/map.xml").as_str());
    let two = &run.record(&url("/2"))["sitemap"];
    assert!(two.is_null() || two["lastmod"].is_null(), "{two}");
}

#[test]
fn a_page_from_elsewhere_has_no_word_of_a_sitemap() {
    let site = site();
    let crawl = Crawl::web(["a.test"]).seeds(at(&site, &["/1"]));
    crawl.run().expect(0);
    assert!(crawl.verify_exact(at(&site, &["/1"])).records[0]["sitemap"].is_null());
}

#[test]
fn packed_in_either_way() {
    let site = site();
    let packed = gzip(sitemap(at(&site, &["/1", "/2"])).as_bytes());
    site.serve("/map.xml.gz", Answer::bytes("application/x-gzip", packed.clone()));
    check(&site, &over(&site, "sitemap", "/map.xml.gz", ""), &["/1", "/2"], &["/map.xml.gz"]);
    site.forget();
    site.serve("/map.xml", Answer::bytes("text/xml", packed).header("content-encoding", "gzip"));
    check(&site, &over(&site, "sitemap", "/map.xml", ""), &["/1", "/2"], &["/map.xml"]);
}

#[test]
fn as_plain_text() {
    let site = site();
    let lines = at(&site, &["/1", "/2", "/3"]).join("\r\n");
    site.serve("/map.txt", Answer::text(format!("\u{feff}{lines}\r\n")));
    check(&site, &over(&site, "sitemap", "/map.txt", ""), &["/1", "/2", "/3"], &["/map.txt"]);
}

#[test]
fn an_index_leads_to_sitemaps_and_to_another_index() {
    let site = site();
    site.serve("/index.xml", Answer::xml(index(&at(&site, &["/m1.xml", "/more.xml", "/m1.xml"]))));
    site.serve("/more.xml", Answer::xml(index(&at(&site, &["/m2.xml.gz", "/index.xml"]))));
    site.serve("/m1.xml", Answer::xml(sitemap(at(&site, &["/1", "/2"]))));
    let packed = gzip(sitemap(at(&site, &["/2", "/3"])).as_bytes());
    site.serve("/m2.xml.gz", Answer::bytes("application/octet-stream", packed));
    let listed = ["/index.xml", "/more.xml", "/m1.xml", "/m2.xml.gz"];
    check(&site, &over(&site, "sitemap", "/index.xml", ""), &["/1", "/2", "/3"], &listed);
}

#[test]
fn more_sitemaps_than_wanted_are_not_read() {
    let site = site();
    let maps: Vec<String> = (0..10).map(|n| format!("/m{n}.xml")).collect();
    let maps: Vec<&str> = maps.iter().map(String::as_str).collect();
    site.serve("/index.xml", Answer::xml(index(&at(&site, &maps))));
    for (n, map) in maps.iter().enumerate() {
        site.serve(map, Answer::xml(sitemap([site.at("a.test", &format!("/{n}"))])));
    }
    let crawl = over(&site, "sitemap", "/index.xml", "max_sitemaps = 4");
    crawl.run().expect(0);
    let run = crawl.latest();
    run.verify(run.urls());
    assert_eq!(run.ended("listed").len(), 1 + 4, "the index and four of its sitemaps");
    assert_eq!(run.ended("skipped_budget").len(), 6);
    assert_eq!(site.see(|view| view.log.iter().filter(|seen| seen.path.ends_with(".xml")).count()), 1 + 4);
}

#[test]
fn named_in_robots_txt() {
    let site = site();
    let robots = format!(
        "User-agent: other\nDisallow: /\nSitemap: {}\nsitemap: {}\n\nUser-agent: *\nDisallow: /no\n",
        site.at("a.test", "/m1.xml"),
        site.at("a.test", "/m2.xml")
    );
    site.serve("//a.test/robots.txt", Answer::text(robots));
    site.serve("/m1.xml", Answer::xml(sitemap(at(&site, &["/1", "/no/2"]))));
    site.serve("/m2.xml", Answer::xml(sitemap([site.at("a.test", "/3"), site.at("b.test", "/out")])));
    let seeds = at(&site, &["/"]);
    let crawl = Crawl::web(["a.test", "b.test"]).seeds(&seeds).set("scope.type", "host");
    crawl.run().expect(0);
    crawl.verify_exact(&seeds);

    site.forget();
    let crawl = crawl.set("scope.sitemaps", true).set("job.name", "with-sitemaps");
    let crawl = crawl.set("job.output_dir", "other").set("job.state_dir", "other-store");
    crawl.run().expect(0);
    let run = Dataset::read(&std::fs::canonicalize(crawl.path("other/latest")).unwrap());
    let known = at(&site, &["/", "/1", "/3", "/no/2", "/m1.xml", "/m2.xml"]);
    run.verify(known.iter().chain([&site.at("b.test", "/out")]));
    run.ends(&known[3], "skipped_robots", Some(":7"));
    assert_eq!(run.ended("listed").len(), 2);
    run.ends(&site.at("b.test", "/out"), "skipped_scope", None);
    assert_eq!(run.recorded().len(), 3);
}

#[test]
fn a_large_one_is_read_to_its_end() {
    let site = site();
    let addresses = (0..60_000).map(|n| {
        let folder = if n % 6_000 == 5_999 { "keep" } else { "leave" };
        site.at("a.test", &format!("/{folder}/a-page-with-a-rather-long-name-so-that-the-file-is-large/{n}"))
    });
    let addresses: Vec<String> = addresses.collect();
    site.serve("/map.xml", Answer::xml(sitemap(&addresses)));
    let crawl = over(&site, "sitemap", "/map.xml", "").set("scope.include", vec!["/keep/"]);
    crawl.run().expect(0);
    let run = crawl.verify_exact(addresses.iter().chain([&site.at("a.test", "/map.xml")]));
    assert_eq!((run.records.len(), run.ended("skipped_scope").len()), (10, 59_990));
    assert_eq!(site.pages(), 11);
}

#[test]
fn entries_older_than_wanted_are_not_fetched() {
    let site = site();
    let entry = |path: &str, lastmod: &str| {
        format!("<url><loc>{}</loc><lastmod>{lastmod}</lastmod></url>", site.at("a.test", path))
    };
    let text = [
        entry("/old", "2025-12-31"),
        entry("/new", "2026-01-01T00:00:00Z"),
        entry("/newer", "2026-03"),
        entry("/odd", "yesterday"),
        format!("<url><loc>{}</loc></url>", site.at("a.test", "/undated")),
    ];
    site.serve("/map.xml", Answer::xml(format!("{HEAD}{}</urlset>", text.concat()))).forbid("/old");
    let crawl = over(&site, "sitemap", "/map.xml", "lastmod_after = '2026-01-01'");
    crawl.run().expect(0);
    let run = crawl.latest();
    run.verify(run.urls());
    let fetched = at(&site, &["/new", "/newer", "/odd", "/undated"]);
    assert_eq!(run.recorded(), fetched.iter().map(String::as_str).collect());
}

#[test]
fn hostile_xml_gives_what_came_before_and_harms_nothing() {
    let site = site();
    let first = site.at("a.test", "/first");
    let entry = format!("<url><loc>{first}</loc></url>");
    let laughs: String =
        (1..12).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    let hostile = [
        ("/unclosed", format!("{HEAD}{entry}<url><loc>http://a.te")),
        ("/deep", format!("{HEAD}{entry}{}", "<url>".repeat(100_000))),
        (
            "/laughs",
            format!(
                "<!DOCTYPE x [<!ENTITY l0 'ha'>{laughs}]>{HEAD}{entry}<url><loc>&l11;</loc></url></urlset>"
            ),
        ),
        (
            "/outside",
            format!(
                "<!DOCTYPE x [<!ENTITY f SYSTEM 'file:///etc/passwd'>]>{HEAD}{entry}<url><loc>&f;</loc></url></urlset>"
            ),
        ),
        (
            "/long",
            format!("{HEAD}{entry}<url><loc>http://a.test/{}</loc></url></urlset>", "x".repeat(3 << 20)),
        ),
        ("/zeros", format!("{HEAD}{entry}{}", "\0".repeat(100_000))),
        ("/crossed", format!("{HEAD}{entry}</loc></url><<</urlset>")),
    ];
    let maps: Vec<String> = hostile.iter().map(|(path, _)| site.at("a.test", path)).collect();
    for (path, text) in hostile {
        site.serve(path, Answer::xml(text));
    }
    let crawl = Crawl::web(["a.test"]).source(&format!("id = 's'\ntype = 'sitemap'\nurls = {maps:?}"));
    crawl.run().expect(0);
    let run = crawl.latest();
    run.verify(run.urls());
    assert_eq!(run.recorded(), std::iter::once(first.as_str()).collect());
    for map in &maps {
        run.ends(map, "listed", None);
    }
    let printed = format!("{:?}", run.outcomes);
    assert!(!printed.contains("root:"), "nothing of the machine is read");
    assert!(run.urls().iter().all(|url| url.len() < 20_000), "no entity is multiplied");
}

#[test]
fn a_packed_bomb_ends_at_the_bound() {
    let site = site();
    let mut text = sitemap(at(&site, &["/first"])).replace("</urlset>", "").into_bytes();
    text.resize(80 << 20, b' ');
    site.serve("/bomb.xml.gz", Answer::bytes("application/gzip", gzip(&text)));
    let crawl = over(&site, "sitemap", "/bomb.xml.gz", "");
    let took = crawl.run().expect(0).took;
    let run = crawl.latest();
    run.verify(run.urls());
    assert_eq!(run.recorded().len(), 1, "in {took:?}");
}

#[test]
fn what_is_no_sitemap_lists_nothing() {
    let site = site();
    site.serve("/gone.xml", Answer::status(404));
    site.serve("/html", Answer::links("A page", ["/never"])).forbid("/never");
    let urls = at(&site, &["/gone.xml", "/html"]);
    let crawl = Crawl::web(["a.test"])
        .seeds(at(&site, &["/ok"]))
        .source(&format!("id = 's'\ntype = 'sitemap'\nurls = {urls:?}"));
    crawl.run().expect(0);
    let run = crawl.latest();
    run.verify(run.urls());
    run.ends(&urls[0], "gone", None);
    assert_eq!(run.recorded().len(), 1);
}

#[test]
fn a_sitemap_may_move() {
    let site = site();
    site.serve("/map.xml", Answer::redirect(301, "/maps/1.xml"));
    site.serve("/maps/1.xml", Answer::xml(sitemap(at(&site, &["/1"]))));
    let crawl = over(&site, "sitemap", "/map.xml", "");
    crawl.run().expect(0);
    let run = crawl.verify_exact(at(&site, &["/map.xml", "/maps/1.xml", "/1"]));
    run.ends(&site.at("a.test", "/map.xml"), "redirected", None);
    run.ends(&site.at("a.test", "/maps/1.xml"), "listed", None);
    assert_eq!(run.records.len(), 1);
}

#[test]
fn links_of_listed_pages_are_followed_where_the_scope_says_so() {
    let site = site();
    site.serve("/map.xml", Answer::xml(sitemap(at(&site, &["/1"]))));
    site.serve("/1", Answer::links("One", ["/2"]));
    let crawl = over(&site, "sitemap", "/map.xml", "scope = { type = 'host' }");
    let run = check(&site, &crawl, &["/1", "/2"], &["/map.xml"]);
    assert_eq!(run.record(&site.at("a.test", "/2"))["depth"], 1);
}

#[test]
fn an_rss_feed_lists_its_items() {
    let site = site();
    let url = |path: &str| site.at("a.test", path);
    let text = format!(
        "<?xml version='1.0'?><rss version='2.0'><channel><title>News</title><link>{}</link>\
         <item><title>One</title><link>{}</link><pubDate>Fri, 02 Jan 2026 10:00:00 GMT</pubDate></item>\
         <item><guid isPermaLink='true'>{}</guid></item>\
         <item><guid isPermaLink='false'>tag:a.test,2026:3</guid></item></channel></rss>",
        url("/home"),
        url("/1?a=1&amp;b=2"),
        url("/2")
    );
    site.serve("/rss.xml", Answer::bytes("application/rss+xml", text)).forbid("/home");
    let run = check(&site, &over(&site, "feed", "/rss.xml", ""), &["/1?a=1&b=2", "/2"], &["/rss.xml"]);
    assert_eq!(run.record(&url("/2"))["depth"], 0);
}

#[test]
fn an_atom_feed_lists_its_entries() {
    let site = site();
    let text = "<feed xmlns='http://www.w3.org/2005/Atom'><title>News</title><link href='/home'/>\
         <link rel='self' href='/atom.xml'/>\
         <entry><link rel='alternate' href='/1'/><link rel='edit' href='/edit'/></entry>\
         <entry><link href='2'/><updated>2026-01-02T00:00:00Z</updated></entry></feed>";
    site.serve("/atom.xml", Answer::bytes("application/atom+xml", text)).forbid("/home").forbid("/edit");
    check(&site, &over(&site, "feed", "/atom.xml", ""), &["/1", "/2"], &["/atom.xml"]);
}

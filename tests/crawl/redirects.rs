//! Redirects and canonical links: every hop is a request of its own, under the same rules as any other.

use crate::support::{Answer, Crawl, Site};

const HOSTS: [&str; 3] = ["a.test", "b.test", "c.test"];

fn site() -> Site {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&format!("{}{}", seen.host, seen.path)));
    site.serve("/robots.txt", Answer::status(404));
    site
}

fn crawl(site: &Site, kind: &str) -> Crawl {
    Crawl::web(HOSTS).seeds([site.at("a.test", "/")]).set("scope.type", kind)
}

#[test]
fn a_chain_across_hosts_settles_hop_by_hop() {
    let site = site();
    let hops = [("a.test", "/1"), ("b.test", "/2"), ("c.test", "/3"), ("a.test", "/4")]
        .map(|(host, path)| site.at(host, path));
    site.serve("//a.test/", Answer::links("Start", [&hops[0]]));
    for ((host, path), to) in [("a.test", "/1"), ("b.test", "/2"), ("c.test", "/3")].iter().zip(&hops[1..]) {
        site.serve(&format!("//{host}{path}"), Answer::redirect(301, to));
    }
    let crawl = crawl(&site, "any");
    crawl.run().expect(0);
    let run = crawl.verify_exact(hops.iter().chain([&site.at("a.test", "/")]));
    for (from, to) in hops.iter().zip(&hops[1..]) {
        run.ends(from, "redirected", None);
        assert_eq!(run.ending(from)["target"], to.as_str());
    }
    let end = run.record(&hops[3]);
    assert_eq!(end["redirects"], serde_json::json!(hops[..3]));
    assert_eq!(end["depth"], 1);
    for host in HOSTS {
        assert_eq!(
            site.see(|view| view.paths(host))[0],
            "/robots.txt",
            "{host} is asked for its rules first"
        );
    }
}

#[test]
fn a_redirect_out_of_the_scope_is_refused() {
    let site = site();
    site.serve("//a.test/", Answer::links("Start", ["/away"]));
    site.serve("/away", Answer::redirect(302, &site.at("b.test", "/there")));
    let crawl = crawl(&site, "host");
    crawl.run().expect(0);
    let there = site.at("b.test", "/there");
    let run = crawl.verify_exact([site.at("a.test", "/"), site.at("a.test", "/away"), there.clone()]);
    run.ends(&site.at("a.test", "/away"), "redirected", None);
    run.ends(&there, "skipped_scope", Some(&crawl.place("type = \"host\"")));
    assert!(!site.see(|view| view.hosts().contains("b.test")));
}

#[test]
fn where_a_seed_moved_to_is_the_seed() {
    let site = site();
    site.serve("//a.test/", Answer::redirect(301, &site.at("b.test", "/home")));
    site.serve("//b.test/home", Answer::redirect(302, &site.at("c.test", "/")));
    site.serve(
        "//c.test/",
        Answer::links("Home", [site.at("c.test", "/in"), site.at("nowhere.test", "/out")]),
    );
    let crawl = crawl(&site, "host");
    crawl.run().expect(0);
    let ok = [site.at("c.test", "/"), site.at("c.test", "/in")];
    let moved = [site.at("a.test", "/"), site.at("b.test", "/home")];
    let run = crawl.verify_exact(ok.iter().chain(&moved).chain([&site.at("nowhere.test", "/out")]));
    assert_eq!(run.recorded().len(), 2);
    assert_eq!(run.record(&ok[0])["url_requested"], moved[0].as_str());
    assert_eq!(run.ended("skipped_scope").len(), 1);
}

#[test]
fn a_redirect_to_what_is_known_is_asked_for_once() {
    let site = site();
    site.serve("//a.test/", Answer::links("Start", ["/old1", "/new", "/old2"]));
    site.serve("/old1", Answer::redirect(301, "/new#part")).serve("/old2", Answer::redirect(308, "/new"));
    let crawl = crawl(&site, "host");
    crawl.run().expect(0);
    crawl.verify_exact(["/", "/old1", "/old2", "/new"].map(|path| site.at("a.test", path)));
    assert_eq!(site.hits_of("/new"), 1);
}

#[test]
fn a_canonical_link_is_told_and_followed() {
    let site = site();
    let canonical = |target: &str| {
        Answer::bytes("text/html", format!("<link rel=canonical href='{target}'><title>x</title>"))
    };
    site.serve("//a.test/", Answer::links("Start", ["/print?a=1", "/self"]));
    site.serve("/print?a=1", canonical("/article#top")).serve("/self", canonical("/self"));
    site.serve("/article", canonical(&site.at("b.test", "/article")));
    let crawl = crawl(&site, "host");
    crawl.run().expect(0);
    let abroad = site.at("b.test", "/article");
    let ok = ["/", "/print?a=1", "/self", "/article"].map(|path| site.at("a.test", path));
    let run = crawl.verify_exact(ok.iter().chain([&abroad]));
    assert_eq!(run.recorded().len(), 4, "a page keeps its record whatever it says of itself");
    assert_eq!(run.record(&ok[1])["url_canonical"], ok[3].as_str());
    assert_eq!(run.record(&ok[2])["url_canonical"], ok[2].as_str());
    assert_eq!(run.record(&ok[3])["url_canonical"], abroad.as_str());
    run.ends(&abroad, "skipped_scope", None);
}

#[test]
fn a_page_alone_does_not_follow_its_canonical_link() {
    let site = site();
    site.serve("//a.test/", Answer::bytes("text/html", "<link rel=canonical href='/other'><title>x</title>"));
    let crawl = crawl(&site, "page");
    crawl.run().expect(0);
    let run = crawl.verify_exact([site.at("a.test", "/")]);
    assert_eq!(run.records[0]["url_canonical"], site.at("a.test", "/other").as_str());
}

#[test]
fn more_redirects_than_allowed_end() {
    let site = site();
    for n in 0..12 {
        site.serve(&format!("/{n}"), Answer::redirect(302, &format!("/{}", n + 1)));
    }
    site.serve("//a.test/", Answer::links("Start", ["/0"])).forbid("/5");
    let crawl = crawl(&site, "host").set("http.max_redirects", 4);
    crawl.run().expect(0);
    let run = crawl.verify_exact(["/", "/0", "/1", "/2", "/3", "/4"].map(|path| site.at("a.test", path)));
    run.ends(&site.at("a.test", "/3"), "redirected", None);
    run.ends(&site.at("a.test", "/4"), "redirect_loop", None);
}

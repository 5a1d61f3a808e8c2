//! Which links are followed, and what the ones that are not say about it.

use std::collections::BTreeSet;

use crate::support::crawl::table;
use crate::support::{Answer, Crawl, Dataset, Site};

const HOSTS: [&str; 4] = ["a.test", "www.a.test", "b.test", "c.test"];

/// Host and path of pages that link to each other; every other path is a page without links.
fn site(pages: &[(&str, &[&str])]) -> Site {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&format!("{}{}", seen.host, seen.path)));
    site.serve("/robots.txt", Answer::status(404));
    for (route, links) in pages {
        let links = links.iter().map(|link| full(&site, link));
        site.serve(&format!("//{route}"), Answer::links(route, links));
    }
    site
}

/// `//host/path` with the port of the site; anything else as it is.
fn full(site: &Site, link: &str) -> String {
    let Some((host, path)) = link.strip_prefix("//").and_then(|rest| rest.split_once('/')) else {
        return link.to_owned();
    };
    site.at(host, &format!("/{path}"))
}

fn crawl(site: &Site, kind: &str, seeds: &[&str]) -> Crawl {
    let seeds = seeds.iter().map(|seed| full(site, &format!("//{seed}")));
    Crawl::web(HOSTS).seeds(seeds).set("scope.type", kind)
}

/// Runs it and gives `host/path` of what was recorded and of what was out of scope.
fn reached(site: &Site, crawl: &Crawl) -> (Dataset, BTreeSet<String>, BTreeSet<String>) {
    crawl.run().expect(0);
    let run = crawl.latest();
    run.verify(run.urls());
    let port = format!(":{}", site.port());
    let short = |urls: BTreeSet<&str>| -> BTreeSet<String> {
        urls.into_iter().map(|url| url.trim_start_matches("http://").replacen(&port, "", 1)).collect()
    };
    let (ok, out) = (short(run.recorded()), short(run.ended("skipped_scope")));
    let asked = site.see(|view| {
        let pages = view.log.iter().filter(|seen| seen.path != "/robots.txt");
        pages.map(|seen| format!("{}{}", seen.host, seen.path)).collect::<BTreeSet<_>>()
    });
    assert!(asked.is_disjoint(&out), "asked for what is out of scope: {asked:?}");
    (run, ok, out)
}

#[track_caller]
fn check(site: &Site, crawl: &Crawl, ok: &[&str], out: &[&str]) {
    let (_, fetched, skipped) = reached(site, crawl);
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!((fetched, skipped), (names(ok), names(out)));
}

const PAGES: &[(&str, &[&str])] = &[
    ("a.test/docs/start", &["more", "sub/deep", "/other", "//www.a.test/x", "//b.test/y", "/docsx"]),
    ("a.test/docs/sub/deep", &["deeper", "../up"]),
    ("a.test/other", &["/other/leaf"]),
    ("www.a.test/x", &["/x2"]),
    ("b.test/y", &["//c.test/z"]),
];

#[test]
fn page_follows_nothing_and_knows_of_nothing_else() {
    let site = site(PAGES);
    check(&site, &crawl(&site, "page", &["a.test/docs/start"]), &["a.test/docs/start"], &[]);
}

#[test]
fn page_is_the_default() {
    let site = site(PAGES);
    let crawl = Crawl::web(HOSTS).seeds([site.at("a.test", "/docs/start")]);
    check(&site, &crawl, &["a.test/docs/start"], &[]);
}

#[test]
fn prefix_stays_below_the_folder_of_the_seed() {
    let site = site(PAGES);
    let ok = ["start", "more", "sub/deep", "sub/deeper", "up"].map(|path| format!("a.test/docs/{path}"));
    let ok: Vec<&str> = ok.iter().map(String::as_str).collect();
    let out = ["a.test/other", "a.test/docsx", "www.a.test/x", "b.test/y"];
    check(&site, &crawl(&site, "prefix", &["a.test/docs/start"]), &ok, &out);
}

const DOCS: [&str; 8] = [
    "a.test/docs/start",
    "a.test/docs/more",
    "a.test/docs/sub/deep",
    "a.test/docs/sub/deeper",
    "a.test/docs/up",
    "a.test/other",
    "a.test/other/leaf",
    "a.test/docsx",
];

#[test]
fn host_stays_at_the_host() {
    let site = site(PAGES);
    check(&site, &crawl(&site, "host", &["a.test/docs/start"]), &DOCS, &["www.a.test/x", "b.test/y"]);
}

#[test]
fn host_means_the_hosts_of_all_seeds() {
    let site = site(PAGES);
    let ok = [&DOCS[..], &["b.test/", "b.test/y"]].concat();
    let out = ["www.a.test/x", "c.test/z"];
    check(&site, &crawl(&site, "host", &["a.test/docs/start", "b.test/"]), &ok, &out);
}

#[test]
fn domain_includes_its_other_hosts() {
    let site = site(PAGES);
    let ok = [&DOCS[..], &["www.a.test/x", "www.a.test/x2"]].concat();
    check(&site, &crawl(&site, "domain", &["a.test/docs/start"]), &ok, &["b.test/y"]);
}

#[test]
fn any_follows_everything() {
    let site = site(PAGES);
    let ok = [&DOCS[..], &["www.a.test/x", "www.a.test/x2", "b.test/y", "c.test/z"]].concat();
    check(&site, &crawl(&site, "any", &["a.test/docs/start"]), &ok, &[]);
}

#[test]
fn extra_hops_lead_so_far_out_and_back() {
    let pages: &[(&str, &[&str])] = &[
        ("a.test/", &["//b.test/1"]),
        ("b.test/1", &["//b.test/2"]),
        ("b.test/2", &["//b.test/3", "//a.test/back"]),
        ("a.test/back", &["//c.test/1"]),
        ("c.test/1", &["//c.test/2"]),
    ];
    let site_0 = site(pages);
    check(&site_0, &crawl(&site_0, "host", &["a.test/"]), &["a.test/"], &["b.test/1"]);
    let site_1 = site(pages);
    let one = crawl(&site_1, "host", &["a.test/"]).set("scope.extra_hops", 1);
    check(&site_1, &one, &["a.test/", "b.test/1"], &["b.test/2"]);
    let site_2 = site(pages);
    let two = crawl(&site_2, "host", &["a.test/"]).set("scope.extra_hops", 2);
    let ok = ["a.test/", "b.test/1", "b.test/2", "a.test/back", "c.test/1", "c.test/2"];
    check(&site_2, &two, &ok, &["b.test/3"]);
}

#[test]
fn include_and_exclude_choose_among_links() {
    let pages: &[(&str, &[&str])] = &[("a.test/", &["/en/a", "/en/b.pdf", "/de/c", "/en/print/d"])];
    let site_1 = site(pages);
    let excluding = crawl(&site_1, "host", &["a.test/"]).set("scope.exclude", vec!["\\.pdf$", "/print/"]);
    check(
        &site_1,
        &excluding,
        &["a.test/", "a.test/en/a", "a.test/de/c"],
        &["a.test/en/b.pdf", "a.test/en/print/d"],
    );
    let site_2 = site(pages);
    let both = crawl(&site_2, "host", &["a.test/"])
        .set("scope.include", vec!["/en/"])
        .set("scope.exclude", vec!["\\.pdf$"]);
    check(
        &site_2,
        &both,
        &["a.test/", "a.test/en/a", "a.test/en/print/d"],
        &["a.test/en/b.pdf", "a.test/de/c"],
    );
}

#[test]
fn a_refusal_names_its_rule_and_place() {
    let long = format!("/{}", "l".repeat(300));
    let links: &[&str] = &["/x.pdf", "//b.test/", "/1/2/3/4/5", "/a/a/a/a", "/q?a=1&b=2&c=3", &long, "/fine"];
    let site = site(&[("a.test/", links)]);
    let crawl = crawl(&site, "host", &["a.test/"])
        .set("scope.exclude", vec!["\\.pdf$"])
        .set("scope.max_path_segments", 4)
        .set("scope.max_repeated_segments", 3)
        .set("scope.max_query_params", 2)
        .set("scope.max_url_length", 200);
    let (run, ok, out) = reached(&site, &crawl);
    assert_eq!((ok.len(), out.len()), (2, 6));
    for (link, rule, word) in [
        ("/x.pdf", "exclude = ", "\\.pdf$"),
        ("/1/2/3/4/5", "max_path_segments", "4"),
        ("/a/a/a/a", "max_repeated_segments", "3"),
        ("/q?a=1&b=2&c=3", "max_query_params", "2"),
        (&long, "max_url_length", "200"),
    ] {
        let url = site.at("a.test", link);
        run.ends(&url, "skipped_scope", Some(&crawl.place(rule)));
        let reason = run.ending(&url)["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(word), "{link}: {reason}");
    }
    run.ends(&site.at("b.test", "/"), "skipped_scope", Some(&crawl.place("type = \"host\"")));
    assert_eq!(run.ending(&site.at("b.test", "/"))["discovered_from"], site.at("a.test", "/").as_str());
}

#[test]
fn nofollow_in_all_its_forms_is_obeyed_unless_the_job_says_not_to() {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path)).serve("/robots.txt", Answer::status(404));
    let links =
        "<a rel='ugc NOFOLLOW' href=/rel>x</a><a href=/meta>x</a><a href=/header>x</a><a href=/named>x</a>";
    site.serve("/", Answer::bytes("text/html", links));
    let meta = "<meta name=ROBOTS content='noarchive,nofollow'><a href=/m1>x</a>";
    site.serve("/meta", Answer::bytes("text/html", meta));
    site.serve("/header", Answer::links("H", ["/h1"]).header("x-robots-tag", "none"));
    site.serve("/named", Answer::links("N", ["/n1"]).header("x-robots-tag", "otherbot: nofollow"));
    let crawl = crawl(&site, "host", &["a.test/"]);
    let ok = ["a.test/", "a.test/meta", "a.test/header", "a.test/named", "a.test/n1"];
    let out = ["a.test/rel", "a.test/m1", "a.test/h1"];
    check(&site, &crawl, &ok, &out);
    site.forget();
    check(&site, &crawl.set("scope.nofollow", "ignore"), &[&ok[..], &out].concat(), &[]);
}

#[test]
fn another_way_within_the_scope_wins_whichever_comes_first() {
    for first in ["/a", "/b"] {
        let site = Site::new();
        site.otherwise(|seen| Answer::page(&seen.path)).serve("/robots.txt", Answer::status(404));
        let second = if first == "/a" { "/b" } else { "/a" };
        site.serve("/", Answer::links("Start", [first, second]));
        site.serve("/a", Answer::bytes("text/html", "<a rel=nofollow href=/target>x</a>"));
        site.serve("/b", Answer::links("B", ["/target"]));
        let crawl = crawl(&site, "host", &["a.test/"]).set("politeness.host_concurrency", 1);
        let crawl = crawl.set("checkpoint.records", 1);
        check(&site, &crawl, &["a.test/", "a.test/a", "a.test/b", "a.test/target"], &[]);
    }
}

#[test]
fn what_is_refused_many_times_has_one_line() {
    let pages: Vec<String> = (0..30).map(|n| format!("/{n}")).collect();
    let site = Site::new();
    let links = pages.clone();
    site.otherwise(move |seen| {
        Answer::links(
            &seen.path,
            links.iter().map(String::as_str).chain(["http://b.test/x", "http://b.test/y"]),
        )
    });
    site.serve("/robots.txt", Answer::status(404));
    let crawl = crawl(&site, "host", &["a.test/0"]);
    crawl.run().expect(0);
    let urls = pages.iter().map(|page| site.at("a.test", page));
    let urls = urls.chain(["http://b.test/x".to_owned(), "http://b.test/y".to_owned()]);
    let run = crawl.verify_exact(urls);
    assert_eq!(run.ended("skipped_scope").len(), 2);
}

#[test]
fn a_source_may_have_its_own_scope() {
    let site = site(&[("a.test/", &["/1", "/x.pdf"]), ("b.test/", &["/1", "/x.pdf"]), ("c.test/", &["/1"])]);
    let source = |id: &str, host: &str, scope: &str| {
        format!("id = '{id}'\ntype = 'urls'\nurls = ['{}']\n{scope}", site.at(host, "/"))
    };
    let crawl = Crawl::web(HOSTS)
        .source(&source("one", "a.test", "scope = { type = 'page' }"))
        .source(&source("two", "b.test", "scope = { exclude = [] }"))
        .source(&source("three", "c.test", ""))
        .set("scope", table("type = 'host'\nexclude = ['\\.pdf$']"));
    check(&site, &crawl, &["a.test/", "b.test/", "b.test/1", "b.test/x.pdf", "c.test/", "c.test/1"], &[]);
}

#[test]
fn addresses_of_one_page_are_one_page() {
    let links =
        ["/p?b=2&a=1", "/p?a=1&b=2", "/p?a=1&b=2&utm_source=x&fbclid=1", "/p?a=1&b=2#c", "/p?A=1&b=2"];
    let site = site(&[("a.test/", &links)]);
    let crawl = crawl(&site, "host", &["a.test/"])
        .set("scope.normalize", table("sort_query = true\nstrip_params = ['utm_*', 'fbclid']"));
    check(&site, &crawl, &["a.test/", "a.test/p?a=1&b=2", "a.test/p?A=1&b=2"], &[]);
}

#[test]
fn a_seed_is_taken_whatever_the_scope_says_of_links() {
    let site = site(&[]);
    let crawl = crawl(&site, "host", &["a.test/x.pdf"]).set("scope.exclude", vec!["\\.pdf$"]);
    check(&site, &crawl, &["a.test/x.pdf"], &[]);
}

#[test]
fn bad_expressions_are_named_before_anything_is_asked() {
    let site = site(&[]);
    let crawl = crawl(&site, "host", &["a.test/"]).set("scope.include", vec!["ok", "(unclosed"]);
    crawl.run().expect(78).says("scope.include").says("(unclosed");
    assert_eq!(site.hits(), 0);
}

/// A link that is marked does not hide one that is not, if a seed that comes late brings both into the scope.
#[test]
fn a_seed_that_comes_late_lets_in_what_was_refused_for_two_reasons() {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path)).serve("/robots.txt", Answer::status(404));
    let target = site.at("b.test", "/x");
    let marked = format!("<a rel=nofollow href='{target}'>x</a><a href=/p>p</a>");
    site.serve("//a.test/", Answer::bytes("text/html", marked));
    site.serve("//a.test/p", Answer::links("P", [&target]));
    let late = Answer::redirect(302, &site.at("b.test", "/")).after(std::time::Duration::from_millis(700));
    site.serve("//c.test/", late);
    let crawl = crawl(&site, "host", &["a.test/", "c.test/"]).set("checkpoint.every", "50ms");
    crawl.run().expect(0);
    let urls = [("a.test", "/"), ("a.test", "/p"), ("c.test", "/"), ("b.test", "/")];
    let urls = urls.map(|(host, path)| site.at(host, path));
    crawl.verify_exact(urls.iter().chain([&target])).ends(&target, "ok", None);
}

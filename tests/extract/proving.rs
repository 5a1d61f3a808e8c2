//! `trawl test`: kept pages held against the rules of a config, offline, and pages that are kept.

use std::fs;

use serde_json::{Value, json};

use crate::records::{html, newspaper};
use crate::support::{Answer, Crawl, Run};

const PAGE: &str = "<!doctype html><title>T</title><h1>Big</h1><a href=/a>a</a><a href=b>b</a>\
    <table><tr><td>x<i>1,5</i></tr><tr><td>y</tr></table><p class=tag>one<p class=tag>two";

/// A job with rules for a shop, and its page beside the config.
fn shop() -> Crawl {
    Crawl::new().seeds(["http://127.0.0.1:9/"]).write("pages/list.html", PAGE).rule(
        "id = 'list'
        match = { url = '/list' }
        links = { css = 'h1', attr = 'data-next' }
        fields.title = { css = 'h1', required = true }
        fields.author = { css = '.by' }
        fields.tags = { css = '.tag', many = true }
        [fields.items]
        each = 'tr'
        fields.name = { css = 'td' }
        fields.price = { css = 'i', type = 'float', decimal = ',' }",
    )
}

fn test(crawl: Crawl, expected: &str) -> Crawl {
    crawl.test(&format!(
        "name = 'a list'\npage = 'pages/list.html'\nurl = 'https://shop.example/list'\ncontent_type = 'text/html'\n{expected}"
    ))
}

fn lines(run: &Run) -> Vec<&str> {
    run.stdout.lines().map(str::trim).collect()
}

#[test]
fn what_is_found_is_held_against_what_is_expected() {
    let crawl = test(
        shop(),
        "rule = 'list'\ntitle = 'T'\nnull = ['author']\nlinks.exactly = ['https://shop.example/a', 'https://shop.example/b']
        expect.title = 'Big'\nexpect.tags = ['one', 'two']\nexpect.items = [{ name = 'x1,5', price = 1.5 }, { name = 'y' }]",
    );
    let ran = crawl.trawl(&["test"]).expect(0);
    assert_eq!((lines(&ran), &*ran.stderr), (vec!["ok      a list", "1 test: 1 ok, 0 failed"], ""));
    assert!(!crawl.path("store").exists() && !crawl.path("out").exists(), "nothing is left behind");
}

#[test]
fn a_difference_says_where_and_what_the_selector_matched() {
    let crawl = test(
        shop().rule("id = 'rest'\nfields.x = { css = 'p' }"),
        "rule = 'rest'\ntitle = 'U'\nlinks.contains = ['https://shop.example/c', 'https://shop.example/a']",
    );
    let crawl = crawl.test(
        "name = 'two'\npage = 'pages/list.html'\nurl = 'https://shop.example/list?2'\nlinks.exactly = ['https://shop.example/b']
        expect.title = 'Small'\nexpect.author = 'A'\nexpect.tags = ['one', 'two', 'three']\nexpect.items = [{ name = 'x1,5', price = 2 }, { name = 'y', price = 1 }]",
    );
    let ran = crawl.trawl(&["test"]).expect(14);
    let place = |number| format!("{}1", crawl.nth_place("[[tests]]", number));
    assert_eq!(
        lines(&ran),
        [
            format!("FAILED  a list  ({})", place(0)).as_str(),
            r#"rule: expected "rest", found "list""#,
            r#"title: expected "U", found "T""#,
            r#"links: "https://shop.example/c" is not among the 2 links"#,
            &format!("FAILED  two  ({})", place(1)),
            r#"links: "https://shop.example/a" is not expected"#,
            r#"fields.title: expected "Small", found "Big"; `h1` matched 1 node"#,
            r#"fields.author: expected "A", found null; `.by` matched 0 nodes"#,
            r#"fields.tags[2]: expected "three", found null; `.tag` matched 2 nodes (3 entries expected, 2 found)"#,
            "fields.items[0].price: expected 2, found 1.5; `i` matched 1 node",
            "fields.items[1].price: expected 1, found null; `i` matched 1 node",
            "2 tests: 0 ok, 2 failed",
            "rule `rest` has no test",
        ]
    );
    let one = crawl.trawl(&["test", "--name", "two", "config.toml"]).expect(14);
    assert!(one.stdout.ends_with("1 test: 0 ok, 1 failed\n"), "{one}");
    crawl.trawl(&["test", "--name", "tow"]).expect(2).says("did you mean `two`?");
}

#[test]
fn fields_without_a_test_are_named_and_json_says_the_same() {
    let crawl = test(shop(), "expect.title = 'Small'");
    let ran = crawl.trawl(&["test", "--json"]).expect(14);
    let found: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((&found["ok"], &found["passed"], &found["failed"]), (&json!(false), &json!(0), &json!(1)));
    assert_eq!(
        found["tests"][0]["shown"],
        json!([{ "what": "fields.title", "expected": "Small", "found": "Big", "note": null, "selector": "h1", "nodes": 1 }])
    );
    assert_eq!(
        found["unproved"],
        json!([{ "rule": "list", "has_test": true, "fields": ["author", "tags", "items"] }])
    );
    let ran = crawl.trawl(&["test"]).expect(14);
    assert!(
        ran.stdout.ends_with("rule `list`: no test expects anything of `author`, `tags`, `items`\n"),
        "{ran}"
    );
}

#[test]
fn ends_without_a_record_can_be_expected() {
    let bare = "page = 'pages/bare.html'\nurl = 'https://shop.example/list'\ncontent_type = 'text/html'";
    let crawl = shop().write("pages/bare.html", "<p>x").rule("id = 'no'\nemit = false");
    let ran =
        crawl.test(&format!("name = 'a'\n{bare}")).test(&format!("name = 'b'\noutcome = 'rejected'\n{bare}"));
    let ran = ran
        .test("name = 'c'\npage = 'pages/bare.html'\nurl = 'https://shop.example/'\noutcome = 'listed'")
        .test("name = 'd'\npage = 'pages/bare.html'\nurl = 'https://shop.example/'\nlinks.exactly = []\noutcome = 'listed'")
        .trawl(&["test"])
        .expect(14);
    assert_eq!(
        lines(&ran)[1],
        r#"outcome: expected "ok", found "rejected" (rule `list`: the required field `title` has no value)"#
    );
    assert_eq!(lines(&ran)[2..5], ["ok      b", "ok      c", "ok      d"]);
}

#[test]
fn a_page_that_is_gone_fails_its_test_only() {
    let crawl =
        test(shop(), "").test("name = 'gone'\npage = 'pages/none.html'\nurl = 'https://shop.example/list'");
    let crawl = crawl.test("name = 'folder'\npage = 'pages'\nurl = 'https://shop.example/list'");
    crawl.trawl(&["validate"]).expect(0);
    let ran = crawl.trawl(&["test"]).expect(14);
    let found = lines(&ran);
    assert_eq!(found[0], "ok      a list");
    let place = crawl.place("page = \"pages/none.html\"");
    assert!(
        found[2].starts_with(&format!("{place}8: cannot read the page")) && found[2].contains("No such file"),
        "{ran}"
    );
    assert!(found[3].starts_with("hint: keep the page again with `trawl test --record URL`"), "{ran}");
    assert!(found[5].ends_with("it is no file"), "{ran}");
    shop().trawl(&["test"]).expect(2).says("has no [[tests]]\nhint: `trawl test --record URL`");
}

#[test]
fn tests_that_cannot_be_are_found_when_the_config_is_read() {
    let crawl = shop().rule("id = 'other'\nfields.isbn = { css = 'i' }");
    let crawl = test(crawl, "rule = 'lst'\nsource = 'seed'\nheaders = { cookie = 'x', content-type = 'y' }");
    let crawl = test(
        crawl,
        "rule = 'list'\nnull = ['titel', 'tags']\nexpect.isbn = 1\nexpect.tags = []\nexpect.items = [{ nam = 'x' }]",
    );
    let ran =
        crawl.test("name = 'c'\npage = 'x'\nurl = 'list'\nexpect.ibsn = 2").trawl(&["validate"]).expect(78);
    for words in [
        "there is no rule `lst`",
        "hint: did you mean `list`?",
        "there is no source `seed`\n",
        "hint: did you mean `seeds`?",
        "`cookie` would keep a credential in the config",
        "`content-type` has a key of its own",
        "`a list` is already the name of tests[0]",
        "the rule `list` does not have a field `titel`",
        "hint: did you mean `title`?",
        "the rule `list` does not have a field `isbn`",
        "`tags` is to be null and has a value in `expect`",
        "the rule `list` does not have a field `items.nam`",
        "hint: did you mean `items.name`?",
        "`list`: ",
        "no rule has a field `ibsn`",
        "hint: did you mean `isbn`?",
    ] {
        assert!(ran.stderr.contains(words), "{words}: {ran}");
    }
}

#[test]
fn a_page_is_kept_as_a_test_that_passes() {
    let (site, crawl) = newspaper();
    let crawl = crawl.set("politeness.obey_robots", true);
    site.serve("/robots.txt", Answer::text("User-agent: *\nDisallow: /about\n"));
    let odd = "<title>\u{202e}O\"dd\\</title><h1>one\ntwo \u{200b}</h1>";
    site.serve("/news/odd?x=1", html(odd).header("x-robots-tag", "nofollow"));
    crawl.trawl(&["validate"]).expect(0);
    let config = crawl.path("config.toml");
    let before = fs::read_to_string(&config).expect("config");
    // What a person wrote stays as it is.
    let before = format!("# by hand,  with  spaces\r\n{before}# the end");
    fs::write(&config, &before).expect("config");

    let here = |args: &[&str]| crawl.as_it_stands(args);
    let kept = here(&["test", "--record", &site.url("/news/1"), "--name", "first one"]).expect(0);
    assert!(
        kept.stdout.contains("`first one`") && kept.stdout.contains("tests/pages/first-one.html"),
        "{kept}"
    );
    for _ in 0..2 {
        here(&["test", "--record", &site.url("/news/odd?x=1")]).expect(0);
    }
    here(&["test", "--record", &site.url("/news/3")]).expect(0);
    here(&["test", "--record", &site.url("/")]).expect(0);
    let text = fs::read_to_string(&config).expect("config");
    assert!(text.starts_with(&format!("{before}\r\n\r\n[[tests]]\r\n")), "{text}");
    assert!(!text.contains('\u{202e}') && !text.contains('\u{200b}'), "{text}");
    let hits = site.hits();
    let ran = here(&["test"]).expect(0);
    assert!(ran.stdout.contains("5 tests: 5 ok, 0 failed") && !ran.stdout.contains("rule `"), "{ran}");
    assert_eq!(site.hits(), hits, "no network");

    // Each of these leaves the config as it is.
    here(&["test", "--record", &site.url("/news/2"), "--name", "first one"]).expect(2).says("already a test");
    here(&["test", "--record", &site.url("/nothing")]).expect(1).says("gone");
    here(&["test", "--record", &site.url("/about")]).expect(1).says("skipped_robots");
    here(&["test", "--record", "mailto:x"]).expect(2);
    assert_eq!(fs::read_to_string(&config).expect("config"), text);
    let pages = fs::read_dir(crawl.path("tests/pages")).expect("pages").count();
    assert_eq!(pages, 5, "a page for each test, and none besides");

    // A page that changes fails its test.
    fs::write(crawl.path("tests/pages/first-one.html"), "<title>T1</title><h1>Other</h1>").expect("page");
    let failed = here(&["test", "--name", "first one"]).expect(14);
    assert!(
        failed.stdout.contains(r#"fields.title: expected "Title 1", found "Other"; `h1` matched 1 node"#),
        "{failed}"
    );
}

#[test]
fn a_config_whose_tests_are_a_list_is_left_alone() {
    let (site, crawl) = newspaper();
    crawl.trawl(&["validate"]).expect(0);
    let config = crawl.path("config.toml");
    let text = format!("tests = []\n{}", fs::read_to_string(&config).expect("config"));
    fs::write(&config, &text).expect("config");
    crawl
        .as_it_stands(&["test", "--record", &site.url("/news/1")])
        .expect(1)
        .says("cannot be put at the end")
        .says("[[tests]]\nname = ");
    assert_eq!(fs::read_to_string(&config).expect("config"), text);
    assert!(!crawl.path("tests").exists(), "no page without its test");
}

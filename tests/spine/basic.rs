//! A list of pages becomes records and outcomes, each URL with one ending and its reason.

use std::time::Duration;

use crate::support::{Answer, Crawl, Gate, Site};

#[test]
fn a_list_of_pages_becomes_records() {
    let site = Site::new();
    site.serve("/one", Answer::page("One &amp; only").header("etag", "\"e1\""));
    site.serve(
        "/two",
        Answer::bytes("text/html", "<title> Two\n  words </title><a href=/three#x rel=NoFollow>3</a>"),
    );
    let urls = site.urls(["/one", "/two"]);
    let crawl = Crawl::over(&urls).set("records.links", true);
    crawl.run().expect(0);

    let run = crawl.verify_exact(&urls);
    let one = run.record(&urls[0]);
    assert_eq!(one["title"], "One & only");
    assert_eq!(one["url_requested"], urls[0].as_str());
    assert_eq!(one["host"], site.host().as_str());
    assert_eq!(one["source_id"], "list");
    assert_eq!(one["fetch_status"], 200);
    assert_eq!(one["fetch_attempts"], 1);
    assert_eq!(one["fetch_ip"], "127.0.0.1");
    assert_eq!(one["fetch_protocol"], "http/1.1");
    assert_eq!(one["http_etag"], "\"e1\"");
    assert_eq!(one["content_mime_type"], "text/html");
    assert_eq!(one["content_charset"], "UTF-8");
    assert_eq!(one["content_charset_source"], "header");
    assert_eq!(one["redirects"], serde_json::json!([]));
    let two = run.record(&urls[1]);
    assert_eq!(two["title"], "Two words");
    assert_eq!(two["links"][0]["url"], site.url("/three").as_str());
    assert_eq!(two["links"][0]["rel"], "nofollow");
    assert_eq!(run.summary["finish_reason"], "finished");
    assert_eq!(run.manifest["complete"], true);
    assert_eq!(site.hits(), 2, "links are not followed");
}

#[test]
fn every_record_has_every_field() {
    let (site, urls) = Site::with_pages(1, Duration::ZERO);
    let crawl = Crawl::over(&urls);
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    drop(site);
    // Read by the published types: they refuse unknown fields and demand all of their own.
    let record = serde_json::from_value::<trawl::model::Record>(run.records[0].clone());
    record.expect("a record has exactly the fields of the schema");
    let line = serde_json::from_value::<trawl::model::OutcomeLine>(run.outcomes[0].clone());
    line.expect("an outcome line has exactly the fields of the schema");
}

#[test]
fn a_status_is_an_outcome() {
    let site = Site::new();
    site.serve("/ok", Answer::page("Good"));
    let cases = [(404, "gone"), (410, "gone"), (500, "http_error"), (503, "http_error"), (403, "http_error")];
    for (status, _) in cases {
        site.serve(&format!("/{status}"), Answer::status(status));
    }
    let urls = site.urls(["/ok", "/404", "/410", "/500", "/503", "/403"]);
    let crawl = Crawl::over(&urls);
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    for (status, outcome) in cases {
        let ending = run.ending(&site.url(&format!("/{status}")));
        assert_eq!(ending["outcome"], outcome, "{status}");
        assert_eq!(ending["status"], status);
    }
    assert_eq!(site.hits(), 6, "an answer, whatever its status, is not asked for again");
}

#[test]
fn answers_that_http_does_not_allow_here_are_no_pages() {
    let site = Site::new();
    site.serve("/ok", Answer::page("Good"));
    for status in [204, 205, 206, 304] {
        site.serve(&format!("/{status}"), Answer::status(status));
    }
    let urls = site.urls(["/ok", "/204", "/205", "/206", "/304"]);
    let crawl = Crawl::over(&urls);
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    for url in &urls[1..] {
        assert_eq!(run.outcome(url), "invalid_response", "{url}");
    }
}

#[test]
fn a_redirect_settles_hop_by_hop() {
    let site = Site::new();
    site.serve("/a", Answer::redirect(301, "/b"));
    site.serve("/b", Answer::redirect(302, "/c"));
    site.serve("/c", Answer::redirect(307, "/d"));
    site.serve("/d", Answer::page("The end"));
    let crawl = Crawl::over(site.urls(["/a"]));
    crawl.run().expect(0);
    let run = crawl.verify_exact(site.urls(["/a", "/b", "/c", "/d"]));
    for (from, to) in [("/a", "/b"), ("/b", "/c"), ("/c", "/d")] {
        let ending = run.ending(&site.url(from));
        assert_eq!(ending["outcome"], "redirected");
        assert_eq!(ending["target"], site.url(to).as_str());
    }
    let end = run.record(&site.url("/d"));
    assert_eq!(end["title"], "The end");
    assert_eq!(end["url_requested"], site.url("/a").as_str());
    assert_eq!(end["redirects"], serde_json::json!(site.urls(["/a", "/b", "/c"])));
    assert_eq!(end["depth"], 0);
}

#[test]
fn a_target_that_is_known_already_is_fetched_once() {
    let site = Site::new();
    site.serve("/a", Answer::redirect(301, "/b")).serve("/b", Answer::page("B"));
    let urls = site.urls(["/a", "/b"]);
    let crawl = Crawl::over(&urls);
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    assert_eq!(run.outcome(&urls[0]), "redirected");
    assert_eq!(site.hits_of("/b"), 1);
}

#[test]
fn redirects_in_a_circle_and_too_many_end() {
    let site = Site::new();
    site.serve("/ok", Answer::page("Good"));
    site.serve("/self", Answer::redirect(302, "/self"));
    site.serve("/x", Answer::redirect(302, "/y")).serve("/y", Answer::redirect(302, "/x"));
    for n in 0..6 {
        site.serve(&format!("/chain/{n}"), Answer::redirect(302, &format!("/chain/{}", n + 1)));
    }
    site.forbid("/chain/6");
    let crawl = Crawl::over(site.urls(["/ok", "/self", "/x", "/chain/0"])).set("http.max_redirects", 3);
    crawl.run().expect(0);
    let run = crawl.latest();
    assert_eq!(run.outcome(&site.url("/self")), "redirect_loop");
    assert_eq!(run.outcome(&site.url("/y")), "redirect_loop");
    let chain = (0..6).filter_map(|n| {
        let url = site.url(&format!("/chain/{n}"));
        run.urls().contains(url.as_str()).then(|| run.outcome(&url).to_owned())
    });
    let chain: Vec<String> = chain.collect();
    assert_eq!(chain.last().map(String::as_str), Some("redirect_loop"), "{chain:?}");
    assert!(chain.len() <= 5, "3 redirects are allowed: {chain:?}");
    assert_eq!(site.hits_of("/self"), 1);
    assert_eq!((site.hits_of("/x"), site.hits_of("/y")), (1, 1));
    run.verify(run.urls());
}

#[test]
fn a_redirect_out_of_the_web_is_refused() {
    let site = Site::new();
    site.serve("/ok", Answer::page("Good"));
    let targets =
        ["file:///etc/hostname", "ftp://127.0.0.1/x", "javascript:alert(1)", "data:text/html,x", "http://"];
    for (n, target) in targets.iter().enumerate() {
        site.serve(&format!("/{n}"), Answer::redirect(302, target));
    }
    site.serve("/none", Answer::status(302));
    let mut paths: Vec<String> = (0..targets.len()).map(|n| format!("/{n}")).collect();
    paths.extend(["/ok".to_owned(), "/none".to_owned()]);
    let crawl = Crawl::over(site.urls(&paths));
    crawl.run().expect(0);
    let run = crawl.latest();
    run.verify(run.urls());
    assert_eq!(run.records.len(), 1, "nothing but the good page has a record");
    for path in &paths {
        let ending = run.ending(&site.url(path));
        if path != "/ok" {
            assert_ne!(ending["outcome"], "ok", "{path}");
        }
    }
}

#[test]
fn what_cannot_be_reached_says_why() {
    let site = Site::new();
    site.serve("/ok", Answer::page("Good"));
    // A port that was free a moment ago, and is not listened on.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let raw = Site::raw(|path| {
        match path {
        "/short" => b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 9999\r\n\r\n<title>Half".to_vec(),
        "/chunk" => {
            b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\n\r\nff\r\n<title>Half".to_vec()
        }
        "/garbage" => b"\x00\x01 this is not HTTP\r\n\r\n".to_vec(),
        _ => Vec::new(),
    }
    });
    let refused = format!("http://{free}/");
    let nowhere = "http://nowhere.invalid/".to_owned();
    let mut urls = vec![site.url("/ok"), refused.clone(), nowhere.clone()];
    urls.extend(raw.urls(["/short", "/chunk", "/garbage", "/closed"]));
    let crawl = Crawl::over(&urls).set("retry.max_retries", 0);
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    assert_eq!(run.outcome(&refused), "connect_error");
    assert_eq!(run.outcome(&nowhere), "dns_error");
    for path in ["/short", "/chunk"] {
        assert_eq!(run.outcome(&raw.url(path)), "network_error", "{path}: half a page is no page");
    }
    for path in ["/garbage", "/closed"] {
        let outcome = run.outcome(&raw.url(path));
        assert!(
            ["network_error", "invalid_response", "connect_error"].contains(&outcome),
            "{path}: {outcome}"
        );
    }
}

#[test]
fn silence_is_a_timeout() {
    let site = Site::new();
    let gate = Gate::closed();
    site.serve("/ok", Answer::page("Good")).serve("/silent", Answer::page("Never").behind(&gate));
    let urls = site.urls(["/ok", "/silent"]);
    let crawl = Crawl::over(&urls)
        .set("retry.max_retries", 0)
        .set("http.timeout.read", "300ms")
        .set("http.timeout.total", "600ms");
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    assert_eq!(run.outcome(&urls[1]), "timeout");
}

#[test]
fn nothing_good_is_not_published() {
    let site = Site::new();
    let crawl = Crawl::over(site.urls(["/404"]));
    crawl.run().expect(4);
    assert!(!crawl.path("out/latest").exists(), "nothing was published");

    // A good run before it stays what consumers see.
    let site = Site::new();
    site.serve("/page", Answer::page("Was there"));
    let crawl = Crawl::over(site.urls(["/page"]));
    crawl.run().expect(0);
    let before = crawl.latest().run_id();
    site.serve("/page", Answer::status(404));
    crawl.run().expect(4);
    assert_eq!(crawl.latest().run_id(), before, "`latest` is untouched");
    assert_eq!(crawl.latest().record(&site.url("/page"))["title"], "Was there");
}

#[test]
fn lists_in_three_formats_and_from_stdin() {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path));
    let url = |path: &str| site.url(path);
    let crawl = Crawl::new()
        .write("lines.txt", format!("# a comment\n\n{}\n  {}  \r\n{}", url("/l1"), url("/l2"), url("/l1")))
        .write("table.csv", format!("name,address\n\"a, b\",{}\nc,\"{}\"\n", url("/c1"), url("/c2")))
        .write(
            "objects.jsonl",
            format!("{{\"n\":1,\"u\":\"{}\"}}\n{{\"u\":\"{}\"}}\n", url("/j1"), url("/j2")),
        )
        .source("id = 'lines'\ntype = 'list'\npath = 'lines.txt'")
        .source("id = 'csv'\ntype = 'list'\npath = 'table.csv'\ncolumn = 'address'")
        .source("id = 'jsonl'\ntype = 'list'\npath = 'objects.jsonl'\ncolumn = 'u'")
        .source("id = 'stdin'\ntype = 'list'\npath = '-'")
        .source(&format!("id = 'inline'\ntype = 'urls'\nurls = ['{}']", url("/u1")))
        .stdin(format!("{}\n{}\n", url("/s1"), url("/s2")));
    crawl.run().expect(0);
    let run = crawl.verify_exact(site.urls(["/l1", "/l2", "/c1", "/c2", "/j1", "/j2", "/s1", "/s2", "/u1"]));
    for (path, source) in
        [("/l1", "lines"), ("/c2", "csv"), ("/j1", "jsonl"), ("/s2", "stdin"), ("/u1", "inline")]
    {
        assert_eq!(run.record(&url(path))["source_id"], source, "{path}");
    }
}

#[test]
fn a_line_that_is_no_url_is_one_outcome_with_its_place() {
    let site = Site::new();
    site.serve("/ok", Answer::page("Good"));
    let lines = format!("{}\nnot a url\nhttp://user:secret@127.0.0.1/\nftp://127.0.0.1/x\n", site.url("/ok"));
    let crawl = Crawl::new().write("l.txt", lines).source("id = 'l'\ntype = 'list'\npath = 'l.txt'");
    crawl.run().expect(0);
    let run = crawl.latest();
    run.verify(run.urls());
    assert_eq!(run.outcomes.len(), 4);
    assert_eq!(run.outcome("not a url"), "invalid_url");
    assert!(
        run.ending("not a url")["rule"].as_str().expect("a place").ends_with("l.txt:2"),
        "{:?}",
        run.outcomes
    );
}

#[test]
fn the_same_over_tls_and_h2() {
    let site = Site::tls();
    site.otherwise(|seen| Answer::page(&seen.path));
    let urls = site.urls(["/a", "/b"]);
    let crawl = Crawl::over(&urls).write("ca.pem", site.certificate()).set("http.ca_file", "ca.pem");
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    assert_eq!(run.record(&urls[0])["fetch_protocol"], "h2");
    assert!(site.see(|view| view.log.iter().all(|seen| seen.is_h2)));

    // Without the certificate nothing is believed.
    let crawl = Crawl::over(&urls);
    crawl.run().expect(4);
    assert_eq!(site.hits(), 2);
}

#[test]
fn a_run_that_cannot_go_is_not_begun_and_the_mended_config_runs_at_once() {
    let site = Site::new();
    site.serve("/a", Answer::page("A"));
    let list = |crawl: Crawl| crawl.source("id = 'l'\ntype = 'list'\npath = 'urls.csv'\ncolumn = 'url'");
    let crawl = list(Crawl::new());
    crawl.run().expect(78).says("urls.csv");
    assert_eq!(crawl.runs(), Vec::<String>::new());
    let crawl = crawl.write("urls.csv", format!("link\n{}\n", site.url("/a")));
    crawl.run().expect(78).says("has no column `url`");
    let crawl = crawl.write("urls.csv", format!("url\n{}\n", site.url("/a")));
    crawl.run().expect(0);
    crawl.verify_exact([site.url("/a")]);
}

#[test]
fn an_exit_that_is_not_0_says_what_it_means() {
    let site = Site::new();
    let crawl = Crawl::over([site.url("/gone")]);
    crawl.run().expect(4).says("nothing could be fetched; kept, not published");
}

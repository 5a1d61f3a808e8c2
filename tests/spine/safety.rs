//! What a run must never do: ask private addresses unbidden, carry credentials abroad, choke on a bomb.

use std::io::Write as _;

use crate::support::{Answer, Crawl, Site};

#[test]
fn private_addresses_are_refused_in_every_spelling() {
    let site = Site::new();
    site.otherwise(|_| Answer::page("Never seen"));
    let port = site.port();
    let spellings = [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "127.0.0.1.",
        "0.0.0.0",
        "[::]",
        "10.0.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "[fe80::1]",
        "[fd00::1]",
    ];
    let urls: Vec<String> = spellings.iter().map(|host| format!("http://{host}:{port}/{host}")).collect();
    let crawl = Crawl::over(&urls)
        .set("http.allow_private_networks", false)
        .write("good.html", "<title>Good</title>");
    let crawl = crawl.source("id = 'f'\ntype = 'files'\npaths = ['good.html']");
    crawl.run().expect(0);
    let run = crawl.latest();
    run.verify(run.urls());
    assert_eq!(run.outcomes.len(), urls.len() + 1);
    for line in run.outcomes.iter().filter(|line| line["source_id"] == "list") {
        assert_eq!(line["outcome"], "refused_address", "{line}");
    }
    assert_eq!(site.hits(), 0);
}

#[test]
fn a_redirect_to_a_private_address_is_refused_unless_its_network_is_allowed() {
    let public = Site::new();
    let private = Site::new();
    private.otherwise(|_| Answer::page("Inside"));
    // Both are loopback; only the first one's address is in the list.
    let inside = format!("http://127.0.0.2:{}/inside", private.port());
    public.serve("/ok", Answer::page("Good")).serve("/go", Answer::redirect(302, &inside));
    let crawl = Crawl::over(public.urls(["/ok", "/go"]));
    let crawl = crawl.set("http.allow_private_networks", vec!["127.0.0.1/32"]);
    crawl.run().expect(0);
    let run = crawl.verify_exact([public.url("/ok"), public.url("/go"), inside.clone()]);
    assert_eq!(run.outcome(&inside), "refused_address");
    assert_eq!(private.hits(), 0);
}

#[test]
fn a_name_that_resolves_to_a_private_address_is_refused() {
    let site = Site::new();
    site.otherwise(|_| Answer::page("Never seen"));
    let url = format!("http://localhost:{}/", site.port());
    let crawl = Crawl::over([&url]).set("http.allow_private_networks", false);
    crawl.run().expect(4);
    assert_eq!(site.hits(), 0);
}

#[test]
fn a_name_is_resolved_as_the_config_says() {
    let site = Site::new();
    site.otherwise(|_| Answer::page("Intranet"));
    let url = format!("http://intranet.example.org:{}/", site.port());
    let crawl = Crawl::over([&url]);
    let mut addresses = toml::Table::new();
    addresses.insert("intranet.example.org".into(), vec!["127.0.0.1"].into());
    let crawl = crawl.set("http.resolve", addresses);
    crawl.run().expect(0);
    crawl.verify_exact([&url]);
    assert_eq!(site.hits(), 1);
}

#[test]
fn credentials_do_not_cross_to_another_origin() {
    let home = Site::new();
    let abroad = Site::new();
    abroad.serve("/landed", Answer::page("Abroad"));
    home.serve("/away", Answer::redirect(302, &abroad.url("/landed")));
    home.serve("/near", Answer::redirect(302, "/home")).serve("/home", Answer::page("Home"));
    let crawl = Crawl::over(home.urls(["/away", "/near"]))
        .env("TEST_TOKEN", "Bearer s3cr3t-value")
        .set("http.headers.X-Job", "plain")
        .set("http.headers.Authorization", toml::Table::from_iter([("env".to_owned(), "TEST_TOKEN".into())]))
        .set("http.headers.Cookie", "session=s3cr3t-value");
    let run = crawl.run().expect(0);
    crawl.verify_exact([home.url("/away"), home.url("/near"), home.url("/home"), abroad.url("/landed")]);
    home.see(|view| {
        for seen in &view.log {
            assert_eq!(seen.headers["authorization"], "Bearer s3cr3t-value", "{}", seen.path);
            assert_eq!(seen.headers["cookie"], "session=s3cr3t-value", "{}", seen.path);
        }
    });
    abroad.see(|view| {
        for name in ["authorization", "cookie", "referer"] {
            assert!(!view.log[0].headers.contains_key(name), "{name} crossed over");
        }
    });
    let secret = "s3cr3t-value";
    assert!(
        !run.stdout.contains(secret) && !run.stderr.contains(&format!("Bearer {secret}")),
        "printed {run}"
    );
    for name in ["manifest.json", "summary.json"] {
        let text = std::fs::read_to_string(crawl.latest().dir.join(name)).unwrap();
        assert!(!text.contains(secret), "{name} holds the secret");
    }
    let config = std::fs::read_to_string(crawl.latest().dir.join("config.toml")).unwrap();
    assert!(!config.contains("Bearer"), "the run's config holds a resolved secret");
}

#[test]
fn environment_proxies_are_not_used() {
    let proxy = Site::new();
    proxy.otherwise(|_| Answer::page("By proxy"));
    let (_site, urls) = Site::with_pages(2, std::time::Duration::ZERO);
    let crawl = Crawl::over(&urls);
    let crawl = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
        .iter()
        .fold(crawl, |crawl, name| crawl.env(name, &proxy.url("")));
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
    assert_eq!(proxy.hits(), 0);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[test]
fn bombs_are_too_large_and_good_pages_beside_them_are_ok() {
    let site = Site::new();
    let chunk = vec![b'a'; 1 << 20];
    let zeros = chunk.repeat(64);
    let mut brotli = Vec::new();
    {
        let mut packer = brotli::CompressorWriter::new(&mut brotli, 1 << 16, 9, 22);
        for _ in 0..64 {
            packer.write_all(&chunk).unwrap();
        }
    }
    let bombs = [
        ("gzip", gzip(&zeros)),
        ("br", brotli),
        ("zstd", zstd::encode_all(&zeros[..], 3).unwrap()),
        ("gzip, gzip", gzip(&gzip(&zeros))),
    ];
    let mut urls = Vec::new();
    for (n, (coding, body)) in bombs.into_iter().enumerate() {
        site.serve(
            &format!("/bomb/{n}"),
            Answer::bytes("text/html", body).header("content-encoding", coding),
        );
        site.serve(&format!("/good/{n}"), Answer::page("Good"));
        urls.extend(site.urls([format!("/bomb/{n}"), format!("/good/{n}")]));
    }
    site.serve("/plain", Answer::bytes("text/html", vec![b'b'; 2 << 20]));
    site.serve(
        "/packed",
        Answer::bytes("text/html", gzip(b"<title>Packed</title>")).header("content-encoding", "gzip"),
    );
    urls.extend(site.urls(["/plain", "/packed"]));
    let crawl = Crawl::over(&urls).set("http.max_body", "1MiB");
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    for url in &urls {
        let expected = match url {
            url if url.contains("/bomb/") || url.ends_with("/plain") => "too_large",
            _ => "ok",
        };
        assert_eq!(run.outcome(url), expected, "{url}");
    }
    assert_eq!(run.record(&site.url("/packed"))["title"], "Packed");
}

#[test]
fn hostile_html_is_bounded() {
    let site = Site::new();
    let pages = [
        ("/deep", format!("<title>Deep</title>{}", "<div>".repeat(100_000))),
        ("/attributes", format!("<title>Attributes</title><p {}>", "a=b ".repeat(200_000))),
        ("/long", format!("<title>Long</title><a href=\"/{}\">x</a>", "x".repeat(1 << 20))),
        ("/zeros", format!("<title>Ze\0ros</title>{}", "\0".repeat(10_000))),
        ("/no-end", format!("<title>{}", "<".repeat(500_000))),
    ];
    let mut urls = Vec::new();
    for (path, body) in pages {
        site.serve(path, Answer::bytes("text/html", body));
        urls.push(site.url(path));
    }
    site.serve(
        "/utf8",
        Answer::bytes("text/html; charset=utf-8", b"<title>\xff\xfe bad \xc3</title>".to_vec()),
    );
    site.serve("/liar", Answer::bytes("text/html; charset=no-such", "<title>Caf\u{e9}</title>"));
    urls.extend(site.urls(["/utf8", "/liar"]));
    let crawl = Crawl::over(&urls);
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    assert_eq!(run.records.len(), urls.len(), "{:?}", run.outcomes);
    for (path, title) in
        [("/deep", "Deep"), ("/attributes", "Attributes"), ("/long", "Long"), ("/liar", "Caf\u{e9}")]
    {
        assert_eq!(run.record(&site.url(path))["title"], title);
    }
}

#[test]
fn a_broken_config_sends_nothing() {
    let (site, urls) = Site::with_pages(1, std::time::Duration::ZERO);
    let crawl = Crawl::over(&urls).set("politeness.max_concurency", 3).set("http.max_body", 17);
    let run = crawl.run().expect(78).says("config.toml:").says("max_concurrency").says("max_body");
    assert!(run.stdout.is_empty(), "{run}");
    assert_eq!(site.hits(), 0);
    assert!(!crawl.path("out").exists() && !crawl.path("store").exists());
}

#[test]
fn a_title_cannot_command_the_terminal() {
    let site = Site::new();
    site.serve(
        "/t",
        Answer::bytes("text/html; charset=utf-8", "<title>a\u{1b}[31m\u{9b}1m\u{202e}b</title>"),
    );
    let crawl = Crawl::over([site.url("/t")]);
    crawl.run().expect(0);
    assert!(crawl.latest().records[0]["title"].as_str().is_some_and(|title| title.contains('\u{202e}')));
    for args in [&["list"][..], &["list", "--json"], &["get", &site.url("/t")]] {
        let shown = crawl.trawl(args).expect(0).stdout;
        assert!(shown.contains("202e") && !shown.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{shown:?}");
    }
}

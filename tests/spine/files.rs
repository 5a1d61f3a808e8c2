//! Local files become records, whatever else lies among them; page bodies become files.

use std::collections::BTreeMap;
use std::fs;

use crate::support::{Answer, Crawl, Site};

fn file_url(crawl: &Crawl, name: &str) -> String {
    format!("file://{}", crawl.path(name).display())
}

#[test]
fn a_tree_of_files_becomes_records() {
    let crawl = Crawl::new()
        .write("docs/index.html", "<html><title>Index</title><a href=sub/a.html>a</a>")
        .write("docs/sub/a.html", "<meta charset=windows-1252><title>Caf\u{e9}</title>".replace('\u{e9}', "&eacute;"))
        .write("docs/sub/data.json", "{\"title\": \"A JSON\"}")
        .write("docs/sub/x.bin", [0, 1, 2])
        .source("id = 'docs'\ntype = 'files'\npaths = ['docs/**/*.html', 'docs/**/*.json']\nbase_url = 'http://example.org/'")
        .set("records.links", true);
    crawl.run().expect(0);
    let names = ["docs/index.html", "docs/sub/a.html", "docs/sub/data.json"];
    let run = crawl.verify_exact(names.map(|name| file_url(&crawl, name)));
    let index = run.record(&file_url(&crawl, "docs/index.html"));
    assert_eq!(index["title"], "Index");
    assert_eq!(index["fetch_protocol"], "file");
    assert_eq!(index["fetch_status"], 200);
    assert!(index["links"][0]["url"].as_str().expect("a link").starts_with("http://example.org/"));
    let cafe = run.record(&file_url(&crawl, "docs/sub/a.html"));
    assert_eq!(cafe["title"], "Caf\u{e9}");
    assert_eq!(cafe["content_charset"], "windows-1252");
}

#[test]
fn odd_files_end_as_outcomes_and_block_nothing() {
    let crawl = Crawl::new()
        .write("tree/good.html", "<title>Good</title>")
        .source("id = 't'\ntype = 'files'\npaths = ['tree']");
    let tree = crawl.path("tree");
    std::os::unix::fs::symlink(&tree, tree.join("loop")).unwrap();
    std::os::unix::fs::symlink(tree.join("nowhere"), tree.join("dangling.html")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", tree.join("device.html")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, tree.join("pipe.html"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    fs::create_dir(tree.join("folder.html")).unwrap();
    fs::write(tree.join("folder.html/inner.html"), "<title>Inner</title>").unwrap();

    crawl.run().expect(0);
    let run = crawl.latest();
    run.verify(run.urls());
    assert_eq!(run.outcome(&file_url(&crawl, "tree/good.html")), "ok");
    assert_eq!(run.outcome(&file_url(&crawl, "tree/folder.html/inner.html")), "ok");
    for name in ["pipe.html", "dangling.html"] {
        assert_eq!(run.outcome(&file_url(&crawl, &format!("tree/{name}"))), "unreadable", "{name}");
    }
    let urls = run.urls();
    assert!(urls.iter().all(|url| !url.contains("/loop/loop")), "went round a loop of links: {urls:?}");
    assert!(
        run.records.iter().all(|record| !record["url"].as_str().unwrap().contains("device")),
        "read a device"
    );
}

#[test]
fn an_unreadable_file_is_an_outcome() {
    let crawl = Crawl::new()
        .write("t/good.html", "<title>Good</title>")
        .write("t/closed.html", "<title>Closed</title>")
        .source("id = 't'\ntype = 'files'\npaths = ['t']");
    let closed = crawl.path("t/closed.html");
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    crawl.run().expect(0);
    let run = crawl.verify_exact([file_url(&crawl, "t/good.html"), file_url(&crawl, "t/closed.html")]);
    // Root reads what it likes.
    let expected = if rustix::process::geteuid().is_root() { "ok" } else { "unreadable" };
    assert_eq!(run.outcome(&file_url(&crawl, "t/closed.html")), expected);
}

#[test]
fn bodies_become_files_that_the_index_names() {
    let site = Site::new();
    let hostile = [
        "/../../../etc/passwd",
        "/a/%2e%2e/%2e%2e/b",
        "/CON",
        "/a%00b",
        "/%2Fetc%2Fpasswd",
        "/same",
        "/Same",
        "/x/",
    ];
    site.otherwise(|seen| Answer::page(&format!("At {}", seen.path.replace('<', ""))));
    let long = format!("/{}", "long".repeat(600));
    let mut urls = site.urls(hostile);
    urls.push(site.url(&long));
    urls.push(site.url("/missing"));
    site.serve("/missing", Answer::status(404));
    let crawl = Crawl::over(&urls).sink("id = 'pages'\ntype = 'pages'");
    crawl.run().expect(0);

    let run = crawl.latest();
    run.verify(run.urls());
    let bodies: BTreeMap<String, Vec<u8>> = crate::support::dataset::below(&run.dir.join("pages"))
        .into_iter()
        .map(|path| {
            (path.strip_prefix(&run.dir).unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())
        })
        .collect();
    let (indexes, pages): (BTreeMap<_, _>, BTreeMap<_, _>) =
        bodies.into_iter().partition(|(name, _)| name.ends_with(".jsonl"));
    assert_eq!(pages.len(), run.records.len(), "one file for each record: {:?}", pages.keys());
    let index: String = indexes.into_values().map(|text| String::from_utf8(text).unwrap()).collect();
    for record in &run.records {
        let key = record["url_key"].as_str().unwrap();
        let (name, body) =
            pages.iter().find(|(name, _)| name.contains(key)).expect("the name holds the url key");
        assert!(!name.contains("..") && name.len() < 128 && name.is_ascii(), "{name}");
        assert!(index.contains(key), "{key} is not in the index of the pages");
        assert_eq!(record["content_length"], body.len());
        assert!(String::from_utf8_lossy(body).contains(record["title"].as_str().unwrap()));
    }
    assert!(!crawl.path("out/etc").exists() && !crawl.path("etc").exists());
}

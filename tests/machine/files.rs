//! Local files that nobody should have: each has one outcome, and nothing blocks.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Crawl, Dataset};

fn over_files(crawl: Crawl) -> Crawl {
    crawl.source("id = 'files'\ntype = 'files'\npaths = ['tree']").sink("id = 'pages'\ntype = 'pages'")
}

/// Outcomes by the name of the file below `tree`, in its bytes.
fn outcomes(crawl: &Crawl, run: &Dataset) -> BTreeMap<Vec<u8>, String> {
    let root = crawl.path("tree");
    let outcome = |line: &serde_json::Value| {
        let url = url::Url::parse(line["url"].as_str().unwrap()).expect("a URL");
        let path = url.to_file_path().expect("a path");
        let name = path.strip_prefix(&root).unwrap_or(&path).as_os_str().as_bytes().to_vec();
        (name, line["outcome"].as_str().unwrap().to_owned())
    };
    let all: BTreeMap<_, _> = run.outcomes.iter().map(outcome).collect();
    assert_eq!(all.len(), run.outcomes.len(), "one outcome for each");
    all
}

#[test]
fn a_file_of_a_terabyte_that_takes_no_room() {
    let crawl = over_files(Crawl::new().write("tree/small.html", "<title>Small</title>"));
    let sparse = File::create(crawl.path("tree/sparse.html")).unwrap();
    if let Err(why) = sparse.set_len(1 << 40) {
        return crate::support::machine::could_not_run("the sparse file", &why.to_string());
    }
    // One that is as large as may be is read, and is nothing but zeros.
    let crawl = crawl.set("http.max_body", "1MiB");
    File::create(crawl.path("tree/zeros.html")).unwrap().set_len(1 << 20).unwrap();
    crawl.run().expect(0);
    let run = crawl.latest();
    run.verify(run.urls());
    let ends = outcomes(&crawl, &run);
    assert_eq!(ends[&b"sparse.html"[..]], "too_large");
    assert_eq!(ends[&b"zeros.html"[..]], "ok");
    assert_eq!(ends[&b"small.html"[..]], "ok");
}

#[test]
fn hostile_names_are_names() {
    let crawl = over_files(Crawl::new().write("tree/plain.html", "<title>0</title>"));
    let mut names: Vec<OsString> = [
        "line\nbreak.html",
        "tab\t.html",
        "..%2f..%2fetc.html",
        "a#b?c&d=e.html",
        "%00.html",
        "%.html",
        "'quotes\"`$(x);.html",
        "-rf.html",
        "\u{202e}lmth.html",
        "back\\slash.html",
        " space .html",
        "CON.html",
        "a:b|c<d>e*.html",
        "\u{1b}[31m.html",
        "e\u{301}.html",
        "\u{e9}.html",
        "....html",
    ]
    .map(OsString::from)
    .into();
    names.push(OsString::from_vec(b"not \xff\xfe UTF-8.html".to_vec()));
    names.push(OsString::from_vec([vec![b'n'; 250], b".html".to_vec()].concat()));
    for (n, name) in names.iter().enumerate() {
        fs::write(crawl.path("tree").join(name), format!("<title>{}</title>", n + 1))
            .expect("a file of that name");
    }
    crawl.run().expect(0);
    let run = crawl.latest();
    run.verify(run.urls());
    let ends = outcomes(&crawl, &run);
    for name in &names {
        assert_eq!(ends.get(name.as_bytes()).map(String::as_str), Some("ok"), "{}", name.display());
    }
    assert_eq!(ends.len(), names.len() + 1);
    let titles: std::collections::BTreeSet<&str> =
        run.records.iter().filter_map(|record| record["title"].as_str()).collect();
    assert_eq!(titles.len(), names.len() + 1, "each record is of its own file: {titles:?}");
    crawl.trawl(&["verify"]).expect(0);
}

#[test]
fn what_is_no_file_is_refused_wherever_it_is_named() {
    let crawl = over_files(Crawl::new().write("tree/good.html", "<title>Good</title>"));
    let tree = crawl.path("tree");
    symlink("itself.html", tree.join("itself.html")).unwrap();
    symlink("pong.html", tree.join("ping.html")).unwrap();
    symlink("ping.html", tree.join("pong.html")).unwrap();
    // A circle within the tree: further up are the run's own files.
    fs::create_dir(tree.join("below")).unwrap();
    symlink("..", tree.join("below/up")).unwrap();
    symlink("/proc/self/mem", tree.join("memory.html")).unwrap();
    let _socket = UnixListener::bind(tree.join("socket.html")).expect("a socket");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR);
    rustix::fs::mknodat(rustix::fs::CWD, tree.join("pipe.html"), kind, mode, 0).unwrap();
    // Named one by one, too: nothing then stands between the name and the reader.
    let named = ["itself.html", "ping.html", "socket.html", "pipe.html"].map(|name| tree.join(name));
    let devices = ["/dev/zero", "/dev/random", "/dev/stdin", "/dev/tty"].map(Path::new).map(Path::to_owned);
    let named: Vec<String> = named.iter().chain(&devices).map(|path| path.display().to_string()).collect();
    let crawl = crawl.source(&format!("id = 'named'\ntype = 'files'\npaths = {named:?}"));
    crawl.run().expect(0);
    let run = crawl.latest();
    run.verify(run.urls());
    assert_eq!(run.outcome(&format!("file://{}", tree.join("good.html").display())), "ok");
    for path in &named {
        assert_eq!(run.outcome(&format!("file://{path}")), "unreadable", "{path}");
    }
    let records: Vec<&str> = run.records.iter().filter_map(|record| record["url"].as_str()).collect();
    assert_eq!(records.len(), 1, "{records:?}");
}

#[test]
fn files_that_change_while_they_are_read() {
    let crawl = over_files(Crawl::new()).set("http.max_body", "256KiB").set("checkpoint.records", 8);
    let tree = crawl.path("tree");
    fs::create_dir(&tree).unwrap();
    let names: Vec<_> = (0..60).map(|n| tree.join(format!("{n}.html"))).collect();
    for name in &names {
        fs::write(name, "<title>Still</title>").unwrap();
    }
    fs::write(tree.join("still.html"), "<title>Still</title>").unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // They grow over the bound, shrink to nothing, are replaced and are away for a moment.
        let change = || {
            let long = vec![b'x'; 300 << 10];
            while !is_over.load(Ordering::SeqCst) {
                for (n, name) in names.iter().enumerate() {
                    let file = || File::options().append(true).create(true).open(name);
                    let changed = match n % 4 {
                        0 => file()
                            .and_then(|mut file| std::io::Write::write_all(&mut file, &long[..=n * 4000])),
                        1 => file().and_then(|file| file.set_len(0)),
                        2 => fs::rename(name, name.with_extension("away"))
                            .and_then(|()| fs::rename(name.with_extension("away"), name)),
                        _ => fs::write(name, &long),
                    };
                    changed.expect("the test's own file");
                    // What grows is made small again, or the disk would fill up.
                    if n % 4 == 0 && fs::metadata(name).is_ok_and(|metadata| metadata.len() > 4 << 20) {
                        fs::write(name, "").expect("the test's own file");
                    }
                }
            }
        };
        scope.spawn(change);
        // Whatever goes wrong here, the thread must end.
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..3 {
                let run = crawl.run().expect(0);
                assert!(run.took < crate::support::PATIENCE);
                let run = crawl.latest();
                run.verify(run.urls());
                let ends = outcomes(&crawl, &run);
                assert_eq!(ends[&b"still.html"[..]], "ok");
                for (name, outcome) in &ends {
                    let known = ["ok", "too_large", "unreadable"].contains(&outcome.as_str());
                    assert!(known, "{}: {outcome}", String::from_utf8_lossy(name));
                }
                crawl.trawl(&["verify"]).expect(0);
            }
        }));
        is_over.store(true, Ordering::SeqCst);
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

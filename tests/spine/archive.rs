//! The sink `warc`: everything that answered is in it, as it came, and once, whatever happens on the way.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use crate::support::{Answer, Crawl, Dataset, Site};

/// Answers of every kind.
fn site() -> (Site, Vec<String>) {
    let site = Site::new();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"<title>Packed</title>").unwrap();
    let packed = Answer::bytes("text/html", packed.finish().unwrap()).header("content-encoding", "gzip");
    let slow = |answer: Answer| answer.after(Duration::from_millis(15));
    site.serve("/packed", slow(packed));
    site.serve("/gone", slow(Answer::status(404)));
    site.serve("/error", slow(Answer::status(500).header("x-why", "no idea")));
    site.serve("/moved", slow(Answer::redirect(301, "/same/0")));
    site.serve("/broken", Answer::reset());
    for n in 0..6 {
        site.serve(&format!("/same/{n}"), slow(Answer::page("Same")));
        site.serve(&format!("/other/{n}"), slow(Answer::page(&format!("Other {n}"))));
    }
    let paths = ["/packed", "/gone", "/error", "/moved", "/broken"].map(str::to_owned).into_iter();
    let paths = paths.chain((0..6).flat_map(|n| [format!("/same/{n}"), format!("/other/{n}")]));
    let urls = site.urls(paths);
    (site, urls)
}

fn job(urls: &[String]) -> Crawl {
    Crawl::over(urls)
        .sink("id = 'archive'\ntype = 'warc'\nroll = { records = 5 }")
        .set("politeness.max_concurrency", 2)
        .set("checkpoint.records", 3)
        .set("retry.max_retries", 0)
        .set("http.headers", crate::support::crawl::table("X-Open = 'yes'\nX-Key = { env = 'TRAWL_KEY' }"))
        .env("TRAWL_KEY", "s3cret")
}

/// What makes two archives equal: URL, status line and payload.
fn examine(site: &Site, dataset: &Dataset) -> Vec<(String, String, Vec<u8>)> {
    let archive = dataset.archive("archive");
    let kinds = |kind: &str| archive.records.iter().filter(|record| record.kind() == kind).count();
    assert_eq!((kinds("request"), kinds("metadata")), (16, 16));
    assert_eq!((kinds("response"), kinds("revisit")), (11, 5), "one of six that are the same is stored");
    for record in archive.records.iter().filter(|record| record.kind() == "request") {
        assert!(record.http().contains("\r\nx-open: yes\r\n"), "{}", record.http());
        assert!(!record.http().contains("s3cret"), "a secret is in the archive");
    }
    let packed = &archive.captures[&site.url("/packed")];
    assert!(packed.1.starts_with(&[0x1f, 0x8b]), "as it came");
    assert!(packed.0.http().contains("\r\ncontent-encoding: gzip\r\n"));
    let error = &archive.captures[&site.url("/error")].0;
    assert!(error.http().contains("\r\nx-why: no idea\r\n"), "{}", error.http());
    let captures = archive.captures.into_iter();
    captures
        .map(|(url, (record, payload))| (url, record.http().lines().next().unwrap().to_owned(), payload))
        .collect()
}

/// Has `warcio` look at the files, too, where it is installed.
fn ask_warcio(dataset: &Dataset) {
    for path in crate::support::dataset::below(&dataset.dir.join("archive")) {
        if path.extension().is_some_and(|ending| ending == "gz")
            && let Ok(output) = Command::new("warcio").args(["check", "-v"]).arg(&path).output()
        {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("digest pass"), "{said}");
        }
    }
}

#[test]
fn everything_that_answered_is_there_once_after_any_kill() {
    let (site, urls) = site();
    let crawl = job(&urls);
    crawl.run().expect(0);
    let whole = examine(&site, &crawl.latest());
    assert_eq!(whole.len(), urls.len() - 1, "all but the one that never answered");
    ask_warcio(&crawl.latest());
    for n in [2, 5, 9, 13, 16] {
        site.forget();
        let crawl = job(&urls);
        assert!(crawl.run_killed_at(&site, n).was_killed(), "request {n}");
        crawl.run().expect(0);
        assert_eq!(examine(&site, &crawl.latest()), whole, "killed at request {n}");
        crawl.trawl(&["verify"]).expect(0);
    }
}

/// The digests of the manifest tell that a file was changed; that a file is wrong from the start, they cannot.
#[test]
fn verify_looks_into_outputs() {
    let (_site, urls) = site();
    let crawl = job(&urls)
        .sink("id = 'lines'\ntype = 'jsonl'\ncompression = 'zstd'")
        .sink("id = 'table'\ntype = 'csv'");
    crawl.run().expect(0);
    let dir = crawl.latest().dir;
    let name = |ending: &str| {
        let found = crate::support::dataset::below(&dir);
        let found = found.iter().find(|path| path.to_string_lossy().ends_with(ending)).unwrap();
        found.strip_prefix(&dir).unwrap().to_string_lossy().into_owned()
    };
    for (file, cut, what) in [
        (name("00000.warc.gz"), 1, "unexpected end of file"),
        (name("part-00000.jsonl.zst"), 1, "incomplete frame"),
        (name("part-00000.csv"), 3, "records, the manifest says"),
        (name("00000.cdxj"), 1, "records, the manifest says"),
    ] {
        let (path, manifest) = (dir.join(&file), dir.join("manifest.json"));
        let before = [std::fs::read(&path).unwrap(), std::fs::read(&manifest).unwrap()];
        let bytes = &before[0][..before[0].len() - cut];
        std::fs::write(&path, bytes).unwrap();
        let mut said: serde_json::Value = serde_json::from_slice(&before[1]).unwrap();
        let entry =
            said["files"].as_array_mut().unwrap().iter_mut().find(|entry| entry["path"] == *file).unwrap();
        let sum = <sha2::Sha256 as sha2::Digest>::digest(bytes);
        entry["sha256"] = sum.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
        entry["bytes"] = bytes.len().into();
        std::fs::write(&manifest, said.to_string()).unwrap();
        let said = crawl.trawl(&["verify"]);
        assert_eq!(said.code, Some(14), "{said}");
        assert!(said.to_string().contains(&format!("{file}: ")) && said.to_string().contains(what), "{said}");
        std::fs::write(&path, &before[0]).unwrap();
        std::fs::write(&manifest, &before[1]).unwrap();
    }
    crawl.trawl(&["verify"]).expect(0);
}

#[test]
fn http2_is_named_and_written_as_http1() {
    let site = Site::tls();
    site.serve("/a", Answer::page("Over HTTP/2"));
    let urls = site.urls(["/a"]);
    let crawl = job(&urls).write("ca.pem", site.certificate()).set("http.ca_file", "ca.pem");
    crawl.run().expect(0);
    let archive = crawl.latest().archive("archive");
    let (record, _) = &archive.captures[&urls[0]];
    assert_eq!(record.field("WARC-Protocol"), Some("h2"));
    assert!(record.http().starts_with("HTTP/1.1 200 OK\r\n"), "{}", record.http());
    let request = archive.records.iter().find(|record| record.kind() == "request").unwrap();
    assert!(request.http().starts_with("GET /a HTTP/1.1\r\n") && request.http().contains("\r\nhost: "));
}

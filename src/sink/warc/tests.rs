//! What the sink `warc` writes, unpacked by another reader than its own.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::num::NonZeroU64;
use std::sync::Arc;

use bytes::Bytes;
use flate2::read::{GzDecoder, MultiGzDecoder};
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use tempfile::TempDir;

use super::super::testing::{origin, page, refused};
use super::super::{Artifact, Piece};
use super::record::labelled;
use super::*;
use crate::model::{Ending, Fetched, Outcome, Protocol, Spool, Visit, Wire};

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    map
}

/// A page with a body as it came, and what was sent for it.
fn answered(path: &str, body: &[u8]) -> Visit {
    let mut visit = page(path);
    visit.wire_bytes = body.len() as u64;
    if let Some(fetched) = &mut visit.fetched {
        fetched.headers =
            headers(&[("content-type", "text/html; charset=utf-8"), ("x-a", "1"), ("x-a", "2")]);
        fetched.body = Bytes::copy_from_slice(body);
        let sent = headers(&[("user-agent", "t/1"), ("host", "example.org")]);
        fetched.wire = Some(Box::new(Wire { sent, ..Wire::default() }));
    }
    visit
}

fn changed(mut visit: Visit, change: impl FnOnce(&mut Fetched)) -> Visit {
    visit.fetched.as_mut().map(change).expect("an answer");
    visit
}

fn sink(records: Option<u64>) -> Warc {
    let roll = Roll { records: records.and_then(NonZeroU64::new), size: None };
    let settings = Settings { id: "warc".into(), path: None, roll };
    Warc::new(settings, &Crawler { origin: &origin(), user_agent: "t/1", obeys_robots: true })
}

/// Writes visits and gives the finished files.
fn written(dir: &TempDir, visits: &[Visit]) -> Vec<Artifact> {
    let mut writer = sink(None).open(dir.path(), None).expect("open");
    for visit in visits {
        writer.write(Piece::Visit(visit)).expect("write");
    }
    writer.finish().expect("finish")
}

/// Records of a file, each as text.
fn records(path: &Path) -> Vec<String> {
    let (file, mut at, mut found) = (fs::read(path).expect("file"), 0, Vec::new());
    while at < file.len() {
        let mut member = GzDecoder::new(&file[at..]);
        let mut text = Vec::new();
        member.read_to_end(&mut text).expect("a gzip member");
        found.push(String::from_utf8_lossy(&text).into_owned());
        let mut counted = flate2::bufread::GzDecoder::new(&file[at..]);
        io::copy(&mut counted, &mut io::sink()).expect("a gzip member");
        at = file.len() - counted.into_inner().len();
    }
    found
}

/// The records of one visit, behind the first record of the file.
fn of(visit: Visit) -> Vec<String> {
    let dir = tempfile::tempdir().expect("temp dir");
    let artifacts = written(&dir, &[visit]);
    records(&dir.path().join(&artifacts[0].path)).split_off(1)
}

fn kinds(records: &[String]) -> Vec<&str> {
    records.iter().map(|record| scan::field(record, "WARC-Type")).collect()
}

#[test]
fn an_exchange_is_a_request_a_response_and_what_is_said_of_it() {
    let visit = answered("a?b=1", b"<title>x</title>");
    let key = visit.request.key.to_string();
    let [request, response, metadata] = of(visit).try_into().expect("three records");
    let id = |kind| exchange::id(&origin(), &key, kind);
    let named = "WARC-Date: 2026-11-21T02:00:00.125Z\r\nWARC-Target-URI: https://example.org/a?b=1\r\nWARC-Protocol: http/1.1\r\n";
    assert_eq!(
        request,
        format!(
            "WARC/1.1\r\nWARC-Type: request\r\nWARC-Record-ID: {}\r\n{named}WARC-Concurrent-To: {}\r\n\
             Content-Type: application/http;msgtype=request\r\n\
             WARC-Block-Digest: sha1:UA434QS5EXXZ6EZ4L7XRBKZHOI7CKJZB\r\nContent-Length: 59\r\n\r\n\
             GET /a?b=1 HTTP/1.1\r\nuser-agent: t/1\r\nhost: example.org\r\n\r\n\r\n\r\n",
            id("request"),
            id("response")
        )
    );
    assert_eq!(
        response,
        format!(
            "WARC/1.1\r\nWARC-Type: response\r\nWARC-Record-ID: {}\r\n{named}\
             WARC-Payload-Digest: sha1:PHIPOJVNXVPTP2TRPZXKMQ6K46SA5H6K\r\n\
             Content-Type: application/http;msgtype=response\r\n\
             WARC-Block-Digest: sha1:ELA7PXWZCM2U2UITZ7SZVI63LV3IXC7M\r\nContent-Length: 91\r\n\r\n\
             HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\nx-a: 1\r\nx-a: 2\r\n\r\n\
             <title>x</title>\r\n\r\n",
            id("response")
        )
    );
    assert_eq!(
        metadata,
        format!(
            "WARC/1.1\r\nWARC-Type: metadata\r\nWARC-Record-ID: {}\r\n{named}WARC-Concurrent-To: {}\r\n\
             Content-Type: application/warc-fields\r\n\
             WARC-Block-Digest: sha1:3YARUWHUJWWLBCHWVVTMT2ECKBCPL6BP\r\nContent-Length: 62\r\n\r\n\
             hopsFromSeed: 0\r\nfetchTimeMs: 40\r\nsource: seeds\r\noutcome: ok\r\n\r\n\r\n",
            id("metadata"),
            id("response")
        )
    );
}

#[test]
fn what_the_wire_said_stands_in_the_answer() {
    let answer = |change: fn(&mut Fetched)| of(changed(answered("a", b"x"), change))[1].clone();
    let h2 = answer(|fetched| fetched.protocol = Protocol::Http2);
    assert!(h2.contains("\r\nWARC-Protocol: h2\r\n") && h2.contains("\r\n\r\nHTTP/1.1 200 OK\r\n"), "{h2}");
    let old = answer(|fetched| {
        let reason = Some(Bytes::from_static(b"Fine By Me"));
        fetched.wire = Some(Box::new(Wire { version: Version::HTTP_10, reason, ..Wire::default() }));
    });
    assert!(old.contains("\r\nWARC-Protocol: http/1.0\r\n"), "{old}");
    assert!(old.contains("\r\n\r\nHTTP/1.0 200 Fine By Me\r\n"), "{old}");
    let chunked = answer(|fetched| fetched.headers = headers(&[("transfer-encoding", "chunked")]));
    assert!(
        chunked.contains("\r\n\r\nHTTP/1.1 200 OK\r\nX-Crawler-Transfer-Encoding: chunked\r\n\r\nx\r\n\r\n")
    );
    let strange = answer(|fetched| (fetched.status, fetched.ip) = (799, Some([127, 0, 0, 1].into())));
    assert!(strange.contains("\r\nWARC-IP-Address: 127.0.0.1\r\n") && strange.contains("HTTP/1.1 799 \r\n"));
}

#[test]
fn whatever_answered_is_there_and_nothing_else() {
    let gone = answered("gone", b"not here");
    let gone = Visit { ending: Ending::because(Outcome::Gone, "HTTP 404\nX: y"), parsed: None, ..gone };
    let gone = of(changed(gone, |fetched| fetched.status = 404));
    assert_eq!(kinds(&gone), ["request", "response", "metadata"]);
    assert!(gone[1].contains("HTTP/1.1 404 Not Found\r\n") && gone[1].ends_with("\r\n\r\nnot here\r\n\r\n"));
    assert!(gone[2].contains("\r\noutcome: gone\r\nreason: HTTP 404 X: y\r\n"), "{}", gone[2]);
    assert_eq!(of(refused("never", Outcome::SkippedRobots)), [""; 0]);
}

#[test]
fn a_local_file_is_a_resource() {
    let file = changed(answered("a.html", b"<p>"), |fetched| fetched.protocol = Protocol::File);
    let file = of(file);
    assert_eq!(kinds(&file), ["resource", "metadata"]);
    assert!(file[0].contains("\r\nContent-Type: text/html\r\n") && file[0].ends_with("\r\n\r\n<p>\r\n\r\n"));
    assert!(!file[0].contains("WARC-Protocol"), "{}", file[0]);
}

#[test]
fn a_spooled_body_is_read_from_its_file() {
    let mut spool = tempfile::tempfile().expect("file");
    io::Write::write_all(&mut spool, b"<urlset/>").expect("write");
    let map = changed(answered("map.xml", b""), |fetched| {
        fetched.spool = Some(Arc::new(Spool { file: spool, bytes: 9 }));
    });
    let map = of(Visit { wire_bytes: 9, ..map });
    assert!(map[1].ends_with("\r\n\r\n<urlset/>\r\n\r\n"), "{}", map[1]);
}

#[test]
fn the_same_payload_is_stored_once_also_across_a_resume() {
    let dir = tempfile::tempdir().expect("temp dir");
    let mut writer = sink(None).open(dir.path(), None).expect("open");
    let (first, second) = (answered("1", b"same"), answered("2", b"same"));
    writer.write(Piece::Visit(&first)).expect("write");
    writer.write(Piece::Visit(&answered("empty1", b""))).expect("write");
    writer.write(Piece::Visit(&second)).expect("write");
    let committed = writer.sync().expect("sync");
    // Never committed: what follows may not refer to it.
    writer.write(Piece::Visit(&answered("lost", b"other"))).expect("write");
    writer.sync().expect("sync");
    drop(writer);
    let mut writer = sink(None).open(dir.path(), Some(committed)).expect("resume");
    for (path, body) in [("3", &b"same"[..]), ("empty2", b""), ("4", b"other")] {
        writer.write(Piece::Visit(&answered(path, body))).expect("write");
    }
    let artifacts = writer.finish().expect("finish");
    assert_eq!(artifacts.iter().map(|file| file.records).collect::<Vec<_>>(), [6, 6]);
    let path = dir.path().join(&artifacts[0].path);
    assert_eq!(checked(&mut BufReader::new(File::open(&path).expect("file"))).expect("whole"), 6);
    let all = records(&path);
    let answers = kinds(&all).into_iter().filter(|kind| matches!(*kind, "response" | "revisit"));
    assert_eq!(
        answers.collect::<Vec<_>>(),
        ["response", "response", "revisit", "revisit", "response", "response"]
    );
    let revisit = all.iter().filter(|record| scan::field(record, "WARC-Type") == "revisit").nth(1);
    let revisit = revisit.expect("a revisit");
    for (name, value) in [
        ("WARC-Profile", "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"),
        ("WARC-Target-URI", "https://example.org/3"),
        ("WARC-Refers-To", &exchange::id(&origin(), &first.request.key.to_string(), "response")),
        ("WARC-Refers-To-Target-URI", "https://example.org/1"),
        ("WARC-Refers-To-Date", "2026-11-21T02:00:00.125Z"),
        ("WARC-Truncated", "length"),
        ("WARC-Payload-Digest", &labelled(&Payload::Held(b"same").sum().expect("sum"))),
    ] {
        assert_eq!(scan::field(revisit, name), value, "{name}");
    }
    assert!(revisit.ends_with("x-a: 2\r\n\r\n\r\n\r\n"), "no body: {revisit}");
}

#[test]
fn each_file_says_what_it_is_and_has_an_index() {
    let dir = tempfile::tempdir().expect("temp dir");
    let mut writer = sink(Some(2)).open(dir.path(), None).expect("open");
    for path in ["b", "a?y=2&x=1", "C"] {
        writer.write(Piece::Visit(&answered(path, path.as_bytes()))).expect("write");
    }
    let artifacts = writer.finish().expect("finish");
    let found: Vec<_> =
        artifacts.iter().map(|file| (file.path.to_str().expect("text"), file.records)).collect();
    let name = "news-20261121T020000Z-7f3a-0000";
    assert_eq!(
        found,
        [
            (&*format!("warc/{name}0.warc.gz"), 2),
            (&*format!("warc/{name}1.warc.gz"), 1),
            (&*format!("warc/{name}0.cdxj"), 2),
            (&*format!("warc/{name}1.cdxj"), 1),
        ]
    );
    for part in 0..2 {
        let path = dir.path().join(format!("warc/{name}{part}.warc.gz"));
        let info = records(&path).remove(0);
        assert_eq!(scan::field(&info, "WARC-Type"), "warcinfo");
        assert_eq!(scan::field(&info, "WARC-Filename"), format!("{name}{part}.warc.gz"));
        assert_eq!(scan::field(&info, "WARC-Date"), "2026-11-21T02:00:00.000Z");
        assert!(
            info.contains("\r\nisPartOf: news\r\nrobots: obey\r\nhttp-header-user-agent: t/1\r\n"),
            "{info}"
        );

        let index = fs::read_to_string(path.with_extension("").with_extension("cdxj")).expect("index");
        let keys = ["org,example)/a?x=1&y=2 20261121020000 ", "org,example)/b 20261121020000 "];
        let keys = if part == 0 { &keys[..] } else { &["org,example)/c 20261121020000 "] };
        assert_eq!(index.lines().count(), keys.len());
        for (line, key) in index.lines().zip(keys) {
            let json: serde_json::Value =
                serde_json::from_str(line.strip_prefix(key).expect(key)).expect("JSON");
            let number =
                |name: &str| json[name].as_str().and_then(|text| text.parse().ok()).expect("a number");
            let (offset, length): (usize, usize) = (number("offset"), number("length"));
            let mut record = String::new();
            let file = fs::read(&path).expect("file");
            MultiGzDecoder::new(&file[offset..offset + length])
                .read_to_string(&mut record)
                .expect("a record");
            for (name, field) in [("url", "WARC-Target-URI"), ("digest", "WARC-Payload-Digest")] {
                assert_eq!(json[name], scan::field(&record, field));
            }
            assert_eq!((&json["mime"], &json["status"]), (&"text/html".into(), &"200".into()));
        }
    }
}

#[test]
fn what_is_not_what_it_says_is_found() {
    let dir = tempfile::tempdir().expect("temp dir");
    let artifacts = written(&dir, &[answered("a", b"body of a"), answered("b", b"body of b")]);
    let all = records(&dir.path().join(&artifacts[0].path));
    let packed = |change: &dyn Fn(&str) -> String| {
        let (mut packer, mut out) = (Packer::new(), Vec::new());
        for record in &all {
            packer.begin(&mut out);
            packer.pack(change(record).as_bytes(), &mut out).expect("pack");
            packer.end(&mut out).expect("end");
        }
        out
    };
    let check = |bytes: &[u8]| checked(&mut &bytes[..]).map_err(|error| error.to_string());
    let whole = packed(&|record| record.to_owned());
    assert_eq!(check(&whole), Ok(2));
    let digest = labelled(&Payload::Held(b"body of b").sum().expect("sum"));
    for (from, to, what) in [
        ("body of b\r\n", "body of B\r\n", "has another `WARC-Block-Digest`"),
        (digest.as_str(), "sha1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "has another `WARC-Payload-Digest`"),
        ("body of b\r\n", "body of b and more\r\n", "is not as long as it says"),
        ("body of b\r\n\r\n", "body of b", "is not as long as it says"),
        ("Content-Length: ", "Content-Size: ", "has no length"),
        ("WARC/1.1\r\n", "WARC/2\r\n", "does not begin with `WARC/1.1`"),
    ] {
        let found = check(&packed(&|record| record.replace(from, to))).expect_err(what);
        assert!(found.ends_with(what), "{found}");
    }
    let (mut members, mut edges) = (member::Members::new(&whole[..]), Vec::new());
    while let Some(member) = members.next(0, |_| true).expect("a member") {
        edges.push(usize::try_from(member.offset).expect("offset"));
    }
    assert_eq!(edges.len(), all.len());
    for cut in 0..whole.len() {
        // Cut between two records it is a file of fewer records, which only its manifest can tell.
        assert_eq!(check(&whole[..cut]).is_ok(), edges.contains(&cut), "{cut}");
    }
    assert!(check(&[&whole[..], b"garbage"].concat()).is_err());
}

#[test]
fn a_dropped_answer_is_never_an_empty_record() {
    for dropped in [
        changed(answered("a", b"body"), |fetched| fetched.wire = None),
        changed(answered("a", b"body"), |fetched| fetched.body = Bytes::new()),
    ] {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut writer = sink(None).open(dir.path(), None).expect("open");
        assert!(writer.write(Piece::Visit(&dropped)).is_err());
        assert!(writer.sync().is_err());
    }
}

//! The instruments themselves: the site counts and holds, the examiner finds what is wrong with a run.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Answer, Dataset, Dice, Gate, Site};

fn ask(site: &Site, path: &str) -> String {
    let mut stream = TcpStream::connect(site.host()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_site_counts_answers_and_calls_hooks() {
    let site = Site::new();
    let (tell, told) = std::sync::mpsc::channel();
    site.serve("/a", Answer::page("A").header("x-test", "1"));
    site.at_request(2, move || tell.send(()).unwrap());
    assert!(ask(&site, "/a").contains("x-test: 1"));
    assert!(told.try_recv().is_err());
    assert!(ask(&site, "/b?q").starts_with("HTTP/1.1 404"));
    told.recv_timeout(Duration::from_secs(5)).expect("the hook of the second request");
    assert_eq!(
        site.see(crate::support::site::View::counts).into_iter().collect::<Vec<_>>(),
        [("/a".to_owned(), 1), ("/b?q".to_owned(), 1)]
    );
    site.forget();
    assert_eq!(site.hits(), 0);
}

#[test]
fn the_site_tells_hosts_apart() {
    let site = Site::new();
    site.serve("/a", Answer::page("any")).serve("//b.test/a", Answer::page("of b"));
    let ask = |stream: &mut TcpStream, host: &str| {
        write!(stream, "GET /a HTTP/1.1\r\nhost: {host}:{}\r\n\r\n", site.port()).unwrap();
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    let mut first = TcpStream::connect(site.host()).unwrap();
    assert!(ask(&mut first, "a.test").contains("about any"));
    assert!(ask(&mut first, "B.test").contains("about of b"));
    let mut second = TcpStream::connect(site.host()).unwrap();
    ask(&mut second, "b.test");
    site.see(|view| {
        assert_eq!(view.paths("b.test"), ["/a", "/a"]);
        assert_eq!((view.max_connections("a.test"), view.max_connections("b.test")), (1, 2));
        assert_eq!((view.gaps("a.test").len(), view.gaps("b.test").len()), (0, 1));
    });
}

#[test]
fn the_site_tears_answers_as_it_is_told() {
    let site = Site::new();
    site.serve("/reset", Answer::reset()).serve("/cut", Answer::bytes("text/plain", "12345678").cut());
    let mut stream = TcpStream::connect(site.host()).unwrap();
    write!(stream, "GET /reset HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let error = stream.read_to_end(&mut Vec::new()).expect_err("no end of file, but a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let mut stream = TcpStream::connect(site.host()).unwrap();
    write!(stream, "GET /cut HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    // How it ends is up to the system; what came before is what counts.
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.contains("content-length: 8") && answer.ends_with("1234"), "{answer}");
}

#[test]
fn the_site_holds_answers_at_a_gate_and_sees_clients_leave() {
    let site = Site::new();
    let gate = Gate::closed();
    site.serve("/held", Answer::page("Held").behind(&gate));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(ask(&site, "/held").contains("Held")));
        }
        site.wait_until("three at once", |view| view.in_flight == 3);
        gate.open();
    });
    assert_eq!(site.see(|view| (view.max_in_flight, view.max_in_flight_of("/held"))), (3, 3));

    let never = Gate::closed();
    site.serve("/never", Answer::page("Never").behind(&never));
    let mut stream = TcpStream::connect(site.host()).unwrap();
    write!(stream, "GET /never HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    site.wait_until("the request", |view| view.in_flight == 1);
    drop(stream);
    site.wait_until("the client's end", |view| view.in_flight == 0);
}

#[test]
fn the_site_fails_a_test_that_hits_what_is_forbidden() {
    let hit = std::panic::catch_unwind(|| {
        let site = Site::new();
        site.forbid("/secret");
        ask(&site, "/secret");
    });
    assert!(hit.is_err());
}

#[test]
fn raw_answers_go_out_as_they_are() {
    let site = Site::raw(|path| format!("nonsense for {path}").into_bytes());
    assert_eq!(ask(&site, "/x"), "nonsense for /x");
    assert_eq!(site.hits_of("/x"), 1);
}

/// A run directory as it should be, of two pages and a redirect, and then changed.
fn examined(change: impl FnOnce(&std::path::Path)) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let outcome = |n: u32, outcome: &str| {
        format!("{{\"url\":\"http://h/{n}\",\"url_key\":\"k{n}\",\"outcome\":\"{outcome}\"}}\n")
    };
    let record = |n: u32| {
        format!("{{\"url\":\"http://h/{n}\",\"url_key\":\"k{n}\",\"content_digest\":\"blake3:{n}\"}}\n")
    };
    let files = [
        ("outcomes/part-00000.jsonl", outcome(1, "ok") + &outcome(2, "ok") + &outcome(3, "redirected"), 3),
        ("records/part-00000.jsonl", record(1) + &record(2), 2),
    ];
    let mut listed = Vec::new();
    for (name, text, records) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &text).unwrap();
        let sum: String =
            <sha2::Sha256 as sha2::Digest>::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        listed
            .push(serde_json::json!({"path": name, "bytes": text.len(), "records": records, "sha256": sum}));
    }
    let manifest = serde_json::json!({"complete": true, "files": listed});
    fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
    let summary = serde_json::json!({"discovered": 3, "queued": 0, "outcomes": {"ok": 2, "redirected": 1}});
    fs::write(dir.join("summary.json"), summary.to_string()).unwrap();
    fs::write(dir.join("_SUCCESS"), "").unwrap();
    change(dir);
    std::panic::catch_unwind(|| Dataset::read(dir).verify(["http://h/1", "http://h/2", "http://h/3"]))
        .map_err(|panic| match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(other) => other.downcast_ref::<&str>().map_or_else(String::new, ToString::to_string),
        })
}

fn append(dir: &std::path::Path, name: &str, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(dir.join(name)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn the_examiner_passes_a_good_run_and_finds_each_fault() {
    examined(|_| {}).expect("a good run");
    let finds = |what: &str, change: &dyn Fn(&std::path::Path)| {
        let found = examined(change).expect_err(what);
        assert!(found.contains(what), "wanted {what:?}, got {found:?}");
    };
    let outcomes = "outcomes/part-00000.jsonl";
    let records = "records/part-00000.jsonl";
    finds("torn last line", &|dir| append(dir, records, "{\"url\":"));
    finds("EOF while parsing", &|dir| append(dir, records, "{\"url\":\n"));
    finds("more than one outcome", &|dir| {
        append(dir, outcomes, "{\"url\":\"http://h/1\",\"url_key\":\"k1\",\"outcome\":\"ok\"}\n");
    });
    finds("not expected", &|dir| {
        append(dir, outcomes, "{\"url\":\"http://h/4\",\"url_key\":\"k4\",\"outcome\":\"gone\"}\n");
    });
    finds("missing", &|dir| fs::write(dir.join(outcomes), "").unwrap());
    finds("two records", &|dir| append(dir, records, "{\"url\":\"http://h/1\",\"url_key\":\"k1\"}\n"));
    finds("records exactly", &|dir| fs::write(dir.join(records), "").unwrap());
    finds("sha256", &|dir| {
        let text = fs::read_to_string(dir.join(records)).unwrap();
        fs::write(dir.join(records), text.replace("blake3:1", "blake3:9")).unwrap();
    });
    finds("not in the manifest", &|dir| append(dir, "outcomes/part-00001.jsonl", ""));
    finds("_SUCCESS", &|dir| fs::remove_file(dir.join("_SUCCESS")).unwrap());
    finds("discovered", &|dir| {
        let summary =
            serde_json::json!({"discovered": 4, "queued": 0, "outcomes": {"ok": 2, "redirected": 1}});
        fs::write(dir.join("summary.json"), summary.to_string()).unwrap();
    });
}

#[test]
fn dice_can_be_thrown_again() {
    let throw = || {
        let dice = Dice::of(7);
        (0..5).map(|_| dice.below(1000)).collect::<Vec<_>>()
    };
    assert_eq!(throw(), throw());
    assert!(throw().windows(2).any(|pair| pair[0] != pair[1]));
}

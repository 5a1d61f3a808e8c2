//! What an export costs: bytes of records, as JSON Lines, for each second of CPU, beside what merely parsing them
//! costs. Says nothing of the disk: the files are small enough to stay in memory.
//!
//! `cargo bench --bench export [-- PART...]`: generated records, or the parts that are named, which are taken for
//! records without fields of rules.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench prints, and ends where it cannot go on"
)]

use std::fs;
use std::hint::black_box;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use trawl::export::{EXPORTS, Field, Records, Rule, Shape, check, is_database, make};

/// Records that are generated.
const RECORDS: usize = 8000;
/// Links of each.
const LINKS: usize = 80;
/// How often a file is made; the least time counts.
const ROUNDS: usize = 3;

fn main() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let named: Vec<PathBuf> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).map(PathBuf::from).collect();
    let (parts, rules) = if named.is_empty() {
        (vec![generated(dir.path())], vec![rule()])
    } else {
        (named.iter().map(|path| fs::canonicalize(path).expect("a part")).collect(), Vec::new())
    };
    let size: u64 = parts.iter().map(|part| fs::metadata(dir.path().join(part)).expect("a part").len()).sum();
    println!("{size} bytes of records");
    println!("{:<16} {:>10} {:>10} {:>14} {:>8}", "format", "CPU ms", "MB/s", "bytes made", "of JSON");
    let parsed = least(|| {
        for part in &parts {
            let text = fs::read_to_string(dir.path().join(part)).expect("a part");
            for line in text.lines() {
                black_box(serde_json::from_str::<Value>(line).expect("a record"));
            }
        }
    });
    println!("{:<16} {:>10.0} {:>10.0}", "(parsed only)", parsed * 1e3, size as f64 / 1e6 / parsed);
    for kind in EXPORTS.iter().filter(|kind| check(kind.name).is_ok() && !is_database(kind.name)) {
        let to = dir.path().join(kind.name);
        let records = Records { dir: dir.path(), parts: &parts, rules: &rules };
        let took = least(|| {
            black_box(make(kind.name, records, &to).expect(kind.name));
        });
        let made = fs::metadata(&to).expect(kind.name).len();
        println!(
            "{:<16} {:>10.0} {:>10.0} {:>14} {:>7.0}%",
            kind.name,
            took * 1e3,
            size as f64 / 1e6 / took,
            made,
            100.0 * made as f64 / size as f64
        );
    }
}

/// The least seconds of CPU that the work takes.
fn least(mut work: impl FnMut()) -> f64 {
    let time = |_| {
        let began = cpu();
        work();
        cpu() - began
    };
    (0..ROUNDS).map(time).fold(f64::INFINITY, f64::min)
}

/// Seconds of CPU that this process has used.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn rule() -> Rule {
    let offer = Shape::Object(vec![Field::new("name", Shape::Text), Field::new("price", Shape::Float)]);
    let fields = [
        ("headline", Shape::Text),
        ("price", Shape::Float),
        ("stock", Shape::Int),
        ("day", Shape::Date),
        ("tags", Shape::Text.list()),
        ("offers", offer.list()),
        ("body", Shape::Text),
    ];
    let fields = fields.map(|(name, shape)| Field::new(name, shape)).into();
    Rule { id: "product".to_owned(), fields }
}

/// Records of a shop: some links that every page has, some of its own, fields and a text.
fn generated(dir: &Path) -> PathBuf {
    let path = PathBuf::from("part-00000.jsonl");
    let mut out = std::io::BufWriter::new(fs::File::create(dir.join(&path)).expect("a part"));
    for number in 0..RECORDS {
        writeln!(out, "{}", record(number)).expect("a line");
    }
    out.flush().expect("a part");
    path
}

fn record(number: usize) -> Value {
    let key =
        format!("{:032x}", 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834_u128.wrapping_mul(number as u128 + 1));
    let url = format!("https://shop.example/products/{}/{number}.html", number % 40);
    let link = |n: usize| {
        let of = if n < LINKS / 2 { n } else { number + n * 7 };
        json!({ "url": format!("https://shop.example/products/{}/{of}.html", of % 40), "rel": null })
    };
    let words: Vec<String> = (0..120).map(|n| format!("word{}", (number * 31 + n * n) % 5000)).collect();
    let head = json!({
        "schema_version": 1, "record_id": key, "run_id": "20261121T020000Z-7f3a", "job": "shop",
        "source_id": "seeds", "url": url, "url_key": key, "url_requested": url, "url_canonical": url,
        "redirects": [], "host": "shop.example", "registered_domain": "shop.example", "depth": number % 5,
        "discovered_from": "https://shop.example/", "fetch_time": format!("2026-11-21T02:{:02}:00.125Z", number % 60),
        "fetch_status": 200, "fetch_duration_ms": number % 300, "fetch_attempts": 1, "fetch_bytes": 9000 + number,
    });
    let rest = json!({
        "fetch_ip": "192.0.2.7", "fetch_protocol": "h2", "http_etag": format!("\"{number}\""),
        "http_last_modified": null, "content_mime_type": "text/html", "content_mime_detected": "text/html",
        "content_charset": "UTF-8", "content_charset_source": "header", "content_languages": ["en"],
        "content_length": 30_000 + number, "content_truncated": false, "content_digest": format!("blake3:{key}{key}"),
        "title": format!("Product {number}"), "description": words[..12].join(" "), "text": null,
        "links": (0..LINKS).map(link).collect::<Value>(),
        "fields": {
            "headline": format!("Product {number}"), "price": number as f64 / 8.0, "stock": number % 90,
            "day": "2026-11-21", "tags": [words[0], words[1]],
            "offers": [{ "name": words[2], "price": 1.5 }, { "name": words[3], "price": null }],
            "body": words.join(" "),
        },
        "extract_rule": "product", "extract_warnings": [], "sitemap": null,
    });
    let (Value::Object(mut record), Value::Object(rest)) = (head, rest) else { return Value::Null };
    record.extend(rest);
    Value::Object(record)
}

//! Kept texts, and how what a program said is made comparable: paths, ports, times and ids become placeholders.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use regex::Regex;

use crate::support::{Crawl, Run};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages/snapshots")
}

/// What is different each time, and what stands for it.
fn placeholders() -> &'static [(Regex, &'static str)] {
    static PLACEHOLDERS: OnceLock<Vec<(Regex, &'static str)>> = OnceLock::new();
    PLACEHOLDERS.get_or_init(|| {
        let pattern = |text: &str| Regex::new(text).expect("a pattern");
        vec![
            (pattern(r"\b\d{8}T\d{6}Z-[0-9a-z]+"), "{RUN}"),
            (pattern(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?"), "{TIME}"),
            (pattern(r"(127\.0\.0\.\d+|localhost|\.invalid|\.example|\.example\.org):\d{4,5}"), "$1:{PORT}"),
            (pattern(r"\b(process|pid|kill) \d+"), "$1 {PID}"),
            (pattern(r"\bon host [^ ,;]+"), "on host {HOST}"),
            (pattern(r" in (\d+\w+ )*\d+(\.\d+)?(ms|s|us), [\d.]+ pages/s"), " in {TIME}, {RATE} pages/s"),
            (pattern(r"(?s)\nslowest hosts .*?\n\n"), "\n{SLOWEST HOSTS}\n\n"),
            // Which of several is the first depends on the answers.
            (pattern(r"(?m)^(  [a-z_]+ (\d{2,}|[2-9]))  .*$"), "$1  {EXAMPLE}"),
            (pattern(r"trawl explain '[^']+'"), "trawl explain '{URL}'"),
            (pattern(r"(?m) in (\d+\w+ )*\d+(\.\d+)? ?(ms|s|us)$"), " in {TIME}"),
            (pattern(r"\b[0-9a-f]{32,}\b"), "{HASH}"),
            (pattern(r"resumed=true queued=\d+"), "resumed=true queued={COUNT}"),
            (pattern(r"\b\d+ were committed"), "{BYTES} were committed"),
        ]
    })
}

/// What the program said, comparable.
pub fn normal(crawl: &Crawl, text: &str) -> String {
    let root = crawl.path("");
    let text = text.replace(root.to_str().expect("a plain path").trim_end_matches('/'), "{DIR}");
    let text = placeholders()
        .iter()
        .fold(text, |text, (found, stands)| found.replace_all(&text, *stands).into_owned());
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned()
}

/// How a command ended and what it said, held against the kept text of that name.
#[track_caller]
pub fn check(name: &str, crawl: &Crawl, command: &str, run: &Run) {
    check_with(name, crawl, command, run, &run.stderr);
}

/// The same where the words are on standard output, as those of `explain` are.
#[track_caller]
pub fn check_output(name: &str, crawl: &Crawl, command: &str, run: &Run) {
    check_with(name, crawl, command, run, &format!("{}{}", run.stderr, run.stdout));
}

#[track_caller]
fn check_with(name: &str, crawl: &Crawl, command: &str, run: &Run, said: &str) {
    assert!(!run.stderr.contains("panicked"), "{run}");
    let code = run.code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    let said = format!("$ {command}\n{}\nexit {code}\n", normal(crawl, said));
    compare(name, &said);
}

/// Any text, held against the kept one.
#[track_caller]
pub fn compare(name: &str, said: &str) {
    let path = folder().join(format!("{name}.txt"));
    if std::env::var_os("TRAWL_UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
        fs::create_dir_all(folder()).expect("a folder");
        fs::write(&path, said).expect("a snapshot");
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == said,
        "{name} says something else.\n--- kept\n{kept}--- now\n{said}---\nIf that is better: TRAWL_UPDATE_SNAPSHOTS=1 cargo test --test messages"
    );
}

/// How many names there are with a kept text, for the count of them.
pub fn kept() -> Vec<String> {
    let entries = fs::read_dir(folder()).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    entries.map(|name| name.to_string_lossy().trim_end_matches(".txt").to_owned()).collect()
}

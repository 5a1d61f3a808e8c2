//! Main text of whole pages against the text that a reader would take from them, word by word.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::Crawl;

const PAGES: [&str; 6] = ["news", "soup", "blog", "manual", "tables", "island"];

/// How often each word occurs; of Japanese each sign is one.
fn words(text: &str) -> HashMap<String, usize> {
    let mut words = HashMap::new();
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        let is_alone = c as u32 >= 0x3041;
        if c.is_alphanumeric() && !is_alone {
            word.push(c);
            continue;
        }
        for word in [std::mem::take(&mut word), if is_alone { c.to_string() } else { String::new() }] {
            if !word.is_empty() {
                *words.entry(word).or_default() += 1;
            }
        }
    }
    words
}

/// Share of the words that were found which are wanted, and of the wanted ones that were found, in percent.
fn compared(found: &str, wanted: &str) -> (usize, usize) {
    let (found, wanted) = (words(found), words(wanted));
    let sum = |words: &HashMap<String, usize>| words.values().sum::<usize>().max(1);
    let common: usize = found.iter().map(|(word, count)| count.min(wanted.get(word).unwrap_or(&0))).sum();
    (common * 100 / sum(&found), common * 100 / sum(&wanted))
}

#[test]
fn what_a_reader_came_for() {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/extract/pages");
    let read = |name: &str, ending: &str| {
        fs::read_to_string(from.join(format!("{name}.{ending}"))).expect("a page of the tests")
    };
    let mut crawl = Crawl::new()
        .source("id = 'files'\ntype = 'files'\npaths = ['in/*.html']\nbase_url = 'https://docs.example/'")
        .rule("id = 'text'\nmain_text = true");
    for name in PAGES {
        crawl = crawl.write(&format!("in/{name}.html"), read(name, "html"));
    }
    crawl.run().expect(0);
    let run = crawl.latest();
    let mut lacking = Vec::new();
    for name in PAGES {
        let is_it = |record: &&Value| record["url"].as_str().unwrap().ends_with(&format!("/{name}.html"));
        let record = run.records.iter().find(is_it).expect(name);
        let text = record["text"].as_str().unwrap_or_default();
        let (precision, recall) = compared(text, &read(name, "txt"));
        eprintln!("{name}: precision {precision} %, recall {recall} %, {} words", record["word_count"]);
        if precision < 95 || recall < 98 {
            lacking.push(format!("{name}: precision {precision} %, recall {recall} %:\n{text}"));
        }
    }
    assert!(lacking.is_empty(), "{}", lacking.join("\n\n"));
}

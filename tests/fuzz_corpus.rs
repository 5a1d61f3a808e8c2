//! The fuzz targets as tests: what was found once is run again, and so are inputs made of bytes and of each target's
//! words. `fuzz/README.md` says how to look for more.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

#[allow(clippy::pedantic, reason = "written for a crate of its own")]
#[path = "../fuzz/src/targets/mod.rs"]
mod targets;

use targets::{TARGETS, Target};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name")).collect()
}

/// On a thread with the stack of one that parses pages.
fn on_a_parser(work: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(16 << 20).spawn_scoped(scope, work);
        thread.expect("a thread").join().expect("no panic");
    });
}

#[test]
fn every_target_has_a_corpus_and_no_other_has_one() {
    let known: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names(&folder()), known, "fuzz/corpus has one folder for each target");
    for name in known {
        let target = targets::target(&name).expect("a target by its name");
        assert!(!target.words.is_empty() && !target.about.is_empty(), "{name}");
        assert!(!names(&folder().join(&name)).is_empty(), "fuzz/corpus/{name} is empty");
    }
}

#[test]
fn what_was_found_stays_mended() {
    let mut broken = Vec::new();
    on_a_parser(|| {
        for target in TARGETS {
            for name in names(&folder().join(target.name)) {
                let input = fs::read(folder().join(target.name).join(&name)).expect("an input");
                assert!(input.len() <= 64 << 10, "{name} is larger than a corpus wants");
                if catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err() {
                    broken.push(format!("{}/{name}", target.name));
                }
            }
        }
    });
    assert!(broken.is_empty(), "broken again: {broken:?}");
}

/// Bytes, words, and bytes between words.
fn inputs(target: &'static Target) -> impl Strategy<Value = Vec<u8>> {
    let word = proptest::sample::select(target.words).prop_map(|word| word.as_bytes().to_vec());
    let byte = any::<u8>().prop_map(|byte| vec![byte]);
    let piece = prop_oneof![8 => word, 1 => byte];
    let soup = proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat());
    let made = (any::<u8>(), soup).prop_map(|(first, soup)| [&[first], &soup[..]].concat());
    prop_oneof![3 => made, 1 => proptest::collection::vec(any::<u8>(), 0..300)]
}

fn holds(name: &str, cases: u32) {
    let target = targets::target(name).expect(name);
    on_a_parser(|| {
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let run = |input: Vec<u8>| {
            (target.run)(&input);
            Ok(())
        };
        if let Err(error) = TestRunner::new(config).run(&inputs(target), run) {
            panic!("{}: {error}", target.about);
        }
    });
}

#[test]
fn any_body_unpacks_within_the_cap() {
    holds("decode", 200);
}

#[test]
fn any_header_is_read() {
    holds("headers", 300);
}

#[test]
fn any_page_in_any_charset_is_the_page_in_utf8() {
    holds("document", 200);
}

#[test]
fn any_page_has_the_title_of_a_full_parse() {
    holds("title", 200);
}

#[test]
fn any_page_has_canonical_links() {
    holds("links", 200);
}

#[test]
fn any_page_of_any_type_has_every_field() {
    holds("fields", 100);
}

#[test]
fn any_selector_has_an_answer_on_any_page() {
    holds("selector", 100);
}

#[test]
fn any_page_has_a_main_text_without_invention() {
    holds("main_text", 100);
}

#[test]
fn any_robots_txt_has_a_verdict_however_its_lines_end() {
    holds("robots", 200);
}

#[test]
fn any_listing_stays_within_bounds_packed_and_in_portions() {
    holds("listing", 200);
}

#[test]
fn any_config_is_refused_in_plain_words_or_reads_back() {
    holds("config", 200);
}

#[test]
fn any_url_has_one_canonical_form() {
    holds("url", 300);
}

#[test]
fn any_journal_gives_its_intact_frames_or_says_what_is_wrong() {
    holds("journal", 100);
}

//! The index may be lost or damaged between two runs, or while it is brought from one to the next: it is rebuilt, and
//! nothing else.

use std::fs;
use std::path::Path;

use crate::kill::Patient;
use crate::support::dataset::below;
use crate::support::{Crawl, Dice};

/// Damages the index behind a run; everything is still found, and the next run rebuilds it.
#[track_caller]
fn survives(patient: &Patient, damage: impl FnOnce(&Path)) -> (Crawl, String) {
    let crawl = patient.job();
    patient.resume(&crawl, 0);
    let sled = crawl.path("store/sled");
    assert!(!below(&sled).is_empty(), "no index at {}", sled.display());
    damage(&sled);
    get_works(&crawl, patient, 15);
    let (run, _) = patient.resume(&crawl, 0);
    assert_eq!(crawl.runs().len(), 2);
    let (again, _) = patient.resume(&crawl, 0);
    assert!(!again.stderr.contains("the index"), "it was not rebuilt to its end: {}", again.stderr);
    (crawl, run.stderr)
}

fn get_works(crawl: &Crawl, patient: &Patient, step: usize) {
    for (n, url) in patient.urls.iter().enumerate().step_by(step) {
        let get = crawl.trawl(&["get", url]).expect(0);
        assert!(get.stdout.contains(&format!("Page {n} of {}", patient.urls.len())), "get {url} {get}");
    }
}

fn each_file(dir: &Path, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    for path in below(dir) {
        let content = fs::read(&path).unwrap();
        fs::write(&path, change(content)).unwrap();
    }
}

#[test]
fn deleted() {
    let patient = Patient::of(60);
    let (crawl, stderr) = survives(&patient, |sled| fs::remove_dir_all(sled).unwrap());
    assert!(stderr.contains("rebuil"), "no warning: {stderr}");
    get_works(&crawl, &patient, 1);
}

#[test]
fn truncated() {
    let patient = Patient::of(60);
    let (crawl, stderr) = survives(&patient, |sled| each_file(sled, |c| c[..c.len() / 2].to_vec()));
    assert!(stderr.contains("rebuil"), "no warning: {stderr}");
    get_works(&crawl, &patient, 5);
}

#[test]
fn zeroed() {
    let patient = Patient::of(60);
    let (crawl, stderr) = survives(&patient, |sled| each_file(sled, |c| vec![0; c.len()]));
    assert!(stderr.contains("rebuil"), "no warning: {stderr}");
    get_works(&crawl, &patient, 5);
}

#[test]
fn replaced_by_a_file() {
    let patient = Patient::of(60);
    let (crawl, _) = survives(&patient, |sled| {
        fs::remove_dir_all(sled).unwrap();
        fs::write(sled, "not a directory").unwrap();
    });
    get_works(&crawl, &patient, 20);
}

#[test]
fn with_flipped_bits() {
    let patient = Patient::of(60);
    for round in 0..5 {
        let dice = Dice::thrown(&format!("store.rs, round {round}"));
        let (crawl, _) = survives(&patient, |sled| {
            each_file(sled, |mut content| {
                // About one bit in each 2 KiB, so that what is in use is hit too.
                for _ in 0..=content.len() / 2048 {
                    let bit = dice.below(content.len() as u64 * 8);
                    if let Some(byte) = content.get_mut(usize::try_from(bit / 8).unwrap()) {
                        *byte ^= 1 << (bit % 8);
                    }
                }
                content
            });
        });
        get_works(&crawl, &patient, 15);
    }
}

#[test]
fn killed_while_it_opens() {
    let patient = Patient::of(60);
    let (crawl, _) = survives(&patient, |sled| {
        // What a kill while sled writes its snapshot leaves.
        fs::write(sled.join("snap.0000000000000000.generating"), b"half").unwrap();
    });
    get_works(&crawl, &patient, 20);
}

#[test]
fn a_death_while_it_is_brought_along() {
    if !cfg!(debug_assertions) {
        return;
    }
    let patient = Patient::of(60);
    for place in ["publish.indexing", "publish.snapshot", "publish.indexed"] {
        let crawl = patient.job();
        patient.resume(&crawl, 0);
        let crawl = crawl.env("TRAWL_CRASH_AT", place);
        assert!(crawl.run().was_killed(), "{place}");
        let crawl = crawl.without_env();
        get_works(&crawl, &patient, 15);
        patient.resume(&crawl, 0);
        get_works(&crawl, &patient, 1);
        let (next, _) = patient.resume(&crawl, 0);
        assert!(!next.stderr.contains("the index"), "{place}: {}", next.stderr);
    }
}

#[test]
fn another_format_is_refused() {
    let patient = Patient::of(20);
    let crawl = patient.job();
    patient.resume(&crawl, 0);
    let format = crawl.path("store/format");
    fs::write(&format, "999").expect("the state names its format");
    crawl.run().expect(76).says("999");
    assert_eq!(patient.site.hits(), 0);
}

//! `job.keep_runs`: which old runs go, which stay, and what a death in between leaves.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use crate::support::{Crawl, Site, wait_for};

/// A job with one published run of today, and the same run once more under these older names.
fn with_older(names: &[&str]) -> (Site, Vec<String>, Crawl) {
    let (site, urls) = Site::with_pages(5, Duration::ZERO);
    let crawl = Crawl::over(&urls);
    crawl.run().expect(0);
    for name in names {
        older(&crawl, name);
    }
    (site, urls, crawl)
}

/// Copies the published run to an older name.
fn older(crawl: &Crawl, name: &str) {
    let from = crawl.latest();
    let to = crawl.path("out/runs").join(name);
    copy(&from.dir, &to);
    let run_id = name.split('.').next().unwrap();
    let manifest = fs::read_to_string(to.join("manifest.json")).unwrap();
    fs::write(to.join("manifest.json"), manifest.replace(&from.run_id(), run_id)).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

const ONE: &str = "20250101T020000Z-0001";
const TWO: &str = "20250102T020000Z-0002";
const THREE: &str = "20250103T020000Z-0003";

#[test]
fn the_newest_runs_stay_and_older_ones_go() {
    let (_site, urls, crawl) = with_older(&[ONE, TWO, THREE]);
    let before = crawl.latest().run_id();
    let run = crawl.set("job.keep_runs", 3);
    let told = run.trawl(&["validate"]).expect(0).stdout;
    assert!(told.ends_with("delete runs but for the newest 3\n"), "{told}");
    assert_eq!(run.runs().len(), 4, "to validate deletes nothing");
    let said = run.run().expect(0);
    assert_eq!(run.runs().len(), 3, "{:?}", run.runs());
    for (name, stays) in [(ONE, false), (TWO, false), (THREE, true), (before.as_str(), true)] {
        assert_eq!(run.runs().iter().any(|run| run == name), stays, "{name} in {:?}", run.runs());
        assert_eq!(said.stderr.contains(&format!("{name} keep_runs=3")), !stays, "{said}");
    }
    run.verify_exact(&urls);
    run.trawl(&["verify"]).expect(0);
    run.trawl(&["verify", THREE]).expect(14).says("of another run");
}

/// Found by two runs within one second, whose ids do not say which was first.
#[test]
fn the_run_that_has_just_ended_is_the_newest_whatever_its_id() {
    let later = ["20990101T020000Z-0001", "20990102T020000Z-0002"];
    let (_site, urls, crawl) = with_older(&later);
    let crawl = crawl.set("job.keep_runs", 2);
    crawl.run().expect(0);
    let runs = crawl.runs();
    assert_eq!(runs.len(), 2, "{runs:?}");
    assert!(runs.contains(&crawl.latest().run_id()) && runs.contains(&later[1].to_owned()), "{runs:?}");
    crawl.verify_exact(&urls);
}

#[test]
fn without_the_key_all_stay() {
    let (_site, _urls, crawl) = with_older(&[ONE, TWO]);
    crawl.run().expect(0);
    assert_eq!(crawl.runs().len(), 4);
}

#[test]
fn the_run_that_latest_names_stays_whatever_its_age() {
    let (site, urls) = Site::with_pages(3, Duration::ZERO);
    let crawl = Crawl::over(&urls).set("job.keep_runs", 1);
    crawl.run().expect(0);
    for name in [ONE, TWO] {
        older(&crawl, name);
    }
    // Somebody went back to an older run. The next one has no answer to any request, and is not published.
    fs::remove_file(crawl.path("out/latest")).unwrap();
    symlink(format!("runs/{ONE}"), crawl.path("out/latest")).unwrap();
    let pointer = format!("{{\"run_id\":\"{ONE}\",\"path\":\"runs/{ONE}\"}}");
    fs::write(crawl.path("out/latest.json"), pointer).unwrap();
    drop(site);
    let crawl = crawl.set("retry.max_retries", 0);
    crawl.run().expect(4);
    let runs = crawl.runs();
    assert!(runs.iter().any(|name| name == ONE), "{runs:?}");
    assert!(!runs.iter().any(|name| name == TWO), "{runs:?}");
    assert!(runs.iter().any(|name| name.ends_with(".failed")), "the run itself: {runs:?}");
    assert_eq!(runs.len(), 3, "and the newest published one: {runs:?}");
}

#[test]
fn runs_that_failed_or_were_set_aside_are_counted_for_themselves() {
    let failed = |name: &str| format!("{name}.failed");
    let (site, _urls, crawl) = with_older(&[ONE, &failed(TWO), &failed(THREE)]);
    let crawl = crawl.set("job.keep_runs", 2);
    assert!(crawl.run_killed_at(&site, site.hits() + 3).was_killed());
    crawl.trawl(&["run", "config.toml", "--fresh"]).expect(0);
    let runs = crawl.runs();
    assert!(!runs.contains(&ONE.to_owned()) && !runs.contains(&failed(TWO)), "{runs:?}");
    assert!(runs.contains(&failed(THREE)), "{runs:?}");
    assert_eq!(runs.iter().filter(|name| name.ends_with(".abandoned")).count(), 1, "{runs:?}");
    assert_eq!(runs.len(), 4, "{runs:?}");
    // The one that was set aside is known for what it is, and goes in its turn.
    let crawl = crawl.set("job.keep_runs", 1);
    assert!(crawl.run_killed_at(&site, site.hits() + 3).was_killed());
    crawl.trawl(&["run", "config.toml", "--fresh"]).expect(0);
    let runs = crawl.runs();
    assert_eq!(runs.iter().filter(|name| name.contains('.')).count(), 1, "{runs:?}");
    assert_eq!(runs.len(), 2, "{runs:?}");
}

#[test]
fn what_is_no_ended_run_of_the_job_stays() {
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("precious"), "kept").unwrap();
    let (_site, _urls, crawl) = with_older(&[ONE, TWO, THREE]);
    let runs = crawl.path("out/runs");
    let put = |name: &str, file: &str, text: &str| {
        fs::create_dir_all(runs.join(name)).unwrap();
        fs::write(runs.join(name).join(file), text).unwrap();
    };
    let label = |run_id: &str, job: &str| format!("{{\"run_id\":\"{run_id}\",\"job\":\"{job}\"}}");
    put("notes", "a.txt", "mine");
    put("20240101T020000Z-0001", "a.txt", "no manifest");
    put("20240102T020000Z-0002", "manifest.json", &label("20240102T020000Z-0002", "another job"));
    put("20240103T020000Z-0003", "manifest.json", &label("20240104T020000Z-0004", "test"));
    put("20240105T020000Z-0005.partial", "manifest.json", &label("20240105T020000Z-0005", "test"));
    put("20240106T020000Z-0006.abandoned", "records", "set aside by an older version");
    put(".deleting-notes", "a.txt", "mine");
    fs::write(runs.join("20240107T020000Z-0007"), "a file").unwrap();
    // Links: in the place of a run, in the place of one that is being deleted, and in a run.
    fs::write(elsewhere.path().join("manifest.json"), label("20240108T020000Z-0008", "test")).unwrap();
    symlink(elsewhere.path(), runs.join("20240108T020000Z-0008")).unwrap();
    symlink(elsewhere.path(), runs.join(".deleting-20240109T020000Z-0009")).unwrap();
    symlink(elsewhere.path(), runs.join(ONE).join("link")).unwrap();
    symlink(elsewhere.path(), runs.join(ONE).join("records/link")).unwrap();
    symlink(elsewhere.path().join("precious"), runs.join(ONE).join("a")).unwrap();
    let others = crawl.runs().into_iter().filter(|name| ![ONE, TWO, THREE].contains(&name.as_str()));
    let others: Vec<String> = others.collect();
    let crawl = crawl.set("job.keep_runs", 2);
    crawl.run().expect(0);
    let left = crawl.runs();
    for name in &others {
        assert!(left.contains(name), "{name} is gone: {left:?}");
    }
    for name in [ONE, TWO, THREE] {
        assert!(!left.contains(&name.to_owned()), "{name} stays: {left:?}");
    }
    assert_eq!(fs::read_to_string(elsewhere.path().join("precious")).unwrap(), "kept");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 2);
}

#[test]
fn a_death_in_between_leaves_whole_runs_and_what_the_next_start_removes() {
    if !cfg!(debug_assertions) {
        return;
    }
    for place in ["retention.renamed", "retention.removed", "retention.removed:3", "retention.removed:20"] {
        let (site, urls, crawl) = with_older(&[ONE, TWO, THREE]);
        let hits = site.hits() + urls.len();
        let crawl = crawl.set("job.keep_runs", 1).env("TRAWL_CRASH_AT", place);
        assert!(crawl.run().was_killed(), "{place}: it did not die there");
        crawl.verify_exact(&urls);
        let left = crawl.runs();
        let going: Vec<&String> = left.iter().filter(|name| name.starts_with(".deleting-")).collect();
        assert_eq!(going.len(), 1, "{place}: {left:?}");
        for name in left.iter().filter(|name| !name.starts_with('.')) {
            assert!(crawl.path("out/runs").join(name).join("_SUCCESS").exists(), "{place}: {name} is torn");
        }
        // Publication was not over: the same command ends it, and asks for nothing.
        crawl.without_env().run().expect(0).says("removed what was left of a deleted run");
        assert_eq!(site.hits(), hits, "{place}");
    }
}

/// Without named places, so that a release build has it, too.
#[test]
fn a_kill_while_files_go_leaves_nothing_torn() {
    const FILES: usize = 3000;
    let (site, urls, crawl) = with_older(&[ONE, TWO]);
    let hits = site.hits() + urls.len();
    let runs = crawl.path("out/runs");
    for name in [ONE, TWO] {
        for n in 0..FILES {
            fs::write(runs.join(name).join(n.to_string()), "").unwrap();
        }
    }
    let crawl = crawl.set("job.keep_runs", 1);
    let mut running = crawl.spawn();
    let is_going = |names: Vec<String>| names.iter().any(|name| name.starts_with(".deleting-"));
    // It may be over before it was seen; then there is nothing to kill, and all the same to be demanded.
    wait_for("a deletion", || (is_going(crawl.runs()) || running.has_ended()).then_some(()));
    let run = running.kill9();
    eprintln!("{}", if run.was_killed() { "killed while files went" } else { "it was over before" });
    for name in crawl.runs().iter().filter(|name| !name.starts_with('.')) {
        assert!(runs.join(name).join("_SUCCESS").exists(), "{name} is torn");
        let extra = if name == ONE || name == TWO { FILES } else { 0 };
        assert!(fs::read_dir(runs.join(name)).unwrap().count() > extra, "{name} lacks files");
    }
    let is_unfinished = crawl.trawl(&["validate"]).expect(0).stdout.contains("which is unfinished");
    crawl.run().expect(0);
    assert!(!is_going(crawl.runs()), "{:?}", crawl.runs());
    assert!(crawl.runs().iter().all(|name| name != ONE && name != TWO), "{:?}", crawl.runs());
    crawl.verify_exact(&urls);
    let again = if is_unfinished { 0 } else { urls.len() };
    assert_eq!(site.hits(), hits + again, "what was published is not fetched again to end a deletion");
}

#[test]
fn a_begun_deletion_is_finished_without_the_key_too() {
    let (_site, _urls, crawl) = with_older(&[ONE]);
    let runs = crawl.path("out/runs");
    fs::rename(runs.join(ONE), runs.join(format!(".deleting-{ONE}"))).unwrap();
    fs::create_dir(runs.join(format!(".deleting-{TWO}.failed"))).unwrap();
    crawl.run().expect(0);
    assert_eq!(crawl.runs().len(), 2, "{:?}", crawl.runs());
    assert!(crawl.runs().iter().all(|name| !name.starts_with('.')), "{:?}", crawl.runs());
}

#[test]
fn a_run_that_cannot_be_deleted_is_said_and_harms_nothing() {
    let (_site, urls, crawl) = with_older(&[ONE, TWO]);
    // A file in the place to which the run would be renamed.
    fs::write(crawl.path("out/runs").join(format!(".deleting-{ONE}")), "").unwrap();
    let crawl = crawl.set("job.keep_runs", 1);
    crawl.run().expect(0).says("an old run cannot be deleted");
    assert!(crawl.path("out/runs").join(ONE).join("_SUCCESS").exists());
    assert!(!crawl.path("out/runs").join(TWO).exists(), "the others go all the same");
    crawl.verify_exact(&urls);
}

#[test]
fn a_url_whose_record_went_with_its_run_is_said_so() {
    let (_site, urls) = Site::with_pages(4, Duration::ZERO);
    let crawl = Crawl::over(&urls).set("job.keep_runs", 1);
    crawl.run().expect(0);
    fs::write(crawl.path("urls.txt"), &urls[0]).unwrap();
    crawl.run().expect(0);
    assert_eq!(crawl.runs().len(), 1);
    crawl.trawl(&["get", &urls[0]]).expect(0);
    crawl.trawl(&["get", &urls[3]]).expect(74).says("runs that are removed take their records with them");
}

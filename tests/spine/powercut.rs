//! The power goes in the middle of a run: what was synced is there, nothing else, and that is enough.

use std::fs::File;

use crate::kill::Patient;
use crate::support::machine::{Disk, could_not_run, in_own_mounts, no_power_cut, pretend_reboot};
use crate::support::{Crawl, Dice};

/// Whether the machine counts as started anew after the cut.
#[derive(Clone, Copy, PartialEq)]
enum Boot {
    Same,
    Other,
}

/// `Err` is for a machine that does not allow it; anything that goes wrong after that fails the test.
fn cut(boot: Boot, cuts: usize) -> Result<(), String> {
    if let Some(why) = no_power_cut() {
        return Err(why);
    }
    let patient = Patient::of(80);
    let dice = Dice::thrown("powercut.rs");
    in_own_mounts(|| {
        let scratch = tempfile::tempdir().expect("temporary directory");
        let root = scratch.path().join("disk");
        for _ in 0..cuts {
            let mut disk = Disk::create(&scratch.path().join("image"), 256)?;
            disk.mount(&root)?;
            let crawl = Patient::prepared(Crawl::at(&root).list(&patient.urls));
            rustix::fs::syncfs(File::open(&root).expect("root of the disk")).expect("sync");
            let running = crawl.spawn();
            let moment = 15 + usize::try_from(dice.below(60)).unwrap();
            patient.site.wait_until("the moment of the cut", |view| view.hits() >= moment);
            disk.cut_power()?;
            // With the disk gone it cannot go on; a machine without power runs no programs at all.
            running.kill9();
            disk.unmount().expect("unmount after the cut");
            disk.mount(&root).expect("mount after the cut");
            if boot == Boot::Other {
                pretend_reboot(scratch.path()).expect("another boot id");
            }
            let urls = std::fs::read_to_string(crawl.path("urls.txt")).expect("the test's own list");
            assert_eq!(urls.lines().count(), patient.urls.len(), "the test's own list is whole");
            let (_, repeats) = patient.resume(&crawl, 1);
            eprintln!("power cut at request {moment}: exact, {repeats} repeats");
            if boot == Boot::Other {
                for url in patient.urls.iter().step_by(16) {
                    crawl.trawl(&["get", url]).expect(0);
                }
            }
            disk.unmount().expect("unmount at the end");
        }
        Ok(())
    })?
}

#[test]
fn a_power_cut_loses_nothing() {
    if let Err(why) = cut(Boot::Other, 4) {
        could_not_run("the power cut", &why);
    }
}

#[test]
fn a_disk_that_goes_and_comes_back_loses_nothing() {
    if let Err(why) = cut(Boot::Same, 2) {
        could_not_run("the power cut without a reboot", &why);
    }
}

/// The cut is worth something only if what was not synced is really gone after it.
#[test]
fn the_cut_itself_is_real() {
    let tried = no_power_cut().map_or(Ok(()), Err).and_then(|()| {
        in_own_mounts(|| {
            let scratch = tempfile::tempdir().expect("temporary directory");
            let root = scratch.path().join("disk");
            let mut disk = Disk::create(&scratch.path().join("image"), 64)?;
            disk.mount(&root)?;
            File::create(root.join("kept")).and_then(|file| file.sync_all()).expect("a synced file");
            File::open(&root).and_then(|dir| dir.sync_all()).expect("a synced directory");
            std::fs::write(root.join("lost"), "never synced").expect("a file");
            disk.cut_power()?;
            disk.unmount().expect("unmount after the cut");
            disk.mount(&root).expect("mount after the cut");
            assert!(root.join("kept").exists(), "what was synced survives the cut");
            assert!(!root.join("lost").exists(), "what was not synced does not");
            Ok(())
        })?
    });
    if let Err(why) = tried {
        could_not_run("the check of the power cut", &why);
    }
}

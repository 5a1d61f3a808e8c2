//! The power goes in the middle of the web: what stood in synced frames is known, everything else is found again, and
//! every URL ends as the oracle says. The web is in trouble, too, so that frames hold robots.txt, refusals, requests
//! that are to be made again and waits that hosts owe.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::chaos::{Fault, crawl, troubled};
use crate::graph::{asked, examine, wanted};
use crate::support::machine::{Disk, could_not_run, in_own_mounts, no_power_cut, pretend_reboot};
use crate::support::{Answer, Dice};

const PAGES: usize = 60;
const CUTS: usize = 4;

/// Cuts the power of a crawl at a random request, goes on, and demands every ending.
fn cut(seed: u64, dice: &Dice, scratch: &std::path::Path) -> Result<(), String> {
    let (site, web) = troubled(seed, PAGES);
    let fates = web.oracle(|url| Fault::of(seed, url).and_then(Fault::outcome));
    let wanted = wanted(&fates);
    let (answering, busy) = (web.clone(), AtomicUsize::new(0));
    // The first page of a host asks to be left alone for a while.
    site.serve_with("//h0.test/", move |seen| match busy.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::status(503).header("retry-after", "1"),
        _ => answering.answer(&seen.host, &seen.path),
    });
    let root = scratch.join("disk");
    let mut disk = Disk::create(&scratch.join("image"), 256)?;
    disk.mount(&root)?;
    let crawl = crawl(&web).moved_to(&root);
    rustix::fs::syncfs(File::open(&root).expect("root of the disk")).expect("sync");
    let running = crawl.spawn();
    let total: usize = wanted.values().sum();
    let moment = 2 + dice.index(total * 3 / 4);
    site.wait_until("the moment of the cut", |view| view.hits() >= moment);
    disk.cut_power()?;
    // With the disk gone it cannot go on; a machine without power runs no programs at all.
    assert_ne!(running.kill9().code, Some(0), "it ended before the cut");
    disk.unmount().expect("unmount after the cut");
    disk.mount(&root).expect("mount after the cut");
    pretend_reboot(scratch).expect("another boot id");
    crawl.run().expect(0);
    examine(&crawl, &fates);
    crawl.trawl(&["verify"]).expect(0);
    let asked = asked(&site);
    let (found, expected): (BTreeSet<_>, BTreeSet<_>) = (asked.keys().collect(), wanted.keys().collect());
    assert_eq!(found, expected, "each that is wanted and no other was asked for, seed {seed}");
    eprintln!("seed {seed}: power cut at request {moment} of about {total}: exact");
    disk.unmount()
}

#[test]
fn a_power_cut_loses_nothing_of_a_web() {
    let tried = no_power_cut().map_or(Ok(()), Err).and_then(|()| {
        let dice = Dice::thrown("crawl/powercut.rs");
        in_own_mounts(|| {
            let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
            for _ in 0..CUTS {
                cut(dice.next(), &dice, scratch.path())?;
            }
            Ok(())
        })?
    });
    if let Err(why) = tried {
        could_not_run("the power cut of a web", &why);
    }
}

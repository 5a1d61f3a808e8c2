//! All faults in one run: each ends as it does alone, and memory stays bounded.

use std::time::{Duration, Instant};

use crate::checking;
use crate::job::{FaultySite, Patience};
use crate::list::{self, Fault};
use crate::page;
use crate::support::{PATIENCE, Run, Running, machine};

/// The most that the run may take, in bytes.
const MAX_MEMORY: u64 = 256_000_000;

/// Waits longer than for other runs: a debug build reads these pages for half a minute where nothing else runs. Gives the most
/// memory that it had, too.
fn to_its_end(mut running: Running) -> (Run, u64) {
    let (started, mut most) = (Instant::now(), 0);
    while !running.has_ended() {
        most = machine::peak(running.pid()).unwrap_or(most);
        assert!(started.elapsed() < 4 * PATIENCE, "the run does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    (running.wait(), most)
}

#[test]
fn all_at_once() {
    let site = FaultySite::shared();
    let faults: Vec<&'static Fault> = list::SECTIONS.iter().flat_map(|section| section.faults).collect();
    let crawl = site
        .job(faults.iter().copied(), &Patience { read: "12s", total: "20s", retries: 0 })
        .set("politeness.max_concurrency", 32);
    let (run, peak) = to_its_end(crawl.spawn());
    run.expect(0);
    let data = crawl.latest();
    let mut troubles: Vec<String> =
        faults.iter().flat_map(|fault| checking::troubles(&site, &data, fault)).collect();
    if peak > MAX_MEMORY {
        troubles.push(format!("{peak} bytes of memory"));
    }
    assert!(troubles.is_empty(), "{}", troubles.join("\n"));
    checking::verify(&site, &data, faults.iter().copied());
    crawl.trawl(&["verify"]).expect(0);
    site.nobody_went_astray();
    page::check_all(&data, peak);
}

#[test]
fn the_first_page_names_each_fault() {
    let site = FaultySite::shared();
    let home = site.body("/");
    for fault in list::SECTIONS.iter().flat_map(|section| section.faults) {
        for end in fault.ends.iter().filter(|end| !end.is_found) {
            let url = site.address(end.url).replace(&"x".repeat(64 << 10), "{64k}");
            assert!(home.contains(&format!("<a href=\"{url}\">")), "{}: {url}", fault.name);
        }
    }
}

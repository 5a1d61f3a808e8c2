//! Each fault alone, with good pages beside it: a run of its own, whose memory is bounded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::checking;
use crate::job::{FaultySite, Patience};
use crate::list::{self, Fault, Section};
use crate::page::{self, Row};

/// The most that a run may take, in bytes.
const MAX_MEMORY: u64 = 200_000_000;
/// Runs of one section at a time: most of them wait.
const AT_ONCE: usize = 3;

/// Runs each fault of a section, and holds its table against what came of it.
#[track_caller]
fn section(section: &'static Section) {
    let site = FaultySite::shared();
    let rows: Mutex<Vec<Option<Row>>> = Mutex::new(section.faults.iter().map(|_| None).collect());
    let troubles = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((at, fault)) = take(section, &next) {
                    match catch_unwind(AssertUnwindSafe(|| alone(&site, fault))) {
                        Ok(Ok(row)) => rows.lock().unwrap()[at] = Some(row),
                        Ok(Err(found)) => troubles.lock().unwrap().extend(found),
                        Err(panic) => {
                            troubles.lock().unwrap().push(format!("{}: {}", fault.name, said(&*panic)));
                        }
                    }
                }
            });
        }
    });
    let troubles = troubles.into_inner().unwrap();
    assert!(troubles.is_empty(), "{}:\n{}", section.title, troubles.join("\n"));
    site.nobody_went_astray();
    let rows: Vec<Row> = rows.into_inner().unwrap().into_iter().flatten().collect();
    page::check(section, &rows);
}

fn take(section: &'static Section, next: &AtomicUsize) -> Option<(usize, &'static Fault)> {
    let at = next.fetch_add(1, Ordering::SeqCst);
    section.faults.get(at).map(|fault| (at, fault))
}

fn said(panic: &dyn std::any::Any) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

/// A run over one fault.
fn alone(site: &FaultySite, fault: &'static Fault) -> Result<Row, Vec<String>> {
    // What is to run into a timeout is not waited for long; what is not has time, however busy the machine is.
    let is_slow = fault.ends.iter().any(|end| end.outcome == "timeout" || end.url.contains("silent"));
    let is_retried = fault.ends.iter().any(|end| end.url.contains("/retry/"));
    let patience = Patience {
        read: if is_slow { "2s" } else { "20s" },
        total: if is_slow { "4s" } else { "40s" },
        retries: i64::from(is_retried),
    };
    let crawl = site.job([fault], &patience);
    let run = crawl.run().expect(0);
    let data = crawl.latest();
    let mut troubles = checking::troubles(site, &data, fault);
    if run.peak > MAX_MEMORY {
        troubles.push(format!("{}: {} bytes of memory", fault.name, run.peak));
    }
    if is_retried {
        let asked = fault.ends.iter().filter(|end| data.ending(&site.address(end.url))["attempts"] != 2);
        troubles.extend(asked.map(|end| format!("{}: {} was not asked for twice", fault.name, end.url)));
    }
    if !troubles.is_empty() {
        return Err(troubles);
    }
    checking::verify(site, &data, [fault]);
    crawl.trawl(&["verify"]).expect(0);
    Ok(Row { fault, observed: checking::observed(site, &data, fault), peak: run.peak })
}

macro_rules! sections {
    ($($name:ident = $at:literal,)+) => {
        $(#[test]
        fn $name() {
            section(list::SECTIONS[$at]);
        })+

        #[test]
        fn no_section_is_left_out() {
            assert_eq!([$($at),+].len(), list::SECTIONS.len());
        }
    };
}

sections! {
    slow_and_endless = 0,
    cut_off_and_broken = 1,
    bombs = 2,
    pages = 3,
    statuses = 4,
    redirects = 5,
    private_addresses = 6,
    urls = 7,
    sites_without_end = 8,
    robots = 9,
    sitemaps = 10,
    http2 = 11,
    tls = 12,
}

//! The whole frontier: URLs go in as a committed checkpoint brings them, links that are mostly known are offered to
//! it as parse threads do, and all is leased, ended and settled. No robots.txt, no delay: nothing here waits.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use trawl::frontier::{
    Anchor, Bounds, Frontier, Gating, Overflow, Politeness, Report, Retry, Rules, SettledLease, Setup, Slot,
};
use trawl::model::{Changes, Request, Role, UrlKey, canonical};
use trawl::store::{Begin, Commit, Frame, Journal};
use trawl::units::Time;
use url::Url;

use crate::{BATCH, MEMORY, status, timed};

/// Requests in flight at once.
const IN_FLIGHT: usize = 64;
/// Links of a page.
const LINKS: usize = 50;
/// Pages whose links go into one checkpoint.
const PAGES: usize = 20;

/// An answer that took so long to begin.
pub const fn answered(latency: Duration) -> Report {
    Report::Answered { latency, is_error: false, slow_down: false, retry_after: None }
}

/// A frontier with this delay whose queue overflows into a directory.
pub fn frontier(dir: &std::path::Path, delay: Time, in_flight: usize) -> Arc<Frontier> {
    let settings = Politeness { host_delay: delay, ..Politeness::default() };
    let anchor = Anchor { instant: tokio::time::Instant::now().into_std(), wall: Timestamp::UNIX_EPOCH };
    let setup = Setup {
        rules: Rules::new(&settings, &Retry::default(), &BTreeMap::new(), anchor),
        limits: Gating::default(),
        bounds: Bounds { max_concurrency: in_flight, memory: 1 << 30, max_pages: None, careful: None },
        overflow: Overflow { dir: dir.join("scratch"), memory: MEMORY },
        is_resumed: false,
        wall: Timestamp::UNIX_EPOCH,
    };
    Arc::new(Frontier::new(setup).expect("a directory"))
}

/// The nth URL: hosts come in turn, which is the hardest order for memory.
fn url(n: usize, hosts: usize) -> String {
    format!("https://www.site-{:06}.org/{:03x}/page-{n:08}.html", n % hosts, n % 4093)
}

/// The page that the nth URL stands on.
fn page(n: usize, hosts: usize) -> Request {
    let url = canonical(&format!("https://www.site-{:06}.org/{:03x}/list", n % hosts, n % 4091), None);
    Request { depth: 1, ..Request::seed(&url.expect("URL"), "pages") }
}

/// URLs and the pages that they stand on.
type Links = Vec<(Request, String)>;

fn links(numbers: Range<usize>, hosts: usize) -> Links {
    numbers.map(|n| (page(n, hosts), url(n, hosts))).collect()
}

/// What comes of the text of links, as a parse thread makes it.
fn found(links: &Links) -> Vec<Request> {
    links.iter().map(|(page, link)| page.found(&Url::parse(link).expect("URL"), Role::Page)).collect()
}

/// Nanoseconds to make a request of a URL's text, to admit one, to offer one of which nine in ten are known, and to
/// lease, end and settle one; peak of memory.
pub fn whole(size: usize, hosts: usize) -> [f64; 5] {
    let dir = tempfile::tempdir().expect("a directory");
    let rounds = crate::AT_LEAST.div_ceil(size).max(1);
    let (mut text, mut admit, mut offer, mut lease) = (0, 0, 0, 0);
    let (mut offered, mut leased) = (0, 0);
    for _ in 0..rounds {
        let frontier = frontier(dir.path(), Time::secs(0), IN_FLIGHT);
        for begin in (0..size).step_by(BATCH) {
            let links = links(begin..size.min(begin + BATCH), hosts);
            let batch = timed(&mut text, || found(&links));
            timed(&mut admit, || drop(frontier.checkpoint(batch, [])));
        }
        let end = offers(&frontier, size, hosts, &mut offer);
        offered += (end - size) * 10;
        leases(&frontier, end, hosts, &mut lease);
        leased += end;
    }
    let each = |time: i64, count: usize| time as f64 / count as f64;
    [
        each(text, size * rounds),
        each(admit, size * rounds),
        each(offer, offered),
        each(lease, leased),
        status("VmHWM"),
    ]
}

/// Offers the links of pages: of ten links nine are known, the tenth is new. Gives the end of the numbers of URLs.
fn offers(frontier: &Frontier, size: usize, hosts: usize, spent: &mut i64) -> usize {
    let new = (size / 10).min(200_000);
    let mut next = size;
    for _ in 0..new.div_ceil(PAGES * LINKS / 10) {
        let pages: Vec<(Request, Vec<String>)> = (0..PAGES)
            .map(|_| {
                let link = |at: usize| {
                    let n = if at % 10 == 9 {
                        next += 1;
                        next - 1
                    } else {
                        (next + at) * 7_368_787 % size
                    };
                    url(n, hosts)
                };
                let links = (0..LINKS).map(link).collect();
                (page(next, hosts), links)
            })
            .collect();
        let admitted = timed(spent, || {
            let mut admits = Vec::new();
            for (page, links) in &pages {
                for link in links {
                    if !frontier.is_known(UrlKey::of(link))
                        && let Ok(url) = Url::parse(link)
                    {
                        admits.push(page.found(&url, Role::Page));
                    }
                }
            }
            frontier.checkpoint(admits, []).admitted.len()
        });
        assert_eq!(admitted, PAGES * LINKS / 10);
    }
    next
}

/// Leases all, each host in the order in which its URLs came.
fn leases(frontier: &Arc<Frontier>, size: usize, hosts: usize, spent: &mut i64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _context = runtime.enter();
    frontier.sources_done();
    let mut next: Vec<usize> = (0..hosts).collect();
    let mut flying: VecDeque<Slot> = VecDeque::with_capacity(IN_FLIGHT);
    loop {
        let leased: Vec<Request> = timed(spent, || some(frontier, &mut flying));
        for request in &leased {
            let host: usize = request.host["www.site-".len()..][..6].parse().expect("its number");
            assert!(request.url.ends_with(&format!("/page-{:08}.html", next[host])), "{request:?}");
            next[host] += hosts;
        }
        let settled = |request: &Request| SettledLease {
            host: request.host.clone(),
            role: request.role,
            depth: request.depth,
            good: true,
        };
        timed(spent, || frontier.settled(&leased.iter().map(settled).collect::<Vec<_>>()));
        if leased.len() < BATCH {
            break;
        }
    }
    assert!(next.iter().all(|n| *n >= size), "some never came back");
    assert!(frontier.is_exhausted());
}

/// A checkpoint's worth of leases; fewer at the end. Of those in flight the oldest ends first.
fn some(frontier: &Arc<Frontier>, flying: &mut VecDeque<Slot>) -> Vec<Request> {
    let mut leased = Vec::with_capacity(BATCH);
    while leased.len() < BATCH {
        if flying.len() == IN_FLIGHT || frontier.left() == leased.len() as u64 {
            let Some(slot) = flying.pop_front() else { break };
            slot.end(answered(Duration::ZERO), None);
            continue;
        }
        match frontier.next().now_or_never() {
            Some(Some(lease)) => {
                flying.push_back(frontier.slot(&lease.request));
                leased.push(lease.request);
            }
            Some(None) => break,
            // Every host that is left is being asked already.
            None => flying.pop_front().expect("one in flight").end(answered(Duration::ZERO), None),
        }
    }
    leased
}

/// Nanoseconds to admit one and write it to the journal of a run, and its bytes there.
pub fn journal(size: usize, hosts: usize) -> [f64; 2] {
    let dir = tempfile::tempdir().expect("a directory");
    let begin = Begin { run_id: "r".into(), snapshot: 0, sealed: "{}".into(), parent: None };
    let path = dir.path().join("r.journal");
    let mut journal = Journal::create(&path, &begin).expect("a journal");
    let frontier = frontier(dir.path(), Time::secs(0), IN_FLIGHT);
    let mut spent = 0;
    for begin in (0..size).step_by(BATCH) {
        let batch = found(&links(begin..size.min(begin + BATCH), hosts));
        timed(&mut spent, || append(&mut journal, frontier.checkpoint(batch, [])));
    }
    let bytes = std::fs::metadata(&path).expect("the journal").len();
    [spent as f64 / size as f64, bytes as f64 / size as f64]
}

fn append(journal: &mut Journal, changes: Changes) {
    for changes in changes.pieces() {
        journal.append(&Frame::Commit(Commit { changes, ..Commit::default() })).expect("disk");
    }
}

//! What a known URL costs, in CPU time and memory, with few of them and with ten million: in the set of seen URLs, in
//! the queue that goes on in scratch files, and in the whole frontier; links a second where most are known; bytes in
//! the journal; and pages a second of virtual time against what delays allow. Prints tables and fails on no number.
//!
//! `cargo bench --bench frontier -- [--quick] [--only NAME]`, with NAME one of seen, backlog, whole, pace. Each case
//! runs in a process of its own, so that its peak of memory is its own. Scratch files stand in `TMPDIR`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench prints, and stops where something is wrong"
)]

mod pace;
mod whole;

use std::process::Command;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use trawl::frontier::{Backlog, HostLease, HostState, Local, Overflow, Seen};
use trawl::model::{Request, UrlKey, canonical};

/// Bytes of packed requests that the queue may hold in memory, as in a run.
const MEMORY: u64 = 64 << 20;
/// Requests that are made, and then admitted, at once.
const BATCH: usize = 1_000;
/// Hosts that are lent at once, and requests of each, as the front does it.
const LENT: (usize, usize) = (256, 16);
/// A case is repeated until it has handled so many.
const AT_LEAST: usize = 1_000_000;
const CASE: &str = "TRAWL_BENCH_FRONTIER";

fn main() {
    if let Ok(case) = std::env::var(CASE) {
        return run(&case);
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let quick = args.iter().any(|arg| arg == "--quick");
    let only = args.iter().position(|arg| arg == "--only").and_then(|at| args.get(at + 1));
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    let sizes: &[usize] = if quick { &[100_000, 1_000_000] } else { &[100_000, 1_000_000, 10_000_000] };
    if wanted("seen") {
        seen_table(sizes);
    }
    if wanted("backlog") {
        backlog_table(sizes);
    }
    if wanted("whole") {
        whole_table(sizes);
        journal_line();
    }
    if wanted("pace") {
        pace_table();
    }
}

fn seen_table(sizes: &[usize]) {
    println!("seen URLs         insert    known   unknown   bytes each   peak");
    for size in sizes {
        let [insert, known, unknown, bytes, peak] = child(&format!("seen {size}"));
        println!(
            "{size:>10}   {insert:>8.0} ns {known:>5.0} ns {unknown:>6.0} ns   {bytes:>10.1}   {:>4.0} MB",
            peak / 1e6
        );
    }
}

fn backlog_table(sizes: &[usize]) {
    println!("backlog    hosts      admit     claim      both   ratio   peak      most on disk");
    let mut first = None;
    for size in sizes {
        let hosts = size / 100;
        let [admit, claim, peak, disk] = child(&format!("backlog {size} {hosts}"));
        let both = admit + claim;
        let ratio = both / *first.get_or_insert(both);
        println!(
            "{size:>9} {hosts:>6}   {admit:>6.0} ns {claim:>6.0} ns {both:>6.0} ns   {ratio:>5.2}   {:>3.0} MB   {:>6.1} bytes each",
            peak / 1e6,
            disk / *size as f64
        );
    }
}

/// `all` is what a URL costs from its text to its end but for fetching, `queue` the same without making a request of
/// its text, which other threads do.
/// Two ratios of the cost of a URL: against few URLs on few hosts, where hosts grow with the URLs, and against few
/// URLs on as many hosts as the most have, where URLs alone grow.
fn whole_table(sizes: &[usize]) {
    println!(
        "whole      hosts       text     admit     lease       all   hosts grow   same hosts   90 % known     peak"
    );
    let (few, many) = (sizes[0], sizes[sizes.len() - 1]);
    let cases = std::iter::once((few, many / 100)).chain(sizes.iter().map(|size| (*size, size / 100)));
    let mut bases = Vec::new();
    for (size, hosts) in cases {
        let [text, admit, offer, lease, peak] = child(&format!("whole {size} {hosts}"));
        let all = text + admit + lease;
        if size == few {
            bases.push(all);
        }
        let grown = bases.get(1).map_or("-".to_owned(), |base| format!("{:.2}", all / base));
        let same = if hosts == many / 100 { format!("{:.2}", all / bases[0]) } else { "-".to_owned() };
        println!(
            "{size:>9} {hosts:>6}   {text:>6.0} ns {admit:>6.0} ns {lease:>6.0} ns {all:>6.0} ns   {grown:>10}   {same:>10}   {:>8.0}/s   {:>3.0} MB",
            1e9 / offer,
            peak / 1e6,
        );
    }
}

fn journal_line() {
    let (size, hosts) = (1_000_000, 10_000);
    let [append, bytes] = child(&format!("journal {size} {hosts}"));
    println!("{size} URLs admitted and written to the journal: {append:.0} ns and {bytes:.1} bytes each");
}

/// Hosts, pages of each, delay and latency in milliseconds, requests in flight.
const PACES: [[u32; 5]; 4] = [
    [1_000, 60, 1_000, 0, 64],
    [1_000, 60, 1_000, 30, 64],
    [5_000, 60, 1_000, 0, 64],
    [5_000, 60, 1_000, 30, 256],
];

fn pace_table() {
    println!("hosts   delay   latency   in flight   pages/s   allowed            CPU a page");
    for [hosts, pages, delay, latency, in_flight] in PACES {
        let case = format!("pace {hosts} {pages} {delay} {latency} {in_flight}");
        let [reached, allowed, cpu] = child(&case);
        println!(
            "{hosts:>5}  {delay:>4} ms   {latency:>4} ms   {in_flight:>9}   {reached:>7.0}   {allowed:>7.0}   {:>5.1} %   {cpu:>5.0} ns",
            100.0 * reached / allowed
        );
    }
}

/// Runs a case in a process of its own and reads its numbers.
fn child<const N: usize>(case: &str) -> [f64; N] {
    let output = Command::new(std::env::current_exe().expect("this program")).env(CASE, case).output();
    let output = output.expect("it starts");
    assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("numbers");
    let numbers: Vec<f64> = text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    numbers.try_into().expect("as many as the table shows")
}

/// Runs the named case and prints its numbers.
fn run(case: &str) {
    let words: Vec<&str> = case.split_whitespace().collect();
    let number = |at: usize| words[at].parse().expect("a number");
    let numbers = match words[0] {
        "seen" => seen(number(1)).to_vec(),
        "backlog" => backlog(number(1), number(2)).to_vec(),
        "whole" => whole::whole(number(1), number(2)).to_vec(),
        "pace" => {
            let milliseconds = |at| number(at) as u64;
            pace::pace(number(1), number(2), milliseconds(3), milliseconds(4), number(5)).to_vec()
        }
        "journal" => whole::journal(number(1), number(2)).to_vec(),
        other => panic!("no case `{other}`"),
    };
    println!("{}", numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(" "));
}

/// CPU time of this process so far, in nanoseconds.
fn cpu() -> i64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// Does the work and adds the nanoseconds of CPU time that it took.
fn timed<T>(spent: &mut i64, work: impl FnOnce() -> T) -> T {
    let before = cpu();
    let result = work();
    *spent += cpu() - before;
    result
}

/// A line of `/proc/self/status`, in bytes.
fn status(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
    let kib: f64 = line.trim_matches([':', '\t', ' ', 'k', 'B']).parse().expect("KiB");
    kib * 1024.0
}

/// Stands for the hash of the nth URL.
fn fingerprint(n: u64) -> u64 {
    let mixed = (n ^ (n >> 30)).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

/// Nanoseconds for a new one, a known one and an unknown one; bytes for each and at the peak.
fn seen(size: usize) -> [f64; 5] {
    let rounds = AT_LEAST.div_ceil(size).max(1);
    let (count, before) = (size as u64, status("VmRSS"));
    let ([mut insert, mut known, mut unknown], mut rise) = ([0; 3], 0.0);
    for round in 0..rounds {
        let set = Seen::new(round as u64 ^ 0x5eed_5eed_5eed_5eed);
        assert!(timed(&mut insert, || (0..count).all(|n| set.insert(fingerprint(n)))));
        // In another order than they came in, each once: the factor has no divisor in common with a power of ten.
        let mixed = |n| n * 7_368_787 % count;
        assert!(timed(&mut known, || (0..count).all(|n| set.contains(fingerprint(mixed(n))))));
        let stranger = |n| fingerprint(n + (1 << 40));
        assert!(!timed(&mut unknown, || (0..count).any(|n| set.contains(stranger(n)))));
        assert_eq!(set.len(), count);
        rise = status("VmHWM") - before;
    }
    let each = |time: i64| time as f64 / (size * rounds) as f64;
    [each(insert), each(known), each(unknown), rise / size as f64, status("VmHWM")]
}

/// The nth URL. Hosts come in turn, which is the hardest order for memory.
fn request(n: usize, hosts: usize, template: &Request) -> Request {
    let host = format!("www.site-{:06}.org", n % hosts);
    let url = format!("https://{host}/{:03x}/page-{n:08}.html", n % 4093);
    Request {
        key: UrlKey::of(&url),
        url: url.into(),
        discovered_from: Some(format!("https://{host}/{:03x}/list", n % 4091).into()),
        depth: 2,
        host: host.into(),
        ..template.clone()
    }
}

/// Nanoseconds to admit one and to claim one (released hosts counted); peak of memory; most bytes on disk.
fn backlog(size: usize, hosts: usize) -> [f64; 4] {
    let rounds = AT_LEAST.div_ceil(size).max(1);
    let dir = tempfile::tempdir().expect("a directory");
    let settings = Overflow { dir: dir.path().join("scratch"), memory: MEMORY };
    let template = Request::seed(&canonical("http://h/", None).expect("URL"), "pages");
    let (mut admit, mut claim, mut disk) = (0, 0, 0);
    for _ in 0..rounds {
        let now = Instant::now();
        let mut backlog = Local::new(now, &settings).expect("a directory");
        for begin in (0..size).step_by(BATCH) {
            let batch: Vec<Request> =
                (begin..size.min(begin + BATCH)).map(|n| request(n, hosts, &template)).collect();
            timed(&mut admit, || backlog.admit(&batch)).expect("disk");
        }
        disk = disk.max(backlog.disk_bytes());
        let mut next: Vec<usize> = (0..hosts).collect();
        loop {
            let lent = timed(&mut claim, || backlog.claim(now, LENT.0, LENT.1)).expect("disk");
            if lent.is_empty() {
                break;
            }
            for lease in &lent {
                let host: usize = lease.host["www.site-".len()..][..6].parse().expect("its number");
                for request in &lease.requests {
                    assert!(request.url.ends_with(&format!("/page-{:08}.html", next[host])), "{request:?}");
                    next[host] += hosts;
                }
            }
            let spent: Vec<HostLease> =
                lent.into_iter().map(|lease| HostLease { requests: Vec::new(), ..lease }).collect();
            timed(&mut claim, || {
                for lease in spent {
                    backlog.release(lease, HostState { not_before: now }).expect("disk");
                }
            });
        }
        assert!(next.iter().all(|n| *n >= size), "some never came back");
    }
    let each = |time: i64| time as f64 / (size * rounds) as f64;
    [each(admit), each(claim), status("VmHWM"), disk as f64]
}

//! Pages per CPU-second of the built program against the plainest loop that does the same, in the same run; of a web
//! that is crawled by its links against a list of the same pages; what concurrency brings; how soon a job with many
//! known URLs sends its first request. Prints ratios and fails on none of them.
//!
//! `cargo bench --bench throughput -- [--quick] [--real N] [--tiny N] [--web N] [--known N] [--rounds N] [--only NAME]
//! [--no-pin]`, with NAME one of real, tiny, web, sinks, latency, start. `TRAWL_BENCH_PAGES=DIR` takes the HTML files of a
//! directory instead of generated real-size pages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench prints, and stops where something is wrong"
)]

mod bare;
mod corpus;
mod measure;
mod server;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use measure::{Used, measure};
use server::Server;

const TRAWL: &str = env!("CARGO_BIN_EXE_trawl");
const IN_FLIGHT: usize = 100;

struct Options {
    real: usize,
    tiny: usize,
    web: usize,
    known: usize,
    rounds: usize,
    only: Option<String>,
    pin: bool,
}

impl Options {
    fn read() -> Self {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let is_set = |name: &str| args.iter().any(|arg| arg == name);
        let value =
            |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).cloned();
        let number = |name: &str, otherwise: usize| {
            value(name).map_or(otherwise, |text| text.parse().expect("a number after the flag"))
        };
        let quick = is_set("--quick");
        Self {
            real: number("--real", if quick { 1_000 } else { 10_000 }),
            tiny: number("--tiny", if quick { 2_000 } else { 20_000 }),
            web: number("--web", if quick { 5_000 } else { 50_000 }),
            known: number("--known", if quick { 10_000 } else { 100_000 }),
            rounds: number("--rounds", if quick { 1 } else { 3 }).max(1),
            only: value("--only"),
            pin: !is_set("--no-pin"),
        }
    }

    fn wants(&self, case: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == case)
    }
}

fn main() {
    match std::env::var("TRAWL_BENCH_ROLE").as_deref() {
        Ok("server") => server::main(),
        Ok("bare") => bare::main(),
        Ok("launch") => measure::launch(),
        _ => bench(&Options::read()),
    }
}

fn bench(options: &Options) {
    if options.pin {
        measure::keep_to_clients_cores();
    }
    let server = Server::start(options.real, options.tiny, options.pin);
    println!("{}", server.about());
    println!(
        "{:<6} {:<6} {:>6} {:>8} {:>12} {:>7} {:>8} {:>8}",
        "pages", "who", "count", "CPU s", "pages/CPU-s", "ratio", "peak MB", "wall s"
    );
    for (case, count) in [("real", options.real), ("tiny", options.tiny)] {
        if options.wants(case) {
            against_the_bare_loop(&server, case, count, options.rounds);
        }
    }
    if options.wants("web") {
        links_against_a_list(&server, options.web, options.rounds);
    }
    if options.wants("sinks") {
        sinks(&server, options.real, options.rounds);
    }
    if options.wants("latency") {
        latency(&server);
    }
    if options.wants("start") {
        start(&server, options.known);
    }
}

/// A job over these URLs in `dir`, everything on, without delay.
fn job(dir: &Path, urls: &[String], concurrency: usize) -> Command {
    fs::create_dir_all(dir).expect("directory");
    fs::write(dir.join("urls.txt"), urls.join("\n")).expect("list of URLs");
    let config = format!(
        "config_version = 1\n\
         [job]\nname = 'bench'\nstate_dir = 'store'\noutput_dir = 'out'\n\
         [http]\nallow_private_networks = true\n\
         [politeness]\nmax_concurrency = {concurrency}\nhost_concurrency = {concurrency}\nhost_delay = '0s'\n\
         [records]\nlinks = true\n\
         [[sources]]\nid = 'list'\ntype = 'list'\npath = 'urls.txt'\n"
    );
    fs::write(dir.join("config.toml"), config).expect("config");
    let mut command = Command::new(TRAWL);
    command.args(["run", "config.toml"]).current_dir(dir).env("NO_COLOR", "1");
    command
}

fn records_in(dir: &Path) -> usize {
    let records = dir.join("out/latest/records");
    let Ok(parts) = fs::read_dir(&records) else { return 0 };
    parts
        .map(|part| fs::read(part.expect("part").path()).expect("part"))
        .map(|text| memchr::memchr_iter(b'\n', &text).count())
        .sum()
}

fn against_the_bare_loop(server: &Server, case: &str, count: usize, rounds: usize) {
    let urls: Vec<String> = (0..count).map(|n| server.url(&format!("/{case}/{n}"))).collect();
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::write(dir.path().join("urls.txt"), urls.join("\n")).expect("list of URLs");
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.current_dir(dir.path()).env("TRAWL_BENCH_ROLE", "bare");
        bare.push(measure(&command));
        let lines = fs::read_to_string(dir.path().join("bare.jsonl")).expect("output of the bare loop");
        assert_eq!(lines.lines().count(), count, "the bare loop wrote a line for each page");

        let dir = tempfile::tempdir().expect("temporary directory");
        ours.push(measure(&job(dir.path(), &urls, IN_FLIGHT)));
        assert_eq!(records_in(dir.path()), count, "trawl wrote a record for each page");
    }
    let (bare, ours) = (Used::median(bare), Used::median(ours));
    for (who, used) in [("bare", &bare), ("trawl", &ours)] {
        print_row(case, who, count, used, &bare);
    }
}

/// A web crawled by its links from one page on, against a list of the same pages.
fn links_against_a_list(server: &Server, count: usize, rounds: usize) {
    let urls: Vec<String> = (0..count).map(|n| server.url(&format!("/web/{count}/{n}"))).collect();
    let (mut list, mut links) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        for (urls, scope, used) in [(&urls[..], "page", &mut list), (&urls[..1], "host", &mut links)] {
            let dir = tempfile::tempdir().expect("temporary directory");
            let mut command = job(dir.path(), urls, IN_FLIGHT);
            command.args(["--set", &format!("scope.type={scope}"), "--set", "politeness.obey_robots=false"]);
            used.push(measure(&command));
            assert_eq!(records_in(dir.path()), count, "a record for each page, by `{scope}`");
        }
    }
    let (list, links) = (Used::median(list), Used::median(links));
    for (who, used) in [("list", &list), ("links", &links)] {
        print_row("web", who, count, used, &list);
    }
}

fn print_row(case: &str, who: &str, count: usize, used: &Used, base: &Used) {
    println!(
        "{case:<6} {who:<6} {count:>6} {:>8.2} {:>12.0} {:>7.2} {:>8.0} {:>8.2}",
        used.cpu.as_secs_f64(),
        count as f64 / used.cpu.as_secs_f64(),
        base.cpu.as_secs_f64() / used.cpu.as_secs_f64(),
        used.peak_bytes as f64 / 1e6,
        used.wall.as_secs_f64(),
    );
}

/// What further outputs add to a crawl, in the same run, one after the other.
fn sinks(server: &Server, count: usize, rounds: usize) {
    const SINKS: [(&str, &str); 7] = [
        ("no sink", ""),
        ("jsonl", "[[sinks]]\nid = 'a'\ntype = 'jsonl'\n"),
        ("csv", "[[sinks]]\nid = 'b'\ntype = 'csv'\n"),
        ("both", "[[sinks]]\nid = 'a'\ntype = 'jsonl'\n[[sinks]]\nid = 'b'\ntype = 'csv'\n"),
        ("gzip", "[[sinks]]\nid = 'a'\ntype = 'jsonl'\ncompression = 'gzip'\n"),
        ("zstd", "[[sinks]]\nid = 'a'\ntype = 'jsonl'\ncompression = 'zstd'\n"),
        ("warc", "[[sinks]]\nid = 'c'\ntype = 'warc'\n"),
    ];
    let urls: Vec<String> = (0..count).map(|n| server.url(&format!("/real/{n}"))).collect();
    let mut all: [Vec<Used>; SINKS.len()] = Default::default();
    let mut gzip = Vec::new();
    for _ in 0..rounds {
        for ((name, tables), used) in SINKS.iter().zip(&mut all) {
            let dir = tempfile::tempdir().expect("temporary directory");
            let command = job(dir.path(), &urls, IN_FLIGHT);
            let config = dir.path().join("config.toml");
            let text = fs::read_to_string(&config).expect("config") + tables;
            fs::write(&config, text).expect("config");
            used.push(measure(&command));
            assert_eq!(records_in(dir.path()), count, "trawl wrote a record for each page");
            if *name == "warc" {
                gzip.push(gzip_of_archive(dir.path()));
            }
        }
    }
    let all = all.map(Used::median);
    let without = all[0].cpu.as_secs_f64();
    for ((name, _), used) in SINKS.iter().zip(&all) {
        let cpu = used.cpu.as_secs_f64();
        println!(
            "sinks  {name:<7} {count:>6} {cpu:>8.2} CPU s {:>+7.1} % {:>8.0} us a page {:>6.0} MB peak {:>8.2} s",
            (cpu / without - 1.0) * 100.0,
            (cpu - without) / count as f64 * 1e6,
            used.peak_bytes as f64 / 1e6,
            used.wall.as_secs_f64(),
        );
    }
    let (gzip, warc) = (Used::median(gzip).cpu.as_secs_f64(), all[6].cpu.as_secs_f64() - without);
    println!(
        "sinks  gzip -1 of all that the archive holds: {gzip:.2} CPU s; warc costs {:.2} times that",
        warc / gzip
    );
}

/// What `gzip -1` costs for the bytes of the archive that a run has written.
fn gzip_of_archive(dir: &Path) -> Used {
    let plain = dir.join("plain");
    let mut to = fs::File::create(&plain).expect("a file");
    for part in fs::read_dir(dir.join("out/latest/c")).expect("the archive") {
        let part = part.expect("part").path();
        if part.extension().is_some_and(|ending| ending == "gz") {
            let mut reader = flate2::read::MultiGzDecoder::new(fs::File::open(&part).expect("part"));
            std::io::copy(&mut reader, &mut to).expect("gzip");
        }
    }
    let mut command = Command::new("gzip");
    command.args(["-1", "-c"]).arg(&plain).current_dir(dir);
    measure(&command)
}

fn latency(server: &Server) {
    let urls: Vec<String> = (0..10).map(|n| server.url(&format!("/second/{n}"))).collect();
    let walls: Vec<Duration> = [10, 1]
        .into_iter()
        .map(|concurrency| {
            let dir = tempfile::tempdir().expect("temporary directory");
            let used = measure(&job(dir.path(), &urls, concurrency));
            assert_eq!(records_in(dir.path()), urls.len(), "a record for each page");
            used.wall
        })
        .collect();
    println!(
        "10 URLs of 1 s each: concurrency 10 {:.2} s, concurrency 1 {:.2} s: {:.1} times",
        walls[0].as_secs_f64(),
        walls[1].as_secs_f64(),
        walls[1].as_secs_f64() / walls[0].as_secs_f64()
    );
}

/// From the start of the process to its first request, as the server saw it, of a job that knows many URLs.
fn start(server: &Server, known: usize) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let urls: Vec<String> = (0..known).map(|n| server.url(&format!("/known/{n}"))).collect();
    let mut said = format!("first request with {known} known URLs:");

    // Killed when nine in ten are fetched, then resumed.
    server.reset();
    let mut running =
        job(dir.path(), &urls, IN_FLIGHT).stderr(std::process::Stdio::null()).spawn().expect("trawl");
    while server.hits() < known * 9 / 10 {
        assert!(
            running.try_wait().expect("status").is_none(),
            "trawl ended before it had fetched everything"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    running.kill().expect("kill");
    running.wait().expect("wait");
    for what in ["resumed after a kill", "second run", "third run"] {
        server.reset();
        let started = SystemTime::now();
        let used = measure(&job(dir.path(), &urls, IN_FLIGHT));
        let first = server.first_hit().expect("a request");
        let after = first.duration_since(started).unwrap_or_default();
        let _ =
            write!(said, " {what} {} ms (peak {:.0} MB),", after.as_millis(), used.peak_bytes as f64 / 1e6);
        assert_eq!(records_in(dir.path()), known, "{what}: a record for each URL");
    }
    println!("{}", said.trim_end_matches(','));
}

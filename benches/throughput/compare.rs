//! The built program beside the plain loops and installed peers, on the same pages, in turn within each round.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::corpus::Corpus;
use crate::job::{self, Job};
use crate::measure::{self, Used, measure};
use crate::peers::Peer;
use crate::server::{LATENCY, Server};
use crate::table::{Row, Table};

/// A directory with `urls.txt`, for a program that reads it.
fn with_list(urls: &[String], mut command: Command, output: &str, count: Option<usize>) -> Used {
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::write(dir.path().join("urls.txt"), urls.join("\n")).expect("list of URLs");
    let used = measure(command.current_dir(dir.path()));
    if let Some(count) = count {
        let lines = fs::read_to_string(dir.path().join(output)).expect("its output");
        assert_eq!(lines.lines().count(), count, "{command:?} wrote a line for each page");
    }
    used
}

fn bare(parser: &str, mode: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([parser, mode]).env("TRAWL_BENCH_ROLE", "bare");
    command
}

/// A program of a case and what runs it.
type Program<'a> = (String, Box<dyn Fn() -> Used + 'a>);

/// Runs `count` pages by each of these programs, in turn, and takes the row of each with the middle CPU time.
fn in_turn(case: &'static str, pages: usize, rounds: usize, programs: &[Program<'_>]) -> Vec<Row> {
    let mut all: Vec<Vec<Used>> = programs.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for ((_, program), used) in programs.iter().zip(&mut all) {
            used.push(program());
        }
    }
    let cpu = |used: &Vec<Used>| used.iter().map(|used| used.cpu.as_secs_f64()).collect::<Vec<_>>();
    let ours = all.first().map(cpu).unwrap_or_default();
    let rows = programs.iter().zip(all);
    rows.map(|((who, _), used)| {
        let mut times: Vec<f64> = cpu(&used).iter().zip(&ours).map(|(other, ours)| other / ours).collect();
        times.sort_by(f64::total_cmp);
        Row { case, who: who.clone(), pages, used: Used::median(used), times: times[times.len() / 2] }
    })
    .collect()
}

/// A list of pages.
pub fn list(table: &mut Table, server: &Server, case: &'static str, count: usize, rounds: usize) {
    let urls: Vec<String> = (0..count).map(|n| server.url(&format!("/{case}/{n}"))).collect();
    let urls = &urls;
    let mut programs: Vec<Program<'_>> =
        vec![("trawl".into(), Box::new(move || Job::over(urls).measure(count)))];
    for parser in ["lol_html", "scraper"] {
        let program = move || with_list(urls, bare(parser, "list"), "bare.jsonl", Some(count));
        programs.push((format!("reqwest + {parser}"), Box::new(program)));
    }
    for peer in Peer::installed() {
        let count = (!peer.name.contains("no parse")).then_some(count);
        let name = peer.name.to_owned();
        programs.push((name, Box::new(move || with_list(urls, peer.command(), "peer.jsonl", count))));
    }
    table.case(in_turn(case, count, rounds, &programs));
}

/// Pages on one core more each time, up to all: served, where the last core is that of the server, too, and from files,
/// where nobody else needs one. Beside the latter, as many runs at once as there are cores, each on its own: what the
/// machine gives, as cores may share caches, memory and even each other.
pub fn cores(table: &mut Table, server: &Server, count: usize, rounds: usize) {
    let urls: Vec<String> = (0..count).map(|n| server.url(&format!("/real/{n}"))).collect();
    let files = tempfile::tempdir().expect("temporary directory");
    for (n, page) in Corpus::of(count, 0).real.iter().enumerate() {
        fs::write(files.path().join(format!("{n}.html")), page).expect("a page");
    }
    let cases: [(&str, &dyn Fn() -> Job); 2] =
        [("served", &|| Job::over(&urls)), ("files", &|| Job::of_files(files.path()))];
    for (case, job) in cases {
        let mut runs: Vec<Vec<Used>> = (0..measure::cores_in_all()).map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (cores, runs) in (1..).zip(&mut runs) {
                runs.push(measure::on_cores(&mut job().command(), 0..cores));
            }
        }
        let rate = |runs| count as f64 / Used::median(runs).wall.as_secs_f64();
        let rates: Vec<f64> = runs.into_iter().map(rate).collect();
        for (cores, rate) in (1..).zip(&rates) {
            let times = rate / rates[0];
            table.finding(format!(
                "cores    {case:<6} {cores}: {rate:.0} pages a second, {times:.2} times as many as 1"
            ));
        }
    }
    let all = measure::cores_in_all();
    let mut times: Vec<f64> = (0..rounds).map(|_| side_by_side(files.path(), all)).collect();
    times.sort_by(f64::total_cmp);
    table.finding(format!(
        "cores    {all} runs of files at once, each on a core of its own: {:.2} times as many pages as one",
        times[times.len() / 2]
    ));
}

/// How many times as many pages a second this many runs get through that have a core each as one that is alone.
fn side_by_side(files: &Path, cores: usize) -> f64 {
    let run = |core: usize| measure::on_cores(&mut Job::of_files(files).command(), core..core + 1).wall;
    let alone = run(0).as_secs_f64();
    let walls: Vec<f64> = thread::scope(|scope| {
        let runs: Vec<_> = (0..cores).map(|core| scope.spawn(move || run(core))).collect();
        runs.into_iter().map(|run| run.join().expect("a run").as_secs_f64()).collect()
    });
    walls.iter().map(|wall| alone / wall).sum()
}

/// A web crawled by its links from one page on, beside a list of the same pages and a plain crawl.
pub fn web(table: &mut Table, server: &Server, case: &'static str, count: usize, rounds: usize) {
    let all: Vec<String> = (0..count).map(|n| server.url(&format!("/{case}/{count}/{n}"))).collect();
    let all = &all;
    let crawl = |urls: &[String], scope: &str| {
        let settings = ["politeness.obey_robots=false".to_owned(), format!("scope.type={scope}")];
        Job::over(urls).with(settings).measure(count)
    };
    let programs: [Program<'_>; 3] = [
        ("trawl".into(), Box::new(move || crawl(&all[..1], "host"))),
        ("trawl, from a list".into(), Box::new(move || crawl(all, "page"))),
        (
            "reqwest + lol_html".into(),
            Box::new(move || with_list(&all[..1], bare("lol_html", "crawl"), "bare.jsonl", Some(count))),
        ),
    ];
    table.case(in_turn(case, count, rounds, &programs));
}

/// What it costs that pages come compressed.
pub fn gzip(table: &mut Table, server: &Server, count: usize, rounds: usize) {
    let urls = |kind: &str| (0..count).map(|n| server.url(&format!("/{kind}/{n}"))).collect::<Vec<_>>();
    let (plain, packed) = (&urls("real"), &urls("gzip"));
    let programs: [Program<'_>; 2] = [
        ("trawl".into(), Box::new(move || Job::over(packed).measure(count))),
        ("trawl, not compressed".into(), Box::new(move || Job::over(plain).measure(count))),
    ];
    table.case(in_turn("gzip", count, rounds, &programs));
}

/// Answers that take their time, a hundred at once.
pub fn latency(table: &mut Table, server: &Server, count: usize, rounds: usize) {
    let urls: Vec<String> = (0..count).map(|n| server.url(&format!("/latency/{n}"))).collect();
    let urls = &urls;
    let programs: [Program<'_>; 2] = [
        ("trawl".into(), Box::new(move || Job::over(urls).measure(count))),
        (
            "reqwest + lol_html".into(),
            Box::new(move || with_list(urls, bare("lol_html", "list"), "bare.jsonl", Some(count))),
        ),
    ];
    let rows = in_turn("latency", count, rounds, &programs);
    let mean = (LATENCY.start + LATENCY.end - 1) as f64 / 2e3;
    let ideal = count as f64 * mean / job::IN_FLIGHT as f64;
    let walls: Vec<f64> = rows.iter().map(|row| row.used.wall.as_secs_f64()).collect();
    table.case(rows);
    table.finding(format!(
        "latency: {count} answers of {} to {} ms, {} at once: ideal {ideal:.2} s, trawl {:.2} times that, reqwest + lol_html {:.2}",
        LATENCY.start,
        LATENCY.end,
        job::IN_FLIGHT,
        walls[0] / ideal,
        walls[1] / ideal
    ));
    let urls: Vec<String> = (0..10).map(|n| server.url(&format!("/second/{n}"))).collect();
    let walls = [10, 1].map(|concurrency| {
        let job = Job::over(&urls).with([format!("politeness.max_concurrency={concurrency}")]);
        job.measure(urls.len()).wall.as_secs_f64()
    });
    table.finding(format!(
        "10 URLs of 1 s each: concurrency 10 {:.2} s, concurrency 1 {:.2} s: {:.1} times",
        walls[0],
        walls[1],
        walls[1] / walls[0]
    ));
}

/// Two hundred hosts, of which one takes a second for each page: when the others are done, with it and without it.
pub fn hosts(table: &mut Table, server: &Server) {
    const HOSTS: usize = 200;
    const PAGES: usize = 25;
    let name = |host: usize| format!("host-{host:03}.example");
    let port = server.port();
    let fast = |hosts: Range<usize>| -> Vec<String> {
        let pages = |page| hosts.clone().map(move |host| (host, page));
        let all = (0..PAGES).flat_map(pages);
        all.map(|(host, page)| format!("http://{}:{port}/tiny/{page}", name(host))).collect()
    };
    let resolve: Vec<String> =
        (0..HOSTS).map(|host| format!("\"{}\" = [\"127.0.0.1\"]", name(host))).collect();
    let resolve = format!("[http.resolve]\n{}\n", resolve.join("\n"));
    let done = |urls: &[String]| {
        server.reset();
        let job = Job::over(urls).adding(&resolve).with(["politeness.host_concurrency=2".to_owned()]);
        job.measure(urls.len());
        let (first, last) = (server.first_hit().expect("requests"), server.last_hit().expect("requests"));
        last.duration_since(first).unwrap_or(Duration::ZERO).as_secs_f64()
    };
    let without = fast(1..HOSTS);
    let slow = (0..PAGES).map(|page| format!("http://{}:{port}/second/{page}", name(0)));
    let with: Vec<String> = slow.chain(without.iter().cloned()).collect();
    let (without, with) = (done(&without), done(&with));
    table.finding(format!(
        "{HOSTS} hosts of {PAGES} pages, one of which takes 1 s for each: the others are done after {with:.2} s, without it {without:.2} s"
    ));
}

//! Pages per CPU-second of the built program against plain loops that do the same work, and against installed peers, in
//! the same run; of a web that is crawled by its links against a list of the same pages; what latency, a slow host,
//! compression and further outputs cost; what a second core gives; how soon a job with many known URLs sends its first
//! request, and whether its pages cost more than those of a small one; parsing alone.
//! Prints ratios and fails on none of them.
//!
//! `cargo bench --bench throughput -- [--quick] [--only NAME] [--rounds N] [--json FILE] [--svg FILE] [--no-pin]
//! [--real N] [--tiny N] [--web N] [--site N] [--known N]`, with NAME one of real, tiny, web, site, gzip, latency,
//! hosts, sinks, cores, start, parse. `TRAWL_BENCH_PAGES=DIR` takes the HTML files of a directory instead of generated real-size
//! pages; `TRAWL_BENCH_PYTHON=FILE` is a Python that has aiohttp and selectolax, or Scrapy.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench prints, and stops where something is wrong"
)]

mod bare;
mod compare;
mod corpus;
mod job;
mod measure;
mod outputs;
mod parse;
mod peers;
mod server;
mod start;
mod table;

use corpus::Corpus;
use server::Server;
use table::Table;

/// The cases of the drawing.
const DRAWN: [(&str, &str); 3] = [
    ("real", "A list of real-size pages"),
    ("tiny", "A list of tiny pages"),
    ("site", "A site of real-size pages, by its links"),
];

struct Options {
    real: usize,
    tiny: usize,
    web: usize,
    site: usize,
    known: usize,
    rounds: usize,
    only: Option<String>,
    json: Option<String>,
    svg: Option<String>,
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
            site: number("--site", if quick { 500 } else { 5_000 }),
            known: number("--known", if quick { 10_000 } else { 100_000 }),
            rounds: number("--rounds", if quick { 1 } else { 3 }).max(1),
            only: value("--only"),
            json: value("--json"),
            svg: value("--svg"),
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
    let table = &mut Table::default();
    Table::head();
    for (case, count) in [("real", options.real), ("tiny", options.tiny)] {
        if options.wants(case) {
            compare::list(table, &server, case, count, options.rounds);
        }
    }
    for (case, count) in [("web", options.web), ("site", options.site)] {
        if options.wants(case) {
            compare::web(table, &server, case, count, options.rounds);
        }
    }
    if options.wants("gzip") {
        compare::gzip(table, &server, options.real, options.rounds);
    }
    if options.wants("latency") {
        compare::latency(table, &server, 2_000.min(options.tiny), options.rounds);
    }
    if options.wants("hosts") {
        compare::hosts(table, &server);
    }
    if options.wants("sinks") {
        outputs::sinks(table, &server, options.real, options.rounds);
    }
    if options.wants("cores") {
        compare::cores(table, &server, options.real, options.rounds);
    }
    if options.wants("start") {
        start::start(table, &server, options.known);
    }
    if options.wants("parse") {
        let pages = Corpus::of(options.real.min(3_000), 0).real;
        let bytes: usize = pages.iter().map(bytes::Bytes::len).sum();
        for (who, time) in parse::table(&pages, options.rounds) {
            let time = time.as_secs_f64();
            table.finding(format!(
                "parse    {who:<10} {:>7.0} us a page {:>7.0} MB/s",
                time / pages.len() as f64 * 1e6,
                bytes as f64 / time / 1e6
            ));
        }
    }
    if let Some(path) = &options.json {
        let text = format!("{:#}\n", table.json(server.about()));
        std::fs::write(path, text).expect("the file of --json can be written");
    }
    if let Some(path) = &options.svg {
        std::fs::write(path, table.svg(&DRAWN)).expect("the file of --svg can be written");
    }
}

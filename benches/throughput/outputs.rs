//! What further outputs cost.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::job::Job;
use crate::measure::{Used, measure};
use crate::server::Server;
use crate::table::Table;

/// What further outputs add to a crawl, in the same run, one after the other.
pub fn sinks(table: &mut Table, server: &Server, count: usize, rounds: usize) {
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
            let job = Job::over(&urls).adding(tables);
            used.push(job.measure(count));
            if *name == "warc" {
                gzip.push(gzip_of_archive(job.dir()));
            }
        }
    }
    let all = all.map(Used::median);
    let without = all[0].cpu.as_secs_f64();
    for ((name, _), used) in SINKS.iter().zip(&all) {
        let cpu = used.cpu.as_secs_f64();
        table.finding(format!(
            "sinks  {name:<7} {count:>6} {cpu:>8.2} CPU s {:>+7.1} % {:>8.0} us a page {:>6.0} MB peak {:>8.2} s",
            (cpu / without - 1.0) * 100.0,
            (cpu - without) / count as f64 * 1e6,
            used.peak_bytes as f64 / 1e6,
            used.wall.as_secs_f64(),
        ));
    }
    let (gzip, warc) = (Used::median(gzip).cpu.as_secs_f64(), all[6].cpu.as_secs_f64() - without);
    table.finding(format!(
        "sinks  gzip -1 of all that the archive holds: {gzip:.2} CPU s; warc costs {:.2} times that",
        warc / gzip
    ));
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

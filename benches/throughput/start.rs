//! How soon a job with many known URLs sends its first request, and what a page costs it from there to its end.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use crate::job::Job;
use crate::measure::so_far;
use crate::server::Server;
use crate::table::Table;

/// From the start of the process to its first request, as the server saw it, of a job that knows many URLs.
pub fn start(table: &mut Table, server: &Server, known: usize) {
    let urls: Vec<String> = (0..known).map(|n| server.url(&format!("/known/{n}"))).collect();
    let job = Job::over(&urls);
    let mut said = format!("first request with {known} known URLs:");

    // Killed when nine in ten are fetched, then resumed.
    server.reset();
    let mut running = job.command().stderr(Stdio::null()).spawn().expect("trawl");
    // What a page costs at the beginning of a run, and what it costs at its end.
    let [from, to, again_from, again_to] = [1, 6, 85, 90].map(|percent| {
        while server.hits() < known * percent / 100 {
            assert!(
                running.try_wait().expect("status").is_none(),
                "trawl ended before it had fetched everything"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        (server.hits(), so_far(running.id()))
    });
    running.kill().expect("kill");
    running.wait().expect("wait");
    for what in ["resumed after a kill", "second run", "third run"] {
        server.reset();
        let started = SystemTime::now();
        let used = job.measure(known);
        let first = server.first_hit().expect("a request");
        let after = first.duration_since(started).unwrap_or_default();
        let _ =
            write!(said, " {what} {} ms (peak {:.0} MB),", after.as_millis(), used.peak_bytes as f64 / 1e6);
    }
    table.finding(said.trim_end_matches(',').to_owned());
    let cost = |(first, (cpu, _)): &Mark, (last, (more, _)): &Mark| {
        more.saturating_sub(*cpu).as_secs_f64() * 1e6 / (last - first) as f64
    };
    let (early, late) = (cost(&from, &to), cost(&again_from, &again_to));
    let memory = [to, again_to].map(|(_, (_, bytes))| bytes as f64 / 1e6);
    table.finding(format!(
        "CPU a page, of {known} URLs: {early:.1} us from the {} on, {late:.1} us from the {} on, {:.2} times; memory {:.0} and {:.0} MB",
        from.0, again_from.0, late / early, memory[0], memory[1]
    ));
}

/// Requests so far, and what was used for them.
type Mark = (usize, (Duration, u64));

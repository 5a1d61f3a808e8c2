//! How soon a job with many known URLs sends its first request.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use crate::job::Job;
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
        let used = job.measure(known);
        let first = server.first_hit().expect("a request");
        let after = first.duration_since(started).unwrap_or_default();
        let _ =
            write!(said, " {what} {} ms (peak {:.0} MB),", after.as_millis(), used.peak_bytes as f64 / 1e6);
    }
    table.finding(said.trim_end_matches(',').to_owned());
}

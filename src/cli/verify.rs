//! `trawl verify`: checks a finished run against its manifest, its schema and its own sums.

use serde_json::json;

use super::args::{Global, RunArgs};
use super::report::{Report, tame_json};
use crate::config::shown;
use crate::run::{self, Exit};

/// Arguments of `trawl verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    run: RunArgs,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Checks and says what is wrong.
pub fn run(args: &Args, global: &Global, report: &Report) -> Exit {
    let dir = match args.run.find(global, report) {
        Ok(dir) => dir,
        Err(exit) => return exit,
    };
    let found = match run::verify(&dir) {
        Ok(found) => found,
        Err(error) => return report.error(error.exit(), &error),
    };
    let exit = if found.is_good() { Exit::Complete } else { Exit::VerificationFailed };
    if args.json {
        return report.result(exit, |out| writeln!(out, "{}", tame_json(&format!("{:#}", json!(found)))));
    }
    for finding in &found.findings {
        report.error(exit, finding);
    }
    if found.more > 0 {
        report.error(exit, &format!("and {} more", found.more));
    }
    if !found.is_good() {
        Report::note(
            &"hint: restore it from a copy, or publish another with `trawl run`; do not load it as it is",
        );
    }
    let verdict = if found.is_good() { "is whole" } else { "is not what it should be" };
    let run::Report { path, files, records, outcomes, .. } = &found;
    report.result(exit, |out| {
        let path = shown(&path.display().to_string());
        writeln!(out, "{path} {verdict}: {files} files, {records} records, {outcomes} outcomes")
    })
}

//! `trawl verify`: checks a finished run against its manifest, its schema and its own sums.

use std::path::PathBuf;

use serde_json::json;

use super::args::{ConfigArgs, Global};
use super::report::Report;
use crate::run::{self, Exit, RunError};

/// Arguments of `trawl verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Id or directory of the run [default: the latest of the job]
    run: Option<String>,
    /// The config of the job [default: ./config.toml]
    #[arg(long, value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// Override a key of the config, as often as needed
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Checks and says what is wrong.
pub fn run(args: Args, global: &Global, report: &Report) -> Exit {
    let dir = match find(&args, global, report) {
        Ok(dir) => dir,
        Err(exit) => return exit,
    };
    let found = match run::verify(&dir) {
        Ok(found) => found,
        Err(error) => return report.error(error.exit(), &error),
    };
    let exit = if found.is_good() { Exit::Complete } else { Exit::VerificationFailed };
    if args.json {
        return report.result(exit, |out| writeln!(out, "{:#}", json!(found)));
    }
    for finding in &found.findings {
        report.error(exit, finding);
    }
    if found.more > 0 {
        report.error(exit, &format!("and {} more", found.more));
    }
    let verdict = if found.is_good() { "is whole" } else { "is not what it should be" };
    let run::Report { path, files, records, outcomes, .. } = &found;
    report.result(exit, |out| {
        writeln!(out, "{} {verdict}: {files} files, {records} records, {outcomes} outcomes", path.display())
    })
}

/// A directory needs no config; an id, or nothing, does.
fn find(args: &Args, global: &Global, report: &Report) -> Result<PathBuf, Exit> {
    let fault = |error: RunError| report.error(error.exit(), &error);
    if let Some(dir) = args.run.as_ref().map(PathBuf::from).filter(|dir| dir.is_dir()) {
        return run::find_run(&dir, dir.to_str()).map_err(fault);
    }
    let config = ConfigArgs { config: args.config.clone(), sets: args.sets.clone() };
    let loaded = config.load(global).map_err(|errors| report.error(Exit::InvalidConfig, &errors))?;
    run::find_run(&loaded.config.job.output_dir, args.run.as_deref()).map_err(fault)
}

//! `trawl completions`: what a shell needs to complete commands and options, made of the same definitions as `--help`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::args;
use super::report::Report;
use crate::run::Exit;

/// Arguments of `trawl completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell that is to complete commands and options of this program
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args, report: &Report) -> Exit {
    let mut command = args::Args::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    report.result(Exit::Complete, |out| out.write_all(&script))
}

//! The command line: one file a command. Parses arguments, calls the rooms below, prints what they say,
//! and returns the exit code. Decides nothing about a crawl.

mod args;
mod completions;
mod config;
mod explain;
mod export;
mod extract;
mod get;
mod list;
mod man;
mod plan;
mod report;
mod run;
mod schema;
mod status;
mod summary;
mod table;
mod tasks;
mod test;
mod validate;
mod verify;

use std::ffi::OsString;

use clap::Parser;

use crate::run::Exit;
use args::{Args, Command};
use report::Report;

/// Carries out the command that `args`, the first of them the program itself, ask for.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(asked) => {
            // `--help` and `--version` come this way too; a reader that has gone is no error.
            if !asked.use_stderr() {
                let _ = asked.print();
                return Exit::Complete;
            }
            // What is wrong is quoted from the command line, which may be made of names from outside.
            Report::note(&asked.render().to_string().trim_end());
            return Exit::Usage;
        }
    };
    let Args { global, command } = args;
    let report = Report::new(global.color);
    match command {
        Command::Run(args) => run::run(args, &global, &report),
        Command::Validate(args) => validate::run(&args, &global, &report),
        Command::Get(args) => get::run(&args, &global, &report),
        Command::Plan(args) => plan::run(&args, &global, &report),
        Command::Status(args) => status::run(&args, &global, &report),
        Command::Explain(args) => explain::run(&args, &global, &report),
        Command::Extract(args) => extract::run(&args, &global, &report),
        Command::Test(args) => test::run(&args, &global, &report),
        Command::List(args) => list::run(&args, &global, &report),
        Command::Verify(args) => verify::run(&args, &global, &report),
        Command::Export(args) => export::run(&args, &global, &report),
        Command::Config(args) => config::run(&args, &global, &report),
        Command::Schema(args) => schema::run(&args, &report),
        Command::Man => man::run(&report),
        Command::Completions(args) => completions::run(&args, &report),
    }
}

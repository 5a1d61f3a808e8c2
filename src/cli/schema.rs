//! `trawl schema`: the JSON Schema of what a run writes.

use clap::ValueEnum;
use schemars::generate::SchemaSettings;

use super::report::Report;
use crate::model::{OutcomeLine, Record};
use crate::run::Exit;

/// Arguments of `trawl schema`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which output
    #[arg(value_enum)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// `records/`: one line for each page
    Records,
    /// `outcomes/`: one line for each URL
    Outcomes,
}

/// Prints the schema.
pub fn run(args: &Args, report: &Report) -> Exit {
    // As written, not as read: every field is there, also where it may be null.
    let generator = SchemaSettings::default().for_serialize().into_generator();
    let schema = match args.output {
        Output::Records => generator.into_root_schema_for::<Record>(),
        Output::Outcomes => generator.into_root_schema_for::<OutcomeLine>(),
    };
    print(&schema.to_value(), report)
}

/// Prints a schema for people and programs.
pub fn print(schema: &serde_json::Value, report: &Report) -> Exit {
    report.result(Exit::Complete, |out| writeln!(out, "{schema:#}"))
}

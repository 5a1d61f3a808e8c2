//! `trawl schema`: the JSON Schema of what a run writes.

use std::path::PathBuf;

use clap::ValueEnum;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::report::Report;
use crate::config::load;
use crate::model::{OutcomeLine, Record};
use crate::parse::{RuleSettings, object_schema};
use crate::run::Exit;

/// Arguments of `trawl schema`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which output the schema describes
    #[arg(value_enum)]
    output: Output,
    /// A config whose extraction rules say what the `fields` of a record are
    #[arg(long, value_name = "CONFIG")]
    config: Option<PathBuf>,
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
    let mut schema = match args.output {
        Output::Records => generator.into_root_schema_for::<Record>().to_value(),
        Output::Outcomes => generator.into_root_schema_for::<OutcomeLine>().to_value(),
    };
    if let (Some(path), Output::Records) = (&args.config, args.output) {
        match load(Some(path), &[]) {
            Ok(loaded) => describe_fields(&mut schema, &loaded.config.extract),
            Err(errors) => return report.error(Exit::InvalidConfig, &errors),
        }
    }
    print(&schema, report)
}

/// Says what `fields` are: those of one of the rules, or none.
fn describe_fields(schema: &mut Value, rules: &[RuleSettings]) {
    let of_rule = |rule: &RuleSettings| {
        let mut fields = object_schema(&rule.fields);
        fields["title"] = json!(rule.id);
        fields
    };
    let none = json!({ "type": "object", "title": "no rule", "maxProperties": 0 });
    let kinds: Vec<Value> = rules.iter().filter(|rule| rule.emit).map(of_rule).chain([none]).collect();
    let about = schema["properties"]["fields"]["description"].take();
    schema["properties"]["fields"] = json!({ "description": about, "anyOf": kinds });
}

/// Prints a schema for people and programs.
pub fn print(schema: &serde_json::Value, report: &Report) -> Exit {
    report.result(Exit::Complete, |out| writeln!(out, "{schema:#}"))
}

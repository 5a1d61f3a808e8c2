//! `trawl extract`: one page by the rules of a job, for somebody who writes them.

use serde_json::Value;

use super::args::{ConfigArgs, Global};
use super::report::{Report, printable, tame_json};
use super::table::Table;
use crate::config::shown;
use crate::parse::Trace;
use crate::run::{self, Exit, ExtractAsk, ExtractError, Extraction};

/// Arguments of `trawl extract`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The URL, or the path of a local file
    target: String,
    #[command(flatten)]
    config: ConfigArgs,
    /// Try this rule, whatever pages it is for
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Treat it as if this source had led to it [default: the one that lists the file, or the first]
    #[arg(long, value_name = "ID")]
    source: Option<String>,
    /// Do not ask for robots.txt
    #[arg(long)]
    force: bool,
}

/// Prints the record, and on standard error what each field came to. Exit 1 if the page has no record.
pub fn run(args: &Args, global: &Global, report: &Report) -> Exit {
    let loaded = match args.config.load(global) {
        Ok(loaded) => loaded,
        Err(errors) => return report.error(Exit::InvalidConfig, &errors),
    };
    let ask = ExtractAsk {
        target: &args.target,
        rule: args.rule.as_deref(),
        source: args.source.as_deref(),
        ignore_robots: args.force,
    };
    let extraction = match run::extract(&loaded.config, &|key| loaded.place_of(key), &ask) {
        Ok(extraction) => extraction,
        Err(error @ ExtractError::Preview(_)) => return report.error(Exit::Error, &error),
        Err(error) => return report.error(Exit::Usage, &error),
    };
    told(&extraction, report);
    if let Some(record) = &extraction.record {
        let json = tame_json(&format!("{record:#}"));
        return report.result(Exit::Complete, |out| writeln!(out, "{json}"));
    }
    let ending = &extraction.ending;
    let reason = ending.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    let place = ending.rule.as_ref().map_or(String::new(), |place| format!("\nhint: see {place}"));
    let words = format!("{} has no record: {}{reason}{place}", extraction.url, ending.outcome);
    report.error(Exit::Error, &words)
}

/// The table of the fields, and what was odd.
fn told(extraction: &Extraction, report: &Report) {
    match &extraction.rule {
        Some(rule) => Report::note(&format!("{} by rule `{rule}`", extraction.url)),
        None if extraction.is_ok() => report.warning(&format!("no rule is for {}", extraction.url)),
        None => {}
    }
    if !extraction.traces.is_empty() {
        let mut table = Table::new(&["field", "found by", ">nodes", "value", "trouble"]);
        for trace in &extraction.traces {
            table.row(&row(trace));
        }
        Report::note(&table.to_string().trim_end());
    }
    for warning in &extraction.warnings {
        report.warning(warning);
    }
}

fn row(trace: &Trace) -> [String; 5] {
    let value = match &trace.value {
        Value::String(text) => printable(&shown(text)).replace('\n', " "),
        value => tame_json(&value.to_string()),
    };
    let more = if trace.troubles > 1 { format!(" ({} more)", trace.troubles - 1) } else { String::new() };
    let trouble = trace.trouble.as_ref().map(|trouble| shown(trouble) + &more).unwrap_or_default();
    [trace.field.clone(), shown(&trace.find), trace.found.to_string(), value, trouble]
}

//! `trawl explain`: all that a job knows of one URL, and why.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;

use super::args::{ConfigArgs, Global};
use super::report::{Report, printable, tame_json};
use crate::config::shown;
use crate::model::OutcomeLine;
use crate::run::{self, Exit, Explanation, InRun, Refused, SourceVerdict};

/// Arguments of `trawl explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The URL, or the path of a local file
    url: String,
    #[command(flatten)]
    config: ConfigArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Explains it. Exit 1 if nothing is known of it.
pub fn run(args: &Args, global: &Global, report: &Report) -> Exit {
    let loaded = match args.config.load(global) {
        Ok(loaded) => loaded,
        Err(errors) => return report.error(Exit::InvalidConfig, &errors),
    };
    let explained = match run::explain(&loaded.config, &|key| loaded.place_of(key), &args.url) {
        Ok(Ok(explained)) => explained,
        Ok(Err(error)) => return report.error(Exit::Usage, &format!("`{}`: {error}", args.url)),
        Err(error) => return report.error(error.exit(), &error),
    };
    let exit = if explained.is_known() { Exit::Complete } else { Exit::Error };
    if args.json {
        let json = json!(Known { known: explained.is_known(), explained: &explained });
        return report.result(exit, |out| writeln!(out, "{}", tame_json(&format!("{json:#}"))));
    }
    let text = for_people(&explained);
    report.result(exit, |out| out.write_all(printable(&text).as_bytes()))
}

/// What a program reads.
#[derive(Serialize)]
struct Known<'a> {
    known: bool,
    #[serde(flatten)]
    explained: &'a Explanation,
}

fn for_people(explained: &Explanation) -> String {
    let mut text = format!("{}\n", explained.url);
    line(&mut text, "key", &explained.url_key);
    for step in &explained.steps {
        line(&mut text, "canonical", &format!("{}: {}", step.what, shown(&step.url)));
    }
    for source in &explained.sources {
        line(&mut text, &format!("source {}", source.source_id), &of_source(source));
        if let Some(why) = &source.incomplete {
            line(&mut text, "", &format!("not all of its seeds are known: {}", one_line(why)));
        }
    }
    if let Some(run) = &explained.unfinished {
        text.push('\n');
        let _ = writeln!(text, "unfinished run {}", run.run_id);
        in_run(&mut text, run);
    }
    if let Some(run) = &explained.published {
        text.push('\n');
        let _ = writeln!(text, "published run {}", run.run_id);
        chain(&mut text, &run.lines);
    }
    if let Some(run) = &explained.failed {
        text.push('\n');
        let _ = writeln!(text, "failed run {}, kept and not published", run.run_id);
        chain(&mut text, &run.lines);
    }
    if let Some(record) = &explained.record {
        text.push('\n');
        let _ = writeln!(text, "record of run {}", record.run_id);
        line(&mut text, "fetched", &record.fetch_time);
        line(&mut text, "file", &record.path);
        line(&mut text, "line", &format!("{} bytes from byte {}", record.length, record.offset));
    }
    if !explained.is_known() {
        text.push_str("\nnothing is known of it: no source names it and no run has met it\n");
    }
    text
}

/// A fact with its name before it.
fn line(text: &mut String, name: &str, fact: &str) {
    let _ = writeln!(text, "  {name:<16} {fact}");
}

fn of_source(source: &SourceVerdict) -> String {
    let how = match &source.refused {
        Some(refused) => format!("not followed: {}", of_refusal(refused)),
        None if source.is_followed => "followed where a page or list of the source leads to it".to_owned(),
        None => "no URL that could be followed".to_owned(),
    };
    if source.is_seed { "a seed: fetched in each run".to_owned() } else { how }
}

fn of_refusal(refused: &Refused) -> String {
    let mut words = refused.outcome.to_owned();
    if let Some(reason) = &refused.reason {
        let _ = write!(words, ", {}", one_line(reason));
    }
    if let Some(rule) = &refused.rule {
        let _ = write!(words, " ({rule})");
    }
    words
}

fn in_run(text: &mut String, run: &InRun) {
    match (&run.outcome, run.is_admitted) {
        (Some(outcome), _) if run.lines.is_empty() => line(text, "ended", outcome),
        (Some(_), _) => {}
        (None, true) => line(text, "state", "waits, or is being fetched now"),
        (None, false) if run.refused.is_some() => line(text, "state", "found and refused so far"),
        (None, false) => line(text, "state", "not met so far"),
    }
    if let Some(source) = &run.source_id {
        line(text, "source", &format!("{source}, {} from a seed", links(run.depth.unwrap_or(0))));
    }
    // What has an outcome line is told by that.
    if run.lines.is_empty() {
        if let Some(from) = &run.discovered_from {
            line(text, "found on", from);
        }
        for tried in &run.tries {
            line(text, "tried", &format!("{}: {}", tried.time, one_line(&tried.reason)));
        }
    }
    for from in &run.redirects {
        line(text, "redirected from", from);
    }
    if let Some(hint) = &run.sitemap {
        let said =
            [("lastmod", &hint.lastmod), ("changefreq", &hint.changefreq), ("priority", &hint.priority)];
        let said = said.iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
        line(text, "sitemap says", &one_line(&said.collect::<Vec<_>>().join(", ")));
    }
    if let Some(at) = &run.next_try {
        line(text, "tried again", at);
    }
    if let Some(refused) = &run.refused {
        let later = if run.is_admitted { "; another way led to it" } else { "" };
        line(text, "refused", &format!("{}{later}", of_refusal(refused)));
    }
    chain(text, &run.lines);
    if let Some(robots) = &run.robots {
        let says = match (&robots.reason, &robots.rule) {
            (Some(reason), Some(rule)) => format!("forbidden by `{}` ({rule})", one_line(reason)),
            _ => "allowed".to_owned(),
        };
        line(text, "robots.txt", &format!("{says}; status {} at {}", robots.status, robots.time));
    }
}

/// Outcome lines, each redirect followed by its target.
fn chain(text: &mut String, lines: &[OutcomeLine<'_>]) {
    for (number, ended) in lines.iter().enumerate() {
        if number > 0 {
            line(text, "redirected to", &ended.url);
        }
        let status = ended.status.map(|status| format!(", status {status}")).unwrap_or_default();
        line(text, "ended", &format!("{}{status}", ended.outcome));
        if let Some(reason) = &ended.reason {
            line(text, "because", &one_line(reason));
        }
        if let Some(rule) = &ended.rule {
            line(text, "rule", rule);
        }
        if let Some(from) = &ended.discovered_from {
            line(text, "found on", from);
        }
        line(text, "source", &format!("{}, {} from a seed", ended.source_id, links(ended.depth)));
        for tried in ended.tries.iter().flatten() {
            line(text, "tried", &format!("{}: {}", tried.time, one_line(&tried.reason)));
        }
        if let Some(time) = &ended.time {
            line(text, "asked", &format!("{}, the last time at {time}", times(ended.attempts)));
        }
        if number + 1 == lines.len()
            && let Some(target) = &ended.target
        {
            line(text, "target", target);
        }
    }
}

fn links(depth: u32) -> String {
    if depth == 1 { "1 link".to_owned() } else { format!("{depth} links") }
}

fn times(attempts: u32) -> String {
    if attempts == 1 { "once".to_owned() } else { format!("{attempts} times") }
}

/// Words from outside that must not begin a line of their own.
fn one_line(words: &str) -> String {
    words.replace(['\n', '\r'], " ")
}

//! `trawl test`: the `[[tests]]` of a config, for its author and for a build server; and a new one from a page.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::args::{ConfigArgs, Global};
use super::report::{Report, printable, tame_json};
use crate::config::{Loaded, shown};
use crate::run::{self, Difference, Exit, ExtractError, KeepAsk, KeepError, Kept, Proved, Proving};

/// Widest value that a line repeats, in characters.
const WIDEST: usize = 120;
/// What of it stands before the place where two values part.
const BEFORE: usize = 30;

/// Arguments of `trawl test`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Fetch this page, keep it beside the config, and add a test with what the rules find in it
    #[arg(long, value_name = "URL")]
    record: Option<String>,
    /// Carry out this test only; with --record, what the new one is called
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// With --record, do not ask for robots.txt
    #[arg(long, requires = "record")]
    force: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Carries out the tests. Exit 14 if one fails.
pub fn run(args: &Args, global: &Global, report: &Report) -> Exit {
    let loaded = match args.config.load(global) {
        Ok(loaded) => loaded,
        Err(errors) => return report.error(Exit::InvalidConfig, &errors),
    };
    if let Some(url) = &args.record {
        return record(url, args, &loaded, report);
    }
    let tests = &loaded.config.tests;
    if tests.is_empty() {
        let words = format!(
            "{} has no [[tests]]\nhint: `trawl test --record URL` adds a first one",
            shown(&loaded.path.display().to_string())
        );
        return report.error(Exit::Usage, &words);
    }
    if let Some(name) = args.name.as_ref().filter(|name| !tests.iter().any(|test| test.name == **name)) {
        let near = crate::kind::nearest(name, tests.iter().map(|test| test.name.as_str()));
        let hint = near.map_or(String::new(), |near| format!("\nhint: did you mean `{near}`?"));
        return report.error(Exit::Usage, &format!("there is no test `{name}`{hint}"));
    }
    match run::prove(&loaded.config, &|key| loaded.place_of(key), args.name.as_deref()) {
        Ok(proving) => told(&proving, args.json, report),
        Err(error) => report.error(Exit::Error, &error),
    }
}

fn told(proving: &Proving, as_json: bool, report: &Report) -> Exit {
    let is_ok = proving.passed() == proving.tests.len();
    let exit = if is_ok { Exit::Complete } else { Exit::VerificationFailed };
    report.result(exit, |out| if as_json { json(out, proving) } else { lines(out, proving) })
}

fn json(out: &mut dyn Write, proving: &Proving) -> io::Result<()> {
    let passed = proving.passed();
    let value = json!({
        "ok": passed == proving.tests.len(),
        "passed": passed,
        "failed": proving.tests.len() - passed,
        "tests": proving.tests,
        "unproved": proving.unproved,
    });
    writeln!(out, "{}", tame_json(&format!("{value:#}")))
}

fn lines(out: &mut dyn Write, proving: &Proving) -> io::Result<()> {
    for test in &proving.tests {
        one(out, test)?;
    }
    let (count, passed) = (proving.tests.len(), proving.passed());
    let noun = if count == 1 { "test" } else { "tests" };
    writeln!(out, "{count} {noun}: {passed} ok, {} failed", count - passed)?;
    for rule in &proving.unproved {
        let fields: Vec<String> = rule.fields.iter().map(|field| format!("`{}`", shown(field))).collect();
        if rule.has_test {
            writeln!(out, "rule `{}`: no test expects anything of {}", shown(&rule.rule), fields.join(", "))?;
        } else {
            writeln!(out, "rule `{}` has no test", shown(&rule.rule))?;
        }
    }
    Ok(())
}

fn one(out: &mut dyn Write, test: &Proved) -> io::Result<()> {
    if test.ok {
        return writeln!(out, "ok      {}", shown(&test.name));
    }
    writeln!(out, "FAILED  {}  ({})", shown(&test.name), shown(&test.place))?;
    for line in test.error.iter().flat_map(|error| error.lines()) {
        writeln!(out, "        {}", printable(&line))?;
    }
    for difference in &test.differences.shown {
        writeln!(out, "        {}", words(difference))?;
    }
    if test.differences.more > 0 {
        writeln!(out, "        and {} more", test.differences.more)?;
    }
    for warning in &test.warnings {
        writeln!(out, "        warning: {}", printable(warning).replace('\n', " "))?;
    }
    Ok(())
}

/// A difference in a line.
fn words(difference: &Difference) -> String {
    let Difference { what, expected, found, note, selector, nodes } = difference;
    let note = note.as_ref().map(|note| shown(note));
    let what = shown(what);
    if what == "links" {
        let url = if expected.is_null() { found } else { expected };
        return format!("links: {} {}", value(url, 0), note.unwrap_or_default());
    }
    let from = parting(expected, found);
    let mut words = format!("{what}: expected {}, found {}", value(expected, from), value(found, from));
    if let (Some(selector), Some(nodes)) = (selector, nodes) {
        let noun = if *nodes == 1 { "node" } else { "nodes" };
        let _ = write!(words, "; `{}` matched {nodes} {noun}", shown(selector));
    }
    words + &note.map_or(String::new(), |note| format!(" ({note})"))
}

/// At which character two texts part.
fn parting(one: &Value, other: &Value) -> usize {
    let (Value::String(one), Value::String(other)) = (one, other) else { return 0 };
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count()
}

/// A value as JSON, a long text cut around a character.
fn value(value: &Value, around: usize) -> String {
    let Value::String(text) = value else {
        let json = tame_json(&value.to_string());
        let cut: String = json.chars().take(WIDEST).collect();
        return if cut.len() < json.len() { cut + "…" } else { json };
    };
    let length = text.chars().count();
    let from = if length <= WIDEST { 0 } else { around.saturating_sub(BEFORE).min(length) };
    let part: String = text.chars().skip(from).take(WIDEST).collect();
    let json = tame_json(&Value::from(part).to_string());
    let (before, behind) = (if from > 0 { "…" } else { "" }, if from + WIDEST < length { "…" } else { "" });
    format!("{before}{json}{behind}")
}

/// Keeps a page as a test.
fn record(url: &str, args: &Args, loaded: &Loaded, report: &Report) -> Exit {
    let ask = KeepAsk {
        target: url,
        name: args.name.as_deref(),
        ignore_robots: args.force,
        sets: &args.config.sets,
    };
    match run::keep(loaded, &ask) {
        Ok(kept) => kept_words(&kept, args.json, report),
        Err(error @ (KeepError::Name { .. } | KeepError::Extract(ExtractError::Target { .. }))) => {
            report.error(Exit::Usage, &error)
        }
        Err(error @ KeepError::Io { .. }) => report.error(Exit::Io, &error),
        Err(error) => report.error(Exit::Error, &error),
    }
}

fn kept_words(kept: &Kept, as_json: bool, report: &Report) -> Exit {
    for field in &kept.left_out {
        report.warning(&format!("`{field}` is left out of the test: TOML cannot say what it holds"));
    }
    if kept.rule.is_none() {
        report.warning(&"no rule is for the page: the test expects no fields");
    }
    report.result(Exit::Complete, |out| {
        if as_json {
            let value = json!({ "name": kept.name, "page": kept.page, "url": kept.url, "rule": kept.rule });
            return writeln!(out, "{}", tame_json(&format!("{value:#}")));
        }
        writeln!(out, "test `{}` of {} with {}", shown(&kept.name), shown(&kept.url), shown(&kept.page))
    })
}

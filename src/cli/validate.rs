//! `trawl validate`: checks a config, then its surroundings, and says what a run would do. Fetches nothing.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value as Json, json};

use super::args::{ConfigArgs, Global};
use super::report::Report;
use crate::config::{Config, ConfigErrors, Finding, Loaded, Seeds, Survey, Weight, shown, survey};
use crate::model::ScopeType;
use crate::run::{self, Exit};
use crate::source;

/// Arguments of `trawl validate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Checks and reports.
pub fn run(args: &Args, global: &Global, report: &Report) -> Exit {
    let loaded = match args.config.load(global) {
        Ok(loaded) => loaded,
        Err(errors) if args.json => return print_json(&wrong(&errors), Exit::InvalidConfig, report),
        Err(errors) => return report.error(Exit::InvalidConfig, &errors),
    };
    let mut survey = survey(&loaded);
    survey.findings.extend(job_lock(&loaded));
    let unfinished = unfinished(&loaded, &mut survey);
    let exit = match survey.findings.iter().map(|finding| finding.weight).max() {
        Some(Weight::Output) => Exit::CannotCreate,
        Some(Weight::Config) => Exit::InvalidConfig,
        Some(Weight::Warning) | None => Exit::Complete,
    };
    if args.json {
        return print_json(&right(&loaded, &survey, unfinished.as_deref(), exit), exit, report);
    }
    for finding in &survey.findings {
        let hint = finding.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        let words = format!("{}: {}{hint}", finding.place, finding.what);
        match finding.weight {
            Weight::Warning => report.warning(&words),
            Weight::Config | Weight::Output => _ = report.error(exit, &words),
        }
    }
    report.result(exit, |out| describe(out, &loaded, &survey, unfinished.as_deref(), exit))
}

/// Whether another run holds the job: the config is right, and a run would be refused now.
fn job_lock(loaded: &Loaded) -> Option<Finding> {
    let job = &loaded.config.job;
    let holder = crate::store::holder(&job.state_dir.join("lock"))?;
    Some(Finding {
        weight: Weight::Warning,
        place: loaded.place_of("job.state_dir"),
        what: format!(
            "process {} holds the job since {}: a run would be refused now",
            holder.pid, holder.since
        ),
        hint: None,
    })
}

/// The run that `trawl run` would continue. A state that cannot be read is a finding, and so is a config that
/// differs from the one it began with.
fn unfinished(loaded: &Loaded, survey: &mut Survey) -> Option<String> {
    let (weight, what, hint, run_id) = match run::unfinished(&loaded.config) {
        Ok(None) => return None,
        Ok(Some((run_id, differences))) if differences.is_empty() => return Some(run_id),
        Ok(Some((run_id, differences))) => {
            let what = format!(
                "run {run_id} is unfinished and began with another config:\n{}",
                differences.join("\n")
            );
            let hint =
                "restore the config to finish it, or `trawl run --fresh` sets it aside and starts over";
            (Weight::Config, what, Some(hint.to_owned()), Some(run_id))
        }
        Err(error) => (Weight::Output, format!("a run would be refused: {error}"), None, None),
    };
    let place = loaded.place_of("job.state_dir");
    survey.findings.push(Finding { weight, place, what, hint });
    run_id
}

/// Says in words what a run would do.
fn describe(
    out: &mut dyn Write,
    loaded: &Loaded,
    survey: &Survey,
    unfinished: Option<&str>,
    exit: Exit,
) -> io::Result<()> {
    let Config { job, politeness, limits, sources, sinks, exports, .. } = &loaded.config;
    let verdict = if exit == Exit::Complete { "is valid" } else { "cannot be carried out as it is" };
    writeln!(out, "{} {verdict}", path(&loaded.path))?;
    writeln!(out, "job    {}", job.name)?;
    if let Some(run_id) = unfinished {
        writeln!(
            out,
            "resume {run_id}, which is unfinished and must end with the sources and sinks it began with"
        )?;
    }
    for settings in sources {
        writeln!(out, "read   {}{}", read(settings, survey), followed(&loaded.config, settings))?;
    }
    let robots = if politeness.obey_robots { "obey   robots.txt" } else { "ignore robots.txt" };
    writeln!(out, "{robots}")?;
    writeln!(
        out,
        "ask    {} at once, one host {} at once; {} between two requests to one host",
        politeness.max_concurrency, politeness.host_concurrency, politeness.host_delay
    )?;
    let pages = limits.max_pages.map(|pages| format!("after {pages} pages"));
    let time = limits.max_duration.map(|time| format!("after {time}"));
    let ends: Vec<String> = pages.into_iter().chain(time).collect();
    let ends = if ends.is_empty() { "when all is done".to_owned() } else { ends.join(" or ") };
    writeln!(out, "stop   {ends}")?;
    let mut outputs = vec!["records", "outcomes"];
    let added: Vec<String> = sinks
        .iter()
        .filter_map(|settings| settings.folder().ok())
        .chain(exports.iter().filter_map(|settings| settings.file().ok().flatten()))
        .map(|folder| folder.display().to_string())
        .collect();
    outputs.extend(added.iter().map(String::as_str));
    writeln!(out, "write  {} to {}", outputs.join(", "), path(&job.output_dir.join("latest")))?;
    writeln!(out, "keep   {}", path(&job.state_dir))?;
    match job.keep_runs {
        Some(runs) => writeln!(out, "delete runs but for the newest {runs}"),
        None => Ok(()),
    }
}

/// A path as it may be printed.
fn path(path: &Path) -> String {
    shown(&path.display().to_string())
}

/// Which links of a source's pages are followed.
fn followed(config: &Config, settings: &source::Settings) -> String {
    let own = settings.scope().and_then(|scope| scope.kind);
    match own.unwrap_or(config.scope.kind) {
        ScopeType::Page => String::new(),
        ScopeType::Any => ", and follow all links".to_owned(),
        kind => format!(", and follow links within its {kind}"),
    }
}

/// A source in a line.
fn read(settings: &source::Settings, survey: &Survey) -> String {
    let what = match settings {
        source::Settings::Urls(_) => "URLs of the config".to_owned(),
        source::Settings::List(list) if list.is_stdin() => "the list on standard input".to_owned(),
        source::Settings::List(list) => format!("the list {}", path(&list.path)),
        source::Settings::Files(files) => {
            let paths: Vec<String> = files.paths.iter().map(|one| path(one)).collect();
            format!("files: {}", paths.join(", "))
        }
        source::Settings::Sitemap(_) => "what sitemaps list".to_owned(),
        source::Settings::Feed(_) => "what feeds lead to".to_owned(),
    };
    let seeds = survey.seeds.get(settings.id()).map(|seeds| format!(" ({})", count(seeds)));
    format!("{}: {what}{}", settings.id(), seeds.unwrap_or_default())
}

/// `1 seed`, `3 seeds, 2 more are of no use`.
fn count(Seeds { good, bad, more }: &Seeds) -> String {
    let least = if *more { "more than " } else { "" };
    let noun = if *good == 1 && !more { "seed" } else { "seeds" };
    match bad {
        0 => format!("{least}{good} {noun}"),
        1 => format!("{least}{good} {noun}, 1 more is of no use"),
        bad => format!("{least}{good} {noun}, {bad} more are of no use"),
    }
}

fn print_json(value: &Json, exit: Exit, report: &Report) -> Exit {
    report.result(exit, |out| writeln!(out, "{value:#}"))
}

/// A config that is wrong, for a program.
fn wrong(errors: &ConfigErrors) -> Json {
    let problems = errors.problems.iter().map(|problem| {
        json!({
            "file": problem.place.name,
            "line": problem.place.line.map(|(line, _)| line),
            "column": problem.place.line.map(|(_, column)| column),
            "what": problem.what,
            "hint": problem.hint,
        })
    });
    json!({
        "valid": false,
        "exit_code": Exit::InvalidConfig.code(),
        "what": errors.headline,
        "hint": errors.hint,
        "problems": problems.collect::<Vec<_>>(),
    })
}

/// A config that holds and what was found around it, for a program.
fn right(loaded: &Loaded, survey: &Survey, unfinished: Option<&str>, exit: Exit) -> Json {
    json!({
        "valid": exit == Exit::Complete,
        "exit_code": exit.code(),
        "config": loaded.path,
        "digest": loaded.digest,
        "job": loaded.config.job,
        "politeness": loaded.config.politeness,
        "limits": loaded.config.limits,
        "unfinished_run": unfinished,
        "seeds": survey.seeds,
        "findings": survey.findings,
    })
}

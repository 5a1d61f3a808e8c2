//! `trawl run`: carries out a job, or continues its unfinished run.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;

use super::args::{ConfigArgs, Global};
use super::export;
use super::report::Report;
use super::summary;
use crate::config::{Config, Format, Level};
use crate::run::{self, Ended, Exit, Exported, Job, RunError, Saying as Log, Screen, Text, Unfinished};

/// Arguments of `trawl run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Set an unfinished run aside, as `<run_id>.abandoned`, and start over
    #[arg(long)]
    fresh: bool,
    /// End after so many pages with a record; the same as `--set limits.max_pages=N`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Use only the source with this id
    #[arg(long, value_name = "ID")]
    only_source: Option<String>,
    /// Print the records of the finished run on standard output; its summary goes to standard error either way
    #[arg(long)]
    stdout: bool,
}

/// Carries it out.
pub fn run(mut args: Args, global: &Global, report: &Report) -> Exit {
    args.config.sets.extend(args.limit.map(|pages| format!("limits.max_pages={pages}")));
    let mut loaded = match args.config.load(global) {
        Ok(loaded) => loaded,
        Err(errors) => return report.error(Exit::InvalidConfig, &errors),
    };
    if let Some(id) = args.only_source
        && let Err(error) = keep_source(&mut loaded.config, id)
    {
        return report.error(error.exit(), &error);
    }
    let live = if global.quiet == 0 { Live::Wanted } else { Live::Unwanted };
    let text = match toml::to_string_pretty(&loaded.config) {
        Ok(text) => text,
        Err(error) => return report.error(Exit::Error, &format!("cannot write the config as TOML: {error}")),
    };
    let config = args.config.config.as_ref().map(|path| format!(" {}", path.display())).unwrap_or_default();
    let job = Job {
        config: &loaded.config,
        config_text: &text,
        config_digest: &loaded.digest,
        places: &|key| loaded.place_of(key),
        unfinished: if args.fresh { Unfinished::SetAside } else { Unfinished::Resume },
        log: log(&loaded.config, live, report),
    };
    let saying = Saying { format: loaded.config.log.format, is_quiet: global.quiet > 0, config: &config };
    match run::run(&job) {
        Ok(ended) => {
            saying.ended(&ended);
            if args.stdout { print_records(&ended, report) } else { ended.exit }
        }
        Err(error) => {
            if loaded.config.log.format == Format::Json {
                // What reads the log finds the end in it, too.
                tracing::error!(%error, exit_code = error.exit().code(), "the run cannot go on");
                return error.exit();
            }
            // In the run's own log, too: whoever looks there first should find it.
            tracing::debug!(%error, "the run cannot go on");
            report.error(error.exit(), &error)
        }
    }
}

/// How the end of a run is told.
struct Saying<'a> {
    format: Format,
    is_quiet: bool,
    /// The config as it was named, with a space before it.
    config: &'a str,
}

impl Saying<'_> {
    /// Nothing of this is a result: it goes to standard error, where nothing but log lines may stand if they are JSON.
    fn ended(&self, ended: &Ended) {
        let Ended { exit, digest, place } = ended;
        if self.format == Format::Json {
            if let Some(digest) = digest {
                digest.log();
            }
            if *exit != Exit::Complete {
                tracing::warn!(path = %place.display(), exit_code = exit.code(), "{}", exit.about());
            }
            return;
        }
        // Nobody has to look an exit code up; a run that is complete says so by its summary.
        if *exit != Exit::Complete {
            Report::note(&format_args!("{}: {}", place.display(), exit.about()));
        }
        if *exit == Exit::Failed {
            Report::note(
                &"hint: `trawl explain URL` says how a URL ended, `trawl validate` what the sources give",
            );
        }
        if let Some(digest) = digest.as_ref().filter(|_| !self.is_quiet) {
            Report::note(&summary::for_people(digest, self.config).trim_end());
        }
    }
}

/// Standard output gets the records and nothing else; those of an unfinished run wait for its end.
fn print_records(ended: &Ended, report: &Report) -> Exit {
    if ended.digest.is_none() {
        return ended.exit;
    }
    let printed = match Exported::open(&ended.place) {
        Ok(run) => export::print(&run, Text::Jsonl, report),
        Err(error) => report.error(error.exit(), &error),
    };
    if printed == Exit::Complete { ended.exit } else { printed }
}

fn keep_source(config: &mut Config, id: String) -> Result<(), RunError> {
    let known: Vec<String> = config.sources.iter().map(|source| format!("`{}`", source.id())).collect();
    config.sources.retain(|source| source.id() == id);
    if config.sources.is_empty() {
        return Err(RunError::NoSource { id, known: known.join(", ") });
    }
    Ok(())
}

/// Whether a terminal shows how far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live {
    /// Where it can.
    Wanted,
    /// Nowhere.
    Unwanted,
}

/// Sets the log up as the config says.
pub fn log(config: &Config, live: Live, report: &Report) -> run::RunLog {
    let level = match config.log.level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let saying = match config.log.format {
        Format::Json => Log::Json,
        Format::Text => {
            let is_coloured = report.is_coloured() && std::io::stderr().is_terminal();
            let is_live = live == Live::Wanted && Screen::is_possible();
            Log::Text { screen: Screen::new(is_live, is_coloured), is_coloured }
        }
    };
    run::init_log(level, saying)
}

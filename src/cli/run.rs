//! `trawl run`: carries out a job, or continues its unfinished run.

use tracing::level_filters::LevelFilter;

use super::args::{ConfigArgs, Global};
use super::export;
use super::report::{Report, printable};
use crate::config::{Config, Format, Level};
use crate::run::{self, Ended, Exit, Exported, Job, RunError, Style, Text, Unfinished};

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
    /// Print the records of the finished run instead of its summary, which goes to standard error
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
    let text = match toml::to_string_pretty(&loaded.config) {
        Ok(text) => text,
        Err(error) => return report.error(Exit::Error, &format!("cannot write the config as TOML: {error}")),
    };
    let job = Job {
        config: &loaded.config,
        config_text: &text,
        config_digest: &loaded.digest,
        places: &|key| loaded.place_of(key),
        unfinished: if args.fresh { Unfinished::SetAside } else { Unfinished::Resume },
        log: log(&loaded.config, report),
    };
    match run::run(&job) {
        Ok(ended) => {
            // Nobody has to look an exit code up; a run that is complete says so by its summary.
            if ended.exit != Exit::Complete {
                Report::note(&format_args!("{}: {}", ended.place.display(), ended.exit.about()));
            }
            if ended.exit == Exit::Failed {
                Report::note(
                    &"hint: `trawl explain URL` says how a URL ended, `trawl validate` what the sources give",
                );
            }
            if args.stdout {
                return print_records(&ended, report);
            }
            report.result(ended.exit, |out| out.write_all(printable(&ended.summary).as_bytes()))
        }
        Err(error) => {
            // In the run's own log, too: whoever looks there first should find it.
            tracing::debug!(%error, "the run cannot go on");
            report.error(error.exit(), &error)
        }
    }
}

/// Standard output gets the records and nothing else; those of an unfinished run wait for its end.
fn print_records(ended: &Ended, report: &Report) -> Exit {
    if ended.summary.is_empty() {
        return ended.exit;
    }
    Report::note(&ended.summary.trim_end());
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

/// Sets the log up as the config says.
pub fn log(config: &Config, report: &Report) -> run::RunLog {
    let level = match config.log.level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let style = match config.log.format {
        Format::Text => Style::Text,
        Format::Json => Style::Json,
    };
    run::init_log(level, style, report.is_coloured())
}

//! What may be typed. Words for the help only; nothing happens here.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use super::report::Report;
use super::{
    completions, config, explain, export, extract, get, list, plan, run, schema, status, test, validate,
    verify,
};
use crate::config::{ConfigErrors, Level, Loaded, load};
use crate::run::{Exit, RunError, find_run};

/// Async file-and-web crawler for scheduled batch crawls: one TOML file in, one finished data set out.
#[derive(Debug, Parser)]
#[command(name = "trawl", version, propagate_version = true, arg_required_else_help = true, after_help = after_help())]
pub struct Args {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// A command: one variant, one file, one arm in `cli::main`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Carry out a job, or continue its unfinished run
    Run(run::Args),
    /// Check a config and its surroundings, and say what a run would do
    Validate(validate::Args),
    /// Say what a run would ask for and how long it takes at least; asks for robots.txt and sitemaps, never for pages
    Plan(plan::Args),
    /// Say what a job is doing, or what its last run came to
    Status(status::Args),
    /// Say all that is known of a URL, and why it was or was not fetched
    Explain(explain::Args),
    /// Extract one page by the rules of the config, and say what each field came to
    Extract(extract::Args),
    /// Try the rules on the kept pages of `[[tests]]`, without any network; `--record URL` keeps one more
    Test(test::Args),
    /// Print the latest record of a URL
    Get(get::Args),
    /// List every URL that the job has a record of
    List(list::Args),
    /// Check a finished run: files, checksums, schema, sums
    Verify(verify::Args),
    /// Write the records of a finished run in another format
    Export(export::Args),
    /// Show, explain or begin a config
    Config(config::Args),
    /// Print the JSON Schema of an output
    Schema(schema::Args),
    /// Print the manual as a man page: `trawl man | man -l -`
    Man,
    /// Print what a shell needs to complete commands and options
    Completions(completions::Args),
}

/// What stands below the help of the program: where to begin, and what a scheduler wants to know.
fn after_help() -> String {
    let mut text =
        "Begin with `trawl config init`, `trawl validate` and `trawl run`.\n\nExit codes:".to_owned();
    for exit in Exit::ALL {
        let _ = write!(text, "\n  {:>2}  {}", exit.code(), exit.about());
    }
    text
}

/// What every command understands.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// When messages are coloured; `auto` is on a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// Say more on standard error than `log.level` asks for; twice for still more
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Say less on standard error than `log.level` asks for; twice for still less
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub quiet: u8,
}

/// When there is colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "docs would make the help of each command six lines longer")]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// The config that a command works on.
#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    /// The config file [default: ./config.toml]
    #[arg(value_name = "CONFIG")]
    pub config: Option<PathBuf>,
    /// Override a key of the config, such as `limits.max_pages=100`; as often as needed
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

impl ConfigArgs {
    /// The config, or everything that is wrong with it. `-v` and `-q` move its log level.
    pub fn load(&self, global: &Global) -> Result<Loaded, ConfigErrors> {
        let mut loaded = load(self.config.as_deref(), &self.sets)?;
        loaded.config.log.level = global.log_level(loaded.config.log.level);
        Ok(loaded)
    }
}

/// The finished run that a command works on.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Id or directory of the run, or `latest` [default: the latest of the job]
    run: Option<String>,
    /// The config of the job [default: ./config.toml]
    #[arg(long, value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// Override a key of the config, such as `limits.max_pages=100`; as often as needed
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

impl RunArgs {
    /// Its directory. A directory needs no config; an id, or nothing, does.
    pub fn find(&self, global: &Global, report: &Report) -> Result<PathBuf, Exit> {
        let fault = |error: RunError| report.error(error.exit(), &error);
        if let Some(dir) = self.run.as_ref().map(PathBuf::from).filter(|dir| dir.is_dir()) {
            return find_run(&dir, dir.to_str()).map_err(fault);
        }
        let config = ConfigArgs { config: self.config.clone(), sets: self.sets.clone() };
        let loaded = config.load(global).map_err(|errors| report.error(Exit::InvalidConfig, &errors))?;
        let wanted = self.run.as_deref().filter(|run| *run != "latest");
        find_run(&loaded.config.job.output_dir, wanted).map_err(fault)
    }
}

impl Global {
    /// The level that is logged at, for a config that asks for `level`.
    fn log_level(&self, level: Level) -> Level {
        const LEVELS: [Level; 6] =
            [Level::Off, Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
        let now = LEVELS.iter().position(|other| *other == level).unwrap_or_default();
        let wanted = (now + usize::from(self.verbose)).saturating_sub(usize::from(self.quiet));
        LEVELS[wanted.min(LEVELS.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    fn without_help(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let path = format!("{path} {}", command.get_name());
        if command.get_about().is_none() {
            found.push(path.clone());
        }
        let arguments = command.get_arguments().filter(|argument| argument.get_help().is_none());
        found.extend(arguments.map(|argument| format!("{path}: {}", argument.get_id())));
        command.get_subcommands().for_each(|below| without_help(below, &path, found));
    }

    #[test]
    fn each_command_and_argument_says_what_it_does() {
        use clap::CommandFactory;
        let mut command = Args::command();
        command.build();
        let mut found = Vec::new();
        without_help(&command, "", &mut found);
        // What clap builds below `help` repeats the commands, without their words.
        found.retain(|place| !place.contains(" help"));
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn more_and_less_move_the_level() {
        let level = |verbose, quiet, level| Global { color: Color::Auto, verbose, quiet }.log_level(level);
        assert_eq!(level(0, 0, Level::Info), Level::Info);
        assert_eq!(level(1, 0, Level::Info), Level::Debug);
        assert_eq!(level(9, 0, Level::Info), Level::Trace);
        assert_eq!(level(0, 1, Level::Info), Level::Warn);
        assert_eq!(level(0, 9, Level::Warn), Level::Off);
    }
}

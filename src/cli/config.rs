//! `trawl config`: what a config means, what it may hold, and a first one.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;

use clap::Subcommand;

use super::args::{ConfigArgs, Global};
use super::report::{Report, printable};
use super::schema;
use crate::config;
use crate::run::Exit;

/// What `trawl config init` writes.
const STARTER: &str = include_str!("starter.toml");

/// Arguments of `trawl config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the config as it is understood: defaults filled in, secrets as references
    Show(ConfigArgs),
    /// Print the JSON Schema of a config
    Schema,
    /// Write a first config with comments
    Init {
        /// The file to write; one that exists stays as it is
        #[arg(value_name = "CONFIG", default_value = config::DEFAULT_PATH)]
        path: PathBuf,
    },
    /// Print the reference of all keys as Markdown
    #[command(hide = true)]
    Reference,
}

/// Carries out the command.
pub fn run(args: &Args, global: &Global, report: &Report) -> Exit {
    match &args.what {
        What::Show(args) => show(args, global, report),
        What::Schema => schema::print(&config::schema(), report),
        What::Init { path } => init(path, report),
        What::Reference => report.result(Exit::Complete, |out| out.write_all(config::reference().as_bytes())),
    }
}

fn show(args: &ConfigArgs, global: &Global, report: &Report) -> Exit {
    let loaded = match args.load(global) {
        Ok(loaded) => loaded,
        Err(errors) => return report.error(Exit::InvalidConfig, &errors),
    };
    match toml::to_string_pretty(&loaded.config) {
        Ok(text) => {
            // What reads it elsewhere gets it as it is.
            let text = if io::stdout().is_terminal() { printable(&text) } else { text };
            report.result(Exit::Complete, |out| out.write_all(text.as_bytes()))
        }
        Err(error) => report.error(Exit::Error, &format!("cannot write the config as TOML: {error}")),
    }
}

fn init(path: &PathBuf, report: &Report) -> Exit {
    let written = std::fs::File::create_new(path).and_then(|mut file| file.write_all(STARTER.as_bytes()));
    let path = path.display();
    match written {
        Ok(()) => {
            Report::note(&format_args!("wrote {path}; look at it, then: trawl validate {path}"));
            Exit::Complete
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let words = format!(
                "`{path}` exists and stays as it is\nhint: name another file: `trawl config init other.toml`"
            );
            report.error(Exit::CannotCreate, &words)
        }
        Err(error) => report.error(Exit::CannotCreate, &format!("cannot create `{path}`: {error}")),
    }
}

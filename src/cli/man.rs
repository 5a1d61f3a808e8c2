//! `trawl man`: the whole manual as one page in roff. Commands and options come from the definitions that `--help` prints,
//! exit codes from their table; what is written here is what neither says.

use std::io;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::args::Args;
use super::report::Report;
use crate::run::Exit;

const DESCRIPTION: [&str; 3] = [
    "One TOML file describes a job: where URLs come from, how politely hosts are asked, which fields pages have, what is \
     written. `trawl run` carries the job out, from a shell, cron or a systemd timer. A run appears under its final name \
     once it is whole and synced.",
    "A run that was killed, lost power or filled the disk is continued by the same command; what it publishes equals the \
     result of an undisturbed run. Two runs of one job exclude each other.",
    "Results go to standard output, all else to standard error.",
];

const FILES: [(&str, &str); 8] = [
    ("config.toml", "The config that is read where none is named. `trawl config init` writes a first one."),
    (
        "data/out/<job>/latest",
        "A symbolic link to the run that was published last; `latest.json` says the same.",
    ),
    ("data/out/<job>/runs/<run_id>/", "A published run: records, outcomes, manifest, summary, report, log."),
    (
        "data/out/<job>/runs/<run_id>/_SUCCESS",
        "Written last: where it stands, the run is whole and was published.",
    ),
    (
        "data/out/<job>/runs/<run_id>.partial/",
        "A run that is alive, or was killed and waits to be continued.",
    ),
    (
        "data/out/<job>/runs/<run_id>.failed/",
        "A run in which nothing was got or too much failed: not published.",
    ),
    ("data/out/<job>/runs/<run_id>.abandoned/", "An unfinished run that `trawl run --fresh` has set aside."),
    (
        "data/store/<job>/",
        "What the job remembers from run to run. `job.state_dir` and `job.output_dir` move both.",
    ),
];

const ENVIRONMENT: [(&str, &str); 3] = [
    ("NO_COLOR", "If it is set and not empty, nothing is coloured."),
    ("DATABASE_URL", "The database of `trawl export --to postgres`."),
    ("others", "Those that the config names as secrets, such as { env = \"API_TOKEN\" }."),
];

const EXAMPLES: [(&str, &str); 7] = [
    ("trawl config init crawl.toml", "Write a first config with comments."),
    ("trawl validate crawl.toml", "Check it, and say what a run would do."),
    (
        "trawl plan crawl.toml",
        "Ask for robots.txt and sitemaps alone, and say how long a run takes at least.",
    ),
    ("trawl run crawl.toml", "Carry it out, or continue where it was stopped."),
    ("trawl status --watch crawl.toml", "Look on from another terminal."),
    ("trawl explain https://example.org/a crawl.toml", "Say why a URL was or was not fetched."),
    ("0 2 * * *  cd /srv/crawl && trawl run -q crawl.toml", "A line for cron: each night at two."),
];

/// Prints the page.
pub fn run(report: &Report) -> Exit {
    match page() {
        Ok(page) => report.result(Exit::Complete, |out| out.write_all(&page)),
        Err(error) => report.error(Exit::Error, &format!("cannot write the man page: {error}")),
    }
}

fn page() -> io::Result<Vec<u8>> {
    let mut command = Args::command();
    command.build();
    // Without a date, which would be that of a build; a blank one keeps the places of what stands behind it.
    let man = Man::new(command.clone()).manual("User Commands").date(" ");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    added(|part| man.render_name_section(part), &mut page)?;
    added(|part| man.render_synopsis_section(part), &mut page)?;
    let mut text = Roff::new();
    text.control("SH", ["DESCRIPTION"]);
    for paragraph in DESCRIPTION {
        text.control("PP", []).text([roman(paragraph)]);
    }
    text.control("SH", ["OPTIONS"]);
    add(&text, &mut page)?;
    without_headings(|part| man.render_options_section(part), &mut page)?;
    add(Roff::new().control("SH", ["COMMANDS"]), &mut page)?;
    each(&command, &mut page)?;
    let exits = Exit::ALL.map(|exit| (exit.code().to_string(), exit.about()));
    list("EXIT STATUS", exits.iter().map(|(code, about)| (code.as_str(), *about)), &mut page)?;
    list("FILES", FILES, &mut page)?;
    list("ENVIRONMENT", ENVIRONMENT, &mut page)?;
    list("EXAMPLES", EXAMPLES, &mut page)?;
    Ok(page)
}

/// The commands below this one, each with what only it understands.
fn each(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        if command.get_name() == "help" {
            continue;
        }
        if command.has_subcommands() {
            each(command, page)?;
            continue;
        }
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let own = command.clone().mut_args(|arg| {
            let is_everywhere = arg.is_global_set() || matches!(arg.get_id().as_str(), "help" | "version");
            arg.hide(is_everywhere)
        });
        let man = Man::new(own);
        add(Roff::new().control("SS", [name.as_str()]), page)?;
        without_headings(|part| man.render_synopsis_section(part), page)?;
        add(Roff::new().control("PP", []).text([roman(about)]), page)?;
        without_headings(|part| man.render_options_section(part), page)?;
    }
    Ok(())
}

/// A section of names and what they mean.
fn list<'a>(
    name: &str,
    entries: impl IntoIterator<Item = (&'a str, &'a str)>,
    page: &mut Vec<u8>,
) -> io::Result<()> {
    let mut text = Roff::new();
    text.control("SH", [name]);
    for (word, about) in entries {
        text.control("TP", []).text([bold(word)]).text([roman(about)]);
    }
    add(&text, page)
}

fn add(text: &Roff, page: &mut Vec<u8>) -> io::Result<()> {
    added(|mut part| text.to_writer(&mut part), page)
}

/// A section of `clap_mangen`, as a part of a section of ours.
fn without_headings(
    render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
    page: &mut Vec<u8>,
) -> io::Result<()> {
    let mut part = Vec::new();
    added(render, &mut part)?;
    page.extend(
        part.split_inclusive(|byte| *byte == b'\n').filter(|line| !line.starts_with(b".SH ")).flatten(),
    );
    Ok(())
}

/// Adds what `render` writes, but for the definition of the apostrophe, which each part brings and the page has.
fn added(render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>, page: &mut Vec<u8>) -> io::Result<()> {
    let is_defined = |line: &&[u8]| !line.starts_with(b".ie ") && !line.starts_with(b".el ");
    let mut part = Vec::new();
    render(&mut part)?;
    page.extend(part.split_inclusive(|byte| *byte == b'\n').filter(is_defined).flatten());
    Ok(())
}

//! `trawl export`: the records of a finished run in another format, to a file or to standard output.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::args::{Global, RunArgs};
use super::report::{Report, printable, tame_json};
use crate::export::{Database, EXPORTS, ExportError, check_table, is_database};
use crate::kind::nearest;
use crate::run::{Exit, Exported, RunError, Text};

/// Arguments of `trawl export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    run: RunArgs,
    /// Format, and where to: `jsonl` and `csv` go to standard output without a path, `postgres` to a table of the
    /// database that `DATABASE_URL` names, others to a file named after the run; as often as needed
    #[arg(long, value_name = "FORMAT[=PATH]", required = true, value_parser = target)]
    to: Vec<Target>,
}

/// What is written, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    format: Format,
    path: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text(Text),
    File(&'static str),
}

/// The formats of text, by their names.
const TEXTS: [(&str, Text); 2] = [("jsonl", Text::Jsonl), ("csv", Text::Csv)];

fn target(text: &str) -> Result<Target, String> {
    let (name, path) = text.split_once('=').map_or((text, None), |(name, path)| (name, Some(path)));
    if path == Some("") {
        return Err("the path is empty; leave `=` out, or write one behind it".to_owned());
    }
    let of_text = TEXTS.iter().find(|(known, _)| *known == name).map(|(_, text)| Format::Text(*text));
    let of_file = EXPORTS.iter().find(|kind| kind.name == name).map(|kind| Format::File(kind.name));
    let names = || TEXTS.iter().map(|(name, _)| *name).chain(EXPORTS.iter().map(|kind| kind.name));
    let format = of_text.or(of_file).ok_or_else(|| {
        let names: Vec<&str> = names().collect();
        let near = nearest(name, names.iter().copied()).map(|near| format!("did you mean `{near}`? "));
        format!("{}the formats are {}", near.unwrap_or_default(), names.join(", "))
    })?;
    Ok(Target { format, path: path.map(PathBuf::from) })
}

/// Writes them one after the other.
pub fn run(args: &Args, global: &Global, report: &Report) -> Exit {
    let dir = match args.run.find(global, report) {
        Ok(dir) => dir,
        Err(exit) => return exit,
    };
    let run = match Exported::open(&dir) {
        Ok(run) => run,
        Err(error) => return report.error(error.exit(), &error),
    };
    for target in &args.to {
        let exit = match (target.format, &target.path) {
            (Format::Text(text), None) => print(&run, text, report),
            (Format::Text(text), Some(path)) => told(run.write(text, path), path, report),
            (Format::File(format), table) if is_database(format) => {
                load(&run, format, table.as_deref(), report)
            }
            (Format::File(format), path) => {
                let named = || PathBuf::from(format!("{}.{format}", run.name()));
                let path = path.clone().unwrap_or_else(named);
                told(run.make(format, &path), &path, report)
            }
        };
        if exit != Exit::Complete {
            return exit;
        }
    }
    Exit::Complete
}

/// The address stands in the environment, because everybody can read the arguments of a process.
fn load(run: &Exported, format: &str, table: Option<&Path>, report: &Report) -> Exit {
    const URL: &str = "DATABASE_URL";
    let table = table.map_or("records".into(), Path::to_string_lossy);
    if let Err(what) = check_table(&table) {
        return report.error(Exit::Usage, &what);
    }
    let Ok(url) = std::env::var(URL) else {
        let what = format!(
            "the environment variable `{URL}` is not set\nhint: {URL}=postgres://user:password@host/name"
        );
        return report.error(Exit::Usage, &what);
    };
    told(run.load(format, &Database { url: &url, table: &table }), Path::new(&*table), report)
}

fn told(made: Result<u64, RunError>, path: &Path, report: &Report) -> Exit {
    match made {
        Ok(records) => {
            Report::note(&format_args!("{}: {records} records", path.display()));
            Exit::Complete
        }
        Err(error) => report.error(error.exit(), &error),
    }
}

/// Prints the records: to a terminal so that they do nothing to it, otherwise as they are.
pub fn print(run: &Exported, text: Text, report: &Report) -> Exit {
    let is_terminal = io::stdout().is_terminal();
    let mut fault = None;
    let exit = report.result(Exit::Complete, |out| {
        let mut tame = Tame { out, text, is_terminal };
        match run.text(text, Path::new("standard output"), &mut tame) {
            // The report knows what to do about its own output.
            Err(ExportError::Io { action: "write", error, .. }) => return Err(error),
            Err(error) => fault = Some(RunError::from(error)),
            Ok(_) => {}
        }
        Ok(())
    });
    fault.map_or(exit, |error| report.error(error.exit(), &error))
}

/// Spells out for a terminal what would command it. Whole lines arrive at once, so no character is torn.
struct Tame<'a> {
    out: &'a mut dyn Write,
    text: Text,
    is_terminal: bool,
}

impl Write for Tame<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let shown = |text: &[u8]| match self.text {
            Text::Jsonl => tame_json(&String::from_utf8_lossy(text)),
            Text::Csv => printable(&String::from_utf8_lossy(text).replace("\r\n", "\n")),
        };
        if self.is_terminal {
            self.out.write_all(shown(text).as_bytes())?;
        } else {
            self.out.write_all(text)?;
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_and_a_path() {
        let check = |text: &str, format: Format, path: Option<&str>| {
            assert_eq!(target(text), Ok(Target { format, path: path.map(PathBuf::from) }), "{text}");
        };
        check("jsonl", Format::Text(Text::Jsonl), None);
        check("csv=a=b.csv", Format::Text(Text::Csv), Some("a=b.csv"));
        check("sqlite=x/y", Format::File("sqlite"), Some("x/y"));
        for (text, words) in
            [("sqlit", "did you mean `sqlite`?"), ("avro", "the formats are"), ("csv=", "empty")]
        {
            assert!(target(text).is_err_and(|error| error.contains(words)), "{text}");
        }
    }
}

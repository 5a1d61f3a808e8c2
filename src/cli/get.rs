//! `trawl get`: the latest record of one URL.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

use super::args::{ConfigArgs, Global};
use super::report::{Report, tame_json};
use crate::model::{Span, UrlKey};
use crate::run::{self, Exit, RunDir};
use crate::store::{Found, Lookup};

/// Arguments of `trawl get`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The URL, or the path of a local file
    url: String,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Prints the record as JSON. Exit 1 if there is none.
pub fn run(args: &Args, global: &Global, report: &Report) -> Exit {
    let loaded = match args.config.load(global) {
        Ok(loaded) => loaded,
        Err(errors) => return report.error(Exit::InvalidConfig, &errors),
    };
    let url = match run::meant(&args.url, &loaded.config.scope.normalize.build()) {
        Ok(url) => url,
        Err(error) => return report.error(Exit::Usage, &format!("`{}`: {error}", args.url)),
    };
    let job = &loaded.config.job;
    let found = Lookup::open(&job.state_dir).and_then(|lookup| {
        let Some(mut lookup) = lookup else { return Ok(None) };
        let found = lookup.get(UrlKey::of(&url))?;
        lookup.close()?;
        Ok(found)
    });
    match found {
        Err(error) => report.error(Exit::Io, &error),
        Ok(None) => {
            let hint = format!("hint: `trawl list` shows what job `{}` has records of", job.name);
            report.error(Exit::Error, &format!("no record of `{url}`\n{hint}"))
        }
        Ok(Some(found)) => match record(&job.output_dir, &found) {
            Ok(record) => {
                report.result(Exit::Complete, |out| writeln!(out, "{}", tame_json(&format!("{record:#}"))))
            }
            Err(error) => report.error(Exit::Io, &error),
        },
    }
}

/// Reads the line where history says that it stands.
fn record(output: &Path, found: &Found) -> Result<Value, String> {
    let run_id = &found.history.run_id;
    let dir = RunDir::new(output, run_id);
    let Span { part, offset, length } = found.history.page.record;
    let name = format!("records/part-{part:05}.jsonl");
    let read = |path: &Path| -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut line = vec![0; length as usize];
        file.read_exact(&mut line)?;
        Ok(line)
    };
    let (done, partial) = (dir.published().join(&name), dir.partial().join(&name));
    let line = read(&done).or_else(|_| read(&partial)).map_err(|error| {
        format!("the record stands in `{}`, which cannot be read: {error}\nhint: runs that are removed take their records with them", done.display())
    })?;
    serde_json::from_slice(&line).map_err(|error| {
        format!(
            "`{}` has changed since it was written: {error}\nhint: `trawl verify {run_id}` says more",
            done.display()
        )
    })
}

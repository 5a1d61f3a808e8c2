//! `trawl list`: every URL that the job has a record of.

use std::io;

use jiff::Timestamp;
use serde_json::json;

use super::args::{ConfigArgs, Global};
use super::report::{Report, tame_json};
use crate::config;
use crate::model::UrlKey;
use crate::run::Exit;
use crate::store::{Found, Lookup};

/// Arguments of `trawl list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Prints one line a URL, in the order of their keys.
pub fn run(args: &Args, global: &Global, report: &Report) -> Exit {
    let loaded = match args.config.load(global) {
        Ok(loaded) => loaded,
        Err(errors) => return report.error(Exit::InvalidConfig, &errors),
    };
    let mut lookup = match Lookup::open(&loaded.config.job.state_dir) {
        Ok(Some(lookup)) => lookup,
        Ok(None) => {
            let job = &loaded.config.job.name;
            return report.error(
                Exit::Error,
                &format!("job `{job}` has not run yet\nhint: start it with `trawl run`"),
            );
        }
        Err(error) => return report.error(Exit::Io, &error),
    };
    let mut fault = None;
    let exit = report.result(Exit::Complete, |out| {
        let mut written: io::Result<()> = Ok(());
        let looked = lookup.each(|key, found| {
            let line = if args.json { tame_json(&as_json(key, &found)) } else { as_text(&found) };
            written = writeln!(out, "{line}");
            written.is_ok()
        });
        fault = looked.err();
        written
    });
    let closed = lookup.close();
    match fault.or(closed.err()) {
        Some(error) => report.error(Exit::Io, &error),
        None => exit,
    }
}

fn as_text(found: &Found) -> String {
    let page = &found.history.page;
    let time = moment(page.fetched_at_ms);
    let title = config::shown(page.title.as_deref().unwrap_or("-"));
    format!("{time}\t{}\t{}\t{title}", page.status, config::shown(&page.url))
}

fn as_json(key: UrlKey, found: &Found) -> String {
    let page = &found.history.page;
    json!({
        "url": page.url,
        "url_key": key.to_string(),
        "run_id": found.history.run_id,
        "fetch_time": moment(page.fetched_at_ms),
        "fetch_status": page.status,
        "content_digest": page.digest,
        "title": page.title,
        "published": !found.unpublished,
    })
    .to_string()
}

fn moment(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map_or_else(|_| "-".to_owned(), |time| format!("{time:.3}"))
}

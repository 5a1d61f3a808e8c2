//! `report.html`: how a run went, for people, as one page without scripts that asks no network. Made of what the run has
//! tallied and of one pass over its lines, so that a run that was killed has the report of one that was not. Whatever comes
//! from pages is escaped and cut, and the page is bounded whatever the run.

mod draw;
mod escape;
mod gather;
mod hosts;
mod page;
mod series;

use std::path::Path;

use jiff::Timestamp;

use super::error::RunError;
use super::summary::Summary;
use crate::parse::RuleSettings;
use crate::store::replace_file;

/// Name of the file in a run directory.
pub const REPORT: &str = "report.html";

/// Writes the report of the run in `dir`, whose lines are all there.
pub fn write(dir: &Path, summary: &Summary<'_>, rules: &[RuleSettings]) -> Result<(), RunError> {
    let started = summary.started.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    let findings = gather::gather(dir, started, summary.tally.records, rules)?;
    Ok(replace_file(&dir.join(REPORT), page::html(summary, &findings).as_bytes())?)
}

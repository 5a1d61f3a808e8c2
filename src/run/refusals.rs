//! The last steps of a crawl. What was found outside of the scope is judged once more, now that all seeds are known;
//! and what was refused, and no other way led to, gets its outcome.
//!
//! Until then every such refusal was open: another page may have led to the same URL within the scope. They stand in
//! the journal, so that it costs no memory but a fingerprint each to wait.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::error::RunError;
use crate::frontier::Admitted;
use crate::pipeline::{Guide, Reason, Stop, Tally, Tools};
use crate::store::Refusals;

/// Refusals in one checkpoint.
const CHECKPOINT: usize = 2048;

/// Admits what lies near a seed that was not known when it was found. Gives how many these are: the crawl goes on
/// with them.
pub fn reopen(journal: &Path, guide: &Guide, stop: &Stop) -> Result<u64, RunError> {
    // A run that ends early leaves them as they are.
    if guide.frontier.refused() == 0 || stop.reason().is_some() || guide.frontier.is_spent() {
        return Ok(0);
    }
    let (mut refusals, mut reopened) = (Refusals::open(journal)?, 0);
    while let Some(some) = refusals.more()? {
        for refusal in some {
            if guide.is_inside_by_now(&refusal) && guide.frontier.admit(refusal.request) == Admitted::New {
                reopened += 1;
            }
        }
    }
    Ok(reopened)
}

/// Settles them, checkpoint by checkpoint; a run that is interrupted goes on here when it is taken up again.
pub async fn settle(journal: &Path, tools: &Tools, tally: &Mutex<Tally>) -> Result<(), RunError> {
    let is_interrupted =
        || matches!(tools.stop.reason(), Some(Reason::Interrupted | Reason::Disk | Reason::Source));
    let frontier = &tools.frontier;
    if frontier.refused() == 0 || is_interrupted() {
        return Ok(());
    }
    let mut refusals = Refusals::open(journal)?;
    let mut dones = Vec::new();
    loop {
        let more = refusals.more()?;
        let is_last = more.is_none();
        let open = more.into_iter().flatten().filter(|refusal| frontier.refuse(refusal.request.key));
        dones.extend(open.map(|refusal| tools.renders.refused(refusal.into_visit())));
        if dones.len() >= CHECKPOINT || (is_last && !dones.is_empty()) {
            let committed = tools.committer.submit(std::mem::take(&mut dones)).await?;
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            committed.settles.iter().for_each(|settle| tally.count(settle));
        }
        if is_last || is_interrupted() {
            return Ok(());
        }
    }
}

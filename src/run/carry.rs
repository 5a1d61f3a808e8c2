//! What a limit left in the queue, handed to the next run, if `limits.keep_queue` asks for it.
//!
//! ```text
//! publication: the journal of the run is renamed to `carried` instead of being removed
//! next start:  what is queued in it ──► journal of the new run (synced) ── then the file goes
//! ```
//!
//! Either step can be repeated: a request that is admitted twice is queued once.

use std::fs;
use std::path::Path;

use super::directory;
use super::error::RunError;
use crate::model::{Changes, Request};
use crate::store::{Commit, Frame, Journal, Known, Layout, Replay, StoreError};

/// Requests in one frame.
const FRAME: usize = 4096;

/// Keeps the journal of a run that left something.
pub fn leave(layout: &Layout, journal: &Path) -> Result<(), RunError> {
    match fs::rename(journal, layout.carried()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(RunError::Io { action: "rename", path: journal.to_owned(), error })
        }
        _ => Ok(()),
    }
}

/// Takes over what the run before has left, if there is anything, and if it is `wanted`.
pub fn take_over(layout: &Layout, journal: &mut Journal, wanted: bool) -> Result<bool, RunError> {
    let path = layout.carried();
    let mut count = 0;
    if wanted && path.exists() {
        let (_, replay) = Replay::of(&path, |_| ())?;
        if replay.finish.is_none() {
            // It was whole when the run before ended: something has cut it, and what it held behind that is unknown.
            let what = "it does not end as the run before left it".to_owned();
            let hint =
                "move it away: what was left in the queue is lost, and the run begins with its sources alone";
            return Err(StoreError::Damaged { path, what, hint }.into());
        }
        let (mut changes, mut fault) = (Changes::default(), None);
        replay.known(&path, |known| {
            let Known::Queued(request) = known else { return };
            changes.admitted.push(Request { attempt: 0, tries: Vec::new(), ..request.clone() });
            count += 1;
            if changes.admitted.len() >= FRAME {
                fault = fault.take().or(admit(journal, std::mem::take(&mut changes)).err());
            }
        })?;
        fault.map_or(Ok(()), Err)?;
        admit(journal, changes)?;
        journal.sync()?;
        tracing::info!(queued = count, "taking over what the run before has left");
    }
    directory::remove(&path)?;
    Ok(count > 0)
}

fn admit(journal: &mut Journal, changes: Changes) -> Result<(), StoreError> {
    journal.append(&Frame::Commit(Commit { changes, ..Commit::default() })).map(drop)
}

//! The thread on which the index follows the journal.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::error::RunError;
use super::start::Taken;
use crate::pipeline::{Reason, Stop};
use crate::store::{Follower, Progress, StoreError, boot_id};

/// The handle of the thread. It ends when all senders of progress are gone.
#[derive(Debug)]
pub struct Following {
    told: mpsc::Receiver<Result<(), StoreError>>,
}

impl Following {
    /// Starts the thread. If the disk is full for the index, the run is asked to end.
    pub fn start(taken: &Taken, stop: Stop) -> Result<(mpsc::Sender<Progress>, Self), RunError> {
        let layout = taken.session.layout.clone();
        let path = layout.sled();
        let follower = Follower {
            snapshot: layout.newest_snapshot()?,
            layout,
            run_id: taken.session.begin.run_id.clone(),
            boot_id: boot_id(),
            committed: taken.journal.frames(),
        };
        let (progress, incoming) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let work = move || {
            let ended = follower.run(&incoming);
            if ended.is_err() {
                stop.drain(Reason::Disk);
            }
            let _ = tell.send(ended);
        };
        let thread = thread::Builder::new().name("index".to_owned()).spawn(work);
        thread.map_err(|error| RunError::Io { action: "start a thread for", path, error })?;
        Ok((progress, Self { told }))
    }

    /// Returns when the index is closed, or after `patience`: what is not closed then is checked by the next start.
    pub fn wait(self, patience: Option<Duration>) -> Result<(), StoreError> {
        match patience {
            None => self.told.recv().unwrap_or(Ok(())),
            Some(patience) => self.told.recv_timeout(patience).unwrap_or(Ok(())),
        }
    }
}

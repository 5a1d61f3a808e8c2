//! How a run is asked to end: first *drain* (no new request, what is in flight may finish), then *drop*
//! (what is still in flight is abandoned and put back).
//!
//! Looked at in three places: where sources are poured in, at the head of the leases, and in `visit`.

use std::sync::Arc;

use tokio::sync::watch;

/// Why a run ends before its work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// SIGINT or SIGTERM.
    Interrupted,
    /// `limits.max_duration` has passed.
    Duration,
    /// `limits.max_bytes` have come over the wire.
    Bytes,
    /// Less disk than `limits.min_free_disk` is free.
    Disk,
    /// A source cannot be read.
    Source,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Level {
    drain: Option<Reason>,
    drop: bool,
}

/// The handle to ask with, and to look at. Clones share it.
#[derive(Clone, Debug)]
pub struct Stop {
    level: Arc<watch::Sender<Level>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { level: Arc::new(watch::Sender::new(Level::default())) }
    }
}

impl Stop {
    /// No new request from now on. The first reason counts.
    pub fn drain(&self, reason: Reason) {
        self.level.send_modify(|level| level.drain = level.drain.or(Some(reason)));
    }

    /// Abandons what is in flight.
    pub fn drop_in_flight(&self) {
        self.level.send_modify(|level| level.drop = true);
    }

    /// Why it was asked to end, if it was.
    pub fn reason(&self) -> Option<Reason> {
        self.level.borrow().drain
    }

    /// Returns once no new request may start.
    pub async fn draining(&self) {
        self.wait(|level| level.drain.is_some()).await;
    }

    /// Returns once what is in flight is to be abandoned.
    pub async fn dropping(&self) {
        self.wait(|level| level.drop).await;
    }

    async fn wait(&self, reached: impl FnMut(&Level) -> bool) {
        // The sender lives in `self`, so the channel cannot be closed here.
        let _ = self.level.subscribe().wait_for(reached).await;
    }
}

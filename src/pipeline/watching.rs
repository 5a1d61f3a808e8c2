//! A fetch as it is seen from outside: by the clock of its host, the gauge of held bytes, and the board.

use std::time::{Duration, Instant};

use super::tasks::{Doing, Escort};
use crate::fetch::Watch;
use crate::frontier::Slot;

/// Tells the frontier how a fetch goes on.
pub struct Watching {
    /// Its place at its host.
    pub slot: Slot,
    /// Bytes are counted as they come: what is half fetched takes memory, too.
    pub escort: Escort,
    /// When the request went out.
    sent: Option<Instant>,
    /// From there to the beginning of its answer.
    pub latency: Duration,
}

impl Watching {
    /// Of a request that has not gone out.
    pub fn new(slot: Slot, escort: Escort) -> Self {
        Self { slot, escort, sent: None, latency: Duration::ZERO }
    }
}

impl Watch for Watching {
    fn grown(&mut self, bytes: u64) {
        self.escort.held.set(bytes);
    }

    fn connecting(&mut self) {
        self.escort.task.is(Doing::Connecting);
        self.slot.connecting();
    }

    fn connected(&mut self) {
        let now = Instant::now();
        self.sent = Some(now);
        self.escort.task.is_since(Doing::Headers, now);
        self.slot.connected();
    }

    fn answering(&mut self) {
        let now = Instant::now();
        self.latency = self.sent.map_or(Duration::ZERO, |sent| now.saturating_duration_since(sent));
        self.escort.task.is_since(Doing::Body, now);
        self.slot.answering();
    }
}

//! What an earlier process knew of a run, put back into its frontier before the flow begins.

use std::slice;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::backlog::BacklogError;
use super::robots::OriginRobots;
use super::states::Frontier;
use crate::model::{Again, Refusal, Request, Wait};

impl Frontier {
    /// A request that was queued or leased.
    pub fn restore(&self, request: &Request, again: Option<&Again>) -> Result<(), BacklogError> {
        if !self.is_new(request.key) {
            return Ok(());
        }
        let now = Instant::now().into_std();
        let wall_ms = self.wall_ms(now);
        let mut state = self.state();
        if let Some(again) = again {
            let due = now + Duration::from_millis(again.wait.left_ms(wall_ms));
            state.front.restore(again.request.clone(), due);
            return Ok(());
        }
        state.front.admit(slice::from_ref(request))
    }

    /// A URL that has its outcome.
    pub fn restore_settled(&self, fingerprint: u64) {
        if self.seen.insert(fingerprint) {
            self.recall_refused(fingerprint);
        }
    }

    /// A URL that was found and refused.
    pub fn restore_refused(&self, refusal: &Refusal) {
        let fingerprint = refusal.request.key.fingerprint();
        if refusal.is_outside {
            self.outside.insert(fingerprint);
        }
        if self.refused.insert(fingerprint) && self.seen.contains(fingerprint) {
            self.readmitted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A page that had ended well.
    pub fn restore_good(&self, host: &str) {
        let mut state = self.state();
        state.pages += 1;
        state.front.gates.had_good(&Arc::from(host));
    }

    /// A wait that a host owes.
    pub fn restore_wait(&self, host: &str, wait: Wait) {
        let now = Instant::now().into_std();
        let due = now + Duration::from_millis(wait.left_ms(self.wall_ms(now)));
        self.state().front.hold(host, due, now);
    }

    /// The robots.txt of an origin.
    pub fn restore_robots(
        &self,
        is_https: bool,
        host: &str,
        origin: OriginRobots,
    ) -> Result<(), BacklogError> {
        self.state().front.gates.restore(is_https, &Arc::from(host), origin)
    }
}

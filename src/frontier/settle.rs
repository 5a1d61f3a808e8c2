//! What a lease comes to: settled by a committed checkpoint, put back, put off, or, for robots.txt, answered.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::robots::Answer;
use super::states::{Frontier, SettledLease};
use crate::model::{Again, Changes, HostWait, Refusal, Request, RobotsNote, Role, Wait};

impl Frontier {
    /// A lease that came to nothing goes back to the head of its host's queue.
    pub fn put_back(&self, request: Request) {
        let mut state = self.state();
        state.returned(&request);
        let put_back = state.front.put_back(request, Instant::now().into_std());
        state.note(put_back);
        drop(state);
        self.moved.notify_one();
    }

    /// A lease that came to nothing is made again after `wait`; its host rests for `host_wait`.
    pub fn put_off(&self, request: Request, wait: Duration, host_wait: Option<Duration>) {
        let now = Instant::now().into_std();
        let wall_ms = self.wall_ms(now);
        let mut state = self.state();
        state.returned(&request);
        if let Some(host_wait) = host_wait {
            state.front.hold(&request.host, now + host_wait, now);
            let wait = Wait::from(wall_ms, millis(host_wait));
            state.pending.waits.push(HostWait { host: request.host.to_string(), wait });
        }
        let again = Again { request: request.clone(), wait: Wait::from(wall_ms, millis(wait)) };
        state.pending.again.push(again);
        let put_off = state.front.put_off(request, now + wait);
        state.note(put_off);
        drop(state);
        self.moved.notify_one();
    }

    /// What a request for robots.txt came to. `sitemaps` makes requests of the sitemaps that it names.
    pub fn robots_answered(
        &self,
        request: &Request,
        answer: Answer,
        note: Option<RobotsNote>,
        sitemaps: impl FnOnce(Vec<String>) -> Vec<Request>,
    ) {
        let Some((is_https, host)) = request.robots_origin() else { return };
        let host: Arc<str> = host.into();
        let mut state = self.state();
        state.asked -= 1;
        let named = state.front.gates.answered(is_https, &host, Instant::now().into_std(), answer);
        state.pending.robots.extend(note);
        state.admit(self.new_ones(sitemaps(named)));
        let reconsidered = state.front.reconsider(&host);
        state.note(reconsidered);
        drop(state);
        self.moved.notify_one();
    }

    /// A request for robots.txt was redirected: its target is asked next, by the clock of its own host.
    pub fn robots_redirected(&self, target: Request) {
        let mut state = self.state();
        state.asked -= 1;
        let asked = state.front.ask(target, Instant::now().into_std());
        state.note(asked);
        drop(state);
        self.moved.notify_one();
    }

    /// For a checkpoint: queues what its visits lead to, and gives all that has changed and stands in no frame yet.
    /// Whatever the visits settle was admitted before, in these changes or in earlier frames.
    pub fn checkpoint(
        &self,
        admits: impl IntoIterator<Item = Request>,
        refuses: impl IntoIterator<Item = Refusal>,
    ) -> Changes {
        let admits = self.new_ones(admits.into_iter().collect());
        let mut state = self.state();
        state.admit(admits);
        for refusal in refuses {
            let fingerprint = refusal.request.key.fingerprint();
            if self.seen.contains(fingerprint) {
                continue;
            }
            let is_first = self.refused.insert(fingerprint);
            if is_first || refusal.is_outside && !self.outside.contains(fingerprint) {
                if refusal.is_outside {
                    self.outside.insert(fingerprint);
                }
                state.pending.refused.push(refusal);
            }
        }
        let pending = std::mem::take(&mut state.pending);
        drop(state);
        self.drained.notify_one();
        pending
    }

    /// These leases are settled by a committed checkpoint.
    pub fn settled(&self, leases: &[SettledLease]) {
        let mut state = self.state();
        state.leased -= leases.len() as u64;
        for lease in leases {
            state.pages -= u64::from(lease.role == Role::Page && !lease.good);
            if state.front.gates.wait_for_settles() {
                state.front.gates.settled(&lease.host, lease.role, lease.depth, lease.good);
                let reconsidered = state.front.reconsider(&lease.host);
                state.note(reconsidered);
            }
        }
        let settled = leases.len() as u64;
        state.careful = state.careful.and_then(|left| left.checked_sub(settled).filter(|left| *left > 0));
        drop(state);
        self.moved.notify_one();
    }
}

/// In whole milliseconds; what no number holds is the largest.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

//! Which hosts are active: there is a place for so many, and those that owe a wait give theirs to others. Pure: time
//! is passed in.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Instant;

use super::backlog::{Backlog, BacklogError, HostLease, HostState};
use super::front::{Active, Front};

/// Requests of a host that are taken from the backlog at once, while there are few hosts and while there are many.
pub(super) const BUFFER: usize = 16;
const SMALL_BUFFER: usize = 4;
/// Clocks of hosts that are not active are looked through no sooner than there are so many.
pub(super) const RESTED: usize = 4096;

impl<B: Backlog> Front<B> {
    /// Borrows hosts from the backlog while there is a place for them.
    pub(super) fn activate(&mut self, now: Instant) -> Result<(), BacklogError> {
        if self.rested.len() >= self.crowded {
            self.rested.retain(|_, clock| !clock.is_plain() || clock.not_before() > now);
            self.crowded = (self.rested.len() * 2).max(RESTED);
        }
        let is_ready = self.order.peek().is_some_and(|Reverse((at, _, _))| *at <= now);
        if self.hosts.len() >= self.max_hosts && !is_ready {
            self.release_waiting(now)?;
        }
        let places = self.max_hosts.saturating_sub(self.hosts.len());
        let buffer = if self.hosts.len() > 512 { SMALL_BUFFER } else { BUFFER };
        for lease in self.backlog.claim(now, places, buffer)? {
            let HostLease { host, requests, not_before } = lease;
            self.buffered += requests.len() as u64;
            if let Some(active) = self.hosts.get_mut(&host) {
                active.is_lent = true;
                active.buffer.extend(requests);
            } else {
                let mut clock = self.clock(&host, not_before);
                clock.hold_until(not_before);
                let active = Active::new(Arc::clone(&host), clock, requests.into(), true);
                self.hosts.insert(Arc::clone(&host), active);
            }
            self.take_turn(&host, None)?;
        }
        Ok(())
    }

    pub(super) fn release(&mut self, host: &str) -> Result<(), BacklogError> {
        let Some((host, active)) = self.hosts.remove_entry(host) else { return Ok(()) };
        let Active { buffer, clock, is_lent, .. } = active;
        let not_before = clock.not_before();
        // Also for one that has nothing else to remember: a retry comes back past the backlog, and owes the delay, too.
        self.rested.insert(Arc::clone(&host), clock);
        self.buffered -= buffer.len() as u64;
        if is_lent {
            let lease = HostLease { host, requests: buffer.into(), not_before };
            self.backlog.release(lease, HostState { not_before })?;
        }
        Ok(())
    }

    /// Makes places: hosts that owe a wait go back to the backlog, so that others get their turn. How many did.
    pub(super) fn release_waiting(&mut self, now: Instant) -> Result<usize, BacklogError> {
        let owing = |active: &Active| {
            active.is_lent
                && active.urgent.is_empty()
                && active.clock.is_idle()
                && active.clock.not_before() > now
        };
        let waiting: Vec<Arc<str>> =
            self.hosts.iter().filter(|(_, active)| owing(active)).map(|(host, _)| Arc::clone(host)).collect();
        for host in &waiting {
            self.release(host)?;
        }
        if !waiting.is_empty() {
            self.order.retain(|Reverse((_, _, host))| self.hosts.contains_key(host));
        }
        Ok(waiting.len())
    }
}

//! The backlog in memory. The frontier journal stands behind it, so nothing here has to survive a crash.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Instant;

use super::backlog::{Backlog, HostLease, HostState, Stats};
use crate::model::Request;

/// The waiting requests of one host. Stands in `due` exactly once unless it is lent.
#[derive(Debug, Default)]
struct Queue {
    requests: VecDeque<Request>,
    lent: bool,
}

/// Requests that wait in memory, host by host.
#[derive(Debug)]
pub struct Local {
    hosts: HashMap<String, Queue>,
    /// Hosts by the time at which they may be asked, then by turn.
    due: BinaryHeap<Reverse<(Instant, u64, String)>>,
    turn: u64,
    queued: u64,
    /// Hosts that were never asked may be asked from here on.
    epoch: Instant,
}

impl Local {
    /// An empty backlog; hosts that come new may be asked from `epoch` on.
    pub fn new(epoch: Instant) -> Self {
        Self { hosts: HashMap::new(), due: BinaryHeap::new(), turn: 0, queued: 0, epoch }
    }

    fn wait(&mut self, host: String, not_before: Instant) {
        self.turn += 1;
        self.due.push(Reverse((not_before, self.turn, host)));
    }
}

impl Backlog for Local {
    fn admit(&mut self, requests: Vec<Request>) {
        self.queued += requests.len() as u64;
        for request in requests {
            if let Some(queue) = self.hosts.get_mut(&request.host) {
                queue.requests.push_back(request);
            } else {
                let host = request.host.clone();
                let queue = Queue { requests: VecDeque::from([request]), lent: false };
                self.hosts.insert(host.clone(), queue);
                self.wait(host, self.epoch);
            }
        }
    }

    fn claim(&mut self, now: Instant, max_hosts: usize, max_requests_per_host: usize) -> Vec<HostLease> {
        let mut lent = Vec::new();
        while lent.len() < max_hosts && self.due.peek().is_some_and(|Reverse((at, _, _))| *at <= now) {
            let Some(Reverse((not_before, _, host))) = self.due.pop() else { break };
            let requests = self.more(&host, max_requests_per_host);
            if requests.is_empty() {
                // It owes no wait any more and has nothing to ask for: forget it.
                self.hosts.remove(&host);
            } else {
                if let Some(queue) = self.hosts.get_mut(&host) {
                    queue.lent = true;
                }
                lent.push(HostLease { host, requests, not_before });
            }
        }
        lent
    }

    fn more(&mut self, host: &str, max_requests: usize) -> Vec<Request> {
        let Some(queue) = self.hosts.get_mut(host) else { return Vec::new() };
        let count = queue.requests.len().min(max_requests);
        self.queued -= count as u64;
        queue.requests.drain(..count).collect()
    }

    fn release(&mut self, lease: HostLease, state: HostState) {
        let HostLease { host, requests, .. } = lease;
        let Some(queue) = self.hosts.get_mut(&host) else { return };
        self.queued += requests.len() as u64;
        for request in requests.into_iter().rev() {
            queue.requests.push_front(request);
        }
        queue.lent = false;
        self.wait(host, state.not_before);
    }

    fn next_due(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, _, _))| *at)
    }

    fn stats(&self) -> Stats {
        Stats { queued: self.queued, hosts: self.due.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_holds() {
        super::super::backlog::contract::holds(Local::new);
    }
}

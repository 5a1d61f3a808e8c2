//! What happens to requests that the front has handed out, and what it means for the clock and the order of their
//! hosts. Pure: time is passed in.

use std::sync::Arc;
use std::time::Instant;

use super::backlog::{Backlog, BacklogError};
use super::front::Front;
use super::host_clock::Report;
use crate::model::{Ending, Request, UrlKey};

impl<B: Backlog> Front<B> {
    /// A request of this host opens a connection.
    pub fn connecting(&mut self, host: &str, key: UrlKey) {
        if let Some(active) = self.hosts.get_mut(host) {
            active.clock.connecting(key);
        }
    }

    /// The connection of a request stands; it goes out now.
    pub fn connected(&mut self, host: &str, key: UrlKey, now: Instant) -> Result<(), BacklogError> {
        if let Some(active) = self.hosts.get_mut(host) {
            active.clock.connected(key, now);
        }
        self.take_turn(host, None)
    }

    /// The answer to a request begins.
    pub fn answering(&mut self, host: &str, key: UrlKey, now: Instant) -> Result<(), BacklogError> {
        if let Some(active) = self.hosts.get_mut(host) {
            active.clock.answering(key, now);
        }
        self.take_turn(host, None)
    }

    /// A request of this host has ended, however it ended; `failure` says how if there was no answer.
    pub fn ended(
        &mut self,
        host: &str,
        key: UrlKey,
        now: Instant,
        report: Report,
        failure: Option<Ending>,
    ) -> Result<(), BacklogError> {
        if let Some(active) = self.hosts.get_mut(host) {
            active.clock.end(key, now, report);
            if active.clock.is_given_up()
                && let Some(last) = failure
            {
                let last_words = last.reason.as_deref().unwrap_or_default();
                let reason =
                    format!("the host was given up after repeated failures, the last of them: {last_words}");
                self.given_up.insert(Arc::clone(&active.name), Ending { reason: Some(reason), ..last });
            }
        }
        self.take_turn(host, None)
    }

    /// A request that was handed out goes back to the head of its host's queue.
    pub fn put_back(&mut self, request: Request, now: Instant) -> Result<(), BacklogError> {
        if let Some((is_https, host)) = request.robots_origin() {
            self.gates.unasked(is_https, &host);
            return self.take_turn(&host, None);
        }
        self.gates.put_back(&request.host, &request, request.tries.is_empty());
        self.buffered += 1;
        self.urge(request, now)
    }

    /// A request that was handed out is made again, not before `due`.
    pub fn put_off(&mut self, request: Request, due: Instant) -> Result<(), BacklogError> {
        self.gates.put_back(&request.host, &request, false);
        // Its place in the budget of its host is free for others until then.
        let waiting = self.take_turn(&request.host, None);
        self.later.put(due, request);
        waiting
    }

    /// The same for one that an earlier process had put off.
    pub fn restore(&mut self, request: Request, due: Instant) {
        self.gates.put_off(&request.host, &request);
        self.later.put(due, request);
    }

    /// A host owes a wait until `due`.
    pub fn hold(&mut self, host: &str, due: Instant, now: Instant) {
        if let Some(active) = self.hosts.get_mut(host) {
            active.clock.hold_until(due);
        } else {
            let host: Arc<str> = Arc::from(host);
            let mut clock = self.clock(&host, now);
            clock.hold_until(due);
            self.rested.insert(host, clock);
        }
    }

    /// A request for robots.txt that is to be made next: where one was redirected to.
    pub fn ask(&mut self, request: Request, now: Instant) -> Result<(), BacklogError> {
        self.asking += 1;
        self.urge(request, now)
    }

    /// The robots.txt of a host is known, or something else has opened a gate.
    pub fn reconsider(&mut self, host: &str) -> Result<(), BacklogError> {
        let crawl_delay = self.gates.crawl_delay(host);
        if let Some(active) = self.hosts.get_mut(host) {
            active.clock.set_crawl_delay(crawl_delay);
        }
        self.take_turn(host, None)
    }
}

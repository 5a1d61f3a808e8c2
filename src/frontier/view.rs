//! The frontier as a person sees it: host by host, how much waits, and until when; and what their robots.txt say.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::host_clock::HostClock;
use super::robots::OriginRobots;
use super::states::Frontier;
use crate::model::Request;

/// One host, now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostView {
    /// Host key.
    pub host: String,
    /// Requests that wait.
    pub queued: u64,
    /// Requests in flight.
    pub in_flight: u64,
    /// Least time between two requests as it is now, in milliseconds.
    pub delay_ms: u64,
    /// In how many milliseconds it may be asked again; 0 for now, none while it has no room.
    pub due_ms: Option<u64>,
    /// Whether it was given up.
    pub is_given_up: bool,
}

impl Frontier {
    /// Has the robots.txt of an origin asked for before any of its pages waits; nothing happens if it is known or
    /// under way, or not obeyed.
    pub fn ask_robots(&self, is_https: bool, host: &str, source: &str) {
        let now = Instant::now().into_std();
        let mut state = self.state();
        if state.front.gates.begin_asking(is_https, &Arc::from(host), now) {
            let asked = state.front.ask(Request::robots(is_https, host, source), now);
            state.note(asked);
        }
        drop(state);
        self.moved.notify_one();
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> u64 {
        self.state().in_flight as u64
    }

    /// Whether all that the sources name is in the queue.
    pub fn is_poured(&self) -> bool {
        self.state().sources_done
    }

    /// What is known of the robots.txt of an origin.
    pub fn robots_of(&self, is_https: bool, host: &str) -> Option<OriginRobots> {
        self.state().front.gates.origin(is_https, host).cloned()
    }

    /// The hosts with the most requests, at most so many, and how many hosts there are in all.
    pub fn hosts(&self, most: usize) -> (Vec<HostView>, u64) {
        let now = Instant::now().into_std();
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let (mut hosts, mut count) = (Vec::new(), 0);
        let state = self.state();
        state.front.hosts(&mut |host, queued, clock, due| {
            count += 1;
            let in_flight = clock.map_or(0, |clock| clock.in_flight() as u64);
            if queued == 0 && in_flight == 0 {
                return;
            }
            let due = clock.map_or(due, HostClock::ready_at);
            hosts.push(HostView {
                host: host.to_owned(),
                queued,
                in_flight,
                delay_ms: clock.map_or(0, |clock| millis(clock.delay())),
                due_ms: due.map(|due| millis(due.saturating_duration_since(now))),
                is_given_up: clock.is_some_and(HostClock::is_given_up),
            });
        });
        drop(state);
        hosts.sort_by(|a, b| (b.queued + b.in_flight, &a.host).cmp(&(a.queued + a.in_flight, &b.host)));
        hosts.truncate(most);
        (hosts, count)
    }
}

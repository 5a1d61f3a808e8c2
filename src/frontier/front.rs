//! Which host is next: the active hosts, ordered by the time at which they may be asked, with a small buffer of
//! requests each. Pure: time is passed in, requests come from a [`Backlog`].

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Instant;

use super::backlog::{Backlog, HostLease, HostState};
use super::politeness::{HostClock, Rules};
use crate::model::Request;

/// Requests of a host that are taken from the backlog at once.
const BUFFER: usize = 16;

/// A host that is lent from the backlog.
#[derive(Debug)]
struct Active {
    buffer: VecDeque<Request>,
    clock: HostClock,
    /// Whether it stands in the order of turns.
    waits_its_turn: bool,
}

/// The hosts that are being asked.
#[derive(Debug)]
pub struct Front<B> {
    backlog: B,
    rules: Rules,
    hosts: HashMap<String, Active>,
    /// Hosts with something to ask for and room to ask, by time, then by turn.
    order: BinaryHeap<Reverse<(Instant, u64, String)>>,
    turn: u64,
    buffered: u64,
    max_hosts: usize,
    /// A resumed run does not know when its hosts were last asked: each first waits its full delay from here.
    resumed: Option<Instant>,
}

impl<B: Backlog> Front<B> {
    /// A front over a backlog with at most `max_hosts` hosts active.
    pub fn new(backlog: B, rules: Rules, max_hosts: usize, resumed: Option<Instant>) -> Self {
        let (hosts, order) = (HashMap::new(), BinaryHeap::new());
        Self { backlog, rules, hosts, order, turn: 0, buffered: 0, max_hosts, resumed }
    }

    /// Takes requests in.
    pub fn admit(&mut self, requests: Vec<Request>) {
        self.backlog.admit(requests);
    }

    /// A request that may go at `now`. Its host counts as asked from then on, until [`Front::answered`].
    pub fn next(&mut self, now: Instant) -> Option<Request> {
        self.activate(now);
        while self.order.peek().is_some_and(|Reverse((at, _, _))| *at <= now) {
            let Some(Reverse((_, _, host))) = self.order.pop() else { break };
            let Some(active) = self.hosts.get_mut(&host) else { continue };
            active.waits_its_turn = false;
            let Some(request) = active.buffer.pop_front() else { continue };
            self.buffered -= 1;
            active.clock.start(now);
            self.take_turn(&host);
            return Some(request);
        }
        None
    }

    /// A request of this host has ended, however it ended.
    pub fn answered(&mut self, host: &str) {
        if let Some(active) = self.hosts.get_mut(host) {
            active.clock.end();
        }
        self.take_turn(host);
    }

    /// A request that was handed out goes back to the head of its host's queue.
    pub fn put_back(&mut self, request: Request) {
        let host = request.host.clone();
        if let Some(active) = self.hosts.get_mut(&host) {
            active.buffer.push_front(request);
            self.buffered += 1;
            self.take_turn(&host);
        } else {
            self.backlog.admit(vec![request]);
        }
    }

    /// When something may become ready by time alone.
    pub fn next_due(&self) -> Option<Instant> {
        let order = self.order.peek().map(|Reverse((at, _, _))| *at);
        let backlog = self.backlog.next_due().filter(|_| self.hosts.len() < self.max_hosts);
        order.into_iter().chain(backlog).min()
    }

    /// Requests that wait, here and in the backlog.
    pub fn queued(&self) -> u64 {
        self.buffered + self.backlog.stats().queued
    }

    /// Borrows hosts from the backlog while there is a place for them.
    fn activate(&mut self, now: Instant) {
        if self.hosts.len() >= self.max_hosts && self.order.peek().is_none_or(|Reverse((at, _, _))| *at > now)
        {
            self.release_waiting(now);
        }
        let places = self.max_hosts.saturating_sub(self.hosts.len());
        for lease in self.backlog.claim(now, places, BUFFER) {
            let allowance = self.rules.of(&lease.host);
            let first =
                self.resumed.map_or(lease.not_before, |at| lease.not_before.max(at + allowance.delay));
            let active = Active {
                buffer: lease.requests.into(),
                clock: HostClock::new(allowance, first),
                waits_its_turn: false,
            };
            self.buffered += active.buffer.len() as u64;
            self.hosts.insert(lease.host.clone(), active);
            self.take_turn(&lease.host);
        }
    }

    /// Puts a host into the order if it has something to ask for and room; gives it back if it is done.
    fn take_turn(&mut self, host: &str) {
        let Some(active) = self.hosts.get_mut(host) else { return };
        if active.waits_its_turn {
            return;
        }
        if active.buffer.is_empty() {
            active.buffer.extend(self.backlog.more(host, BUFFER));
            self.buffered += active.buffer.len() as u64;
        }
        if active.buffer.is_empty() {
            if active.clock.is_idle() {
                self.release(host);
            }
        } else if active.clock.has_room() {
            active.waits_its_turn = true;
            self.turn += 1;
            self.order.push(Reverse((active.clock.not_before(), self.turn, host.to_owned())));
        }
    }

    fn release(&mut self, host: &str) {
        let Some((host, active)) = self.hosts.remove_entry(host) else { return };
        let not_before = active.clock.not_before();
        self.buffered -= active.buffer.len() as u64;
        self.backlog.release(
            HostLease { host, requests: active.buffer.into(), not_before },
            HostState { not_before },
        );
    }

    /// Makes places: hosts that owe a wait go back to the backlog, so that others get their turn.
    fn release_waiting(&mut self, now: Instant) {
        let owing = |active: &Active| active.clock.is_idle() && active.clock.not_before() > now;
        let waiting: Vec<String> =
            self.hosts.iter().filter(|(_, active)| owing(active)).map(|(host, _)| host.clone()).collect();
        for host in &waiting {
            self.release(host);
        }
        if !waiting.is_empty() {
            self.order.retain(|Reverse((_, _, host))| self.hosts.contains_key(host));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::frontier::local::Local;
    use crate::frontier::settings::Politeness;
    use crate::model::canonical;
    use crate::units::Time;

    fn front(epoch: Instant, concurrency: usize, delay: Duration, max_hosts: usize) -> Front<Local> {
        let concurrency = NonZeroUsize::new(concurrency).expect("not zero");
        let settings =
            Politeness { host_concurrency: concurrency, host_delay: Time(delay), ..Politeness::default() };
        Front::new(Local::new(epoch), Rules::new(&settings, &BTreeMap::new()), max_hosts, None)
    }

    fn request(host: usize, page: usize) -> Request {
        Request::seed(&canonical(&format!("http://h{host}/{page}"), None).expect("URL"), "test")
    }

    #[test]
    fn hosts_take_turns() {
        let now = Instant::now();
        let mut front = front(now, 10, Duration::ZERO, 8);
        front.admit((0..3).flat_map(|host| (0..2).map(move |page| request(host, page))).collect());
        let order: Vec<String> = std::iter::from_fn(|| front.next(now)).map(|r| r.url).collect();
        let expected =
            ["http://h0/0", "http://h1/0", "http://h2/0", "http://h0/1", "http://h1/1", "http://h2/1"];
        assert_eq!(order, expected);
    }

    #[test]
    fn what_is_put_back_goes_first_and_obeys_the_delay() {
        let now = Instant::now();
        let mut front = front(now, 1, Duration::from_secs(1), 8);
        front.admit(vec![request(0, 0), request(0, 1)]);
        let first = front.next(now).expect("ready");
        front.put_back(first);
        front.answered("h0");
        assert!(front.next(now).is_none());
        let later = front.next_due().expect("owes a wait");
        assert_eq!(later, now + Duration::from_secs(1));
        assert_eq!(front.next(later).map(|r| r.url).as_deref(), Some("http://h0/0"));
    }

    #[test]
    fn a_resumed_host_first_waits_its_full_delay() {
        let now = Instant::now();
        let mut front = front(now, 1, Duration::from_secs(2), 8);
        front.resumed = Some(now);
        front.admit(vec![request(0, 0)]);
        assert!(front.next(now).is_none());
        assert_eq!(front.next_due(), Some(now + Duration::from_secs(2)));
    }

    proptest! {
        /// Whatever comes in whichever order: no host is asked too early or too often at once, and all is asked once.
        #[test]
        fn delay_and_concurrency_hold(
            hosts in 1..6_usize, pages in 1..12_usize, concurrency in 1..3_usize,
            delay_ms in 0..50_u64, max_hosts in 1..8_usize, took in proptest::collection::vec(1..120_u64, 1..20),
        ) {
            let start = Instant::now();
            let delay = Duration::from_millis(delay_ms);
            let mut front = front(start, concurrency, delay, max_hosts);
            front.admit((0..pages).flat_map(|page| (0..hosts).map(move |host| request(host, page))).collect());
            let mut now = start;
            let mut last: HashMap<String, Instant> = HashMap::new();
            let mut flying: Vec<(Instant, String)> = Vec::new();
            let mut asked = std::collections::HashSet::new();
            for step in 0.. {
                while let Some(request) = front.next(now) {
                    if let Some(before) = last.insert(request.host.clone(), now) {
                        prop_assert!(now - before >= delay);
                    }
                    flying.push((now + Duration::from_millis(took[(step + asked.len()) % took.len()]), request.host.clone()));
                    prop_assert!(flying.iter().filter(|(_, host)| *host == request.host).count() <= concurrency);
                    prop_assert!(asked.insert(request.url));
                }
                flying.sort();
                let due = front.next_due().filter(|at| *at > now);
                let Some(next) = flying.first().map(|(at, _)| *at).into_iter().chain(due).min() else { break };
                now = next;
                while flying.first().is_some_and(|(at, _)| *at <= now) {
                    let (_, host) = flying.remove(0);
                    front.answered(&host);
                }
                prop_assert!(step < 10_000, "nothing moves any more");
            }
            prop_assert_eq!(asked.len(), hosts * pages);
            prop_assert_eq!(front.queued(), 0);
        }
    }
}

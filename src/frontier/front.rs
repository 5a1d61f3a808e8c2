//! Which host is next: the active hosts, ordered by the time at which they may be asked, with a small buffer of
//! requests each. Pure: time is passed in, requests come from a [`Backlog`], and what a request may do is asked of
//! the [`Gates`].

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::slice;
use std::sync::Arc;
use std::time::Instant;

use super::backlog::{Backlog, BacklogError};
use super::gates::{Gate, Gates};
use super::host_clock::HostClock;
use super::later::Later;
use super::places::{BUFFER, RESTED};
use super::politeness::Rules;
use crate::model::{Ending, Request, Role};

/// The most that a buffer holds when requests come in that go before those in it.
const FULL_BUFFER: usize = 64;

/// A host that is being asked.
#[derive(Debug)]
pub struct Active {
    /// Its key, so that whoever has to name it makes no copy.
    pub(super) name: Arc<str>,
    /// What goes before the buffer: robots.txt, and requests that are made again.
    pub(super) urgent: VecDeque<Request>,
    pub(super) buffer: VecDeque<Request>,
    pub clock: HostClock,
    /// Whether the backlog has lent it.
    pub(super) is_lent: bool,
    /// Whether it stands in the order of turns.
    waits_its_turn: bool,
}

/// When a front came to be.
#[derive(Clone, Copy, Debug)]
pub enum Since {
    /// With its run.
    New(Instant),
    /// With a process that took a run up again.
    Resumed(Instant),
}

/// Told of a host: its key, how many of its requests wait, its clock if it has one, and when the backlog would lend it.
pub type EachHost<'a> = dyn FnMut(&str, u64, Option<&HostClock>, Option<Instant>) + 'a;

/// A request whose turn it is.
#[derive(Debug)]
pub enum Turn {
    /// It goes now: its host counts as asked.
    Go(Request),
    /// It ends here, unasked.
    Refuse(Request, Ending),
}

/// The hosts that are being asked.
#[derive(Debug)]
pub struct Front<B> {
    pub(super) backlog: B,
    rules: Rules,
    /// Whether a request may go.
    pub gates: Gates,
    pub(super) hosts: HashMap<Arc<str>, Active>,
    /// Clocks of hosts that are not active and were asked lately, or have more to remember.
    pub(super) rested: HashMap<Arc<str>, HostClock>,
    /// So many of them that it is time to look which have nothing to remember any more.
    pub(super) crowded: usize,
    /// Hosts with something to ask for and room to ask, by time, then by turn.
    pub(super) order: BinaryHeap<Reverse<(Instant, u64, Arc<str>)>>,
    turn: u64,
    pub(super) later: Later,
    /// Requests in buffers, robots.txt not counted.
    pub(super) buffered: u64,
    /// Requests for robots.txt that wait.
    pub(super) asking: u64,
    pub(super) max_hosts: usize,
    /// Hosts that were given up, and how what is left of them ends.
    pub(super) given_up: HashMap<Arc<str>, Ending>,
    epoch: Instant,
    /// A resumed run does not know when its hosts were last asked: each first waits its full delay from here.
    resumed: Option<Instant>,
}

impl<B: Backlog> Front<B> {
    /// A front over a backlog with about `max_hosts` hosts active.
    pub fn new(backlog: B, rules: Rules, gates: Gates, max_hosts: usize, since: Since) -> Self {
        let (epoch, resumed) = match since {
            Since::New(now) => (now, None),
            Since::Resumed(now) => (now, Some(now)),
        };
        Self {
            backlog,
            rules,
            gates,
            hosts: HashMap::new(),
            rested: HashMap::new(),
            crowded: RESTED,
            order: BinaryHeap::new(),
            turn: 0,
            later: Later::default(),
            buffered: 0,
            asking: 0,
            max_hosts,
            given_up: HashMap::new(),
            epoch,
            resumed,
        }
    }

    /// Takes requests in.
    pub fn admit(&mut self, requests: &[Request]) -> Result<(), BacklogError> {
        let mut begin = 0;
        for (at, request) in requests.iter().enumerate() {
            if self.hosts.contains_key(&request.host) {
                self.backlog.admit(&requests[begin..at])?;
                self.admit_active(request)?;
                begin = at + 1;
            }
        }
        self.backlog.admit(&requests[begin..])
    }

    /// Takes in a request of an active host. One that is nearer than what is taken out of the backlog already goes
    /// before that: where a redirect leads is as near as the redirect, and deeper pages may be waiting for it.
    fn admit_active(&mut self, request: &Request) -> Result<(), BacklogError> {
        let host = request.host.clone();
        let buffer = self.hosts.get_mut(&host).map(|active| &mut active.buffer);
        if let Some(buffer) = buffer
            && buffer.back().is_some_and(|last| request.priority < last.priority)
        {
            let at = buffer.partition_point(|other| other.priority <= request.priority);
            buffer.insert(at, request.clone());
            self.buffered += 1;
            if buffer.len() > FULL_BUFFER
                && let Some(last) = buffer.pop_back()
            {
                self.buffered -= 1;
                self.backlog.admit(&[last])?;
            }
        } else {
            self.backlog.admit(slice::from_ref(request))?;
        }
        // A host whose buffer has run dry would not look for more before something of it ends.
        self.take_turn(&host, None)
    }

    /// A request whose turn it is at `now`. One that goes counts as on its way until [`Front::ended`].
    pub fn next(&mut self, now: Instant) -> Result<Option<Turn>, BacklogError> {
        while let Some(request) = self.later.take(now) {
            self.buffered += 1;
            self.urge(request, now)?;
        }
        loop {
            self.activate(now)?;
            if let Some(turn) = self.next_ready(now)? {
                return Ok(Some(turn));
            }
            // All that are here wait by now: if others need not, the next round gives them the places.
            let is_full = self.hosts.len() >= self.max_hosts;
            if !is_full
                || self.backlog.next_due().is_none_or(|at| at > now)
                || self.release_waiting(now)? == 0
            {
                return Ok(None);
            }
        }
    }

    /// A request of the active hosts whose turn it is.
    fn next_ready(&mut self, now: Instant) -> Result<Option<Turn>, BacklogError> {
        while self.order.peek().is_some_and(|Reverse((at, _, _))| *at <= now) {
            let Some(Reverse((_, _, host))) = self.order.pop() else { break };
            let Some(active) = self.hosts.get_mut(&host) else { continue };
            active.waits_its_turn = false;
            let ready = active.clock.ready_from(now);
            if ready.is_none_or(|at| at > now) && !self.given_up.contains_key(&host) {
                // Something has moved its time since it took its turn.
                self.take_turn(&host, ready)?;
                continue;
            }
            if let Some(turn) = self.pick(&host, now)? {
                return Ok(Some(turn));
            }
        }
        Ok(None)
    }

    /// What becomes of the first request of a host whose time has come.
    fn pick(&mut self, host: &Arc<str>, now: Instant) -> Result<Option<Turn>, BacklogError> {
        let Some(active) = self.hosts.get_mut(host) else { return Ok(None) };
        let Some(request) = active.urgent.front().or(active.buffer.front()) else { return Ok(None) };
        let gate = match self.given_up.get(host) {
            // Nor does a robots.txt go there that has moved from another host.
            Some(ending) => Gate::Refuse(ending.clone()),
            None => self.gates.ask(host, request, now)?,
        };
        let turn = match gate {
            Gate::Wait(at) => {
                if let Some(at) = at {
                    // On its clock, so that a host whose robots.txt cannot be had gives its place to others.
                    active.clock.hold_until(at);
                    self.take_turn(host, None)?;
                }
                return Ok(None);
            }
            Gate::Ask(robots) => {
                active.clock.start(robots.key, now);
                Turn::Go(*robots)
            }
            Gate::Open => {
                let Some(request) = self.pop(host, Some(now)) else { return Ok(None) };
                self.gates.leased(host, &request, request.tries.is_empty());
                Turn::Go(request)
            }
            Gate::Refuse(ending) => {
                let Some(request) = self.pop(host, None) else { return Ok(None) };
                self.gates.leased(host, &request, request.tries.is_empty());
                Turn::Refuse(request, ending)
            }
        };
        self.take_turn(host, None)?;
        Ok(Some(turn))
    }

    /// The first request of a host, which is on its way from `start` on if it goes out.
    fn pop(&mut self, host: &str, start: Option<Instant>) -> Option<Request> {
        let active = self.hosts.get_mut(host)?;
        let request = active.urgent.pop_front().or_else(|| active.buffer.pop_front())?;
        if let Some(start) = start {
            active.clock.start(request.key, start);
        }
        if request.role == Role::Robots {
            self.asking -= 1;
        } else {
            self.buffered -= 1;
        }
        Some(request)
    }

    /// When something may become ready by time alone.
    pub fn next_due(&self) -> Option<Instant> {
        let order = self.order.peek().map(|Reverse((at, _, _))| *at);
        let backlog = self.backlog.next_due().filter(|_| self.hosts.len() < self.max_hosts);
        order.into_iter().chain(backlog).chain(self.later.next_due()).min()
    }

    /// Requests that wait, here and in the backlog; those for robots.txt not counted.
    pub fn queued(&self) -> u64 {
        self.buffered + self.later.len() + self.backlog.stats().queued
    }

    /// Whether a request for robots.txt waits.
    pub fn is_asking(&self) -> bool {
        self.asking > 0
    }

    /// Whether a host has a delay, so that it matters when its requests go out.
    pub fn is_timed(&self, host: &str) -> bool {
        self.clock_of(host).is_some_and(|clock| !clock.delay().is_zero())
    }

    /// The clock of an active host.
    fn clock_of(&self, host: &str) -> Option<&HostClock> {
        self.hosts.get(host).map(|active| &active.clock).or_else(|| self.rested.get(host))
    }

    /// Every host that is known here, with how many of its requests wait.
    pub fn hosts(&self, each: &mut EachHost<'_>) {
        let mut here: HashMap<&str, u64> = HashMap::new();
        for (host, active) in &self.hosts {
            here.insert(host, (active.urgent.len() + active.buffer.len()) as u64);
        }
        self.backlog.hosts(&mut |host, queued, due| {
            let own = here.remove(host).unwrap_or(0);
            each(host, queued + own, self.clock_of(host), due);
        });
        for (host, own) in here {
            each(host, own, self.clock_of(host), None);
        }
    }

    /// Puts a request before all others of its host.
    pub(super) fn urge(&mut self, request: Request, now: Instant) -> Result<(), BacklogError> {
        let host = Arc::clone(&request.host);
        if !self.hosts.contains_key(&host) {
            let clock = self.clock(&host, now);
            let active = Active::new(Arc::clone(&host), clock, VecDeque::new(), false);
            self.hosts.insert(Arc::clone(&host), active);
        }
        if let Some(active) = self.hosts.get_mut(&host) {
            if request.role == Role::Robots {
                active.urgent.push_front(request);
            } else {
                active.urgent.push_back(request);
            }
        }
        self.take_turn(&host, None)
    }

    /// The clock of a host that becomes active.
    pub(super) fn clock(&mut self, host: &Arc<str>, not_before: Instant) -> HostClock {
        if let Some(mut clock) = self.rested.remove(host) {
            clock.set_crawl_delay(self.gates.crawl_delay(host));
            return clock;
        }
        let mut clock = HostClock::new(self.rules.of(host), not_before);
        clock.set_crawl_delay(self.gates.crawl_delay(host));
        if let Some(resumed) = self.resumed {
            clock.hold_until(resumed + clock.delay());
        }
        clock
    }

    /// Puts a host into the order if it has something to ask for and room; gives it back if it is done.
    pub(super) fn take_turn(&mut self, host: &str, at: Option<Instant>) -> Result<(), BacklogError> {
        let Some(active) = self.hosts.get_mut(host) else { return Ok(()) };
        if active.waits_its_turn {
            return Ok(());
        }
        if active.buffer.is_empty() && active.is_lent {
            active.buffer.extend(self.backlog.more(host, BUFFER)?);
            self.buffered += active.buffer.len() as u64;
        }
        if active.buffer.is_empty() && active.urgent.is_empty() {
            if active.clock.is_idle() {
                self.release(host)?;
            }
            return Ok(());
        }
        let is_given_up = self.given_up.contains_key(host);
        let ready = if is_given_up { Some(self.epoch) } else { active.clock.ready_at() };
        if let Some(ready) = ready {
            active.waits_its_turn = true;
            self.turn += 1;
            let at = at.map_or(ready, |at| at.max(ready));
            self.order.push(Reverse((at, self.turn, Arc::clone(&active.name))));
        }
        Ok(())
    }
}

impl Active {
    pub(super) fn new(name: Arc<str>, clock: HostClock, buffer: VecDeque<Request>, is_lent: bool) -> Self {
        Self { name, urgent: VecDeque::new(), buffer, clock, is_lent, waits_its_turn: false }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::super::gates::{Limits, Manners};
    use super::super::host_clock::Report;
    use super::super::local::Local;
    use super::super::politeness::Anchor;
    use super::super::robots::{Answer, Policy};
    use super::super::settings::{OnError, Politeness, Retry};
    use super::*;
    use crate::model::canonical;
    use crate::units::Time;

    fn front(since: Since, concurrency: usize, delay: Duration, max_hosts: usize) -> Front<Local> {
        let (Since::New(now) | Since::Resumed(now)) = since;
        let settings = Politeness {
            host_concurrency: NonZeroUsize::new(concurrency).expect("not zero"),
            host_delay: Time(delay),
            ..Politeness::default()
        };
        let anchor = Anchor { instant: now, wall: Timestamp::UNIX_EPOCH };
        let rules = Rules::new(&settings, &Retry::default(), &BTreeMap::new(), anchor);
        Front::new(Local::in_memory(now), rules, Gates::new(Limits::default()), max_hosts, since)
    }

    fn request(host: usize, page: usize) -> Request {
        Request::seed(&canonical(&format!("http://h{host}/{page}"), None).expect("URL"), "test")
    }

    fn admit(front: &mut Front<Local>, requests: impl IntoIterator<Item = Request>) {
        requests.into_iter().for_each(|request| front.admit(&[request]).expect("in memory"));
    }

    fn go(front: &mut Front<Local>, now: Instant) -> Option<Request> {
        match front.next(now).expect("in memory")? {
            Turn::Go(request) => Some(request),
            Turn::Refuse(request, ending) => panic!("{} refused: {ending:?}", request.url),
        }
    }

    fn end(front: &mut Front<Local>, request: &Request, now: Instant) {
        let report = Report::Answered {
            latency: Duration::ZERO,
            is_error: false,
            slow_down: false,
            retry_after: None,
        };
        front.answering(&request.host, request.key, now).expect("in memory");
        front.ended(&request.host, request.key, now, report, None).expect("in memory");
    }

    #[test]
    fn hosts_take_turns() {
        let now = Instant::now();
        let mut front = front(Since::New(now), 10, Duration::ZERO, 8);
        admit(&mut front, (0..3).flat_map(|host| (0..2).map(move |page| request(host, page))));
        let order: Vec<String> =
            std::iter::from_fn(|| go(&mut front, now)).map(|r| r.url.to_string()).collect();
        let expected =
            ["http://h0/0", "http://h1/0", "http://h2/0", "http://h0/1", "http://h1/1", "http://h2/1"];
        assert_eq!(order, expected);
    }

    #[test]
    fn a_host_whose_robots_txt_cannot_be_had_gives_its_place_to_others() {
        let (now, minute) = (Instant::now(), Duration::from_mins(1));
        let mut front = front(Since::New(now), 1, Duration::ZERO, 2);
        let policy = Policy { on_error: OnError::Defer, lifetime: minute * 60, tries: 3, backoff: minute };
        front.gates =
            Gates::new(Limits { manners: Some(Manners { policy, crawl_delay: None }), ..Limits::default() });
        admit(&mut front, (0..6).map(|host| request(host, 0)));
        let mut asked = Vec::new();
        while let Some(robots) = go(&mut front, now) {
            end(&mut front, &robots, now);
            front.gates.answered(false, &Arc::from(&*robots.host), now, Answer::ServerError { status: 503 });
            front.reconsider(&robots.host).expect("in memory");
            asked.push(robots.url);
        }
        let all: Vec<Arc<str>> = (0..6).map(|host| format!("http://h{host}/robots.txt").into()).collect();
        assert_eq!(asked, all);
        assert_eq!(front.next_due(), Some(now + minute));
    }

    #[test]
    fn what_is_put_back_goes_first_and_obeys_the_delay() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut front = front(Since::New(now), 1, second, 8);
        admit(&mut front, [request(0, 0), request(0, 1)]);
        let first = go(&mut front, now).expect("ready");
        end(&mut front, &first, now);
        front.put_back(first, now).expect("in memory");
        assert!(go(&mut front, now).is_none());
        assert_eq!(front.next_due(), Some(now + second));
        assert_eq!(go(&mut front, now + second).map(|r| r.url).as_deref(), Some("http://h0/0"));
    }

    #[test]
    fn what_is_put_off_waits_for_its_time_and_holds_nobody_up() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut front = front(Since::New(now), 1, Duration::ZERO, 8);
        admit(&mut front, [request(0, 0), request(0, 1)]);
        let mut first = go(&mut front, now).expect("ready");
        end(&mut front, &first, now);
        first.attempt = 1;
        front.put_off(first, now + second).expect("in memory");
        assert_eq!(front.queued(), 2);
        let second_page = go(&mut front, now).expect("the next page does not wait");
        assert_eq!(&*second_page.url, "http://h0/1");
        end(&mut front, &second_page, now);
        assert!(go(&mut front, now).is_none());
        assert_eq!(front.next_due(), Some(now + second));
        assert_eq!(go(&mut front, now + second).map(|r| r.attempt), Some(1));
        assert_eq!(front.queued(), 0);
    }

    #[test]
    fn a_resumed_host_first_waits_its_full_delay() {
        let (now, delay) = (Instant::now(), Duration::from_secs(2));
        let mut front = front(Since::Resumed(now), 1, delay, 8);
        admit(&mut front, [request(0, 0)]);
        assert!(go(&mut front, now).is_none());
        assert_eq!(front.next_due(), Some(now + delay));
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
            let mut front = front(Since::New(start), concurrency, delay, max_hosts);
            admit(&mut front, (0..pages).flat_map(|page| (0..hosts).map(move |host| request(host, page))));
            let mut now = start;
            let mut last: HashMap<Arc<str>, Instant> = HashMap::new();
            let mut flying: Vec<(Instant, Request)> = Vec::new();
            let mut asked = HashSet::new();
            for step in 0.. {
                while let Some(request) = go(&mut front, now) {
                    front.connected(&request.host, request.key, now).expect("in memory");
                    if let Some(before) = last.insert(request.host.clone(), now) {
                        prop_assert!(now - before >= delay);
                    }
                    prop_assert!(asked.insert(request.url.clone()));
                    flying.push((now + Duration::from_millis(took[(step + asked.len()) % took.len()]), request.clone()));
                    prop_assert!(flying.iter().filter(|(_, other)| other.host == request.host).count() <= concurrency);
                }
                flying.sort_by_key(|(at, _)| *at);
                let due = front.next_due().filter(|at| *at > now);
                let Some(next) = flying.first().map(|(at, _)| *at).into_iter().chain(due).min() else { break };
                now = next;
                while flying.first().is_some_and(|(at, _)| *at <= now) {
                    let (_, request) = flying.remove(0);
                    end(&mut front, &request, now);
                }
                prop_assert!(step < 10_000, "nothing moves any more");
            }
            prop_assert_eq!(asked.len(), hosts * pages);
            prop_assert_eq!(front.queued(), 0);
        }
    }
}

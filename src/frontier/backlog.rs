//! Where requests wait. A backlog lends hosts with some of their requests and takes them back with the time
//! before which they may not be asked. *When* a request goes is decided by the front, not here.

use std::time::Instant;

use crate::model::Request;

/// A host, lent with some of its requests, in the order in which they go.
#[derive(Debug, PartialEq)]
pub struct HostLease {
    /// Host key.
    pub host: String,
    /// Its first requests. Never empty in a claim.
    pub requests: Vec<Request>,
    /// Before this the host may not be asked.
    pub not_before: Instant,
}

/// How a host comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostState {
    /// Before this it may not be asked again.
    pub not_before: Instant,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests that wait, those lent not counted.
    pub queued: u64,
    /// Hosts that are known and not lent.
    pub hosts: usize,
}

/// The waiting requests of all hosts. Contract: tests in this file, written for any implementation.
pub trait Backlog {
    /// Takes requests in. They are lent in the order in which they came, host by host.
    fn admit(&mut self, requests: Vec<Request>);

    /// Lends up to `max_hosts` hosts that are not lent and may be asked at `now`.
    fn claim(&mut self, now: Instant, max_hosts: usize, max_requests_per_host: usize) -> Vec<HostLease>;

    /// More requests of a host that is lent already.
    fn more(&mut self, host: &str, max_requests: usize) -> Vec<Request>;

    /// Takes a host back. Requests that were not used go to the head of its queue.
    fn release(&mut self, lease: HostLease, state: HostState);

    /// When it is worth to claim again; `None` if nothing waits.
    fn next_due(&self) -> Option<Instant>;

    /// How much waits.
    fn stats(&self) -> Stats;
}

/// The contract, for whatever implementation `empty` makes.
#[cfg(test)]
pub mod contract {
    use std::time::Duration;

    use super::*;
    use crate::model::canonical;

    fn request(url: &str) -> Request {
        Request::seed(&canonical(url, None).expect("test URL"), "test")
    }

    fn urls(requests: &[Request]) -> Vec<&str> {
        requests.iter().map(|request| request.url.as_str()).collect()
    }

    pub fn holds<B: Backlog>(empty: impl Fn(Instant) -> B) {
        let empty = || empty(Instant::now());
        order_is_kept_and_a_lent_host_is_not_lent_again(empty());
        a_host_that_owes_a_wait_is_not_lent_before(empty());
        what_comes_back_goes_first(empty());
        requests_of_a_lent_host_wait_behind_it(empty());
    }

    fn order_is_kept_and_a_lent_host_is_not_lent_again<B: Backlog>(mut backlog: B) {
        let now = Instant::now();
        backlog.admit(vec![request("http://a/1"), request("http://b/1"), request("http://a/2")]);
        assert_eq!(backlog.stats(), Stats { queued: 3, hosts: 2 });
        let lent = backlog.claim(now, 1, 10);
        assert_eq!(lent.len(), 1);
        assert_eq!(urls(&lent[0].requests), ["http://a/1", "http://a/2"]);
        let lent = backlog.claim(now, 10, 10);
        assert_eq!(lent.len(), 1);
        assert_eq!(urls(&lent[0].requests), ["http://b/1"]);
        assert!(backlog.claim(now, 10, 10).is_empty());
        assert_eq!(backlog.stats().queued, 0);
    }

    fn a_host_that_owes_a_wait_is_not_lent_before<B: Backlog>(mut backlog: B) {
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        backlog.admit(vec![request("http://a/1"), request("http://a/2")]);
        let lent = backlog.claim(now, 1, 1).remove(0);
        let spent = HostLease { requests: Vec::new(), ..lent };
        backlog.release(spent, HostState { not_before: later });
        assert!(backlog.claim(now, 1, 1).is_empty());
        assert_eq!(backlog.next_due(), Some(later));
        let lent = backlog.claim(later, 1, 1);
        assert_eq!(urls(&lent[0].requests), ["http://a/2"]);
    }

    fn what_comes_back_goes_first<B: Backlog>(mut backlog: B) {
        let now = Instant::now();
        backlog.admit((1..=3).map(|n| request(&format!("http://a/{n}"))).collect());
        let lent = backlog.claim(now, 1, 2).remove(0);
        backlog.release(lent, HostState { not_before: now });
        let lent = backlog.claim(now, 1, 10);
        assert_eq!(urls(&lent[0].requests), ["http://a/1", "http://a/2", "http://a/3"]);
    }

    fn requests_of_a_lent_host_wait_behind_it<B: Backlog>(mut backlog: B) {
        let now = Instant::now();
        backlog.admit(vec![request("http://a/1")]);
        let lent = backlog.claim(now, 1, 1).remove(0);
        backlog.admit(vec![request("http://a/2")]);
        assert!(backlog.claim(now, 1, 1).is_empty());
        assert_eq!(urls(&backlog.more("a", 5)), ["http://a/2"]);
        backlog.admit(vec![request("http://a/3")]);
        backlog.release(HostLease { requests: Vec::new(), ..lent }, HostState { not_before: now });
        assert_eq!(urls(&backlog.claim(now, 1, 1)[0].requests), ["http://a/3"]);
    }
}

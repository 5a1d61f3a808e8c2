//! Where requests wait. A backlog lends hosts with some of their requests and takes them back with the time
//! before which they may not be asked. *When* a request goes is decided by the front, not here.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use thiserror::Error;

use crate::model::Request;

/// A host, lent with some of its requests, in the order in which they go.
#[derive(Debug, PartialEq)]
pub struct HostLease {
    /// Host key.
    pub host: Arc<str>,
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

/// A backlog that no longer holds what it should. The run ends, and the next start takes every request from the
/// journal again; the backlog that said this is to be dropped.
#[derive(Debug, Error)]
pub enum BacklogError {
    /// The system refused.
    #[error(
        "cannot {action} `{path}`, which holds what of the queue is too much for memory: {error}\nhint: mend that and run again: the run goes on from its journal"
    )]
    Io {
        /// What was tried: `create`, `write`, `read`, ...
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// A file of the queue does not hold what was written to it.
    #[error(
        "`{path}` is damaged at byte {offset}: the queue in it cannot be read back\nhint: run again: the run goes on from its journal and makes the file anew; look at the disk if it comes back"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the broken segment begins.
        offset: u64,
    },
    /// More than 2^32 hosts.
    #[error("more hosts wait than this program can count")]
    TooManyHosts,
    /// A request that cannot be packed or unpacked. No input explains this.
    #[error("a request in the queue cannot be packed or unpacked: {0}\nhint: please report this bug")]
    Packing(#[from] postcard::Error),
}

impl BacklogError {
    /// Names the file in an IO error.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { action, path, error }
    }

    /// Whether the cause is a full disk or quota.
    pub fn is_full(&self) -> bool {
        let Self::Io { error, .. } = self else { return false };
        matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// The waiting requests of all hosts. Of one host those of the lowest `priority` go first, and of those the one that
/// came first. A request comes back with the key of its URL and the host it was admitted under.
/// Contract: tests in this file, written for any implementation.
pub trait Backlog {
    /// Takes requests in.
    fn admit(&mut self, requests: &[Request]) -> Result<(), BacklogError>;

    /// Lends up to `max_hosts` hosts that are not lent and may be asked at `now`.
    fn claim(
        &mut self,
        now: Instant,
        max_hosts: usize,
        max_requests_per_host: usize,
    ) -> Result<Vec<HostLease>, BacklogError>;

    /// More requests of a host, lent or not; none if it has none. Calling it until then empties the queue of a host.
    fn more(&mut self, host: &str, max_requests: usize) -> Result<Vec<Request>, BacklogError>;

    /// Takes a host back. Requests that were not used go to the head of those of their priority.
    fn release(&mut self, lease: HostLease, state: HostState) -> Result<(), BacklogError>;

    /// When it is worth to claim again; `None` if nothing waits.
    fn next_due(&self) -> Option<Instant>;

    /// How much waits.
    fn stats(&self) -> Stats;

    /// Every known host with the number of its waiting requests and, unless it is lent, the time before which it may
    /// not be asked. In no order. Takes time with the number of hosts: for reports.
    fn hosts(&self, each: &mut dyn FnMut(&str, u64, Option<Instant>));
}

/// The contract, for whatever implementation `empty` makes.
#[cfg(test)]
pub mod contract {
    use std::time::Duration;

    use super::*;
    use crate::model::canonical;

    pub fn request(url: &str) -> Request {
        Request::seed(&canonical(url, None).expect("test URL"), "test")
    }

    fn prior(priority: u8, url: &str) -> Request {
        Request { priority, ..request(url) }
    }

    fn urls(requests: &[Request]) -> Vec<&str> {
        requests.iter().map(|request| &*request.url).collect()
    }

    fn admit<B: Backlog>(backlog: &mut B, urls: &[&str]) {
        let all: Vec<Request> = urls.iter().map(|url| request(url)).collect();
        backlog.admit(&all).expect("a sound disk");
    }

    fn claim<B: Backlog>(backlog: &mut B, now: Instant, hosts: usize, requests: usize) -> Vec<HostLease> {
        backlog.claim(now, hosts, requests).expect("a sound disk")
    }

    fn more<B: Backlog>(backlog: &mut B, host: &str, requests: usize) -> Vec<String> {
        let more = backlog.more(host, requests).expect("a sound disk");
        more.into_iter().map(|request| request.url.to_string()).collect()
    }

    fn release<B: Backlog>(backlog: &mut B, lease: HostLease, not_before: Instant) {
        backlog.release(lease, HostState { not_before }).expect("a sound disk");
    }

    fn spent(lease: HostLease) -> HostLease {
        HostLease { requests: Vec::new(), ..lease }
    }

    pub fn holds<B: Backlog>(empty: impl Fn(Instant) -> B) {
        let empty = || empty(Instant::now());
        order_is_kept_and_a_lent_host_is_not_lent_again(empty());
        a_host_that_owes_a_wait_is_not_lent_before(empty());
        what_comes_back_goes_first(empty());
        requests_of_a_lent_host_wait_behind_it(empty());
        the_lowest_priority_goes_first_also_of_what_came_later(empty());
        what_comes_back_goes_first_within_its_priority(empty());
        requests_come_back_whole(empty());
        a_host_is_listed_with_what_waits(empty());
        more_empties_a_host_lent_or_not(empty());
    }

    fn order_is_kept_and_a_lent_host_is_not_lent_again<B: Backlog>(mut backlog: B) {
        let now = Instant::now();
        admit(&mut backlog, &["http://a/1", "http://b/1", "http://a/2"]);
        assert_eq!(backlog.stats(), Stats { queued: 3, hosts: 2 });
        let lent = claim(&mut backlog, now, 1, 10);
        assert_eq!(lent.len(), 1);
        assert_eq!(urls(&lent[0].requests), ["http://a/1", "http://a/2"]);
        let lent = claim(&mut backlog, now, 10, 10);
        assert_eq!(lent.len(), 1);
        assert_eq!(urls(&lent[0].requests), ["http://b/1"]);
        assert!(claim(&mut backlog, now, 10, 10).is_empty());
        assert_eq!(backlog.stats(), Stats { queued: 0, hosts: 0 });
        assert_eq!(backlog.next_due(), None);
    }

    fn a_host_that_owes_a_wait_is_not_lent_before<B: Backlog>(mut backlog: B) {
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        admit(&mut backlog, &["http://a/1", "http://a/2"]);
        let lent = claim(&mut backlog, now, 1, 1).remove(0);
        release(&mut backlog, spent(lent), later);
        assert!(claim(&mut backlog, now, 1, 1).is_empty());
        assert_eq!(backlog.next_due(), Some(later));
        let lent = claim(&mut backlog, later, 1, 1);
        assert_eq!(urls(&lent[0].requests), ["http://a/2"]);
        assert_eq!(lent[0].not_before, later);
    }

    fn what_comes_back_goes_first<B: Backlog>(mut backlog: B) {
        let now = Instant::now();
        admit(&mut backlog, &["http://a/1", "http://a/2", "http://a/3"]);
        let lent = claim(&mut backlog, now, 1, 2).remove(0);
        release(&mut backlog, lent, now);
        assert_eq!(backlog.stats(), Stats { queued: 3, hosts: 1 });
        let lent = claim(&mut backlog, now, 1, 10);
        assert_eq!(urls(&lent[0].requests), ["http://a/1", "http://a/2", "http://a/3"]);
    }

    fn requests_of_a_lent_host_wait_behind_it<B: Backlog>(mut backlog: B) {
        let now = Instant::now();
        admit(&mut backlog, &["http://a/1"]);
        let lent = claim(&mut backlog, now, 1, 1).remove(0);
        admit(&mut backlog, &["http://a/2"]);
        assert!(claim(&mut backlog, now, 1, 1).is_empty());
        assert_eq!(more(&mut backlog, "a", 5), ["http://a/2"]);
        admit(&mut backlog, &["http://a/3"]);
        release(&mut backlog, spent(lent), now);
        assert_eq!(urls(&claim(&mut backlog, now, 1, 1)[0].requests), ["http://a/3"]);
    }

    fn the_lowest_priority_goes_first_also_of_what_came_later<B: Backlog>(mut backlog: B) {
        let now = Instant::now();
        let all =
            [(7, "http://a/1"), (0, "http://a/2"), (7, "http://a/3"), (255, "http://a/4"), (0, "http://a/5")];
        backlog.admit(&all.map(|(priority, url)| prior(priority, url))).expect("a sound disk");
        let lent = claim(&mut backlog, now, 1, 3).remove(0);
        assert_eq!(urls(&lent.requests), ["http://a/2", "http://a/5", "http://a/1"]);
        backlog.admit(&[prior(3, "http://a/6")]).expect("a sound disk");
        assert_eq!(more(&mut backlog, "a", 9), ["http://a/6", "http://a/3", "http://a/4"]);
    }

    fn what_comes_back_goes_first_within_its_priority<B: Backlog>(mut backlog: B) {
        let now = Instant::now();
        let all = [(1, "http://a/1"), (1, "http://a/2"), (0, "http://a/3"), (1, "http://a/4")];
        backlog.admit(&all.map(|(priority, url)| prior(priority, url))).expect("a sound disk");
        let lent = claim(&mut backlog, now, 1, 3).remove(0);
        assert_eq!(urls(&lent.requests), ["http://a/3", "http://a/1", "http://a/2"]);
        backlog.admit(&[prior(0, "http://a/5")]).expect("a sound disk");
        release(&mut backlog, lent, now);
        let lent = claim(&mut backlog, now, 1, 9).remove(0);
        let expected = ["http://a/3", "http://a/5", "http://a/1", "http://a/2", "http://a/4"];
        assert_eq!(urls(&lent.requests), expected);
    }

    fn requests_come_back_whole<B: Backlog>(mut backlog: B) {
        let whole = Request {
            depth: 3,
            discovered_from: Some("https://a:81/from".into()),
            trail: vec!["http://b/".to_owned()],
            base_url: Some("http://c/".to_owned()),
            attempt: 2,
            priority: 4,
            hops: 1,
            hint: Some(Box::default()),
            tries: vec![crate::model::Try { at_ms: -1, why: "reset".to_owned() }],
            ..request("http://a:81/x?y=z")
        };
        backlog.admit(std::slice::from_ref(&whole)).expect("a sound disk");
        let mut lent = claim(&mut backlog, Instant::now(), 1, 1).remove(0);
        assert_eq!(&*lent.host, "a:81");
        assert_eq!(lent.requests, std::slice::from_ref(&whole));
        // One that was tried comes back longer than it went.
        lent.requests[0].attempt = u32::MAX;
        let tried = Request { attempt: u32::MAX, ..whole };
        release(&mut backlog, lent, Instant::now());
        assert_eq!(claim(&mut backlog, Instant::now(), 1, 1)[0].requests, [tried]);
    }

    fn a_host_is_listed_with_what_waits<B: Backlog>(mut backlog: B) {
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        admit(&mut backlog, &["http://a/1", "http://b/1", "http://a/2", "http://b/2", "http://b/3"]);
        let lent = claim(&mut backlog, now, 1, 1).remove(0);
        let listed = |backlog: &B| {
            let mut listed = Vec::new();
            backlog.hosts(&mut |host, queued, not_before| {
                listed.push((host.to_owned(), queued, not_before.map(|at| at > now)));
            });
            listed.sort();
            listed
        };
        assert_eq!(listed(&backlog), [("a".to_owned(), 1, None), ("b".to_owned(), 3, Some(false))]);
        release(&mut backlog, lent, later);
        assert_eq!(listed(&backlog), [("a".to_owned(), 2, Some(true)), ("b".to_owned(), 3, Some(false))]);
    }

    fn more_empties_a_host_lent_or_not<B: Backlog>(mut backlog: B) {
        admit(&mut backlog, &["http://a/1", "http://a/2", "http://a/3", "http://b/1"]);
        assert_eq!(more(&mut backlog, "a", 2), ["http://a/1", "http://a/2"]);
        assert_eq!(more(&mut backlog, "a", 2), ["http://a/3"]);
        assert!(more(&mut backlog, "a", 2).is_empty());
        assert!(more(&mut backlog, "c", 2).is_empty());
        let lent = claim(&mut backlog, Instant::now(), 9, 9);
        assert_eq!(lent.iter().map(|lease| &*lease.host).collect::<Vec<_>>(), ["b"]);
        assert_eq!(backlog.stats(), Stats { queued: 0, hosts: 0 });
    }
}

//! What is asked for again, and when: a pure table. It waits for nothing, draws no random numbers and knows no
//! host; whoever asks it queues the request again.

use std::time::Duration;

use super::retry_after::retry_after;
use crate::model::{Failure, Outcome, UrlKey};

/// What a job tries again.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// How often a request is made again.
    pub max_retries: u32,
    /// HTTP statuses that are asked for again.
    pub http_codes: Vec<u16>,
    /// Wait before the first retry.
    pub initial: Duration,
    /// By how much each further wait is longer.
    pub factor: f64,
    /// Longest wait of the backoff.
    pub max: Duration,
    /// By what part, 0 to 1, a wait is made longer or shorter.
    pub jitter: f64,
    /// Longest `Retry-After` that is obeyed; `None` to obey none.
    pub max_retry_after: Option<Duration>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// There was no answer, or no whole one.
    Failure {
        /// Why.
        failure: &'a Failure,
        /// Whether this attempt was made again at once already, because its connection had grown stale.
        was_stale: bool,
    },
    /// There was an answer.
    Status {
        /// Its HTTP status.
        status: u16,
        /// Its `Retry-After` header.
        retry_after: Option<&'a str>,
    },
}

/// A request is to be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// How long the request waits, from now.
    pub wait: Duration,
    /// How long the whole host is to be left alone, from now: what its `Retry-After` says, capped.
    pub host_wait: Option<Duration>,
    /// Whether it counts as a further attempt.
    pub counts: bool,
}

/// Whether and when a request is made again after `attempt` earlier attempts (0 for the first try), at `now` in
/// seconds since 1970. `key` spreads the waits of requests that failed together; the same request always gets the
/// same wait.
pub fn again(policy: &Policy, key: UrlKey, attempt: u32, what: What<'_>, now: i64) -> Option<Again> {
    match what {
        What::Failure { failure, was_stale: false } if failure.stale => {
            // The server had closed a standing connection: the request may never have been looked at.
            return Some(Again { wait: Duration::ZERO, host_wait: None, counts: false });
        }
        What::Failure { failure, .. } if !is_transient(failure.cause) => return None,
        What::Status { status, .. } if !policy.http_codes.contains(&status) => return None,
        _ => {}
    }
    if attempt >= policy.max_retries {
        return None;
    }
    let header = match what {
        What::Status { retry_after, .. } => retry_after,
        What::Failure { .. } => None,
    };
    let host_wait = host_wait(policy, header, now);
    let wait = backoff(policy, key, attempt).max(host_wait.unwrap_or_default());
    Some(Again { wait, host_wait, counts: true })
}

/// How long a host is to be left alone by a `Retry-After` of any answer of it, tried again or not: capped, and
/// `None` where the header says nothing or is not obeyed.
pub fn host_wait(policy: &Policy, header: Option<&str>, now: i64) -> Option<Duration> {
    let most = policy.max_retry_after?;
    retry_after(header?, now).map(|wait| wait.min(most))
}

/// Whether asking again may help: the way to the answer was at fault, not the address, the certificate or the
/// answer itself. A name that cannot be resolved may be one that could not be resolved just now.
fn is_transient(cause: Outcome) -> bool {
    matches!(cause, Outcome::ConnectError | Outcome::NetworkError | Outcome::Timeout | Outcome::DnsError)
}

/// `initial * factor ^ attempt`, moved by the jitter, at most `max`.
fn backoff(policy: &Policy, key: UrlKey, attempt: u32) -> Duration {
    let steps = i32::try_from(attempt).unwrap_or(i32::MAX);
    let longest = policy.max.as_secs_f64();
    // Kept finite, because nothing times infinity is not nothing.
    let grown = policy.factor.max(1.0).powi(steps).min(f64::MAX);
    let even = (policy.initial.as_secs_f64() * grown).min(longest);
    let moved = even * (1.0 + policy.jitter.clamp(0.0, 1.0) * spread(key, attempt));
    // Half a nanosecond of a long wait may be lost; that is all a float cannot hold here.
    Duration::try_from_secs_f64(moved).unwrap_or(policy.max).min(policy.max)
}

/// A number from -1 to 1 that depends on the request and the attempt alone.
fn spread(key: UrlKey, attempt: u32) -> f64 {
    let mut bytes = [0; 20];
    bytes[..16].copy_from_slice(&key.to_bytes());
    bytes[16..].copy_from_slice(&attempt.to_be_bytes());
    let [.., high, low] = xxhash_rust::xxh3::xxh3_64(&bytes).to_be_bytes();
    f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX) * 2.0 - 1.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Stage;

    fn policy() -> Policy {
        Policy {
            max_retries: 2,
            http_codes: vec![429, 503],
            initial: Duration::from_secs(1),
            factor: 2.0,
            max: Duration::from_mins(2),
            jitter: 0.0,
            max_retry_after: Some(Duration::from_mins(5)),
        }
    }

    fn key() -> UrlKey {
        UrlKey::of("http://a.test/")
    }

    fn status(status: u16, retry_after: Option<&str>) -> What<'_> {
        What::Status { status, retry_after }
    }

    /// The wait of the request and of its host, in seconds.
    fn waits(policy: &Policy, attempt: u32, what: What<'_>) -> Option<(u64, Option<u64>)> {
        let again = again(policy, key(), attempt, what, 0)?;
        assert!(again.counts);
        Some((again.wait.as_secs(), again.host_wait.map(|wait| wait.as_secs())))
    }

    #[test]
    fn the_causes_that_are_tried_again() {
        let failure = |cause| Failure::new(Stage::Transfer, cause, "");
        let again: Vec<_> = Outcome::ALL
            .iter()
            .filter(|cause| {
                let failure = failure(**cause);
                again(&policy(), key(), 0, What::Failure { failure: &failure, was_stale: false }, 0).is_some()
            })
            .map(|cause| cause.name())
            .collect();
        assert_eq!(again, ["dns_error", "connect_error", "timeout", "network_error"]);
    }

    #[test]
    fn the_statuses_that_are_tried_again() {
        for (code, attempt, expected) in [
            (429, 0, Some((1, None))),
            (503, 1, Some((2, None))),
            (503, 2, None),
            (503, u32::MAX, None),
            (500, 0, None),
            (404, 0, None),
            (200, 0, None),
        ] {
            assert_eq!(waits(&policy(), attempt, status(code, None)), expected, "{code} {attempt}");
        }
    }

    #[test]
    fn a_retry_after_lengthens_the_wait_up_to_its_cap() {
        let cases = [
            (Some("30"), Some((30, Some(30)))),
            (Some("0"), Some((1, Some(0)))),
            (Some("301"), Some((300, Some(300)))),
            (Some("18446744073709551615"), Some((300, Some(300)))),
            (Some("Thu, 01 Jan 1970 00:00:40 GMT"), Some((40, Some(40)))),
            (Some("soon"), Some((1, None))),
            (None, Some((1, None))),
        ];
        for (header, expected) in cases {
            assert_eq!(waits(&policy(), 0, status(503, header)), expected, "{header:?}");
        }
        let deaf = Policy { max_retry_after: None, ..policy() };
        assert_eq!(waits(&deaf, 0, status(503, Some("30"))), Some((1, None)));
        assert_eq!(waits(&policy(), 2, status(503, Some("30"))), None, "no retry is left");
        assert_eq!(host_wait(&policy(), Some("30"), 0), Some(Duration::from_secs(30)), "but the host waits");
    }

    #[test]
    fn a_stale_connection_is_tried_again_at_once_and_once() {
        let failure = Failure { stale: true, ..Failure::new(Stage::Transfer, Outcome::NetworkError, "") };
        let what = |was_stale| What::Failure { failure: &failure, was_stale };
        let at_once = Again { wait: Duration::ZERO, host_wait: None, counts: false };
        for attempt in 0..4 {
            assert_eq!(again(&policy(), key(), attempt, what(false), 0), Some(at_once), "{attempt}");
        }
        assert_eq!(waits(&policy(), 0, what(true)), Some((1, None)));
        assert_eq!(waits(&policy(), 2, what(true)), None);
    }

    #[test]
    fn waits_grow_to_their_longest() {
        let policy = Policy { max_retries: u32::MAX, ..policy() };
        let waits = |policy: &Policy, attempts: [u32; 5]| {
            attempts.map(|attempt| waits(policy, attempt, status(503, None)).expect("again").0)
        };
        assert_eq!(waits(&policy, [0, 1, 6, 7, u32::MAX - 1]), [1, 2, 64, 120, 120]);
        let shrinking = Policy { factor: 0.5, ..policy.clone() };
        assert_eq!(waits(&shrinking, [0, 1, 2, 3, 4]), [1; 5], "a wait never shrinks");
        let none = Policy { initial: Duration::ZERO, jitter: 1.0, ..policy.clone() };
        assert_eq!(waits(&none, [0, 1, 2, 3, u32::MAX - 1]), [0; 5]);
        let endless = Policy { initial: Duration::MAX, max: Duration::MAX, jitter: 1.0, ..policy };
        assert!(waits(&endless, [0, 1, 2, 3, 4]).into_iter().all(|wait| wait > 0), "and no clock overflows");
    }

    #[test]
    fn jitter_spreads_what_failed_together() {
        let policy = Policy { jitter: 0.25, max: Duration::from_secs(100), ..policy() };
        let wait = |page: u32| {
            let again = again(&policy, UrlKey::of(&page.to_string()), 0, status(503, None), 0);
            again.expect("again").wait.as_secs_f64()
        };
        let waits: Vec<f64> = (0..1000).map(wait).collect();
        assert_eq!(waits, (0..1000).map(wait).collect::<Vec<_>>(), "the same each time");
        let parts = [(0.75, 0.85), (0.85, 0.95), (0.95, 1.05), (1.05, 1.15), (1.15, 1.26)];
        for (from, to) in parts {
            let within = waits.iter().filter(|wait| (from..to).contains(*wait)).count();
            assert!((150..250).contains(&within), "{within} of 1000 from {from} to {to}");
        }
    }

    proptest! {
        #[test]
        fn a_wait_lies_within_its_bounds(attempt in 0..40_u32, jitter in 0.0..1.0_f64, factor in 1.0..4.0_f64, url in "[a-z]{1,9}") {
            let policy = Policy { max_retries: 100, jitter, factor, ..policy() };
            let again = again(&policy, UrlKey::of(&url), attempt, status(503, None), 0).expect("again");
            let even = factor.powi(i32::try_from(attempt).expect("small")).min(120.0);
            let wait = again.wait.as_secs_f64();
            prop_assert!(wait <= 120.0 && wait >= even * (1.0 - jitter) - 1e-6 && wait <= even * (1.0 + jitter) + 1e-6);
        }
    }
}

//! The `[politeness]` and `[retry]` tables: values and their defaults. What they mean happens in `politeness` and
//! `host_clock`, and, for what is asked for again, in the rooms that are handed them.

use std::borrow::Cow;
use std::num::{NonZeroU32, NonZeroUsize};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::units::Time;

/// The `[politeness]` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Politeness {
    /// Requests in flight at once, all hosts together.
    pub max_concurrency: NonZeroUsize,
    /// Requests in flight at once for one host.
    pub host_concurrency: NonZeroUsize,
    /// Least time between two requests to one host, as the host sees it: counted from when the earlier one had
    /// certainly been received.
    pub host_delay: Time,
    /// Whether robots.txt is obeyed.
    pub obey_robots: bool,
    /// Whether a `Crawl-delay` in robots.txt is obeyed where it is longer than `host_delay`.
    pub obey_crawl_delay: bool,
    /// Longest `Crawl-delay` that is waited for. The pages of a host that asks for more are skipped.
    pub max_crawl_delay: Time,
    /// What is done while the robots.txt of a host cannot be had, because the host does not answer or answers with
    /// a server error.
    pub robots_on_5xx: OnError,
    /// How long a robots.txt is good for before it is asked for again.
    pub robots_lifetime: Time,
    /// Whether hosts that answer slowly are asked less often.
    pub autothrottle: Autothrottle,
    /// Whether a host that says `Retry-After` is left alone for as long as it says.
    pub respect_retry_after: bool,
    /// Longest `Retry-After` that is waited for; a longer one counts as this.
    pub max_retry_after: Time,
}

/// What is done while the robots.txt of a host cannot be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Its pages wait, and robots.txt is asked for again.
    #[default]
    Defer,
    /// Its pages are taken as forbidden.
    Disallow,
    /// Its pages are taken as allowed.
    Allow,
}

/// The `politeness.autothrottle` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Autothrottle {
    /// Whether the delay of a host follows how fast it answers. It never falls below `host_delay`.
    pub enabled: bool,
    /// How many requests a host is to have in flight on average: the delay moves towards latency divided by this.
    pub target: Number,
    /// Longest delay that a slow host brings about.
    pub max_delay: Time,
}

/// The `[retry]` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// How often a request that came to nothing is made again.
    pub max_retries: u32,
    /// HTTP statuses that are asked for again, besides requests without an answer.
    pub http_codes: Vec<u16>,
    /// How long a request waits before it is made again.
    pub backoff: Backoff,
    /// After so many requests in a row without an answer a host is set aside.
    pub host_failures: NonZeroU32,
    /// How long a host is set aside before a single request tries it again; twice as long after each further failure.
    pub host_pause: Time,
    /// After so many such tries without an answer a host is given up: what still waits for it fails.
    pub host_probes: u32,
}

/// The `retry.backoff` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Backoff {
    /// Wait before the first retry.
    pub initial: Time,
    /// By how much each further wait is longer than the one before.
    pub factor: Number,
    /// Longest wait.
    pub max: Time,
    /// By what part a wait is made longer or shorter, so that requests that failed together do not come back
    /// together: 0.25 for a quarter.
    pub jitter: Number,
}

/// A number of 0 or more: finite, so that settings can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Number(f64);

/// It is never NaN: [`Number::new`] and the reader see to that.
impl Eq for Number {}

impl Number {
    /// What is neither finite nor 0 or more becomes 0.
    pub const fn new(number: f64) -> Self {
        Self(if number.is_finite() && number > 0.0 { number } else { 0.0 })
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        if number.is_finite() && number >= 0.0 {
            Ok(Self::new(number))
        } else {
            Err(D::Error::custom(format!("`{number}` is not a number of 0 or more")))
        }
    }
}

impl JsonSchema for Number {
    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "description": "A number of 0 or more, such as 0.5" })
    }
}

impl Default for Politeness {
    fn default() -> Self {
        Self {
            max_concurrency: NonZeroUsize::MIN.saturating_add(63),
            host_concurrency: NonZeroUsize::MIN.saturating_add(1),
            host_delay: Time::secs(1),
            obey_robots: true,
            obey_crawl_delay: true,
            max_crawl_delay: Time::secs(60),
            robots_on_5xx: OnError::Defer,
            robots_lifetime: Time::secs(24 * 3600),
            autothrottle: Autothrottle::default(),
            respect_retry_after: true,
            max_retry_after: Time::secs(5 * 60),
        }
    }
}

impl Default for Autothrottle {
    fn default() -> Self {
        Self { enabled: false, target: Number::new(1.0), max_delay: Time::secs(60) }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_retries: 2,
            http_codes: vec![408, 425, 429, 500, 502, 503, 504],
            backoff: Backoff::default(),
            host_failures: NonZeroU32::MIN.saturating_add(7),
            host_pause: Time::secs(30),
            host_probes: 3,
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Time::secs(1),
            factor: Number::new(2.0),
            max: Time::secs(120),
            jitter: Number::new(0.25),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_finite_and_not_below_zero() {
        let read = |text: &str| toml::from_str::<Backoff>(text).map(|backoff| backoff.jitter.get());
        assert_eq!(read("jitter = 0.5"), Ok(0.5));
        assert_eq!(read("jitter = 1"), Ok(1.0));
        for text in ["jitter = -0.1", "jitter = nan", "jitter = inf"] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains("is not a number of 0 or more"), "{error}");
        }
    }

    #[test]
    fn the_tables_read_as_they_are_documented() {
        let text =
            "robots_on_5xx = 'disallow'\nautothrottle = { enabled = true, target = 2.0, max_delay = '5s' }";
        let read: Politeness = toml::from_str(text).expect("a table");
        let autothrottle = Autothrottle { enabled: true, target: Number::new(2.0), max_delay: Time::secs(5) };
        let expected = Politeness { robots_on_5xx: OnError::Disallow, autothrottle, ..Politeness::default() };
        assert_eq!(read, expected);
        assert!(toml::from_str::<Retry>("host_failures = 0").is_err(), "a host would be set aside untried");
        assert!(toml::from_str::<Retry>("tries = 3").is_err(), "an unknown key");
    }
}

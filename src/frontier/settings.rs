//! The `[politeness]` and `[retry]` tables.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Time;

/// The `[politeness]` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Politeness {
    /// Requests in flight at once, all hosts together.
    pub max_concurrency: NonZeroUsize,
    /// Requests in flight at once for one host.
    pub host_concurrency: NonZeroUsize,
    /// Least time between the starts of two requests to one host.
    pub host_delay: Time,
}

/// The `[retry]` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// How often a request whose connection failed is asked for again. An answer, whatever its status, is never asked for again.
    pub max_retries: u32,
}

impl Default for Politeness {
    fn default() -> Self {
        Self {
            max_concurrency: NonZeroUsize::MIN.saturating_add(63),
            host_concurrency: NonZeroUsize::MIN.saturating_add(1),
            host_delay: Time::secs(1),
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_retries: 1 }
    }
}

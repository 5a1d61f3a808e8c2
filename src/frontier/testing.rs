//! Frontiers for tests: no robots.txt, all in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::gates::Limits;
use super::overflow::Overflow;
use super::politeness::{Anchor, Rules};
use super::settings::{Politeness, Retry};
use super::states::{Bounds, Frontier, Setup};
use crate::units::Time;

/// A frontier without delays that leases at most so many pages.
///
/// # Panics
///
/// Never: nothing is written.
pub fn frontier(max_pages: Option<u64>) -> Arc<Frontier> {
    with(Duration::ZERO, Bounds { max_concurrency: 4, memory: 1 << 20, max_pages, careful: None })
}

/// A frontier that keeps a delay between two requests to one host.
///
/// # Panics
///
/// Never: nothing is written.
pub fn polite(delay: Duration, max_concurrency: usize) -> Arc<Frontier> {
    with(delay, Bounds { max_concurrency, memory: 1 << 20, max_pages: None, careful: None })
}

fn with(delay: Duration, bounds: Bounds) -> Arc<Frontier> {
    let settings = Politeness { host_delay: Time(delay), ..Politeness::default() };
    let anchor = Anchor { instant: Instant::now().into_std(), wall: Timestamp::UNIX_EPOCH };
    let setup = Setup {
        rules: Rules::new(&settings, &Retry::default(), &BTreeMap::new(), anchor),
        limits: Limits::default(),
        bounds,
        overflow: Overflow { dir: std::env::temp_dir().join("trawl-test-unused"), memory: 1 << 30 },
        is_resumed: false,
        wall: Timestamp::UNIX_EPOCH,
    };
    Arc::new(Frontier::new(setup).expect("in memory"))
}

//! What every test stands on: a server in this process, the built program on a temporary directory, and
//! an examiner of what a run left. It knows the documented contract only, nothing of the program's inside.
#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

pub mod answer;
pub mod crawl;
pub mod dataset;
pub mod example_site;
pub mod faults;
pub mod machine;
pub mod outputs;
pub mod postgres;
pub mod site;
pub mod warc;
pub mod web;

pub use answer::{Answer, Gate};
pub use crawl::{Crawl, Run, Running};
pub use dataset::Dataset;
pub use example_site::ExampleSite;
pub use site::Site;
pub use web::Web;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Longest time that anything in a test may take before it counts as hung.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Polls until `probe` gives a value. Panics with `what` when it takes too long.
pub fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Numbers that look random and can be had again from their seed (`SplitMix64`).
pub struct Dice(AtomicU64);

impl Dice {
    /// The same seed gives the same numbers.
    pub fn of(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A seed from `TRAWL_TEST_SEED`, else from the clock. Printed, so that a failure can be had again.
    pub fn thrown(what: &str) -> Self {
        let seed = std::env::var("TRAWL_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(1, |now| u64::from(now.subsec_nanos()) ^ now.as_secs())
        });
        eprintln!("{what}: TRAWL_TEST_SEED={seed}");
        Self::of(seed)
    }

    /// The next number.
    pub fn next(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Whether something comes true that does so so many times in a hundred.
    pub fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// An index below `len`.
    pub fn index(&self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("a small number")
    }

    /// A number below `end`.
    pub fn below(&self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}

//! How long fetches took, counted so that any share of them can be told within one part in 32: durations that agree in
//! their first six binary digits are counted together. Takes a few kilobytes, whatever is counted.

use std::collections::BTreeMap;

/// Binary digits of a duration that are kept.
const DIGITS: u32 = 6;

/// Counts by duration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// By the shortest duration that is counted together with it, in milliseconds.
    counts: BTreeMap<u64, u64>,
    /// The longest of all.
    longest: u64,
}

impl Latencies {
    /// Counts one.
    pub fn count(&mut self, ms: u64) {
        self.longest = self.longest.max(ms);
        *self.counts.entry(ms >> dropped(ms) << dropped(ms)).or_default() += 1;
    }

    /// How many were counted.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The duration that at least so many hundredths of all did not exceed, in milliseconds, too long by at most one
    /// part in 32; none if nothing was counted.
    pub fn percentile(&self, hundredths: u64) -> Option<u64> {
        let wanted = (self.total() * hundredths).div_ceil(100).max(1);
        let mut seen = 0;
        let found = self.counts.iter().find(|(_, count)| {
            seen += **count;
            seen >= wanted
        });
        found.map(|(shortest, _)| longest(*shortest).min(self.longest))
    }

    /// How many took at least the first and less than the second, where both are limits of counts.
    pub fn between(&self, from: u64, to: u64) -> u64 {
        self.counts.range(from..to).map(|(_, count)| count).sum()
    }
}

/// Binary digits of a duration that are not kept.
fn dropped(ms: u64) -> u32 {
    (u64::BITS - ms.leading_zeros()).saturating_sub(DIGITS)
}

/// The longest duration that is counted together with this shortest one.
fn longest(shortest: u64) -> u64 {
    shortest | ((1 << dropped(shortest)) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn percentiles_are_exact_within_a_part_in_32(mut times in proptest::collection::vec(0_u64..1 << 30, 1..80), hundredths in 1_u64..=100) {
            let mut latencies = Latencies::default();
            for ms in &times {
                latencies.count(*ms);
            }
            times.sort_unstable();
            let rank = (times.len() as u64 * hundredths).div_ceil(100).max(1);
            let exact = times[usize::try_from(rank - 1).expect("small")];
            let told = latencies.percentile(hundredths).expect("some");
            proptest::prop_assert!(told <= times[times.len() - 1]);
            proptest::prop_assert!(told >= exact && told - exact <= exact / 32, "{told} for {exact}");
            proptest::prop_assert_eq!(latencies.between(0, u64::MAX), times.len() as u64);
        }
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Latencies::default().percentile(50), None);
    }
}

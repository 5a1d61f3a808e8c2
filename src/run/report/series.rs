//! How many URLs were asked for when: counts over time, in a bounded number of steps whatever the length of the run.
//! Knows no clock; the first moment is zero.

use crate::model::Outcome;

/// Steps at most.
pub const MAX_STEPS: usize = 120;
/// The first width of a step, in milliseconds.
const FIRST_WIDTH: u64 = 100;

/// How an outcome is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The run got what it came for.
    Good,
    /// Neither: led on, or left out as the config says.
    Passed,
    /// It was wanted and there is nothing of it.
    Failed,
}

impl Class {
    /// In the order in which they are drawn.
    pub const ALL: [Self; 3] = [Self::Good, Self::Passed, Self::Failed];

    /// Of an outcome.
    pub fn of(outcome: Outcome) -> Self {
        match outcome {
            good if good.is_good() => Self::Good,
            failed if failed.is_failure() => Self::Failed,
            _ => Self::Passed,
        }
    }

    /// In a legend.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Passed => "led on or left out",
            Self::Failed => "failed",
        }
    }

    /// The class of its mark in the style.
    pub fn style(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Passed => "passed",
            Self::Failed => "failed",
        }
    }
}

/// Counts of each class, by step.
#[derive(Debug, PartialEq, Eq)]
pub struct Series {
    /// Milliseconds of a step.
    pub width: u64,
    /// The steps up to the last one in which something was asked for.
    pub steps: Vec<[u64; 3]>,
}

impl Default for Series {
    fn default() -> Self {
        Self { width: FIRST_WIDTH, steps: Vec::new() }
    }
}

impl Series {
    /// Counts one, so many milliseconds after the beginning.
    pub fn count(&mut self, at: u64, class: Class) {
        while at / self.width >= MAX_STEPS as u64 {
            self.width *= 2;
            let halved = self.steps.chunks(2).map(|pair| {
                let other = pair.get(1).copied().unwrap_or_default();
                [0, 1, 2].map(|class| pair[0][class] + other[class])
            });
            self.steps = halved.collect();
        }
        let step = usize::try_from(at / self.width).unwrap_or(MAX_STEPS - 1);
        if self.steps.len() <= step {
            self.steps.resize(step + 1, [0; 3]);
        }
        self.steps[step][class as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn nothing_is_lost_and_order_does_not_matter(mut times in proptest::collection::vec(0_u64..1 << 40, 0..60)) {
            let of = |times: &[u64]| {
                let mut series = Series::default();
                for at in times {
                    series.count(*at, Class::Good);
                }
                series
            };
            let (one, count) = (of(&times), times.len() as u64);
            times.reverse();
            proptest::prop_assert_eq!(one.steps.iter().map(|step| step[0]).sum::<u64>(), count);
            proptest::prop_assert!(one.steps.len() <= MAX_STEPS);
            proptest::prop_assert_eq!(one, of(&times));
        }
    }
}

//! Which URLs are known: 64 bits of each key, in memory, in about ten bytes each. About 3 in a million that one of
//! 10 million URLs is taken for another. Forgets nothing and writes nothing; what must survive stands in the journal.
//!
//! The set is cut into shards with a lock each, so that threads may ask without the frontier's lock. A shard is an
//! open-addressed table with linear probing (Knuth, TAOCP 3, 6.4, algorithm L). The place of a fingerprint grows
//! with its value, so that a table of any length will do: it grows by a quarter and not by doubling, in one pass
//! over both tables in order.
//!
//! URLs come from strangers, and the hash in their keys is public. Before a fingerprint chooses its place it is
//! mixed, one to one, with a key that only this process knows: nobody can aim at one place.

use std::hint::black_box;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Shards, as bits. Growth copies one of them at a time.
const SHARD_BITS: u32 = 6;
/// Slots of a shard that is not empty, at least.
const MIN_SLOTS: usize = 16;

/// A set of fingerprints. Shared by reference.
#[derive(Debug)]
pub struct Seen {
    shards: Box<[Line]>,
    key: u64,
}

/// A shard on cache lines of its own, so that threads in different shards do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line(Mutex<Shard>);

#[derive(Debug, Default)]
struct Shard {
    /// Mixed fingerprints; zero is an empty slot. At least an eighth is empty, so that every probe ends.
    slots: Vec<u64>,
    /// Slots that are taken.
    taken: usize,
    /// Whether the fingerprint that is mixed to zero is in the set.
    has_zero: bool,
}

impl Seen {
    /// An empty set. `key` should be random and told to nobody.
    pub fn new(key: u64) -> Self {
        Self::with_capacity(0, key)
    }

    /// An empty set that takes so many fingerprints before it grows, or nearly.
    pub fn with_capacity(fingerprints: usize, key: u64) -> Self {
        // Shards are not filled evenly: a sixteenth more makes growth rare.
        let each = fingerprints.div_ceil(1 << SHARD_BITS);
        let slots = if fingerprints == 0 { 0 } else { least_slots(each + each / 16).max(MIN_SLOTS) };
        let shard = || Line(Mutex::new(Shard { slots: vec![0; slots], ..Shard::default() }));
        Self { shards: std::iter::repeat_with(shard).take(1 << SHARD_BITS).collect(), key }
    }

    /// Adds a fingerprint. Whether it is new.
    pub fn insert(&self, fingerprint: u64) -> bool {
        let mixed = mix(fingerprint, self.key);
        self.shard(mixed).insert(mixed)
    }

    /// Adds fingerprints in this order. Which of them are new. In a large set each comes from afar, so that those of
    /// one shard are looked up side by side.
    pub fn insert_all(&self, fingerprints: &[u64]) -> Vec<bool> {
        let mut mixed: Vec<(u64, usize)> =
            fingerprints.iter().map(|fingerprint| mix(*fingerprint, self.key)).zip(0..).collect();
        mixed.sort_by_key(|(mixed, _)| shard_of(*mixed));
        let mut new = vec![false; mixed.len()];
        for batch in mixed.chunk_by(|(one, _), (other, _)| shard_of(*one) == shard_of(*other)) {
            let mut shard = self.shard(batch[0].0);
            black_box(batch.iter().fold(0, |all, (mixed, _)| all ^ shard.first(*mixed)));
            for (mixed, at) in batch {
                new[*at] = shard.insert(*mixed);
            }
        }
        new
    }

    /// Whether a fingerprint is in the set.
    pub fn contains(&self, fingerprint: u64) -> bool {
        let mixed = mix(fingerprint, self.key);
        let shard = self.shard(mixed);
        if mixed == 0 { shard.has_zero } else { shard.find(mixed).is_ok() }
    }

    /// How many fingerprints are in it.
    pub fn len(&self) -> u64 {
        self.shards.iter().map(|line| lock(line).len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, mixed: u64) -> MutexGuard<'_, Shard> {
        lock(&self.shards[shard_of(mixed)])
    }
}

#[allow(clippy::cast_possible_truncation, reason = "few bits are left")]
fn shard_of(mixed: u64) -> usize {
    (mixed >> (64 - SHARD_BITS)) as usize
}

/// No code panics while it holds a shard.
fn lock(line: &Line) -> MutexGuard<'_, Shard> {
    line.0.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn len(&self) -> u64 {
        self.taken as u64 + u64::from(self.has_zero)
    }

    fn insert(&mut self, mixed: u64) -> bool {
        if mixed == 0 {
            return !std::mem::replace(&mut self.has_zero, true);
        }
        let Err(mut free) = self.find(mixed) else { return false };
        if least_slots(self.taken + 1) > self.slots.len() {
            self.grow();
            free = first_free(&self.slots, mixed);
        }
        self.slots[free] = mixed;
        self.taken += 1;
        true
    }

    /// What stands where the search for a value begins.
    fn first(&self, mixed: u64) -> u64 {
        if self.slots.is_empty() { 0 } else { self.slots[home(mixed, self.slots.len())] }
    }

    /// The slot that holds it, or the free one where the search for it ends.
    fn find(&self, mixed: u64) -> Result<usize, usize> {
        if self.slots.is_empty() {
            return Err(0);
        }
        let mut at = home(mixed, self.slots.len());
        loop {
            match self.slots[at] {
                0 => return Err(at),
                slot if slot == mixed => return Ok(at),
                _ => at = after(at, self.slots.len()),
            }
        }
    }

    /// A quarter longer. Places grow with values, so this reads one table and writes the other from front to back.
    fn grow(&mut self) {
        let longer = (self.slots.len() + self.slots.len() / 4).max(MIN_SLOTS);
        let mut slots = vec![0; longer];
        for &mixed in self.slots.iter().filter(|slot| **slot != 0) {
            let free = first_free(&slots, mixed);
            slots[free] = mixed;
        }
        self.slots = slots;
    }
}

/// The fewest slots in which so many fingerprints leave an eighth empty.
fn least_slots(taken: usize) -> usize {
    taken + taken / 7 + 1
}

/// Where the search for a value begins: its bits below the shard's, scaled to the length of the table (Lemire,
/// "Fast random integer generation in an interval", 2019).
#[allow(clippy::cast_possible_truncation, reason = "the product's upper half is below the length")]
fn home(mixed: u64, slots: usize) -> usize {
    ((u128::from(mixed << SHARD_BITS) * slots as u128) >> 64) as usize
}

fn after(at: usize, slots: usize) -> usize {
    if at + 1 == slots { 0 } else { at + 1 }
}

fn first_free(slots: &[u64], mixed: u64) -> usize {
    let mut at = home(mixed, slots.len());
    while slots[at] != 0 {
        at = after(at, slots.len());
    }
    at
}

/// One to one for every key: each step can be undone. The multipliers are those of `SplitMix64`'s finish (Steele and
/// others, 2014); the key goes in by sum and as a factor, so that no set of inputs is bad under all keys.
fn mix(fingerprint: u64, key: u64) -> u64 {
    let mut mixed = fingerprint.wrapping_add(key);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(key.rotate_left(32) | 1);
    mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const KEY: u64 = 0x5eed_0123_4567_89ab;

    /// The number that an odd one turns to 1 by multiplication (Newton's iteration doubles the right bits).
    fn inverse(odd: u64) -> u64 {
        (0..6).fold(odd, |x, _| x.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(x))))
    }

    fn unshift(mixed: u64, by: u32) -> u64 {
        (0..64 / by).fold(mixed, |x, _| mixed ^ (x >> by))
    }

    /// The fingerprint that is mixed to this under a key: what an attacker who knew the key would choose.
    fn unmix(mixed: u64, key: u64) -> u64 {
        let mixed = unshift(mixed, 31).wrapping_mul(inverse(0x94d0_49bb_1331_11eb));
        let mixed = unshift(mixed, 29).wrapping_mul(inverse(key.rotate_left(32) | 1));
        let mixed = unshift(mixed, 27).wrapping_mul(inverse(0xbf58_476d_1ce4_e5b9));
        unshift(mixed, 30).wrapping_sub(key)
    }

    /// The longest way of a search, in slots, over all shards.
    fn longest_search(seen: &Seen) -> usize {
        let longest = |shard: &Shard| {
            let (mut run, mut longest) = (0, 0);
            // Twice, for a run that goes on at the front.
            for slot in shard.slots.iter().chain(&shard.slots) {
                run = if *slot == 0 { 0 } else { run + 1 };
                longest = longest.max(run);
            }
            longest
        };
        seen.shards.iter().map(|line| longest(&lock(line))).max().unwrap_or_default()
    }

    #[test]
    fn zero_is_a_fingerprint_like_any_other_whatever_it_is_mixed_to() {
        for fingerprint in [0, unmix(0, KEY), u64::MAX] {
            let seen = Seen::new(KEY);
            assert!(!seen.contains(fingerprint));
            assert!(seen.insert(fingerprint));
            assert!(!seen.insert(fingerprint));
            assert!(seen.contains(fingerprint));
            assert_eq!(seen.len(), 1);
        }
        assert_eq!(mix(unmix(0, KEY), KEY), 0);
    }

    proptest! {
        #[test]
        fn many_at_once_are_as_new_as_one_by_one(batches in prop::collection::vec(prop::collection::vec(0..300_u64, 0..80), 0..12)) {
            let (many, one) = (Seen::new(KEY), Seen::new(KEY));
            for batch in batches {
                let batch: Vec<u64> = batch.iter().map(|n| if *n == 0 { unmix(0, KEY) } else { n * 0x9e37_79b9 }).collect();
                let singly: Vec<bool> = batch.iter().map(|fingerprint| one.insert(*fingerprint)).collect();
                prop_assert_eq!(many.insert_all(&batch), singly);
                prop_assert_eq!(many.len(), one.len());
            }
        }
    }

    #[test]
    fn ten_bytes_each_and_no_long_searches_at_any_size() {
        let seen = Seen::new(KEY);
        for n in 0..400_000_u64 {
            assert!(seen.insert(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            if n > 50_000 && n % 10_000 == 0 {
                let slots: usize = seen.shards.iter().map(|line| lock(line).slots.len()).sum();
                let bytes = slots as u64 * 8 * 100 / seen.len();
                assert!((900..1190).contains(&bytes), "{bytes} hundredths of a byte each at {n}");
            }
        }
        assert_eq!(seen.len(), 400_000);
        assert!(longest_search(&seen) < 1_000, "{}", longest_search(&seen));
    }

    #[test]
    fn what_is_aimed_at_one_place_under_another_key_is_spread_under_ours() {
        let theirs = KEY ^ 1;
        let aimed: Vec<u64> = (1..100_000).map(|n| unmix(n, theirs)).collect();
        let top_bits: Vec<u64> = (1..100_000).map(|n| n << 47).collect();
        let in_a_row: Vec<u64> = (1..100_000).collect();
        for hostile in [aimed, top_bits, in_a_row] {
            let seen = Seen::new(KEY);
            assert!(hostile.iter().all(|fingerprint| seen.insert(*fingerprint)));
            assert!(longest_search(&seen) < 1_000, "{}", longest_search(&seen));
            let largest = seen.shards.iter().map(|line| lock(line).taken).max();
            assert!(largest < Some(2_000), "{largest:?} in one of 64 shards");
        }
    }

    #[test]
    fn a_set_made_for_a_number_takes_it_without_growing() {
        let seen = Seen::with_capacity(100_000, KEY);
        let slots = |seen: &Seen| seen.shards.iter().map(|line| lock(line).slots.len()).collect::<Vec<_>>();
        let before = slots(&seen);
        for n in 0..100_000 {
            seen.insert(n);
        }
        assert_eq!(slots(&seen), before);
    }

    #[test]
    fn threads_that_offer_the_same_find_each_new_once() {
        let seen = Seen::new(KEY);
        let new: u64 = std::thread::scope(|scope| {
            let offer = || (0..50_000).filter(|n| seen.insert(*n)).count() as u64;
            let offers: Vec<_> = (0..4).map(|_| scope.spawn(offer)).collect();
            offers.into_iter().map(|offer| offer.join().expect("no panic")).sum()
        });
        assert_eq!((new, seen.len()), (50_000, 50_000));
    }

    proptest! {
        #[test]
        fn it_is_a_set(
            fingerprints in proptest::collection::vec(prop_oneof![any::<u64>(), 0..40_u64], 0..2_000),
            key in any::<u64>(), capacity in 0..500_usize,
        ) {
            let (seen, mut set) = (Seen::with_capacity(capacity, key), HashSet::new());
            for fingerprint in fingerprints {
                prop_assert_eq!(seen.contains(fingerprint), set.contains(&fingerprint));
                prop_assert_eq!(seen.insert(fingerprint), set.insert(fingerprint));
                prop_assert_eq!(seen.len(), set.len() as u64);
            }
        }

        /// Whatever lands where: a search ends, and growth loses nothing. Without mixing, as the worst luck would have it.
        #[test]
        fn the_worst_places_are_survived(tails in proptest::collection::vec((0..3_usize, 1..60_u64), 0..400)) {
            let (mut shard, mut set) = (Shard::default(), HashSet::new());
            for (front, tail) in tails {
                // The first places, the last ones (which wrap around), and the middle of the shard.
                let mixed = [tail, (u64::MAX >> SHARD_BITS) - tail, (1 << 57) + tail][front];
                prop_assert_eq!(shard.insert(mixed), set.insert(mixed));
            }
            prop_assert_eq!(shard.len(), set.len() as u64);
            prop_assert!(set.iter().all(|mixed| shard.find(*mixed).is_ok()));
        }
    }
}

//! Which URLs are known: 64 bits of each key, in memory. About 3 in a million that one of 10 million URLs is taken
//! for another.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Fingerprints of all known keys. They are hashes already and need no further hashing.
pub type Seen = HashSet<u64, BuildHasherDefault<Identity>>;

/// Takes a 64-bit hash as it is.
#[derive(Default)]
pub struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

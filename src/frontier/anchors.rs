//! Where the seeds of each source stand: the hosts, domains or directories under which links are in scope. Keeps a
//! 64-bit fingerprint of each and no text, 10 to 21 bytes for a distinct one; asked by all parse threads at once.
//! Decides nothing: what lies where is said here, what follows from it in `scope`.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{PoisonError, RwLock};

use url::Url;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::traps::segments;
use crate::model::{FILE_HOST, registered_domain};

/// Sets that are locked apart, so that threads seldom meet at one.
const SHARDS: usize = 16;

/// What of a seed and a link must be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Scheme, host, port, and the directories of the seed's path.
    Prefix,
    /// Host and port.
    Host,
    /// The registrable domain by the public suffix list; for what has none, such as an address, the host.
    Domain,
}

/// The fingerprints of all anchors.
#[derive(Debug, Default)]
pub struct Anchors {
    shards: [RwLock<Shard>; SHARDS],
}

type Shard = HashSet<u64, BuildHasherDefault<AsIs>>;

/// Takes a fingerprint, which is a hash already, as it is.
#[derive(Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl Anchors {
    /// What lies where `url` does is in reach from now on, for this source.
    pub fn insert(&self, source: u32, reach: Reach, url: &Url) {
        let print = match reach {
            // The last that comes is the whole directory.
            Reach::Prefix => directories(source, url).last().unwrap_or_default(),
            Reach::Host => host(source, url),
            Reach::Domain => domain(source, url),
        };
        let shard = self.shard(print);
        // Most seeds of a list stand on hosts that are known, and a look is cheaper than a write lock.
        if !shard.read().unwrap_or_else(PoisonError::into_inner).contains(&print) {
            shard.write().unwrap_or_else(PoisonError::into_inner).insert(print);
        }
    }

    /// Whether `url` lies where any anchor of this source does. Takes one look, for `prefix` one a directory.
    pub fn reach(&self, source: u32, reach: Reach, url: &Url) -> bool {
        match reach {
            Reach::Prefix => directories(source, url).any(|print| self.holds(print)),
            Reach::Host => self.holds(host(source, url)),
            Reach::Domain => self.holds(domain(source, url)),
        }
    }

    fn holds(&self, print: u64) -> bool {
        self.shard(print).read().unwrap_or_else(PoisonError::into_inner).contains(&print)
    }

    fn shard(&self, print: u64) -> &RwLock<Shard> {
        // The set itself goes by the lowest and the seven highest bits.
        let [.., byte, _, _, _] = print.to_le_bytes();
        &self.shards[usize::from(byte) % SHARDS]
    }
}

fn host(source: u32, url: &Url) -> u64 {
    let port = url.port().map_or(u64::from(u16::MAX) + 1, u64::from);
    xxh3_64_with_seed(name(url).as_bytes(), (u64::from(source) << 32) | port)
}

fn domain(source: u32, url: &Url) -> u64 {
    let name = name(url);
    xxh3_64_with_seed(registered_domain(name).unwrap_or(name).as_bytes(), u64::from(source))
}

/// The host without its port.
fn name(url: &Url) -> &str {
    url.host_str().unwrap_or(FILE_HOST)
}

/// A fingerprint for each directory on the way to `url`, the root first. Each is made from the one before, so that
/// all of them cost as much as the path is long.
fn directories(source: u32, url: &Url) -> impl Iterator<Item = u64> {
    let path = url.path();
    let depth = path.bytes().filter(|byte| *byte == b'/').count().saturating_sub(1);
    let root = xxh3_64_with_seed(url.scheme().as_bytes(), host(source, url));
    let mut above = root;
    let below = segments(url).take(depth).map(move |segment| {
        above = xxh3_64_with_seed(segment.as_bytes(), above);
        above
    });
    std::iter::once(root).chain(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a link is in reach of a seed.
    fn reached(reach: Reach, seed: &str, link: &str) -> bool {
        let url = |raw: &str| Url::parse(raw).expect(raw);
        let anchors = Anchors::default();
        anchors.insert(1, reach, &url(seed));
        assert!(!anchors.reach(0, reach, &url(seed)), "another source has anchors of its own");
        assert!(anchors.reach(1, reach, &url(seed)), "a seed is in reach of itself");
        anchors.reach(1, reach, &url(link))
    }

    #[test]
    fn a_host_is_a_name_and_a_port() {
        let host = |seed, link| reached(Reach::Host, seed, link);
        assert!(host("http://a.org/x/y", "https://a.org/"));
        assert!(host("http://a.org:81/", "https://a.org:81/z"));
        assert!(host("http://[::1]:81/", "http://[::1]:81/z"));
        assert!(!host("http://a.org/", "http://a.org:81/"));
        assert!(!host("http://a.org/", "http://www.a.org/"));
        assert!(!host("http://a.org/", "http://a.org.evil/"));
    }

    #[test]
    fn a_domain_is_what_somebody_registers() {
        let domain = |seed, link| reached(Reach::Domain, seed, link);
        assert!(domain("http://www.a.co.uk/", "https://b.a.co.uk:81/"));
        assert!(!domain("http://a.co.uk/", "http://b.co.uk/"));
        assert!(!domain("http://a.github.io/", "http://b.github.io/"));
        assert!(!domain("http://github.io/", "http://b.github.io/"));
        assert!(domain("http://127.0.0.1/", "http://127.0.0.1:81/"));
        assert!(!domain("http://127.0.0.1/", "http://127.0.0.2/"));
        assert!(domain("http://localhost/", "http://localhost:81/"));
        assert!(!domain("http://a.localhost/", "http://localhost/"));
    }

    #[test]
    fn a_prefix_ends_at_a_slash() {
        let prefix = |seed, link| reached(Reach::Prefix, seed, link);
        for link in ["http://h/docs/", "http://h/docs/b", "http://h/docs/b/c?d", "http://h/docs//"] {
            assert!(prefix("http://h/docs/a?x/y", link), "{link}");
        }
        for link in
            ["http://h/docs", "http://h/", "http://h/docs2/a", "https://h/docs/a", "http://h:81/docs/a"]
        {
            assert!(!prefix("http://h/docs/a", link), "{link}");
        }
        assert!(prefix("http://h/docs", "http://h/"));
        assert!(prefix("http://h", "http://h/a/b"));
        assert!(prefix("http://h/a//b", "http://h/a//c"));
        assert!(!prefix("http://h/a//b", "http://h/a/c"));
    }

    proptest::proptest! {
        #[test]
        fn a_prefix_is_what_the_text_says(seed in "(/[ab]{0,2}){1,5}", link in "(/[ab]{0,2}){1,5}") {
            let directory = &seed[..=seed.rfind('/').expect("a path")];
            let reached = reached(Reach::Prefix, &format!("http://h{seed}"), &format!("http://h{link}"));
            proptest::prop_assert_eq!(reached, link.starts_with(directory));
        }
    }
}

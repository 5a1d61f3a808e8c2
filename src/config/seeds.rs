//! What the sources of a config would give: counts their seeds, up to a bound, and names the first that are
//! of no use. Fetches nothing; standard input is left alone, since it can be read only once.

use futures::executor::block_on;
use futures::stream::StreamExt;
use serde::Serialize;
use url::Url;

use crate::model::{FILE_HOST, Seed, literal_address};
use crate::source::{self, SourceError, Surroundings};

/// So many seeds of a source are counted at most: enough to see that it is a long one.
pub(super) const MAX_COUNTED: usize = 1_000_000;

/// So many bad seeds of a source are named.
const MAX_NAMED: usize = 3;

/// The seeds of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Seeds {
    /// Those that can be fetched, repeats included.
    pub good: usize,
    /// Those that cannot; a run gives each the outcome `invalid_url` or `unreadable`.
    pub bad: usize,
    /// Whether there are more, which were not counted.
    pub more: bool,
}

/// A seed of no use.
#[derive(Debug)]
pub(super) struct Bad {
    /// Where it stands: `list.txt:7`, or below the id of its source: `sources.docs.paths[0]`.
    pub place: Option<String>,
    /// The text, or the address of the file.
    pub url: String,
    /// Why.
    pub reason: String,
}

/// A source that was poured.
#[derive(Debug, Default)]
pub(super) struct Poured {
    /// How many.
    pub seeds: Seeds,
    /// The first bad ones.
    pub bad: Vec<Bad>,
    /// Whether a seed leads to another machine.
    pub is_far: bool,
}

/// Pours a source, at most so many seeds of it. The error is what would end a run.
pub(super) fn pour(settings: &source::Settings, at_most: usize) -> Result<Poured, SourceError> {
    let mut seeds = source::build(settings, &Surroundings::default())?.requests();
    let mut poured = Poured::default();
    while let Some(seed) = block_on(seeds.next()) {
        if poured.seeds.good + poured.seeds.bad == at_most {
            poured.seeds.more = true;
            break;
        }
        poured.count(seed?);
    }
    Ok(poured)
}

impl Poured {
    fn count(&mut self, seed: Seed) {
        match seed {
            Seed::Request(request) => {
                self.seeds.good += 1;
                self.is_far = self.is_far || (*request.host != *FILE_HOST && !is_near(&request.url));
            }
            Seed::Refused(visit) => {
                self.seeds.bad += 1;
                if self.bad.len() < MAX_NAMED {
                    let reason = visit.ending.reason.unwrap_or_default();
                    self.bad.push(Bad {
                        place: visit.ending.rule,
                        url: visit.request.url.to_string(),
                        reason,
                    });
                }
            }
        }
    }
}

/// Whether a URL leads to this machine.
fn is_near(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        url.host_str() == Some("localhost")
            || literal_address(&url).is_some_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poured(list: &str, at_most: usize) -> Poured {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("list.txt");
        std::fs::write(&path, list).expect("list");
        let table = serde_json::json!({ "type": "list", "id": "l", "path": path });
        pour(&serde_json::from_value(table).expect("settings"), at_most).expect("poured")
    }

    #[test]
    fn good_and_bad_are_counted_and_the_first_bad_ones_named() {
        let found = poured("# x\nhttp://127.0.0.1/\nhttp://127.0.0.1/\n1\n2\n3\n4\n", 10);
        assert_eq!(found.seeds, Seeds { good: 2, bad: 4, more: false });
        let places: Vec<_> = found.bad.iter().filter_map(|bad| bad.place.as_deref()).collect();
        assert_eq!(places, ["list.txt:4", "list.txt:5", "list.txt:6"]);
        assert!(!found.is_far && poured("http://far.example/", 1).is_far);
    }

    #[test]
    fn counting_ends_at_its_bound() {
        let list = "http://127.0.0.1/\nno\nhttp://127.0.0.1/\n";
        assert_eq!(poured(list, 2).seeds, Seeds { good: 1, bad: 1, more: true });
        assert_eq!(poured(list, 3).seeds, Seeds { good: 2, bad: 1, more: false });
    }

    #[test]
    fn loopback_is_near() {
        assert!(is_near("http://localhost:1/") && is_near("http://127.0.0.1/") && is_near("http://[::1]/"));
        assert!(!is_near("http://example.org/"));
    }
}

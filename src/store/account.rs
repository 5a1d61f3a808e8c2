//! What the journal of an unfinished run says of one URL. Reads it once, beside a run that may be alive; changes nothing
//! and holds no more than what concerns that URL.

use std::path::Path;

use super::error::StoreError;
use super::frame::{Begin, Finish, Frame, Settle};
use super::journal::Frames;
use crate::model::{Again, Refusal, Request, RobotsNote, UrlKey};

/// All that is said of one URL.
#[derive(Debug, Default)]
pub struct Account {
    /// Which run it is.
    pub begin: Option<Begin>,
    /// The request, once it was admitted.
    pub admitted: Option<Request>,
    /// How it was refused on the first way that was found to it.
    pub refused: Option<Refusal>,
    /// The retries, oldest first.
    pub again: Vec<Again>,
    /// How it ended.
    pub settled: Option<Settle>,
    /// The latest robots.txt of its origin.
    pub robots: Option<RobotsNote>,
    /// Set once only the publication is left.
    pub finish: Option<Finish>,
}

impl Account {
    /// Reads a journal for a URL and its origin (`https://example.org`), and hands every request that was admitted to
    /// `each`.
    pub fn of(
        journal: &Path,
        key: UrlKey,
        origin: &str,
        mut each: impl FnMut(&Request),
    ) -> Result<Self, StoreError> {
        let mut account = Self::default();
        let mut frames = Frames::open(journal)?;
        while let Some((_, frame)) = frames.next()? {
            let commit = match frame {
                Frame::Begin(begin) => {
                    account.begin = Some(begin);
                    continue;
                }
                Frame::Finish(finish) => {
                    account.finish = Some(finish);
                    continue;
                }
                Frame::Start(_) | Frame::Suspect(_) => continue,
                Frame::Commit(commit) => commit,
            };
            let changes = commit.changes;
            changes.admitted.iter().for_each(&mut each);
            let mut admitted = changes.admitted.into_iter();
            account.admitted = account.admitted.or_else(|| admitted.find(|request| request.key == key));
            let mut refused = changes.refused.into_iter();
            account.refused = account.refused.or_else(|| refused.find(|refusal| refusal.request.key == key));
            account.again.extend(changes.again.into_iter().filter(|again| again.request.key == key));
            let robots = changes.robots.into_iter().rfind(|note| note.origin == origin);
            account.robots = robots.or(account.robots);
            account.settled = commit.settled.into_iter().find(|settle| settle.key == key).or(account.settled);
        }
        Ok(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Changes, Ending, Outcome, Wait, canonical};
    use crate::store::{Commit, Journal};

    fn request(url: &str) -> Request {
        Request::seed(&canonical(url, None).expect("URL"), "s")
    }

    fn note(origin: &str, status: u16) -> RobotsNote {
        RobotsNote { origin: origin.to_owned(), fetched_at_ms: 0, status, body: Vec::new() }
    }

    #[test]
    fn an_account_is_of_one_url_alone() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("r.journal");
        let begin = Begin { run_id: "r".into(), snapshot: 0, sealed: String::new(), parent: None };
        let mut journal = Journal::create(&path, &begin).expect("creates");
        let (ours, other) = (request("http://a/1"), request("http://a/2"));
        let refusal = |request: &Request| {
            Refusal::new(request.clone(), Ending::because(Outcome::SkippedScope, "outside"))
        };
        let again = |request: &Request, attempt| Again {
            request: Request { attempt, ..request.clone() },
            wait: Wait::default(),
        };
        let settle = |request: &Request, outcome| Settle {
            key: request.key,
            outcome,
            host: "a".into(),
            admitted: true,
            status: None,
            bytes: 0,
            duration_ms: None,
            parse_us: 0,
            page: None,
        };
        let first = Changes { refused: vec![refusal(&other), refusal(&ours)], ..Changes::default() };
        let second = Changes {
            admitted: vec![other.clone(), ours.clone()],
            again: vec![again(&ours, 1), again(&other, 1), again(&ours, 2)],
            robots: vec![note("http://a", 200), note("https://a", 200), note("http://a", 404)],
            ..Changes::default()
        };
        let settled = vec![settle(&other, Outcome::Gone), settle(&ours, Outcome::Ok)];
        for frame in [
            Commit { changes: first, ..Commit::default() },
            Commit { changes: second, settled, ..Commit::default() },
        ] {
            journal.append(&Frame::Commit(frame)).expect("appends");
        }
        let mut all = Vec::new();
        let account = Account::of(&path, ours.key, "http://a", |request| all.push(request.url.to_string()))
            .expect("reads");
        assert_eq!(all, ["http://a/2", "http://a/1"]);
        assert_eq!(account.begin.map(|begin| begin.run_id).as_deref(), Some("r"));
        assert_eq!((account.admitted, account.refused), (Some(ours.clone()), Some(refusal(&ours))));
        assert_eq!(account.again, [again(&ours, 1), again(&ours, 2)]);
        assert_eq!((account.settled, account.finish), (Some(settle(&ours, Outcome::Ok)), None));
        assert_eq!(account.robots, Some(note("http://a", 404)), "the latest of its origin");
        let nothing = Account::of(&path, UrlKey::of("http://a/3"), "http://b", |_| ()).expect("reads");
        assert!(nothing.admitted.is_none() && nothing.refused.is_none() && nothing.again.is_empty());
        assert!(nothing.settled.is_none() && nothing.robots.is_none());
    }
}

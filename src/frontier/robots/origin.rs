//! What is known of one origin's robots.txt: when to ask for it, what its absence means, and what follows for the
//! origin's pages (RFC 9309 sections 2.3 and 2.4). Fetches nothing; time is passed in.
//!
//! ```text
//! unknown ──asked──► under way ──answered──► known ──lifetime──► to be asked for again, holds meanwhile
//!    ▲                   │  └─── trouble ──► deferred ──backoff──► to be asked for again
//!    └──────unasked──────┘
//! ```

use std::time::{Duration, Instant};

use super::super::settings::OnError;
use super::{Place, Robots, Shelf, Verdict};
use crate::frontier::backlog::BacklogError;
use crate::model::{Ending, Outcome, RobotsNote, cut_before_path};

/// No wait is longer, so that moments can be added to without a check.
const MAX_WAIT: Duration = Duration::from_hours(10 * 365 * 24);

/// How trouble is treated and how long an answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What follows if the server cannot say.
    pub on_error: OnError,
    /// How long what is known holds before it is asked for again.
    pub lifetime: Duration,
    /// How often it is asked for again after trouble.
    pub tries: u32,
    /// The wait before the first of them; each further one is twice as long.
    pub backoff: Duration,
}

/// What asking for a robots.txt came to.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Status 2xx and its body.
    Body {
        /// HTTP status.
        status: u16,
        /// What the body says.
        robots: Robots,
    },
    /// There is none for us: status 4xx, or 3xx that leads nowhere.
    Absent {
        /// HTTP status.
        status: u16,
    },
    /// The server could not say: status 5xx or 429.
    ServerError {
        /// HTTP status.
        status: u16,
    },
    /// No answer, or none that could be read. What a redirect to another origin failed with says nothing of this
    /// one's pages: that is to be given as `NetworkError`.
    Failed {
        /// How a page would have ended.
        outcome: Outcome,
        /// Why, in words.
        reason: String,
    },
    /// More than five redirects, or a circle of them.
    TooManyRedirects,
}

impl Answer {
    /// An answer by its status (RFC 9309 section 2.3.1). `robots` reads the body of a 2xx.
    pub fn of(status: u16, robots: impl FnOnce() -> Robots) -> Self {
        match status {
            200..300 => Self::Body { status, robots: robots() },
            429 => Self::ServerError { status },
            300..500 => Self::Absent { status },
            _ => Self::ServerError { status },
        }
    }
}

/// Whether robots.txt is to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// It is under way, or what is known still holds.
    No,
    /// At once.
    Now,
    /// There was trouble: not before this. Pages wait as long as [`OriginRobots::judge`] has no answer.
    NotBefore(Instant),
}

/// What follows for one page.
#[derive(Clone, Debug)]
pub enum Judged {
    /// It may be fetched.
    Allowed,
    /// It ends so, unfetched.
    Refused(Ending),
}

/// What is known.
#[derive(Clone, Debug)]
enum Known {
    /// Rules, empty ones if there is no robots.txt, and where they stand on the shelf, if they were there before.
    Rules(Robots, Option<Place>),
    /// Rules that were put on the shelf, and the crawl delay with them.
    Shelved(Place, Option<Duration>),
    /// Nothing may or can be fetched.
    Refused(Outcome, String),
}

/// The state of one origin's robots.txt.
#[derive(Clone, Debug, Default)]
pub struct OriginRobots {
    known: Option<Known>,
    /// HTTP status of the answer that made it known, if it was one.
    status: Option<u16>,
    /// When it is to be asked for again; at once if it never was.
    ask_at: Option<Instant>,
    /// How often there was trouble since the last answer; 0 once it is given up.
    troubles: u32,
    under_way: bool,
    /// Whether no page was judged since the last answer. One must be, however short the lifetime: else an origin whose
    /// delay is longer than that would be asked for its robots.txt for ever and for nothing else.
    is_unused: bool,
}

/// What an answer stands for.
enum Heard {
    /// These rules, from an answer with this status.
    Rules(Robots, Option<u16>),
    /// Nothing to go by: maybe ask again, and in the end take this for known.
    Trouble { known: Known, again: bool },
}

impl OriginRobots {
    /// An origin of which nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it is to be asked for.
    pub fn needs_asking(&self, now: Instant) -> Ask {
        match self.ask_at {
            _ if self.under_way => Ask::No,
            _ if self.is_unused && self.known.is_some() => Ask::No,
            Some(at) if at > now && self.troubles > 0 => Ask::NotBefore(at),
            Some(at) if at > now => Ask::No,
            _ => Ask::Now,
        }
    }

    /// A request for it is under way.
    pub fn asked(&mut self) {
        self.under_way = true;
    }

    /// That request came to nothing: it was put back or lost.
    pub fn unasked(&mut self) {
        self.under_way = false;
    }

    /// That request was answered. Says whether that changed what is known; if so it may be worth a note in the journal.
    ///
    /// Rules that are known hold until there are new ones, whatever trouble there is in getting them (RFC 9309
    /// section 2.4).
    pub fn answered(&mut self, now: Instant, answer: Answer, policy: &Policy) -> bool {
        self.under_way = false;
        let (known, status) = match heard(answer, policy.on_error) {
            Heard::Rules(robots, status) => (Some(Known::Rules(robots, None)), status),
            Heard::Trouble { again: true, .. } if self.troubles < policy.tries => {
                let factor = 1_u32.checked_shl(self.troubles).unwrap_or(u32::MAX);
                self.troubles += 1;
                self.ask_at = Some(later(now, policy.backoff.saturating_mul(factor)));
                return false;
            }
            Heard::Trouble { known, .. } => (Some(known).filter(|_| !self.has_rules()), None),
        };
        self.troubles = 0;
        self.is_unused = true;
        self.ask_at = Some(later(now, policy.lifetime));
        let is_new = known.is_some();
        if is_new {
            (self.known, self.status) = (known, status);
        }
        is_new
    }

    /// A page was judged by what is known.
    pub fn used(&mut self) {
        self.is_unused = false;
    }

    /// What follows for a page of this origin, by its URL in canonical form; `None` as long as nothing is known, or
    /// its rules are on the shelf: then it waits.
    pub fn judge(&self, url: &str) -> Option<Judged> {
        let (line, reason) = match self.known.as_ref()? {
            Known::Refused(outcome, reason) => {
                return Some(Judged::Refused(Ending::because(*outcome, reason.as_str())));
            }
            Known::Shelved(..) => return None,
            Known::Rules(robots, _) => match robots.verdict(url) {
                Verdict::Allowed => return Some(Judged::Allowed),
                Verdict::Disallowed { line, rule } => (line, rule),
                Verdict::Undecided { line, rule } => {
                    (line, format!("robots.txt takes too much work to match, given up at `{rule}`"))
                }
            },
        };
        let place = format!("{}/robots.txt:{line}", cut_before_path(url).0);
        Some(Judged::Refused(Ending { rule: Some(place), ..Ending::because(Outcome::SkippedRobots, reason) }))
    }

    /// The wait between two requests that the rules ask for.
    pub fn crawl_delay(&self) -> Option<Duration> {
        match &self.known {
            Some(Known::Rules(robots, _)) => robots.crawl_delay(),
            Some(Known::Shelved(_, crawl_delay)) => *crawl_delay,
            _ => None,
        }
    }

    /// The sitemaps that the file named when it was answered, as written: once.
    pub fn take_sitemaps(&mut self) -> Vec<String> {
        match &mut self.known {
            Some(Known::Rules(robots, _)) => robots.take_sitemaps(),
            _ => Vec::new(),
        }
    }

    /// About how many bytes of memory its rules take now.
    pub fn weight(&self) -> usize {
        match &self.known {
            Some(Known::Rules(robots, _)) => robots.weight(),
            _ => 0,
        }
    }

    /// Puts its rules on the shelf, if there are any.
    pub fn shelve(&mut self, onto: &mut Shelf) -> Result<(), BacklogError> {
        if let Some(Known::Rules(robots, place)) = &self.known
            && robots.weight() > 0
        {
            let place = match place {
                Some(place) => *place,
                None => onto.put(robots)?,
            };
            self.known = Some(Known::Shelved(place, robots.crawl_delay()));
        }
        Ok(())
    }

    /// Takes its rules from the shelf, if they are there. Whether they were.
    pub fn take_down(&mut self, from: &mut Shelf) -> Result<bool, BacklogError> {
        let Some(Known::Shelved(place, _)) = self.known else { return Ok(false) };
        self.known = Some(Known::Rules(from.get(place)?, Some(place)));
        Ok(true)
    }

    /// What was known when the note was made. Its age is taken from the wall clock, at least 0, so that a clock that
    /// was set back makes nothing hold longer than its lifetime from now.
    pub fn restore(note: &RobotsNote, now: Instant, wall_now_ms: i64, agent: &str, policy: &Policy) -> Self {
        let age = u64::try_from(wall_now_ms.saturating_sub(note.fetched_at_ms)).unwrap_or_default();
        let left = policy.lifetime.saturating_sub(Duration::from_millis(age));
        let mut robots = Robots::parse(&note.body, agent);
        // They were offered when it was answered.
        drop(robots.take_sitemaps());
        let known = Some(Known::Rules(robots, None));
        Self { known, status: Some(note.status), ask_at: Some(later(now, left)), ..Self::default() }
    }

    fn has_rules(&self) -> bool {
        matches!(self.known, Some(Known::Rules(..) | Known::Shelved(..)))
    }
}

fn heard(answer: Answer, on_error: OnError) -> Heard {
    let (outcome, reason) = match answer {
        Answer::Body { status, robots } => return Heard::Rules(robots, Some(status)),
        Answer::Absent { status } if status != 429 => return Heard::Rules(Robots::allow_all(), Some(status)),
        Answer::TooManyRedirects => return Heard::Rules(Robots::allow_all(), None),
        Answer::Absent { status } | Answer::ServerError { status } => {
            (Outcome::HttpError, format!("status {status}"))
        }
        Answer::Failed { outcome, reason } => (outcome, reason),
    };
    let why = format!("robots.txt could not be fetched: {reason}");
    match outcome {
        // The pages could not be fetched either.
        Outcome::DnsError | Outcome::RefusedAddress | Outcome::TlsError => {
            Heard::Trouble { known: Known::Refused(outcome, why), again: false }
        }
        Outcome::ConnectError => Heard::Trouble { known: Known::Refused(outcome, why), again: true },
        _ if on_error == OnError::Allow => {
            Heard::Trouble { known: Known::Rules(Robots::allow_all(), None), again: false }
        }
        _ => {
            let why = format!("{why}; `politeness.robots_on_5xx` says what follows");
            let known = Known::Refused(Outcome::SkippedRobots, why);
            Heard::Trouble { known, again: on_error == OnError::Defer }
        }
    }
}

fn later(now: Instant, wait: Duration) -> Instant {
    now + wait.min(MAX_WAIT)
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    const AGENT: &str = "foobot/1.0";
    const HOUR: Duration = Duration::from_hours(1);

    fn policy(on_error: OnError) -> Policy {
        Policy { on_error, lifetime: 24 * HOUR, tries: 2, backoff: Duration::from_secs(10) }
    }

    fn body(text: &str) -> Answer {
        Answer::of(200, || Robots::parse(text.as_bytes(), AGENT))
    }

    fn failed(outcome: Outcome) -> Answer {
        Answer::Failed { outcome, reason: "no luck".to_owned() }
    }

    /// `allowed`, `waits`, or the outcome with reason and place.
    fn judged(origin: &OriginRobots, path: &str) -> String {
        let url = Url::parse(&format!("https://h:8443{path}")).expect("URL");
        match origin.judge(url.as_str()) {
            None => "waits".to_owned(),
            Some(Judged::Allowed) => "allowed".to_owned(),
            Some(Judged::Refused(Ending { outcome, reason, rule, stage: None })) => {
                format!("{outcome}|{}|{}", reason.unwrap_or_default(), rule.unwrap_or_default())
            }
            Some(Judged::Refused(other)) => format!("{other:?}"),
        }
    }

    #[test]
    fn the_way_from_unknown_to_known_and_round_again() {
        let (start, policy) = (Instant::now(), policy(OnError::Defer));
        let mut origin = OriginRobots::new();
        assert_eq!((origin.needs_asking(start), judged(&origin, "/").as_str()), (Ask::Now, "waits"));
        origin.asked();
        assert_eq!(origin.needs_asking(start), Ask::No);
        origin.unasked();
        assert_eq!(origin.needs_asking(start), Ask::Now);
        origin.asked();
        let text = "user-agent: *\ndisallow: /x # no\ncrawl-delay: 2\nsitemap: /s.xml";
        assert!(origin.answered(start, body(text), &policy));
        assert_eq!(judged(&origin, "/"), "allowed");
        assert_eq!(judged(&origin, "/x?y"), "skipped_robots|disallow: /x|https://h:8443/robots.txt:2");
        assert_eq!(origin.crawl_delay(), Some(Duration::from_secs(2)));
        assert_eq!(origin.take_sitemaps(), ["/s.xml"]);
        assert_eq!(origin.needs_asking(start + 23 * HOUR), Ask::No);
        let expired = start + 24 * HOUR;
        assert_eq!(origin.needs_asking(expired), Ask::No, "not before they were of use to a page");
        origin.used();
        assert_eq!(origin.needs_asking(expired), Ask::Now);
        assert!(judged(&origin, "/x").starts_with("skipped_robots"), "the old rules hold meanwhile");
        origin.asked();
        assert!(origin.answered(expired, Answer::Absent { status: 404 }, &policy));
        assert_eq!(judged(&origin, "/x"), "allowed");
        assert_eq!((origin.crawl_delay(), origin.take_sitemaps().len()), (None, 0));
    }

    #[test]
    fn what_each_answer_comes_to() {
        let why = "robots.txt could not be fetched: ";
        let hint = "; `politeness.robots_on_5xx` says what follows|";
        let server = |status| format!("skipped_robots|{why}status {status}{hint}");
        let ends = |outcome: Outcome| format!("{outcome}|{why}no luck|");
        let broken = || format!("skipped_robots|{why}no luck{hint}");
        let table = [
            (Answer::of(204, Robots::allow_all), "allowed".to_owned(), false),
            (Answer::of(304, Robots::allow_all), "allowed".to_owned(), false),
            (Answer::of(401, Robots::allow_all), "allowed".to_owned(), false),
            (Answer::of(403, Robots::allow_all), "allowed".to_owned(), false),
            (Answer::of(404, Robots::allow_all), "allowed".to_owned(), false),
            (Answer::TooManyRedirects, "allowed".to_owned(), false),
            (Answer::of(429, Robots::allow_all), server(429), true),
            (Answer::Absent { status: 429 }, server(429), true),
            (Answer::of(503, Robots::allow_all), server(503), true),
            (Answer::of(999, Robots::allow_all), server(999), true),
            (failed(Outcome::Timeout), broken(), true),
            (failed(Outcome::NetworkError), broken(), true),
            (failed(Outcome::InvalidResponse), broken(), true),
            (failed(Outcome::ConnectError), ends(Outcome::ConnectError), true),
            (failed(Outcome::DnsError), ends(Outcome::DnsError), false),
            (failed(Outcome::RefusedAddress), ends(Outcome::RefusedAddress), false),
            (failed(Outcome::TlsError), ends(Outcome::TlsError), false),
        ];
        let now = Instant::now();
        for (answer, end, patient) in table {
            let mut origin = OriginRobots::new();
            let known = origin.answered(now, answer.clone(), &policy(OnError::Defer));
            assert_eq!(known, !patient, "{answer:?}");
            if patient {
                assert_eq!(judged(&origin, "/"), "waits", "{answer:?}");
                assert!(!origin.answered(now, answer.clone(), &policy(OnError::Defer)));
                assert!(origin.answered(now, answer.clone(), &policy(OnError::Defer)));
            }
            assert_eq!(judged(&origin, "/"), end, "{answer:?}");
            origin.used();
            assert_eq!(origin.needs_asking(now), Ask::No);
            assert_eq!(origin.needs_asking(now + 24 * HOUR), Ask::Now);
        }
    }

    #[test]
    fn trouble_is_waited_out_twice_as_long_each_time() {
        let (now, policy) = (Instant::now(), policy(OnError::Defer));
        let after = |seconds| Ask::NotBefore(now + Duration::from_secs(seconds));
        let mut origin = OriginRobots::new();
        origin.answered(now, Answer::ServerError { status: 500 }, &policy);
        assert_eq!(origin.needs_asking(now), after(10));
        assert_eq!(origin.needs_asking(now + Duration::from_secs(10)), Ask::Now);
        origin.answered(now, failed(Outcome::Timeout), &policy);
        assert_eq!(origin.needs_asking(now), after(20));
        assert!(origin.answered(now, body(""), &policy));
        assert_eq!((origin.needs_asking(now), judged(&origin, "/").as_str()), (Ask::No, "allowed"));
        // The next trouble is counted anew.
        origin.used();
        origin.answered(now, failed(Outcome::Timeout), &policy);
        assert_eq!(origin.needs_asking(now), after(10));
    }

    #[test]
    fn without_patience_the_policy_decides_at_once() {
        let now = Instant::now();
        for (on_error, end) in [(OnError::Allow, "allowed"), (OnError::Disallow, "skipped_robots")] {
            let mut origin = OriginRobots::new();
            assert!(origin.answered(now, Answer::ServerError { status: 500 }, &policy(on_error)));
            assert_eq!(judged(&origin, "/").split('|').next(), Some(end));
        }
    }

    #[test]
    fn rules_that_are_known_outlast_trouble() {
        let now = Instant::now();
        for on_error in [OnError::Defer, OnError::Disallow, OnError::Allow] {
            for outcome in [Outcome::Timeout, Outcome::DnsError, Outcome::ConnectError] {
                let mut origin = OriginRobots::new();
                origin.answered(now, body("user-agent: *\ndisallow: /x"), &policy(on_error));
                for _ in 0..3 {
                    assert!(!origin.answered(now + 24 * HOUR, failed(outcome), &policy(on_error)));
                    assert_eq!(judged(&origin, "/y"), "allowed");
                    assert!(judged(&origin, "/x").starts_with("skipped_robots|disallow: /x|"));
                }
            }
        }
    }

    #[test]
    fn a_refusal_gives_way_to_the_next_answer() {
        let (now, policy) = (Instant::now(), policy(OnError::Disallow));
        let mut origin = OriginRobots::new();
        origin.answered(now, failed(Outcome::Timeout), &policy);
        assert!(origin.answered(now, failed(Outcome::DnsError), &policy));
        assert!(judged(&origin, "/").starts_with("dns_error"));
        assert!(origin.answered(now, body(""), &policy));
        assert_eq!(judged(&origin, "/"), "allowed");
    }

    #[test]
    fn extreme_settings_are_no_panic() {
        let policy = Policy {
            on_error: OnError::Defer,
            lifetime: Duration::MAX,
            tries: u32::MAX,
            backoff: Duration::MAX,
        };
        let (now, mut origin) = (Instant::now(), OriginRobots::new());
        for _ in 0..40 {
            assert!(!origin.answered(now, Answer::ServerError { status: 500 }, &policy));
            assert_eq!(origin.needs_asking(now), Ask::NotBefore(now + MAX_WAIT));
        }
        assert!(origin.answered(now, body(""), &policy));
        assert_eq!(origin.needs_asking(now), Ask::No);
    }

    fn restored(status: u16, text: &str, wall_ms: i64) -> OriginRobots {
        let (origin, body) = ("https://h:8443".to_owned(), text.as_bytes().to_vec());
        let note = RobotsNote { origin, fetched_at_ms: 1_000, status, body };
        OriginRobots::restore(&note, Instant::now(), wall_ms, AGENT, &policy(OnError::Defer))
    }

    #[test]
    fn a_note_brings_back_what_was_known_for_what_is_left_of_its_lifetime() {
        let text = "user-agent: *\ndisallow: /x";
        let asks = |origin: &OriginRobots, hours: u32| origin.needs_asking(Instant::now() + hours * HOUR);
        let later = restored(200, text, 1_000 + 20 * 3_600_000);
        assert_eq!((asks(&later, 3), asks(&later, 5)), (Ask::No, Ask::Now));
        let set_back = restored(200, text, -5_000);
        assert_eq!((asks(&set_back, 23), asks(&set_back, 25)), (Ask::No, Ask::Now));
        let expired = restored(200, text, i64::MAX);
        assert_eq!(asks(&expired, 0), Ask::Now);
        assert!(
            judged(&expired, "/x").starts_with("skipped_robots|disallow: /x|"),
            "holds until there are new ones"
        );
        assert_eq!(judged(&restored(404, "", 0), "/x"), "allowed");
    }
}

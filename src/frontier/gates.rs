//! Whether a request whose turn it is may go: the robots.txt of its origin, the budget of its host, and, where depth
//! is limited, the level by level order that makes the limit exact. Pure: time is passed in.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backlog::BacklogError;
use super::robots::{Answer, Ask, Judged, OriginRobots, Policy, Shelf};
use crate::model::{Ending, FILE_HOST, Outcome, Request, Role};

/// What a gate says of a request.
#[derive(Debug)]
pub enum Gate {
    /// It may go.
    Open,
    /// It ends here.
    Refuse(Ending),
    /// This one goes first: the robots.txt of its origin.
    Ask(Box<Request>),
    /// Not yet: until a time, or until something happens.
    Wait(Option<Instant>),
}

/// How robots.txt is obeyed.
#[derive(Clone, Debug)]
pub struct Manners {
    /// What follows from an answer.
    pub policy: Policy,
    /// The longest crawl delay that is waited for, and where the config says so; `None` where crawl delays are not
    /// obeyed.
    pub crawl_delay: Option<(Duration, String)>,
}

/// The gates of a run.
#[derive(Debug, Default)]
pub struct Gates {
    manners: Option<Manners>,
    origins: HashMap<Arc<str>, Origins>,
    /// About how many bytes the rules of robots.txt in `origins` take.
    rules: usize,
    /// How many they may take before all of them are put on the shelf.
    rules_memory: usize,
    shelf: Shelf,
    budget: Option<Budget>,
    levels: Option<Levels>,
}

/// The two origins that share a host key.
#[derive(Debug, Default)]
struct Origins {
    http: Option<OriginRobots>,
    https: Option<OriginRobots>,
}

impl Origins {
    fn of(&mut self, is_https: bool) -> &mut Option<OriginRobots> {
        if is_https { &mut self.https } else { &mut self.http }
    }

    fn crawl_delay(&self) -> Option<Duration> {
        let of = |origin: &Option<OriginRobots>| origin.as_ref().and_then(OriginRobots::crawl_delay);
        of(&self.http).max(of(&self.https))
    }
}

/// `limits.max_pages_per_host`, exact: a place is taken at the lease and given back by whatever is no page.
#[derive(Debug)]
struct Budget {
    pages: u64,
    rule: String,
    /// Pages that ended well, and leased ones that may.
    hosts: HashMap<Arc<str>, Spent>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    good: u64,
    taken: u64,
}

/// Requests that are leased and not settled, by host and depth. A request waits for the nearer ones of its host,
/// because their links may lead to what it leads to on a shorter way.
#[derive(Debug, Default)]
struct Levels {
    hosts: HashMap<Arc<str>, BTreeMap<u32, u32>>,
}

/// The settings of the gates.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// How robots.txt is obeyed; `None` if it is not.
    pub manners: Option<Manners>,
    /// `limits.max_pages_per_host`, and where it stands.
    pub pages_per_host: Option<(u64, String)>,
    /// Whether depth is limited.
    pub by_level: bool,
}

impl Gates {
    /// Gates as the limits say.
    pub fn new(limits: Limits) -> Self {
        let Limits { manners, pages_per_host, by_level } = limits;
        let budget = pages_per_host.map(|(pages, rule)| Budget { pages, rule, hosts: HashMap::new() });
        let levels = by_level.then(Levels::default);
        Self {
            manners,
            origins: HashMap::new(),
            rules: 0,
            rules_memory: usize::MAX,
            shelf: Shelf::default(),
            budget,
            levels,
        }
    }

    /// Of the rules of robots.txt so many bytes are kept in memory, and what is more in a file in this directory.
    pub fn shelve_beyond(&mut self, rules_memory: usize, dir: PathBuf) {
        self.rules_memory = rules_memory;
        self.shelf = Shelf::new(dir);
    }

    /// Asks the gates for a request.
    pub fn ask(&mut self, host: &Arc<str>, request: &Request, now: Instant) -> Result<Gate, BacklogError> {
        if request.role == Role::Robots {
            return Ok(Gate::Open);
        }
        if let Some(levels) = &self.levels
            && levels.has_nearer(host, request.depth)
        {
            return Ok(Gate::Wait(None));
        }
        if let Some(budget) = &self.budget
            && request.role == Role::Page
        {
            match budget.left(host) {
                Left::Some => {}
                Left::Taken => return Ok(Gate::Wait(None)),
                Left::None => {
                    let reason = format!("the host has yielded {} pages already", budget.pages);
                    let ending = Ending::because(Outcome::SkippedBudget, reason);
                    return Ok(Gate::Refuse(Ending { rule: Some(budget.rule.clone()), ..ending }));
                }
            }
        }
        let gate = self.robots(host, request, now)?;
        self.keep_to_the_bound()?;
        Ok(gate)
    }

    fn robots(&mut self, host: &Arc<str>, request: &Request, now: Instant) -> Result<Gate, BacklogError> {
        let Some(manners) = self.manners.as_ref().filter(|_| &**host != FILE_HOST) else {
            return Ok(Gate::Open);
        };
        if !self.origins.contains_key(host) {
            self.origins.insert(Arc::clone(host), Origins::default());
        }
        let Some(origins) = self.origins.get_mut(host) else { return Ok(Gate::Open) };
        let origin = origins.of(request.is_https()).get_or_insert_with(OriginRobots::new);
        let asking = origin.needs_asking(now);
        if asking == Ask::Now {
            origin.asked();
            return Ok(Gate::Ask(Box::new(Request::robots(request.is_https(), host, &request.source))));
        }
        if origin.take_down(&mut self.shelf)? {
            self.rules += origin.weight();
        }
        let judged = origin.judge(&request.url);
        if judged.is_some() {
            origin.used();
        }
        match (judged, asking) {
            (Some(Judged::Refused(ending)), _) => return Ok(Gate::Refuse(ending)),
            (Some(Judged::Allowed), _) => {}
            (None, Ask::NotBefore(at)) => return Ok(Gate::Wait(Some(at))),
            (None, _) => return Ok(Gate::Wait(None)),
        }
        if let (Some((most, rule)), Some(delay)) = (&manners.crawl_delay, origins.crawl_delay())
            && delay > *most
        {
            let reason = format!(
                "its robots.txt asks for {} between two requests, more than `politeness.max_crawl_delay` = {}",
                crate::units::Time(delay),
                crate::units::Time(*most)
            );
            let ending = Ending::because(Outcome::SkippedCrawlDelay, reason);
            return Ok(Gate::Refuse(Ending { rule: Some(rule.clone()), ..ending }));
        }
        Ok(Gate::Open)
    }

    /// Puts all rules on the shelf if they are too much for memory; those that are needed come back one by one. The pass
    /// over all hosts is paid by the bytes that have to come together again before the next.
    fn keep_to_the_bound(&mut self) -> Result<(), BacklogError> {
        if self.rules <= self.rules_memory {
            return Ok(());
        }
        let known = self.origins.values_mut().flat_map(|origins| [&mut origins.http, &mut origins.https]);
        for origin in known.flatten() {
            origin.shelve(&mut self.shelf)?;
        }
        self.rules = 0;
        Ok(())
    }

    /// The crawl delay that a host asks for and that is obeyed.
    pub fn crawl_delay(&self, host: &str) -> Option<Duration> {
        let (most, _) = self.manners.as_ref()?.crawl_delay.as_ref()?;
        self.origins.get(host)?.crawl_delay().map(|delay| delay.min(*most))
    }

    /// What is known of the robots.txt of an origin.
    pub fn origin(&self, is_https: bool, host: &str) -> Option<&OriginRobots> {
        let origins = self.origins.get(host)?;
        if is_https { origins.https.as_ref() } else { origins.http.as_ref() }
    }

    /// Whether the robots.txt of an origin is to be asked for now; if so it counts as asked for.
    pub fn begin_asking(&mut self, is_https: bool, host: &Arc<str>, now: Instant) -> bool {
        if self.manners.is_none() || &**host == FILE_HOST {
            return false;
        }
        let origins = self.origins.entry(Arc::clone(host)).or_default();
        let origin = origins.of(is_https).get_or_insert_with(OriginRobots::new);
        let is_due = origin.needs_asking(now) == Ask::Now;
        if is_due {
            origin.asked();
        }
        is_due
    }

    /// A request for robots.txt came to nothing and will not be made again by itself.
    pub fn unasked(&mut self, is_https: bool, host: &str) {
        if let Some(origin) = self.origins.get_mut(host).and_then(|origins| origins.of(is_https).as_mut()) {
            origin.unasked();
        }
    }

    /// What asking for the robots.txt of an origin came to. Gives the sitemaps that it names.
    pub fn answered(&mut self, is_https: bool, host: &Arc<str>, now: Instant, answer: Answer) -> Vec<String> {
        let Some(manners) = &self.manners else { return Vec::new() };
        let origins = self.origins.entry(Arc::clone(host)).or_default();
        let origin = origins.of(is_https).get_or_insert_with(OriginRobots::new);
        self.rules -= origin.weight();
        origin.answered(now, answer, &manners.policy);
        self.rules += origin.weight();
        origin.take_sitemaps()
    }

    /// The robots.txt of an origin as an earlier process knew it.
    pub fn restore(
        &mut self,
        is_https: bool,
        host: &Arc<str>,
        origin: OriginRobots,
    ) -> Result<(), BacklogError> {
        self.rules += origin.weight();
        let before = self.origins.entry(Arc::clone(host)).or_default().of(is_https).replace(origin);
        self.rules -= before.as_ref().map_or(0, OriginRobots::weight);
        self.keep_to_the_bound()
    }

    /// A request has been leased; `anew` unless it was tried before, counted as an attempt or not: then it never stopped
    /// being under way.
    pub fn leased(&mut self, host: &Arc<str>, request: &Request, anew: bool) {
        if let Some(budget) = self.budget.as_mut().filter(|_| request.role == Role::Page) {
            budget.hosts.entry(Arc::clone(host)).or_default().taken += 1;
        }
        if let Some(levels) = self.levels.as_mut().filter(|_| anew && request.role != Role::Robots) {
            *levels.hosts.entry(Arc::clone(host)).or_default().entry(request.depth).or_default() += 1;
        }
    }

    /// A lease was given back; `for_good` unless the request is to be made again.
    pub fn put_back(&mut self, host: &str, request: &Request, for_good: bool) {
        if let Some(budget) = self.budget.as_mut().filter(|_| request.role == Role::Page) {
            budget.give_back(host);
        }
        if let Some(levels) = self.levels.as_mut().filter(|_| for_good && request.role != Role::Robots) {
            levels.settle(host, request.depth);
        }
    }

    /// A request that an earlier process had leased and put off is under way.
    pub fn put_off(&mut self, host: &Arc<str>, request: &Request) {
        if let Some(levels) = self.levels.as_mut().filter(|_| request.role != Role::Robots) {
            *levels.hosts.entry(Arc::clone(host)).or_default().entry(request.depth).or_default() += 1;
        }
    }

    /// A lease is settled by a committed checkpoint.
    pub fn settled(&mut self, host: &Arc<str>, role: Role, depth: u32, good: bool) {
        if let Some(budget) = self.budget.as_mut().filter(|_| role == Role::Page) {
            budget.give_back(host);
            if good {
                budget.hosts.entry(Arc::clone(host)).or_default().good += 1;
            }
        }
        if let Some(levels) = &mut self.levels {
            levels.settle(host, depth);
        }
    }

    /// A page that ended well in an earlier process.
    pub fn had_good(&mut self, host: &Arc<str>) {
        if let Some(budget) = &mut self.budget {
            budget.hosts.entry(Arc::clone(host)).or_default().good += 1;
        }
    }

    /// Whether settling can open a gate of a host.
    pub fn wait_for_settles(&self) -> bool {
        self.budget.is_some() || self.levels.is_some()
    }
}

enum Left {
    Some,
    Taken,
    None,
}

impl Budget {
    fn left(&self, host: &str) -> Left {
        match self.hosts.get(host) {
            Some(spent) if spent.good >= self.pages => Left::None,
            Some(spent) if spent.good + spent.taken >= self.pages => Left::Taken,
            _ => Left::Some,
        }
    }

    fn give_back(&mut self, host: &str) {
        if let Some(spent) = self.hosts.get_mut(host) {
            spent.taken = spent.taken.saturating_sub(1);
        }
    }
}

impl Levels {
    fn has_nearer(&self, host: &str, depth: u32) -> bool {
        let nearest = self.hosts.get(host).and_then(|levels| levels.first_key_value());
        nearest.is_some_and(|(nearest, _)| *nearest < depth)
    }

    fn settle(&mut self, host: &str, depth: u32) {
        let Some(levels) = self.hosts.get_mut(host) else { return };
        if let Some(count) = levels.get_mut(&depth) {
            *count -= 1;
            if *count == 0 {
                levels.remove(&depth);
            }
        }
        if levels.is_empty() {
            self.hosts.remove(host);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontier::robots::Robots;
    use crate::frontier::settings::OnError;
    use crate::model::canonical;

    const HOSTS: usize = 20;

    fn gates() -> Gates {
        let policy = Policy {
            on_error: OnError::Defer,
            lifetime: Duration::from_hours(24),
            tries: 3,
            backoff: Duration::from_mins(1),
        };
        let manners = Manners { policy, crawl_delay: Some((Duration::from_mins(1), "rule".to_owned())) };
        Gates::new(Limits { manners: Some(manners), ..Limits::default() })
    }

    fn answer(gates: &mut Gates, host: usize, now: Instant, text: &str) {
        let robots = Robots::parse(text.as_bytes(), "trawl");
        gates.answered(false, &Arc::from(format!("h{host}")), now, Answer::Body { status: 200, robots });
    }

    fn ask(gates: &mut Gates, host: usize, path: &str, now: Instant) -> String {
        let request = Request::seed(&canonical(&format!("http://h{host}{path}"), None).expect("URL"), "test");
        match gates.ask(&Arc::from(&*request.host), &request, now).expect("a sound disk") {
            Gate::Open => "open".to_owned(),
            Gate::Refuse(ending) => format!("{:?} {:?}", ending.reason, ending.rule),
            Gate::Ask(robots) => robots.url.to_string(),
            Gate::Wait(at) => format!("{at:?}"),
        }
    }

    #[test]
    fn rules_on_the_shelf_are_obeyed_as_in_memory() {
        let (now, dir) = (Instant::now(), tempfile::tempdir().expect("directory"));
        let (mut kept, mut shelved) = (gates(), gates());
        shelved.shelve_beyond(0, dir.path().join("scratch"));
        for version in ["old", "new"] {
            for host in 0..HOSTS {
                let text = format!("User-agent: *\nCrawl-delay: {host}\n\nDisallow: /{version}/{host}\n");
                for gates in [&mut kept, &mut shelved] {
                    answer(gates, host, now, &text);
                }
            }
            for host in (0..HOSTS).chain(0..HOSTS) {
                for path in ["/", "/old/7", "/new/7", "/old/12/x"] {
                    let expected = ask(&mut kept, host, path, now);
                    assert_eq!(ask(&mut shelved, host, path, now), expected, "{host} {path}");
                }
                let name = format!("h{host}");
                assert_eq!(shelved.crawl_delay(&name), Some(Duration::from_secs(host as u64)));
                assert_eq!(shelved.rules, 0, "nothing stays in memory");
            }
            assert!(kept.rules > HOSTS * 20);
            assert_eq!(
                ask(&mut shelved, 7, &format!("/{version}/7"), now),
                format!("Some(\"Disallow: /{version}/7\") Some(\"http://h7/robots.txt:4\")")
            );
        }
    }

    #[test]
    fn what_the_rules_take_is_counted_whatever_replaces_them() {
        let now = Instant::now();
        let mut gates = gates();
        answer(&mut gates, 0, now, "User-agent: *\nDisallow: /a\nDisallow: /b\n");
        let two = gates.rules;
        answer(&mut gates, 0, now, "User-agent: *\nDisallow: /a\n");
        assert!(0 < gates.rules && gates.rules < two);
        gates.restore(false, &Arc::from("h0"), OriginRobots::new()).expect("in memory");
        assert_eq!(gates.rules, 0);
    }
}

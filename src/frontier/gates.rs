//! Whether a request whose turn it is may go: the robots.txt of its origin, the budget of its host, and, where depth
//! is limited, the level by level order that makes the limit exact. Pure: time is passed in.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use url::Url;

use super::robots::{Answer, Ask, Judged, OriginRobots, Policy};
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
        Self { manners, origins: HashMap::new(), budget, levels: by_level.then(Levels::default) }
    }

    /// Asks the gates for a request.
    pub fn ask(&mut self, host: &Arc<str>, request: &Request, now: Instant) -> Gate {
        if request.role == Role::Robots {
            return Gate::Open;
        }
        if let Some(levels) = &self.levels
            && levels.has_nearer(host, request.depth)
        {
            return Gate::Wait(None);
        }
        if let Some(budget) = &self.budget
            && request.role == Role::Page
        {
            match budget.left(host) {
                Left::Some => {}
                Left::Taken => return Gate::Wait(None),
                Left::None => {
                    let reason = format!("the host has yielded {} pages already", budget.pages);
                    let ending = Ending::because(Outcome::SkippedBudget, reason);
                    return Gate::Refuse(Ending { rule: Some(budget.rule.clone()), ..ending });
                }
            }
        }
        self.robots(host, request, now)
    }

    fn robots(&mut self, host: &Arc<str>, request: &Request, now: Instant) -> Gate {
        let Some(manners) = self.manners.as_ref().filter(|_| &**host != FILE_HOST) else { return Gate::Open };
        let Ok(url) = Url::parse(&request.url) else { return Gate::Open };
        if !self.origins.contains_key(host) {
            self.origins.insert(Arc::clone(host), Origins::default());
        }
        let Some(origins) = self.origins.get_mut(host) else { return Gate::Open };
        let origin = origins.of(request.is_https()).get_or_insert_with(OriginRobots::new);
        let asking = origin.needs_asking(now);
        if asking == Ask::Now {
            origin.asked();
            return Gate::Ask(Box::new(Request::robots(request.is_https(), host, &request.source)));
        }
        let judged = origin.judge(&url);
        if judged.is_some() {
            origin.used();
        }
        match (judged, asking) {
            (Some(Judged::Refused(ending)), _) => return Gate::Refuse(ending),
            (Some(Judged::Allowed), _) => {}
            (None, Ask::NotBefore(at)) => return Gate::Wait(Some(at)),
            (None, _) => return Gate::Wait(None),
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
            return Gate::Refuse(Ending { rule: Some(rule.clone()), ..ending });
        }
        Gate::Open
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
        origin.answered(now, answer, &manners.policy);
        origin.sitemaps().to_vec()
    }

    /// The robots.txt of an origin as an earlier process knew it.
    pub fn restore(&mut self, is_https: bool, host: &Arc<str>, origin: OriginRobots) {
        *self.origins.entry(Arc::clone(host)).or_default().of(is_https) = Some(origin);
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

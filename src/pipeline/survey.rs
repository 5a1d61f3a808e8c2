//! A survey: what a run would ask for, host by host, found out by asking for robots.txt, sitemaps and feeds alone, with
//! the manners of a run. Pages are counted and judged, never fetched; nothing is committed or written.

use std::collections::{BTreeMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::stream::{self, StreamExt, select_all};

use super::done::{Done, Sheet};
use super::stop::Stop;
use super::visit::{self, Flow, Hop, Tools};
use crate::frontier::{Frontier, OriginRobots, RobotsJudged as Judged, Rules};
use crate::model::{FILE_HOST, Lease, Outcome, Request, Role, Seed, Visit};
use crate::source::{Source, SourceError};

/// Failed sitemaps and feeds that are named, for each host.
const MAX_TROUBLES: usize = 5;

/// What a survey is made of.
pub struct Surveying {
    /// Where seeds come from.
    pub sources: Vec<Box<dyn Source>>,
    /// What robots.txt, sitemaps and feeds are fetched and read with.
    pub tools: Arc<Tools>,
    /// What each host allows.
    pub rules: Rules,
    /// The longest crawl delay that is waited for; `None` where crawl delays are not obeyed.
    pub max_crawl_delay: Option<Duration>,
    /// Pages of one host at most.
    pub pages_per_host: Option<u64>,
    /// Requests in flight at once.
    pub max_concurrency: usize,
    /// Pages that are counted at most.
    pub most: usize,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Survey {
    /// By host.
    pub hosts: BTreeMap<String, HostSurvey>,
    /// Seeds and entries that are no URL, or lie outside of the scope.
    pub refused: u64,
    /// Whether there is more than was counted.
    pub is_cut: bool,
    /// Whether it was stopped before it was through.
    pub is_interrupted: bool,
}

/// What was found of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostSurvey {
    /// Pages that are known.
    pub urls: u64,
    /// Of these forbidden by robots.txt, or because it cannot be had.
    pub disallowed: u64,
    /// Of these without hope: the host does not answer, or wants longer waits than are allowed.
    pub lost: u64,
    /// Of these over the budget of the host.
    pub over_budget: u64,
    /// What asking for robots.txt came to, by origin: a status, or why there was none.
    pub robots: BTreeMap<String, String>,
    /// Whether a robots.txt could not be had so far: a run would wait and ask again.
    pub is_undecided: bool,
    /// The `Crawl-delay` of its robots.txt.
    pub crawl_delay: Option<Duration>,
    /// Least time between two requests.
    pub delay: Duration,
    /// Sitemaps and feeds that were read.
    pub lists: u64,
    /// The first that could not be: URL and reason.
    pub troubles: Vec<(String, String)>,
}

impl HostSurvey {
    /// Pages that a run would ask for, as far as is known.
    pub fn to_fetch(&self) -> u64 {
        self.urls.saturating_sub(self.disallowed + self.lost + self.over_budget)
    }

    /// Least time that takes: robots.txt goes first, then each page waits for the one before.
    pub fn least_time(&self) -> Duration {
        self.delay.saturating_mul(u32::try_from(self.to_fetch()).unwrap_or(u32::MAX))
    }
}

/// A survey under way.
struct Surveyor {
    frontier: Arc<Frontier>,
    most: usize,
    /// Fingerprints of the pages.
    met: HashSet<u64>,
    /// Fingerprints of what is refused.
    refused: HashSet<u64>,
    pages: Vec<Request>,
    survey: Survey,
}

/// Pours the sources, asks for what tells of pages, and judges these.
pub async fn survey(parts: Surveying) -> Result<Survey, SourceError> {
    let Surveying { sources, tools, rules, max_crawl_delay, pages_per_host, max_concurrency, most } = parts;
    let frontier = Arc::clone(&tools.frontier);
    let mut surveyor = Surveyor {
        frontier,
        most,
        met: HashSet::new(),
        refused: HashSet::new(),
        pages: Vec::new(),
        survey: Survey::default(),
    };
    surveyor.pour(sources, &tools).await?;
    surveyor.listen(&tools, max_concurrency).await;
    surveyor.survey.is_interrupted = tools.stop.reason().is_some();
    surveyor.judge(&rules, max_crawl_delay);
    let Survey { hosts, .. } = &mut surveyor.survey;
    for host in hosts.values_mut().filter(|_| pages_per_host.is_some()) {
        host.over_budget = host.to_fetch().saturating_sub(pages_per_host.unwrap_or(u64::MAX));
    }
    Ok(surveyor.survey)
}

impl Surveyor {
    async fn pour(&mut self, sources: Vec<Box<dyn Source>>, tools: &Tools) -> Result<(), SourceError> {
        let mut seeds = select_all(sources.into_iter().map(Source::requests));
        while tools.stop.reason().is_none()
            && let Some(seed) = seeds.next().await
        {
            match seed? {
                Seed::Request(request) => self.found(tools.guide.seed(request)),
                Seed::Refused(visit) => self.refuse(&visit.request),
            }
            if self.survey.is_cut {
                break;
            }
        }
        self.frontier.sources_done();
        Ok(())
    }

    /// Asks for robots.txt, sitemaps and feeds until there are no more.
    async fn listen(&mut self, tools: &Arc<Tools>, max_concurrency: usize) {
        let leases = stream::unfold((Arc::clone(&self.frontier), tools.stop.clone()), next);
        let flows = leases
            .map(|lease| visit::fetch(tools, lease))
            .buffer_unordered(max_concurrency)
            .map(|hop| {
                let heard = heard(&hop);
                visit::parse(tools, hop).map(move |flow| (heard, flow))
            })
            .buffer_unordered(tools.parsers.threads().max(1));
        let mut flows = pin!(flows);
        while let Some((heard, flow)) = flows.next().await {
            if let Some((host, origin, words)) = heard {
                self.host(&host).robots.insert(origin, words);
            }
            if let Some(flow) = flow {
                self.take(flow);
            }
            // What stands in no frame is of no use here, and must not pile up.
            drop(self.frontier.checkpoint([], []));
        }
    }

    fn take(&mut self, flow: Flow) {
        match flow {
            Flow::Settled(done) => self.listed(*done),
            Flow::PutBack(request) => self.frontier.put_back(*request),
            Flow::PutOff(request, again) => self.frontier.put_off(*request, again.wait, again.host_wait),
            Flow::Flush => {}
        }
    }

    /// A sitemap or feed has come to something.
    fn listed(&mut self, mut done: Done) {
        let lease = done.lease();
        let Some(visit) = done.take_sheet().and_then(Sheet::into_visit) else { return };
        let Visit { request, ending, .. } = *visit;
        let Done { admits, refuses, .. } = done;
        let host = self.host(&request.host);
        match ending.outcome {
            Outcome::Listed => host.lists += 1,
            Outcome::Redirected => {}
            outcome if host.troubles.len() < MAX_TROUBLES => {
                let reason = ending.reason.unwrap_or_default();
                host.troubles.push((request.url.to_string(), format!("{outcome}: {reason}")));
            }
            _ => {}
        }
        for found in admits {
            self.found(found);
        }
        for refusal in refuses {
            self.refuse(&refusal.request);
        }
        self.frontier.settled(lease.as_slice());
    }

    /// A page is counted, what lists pages is asked for.
    fn found(&mut self, request: Request) {
        if request.role != Role::Page {
            if !self.survey.is_cut {
                self.frontier.admit(request);
            }
            return;
        }
        let fingerprint = request.key.fingerprint();
        if self.met.contains(&fingerprint) {
            return;
        }
        if self.met.len() >= self.most {
            self.survey.is_cut = true;
            return;
        }
        self.met.insert(fingerprint);
        self.host(&request.host).urls += 1;
        self.frontier.ask_robots(request.is_https(), &request.host, &request.source);
        self.pages.push(request);
    }

    fn refuse(&mut self, request: &Request) {
        self.survey.refused += u64::from(self.refused.insert(request.key.fingerprint()));
    }

    fn host(&mut self, host: &str) -> &mut HostSurvey {
        if !self.survey.hosts.contains_key(host) {
            self.survey.hosts.insert(host.to_owned(), HostSurvey::default());
        }
        self.survey.hosts.entry(host.to_owned()).or_default()
    }

    /// What follows for the pages, now that all that could be had of robots.txt is there.
    fn judge(&mut self, rules: &Rules, max_crawl_delay: Option<Duration>) {
        let hosts = &mut self.survey.hosts;
        for (name, host) in hosts.iter_mut() {
            let origins = [true, false].map(|is_https| self.frontier.robots_of(is_https, name));
            host.crawl_delay = origins.iter().flatten().filter_map(OriginRobots::crawl_delay).max();
            let obeyed = host.crawl_delay.filter(|_| max_crawl_delay.is_some()).unwrap_or_default();
            host.delay = rules.of(name).delay.max(obeyed);
            if max_crawl_delay.is_some_and(|most| obeyed > most) {
                host.lost = host.urls;
            }
        }
        for page in self.pages.drain(..).filter(|page| *page.host != *FILE_HOST) {
            let Some(host) = hosts.get_mut(&*page.host).filter(|host| host.lost < host.urls) else {
                continue;
            };
            let origin = self.frontier.robots_of(page.is_https(), &page.host);
            let Some(origin) = origin else { continue };
            match origin.judge(&page.url) {
                None => host.is_undecided = true,
                Some(Judged::Allowed) => {}
                Some(Judged::Refused(ending)) if ending.outcome == Outcome::SkippedRobots => {
                    host.disallowed += 1;
                }
                Some(Judged::Refused(_)) => host.lost += 1,
            }
        }
    }
}

async fn next((frontier, stop): (Arc<Frontier>, Stop)) -> Option<(Lease, (Arc<Frontier>, Stop))> {
    let lease = tokio::select! {
        biased;
        () = stop.draining() => None,
        lease = frontier.next() => lease,
    };
    lease.map(|lease| (lease, (frontier, stop)))
}

/// What a request for robots.txt came to, in words: host, origin, status or reason.
fn heard(hop: &Hop) -> Option<(String, String, String)> {
    let Hop::Done(request, result, _) = hop else { return None };
    let (is_https, host) = request.robots_origin()?;
    let words = match &**result {
        Ok(fetched) => fetched.status.to_string(),
        Err((failure, _)) => failure.cause.name().to_owned(),
    };
    let scheme = if is_https { "https" } else { "http" };
    Some((host.clone(), format!("{scheme}://{host}"), words))
}

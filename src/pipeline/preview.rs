//! One page, fetched or kept, and read by itself for somebody who writes a rule: robots.txt, redirects and delays as in
//! a run, but no frontier, no state and no output. Retries nothing.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use url::{Position, Url};

use super::answers::{Verdict, judge};
use super::page::{Reader, end};
use super::parsers::Parsers;
use super::plan::{RobotsSettings, fetcher, robots as robots_settings};
use super::robots;
use super::visit::without_page;
use crate::config::Config;
use crate::fetch::{self, FetchError, Fetcher};
use crate::frontier::{Answer, OriginRobots, Robots, RobotsJudged, RobotsPolicy};
use crate::model::{
    Ending, FILE_HOST, Failure, Fetched, Normalize, Outcome, Parsed, Request, Role, Stage, Visit,
};
use crate::parse::{Rules, Trace};

/// How a page came out.
#[derive(Debug)]
pub struct Preview {
    /// As a run would settle it.
    pub visit: Visit,
    /// What was read of it, also where its rule gives it no record; none if it was not read.
    pub parsed: Option<Parsed>,
    /// Its unpacked body; empty if it was not read.
    pub body: Bytes,
    /// What each field came to.
    pub traces: Vec<Trace>,
}

/// Reads single pages on a thread of its own, as a run does.
#[derive(Debug)]
pub struct PageReader {
    parsers: Parsers,
    normalize: Normalize,
    rules: Arc<Rules>,
    max_body: u64,
}

/// Fetches single pages.
pub struct Previewer<'a> {
    config: &'a Config,
    fetcher: Fetcher,
    reader: PageReader,
    normalize: Normalize,
    robots: RobotsSettings,
    /// Whether robots.txt is asked for.
    obeys: bool,
    /// What is known of the robots.txt of origins.
    origins: HashMap<String, OriginRobots>,
    /// Hosts that were asked.
    asked: HashSet<String>,
    /// The longest delay that a robots.txt asked for.
    crawl_delay: Duration,
}

/// What is needed cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The `[http]` table.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// No thread to parse on.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

impl<'a> Previewer<'a> {
    /// Prepares for a job, with these rules. `ignore_robots` overrides `politeness.obey_robots`.
    pub fn new(config: &'a Config, rules: Rules, ignore_robots: bool) -> Result<Self, PreviewError> {
        Ok(Self {
            config,
            fetcher: fetcher(config)?,
            reader: PageReader::start(config, rules)?,
            normalize: config.scope.normalize.build(),
            robots: robots_settings(config),
            obeys: config.politeness.obey_robots && !ignore_robots,
            origins: HashMap::new(),
            asked: HashSet::new(),
            crawl_delay: Duration::ZERO,
        })
    }

    /// Fetches and reads a page, and follows its redirects.
    pub async fn page(&mut self, mut request: Request) -> Preview {
        let max_redirects = usize::try_from(self.config.http.max_redirects).unwrap_or(usize::MAX);
        loop {
            if let Some(ending) = self.refused(&request).await {
                return Preview::of(Visit::refused(request, ending));
            }
            let fetched = match self.fetch(&request).await {
                Ok(fetched) => fetched,
                Err(failure) => return Preview::of(Visit::refused(request, failure.into())),
            };
            match judge(&request, &fetched, max_redirects, &self.normalize) {
                Verdict::Page => return self.reader.read(request, fetched).await,
                Verdict::End(ending) => return Preview::of(without_page(request, fetched, ending)),
                Verdict::Redirect(Ok(target)) => request = request.redirected_to(&target),
                Verdict::Redirect(Err((raw, error))) => {
                    let ending = Ending::because(Outcome::Redirected, format!("to `{raw}`: {error}"));
                    return Preview::of(without_page(request, fetched, ending));
                }
            }
        }
    }

    /// Whether robots.txt forbids a request, and how it ends then.
    async fn refused(&mut self, request: &Request) -> Option<Ending> {
        if !self.obeys || *request.host == *FILE_HOST {
            return None;
        }
        let url = Url::parse(&request.url).ok()?;
        let key = url[..Position::BeforePath].to_owned();
        if !self.origins.contains_key(&key) {
            let answer = self.ask_robots(&url).await;
            let mut origin = OriginRobots::new();
            // Nobody waits for a second answer here.
            let policy = RobotsPolicy { tries: 0, ..self.robots.policy };
            origin.answered(Instant::now(), answer, &policy);
            self.origins.insert(key.clone(), origin);
        }
        let origin = self.origins.get(&key)?;
        let manners = &self.config.politeness;
        let delay = origin.crawl_delay().filter(|_| manners.obey_crawl_delay).unwrap_or_default();
        self.crawl_delay = self.crawl_delay.max(delay.min(manners.max_crawl_delay.0));
        match origin.judge(url.as_str())? {
            RobotsJudged::Allowed => None,
            RobotsJudged::Refused(ending) => Some(ending),
        }
    }

    async fn ask_robots(&mut self, url: &Url) -> Answer {
        let Ok(url) = url.join("/robots.txt") else { return Answer::Absent { status: 404 } };
        let mut request = Request { role: Role::Robots, ..Request::seed(&url, "") };
        loop {
            let fetched = match self.fetch(&request).await {
                Ok(fetched) => fetched,
                Err(failure) => return robots::failed(&request, failure),
            };
            match judge(&request, &fetched, robots::MAX_REDIRECTS, &self.normalize) {
                Verdict::Redirect(Ok(target)) => request = request.redirected_to(&target),
                Verdict::Page => {
                    let status = fetched.status;
                    return match fetch::unpack(&fetched, robots::MAX_UNPACKED) {
                        Ok(body) => Answer::Body { status, robots: self.rules_of(&body) },
                        Err(failure) => robots::failed(&request, failure),
                    };
                }
                verdict => return robots::without_rules(&verdict, fetched.status),
            }
        }
    }

    fn rules_of(&self, body: &[u8]) -> Robots {
        Robots::parse(&body[..body.len().min(robots::KEPT)], &self.robots.agent)
    }

    /// One hop. Between two requests to one host its delay passes.
    async fn fetch(&mut self, request: &Request) -> Result<Fetched, Failure> {
        if !self.asked.insert(request.host.to_string()) && *request.host != *FILE_HOST {
            let own = self.config.hosts.get(&*request.host).and_then(|host| host.delay);
            let delay = own.unwrap_or(self.config.politeness.host_delay).0;
            tokio::time::sleep(delay.max(self.crawl_delay)).await;
        }
        self.fetcher.fetch(request, &mut ()).await
    }
}

impl PageReader {
    /// Starts the thread, for a job with these rules.
    pub fn start(config: &Config, rules: Rules) -> Result<Self, PreviewError> {
        Ok(Self {
            parsers: Parsers::start(1)?,
            normalize: config.scope.normalize.build(),
            rules: Arc::new(rules),
            max_body: config.http.max_body.0,
        })
    }

    /// Reads a page.
    pub async fn read(&self, request: Request, fetched: Fetched) -> Preview {
        let (again, rules, normalize) = (request.clone(), Arc::clone(&self.rules), self.normalize.clone());
        let max_body = self.max_body;
        let read = self.parsers.run(move || {
            Reader { max_body, normalize: &normalize, rules: &rules, is_traced: true }.read(request, fetched)
        });
        match read.await {
            Ok((visit, traces)) => {
                let parsed = visit.parsed.clone();
                let body = visit.body.as_ref().map_or_else(Bytes::new, |body| body.bytes.clone());
                Preview { visit: end(visit), parsed, body, traces }
            }
            Err(panicked) => {
                let failure = Failure::new(Stage::Read, Outcome::Internal, format!("panic: {}", panicked.0));
                Preview::of(Visit::refused(again, failure.into()))
            }
        }
    }
}

impl Preview {
    fn of(visit: Visit) -> Self {
        Self { visit, parsed: None, body: Bytes::new(), traces: Vec::new() }
    }

    /// Id of the rule that is for it; none if it was not read or no rule is.
    pub fn rule(&self) -> Option<&str> {
        Some(&self.parsed.as_ref()?.extracted.as_ref()?.rule)
    }
}

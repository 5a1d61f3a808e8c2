//! One page's life between its lease and the commit: fetch on a task of its own, parse on a parse thread.
//!
//! Whatever happens to a page here is data. Only the fate of the run is an error, and that is not decided here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{self, BoxFuture, Either, FutureExt};
use jiff::Timestamp;
use url::Url;

use super::answers::{self, Verdict, judge};
use super::commit::Committer;
use super::done::{Done, Renders};
use super::follow::{Finds, Guide, unusable};
use super::listing::{self, ListingRules};
use super::page::{self, Reader};
use super::parsers::{Panicked, Parsers};
use super::robots;
use super::stop::{Reason, Stop};
use super::tasks::{Board, Doing, Escort};
use super::watching::Watching;
use crate::crash;
use crate::fetch::{self, Again, Fetcher, What};
use crate::frontier::Frontier;
use crate::model::{Ending, Failure, Fetched, Lease, Outcome, Request, Role, Stage, Try, UrlError, Visit};
use crate::parse::Rules;

/// What a page needs on its way.
#[derive(Debug)]
pub struct Tools {
    /// Makes the hops.
    pub fetcher: Fetcher,
    /// Parse threads.
    pub parsers: Parsers,
    /// For slots and the gauge of held bytes.
    pub frontier: Arc<Frontier>,
    /// Where it is seen how far each request is.
    pub board: Arc<Board>,
    /// Where pages lead.
    pub guide: Arc<Guide>,
    /// What is taken of the sitemaps and feeds of a source, by its id.
    pub listings: Arc<BTreeMap<String, ListingRules>>,
    /// Notes a page that may kill, before it is parsed alone.
    pub committer: Arc<Committer>,
    /// Abandons fetches at the drain deadline.
    pub stop: Stop,
    /// Which fields pages have.
    pub rules: Arc<Rules>,
    /// What the sinks write of a page.
    pub renders: Arc<Renders>,
    /// What is tried again.
    pub retry: fetch::Policy,
    /// `User-Agent` header: whose rules of a robots.txt are ours.
    pub user_agent: String,
    /// What may still come over the wire.
    pub bytes: ByteBudget,
    /// Largest unpacked body, in bytes.
    pub max_body: u64,
    /// Longest chain of redirects.
    pub max_redirects: usize,
    /// Whether a sink reads bodies.
    pub keep_bodies: bool,
}

/// `limits.max_bytes`: once so much has come over the wire no new request starts.
#[derive(Debug)]
pub struct ByteBudget {
    most: Option<u64>,
    spent: AtomicU64,
}

impl ByteBudget {
    /// A budget of which earlier processes of the run have spent a part.
    pub fn new(most: Option<u64>, spent: u64) -> Self {
        Self { most, spent: AtomicU64::new(spent) }
    }

    /// Whether it is spent with these bytes.
    fn spend(&self, bytes: u64) -> bool {
        let spent = self.spent.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.most.is_some_and(|most| spent >= most)
    }
}

/// A lease after its fetch.
pub enum Hop {
    /// There is an answer or a failure.
    Done(Request, Box<Result<Fetched, (Failure, Timestamp)>>, Option<Escort>),
    /// It ends without being asked for.
    Refused(Request, Ending),
    /// Abandoned.
    PutBack(Request),
    /// It is made again.
    PutOff(Request, Again),
}

/// A lease on its way to the commit.
pub enum Flow {
    /// It has come to something, or is refused without a lease.
    Settled(Box<Done>),
    /// Nothing is settled, but a frame should be written.
    Flush,
    /// It goes back to the frontier.
    PutBack(Box<Request>),
    /// It goes back to the frontier, to be made again after a wait.
    PutOff(Box<Request>, Again),
}

/// Fetches, as a task of its own, so that it moves while the flow waits for the disk. The task begins at once.
pub fn fetch(tools: &Arc<Tools>, lease: Lease) -> impl Future<Output = Hop> + use<> {
    let Lease { request, refused } = lease;
    if let Some(ending) = refused {
        return Either::Left(future::ready(Hop::Refused(request, ending)));
    }
    tracing::trace!(url = &*request.url, attempt = request.attempt, "asking");
    let tools = Arc::clone(tools);
    let slot = tools.frontier.slot(&request);
    let (again, began) = (request.clone(), Timestamp::now());
    let escort = Escort { held: tools.frontier.gauge.hold(0), task: tools.board.request(&request) };
    let task = tokio::spawn(async move {
        let mut watching = Watching::new(slot, escort);
        let result = tokio::select! {
            biased;
            result = tools.fetcher.fetch(&request, &mut watching) => result,
            () = tools.stop.dropping() => return Hop::PutBack(request),
        };
        tools.fetched(watching, request, began, result)
    });
    Either::Right(task.map(move |hop| {
        hop.unwrap_or_else(|error| {
            Hop::Done(again, Box::new(Err((internal(&error.to_string()), began))), None)
        })
    }))
}

/// Turns an answer into a visit, on a parse thread; `None` if there is nothing to be committed. Boxed, as what waits for
/// a page takes a small part of what the rare ways take.
pub fn parse(tools: &Arc<Tools>, hop: Hop) -> BoxFuture<'static, Option<Flow>> {
    let at_once = |flow| future::ready(Some(flow)).boxed();
    let robots = |request, result| {
        let tools = Arc::clone(tools);
        async move { robots::answered(&tools, request, result).await }.boxed()
    };
    let (request, result, escort) = match hop {
        Hop::PutBack(request) => return at_once(Flow::PutBack(Box::new(request))),
        Hop::PutOff(request, again) => return at_once(Flow::PutOff(Box::new(request), again)),
        Hop::Refused(request, ending) if request.role == Role::Robots => {
            let why = ending.reason.unwrap_or_default();
            return robots(request, Err(Failure::new(Stage::Connect, ending.outcome, why)));
        }
        Hop::Refused(request, ending) => {
            return at_once(settled(tools, Visit::refused(request, ending), None));
        }
        Hop::Done(request, result, escort) => (request, *result, escort),
    };
    if request.role == Role::Robots {
        return robots(request, result.map_err(|(failure, _)| failure));
    }
    let fetched = match result {
        Err((failure, began)) => {
            let visit = Visit { began: Some(began), ..Visit::refused(request, failure.into()) };
            return at_once(settled(tools, visit, escort));
        }
        Ok(fetched) => fetched,
    };
    match judge(&request, &fetched, tools.max_redirects, &tools.guide.normalize) {
        Verdict::Page => {}
        Verdict::End(ending) => {
            return at_once(settled(tools, without_page(request, fetched, ending), escort));
        }
        Verdict::Redirect(target) => {
            return at_once(settled(tools, redirect(tools, request, fetched, target), escort));
        }
    }
    if tools.frontier.is_careful() {
        let tools = Arc::clone(tools);
        return async move {
            if let Err(error) = tools.committer.suspect(request.key).await {
                tracing::warn!(%error, url = &*request.url, "cannot note the page that is parsed next");
            }
            Some(read(&tools, request, fetched, escort).await)
        }
        .boxed();
    }
    read(tools, request, fetched, escort).map(Some).boxed()
}

/// Reads a page on a parse thread, which is given it at once.
fn read(
    tools: &Tools,
    request: Request,
    fetched: Fetched,
    escort: Option<Escort>,
) -> impl Future<Output = Flow> + use<> {
    let (again, began) = (request.clone(), Some(fetched.started));
    let job = Reading {
        guide: Arc::clone(&tools.guide),
        listings: Arc::clone(&tools.listings),
        rules: Arc::clone(&tools.rules),
        renders: Arc::clone(&tools.renders),
        max_body: tools.max_body,
        keep_bodies: tools.keep_bodies,
    };
    let mark = escort.as_ref().map(|escort| escort.task.mark());
    if let Some(escort) = &escort {
        escort.task.is(Doing::ParseQueue);
    }
    let read = tools.parsers.run(move || {
        if let Some(mark) = mark {
            mark.is(Doing::Parsing);
        }
        let visit = job.read(request, fetched);
        job.renders.settled(visit)
    });
    let renders = Arc::clone(&tools.renders);
    read.map(move |read| {
        let done = read.unwrap_or_else(|Panicked(why)| {
            let visit = Visit { began, ..Visit::refused(again, internal(&why).into()) };
            renders.settled(visit)
        });
        waiting(done, escort)
    })
}

impl Tools {
    /// What an end of a fetch means: for its host, and whether the request is made again.
    fn fetched(
        &self,
        watching: Watching,
        mut request: Request,
        began: Timestamp,
        result: Result<Fetched, Failure>,
    ) -> Hop {
        let Watching { slot, mut escort, latency, .. } = watching;
        let now = Timestamp::now().as_second();
        let (what, retry_after) = match &result {
            Ok(fetched) => {
                let retry_after = fetched.header("retry-after");
                let wait = fetch::host_wait(&self.retry, retry_after, now);
                (What::Status { status: fetched.status, retry_after }, wait)
            }
            Err(failure) => {
                // What was tried again at once did not count, so that there are more tries than attempts.
                let was_stale = request.tries.len() > request.attempt as usize;
                (What::Failure { failure, was_stale }, None)
            }
        };
        // A robots.txt is asked for again as its origin's state says, not as a page.
        let again = if request.role == Role::Robots {
            None
        } else {
            fetch::again(&self.retry, request.key, request.attempt, what, now)
        };
        slot.end(
            answers::report(&result, latency, retry_after),
            result.as_ref().err().cloned().map(Ending::from),
        );
        if let Some(again) = again {
            let why = why(&result);
            tracing::debug!(url = &*request.url, why, wait = ?again.wait, "trying again");
            if again.counts {
                request.attempt += 1;
            }
            request.tries.push(Try { at_ms: began.as_millisecond(), why });
            return Hop::PutOff(request, again);
        }
        if let Ok(fetched) = &result
            && self.bytes.spend(fetched.wire_bytes())
        {
            self.stop.drain(Reason::Bytes);
        }
        escort.held.set(result.as_ref().map_or(0, |fetched| fetched.body.len() as u64));
        Hop::Done(request, Box::new(result.map_err(|failure| (failure, began))), Some(escort))
    }
}

/// A redirect settles its URL and leads to its target, a request of its own, if that is in scope.
fn redirect(
    tools: &Tools,
    request: Request,
    fetched: Fetched,
    target: Result<Url, (String, UrlError)>,
) -> Visit {
    let status = fetched.status;
    match target {
        Ok(target) => {
            let Finds { admits, refuses, .. } = tools.guide.redirect(&request, &target);
            let ending = Ending::because(Outcome::Redirected, format!("HTTP {status} to {target}"));
            let target = Some(target.into());
            Visit { target, admits, refuses, ..without_page(request, fetched, ending) }
        }
        Err((raw, error)) => {
            let ending = Ending::because(Outcome::Redirected, format!("HTTP {status} to `{raw}`: {error}"));
            let refuses = vec![unusable(&request, &raw, &error)];
            Visit { target: Some(raw), refuses, ..without_page(request, fetched, ending) }
        }
    }
}

/// What is done on a parse thread.
struct Reading {
    guide: Arc<Guide>,
    listings: Arc<BTreeMap<String, ListingRules>>,
    rules: Arc<Rules>,
    renders: Arc<Renders>,
    max_body: u64,
    keep_bodies: bool,
}

impl Reading {
    /// Unpacks, parses and follows.
    fn read(&self, request: Request, fetched: Fetched) -> Visit {
        crash::reached_with("parse.page", &request.url);
        match request.role {
            Role::Sitemap | Role::Feed => listing::read(&self.guide, &self.listings, request, fetched),
            Role::Page | Role::Robots => self.page(request, fetched),
        }
    }

    fn page(&self, request: Request, fetched: Fetched) -> Visit {
        let began = Instant::now();
        let (max_body, normalize) = (self.max_body, &self.guide.normalize);
        let reader = Reader { max_body, normalize, rules: &self.rules, is_traced: false };
        let (mut visit, _) = reader.read(request, fetched);
        let Some(parsed) = &visit.parsed else { return visit };
        let Finds { admits, refuses, .. } = self.guide.links(&visit.request, parsed);
        if let Some(body) = visit.body.as_mut().filter(|_| !self.keep_bodies) {
            // Not cleared: that would hold on to what is shared.
            body.bytes = Bytes::new();
        }
        page::end(Visit { parse_us: micros(began.elapsed()), admits, refuses, ..visit })
    }
}

/// A visit that ends without a page: the body is of no more use.
pub fn without_page(request: Request, mut fetched: Fetched, ending: Ending) -> Visit {
    let wire_bytes = fetched.wire_bytes();
    let_go(&mut fetched);
    Visit { wire_bytes, ..Visit::answered(request, fetched, ending) }
}

/// Drops the raw body, unless a sink keeps answers as they came.
pub fn let_go(fetched: &mut Fetched) {
    if fetched.wire.is_none() {
        fetched.body = Bytes::new();
        fetched.spool = None;
    }
}

/// At least one, because 0 stands for nothing parsed.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1)
}

fn why(result: &Result<Fetched, Failure>) -> String {
    match result {
        Ok(fetched) => format!("HTTP {}", fetched.status),
        Err(failure) => format!("{}: {}", failure.cause, failure.detail),
    }
}

fn settled(tools: &Tools, visit: Visit, escort: Option<Escort>) -> Flow {
    waiting(tools.renders.settled(visit), escort)
}

/// It waits for its checkpoint.
fn waiting(mut done: Box<Done>, escort: Option<Escort>) -> Flow {
    done.wait_with(escort);
    Flow::Settled(done)
}

fn internal(why: &str) -> Failure {
    tracing::error!(why, "a page made the program panic; please report it");
    Failure::new(Stage::Read, Outcome::Internal, format!("panic: {why}"))
}

//! One page's life between its lease and the commit: fetch on a task of its own, parse on a parse thread.
//!
//! Whatever happens to a page here is data. Only the fate of the run is an error, and that is not decided here.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use url::Url;

use super::commit::Committer;
use super::parsers::{Panicked, Parsers};
use super::stop::Stop;
use crate::crash;
use crate::fetch::{self, Fetcher};
use crate::frontier::{Frontier, Held};
use crate::model::{Body, Ending, Failure, Fetched, Lease, Outcome, Request, UrlError, UrlKey, Visit};
use crate::parse::{self, Page};

/// What a page needs on its way.
#[derive(Debug)]
pub struct Tools {
    /// Makes the hops.
    pub fetcher: Fetcher,
    /// Parse threads.
    pub parsers: Parsers,
    /// For slots and the gauge of held bytes.
    pub frontier: Arc<Frontier>,
    /// Notes a page that may kill, before it is parsed alone.
    pub committer: Arc<Committer>,
    /// Abandons fetches at the drain deadline.
    pub stop: Stop,
    /// Largest unpacked body, in bytes.
    pub max_body: u64,
    /// Longest chain of redirects.
    pub max_redirects: usize,
    /// How often a broken connection is tried again.
    pub max_retries: u32,
    /// Whether a sink reads bodies.
    pub keep_bodies: bool,
}

/// A lease after its fetch.
pub enum Hop {
    /// There is an answer or a failure.
    Done(Request, Box<Result<Fetched, (Failure, Timestamp)>>, Held),
    /// Abandoned, or to be tried again.
    PutBack(Request),
}

/// A lease on its way to the commit.
pub enum Flow {
    /// It has come to something.
    Settled(Box<Visit>, Option<Held>),
    /// A URL that is refused without a lease: the target of a redirect that cannot be fetched.
    Refused(Box<Visit>),
    /// It goes back to the frontier.
    PutBack(Request),
}

/// Fetches, as a task of its own, so that it moves while the flow waits for the disk.
pub async fn fetch(tools: Arc<Tools>, lease: Lease) -> Hop {
    let slot = tools.frontier.slot(&lease.request.host);
    let request = lease.request;
    let (again, began) = (request.clone(), Timestamp::now());
    let task = tokio::spawn(async move {
        let _slot = slot;
        // Counted as they come: what is half fetched takes memory, too.
        let mut held = tools.frontier.gauge.hold(0);
        let mut grown = |bytes| held.set(bytes);
        let result = tokio::select! {
            biased;
            result = tools.fetcher.fetch(&request, &mut grown) => result,
            () = tools.stop.dropping() => return Hop::PutBack(request),
        };
        tools.fetched(request, began, result, held)
    });
    match task.await {
        Ok(hop) => hop,
        Err(error) => Hop::Done(again, Box::new(Err((internal(&error.to_string()), began))), Held::none()),
    }
}

/// Turns an answer into visits, on a parse thread.
pub async fn parse(tools: Arc<Tools>, hop: Hop) -> Vec<Flow> {
    let (request, result, mut held) = match hop {
        Hop::PutBack(request) => return vec![Flow::PutBack(request)],
        Hop::Done(request, result, held) => (request, result, held),
    };
    let fetched = match *result {
        Err((failure, began)) => {
            let visit = Visit { began: Some(began), ..Visit::refused(request, failure.into()) };
            return vec![settled(visit, None)];
        }
        Ok(fetched) => fetched,
    };
    match judge(&request, &fetched, tools.max_redirects) {
        Verdict::Page => {}
        Verdict::End(ending) => return vec![settled(without_page(request, fetched, ending), None)],
        Verdict::Redirect(target) => return redirect(&tools, request, fetched, target),
    }
    if tools.frontier.is_careful()
        && let Err(error) = tools.committer.suspect(request.key).await
    {
        tracing::warn!(%error, url = request.url, "cannot note the page that is parsed next");
    }
    let (again, began) = (request.clone(), Some(fetched.started));
    let (max_body, keep_bodies) = (tools.max_body, tools.keep_bodies);
    let read = tools.parsers.run(move || read(request, fetched, max_body, keep_bodies)).await;
    let visit =
        read.unwrap_or_else(|Panicked(why)| Visit { began, ..Visit::refused(again, internal(&why).into()) });
    held.set(visit.weight());
    vec![settled(visit, Some(held))]
}

impl Tools {
    /// A broken connection gives another try; everything else goes on.
    fn fetched(
        &self,
        mut request: Request,
        began: Timestamp,
        result: Result<Fetched, Failure>,
        mut held: Held,
    ) -> Hop {
        match result {
            Err(failure) if request.attempt < self.max_retries && fetch::is_transient(&failure) => {
                tracing::debug!(url = request.url, cause = failure.cause.name(), "trying again");
                request.attempt += 1;
                Hop::PutBack(request)
            }
            result => {
                held.set(result.as_ref().map_or(0, |fetched| fetched.body.len() as u64));
                Hop::Done(request, Box::new(result.map_err(|failure| (failure, began))), held)
            }
        }
    }
}

/// What an answer means.
enum Verdict {
    Page,
    End(Ending),
    Redirect(Result<Url, (String, UrlError)>),
}

fn judge(request: &Request, fetched: &Fetched, max_redirects: usize) -> Verdict {
    let end = |outcome, reason: String| Verdict::End(Ending::because(outcome, reason));
    let target = Url::parse(&request.url).ok().and_then(|url| fetch::redirect_target(fetched, &url));
    if let Some(target) = target {
        let seen = |target: &Url| {
            *target.as_str() == request.url || request.trail.iter().any(|url| url == target.as_str())
        };
        return match target {
            Ok(target) if seen(&target) => end(Outcome::RedirectLoop, format!("redirects back to {target}")),
            Ok(_) if request.trail.len() >= max_redirects => {
                end(Outcome::RedirectLoop, format!("more than {max_redirects} redirects"))
            }
            target => Verdict::Redirect(target),
        };
    }
    match fetched.status {
        204 | 205 => end(Outcome::InvalidResponse, format!("HTTP {} has no content", fetched.status)),
        206 => end(Outcome::InvalidResponse, "HTTP 206 is a part that was not asked for".to_owned()),
        304 => end(Outcome::InvalidResponse, "HTTP 304 answers a condition that was not set".to_owned()),
        200..=299 => Verdict::Page,
        404 | 410 => end(Outcome::Gone, format!("HTTP {}", fetched.status)),
        301 | 302 | 303 | 307 | 308 => {
            end(Outcome::InvalidResponse, format!("HTTP {} without a Location", fetched.status))
        }
        status => end(Outcome::HttpError, format!("HTTP {status}")),
    }
}

/// A redirect settles its URL and admits the target as a request of its own; a target that cannot be fetched
/// gets an outcome of its own.
fn redirect(
    tools: &Tools,
    request: Request,
    fetched: Fetched,
    target: Result<Url, (String, UrlError)>,
) -> Vec<Flow> {
    let status = fetched.status;
    match target {
        Ok(target) => {
            let next = request.redirected_to(&target);
            let ending = Ending::because(Outcome::Redirected, format!("HTTP {status} to {target}"));
            let visit = Visit { admits: vec![next], ..without_page(request, fetched, ending) };
            vec![settled(visit, None)]
        }
        Err((raw, error)) => {
            let outcome = match error {
                UrlError::Scheme(_) => Outcome::SkippedScope,
                _ => Outcome::InvalidUrl,
            };
            let refused = Request {
                url: raw.clone(),
                key: UrlKey::of(&raw),
                host: String::new(),
                discovered_from: Some(request.url.clone()),
                trail: request.trail.iter().chain([&request.url]).cloned().collect(),
                attempt: 0,
                ..request.clone()
            };
            let ending = Ending::because(Outcome::Redirected, format!("HTTP {status} to `{raw}`: {error}"));
            let mut flows = Vec::with_capacity(2);
            // The target first: the two may fall into two checkpoints, and after a death between them only the
            // redirect is followed again.
            if tools.frontier.refuse(refused.key) {
                let ending = Ending::because(outcome, error.to_string());
                flows.push(Flow::Refused(Box::new(Visit::refused(refused, ending))));
            }
            flows.push(settled(without_page(request, fetched, ending), None));
            flows
        }
    }
}

/// Unpacks and parses. Runs on a parse thread.
fn read(request: Request, mut fetched: Fetched, max_body: u64, keep_bodies: bool) -> Visit {
    let began = Instant::now();
    crash::reached_with("parse.page", &request.url);
    let bytes = match fetch::unpack(&fetched, max_body) {
        Ok(bytes) => bytes,
        Err(failure) => return without_page(request, fetched, failure.into()),
    };
    let base = request.base_url.as_deref().unwrap_or(&request.url);
    let Ok(base) = Url::parse(base) else {
        let ending =
            Ending::because(Outcome::InvalidUrl, format!("`{base}` is no address to resolve links against"));
        return without_page(request, fetched, ending);
    };
    let page = Page {
        url: &base,
        content_type: fetched.header("content-type"),
        content_language: fetched.header("content-language"),
        robots_tag: fetched.header("x-robots-tag"),
    };
    let parsed = parse::parse(&page, &bytes);
    let digest = format!("blake3:{}", blake3::hash(&bytes).to_hex());
    let length = bytes.len() as u64;
    let mut body = Body { bytes, length, digest };
    if !keep_bodies {
        body.bytes.clear();
    }
    let wire_bytes = fetched.body.len() as u64;
    fetched.body.clear();
    let parse_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
    Visit {
        wire_bytes,
        parse_us,
        body: Some(body),
        parsed: Some(parsed),
        ..Visit::answered(request, fetched, Ending::plain(Outcome::Ok))
    }
}

/// A visit that ends without a page: the body is of no more use.
fn without_page(request: Request, mut fetched: Fetched, ending: Ending) -> Visit {
    let wire_bytes = fetched.body.len() as u64;
    fetched.body.clear();
    Visit { wire_bytes, ..Visit::answered(request, fetched, ending) }
}

fn settled(visit: Visit, held: Option<Held>) -> Flow {
    Flow::Settled(Box::new(visit), held)
}

fn internal(why: &str) -> Failure {
    tracing::error!(why, "a page made the program panic; please report it");
    Failure::new(crate::model::Stage::Read, Outcome::Internal, format!("panic: {why}"))
}

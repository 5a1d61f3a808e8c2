//! What an answer for robots.txt means. It is fetched like a page and settled like none: it decides for its origin.

use jiff::Timestamp;
use url::Url;

use super::answers::{self, Verdict};
use super::visit::{Flow, Tools};
use crate::fetch;
use crate::frontier::{Answer, Robots};
use crate::model::{Failure, Fetched, Outcome, Request, RobotsNote, Role, canonical, host_key};

/// Longest chain of redirects (RFC 9309, 2.3.1.2).
pub const MAX_REDIRECTS: usize = 5;
/// A robots.txt is unpacked as far as this; only its first 500 KiB count (RFC 9309, 2.5).
pub const MAX_UNPACKED: u64 = 16 << 20;
/// So much of a robots.txt is kept.
pub const KEPT: usize = 500 << 10;

/// Tells the frontier what a request for robots.txt came to. It is settled by no frame, so one is asked for if its
/// host wants to be left alone.
pub async fn answered(tools: &Tools, request: Request, result: Result<Fetched, Failure>) -> Option<Flow> {
    heard(tools, request, result).await;
    tools.frontier.owes().then_some(Flow::Flush)
}

async fn heard(tools: &Tools, request: Request, result: Result<Fetched, Failure>) {
    let fetched = match result {
        Ok(fetched) => fetched,
        Err(failure) => return tell(tools, &request, failed(&request, failure), None),
    };
    match answers::judge(&request, &fetched, MAX_REDIRECTS, &tools.guide.normalize) {
        Verdict::Redirect(Ok(target)) => {
            let next = request.redirected_to(&target);
            tracing::debug!(from = &*request.url, to = &*next.url, "robots.txt is redirected");
            tools.frontier.robots_redirected(next);
        }
        Verdict::Page => read(tools, request, fetched).await,
        verdict @ (Verdict::Redirect(Err(_)) | Verdict::End(_)) => {
            let answer = without_rules(&verdict, fetched.status);
            let is_absent = matches!(answer, Answer::Absent { .. });
            let note = note(&request, &fetched, Vec::new()).filter(|_| is_absent);
            tell(tools, &request, answer, note);
        }
    }
}

/// What an answer that is no page means for its origin.
pub fn without_rules(verdict: &Verdict, status: u16) -> Answer {
    match verdict {
        Verdict::Redirect(_) => Answer::TooManyRedirects,
        Verdict::End(ending) if ending.outcome == Outcome::RedirectLoop => Answer::TooManyRedirects,
        // 429 is a 4xx by its number only: the server asks to be spared (RFC 9309 leaves it open).
        Verdict::End(_) | Verdict::Page => match status {
            429 | 500.. => Answer::ServerError { status },
            _ => Answer::Absent { status },
        },
    }
}

async fn read(tools: &Tools, request: Request, fetched: Fetched) {
    let agent = tools.user_agent.clone();
    let read = move || {
        let body = fetch::unpack(&fetched, MAX_UNPACKED)?;
        let body = &body[..body.len().min(KEPT)];
        let robots = Robots::parse(body, &agent);
        Ok::<_, Failure>((robots, fetched.status, body.to_vec(), fetched))
    };
    let (answer, note) = match tools.parsers.run(read).await {
        Ok(Ok((robots, status, body, fetched))) => {
            (Answer::Body { status, robots }, note(&request, &fetched, body))
        }
        Ok(Err(failure)) => (failed(&request, failure), None),
        Err(panicked) => (Answer::Failed { outcome: Outcome::Internal, reason: panicked.0 }, None),
    };
    tell(tools, &request, answer, note);
}

fn tell(tools: &Tools, request: &Request, answer: Answer, note: Option<RobotsNote>) {
    tools.frontier.robots_answered(request, answer, note, |sitemaps| {
        if !tools.guide.scope.reads_sitemaps(&request.source) {
            return Vec::new();
        }
        sitemaps.iter().filter_map(|raw| sitemap(request, raw)).collect()
    });
}

/// A sitemap that a robots.txt names.
fn sitemap(request: &Request, raw: &str) -> Option<Request> {
    let base = Url::parse(&request.url).ok()?;
    let url = canonical(raw, Some(&base)).ok()?;
    Some(Request { depth: 0, ..request.found(&url, Role::Sitemap) })
}

/// A failure on the way. Where a redirect has led to another host it says nothing about the pages of this one.
pub fn failed(request: &Request, failure: Failure) -> Answer {
    let outcome = if request.trail.is_empty() { failure.cause } else { Outcome::NetworkError };
    Answer::Failed { outcome, reason: failure.detail }
}

/// What later processes of the run need not ask again.
fn note(request: &Request, fetched: &Fetched, body: Vec<u8>) -> Option<RobotsNote> {
    let first = Url::parse(request.trail.first().map_or(&*request.url, String::as_str)).ok()?;
    let origin = format!("{}://{}", first.scheme(), host_key(&first));
    let fetched_at_ms = Timestamp::as_millisecond(fetched.started);
    Some(RobotsNote { origin, fetched_at_ms, status: fetched.status, body })
}

//! What an answer means for its page: a page, the end of it, or a redirect. Pure.

use std::time::Duration;

use url::Url;

use crate::fetch;
use crate::frontier::Report;
use crate::model::{Ending, Failure, Fetched, Normalize, Outcome, Request, UrlError};

/// What an answer means.
pub enum Verdict {
    /// There is a body to be read.
    Page,
    /// It ends here.
    End(Ending),
    /// It leads somewhere else.
    Redirect(Result<Url, (String, UrlError)>),
}

/// Judges an answer by its status, its target and the way that led to it.
pub fn judge(request: &Request, fetched: &Fetched, max_redirects: usize, normalize: &Normalize) -> Verdict {
    let end = |outcome, reason: String| Verdict::End(Ending::because(outcome, reason));
    if let Some(target) = fetch::redirect_target(fetched, &request.url, normalize) {
        let seen = |target: &Url| {
            *target.as_str() == *request.url || request.trail.iter().any(|url| url == target.as_str())
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

/// What an end of a request says of its host: whether it answers, and whether it asks to be spared.
pub fn report(result: &Result<Fetched, Failure>, latency: Duration, retry_after: Option<Duration>) -> Report {
    match result {
        Ok(fetched) => Report::Answered {
            latency,
            is_error: fetched.status >= 400,
            slow_down: matches!(fetched.status, 429 | 503),
            retry_after: retry_after.filter(|_| matches!(fetched.status, 429 | 503)),
        },
        Err(failure) if failure.stale => Report::Abandoned,
        Err(failure) => match failure.cause {
            Outcome::DnsError
            | Outcome::ConnectError
            | Outcome::TlsError
            | Outcome::Timeout
            | Outcome::NetworkError => Report::Failed,
            // Refused by us, or an answer that is no good: the host is none the worse for it.
            _ => Report::Abandoned,
        },
    }
}

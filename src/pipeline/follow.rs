//! What a page leads to: its links, normalised, judged and fingerprinted on the parse thread that read it. Decides
//! nothing itself: the scope judges, the frontier knows what is known.

use std::collections::HashSet;
use std::sync::Arc;

use url::Url;

use crate::frontier::{Frontier, Judged, Scope, Way, WayKind};
use crate::model::{Normalize, Outcome, Parsed, Refusal, Request, Role, UrlError, UrlKey};

/// What decides where a page leads. Shared by the parse threads.
#[derive(Debug)]
pub struct Guide {
    /// Which links are followed.
    pub scope: Scope,
    /// The optional parts of the canonical form.
    pub normalize: Normalize,
    /// What is known already.
    pub frontier: Arc<Frontier>,
}

/// Where a page leads.
#[derive(Debug, Default)]
pub struct Finds {
    /// Requests that are new, as far as this page knows.
    pub admits: Vec<Request>,
    /// URLs that are refused on this way.
    pub refuses: Vec<Refusal>,
    met: HashSet<u64>,
    /// What was refused, and whether for lying outside: a page may have the same link a million times.
    turned_away: HashSet<(u64, bool)>,
}

impl Guide {
    /// A seed in the canonical form of the job; what lies around it is in scope from now on.
    pub fn seed(&self, request: Request) -> Request {
        if self.normalize.is_default() && !self.scope.follows(&request.source) {
            return request;
        }
        let Ok(url) = Url::parse(&request.url) else { return request };
        let url = self.normalize.apply(url);
        self.anchor(&request, &url);
        if *url.as_str() == *request.url {
            return request;
        }
        Request { key: UrlKey::of(url.as_str()), url: url.as_str().into(), ..request }
    }

    /// What an earlier process had admitted: a seed, and what a seed redirects to, brings its scope with it.
    pub fn remember(&self, request: &Request) {
        if request.is_seed()
            && self.scope.follows(&request.source)
            && let Ok(url) = Url::parse(&request.url)
        {
            self.anchor(request, &url);
        }
    }

    fn anchor(&self, request: &Request, url: &Url) {
        anchor(&self.scope, request, url);
    }

    /// Whether a URL that was outside of the scope when it was found lies within it by now.
    pub fn is_inside_by_now(&self, refusal: &Refusal) -> bool {
        let request = &refusal.request;
        refusal.is_outside
            && !self.frontier.is_known(request.key)
            && Url::parse(&request.url).is_ok_and(|url| self.scope.covers(&request.source, &url))
    }

    /// Where the links of a page lead, and its canonical link.
    pub fn links(&self, request: &Request, parsed: &Parsed) -> Finds {
        let mut finds = Finds::default();
        if !self.scope.follows(&request.source) {
            return finds;
        }
        for link in parsed.links.iter() {
            let nofollow = parsed.nofollow || link.rel.is_some_and(is_nofollow);
            self.find(request, link.url, Way { nofollow, kind: WayKind::Link }, &mut finds);
        }
        if let Some(canonical) = &parsed.canonical {
            self.find(request, canonical, Way { nofollow: false, kind: WayKind::Canonical }, &mut finds);
        }
        finds
    }

    /// A URL in canonical form that a page leads to.
    fn find(&self, request: &Request, url: &str, way: Way, finds: &mut Finds) {
        let key = UrlKey::of(url);
        // Most links lead to what is known: nothing is built for them.
        if finds.met.contains(&key.fingerprint()) || self.frontier.is_known(key) {
            return;
        }
        let Ok(url) = Url::parse(url) else { return };
        self.judge(request, &url, key, way, finds, || request.found(&url, Role::Page));
    }

    /// Admits or refuses a URL that is not known; `found` makes its request, if one is needed.
    pub fn judge(
        &self,
        from: &Request,
        url: &Url,
        key: UrlKey,
        way: Way,
        finds: &mut Finds,
        found: impl FnOnce() -> Request,
    ) {
        match self.scope.judge(from, url, way) {
            Judged::Admit { hops } => {
                finds.met.insert(key.fingerprint());
                finds.admits.push(Request { hops, ..found() });
            }
            // Not noted as met: a later link of the same page may be one that is followed.
            Judged::Refuse { is_outside, .. }
                if self.frontier.is_refused(key, is_outside)
                    || !finds.turned_away.insert((key.fingerprint(), is_outside)) => {}
            Judged::Refuse { ending, is_outside } => {
                finds.refuses.push(Refusal { is_outside, ..Refusal::new(found(), ending) });
            }
        }
    }

    /// Where a redirect leads. What a seed redirects to is a seed itself.
    pub fn redirect(&self, request: &Request, target: &Url) -> Finds {
        let next = request.redirected_to(target);
        let mut finds = Finds::default();
        if request.is_seed() {
            self.scope.anchor(&request.source, target);
            finds.admits.push(next);
        } else {
            let way = Way { nofollow: false, kind: WayKind::Redirect };
            self.judge(request, target, next.key, way, &mut finds, || next);
        }
        finds
    }
}

/// Lets a seed widen what is in scope.
pub fn anchor(scope: &Scope, request: &Request, url: &Url) {
    // A local file lies where its links resolve.
    let base = request.base_url.as_deref().and_then(|base| Url::parse(base).ok());
    scope.anchor(&request.source, base.as_ref().unwrap_or(url));
}

/// The refusal of a target that cannot be fetched, named as it was written.
pub fn unusable(request: &Request, raw: &str, error: &UrlError) -> Refusal {
    let outcome = match error {
        UrlError::Scheme(_) => Outcome::SkippedScope,
        _ => Outcome::InvalidUrl,
    };
    let refused = Request {
        url: raw.into(),
        key: UrlKey::of(raw),
        host: "".into(),
        discovered_from: Some(request.url.clone()),
        trail: request.trail.iter().cloned().chain([request.url.to_string()]).collect(),
        attempt: 0,
        tries: Vec::new(),
        ..request.clone()
    };
    Refusal { request: refused, outcome, reason: Some(error.to_string()), rule: None, is_outside: false }
}

fn is_nofollow(rel: &str) -> bool {
    rel.split(' ').any(|word| word == "nofollow")
}

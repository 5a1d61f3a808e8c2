//! Scope: which links are followed. A link is judged by the URL it leads to, the request it comes from, and the way
//! it leads there; a refusal names the rule and where it stands. Pure: no network, no clock, no queue. Seeds are
//! never judged, they only widen what is in scope; robots.txt and the limits of a run are for others.
//!
//! The order in which a link is judged, the first refusal counts:
//!
//! ```text
//! nofollow ─► traps ─► exclude ─► include ─► type (or a hop outside) ─► depth ─► admitted
//! ```

use std::array;
use std::collections::HashMap;

use regex::RegexSet;
use thiserror::Error;
use url::Url;

use super::anchors::{self, Anchors};
use super::traps::{Bounds, KEYS};
use crate::model::{Ending, Nofollow, Outcome, Request, ScopeOverride, ScopeSettings, ScopeType};

/// The compiled scope of a job; one for all threads.
#[derive(Debug)]
pub struct Scope {
    /// One a source, and the job's own at the end.
    rules: Vec<Rules>,
    /// Where the rules of a source stand in `rules`.
    sources: HashMap<String, u32>,
    anchors: Anchors,
    depth: Rule<Option<u32>>,
}

/// What is in `[limits]` and not in `[scope]` and yet decides about links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// `limits.max_depth`: most links between a seed and a page; without it, any number.
    pub max_depth: Option<u32>,
}

/// How a URL was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Whether the link, the page or its header says `nofollow`.
    pub nofollow: bool,
    /// What led to it.
    pub kind: WayKind,
}

/// What leads to a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayKind {
    /// A link of a page.
    Link,
    /// The canonical link of a page.
    Canonical,
    /// A redirect.
    Redirect,
    /// An entry of a sitemap or feed.
    Listed,
}

/// What becomes of a link.
#[derive(Clone, Debug)]
pub enum Judged {
    /// It is followed.
    Admit {
        /// Links in a row that lead outside of the type, this one included; 0 within.
        hops: u8,
    },
    /// It is not.
    Refuse {
        /// Its outcome.
        ending: Ending,
        /// Whether nothing but the lack of a seed near it stands against it.
        is_outside: bool,
    },
}

/// A scope that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{key}: {what}")]
pub struct ScopeError {
    /// The full name of the key.
    pub key: String,
    /// What is wrong with it, and why.
    pub what: String,
}

/// The scope of one source.
#[derive(Clone, Debug)]
struct Rules {
    kind: Rule<ScopeType>,
    include: Rule<RegexSet>,
    exclude: Rule<RegexSet>,
    /// Where each regex of `exclude` stands.
    exclude_places: Vec<String>,
    extra_hops: u8,
    nofollow: Rule<Nofollow>,
    sitemaps: bool,
    bounds: Bounds,
    /// Where they come from, in the order of [`KEYS`].
    bound_keys: [Rule<usize>; KEYS.len()],
}

/// A value of the config that can refuse a link.
#[derive(Clone, Debug)]
struct Rule<T> {
    value: T,
    /// Full name of the key.
    key: String,
    /// Where it stands.
    place: String,
}

impl<T> Rule<T> {
    fn refuse(&self, reason: String) -> Ending {
        refusal(Outcome::SkippedScope, reason, &self.place)
    }
}

fn refusal(outcome: Outcome, reason: String, place: &str) -> Ending {
    // A default stands nowhere.
    let rule = Some(place).filter(|place| !place.is_empty()).map(str::to_owned);
    Ending { rule, ..Ending::because(outcome, reason) }
}

impl Scope {
    /// The scope of a job and its sources, which stand in the order of the config. `place(key)` says where a key
    /// stands (`config.toml:12:3`); an empty text if it stands nowhere.
    pub fn new(
        job: &ScopeSettings,
        sources: &[(String, Option<ScopeOverride>)],
        limits: Reach,
        place: &dyn Fn(&str) -> String,
    ) -> Result<Self, ScopeError> {
        let general = Rules::general(job, place)?;
        let mut rules = Vec::with_capacity(sources.len() + 1);
        let mut ids = HashMap::with_capacity(sources.len());
        for (number, (id, settings)) in (0..).zip(sources) {
            ids.insert(id.clone(), number);
            rules.push(match settings {
                None => general.clone(),
                Some(settings) => {
                    general.clone().under(settings, &format!("sources[{number}].scope"), place)?
                }
            });
        }
        rules.push(general);
        let depth = rule("limits", "max_depth", limits.max_depth, place);
        Ok(Self { rules, sources: ids, anchors: Anchors::default(), depth })
    }

    /// Takes in a seed, or what a seed redirects to: its directory, host or domain is in scope of its source from
    /// now on. For a local file that is the address against which its links resolve.
    pub fn anchor(&self, source: &str, url: &Url) {
        let (number, rules) = self.of(source);
        if let Some(reach) = reach(rules.kind.value) {
            self.anchors.insert(number, reach, url);
        }
    }

    /// Whether the links of this source's pages are followed at all; not with type `page`.
    pub fn follows(&self, source: &str) -> bool {
        self.of(source).1.kind.value != ScopeType::Page
    }

    /// Whether sitemaps are read that the robots.txt of a host names; never where links are not followed.
    pub fn reads_sitemaps(&self, source: &str) -> bool {
        self.of(source).1.sitemaps && self.follows(source)
    }

    /// Whether a URL in canonical form, come by on this way, is followed. The answer can differ from one way to
    /// another, and as seeds come in: of two links to one page only one may be marked, too deep, or a hop too far.
    ///
    /// What a seed redirects to is a seed itself: it is admitted, and the caller gives it to [`Scope::anchor`].
    /// A redirect is no step: it goes no deeper and, from a page outside, costs no hop.
    pub fn judge(&self, from: &Request, url: &Url, way: Way) -> Judged {
        if way.kind == WayKind::Redirect && from.is_seed() {
            return Judged::Admit { hops: 0 };
        }
        let (number, rules) = self.of(&from.source);
        let refuse = |ending, is_outside| Judged::Refuse { ending, is_outside };
        if let Some(ending) = rules.refuses(url, way) {
            return refuse(ending, false);
        }
        let allowed = self.depth_allows(from, way);
        match (self.hops(number, rules, from, url, way), allowed) {
            (Err(ending), allowed) => refuse(ending, allowed.is_ok()),
            (Ok(_), Err(ending)) => refuse(ending, false),
            (Ok(hops), Ok(())) => Judged::Admit { hops },
        }
    }

    /// Whether a URL lies within the type of its source, by the seeds that are known now.
    pub fn covers(&self, source: &str, url: &Url) -> bool {
        let (number, rules) = self.of(source);
        reach(rules.kind.value).is_some_and(|reach| self.anchors.reach(number, reach, url))
    }

    /// The rules of a source, those of the job for one that is unknown.
    fn of(&self, source: &str) -> (u32, &Rules) {
        let last = self.rules.len() - 1;
        let number = self.sources.get(source).copied().unwrap_or(u32::MAX);
        (number, &self.rules[usize::try_from(number).map_or(last, |number| number.min(last))])
    }

    /// How many hops outside of the type a link is, if it may be so many.
    fn hops(&self, number: u32, rules: &Rules, from: &Request, url: &Url, way: Way) -> Result<u8, Ending> {
        let is_step = matches!(way.kind, WayKind::Link | WayKind::Canonical);
        let within = match reach(rules.kind.value) {
            Some(reach) => self.anchors.reach(number, reach, url),
            None => rules.kind.value == ScopeType::Any || !is_step,
        };
        if within {
            return Ok(0);
        }
        if way.kind == WayKind::Redirect && from.hops > 0 {
            return Ok(from.hops);
        }
        if from.hops < rules.extra_hops && rules.kind.value != ScopeType::Page {
            return Ok(from.hops + 1);
        }
        Err(rules.outside())
    }

    fn depth_allows(&self, from: &Request, way: Way) -> Result<(), Ending> {
        let Some(max) = self.depth.value else { return Ok(()) };
        let depth = from.depth.saturating_add(1);
        if depth <= max || !matches!(way.kind, WayKind::Link | WayKind::Canonical) {
            return Ok(());
        }
        let reason = format!("is {depth} links away from a seed, more than `limits.max_depth` = {max}");
        Err(refusal(Outcome::SkippedDepth, reason, &self.depth.place))
    }
}

/// What of a seed and a link must be the same; `None` for the types that do not ask.
fn reach(kind: ScopeType) -> Option<anchors::Reach> {
    match kind {
        ScopeType::Page | ScopeType::Any => None,
        ScopeType::Prefix => Some(anchors::Reach::Prefix),
        ScopeType::Host => Some(anchors::Reach::Host),
        ScopeType::Domain => Some(anchors::Reach::Domain),
    }
}

impl Rules {
    fn general(job: &ScopeSettings, place: &dyn Fn(&str) -> String) -> Result<Self, ScopeError> {
        let bounds =
            [job.max_url_length, job.max_path_segments, job.max_query_params, job.max_repeated_segments];
        let bound_keys = array::from_fn(|number| rule("scope", KEYS[number], bounds[number], place));
        let (exclude, exclude_places) = patterns("scope", "exclude", &job.exclude, place)?;
        Ok(Self {
            kind: rule("scope", "type", job.kind, place),
            include: patterns("scope", "include", &job.include, place)?.0,
            exclude,
            exclude_places,
            extra_hops: job.extra_hops,
            nofollow: rule("scope", "nofollow", job.nofollow, place),
            sitemaps: job.sitemaps,
            bounds: bounds_of(&bound_keys),
            bound_keys,
        })
    }

    /// These rules with the keys that an override gives.
    fn under(
        mut self,
        over: &ScopeOverride,
        table: &str,
        place: &dyn Fn(&str) -> String,
    ) -> Result<Self, ScopeError> {
        if let Some(kind) = over.kind {
            self.kind = rule(table, "type", kind, place);
        }
        if let Some(include) = &over.include {
            (self.include, _) = patterns(table, "include", include, place)?;
        }
        if let Some(exclude) = &over.exclude {
            (self.exclude, self.exclude_places) = patterns(table, "exclude", exclude, place)?;
        }
        if let Some(nofollow) = over.nofollow {
            self.nofollow = rule(table, "nofollow", nofollow, place);
        }
        self.extra_hops = over.extra_hops.unwrap_or(self.extra_hops);
        self.sitemaps = over.sitemaps.unwrap_or(self.sitemaps);
        let bounds =
            [over.max_url_length, over.max_path_segments, over.max_query_params, over.max_repeated_segments];
        for ((key, name), bound) in self.bound_keys.iter_mut().zip(KEYS).zip(bounds) {
            if let Some(bound) = bound {
                *key = rule(table, name, bound, place);
            }
        }
        self.bounds = bounds_of(&self.bound_keys);
        Ok(self)
    }

    /// Why a URL is refused wherever it lies. Does not allocate where it is not.
    fn refuses(&self, url: &Url, way: Way) -> Option<Ending> {
        let is_step = matches!(way.kind, WayKind::Link | WayKind::Canonical);
        if is_step && way.nofollow && self.nofollow.value == Nofollow::Obey {
            let reason = format!("the link is marked nofollow (`{}` = obey)", self.nofollow.key);
            return Some(self.nofollow.refuse(reason));
        }
        if let Some(trap) = self.bounds.broken_by(url) {
            let bound = &self.bound_keys[trap.number()];
            let reason = format!("{}, more than `{}` = {}", trap.words(), bound.key, bound.value);
            return Some(bound.refuse(reason));
        }
        if !self.exclude.value.is_empty() && self.exclude.value.is_match(url.as_str()) {
            return Some(self.excluded(url));
        }
        if !self.include.value.is_empty() && !self.include.value.is_match(url.as_str()) {
            return Some(self.include.refuse(format!("matches none of `{}`", self.include.key)));
        }
        None
    }

    /// The first regex of `exclude` that matches.
    fn excluded(&self, url: &Url) -> Ending {
        let first = self.exclude.value.matches(url.as_str()).iter().next().unwrap_or(0);
        let pattern = self.exclude.value.patterns().get(first).map_or("", String::as_str);
        let place = self.exclude_places.get(first).unwrap_or(&self.exclude.place);
        let reason = format!("matches `{}[{first}]` = `{pattern}`", self.exclude.key);
        refusal(Outcome::SkippedScope, reason, place)
    }

    fn outside(&self) -> Ending {
        let (key, kind) = (&self.kind.key, self.kind.value);
        self.kind.refuse(match kind {
            ScopeType::Page | ScopeType::Any => format!("links are not followed (`{key}` = {kind})"),
            ScopeType::Prefix => format!("outside of the directory of every seed (`{key}` = {kind})"),
            ScopeType::Host | ScopeType::Domain => {
                format!("outside of the {kind} of every seed (`{key}` = {kind})")
            }
        })
    }
}

fn rule<T>(table: &str, name: &str, value: T, place: &dyn Fn(&str) -> String) -> Rule<T> {
    let key = format!("{table}.{name}");
    Rule { value, place: place(&key), key }
}

fn bounds_of(keys: &[Rule<usize>; KEYS.len()]) -> Bounds {
    let [url_length, path_segments, query_params, repeated_segments] = keys.each_ref().map(|key| key.value);
    Bounds { url_length, path_segments, query_params, repeated_segments }
}

/// A list of regexes as one automaton, and where each stands.
fn patterns(
    table: &str,
    name: &str,
    texts: &[String],
    place: &dyn Fn(&str) -> String,
) -> Result<(Rule<RegexSet>, Vec<String>), ScopeError> {
    let key = format!("{table}.{name}");
    let wrong = crate::model::check_scope_patterns(&key, texts).into_iter().next();
    if let Some((key, what)) = wrong {
        return Err(ScopeError { key, what });
    }
    let set = RegexSet::new(texts);
    let set = set.map_err(|error| ScopeError { key: key.clone(), what: error.to_string() })?;
    let places = (0..texts.len()).map(|index| place(&format!("{key}[{index}]"))).collect();
    Ok((rule(table, name, set, place), places))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: Way = Way { nofollow: false, kind: WayKind::Link };
    const MARKED: Way = Way { nofollow: true, kind: WayKind::Link };
    const CANONICAL: Way = Way { nofollow: false, kind: WayKind::Canonical };
    const REDIRECT: Way = Way { nofollow: true, kind: WayKind::Redirect };
    const LISTED: Way = Way { nofollow: true, kind: WayKind::Listed };

    fn url(raw: &str) -> Url {
        crate::model::canonical(raw, None).expect(raw)
    }

    fn settings(toml: &str) -> ScopeSettings {
        toml::from_str(toml).expect(toml)
    }

    /// A scope with one source `s` and its seeds; keys stand at `at KEY`.
    fn scope(toml: &str, seeds: &[&str]) -> Scope {
        let sources = [("s".to_owned(), None)];
        let scope = Scope::new(&settings(toml), &sources, Reach::default(), &|key| format!("at {key}"));
        let scope = scope.expect(toml);
        for seed in seeds {
            scope.anchor("s", &url(seed));
        }
        scope
    }

    /// A page of source `s`, one link away from a seed.
    fn page(raw: &str) -> Request {
        Request { depth: 1, discovered_from: Some("http://h/".into()), ..Request::seed(&url(raw), "s") }
    }

    /// The judgement as `admit`, `admit, hop N`, or `OUTCOME: REASON | RULE`.
    fn words(judged: Judged) -> String {
        match judged {
            Judged::Admit { hops: 0 } => "admit".to_owned(),
            Judged::Admit { hops } => format!("admit, hop {hops}"),
            Judged::Refuse { ending: Ending { outcome, reason, rule, .. }, .. } => {
                format!("{outcome}: {} | {}", reason.unwrap_or_default(), rule.unwrap_or_default())
            }
        }
    }

    /// A link from the seed `http://h/d/a` under the settings.
    fn link(toml: &str, to: &str) -> String {
        words(scope(toml, &["http://h/d/a"]).judge(&page("http://h/d/a"), &url(to), LINK))
    }

    #[test]
    fn the_type_decides_what_lies_under_a_seed() {
        for (kind, to) in [
            ("prefix", "http://h/d/b/c"),
            ("host", "https://h/"),
            ("domain", "http://h:81/"),
            ("any", "http://elsewhere.org/"),
        ] {
            assert_eq!(link(&format!("type = '{kind}'"), to), "admit");
        }
        for (kind, to, reason) in [
            ("page", "http://h/d/a2", "links are not followed (`scope.type` = page)"),
            ("prefix", "http://h/e", "outside of the directory of every seed (`scope.type` = prefix)"),
            ("host", "http://h:81/", "outside of the host of every seed (`scope.type` = host)"),
            ("domain", "http://h2/", "outside of the domain of every seed (`scope.type` = domain)"),
        ] {
            let expected = format!("skipped_scope: {reason} | at scope.type");
            assert_eq!(link(&format!("type = '{kind}'"), to), expected);
        }
    }

    #[test]
    fn any_seed_of_the_same_source_will_do() {
        let sources = [("s".to_owned(), None), ("t".to_owned(), None)];
        let scope = Scope::new(&settings("type = 'host'"), &sources, Reach::default(), &|_| String::new());
        let scope = scope.expect("a scope");
        let judge = |to: &str| words(scope.judge(&page("http://h/"), &url(to), LINK));
        scope.anchor("s", &url("http://a/"));
        scope.anchor("s", &url("http://b/"));
        scope.anchor("t", &url("http://c/"));
        assert_eq!((&*judge("http://a/x"), &*judge("http://b/x")), ("admit", "admit"));
        // A default stands nowhere, so there is no rule.
        assert_eq!(
            judge("http://c/"),
            "skipped_scope: outside of the host of every seed (`scope.type` = host) | "
        );
        scope.anchor("s", &url("http://c/"));
        assert_eq!(judge("http://c/"), "admit");
    }

    #[test]
    fn exclude_beats_include_and_both_beat_the_type() {
        let toml = r"
            type = 'host'
            include = ['^http://h/d/', '/e/']
            exclude = ['\.zip$', '\.pdf$', 'pdf']";
        assert_eq!(link(toml, "http://h/d/x"), "admit");
        assert_eq!(link(toml, "http://h/f/e/"), "admit");
        assert_eq!(
            link(toml, "http://h/f"),
            "skipped_scope: matches none of `scope.include` | at scope.include"
        );
        let excluded = r"skipped_scope: matches `scope.exclude[1]` = `\.pdf$` | at scope.exclude[1]";
        assert_eq!(link(toml, "http://h/d/x.pdf"), excluded);
        assert_eq!(link(toml, "http://elsewhere/d/x.pdf"), excluded);
        assert_eq!(
            link(toml, "http://h/d/x.pdf?y"),
            excluded.replace(r"[1]` = `\.pdf$", "[2]` = `pdf").replace("[1]", "[2]")
        );
    }

    #[test]
    fn traps_name_their_bound() {
        let check = |to: &str, key: &str, reason: &str| {
            assert_eq!(link("type = 'any'", to), format!("skipped_scope: {reason} | at scope.{key}"));
        };
        let long = format!("http://h/{}", "x".repeat(2040));
        check(&long, "max_url_length", "is 2049 bytes long, more than `scope.max_url_length` = 2048");
        let deep = format!("http://h/{}", (0..33).map(|n| n.to_string()).collect::<Vec<_>>().join("/"));
        check(&deep, "max_path_segments", "has 33 path segments, more than `scope.max_path_segments` = 32");
        let wide = format!("http://h/?{}", "a&".repeat(33));
        check(&wide, "max_query_params", "has 33 query parameters, more than `scope.max_query_params` = 32");
        let reason = "repeats the path segment `a` 4 times, more than `scope.max_repeated_segments` = 3";
        check("http://h/a/b/a/b/a/b/a", "max_repeated_segments", reason);
    }

    #[test]
    fn nofollow_is_for_links_alone() {
        let judge =
            |toml: &str, way: Way| words(scope(toml, &[]).judge(&page("http://h/"), &url("http://h/x"), way));
        let refused =
            "skipped_scope: the link is marked nofollow (`scope.nofollow` = obey) | at scope.nofollow";
        assert_eq!(judge("type = 'any'", MARKED), refused);
        assert_eq!(judge("type = 'any'", Way { nofollow: true, ..CANONICAL }), refused);
        assert_eq!(judge("type = 'any'", REDIRECT), "admit");
        assert_eq!(judge("type = 'any'", LISTED), "admit");
        assert_eq!(judge("type = 'any'\nnofollow = 'ignore'", MARKED), "admit");
    }

    #[test]
    fn hops_lead_outside_and_end_within() {
        let scope = scope("type = 'host'\nextra_hops = 2\nexclude = ['bad']", &["http://h/"]);
        let judge = |hops: u8, to: &str, way: Way| {
            let from = Request { hops, ..page("http://out/") };
            words(scope.judge(&from, &url(to), way))
        };
        assert_eq!(judge(0, "http://out/", LINK), "admit, hop 1");
        assert_eq!(judge(1, "http://out/", CANONICAL), "admit, hop 2");
        assert!(judge(2, "http://out/", LINK).starts_with("skipped_scope: outside of the host"));
        assert_eq!(judge(2, "http://h/", LINK), "admit");
        assert!(judge(0, "http://out/bad", LINK).starts_with("skipped_scope: matches `scope.exclude[0]`"));
        // A redirect costs no hop outside; from within it leads one out.
        assert_eq!(judge(2, "http://out2/", REDIRECT), "admit, hop 2");
        assert_eq!(judge(0, "http://out2/", REDIRECT), "admit, hop 1");
        assert_eq!(judge(2, "http://h/", REDIRECT), "admit");
        let page = self::scope("type = 'page'\nextra_hops = 2", &[]);
        assert!(matches!(
            page.judge(&self::page("http://h/"), &url("http://h/a"), LINK),
            Judged::Refuse { .. }
        ));
    }

    #[test]
    fn a_seed_may_redirect_anywhere_a_page_may_not() {
        let to = url("http://out/bad/a/a/a/a");
        let judge =
            |toml: &str, from: &Request| words(scope(toml, &["http://h/"]).judge(from, &to, REDIRECT));
        let toml = "type = 'host'\nexclude = ['bad']";
        let seed = Request::seed(&url("http://h/"), "s");
        let second = seed.redirected_to(&url("http://h/2"));
        for from in [&seed, &second] {
            assert_eq!(judge(toml, from), "admit");
            assert_eq!(judge("exclude = ['bad']", from), "admit");
        }
        // What a sitemap lists has no depth and yet is no seed.
        let entry = Request { discovered_from: Some("http://h/sitemap.xml".into()), ..seed };
        for from in [page("http://h/"), entry] {
            assert!(judge(toml, &from).starts_with("skipped_scope: repeats"));
            assert!(
                judge("type = 'host'\nmax_repeated_segments = 9", &from)
                    .starts_with("skipped_scope: outside")
            );
            assert_eq!(judge("max_repeated_segments = 9", &from), "admit");
        }
    }

    #[test]
    fn listed_urls_are_judged_by_type_and_shape() {
        let sitemap = Request::seed(&url("http://h/maps/sitemap.xml"), "s");
        let judge = |toml: &str, to: &str| {
            words(scope(toml, &["http://h/maps/sitemap.xml"]).judge(&sitemap, &url(to), LISTED))
        };
        assert_eq!(judge("type = 'page'", "http://out/"), "admit");
        assert_eq!(judge("type = 'any'", "http://out/"), "admit");
        assert_eq!(judge("type = 'host'", "http://h/x"), "admit");
        assert!(judge("type = 'host'", "http://out/").starts_with("skipped_scope: outside of the host"));
        assert!(
            judge("type = 'prefix'", "http://h/x").starts_with("skipped_scope: outside of the directory")
        );
        assert!(judge("exclude = ['x']", "http://h/x").starts_with("skipped_scope: matches"));
        assert!(judge("max_query_params = 0", "http://h/?x").starts_with("skipped_scope: has 1 query"));
    }

    #[test]
    fn depth_counts_links_and_nothing_else() {
        let reach = Reach { max_depth: Some(2) };
        let toml = settings("type = 'host'");
        let scope =
            Scope::new(&toml, &[("s".to_owned(), None)], reach, &|key| format!("at {key}")).expect("one");
        scope.anchor("s", &url("http://h/"));
        let judge = |depth: u32, to: &str, way: Way| {
            words(scope.judge(&Request { depth, ..page("http://h/") }, &url(to), way))
        };
        let deep = "skipped_depth: is 3 links away from a seed, more than `limits.max_depth` = 2 | at limits.max_depth";
        assert_eq!(judge(1, "http://h/x", LINK), "admit");
        assert_eq!(judge(2, "http://h/x", LINK), deep);
        assert_eq!(judge(2, "http://h/x", CANONICAL), deep);
        assert_eq!(judge(2, "http://h/x", REDIRECT), "admit");
        assert_eq!(judge(2, "http://h/x", LISTED), "admit");
        // What is out of scope at any depth says so.
        assert!(judge(2, "http://out/", LINK).starts_with("skipped_scope"));
        assert!(judge(u32::MAX, "http://h/x", LINK).starts_with("skipped_depth"));
    }

    #[test]
    fn an_override_lies_over_the_job_key_by_key() {
        let job = settings(
            "type = 'host'\nexclude = ['x']\nmax_query_params = 1\ninclude = ['/']\nsitemaps = true",
        );
        let over = "type = 'any'\nexclude = ['y', 'z']\nmax_url_length = 20\ninclude = []";
        let over = (String::from("s"), Some(toml::from_str(over).expect(over)));
        let sources = [
            ("t".to_owned(), None),
            over,
            ("u".to_owned(), Some(ScopeOverride { kind: Some(ScopeType::Page), ..ScopeOverride::default() })),
        ];
        let scope =
            Scope::new(&job, &sources, Reach::default(), &|key| format!("at {key}")).expect("a scope");
        let judge = |source: &str, to: &str| {
            words(scope.judge(&Request { source: source.into(), ..page("http://h/") }, &url(to), LINK))
        };
        assert_eq!(judge("s", "http://out/x"), "admit");
        let excluded =
            "skipped_scope: matches `sources[1].scope.exclude[1]` = `z` | at sources[1].scope.exclude[1]";
        assert_eq!(judge("s", "http://out/z"), excluded);
        let reason = "skipped_scope: is 21 bytes long, more than `sources[1].scope.max_url_length` = 20";
        assert_eq!(
            judge("s", "http://out/1234567890"),
            format!("{reason} | at sources[1].scope.max_url_length")
        );
        let reason = "skipped_scope: has 2 query parameters, more than `scope.max_query_params` = 1";
        assert_eq!(judge("s", "http://out/?a&b"), format!("{reason} | at scope.max_query_params"));
        assert_eq!(
            judge("t", "http://h/x"),
            "skipped_scope: matches `scope.exclude[0]` = `x` | at scope.exclude[0]"
        );
        let reason = "skipped_scope: links are not followed (`sources[2].scope.type` = page)";
        assert_eq!(judge("u", "http://h/"), format!("{reason} | at sources[2].scope.type"));
        // One that nobody has named goes by the rules of the job.
        assert!(judge("unknown", "http://h/").starts_with("skipped_scope: outside of the host"));
        assert_eq!(["s", "t", "u"].map(|source| scope.follows(source)), [true, true, false]);
        assert_eq!(["s", "t", "u"].map(|source| scope.reads_sitemaps(source)), [true, true, false]);
    }

    #[test]
    fn a_bad_regex_is_named_with_its_key() {
        let over = ScopeOverride { include: Some(vec!["a".into(), "*".into()]), ..ScopeOverride::default() };
        let sources = [("s".to_owned(), Some(over))];
        let scope = Scope::new(&ScopeSettings::default(), &sources, Reach::default(), &|_| String::new());
        let error = scope.expect_err("a bad regex").to_string();
        let why = "is no regex: repetition operator missing expression";
        assert_eq!(error, format!("sources[0].scope.include[1]: `*` {why}"));
    }
}

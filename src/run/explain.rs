//! All that a job knows of one URL: its canonical form, what the sources and the scope say, what the unfinished run has
//! done with it, how it ended in the run that was published last, and where its record stands. Fetches nothing,
//! changes nothing.

use futures::executor::block_on;
use futures::stream::StreamExt;
use jiff::Timestamp;
use serde::Serialize;
use url::{Position, Url};

use super::directory::{Latest, RunDir, failed, latest};
use super::error::RunError;
use super::lines;
use crate::config::Config;
use crate::frontier::{Judged, Robots, Scope, Verdict, Way, WayKind};
use crate::model::{
    Hint, Normalize, OutcomeLine, Request, RobotsNote, Seed, UrlError, UrlKey, canonical_file, host_key,
};
use crate::pipeline::{self, anchor};
use crate::source::{self, Surroundings};
use crate::store::{Account, Layout, Lookup};

/// Seeds that are read of all sources together.
const MAX_SEEDS: usize = 1_000_000;

/// What is known of a URL.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// As it was asked for.
    pub asked: String,
    /// In the canonical form of the job; the text itself if it is no URL.
    pub url: String,
    /// 128-bit hash of `url` in hex.
    pub url_key: String,
    /// What was done to it, step by step.
    pub steps: Vec<Step>,
    /// What each source makes of it.
    pub sources: Vec<SourceVerdict>,
    /// What the unfinished run has done with it, if there is such a run.
    pub unfinished: Option<InRun>,
    /// How it ended in the run that was published last, if that knew it.
    pub published: Option<InEnded>,
    /// How it ended in the newest run, if that failed and was not published, and knew it.
    pub failed: Option<InEnded>,
    /// Where its latest record stands.
    pub record: Option<RecordPlace>,
}

/// A step on the way to the canonical form.
#[derive(Debug, Serialize)]
pub struct Step {
    /// What was done.
    pub what: &'static str,
    /// The URL after it.
    pub url: String,
}

/// What a source makes of a URL.
#[derive(Debug, Serialize)]
pub struct SourceVerdict {
    /// Id of the source.
    pub source_id: String,
    /// Whether it is one of its seeds.
    pub is_seed: bool,
    /// Whether it would be followed if it were one link away from a seed, or an entry of the sitemap or feed.
    pub is_followed: bool,
    /// How it would end if not.
    pub refused: Option<Refused>,
    /// Why its seeds are not all known, where that is so: the verdict may be another with them.
    pub incomplete: Option<String>,
}

/// Why a URL is not fetched.
#[derive(Debug, Serialize)]
pub struct Refused {
    /// Its outcome.
    pub outcome: &'static str,
    /// Why, in words.
    pub reason: Option<String>,
    /// Where the rule stands.
    pub rule: Option<String>,
}

/// What the unfinished run has done with a URL.
#[derive(Debug, Serialize)]
pub struct InRun {
    /// The run.
    pub run_id: String,
    /// Whether it was admitted: it waits, is in flight, or has ended.
    pub is_admitted: bool,
    /// Id of the source that led to it.
    pub source_id: Option<String>,
    /// Links followed since the seed.
    pub depth: Option<u32>,
    /// URL of the page that named it.
    pub discovered_from: Option<String>,
    /// URLs that redirected to it, oldest first.
    pub redirects: Vec<String>,
    /// What the sitemap or feed that listed it says of it.
    pub sitemap: Option<Hint>,
    /// How it was refused on the first way to it; another may have led there since.
    pub refused: Option<Refused>,
    /// Tries that came to nothing, oldest first.
    pub tries: Vec<FailedTry>,
    /// When it is tried again.
    pub next_try: Option<String>,
    /// How it ended: the outcome, if it has.
    pub outcome: Option<&'static str>,
    /// Its outcome line and, where it was redirected, those of its targets.
    pub lines: Vec<OutcomeLine<'static>>,
    /// What the robots.txt of its origin says, if that was answered.
    pub robots: Option<RobotsVerdict>,
}

/// A try that came to nothing.
#[derive(Debug, Serialize)]
pub struct FailedTry {
    /// When it began.
    pub time: String,
    /// What went wrong.
    pub reason: String,
}

/// What a robots.txt says of a URL.
#[derive(Debug, Serialize)]
pub struct RobotsVerdict {
    /// HTTP status of the answer.
    pub status: u16,
    /// When it was fetched.
    pub time: String,
    /// Whether it may be fetched.
    pub is_allowed: bool,
    /// The rule that forbids it.
    pub reason: Option<String>,
    /// Where that stands.
    pub rule: Option<String>,
}

/// How a URL ended in a run that has ended.
#[derive(Debug, Serialize)]
pub struct InEnded {
    /// The run.
    pub run_id: String,
    /// Its outcome line and, where it was redirected, those of its targets.
    pub lines: Vec<OutcomeLine<'static>>,
}

/// Where a record stands.
#[derive(Debug, Serialize)]
pub struct RecordPlace {
    /// The run that wrote it.
    pub run_id: String,
    /// The file.
    pub path: String,
    /// Where its line begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes, the line end included.
    pub length: u64,
    /// When the page was fetched.
    pub fetch_time: String,
}

impl Explanation {
    /// Whether anything is known of the URL: a source names it, or a run has met it.
    pub fn is_known(&self) -> bool {
        let in_run = |run: &InRun| run.is_admitted || run.refused.is_some() || run.outcome.is_some();
        self.sources.iter().any(|source| source.is_seed)
            || self.unfinished.as_ref().is_some_and(in_run)
            || self.published.is_some()
            || self.failed.is_some()
            || self.record.is_some()
    }
}

/// What a person means by a URL or a path: the URL in the canonical form of the job.
pub fn meant(text: &str, normalize: &Normalize) -> Result<String, UrlError> {
    if text.starts_with("file://") {
        return Ok(text.to_owned());
    }
    normalize.canonical(text, None).map(Into::into).or_else(|error| {
        let path = std::path::absolute(text).ok().filter(|path| path.exists());
        path.and_then(|path| canonical_file(&path)).map(Into::into).ok_or(error)
    })
}

/// Explains a URL. The inner error says why a text is none, unless something is known of it all the same. `places` says where a key of the config stands.
pub fn explain(
    config: &Config,
    places: &dyn Fn(&str) -> String,
    asked: &str,
) -> Result<Result<Explanation, UrlError>, RunError> {
    let normalize = config.scope.normalize.build();
    // What is no URL may still have its outcome, under the text itself.
    let (url, fault) = match meant(asked, &normalize) {
        Ok(url) => (url, None),
        Err(error) => (asked.to_owned(), Some(error)),
    };
    let steps = normalize.steps(asked, None).unwrap_or_default();
    let key = UrlKey::of(&url);
    let scope = pipeline::scope(config, places).map_err(pipeline::PlanError::from)?;
    let seeds = seeds(config, &scope, &normalize, key);
    let unfinished = in_run(config, &scope, &url, key)?;
    let parsed = Url::parse(&url).ok().filter(|_| fault.is_none());
    let verdict =
        |(settings, (is_seed, incomplete))| verdict(settings, &scope, parsed.as_ref(), is_seed, incomplete);
    let output = &config.job.output_dir;
    let explained = Explanation {
        asked: asked.to_owned(),
        url_key: key.to_string(),
        steps: steps.into_iter().map(|step| Step { what: step.what, url: step.url }).collect(),
        sources: config.sources.iter().zip(seeds).map(verdict).collect(),
        unfinished,
        published: in_ended(config, latest(output), key)?,
        failed: in_ended(config, failed(output), key)?,
        record: record(config, key)?,
        url,
    };
    Ok(match fault {
        Some(error) if !explained.is_known() => Err(error),
        _ => Ok(explained),
    })
}

/// Pours the sources, so that their seeds widen the scope. Says of each whether the URL is one of its seeds, and why
/// its seeds are not all known.
fn seeds(config: &Config, scope: &Scope, normalize: &Normalize, key: UrlKey) -> Vec<(bool, Option<String>)> {
    let mut left = MAX_SEEDS;
    let mut pour = |settings: &source::Settings| {
        if matches!(settings, source::Settings::List(list) if list.is_stdin()) {
            return (false, Some("its list comes from standard input".to_owned()));
        }
        let mut seeds = match source::build(settings, &Surroundings::default()) {
            Ok(source) => source.requests(),
            Err(error) => return (false, Some(error.to_string())),
        };
        let mut is_seed = false;
        while let Some(seed) = block_on(seeds.next()) {
            if left == 0 {
                return (is_seed, Some(format!("only {MAX_SEEDS} seeds are read")));
            }
            left -= 1;
            let request = match seed {
                Ok(Seed::Request(request)) => request,
                Ok(Seed::Refused(visit)) => {
                    is_seed |= visit.request.key == key;
                    continue;
                }
                Err(error) => return (is_seed, Some(error.to_string())),
            };
            if let Ok(url) = Url::parse(&request.url) {
                let url = normalize.apply(url);
                is_seed |= UrlKey::of(url.as_str()) == key;
                anchor(scope, &request, &url);
            }
        }
        (is_seed, None)
    };
    config.sources.iter().map(&mut pour).collect()
}

fn verdict(
    settings: &source::Settings,
    scope: &Scope,
    url: Option<&Url>,
    is_seed: bool,
    incomplete: Option<String>,
) -> SourceVerdict {
    let source_id = settings.id().to_owned();
    let kind = match settings {
        source::Settings::Sitemap(_) | source::Settings::Feed(_) => WayKind::Listed,
        _ => WayKind::Link,
    };
    let judged =
        url.map(|url| scope.judge(&Request::seed(url, &*source_id), url, Way { nofollow: false, kind }));
    let refused = match judged {
        Some(Judged::Refuse { ending, .. }) => {
            Some(Refused { outcome: ending.outcome.name(), reason: ending.reason, rule: ending.rule })
        }
        _ => None,
    };
    SourceVerdict { is_followed: refused.is_none() && url.is_some(), source_id, is_seed, refused, incomplete }
}

/// What the journal of the unfinished run says. What it says of seeds widens the scope.
fn in_run(config: &Config, scope: &Scope, url: &str, key: UrlKey) -> Result<Option<InRun>, RunError> {
    let Some(layout) = Layout::existing(&config.job.state_dir)? else { return Ok(None) };
    let Some(journal) = layout.unfinished()? else { return Ok(None) };
    let parsed = Url::parse(url).ok();
    let origin = parsed.as_ref().map(|url| format!("{}://{}", url.scheme(), host_key(url)));
    let account = Account::of(&journal, key, origin.as_deref().unwrap_or_default(), |request| {
        if request.is_seed()
            && let Ok(url) = Url::parse(&request.url)
        {
            anchor(scope, request, &url);
        }
    });
    let Account { begin, admitted, refused, again, settled, robots, .. } = match account {
        // It vanished while it was looked at: the run has been published.
        Err(_) if !journal.exists() => return Ok(None),
        account => account?,
    };
    let run_id = begin.map(|begin| begin.run_id).unwrap_or_default();
    let lines = match settled {
        Some(_) => lines::chain(&RunDir::new(&config.job.output_dir, &run_id).partial(), key)?,
        None => Vec::new(),
    };
    let last = again.last();
    let robots = parsed.as_ref().zip(robots.as_ref());
    let request = last.map(|again| &again.request).or(admitted.as_ref());
    Ok(Some(InRun {
        is_admitted: admitted.is_some(),
        source_id: request.map(|request| request.source.to_string()),
        depth: request.map(|request| request.depth),
        discovered_from: request.and_then(|request| request.discovered_from.as_deref().map(str::to_owned)),
        redirects: request.map(|request| request.trail.clone()).unwrap_or_default(),
        sitemap: request.and_then(|request| request.hint.as_deref().cloned()),
        tries: request.map(tries).unwrap_or_default(),
        next_try: last.filter(|_| settled.is_none()).map(|again| moment(again.wait.until_ms)),
        refused: refused.map(|refusal| Refused {
            outcome: refusal.outcome.name(),
            reason: refusal.reason,
            rule: refusal.rule,
        }),
        outcome: settled.map(|settle| settle.outcome.name()),
        robots: robots.map(|(url, note)| robots_verdict(url, note, &config.http.user_agent)),
        run_id,
        lines,
    }))
}

fn tries(request: &Request) -> Vec<FailedTry> {
    let tries = request.tries.iter();
    tries.map(|tried| FailedTry { time: moment(tried.at_ms), reason: tried.why.clone() }).collect()
}

fn robots_verdict(url: &Url, note: &RobotsNote, agent: &str) -> RobotsVerdict {
    let decided = match Robots::parse(&note.body, agent).verdict(url.as_str()) {
        Verdict::Allowed => None,
        Verdict::Disallowed { line, rule } => Some((line, rule)),
        Verdict::Undecided { line, rule } => Some((line, format!("too much work to match, at `{rule}`"))),
    };
    let place = |line: usize| format!("{}/robots.txt:{line}", &url[..Position::BeforePath]);
    RobotsVerdict {
        status: note.status,
        time: moment(note.fetched_at_ms),
        is_allowed: decided.is_none(),
        rule: decided.as_ref().map(|(line, _)| place(*line)),
        reason: decided.map(|(_, rule)| rule),
    }
}

fn in_ended(config: &Config, run: Option<Latest>, key: UrlKey) -> Result<Option<InEnded>, RunError> {
    let Some(run) = run else { return Ok(None) };
    let lines = lines::chain(&config.job.output_dir.join(&run.path), key)?;
    Ok((!lines.is_empty()).then_some(InEnded { run_id: run.run_id, lines }))
}

fn record(config: &Config, key: UrlKey) -> Result<Option<RecordPlace>, RunError> {
    let Some(mut lookup) = Lookup::open(&config.job.state_dir)? else { return Ok(None) };
    let found = lookup.get(key);
    lookup.close()?;
    let Some(found) = found? else { return Ok(None) };
    let (page, run_id) = (found.history.page, found.history.run_id);
    let dir = RunDir::new(&config.job.output_dir, &run_id);
    let dir = if dir.published().exists() { dir.published() } else { dir.partial() };
    let path = dir.join(format!("records/part-{:05}.jsonl", page.record.part));
    Ok(Some(RecordPlace {
        run_id: run_id.to_string(),
        path: path.display().to_string(),
        offset: page.record.offset,
        length: u64::from(page.record.length),
        fetch_time: moment(page.fetched_at_ms),
    }))
}

fn moment(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map_or_else(|_| "-".to_owned(), |time| format!("{time:.3}"))
}

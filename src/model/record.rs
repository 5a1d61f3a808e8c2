//! One line for the consumer, and one line for every URL whatever happened.
//!
//! Names follow the Common Crawl columnar index where it has one. Every field is always present, null
//! when empty. Adding a nullable field is a minor change; all else raises [`SCHEMA_VERSION`].
//!
//! Lines borrow from the visit they are made of, because a page easily has two hundred links; read back
//! from JSON they own their text. Here is only what stands in a line, not how or where it is written.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::links::{Links, Written};
use super::outcome::Outcome;
use super::parsed::CharsetSource;
use super::request::{Hint, Try};
use super::structured::Structured;
use super::url::{UrlKey, registered_domain};
use super::visit::Visit;

/// Version of the record and outcome schemas.
pub const SCHEMA_VERSION: u32 = 1;

/// What all lines of a run share.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Name of the job.
    pub job: String,
    /// Id of the run.
    pub run_id: String,
    /// Whether records carry the links of the page.
    pub links: bool,
}

/// One page, as a consumer reads it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Trawl record", description = "One fetched page or file")]
pub struct Record<'a> {
    /// Version of this schema.
    pub schema_version: u32,
    /// Hash of job and URL key: the same in every run of the job.
    pub record_id: String,
    /// The run that fetched it.
    pub run_id: Cow<'a, str>,
    /// The job.
    pub job: Cow<'a, str>,
    /// Id of the source that led here.
    pub source_id: Cow<'a, str>,
    /// URL that answered, in canonical form.
    pub url: Cow<'a, str>,
    /// 128-bit hash of `url` in hex.
    pub url_key: String,
    /// URL that was first asked for, before any redirect.
    pub url_requested: Cow<'a, str>,
    /// `<link rel=canonical>` of the page.
    pub url_canonical: Option<Cow<'a, str>>,
    /// URLs that redirected here, oldest first.
    pub redirects: Cow<'a, [String]>,
    /// Host, with a port that is not the scheme's own.
    pub host: Cow<'a, str>,
    /// Registrable domain by the public suffix list.
    pub registered_domain: Option<Cow<'a, str>>,
    /// Links followed since the seed.
    pub depth: u32,
    /// URL of the page that named it.
    pub discovered_from: Option<Cow<'a, str>>,
    /// When the fetch began: RFC 3339, UTC, milliseconds.
    pub fetch_time: String,
    /// HTTP status; 200 for a local file.
    pub fetch_status: u16,
    /// From the request to the last byte, in milliseconds.
    pub fetch_duration_ms: u64,
    /// How often it was asked for in this run.
    pub fetch_attempts: u32,
    /// Bytes of the body as they came over the wire.
    pub fetch_bytes: u64,
    /// Address that answered.
    pub fetch_ip: Option<String>,
    /// `http/1.1`, `h2` or `file`.
    pub fetch_protocol: Cow<'a, str>,
    /// `ETag` header.
    pub http_etag: Option<Cow<'a, str>>,
    /// `Last-Modified` header, or the file's time in the same form.
    pub http_last_modified: Option<Cow<'a, str>>,
    /// MIME type that the server declared, without parameters, lower case.
    pub content_mime_type: Option<String>,
    /// MIME type told from the bytes.
    pub content_mime_detected: Option<Cow<'a, str>>,
    /// Charset the text was decoded with, by its WHATWG name.
    pub content_charset: Option<Cow<'a, str>>,
    /// Who named it: `bom`, `header`, `meta`, `sniffed`, `default`.
    pub content_charset_source: Option<Cow<'a, str>>,
    /// Declared languages; else, where main text is asked for, the one that it is in.
    pub content_languages: Cow<'a, [String]>,
    /// Where they come from: `declared` or `detected`; null if there are none.
    pub content_languages_source: Option<Cow<'a, str>>,
    /// Bytes of the unpacked body.
    pub content_length: u64,
    /// Whether the body was cut; such bodies are the outcome `too_large`, so this is false.
    pub content_truncated: bool,
    /// `blake3:` and the hash of the unpacked body in hex.
    pub content_digest: Cow<'a, str>,
    /// Title.
    pub title: Option<Cow<'a, str>>,
    /// `<meta name=description>`.
    pub description: Option<Cow<'a, str>>,
    /// Main text, a block on each line; null unless the extraction rule has `main_text`.
    pub text: Option<Cow<'a, str>>,
    /// Words of the main text; of Chinese and Japanese each character counts.
    pub word_count: Option<u64>,
    /// Links of the page in document order; null if `records.links` is off.
    #[schemars(with = "Option<Vec<Written>>")]
    pub links: Option<Cow<'a, Links>>,
    /// Fields of the extraction rule, in the order of the config; empty without a rule.
    pub fields: Cow<'a, serde_json::Map<String, serde_json::Value>>,
    /// Id of the extraction rule that is for the page; null if none is.
    pub extract_rule: Option<Cow<'a, str>>,
    /// What was odd about the page, and which fields have no value because of what stands there.
    pub extract_warnings: Cow<'a, [String]>,
    /// Metadata, JSON-LD, microdata, headings and images; null unless the extraction rule has `structured_data`.
    pub structured: Option<Cow<'a, Structured>>,
    /// What the sitemap or feed that listed it says of it; null if none did.
    pub sitemap: Option<Cow<'a, Hint>>,
}

/// How one URL ended: there is one such line for every URL of a run.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Trawl outcome", description = "How one URL ended")]
pub struct OutcomeLine<'a> {
    /// Version of this schema.
    pub schema_version: u32,
    /// The run.
    pub run_id: Cow<'a, str>,
    /// URL in canonical form, or the raw text where it is none.
    pub url: Cow<'a, str>,
    /// 128-bit hash of `url` in hex.
    pub url_key: String,
    /// Id of the source that led here.
    pub source_id: Cow<'a, str>,
    /// Row of the closed table of outcomes.
    pub outcome: Cow<'a, str>,
    /// Why, in words.
    pub reason: Option<Cow<'a, str>>,
    /// Where the rule or the line stands that decided it.
    pub rule: Option<Cow<'a, str>>,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Where it failed: `connect`, `transfer`, `decode`, `read`.
    pub stage: Option<Cow<'a, str>>,
    /// Target of a redirect.
    pub target: Option<Cow<'a, str>>,
    /// URL of the page that named it.
    pub discovered_from: Option<Cow<'a, str>>,
    /// How often it was asked for.
    pub attempts: u32,
    /// When the fetch began; null where nothing was asked for.
    pub time: Option<String>,
    /// Links followed since the seed.
    pub depth: u32,
    /// Tries before the last one, oldest first; null if there were none.
    pub tries: Option<Vec<TryLine<'a>>>,
}

/// A try that came to nothing, after which the URL was asked for again.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TryLine<'a> {
    /// When it began.
    pub time: String,
    /// What went wrong.
    pub reason: Cow<'a, str>,
}

impl Origin {
    /// Identity of a page in the records of a job: the 128-bit XXH3 hash, in hex, of the job's name, a
    /// NUL and the URL key in hex.
    pub fn record_id(&self, key: UrlKey) -> String {
        format!("{:032x}", xxhash_rust::xxh3::xxh3_128(format!("{}\0{key}", self.job).as_bytes()))
    }
}

impl<'a> Record<'a> {
    /// The record of a visit: there is one exactly if the page is `ok` and was parsed. Such a visit has
    /// its answer and its body; without them there is nothing to tell.
    pub fn from_visit(origin: &'a Origin, visit: &'a Visit) -> Option<Self> {
        if visit.ending.outcome != Outcome::Ok {
            return None;
        }
        let (parsed, fetched, body) = (visit.parsed.as_ref()?, visit.fetched.as_ref()?, visit.body.as_ref()?);
        let request = &visit.request;
        let extracted = parsed.extracted.as_ref();
        Some(Self {
            schema_version: SCHEMA_VERSION,
            record_id: origin.record_id(request.key),
            run_id: text(&origin.run_id),
            job: text(&origin.job),
            source_id: text(&request.source),
            url: text(&request.url),
            url_key: request.key.to_string(),
            url_requested: text(request.trail.first().map_or(&*request.url, String::as_str)),
            url_canonical: parsed.canonical.as_deref().map(Cow::Borrowed),
            redirects: Cow::Borrowed(&request.trail),
            host: text(&request.host),
            registered_domain: registered_domain(&request.host).map(Cow::Borrowed),
            depth: request.depth,
            discovered_from: request.discovered_from.as_deref().map(Cow::Borrowed),
            fetch_time: moment(fetched.started),
            fetch_status: fetched.status,
            fetch_duration_ms: u64::try_from(fetched.duration.as_millis()).unwrap_or(u64::MAX),
            fetch_attempts: attempts(visit),
            fetch_bytes: visit.wire_bytes,
            fetch_ip: fetched.ip.map(|ip| ip.to_string()),
            fetch_protocol: text(fetched.protocol.name()),
            http_etag: fetched.header("etag").map(Cow::Borrowed),
            http_last_modified: fetched.header("last-modified").map(Cow::Borrowed),
            content_mime_type: fetched.declared_mime(),
            content_mime_detected: parsed.mime_detected.map(Cow::Borrowed),
            content_charset: parsed.charset.map(|charset| text(charset.name)),
            content_charset_source: parsed.charset.map(|charset| text(source_name(charset.source))),
            content_languages: Cow::Borrowed(&parsed.languages),
            content_languages_source: (!parsed.languages.is_empty())
                .then(|| text(if parsed.is_language_detected { "detected" } else { "declared" })),
            content_length: body.length,
            content_truncated: false,
            content_digest: text(&body.digest),
            title: parsed.title.as_deref().map(Cow::Borrowed),
            description: parsed.description.as_deref().map(Cow::Borrowed),
            text: extracted.and_then(|extracted| Some(text(extracted.text.as_ref()?))),
            word_count: extracted.and_then(|extracted| extracted.words),
            links: origin.links.then_some(Cow::Borrowed(&parsed.links)),
            fields: extracted.map_or_else(Cow::default, |extracted| Cow::Borrowed(&extracted.fields)),
            extract_rule: extracted.map(|extracted| text(&extracted.rule)),
            extract_warnings: Cow::Borrowed(&parsed.warnings),
            structured: extracted.and_then(|extracted| extracted.structured.as_deref()).map(Cow::Borrowed),
            sitemap: request.hint.as_deref().map(Cow::Borrowed),
        })
    }
}

impl<'a> OutcomeLine<'a> {
    /// The outcome line of a visit: every visit has one.
    pub fn from_visit(origin: &'a Origin, visit: &'a Visit) -> Self {
        let Visit { request, ending, fetched, .. } = visit;
        Self {
            schema_version: SCHEMA_VERSION,
            run_id: text(&origin.run_id),
            url: text(&request.url),
            url_key: request.key.to_string(),
            source_id: text(&request.source),
            outcome: text(ending.outcome.name()),
            reason: ending.reason.as_deref().map(Cow::Borrowed),
            rule: ending.rule.as_deref().map(Cow::Borrowed),
            status: fetched.as_ref().map(|fetched| fetched.status),
            stage: ending.stage.map(Cow::Borrowed),
            target: visit.target.as_deref().map(Cow::Borrowed),
            discovered_from: request.discovered_from.as_deref().map(Cow::Borrowed),
            attempts: attempts(visit),
            time: visit.began.map(moment),
            depth: request.depth,
            tries: (!request.tries.is_empty()).then(|| request.tries.iter().map(TryLine::from).collect()),
        }
    }
}

impl<'a> From<&'a Try> for TryLine<'a> {
    fn from(tried: &'a Try) -> Self {
        let time = Timestamp::from_millisecond(tried.at_ms).unwrap_or_default();
        Self { time: moment(time), reason: text(&tried.why) }
    }
}

fn text(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

/// RFC 3339 in UTC with exactly three digits of a second.
fn moment(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// How often the URL was asked for.
fn attempts(visit: &Visit) -> u32 {
    visit.request.attempt.saturating_add(u32::from(visit.began.is_some()))
}

fn source_name(source: CharsetSource) -> &'static str {
    match source {
        CharsetSource::Bom => "bom",
        CharsetSource::Header => "header",
        CharsetSource::Meta => "meta",
        CharsetSource::Sniffed => "sniffed",
        CharsetSource::Default => "default",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use schemars::generate::SchemaSettings;
    use serde_json::{Value, json};

    use super::super::{
        Body, Charset, Ending, Failure, Fetched, Link, Parsed, Protocol, Request, Stage, canonical,
    };
    use super::*;

    fn origin() -> Origin {
        Origin { job: "news".into(), run_id: "20261121T020000Z-7f3a".into(), links: true }
    }

    fn request(raw: &str) -> Request {
        Request::seed(&canonical(raw, None).expect(raw), "seeds")
    }

    fn page() -> Visit {
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", "Text/HTML ; charset=utf-8".parse().expect("header"));
        headers.insert("etag", "\"1\"".parse().expect("header"));
        let link = Link { url: "https://example.org/b", rel: Some("nofollow") };
        let fetched = Fetched {
            status: 200,
            headers,
            body: Bytes::new(),
            spool: None,
            started: "2026-11-21T02:00:00.123999Z".parse().expect("time"),
            duration: Duration::from_micros(41_900),
            ip: Some([127, 0, 0, 1].into()),
            protocol: Protocol::Http2,
            wire: None,
            url: None,
        };
        let trail = vec!["http://www.example.org/".into()];
        let request = Request { trail, attempt: 1, ..request("https://www.example.org/a") };
        Visit {
            wire_bytes: 7,
            body: Some(Body { bytes: Bytes::new(), length: 12, digest: "blake3:00".into() }),
            parsed: Some(Parsed {
                title: Some("A \u{2028}\"title\"".into()),
                links: [link].into_iter().collect(),
                charset: Some(Charset { name: "UTF-8", source: CharsetSource::Header }),
                ..Parsed::default()
            }),
            ..Visit::answered(request, fetched, Ending::plain(Outcome::Ok))
        }
    }

    fn failed(ending: Ending) -> Visit {
        Visit::refused(request("https://example.org/a"), ending)
    }

    #[test]
    fn a_record_says_what_the_visit_says() {
        let (origin, page) = (origin(), page());
        let line = serde_json::to_value(Record::from_visit(&origin, &page)).expect("line");
        let mut expected = json!({
            "schema_version": 1, "run_id": "20261121T020000Z-7f3a", "job": "news", "source_id": "seeds",
            "record_id": origin.record_id(page.request.key),
            "url": "https://www.example.org/a", "url_key": page.request.key.to_string(),
            "url_requested": "http://www.example.org/", "url_canonical": null,
            "redirects": ["http://www.example.org/"], "host": "www.example.org",
            "registered_domain": "example.org", "depth": 0, "discovered_from": null,
            "fetch_time": "2026-11-21T02:00:00.123Z", "fetch_status": 200, "fetch_duration_ms": 41,
            "fetch_attempts": 2, "fetch_bytes": 7, "fetch_ip": "127.0.0.1", "fetch_protocol": "h2",
            "http_etag": "\"1\"", "http_last_modified": null, "content_mime_type": "text/html",
            "content_mime_detected": null, "content_charset": "UTF-8", "content_charset_source": "header",
            "content_languages": [], "content_length": 12, "content_truncated": false,
            "content_digest": "blake3:00", "title": "A \u{2028}\"title\"", "description": null,
            "links": [{"url": "https://example.org/b", "rel": "nofollow"}], "fields": {},
            "extract_rule": null, "extract_warnings": [],
        });
        for empty in ["content_languages_source", "text", "word_count", "structured", "sitemap"] {
            expected[empty] = Value::Null;
        }
        assert_eq!(line, expected);
    }

    #[test]
    fn a_record_reads_back_as_written() {
        let (origin, page) = (origin(), page());
        let line = serde_json::to_string(&Record::from_visit(&origin, &page)).expect("line");
        let read: Record<'static> = serde_json::from_str(&line).expect("record");
        assert_eq!(serde_json::to_string(&read).expect("line"), line);
        assert!(serde_json::from_str::<Record>(&line.replacen('{', "{\"more\":1,", 1)).is_err());
    }

    #[test]
    fn only_parsed_ok_pages_have_a_record() {
        let without = |change: fn(&mut Visit)| {
            let mut visit = page();
            change(&mut visit);
            Record::from_visit(&origin(), &visit).is_none()
        };
        assert!(!without(|_| ()));
        assert!(without(|visit| visit.parsed = None));
        assert!(without(|visit| visit.ending.outcome = Outcome::Rejected));
        let no_links = Origin { links: false, ..origin() };
        assert!(Record::from_visit(&no_links, &page()).expect("record").links.is_none());
    }

    #[test]
    fn whole_seconds_keep_their_milliseconds() {
        assert_eq!(moment("2026-11-21T02:00:00Z".parse().expect("time")), "2026-11-21T02:00:00.000Z");
        assert_eq!(moment("1960-01-01T00:00:00.5Z".parse().expect("time")), "1960-01-01T00:00:00.500Z");
    }

    #[test]
    fn an_outcome_line_names_how_it_ended() {
        let line =
            |visit: &Visit| serde_json::to_value(OutcomeLine::from_visit(&origin(), visit)).expect("line");
        let Visit { request: asked, fetched, began, .. } = page();
        let fetched = Fetched { status: 301, ..fetched.expect("a page has an answer") };
        let asked = Request { trail: Vec::new(), attempt: 0, ..asked };
        let mut redirect = Visit::answered(asked, fetched, Ending::plain(Outcome::Redirected));
        redirect.target = Some("https://example.org/b".into());
        assert_eq!(
            line(&redirect),
            json!({
                "schema_version": 1, "run_id": "20261121T020000Z-7f3a", "url": "https://www.example.org/a",
                "url_key": redirect.request.key.to_string(), "source_id": "seeds",
                "outcome": "redirected", "reason": null, "rule": null, "status": 301, "stage": null,
                "target": "https://example.org/b", "discovered_from": null, "attempts": 1,
                "time": "2026-11-21T02:00:00.123Z", "depth": 0, "tries": null,
            })
        );
        let timeout = failed(Failure::new(Stage::Connect, Outcome::Timeout, "after 10 s").into());
        let timeout = Visit { began, ..timeout };
        assert_eq!((&line(&timeout)["stage"], &line(&timeout)["attempts"]), (&json!("connect"), &json!(1)));
        let refused = line(&failed(Ending::because(Outcome::InvalidUrl, "not a URL")));
        assert_eq!((&refused["attempts"], &refused["reason"]), (&json!(0), &json!("not a URL")));
    }

    #[test]
    fn the_schema_requires_every_field_that_is_written() {
        let mut generator = SchemaSettings::default().for_serialize().into_generator();
        let (origin, page) = (origin(), page());
        let record = serde_json::to_value(Record::from_visit(&origin, &page)).expect("line");
        let outcome = serde_json::to_value(OutcomeLine::from_visit(&origin, &page)).expect("line");
        for (schema, line) in [
            (generator.root_schema_for::<Record>(), record),
            (generator.root_schema_for::<OutcomeLine>(), outcome),
        ] {
            let required: Vec<Value> =
                line.as_object().expect("object").keys().map(|key| json!(key)).collect();
            assert_eq!(schema.get("required"), Some(&Value::Array(required)));
        }
    }

    #[test]
    fn the_record_id_depends_on_job_and_url_alone() {
        let key = UrlKey::of("https://example.org/");
        let other = Origin { job: "sport".into(), ..origin() };
        let later = Origin { run_id: "later".into(), links: false, ..origin() };
        assert_eq!(origin().record_id(key), later.record_id(key));
        assert_ne!(origin().record_id(key), other.record_id(key));
        assert_eq!(origin().record_id(key).len(), 32);
    }
}

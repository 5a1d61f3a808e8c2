//! The page of a report, section by section. Counts nothing and reads nothing; all it is given is bounded or cut here.

use std::fmt::Write as _;

use serde_json::Value;

use super::draw;
use super::escape::{as_f64, bytes, escaped, link, millis, number, percent};
use super::gather::{Failure, Findings, Sample};
use super::hosts;
use super::series::{Class, Series};
use crate::model::Outcome;
use crate::run::summary::Summary;

const STYLE: &str = include_str!("style.css");

/// Bytes of a URL, a title or a reason.
const TEXT: usize = 300;
/// Bytes of the value of a field.
const VALUE: usize = 400;
/// Bytes of the name of a field or a rule.
const NAME: usize = 100;
/// Fields that are shown of a record.
const FIELDS: usize = 20;
/// Lines of the coverage, rules and fields together.
const COVERAGE: usize = 300;

/// The whole page.
pub fn html(summary: &Summary<'_>, findings: &Findings) -> String {
    let job = escaped(summary.job, NAME);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"referrer\" content=\"no-referrer\"><meta name=\"robots\" content=\"noindex\">\
         <title>{job}: {}</title>\n<style>\n{STYLE}</style></head>\n<body>",
        summary.run_id
    );
    html += &header(summary);
    html.push_str("<main>");
    html += &tiles(summary, findings);
    html += &outcomes(summary);
    html += &over_time(&findings.series);
    html += &latency(summary);
    html += &hosts::section(&summary.tally.hosts);
    html += &coverage(findings);
    html += &samples(&findings.samples);
    html += &failures(summary, findings);
    let version = env!("CARGO_PKG_VERSION");
    html + "</main><footer>Trawl "
        + version
        + ". Every URL and its outcome: <code>outcomes/</code>; every record: \
         <code>records/</code>; these figures for a program: <code>summary.json</code>.</footer></body></html>\n"
}

fn header(summary: &Summary<'_>) -> String {
    let state = match (summary.exit_code, summary.complete) {
        (0, true) => ("good", "complete".to_owned()),
        (_, true) => ("failed", "failed".to_owned()),
        (_, false) => ("failed", "incomplete".to_owned()),
    };
    let reason = if summary.finish_reason == "finished" {
        String::new()
    } else {
        format!(": {}", summary.finish_reason)
    };
    let starts = if summary.starts > 1 { format!(", {} starts", summary.starts) } else { String::new() };
    format!(
        "<header><h1>{}</h1><span class=\"state {}\">{}{}</span>\
         <p class=\"soft\">Run {}<br>{} to {}{starts}</p></header>",
        escaped(summary.job, NAME),
        state.0,
        state.1,
        escaped(&reason, NAME),
        escaped(summary.run_id, NAME),
        minute(summary.started),
        minute(&summary.finished)
    )
}

/// A moment as RFC 3339 has it, without what nobody reads.
fn minute(moment: &str) -> String {
    let text = moment.get(..19).unwrap_or(moment).replacen('T', " ", 1);
    format!("<time datetime=\"{}\">{} UTC</time>", escaped(moment, NAME), escaped(&text, NAME))
}

/// How many URLs ended in a class.
fn of(summary: &Summary<'_>, class: Class) -> u64 {
    let outcomes = Outcome::ALL.iter().filter(|outcome| Class::of(**outcome) == class);
    outcomes.map(|outcome| summary.tally.of(*outcome)).sum()
}

fn tiles(summary: &Summary<'_>, findings: &Findings) -> String {
    let took = u64::try_from(summary.duration_ms).unwrap_or(0);
    let asked: u64 = findings.series.steps.iter().flatten().sum();
    let rate = if took == 0 { 0.0 } else { as_f64(asked) * 1000.0 / as_f64(took) };
    let rate = if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
    let mut tiles = vec![
        (number(summary.discovered), "URLs found"),
        (number(summary.tally.records), "records"),
        (number(of(summary, Class::Failed)), "failed"),
    ];
    if summary.queued > 0 {
        tiles.push((number(summary.queued), "left in the queue"));
    }
    tiles.extend([
        (bytes(summary.tally.bytes), "over the wire"),
        (millis(took), "from start to end"),
        (rate, "URLs per second"),
    ]);
    let tiles: Vec<String> = tiles
        .into_iter()
        .map(|(value, about)| format!("<div><b>{value}</b><span>{about}</span></div>"))
        .collect();
    format!("<div class=\"tiles\">{}</div>", tiles.concat())
}

/// A line with a bar.
fn bar(name: &str, style: &str, part: u64, whole: u64, count: &str) -> String {
    let share = if whole == 0 { 0.0 } else { as_f64(part) * 100.0 / as_f64(whole) };
    let fill = if part == 0 {
        String::new()
    } else {
        format!("<i class=\"{style}\" style=\"width:{share:.2}%\"></i>")
    };
    format!(
        "<div class=\"row\"><div>{name}</div><div class=\"bar\">{fill}</div><div class=\"count\">{count}</div></div>"
    )
}

fn outcomes(summary: &Summary<'_>) -> String {
    let mut rows: Vec<(Outcome, u64)> = Outcome::ALL
        .iter()
        .map(|outcome| (*outcome, summary.tally.of(*outcome)))
        .filter(|(_, count)| *count > 0)
        .collect();
    rows.sort_by_key(|(outcome, count)| (std::cmp::Reverse(*count), *outcome));
    let (most, all) = (rows.first().map_or(0, |(_, count)| *count), summary.tally.settled());
    let rows: String = rows
        .into_iter()
        .map(|(outcome, count)| {
            let name = format!(
                "<code>{}</code> <span class=\"soft\">{}</span>",
                outcome.name(),
                escaped(&outcome.about().replace('`', ""), TEXT)
            );
            bar(
                &name,
                Class::of(outcome).style(),
                count,
                most,
                &format!("{} · {}", number(count), percent(count, all)),
            )
        })
        .collect();
    format!("<section><h2>Outcomes</h2>{}{rows}</section>", legend())
}

fn legend() -> String {
    let marks: Vec<String> = Class::ALL
        .iter()
        .map(|class| format!("<span><i class=\"{}\"></i>{}</span>", class.style(), class.name()))
        .collect();
    format!("<p class=\"legend\">{}</p>", marks.concat())
}

fn over_time(series: &Series) -> String {
    if series.steps.is_empty() {
        return String::new();
    }
    let step = millis(series.width);
    let about = format!(
        "<p class=\"soft\">By the moment at which each URL was last asked for, in steps of {step}.</p>"
    );
    format!("<section><h2>Over time</h2>{about}{}{}</section>", legend(), draw::series(series))
}

fn latency(summary: &Summary<'_>) -> String {
    let took = &summary.tally.latencies;
    let total = took.total();
    if total == 0 {
        return String::new();
    }
    let words: Vec<String> = [(50, "half"), (90, "90 %"), (99, "99 %")]
        .into_iter()
        .filter_map(|(hundredths, share)| {
            Some(format!("{share} within <b>{}</b>", millis(took.percentile(hundredths)?)))
        })
        .collect();
    format!(
        "<section><h2>Latency</h2><p class=\"soft\">From the request to the last byte, of {} answers: {}; the longest took <b>{}</b>.</p>{}</section>",
        number(total),
        words.join(", "),
        millis(summary.tally.stages.fetch_ms.max),
        draw::latencies(took)
    )
}

fn coverage(findings: &Findings) -> String {
    if findings.coverage.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<section><h2>Fields</h2><p class=\"soft\">Share of the records of a rule in which a field has a value.</p>",
    );
    let mut left = COVERAGE;
    for (rule, coverage) in &findings.coverage {
        if left == 0 {
            html.push_str("<p class=\"soft\">And more rules.</p>");
            break;
        }
        let noun = if coverage.records == 1 { "record" } else { "records" };
        let _ = write!(
            html,
            "<h3>{} <span class=\"soft\">{} {noun}</span></h3>",
            escaped(rule, NAME),
            number(coverage.records)
        );
        left -= 1;
        for (field, count) in coverage.fields.iter().take(left) {
            let share = format!("{} · {}", number(*count), percent(*count, coverage.records));
            let name = format!("<code>{}</code>", escaped(field, NAME));
            html += &bar(&name, "good", *count, coverage.records, &share);
        }
        if coverage.fields.len() > left {
            html.push_str("<p class=\"soft\">And more fields.</p>");
        }
        left = left.saturating_sub(coverage.fields.len());
    }
    html + "</section>"
}

fn samples(samples: &[Sample]) -> String {
    if samples.is_empty() {
        return String::new();
    }
    let mut html = String::from("<section><h2>Sample records</h2>");
    for sample in samples {
        let title =
            sample.title.as_deref().map_or("<em>no title</em>".to_owned(), |title| escaped(title, TEXT));
        let rule = sample.rule.as_ref().map(|rule| format!(" · rule <code>{}</code>", escaped(rule, NAME)));
        let _ = write!(
            html,
            "<details><summary><bdi>{title}</bdi></summary><p class=\"soft\">{}{}</p>",
            link(&sample.url, TEXT),
            rule.unwrap_or_default()
        );
        html.push_str("<dl>");
        for (name, value) in sample.fields.iter().take(FIELDS) {
            let value = match value {
                Value::String(text) => escaped(text, VALUE),
                Value::Null => "<span class=\"soft\">null</span>".to_owned(),
                value => escaped(&value.to_string(), VALUE),
            };
            let _ = write!(html, "<dt>{}</dt><dd><bdi>{value}</bdi></dd>", escaped(name, NAME));
        }
        html.push_str("</dl>");
        if sample.fields.len() > FIELDS {
            let _ = write!(html, "<p class=\"soft\">and {} more fields</p>", sample.fields.len() - FIELDS);
        }
        html.push_str("</details>");
    }
    html + "</section>"
}

fn failures(summary: &Summary<'_>, findings: &Findings) -> String {
    let mut kinds: Vec<(Outcome, &Vec<Failure>)> = Outcome::ALL
        .iter()
        .filter_map(|outcome| Some((*outcome, findings.failures.get(outcome.name())?)))
        .collect();
    kinds.sort_by_key(|(outcome, _)| std::cmp::Reverse(summary.tally.of(*outcome)));
    if kinds.is_empty() {
        return String::new();
    }
    let mut html = String::from("<section><h2>Sample failures</h2>");
    for (outcome, examples) in kinds {
        let (count, shown) = (summary.tally.of(outcome), examples.len() as u64);
        let some = if count > shown { format!("{shown} of {}", number(count)) } else { number(count) };
        let _ = write!(
            html,
            "<h3><code>{}</code> <span class=\"soft\">{some}</span></h3><ul class=\"list\">",
            outcome.name()
        );
        for Failure { url, reason, status, attempts } in examples {
            let reason = reason.as_ref().map(|reason| escaped(reason, TEXT));
            // What has no better reason than its status says so itself.
            let status = status
                .map(|status| format!("HTTP {status}"))
                .filter(|status| reason.as_ref() != Some(status));
            let mut why: Vec<String> = status.into_iter().chain(reason).collect();
            why.extend((*attempts > 1).then(|| format!("asked {attempts} times")));
            let _ = write!(
                html,
                "<li>{}<br><span class=\"soft\"><bdi>{}</bdi></span></li>",
                link(url, TEXT),
                why.join(" · ")
            );
        }
        html.push_str("</ul>");
    }
    html + "</section>"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use indexmap::IndexMap;
    use jiff::Timestamp;

    use super::super::gather::Coverage;
    use super::*;
    use crate::model::UrlKey;
    use crate::pipeline::Tally;
    use crate::store::{Finish, Settle};

    /// The most hostile run: everything is long, and every character takes most room when it is escaped.
    #[test]
    fn the_page_is_bounded_and_holds_no_markup_of_others() {
        let evil = "\u{202e}<script>\"&'".repeat(100);
        let mut tally = Tally::default();
        for n in 0..12_000_u64 {
            let outcome = Outcome::ALL[usize::try_from(n).expect("small") % Outcome::ALL.len()];
            tally.count(&Settle {
                key: UrlKey::of(&n.to_string()),
                outcome,
                host: format!("<u>{n}{}", "&".repeat(250)).into(),
                admitted: true,
                status: Some(500),
                bytes: u64::MAX >> 20,
                duration_ms: Some(n * n * 7919),
                parse_us: 0,
                page: None::<crate::store::Page>,
            });
        }
        let finish =
            Finish { reason: "finished".into(), complete: true, discovered: 12_000, queued: 0, exit: 0 };
        let now = Timestamp::UNIX_EPOCH;
        let summary = Summary::new(("run", "job"), &finish, ("1970-01-01T00:00:00.000Z", 3), now, &tally);
        let failure =
            || Failure { url: evil.clone(), reason: Some(evil.clone()), status: Some(500), attempts: 9 };
        let failures: BTreeMap<_, _> = Outcome::ALL
            .iter()
            .map(|outcome| (outcome.name(), (0..5).map(|_| failure()).collect()))
            .collect();
        let fields: IndexMap<String, u64> = (0..9_000).map(|n| (format!("<i>{n}{evil}"), n)).collect();
        let values = (0..100).map(|n| (format!("<i>{n}{evil}"), vec![evil.as_str(); 3].into())).collect();
        let sample =
            Sample { url: evil.clone(), title: Some(evil.clone()), rule: Some(evil.clone()), fields: values };
        let mut findings = Findings { failures, samples: vec![sample], ..Findings::default() };
        findings.coverage.insert(evil.clone(), Coverage { records: 9_000, fields });
        findings.coverage.insert("more".to_owned(), Coverage::default());
        for n in 0..100_000 {
            findings.series.count(n * 977, Class::ALL[usize::try_from(n % 3).expect("small")]);
        }
        let html = html(&summary, &findings);
        assert!(html.len() < 1 << 20, "{} bytes", html.len());
        let is_ours = !html.contains("<script")
            && !html.contains("<u>")
            && !html.contains("<i>")
            && !html.contains('\u{202e}');
        assert!(is_ours && html.contains("&lt;script&gt;") && html.contains("And more fields"));
    }
}

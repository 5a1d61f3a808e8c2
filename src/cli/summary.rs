//! What a run came to, as the person reads it who started it: on standard error, once the run has ended.

use std::fmt::Write as _;

use super::table::{Table, amount, count, span};
use crate::config::shown;
use crate::run::{Digest, Exit};

/// Widest reason of a failure.
const WIDEST: usize = 60;

/// The text. `config` is how the config is named on the command line, empty where that is not needed.
pub fn for_people(digest: &Digest, config: &str) -> String {
    let Digest { run_id, job, finish_reason, duration_ms, settled, bytes, .. } = digest;
    let mut text = format!(
        "run {} of job {}: {} in {}, {}, {}\n\n",
        shown(run_id),
        shown(job),
        shown(finish_reason),
        span(*duration_ms),
        rate(*settled, *duration_ms),
        amount(*bytes),
    );
    outcomes(&mut text, digest);
    failures(&mut text, digest);
    slowest(&mut text, digest);
    let place = shown(&digest.place.display().to_string());
    let outputs: Vec<String> = digest.outputs.iter().map(|name| shown(name)).collect();
    let _ = writeln!(text, "\n{place}\n  {}", outputs.join("  "));
    next(&mut text, digest, config, &place);
    text
}

/// The mean over the whole run.
fn rate(settled: u64, duration_ms: u64) -> String {
    #[allow(clippy::cast_precision_loss)] // a rate for the eye
    let rate = settled as f64 * 1000.0 / duration_ms.max(1) as f64;
    format!("{rate:.1} pages/s")
}

fn outcomes(text: &mut String, digest: &Digest) {
    let records = format!("{} records", count(digest.records));
    let mut rows: Vec<(&str, u64, &str)> =
        digest.outcomes.iter().map(|(outcome, number)| (outcome.name(), *number, outcome.about())).collect();
    if digest.queued > 0 {
        rows.push(("queued", digest.queued, "Left in the queue."));
    }
    rows.push(("in all", digest.discovered, &records));
    let mut table = Table::new(&["outcome", ">urls"]);
    for (name, number, _) in &rows {
        table.row(&[(*name).to_owned(), count(*number)]);
    }
    // Not a column: the table would cut it.
    let meanings = std::iter::once("meaning").chain(rows.iter().map(|(_, _, meaning)| *meaning));
    for (line, meaning) in table.to_string().lines().zip(meanings) {
        let _ = writeln!(text, "{line}  {meaning}");
    }
}

fn failures(text: &mut String, digest: &Digest) {
    if digest.failures.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nfailed, with an example of each kind");
    for failure in &digest.failures {
        let _ = write!(text, "  {} {}", failure.outcome.name(), count(failure.count));
        if let Some((url, reason)) = &failure.example {
            // Whole, so that it can be copied.
            let _ = write!(text, "  {}", shown(url));
            if let Some(reason) = reason {
                let whole = shown(reason);
                let reason: String = whole.chars().take(WIDEST).collect();
                let more = if reason.len() < whole.len() { "…" } else { "" };
                let _ = write!(text, "  ({reason}{more})");
            }
        }
        text.push('\n');
    }
}

fn slowest(text: &mut String, digest: &Digest) {
    if digest.slowest.is_empty() {
        return;
    }
    let mut table = Table::new(&["slowest hosts", ">answers", ">mean"]);
    for host in &digest.slowest {
        table.row(&[shown(&host.host), count(host.answers), span(host.mean_fetch_ms)]);
    }
    let _ = write!(text, "\n{table}");
}

/// What can be done about what is missing.
fn next(text: &mut String, digest: &Digest, config: &str, place: &str) {
    let example = digest.failures.iter().find_map(|failure| failure.example.as_ref());
    let mut steps = Vec::new();
    if let Some((url, _)) = example {
        steps.push(format!(
            "trawl explain '{}'{config}    all that is known of a URL",
            shown(url).replace('\'', "'\\''")
        ));
    }
    if !digest.failures.is_empty() && digest.outputs.iter().any(|name| name == "report.html") {
        steps.push(format!("open {place}/report.html    failures by host and over time"));
    }
    if digest.exit == Exit::LimitReached {
        steps.push(format!(
            "raise `limits`, or keep what is queued with `limits.keep_queue = true`, and trawl run{config}"
        ));
    }
    if !steps.is_empty() {
        let _ = writeln!(text, "\nnext\n  {}", steps.join("\n  "));
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::model::Outcome;
    use crate::run::{FailureKind, SlowHost};

    fn digest() -> Digest {
        Digest {
            run_id: "20261121T020000Z-7f3a".to_owned(),
            job: "news".to_owned(),
            finish_reason: "finished".to_owned(),
            exit: Exit::Complete,
            complete: true,
            duration_ms: 10_000,
            discovered: 1250,
            queued: 0,
            settled: 1250,
            records: 1234,
            bytes: 12_900_000,
            outcomes: vec![(Outcome::Ok, 1234), (Outcome::Timeout, 16)],
            failures: vec![FailureKind {
                outcome: Outcome::Timeout,
                count: 16,
                example: Some((
                    "http://a.test/it's".to_owned(),
                    Some("no answer for 40s\u{1b}[2J".to_owned()),
                )),
            }],
            slowest: vec![SlowHost { host: "a.test".to_owned(), mean_fetch_ms: 2340, answers: 9 }],
            place: PathBuf::from("out/runs/1"),
            outputs: ["records/", "report.html"].map(ToOwned::to_owned).to_vec(),
        }
    }

    #[test]
    fn a_summary_is_whole_and_nothing_in_it_commands_the_terminal() {
        let wanted = "\
run 20261121T020000Z-7f3a of job news: finished in 10s, 125.0 pages/s, 12.3 MiB

outcome   urls  meaning
ok       1,234  Fetched and parsed: it has a record.
timeout     16  Connecting, waiting for bytes, or the whole request took longer than allowed.
in all   1,250  1,234 records

failed, with an example of each kind
  timeout 16  http://a.test/it's  (no answer for 40s\\u{1b}[2J)

slowest hosts  answers  mean
a.test               9  2.3s

out/runs/1
  records/  report.html

next
  trawl explain 'http://a.test/it'\\''s' crawl.toml    all that is known of a URL
  open out/runs/1/report.html    failures by host and over time
";
        assert_eq!(for_people(&digest(), " crawl.toml"), wanted);
    }

    #[test]
    fn a_run_without_trouble_needs_no_advice() {
        let digest = Digest { failures: Vec::new(), slowest: Vec::new(), ..digest() };
        let text = for_people(&digest, "");
        assert!(!text.contains("next") && !text.contains("failed") && !text.contains("slowest"), "{text}");
        let text = for_people(&Digest { exit: Exit::LimitReached, queued: 7, ..digest }, "");
        assert!(
            text.contains("queued       7  Left in the queue.") && text.contains("limits.keep_queue"),
            "{text}"
        );
    }
}

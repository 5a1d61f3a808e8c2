//! The block that a terminal shows while a run lives: a status in three lines. Pure; `screen` cuts and draws it.

use super::screen::{Line, Paint};
use super::status::Status;
use crate::config::shown;
use crate::model::Outcome;
use crate::units::{amount, count, span};

/// The lines for a status of a job.
pub fn lines(job: &str, status: &Status) -> Vec<Line> {
    let mut lines = vec![totals(job, status)];
    if status.failed > 0 {
        let failures = Outcome::ALL.iter().filter(|outcome| outcome.is_failure());
        let mut kinds: Vec<(&str, u64)> = failures
            .filter_map(|outcome| Some((outcome.name(), *status.outcomes.get(outcome.name())?)))
            .collect();
        kinds.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
        let kinds: Vec<String> =
            kinds.into_iter().map(|(name, number)| format!("{name} {}", count(number))).collect();
        lines.push(vec![
            (Paint::Bad, format!("  failed {}", count(status.failed))),
            (Paint::Plain, format!(": {}", kinds.join(", "))),
        ]);
    }
    if let Some(slow) = &status.slowest_host {
        let words = format!("  slowest host {}: {} an answer", shown(&slow.host), span(slow.mean_fetch_ms));
        lines.push(vec![(Paint::Faint, words)]);
    }
    lines
}

/// Never in milliseconds, nobody counted them.
fn seconds(seconds: u64) -> String {
    if seconds == 0 { "0s".to_owned() } else { span(seconds.saturating_mul(1000)) }
}

/// What matters most comes first: a narrow terminal cuts the end.
fn totals(job: &str, status: &Status) -> Line {
    let Status { settled, queued, in_flight, recent_pages_per_second, bytes, .. } = status;
    let mut line = vec![
        (Paint::Strong, shown(job)),
        (Paint::Plain, format!("  {}", seconds(status.elapsed_s))),
        (Paint::Strong, format!("  {} done", count(*settled))),
        (Paint::Plain, format!("  {recent_pages_per_second:.1}/s")),
    ];
    if let Some(eta) = status.eta_s {
        line.push((Paint::Strong, format!("  ETA {}", seconds(eta))));
    }
    line.push((
        Paint::Plain,
        format!("  {} queued  {in_flight} in flight  {}", count(*queued), amount(*bytes)),
    ));
    line
}

#[cfg(test)]
pub mod tests {
    use super::super::status::SlowHost;
    use super::*;

    /// A status of a run that is under way.
    pub fn status() -> Status {
        Status {
            run_id: "r".to_owned(),
            pid: 1,
            updated: String::new(),
            elapsed_s: 83,
            discovered: 0,
            queued: 8901,
            in_flight: 32,
            settled: 1234,
            refused: 0,
            records: 0,
            bytes: 12_900_000,
            pages_per_second: 1.0,
            recent_pages_per_second: 56.74,
            eta_s: None,
            outcomes: [("ok", 1222), ("timeout", 3), ("http_error", 9)]
                .map(|(name, number)| (name.to_owned(), number))
                .into(),
            failed: 12,
            slowest_host: Some(SlowHost {
                host: "a\u{202e}.test".to_owned(),
                mean_fetch_ms: 2340,
                answers: 9,
            }),
            hosts_known: 0,
            hosts_updated: String::new(),
            hosts: Vec::new(),
        }
    }

    fn text(lines: &[Line]) -> Vec<String> {
        lines.iter().map(|line| line.iter().map(|(_, piece)| piece.as_str()).collect()).collect()
    }

    #[test]
    fn a_status_is_three_lines_and_nothing_in_them_commands_the_terminal() {
        let lines_of = |status: &Status| text(&lines("news\u{1b}[2J", status));
        let mut status = status();
        assert_eq!(
            lines_of(&status),
            [
                "news\\u{1b}[2J  1m 23s  1,234 done  56.7/s  8,901 queued  32 in flight  12.3 MiB",
                "  failed 12: http_error 9, timeout 3",
                "  slowest host a\\u{202e}.test: 2.3s an answer",
            ]
        );
        status.eta_s = Some(157);
        status.failed = 0;
        status.slowest_host = None;
        assert_eq!(
            lines_of(&status),
            ["news\\u{1b}[2J  1m 23s  1,234 done  56.7/s  ETA 2m 37s  8,901 queued  32 in flight  12.3 MiB",]
        );
    }
}

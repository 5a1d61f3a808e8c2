//! The hosts that somebody should look at: those that fail most and those that answer slowest. Counts nothing.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::escape::{escaped, millis, number, percent};
use super::series::Class;
use crate::model::Outcome;
use crate::pipeline::HostTally;

/// Hosts of each kind.
const MOST: usize = 12;
/// Bytes of a host's name.
const NAME: usize = 200;

/// Both tables.
pub fn section(hosts: &BTreeMap<String, HostTally>) -> String {
    let count = u64::try_from(hosts.len()).unwrap_or(u64::MAX);
    let noun = if count == 1 { "host" } else { "hosts" };
    format!(
        "<section><h2>Hosts</h2><p class=\"soft\">{} {noun} in all; <code>hosts.csv</code> has them one by one.</p>\
         <div class=\"pair\"><div><h3>Most failures</h3>{}</div><div><h3>Slowest</h3>{}</div></div></section>",
        number(count),
        failing(hosts),
        slowest(hosts)
    )
}

/// How many URLs of a host failed.
fn failed(host: &HostTally) -> u64 {
    let failed = Outcome::ALL.iter().filter(|outcome| Class::of(**outcome) == Class::Failed);
    failed.filter_map(|outcome| host.outcomes.get(outcome.name())).sum()
}

fn failing(hosts: &BTreeMap<String, HostTally>) -> String {
    let mut rows: Vec<(u64, &String, &HostTally)> = hosts
        .iter()
        .map(|(name, host)| (failed(host), name, host))
        .filter(|(failed, ..)| *failed > 0)
        .collect();
    rows.sort_by_key(|(failed, name, _)| (Reverse(*failed), *name));
    if rows.is_empty() {
        return "<p class=\"soft\">No URL failed.</p>".to_owned();
    }
    let mut table = String::from(
        "<table><tr><th>host</th><th class=\"n\">failed</th><th class=\"n\">share</th><th class=\"far\">mostly</th></tr>",
    );
    for (failed, name, host) in rows.into_iter().take(MOST) {
        let _ = write!(
            table,
            "<tr><td><bdi>{}</bdi></td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"far\"><code>{}</code></td></tr>",
            escaped(name, NAME),
            number(failed),
            percent(failed, host.urls),
            commonest(host),
        );
    }
    table + "</table>"
}

/// How most of the URLs of a host that failed did so.
fn commonest(host: &HostTally) -> &'static str {
    let failed = Outcome::ALL.iter().filter(|outcome| Class::of(**outcome) == Class::Failed);
    let counts = failed.filter_map(|outcome| Some((*host.outcomes.get(outcome.name())?, Reverse(*outcome))));
    counts.max().map_or("", |(_, Reverse(outcome))| outcome.name())
}

fn slowest(hosts: &BTreeMap<String, HostTally>) -> String {
    let mut rows: Vec<(u64, &String, &HostTally)> = hosts
        .iter()
        .filter_map(|(name, host)| Some((host.fetch_ms.checked_div(host.answers)?, name, host)))
        .collect();
    rows.sort_by_key(|(mean, name, _)| (Reverse(*mean), *name));
    if rows.is_empty() {
        return "<p class=\"soft\">No host answered.</p>".to_owned();
    }
    let mut table =
        String::from("<table><tr><th>host</th><th class=\"n\">mean</th><th class=\"n\">answers</th></tr>");
    for (mean, name, host) in rows.into_iter().take(MOST) {
        let _ = write!(
            table,
            "<tr><td><bdi>{}</bdi></td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escaped(name, NAME),
            millis(mean),
            number(host.answers)
        );
    }
    table + "</table>"
}

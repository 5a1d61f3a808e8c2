//! What a run has made of a fault.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::job::{BUDGET, FaultySite, GOOD};
use crate::list::{Fault, Way};
use crate::support::Dataset;

/// What is wrong with how the URLs of a fault ended.
pub fn troubles(site: &FaultySite, run: &Dataset, fault: &Fault) -> Vec<String> {
    let mut troubles = Vec::new();
    for end in fault.ends {
        let url = site.address(end.known_as);
        let Some(line) = line(run, &url) else {
            troubles.push(format!("{}: {} has no outcome", fault.name, short(&url)));
            continue;
        };
        let said = if end.outcome == "ok" {
            let record = run.records.iter().find(|record| record["url"] == url.as_str());
            // A title that is empty is none.
            record.is_some_and(|record| record["title"].as_str().unwrap_or_default() == end.says)
        } else {
            line["reason"].as_str().unwrap_or_default().contains(end.says)
        };
        if line["outcome"] != end.outcome || !said {
            let title = run.records.iter().find(|record| record["url"] == url.as_str());
            let title = title.map(|record| short(&record["title"].to_string()));
            let line = short(&line.to_string());
            troubles
                .push(format!("{}: not `{}` with {:?}: {line} {title:?}", fault.name, end.outcome, end.says));
        }
    }
    if fault.way == Way::Budget {
        troubles.extend(unbounded(site, run, fault));
    }
    troubles
}

/// What is wrong with a site without end.
fn unbounded(site: &FaultySite, run: &Dataset, fault: &Fault) -> Option<String> {
    let (read, left) = of_host(site, run, fault);
    let is_ended = left.iter().all(|outcome| outcome == "skipped_budget" || outcome == "skipped_scope");
    let is_bounded = read <= BUDGET && !left.is_empty() && (read == BUDGET || left.contains("skipped_scope"));
    (!is_ended || !is_bounded).then(|| format!("{}: {read} pages, then {left:?}", fault.name))
}

/// The outcomes of URLs of a host.
fn on<'a>(run: &'a Dataset, host: &str) -> impl Iterator<Item = &'a Value> {
    run.outcomes
        .iter()
        .filter(move |line| line["url"].as_str().is_some_and(|url| url.split('/').nth(2) == Some(host)))
}

/// Pages of the host of a fault, and the other outcomes of its URLs.
fn of_host(site: &FaultySite, run: &Dataset, fault: &Fault) -> (usize, BTreeSet<String>) {
    let home = site.address(fault.ends[0].url);
    let host = home.split('/').nth(2).unwrap_or_default();
    let outcomes: Vec<&str> = on(run, host).filter_map(|line| line["outcome"].as_str()).collect();
    let read = outcomes.iter().filter(|outcome| **outcome == "ok").count();
    (read, outcomes.into_iter().filter(|outcome| *outcome != "ok").map(str::to_owned).collect())
}

/// Checks the good pages, all that holds for every run, and that it has exactly the URLs of these faults.
pub fn verify<'a>(site: &FaultySite, run: &Dataset, faults: impl IntoIterator<Item = &'a Fault>) {
    for (path, title) in GOOD {
        assert_eq!(run.record(&site.good(path))["title"], title);
    }
    let mut expected: BTreeSet<String> = GOOD.iter().map(|(path, _)| site.good(path)).collect();
    for fault in faults {
        expected.extend(fault.ends.iter().map(|end| site.address(end.known_as)));
        if fault.way == Way::Budget {
            // How far they lead is up to which page was faster.
            let home = site.address(fault.ends[0].url);
            let host = home.split('/').nth(2).unwrap_or_default();
            expected.extend(on(run, host).filter_map(|line| line["url"].as_str()).map(str::to_owned));
        }
    }
    run.verify(expected);
}

/// How the URLs of a fault ended, in a line.
pub fn observed(site: &FaultySite, run: &Dataset, fault: &Fault) -> String {
    if fault.way == Way::Budget {
        let (_, left) = of_host(site, run, fault);
        let left: Vec<String> = left.iter().map(|outcome| format!("`{outcome}`")).collect();
        return format!("at most {BUDGET} `ok`, then {}", left.join(" and "));
    }
    let mut counts: Vec<(String, String, usize)> = Vec::new();
    for end in fault.ends {
        let line = line(run, &site.address(end.known_as));
        let field = |name: &str| line.and_then(|line| line[name].as_str()).unwrap_or_default().to_owned();
        let outcome = field("outcome");
        match counts.iter_mut().find(|(known, ..)| *known == outcome) {
            Some((.., count)) => *count += 1,
            None => counts.push((outcome, site.without_ports(&field("reason")), 1)),
        }
    }
    let told: Vec<String> = counts
        .into_iter()
        .map(|(outcome, reason, count)| {
            let times = if count > 1 { format!(" × {count}") } else { String::new() };
            match outcome.as_str() {
                "ok" | "listed" | "redirected" | "skipped_robots" => format!("`{outcome}`{times}"),
                _ => format!("`{outcome}`{times}: {}", short(&reason).replace('|', "\\|")),
            }
        })
        .collect();
    told.join("; ")
}

fn line<'a>(run: &'a Dataset, url: &str) -> Option<&'a Value> {
    run.outcomes.iter().find(|line| line["url"] == url)
}

/// A text that may be very long.
fn short(text: &str) -> String {
    let start: String = text.chars().take(400).collect();
    if start.len() < text.len() { start + "..." } else { start }
}

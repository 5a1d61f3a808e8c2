//! `trawl plan`: what a run would ask for and how long that takes at least, without fetching a page.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{ConfigArgs, Global};
use super::report::{Report, tame_json};
use super::run::{Live, log};
use super::table::{Table, count, span};
use crate::config::{Config, Loaded, shown};
use crate::pipeline::{HostSurvey, Survey};
use crate::run::{self, Exit};
use crate::source;

/// Arguments of `trawl plan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// List so many hosts at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    hosts: usize,
    /// Print JSON, with all hosts
    #[arg(long)]
    json: bool,
}

/// Surveys and reports. Exit 11 if it was interrupted: what is printed is what was found until then.
pub fn run(args: &Args, global: &Global, report: &Report) -> Exit {
    let loaded = match args.config.load(global) {
        Ok(loaded) => loaded,
        Err(errors) => return report.error(Exit::InvalidConfig, &errors),
    };
    log(&loaded.config, Live::Unwanted, report);
    if let Some(holder) = crate::store::holder(&loaded.config.job.state_dir.join("lock")) {
        let words = format!("process {} runs the job now: hosts are asked by both", holder.pid);
        report.warning(&words);
    }
    let survey = match run::plan_run(&loaded.config, &|key| loaded.place_of(key)) {
        Ok(survey) => survey,
        Err(error) => return report.error(error.exit(), &error),
    };
    let exit = if survey.is_interrupted { Exit::Interrupted } else { Exit::Complete };
    let text = if args.json {
        tame_json(&format!("{:#}\n", as_json(&loaded.config, &survey)))
    } else {
        for_people(&loaded, &survey, args.hosts)
    };
    report.result(exit, |out| out.write_all(text.as_bytes()))
}

/// What the survey knows to be missing, in sentences.
fn notes(config: &Config, survey: &Survey) -> Vec<String> {
    let mut notes = Vec::new();
    if survey.is_interrupted {
        notes.push("interrupted: this is what was found until then".to_owned());
    }
    if survey.is_cut {
        notes.push(format!(
            "there are more: only the first {} pages were counted",
            count(run::MAX_URLS as u64)
        ));
    }
    let is_stdin =
        |source: &&source::Settings| matches!(source, source::Settings::List(list) if list.is_stdin());
    for source in config.sources.iter().filter(is_stdin) {
        notes.push(format!("source `{}` reads standard input, which was left alone", source.id()));
    }
    if !config.politeness.obey_robots {
        notes.push("robots.txt was not asked for: `politeness.obey_robots` is off".to_owned());
    }
    if run::follows_links(config) {
        notes.push("links of pages are followed in a run, and not counted here".to_owned());
    }
    notes
}

/// The host that takes longest.
fn longest(survey: &Survey) -> Option<(&String, Duration)> {
    let times = survey.hosts.iter().map(|(name, host)| (name, host.least_time()));
    times.filter(|(_, time)| !time.is_zero()).max_by_key(|(_, time)| *time)
}

fn sum(survey: &Survey, of: impl Fn(&HostSurvey) -> u64) -> u64 {
    survey.hosts.values().map(of).sum()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn as_json(config: &Config, survey: &Survey) -> Value {
    let host = |(name, host): (&String, &HostSurvey)| {
        let troubles = host.troubles.iter().map(|(url, reason)| json!({ "url": url, "reason": reason }));
        json!({
            "host": name,
            "urls": host.urls,
            "disallowed": host.disallowed,
            "lost": host.lost,
            "over_budget": host.over_budget,
            "to_fetch": host.to_fetch(),
            "robots": host.robots,
            "is_undecided": host.is_undecided,
            "crawl_delay_ms": host.crawl_delay.map(millis),
            "delay_ms": millis(host.delay),
            "least_time_ms": millis(host.least_time()),
            "lists_read": host.lists,
            "troubles": troubles.collect::<Vec<_>>(),
        })
    };
    json!({
        "job": config.job.name,
        "urls": sum(survey, |host| host.urls),
        "disallowed": sum(survey, |host| host.disallowed),
        "to_fetch": sum(survey, HostSurvey::to_fetch),
        "refused": survey.refused,
        "lists_read": sum(survey, |host| host.lists),
        "least_time_ms": longest(survey).map_or(0, |(_, time)| millis(time)),
        "is_cut": survey.is_cut,
        "is_interrupted": survey.is_interrupted,
        "notes": notes(config, survey),
        "hosts": survey.hosts.iter().map(host).collect::<Vec<_>>(),
    })
}

fn for_people(loaded: &Loaded, survey: &Survey, most: usize) -> String {
    let mut text = format!("plan of job {}: no page was fetched\n\n", shown(&loaded.config.job.name));
    let mut hosts: Vec<(&String, &HostSurvey)> = survey.hosts.iter().collect();
    hosts.sort_by(|a, b| (b.1.least_time(), b.1.urls, a.0).cmp(&(a.1.least_time(), a.1.urls, b.0)));
    if !hosts.is_empty() && most > 0 {
        let headings = [
            "host",
            ">URLs",
            ">to fetch",
            ">forbidden",
            ">robots.txt",
            ">crawl-delay",
            ">delay",
            ">lists",
            ">at least",
        ];
        let mut table = Table::new(&headings);
        for (name, host) in hosts.iter().take(most) {
            table.row(&row(name, host));
        }
        let _ = writeln!(text, "{table}");
    }
    if hosts.len() > most {
        let _ = writeln!(text, "{most} of {} hosts\n", hosts.len());
    }
    for (url, reason) in hosts.iter().flat_map(|(_, host)| &host.troubles) {
        let _ = writeln!(text, "not read: {}: {}", shown(url), shown(reason));
    }
    let (urls, to_fetch) = (sum(survey, |host| host.urls), sum(survey, HostSurvey::to_fetch));
    let disallowed = sum(survey, |host| host.disallowed);
    let _ = writeln!(
        text,
        "{} {}, {} {}: {} to fetch, {} forbidden by robots.txt; {} {} refused",
        count(hosts.len() as u64),
        if hosts.len() == 1 { "host" } else { "hosts" },
        count(urls),
        if urls == 1 { "URL" } else { "URLs" },
        count(to_fetch),
        count(disallowed),
        count(survey.refused),
        if survey.refused == 1 { "entry" } else { "entries" },
    );
    if let Some((host, time)) = longest(survey) {
        let _ = writeln!(text, "at least {}: so long takes {}", span(millis(time)), shown(host));
    }
    for note in notes(&loaded.config, survey) {
        let _ = writeln!(text, "note: {}", shown(&note));
    }
    text
}

fn row(name: &str, host: &HostSurvey) -> [String; 9] {
    let mut robots: Vec<&str> = host.robots.values().map(String::as_str).collect();
    robots.dedup();
    let delay = |delay: Option<Duration>| delay.map_or_else(|| "-".to_owned(), |delay| span(millis(delay)));
    [
        shown(name),
        count(host.urls),
        count(host.to_fetch()),
        count(host.disallowed),
        if robots.is_empty() { "-".to_owned() } else { shown(&robots.join(", ")) },
        delay(host.crawl_delay),
        delay(Some(host.delay)),
        count(host.lists),
        delay(Some(host.least_time())),
    ]
}

//! What `contrib/` hands to cron, systemd and Kubernetes: looked at by their own tools, carried out as it stands there, and
//! held against the exit codes and settings of the program.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use trawl::config::Limits;
use trawl::run::Exit;

use crate::support::crawl::TRAWL;
use crate::support::{Crawl, Site};
use crate::tools::{ask, missing};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib");
/// What `check` installs the packages of Python into.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/python/bin/python");
/// The program in what is handed out.
const INSTALLED: &str = "/usr/local/bin/trawl";
/// Largest exposure that `systemd-analyze security` may find, in tenths: 0 is nothing, 100 all.
const MAX_EXPOSURE: &str = "15";

fn contrib(name: &str) -> String {
    fs::read_to_string(format!("{FOLDER}/{name}")).expect("a file in contrib")
}

/// What a scheduler makes of an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    /// There is nothing to be done.
    Good,
    /// It is worth another try.
    Again,
    /// It would end the same way.
    Hopeless,
}

/// No arm for the rest: who adds an exit code decides here, and in the files.
fn means(exit: Exit) -> Means {
    match exit {
        Exit::Complete | Exit::LimitReached | Exit::Interrupted | Exit::Locked => Means::Good,
        Exit::Error | Exit::DiskFull | Exit::Io => Means::Again,
        Exit::Usage
        | Exit::Failed
        | Exit::GateFailed
        | Exit::VerificationFailed
        | Exit::Invariant
        | Exit::CannotCreate
        | Exit::StoreVersion
        | Exit::InvalidConfig => Means::Hopeless,
    }
}

fn codes(wanted: impl Fn(Exit) -> bool) -> BTreeSet<u64> {
    Exit::ALL.into_iter().filter(|exit| wanted(*exit)).map(|exit| u64::from(exit.code())).collect()
}

/// A job in a directory of its own, its config under the name that the files in `contrib` use.
fn prepared() -> (Site, Vec<String>, Crawl) {
    let (site, urls) = Site::with_pages(5, Duration::ZERO);
    let crawl = Crawl::over(&urls);
    // Any command writes the config down first.
    crawl.trawl(&["validate"]).expect(0);
    fs::rename(crawl.path("config.toml"), crawl.path("notices.toml")).unwrap();
    (site, urls, crawl)
}

/// The jobs of a crontab: schedule and command.
fn cron_jobs(crontab: &str) -> Vec<(Vec<&str>, &str)> {
    let lines = crontab.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    // NAME=value sets the environment of what follows.
    let is_setting = |line: &str| {
        line.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    };
    lines
        .filter(|line| !is_setting(line))
        .map(|line| {
            let mut rest = line;
            let mut fields = Vec::new();
            for _ in 0..5 {
                let (field, behind) = rest.split_once([' ', '\t']).expect("five fields and a command");
                fields.push(field);
                rest = behind.trim_start();
            }
            (fields, rest)
        })
        .collect()
}

#[test]
fn cron_reads_the_crontab() {
    let crontab = contrib("trawl.crontab");
    assert!(crontab.ends_with('\n'), "cron leaves out a last line without an end");
    let jobs = cron_jobs(&crontab);
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    for (fields, command) in &jobs {
        for (field, most) in fields.iter().zip([59, 23, 31, 12, 7]) {
            assert!(*field == "*" || field.parse().is_ok_and(|number: u32| number <= most), "{fields:?}");
        }
        assert!(
            !command.replace("\\%", "").contains('%'),
            "cron ends a command at a percent sign: {command}"
        );
    }
    // Debian's cron has `-n`, others `-T`; neither installs anything.
    let file = format!("{FOLDER}/trawl.crontab");
    let Some(answer) = ask("crontab", &["-n", &file], b"", "the crontab") else { return };
    let answer =
        if answer.is_good { answer } else { ask("crontab", &["-T", &file], b"", "the crontab").unwrap() };
    assert!(answer.is_good, "{}", answer.stderr);
}

#[test]
fn the_command_of_the_crontab_runs_and_says_nothing_when_all_is_well() {
    let (_site, urls, crawl) = prepared();
    let crontab = contrib("trawl.crontab");
    let command = cron_jobs(&crontab)[0].1.replace("/srv/crawl", crawl.path(".").to_str().unwrap());
    let folder = std::path::Path::new(TRAWL).parent().unwrap();
    // As cron does it: a shell, hardly any environment, no standard input to speak of.
    let output = Command::new("/bin/sh")
        .args(["-c", &command])
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!((said.as_str(), output.stdout.len()), ("", 0), "cron would send a mail each night");
    crawl.verify_exact(&urls);
    let log = fs::read_to_string(crawl.latest().dir.join("run.log.jsonl")).unwrap();
    assert!(log.contains("INFO"), "the log of the run has what the mail leaves out: {log}");
}

/// The values of a key in a unit file, in order.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    let assignments = unit.lines().filter_map(|line| line.split_once('='));
    assignments.filter(|(name, _)| *name == key).map(|(_, value)| value).collect()
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str| {
        let path = dir.path().join(name);
        fs::write(&path, contrib(name).replace(INSTALLED, TRAWL)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (service, timer) = (put("trawl@.service"), put("trawl@.timer"));
    let what = "the units of systemd";
    let Some(answer) = ask("systemd-analyze", &["verify", "--man=no", &service, &timer], b"", what) else {
        return;
    };
    let said = answer.stdout + &answer.stderr;
    assert!(answer.is_good && !said.contains("trawl@"), "{said}");
    let threshold = format!("--threshold={MAX_EXPOSURE}");
    let args = ["security", "--offline=true", "--no-pager", &threshold, &service];
    let answer = ask("systemd-analyze", &args, b"", what).unwrap();
    let overall = answer.stdout.lines().find(|line| line.contains("Overall exposure"));
    let overall = overall.unwrap_or_else(|| panic!("{}{}", answer.stdout, answer.stderr));
    eprintln!("{}", overall.trim());
    assert!(answer.is_good, "exposure above {MAX_EXPOSURE} tenths: {}", answer.stdout);
    let unit = contrib("trawl@.timer");
    let calendar = values(&unit, "OnCalendar");
    assert_eq!(calendar.len(), 1);
    assert!(ask("systemd-analyze", &["calendar", calendar[0]], b"", what).unwrap().is_good);
}

#[test]
fn the_unit_knows_what_exit_codes_mean_and_how_long_a_drain_takes() {
    let unit = contrib("trawl@.service");
    let numbers = |key: &str| -> BTreeSet<u64> {
        values(&unit, key).join(" ").split_whitespace().map(|code| code.parse().expect("a code")).collect()
    };
    // 0 is good without being named.
    let good = codes(|exit| means(exit) == Means::Good && exit != Exit::Complete);
    assert_eq!(numbers("SuccessExitStatus"), good);
    assert_eq!(numbers("RestartPreventExitStatus"), codes(|exit| means(exit) == Means::Hopeless));
    assert_eq!(values(&unit, "KillSignal"), ["SIGTERM"]);
    let stop: u64 = values(&unit, "TimeoutStopSec")[0].strip_suffix('s').unwrap().parse().unwrap();
    assert!(Duration::from_secs(stop) > Limits::default().drain.0 * 2, "{stop}");
}

#[test]
fn the_command_of_the_unit_runs() {
    let (_site, urls, crawl) = prepared();
    let unit = contrib("trawl@.service");
    let root = crawl.path(".").to_str().unwrap().to_owned();
    let command = values(&unit, "ExecStart")[0].replace("/etc/trawl", &root).replace("%S/trawl/%i", &root);
    let mut words = command.split_whitespace().map(|word| word.replace("%i", "notices"));
    assert_eq!(words.next().as_deref(), Some(INSTALLED));
    let words: Vec<String> = words.collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    crawl.as_it_stands(&words).expect(0);
    crawl.verify_exact(&urls);
    assert!(crawl.path("store/lock").exists(), "state stands where the unit may write");
}

/// The `CronJob` as JSON, once the schema of Kubernetes has found nothing wrong with it.
fn cron_job() -> Option<Value> {
    const LOOK: &str = "
import json, sys, yaml, kubernetes_validate
for wanted in ('1.29', '1.31', '1.33'):
    job = yaml.safe_load(open(sys.argv[1]))
    kubernetes_validate.validate(job, wanted, strict=True)
print(json.dumps(job))
";
    let what = "the CronJob of Kubernetes";
    let there = ask(PYTHON, &["-c", "import kubernetes_validate"], b"", what)?;
    if !there.is_good {
        missing(what, "kubernetes_validate for Python is missing; ./check installs it");
        return None;
    }
    let answer = ask(PYTHON, &["-c", LOOK, &format!("{FOLDER}/trawl.cronjob.yaml")], b"", what)?;
    assert!(answer.is_good, "{}", answer.stderr);
    Some(serde_json::from_str(&answer.stdout).expect("JSON"))
}

#[test]
fn kubernetes_finds_nothing_wrong_with_the_cron_job() {
    let Some(job) = cron_job() else { return };
    let at = |path: &str| job.pointer(path).unwrap_or_else(|| panic!("no {path} in {job:#}"));
    let pod = "/spec/jobTemplate/spec/template/spec";
    let container = "/spec/jobTemplate/spec/template/spec/containers/0";
    assert_eq!(at("/kind"), "CronJob");
    assert_eq!(at("/spec/concurrencyPolicy"), "Forbid");
    assert_eq!(at("/spec/schedule").as_str().map(|when| when.split(' ').count()), Some(5));
    assert_eq!(at(&format!("{pod}/restartPolicy")), "Never", "a podFailurePolicy allows no other");
    let grace = at(&format!("{pod}/terminationGracePeriodSeconds")).as_u64().unwrap();
    assert!(Duration::from_secs(grace) > Limits::default().drain.0 * 2, "{grace}");
    assert_eq!(at(&format!("{pod}/securityContext/runAsNonRoot")), true);
    assert_eq!(at(&format!("{container}/securityContext/readOnlyRootFilesystem")), true);
    assert_eq!(at(&format!("{container}/securityContext/allowPrivilegeEscalation")), false);
    assert_eq!(at(&format!("{container}/securityContext/capabilities/drop/0")), "ALL");
    at(&format!("{container}/resources/limits/memory"));
    // The volumes that are mounted are those that are there.
    let names = |path: String| -> BTreeSet<String> {
        let list = at(&path).as_array().unwrap().iter();
        list.map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(format!("{container}/volumeMounts")), names(format!("{pod}/volumes")));
    // A job that only ends early is no good end for Kubernetes, but nothing to be tried again.
    let rules = at("/spec/jobTemplate/spec/podFailurePolicy/rules").as_array().unwrap();
    let rule = rules.iter().find(|rule| rule["action"] == "FailJob").expect("a rule that gives up");
    assert_eq!(&rule["onExitCodes"]["containerName"], at(&format!("{container}/name")));
    let given_up: BTreeSet<u64> =
        rule["onExitCodes"]["values"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
    assert_eq!(given_up, codes(|exit| means(exit) == Means::Hopeless || exit == Exit::LimitReached));
}

#[test]
fn the_command_of_the_cron_job_runs() {
    let Some(job) = cron_job() else { return };
    let (_site, urls, crawl) = prepared();
    let root = crawl.path(".").to_str().unwrap().to_owned();
    let container = job.pointer("/spec/jobTemplate/spec/template/spec/containers/0").unwrap();
    assert_eq!(container["command"], serde_json::json!([INSTALLED]));
    let args = container["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap());
    let args: Vec<String> =
        args.map(|arg| arg.replace("/etc/trawl", &root).replace("/var/lib/trawl", &root)).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let run = crawl.as_it_stands(&args).expect(0);
    crawl.verify_exact(&urls);
    let first = run.stderr.lines().next().expect("a line of the log");
    assert!(serde_json::from_str::<Value>(first).is_ok(), "{first}");
}

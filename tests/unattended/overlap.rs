//! A run that meets the next one, and programs that wait for a run: the blocks of `docs/operations.md`, run as they stand.

use std::fs;
use std::process::{Child, Command, Stdio};

use crate::support::{Answer, Crawl, Gate, Site, wait_for};
use crate::tools::{ask, missing};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
const IN_FLIGHT: usize = 4;

/// A job with the output directory of the page, whose requests are held at the gate.
fn held(pages: usize) -> (Site, Gate, Vec<String>, Crawl) {
    let (site, gate) = (Site::new(), Gate::closed());
    let behind = gate.clone();
    site.otherwise(move |seen| Answer::page(&seen.path).behind(&behind));
    let urls = site.urls((0..pages).map(|n| format!("/{n}")));
    let crawl = Crawl::over(&urls).set("politeness.max_concurrency", i64::try_from(IN_FLIGHT).unwrap());
    (site, gate, urls, crawl)
}

#[test]
fn a_run_that_meets_another_ends_at_once_and_harms_nothing() {
    let (site, gate, urls, crawl) = held(12);
    let first = crawl.spawn();
    site.wait_until("full use", |view| view.in_flight == IN_FLIGHT);
    let pid = first.pid().as_raw_nonzero().to_string();
    // Not even when it is asked to start over.
    for args in [&["run", "config.toml"][..], &["run", "config.toml", "--fresh"]] {
        let second = crawl.trawl(args).expect(75);
        let words = format!("error: another run holds the job: process {pid} since ");
        assert!(second.stderr.starts_with(&words), "{second}");
        assert!(second.stderr.contains(&format!("`kill {pid}`")), "{second}");
        assert_eq!(second.stdout, "");
    }
    assert_eq!(crawl.runs().len(), 1, "{:?}", crawl.runs());
    gate.open();
    first.wait().expect(0);
    crawl.verify_exact(&urls);
    assert_eq!(site.hits(), urls.len(), "each was asked for once");
    crawl.trawl(&["verify"]).expect(0);
}

/// The block of the page in this language that stands behind these words.
fn block(page: &str, behind: &str, language: &str) -> String {
    let (_, rest) = page.split_once(behind).unwrap_or_else(|| panic!("no `{behind}`"));
    let (_, block) = rest.split_once(&format!("```{language}\n")).expect("a block");
    block.split_once("```").expect("its end").0.to_owned()
}

/// Which programs the page asks for.
fn tools() -> bool {
    ["jq", "python3"].iter().all(|tool| {
        let there = ask(tool, &["--version"], b"", "programs that wait for a run");
        there.is_some_and(|answer| answer.is_good)
    })
}

/// Starts a block where the output of the job lies under the name that the page uses.
fn waiting(crawl: &Crawl, program: &str, args: &[&str]) -> Child {
    let output = crawl.path("data/out/notices");
    if !output.exists() {
        fs::create_dir_all(crawl.path("data/out")).unwrap();
        fs::create_dir_all(crawl.path("out")).unwrap();
        std::os::unix::fs::symlink(crawl.path("out"), &output).unwrap();
    }
    let mut command = Command::new(program);
    command.args(args).current_dir(crawl.path(".")).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it was there a moment ago")
}

#[track_caller]
fn printed(mut child: Child) -> String {
    wait_for("the program that waits", || child.try_wait().expect("status"));
    let output = child.wait_with_output().expect("output");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

#[test]
fn other_programs_wait_for_a_run_as_the_page_says() {
    if !tools() {
        return missing("the blocks of docs/operations.md", "see above");
    }
    let page = fs::read_to_string(PAGE).unwrap();
    let shell = block(&page, "In a shell, with `jq`", "sh");
    let python = block(&page, "with nothing but the standard library", "python");
    let (site, gate, urls, crawl) = held(7);
    let mut waiters = [waiting(&crawl, "sh", &["-ec", &shell]), waiting(&crawl, "python3", &["-c", &python])];
    let run = crawl.spawn();
    site.wait_until("full use", |view| view.in_flight == IN_FLIGHT);
    for waiter in &mut waiters {
        assert!(waiter.try_wait().unwrap().is_none(), "it waits while nothing is published");
    }
    gate.open();
    run.wait().expect(0);
    let [shell_waiter, python_waiter] = waiters;
    assert_eq!(printed(shell_waiter), "7");
    assert_eq!(printed(python_waiter), "7 True");

    // The next time the shell waits for the next run, and gets that one.
    let again = Gate::closed();
    let behind = again.clone();
    site.otherwise(move |seen| Answer::page(&seen.path).behind(&behind));
    fs::write(crawl.path("urls.txt"), urls[..6].join("\n")).unwrap();
    let mut waiter = waiting(&crawl, "sh", &["-ec", &shell]);
    let run = crawl.spawn();
    site.wait_until("full use again", |view| view.in_flight == IN_FLIGHT);
    assert!(waiter.try_wait().unwrap().is_none(), "it was given a run twice");
    again.open();
    run.wait().expect(0);
    assert_eq!(printed(waiter), "6");
}

#[test]
fn freshness_is_told_and_an_older_run_can_be_pointed_at_as_the_page_says() {
    let page = fs::read_to_string(PAGE).unwrap();
    let fresh = block(&page, "asks for freshness", "sh");
    let (_site, urls) = Site::with_pages(3, std::time::Duration::ZERO);
    let crawl = Crawl::over(&urls);
    crawl.run().expect(0);
    let first = crawl.latest().run_id();
    let said = |crawl: &Crawl| {
        let child = waiting(crawl, "sh", &["-c", &fresh]);
        String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap()
    };
    assert_eq!(said(&crawl), "");
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(27);
    fs::File::open(crawl.path("out/latest.json")).unwrap().set_modified(old).unwrap();
    assert!(said(&crawl).contains("no run was published"));

    crawl.run().expect(0);
    assert_ne!(crawl.latest().run_id(), first);
    let back = block(&page, "To go back to an older run", "sh").replace("20261120T020000Z-1c2d", &first);
    printed(waiting(&crawl, "sh", &["-ec", &back]));
    assert_eq!(crawl.verify_exact(&urls).run_id(), first);
    crawl.trawl(&["verify"]).expect(0);
    crawl.run().expect(0);
    assert_ne!(crawl.verify_exact(&urls).run_id(), first, "the next one moves them on");
}

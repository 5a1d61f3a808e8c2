//! Names, titles, URLs and headers from outside that would command a terminal or turn its lines around: whatever prints
//! them for people spells that out.

use crate::snapshot::kept;
use crate::support::{Answer, Crawl, Run, Site};

/// Clears the screen, sets a title, turns the line around, rings, is an escape of one character, is nothing to be seen.
const HOSTILE: &str = "x\u{1b}[2J\u{1b}]0;y\u{7}\u{202e}z\u{9b}31m\u{2066}w\u{200b}\u{7f}\u{8}v";

/// Whether a terminal would do something at this character, or show nothing.
fn commands(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t'))
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Demands that nothing of it commands the terminal, and that `names` stand there all the same.
#[track_caller]
fn tame(run: &Run, names: &[&str]) {
    for (name, text) in [("standard error", &run.stderr), ("standard output", &run.stdout)] {
        if let Some(at) = text.find(commands) {
            panic!("{name} holds {:?} in {:?}", text[at..].chars().next(), text);
        }
    }
    let all = format!("{}{}", run.stderr, run.stdout);
    for name in names {
        assert!(all.contains(name), "{name} is not said {run}");
    }
}

/// `\u{1b}` as it is spelled out.
const SPELLED: &str = "\\u{1b}[2J";

fn page() -> Answer {
    Answer::bytes("text/html; charset=utf-8", format!("<title>{HOSTILE}</title><p>{HOSTILE}</p>"))
}

#[test]
fn a_title_and_a_field() {
    let site = Site::new();
    site.otherwise(|_| page());
    let url = site.url("/");
    let crawl = Crawl::over([&url]).rule("id = 'r'\nfields.text = { css = 'p' }");
    tame(&crawl.run().expect(0), &[]);
    tame(&crawl.trawl(&["list"]).expect(0), &[SPELLED]);
    tame(&crawl.trawl(&["extract", &url]).expect(0), &[SPELLED, "\\u001b[2J"]);
    for args in [&["get", &url][..], &["explain", &url], &["list", "--json"], &["status"], &["verify"]] {
        tame(&crawl.trawl(args).expect(0), &[]);
    }
    // What is data is whole all the same.
    let record = &crawl.latest().records[0];
    assert!(record["title"].as_str().expect("a title").starts_with("x\u{1b}[2J"), "{record}");
}

#[test]
fn a_header_and_a_redirect() {
    let site = Site::new();
    let to = "/y\u{202e}\u{2066}z";
    site.serve("/go", Answer::redirect(302, to)).otherwise(|_| {
        page().header("content-language", "d\u{9b}\u{202e}").header("x-robots-tag", "\u{202e}noindex")
    });
    let url = site.url("/go");
    let crawl = Crawl::over([&url]);
    tame(&crawl.trawl(&["-vv", "run"]).expect(0), &[]);
    tame(&crawl.trawl(&["explain", &url]).expect(0), &["%E2%80%AE"]);
}

#[test]
fn urls_and_lines_of_a_list() {
    let line = format!("mailto:{HOSTILE}");
    let crawl = Crawl::new().write("a.txt", format!("{line}\nhttp://h{HOSTILE}/\nfile:///{HOSTILE}\n"));
    let crawl = crawl.source("id = 'list'\ntype = 'list'\npath = 'a.txt'");
    tame(&crawl.trawl(&["validate"]).expect(0), &[SPELLED]);
    tame(&crawl.trawl(&["-vv", "run"]).expect(4), &[]);
    tame(&crawl.trawl(&["explain", &line]), &[SPELLED]);
    for command in ["get", "explain", "extract"] {
        tame(&crawl.trawl(&[command, HOSTILE]).expect(2), &[SPELLED]);
    }
}

#[test]
fn names_of_files_and_folders() {
    let name = HOSTILE.replace('/', "");
    let crawl = Crawl::new().write(&format!("pages/{name}.html"), format!("<title>{HOSTILE}</title>"));
    let crawl = crawl.source("id = 'pages'\ntype = 'files'\npaths = ['pages/*.html', 'none/*.html']");
    let crawl =
        crawl.set("job.output_dir", format!("out{name}")).set("job.state_dir", format!("store{name}"));
    tame(&crawl.trawl(&["-vv", "run"]).expect(0), &[SPELLED]);
    for command in ["status", "validate", "list", "verify", "test"] {
        tame(&crawl.trawl(&[command]), &[]);
    }
    tame(&crawl.trawl(&["run", &name]).expect(78), &[SPELLED]);
    tame(&crawl.trawl(&["export", "--to", &format!("jsonl=no/{name}")]), &[SPELLED]);
    let crawl = crawl.set("log.format", "json");
    for line in crawl.trawl(&["-vv", "run"]).expect(0).stderr.lines().filter(|line| line.starts_with('{')) {
        assert!(!line.contains(commands), "{line:?}");
        let parsed: serde_json::Value = serde_json::from_str(line).expect("a log line is JSON");
        assert!(parsed["fields"].is_object(), "{parsed}");
    }
}

#[test]
fn values_of_the_config_and_the_command_line() {
    let escaped = "x\\u001b[2J\\u202e\\u0007";
    for (key, value) in
        [("scope.exclude", format!("[\"({escaped}\"]")), ("politeness.host_delay", format!("\"{escaped}\""))]
    {
        let text = format!(
            "config_version = 1\njob.name = \"n\"\n{key} = {value}\n[[sources]]\nid = \"s\"\ntype = \"urls\"\nurls = [\"http://h/\"]\n"
        );
        let crawl = Crawl::new().write("config.toml", text);
        tame(&crawl.as_it_stands(&["validate"]).expect(78), &["2J"]);
    }
    let crawl = Crawl::new().source("id = 's'\ntype = 'urls'\nurls = ['http://h/']");
    tame(&crawl.trawl(&["validate", "--set", &format!("limits.{HOSTILE}=1")]).expect(78), &[SPELLED]);
    tame(&crawl.trawl(&["run", "--only-source", HOSTILE]).expect(2), &[SPELLED]);
    // The parser of the command line leaves escapes out of what it quotes.
    let spelled = ["\\u{202e}z"];
    tame(&crawl.trawl(&["run", "--limit", HOSTILE]).expect(2), &spelled);
    tame(&crawl.trawl(&[HOSTILE]).expect(2), &spelled);
    tame(&crawl.trawl(&["export", "--to", HOSTILE]).expect(2), &spelled);
    let raw = format!("config_version = 1\n{HOSTILE} = 1\n");
    let crawl = Crawl::new().write("config.toml", raw);
    tame(&crawl.as_it_stands(&["validate"]).expect(78), &[SPELLED]);
}

#[test]
fn robots_txt_and_its_rule() {
    let site = Site::new();
    let robots = format!(
        "User-agent: *\nDisallow: /*#{HOSTILE}\nDisallow: /p{HOSTILE}\nDisallow: /\nSitemap: http://h/{HOSTILE}\n"
    );
    site.serve("/robots.txt", Answer::text(robots)).otherwise(|_| page());
    let url = site.url("/p");
    let crawl = Crawl::over([&url]).set("politeness.obey_robots", true);
    tame(&crawl.trawl(&["-vv", "run"]).expect(4), &[]);
    tame(&crawl.trawl(&["explain", &url]), &[]);
    tame(&crawl.trawl(&["plan"]), &[]);
}

#[test]
fn no_kept_message_commands_a_terminal() {
    for name in kept() {
        let path = format!("{}/tests/messages/snapshots/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("a kept text");
        assert!(!text.contains(commands), "{name}");
    }
}

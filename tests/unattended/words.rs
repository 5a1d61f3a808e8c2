//! Pages about operation and security say what is true: every outcome, stage and exit code is named, every key exists,
//! every test that is called as a witness is there, every link leads somewhere. And the claims that had no test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use trawl::model::{Outcome, Stage};
use trawl::run::Exit;

use crate::support::{Answer, Crawl, Site};
use crate::tools::trawl;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PAGES: [&str; 3] = ["docs/operations.md", "docs/security.md", "docs/outcomes.md"];

fn page(name: &str) -> String {
    fs::read_to_string(format!("{ROOT}/{name}")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The rows of all tables of a page, by their cells.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.map(|row| row.split(" | ").collect()).collect()
}

/// What stands in backticks outside of code blocks.
fn quoted(page: &str) -> Vec<&str> {
    let prose = page.split("```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn every_outcome_and_stage_is_explained_as_the_program_means_it() {
    let page = page("docs/outcomes.md");
    let rows = rows(&page);
    let row = |name: &str| {
        let found: Vec<_> = rows.iter().filter(|cells| cells[0] == format!("`{name}`")).collect();
        assert_eq!(found.len(), 1, "`{name}` has {} rows in docs/outcomes.md", found.len());
        found[0]
    };
    for outcome in Outcome::ALL {
        let cells = row(outcome.name());
        assert_eq!(cells[1], outcome.about(), "`{}`", outcome.name());
        assert!(cells.len() == 3 && cells[2].len() > 5, "`{}`: what is to be done?", outcome.name());
    }
    let stages = [Stage::Connect, Stage::Transfer, Stage::Decode, Stage::Read];
    for stage in stages {
        assert!(!row(stage.name())[1].is_empty());
    }
    // And no others: what the program does not know is no outcome.
    let reasons = ["finished", "limit_pages", "limit_duration", "limit_bytes"];
    let known: BTreeSet<&str> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
    for cells in &rows {
        let name = cells[0].trim_matches('`');
        let is_known = known.contains(name) || reasons.contains(&name);
        let is_heading = ["outcome", "stage", "reason"].contains(&name) || name.starts_with("---");
        assert!(
            is_known || is_heading || stages.iter().any(|stage| stage.name() == name),
            "docs/outcomes.md has a row for `{name}`, which is none"
        );
    }
}

#[test]
fn operations_has_each_exit_code_once() {
    let page = page("docs/operations.md");
    let mut found: Vec<u8> = rows(&page)
        .iter()
        .flat_map(|cells| cells[0].split(", ").filter_map(|code| code.parse().ok()).collect::<Vec<u8>>())
        .collect();
    found.sort_unstable();
    assert_eq!(found, Exit::ALL.map(Exit::code));
}

#[test]
fn every_key_that_is_named_exists() {
    let schema: Value = serde_json::from_str(&trawl(&["config", "schema"])).expect("JSON");
    let reference = page("docs/configuration.md");
    let tables = ["job", "http", "politeness", "retry", "scope", "limits", "checkpoint", "records", "log"];
    let mut seen = 0;
    for name in PAGES {
        let page = page(name);
        for word in quoted(&page) {
            let key: String =
                word.chars().take_while(|c| c.is_ascii_lowercase() || "._".contains(*c)).collect();
            let Some((table, key)) = key.split_once('.').filter(|(table, _)| tables.contains(table)) else {
                continue;
            };
            assert!(schema["properties"][table].is_object(), "{name}: `{word}`: no table `{table}`");
            let key = key.split('.').next().unwrap_or_default();
            let (_, section) = reference.split_once(&format!("\n## `[{table}]`\n")).expect("a table");
            let section = section.split("\n## ").next().unwrap_or_default();
            assert!(section.contains(&format!("\n| `{key}` |")), "{name}: `{word}` is no key of `[{table}]`");
            seen += 1;
        }
    }
    assert!(seen > 25, "only {seen} keys were found");
}

/// All Rust files below a directory.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_test_that_is_called_as_a_witness_is_there() {
    let mut files = Vec::new();
    for dir in ["src", "tests"] {
        sources(&Path::new(ROOT).join(dir), &mut files);
    }
    let page = page("docs/security.md");
    let witnesses: BTreeSet<&str> = quoted(&page).into_iter().filter(|word| word.contains("::")).collect();
    assert!(witnesses.len() > 30, "{witnesses:?}");
    let mut missing = Vec::new();
    for witness in witnesses {
        let (module, test) = witness.rsplit_once("::").expect("filtered");
        let folder = module.replace("::", "/");
        let stands = |path: &&PathBuf| {
            let path = path.strip_prefix(ROOT).expect("below the root").with_extension("");
            let path = path.to_string_lossy().replace("/mod", "");
            let below = path.trim_start_matches("src/").trim_start_matches("tests/");
            below == folder || below.starts_with(&format!("{folder}/"))
        };
        let is_there = files
            .iter()
            .filter(stands)
            .any(|path| fs::read_to_string(path).expect("a source").contains(&format!("fn {test}(")));
        if !is_there {
            missing.push(witness);
        }
    }
    assert!(missing.is_empty(), "docs/security.md calls what is not there: {missing:#?}");
}

#[test]
fn links_between_the_pages_lead_somewhere() {
    let mut names = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned(), "ARCHITECTURE.md".to_owned()];
    let docs = fs::read_dir(format!("{ROOT}/docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let docs = docs.filter_map(|name| name.into_string().ok()).filter(|name| name.ends_with(".md"));
    let docs: Vec<String> = docs.map(|name| format!("docs/{name}")).collect();
    let readme = page("README.md");
    for name in &docs {
        assert!(readme.contains(&format!("({name})")), "README.md has no link to {name}");
    }
    names.extend(docs);
    let mut seen = 0;
    for name in &names {
        let text = page(name);
        let prose: String = text.split("```").step_by(2).collect();
        for link in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            let folder = Path::new(name).parent().expect("a folder");
            let target = if file.is_empty() { PathBuf::from(name) } else { folder.join(file) };
            let path = Path::new(ROOT).join(&target);
            assert!(path.exists(), "{name}: `{link}` leads nowhere");
            if !anchor.is_empty() {
                let text = fs::read_to_string(&path).expect("a page");
                let is_there =
                    text.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor);
                assert!(is_there, "{name}: `{link}`: no such heading");
            }
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} links were found");
}

/// The anchor of a heading.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn nothing_from_outside_leads_to_a_local_file() {
    let secret = tempfile::tempdir().unwrap();
    let file = secret.path().join("secret.html");
    fs::write(&file, "<title>s3cr3t</title>").unwrap();
    let url = format!("file://{}", file.display());
    let site = Site::new();
    let body = format!(
        "<title>Front</title><base href='file:///'><link rel='canonical' href='{url}'>\
         <a href='{url}'>a</a><a href='{}'>b</a><iframe src='{url}'></iframe>",
        file.display()
    );
    site.serve("/", Answer::bytes("text/html", body));
    site.serve("/moved", Answer::redirect(302, &url));
    let sitemap = format!("<urlset><url><loc>{url}</loc></url></urlset>");
    site.serve("/sitemap.xml", Answer::bytes("application/xml", sitemap));
    let feed = format!("<rss><channel><item><link>{url}</link></item></channel></rss>");
    site.serve("/feed.xml", Answer::bytes("application/rss+xml", feed));
    let api = format!("{{\"next\": \"{url}\"}}");
    site.serve("/api.json", Answer::bytes("application/json", api));
    let crawl = Crawl::over([site.url("/"), site.url("/moved"), site.url("/api.json"), url.clone()])
        .set("scope.type", "any")
        .source(&format!("id = 'map'\ntype = 'sitemap'\nurls = ['{}']", site.url("/sitemap.xml")))
        .source(&format!("id = 'feed'\ntype = 'feed'\nurls = ['{}']", site.url("/feed.xml")))
        .rule("id = 'api'\nmatch = { content_type = 'application/json' }\nlinks = { json = '$.next' }");
    crawl.run().expect(0);
    let run = crawl.latest();
    run.verify(run.urls());
    let titles: Vec<String> = run.records.iter().map(|record| record["title"].to_string()).collect();
    assert_eq!(run.records.len(), 2, "{titles:?}");
    let all: String = crate::support::dataset::below(&run.dir.join("records"))
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    assert!(!all.contains("s3cr3t"), "{all}");
    for outcome in ["scheme `file`", "secret.html"] {
        let lines = crate::support::dataset::below(&run.dir.join("outcomes"));
        let lines: String = lines.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        assert!(lines.contains(outcome), "no line says that it was refused: {lines}");
    }
    // The source that is for local files does read it.
    let crawl = Crawl::new().source(&format!("id = 'own'\ntype = 'files'\npaths = ['{}']", file.display()));
    crawl.run().expect(0);
    assert_eq!(crawl.latest().records[0]["title"], "s3cr3t");
}

#[test]
fn a_url_with_a_password_is_never_asked_for() {
    let (site, urls) = Site::with_pages(2, std::time::Duration::ZERO);
    let with_password = urls[0].replace("http://", "http://me:pa55word@");
    site.serve("/moved", Answer::redirect(302, &with_password));
    let crawl = Crawl::over([&with_password, &urls[1], &site.url("/moved")]);
    crawl.run().expect(0);
    assert_eq!((site.hits_of("/page/0"), site.hits_of("/page/1"), site.hits_of("/moved")), (0, 1, 1));
    assert_eq!(crawl.latest().ending(&with_password)["outcome"], "invalid_url");
}

#[test]
fn whoever_can_read_the_lock_can_hold_the_job() {
    let (site, urls) = Site::with_pages(1, std::time::Duration::ZERO);
    let crawl = Crawl::over(&urls);
    crawl.run().expect(0);
    let reader = fs::File::open(crawl.path("store/lock")).unwrap();
    reader.lock().unwrap();
    crawl.run().expect(75);
    drop(reader);
    crawl.run().expect(0);
    assert_eq!(site.hits(), 2);
}

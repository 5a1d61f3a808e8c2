//! Takes the blocks out of the page, runs them, and holds what they print against what stands below them.
//! `TRAWL_UPDATE_DOCS=1` writes it there instead.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::crawl::TRAWL;
use crate::support::machine::could_not_run;
use crate::support::postgres::Postgres;
use crate::support::{Crawl, ExampleSite};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/loading.md");
/// What `check` installs the packages of Python into.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/python/bin/python");
const MODULES: [&str; 5] = ["pandas", "polars", "duckdb", "pyarrow", "warcio"];
const JOBS: [&str; 3] = ["products", "news", "save-pages"];

/// A block of the page, and what is to come of it.
struct Block {
    language: String,
    code: String,
    printed: String,
}

/// The blocks with code, each with the text block behind it.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut within: Option<(String, String)> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), within.take()) {
            (Some(language), None) => within = Some((language.to_owned(), String::new())),
            (Some(_), Some((language, printed))) if language == "text" => {
                blocks.last_mut().expect("text behind code").printed = printed;
            }
            (Some(_), Some((language, code))) => {
                blocks.push(Block { language, code, printed: String::new() });
            }
            (None, Some((language, text))) => within = Some((language, text + line + "\n")),
            (None, None) => {}
        }
    }
    assert!(within.is_none(), "a block without an end");
    blocks
}

/// Which of the tools are not there.
fn missing() -> Vec<String> {
    let runs = |program: &str, args: &[&str]| {
        let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let modules = MODULES
        .map(|module| (format!("{module} for Python"), runs(PYTHON, &["-c", &format!("import {module}")])));
    let tools = ["jq", "sqlite3"].map(|tool| (tool.to_owned(), runs(tool, &["--version"])));
    modules.into_iter().chain(tools).filter(|(_, there)| !there).map(|(name, _)| name).collect()
}

/// What a block prints, run in this folder.
fn run(block: &Block, dir: &Path, database: &str) -> String {
    let (program, flag) = match block.language.as_str() {
        "sh" => ("sh", "-ec"),
        "python" => (PYTHON, "-c"),
        other => panic!("nothing runs `{other}`"),
    };
    let folder = |program: &str| Path::new(program).parent().expect("a folder").to_owned();
    let usual = std::env::var_os("PATH").unwrap_or_default();
    let path = [folder(PYTHON), folder(TRAWL)].into_iter().chain(std::env::split_paths(&usual));
    let path = std::env::join_paths(path).expect("no colons in paths");
    let output = Command::new(program)
        .args([flag, &block.code])
        .env("PATH", path)
        .current_dir(dir)
        .env("COLUMNS", "100")
        .env("DATABASE_URL", database)
        .stdin(Stdio::null())
        .output()
        .expect("it was there a moment ago");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}", block.code);
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The jobs of the page, run where it says that their output lies.
fn published(dir: &Path) -> Vec<PathBuf> {
    let site = ExampleSite::start();
    let run = |name: &&str| {
        let out = dir.join("examples/data/out").join(name);
        let crawl: Crawl = site.job(name).set("job.output_dir", out.to_str().expect("UTF-8"));
        crawl.run().expect(0);
        out
    };
    JOBS.iter().map(run).collect()
}

#[test]
fn everybody_reads_it_as_the_page_says() {
    let server = Postgres::start();
    let missing: Vec<String> = missing().into_iter().chain(server.as_ref().err().cloned()).collect();
    let Some(server) = server.ok().filter(|_| missing.is_empty()) else {
        let why = format!("missing: {}; ./check installs them", missing.join(", "));
        assert!(std::env::var_os("CI").is_none(), "{why}");
        return could_not_run("the blocks of docs/loading.md", &why);
    };
    let dir = tempfile::tempdir().expect("directory");
    assert!(published(dir.path()).iter().all(|out| out.join("latest/_SUCCESS").exists()));
    let page = fs::read_to_string(PAGE).expect("the page");
    let blocks = blocks(&page);
    assert!(blocks.len() >= 5, "the page has its blocks");
    let mut updated = page.clone();
    let mut wrong = String::new();
    for block in &blocks {
        let printed = run(block, dir.path(), &server.url());
        if printed != block.printed {
            let _ = writeln!(wrong, "{}printed\n{printed}and not\n{}", block.code, block.printed);
            let behind = |text: &str| format!("{}```\n\n```text\n{text}```\n", block.code);
            updated = updated.replace(&behind(&block.printed), &behind(&printed));
        }
    }
    if std::env::var_os("TRAWL_UPDATE_DOCS").is_some() {
        fs::write(PAGE, updated).expect("the page");
    } else {
        assert!(wrong.is_empty(), "{wrong}");
    }
}

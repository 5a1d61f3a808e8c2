//! `docs/faults.md`: a table for each section, and what a run over all of them came to. What memory it took is written
//! down, and not held against what it takes the next time.

use std::fmt::Write as _;
use std::fs;
use std::sync::Mutex;

use crate::list::{self, Fault, Section};
use crate::support::Dataset;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/faults.md");
const CURE: &str = "TRAWL_UPDATE_DOCS=1 cargo test --test faults";
/// Addresses of one fault that are shown.
const SHOWN: usize = 3;

/// One section is written at a time.
static WRITING: Mutex<()> = Mutex::new(());

/// What came of a fault.
pub struct Row {
    /// The fault.
    pub fault: &'static Fault,
    /// How its URLs ended.
    pub observed: String,
    /// The most memory of its run, in bytes.
    pub peak: u64,
}

/// Holds the table of a section against what came of its faults, or writes it anew.
pub fn check(section: &Section, rows: &[Row]) {
    let mut text =
        "| fault | address | what must happen | observed | peak MB |\n|---|---|---|---|---|\n".to_owned();
    for Row { fault, observed, peak } in rows {
        let (addresses, mb) = (addresses(fault), megabytes(*peak));
        let _ = writeln!(text, "| {} | {addresses} | {} | {observed} | {mb} |", fault.name, fault.must);
    }
    replace(section.title, &text);
}

/// Holds what is said of the run over all faults against it, or writes it anew.
pub fn check_all(data: &Dataset, peak: u64) {
    let faults = list::SECTIONS.iter().map(|section| section.faults.len()).sum::<usize>();
    let ends =
        list::SECTIONS.iter().flat_map(|section| section.faults).map(|fault| fault.ends.len()).sum::<usize>();
    assert!(data.outcomes.len() >= ends);
    let text = format!(
        "One run over all {faults} faults above, with 32 requests in flight: its {ends} URLs end as they do alone, the good \
         pages are `ok`, `trawl verify` finds nothing, and memory stays below 256 MB.\n\n\
         | faults | URLs | peak MB |\n|---|---|---|\n| {faults} | {ends} | {} |\n",
        megabytes(peak)
    );
    replace("All at once", &text);
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

/// The addresses of a fault as somebody would type them.
fn addresses(fault: &Fault) -> String {
    let asked: Vec<String> = fault
        .ends
        .iter()
        .filter(|end| !end.is_found)
        .map(|end| {
            end.url
                .replace("http://{site}/", "/")
                .replace("{site}", "127.0.0.1:8080")
                .replace("{port}", "8080")
        })
        .map(|url| format!("`{}`", url.replace("{64k}", "xxx...")))
        .collect();
    let more = asked.len().saturating_sub(SHOWN);
    let shown = asked.into_iter().take(SHOWN).collect::<Vec<_>>().join(" ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// The page before its first section.
fn beginning() -> String {
    format!(
        "# Faults\n\n\
         What can go wrong with a site, and what becomes of it. `examples/site` has each of these faults at an address of its \
         own (`cargo run --example site` listens on http://127.0.0.1:8080 and names them on its first page; names end in \
         `.localhost`, which leads back to this machine). `tests/faults` runs the built program against it: for each fault \
         a run with three good pages beside it. In each of these runs the good pages are `ok` with their titles, every URL \
         has exactly one outcome, no URL is missing or surplus, `trawl verify` finds nothing, and memory stays below 200 MB, with \
         `http.max_body` and `limits.memory` as they are by default.\n\n\
         Written by `{CURE}`, and held against what happens by the same test without the variable; but for the last column, \
         which is what a debug build took on the machine that wrote it.\n"
    )
}

/// Puts a section into the page, or fails if it stands there otherwise.
fn replace(title: &str, text: &str) {
    let _writing = WRITING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let found = fs::read_to_string(PATH).unwrap_or_default();
    if std::env::var_os("TRAWL_UPDATE_DOCS").is_none() {
        let wanted = without_memory(text);
        let found = without_memory(&of(&found, title));
        assert!(
            found == wanted,
            "docs/faults.md is not what happens\ncure: {CURE}\n\n{found}\n\nis now\n\n{wanted}"
        );
        return;
    }
    let titles = list::SECTIONS.iter().map(|section| section.title).chain(["All at once"]);
    let mut page = beginning();
    for known in titles {
        let body = if known == title { text.to_owned() } else { of(&found, known) };
        let _ = write!(page, "\n## {known}\n\n{body}");
    }
    fs::write(PATH, page).expect("docs/faults.md can be written");
}

/// What stands in a section.
fn of(page: &str, title: &str) -> String {
    let heading = format!("\n## {title}\n\n");
    let Some(at) = page.find(&heading) else { return String::new() };
    let rest = &page[at + heading.len()..];
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

/// The same without the last column of its tables.
fn without_memory(text: &str) -> String {
    let cut = |line: &str| match line.strip_suffix('|').and_then(|line| line.rsplit_once('|')) {
        Some((rest, _)) => rest.to_owned(),
        None => line.to_owned(),
    };
    text.lines().map(|line| cut(line) + "\n").collect()
}

#[test]
fn only_the_memory_may_differ() {
    let row = |peak: &str, outcome: &str| without_memory(&format!("| a | `{outcome}` | {peak} |\n"));
    assert_eq!(row("60", "ok"), row("61", "ok"));
    assert_ne!(row("60", "ok"), row("60", "timeout"));
}

//! The rules of the house, held by reading the sources: floors, sizes, headers, doors, registries, words.
//!
//! A failing check says which rule is broken, where, and what to do about it. It refuses nothing that the
//! compiler or clippy already refuses.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms and their floors. A room imports from lower floors only; `lib.rs` and `main.rs` stand on top.
const FLOORS: &[(&str, u32)] = &[
    ("model", 0),
    ("buffers", 0),
    ("units", 0),
    ("kind", 0),
    ("secret", 0),
    ("crash", 0),
    ("inside", 0),
    ("store", 1),
    ("source", 2),
    ("frontier", 2),
    ("fetch", 2),
    ("parse", 2),
    ("sink", 2),
    ("export", 2),
    ("config", 3),
    ("pipeline", 4),
    ("run", 5),
    ("cli", 6),
];

/// Lines of a file before its `#[cfg(test)]`.
const MAX_FILE: usize = 400;
/// Lines of a `mod.rs` before its `#[cfg(test)]`.
const MAX_MOD: usize = 250;

/// Files that may hold `unsafe`, each one small module that says why.
const UNSAFE_ALLOWED: &[&str] = &[];

/// Names that say nothing about a duty.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helper", "helpers", "misc", "manager"];

/// Words that do not belong in the repository, in two halves so that this file passes its own check.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("TO", "DO", "write the change, or an entry in the tracker"),
    ("FIX", "ME", "mend it, or say in a sentence what is known to be wrong"),
    ("/ro", "ot/", "a path of one machine: use a temporary directory or a path relative to the config"),
    ("/wo", "rk/", "a path of one machine: use a temporary directory or a path relative to the config"),
    ("/fa", "rm/", "a path of one machine: use a temporary directory or a path relative to the config"),
    ("../sha", "red", "a path outside the repository: nobody who clones it has that"),
];

struct Source {
    /// Relative to the repository.
    path: PathBuf,
    text: String,
}

impl Source {
    fn name(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// Everything before the first `#[cfg(test)]` that stands at the start of a line.
    fn without_tests(&self) -> &str {
        self.text.split("\n#[cfg(test)]").next().unwrap_or_default()
    }

    /// The parts of the module's path below the crate: `["fetch", "http"]`.
    fn module(&self) -> Vec<String> {
        let mut parts: Vec<String> = self
            .path
            .with_extension("")
            .components()
            .skip(1)
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        if parts.last().is_some_and(|last| last == "mod") {
            parts.pop();
        }
        parts
    }

    fn is_top(&self) -> bool {
        matches!(self.module().first().map(String::as_str), Some("lib" | "main"))
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &str, endings: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    let mut open = vec![repository().join(dir)];
    while let Some(dir) = open.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries {
            let path = entry.expect("directory entry").path();
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if path.is_dir() {
                open.push(path);
            } else if endings.contains(&ending) {
                let text = fs::read_to_string(&path).expect("source is UTF-8 text");
                let path = path.strip_prefix(repository()).expect("below the repository").to_owned();
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn sources() -> Vec<Source> {
    let found = files("src", &["rs"]);
    assert!(found.len() > 10, "found only {} files in src", found.len());
    found
}

/// Code without comments and without what stands in string literals, line by line, so that words in
/// either are not taken for code. Good enough for code that went through rustfmt.
fn code(text: &str) -> Vec<(usize, String)> {
    text.lines()
        .enumerate()
        .map(|(number, line)| {
            let mut code = String::with_capacity(line.len());
            let mut chars = line.chars().peekable();
            let mut in_string = false;
            while let Some(c) = chars.next() {
                match c {
                    '\\' if in_string => drop(chars.next()),
                    '\'' if !in_string && chars.peek() == Some(&'"') => drop(chars.next()),
                    '"' => in_string = !in_string,
                    '/' if !in_string && chars.peek() == Some(&'/') => break,
                    c if !in_string => code.push(c),
                    _ => {}
                }
            }
            (number + 1, code)
        })
        .collect()
}

/// The identifiers that follow `prefix` in a line of code.
fn after<'a>(line: &'a str, prefix: &str) -> Vec<&'a str> {
    line.match_indices(prefix)
        .filter(|(at, _)| !line[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$'))
        .map(|(at, _)| {
            let rest = &line[at + prefix.len()..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            &rest[..end]
        })
        .collect()
}

fn floor(room: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

fn report(rule: &str, cure: &str, broken: &[String]) {
    assert!(broken.is_empty(), "\nrule: {rule}\ncure: {cure}\n  {}\n", broken.join("\n  "));
}

#[test]
fn every_room_has_a_floor() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !source.is_top()) {
        let room = source.module().first().cloned().unwrap_or_default();
        if floor(&room).is_none() {
            broken.push(format!("{}: room `{room}`", source.name()));
        }
    }
    report("every room stands on a floor", "add it to FLOORS here and to the map in `src/lib.rs`", &broken);
}

#[test]
fn imports_point_down() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !source.is_top()) {
        let module = source.module();
        let Some(own) = floor(&module[0]) else { continue };
        for (number, line) in code(&source.text) {
            for room in after(&line, "crate::") {
                let place = format!("{}:{number}: `crate::{room}`", source.name());
                match floor(room) {
                    _ if room == module[0] => {}
                    None => broken
                        .push(format!("{place} names no room; write one `use crate::room::Thing;` a room")),
                    Some(floor) if floor > own => {
                        broken.push(format!("{place} is {} floors up", floor - own));
                    }
                    Some(floor) if floor == own => broken.push(format!("{place} is on the same floor")),
                    Some(_) => {}
                }
            }
        }
    }
    report(
        "imports point down by floor; rooms of one floor never import each other",
        "move what both need to a lower floor, or let the floor above put the two together",
        &broken,
    );
}

#[test]
fn nobody_leaves_a_room_by_super() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !source.is_top()) {
        let depth = source.module().len();
        for (number, line) in code(source.without_tests()) {
            let supers = line.matches("super::").count();
            if line.contains(&"super::".repeat(depth)) && supers >= depth {
                broken.push(format!("{}:{number}: {}", source.name(), line.trim()));
            }
        }
    }
    report(
        "`super::` stays within a room",
        "write `crate::room::Thing`, so that the floor can be seen",
        &broken,
    );
}

#[test]
fn files_are_small() {
    let mut broken = Vec::new();
    for source in sources() {
        let lines = source.without_tests().lines().count();
        let max = if source.path.ends_with("mod.rs") { MAX_MOD } else { MAX_FILE };
        if lines > max {
            broken.push(format!("{}: {lines} lines before its tests, at most {max}", source.name()));
        }
    }
    report("a file fits in a head", "split it by meaning: name the part that has a duty of its own", &broken);
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut broken = Vec::new();
    for dir in ["src", "tests", "benches", "fuzz/src"] {
        for source in files(dir, &["rs"]) {
            let first = source.text.lines().next().unwrap_or_default();
            if !first.starts_with("//! ") || first.len() < 12 {
                broken.push(format!("{}: {first:?}", source.name()));
            }
        }
    }
    report(
        "every file opens with `//!`: what it is for and what it refuses to do",
        "write that sentence; if none comes to mind the file has no duty",
        &broken,
    );
}

#[test]
fn names_say_a_duty() {
    let mut broken = Vec::new();
    for source in sources() {
        for part in source.module().iter().filter(|part| EMPTY_NAMES.contains(&part.as_str())) {
            broken.push(format!("{}: `{part}`", source.name()));
        }
    }
    report("a module is named for its duty", "name what it does: `politeness`, not `host_utils`", &broken);
}

#[test]
fn features_are_chosen_at_the_door() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !source.is_top() && !source.path.ends_with("mod.rs")) {
        // Feature names are string literals, so the raw line is looked at.
        for (number, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if (code.contains("cfg(") || code.contains("cfg_attr(") || code.contains("cfg!("))
                && code.contains("feature")
            {
                broken.push(format!("{}:{}: {}", source.name(), number + 1, line.trim()));
            }
        }
    }
    report(
        "`cfg(feature)` stands in `lib.rs`, `main.rs` and registries (`mod.rs`) only",
        "put what the feature brings into a module of its own and choose it in the registry",
        &broken,
    );
}

#[test]
fn unsafe_stands_where_it_is_allowed() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !UNSAFE_ALLOWED.contains(&source.name().as_str())) {
        for (number, line) in code(&source.text) {
            if line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe") {
                broken.push(format!("{}:{number}: {}", source.name(), line.trim()));
            }
        }
    }
    report(
        "no `unsafe` outside UNSAFE_ALLOWED",
        "find a safe crate; else one small module with its reason, entered in UNSAFE_ALLOWED",
        &broken,
    );
}

#[test]
fn the_repository_speaks_of_the_product_alone() {
    let mut texts: Vec<Source> =
        ["src", "tests", "benches", "fuzz/src", "scripts", "docs", "examples", "contrib", ".github"]
            .iter()
            .flat_map(|dir| {
                files(
                    dir,
                    &["rs", "md", "toml", "sh", "py", "yml", "yaml", "html", "service", "timer", "crontab"],
                )
            })
            .collect();
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "Cargo.toml",
        "config.toml",
        "check",
    ] {
        if let Ok(text) = fs::read_to_string(repository().join(name)) {
            texts.push(Source { path: name.into(), text });
        }
    }
    let mut broken = Vec::new();
    for source in &texts {
        for (number, line) in source.text.lines().enumerate() {
            for (one, two, cure) in FORBIDDEN {
                let word = format!("{one}{two}");
                if line.contains(&word) {
                    broken.push(format!("{}:{}: `{word}`: {cure}", source.name(), number + 1));
                }
            }
        }
    }
    report("no left-over notes and no paths of one machine", "see each line", &broken);
}

/// The names that `type` may have in a `[[sources]]` or `[[sinks]]` table, from the schema of its settings.
fn kinds(schema: &schemars::Schema) -> BTreeSet<String> {
    let names: BTreeSet<String> = schema
        .get("oneOf")
        .and_then(serde_json::Value::as_array)
        .expect("a tagged enum has `oneOf`")
        .iter()
        .filter_map(|variant| variant.pointer("/properties/type/const")?.as_str())
        .map(str::to_owned)
        .collect();
    assert!(!names.is_empty(), "no kinds in {schema:?}");
    names
}

fn source_kinds() -> BTreeSet<String> {
    kinds(&schemars::schema_for!(trawl::source::Settings))
}

fn sink_kinds() -> BTreeSet<String> {
    kinds(&schemars::schema_for!(trawl::sink::Settings))
}

fn export_kinds() -> BTreeSet<String> {
    kinds(&schemars::schema_for!(trawl::export::Settings))
}

#[test]
fn registries_and_settings_agree() {
    let registered: BTreeSet<String> =
        trawl::source::SOURCES.iter().map(|kind| kind.name.to_owned()).collect();
    assert_eq!(
        registered,
        source_kinds(),
        "rule: SOURCES and `source::Settings` have the same names\ncure: add the missing line to either"
    );
    let registered: BTreeSet<String> =
        trawl::export::EXPORTS.iter().map(|kind| kind.name.to_owned()).collect();
    assert_eq!(
        registered,
        export_kinds(),
        "rule: EXPORTS and `export::Settings` have the same names\ncure: add the missing line to either"
    );
}

/// Held against README.md and an example config: what cannot be found there does not exist for a user.
#[test]
fn every_kind_is_in_the_readme_and_an_example() {
    let readme =
        fs::read_to_string(repository().join("README.md")).expect("there is a README.md at the root");
    let mut examples = fs::read_to_string(repository().join("config.toml")).unwrap_or_default();
    for dir in ["docs", "examples"] {
        for source in files(dir, &["md", "toml"]) {
            examples.push_str(&source.text);
        }
    }
    let mut broken = Vec::new();
    for (table, names) in [("sources", source_kinds()), ("sinks", sink_kinds()), ("exports", export_kinds())]
    {
        for name in names {
            if !readme.contains(&format!("`{name}`")) && !readme.contains(&format!("\"{name}\"")) {
                broken.push(format!("README.md does not mention `{name}` of [[{table}]]"));
            }
            if !examples.contains(&format!("type = \"{name}\"")) {
                broken.push(format!(
                    "no config.toml, examples/ or docs/ has `type = \"{name}\"` of [[{table}]]"
                ));
            }
        }
    }
    report(
        "every kind of source, sink and export is shown",
        "a line in the README, a table in an example",
        &broken,
    );
}

mod the_reader {
    use super::{after, code};

    #[test]
    fn comments_and_strings_are_not_code() {
        let only = |text: &str| code(text).remove(0).1;
        assert_eq!(only("let a = \"crate::b // c\"; // crate::d"), "let a = ; ");
        assert_eq!(only("/// crate::x"), "");
        assert_eq!(only("let q = '\"'; unsafe {}"), "let q = '; unsafe {}");
        assert_eq!(after("use crate::model::{a, b}; crate::store::x()", "crate::"), ["model", "store"]);
        assert_eq!(after("$crate::model", "crate::"), Vec::<&str>::new());
    }
}

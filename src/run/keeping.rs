//! A page kept as a test: fetched once, its body laid down beside the config, and a `[[tests]]` block with what the rules
//! find in it put at the end of the config. What stands in the config stays as it is, byte for byte; nothing is
//! written over.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

use super::extract::{self, ExtractError};
use crate::config::{Ends, Loaded, from_text};
use crate::model::{Ending, Fetched, Parsed};
use crate::pipeline::Preview;

/// Where pages are kept, beside the config.
const FOLDER: &str = "tests/pages";
/// Longest name that is made of a URL.
const LONGEST_NAME: usize = 60;
/// Names that are tried before it is given up.
const MAX_NAMES: usize = 1000;
/// A list that is longer stands with one entry a line.
const WIDEST: usize = 100;
/// Headers that a parse reads, but for the content type.
const HEADERS: [&str; 2] = ["content-language", "x-robots-tag"];

/// What is to be kept.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// A URL, or the path of a file.
    pub target: &'a str,
    /// What the test is to be called.
    pub name: Option<&'a str>,
    /// Whether robots.txt is left unasked.
    pub ignore_robots: bool,
    /// Overrides that the config was read with.
    pub sets: &'a [String],
}

/// What was kept.
#[derive(Debug)]
pub struct Kept {
    /// What the test is called.
    pub name: String,
    /// The file with the page, relative to the folder of the config.
    pub page: String,
    /// The URL, after redirects.
    pub url: String,
    /// Id of the rule that is for it.
    pub rule: Option<String>,
    /// Fields whose values TOML cannot say.
    pub left_out: Vec<String>,
}

/// Nothing was kept.
#[derive(Debug, Error)]
pub enum KeepError {
    /// It cannot be fetched at all.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// The name is taken.
    #[error(
        "there is already a test `{name}`\nhint: choose another `--name`, or take that one out of the config"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// There is no page to keep.
    #[error("{url} is no page to keep: {outcome}{reason}")]
    NoPage {
        /// The URL, after redirects.
        url: String,
        /// How it ended.
        outcome: &'static str,
        /// Why, behind a colon.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} `{path}`: {error}")]
    Io {
        /// `read`, `write`, `create`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The config would not hold with the block at its end.
    #[error(
        "a test cannot be put at the end of `{path}`: {why}\nhint: write your tests as [[tests]] blocks; this one is\n{block}"
    )]
    Block {
        /// The config.
        path: PathBuf,
        /// What is wrong with it then.
        why: String,
        /// What was to be put there.
        block: String,
    },
}

/// Fetches a page and keeps it as a test.
pub fn keep(loaded: &Loaded, ask: &Ask<'_>) -> Result<Kept, KeepError> {
    let taken = |name: &str| loaded.config.tests.iter().any(|test| test.name == name);
    if let Some(name) = ask.name.filter(|name| taken(name) || name.trim().is_empty()) {
        return Err(KeepError::Name { name: name.to_owned() });
    }
    let extract =
        extract::Ask { target: ask.target, rule: None, source: None, ignore_robots: ask.ignore_robots };
    let preview = extract::preview(&loaded.config, &|key| loaded.place_of(key), &extract)?;
    let Ending { outcome, reason, .. } = &preview.visit.ending;
    let url = preview.visit.request.url.to_string();
    let (Some(parsed), Some(ends), Some(fetched)) =
        (&preview.parsed, Ends::of(*outcome), &preview.visit.fetched)
    else {
        let reason = reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        return Err(KeepError::NoPage { url, outcome: outcome.name(), reason });
    };
    let folder = loaded.path.parent().unwrap_or(Path::new("."));
    let ending = extension(fetched, parsed);
    let slug = slug(ask.name.unwrap_or(&url));
    let mut names = (1..MAX_NAMES).map(|n| if n == 1 { slug.clone() } else { format!("{slug}-{n}") });
    let file = |name: &str| format!("{FOLDER}/{name}.{ending}");
    let is_free = |name: &String| (ask.name.is_some() || !taken(name)) && !folder.join(file(name)).exists();
    let stem = names.find(is_free).unwrap_or(slug);
    let (name, page) = (ask.name.unwrap_or(&stem).to_owned(), file(&stem));
    let mut block = Block::new(&name, &page, &url);
    block.page(fetched, ends, &preview, parsed);
    let Block { text, left_out } = block;
    let text = appended(loaded, ask, &text)?;
    lay_down(&folder.join(&page), &preview.body)?;
    append(&loaded.path, &text)?;
    Ok(Kept { name, page, url, rule: preview.rule().map(str::to_owned), left_out })
}

/// A name that is a file name anywhere, of a URL or another text.
fn slug(text: &str) -> String {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let mut slug = String::new();
    for character in text.chars().take(LONGEST_NAME * 2) {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(LONGEST_NAME);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "page".to_owned() } else { slug.to_owned() }
}

/// For somebody who opens the file; what a page is, its test says.
fn extension(fetched: &Fetched, parsed: &Parsed) -> &'static str {
    let declared = fetched.declared_mime();
    match parsed.mime_detected.or(declared.as_deref()).unwrap_or_default() {
        "text/html" | "application/xhtml+xml" => "html",
        mime if mime.ends_with("json") => "json",
        mime if mime.ends_with("xml") => "xml",
        mime if mime.starts_with("text/") => "txt",
        _ => "bin",
    }
}

/// A `[[tests]]` block as it grows.
struct Block {
    text: String,
    left_out: Vec<String>,
}

impl Block {
    fn new(name: &str, page: &str, url: &str) -> Self {
        let mut block = Self { text: "[[tests]]\n".to_owned(), left_out: Vec::new() };
        for (key, value) in [("name", name), ("page", page), ("url", url)] {
            block.line(key, &value.into());
        }
        block
    }

    fn line(&mut self, key: &str, value: &Value) {
        match toml(value) {
            Some(value) => _ = writeln!(self.text, "{} = {value}", bare(key)),
            None => self.left_out.push(key.to_owned()),
        }
    }

    /// What came with the page, and what was found in it.
    fn page(&mut self, fetched: &Fetched, ends: Ends, preview: &Preview, parsed: &Parsed) {
        if let Some(value) = fetched.header("content-type") {
            self.line("content_type", &value.into());
        }
        let headers = HEADERS.iter().filter_map(|name| Some((*name, fetched.header(name)?)));
        let headers: serde_json::Map<String, Value> =
            headers.map(|(name, value)| (name.to_owned(), value.into())).collect();
        if !headers.is_empty() {
            self.line("headers", &headers.into());
        }
        let request = &preview.visit.request;
        self.line("source", &(&*request.source).into());
        if let Some(rule) = preview.rule() {
            self.line("rule", &rule.into());
        }
        if ends != Ends::Ok {
            self.line("outcome", &ends.outcome().name().into());
        }
        if let Some(title) = &parsed.title {
            self.line("title", &title.as_str().into());
        }
        let Some(extracted) = &parsed.extracted else { return };
        let (nulls, values): (Vec<_>, Vec<_>) =
            extracted.fields.iter().partition(|(_, value)| value.is_null());
        if !nulls.is_empty() {
            self.line(
                "null",
                &nulls.into_iter().map(|(name, _)| Value::from(&**name)).collect::<Vec<_>>().into(),
            );
        }
        if !values.is_empty() {
            self.text.push_str("\n[tests.expect]\n");
        }
        for (name, value) in values {
            self.line(name, value);
        }
    }
}

/// A value as TOML; none where TOML has no words for it. A null in an object is left out, which means the same.
fn toml(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.to_string(),
            // Numbers of TOML that are not whole are those of Rust's debug form.
            (None, Some(float)) if !number.is_u64() => format!("{float:?}"),
            _ => return None,
        },
        Value::String(text) => quoted(text),
        Value::Array(list) => {
            let list: Vec<String> = list.iter().map(toml).collect::<Option<_>>()?;
            if list.iter().map(String::len).sum::<usize>() > WIDEST {
                format!("[\n  {},\n]", list.join(",\n  "))
            } else {
                format!("[{}]", list.join(", "))
            }
        }
        Value::Object(map) => {
            let there = map.iter().filter(|(_, value)| !value.is_null());
            let pairs: Vec<String> = there
                .map(|(key, value)| Some(format!("{} = {}", bare(key), toml(value)?)))
                .collect::<Option<_>>()?;
            if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
        }
    })
}

fn bare(key: &str) -> String {
    let is_bare =
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if is_bare { key.to_owned() } else { quoted(key) }
}

/// A basic string of TOML. What would hide or turn text in an editor is spelled out.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}' => _ = write!(quoted, "\\u{:04X}", u32::from(character)),
            _ if character.is_control() => _ = write!(quoted, "\\u{:04X}", u32::from(character)),
            _ => quoted.push(character),
        }
    }
    quoted + "\""
}

/// What has to be put at the end of the config for the block to be in it, held against the config's own check.
fn appended(loaded: &Loaded, ask: &Ask<'_>, block: &str) -> Result<String, KeepError> {
    let path = &loaded.path;
    let before = fs::read_to_string(path).map_err(|error| KeepError::Io {
        action: "read",
        path: path.clone(),
        error,
    })?;
    let gap = if before.ends_with('\n') { "\n" } else { "\n\n" };
    let mut text = format!("{gap}{block}");
    if before.contains("\r\n") {
        text = text.replace('\n', "\r\n");
    }
    let whole = format!("{}{text}", before.strip_prefix('\u{feff}').unwrap_or(&before));
    match from_text(&path.display().to_string(), path, &whole, ask.sets) {
        Ok(_) => Ok(text),
        Err(errors) => {
            let why = errors.problems.first().map_or(errors.headline, |problem| problem.what.clone());
            Err(KeepError::Block { path: path.clone(), why, block: block.to_owned() })
        }
    }
}

/// Writes the page; a file that is there already is somebody's.
fn lay_down(path: &Path, body: &[u8]) -> Result<(), KeepError> {
    let fault = |error| KeepError::Io { action: "create", path: path.to_owned(), error };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(fault)?;
    }
    let mut file = File::create_new(path).map_err(fault)?;
    let written = file.write_all(body).and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half a page proves nothing.
        let _ = fs::remove_file(path);
        KeepError::Io { action: "write", path: path.to_owned(), error }
    })
}

/// Puts the text at the end of the config. If the disk has no room for all of it, it has none of it.
fn append(path: &Path, text: &str) -> Result<(), KeepError> {
    let fault = |error| KeepError::Io { action: "write", path: path.to_owned(), error };
    let mut file = OpenOptions::new().append(true).open(path).map_err(fault)?;
    let length = file.metadata().map_err(fault)?.len();
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
        let undone = file.set_len(length);
        let error = if undone.is_ok() { error } else { io::Error::new(ErrorKind::WriteZero, error) };
        KeepError::Io { action: "write", path: path.to_owned(), error }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn names_come_from_urls() {
        assert_eq!(slug("https://Example.org:81/a/b?c=%20d#"), "example-org-81-a-b-c-20d");
        assert_eq!(slug("../../x y"), "x-y");
        assert_eq!(slug("ä"), "page");
        assert!(slug(&"a/".repeat(500)).len() <= LONGEST_NAME);
    }

    #[test]
    fn what_toml_cannot_say_is_nothing() {
        assert_eq!(toml(&json!([1, null])), None);
        assert_eq!(toml(&json!({ "a": u64::MAX })), None);
        assert_eq!(toml(&json!({ "a b": null, "c": [{}] })).as_deref(), Some("{ c = [{}] }"));
        assert_eq!(toml(&json!("\u{202e}a\u{7}\"")).as_deref(), Some(r#""\u202Ea\u0007\"""#));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            prop::num::f64::NORMAL.prop_map(Value::from),
            "\\PC{0,40}|[\\x00-\\x20\"\\\\'=\\[\\]]{0,9}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("\\PC{0,3}", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_toml_says_reads_back_as_the_same(value in any_value(), key in "\\PC{0,5}") {
            let text = format!("{} = {}\n", bare(&key), toml(&value).expect("TOML"));
            let table: serde_json::Map<String, Value> = toml::from_str(&text).expect("reads back");
            prop_assert_eq!(&table[&key], &value, "{}", text);
        }
    }
}

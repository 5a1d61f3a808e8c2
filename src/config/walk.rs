//! One walk over the tree of a config, led by the schema: finds every unknown key, wrong type, bad value
//! and missing key, remembers where each key stands, and makes paths absolute. What is wrong is cut out
//! of the tree, so that the rest can still be judged. Knows nothing of what the keys mean.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{ENOUGH, Problem};
use super::shape::{Shape, example, expected, follow, listed, shape, type_of};
use super::suggest;
use super::text::{Texts, shown};
use crate::kind::nearest;
use crate::units::{Size, Time};

/// A value of the tree with its place.
pub type Node<'i> = Spanned<DeValue<'i>>;

/// Where a key and its value stand.
#[derive(Clone, Debug)]
pub struct At {
    /// The key; the value itself for an entry of a list.
    pub key: Range<usize>,
    /// The value.
    pub value: Range<usize>,
}

/// Where every key of a config stands, by its full name: `sources[0].urls[2]`.
#[derive(Clone, Debug, Default)]
pub struct Places(BTreeMap<String, At>);

impl Places {
    /// Where a key stands, or the nearest table or list around it.
    pub fn locate(&self, name: &str) -> Option<&At> {
        self.0.get(name).or_else(|| {
            let (around, _) = name.rsplit_once(['.', '['])?;
            self.locate(around)
        })
    }
}

/// Whether a value stays in the tree.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Keep,
    Cut,
}

/// The walk and what it has found.
pub struct Walk<'a> {
    schema: &'a Json,
    texts: &'a Texts,
    /// The folder against which paths of the file resolve.
    folder: &'a Path,
    /// Where each key stands.
    pub places: Places,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    /// A walk that has not begun.
    pub fn new(schema: &'a Json, texts: &'a Texts, folder: &'a Path) -> Self {
        Self { schema, texts, folder, places: Places::default(), problems: Vec::new() }
    }

    /// Walks the whole tree.
    pub fn run(&mut self, tree: &mut DeTable<'_>) {
        self.table(self.schema, "", tree, &(0..0));
    }

    fn report(&mut self, span: &Range<usize>, what: String, hint: Option<String>) -> Verdict {
        if self.problems.len() < ENOUGH {
            self.problems.push(Problem::new(self.texts, span, what, hint));
        }
        Verdict::Cut
    }

    fn value(&mut self, schema: &Json, name: &str, value: &mut Node<'_>) -> Verdict {
        let span = value.span();
        match shape(self.schema, schema) {
            Shape::Words(words) => self.word(&words, schema, name, value),
            Shape::Tagged(variants) => self.tagged(&variants, schema, name, value),
            Shape::Any(variants) => match best(&variants, value.get_ref()) {
                Some(variant) => self.value(variant, name, value),
                None => self.wrong_type(schema, name, value),
            },
            Shape::One(one) if one["format"] == "any-value" && is_plain(value.get_ref()) => Verdict::Keep,
            Shape::One(one) if one["format"] == "any-json" && is_json(value.get_ref()) => Verdict::Keep,
            Shape::One(one) => match (type_of(one), value.get_mut()) {
                ("object", DeValue::Table(table)) => self.table(one, name, table, &span),
                ("array", DeValue::Array(list)) => self.list(one, name, list, &span),
                ("string", DeValue::String(text)) => self.text(one, name, text, &span),
                ("integer", DeValue::Integer(number)) => {
                    let number = i128::from_str_radix(number.as_str(), number.radix()).ok();
                    self.number(one, name, number, &span)
                }
                ("number", DeValue::Float(number)) if is_amount(number.as_str()) => Verdict::Keep,
                ("number", DeValue::Integer(number)) if is_amount(number.as_str()) => Verdict::Keep,
                ("boolean", DeValue::Boolean(_)) => Verdict::Keep,
                _ => self.wrong_type(schema, name, value),
            },
        }
    }

    fn table(&mut self, schema: &Json, name: &str, table: &mut DeTable<'_>, span: &Range<usize>) -> Verdict {
        let mut bad: Vec<String> = Vec::new();
        let mut verdict = Verdict::Keep;
        for (key, value) in table.iter_mut() {
            let full = join(name, key.get_ref());
            self.places.0.insert(full.clone(), At { key: key.span(), value: value.span() });
            let known = &schema["properties"][key.get_ref().as_ref()];
            let wanted = if known.is_null() { &schema["additionalProperties"] } else { known };
            let verdict = if wanted.is_object() {
                self.value(wanted, &full, value)
            } else if self.problems.len() >= ENOUGH {
                Verdict::Cut
            } else {
                let (what, hint) = suggest::unknown_key(self.schema, schema, name, key.get_ref());
                self.report(&key.span(), what, hint)
            };
            if verdict == Verdict::Cut {
                bad.push(key.get_ref().to_string());
            }
        }
        for key in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            if bad.iter().any(|bad| bad == key) {
                verdict = Verdict::Cut;
            } else if !table.contains_key(key) {
                verdict = Verdict::Cut;
                let wanted = &schema["properties"][key];
                let about = wanted["description"].as_str().unwrap_or("decides the kind");
                let about = about.lines().next().unwrap_or_default().trim_end_matches('.');
                let written = match example(self.schema, wanted) {
                    table if name.is_empty() && table.starts_with('{') => format!("[{key}]"),
                    list if name.is_empty() && list.starts_with("[{") => format!("[[{key}]]"),
                    value => format!("{key} = {value}"),
                };
                let hint = format!("add `{written}`: {about}");
                self.report(span, format!("`{key}` is missing{}", within(name)), Some(hint));
            }
        }
        for key in bad {
            table.remove(key.as_str());
        }
        verdict
    }

    fn list(&mut self, schema: &Json, name: &str, list: &mut [Node<'_>], span: &Range<usize>) -> Verdict {
        if (list.len() as u64) < schema["minItems"].as_u64().unwrap_or(0) {
            let what = format!("`{name}` is empty, but at least one is needed");
            let one = match example(self.schema, &schema["items"]) {
                table if table.starts_with('{') && !name.contains(['.', '[']) => format!("[[{name}]]"),
                value => value,
            };
            let hint = Some(format!("add one: `{one}`"));
            return self.report(span, what, hint);
        }
        let mut verdict = Verdict::Keep;
        let inner = match schema["format"].as_str() {
            // The format of a list of paths stands at the list.
            Some("paths") => &serde_json::json!({ "type": "string", "format": "path" }),
            _ => &schema["items"],
        };
        for (index, value) in list.iter_mut().enumerate() {
            let full = format!("{name}[{index}]");
            self.places.0.insert(full.clone(), At { key: value.span(), value: value.span() });
            if self.value(inner, &full, value) == Verdict::Cut {
                // A list without one of its entries would number the others anew.
                verdict = Verdict::Cut;
            }
        }
        verdict
    }

    fn text(&mut self, schema: &Json, name: &str, text: &mut Cow<'_, str>, span: &Range<usize>) -> Verdict {
        let wrong = match schema["format"].as_str() {
            Some("duration-units") => text.parse::<Time>().err(),
            Some("size-units") => text.parse::<Size>().err(),
            Some("path" | "path-or-stdin") if text.is_empty() => Some("an empty path".to_owned()),
            Some("path-or-stdin") if text == "-" => None,
            Some("path" | "path-or-stdin") => {
                *text = Cow::Owned(absolute(self.folder, text));
                None
            }
            _ => None,
        };
        match wrong {
            Some(wrong) => self.report(span, format!("`{name}`: {wrong}"), None),
            None => Verdict::Keep,
        }
    }

    fn number(&mut self, schema: &Json, name: &str, number: Option<i128>, span: &Range<usize>) -> Verdict {
        let most = match schema["format"].as_str() {
            Some("uint16") => i128::from(u16::MAX),
            Some("uint32") => i128::from(u32::MAX),
            // TOML itself ends here.
            _ => i128::from(i64::MAX),
        };
        let least = schema["minimum"].as_i64().map_or(i128::MIN, i128::from);
        let what = match number {
            Some(number) if schema["const"].as_i64().is_some_and(|only| i128::from(only) != number) => {
                let only = &schema["const"];
                let what = format!("`{name}` is {number}, but this version of trawl reads {only}");
                let hint =
                    format!("write {only} and see `trawl validate`, or take the version that reads {number}");
                return self.report(span, what, Some(hint));
            }
            Some(number) if number < least => {
                format!("`{name}` must be {}, not {number}", expected(self.schema, schema))
            }
            Some(number) if number <= most => return Verdict::Keep,
            _ => format!("`{name}` must be at most {most}"),
        };
        self.report(span, what, None)
    }

    fn word(&mut self, words: &[&str], schema: &Json, name: &str, value: &Node<'_>) -> Verdict {
        let DeValue::String(text) = value.get_ref() else { return self.wrong_type(schema, name, value) };
        if words.contains(&text.as_ref()) {
            return Verdict::Keep;
        }
        let hint = nearest(text, words.iter().copied()).map(|word| format!("did you mean `{word}`?"));
        let what =
            format!("`{name}` must be one of {}, not `{}`", listed(words.iter().copied()), shown(text));
        self.report(&value.span(), what, hint)
    }

    /// A table whose `type` decides what else it holds.
    fn tagged(
        &mut self,
        variants: &[(&str, &Json)],
        schema: &Json,
        name: &str,
        value: &mut Node<'_>,
    ) -> Verdict {
        let span = value.span();
        let DeValue::Table(table) = value.get_mut() else { return self.wrong_type(schema, name, value) };
        let tags = variants.iter().map(|(tag, _)| *tag);
        let Some(tag) = table.get("type") else {
            let hint = format!("add `type = \"...\"`, one of {}", listed(tags));
            return self.report(&span, format!("`type` is missing{}", within(name)), Some(hint));
        };
        let wanted = tag.get_ref().as_str();
        if let Some((_, variant)) = variants.iter().find(|(tag, _)| Some(*tag) == wanted) {
            return self.table(variant, name, table, &span);
        }
        let found = wanted.map_or_else(|| found(tag.get_ref()), |text| format!("`{}`", shown(text)));
        let hint =
            nearest(wanted.unwrap_or_default(), tags.clone()).map(|tag| format!("did you mean `{tag}`?"));
        let what = format!("`{}` must be one of {}, not {found}", join(name, "type"), listed(tags));
        let span = tag.span();
        self.report(&span, what, hint)
    }

    fn wrong_type(&mut self, schema: &Json, name: &str, value: &Node<'_>) -> Verdict {
        let wanted = expected(self.schema, schema);
        let what = format!("`{name}` must be {wanted}, not {}", found(value.get_ref()));
        let key = name.rsplit_once('.').map_or(name, |(_, key)| key);
        let hint = rewritten(follow(self.schema, schema), value.get_ref())
            .unwrap_or_else(|| example(self.schema, schema));
        let hint = if name.ends_with(']') { hint } else { format!("{key} = {hint}") };
        self.report(&value.span(), what, Some(format!("for example `{hint}`")))
    }
}

/// What was probably meant, where the value only has the wrong quotes, unit or brackets.
fn rewritten(schema: &Json, value: &DeValue<'_>) -> Option<String> {
    match (type_of(schema), schema["format"].as_str(), value) {
        (_, Some("duration-units"), DeValue::Integer(number)) => Some(format!("\"{number}s\"")),
        ("integer", _, DeValue::String(text)) => Some(text.parse::<u64>().ok()?.to_string()),
        ("boolean", _, DeValue::String(text)) => Some(text.parse::<bool>().ok()?.to_string()),
        (_, Some("any-json"), DeValue::Datetime(moment)) => Some(format!("\"{moment}\"")),
        ("string", None, DeValue::Integer(number)) => Some(format!("\"{number}\"")),
        ("array", _, DeValue::String(text)) => Some(format!("[\"{}\"]", shown(text))),
        _ => None,
    }
}

/// Whether a number, whole or not, is finite and not below zero.
fn is_amount(number: &str) -> bool {
    number.parse::<f64>().is_ok_and(|number| number.is_finite() && number >= 0.0)
}

/// Whether a value is neither a table nor a date of TOML, and holds none: what JSON knows, too.
fn is_plain(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Boolean(_) => true,
        DeValue::Float(number) => number.as_str().parse::<f64>().is_ok_and(f64::is_finite),
        DeValue::Array(list) => list.iter().all(|value| is_plain(value.get_ref())),
        DeValue::Datetime(_) | DeValue::Table(_) => false,
    }
}

/// The same, tables among it.
fn is_json(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Table(table) => table.iter().all(|(_, value)| is_json(value.get_ref())),
        DeValue::Array(list) => list.iter().all(|value| is_json(value.get_ref())),
        value => is_plain(value),
    }
}

/// What a value is, in words.
fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{}\"", shown(text)),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(value) => format!("`{value}`"),
        DeValue::Datetime(moment) => format!("the date {moment}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// The variant that a value was most likely written for: the same type and, for tables, shared keys.
fn best<'s>(variants: &[&'s Json], value: &DeValue<'_>) -> Option<&'s Json> {
    let wanted = match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Boolean(_) => "boolean",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
        DeValue::Float(_) | DeValue::Datetime(_) => return None,
    };
    let mut fitting = variants.iter().copied().filter(|variant| type_of(variant) == wanted);
    match value {
        DeValue::Table(table) => fitting
            .find(|variant| table.keys().any(|key| !variant["properties"][key.get_ref().as_ref()].is_null())),
        _ => fitting.next(),
    }
}

/// A path of the file as an absolute one, without `.` in it.
fn absolute(folder: &Path, path: &str) -> String {
    let whole = folder.join(path);
    let whole: PathBuf = whole.components().filter(|part| *part != Component::CurDir).collect();
    // The folder came from the command line and may not be UTF-8; TOML text always is.
    whole.to_string_lossy().into_owned()
}

/// The full name of a key in a table.
pub fn join(table: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    let key = if bare { Cow::Borrowed(key) } else { Cow::Owned(format!("\"{}\"", shown(key))) };
    if table.is_empty() { key.into_owned() } else { format!("{table}.{key}") }
}

/// ` in [table]`, as the file would write it.
pub fn within(table: &str) -> String {
    match table.split_once('[') {
        _ if table.is_empty() => String::new(),
        Some((list, _)) if table.ends_with(']') => format!(" in [[{list}]]"),
        _ => format!(" in [{table}]"),
    }
}

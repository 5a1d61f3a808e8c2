//! The `[[tests]]` tables: pages that were kept, and what the rules of the job are to find in them. What in them cannot
//! be is found here; no page is read, and whether it is there is not asked: a job crawls without its tests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Config;
use super::shape::listed;
use super::text::shown;
use super::walk::join;
use crate::fetch;
use crate::kind::nearest;
use crate::model::Outcome;
use crate::parse::{FieldSettings, RuleSettings};
use crate::source;

/// One `[[tests]]` table: a page that was kept, and what the rules are to find in it. `trawl test` holds them to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// What the test is called; no other one is called so.
    pub name: String,
    /// The file that holds the page as it came, unpacked.
    #[schemars(extend("format" = "path"))]
    pub page: PathBuf,
    /// The URL that the page was fetched from, after redirects: it decides which rule is for it.
    pub url: String,
    /// The `Content-Type` that it came with.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Further headers that it came with: `content-language` and `x-robots-tag` count.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Id of the source that led to the page; without it, the first one.
    #[serde(default)]
    pub source: Option<String>,
    /// Id of the rule that is to be for the page; without it, any rule or none.
    #[serde(default)]
    pub rule: Option<String>,
    /// How the page is to end by its rule.
    #[serde(default)]
    pub outcome: Ends,
    /// The title that the record is to have.
    #[serde(default)]
    pub title: Option<String>,
    /// Fields that are to be null, which TOML cannot say.
    #[serde(default)]
    pub null: Vec<String>,
    /// Addresses that are to be found: links of the page and those of the rule's `links`.
    #[serde(default)]
    pub links: Option<Links>,
    /// Fields and their values. A list is compared whole; so is an object in one, where a key that is left out is
    /// null. A field that is left out may have any value.
    #[serde(default)]
    #[schemars(schema_with = "values")]
    pub expect: IndexMap<String, Value>,
}

/// Addresses that are to be found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Links {
    /// All of these, among others.
    pub contains: Vec<String>,
    /// These and no others, each as often and in the order in which the page has them.
    pub exactly: Option<Vec<String>>,
}

/// How a page ends by its rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ends {
    /// It has a record.
    #[default]
    Ok,
    /// Its rule gives no records.
    Listed,
    /// A required field has no value.
    Rejected,
}

impl Ends {
    /// The outcome.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Ok => Outcome::Ok,
            Self::Listed => Outcome::Listed,
            Self::Rejected => Outcome::Rejected,
        }
    }

    /// The end that an outcome stands for; none for one that no page of a test can have.
    pub fn of(outcome: Outcome) -> Option<Self> {
        [Self::Ok, Self::Listed, Self::Rejected].into_iter().find(|end| end.outcome() == outcome)
    }
}

/// A table of values of any type; `format` tells the check of a config.
fn values(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "additionalProperties": { "format": "any-json" } })
}

/// What is wrong, by the full names of the keys, each maybe with what to do about it.
pub fn wrongs(config: &Config) -> Vec<crate::parse::Wrong> {
    let normalize = config.scope.normalize.build();
    let mut found = Vec::new();
    for (index, test) in config.tests.iter().enumerate() {
        let mut wrong = |key: &str, what: String, hint: Option<String>| {
            found.push((format!("tests[{index}].{key}"), what, hint));
        };
        let name = shown(&test.name);
        if test.name.trim().is_empty() {
            wrong("name", "`name` is empty".to_owned(), None);
        } else if let Some(first) = config.tests[..index].iter().position(|other| other.name == test.name) {
            let hint = Some("give each a name of its own".to_owned());
            wrong("name", format!("`{name}` is already the name of tests[{first}]"), hint);
        }
        if !test.url.starts_with("file:///")
            && let Err(error) = normalize.canonical(&test.url, None)
        {
            let hint = "write the URL that the page was fetched from";
            wrong("url", format!("`{}`: {error}", shown(&test.url)), Some(hint.to_owned()));
        }
        if test.content_type.as_deref().is_some_and(|value| http::HeaderValue::from_str(value).is_err()) {
            wrong(
                "content_type",
                "`content_type` holds a character that no header may have".to_owned(),
                None,
            );
        }
        for (header, value) in &test.headers {
            let key = join("headers", header);
            if http::HeaderName::try_from(header).is_err() {
                wrong(&key, format!("`{}` is no name of a header", shown(header)), None);
            } else if http::HeaderValue::from_str(value).is_err() {
                wrong(&key, format!("`{key}` holds a character that no header may have"), None);
            } else if let Some(why) = misplaced(header) {
                wrong(&key, format!("`{}` {why}", shown(header)), None);
            }
        }
        for (key, id, known) in [
            ("source", &test.source, config.sources.iter().map(source::Settings::id).collect::<Vec<_>>()),
            ("rule", &test.rule, config.extract.iter().map(|rule| rule.id.as_str()).collect()),
        ] {
            let Some(id) = id.as_deref().filter(|id| !known.contains(id)) else { continue };
            let near = nearest(id, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            let hint = near.or_else(|| (!known.is_empty()).then(|| format!("there are {}", listed(known))));
            wrong(key, format!("there is no {key} `{}`", shown(id)), hint);
        }
        for (key, what, hint) in fields(test, &config.extract) {
            wrong(&key, what, hint);
        }
    }
    found
}

/// Why a header does not stand in the table.
fn misplaced(header: &str) -> Option<&'static str> {
    match header.to_ascii_lowercase().as_str() {
        "content-type" => Some("has a key of its own: `content_type`"),
        "content-encoding" | "transfer-encoding" => Some("has no place here: the page is kept unpacked"),
        name if fetch::is_credential(&http::HeaderName::try_from(name).ok()?) => {
            Some("would keep a credential in the config; no rule reads it")
        }
        _ => None,
    }
}

/// Fields that no rule has which could be for the page.
fn fields(test: &Test, rules: &[RuleSettings]) -> Vec<crate::parse::Wrong> {
    let named = |rule: &&RuleSettings| test.rule.as_ref().is_none_or(|id| *id == rule.id);
    let tables: Vec<&IndexMap<String, FieldSettings>> =
        rules.iter().filter(named).map(|rule| &rule.fields).collect();
    // A rule that is not there is a problem by itself.
    if tables.is_empty() && test.rule.is_some() {
        return Vec::new();
    }
    let whose = test
        .rule
        .as_ref()
        .map_or("no rule has".to_owned(), |id| format!("the rule `{}` does not have", shown(id)));
    let mut found = Vec::new();
    for (index, name) in test.null.iter().enumerate() {
        if test.expect.contains_key(name) {
            let what = format!("`{}` is to be null and has a value in `expect`", shown(name));
            found.push((format!("null[{index}]"), what, None));
        }
        unknown(&tables, &whose, &format!("null[{index}]"), "", name, &mut found);
    }
    for (name, value) in &test.expect {
        let key = join("expect", name);
        if unknown(&tables, &whose, &key, "", name, &mut found) {
            continue;
        }
        within(&tables, &whose, &key, name, value, &mut found);
    }
    found
}

/// The keys of the objects of a list.
fn within(
    tables: &[&IndexMap<String, FieldSettings>],
    whose: &str,
    key: &str,
    name: &str,
    value: &Value,
    found: &mut Vec<crate::parse::Wrong>,
) {
    let last = name.rsplit('.').next().unwrap_or(name);
    let inner: Vec<_> = tables
        .iter()
        .filter_map(|table| table.get(last))
        .map(|field| &field.fields)
        .filter(|fields| !fields.is_empty())
        .collect();
    if inner.is_empty() {
        return;
    }
    for object in value.as_array().into_iter().flatten().filter_map(Value::as_object) {
        for (inner_name, value) in object {
            if !unknown(&inner, whose, key, &format!("{name}."), inner_name, found) {
                within(&inner, whose, key, &format!("{name}.{inner_name}"), value, found);
            }
        }
    }
}

/// Notes a field that is in none of the tables.
fn unknown(
    tables: &[&IndexMap<String, FieldSettings>],
    whose: &str,
    key: &str,
    around: &str,
    name: &str,
    found: &mut Vec<crate::parse::Wrong>,
) -> bool {
    if tables.iter().any(|table| table.contains_key(name)) {
        return false;
    }
    let known = || tables.iter().flat_map(|table| table.keys()).map(String::as_str);
    let hint = match nearest(name, known()) {
        Some(near) => Some(format!("did you mean `{around}{near}`?")),
        None if known().next().is_some() => Some(format!("there are {}", listed(known()))),
        None => None,
    };
    let wrong = (key.to_owned(), format!("{whose} a field `{}{}`", shown(around), shown(name)), hint);
    if !found.contains(&wrong) {
        found.push(wrong);
    }
    true
}

//! Carries out the rule of a page: finds its fields and turns them into values. Never fails: what is no value of its
//! type is null or its default, and what costs too much is given up; a warning says so.

use std::borrow::Cow;
use std::ops::ControlFlow;

use indexmap::IndexMap;
use regex::Regex;
use scraper::ElementRef;
use serde_json::{Map, Value};

use super::content::{self, Content};
use super::css::{self, Dom, Empty, Place, Purse};
use super::json;
use super::material::{Body, Sources};
use super::rules::{By, Field, Find, Rule, Stands, Take, What};
use super::value::{Meaning, Raw, shown_text};
use crate::model::{Ending, Extracted, Link, Outcome, Parsed, address};

/// Why a field was given up.
const TOO_MUCH: &str = "given up, because the page is too large or too deep for it";
/// The links of a rule among its fields; no field can have that name.
const LINKS: &str = "[links]";
/// What an entry of a list or an object takes beside its text, in bytes.
const ENTRY_BYTES: usize = 64;

/// What one field came to, for somebody who writes a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The field: `title`, or `items.price` for all objects of the list together.
    pub field: String,
    /// The selector or path.
    pub find: String,
    /// How many elements or values it found.
    pub found: usize,
    /// The value; of a field of many objects the first.
    pub value: Value,
    /// What went wrong.
    pub trouble: Option<String>,
    /// How often something did.
    pub troubles: usize,
}

/// Carries out a rule; `parsed` gets the fields, the links and the warnings.
pub fn read(rule: &Rule, body: &Body<'_>, parsed: &mut Parsed) -> Vec<Trace> {
    let sources = Sources::of(rule, body, parsed);
    let mut reading = Reading { sources: &sources, body, purse: Purse::default(), traces: IndexMap::new() };
    let around = sources.dom.as_ref().and_then(Dom::root).map_or(Around::Page, Around::Element);
    if let Some(find) = &rule.links {
        reading.links(find, around, parsed);
    }
    let mut ending = (!rule.emit).then(|| {
        let reason = format!("rule `{}` gives its pages no record", rule.id);
        Ending { rule: Some(rule.place.clone()), ..Ending::because(Outcome::Listed, reason) }
    });
    let mut fields = Map::new();
    for field in &rule.fields {
        let value = reading.field(field, around);
        if field.required && value.is_none() && ending.is_none() {
            let why = reading.traces.get(&field.path).and_then(|trace| trace.trouble.as_ref());
            let why = why.map_or(String::new(), |why| format!(": {why}"));
            let reason = format!("rule `{}`: the required field `{}` has no value{why}", rule.id, field.path);
            let rejected = Ending::because(Outcome::Rejected, reason);
            ending = Some(Ending { rule: Some(field.place.clone()), ..rejected });
        }
        fields.insert(field.name.clone(), value.unwrap_or_else(|| nothing(field)));
    }
    for trace in reading.traces.values() {
        let Some(trouble) = &trace.trouble else { continue };
        let more = if trace.troubles > 1 { format!(" ({} more)", trace.troubles - 1) } else { String::new() };
        parsed.warnings.push(format!("rule `{}`, field `{}`: {trouble}{more}", rule.id, trace.field));
    }
    let (held, traces) = (reading.purse.held(), reading.traces);
    // A page without a record needs no more.
    let content =
        if ending.is_none() { content::read(rule, sources, body, parsed) } else { Content::default() };
    let Content { text, words, structured, bytes } = content;
    let bytes = held + bytes;
    parsed.extracted =
        Some(Extracted { rule: rule.id.clone(), fields, text, words, structured, ending, bytes });
    traces.into_values().collect()
}

/// What a field has where nothing was found.
fn nothing(field: &Field) -> Value {
    match &field.what {
        What::Value { default: Some(value), .. } => value.clone(),
        What::Value { many: false, .. } => Value::Null,
        What::Value { .. } | What::Objects(_) => Value::Array(Vec::new()),
    }
}

/// What a field is looked for in.
#[derive(Clone, Copy)]
enum Around<'v> {
    /// The page, without a tree.
    Page,
    /// An element; the first one of the tree is the page.
    Element(Place<'v>),
    /// An object of a list.
    Json(&'v Value),
}

/// Takes what is found, until it has enough.
type Taker<'t> = &'t mut dyn FnMut(Result<Raw<'_>, String>) -> ControlFlow<()>;

struct Reading<'a> {
    sources: &'a Sources,
    body: &'a Body<'a>,
    purse: Purse,
    /// By the path of the field, in the order in which they came up.
    traces: IndexMap<String, Trace>,
}

impl<'a> Reading<'a> {
    /// The value of a field; none if there is none.
    fn field<'v>(&mut self, field: &Field, around: Around<'v>) -> Option<Value>
    where
        'a: 'v,
    {
        let value = match &field.what {
            What::Value { .. } => self.value(field, around),
            What::Objects(fields) => self.objects(field, fields, around),
        };
        let value = value.unwrap_or_else(|Empty| {
            self.trouble(&field.path, &field.find, TOO_MUCH.to_owned());
            None
        });
        if self.body.is_traced {
            let trace = self.trace(&field.path, &field.find);
            if let Some(value) = value.as_ref().filter(|_| trace.value.is_null()) {
                trace.value = value.clone();
            }
        }
        value
    }

    fn trace(&mut self, path: &str, find: &Find) -> &mut Trace {
        self.traces.entry(path.to_owned()).or_insert_with(|| Trace {
            field: path.to_owned(),
            find: find.written.clone(),
            ..Trace::default()
        })
    }

    fn trouble(&mut self, path: &str, find: &Find, words: String) {
        let trace = self.trace(path, find);
        trace.trouble.get_or_insert(words);
        trace.troubles += 1;
    }

    fn value<'v>(&mut self, field: &Field, around: Around<'v>) -> Result<Option<Value>, Empty>
    where
        'a: 'v,
    {
        let What::Value { regex, many, kind, decimal, .. } = &field.what else { return Ok(None) };
        let Body { base, normalize, .. } = self.body;
        let meaning = Meaning { kind: *kind, decimal: *decimal, base, normalize };
        let mut values = Vec::new();
        let mut wrongs: Vec<String> = Vec::new();
        let found = self.offer(&field.find, around, &mut |raw| {
            let value = raw.and_then(|raw| match regex {
                Some(regex) => matched(regex, &raw).map(|raw| meaning.value(&raw)).transpose(),
                None => Some(raw).filter(|raw| !raw.is_nothing()).map(|raw| meaning.value(&raw)).transpose(),
            });
            match value {
                Ok(None) => return ControlFlow::Continue(()),
                Ok(Some(value)) => values.push(value),
                Err(wrong) => wrongs.push(wrong),
            }
            if *many { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if self.body.is_traced {
            self.trace(&field.path, &field.find).found += found;
        }
        for wrong in wrongs {
            self.trouble(&field.path, &field.find, wrong);
        }
        self.purse.hold(values.len() * ENTRY_BYTES)?;
        Ok(if *many {
            Some(Value::Array(values)).filter(|list| *list != Value::Array(Vec::new()))
        } else {
            values.pop()
        })
    }

    /// A list of objects; none if it is empty.
    fn objects<'v>(
        &mut self,
        field: &Field,
        fields: &[Field],
        around: Around<'v>,
    ) -> Result<Option<Value>, Empty>
    where
        'a: 'v,
    {
        let mut list = Vec::new();
        let mut found = 0;
        match (&field.find.by, around) {
            (By::Css(css, _), Around::Element(place)) => {
                for element in place.select(css, &mut self.purse)? {
                    found += 1;
                    let inner = Place::within(element, &mut self.purse)?;
                    list.extend(self.object(field, fields, Around::Element(inner))?);
                }
            }
            (By::Css(..), Around::Page | Around::Json(_)) => {}
            (By::Json(path, stands), around) => {
                for document in self.documents(stands, around, &mut |_| ControlFlow::Break(()))? {
                    // A list that is found is taken entry by entry.
                    let all =
                        path.find(&document, &mut self.purse)?.into_iter().flat_map(|value| match value {
                            Value::Array(list) => list.as_slice(),
                            one => std::slice::from_ref(one),
                        });
                    for value in all {
                        found += 1;
                        list.extend(self.object(field, fields, Around::Json(value))?);
                    }
                }
            }
        }
        if self.body.is_traced {
            self.trace(&field.path, &field.find).found += found;
        }
        Ok((!list.is_empty()).then_some(Value::Array(list)))
    }

    /// One object of a list; none if one of its required fields has no value.
    fn object<'v>(
        &mut self,
        list: &Field,
        fields: &[Field],
        around: Around<'v>,
    ) -> Result<Option<Value>, Empty>
    where
        'a: 'v,
    {
        self.purse.hold(fields.len() * ENTRY_BYTES)?;
        let mut object = Map::new();
        for field in fields {
            let value = self.field(field, around);
            if field.required && value.is_none() {
                let words = format!("left out where `{}` has no value", field.path);
                self.trouble(&list.path, &list.find, words);
                return Ok(None);
            }
            object.insert(field.name.clone(), value.unwrap_or_else(|| nothing(field)));
        }
        Ok(Some(Value::Object(object)))
    }

    /// Offers all that is found to a taker, until it has enough. Returns how much was found; all of it is counted
    /// only for a trace.
    fn offer<'v>(&mut self, find: &Find, around: Around<'v>, take: Taker<'_>) -> Result<usize, Empty>
    where
        'a: 'v,
    {
        let mut found = 0;
        match (&find.by, around) {
            (By::Css(css, what), Around::Element(place)) => {
                let mut elements = place.select(css, &mut self.purse)?;
                for element in elements.by_ref() {
                    found += 1;
                    let Some(raw) = taken(element, what, &mut self.purse)? else { continue };
                    if take(Ok(Raw::Text(raw))).is_break() {
                        break;
                    }
                }
                if self.body.is_traced {
                    found += elements.count();
                }
            }
            (By::Css(..), Around::Page | Around::Json(_)) => {}
            (By::Json(path, stands), around) => {
                let mut is_enough = false;
                for document in self.documents(stands, around, take)? {
                    for value in path.find(&document, &mut self.purse)? {
                        found += 1;
                        if !is_enough {
                            json::hold(value, &mut self.purse)?;
                            is_enough = take(Ok(Raw::Json(value))).is_break();
                        }
                    }
                    if is_enough && !self.body.is_traced {
                        break;
                    }
                }
            }
        }
        Ok(found)
    }

    /// The JSON that a path is tried on. What is none is offered as what is wrong.
    fn documents<'v>(
        &mut self,
        stands: &Stands,
        around: Around<'v>,
        take: Taker<'_>,
    ) -> Result<Vec<Cow<'v, Value>>, Empty>
    where
        'a: 'v,
    {
        Ok(match (stands, around) {
            (Stands::Body, Around::Json(value)) => vec![Cow::Borrowed(value)],
            (Stands::Body, _) => self.sources.document.iter().map(Cow::Borrowed).collect(),
            (Stands::JsonLd, _) => {
                self.sources.scripts.iter().flat_map(json::things).map(Cow::Borrowed).collect()
            }
            (Stands::Within(css), Around::Element(place)) => {
                let mut documents = Vec::new();
                for element in place.select(css, &mut self.purse)? {
                    match json::read(&css::raw_text(element, &mut self.purse)?) {
                        Ok(value) => documents.push(Cow::Owned(value)),
                        Err(why) => _ = take(Err(format!("not read as JSON: {why}"))),
                    }
                }
                documents
            }
            (Stands::Within(_), Around::Page | Around::Json(_)) => Vec::new(),
        })
    }

    /// The links of a rule, as links of the page.
    fn links(&mut self, find: &Find, around: Around<'a>, parsed: &mut Parsed) {
        let Body { base, normalize, .. } = self.body;
        let (mut links, mut wrongs) = (Vec::new(), Vec::new());
        let found = self.offer(find, around, &mut |raw| {
            let url = raw.and_then(|raw| match raw.text() {
                _ if raw.is_nothing() => Ok(None),
                Some(text) => match normalize.canonical(&text, Some(base)) {
                    Ok(url) => Ok(Some(url)),
                    Err(error) => Err(format!("{}: {error}", shown_text(&text))),
                },
                None => Err("a list or an object is no address".to_owned()),
            });
            match url {
                Ok(url) => links.extend(url.map(address)),
                Err(wrong) => wrongs.push(wrong),
            }
            ControlFlow::Continue(())
        });
        match found {
            Ok(found) => self.trace(LINKS, find).found = found,
            Err(Empty) => wrongs.push(TOO_MUCH.to_owned()),
        }
        for wrong in wrongs {
            self.trouble(LINKS, find, wrong);
        }
        if self.body.is_traced {
            self.trace(LINKS, find).value = links.iter().map(String::as_str).collect();
        }
        parsed.links.extend(links.iter().map(|url| Link { url, rel: None }));
    }
}

/// What is taken of an element, if it has it.
fn taken<'e>(element: ElementRef<'e>, what: &Take, purse: &mut Purse) -> Result<Option<Cow<'e, str>>, Empty> {
    Ok(match what {
        Take::Text => Some(Cow::Owned(css::text(element, purse)?)),
        Take::Html => Some(Cow::Owned(css::inner_html(element, purse)?)),
        Take::Attribute(name) => css::attribute(element, name, purse)?.map(Cow::Borrowed),
    })
}

/// What a regex finds: its first group, or all of the match. None if that is nothing.
fn matched(regex: &Regex, raw: &Raw<'_>) -> Option<Raw<'static>> {
    let text = raw.text()?;
    let captures = regex.captures(&text)?;
    let found = captures.get(1).or_else(|| captures.get(0).filter(|_| regex.captures_len() == 1))?;
    Some(Raw::Text(Cow::Owned(found.as_str().to_owned()))).filter(|raw| !raw.is_nothing())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use url::Url;

    use super::super::rules_settings::Settings;
    use super::super::{Asked, Page, Rules, trace};
    use super::*;
    use crate::model::Normalize;

    /// What the rules of a TOML text make of a page.
    fn page(rules: &str, content_type: &str, body: &str) -> (Parsed, Vec<Trace>) {
        #[derive(serde::Deserialize)]
        struct Tables {
            extract: Vec<Settings>,
        }
        let tables: Tables = toml::from_str(rules).expect(rules);
        let (rules, wrongs) = Rules::compile(&tables.extract, &|key| format!("at {key}"));
        assert_eq!(wrongs, [], "{tables:?}", tables = tables.extract);
        let url = Url::parse("https://x.example/d/p").expect("url");
        let page = Page {
            url: &url,
            content_type: Some(content_type),
            content_language: None,
            robots_tag: None,
            normalize: &Normalize::default(),
            asked: Some(Asked { rules: &rules, url: url.as_str(), source: "s" }),
        };
        trace(&page, body.as_bytes())
    }

    /// The fields of an HTML page, and the warnings.
    fn fields(fields: &str, html: &str) -> (Value, Vec<String>) {
        let (parsed, _) = page(&format!("[[extract]]\nid = 'r'\n{fields}"), "text/html", html);
        let extracted = parsed.extracted.expect("a rule");
        (Value::Object(extracted.fields), parsed.warnings)
    }

    fn check(rules: &str, html: &str, expected: Value) {
        assert_eq!(fields(rules, html), (expected, Vec::new()), "{rules} on {html}");
    }

    fn check_warned(rules: &str, html: &str, expected: Value, warning: &str) {
        assert_eq!(fields(rules, html), (expected, vec![warning.to_owned()]), "{rules} on {html}");
    }

    #[test]
    fn values_of_elements() {
        check("fields.a = { css = 'h1' }", "<h1> A\n <b>b</b></h1>", json!({ "a": "A b" }));
        check("fields.a = { css = 'a', attr = 'href' }", "<a href=' x '>", json!({ "a": " x " }));
        check(
            "fields.a = { css = 'a', attr = 'href', type = 'url' }",
            "<base href=/b/><a href=x#y>",
            json!({ "a": "https://x.example/b/x" }),
        );
        check("fields.a = { css = 'p', html = true }", "<p>a <b>b</b></p>", json!({ "a": "a <b>b</b>" }));
        check("fields.a = { css = 'p' }", "<h1>", json!({ "a": null }));
        check("fields.a = { css = 'p' }", "<p></p><p> </p><p>x</p><p>y</p>", json!({ "a": "x" }));
        check("fields.a = { css = 'p', many = true }", "<p>x</p><p></p><p>y</p>", json!({ "a": ["x", "y"] }));
        check("fields.a = { css = 'p', many = true }", "<h1>", json!({ "a": [] }));
    }

    #[test]
    fn fields_stand_in_the_order_of_the_config() {
        let (found, _) =
            fields("fields.z = { css = 'p' }\nfields.a = { css = 'p' }\nfields.m = { css = 'p' }", "<p>x");
        assert_eq!(found.to_string(), r#"{"z":"x","a":"x","m":"x"}"#);
    }

    #[test]
    fn regexes_choose_a_part() {
        check("fields.a = { css = 'p', regex = '[0-9]+' }", "<p>no</p><p>a 12 b 3</p>", json!({ "a": "12" }));
        check("fields.a = { css = 'p', regex = 'a(b)?(c)' }", "<p>ac</p><p>abc</p>", json!({ "a": "b" }));
        check(
            "fields.a = { css = 'p', regex = '([0-9.]+) EUR', type = 'float' }",
            "<p>5.50 EUR</p>",
            json!({ "a": 5.5 }),
        );
        check(
            "fields.a = { css = 'p', regex = 'x', many = true }",
            "<p>x</p><p>y</p><p>xx</p>",
            json!({ "a": ["x", "x"] }),
        );
    }

    #[test]
    fn defaults_stand_where_nothing_is_found() {
        check("fields.a = { css = 'p', type = 'float', default = 0 }", "", json!({ "a": 0.0 }));
        check(
            "fields.a = { css = 'p', many = true, default = ['none'] }",
            "<p></p>",
            json!({ "a": ["none"] }),
        );
        check_warned(
            "fields.a = { css = 'p', type = 'int', default = -1 }",
            "<p>free",
            json!({ "a": -1 }),
            "rule `r`, field `a`: `free` is no `int`",
        );
    }

    #[test]
    fn what_is_no_value_is_null_and_a_warning() {
        check_warned(
            "fields.a = { css = 'p', type = 'int' }",
            "<p>x</p><p>7</p>",
            json!({ "a": null }),
            "rule `r`, field `a`: `x` is no `int`",
        );
        check_warned(
            "fields.a = { css = 'p', type = 'int', many = true }",
            "<p>x</p><p>7</p><p>y",
            json!({ "a": [7] }),
            "rule `r`, field `a`: `x` is no `int` (1 more)",
        );
    }

    #[test]
    fn lists_of_objects() {
        let rules = "[extract.fields.items]\neach = '.row'\nfields.id = { css = ':scope', attr = 'id' }\n\
            fields.name = { css = 'b' }\nfields.price = { css = 'i', type = 'float' }";
        check(
            rules,
            "<p class=row id=1><b>A</b><i>1.5</i></p><p class=row id=2><b>B</b></p><b>C</b>",
            json!({ "items": [{ "id": "1", "name": "A", "price": 1.5 }, { "id": "2", "name": "B", "price": null }] }),
        );
        check(rules, "<p>", json!({ "items": [] }));
        check_warned(
            rules,
            "<p class=row><i>x</i></p><p class=row><i>y</i></p>",
            json!({ "items": [{ "id": null, "name": null, "price": null }, { "id": null, "name": null, "price": null }] }),
            "rule `r`, field `items.price`: `x` is no `float` (1 more)",
        );
        check_warned(
            "[extract.fields.items]\neach = 'p'\nfields.name = { css = 'b', required = true }",
            "<p><b>A</b></p><p>x</p>",
            json!({ "items": [{ "name": "A" }] }),
            "rule `r`, field `items`: left out where `items.name` has no value",
        );
        check(
            "[extract.fields.a]\neach = 'ul'\n[extract.fields.a.fields.b]\neach = 'li'\nfields.c = { css = ':scope' }",
            "<ul><li>1<li>2</ul><ul></ul>",
            json!({ "a": [{ "b": [{ "c": "1" }, { "c": "2" }] }, { "b": [] }] }),
        );
    }

    fn rejected(rules: &str, html: &str) -> Option<(Outcome, String, String)> {
        let (parsed, _) = page(&format!("[[extract]]\nid = 'r'\n{rules}"), "text/html", html);
        let Ending { outcome, reason, rule, .. } = parsed.extracted.expect("a rule").ending?;
        Some((outcome, reason.expect("a reason"), rule.expect("a place")))
    }

    #[test]
    fn a_required_field_decides_about_the_record() {
        let rule = "fields.a = { css = 'p', type = 'int', required = true }";
        assert_eq!(rejected(rule, "<p>1"), None);
        let place = "at extract[0].fields.a".to_owned();
        let missing = "rule `r`: the required field `a` has no value".to_owned();
        assert_eq!(rejected(rule, "<b>"), Some((Outcome::Rejected, missing, place.clone())));
        let wrong = "rule `r`: the required field `a` has no value: `x` is no `int`".to_owned();
        assert_eq!(rejected(rule, "<p>x"), Some((Outcome::Rejected, wrong, place)));
        let list =
            "[extract.fields.a]\neach = 'p'\nrequired = true\nfields.b = { css = 'b', required = true }";
        assert!(rejected(list, "<p>x").is_some());
        assert_eq!(rejected(list, "<p><b>x"), None);
    }

    #[test]
    fn a_rule_without_records_only_leads_on() {
        let (outcome, ..) = rejected("emit = false", "<a href=/x>").expect("an ending");
        assert_eq!(outcome, Outcome::Listed);
        let (parsed, _) = page(
            "[[extract]]\nid = 'r'\nemit = false\nlinks = { css = 'p', attr = 'data-u' }",
            "text/html",
            "<a href=/x><p data-u=y>",
        );
        let links: Vec<_> = parsed.links.iter().map(|link| link.url.to_owned()).collect();
        assert_eq!(links, ["https://x.example/x", "https://x.example/d/y"]);
    }

    /// The fields, links and warnings of a JSON body.
    fn api(rules: &str, body: &str) -> (Value, Vec<String>, Vec<String>) {
        let (parsed, _) = page(&format!("[[extract]]\nid = 'r'\n{rules}"), "application/json", body);
        let links = parsed.links.iter().map(|link| link.url.to_owned()).collect();
        (Value::Object(parsed.extracted.expect("a rule").fields), links, parsed.warnings)
    }

    #[test]
    fn json_bodies_and_their_next_page() {
        let rules = "links = { json = '$.next' }\nfields.total = { json = '$.total', type = 'int' }\n\
            [extract.fields.items]\njson = '$.items'\nfields.name = { json = '$.name' }\nfields.tags = { json = '$.tags[*]', many = true }";
        let body = r#"{"total": "12", "next": "?page=2", "items": [{"name": "A", "tags": ["x", "y"]}, {"name": null}]}"#;
        let items = json!([{ "name": "A", "tags": ["x", "y"] }, { "name": null, "tags": [] }]);
        let (found, links, warnings) = api(rules, body);
        assert_eq!(found, json!({ "total": 12, "items": items }));
        assert_eq!(
            (links.as_slice(), warnings.len()),
            (["https://x.example/d/p?page=2".to_owned()].as_slice(), 0)
        );
        let (found, links, warnings) = api(rules, r#"{"next": null, "items": {"name": "B"}}"#);
        assert_eq!(found, json!({ "total": null, "items": [{ "name": "B", "tags": [] }] }));
        assert_eq!((links.len(), warnings.len()), (0, 0));
        let (_, links, warnings) = api("links = { json = '$.n[*]' }", r#"{"n": ["mailto:a", 7, {}]}"#);
        assert_eq!(links, ["https://x.example/d/7"]);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("rule `r`, field `[links]`: `mailto:a`: "), "{warnings:?}");
        assert!(warnings[0].ends_with(" (1 more)"), "{warnings:?}");
    }

    #[test]
    fn what_is_no_json_is_said() {
        let (found, _, warnings) = api("fields.a = { json = '$.a' }", "{\"a\": ");
        assert_eq!(found, json!({ "a": null }));
        assert!(
            warnings.iter().any(|warning| warning.starts_with("rule `r`: not read as JSON: ")),
            "{warnings:?}"
        );
        check_warned(
            "fields.a = { json = '$.a' }",
            "<p>",
            json!({ "a": null }),
            "rule `r`: the page is no JSON",
        );
        let (_, _, warnings) = api("fields.a = { css = 'p' }", "{}");
        assert_eq!(warnings, ["rule `r`: the page has no elements"]);
    }

    #[test]
    fn json_within_pages() {
        let rules = "fields.when = { json = '$.datePublished', from = 'json_ld', type = 'datetime' }\n\
            fields.props = { css = 'script#data', json = '$.a', type = 'int' }";
        let html = r#"<script type="application/ld+json">[{"@type": "WebSite"}, {"@graph": [{"datePublished": "2024-05-01T10:00+02:00"}]}]</script>
            <script id=data>{"a": 1}</script>"#;
        check(rules, html, json!({ "when": "2024-05-01T08:00:00.000Z", "props": 1 }));
        check_warned(
            "fields.a = { json = '$.a', from = 'json_ld' }",
            "<script type='application/LD+json'>{</script><script type='application/ld+json'>{\"a\": 1}</script>",
            json!({ "a": 1 }),
            "rule `r`: JSON-LD is not read: EOF while parsing an object at line 1 column 1",
        );
        check_warned(
            "fields.a = { css = 'script', json = '$.a' }",
            "<script>var x</script>",
            json!({ "a": null }),
            "rule `r`, field `a`: not read as JSON: expected value at line 1 column 1",
        );
        check(
            "[extract.fields.l]\neach = 'p'\nfields.n = { css = 'script', json = '$.n' }",
            "<p><script>{\"n\": [1]}</script></p>",
            json!({ "l": [{ "n": [1] }] }),
        );
    }

    #[test]
    fn xml_bodies_by_selectors() {
        let rules = "[[extract]]\nid = 'r'\n[extract.fields.items]\neach = 'item'\nfields.when = { css = 'pubDate', type = 'date' }\nfields.at = { css = 'link', type = 'url' }";
        let (parsed, _) = page(
            rules,
            "application/xml",
            "<x><item><pubDate>Wed, 01 May 2024 10:00:00 GMT</pubDate><link>/1</link></item></x>",
        );
        let expected = json!({ "items": [{ "when": "2024-05-01", "at": "https://x.example/1" }] });
        assert_eq!(Value::Object(parsed.extracted.expect("a rule").fields), expected);
    }

    #[test]
    fn the_first_rule_that_fits_is_taken() {
        let rules = "[[extract]]\nid = 'a'\nmatch = { url = '/n/' }\n[[extract]]\nid = 'b'\nmatch = { source = 't' }\n\
            [[extract]]\nid = 'c'\nmatch = { content_type = 'text/*', glob = 'https://x.example/*' }\n\
            [[extract]]\nid = 'd'\nmatch = { content_type = 'text/html', glob = 'https://x.example/**' }\n[[extract]]\nid = 'e'";
        let id = |content_type| page(rules, content_type, "<p>").0.extracted.map(|extracted| extracted.rule);
        assert_eq!(id("text/html"), Some("d".to_owned()));
        // The type that the bytes show counts, too.
        assert_eq!(id("text/plain"), Some("d".to_owned()));
        let binary = page(rules, "application/pdf", "%PDF-1.7\n").0.extracted.map(|extracted| extracted.rule);
        assert_eq!(binary, Some("e".to_owned()));
        assert_eq!(page("extract = []", "text/html", "<p>").0.extracted, None);
    }

    #[test]
    fn a_trace_counts_all_that_is_found() {
        let rules = "[[extract]]\nid = 'r'\nfields.a = { css = 'p' }\nfields.b = { css = 'i', type = 'int' }";
        let (_, traces) = page(rules, "text/html", "<p>x<p>y<p>z<i>w</i>");
        let trace = |field: &str, find: &str, found, value, trouble: Option<&str>| Trace {
            field: field.to_owned(),
            find: find.to_owned(),
            found,
            value,
            trouble: trouble.map(str::to_owned),
            troubles: usize::from(trouble.is_some()),
        };
        assert_eq!(
            traces,
            [trace("a", "p", 3, json!("x"), None), trace("b", "i", 1, json!(null), Some("`w` is no `int`"))]
        );
    }

    #[test]
    fn what_costs_too_much_is_given_up_and_said() {
        let rules = "fields.a = { css = 'b ~ p' }\nfields.b = { css = 'p' }";
        let (found, warnings) = fields(rules, &"<p>x".repeat(60_000));
        assert_eq!(found, json!({ "a": null, "b": "x" }));
        assert_eq!(warnings, [format!("rule `r`, field `a`: {TOO_MUCH}")]);
    }

    const RULES: &str = "[[extract]]\nid = 'r'\nlinks = { css = 'a', attr = 'href' }\nfields.t = { css = 'p b, i ~ p', regex = '(.)x?', many = true }\n\
        fields.h = { css = 'div', html = true }\nfields.n = { css = 'p', type = 'float', decimal = ',' }\nfields.w = { css = 'td', type = 'datetime', many = true }\n\
        fields.j = { json = '$..a', from = 'json_ld' }\nfields.d = { json = '$..b', many = true }\nfields.s = { css = 'script', json = '$[*]', many = true }\n\
        [extract.fields.o]\neach = 'p'\nfields.u = { css = 'a', attr = 'href', type = 'url' }";

    proptest! {
        #[test]
        fn any_page_has_every_field(
            body in "(<(p|b|i|td|div|a href=x|script type=application/ld\\+json|/script|/p)>|[{}\\[\\]\":,ab1. x]|\\PC){0,40}", kind in 0..4usize
        ) {
            let (parsed, _) = page(RULES, ["text/html", "application/json", "text/xml", "text/plain"][kind], &body);
            let extracted = parsed.extracted.expect("a rule");
            let names: Vec<_> = extracted.fields.keys().map(String::as_str).collect();
            prop_assert_eq!(names, ["t", "h", "n", "w", "j", "d", "s", "o"]);
            prop_assert!(extracted.fields["t"].is_array() && extracted.fields["o"].is_array());
        }
    }
}

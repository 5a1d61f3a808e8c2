//! Compiles the `[[extract]]` tables. All that can be wrong in them is found here, by the full name of its key.
//! Reads no page.

use globset::{GlobBuilder, GlobMatcher};
use indexmap::IndexMap;
use regex::Regex;
use serde_json::{Number, Value};

use super::css::Css;
use super::json::Path;
use super::rules::{By, Field, Find, Rule, Rules, Stands, Take, What};
use super::rules_settings::{Field as FieldSettings, From, Links, Match, Settings, Type};

/// What helps against most of what is wrong in a regex.
const REGEX_HINT: &str = "a sign that stands for itself needs a `\\` before it, as in `\\?` or `\\(`";

/// Lists of objects within each other.
const MAX_NESTING: usize = 8;

/// Something wrong: the full name of the key, what it is, and maybe what to do.
pub type Wrong = (String, String, Option<String>);

/// What fields are looked for in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Page,
    Element,
    Json,
}

impl Rules {
    /// Compiles the tables; `place` says where a key stands. Rules and fields with something wrong are left out.
    pub fn compile(tables: &[Settings], place: &dyn Fn(&str) -> String) -> (Self, Vec<Wrong>) {
        let mut compiler = Compiler { place, wrongs: Vec::new() };
        let mut rules: Vec<Rule> = Vec::new();
        for (index, table) in tables.iter().enumerate() {
            let key = format!("extract[{index}]");
            let whole = tables[..index].iter().find(|rule| rule.matching == Match::default());
            if let Some(whole) = whole {
                let what =
                    format!("the rule `{}` is for no page: `{}` before it is for all", table.id, whole.id);
                let hint = format!("give `{}` a `match`, or let it stand last", whole.id);
                compiler.wrongs.push((format!("{key}.id"), what, Some(hint)));
            }
            rules.extend(compiler.rule(&key, table));
        }
        (Self(rules), compiler.wrongs)
    }
}

struct Compiler<'a> {
    place: &'a dyn Fn(&str) -> String,
    wrongs: Vec<Wrong>,
}

impl Compiler<'_> {
    fn wrong(&mut self, key: impl Into<String>, what: impl Into<String>) {
        self.wrongs.push((key.into(), what.into(), None));
    }

    fn rule(&mut self, key: &str, table: &Settings) -> Option<Rule> {
        let before = self.wrongs.len();
        let Match { url, glob, content_type, source } = &table.matching;
        let url = url.as_deref().and_then(|text| self.regex(&format!("{key}.match.url"), text));
        let glob = glob.as_deref().and_then(|text| self.glob(&format!("{key}.match.glob"), text));
        let content_type = content_type.as_ref().map(|text| text.to_ascii_lowercase());
        if content_type.as_ref().is_some_and(|text| !text.contains('/') || text.contains([';', ' '])) {
            self.wrong(
                format!("{key}.match.content_type"),
                "`content_type` must be like `text/html` or `text/*`",
            );
        }
        if !table.emit && !table.fields.is_empty() {
            let what =
                format!("the rule `{}` has fields, but `emit = false` gives its pages no record", table.id);
            self.wrong(format!("{key}.fields"), what);
        }
        let switches = [("main_text", table.main_text), ("structured_data", table.structured_data)];
        for (name, _) in switches.iter().filter(|(_, is_on)| *is_on && !table.emit) {
            let what =
                format!("the rule `{}` has `{name}`, but `emit = false` gives its pages no record", table.id);
            self.wrong(format!("{key}.{name}"), what);
        }
        let links = table.links.as_ref().and_then(|links| self.links(&format!("{key}.links"), links));
        let fields = self.fields(&format!("{key}.fields"), "", &table.fields, Around::Page, 1);
        (self.wrongs.len() == before).then(|| Rule {
            id: table.id.clone(),
            place: (self.place)(key),
            source: source.clone(),
            emit: table.emit,
            main_text: table.main_text,
            structured_data: table.structured_data,
            url,
            glob,
            content_type,
            links,
            fields,
        })
    }

    fn glob(&mut self, key: &str, text: &str) -> Option<GlobMatcher> {
        let parts = text.split('/');
        if let Some(part) = parts.filter(|part| part.contains("**")).find(|part| *part != "**") {
            self.wrong(
                key,
                format!("`{part}` in `{text}` would match no `/`: `**` must stand alone between slashes"),
            );
            return None;
        }
        match GlobBuilder::new(text).literal_separator(true).build() {
            Ok(glob) => Some(glob.compile_matcher()),
            Err(error) => {
                self.wrong(key, format!("`{text}` is no glob: {}", error.kind()));
                None
            }
        }
    }

    fn regex(&mut self, key: &str, text: &str) -> Option<Regex> {
        match Regex::new(text) {
            Ok(_) if text.is_empty() => {
                self.wrong(key, format!("`{key}` is empty and would match everything"));
            }
            Ok(regex) => return Some(regex),
            Err(error) => {
                let error = error.to_string();
                let last = error.lines().last().unwrap_or_default();
                let why = last.strip_prefix("error: ").unwrap_or(last);
                let hint = Some(REGEX_HINT.to_owned());
                self.wrongs.push((key.to_owned(), format!("`{text}` is no regex: {why}"), hint));
            }
        }
        None
    }

    fn css(&mut self, key: &str, text: &str) -> Option<Css> {
        Css::parse(text)
            .map_err(|(why, hint)| {
                self.wrongs.push((key.to_owned(), format!("`{text}` {why}"), Some(hint.to_owned())));
            })
            .ok()
    }

    fn path(&mut self, key: &str, text: &str) -> Option<Path> {
        Path::parse(text)
            .map_err(|(why, hint)| {
                self.wrongs.push((key.to_owned(), format!("`{text}` {why}"), Some(hint.to_owned())));
            })
            .ok()
    }

    fn links(&mut self, key: &str, links: &Links) -> Option<Find> {
        let field = FieldSettings {
            css: links.css.clone(),
            json: links.json.clone(),
            from: links.from,
            attr: match links {
                Links { attr: None, css: Some(_), json: None, .. } => Some("href".to_owned()),
                _ => links.attr.clone(),
            },
            ..FieldSettings::default()
        };
        self.find(key, "links", &field, Around::Page)
    }

    fn fields(
        &mut self,
        key: &str,
        path: &str,
        fields: &IndexMap<String, FieldSettings>,
        around: Around,
        depth: usize,
    ) -> Vec<Field> {
        if depth > MAX_NESTING {
            self.wrong(key, format!("more than {MAX_NESTING} lists of objects within each other"));
            return Vec::new();
        }
        let mut compiled = Vec::new();
        for (name, field) in fields {
            let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
            if name.is_empty() || !name.bytes().all(is_name) {
                self.wrong(
                    key,
                    format!("the name of a field may hold letters, digits, `_` and `-` only: `{name}`"),
                );
                continue;
            }
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            compiled.extend(self.field(&format!("{key}.{name}"), path, name, field, around, depth));
        }
        compiled
    }

    fn field(
        &mut self,
        key: &str,
        path: String,
        name: &str,
        field: &FieldSettings,
        around: Around,
        depth: usize,
    ) -> Option<Field> {
        if field.required && field.default.is_some() {
            self.wrong(
                format!("{key}.default"),
                format!("`{path}` is required and has a default; choose one"),
            );
        }
        let find = self.find(key, &path, field, around);
        let what = if field.each.is_some() || !field.fields.is_empty() {
            self.objects(key, &path, field, depth)?
        } else {
            self.value(key, &path, field)
        };
        let place = (self.place)(key);
        Some(Field { name: name.to_owned(), path, place, required: field.required, find: find?, what })
    }

    fn objects(&mut self, key: &str, path: &str, field: &FieldSettings, depth: usize) -> Option<What> {
        let meaningless = [
            ("attr", field.attr.is_some()),
            ("html", field.html),
            ("regex", field.regex.is_some()),
            ("many", field.many),
            ("type", field.kind.is_some()),
            ("decimal", field.decimal.is_some()),
            ("default", field.default.is_some()),
        ];
        for (name, _) in meaningless.iter().filter(|(_, is_given)| *is_given) {
            let what = format!("`{name}` says nothing of `{path}`, which is a list of objects");
            self.wrongs.push((
                format!("{key}.{name}"),
                what,
                Some("give it to one of its `fields`".to_owned()),
            ));
        }
        if field.fields.is_empty() {
            self.wrong(format!("{key}.each"), format!("`{path}` is a list of objects without any `fields`"));
            return None;
        }
        let around = if field.json.is_some() { Around::Json } else { Around::Element };
        Some(What::Objects(self.fields(&format!("{key}.fields"), path, &field.fields, around, depth + 1)))
    }

    fn value(&mut self, key: &str, path: &str, field: &FieldSettings) -> What {
        if field.decimal.is_some() && !matches!(field.kind, Some(Type::Int | Type::Float)) {
            let what = format!("`decimal` is for numbers, but `{path}` is none");
            let hint = Some("add `type = \"float\"` or `type = \"int\"`".to_owned());
            self.wrongs.push((format!("{key}.decimal"), what, hint));
        }
        let mut default = field.default.clone();
        if let Some(value) = &mut default {
            self.default(key, path, field, value);
        }
        What::Value {
            regex: field.regex.as_deref().and_then(|text| self.regex(&format!("{key}.regex"), text)),
            many: field.many,
            kind: field.kind,
            decimal: field.decimal,
            default,
        }
    }

    /// A default is of the type of its field, so that who reads the records need not ask.
    fn default(&mut self, key: &str, path: &str, field: &FieldSettings, value: &mut Value) {
        if field.many && !value.is_array() {
            self.wrong(
                format!("{key}.default"),
                format!("`{path}` is a list, so its default must be one, too"),
            );
            return;
        }
        let values = match value {
            Value::Array(list) if field.many => list.as_mut_slice(),
            value => std::slice::from_mut(value),
        };
        let kind = field.kind.unwrap_or(if field.json.is_some() { Type::Json } else { Type::String });
        if let Some(wrong) = values.iter().find(|value| !kind.takes(value)) {
            self.wrong(format!("{key}.default"), format!("`{wrong}` is no `{kind}`, which `{path}` is"));
        }
        for value in values.iter_mut().filter(|_| kind == Type::Float) {
            if let Some(float) = value.as_f64().and_then(Number::from_f64) {
                *value = Value::Number(float);
            }
        }
    }

    /// Where a field or a link is found.
    fn find(&mut self, key: &str, path: &str, field: &FieldSettings, around: Around) -> Option<Find> {
        let is_json = field.json.is_some();
        if is_json && (field.attr.is_some() || field.html) {
            self.wrong(
                format!("{key}.json"),
                format!("`attr` and `html` are of elements, but `{path}` is JSON"),
            );
        }
        if field.attr.is_some() && field.html {
            self.wrong(format!("{key}.html"), format!("`{path}` cannot be both an attribute and HTML"));
        }
        if field.from == From::JsonLd && (!is_json || field.css.is_some() || around != Around::Page) {
            let what = format!("`from = \"json_ld\"` is for `json` alone, in the fields of a page: `{path}`");
            self.wrong(format!("{key}.from"), what);
        }
        let css = match (&field.each, &field.css) {
            (Some(_), Some(_)) => {
                self.wrong(
                    format!("{key}.css"),
                    format!("`{path}` has both `each` and `css`; `each` is enough"),
                );
                return None;
            }
            (Some(each), None) if is_json => {
                let what =
                    format!("`{path}` has both `each` and `json`; for a list in JSON `json` is enough");
                self.wrong(format!("{key}.each"), format!("{what}: `{each}`"));
                return None;
            }
            (Some(each), None) => Some(("each", each)),
            (None, css) => css.as_ref().map(|css| ("css", css)),
        };
        if around == Around::Json && css.is_some() || around == Around::Element && is_json && css.is_none() {
            let what = if is_json { "an element is no JSON" } else { "JSON has no elements" };
            self.wrong(key, format!("`{path}` cannot be found within its list: {what}"));
            return None;
        }
        let css = match css {
            Some((name, text)) => Some((text, self.css(&format!("{key}.{name}"), text)?)),
            None => None,
        };
        let json = match &field.json {
            Some(text) => Some((text, self.path(&format!("{key}.json"), text)?)),
            None => None,
        };
        let take = match &field.attr {
            Some(name) => Take::Attribute(name.clone()),
            None if field.html => Take::Html,
            None => Take::Text,
        };
        let (written, by) = match (css, json) {
            (Some((text, css)), None) => (text.clone(), By::Css(css, take)),
            (None, Some((text, path))) if field.from == From::JsonLd => {
                (text.clone(), By::Json(path, Stands::JsonLd))
            }
            (None, Some((text, path))) => (text.clone(), By::Json(path, Stands::Body)),
            (Some((one, css)), Some((two, path))) => {
                (format!("{one} {two}"), By::Json(path, Stands::Within(css)))
            }
            (None, None) => {
                let hint = if field.fields.is_empty() { "css" } else { "each" };
                let what = format!("`{path}` has neither `{hint}` nor `json`, so nothing can be found");
                self.wrong(key, what);
                return None;
            }
        };
        Some(Find { written, by })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong in a rule, a line a problem.
    fn check(rule: &str, expected: &[&str]) {
        #[derive(serde::Deserialize)]
        struct Tables {
            extract: Vec<Settings>,
        }
        let text = format!("[[extract]]\nid = 'r'\n{rule}");
        let tables: Tables = toml::from_str(&text).expect(rule);
        let (rules, wrongs) = Rules::compile(&tables.extract, &str::to_owned);
        let lines: Vec<_> = wrongs.iter().map(|(key, what, _)| format!("{key}: {what}")).collect();
        assert_eq!(lines, expected, "{rule}");
        assert!(!expected.is_empty() || rules.ids().eq(tables.extract.iter().map(|table| table.id.as_str())));
    }

    #[test]
    fn what_is_right() {
        check("", &[]);
        check("match = { url = '^https:', glob = '**', content_type = 'text/*', source = 's' }", &[]);
        check("fields.a = { css = 'p', json = '$', many = true, default = [1, 'a'] }", &[]);
        check("fields.a = { css = 'p', type = 'float', decimal = ',', default = 1 }", &[]);
        check("[extract.fields.a]\njson = '$.l'\nrequired = true\nfields.b = { json = '$' }", &[]);
    }

    #[test]
    fn what_does_not_compile() {
        check(
            "fields.a = { css = 'p >' }",
            &["extract[0].fields.a.css: `p >` is no CSS selector: nothing stands behind a combinator"],
        );
        check(
            "fields.a = { css = 'p', regex = '(' }",
            &["extract[0].fields.a.regex: `(` is no regex: unclosed group"],
        );
        check(
            "fields.a = { css = 'p', regex = '' }",
            &["extract[0].fields.a.regex: `extract[0].fields.a.regex` is empty and would match everything"],
        );
        check("match.url = '['", &["extract[0].match.url: `[` is no regex: unclosed character class"]);
        check(
            "match.glob = '{a'",
            &[
                "extract[0].match.glob: `{a` is no glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)",
            ],
        );
        check(
            "match.glob = 'https://x/**.html'",
            &[
                "extract[0].match.glob: `**.html` in `https://x/**.html` would match no `/`: `**` must stand alone between slashes",
            ],
        );
        check(
            "match.content_type = 'html'",
            &["extract[0].match.content_type: `content_type` must be like `text/html` or `text/*`"],
        );
        check(
            "links = { css = '(' }",
            &["extract[0].links.css: `(` is no CSS selector: a selector is empty"],
        );
        check(
            "[extract.fields.a]\neach = ':x'\nfields.b = { css = 'p' }",
            &[
                "extract[0].fields.a.each: `:x` is no CSS selector: a pseudo-class or pseudo-element that is not known",
            ],
        );
    }

    #[test]
    fn what_cannot_be() {
        check(
            "fields.a = { attr = 'href' }",
            &["extract[0].fields.a: `a` has neither `css` nor `json`, so nothing can be found"],
        );
        check(
            "links = {}",
            &["extract[0].links: `links` has neither `css` nor `json`, so nothing can be found"],
        );
        check(
            "fields.a = { css = 'p', required = true, default = 'x' }",
            &["extract[0].fields.a.default: `a` is required and has a default; choose one"],
        );
        check(
            "fields.a = { css = 'p', type = 'int', default = 1.5 }",
            &["extract[0].fields.a.default: `1.5` is no `int`, which `a` is"],
        );
        check(
            "fields.a = { css = 'p', many = true, default = 'x' }",
            &["extract[0].fields.a.default: `a` is a list, so its default must be one, too"],
        );
        check(
            "fields.a = { css = 'p', decimal = ',' }",
            &["extract[0].fields.a.decimal: `decimal` is for numbers, but `a` is none"],
        );
        check(
            "fields.a = { css = 'p', attr = 'x', html = true }",
            &["extract[0].fields.a.html: `a` cannot be both an attribute and HTML"],
        );
        check(
            "fields.a = { json = '$', html = true }",
            &["extract[0].fields.a.json: `attr` and `html` are of elements, but `a` is JSON"],
        );
        check(
            "fields.a = { css = 'p', from = 'json_ld' }",
            &[
                "extract[0].fields.a.from: `from = \"json_ld\"` is for `json` alone, in the fields of a page: `a`",
            ],
        );
        check(
            "fields.'a b' = { css = 'p' }",
            &["extract[0].fields: the name of a field may hold letters, digits, `_` and `-` only: `a b`"],
        );
        check(
            "emit = false\nmain_text = true",
            &[
                "extract[0].main_text: the rule `r` has `main_text`, but `emit = false` gives its pages no record",
            ],
        );
        check(
            "emit = false\nfields.a = { css = 'p' }",
            &["extract[0].fields: the rule `r` has fields, but `emit = false` gives its pages no record"],
        );
        check(
            "[[extract]]\nid = 's'",
            &["extract[1].id: the rule `s` is for no page: `r` before it is for all"],
        );
    }

    #[test]
    fn lists_that_are_nested_wrongly() {
        check("fields.a = { css = 'p', fields.b = { css = 'b' } }", &[]);
        check(
            "fields.a = { fields.b = { css = 'b' } }",
            &["extract[0].fields.a: `a` has neither `each` nor `json`, so nothing can be found"],
        );
        check(
            "fields.a = { each = 'p' }",
            &["extract[0].fields.a.each: `a` is a list of objects without any `fields`"],
        );
        check(
            "fields.a = { each = 'p', css = 'b', fields.b = { css = 'b' } }",
            &["extract[0].fields.a.css: `a` has both `each` and `css`; `each` is enough"],
        );
        check(
            "fields.a = { each = 'p', json = '$', fields.b = { json = '$' } }",
            &[
                "extract[0].fields.a.each: `a` has both `each` and `json`; for a list in JSON `json` is enough: `p`",
            ],
        );
        check(
            "fields.a = { each = 'p', many = true, fields.b = { css = 'b' } }",
            &["extract[0].fields.a.many: `many` says nothing of `a`, which is a list of objects"],
        );
        check(
            "fields.a = { each = 'p', fields.b = { json = '$.b' } }",
            &["extract[0].fields.a.fields.b: `a.b` cannot be found within its list: an element is no JSON"],
        );
        check(
            "fields.a = { json = '$', fields.b = { css = 'b' } }",
            &["extract[0].fields.a.fields.b: `a.b` cannot be found within its list: JSON has no elements"],
        );
    }
}

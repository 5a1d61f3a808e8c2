//! The reference of all config keys as Markdown, made from the schema alone: what it says is what is
//! checked. `docs/configuration.md` is its output.

use serde_json::Value as Json;

use super::schema;
use super::shape::{Shape, follow, path_within, shape, type_of};

const HEAD: &str = "\
# Configuration reference

Made from the program by `trawl config reference`; a test holds that it is up to date.

- A duration has its unit: `\"250ms\"`, `\"1s\"`, `\"5m\"`, `\"2h\"`. A size too: `\"64KiB\"`, `\"10MiB\"`, `\"2GB\"`.
- Relative paths resolve against the folder of the config file.
- A *secret text* is a text in quotes, or a reference: `{ env = \"NAME\" }` or `{ file = \"/run/secrets/x\" }`.
- Any key can be set on the command line: `--set politeness.host_delay=2s`, `--set sources[0].path=urls.txt`
  or, by the id of the source, `--set sources.docs.path=urls.txt`.
- Unknown keys are errors. *Required* keys have no default; *none* means that nothing is set.
";

/// The whole reference.
pub fn reference() -> String {
    let root = schema();
    let mut out = HEAD.to_owned();
    table(&root, &root, "", "Top of the file", &mut out);
    out
}

/// A heading and the keys of one table, then the tables in it.
fn table(root: &Json, schema: &Json, name: &str, about: &str, out: &mut String) {
    let heading = if name.is_empty() { about.to_owned() } else { format!("`{name}`") };
    if out.contains(&format!("\n## {heading}\n")) {
        return; // several tables have the same one
    }
    out.extend(["\n## ", &heading, "\n\n"]);
    if !name.is_empty() {
        out.extend([&one_line(about), "\n\n"]);
    }
    out.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let mut inner = Vec::new();
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let about = value["description"].as_str().unwrap_or_default();
        if key == "type" && value["const"].is_string() {
            continue; // it stands in the heading
        }
        let tables = tables_in(root, name, key, value);
        let kind = if tables.is_empty() { kind(root, value) } else { "see below".to_owned() };
        let default = match &value["default"] {
            _ if required.contains(&key.as_str()) => "*required*".to_owned(),
            _ if !tables.is_empty() => String::new(),
            Json::Null => "*none*".to_owned(),
            Json::String(text) => format!("`\"{text}\"`"),
            other => format!("`{other}`"),
        };
        inner.extend(tables);
        let cells = [&format!("`{key}`"), &kind, &default, &one_line(about)];
        out.extend(cells.into_iter().flat_map(|cell| ["| ", cell, " "]).chain(["|\n"]));
    }
    // Fields have fields of the same kind; they are described once.
    for (name, about, schema) in inner.into_iter().filter(|(_, _, inner)| !std::ptr::eq(*inner, schema)) {
        table(root, schema, &name, about, out);
    }
}

/// The tables that a key opens, each with its heading and its meaning; none for a plain value.
fn tables_in<'s>(
    root: &'s Json,
    outer: &str,
    key: &str,
    value: &'s Json,
) -> Vec<(String, &'s str, &'s Json)> {
    let (name, tag) = path_within(outer, key);
    let about = value["description"].as_str().unwrap_or_default();
    let inner = match shape(root, value) {
        Shape::One(one) => one,
        Shape::Words(_) | Shape::Tagged(_) | Shape::Any(_) => follow(root, value),
    };
    if inner["properties"].is_object() {
        return vec![(format!("[{name}]{tag}"), about, inner)];
    }
    let one = follow(root, &inner["additionalProperties"]);
    if one["properties"].is_object() {
        return vec![(format!("[{name}.\"...\"]{tag}"), about, one)];
    }
    let one = follow(root, &inner["items"]);
    if one["properties"].is_object() {
        return vec![(format!("[[{name}]]"), about, one)];
    }
    let Shape::Tagged(variants) = shape(root, &inner["items"]) else { return Vec::new() };
    let tables = variants.into_iter().map(|(tag, one)| {
        let about = one["description"].as_str().unwrap_or_default();
        (format!("[[{name}]] type = \"{tag}\""), about, one)
    });
    tables.collect()
}

/// The type of a value in a word or two.
fn kind(root: &Json, schema: &Json) -> String {
    if let Some(only) = schema["const"].as_i64() {
        return format!("`{only}`");
    }
    match shape(root, schema) {
        Shape::Words(words) => {
            words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", ")
        }
        Shape::Tagged(_) => "tables, see below".to_owned(),
        Shape::Any(variants) => {
            let text = variants.iter().any(|variant| !variant["properties"]["env"].is_null());
            let all = variants.iter().map(|variant| kind(root, variant)).collect::<Vec<_>>().join(" or ");
            if text { "secret text".to_owned() } else { all }
        }
        Shape::One(one) => match (type_of(one), one["format"].as_str()) {
            (_, Some("duration-units")) => "duration".to_owned(),
            (_, Some("size-units")) => "size".to_owned(),
            (_, Some("paths")) => "list of paths".to_owned(),
            ("string", Some("path" | "path-or-stdin")) => "path".to_owned(),
            ("string", _) => "text".to_owned(),
            ("integer", _) => match one["minimum"].as_i64() {
                Some(least) => format!("whole number, {least} or more"),
                None => "whole number".to_owned(),
            },
            ("number", _) => "number, 0 or more".to_owned(),
            ("boolean", _) => "`true` or `false`".to_owned(),
            (_, Some("any-value")) => "any value but a table".to_owned(),
            (_, Some("any-json")) => "any value but a date".to_owned(),
            ("array", _) => format!("list of {}", kind(root, &one["items"])),
            ("object", _) => format!("table of {}", kind(root, &one["additionalProperties"])),
            (other, _) => other.to_owned(),
        },
    }
}

/// A text for a cell of a table.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

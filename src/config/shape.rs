//! What the JSON Schema of a value allows, in the few shapes that a config has, and in words.
//! Reads schemas only; never sees a config.

use serde_json::Value as Json;

/// What a value may be.
#[derive(Debug)]
pub enum Shape<'s> {
    /// One kind of value.
    One(&'s Json),
    /// One of these words.
    Words(Vec<&'s str>),
    /// A table whose `type` decides which.
    Tagged(Vec<(&'s str, &'s Json)>),
    /// Any of these.
    Any(Vec<&'s Json>),
}

/// The schema behind a `$ref`.
pub fn follow<'s>(root: &'s Json, schema: &'s Json) -> &'s Json {
    let target = schema["$ref"].as_str().and_then(|name| root.pointer(name.strip_prefix('#')?));
    target.map_or(schema, |target| follow(root, target))
}

/// What a schema allows; null, which TOML does not have, is left out.
pub fn shape<'s>(root: &'s Json, schema: &'s Json) -> Shape<'s> {
    let schema = follow(root, schema);
    if let Some(variants) = schema["oneOf"].as_array() {
        let words: Option<Vec<&str>> = variants.iter().map(|variant| variant["const"].as_str()).collect();
        return match words {
            Some(words) => Shape::Words(words),
            None => {
                Shape::Tagged(variants.iter().filter_map(|variant| Some((tag(variant)?, variant))).collect())
            }
        };
    }
    let Some(variants) = schema["anyOf"].as_array() else { return Shape::One(schema) };
    let variants: Vec<&Json> = variants.iter().filter(|variant| variant["type"] != "null").collect();
    match variants[..] {
        [only] => shape(root, only),
        _ => Shape::Any(variants.into_iter().map(|variant| follow(root, variant)).collect()),
    }
}

/// The `type` of a variant of a tagged table.
fn tag(variant: &Json) -> Option<&str> {
    variant["properties"]["type"]["const"].as_str()
}

/// The type that a schema names: `string`, `integer`, `number`, `boolean`, `array`, `object`.
pub fn type_of(schema: &Json) -> &str {
    match &schema["type"] {
        Json::Array(types) => {
            types.iter().filter_map(Json::as_str).find(|name| *name != "null").unwrap_or("")
        }
        name => name.as_str().unwrap_or(""),
    }
}

/// What a schema wants, in words that follow `must be`.
pub fn expected(root: &Json, schema: &Json) -> String {
    match shape(root, schema) {
        Shape::Words(words) => format!("one of {}", listed(words)),
        Shape::Tagged(_) => "a table with a `type`".to_owned(),
        Shape::Any(variants) => {
            let all: Vec<String> = variants.iter().map(|variant| expected(root, variant)).collect();
            all.join(" or ")
        }
        Shape::One(schema) => match (type_of(schema), schema["format"].as_str()) {
            (_, Some("duration-units")) => {
                "a duration with its unit, such as \"250ms\", \"1s\" or \"2h\"".to_owned()
            }
            (_, Some("size-units")) => "a size with its unit, such as \"64KiB\" or \"10MiB\"".to_owned(),
            ("string", Some("path" | "path-or-stdin")) => "a path in quotes".to_owned(),
            ("string", _) => "a text in quotes".to_owned(),
            ("integer", _) => match schema["minimum"].as_i64() {
                Some(least) => format!("a whole number of {least} or more"),
                None => "a whole number".to_owned(),
            },
            ("number", _) => "a number of 0 or more".to_owned(),
            ("boolean", _) => "`true` or `false`".to_owned(),
            (_, Some("any-value")) => "a text, a number, `true`, `false`, or a list of them".to_owned(),
            (_, Some("any-json")) => {
                "a text, a number, `true`, `false`, or lists and tables of them".to_owned()
            }
            ("array", _) => format!("a list, each of it {}", expected(root, &schema["items"])),
            _ => match schema["required"].as_array().map(Vec::as_slice) {
                Some([Json::String(only)]) => format!("`{{ {only} = \"...\" }}`"),
                _ => "a table".to_owned(),
            },
        },
    }
}

/// How a value of a schema may be written.
pub fn example(root: &Json, schema: &Json) -> String {
    let default = &schema["default"];
    if default.is_string() || default.is_number() || default.is_boolean() {
        return default.to_string();
    }
    match shape(root, schema) {
        Shape::Words(words) => format!("{:?}", words.first().copied().unwrap_or_default()),
        Shape::Tagged(_) => "{ type = \"...\" }".to_owned(),
        Shape::Any(variants) => variants.first().map_or_else(String::new, |first| example(root, first)),
        Shape::One(schema) => match (type_of(schema), schema["format"].as_str()) {
            (_, Some("duration-units")) => "\"30s\"".to_owned(),
            (_, Some("size-units")) => "\"10MiB\"".to_owned(),
            ("integer", _) if !schema["const"].is_null() => schema["const"].to_string(),
            ("integer", _) => "10".to_owned(),
            ("number", _) => "0.5".to_owned(),
            ("boolean", _) => "true".to_owned(),
            ("array", _) => format!("[{}]", example(root, &schema["items"])),
            ("object", _) => "{ ... }".to_owned(),
            _ => "\"...\"".to_owned(),
        },
    }
}

/// The path of a key in the table that is called `outer`, and what its name says behind the brackets: within an entry
/// of a list, `[[sinks]] of type "csv"`, that is its type.
pub fn path_within<'o>(outer: &'o str, key: &str) -> (String, &'o str) {
    let (table, tag) = outer.split_once(']').unwrap_or((outer, ""));
    let path = [table.trim_start_matches('['), key].join(".");
    (path.trim_start_matches('.').to_owned(), tag.trim_start_matches(']'))
}

/// Names in a row, each in backticks.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

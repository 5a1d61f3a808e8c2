//! The `[[extract]]` tables as they are written. What in them is wrong is found where they are compiled; nothing
//! is extracted here.

use std::fmt;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One `[[extract]]` table: which pages it is for, and what is taken from them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of the rule in records, warnings and reasons.
    pub id: String,
    /// Which pages it is for; without any key, all. Of several rules the first that fits is taken.
    #[serde(default, rename = "match")]
    pub matching: Match,
    /// Whether its pages have a record. If not, only their links are followed, and the outcome is `listed`.
    #[serde(default = "yes")]
    pub emit: bool,
    /// Whether records of its pages have the main text in `text`: what a reader came for, without navigation,
    /// advertisements and comments. For HTML; of a plain text or Markdown it is all.
    #[serde(default)]
    pub main_text: bool,
    /// Whether records of its HTML pages have `structured`: Open Graph and other metadata, JSON-LD, microdata, headings
    /// and images.
    #[serde(default)]
    pub structured_data: bool,
    /// Addresses that are followed like links, beside those of the page: the next page of a JSON API.
    #[serde(default)]
    pub links: Option<Links>,
    /// The fields of a record, in this order.
    #[serde(default)]
    pub fields: IndexMap<String, Field>,
}

/// Which pages a rule is for: all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// A regex that is searched for anywhere in the canonical URL of the page, which is ASCII.
    pub url: Option<String>,
    /// A glob that matches the whole URL: `*` stays within a part of the path, `**`, alone between slashes, does not.
    pub glob: Option<String>,
    /// The declared or detected type without parameters: `text/html`, or `text/*` for all of a kind.
    pub content_type: Option<String>,
    /// Id of the source that led to the page.
    pub source: Option<String>,
}

/// Where further links are found: `css` or `json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Links {
    /// A CSS selector of the elements that hold them.
    pub css: Option<String>,
    /// The attribute that holds the address.
    pub attr: Option<String>,
    /// A JSONPath (RFC 9535) to texts that are addresses.
    pub json: Option<String>,
    /// Where the JSON stands.
    pub from: From,
}

/// What a field holds: the text that `css` finds, the value that `json` finds, or a list of objects with `fields`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Field {
    /// A CSS selector. The value is the text of the first element that has one: script and style left out, blocks
    /// apart, white space collapsed, trimmed. Also reads XML, where names have their case and no prefix.
    pub css: Option<String>,
    /// A JSONPath (RFC 9535). With `css` it is for the JSON within those elements.
    pub json: Option<String>,
    /// Where the JSON stands, if no `css` says so.
    pub from: From,
    /// Instead of the text, this attribute.
    pub attr: Option<String>,
    /// Instead of the text, the HTML within the element.
    pub html: bool,
    /// A regex that is searched for in the text; the value is its first group, or all of the match.
    pub regex: Option<String>,
    /// Whether all values are taken, as a list, instead of the first one.
    pub many: bool,
    /// Whether a page without a value has no record; its outcome is `rejected`. Among objects of a list, whether
    /// one without a value is left out.
    pub required: bool,
    /// What the value is. Without a type a text stays text, and JSON what it is.
    #[serde(rename = "type")]
    pub kind: Option<Type>,
    /// The decimal sign of numbers; thousands may then be apart by the other sign, a space or an apostrophe. Without
    /// it, numbers have a `.` and no thousands apart.
    pub decimal: Option<Decimal>,
    /// The value where nothing is found; of the same type, and for `many` a list.
    #[schemars(schema_with = "any_value")]
    pub default: Option<Value>,
    /// A CSS selector: each element it finds becomes an object with `fields`, looked for within it. For JSON write
    /// `json` in its place.
    pub each: Option<String>,
    /// The fields of each object.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub fields: IndexMap<String, Field>,
}

/// Where JSON stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// The body is JSON.
    #[default]
    Body,
    /// In the JSON-LD of an HTML page: the path is tried on each of its objects, those of `@graph` among them.
    JsonLd,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// A text.
    String,
    /// A whole number of 64 bits.
    Int,
    /// A number.
    Float,
    /// `true`, `yes`, `1`, or `false`, `no`, `0`, in any case.
    Bool,
    /// A day as it is written, of ISO 8601 or RFC 2822: `2026-11-21`.
    Date,
    /// A moment of ISO 8601 or RFC 2822, in UTC: `2026-11-21T02:00:00.000Z`. Without a zone it is UTC.
    Datetime,
    /// An address, resolved against the base of the page, in canonical form.
    Url,
    /// JSON within a text.
    Json,
}

/// A decimal sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Decimal {
    /// `1.234,5`
    #[serde(rename = ",")]
    Comma,
    /// `1,234.5`
    #[serde(rename = ".")]
    Point,
}

impl fmt::Display for Type {
    /// As in the config.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Url => "url",
            Self::Json => "json",
        })
    }
}

impl Type {
    /// Whether a value that the config gives is one of the type, as a record has it.
    pub fn takes(self, value: &Value) -> bool {
        match self {
            Self::String | Self::Date | Self::Datetime | Self::Url => value.is_string(),
            Self::Int => value.is_i64(),
            Self::Float => value.is_number(),
            Self::Bool => value.is_boolean(),
            Self::Json => true,
        }
    }
}

impl Field {
    /// The JSON Schema of its values in a record.
    pub fn schema(&self) -> Value {
        if !self.fields.is_empty() {
            return json!({ "type": "array", "items": object_schema(&self.fields) });
        }
        let one = match self.kind {
            None if self.json.is_some() => json!({}),
            Some(Type::Json) => json!({}),
            None | Some(Type::String) => json!({ "type": "string" }),
            Some(Type::Int) => json!({ "type": "integer" }),
            Some(Type::Float) => json!({ "type": "number" }),
            Some(Type::Bool) => json!({ "type": "boolean" }),
            Some(Type::Date) => json!({ "type": "string", "format": "date" }),
            Some(Type::Datetime) => json!({ "type": "string", "format": "date-time" }),
            Some(Type::Url) => json!({ "type": "string", "format": "uri" }),
        };
        if self.many {
            return json!({ "type": "array", "items": one });
        }
        match one["type"].as_str() {
            Some(name) if !self.required && self.default.is_none() => {
                let mut one = one.clone();
                one["type"] = json!([name, "null"]);
                one
            }
            _ => one,
        }
    }
}

/// The JSON Schema of an object with these fields, all of them always present.
pub fn object_schema(fields: &IndexMap<String, Field>) -> Value {
    let properties: serde_json::Map<String, Value> =
        fields.iter().map(|(name, field)| (name.clone(), field.schema())).collect();
    let names: Vec<&String> = fields.keys().collect();
    json!({ "type": "object", "properties": properties, "required": names, "additionalProperties": false })
}

fn yes() -> bool {
    true
}

/// A value of any type but a table; `format` tells the check of a config.
fn any_value(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "format": "any-value" })
}

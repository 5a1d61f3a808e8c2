//! The fields that every record has, with what they are: the columns of each table. Held against the type of a
//! record by a test.

use super::shape::{Field, Shape};

/// The field of a record that holds the fields of its extraction rule.
pub(super) const FIELDS: &str = "fields";

/// Whether a field may be null.
const NULL: bool = true;
const NEVER: bool = false;

/// All fields of a record in their order; [`FIELDS`] is an object without any.
pub(super) fn columns() -> Vec<Field> {
    let text = || Shape::Text;
    let optional = |name: &str| Field::new(name, Shape::Text);
    let rows: [(&str, Shape, bool); 42] = [
        ("schema_version", Shape::Int, NEVER),
        ("record_id", text(), NEVER),
        ("run_id", text(), NEVER),
        ("job", text(), NEVER),
        ("source_id", text(), NEVER),
        ("url", text(), NEVER),
        ("url_key", text(), NEVER),
        ("url_requested", text(), NEVER),
        ("url_canonical", text(), NULL),
        ("redirects", text().list(), NEVER),
        ("host", text(), NEVER),
        ("registered_domain", text(), NULL),
        ("depth", Shape::Int, NEVER),
        ("discovered_from", text(), NULL),
        ("fetch_time", Shape::Moment, NEVER),
        ("fetch_status", Shape::Int, NEVER),
        ("fetch_duration_ms", Shape::Int, NEVER),
        ("fetch_attempts", Shape::Int, NEVER),
        ("fetch_bytes", Shape::Int, NEVER),
        ("fetch_ip", text(), NULL),
        ("fetch_protocol", text(), NEVER),
        ("http_etag", text(), NULL),
        ("http_last_modified", text(), NULL),
        ("content_mime_type", text(), NULL),
        ("content_mime_detected", text(), NULL),
        ("content_charset", text(), NULL),
        ("content_charset_source", text(), NULL),
        ("content_languages", text().list(), NEVER),
        ("content_languages_source", text(), NULL),
        ("content_length", Shape::Int, NEVER),
        ("content_truncated", Shape::Bool, NEVER),
        ("content_digest", text(), NEVER),
        ("title", text(), NULL),
        ("description", text(), NULL),
        ("text", text(), NULL),
        ("word_count", Shape::Int, NULL),
        (
            "links",
            Shape::Object(vec![Field { is_nullable: NEVER, ..optional("url") }, optional("rel")]).list(),
            NULL,
        ),
        (FIELDS, Shape::Object(Vec::new()), NEVER),
        ("extract_rule", text(), NULL),
        ("extract_warnings", text().list(), NEVER),
        // What stands in it is up to the page, so that no type but JSON would hold all of it.
        ("structured", Shape::Json, NULL),
        ("sitemap", Shape::Object(["lastmod", "changefreq", "priority"].map(optional).into()), NULL),
    ];
    rows.into_iter()
        .map(|(name, shape, is_nullable)| Field { name: name.to_owned(), shape, is_nullable })
        .collect()
}

#[cfg(test)]
mod tests {
    use schemars::generate::SchemaSettings;
    use serde_json::{Value, json};

    use super::*;
    use crate::model::Record;

    /// The JSON Schema of a field, as far as a table needs it.
    fn schema(field: &Field) -> Value {
        let one = match &field.shape {
            Shape::Int => json!({ "type": "integer" }),
            Shape::Bool => json!({ "type": "boolean" }),
            Shape::List(item) => {
                let item =
                    schema(&Field { name: String::new(), shape: (**item).clone(), is_nullable: NEVER });
                json!({ "type": "array", "items": item })
            }
            Shape::Object(fields) if fields.is_empty() => json!({ "type": "object" }),
            Shape::Object(fields) => {
                let all: serde_json::Map<String, Value> =
                    fields.iter().map(|field| (field.name.clone(), schema(field))).collect();
                json!({ "type": "object", "properties": all })
            }
            _ => json!({ "type": "string" }),
        };
        let mut one = one;
        if field.is_nullable {
            one["type"] = json!([one["type"], "null"]);
        }
        one
    }

    /// The same of a schema of the record.
    fn plain(root: &Value, found: &Value) -> Value {
        if let Some(target) = found["$ref"].as_str() {
            return plain(root, root.pointer(target.trim_start_matches('#')).expect("a definition"));
        }
        if let Some(any) = found["anyOf"].as_array() {
            let mut one = plain(root, &any[0]);
            one["type"] = json!([one["type"], "null"]);
            return one;
        }
        let mut one = json!({ "type": found["type"] });
        if found["items"].is_object() {
            one["items"] = plain(root, &found["items"]);
        }
        if let Some(all) = found["properties"].as_object() {
            let all: serde_json::Map<String, Value> =
                all.iter().map(|(name, field)| (name.clone(), plain(root, field))).collect();
            one["properties"] = json!(all);
        }
        one
    }

    #[test]
    fn columns_are_the_fields_of_a_record() {
        let generator = SchemaSettings::default().for_serialize().into_generator();
        let root = generator.into_root_schema_for::<Record>().to_value();
        let mut found = plain(&root, &root);
        found["properties"]["structured"] = json!({ "type": ["string", "null"] });
        let expected =
            schema(&Field { name: String::new(), shape: Shape::Object(columns()), is_nullable: NEVER });
        assert_eq!(expected, found);
        let names: Vec<String> = columns().into_iter().map(|field| field.name).collect();
        assert!(found["properties"].as_object().expect("fields").keys().eq(names.iter()), "their order");
    }
}

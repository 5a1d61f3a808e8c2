//! The fields of a record by their names: each as JSON, or as the text of a cell. Knows no file and no format
//! around them.

use std::borrow::Cow;
use std::io::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::kind::nearest;
use crate::model::{Hint, Link, Links, Record, Structured};

/// What reaches into the fields of the extraction rules.
const INTO_FIELDS: &str = "fields.";

/// Writes one field of a record as JSON.
pub(super) type Json = for<'a, 'r> fn(&'r Record<'a>, &mut Vec<u8>) -> serde_json::Result<()>;

/// Writes one field of a record as the text of a cell.
type Text = for<'a, 'r> fn(&'r Record<'a>, &mut Vec<u8>) -> serde_json::Result<Cell>;

/// What stands in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// Text that may say anything.
    Text,
    /// A number, `true`, `false`, JSON, or nothing: it says no more than itself.
    Plain,
}

/// A column of a table: a field of the record, or one of the fields that the user has named.
#[derive(Clone, Debug)]
pub(super) enum Column {
    /// A field of the record.
    Own(Text),
    /// `fields.NAME`
    Extracted(String),
}

macro_rules! record_fields {
    ($($name:ident)+) => {
        /// Names of all fields of a record, in the order in which they are written.
        pub(super) const NAMES: &[&str] = &[$(stringify!($name)),+];

        /// What writes the field of this name as JSON.
        pub(super) fn json(name: &str) -> Option<Json> {
            if name == "links" {
                return Some(|record, out| links(record.links.as_deref(), out));
            }
            match name {
                $(stringify!($name) => Some(|record, out| serde_json::to_writer(out, &record.$name)),)+
                _ => None,
            }
        }

        fn text(name: &str) -> Option<Text> {
            match name {
                $(stringify!($name) => Some(|record, out| record.$name.cell(out)),)+
                _ => None,
            }
        }

        /// Does not compile if a field is missing above.
        #[allow(dead_code)]
        fn is_whole(record: &Record<'_>) {
            let Record { $($name: _),+ } = record;
        }
    };
}

record_fields! {
    schema_version record_id run_id job source_id url url_key url_requested url_canonical redirects host
    registered_domain depth discovered_from fetch_time fetch_status fetch_duration_ms fetch_attempts fetch_bytes
    fetch_ip fetch_protocol http_etag http_last_modified content_mime_type content_mime_detected content_charset
    content_charset_source content_languages content_languages_source content_length content_truncated content_digest title description
    text word_count links fields extract_rule extract_warnings structured sitemap
}

impl Column {
    /// The column of this name, if there can be one.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.strip_prefix(INTO_FIELDS) {
            Some("") => None,
            Some(field) => Some(Self::Extracted(field.to_owned())),
            None => text(name).map(Self::Own),
        }
    }

    /// Writes the text of its cell.
    pub(super) fn write(&self, record: &Record<'_>, out: &mut Vec<u8>) -> serde_json::Result<Cell> {
        match self {
            Self::Own(text) => text(record, out),
            Self::Extracted(name) => record.fields.get(name).map_or(Ok(Cell::Plain), |value| value.cell(out)),
        }
    }
}

/// Links as JSON. They are most of a record, and almost all of them are text that JSON takes as it is, which is seen
/// sooner than it is escaped byte by byte.
fn links(links: Option<&Links>, out: &mut Vec<u8>) -> serde_json::Result<()> {
    let Some(links) = links else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    let mut between = b'[';
    for Link { url, rel } in links.iter() {
        out.push(between);
        out.extend_from_slice(b"{\"url\":");
        if is_plain(url) {
            out.push(b'"');
            out.extend_from_slice(url.as_bytes());
            out.push(b'"');
        } else {
            serde_json::to_writer(&mut *out, url)?;
        }
        out.extend_from_slice(b",\"rel\":");
        match rel {
            Some(rel) => serde_json::to_writer(&mut *out, rel)?,
            None => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
        between = b',';
    }
    out.extend_from_slice(if links.is_empty() { b"[]" } else { b"]" });
    Ok(())
}

/// Whether JSON takes a text as it is. Without a branch a byte, so that many are looked at at once.
fn is_plain(text: &str) -> bool {
    let escaped = |byte| u8::from(byte < b' ') | u8::from(byte == b'"') | u8::from(byte == b'\\');
    text.bytes().fold(0, |found, byte| found | escaped(byte)) == 0
}

/// Why there is no field of this name, and what might have been meant.
pub(super) fn unknown(name: &str) -> (String, String) {
    let what = format!("`{}` is no field of a record", name.escape_debug());
    let hint = nearest(name, NAMES.iter().copied()).map_or_else(
        || "`trawl schema records` lists them".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    (what, hint)
}

/// A value that can stand in a cell.
trait ToCell {
    fn cell(&self, out: &mut Vec<u8>) -> serde_json::Result<Cell>;
}

impl ToCell for str {
    fn cell(&self, out: &mut Vec<u8>) -> serde_json::Result<Cell> {
        out.extend_from_slice(self.as_bytes());
        Ok(Cell::Text)
    }
}

impl ToCell for String {
    fn cell(&self, out: &mut Vec<u8>) -> serde_json::Result<Cell> {
        self.as_str().cell(out)
    }
}

impl ToCell for Cow<'_, str> {
    fn cell(&self, out: &mut Vec<u8>) -> serde_json::Result<Cell> {
        (**self).cell(out)
    }
}

impl<T: ToCell> ToCell for Option<T> {
    fn cell(&self, out: &mut Vec<u8>) -> serde_json::Result<Cell> {
        self.as_ref().map_or(Ok(Cell::Plain), |value| value.cell(out))
    }
}

impl ToCell for Value {
    fn cell(&self, out: &mut Vec<u8>) -> serde_json::Result<Cell> {
        match self {
            Self::Null => Ok(Cell::Plain),
            Self::String(text) => text.cell(out),
            other => as_json(other, out),
        }
    }
}

macro_rules! as_they_print {
    ($($type:ty)+) => {
        $(impl ToCell for $type {
            fn cell(&self, out: &mut Vec<u8>) -> serde_json::Result<Cell> {
                write!(out, "{self}").map_err(serde_json::Error::io)?;
                Ok(Cell::Plain)
            }
        })+
    };
}

macro_rules! in_json {
    ($($type:ty)+) => {
        $(impl ToCell for $type {
            fn cell(&self, out: &mut Vec<u8>) -> serde_json::Result<Cell> {
                as_json(self, out)
            }
        })+
    };
}

as_they_print! { u16 u32 u64 bool }
in_json! { Cow<'_, [String]> Cow<'_, Links> Cow<'_, Hint> Cow<'_, Structured> Map<String, Value> }

fn as_json(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) -> serde_json::Result<Cell> {
    serde_json::to_writer(out, value).map(|()| Cell::Plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{origin, page};
    use super::*;

    #[test]
    fn every_field_has_its_name_and_the_order_of_records() {
        let (origin, page) = (origin(), page("a"));
        let record = Record::from_visit(&origin, &page).expect("a record");
        let Value::Object(whole) = serde_json::to_value(&record).expect("record") else {
            panic!("an object")
        };
        assert_eq!(whole.keys().collect::<Vec<_>>(), NAMES);
        for (name, value) in &whole {
            let mut out = Vec::new();
            json(name).expect(name)(&record, &mut out).expect(name);
            assert_eq!(serde_json::from_slice::<Value>(&out).expect(name), *value, "{name}");

            let mut cell = Vec::new();
            let kind = Column::named(name).expect(name).write(&record, &mut cell).expect(name);
            let expected = match value {
                Value::Null => (String::new(), Cell::Plain),
                Value::String(text) => (text.clone(), Cell::Text),
                other => (other.to_string(), Cell::Plain),
            };
            assert_eq!((String::from_utf8(cell).expect("text"), kind), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn links_are_what_the_library_writes(
            found in prop::option::of(prop::collection::vec(
                ("[a-z:/?\"\\\\\x00-\x20\x7fü]{0,40}", prop::option::of("[a-z\" \n]{0,9}")), 0..5,
            )),
        ) {
            let found: Option<Links> = found.as_ref().map(|links| {
                links.iter().map(|(url, rel)| Link { url, rel: rel.as_deref() }).collect()
            });
            let mut out = Vec::new();
            links(found.as_ref(), &mut out).expect("links");
            prop_assert_eq!(String::from_utf8(out).expect("text"), serde_json::to_string(&found).expect("links"));
        }
    }

    #[test]
    fn extracted_fields_are_reached_into() {
        let (origin, page) = (origin(), page("a"));
        let mut record = Record::from_visit(&origin, &page).expect("a record");
        record.fields = serde_json::from_str(
            r#"{"price": -1.5, "name": "=x", "tags": ["a", "b"], "none": null, "fields.x": "dotted"}"#,
        )
        .expect("fields");
        let cell = |name: &str| {
            let mut out = Vec::new();
            let kind = Column::named(name).expect(name).write(&record, &mut out).expect(name);
            (String::from_utf8(out).expect("text"), kind)
        };
        assert_eq!(cell("fields.price"), ("-1.5".into(), Cell::Plain));
        assert_eq!(cell("fields.name"), ("=x".into(), Cell::Text));
        assert_eq!(cell("fields.tags"), (r#"["a","b"]"#.into(), Cell::Plain));
        assert_eq!(cell("fields.none"), (String::new(), Cell::Plain));
        assert_eq!(cell("fields.missing"), (String::new(), Cell::Plain));
        assert_eq!(cell("fields.fields.x"), ("dotted".into(), Cell::Text));
        assert!(Column::named("fields.").is_none() && Column::named("Title").is_none());
    }

    #[test]
    fn a_mistyped_name_is_told_from_a_strange_one() {
        assert_eq!(unknown("titel").1, "did you mean `title`?");
        assert_eq!(
            unknown("x\ny"),
            ("`x\\ny` is no field of a record".into(), "`trawl schema records` lists them".into())
        );
    }
}

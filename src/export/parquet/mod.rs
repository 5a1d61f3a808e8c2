//! The export `parquet`: a column for each field of a record and, as `fields.NAME`, for each field of the extraction
//! rules, with types, statistics and zstd. Only a row group at a time is in memory, packed, and beside it some records
//! that are not.

mod filling;
mod growing;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::schema::types::ColumnPath;
use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Schema, SchemaRef};
use serde::de::DeserializeSeed;

use self::growing::Column;
use super::Writer;
use super::columns::{FIELDS, columns};
use super::error::Fault;
use super::shape::Rule;
use crate::model::SCHEMA_VERSION;

/// A longer record cannot be a row, in bytes: the texts of a column are counted with 31 bits.
const MAX_RECORD_BYTES: usize = 1 << 30;
/// Columns in which no two values are alike: a dictionary of them is work for nothing.
const UNIQUE: [&str; 5] = ["record_id", "url", "url_key", "url_requested", "content_digest"];

/// What may be in memory at once.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Bytes of JSON whose values are not packed yet.
    batch_bytes: usize,
    /// The same in records.
    batch_rows: usize,
    /// Bytes of a row group.
    group_bytes: usize,
    /// Rows of a row group.
    group_rows: usize,
}

const BOUNDS: Bounds =
    Bounds { batch_bytes: 8 << 20, batch_rows: 4096, group_bytes: 64 << 20, group_rows: 64 << 10 };

/// Creates a file where there is none.
pub(super) fn open(path: &Path, rules: &[Rule]) -> Result<Box<dyn Writer>, Fault> {
    Ok(Box::new(Table::create(path, rules, BOUNDS)?))
}

/// A file that is being written.
struct Table {
    writer: ArrowWriter<File>,
    schema: SchemaRef,
    /// An object with a column for each field.
    record: Column,
    bounds: Bounds,
    /// Records that are not packed yet.
    rows: usize,
    /// Their bytes.
    bytes: usize,
}

impl Table {
    fn create(path: &Path, rules: &[Rule], bounds: Bounds) -> Result<Self, Fault> {
        let record = Column::record(&columns(), FIELDS, rules);
        let schema = Arc::new(Schema::new(record.flat(FIELDS)));
        let file = File::create(path).map_err(Fault::Io)?;
        let properties = properties(bounds)?;
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))?;
        Ok(Self { writer, schema, record, bounds, rows: 0, bytes: 0 })
    }

    /// Packs what has been read.
    fn pack(&mut self) -> Result<(), Fault> {
        let arrays = self.record.finish_flat(FIELDS)?;
        self.writer.write(&RecordBatch::try_new(Arc::clone(&self.schema), arrays)?)?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

impl Writer for Table {
    fn record(&mut self, line: &str) -> Result<(), Fault> {
        if line.len() > MAX_RECORD_BYTES {
            return Err(Fault::Misfit("the record is longer than 1 GiB".to_owned()));
        }
        let mut json = serde_json::Deserializer::from_str(line);
        let read = self.record.deserialize(&mut json).and_then(|()| json.end());
        if let Err(error) = read {
            let place = self.record.place();
            return Err(match Fault::from(error) {
                Fault::Misfit(what) if !place.is_empty() => Fault::Misfit(format!("`{place}`: {what}")),
                fault => fault,
            });
        }
        self.rows += 1;
        self.bytes += line.len();
        if self.rows >= self.bounds.batch_rows || self.bytes >= self.bounds.batch_bytes {
            self.pack()?;
        }
        Ok(())
    }

    fn end_part(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), Fault> {
        self.pack()?;
        self.writer.close()?;
        Ok(())
    }
}

fn properties(bounds: Bounds) -> Result<WriterProperties, Fault> {
    let said =
        [("trawl.version", env!("CARGO_PKG_VERSION")), ("trawl.schema_version", &SCHEMA_VERSION.to_string())]
            .map(|(key, value)| KeyValue::new(key.to_owned(), value.to_owned()));
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(bounds.group_rows))
        .set_max_row_group_bytes(Some(bounds.group_bytes))
        .set_key_value_metadata(Some(said.to_vec()));
    let unique = UNIQUE.into_iter().map(ColumnPath::from);
    Ok(unique
        .fold(properties, |properties, path| properties.set_column_dictionary_enabled(path, false))
        .build())
}

impl From<ParquetError> for Fault {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
                Ok(error) => Self::Io(*error),
                Err(inner) => Self::Format(inner),
            },
            error => Self::Format(Box::new(error)),
        }
    }
}

impl From<ArrowError> for Fault {
    fn from(error: ArrowError) -> Self {
        Self::Format(Box::new(error))
    }
}

#[cfg(test)]
mod reading;

#[cfg(test)]
mod tests {
    use ::parquet::file::metadata::RowGroupMetaData;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::super::shape::{Field, Shape};
    use super::super::testing::{Parts, record, rule, values};
    use super::super::{ExportError, make};
    use super::*;

    /// A record as its row should read.
    fn row(record: &Value, names: &[(String, String)]) -> Map<String, Value> {
        let cell = |name: &str| match name.strip_prefix("fields.") {
            Some("json") => match &record["fields"]["json"] {
                Value::Null => Value::Null,
                json => json!(json.to_string()),
            },
            Some(name) => record["fields"][name].clone(),
            None => record[name].clone(),
        };
        names.iter().map(|(name, _)| (name.clone(), cell(name))).collect()
    }

    fn made(rules: Vec<Rule>, parts: &[&[Value]]) -> Result<Vec<Map<String, Value>>, ExportError> {
        let parts = Parts::new(rules, parts);
        let to = parts.dir.path().join("x.parquet");
        let count = make("parquet", parts.records(), &to)?;
        let (rows, _, _) = reading::read(&to);
        assert_eq!(rows.len() as u64, count);
        Ok(rows)
    }

    #[test]
    fn records_read_back_as_they_were_with_types() {
        let records = [record(1, Some("all"), values()), record(2, None, json!({}))];
        let parts = Parts::new(vec![rule()], &[&records[..1], &[], &records[1..]]);
        let to = parts.dir.path().join("x.parquet");
        make("parquet", parts.records(), &to).expect("made");
        let (rows, types, metadata) = reading::read(&to);
        assert_eq!(rows, records.each_ref().map(|record| row(record, &types)));
        let of_rules: Vec<(&str, &str)> = types
            .iter()
            .filter_map(|(name, kind)| Some((name.strip_prefix("fields.")?, kind.as_str())))
            .collect();
        let expected = [
            ("text", "text?"),
            ("int", "int?"),
            ("float", "float?"),
            ("bool", "bool?"),
            ("date", "date?"),
            ("moment", "moment?"),
            ("json", "text?"),
            ("tags", "[text?]?"),
            ("items", "[{name text?, price float?}?]?"),
        ];
        assert_eq!(of_rules, expected);
        let kind = |name: &str| types.iter().find(|(known, _)| known == name).expect(name).1.as_str();
        assert_eq!((kind("url"), kind("title"), kind("fetch_time")), ("text", "text?", "moment"));
        assert_eq!(kind("links"), "[{url text, rel text?}?]?");
        let url =
            metadata.row_group(0).columns().iter().find(|column| column.column_path().string() == "url");
        let url = url.expect("a column");
        assert!(url.statistics().is_some_and(|all| all.min_bytes_opt() == Some(b"https://example.org/1")));
        assert!(matches!(url.compression(), Compression::ZSTD(_)));
    }

    #[test]
    fn names_that_rules_share_are_one_column_and_text_where_they_differ() {
        let of = |id: &str, shapes: [(&str, Shape); 2]| Rule {
            id: id.to_owned(),
            fields: shapes.map(|(name, shape)| Field::new(name, shape)).into(),
        };
        let rules = vec![
            of("a", [("same", Shape::Int), ("other", Shape::Int)]),
            of("b", [("other", Shape::Text.list()), ("same", Shape::Int)]),
            of("c", [("other", Shape::Text), ("more", Shape::Bool)]),
        ];
        let fields = [
            json!({ "same": 1, "other": 2 }),
            json!({ "other": ["x"], "same": null }),
            json!({ "other": "a\"b\u{e9}", "more": true }),
            json!({ "other": null, "more": null }),
        ];
        let records: Vec<Value> = fields.into_iter().map(|fields| record(1, Some("a"), fields)).collect();
        let rows = made(rules, &[&records]).expect("made");
        let found: Vec<Value> = rows
            .iter()
            .map(|row| json!([row["fields.same"], row["fields.other"], row["fields.more"]]))
            .collect();
        let expected = [
            json!([1, "2", null]),
            json!([null, "[\"x\"]", null]),
            json!([null, "a\"b\u{e9}", true]),
            json!([null, null, null]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_does_not_fit_is_an_error_with_its_place_and_leaves_no_file() {
        let fails = |change: &dyn Fn(&mut Value), expected: &str| {
            let mut bad = record(2, Some("all"), values());
            change(&mut bad);
            let parts = Parts::new(vec![rule()], &[&[record(1, None, json!({})), bad]]);
            let error =
                make("parquet", parts.records(), &parts.dir.path().join("out/x")).expect_err(expected);
            let words = error.to_string();
            let place = "`records/part-00000.jsonl:2`: ";
            assert!(words.starts_with(&format!("{place}{expected}")), "{words}");
            assert_eq!(std::fs::read_dir(parts.dir.path().join("out")).expect("folder").count(), 0);
        };
        fails(
            &|bad| bad["fields"]["int"] = json!("7"),
            "`fields.int`: a text where a whole number of 64 bits must stand at byte 1",
        );
        fails(&|bad| bad["fields"]["int"] = json!(7.5), "`fields.int`: a fraction where");
        fails(&|bad| bad["fields"]["int"] = json!(u64::MAX), "`fields.int`: a number beyond 2^63 where");
        fails(
            &|bad| bad["fields"]["float"] = json!((1_i64 << 53) + 1),
            "`fields.float`: a whole number where",
        );
        fails(&|bad| bad["fields"]["date"] = json!("2026-02-30"), "`fields.date`: a text where a day");
        fails(&|bad| bad["fields"]["moment"] = json!("2026-02-03"), "`fields.moment`: a text where a moment");
        fails(&|bad| bad["fields"]["tags"] = json!(["a", 1]), "`fields.tags`: a whole number where a text");
        fails(&|bad| bad["fields"]["items"][1]["price"] = json!(true), "`fields.items.price`: a truth where");
        fails(&|bad| bad["fields"]["new"] = json!(1), "`fields`: no field `new` is known here");
        fails(&|bad| bad["url"] = Value::Null, "`url`: null where a text must stand");
        fails(&|bad| bad["links"][0]["url"] = Value::Null, "`links.url`: null where a text must stand");
        fails(&|bad| bad["links"] = json!({}), "`links`: an object where a list must stand");
        fails(&|bad| bad["new"] = json!(1), "no field `new` is known here at byte");
        fails(&|bad| drop(bad.as_object_mut().expect("record").remove("url")), "`url`: is missing");
        fails(&|bad| *bad = json!("torn"), "a text where an object must stand at byte 6");
    }

    #[test]
    fn row_groups_and_batches_are_bounded() {
        let bounds = Bounds { batch_bytes: 1 << 30, batch_rows: 7, group_bytes: 1 << 30, group_rows: 10 };
        let groups = |bounds: Bounds| {
            let dir = tempfile::tempdir().expect("folder");
            let path = dir.path().join("x");
            let mut table = Table::create(&path, &[rule()], bounds).expect("created");
            for number in 0..25 {
                table.record(&record(number, Some("all"), values()).to_string()).expect("fits");
                assert!(table.rows < bounds.batch_rows && table.bytes < bounds.batch_bytes);
            }
            Box::new(table).finish().expect("finished");
            let (rows, _, metadata) = reading::read(&path);
            let numbers: Vec<u64> = rows.iter().filter_map(|row| row["depth"].as_u64()).collect();
            assert_eq!(numbers, (0..25).collect::<Vec<_>>());
            metadata.row_groups().iter().map(RowGroupMetaData::num_rows).collect::<Vec<_>>()
        };
        assert_eq!(groups(bounds), [10, 10, 5]);
        assert_eq!(groups(Bounds { batch_bytes: 1, ..bounds }), [10, 10, 5]);
        assert!(groups(Bounds { batch_rows: 1, group_bytes: 1, ..bounds }).len() > 3);
    }

    #[test]
    fn a_run_without_records_is_a_table_without_rows() {
        assert!(made(vec![rule()], &[]).expect("made").is_empty());
        assert!(made(Vec::new(), &[&[]]).expect("made").is_empty());
    }

    /// Any JSON, not too deep.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("\\PC{0,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_values_of_the_types_read_back(
            text in proptest::option::of("\\PC{0,40}|[\\x00-\\x1f\"\\\\]{0,8}"),
            int in any::<i64>(),
            float in any::<f64>().prop_filter("JSON has no others", |float| float.is_finite()),
            day in -700_000..2_900_000_i32,
            moment in -60_000_000_000_000..250_000_000_000_000_i64,
            any in any_json(),
            tags in prop::collection::vec("\\PC{0,8}", 0..5),
            prices in prop::collection::vec(proptest::option::of(-1e9..1e9_f64), 0..4),
        ) {
            let day = jiff::civil::Date::constant(1970, 1, 1).checked_add(jiff::Span::new().days(day));
            let moment = jiff::Timestamp::from_millisecond(moment).expect("a moment");
            let items: Vec<Value> =
                prices.iter().map(|price| json!({ "name": text, "price": price })).collect();
            let fields = json!({
                "text": text, "int": int, "float": float, "bool": int > 0, "date": day.expect("a day").to_string(),
                "moment": format!("{moment:.3}"), "json": any, "tags": tags, "items": items,
            });
            let records = [record(1, Some("all"), fields), record(2, None, json!({}))];
            let rows = made(vec![rule()], &[&records]).expect("made");
            let names: Vec<(String, String)> =
                rows[0].keys().map(|name| (name.clone(), String::new())).collect();
            prop_assert_eq!(rows, records.each_ref().map(|record| row(record, &names)));
        }

        #[test]
        fn any_line_fits_or_is_an_error(line in "\\PC{0,60}", any in any_json()) {
            let dir = tempfile::tempdir().expect("folder");
            let mut table = Table::create(&dir.path().join("x"), &[rule()], BOUNDS).expect("created");
            prop_assert!(table.record(&line).is_err());
            let mut table = Table::create(&dir.path().join("y"), &[rule()], BOUNDS).expect("created");
            let mut whole = record(1, Some("all"), values());
            whole["fields"] = any;
            if table.record(&whole.to_string()).is_ok() {
                prop_assert!(Box::new(table).finish().is_ok());
            }
        }
    }
}

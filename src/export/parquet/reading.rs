//! For tests: the rows of a Parquet file as JSON, read with the library of the format. Knows no code of the program.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, TimeUnit};
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaData;
use serde_json::{Map, Value, json};

/// The cells of a row by the names of their columns.
pub type Row = Map<String, Value>;
/// Name and type of a column.
pub type Column = (String, String);

/// Rows, each with its columns by their names; columns with their types; what the file says of itself.
pub fn read(path: &Path) -> (Vec<Row>, Vec<Column>, ParquetMetaData) {
    let file = File::open(path).expect("opens");
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
    let metadata = builder.metadata().as_ref().clone();
    let types = builder.schema().fields().iter().map(|field| (field.name().clone(), name(field))).collect();
    let mut rows = Vec::new();
    for batch in builder.build().expect("reads") {
        let batch = batch.expect("a batch");
        let schema = batch.schema();
        rows.extend((0..batch.num_rows()).map(|row| {
            let cells = schema.fields().iter().zip(batch.columns());
            cells.map(|(field, column)| (field.name().clone(), value(column, row))).collect()
        }));
    }
    (rows, types, metadata)
}

/// A type in a few words; what may be null has a question mark.
fn name(field: &Field) -> String {
    let name = match field.data_type() {
        DataType::Utf8 => "text".to_owned(),
        DataType::Int64 => "int".to_owned(),
        DataType::Float64 => "float".to_owned(),
        DataType::Boolean => "bool".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(TimeUnit::Millisecond, Some(zone)) if &**zone == "UTC" => "moment".to_owned(),
        DataType::List(item) => format!("[{}]", name(item)),
        DataType::Struct(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|field| format!("{} {}", field.name(), name(field))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => panic!("the type {other}"),
    };
    name + if field.is_nullable() { "?" } else { "" }
}

/// A cell as a record would write it.
fn value(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Utf8 => json!(array.as_string::<i32>().value(row)),
        DataType::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => json!(array.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => json!(array.as_boolean().value(row)),
        DataType::Date32 => {
            let days = Span::new().days(array.as_primitive::<Date32Type>().value(row));
            json!(Date::constant(1970, 1, 1).checked_add(days).expect("a day").to_string())
        }
        DataType::Timestamp(..) => {
            let moment = array.as_primitive::<TimestampMillisecondType>().value(row);
            json!(format!("{:.3}", Timestamp::from_millisecond(moment).expect("a moment")))
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            (0..items.len()).map(|at| value(&items, at)).collect()
        }
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            Value::Object(columns.map(|(field, column)| (field.name().clone(), value(column, row))).collect())
        }
        other => panic!("the type {other}"),
    }
}

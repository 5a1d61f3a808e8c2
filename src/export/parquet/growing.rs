//! Columns that grow record by record: what they are, and how they become arrays. Reads nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, NullBufferBuilder, StringBuilder,
    TimestampMillisecondBuilder,
};
use arrow_array::{ListArray, StructArray};
use arrow_buffer::OffsetBufferBuilder;
use arrow_schema::{ArrowError, DataType, Field as ArrowField, FieldRef, Fields, TimeUnit};

use super::super::shape::{Field, Rule, Shape};

/// Times are in UTC.
const ZONE: &str = "UTC";
/// What the Parquet format calls the values of a list.
const ELEMENT: &str = "element";

/// A column that grows.
pub(super) struct Column {
    pub name: String,
    pub is_nullable: bool,
    pub values: Values,
}

/// What its values are.
pub(super) enum Values {
    Text(StringBuilder),
    /// Texts as they are, and anything else as JSON: rules do not agree on what it is.
    Mixed(StringBuilder),
    Json(StringBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    Date(Date32Builder),
    Moment(TimestampMillisecondBuilder),
    List(List),
    Object(Object),
}

/// Lists: where each ends among the items.
pub(super) struct List {
    pub offsets: OffsetBufferBuilder<i32>,
    pub valid: NullBufferBuilder,
    pub item: Box<Column>,
}

/// Objects: a column for each of their fields.
pub(super) struct Object {
    pub columns: Vec<Column>,
    pub valid: NullBufferBuilder,
    /// The object that is read, counted from 1, and for each column the last one that had a value for it.
    pub current: u64,
    pub last: Vec<u64>,
    /// The column that did not fit.
    pub failed: Option<usize>,
}

impl Column {
    /// The columns of records; `fields` among them gets a column for each field of the rules. A name that is not the
    /// same everywhere becomes text.
    pub fn record(columns: &[Field], fields: &str, rules: &[Rule]) -> Self {
        let mut shapes: BTreeMap<&str, Option<&Shape>> = BTreeMap::new();
        let mut names: Vec<&str> = Vec::new();
        for field in rules.iter().flat_map(|rule| &rule.fields) {
            let known = shapes.entry(&field.name).or_insert_with(|| {
                names.push(&field.name);
                Some(&field.shape)
            });
            *known = known.filter(|shape| **shape == field.shape);
        }
        let of_rules = names.into_iter().map(|name| {
            let shape = shapes.get(name).copied().flatten();
            let values = shape.map_or_else(|| Values::Mixed(StringBuilder::new()), Values::of);
            Self { name: name.to_owned(), is_nullable: true, values }
        });
        let mut all: Vec<Self> = columns.iter().map(Self::of).collect();
        if let Some(into) = all.iter_mut().find(|column| column.name == fields) {
            into.values = Values::Object(Object::new(of_rules.collect()));
        }
        Self { name: String::new(), is_nullable: false, values: Values::Object(Object::new(all)) }
    }

    fn of(field: &Field) -> Self {
        let Field { name, shape, is_nullable } = field;
        Self { name: name.clone(), is_nullable: *is_nullable, values: Values::of(shape) }
    }

    /// The columns of a record, those of `fields` among them by the names `fields.NAME`.
    pub fn flat(&self, fields: &str) -> Vec<FieldRef> {
        let mut flat = Vec::new();
        for column in self.columns() {
            if column.name == fields {
                let of_rules = column.columns().iter();
                flat.extend(of_rules.map(|one| column_of(&format!("{fields}.{}", one.name), one)));
            } else {
                flat.push(column_of(&column.name, column));
            }
        }
        flat
    }

    /// What has grown, in the order of [`Column::flat`]. The columns are empty afterwards.
    pub fn finish_flat(&mut self, fields: &str) -> Result<Vec<ArrayRef>, ArrowError> {
        let Values::Object(record) = &mut self.values else { return Ok(Vec::new()) };
        let mut arrays = Vec::new();
        for column in &mut record.columns {
            match &mut column.values {
                Values::Object(object) if column.name == fields => arrays.extend(object.arrays()?),
                values => arrays.push(values.finish()?),
            }
        }
        record.valid.finish();
        Ok(arrays)
    }

    fn columns(&self) -> &[Self] {
        match &self.values {
            Values::Object(object) => &object.columns,
            _ => &[],
        }
    }

    /// Where the last record did not fit: `fields.items.price`; empty if it is no object at all.
    pub fn place(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        let mut column = self;
        loop {
            match &column.values {
                Values::List(list) => column = &list.item,
                Values::Object(Object { columns, failed: Some(failed), .. }) => {
                    column = &columns[*failed];
                    names.push(&column.name);
                }
                _ => return names.join("."),
            }
        }
    }
}

fn column_of(name: &str, column: &Column) -> FieldRef {
    Arc::new(ArrowField::new(name, column.values.data_type(), column.is_nullable))
}

impl Object {
    fn new(columns: Vec<Column>) -> Self {
        let last = vec![0; columns.len()];
        Self { columns, valid: NullBufferBuilder::new(0), current: 0, last, failed: None }
    }

    fn fields(&self) -> Fields {
        self.columns.iter().map(|column| column_of(&column.name, column)).collect()
    }

    fn arrays(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.valid.finish();
        self.columns.iter_mut().map(|column| column.values.finish()).collect()
    }
}

impl Values {
    fn of(shape: &Shape) -> Self {
        match shape {
            Shape::Text => Self::Text(StringBuilder::new()),
            Shape::Json => Self::Json(StringBuilder::new()),
            Shape::Int => Self::Int(Int64Builder::new()),
            Shape::Float => Self::Float(Float64Builder::new()),
            Shape::Bool => Self::Bool(BooleanBuilder::new()),
            Shape::Date => Self::Date(Date32Builder::new()),
            Shape::Moment => Self::Moment(TimestampMillisecondBuilder::new().with_timezone(ZONE)),
            Shape::List(item) => Self::List(List {
                offsets: OffsetBufferBuilder::new(0),
                valid: NullBufferBuilder::new(0),
                item: Box::new(Column {
                    name: ELEMENT.to_owned(),
                    is_nullable: true,
                    values: Self::of(item),
                }),
            }),
            Shape::Object(fields) => Self::Object(Object::new(fields.iter().map(Column::of).collect())),
        }
    }

    fn data_type(&self) -> DataType {
        match self {
            Self::Text(_) | Self::Mixed(_) | Self::Json(_) => DataType::Utf8,
            Self::Int(_) => DataType::Int64,
            Self::Float(_) => DataType::Float64,
            Self::Bool(_) => DataType::Boolean,
            Self::Date(_) => DataType::Date32,
            Self::Moment(_) => DataType::Timestamp(TimeUnit::Millisecond, Some(ZONE.into())),
            Self::List(list) => DataType::List(column_of(ELEMENT, &list.item)),
            Self::Object(object) => DataType::Struct(object.fields()),
        }
    }

    /// What must stand there, in words.
    pub fn wanted(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Mixed(_) | Self::Json(_) => "a value",
            Self::Int(_) => "a whole number of 64 bits",
            Self::Float(_) => "a number",
            Self::Bool(_) => "`true` or `false`",
            Self::Date(_) => "a day such as `2026-11-21`",
            Self::Moment(_) => "a moment such as `2026-11-21T02:00:00.000Z`",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    pub fn append_null(&mut self) {
        match self {
            Self::Text(texts) | Self::Mixed(texts) | Self::Json(texts) => texts.append_null(),
            Self::Int(numbers) => numbers.append_null(),
            Self::Float(numbers) => numbers.append_null(),
            Self::Bool(truths) => truths.append_null(),
            Self::Date(days) => days.append_null(),
            Self::Moment(moments) => moments.append_null(),
            Self::List(list) => {
                list.offsets.push_length(0);
                list.valid.append_null();
            }
            Self::Object(object) => {
                object.columns.iter_mut().for_each(|column| column.values.append_null());
                object.valid.append_null();
            }
        }
    }

    /// What has grown; it is empty afterwards.
    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Text(texts) | Self::Mixed(texts) | Self::Json(texts) => Arc::new(texts.finish()),
            Self::Int(numbers) => Arc::new(numbers.finish()),
            Self::Float(numbers) => Arc::new(numbers.finish()),
            Self::Bool(truths) => Arc::new(truths.finish()),
            Self::Date(days) => Arc::new(days.finish()),
            Self::Moment(moments) => Arc::new(moments.finish()),
            Self::List(list) => {
                let offsets = std::mem::replace(&mut list.offsets, OffsetBufferBuilder::new(0)).finish();
                let field = column_of(ELEMENT, &list.item);
                let items = list.item.values.finish()?;
                Arc::new(ListArray::try_new(field, offsets, items, list.valid.finish())?)
            }
            Self::Object(object) => {
                let valid = object.valid.finish();
                let arrays = object.arrays()?;
                Arc::new(StructArray::try_new(object.fields(), arrays, valid)?)
            }
        })
    }
}

//! Reads a record of JSON into its columns, without a value in between. What does not fit is an error, and afterwards
//! the columns know its place.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::moment::{days, milliseconds};
use super::growing::{Column, Object, Values};

/// Whole numbers up to this one are floats, too (2^53).
const EXACT: u64 = 1 << 53;

impl Column {
    fn null<E: Error>(&mut self) -> Result<(), E> {
        if !self.is_nullable {
            return Err(E::custom(format_args!("null where {} must stand", self.values.wanted())));
        }
        self.values.append_null();
        Ok(())
    }

    fn misfit<E: Error>(&self, found: &str) -> E {
        E::custom(format_args!("{found} where {} must stand", self.values.wanted()))
    }
}

impl Object {
    /// Reads an object whose names stand in any order. What may be null may be missing.
    fn read<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        self.current += 1;
        self.failed = None;
        let mut expected = 0;
        while let Some(at) = map.next_key_seed(Name { columns: &self.columns, expected })? {
            self.failed = Some(at);
            if std::mem::replace(&mut self.last[at], self.current) == self.current {
                return Err(A::Error::custom("stands twice"));
            }
            map.next_value_seed(&mut self.columns[at])?;
            self.failed = None;
            expected = at + 1;
        }
        for at in (0..self.columns.len()).filter(|at| self.last[*at] != self.current) {
            self.failed = Some(at);
            self.columns[at].null().map_err(|_: A::Error| A::Error::custom("is missing"))?;
            self.failed = None;
        }
        self.valid.append_non_null();
        Ok(())
    }
}

/// The name of a column, which most likely is the expected one.
struct Name<'a> {
    columns: &'a [Column],
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, names: D) -> Result<usize, D::Error> {
        names.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        if self.columns.get(self.expected).is_some_and(|column| column.name == name) {
            return Ok(self.expected);
        }
        let found = self.columns.iter().position(|column| column.name == name);
        found.ok_or_else(|| E::custom(format_args!("no field `{}` is known here", name.escape_debug())))
    }
}

impl<'de> DeserializeSeed<'de> for &mut Column {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let (texts, is_mixed) = match &mut self.values {
            Values::Json(texts) => (texts, false),
            Values::Mixed(texts) => (texts, true),
            _ => return json.deserialize_any(self),
        };
        let raw = <&RawValue>::deserialize(json)?.get();
        match raw.as_bytes().first() {
            Some(b'n') => return self.null(),
            Some(b'"') if is_mixed => {
                texts.append_value(serde_json::from_str::<String>(raw).map_err(D::Error::custom)?);
            }
            _ => texts.append_value(raw),
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for &mut Column {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.values.wanted())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.null()
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<(), E> {
        let Values::Bool(truths) = &mut self.values else { return Err(self.misfit("a truth")) };
        truths.append_value(truth);
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        match &mut self.values {
            Values::Int(numbers) => numbers.append_value(number),
            #[allow(clippy::cast_precision_loss, reason = "the guard holds it to what a float can be")]
            Values::Float(numbers) if number.unsigned_abs() <= EXACT => numbers.append_value(number as f64),
            _ => return Err(self.misfit("a whole number")),
        }
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => Err(self.misfit("a number beyond 2^63")),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        let Values::Float(numbers) = &mut self.values else { return Err(self.misfit("a fraction")) };
        numbers.append_value(number);
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match &mut self.values {
            Values::Text(texts) => texts.append_value(text),
            Values::Date(all) if let Some(day) = days(text) => all.append_value(day),
            Values::Moment(all) if let Some(moment) = milliseconds(text) => all.append_value(moment),
            _ => return Err(self.misfit("a text")),
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Values::List(list) = &mut self.values else { return Err(self.misfit("a list")) };
        let mut count = 0;
        while items.next_element_seed(&mut *list.item)?.is_some() {
            count += 1;
        }
        list.offsets.push_length(count);
        list.valid.append_non_null();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Values::Object(object) = &mut self.values else { return Err(self.misfit("an object")) };
        object.read(&mut map)
    }
}

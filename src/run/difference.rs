//! Where what was found is not what was expected, value by value. Knows neither pages nor rules.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

/// More differences of one test help nobody.
const MOST: usize = 30;

/// One thing that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `rule`, `outcome`, `title`, `links`, or a field: `fields.items[2].price`.
    pub what: String,
    /// What was expected; null for nothing.
    pub expected: Value,
    /// What was found; null for nothing.
    pub found: Value,
    /// More about it, in words.
    pub note: Option<String>,
    /// The selector or path of the field.
    pub selector: Option<String>,
    /// How many elements or values that found.
    pub nodes: Option<usize>,
}

/// The differences of one test, at most so many, and how many more there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// The first of them.
    pub shown: Vec<Difference>,
    /// How many are left out.
    pub more: usize,
}

impl Differences {
    /// Whether all is as expected.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// Adds one.
    pub fn add(&mut self, what: &str, expected: Value, found: Value, note: Option<String>) {
        if self.shown.len() >= MOST {
            self.more += 1;
            return;
        }
        let what = what.to_owned();
        self.shown.push(Difference { what, expected, found, note, selector: None, nodes: None });
    }

    /// Compares a value. A list is compared whole, and so is an object, where a key that is not there is null.
    pub fn value(&mut self, what: &str, expected: &Value, found: &Value) {
        match (expected, found) {
            (Value::Array(wanted), Value::Array(got)) => {
                for (index, pair) in wanted.iter().zip(got).enumerate() {
                    self.value(&format!("{what}[{index}]"), pair.0, pair.1);
                }
                if wanted.len() != got.len() {
                    let note = format!("{} expected, {} found", entries(wanted.len()), got.len());
                    let at = wanted.len().min(got.len());
                    let entry = |list: &[Value]| list.get(at).cloned().unwrap_or(Value::Null);
                    self.add(&format!("{what}[{at}]"), entry(wanted), entry(got), Some(note));
                }
            }
            (Value::Object(wanted), Value::Object(got)) => {
                let others = got.keys().filter(|key| !wanted.contains_key(*key));
                for key in wanted.keys().chain(others) {
                    let side = |object: &serde_json::Map<String, Value>| {
                        object.get(key).cloned().unwrap_or(Value::Null)
                    };
                    self.value(&format!("{what}.{key}"), &side(wanted), &side(got));
                }
            }
            _ if is_same(expected, found) => {}
            _ => self.add(what, expected.clone(), found.clone(), None),
        }
    }

    /// Compares lists of texts of which each counts as often as it is there.
    pub fn texts(&mut self, what: &str, expected: &[String], found: &[&str]) {
        let mut counts: HashMap<&str, i64> = HashMap::new();
        for text in found {
            *counts.entry(text).or_default() += 1;
        }
        let before = self.shown.len() + self.more;
        for text in expected {
            let left = counts.entry(text).or_default();
            *left -= 1;
            if *left < 0 {
                self.add(what, Value::from(&**text), Value::Null, Some("is missing".to_owned()));
            }
        }
        for text in found {
            if let Some(left) = counts.get_mut(text).filter(|left| **left > 0) {
                *left -= 1;
                self.add(what, Value::Null, Value::from(*text), Some("is not expected".to_owned()));
            }
        }
        let pairs = || expected.iter().map(String::as_str).zip(found.iter().copied());
        if self.shown.len() + self.more == before
            && let Some((index, (wanted, got))) = pairs().enumerate().find(|(_, (wanted, got))| wanted != got)
        {
            let note = Some("in another order".to_owned());
            self.add(&format!("{what}[{index}]"), Value::from(wanted), Value::from(got), note);
        }
    }
}

fn entries(count: usize) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

/// Whether two values that are no lists or objects are the same. A number of a record is a whole one or not by the type
/// of its field; how the config writes it does not matter.
#[allow(
    clippy::float_cmp,
    reason = "what a rule reads from the same bytes is the same number, to the last bit"
)]
fn is_same(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Number(wanted), Value::Number(got)) if wanted.is_f64() || got.is_f64() => {
            wanted.as_f64() == got.as_f64()
        }
        _ => expected == found,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn compared(expected: &Value, found: &Value) -> Vec<String> {
        let mut differences = Differences::default();
        differences.value("a", expected, found);
        differences.shown.iter().map(told).collect()
    }

    fn told(one: &Difference) -> String {
        let note = one.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
        format!("{}: {} != {}{note}", one.what, one.expected, one.found)
    }

    #[test]
    fn values_are_compared_to_their_leaves() {
        let none: [&str; 0] = [];
        assert_eq!(compared(&json!(5), &json!(5.0)), none);
        assert_eq!(compared(&json!("5"), &json!(5)), [r#"a: "5" != 5"#]);
        assert_eq!(compared(&json!({ "b": 1 }), &json!({ "b": 1, "c": null })), none);
        assert_eq!(compared(&json!({ "b": 1 }), &json!({ "b": 1, "c": 2 })), ["a.c: null != 2"]);
        assert_eq!(
            compared(&json!([{ "b": [1] }, 2]), &json!([{ "b": [3] }])),
            ["a[0].b[0]: 1 != 3", "a[1]: 2 != null (2 entries expected, 1 found)"]
        );
        assert_eq!(compared(&json!([]), &json!(null)), ["a: [] != null"]);
    }

    #[test]
    fn texts_are_counted_and_their_order_is_told() {
        let check = |expected: &[&str], found: &[&str], wanted: &[&str]| {
            let mut differences = Differences::default();
            let expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
            differences.texts("links", &expected, found);
            assert_eq!(differences.shown.iter().map(told).collect::<Vec<_>>(), wanted);
        };
        check(&["a", "b"], &["a", "b"], &[]);
        check(
            &["a", "a"],
            &["a", "b"],
            &[r#"links: "a" != null (is missing)"#, r#"links: null != "b" (is not expected)"#],
        );
        check(&["a", "b"], &["b", "a"], &[r#"links[0]: "a" != "b" (in another order)"#]);
    }

    #[test]
    fn only_so_many_are_shown() {
        let mut differences = Differences::default();
        differences.value("a", &json!(vec![1; 100]), &json!(vec![2; 100]));
        assert_eq!((differences.shown.len(), differences.more), (MOST, 100 - MOST));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i8>().prop_map(Value::from),
            "[ab]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[ab]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// The same with the keys of objects in order and without nulls in them.
    fn plain(value: &Value) -> String {
        match value {
            Value::Object(map) => {
                let kept: std::collections::BTreeMap<_, _> = map
                    .iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| (key, plain(value)))
                    .collect();
                format!("{kept:?}")
            }
            Value::Array(list) => format!("{:?}", list.iter().map(plain).collect::<Vec<_>>()),
            other => other.to_string(),
        }
    }

    proptest! {
        #[test]
        fn there_is_a_difference_where_values_differ_and_nowhere_else(one in any_value(), other in any_value()) {
            prop_assert!(compared(&one, &one).is_empty());
            prop_assert_eq!(compared(&one, &other).is_empty(), plain(&one) == plain(&other));
        }
    }
}

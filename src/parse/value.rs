//! What was found in a page, as a value of the type that its field asks for. Free of any locale: what a text means
//! depends on the text and on what the config says, never on the machine. Guesses nothing: what is no value of
//! the type is an error in words.

use std::borrow::Cow;

use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::{Number, Value};
use url::Url;

use super::moment::lastmod_moment;
use super::rules_settings::{Decimal, Type};
use crate::model::{Normalize, address};

/// So much of a text that is no value is shown, in bytes.
const MAX_SHOWN_BYTES: usize = 60;
/// A longer text is no number, date or truth, in bytes.
const MAX_SCALAR_BYTES: usize = 256;

static RFC2822: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);

/// What was found, before it has a type.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw<'a> {
    /// The text of an element, an attribute, what a regex found.
    Text(Cow<'a, str>),
    /// A value of a JSON document.
    Json(&'a Value),
}

/// How what was found becomes a value.
#[derive(Clone, Copy, Debug)]
pub struct Meaning<'a> {
    /// The type; without one a text stays text and JSON stays JSON.
    pub kind: Option<Type>,
    /// The decimal sign of numbers in texts. Only with one of them may thousands be apart.
    pub decimal: Option<Decimal>,
    /// What addresses resolve against.
    pub base: &'a Url,
    /// The canonical form of the job.
    pub normalize: &'a Normalize,
}

impl Raw<'_> {
    /// Whether nothing was found: an empty text, or `null`.
    pub fn is_nothing(&self) -> bool {
        match self {
            Self::Text(text) => text.trim().is_empty(),
            Self::Json(value) => value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty()),
        }
    }

    /// As a text, which a list or an object is not.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Json(Value::String(text)) => Some(Cow::Borrowed(text)),
            Self::Json(Value::Number(number)) => Some(Cow::Owned(number.to_string())),
            Self::Json(Value::Bool(truth)) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
            Self::Json(_) => None,
        }
    }
}

impl Meaning<'_> {
    /// The value; the error says what stands there instead.
    pub fn value(&self, raw: &Raw<'_>) -> Result<Value, String> {
        let Some(kind) = self.kind else {
            return Ok(match raw {
                Raw::Text(text) => Value::String(text.clone().into_owned()),
                Raw::Json(value) => (*value).clone(),
            });
        };
        if let Raw::Json(value) = raw
            && let Some(value) = as_it_is(kind, value)
        {
            return Ok(value);
        }
        let wrong = || format!("{} is no `{kind}`", shown(raw));
        let text = raw.text().ok_or_else(wrong)?;
        match kind {
            Type::String => Some(Value::String(text.into_owned())),
            Type::Json => serde_json::from_str(&text).ok(),
            Type::Url => return self.address(&text),
            // The rest is short; nothing long is searched for what could only be an error.
            _ if text.len() > MAX_SCALAR_BYTES => None,
            Type::Int => integer(text.trim(), self.decimal).map(Value::from),
            Type::Float => float(text.trim(), self.decimal).map(Value::Number),
            Type::Bool => truth(text.trim()).map(Value::Bool),
            Type::Date => date(text.trim()).map(Value::String),
            Type::Datetime => moment(text.trim()).map(Value::String),
        }
        .ok_or_else(wrong)
    }

    fn address(&self, text: &str) -> Result<Value, String> {
        match self.normalize.canonical(text, Some(self.base)) {
            Ok(url) => Ok(Value::String(address(url))),
            Err(error) => Err(format!("{} is no `url`: {error}", shown_text(text))),
        }
    }
}

/// A JSON value that has the type already, whatever sign stands for decimals in texts.
fn as_it_is(kind: Type, value: &Value) -> Option<Value> {
    match (kind, value) {
        (Type::Json, value) if !value.is_string() => Some(value.clone()),
        (Type::Bool, Value::Bool(_)) => Some(value.clone()),
        (Type::Int, Value::Number(number)) => number.as_i64().or_else(|| whole(number)).map(Value::from),
        (Type::Float, Value::Number(number)) => number.as_f64().and_then(Number::from_f64).map(Value::Number),
        _ => None,
    }
}

/// `12.0` as a whole number, as far as a float holds each of them (2^53).
fn whole(number: &Number) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT)?;
    format!("{float:.0}").parse().ok()
}

/// Digits with an optional sign; with a decimal sign thousands may be apart.
fn integer(text: &str, decimal: Option<Decimal>) -> Option<i64> {
    let (sign, digits) = signed(text);
    let digits = ungrouped(digits, decimal)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    format!("{sign}{digits}").parse().ok()
}

/// Digits with an optional sign, fraction and exponent. Neither `inf` nor `nan`, and nothing too large for a float.
fn float(text: &str, decimal: Option<Decimal>) -> Option<Number> {
    let (sign, rest) = signed(text);
    let mark = if decimal == Some(Decimal::Comma) { ',' } else { '.' };
    let exponent_at = rest.find(['e', 'E']).unwrap_or(rest.len());
    let (mantissa, exponent) = rest.split_at(exponent_at);
    let (whole, fraction) = mantissa.split_once(mark).map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let whole = ungrouped(whole, decimal)?;
    let are_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let has_digits = !whole.is_empty() || fraction.is_some();
    let is_fraction = fraction.is_none_or(|fraction| !fraction.is_empty() && are_digits(fraction));
    if !has_digits || !are_digits(&whole) || !is_fraction {
        return None;
    }
    // What the exponent may be is left to the parser of the language; it takes digits and a sign.
    let text = format!("{sign}{whole}.{}{exponent}", fraction.unwrap_or("0"));
    Number::from_f64(text.parse::<f64>().ok()?)
}

/// The sign of a number in ASCII, and the rest.
fn signed(text: &str) -> (&'static str, &str) {
    match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Digits without what parts their thousands: one sign throughout, between groups of three digits; all but the
/// last may have two, as in India. Without a decimal sign of its own a number has no thousands apart.
fn ungrouped(text: &str, decimal: Option<Decimal>) -> Option<Cow<'_, str>> {
    let Some(mark) = text.chars().find(|c| !c.is_ascii_digit()) else { return Some(Cow::Borrowed(text)) };
    let allowed = match decimal? {
        Decimal::Comma => '.',
        Decimal::Point => ',',
    };
    let is_mark = mark == allowed || matches!(mark, ' ' | '\u{A0}' | '\u{202F}' | '\u{2009}' | '\'' | '’');
    let groups: Vec<&str> = text.split(mark).collect();
    let [first, inner @ .., last] = &groups[..] else { return None };
    let are_groups = (1..=3).contains(&first.len())
        && inner.iter().all(|group| matches!(group.len(), 2 | 3))
        && last.len() == 3;
    let are_digits = groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_digit()));
    (is_mark && are_groups && are_digits).then(|| Cow::Owned(groups.concat()))
}

fn truth(text: &str) -> Option<bool> {
    let is = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["true", "yes", "1"]) {
        Some(true)
    } else if is(["false", "no", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// The day that a text names, as it is written there: a date or the date of a time (ISO 8601), or a date of mail
/// (RFC 2822). A month or a year alone is none.
fn date(text: &str) -> Option<String> {
    lastmod_moment(text)?;
    if is_day(text) {
        return text.get(..10).map(str::to_owned);
    }
    let mail = text.strip_suffix("UTC").map_or_else(|| text.to_owned(), |rest| format!("{rest}GMT"));
    RFC2822.parse_zoned(&mail).ok().map(|zoned| zoned.date().to_string())
}

/// The moment that a text names, in UTC with milliseconds, as all times of a record. Without a zone it is UTC, and
/// without a time the beginning of its day.
pub fn moment(text: &str) -> Option<String> {
    let moment = lastmod_moment(text)?;
    let starts_with_year = text.get(..4).is_some_and(|year| year.bytes().all(|b| b.is_ascii_digit()));
    (is_day(text) || !starts_with_year).then(|| format!("{moment:.3}"))
}

/// Whether a text begins with `2026-11-21`.
fn is_day(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10 && bytes[4] == b'-' && bytes[7] == b'-' && bytes[..4].iter().all(u8::is_ascii_digit)
}

fn shown(raw: &Raw<'_>) -> String {
    match (raw.text(), raw) {
        (Some(text), _) => shown_text(&text),
        (None, Raw::Json(Value::Array(_))) => "a list".to_owned(),
        (None, _) => "an object".to_owned(),
    }
}

/// A text in backticks, of bounded length.
pub fn shown_text(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_SHOWN_BYTES);
    format!("`{}{}`", &text[..end], if end < text.len() { "..." } else { "" })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn value(kind: Type, decimal: Option<Decimal>, raw: &Raw<'_>) -> Result<Value, String> {
        let base = Url::parse("https://x.example/a/b").expect("url");
        let normalize = Normalize::default();
        Meaning { kind: Some(kind), decimal, base: &base, normalize: &normalize }.value(raw)
    }

    /// A text and its value; null for an error.
    fn check(kind: Type, text: &str, expected: &Value) {
        let found = value(kind, None, &Raw::Text(text.into())).unwrap_or_default();
        assert_eq!(found, *expected, "{kind} {text}");
    }

    fn check_grouped(kind: Type, decimal: Decimal, text: &str, expected: &Value) {
        let found = value(kind, Some(decimal), &Raw::Text(text.into())).unwrap_or_default();
        assert_eq!(found, *expected, "{kind} {decimal:?} {text}");
    }

    #[test]
    fn whole_numbers() {
        check(Type::Int, " 42 ", &json!(42));
        check(Type::Int, "+7", &json!(7));
        check(Type::Int, "-0012", &json!(-12));
        check(Type::Int, "\u{2212}5", &json!(-5));
        check(Type::Int, "9223372036854775807", &json!(i64::MAX));
        check(Type::Int, "-9223372036854775808", &json!(i64::MIN));
        for text in
            ["", "-", "1.0", "1,000", "1 000", "12a", "9223372036854775808", "0x10", "٣", "--1", "+-1"]
        {
            check(Type::Int, text, &json!(null));
        }
    }

    #[test]
    fn thousands_only_where_the_config_says_what_they_are() {
        let comma = |text: &str, expected: &Value| check_grouped(Type::Int, Decimal::Comma, text, expected);
        comma("1.234.567", &json!(1_234_567));
        comma("1\u{A0}234", &json!(1234));
        comma("1’234", &json!(1234));
        comma("1234", &json!(1234));
        for text in ["1.23", "1.2345", "1234.567", ".123", "1..234", "1.234 567", "1,234", "1_000"] {
            comma(text, &json!(null));
        }
        check_grouped(Type::Int, Decimal::Point, "12,34,567", &json!(1_234_567));
        check_grouped(Type::Float, Decimal::Point, "1,234.5", &json!(1234.5));
        check_grouped(Type::Float, Decimal::Comma, "-1.234,50", &json!(-1234.5));
        check_grouped(Type::Float, Decimal::Comma, "0,5", &json!(0.5));
        check_grouped(Type::Float, Decimal::Comma, "1.5", &json!(null));
        check_grouped(Type::Float, Decimal::Point, "1.234,5", &json!(null));
    }

    #[test]
    fn floats() {
        check(Type::Float, "3", &json!(3.0));
        check(Type::Float, "-.5", &json!(-0.5));
        check(Type::Float, "1.5e3", &json!(1500.0));
        check(Type::Float, "1E-2", &json!(0.01));
        for text in
            ["", ".", "5.", "1,5", "inf", "NaN", "infinity", "1e999", "1e", "e5", "1.2.3", "0x1p3", "1_0"]
        {
            check(Type::Float, text, &json!(null));
        }
    }

    #[test]
    fn truths() {
        for text in ["true", "YES", "1"] {
            check(Type::Bool, text, &json!(true));
        }
        for text in ["False", "no", "0"] {
            check(Type::Bool, text, &json!(false));
        }
        check(Type::Bool, "on", &json!(null));
        check(Type::Bool, "", &json!(null));
    }

    #[test]
    fn days_are_those_that_are_written() {
        check(Type::Date, "2024-05-01", &json!("2024-05-01"));
        check(Type::Date, "2024-05-01T23:30:00-05:00", &json!("2024-05-01"));
        check(Type::Date, "2024-05-01 10:00", &json!("2024-05-01"));
        check(Type::Date, "Wed, 01 May 2024 23:30:00 -0500", &json!("2024-05-01"));
        check(Type::Date, "1 May 24 10:00 UTC", &json!("2024-05-01"));
        for text in ["2024", "2024-05", "2024-02-30", "01.05.2024", "5/1/2024", "2024-05-01x", "May 2024"] {
            check(Type::Date, text, &json!(null));
        }
    }

    #[test]
    fn moments_are_in_utc() {
        check(Type::Datetime, "2024-05-01T23:30:00-05:00", &json!("2024-05-02T04:30:00.000Z"));
        check(Type::Datetime, "2024-05-01T10:00:00.1239", &json!("2024-05-01T10:00:00.123Z"));
        check(Type::Datetime, "2024-05-01", &json!("2024-05-01T00:00:00.000Z"));
        check(Type::Datetime, "Wed, 01 May 2024 10:00:00 GMT", &json!("2024-05-01T10:00:00.000Z"));
        for text in ["2024", "2024-05", "1714557600", "soon", "10:00"] {
            check(Type::Datetime, text, &json!(null));
        }
    }

    #[test]
    fn addresses_are_absolute_and_canonical() {
        check(Type::Url, " ../c#top ", &json!("https://x.example/c"));
        check(Type::Url, "//Y.example:443/%7eu", &json!("https://y.example/~u"));
        let wrong = value(Type::Url, None, &Raw::Text("mailto:a@b".into())).expect_err("no page");
        assert!(wrong.starts_with("`mailto:a@b` is no `url`: "), "{wrong}");
    }

    #[test]
    fn json_and_text() {
        check(Type::Json, "{\"a\": [1]}", &json!({"a": [1]}));
        check(Type::Json, "{a}", &json!(null));
        check(Type::String, "a b", &json!("a b"));
    }

    /// A JSON value and what it becomes; null for an error.
    fn check_json(kind: Type, found: &Value, expected: &Value) {
        let decimal = Some(Decimal::Comma);
        assert_eq!(value(kind, decimal, &Raw::Json(found)).unwrap_or_default(), *expected, "{kind} {found}");
    }

    #[test]
    fn values_of_json_keep_what_they_are() {
        check_json(Type::Float, &json!(1.5), &json!(1.5));
        check_json(Type::Float, &json!(2), &json!(2.0));
        check_json(Type::Float, &json!("1.234,5"), &json!(1234.5));
        check_json(Type::Int, &json!(12.0), &json!(12));
        check_json(Type::Int, &json!(12.5), &json!(null));
        check_json(Type::Int, &json!(u64::MAX), &json!(null));
        check_json(Type::Int, &json!(true), &json!(null));
        check_json(Type::Bool, &json!(false), &json!(false));
        check_json(Type::Bool, &json!(1), &json!(true));
        check_json(Type::String, &json!(1.5), &json!("1.5"));
        check_json(Type::String, &json!([1]), &json!(null));
        check_json(Type::Json, &json!([1]), &json!([1]));
        check_json(Type::Json, &json!("[1]"), &json!([1]));
        let base = Url::parse("https://x.example/").expect("url");
        let as_is = Meaning { kind: None, decimal: None, base: &base, normalize: &Normalize::default() };
        assert_eq!(as_is.value(&Raw::Json(&json!({"a": 1}))), Ok(json!({"a": 1})));
        assert_eq!(as_is.value(&Raw::Text("1".into())), Ok(json!("1")));
    }

    #[test]
    fn an_error_shows_what_stood_there() {
        let wrong = |kind, raw: &Raw<'_>| value(kind, None, raw).expect_err("wrong");
        assert_eq!(wrong(Type::Float, &Raw::Text("free".into())), "`free` is no `float`");
        assert_eq!(wrong(Type::Int, &Raw::Json(&json!([]))), "a list is no `int`");
        assert_eq!(
            wrong(Type::Date, &Raw::Text("é".repeat(40).into())),
            format!("`{}...` is no `date`", "é".repeat(30))
        );
    }

    proptest! {
        #[test]
        fn numbers_that_are_printed_are_read_back(number: i64, float in -1e300..1e300f64) {
            check(Type::Int, &number.to_string(), &json!(number));
            check(Type::Float, &format!("{float:e}"), &json!(float));
        }

        #[test]
        fn any_text_has_a_value_or_an_error(
            text in "\\PC{0,30}|[0-9.,’ eE+-]{0,12}|[0-9TZ:+. -]{0,30}|é{0,12}", kind in 0..8usize, decimal in 0..3usize
        ) {
            let kinds =
                [Type::String, Type::Int, Type::Float, Type::Bool, Type::Date, Type::Datetime, Type::Url, Type::Json];
            let decimal = [None, Some(Decimal::Comma), Some(Decimal::Point)][decimal];
            let _ = value(kinds[kind], decimal, &Raw::Text(text.into()));
        }
    }
}

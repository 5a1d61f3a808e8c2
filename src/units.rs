//! Durations and sizes as people write them in a config: `"250ms"`, `"1m 30s"`, `"10MiB"`.
//!
//! A bare number is refused: nobody can tell whether it meant seconds or milliseconds.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub Duration);

/// A number of bytes with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

impl Time {
    /// So many milliseconds.
    pub const fn millis(n: u64) -> Self {
        Self(Duration::from_millis(n))
    }

    /// So many seconds.
    pub const fn secs(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }
}

impl Size {
    /// So many mebibytes.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() || text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            let zero = if text == "0" { "0s" } else { "30s" };
            return Err(format!("`{text}` has no unit; write for example \"{zero}\", \"250ms\" or \"2h\""));
        }
        humantime::parse_duration(text).map(Self).map_err(|_| {
            format!("`{text}` is not a duration; write for example \"250ms\", \"1s\", \"5m\" or \"2h\"")
        })
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, u64); 9] = [
            ("b", 1),
            ("kb", 1_000),
            ("mb", 1_000_000),
            ("gb", 1_000_000_000),
            ("tb", 1_000_000_000_000),
            ("kib", 1 << 10),
            ("mib", 1 << 20),
            ("gib", 1 << 30),
            ("tib", 1 << 40),
        ];
        let text = text.trim();
        let wrong = || format!("`{text}` is not a size; write for example \"64KiB\", \"10MiB\" or \"2GB\"");
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(split);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let unit = unit.trim().to_ascii_lowercase();
        let factor = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1;
        number.checked_mul(factor).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 4] =
            [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        match UNITS.iter().find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

macro_rules! as_text {
    ($type:ident, $format:literal, $pattern:literal, $about:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "pattern": $pattern, "description": $about })
            }
        }
    };
}

as_text!(
    Time,
    "duration-units",
    "^[0-9].*[a-z]$",
    "A duration with its unit, such as \"250ms\", \"1s\", \"5m\" or \"2h\""
);
as_text!(
    Size,
    "size-units",
    "^[0-9]+ ?[A-Za-z]+$",
    "A size with its unit, such as \"64KiB\", \"10MiB\" or \"2GB\""
);

/// `1,234,567`
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes with a unit, to three digits.
pub fn amount(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, factor)| bytes >= *factor) {
        Some((unit, factor)) => {
            let (whole, tenth) = (bytes / factor, bytes % factor * 10 / factor);
            if whole < 100 { format!("{whole}.{tenth} {unit}") } else { format!("{whole} {unit}") }
        }
        None => format!("{bytes} bytes"),
    }
}

/// A length of time: exact below a second, tenths below a minute, whole seconds above.
pub fn span(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds}ms"),
        1000..60_000 if milliseconds.is_multiple_of(1000) => format!("{}s", milliseconds / 1000),
        1000..60_000 => format!("{}.{}s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => Time(Duration::from_secs(milliseconds / 1000)).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 1023, 1024, 1_600_000, 300 << 30].map(amount),
            ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 MiB", "300 GiB"]
        );
        assert_eq!(
            [0, 999, 1000, 1540, 59_999, 60_000, 3_723_456].map(span),
            ["0ms", "999ms", "1s", "1.5s", "59.9s", "1m", "1h 2m 3s"]
        );
    }

    #[test]
    fn durations_and_sizes_read_back_as_written() {
        for text in ["250ms", "1s", "5m", "2h", "1m 30s", "0s"] {
            assert_eq!(text.parse::<Time>().expect(text).to_string(), text);
        }
        for text in ["1B", "64KiB", "10MiB", "3GiB", "1500B"] {
            assert_eq!(text.parse::<Size>().expect(text).to_string(), text);
        }
        assert_eq!("2GB".parse::<Size>().expect("2GB"), Size(2_000_000_000));
    }

    #[test]
    fn a_bare_number_is_refused_with_a_way_out() {
        assert!("30".parse::<Time>().expect_err("30").contains("no unit"));
        assert!("-1s".parse::<Time>().is_err());
        assert!("10".parse::<Size>().is_err());
        assert!("99999999999TiB".parse::<Size>().is_err());
    }
}

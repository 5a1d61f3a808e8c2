//! Days and moments as a record writes them, counted from 1970. Takes one form of each and guesses nothing.

use jiff::Timestamp;
use jiff::civil::Date;

/// Days from 1970-01-01 to a day of ISO 8601 with a year of four digits.
pub(super) fn days(text: &str) -> Option<i32> {
    let date: Date = text.parse().ok().filter(|_| text.len() == 10)?;
    Some(date.since(date_of_epoch()).ok()?.get_days())
}

/// Milliseconds from 1970 to a moment; none if it is finer than that.
pub(super) fn milliseconds(text: &str) -> Option<i64> {
    let moment: Timestamp = text.parse().ok()?;
    (moment.subsec_nanosecond() % 1_000_000 == 0).then(|| moment.as_millisecond())
}

/// 1970-01-01
fn date_of_epoch() -> Date {
    Date::constant(1970, 1, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments_are_counted_from_1970() {
        let check = |text: &str, expected: Option<i32>| assert_eq!(days(text), expected, "{text}");
        check("1970-01-01", Some(0));
        check("1969-12-31", Some(-1));
        check("2026-11-21", Some(20_778));
        check("9999-12-31", Some(2_932_896));
        check("2026-02-30", None);
        check("2026-11-21T00:00:00", None);
        check("20261121", None);
        let check = |text: &str, expected: Option<i64>| assert_eq!(milliseconds(text), expected, "{text}");
        check("1970-01-01T00:00:00.001Z", Some(1));
        check("1960-01-01T00:00:00.500Z", Some(-315_619_199_500));
        check("2026-11-21T02:00:00.125Z", Some(1_795_226_400_125));
        check("2026-11-21T02:00:00.1255Z", None);
        check("1960-01-01T00:00:00.0005Z", None);
        check("2026-11-21", None);
    }
}

//! `Retry-After`: how long a server wants to be left alone (RFC 9110, section 10.2.3). Reads the header only; how
//! much of it is obeyed is decided elsewhere, and the time comes in as an argument.

use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
/// So many years ahead a year of two digits is taken for one of the century before (RFC 9110, section 5.6.7).
const YEARS_AHEAD: i16 = 50;

/// The wait that a `Retry-After` asks for, at `now` in seconds since 1970: whole seconds, or until a date in one of
/// the three forms of HTTP. A date that has passed is no wait; what is neither, such as a negative or broken number
/// or a date in another form, is `None`.
pub fn retry_after(header: &str, now: i64) -> Option<Duration> {
    let text = header.trim_matches([' ', '\t']);
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let wait = date(text, now)?.saturating_sub(now);
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0)))
}

/// Seconds since 1970 of a date as HTTP writes it.
fn date(text: &str, now: i64) -> Option<i64> {
    let (weekday, rest) = text.split_once(' ')?;
    let words = |text| str::split(text, ' ').collect::<Vec<_>>();
    let (day, month, year, time) = match weekday.strip_suffix(',') {
        // Thu, 07 Nov 2024 17:20:10 GMT
        Some(name) if is_day(name, 3) => match words(rest)[..] {
            [day, month, year, time, "GMT"] => (digits(day, 2)?, month, digits(year, 4)?, time),
            _ => return None,
        },
        // Thursday, 07-Nov-24 17:20:10 GMT
        Some(name) if DAYS.contains(&name) => match words(rest)[..] {
            [date, time, "GMT"] => match date.split('-').collect::<Vec<_>>()[..] {
                [day, month, year] => (digits(day, 2)?, month, full_year(digits(year, 2)?, now)?, time),
                _ => return None,
            },
            _ => return None,
        },
        // Thu Nov  7 17:20:10 2024
        None if is_day(weekday, 3) => match words(rest)[..] {
            [month, "", day, time, year] => (digits(day, 1)?, month, digits(year, 4)?, time),
            [month, day, time, year] => (digits(day, 2)?, month, digits(year, 4)?, time),
            _ => return None,
        },
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let (time, leap) = time_of_day(time)?;
    // As a span of the calendar, which reaches further than the timestamps of the library.
    let since = DateTime::from_parts(date, time).duration_since(EPOCH);
    Some(since.as_secs() + leap)
}

/// Whether a text is the name of a weekday, cut to so many letters. That it fits the date is not asked for.
fn is_day(text: &str, letters: usize) -> bool {
    DAYS.iter().any(|name| name.get(..letters) == Some(text))
}

/// Exactly so many digits as a number.
fn digits(text: &str, count: usize) -> Option<i16> {
    let plain = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// The time of a day, and a second more for a leap second.
fn time_of_day(text: &str) -> Option<(Time, i64)> {
    let [hour, minute, second] = text.split(':').collect::<Vec<_>>()[..] else { return None };
    let part = |text| digits(text, 2).and_then(|number| i8::try_from(number).ok());
    let (hour, minute, second) = (part(hour)?, part(minute)?, part(second)?);
    let is_leap = second == 60;
    let time = Time::new(hour, minute, if is_leap { 59 } else { second }, 0).ok()?;
    Some((time, i64::from(is_leap)))
}

/// The year that its last two digits stand for: the one of this century, unless it lies far ahead.
fn full_year(two: i16, now: i64) -> Option<i16> {
    let this = jiff::Timestamp::from_second(now).ok()?.to_zoned(TimeZone::UTC).year();
    let year = this - this.rem_euclid(100) + two;
    Some(if year > this + YEARS_AHEAD { year - 100 } else { year })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Mon, 06 Apr 2026 10:00:00 GMT.
    const NOW: i64 = 1_775_469_600;

    #[test]
    fn seconds_and_the_three_forms_of_a_date() {
        for (header, wait) in [
            ("0", 0),
            ("17", 17),
            ("\t007 ", 7),
            ("18446744073709551615", u64::MAX),
            ("Mon, 06 Apr 2026 10:00:30 GMT", 30),
            ("Monday, 06-Apr-26 10:00:30 GMT", 30),
            ("Mon Apr  6 10:00:30 2026", 30),
            ("Thu Apr 16 10:00:00 2026", 864_000),
            ("Mon, 06 Apr 2026 10:00:00 GMT", 0),
            ("Mon, 06 Apr 2026 09:59:59 GMT", 0),
            ("Sun Nov  6 08:49:37 1994", 0),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 251_626_831_199),
            ("Tue, 31 Dec 1901 23:59:59 GMT", 0),
            ("Sat, 29 Feb 2028 00:00:00 GMT", 59_925_600),
            // A leap second, and a weekday that does not fit.
            ("Mon, 06 Apr 2026 10:00:60 GMT", 60),
            ("Fri, 06 Apr 2026 10:00:01 GMT", 1),
            // Two digits: fifty years ahead is ahead, more is long ago.
            ("Monday, 06-Apr-76 10:00:00 GMT", 1_577_923_200),
            ("Wednesday, 06-Apr-77 10:00:00 GMT", 0),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 0),
        ] {
            assert_eq!(retry_after(header, NOW), Some(Duration::from_secs(wait)), "{header:?}");
        }
    }

    #[test]
    fn what_is_neither_is_ignored() {
        for header in [
            "",
            " ",
            "-5",
            "+5",
            "2.5",
            "5s",
            "1e2",
            "0x10",
            "1,2",
            "\u{665}",
            "18446744073709551616",
            "later",
            "2026-04-06T10:00:30Z",
            "Mon, 6 Apr 2026 10:00:30 GMT",
            "Mon, 31 Apr 2026 10:00:30 GMT",
            "Mon, 29 Feb 2026 10:00:30 GMT",
            "Mon, 06 apr 2026 10:00:30 GMT",
            "mon, 06 Apr 2026 10:00:30 GMT",
            "Mon, 06 Apr 26 10:00:30 GMT",
            "Mon, 06 Apr 2026 10:00 GMT",
            "Mon, 06 Apr 2026 24:00:00 GMT",
            "Mon, 06 Apr 2026 10:60:00 GMT",
            "Mon, 06 Apr 2026 10:00:61 GMT",
            "Mon, 06 Apr 2026 10:00:30 UTC",
            "Mon, 06 Apr 2026 12:00:30 +0200",
            "Mon, 06 Apr 2026 10:00:30",
            "Mon, 06  Apr 2026 10:00:30 GMT",
            "Mon, 06-Apr-26 10:00:30 GMT",
            "Monday, 06-Apr-2026 10:00:30 GMT",
            "Monday 06-Apr-26 10:00:30 GMT",
            "Mon Apr 6 10:00:30 2026",
            "Mon Apr  6 10:00:30 2026 GMT",
            "Xyz, 06 Apr 2026 10:00:30 GMT",
        ] {
            assert_eq!(retry_after(header, NOW), None, "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_wait_or_none(text in "\\PC{0,40}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT", now in any::<i64>()) {
            let _ = retry_after(&text, now);
        }

        /// A date that is written in the form of today is waited for to the second.
        #[test]
        fn a_date_is_read_as_it_was_written(at in 0..200_000_000_000_i64) {
            let moment = jiff::Timestamp::from_second(at).expect("a moment");
            let text = moment.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            let wait = u64::try_from((at - NOW).max(0)).expect("not negative");
            prop_assert_eq!(retry_after(&text, NOW), Some(Duration::from_secs(wait)));
        }
    }
}

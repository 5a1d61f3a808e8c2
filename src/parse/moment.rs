//! The dates of sitemaps and feeds to a moment. Reads no clock; what is no date is `None`, never a guess.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::{Offset, TimeZone};

/// The longest text that is looked at, in bytes.
const MAX_BYTES: usize = 64;

static RFC2822: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);

/// The first moment of what a `lastmod`, `updated` or `pubDate` names: a W3C datetime (a year, a month, a day,
/// or a time with or without seconds, <https://www.w3.org/TR/NOTE-datetime>) or a date of mail (RFC 2822, which
/// RSS uses). Without a zone it is UTC. Also taken: a space for the `T`, `+0100` for `+01:00`.
pub fn lastmod_moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() > MAX_BYTES || !text.is_ascii() {
        return None;
    }
    w3c(text).or_else(|| {
        // `UTC` is no zone of RFC 2822, and common.
        let mail = text.strip_suffix("UTC").map_or_else(|| text.to_owned(), |rest| format!("{rest}GMT"));
        RFC2822.parse_timestamp(&mail).ok()
    })
}

fn w3c(text: &str) -> Option<Timestamp> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time.trim_start())),
        None => (text, None),
    };
    let is_day = date.split('-').count() == 3;
    let mut parts = date.split('-');
    let year = i16::try_from(digits(parts.next()?, 4)?).ok()?;
    let month = parts.next().map_or(Some(1), |month| digits(month, 2))?;
    let day = parts.next().map_or(Some(1), |day| digits(day, 2))?;
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    if parts.next().is_some() || (time.is_some() && !is_day) {
        return None;
    }
    let Some(time) = time else {
        return Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp());
    };
    let zone_at = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone_at);
    let moment = date.to_datetime(clock(time.trim_end())?);
    offset(zone)?.to_timestamp(moment).ok()
}

/// `hh:mm`, `hh:mm:ss`, `hh:mm:ss.s`; of a fraction nine digits count.
fn clock(text: &str) -> Option<jiff::civil::Time> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let mut parts = whole.split(':');
    let mut part = || parts.next().map(|part| digits(part, 2));
    let (hour, minute, second) = (part()??, part()??, part().unwrap_or(Some(0))?);
    if parts.next().is_some() || fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanos = format!("{fraction:0<9.9}").parse().ok()?;
    let small = |number: u32| i8::try_from(number).ok();
    // A leap second is the last of its minute.
    jiff::civil::Time::new(small(hour)?, small(minute)?, small(second)?.min(59), nanos).ok()
}

fn offset(zone: &str) -> Option<Offset> {
    let (sign, rest) = match zone.as_bytes().first() {
        None => return Some(Offset::UTC),
        Some(b'Z' | b'z') => return (zone.len() == 1).then_some(Offset::UTC),
        Some(b'-') => (-1, &zone[1..]),
        Some(_) => (1, &zone[1..]),
    };
    let digits_of = rest.replacen(':', "", 1);
    let (hours, minutes) = digits_of.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { 0 } else { digits(minutes, 2)? };
    let seconds = (digits(hours, 2)? * 60 + minutes) * 60;
    (minutes < 60).then(|| Offset::from_seconds(sign * i32::try_from(seconds).ok()?).ok())?
}

/// A number of exactly so many digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        let moment = lastmod_moment(text).map(|moment| moment.to_string());
        assert_eq!(moment.as_deref().unwrap_or("none"), expected, "{text}");
    }

    #[test]
    fn w3c_datetimes() {
        check("2004", "2004-01-01T00:00:00Z");
        check("2004-12", "2004-12-01T00:00:00Z");
        check(" 2004-12-23\n", "2004-12-23T00:00:00Z");
        check("2004-12-23T18:00:15+00:00", "2004-12-23T18:00:15Z");
        check("2005-07-10T19:20+01:00", "2005-07-10T18:20:00Z");
        check("2005-07-10T19:20:30.45-02:30", "2005-07-10T21:50:30.45Z");
        check("2005-07-10T19:20:30.1234567891Z", "2005-07-10T19:20:30.123456789Z");
        check("2005-07-10 19:20:30", "2005-07-10T19:20:30Z");
        check("2005-07-10 19:20:30 +0200", "2005-07-10T17:20:30Z");
        check("2005-07-10T19:20:30+02", "2005-07-10T17:20:30Z");
        check("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z");
    }

    #[test]
    fn dates_of_mail() {
        check("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z");
        check("Mon, 06 Nov 1994 08:49:37 +0200", "1994-11-06T06:49:37Z");
        check("6 Nov 1994 08:49 EST", "1994-11-06T13:49:00Z");
        check("Sun, 06 Nov 94 08:49:37 UTC", "1994-11-06T08:49:37Z");
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "yesterday",
            "2004-13",
            "2004-02-30",
            "2004-1-1",
            "04-12-23",
            "2004T10:00",
            "2004-12-23T",
            "2004-12-23T18",
            "2004-12-23T18:00Zx",
            "2004-12-23T25:00",
            "2004-12-23T18:00:00.Z",
            "2004-12-23-01",
            "2004-12-23T18:00+99:00",
            "2004-12-23T18:00+01:60",
            "99999",
            "２００４",
            "32 Nov 1994 08:49:37 GMT",
        ] {
            check(text, "none");
        }
    }

    proptest! {
        #[test]
        fn what_jiff_prints_is_read_back(second in -30_000_000_000..250_000_000_000i64) {
            let moment = Timestamp::from_second(second).expect("in range");
            prop_assert_eq!(lastmod_moment(&moment.to_string()), Some(moment));
        }

        #[test]
        fn any_text_is_a_date_or_none(text in "\\PC{0,30}|[0-9TZ:+. -]{0,30}") {
            let _ = lastmod_moment(&text);
        }
    }
}

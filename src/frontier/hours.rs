//! The hours of the day at which a host may be asked, in UTC. Knows no time zone and no clock: the wall time is
//! passed in.

use std::sync::Arc;

use jiff::Timestamp;

/// Seconds of a day; UTC has no leap seconds here.
const DAY: i64 = 86_400;

/// The hours at which a host may be asked: one or more ranges of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// From and to, in seconds of a day, `from < to <= DAY`; never empty. `to` no longer belongs to it.
    ranges: Arc<[(i64, i64)]>,
}

impl Hours {
    /// From texts such as `"22:00-06:00"`, in UTC; a range may pass midnight, and `24:00` is the end of a day.
    /// The error says, in words, which text is wrong and how to write it.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let mut ranges = Vec::with_capacity(texts.len());
        for text in texts {
            let wrong = |why: &str| format!("`{text}` {why}; write for example \"22:00-06:00\", in UTC");
            let (from, to) = text.split_once('-').ok_or_else(|| wrong("is no range of hours"))?;
            let from = of_day(from)
                .filter(|from| *from < DAY)
                .ok_or_else(|| wrong("does not begin at a time of day"))?;
            let to = of_day(to).ok_or_else(|| wrong("does not end at a time of day"))?;
            match to {
                _ if from == to => return Err(wrong("begins where it ends")),
                _ if from < to => ranges.push((from, to)),
                0 => ranges.push((from, DAY)),
                _ => ranges.extend([(from, DAY), (0, to)]),
            }
        }
        if ranges.is_empty() {
            return Err("no hours are named, so nothing could ever be asked".to_owned());
        }
        Ok(Self { ranges: ranges.into() })
    }

    /// The first moment from `wall` on at which the host may be asked: `wall` itself within the hours.
    pub fn next_open(&self, wall: Timestamp) -> Timestamp {
        let nanos = wall.as_nanosecond();
        let (seconds, part) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
        // A remainder by the length of a day always fits.
        let of_day = i64::try_from(seconds.rem_euclid(i128::from(DAY))).unwrap_or(0);
        if self.ranges.iter().any(|(from, to)| (*from..*to).contains(&of_day)) {
            return wall;
        }
        let wait = self.ranges.iter().map(|(from, _)| (from - of_day).rem_euclid(DAY)).min().unwrap_or(0);
        let open = nanos - part + i128::from(wait) * 1_000_000_000;
        Timestamp::from_nanosecond(open).unwrap_or(wall)
    }
}

/// Seconds of the day that a text such as `06:30` names; up to `24:00`.
fn of_day(text: &str) -> Option<i64> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two = |text: &str| {
        let plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse::<i64>().ok()).flatten()
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    let of_day = hour * 3600 + minute * 60;
    (minute < 60 && of_day <= DAY).then_some(of_day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hours(texts: &[&str]) -> Result<Hours, String> {
        Hours::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_next_open_moment() {
        let night: &[&str] = &["22:00-06:00"];
        for (texts, wall, open) in [
            (night, "2024-11-07T21:59:59.5Z", "2024-11-07T22:00:00Z"),
            (night, "2024-11-07T22:00:00Z", "2024-11-07T22:00:00Z"),
            (night, "2024-11-07T23:59:59.9Z", "2024-11-07T23:59:59.9Z"),
            (night, "2024-11-08T05:59:59.999Z", "2024-11-08T05:59:59.999Z"),
            (night, "2024-11-08T06:00:00Z", "2024-11-08T22:00:00Z"),
            (&["01:00-02:00", "12:00-13:30"], "2024-11-07T02:00:00Z", "2024-11-07T12:00:00Z"),
            (&["01:00-02:00", "12:00-13:30"], "2024-11-07T13:30:00.25Z", "2024-11-08T01:00:00Z"),
            (&["22:00-00:00"], "2024-12-31T00:00:00Z", "2024-12-31T22:00:00Z"),
            (&["00:00-24:00"], "2024-11-07T23:59:59Z", "2024-11-07T23:59:59Z"),
            (&[" 06:00 - 07:00 "], "1969-12-31T08:00:00Z", "1970-01-01T06:00:00Z"),
        ] {
            let wall: Timestamp = wall.parse().expect(wall);
            assert_eq!(hours(texts).expect("hours").next_open(wall).to_string(), open, "{texts:?} {wall}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused_in_words() {
        for (text, why) in [
            ("", "is no range"),
            ("22:00", "is no range"),
            ("24:00-06:00", "does not begin"),
            ("2:00-06:00", "does not begin"),
            ("22-06", "does not begin"),
            ("+2:00-06:00", "does not begin"),
            ("22:60-06:00", "does not begin"),
            ("22:00-24:01", "does not end"),
            ("22:00-06:00-07:00", "does not end"),
            ("06:00-06:00", "begins where it ends"),
        ] {
            let error = hours(&["01:00-02:00", text]).expect_err(text);
            assert!(error.starts_with(&format!("`{text}` {why}")), "{error}");
        }
        assert!(hours(&[]).is_err());
    }

    proptest! {
        /// The moment is open, not before the one asked for, and at most a day away.
        #[test]
        fn it_is_never_closed_for_ever(from in 0..1440_i64, length in 1..1440_i64, at in -1_000_000_000_000_i64..1_000_000_000_000) {
            let clock = |minute: i64| format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
            let hours = hours(&[&format!("{}-{}", clock(from), clock(from + length))]).expect("hours");
            let wall = Timestamp::from_millisecond(at).expect("a moment");
            let open = hours.next_open(wall);
            prop_assert_eq!(hours.next_open(open), open);
            let wait = open.as_millisecond() - at;
            prop_assert!((0..DAY * 1000).contains(&wait), "{}", wait);
        }
    }
}

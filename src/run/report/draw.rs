//! Charts as SVG with axes: URLs over time, and how long fetches took. Each is drawn twice, wide and narrow, because words
//! that shrink with a picture cannot be read on a phone; the style shows one of them. Counts nothing.

use std::fmt::Write as _;

use super::escape::{as_f64, millis, number};
use super::series::{Class, Series};
use crate::pipeline::Latencies;

/// A size of a chart, in pixels of its own.
#[derive(Clone, Copy)]
struct Frame {
    /// Which of the two it is, for the style.
    name: &'static str,
    width: f64,
    height: f64,
    /// About how many marks an axis of times has.
    marks: u64,
}

const FRAMES: [Frame; 2] = [
    Frame { name: "wide", width: 880.0, height: 270.0, marks: 10 },
    Frame { name: "narrow", width: 330.0, height: 230.0, marks: 5 },
];

/// Room around the plot: for counts, and for what stands below and above.
const LEFT: f64 = 50.0;
const RIGHT: f64 = 24.0;
const BELOW: f64 = 42.0;
const ABOVE: f64 = 46.0;
/// Lines between words above a plot.
const ROW: f64 = 14.0;
/// Least room for a mark of an axis of durations.
const MARK: f64 = 44.0;
/// Fewest bars of durations, so that a single one does not fill the plot.
const FEWEST_BINS: u32 = 6;

impl Frame {
    fn plot(self) -> (f64, f64) {
        (self.width - LEFT - RIGHT, self.height - BELOW - ABOVE)
    }

    /// A chart with its vertical axis: `most` is the largest value, `below` and `beside` are what the axes are.
    fn chart(self, about: &str, most: f64, (below, beside): (&str, &str), inside: &str) -> String {
        let Self { name, width, height, .. } = self;
        let (plot_width, plot_height) = self.plot();
        let mut svg = format!(
            "<svg class=\"{name}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{about}\">\
             <text class=\"axis\" x=\"0\" y=\"12\">{beside}</text>\
             <text class=\"axis end\" x=\"{:.1}\" y=\"{:.1}\">{below}</text>",
            width - RIGHT,
            height - 6.0
        );
        let (step, top) = (step(most), top(most));
        let mut value = 0.0;
        while value <= top * 1.001 {
            let y = ABOVE + plot_height - plot_height * value / top;
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}h{plot_width:.1}\"/><text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                LEFT - 6.0,
                y + 4.0,
                mark(value, step)
            );
            value += step;
        }
        svg + inside + "</svg>"
    }
}

/// URLs over time, by class.
pub fn series(series: &Series) -> String {
    FRAMES.iter().map(|frame| series_in(series, *frame)).collect()
}

fn series_in(series: &Series, frame: Frame) -> String {
    let (width, height) = frame.plot();
    let per_second = |count: u64| as_f64(count) * 1000.0 / as_f64(series.width);
    let most = series.steps.iter().map(|step| per_second(step.iter().sum())).fold(0.0, f64::max);
    let (top, bar) = (top(most), width / as_f64(series.steps.len().max(1) as u64));
    let mut paths = [String::new(), String::new(), String::new()];
    for (index, step) in series.steps.iter().enumerate() {
        let (x, mut y) = (LEFT + bar * as_f64(index as u64), ABOVE + height);
        for (path, count) in paths.iter_mut().zip(step).filter(|(_, count)| **count > 0) {
            let tall = height * per_second(*count) / top;
            y -= tall;
            let _ = write!(path, "M{x:.1} {y:.1}h{bar:.1}v{tall:.1}h-{bar:.1}z");
        }
    }
    let mut inside = String::new();
    for (class, path) in Class::ALL.iter().zip(paths).filter(|(_, path)| !path.is_empty()) {
        let _ = write!(inside, "<path class=\"{}\" d=\"{path}\"/>", class.style());
    }
    let whole = series.width * series.steps.len() as u64;
    let (step, unit) = time_step(whole, frame.marks);
    for time in (0..=whole).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
        let x = LEFT + width * as_f64(time) / as_f64(whole.max(1));
        let words = mark(as_f64(time) / as_f64(unit.0), 1.0);
        let _ = write!(
            inside,
            "<text class=\"mid\" x=\"{x:.1}\" y=\"{:.1}\">{words}</text>",
            ABOVE + height + 16.0
        );
    }
    let below = format!("{} since the start", unit.1);
    frame.chart(
        "URLs asked for each second, over the time of the run",
        most,
        (&below, "URLs per second"),
        &inside,
    )
}

/// How long fetches took: each bar stands for durations up to twice as long as the one before.
pub fn latencies(latencies: &Latencies) -> String {
    FRAMES.iter().map(|frame| latencies_in(latencies, *frame)).collect()
}

fn latencies_in(latencies: &Latencies, frame: Frame) -> String {
    let edge = |bin: u32| if bin == 0 { 0 } else { 1_u64 << (bin - 1).min(62) };
    let count = |bin: u32| latencies.between(edge(bin), edge(bin + 1));
    let filled: Vec<u32> = (0..63).filter(|bin| count(*bin) > 0).collect();
    let (Some(first), Some(last)) = (filled.first().copied(), filled.last().copied()) else {
        return String::new();
    };
    let last = last.max(first + FEWEST_BINS - 1);
    let (width, height) = frame.plot();
    let bar = width / f64::from(last - first + 1);
    let most = (first..=last).map(count).max().unwrap_or(1);
    let top = top(as_f64(most));
    let mut inside = String::from("<path class=\"good\" d=\"");
    for bin in first..=last {
        let tall = height * as_f64(count(bin)) / top;
        let (x, y) = (LEFT + bar * f64::from(bin - first) + 1.0, ABOVE + height - tall);
        let wide = bar - 2.0;
        let _ = write!(inside, "M{x:.1} {y:.1}h{wide:.1}v{tall:.1}h-{wide:.1}z");
    }
    inside.push_str("\"/>");
    let every = (MARK / bar).ceil().max(1.0);
    for bin in (first..=last + 1).filter(|bin| f64::from(bin - first) % every < 0.5) {
        let x = LEFT + bar * f64::from(bin - first);
        let words = short(edge(bin));
        let _ = write!(
            inside,
            "<text class=\"mid\" x=\"{x:.1}\" y=\"{:.1}\">{words}</text>",
            ABOVE + height + 16.0
        );
    }
    let mut notes = String::new();
    for (row, hundredths) in [50, 90, 99].into_iter().enumerate() {
        let Some(ms) = latencies.percentile(hundredths) else { continue };
        let place = if ms == 0 { 0.5 } else { as_f64(ms).log2() + 1.0 };
        let x = (LEFT + bar * (place - f64::from(first))).clamp(LEFT, LEFT + width);
        let y = 12.0 + ROW * as_f64(row as u64) - 2.0;
        let is_right = x > frame.width - 100.0;
        let (side, shift) = if is_right { ("end", -4.0) } else { ("start", 4.0) };
        let _ = write!(inside, "<path class=\"mark\" d=\"M{x:.1} {:.1}V{:.1}\"/>", y - 8.0, ABOVE + height);
        let (x, took) = (x + shift, millis(ms));
        let _ = write!(
            notes,
            "<text class=\"note {side}\" x=\"{x:.1}\" y=\"{y:.1}\">{hundredths} %: {took}</text>"
        );
    }
    inside.push_str(&notes);
    frame.chart("How many fetches took how long", as_f64(most), ("how long a fetch took", "fetches"), &inside)
}

/// The step between marks of an axis up to a value: 1, 2 or 5 times a power of ten.
fn step(most: f64) -> f64 {
    let raw = (most / 5.0).max(1e-6);
    let power = 10_f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= raw * 0.999);
    factor.unwrap_or(10.0) * power
}

/// Where the axis ends.
fn top(most: f64) -> f64 {
    let step = step(most);
    (most / step).ceil().max(1.0) * step
}

/// A value at an axis whose marks are so far apart.
fn mark(value: f64, step: f64) -> String {
    let digits = if step >= 1.0 { 0 } else { 2 };
    let text = format!("{value:.digits$}");
    if digits == 0 && value >= 1000.0 { text.parse().map_or(text, number) } else { text }
}

/// A power of two of milliseconds in few letters.
fn short(ms: u64) -> String {
    match ms {
        0 => "0".to_owned(),
        1..1024 => format!("{ms} ms"),
        1024..65_536 => format!("{} s", ms / 1000),
        _ => format!("{} min", ms / 60_000),
    }
}

/// The step between marks of so long a time, and the unit they are told in.
fn time_step(whole: u64, marks: u64) -> (u64, (u64, &'static str)) {
    const SECOND: u64 = 1000;
    const MINUTE: u64 = 60 * SECOND;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let units = [
        (1, "milliseconds", &[20, 50, 100, 200, 500][..]),
        (SECOND, "seconds", &[1, 2, 5, 10, 15, 30]),
        (MINUTE, "minutes", &[1, 2, 5, 10, 15, 30]),
        (HOUR, "hours", &[1, 2, 3, 6, 12]),
        (DAY, "days", &[1, 2, 5, 10, 20, 50, 100, 200, 500]),
    ];
    for (unit, name, factors) in units {
        if let Some(factor) = factors.iter().find(|factor| whole <= unit * **factor * marks) {
            return (unit * factor, (unit, name));
        }
    }
    (whole, (DAY, "days"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_a_mark() {
        for (most, ends, apart) in [
            (0.0, 1e-6, 1e-6),
            (1.0, 1.0, 0.2),
            (7.0, 8.0, 2.0),
            (99.0, 100.0, 20.0),
            (4100.0, 5000.0, 1000.0),
        ] {
            assert!(
                (top(most) - ends).abs() < 1e-6 && (step(most) - apart).abs() < 1e-6,
                "{most}: {} {}",
                top(most),
                step(most)
            );
        }
        assert_eq!(time_step(900, 5), (200, (1, "milliseconds")));
        assert_eq!(time_step(90_000, 5), (30_000, (1000, "seconds")));
        assert_eq!(time_step(7_200_000, 10), (900_000, (60_000, "minutes")));
        assert_eq!((mark(0.5, 0.5), mark(2000.0, 1000.0)), ("0.50".to_owned(), "2,000".to_owned()));
        assert_eq!([0, 512, 1024, 32_768, 65_536].map(short), ["0", "512 ms", "1 s", "32 s", "1 min"]);
    }

    proptest::proptest! {
        #[test]
        fn any_counts_are_drawn_within_their_frame(times in proptest::collection::vec(0_u64..1 << 45, 0..40)) {
            let (mut counts, mut took) = (Series::default(), Latencies::default());
            for (index, time) in times.iter().enumerate() {
                counts.count(*time, Class::ALL[index % 3]);
                took.count(*time);
            }
            for svg in [series(&counts), latencies(&took)] {
                proptest::prop_assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("h--") && !svg.contains("v-"), "{}", svg);
                proptest::prop_assert!(svg.len() < 40_000);
            }
        }
    }
}

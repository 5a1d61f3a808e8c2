//! What was measured: as lines of text while it goes on, as JSON, and as a drawing.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::measure::Used;

/// One program in one case.
pub struct Row {
    /// The case, for example `real`.
    pub case: &'static str,
    /// Who did the work.
    pub who: String,
    /// Pages that were fetched.
    pub pages: usize,
    /// What it used.
    pub used: Used,
    /// CPU time against that of the first program of the case in the same round: the middle of all rounds, as a machine
    /// that others share changes its speed from one to the next.
    pub times: f64,
}

impl Row {
    fn per_second(&self) -> f64 {
        self.pages as f64 / self.used.cpu.as_secs_f64()
    }
}

/// All rows so far, and single findings that are no row.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
    findings: Vec<String>,
}

impl Table {
    /// Prints the head of all rows.
    pub fn head() {
        println!(
            "{:<8} {:<22} {:>7} {:>8} {:>12} {:>9} {:>8} {:>8}",
            "case", "who", "pages", "CPU s", "pages/CPU-s", "trawl is", "peak MB", "wall s"
        );
    }

    /// Takes the rows of a case and prints them. The first is ours; the others say how many times as fast it is.
    pub fn case(&mut self, rows: Vec<Row>) {
        for row in &rows {
            println!(
                "{:<8} {:<22} {:>7} {:>8.2} {:>12.0} {:>9.2} {:>8.0} {:>8.2}",
                row.case,
                row.who,
                row.pages,
                row.used.cpu.as_secs_f64(),
                row.per_second(),
                row.times,
                row.used.peak_bytes as f64 / 1e6,
                row.used.wall.as_secs_f64(),
            );
        }
        self.rows.extend(rows);
    }

    /// Takes and prints a finding that is no row.
    pub fn finding(&mut self, said: String) {
        println!("{said}");
        self.findings.push(said);
    }

    /// All of it for programs.
    pub fn json(&self, about: &str) -> Value {
        let row = |row: &Row| {
            json!({
                "case": row.case,
                "who": row.who,
                "pages": row.pages,
                "cpu_seconds": row.used.cpu.as_secs_f64(),
                "pages_per_cpu_second": row.per_second(),
                "peak_bytes": row.used.peak_bytes,
                "wall_seconds": row.used.wall.as_secs_f64(),
                "trawl_is_times_as_fast": row.times,
            })
        };
        json!({
            "about": about.lines().collect::<Vec<_>>(),
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "findings": self.findings,
        })
    }

    /// Bars of pages per CPU-second, a group for each of these cases, each group against its own longest.
    pub fn svg(&self, cases: &[(&str, &str)]) -> String {
        const WIDTH: f64 = 820.0;
        const LEFT: f64 = 190.0;
        const LONGEST: f64 = 440.0;
        let (mut bars, mut y) = (String::new(), 14.0);
        for (case, title) in cases {
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.case == *case).collect();
            let most = rows.iter().map(|row| row.per_second()).fold(0.0, f64::max);
            if rows.is_empty() {
                continue;
            }
            y += 18.0;
            let _ = writeln!(bars, "<text x=\"12\" y=\"{y:.0}\" class=\"case\">{title}</text>");
            for row in rows {
                y += 24.0;
                let length = row.per_second() / most * LONGEST;
                let class = if row.who == "trawl" { "ours" } else { "other" };
                let _ = writeln!(
                    bars,
                    "<text x=\"{:.0}\" y=\"{y:.0}\" text-anchor=\"end\">{}</text>\
                     <rect x=\"{LEFT}\" y=\"{:.0}\" width=\"{length:.1}\" height=\"16\" class=\"{class}\"/>\
                     <text x=\"{:.0}\" y=\"{y:.0}\">{:.0} pages/CPU-s, {:.0} MB</text>",
                    LEFT - 8.0,
                    row.who,
                    y - 12.0,
                    LEFT + length + 8.0,
                    row.per_second(),
                    row.used.peak_bytes as f64 / 1e6,
                );
            }
            y += 14.0;
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" \
             aria-label=\"Pages per CPU-second of Trawl and of others\">\n\
             <style>text{{font:13px sans-serif;fill:#24292f}}.case{{font-weight:bold}}.ours{{fill:#0a7d5a}}\
             .other{{fill:#b6bec7}}rect.bg{{fill:#fff}}</style>\n\
             <rect class=\"bg\" width=\"100%\" height=\"100%\"/>\n{bars}</svg>\n",
            y + 8.0
        )
    }
}

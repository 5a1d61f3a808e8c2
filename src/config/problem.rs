//! What is wrong with a config: each problem with its place, its line and a way out. Finds nothing itself.

use std::fmt;
use std::ops::Range;

use super::text::{Place, Texts};

/// More problems than this help nobody.
const MOST_SHOWN: usize = 50;

/// After so many problems no more are looked for.
pub const ENOUGH: usize = 1000;

/// Everything that is wrong with a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// What is wrong as a whole, in a line.
    pub headline: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// What is wrong in single places, in the order of the file.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The line with its mark; empty where there is none.
    excerpt: String,
    /// For the order.
    offset: usize,
}

impl Problem {
    /// A problem at a span.
    pub fn new(texts: &Texts, span: &Range<usize>, what: impl Into<String>, hint: Option<String>) -> Self {
        Self {
            place: texts.place(span.start),
            what: what.into(),
            hint,
            excerpt: texts.excerpt(span),
            offset: span.start,
        }
    }
}

impl ConfigErrors {
    /// The file as a whole cannot be used.
    pub fn whole(headline: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { headline: headline.into(), hint: Some(hint.into()), problems: Vec::new() }
    }

    /// The file is wrong in these places, of which there is at least one.
    pub fn places(name: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.offset);
        problems.dedup();
        let count = problems.len();
        let headline = match count {
            1 => format!("1 problem in {name}"),
            ENOUGH.. => format!("{ENOUGH} problems and more in {name}"),
            _ => format!("{count} problems in {name}"),
        };
        Self { headline, hint: None, problems }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n{}", self.place, self.what, self.excerpt)?;
        self.hint.iter().try_for_each(|hint| writeln!(f, "  hint: {hint}"))
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))?;
        for problem in self.problems.iter().take(MOST_SHOWN) {
            write!(f, "\n{}", problem.to_string().trim_end())?;
        }
        match self.problems.len().saturating_sub(MOST_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for ConfigErrors {}

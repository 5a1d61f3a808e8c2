//! What can go wrong with a site, and how a URL that meets it must end: read by the site, which shows it, and by the test,
//! which holds the crawler to it. Sends nothing.
//!
//! Addresses have places for what is known only once the site runs: `{site}` is its host and port, `{port}` its port,
//! `{next}` the host and port of its second door; and for what is long: `{3k}` and `{64k}` are so many letters, and `{cut}` stands
//! behind what an outcome has only the beginning of.

#![allow(dead_code, reason = "the test reads more of it than the site")]

mod addresses;
mod content;
mod protocol;
mod rules;
mod transfer;

/// Faults of one kind.
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// Its faults.
    pub faults: &'static [Fault],
}

/// One fault.
pub struct Fault {
    /// What it is, in words; no two are called the same.
    pub name: &'static str,
    /// How it is reached.
    pub way: Way,
    /// What must come of it.
    pub must: &'static str,
    /// How its URLs end.
    pub ends: &'static [End],
}

/// How a fault is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Its URLs are asked for.
    Asked,
    /// The same, and the links of their hosts are followed.
    Followed,
    /// Links are followed that never end: a budget of pages a host ends them.
    Budget,
    /// Its URLs are read as sitemaps.
    Sitemap,
}

/// How a URL must end.
pub struct End {
    /// Whether it is not asked for, but led to by another.
    pub is_found: bool,
    /// The URL as it is asked for.
    pub url: &'static str,
    /// The URL as it is known then, where that is another.
    pub known_as: &'static str,
    /// The name of the outcome.
    pub outcome: &'static str,
    /// What its reason holds; the whole title of a page that is `ok`.
    pub says: &'static str,
}

/// A URL that is asked for.
const fn end(url: &'static str, outcome: &'static str, says: &'static str) -> End {
    End { is_found: false, url, known_as: url, outcome, says }
}

/// A URL that is asked for, and another in its canonical form.
const fn known(url: &'static str, known_as: &'static str, outcome: &'static str, says: &'static str) -> End {
    End { is_found: false, url, known_as, outcome, says }
}

/// A URL that another leads to.
const fn found(url: &'static str, outcome: &'static str, says: &'static str) -> End {
    End { is_found: true, url, known_as: url, outcome, says }
}

/// A fault that is asked for and nothing more.
const fn asked(name: &'static str, must: &'static str, ends: &'static [End]) -> Fault {
    Fault { name, way: Way::Asked, must, ends }
}

/// All of them.
pub const SECTIONS: [&Section; 13] = [
    &transfer::SLOW,
    &transfer::BROKEN,
    &transfer::BOMBS,
    &content::PAGES,
    &content::STATUSES,
    &addresses::REDIRECTS,
    &addresses::PRIVATE,
    &addresses::URLS,
    &rules::TRAPS,
    &rules::ROBOTS,
    &rules::SITEMAPS,
    &protocol::HTTP2,
    &protocol::TLS,
];

//! Sites without end, and rules and lists that are not what they should be.

use super::{End, Fault, Section, Way, asked, end, found};

const fn trap(name: &'static str, ends: &'static [End]) -> Fault {
    Fault {
        name,
        way: Way::Budget,
        must: "ended by the budget of its host, or by the scope before that",
        ends,
    }
}

const fn sitemap(name: &'static str, must: &'static str, ends: &'static [End]) -> Fault {
    Fault { name, way: Way::Sitemap, must, ends }
}

pub const TRAPS: Section = Section {
    title: "Sites without end",
    faults: &[
        trap("a calendar", &[end("http://calendar.localhost:{port}/2026-11", "ok", "2026-11")]),
        trap("a session in each link", &[end("http://sessions.localhost:{port}/", "ok", "Session")]),
        trap("ever deeper paths", &[end("http://deeper.localhost:{port}/1", "ok", "Deeper")]),
        trap("a link that repeats itself", &[end("http://again.localhost:{port}/x", "ok", "Again")]),
    ],
};

/// What is asked of a host with a robots.txt that is obeyed.
macro_rules! obeyed {
    ($host:literal) => {
        &[
            end(concat!("http://", $host, ".localhost:{port}/echo/yes"), "ok", "/echo/yes"),
            end(concat!("http://", $host, ".localhost:{port}/echo/no"), "skipped_robots", "/echo/no"),
        ]
    };
}

/// Of one that says nothing.
macro_rules! open {
    ($host:literal) => {
        &[
            end(concat!("http://", $host, ".localhost:{port}/echo/yes"), "ok", "/echo/yes"),
            end(concat!("http://", $host, ".localhost:{port}/echo/no"), "ok", "/echo/no"),
        ]
    };
}

/// Of one that cannot be had.
macro_rules! closed {
    ($host:literal, $why:literal) => {
        &[end(concat!("http://", $host, ".localhost:{port}/echo/yes"), "skipped_robots", $why)]
    };
}

pub const ROBOTS: Section = Section {
    title: "robots.txt",
    faults: &[
        asked("1 MB", "its first 500 KiB count", obeyed!("robots-large")),
        asked("a byte order mark", "obeyed", obeyed!("robots-bom")),
        asked("lines that end with CR alone", "obeyed", obeyed!("robots-cr")),
        asked("NUL bytes and invalid UTF-8", "obeyed", obeyed!("robots-binary")),
        asked("moved to another host", "obeyed", obeyed!("robots-moved")),
        asked("a page in HTML", "no rules", open!("robots-html")),
        asked("redirects in a circle", "no rules", open!("robots-circle")),
        asked("redirects to `file:`", "no rules", open!("robots-file")),
        asked("a server error", "nothing is asked for", closed!("robots-500", "status 500")),
        asked("no answer to it", "nothing is asked for", closed!("robots-silent", "could not be fetched")),
        asked(
            "less than its length",
            "nothing is asked for",
            closed!("robots-short", "the connection broke"),
        ),
        asked(
            "a bomb for a robots.txt",
            "nothing is asked for",
            closed!("robots-bomb", "unpacks to more than"),
        ),
        asked("a robots.txt without end", "nothing is asked for", closed!("robots-endless", "more than")),
        asked(
            "redirects to a private address",
            "nothing is asked for",
            closed!("robots-private", "127.0.0.2 is a loopback address"),
        ),
    ],
};

pub const SITEMAPS: Section = Section {
    title: "Sitemaps",
    faults: &[
        sitemap(
            "a sitemap that unpacks to 1 GiB",
            "read to the bound; what stands before it counts",
            &[
                end("http://{site}/fault/sitemap/bomb.xml.gz", "listed", ""),
                found("http://{site}/fault/listed/bomb", "ok", "/fault/listed/bomb"),
                end("http://{site}/fault/sitemap/br.xml", "invalid_response", "unpacks to more than 50MiB"),
            ],
        ),
        sitemap(
            "external entities",
            "never read",
            &[
                end("http://{site}/fault/sitemap/xxe.xml", "listed", ""),
                found("http://{site}/fault/listed/xxe", "ok", "/fault/listed/xxe"),
            ],
        ),
        sitemap(
            "a billion laughs",
            "never expanded",
            &[
                end("http://{site}/fault/sitemap/laughs.xml", "listed", ""),
                found("http://{site}/fault/listed/laughs", "ok", "/fault/listed/laughs"),
            ],
        ),
        sitemap(
            "indexes in a circle",
            "each is read once",
            &[
                end("http://{site}/fault/sitemap/circle-a.xml", "listed", ""),
                found("http://{site}/fault/sitemap/circle-b.xml", "listed", ""),
            ],
        ),
        sitemap(
            "100,000 nested elements in XML",
            "what stands before them counts",
            &[
                end("http://{site}/fault/sitemap/nested.xml", "listed", ""),
                found("http://{site}/fault/listed/nested", "ok", "/fault/listed/nested"),
            ],
        ),
        sitemap(
            "a sitemap without end",
            "given up at 50 MiB",
            &[end("http://{site}/fault/sitemap/endless.xml", "too_large", "more than 50MiB")],
        ),
        sitemap(
            "a page instead of a sitemap",
            "an error, and nothing is listed",
            &[end("http://{site}/fault/sitemap/html.xml", "invalid_response", "no sitemap or feed")],
        ),
    ],
};

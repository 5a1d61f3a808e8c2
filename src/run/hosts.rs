//! `hosts.csv`: how each host fared, for a spreadsheet (RFC 4180). Made from the tally alone, so that a publication that
//! is repeated writes the same bytes. Counts nothing itself.

use csv_core::{Terminator, WriteResult, Writer, WriterBuilder};

use crate::model::{Outcome, registered_domain};
use crate::pipeline::{HostTally, Tally};

/// Name of the file in a run directory.
pub const HOSTS: &str = "hosts.csv";

/// The columns and what they mean. `urls` is the sum of the seven that follow it.
pub const COLUMNS: &[(&str, &str)] = &[
    ("host", "Host, with a port that is not the scheme's own; `(no host)` for what is no URL"),
    ("registered_domain", "Registrable domain by the public suffix list; empty for an address"),
    ("urls", "URLs with an outcome"),
    ("ok", "Of these `ok` or `not_modified`"),
    ("redirected", "`redirected`"),
    ("gone", "`gone`"),
    ("http_error", "`http_error`"),
    ("network", "`dns_error`, `refused_address`, `connect_error`, `tls_error`, `timeout` or `network_error`"),
    ("skipped", "Any of the outcomes that begin with `skipped_`"),
    ("other", "All other outcomes"),
    ("bytes", "Bytes of bodies as they came over the wire"),
    ("mean_fetch_ms", "From a request to the last byte of its answer, on average; empty without an answer"),
    ("last_status", "HTTP status of the latest answer; empty without one"),
    ("last_outcome", "How the latest URL ended"),
];

/// The outcomes that are counted together.
const CLASSES: usize = 7;

/// In which of the columns behind `urls` an outcome is counted.
fn class(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Ok | Outcome::NotModified => 0,
        Outcome::Redirected => 1,
        Outcome::Gone => 2,
        Outcome::HttpError => 3,
        Outcome::DnsError
        | Outcome::RefusedAddress
        | Outcome::ConnectError
        | Outcome::TlsError
        | Outcome::Timeout
        | Outcome::NetworkError => 4,
        Outcome::SkippedScope
        | Outcome::SkippedRobots
        | Outcome::SkippedDepth
        | Outcome::SkippedBudget
        | Outcome::SkippedNotDue
        | Outcome::SkippedCrawlDelay
        | Outcome::SkippedMime => 5,
        Outcome::Duplicate
        | Outcome::TooLarge
        | Outcome::RedirectLoop
        | Outcome::InvalidUrl
        | Outcome::InvalidResponse
        | Outcome::Rejected
        | Outcome::Unreadable
        | Outcome::Internal
        | Outcome::Listed => 6,
    }
}

/// The whole file, by host.
pub fn csv(tally: &Tally) -> Vec<u8> {
    let mut table = Table::new();
    table.row(COLUMNS.iter().map(|(name, _)| *name));
    for (name, host) in &tally.hosts {
        table.row(row(name, host).iter().map(String::as_str));
    }
    table.text
}

fn row(name: &str, host: &HostTally) -> Vec<String> {
    let mut classes = [0_u64; CLASSES];
    for outcome in Outcome::ALL {
        classes[class(*outcome)] += host.outcomes.get(outcome.name()).copied().unwrap_or(0);
    }
    let mean = (host.answers > 0).then(|| host.fetch_ms / host.answers);
    let number = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
    // What stands for several hosts has no domain.
    let domain = registered_domain(name).filter(|_| !name.starts_with('('));
    let mut cells = vec![harmless(name), harmless(domain.unwrap_or_default()), host.urls.to_string()];
    cells.extend(classes.map(|count| count.to_string()));
    cells.extend([host.bytes.to_string(), number(mean), number(host.last_status.map(u64::from))]);
    cells.push(host.last_outcome.to_owned());
    cells
}

/// A name that no spreadsheet takes for a formula: the URL standard allows hosts such as `=1+1`. They are shown with
/// an apostrophe before them, as spreadsheets do it themselves.
fn harmless(name: &str) -> String {
    let is_formula = name.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { format!("'{name}") } else { name.to_owned() }
}

/// CSV as it grows.
struct Table {
    writer: Writer,
    text: Vec<u8>,
}

impl Table {
    fn new() -> Self {
        Self { writer: WriterBuilder::new().terminator(Terminator::CRLF).build(), text: Vec::new() }
    }

    fn row<'a>(&mut self, cells: impl Iterator<Item = &'a str>) {
        for (number, cell) in cells.enumerate() {
            if number > 0 {
                self.put(Writer::delimiter);
            }
            let mut rest = cell.as_bytes();
            self.put(|writer, room| {
                let (result, read, written) = writer.field(rest, room);
                rest = &rest[read..];
                (result, written)
            });
        }
        self.put(Writer::terminator);
    }

    /// Has the writer write until it has had room enough.
    fn put(&mut self, mut write: impl FnMut(&mut Writer, &mut [u8]) -> (WriteResult, usize)) {
        let mut room = [0; 512];
        loop {
            let (result, written) = write(&mut self.writer, &mut room);
            self.text.extend_from_slice(&room[..written]);
            if result == WriteResult::InputEmpty {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UrlKey;
    use crate::store::Settle;

    fn settle(host: &str, outcome: Outcome, status: Option<u16>, duration_ms: Option<u64>) -> Settle {
        Settle {
            key: UrlKey::of(host),
            outcome,
            host: host.into(),
            admitted: true,
            status,
            bytes: 100,
            duration_ms,
            parse_us: 0,
            page: None,
        }
    }

    fn lines(settles: &[Settle]) -> Vec<String> {
        let mut tally = Tally::default();
        for settle in settles {
            tally.count(settle);
        }
        let text = String::from_utf8(csv(&tally)).expect("text");
        assert!(text.ends_with("\r\n"));
        text.split_terminator("\r\n").skip(1).map(str::to_owned).collect()
    }

    #[test]
    fn a_host_is_a_line() {
        let of = |outcome, status, ms| settle("www.example.co.uk:81", outcome, status, ms);
        let settles = [
            of(Outcome::Ok, Some(200), Some(10)),
            of(Outcome::Gone, Some(404), Some(5)),
            of(Outcome::Timeout, None, None),
            of(Outcome::SkippedRobots, None, None),
            of(Outcome::Listed, Some(200), Some(6)),
            settle("127.0.0.1", Outcome::ConnectError, None, None),
            settle("", Outcome::InvalidUrl, None, None),
        ];
        assert_eq!(
            lines(&settles),
            [
                "(no host),,1,0,0,0,0,0,0,1,100,,,invalid_url",
                "127.0.0.1,,1,0,0,0,0,1,0,0,100,,,connect_error",
                "www.example.co.uk:81,example.co.uk,5,1,0,1,0,1,1,1,500,7,200,listed",
            ]
        );
    }

    #[test]
    fn the_classes_are_the_columns_behind_urls_and_hold_every_outcome_once() {
        let first = COLUMNS.iter().position(|(name, _)| *name == "ok").expect("a column");
        assert_eq!(COLUMNS[first + CLASSES].0, "bytes");
        for outcome in Outcome::ALL {
            let line = &lines(&[settle("h", *outcome, None, None)])[0];
            let cells: Vec<&str> = line.split(',').collect();
            assert_eq!(cells.len(), COLUMNS.len());
            let counts = &cells[first..first + CLASSES];
            assert_eq!(counts.iter().filter(|count| **count == "1").count(), 1, "{line}");
            let (column, _) = COLUMNS[first + class(*outcome)];
            let named = |name: &str| COLUMNS.iter().any(|(column, _)| *column == name);
            assert!(column == outcome.name() || !named(outcome.name()), "{outcome} counts as {column}");
            assert_eq!(outcome.name().starts_with("skipped_"), column == "skipped");
        }
    }

    #[test]
    fn no_host_can_leave_its_cell_or_become_a_formula() {
        // The URL standard allows all of these.
        for (host, cell) in [
            ("a\"b,c.test", "\"a\"\"b,c.test\""),
            ("=1+1", "'=1+1"),
            ("+a.test", "'+a.test"),
            ("-a.test", "'-a.test"),
            ("a-b.test", "a-b.test"),
        ] {
            let url = url::Url::parse(&format!("http://{host}/")).expect("a URL");
            assert_eq!(url.host_str(), Some(host));
            let line = &lines(&[settle(host, Outcome::Ok, None, None)])[0];
            assert!(line.starts_with(&format!("{cell},")), "{line}");
        }
        let long = "x".repeat(3000);
        assert!(lines(&[settle(&long, Outcome::Ok, None, None)])[0].starts_with(&long));
    }
}

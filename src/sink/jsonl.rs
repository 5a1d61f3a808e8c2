//! The two journals that every run writes: `records/`, a line for each page that was read, and
//! `outcomes/`, a line for every URL whatever happened. What stands in a line is decided in `model`.

use std::io;
use std::path::Path;

use super::journal::{Journal, Place};
use super::{Artifact, Sink, SinkError, Writer};
use crate::model::{Origin, OutcomeLine, Position, Record, Span, Visit};

/// A line is written from a buffer of this size, which grows for a big page and then shrinks back.
const LINE_BYTES: usize = 64 * 1024;

/// The sink `records`: one JSON line for each visit that has a record.
#[derive(Clone, Debug)]
pub struct Records {
    origin: Origin,
    roll_bytes: u64,
}

/// The sink `outcomes`: one JSON line for each visit.
#[derive(Clone, Debug)]
pub struct Outcomes {
    origin: Origin,
    roll_bytes: u64,
}

impl Records {
    /// Id of the sink, and its folder.
    pub const ID: &'static str = "records";

    /// Records of this origin; a new part is begun before one would exceed `roll_bytes`.
    pub fn new(origin: Origin, roll_bytes: u64) -> Self {
        Self { origin, roll_bytes }
    }
}

impl Outcomes {
    /// Id of the sink, and its folder.
    pub const ID: &'static str = "outcomes";

    /// Outcomes of this origin; a new part is begun before one would exceed `roll_bytes`.
    pub fn new(origin: Origin, roll_bytes: u64) -> Self {
        Self { origin, roll_bytes }
    }
}

impl Sink for Records {
    fn id(&self) -> &str {
        Self::ID
    }

    fn open(&self, dir: &Path, at: Option<Position>) -> Result<Box<dyn Writer>, SinkError> {
        let journal = Journal::open(place(Self::ID, dir, self.roll_bytes), at)?;
        Ok(Box::new(Lines { origin: self.origin.clone(), journal, line: Vec::new(), render: record }))
    }
}

impl Sink for Outcomes {
    fn id(&self) -> &str {
        Self::ID
    }

    fn open(&self, dir: &Path, at: Option<Position>) -> Result<Box<dyn Writer>, SinkError> {
        let journal = Journal::open(place(Self::ID, dir, self.roll_bytes), at)?;
        Ok(Box::new(Lines { origin: self.origin.clone(), journal, line: Vec::new(), render: outcome }))
    }
}

fn place(id: &'static str, dir: &Path, roll_bytes: u64) -> Place {
    Place { sink: id.into(), run_dir: dir.into(), folder: id.into(), extension: "jsonl", roll_bytes }
}

/// Writes the JSON of a visit, if it has any, without a line end.
type Render = fn(&Origin, &Visit, &mut Vec<u8>) -> serde_json::Result<()>;

fn record(origin: &Origin, visit: &Visit, line: &mut Vec<u8>) -> serde_json::Result<()> {
    Record::from_visit(origin, visit).map_or(Ok(()), |record| serde_json::to_writer(line, &record))
}

fn outcome(origin: &Origin, visit: &Visit, line: &mut Vec<u8>) -> serde_json::Result<()> {
    serde_json::to_writer(line, &OutcomeLine::from_visit(origin, visit))
}

/// An open journal of JSON lines.
struct Lines {
    origin: Origin,
    journal: Journal,
    line: Vec<u8>,
    render: Render,
}

impl Writer for Lines {
    fn write(&mut self, visit: &Visit) -> Result<Option<Span>, SinkError> {
        self.line.clear();
        self.line.shrink_to(LINE_BYTES);
        (self.render)(&self.origin, visit, &mut self.line)
            .map_err(|error| self.journal.failed("write", io::Error::from(error)))?;
        if self.line.is_empty() {
            return Ok(None);
        }
        self.line.push(b'\n');
        self.journal.append(&self.line).map(Some)
    }

    fn sync(&mut self) -> Result<Position, SinkError> {
        self.journal.sync()
    }

    fn finish(self: Box<Self>) -> Result<Vec<Artifact>, SinkError> {
        self.journal.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::model::{Body, Ending, Fetched, Outcome, Parsed, Protocol, Request, canonical};

    fn visit(path: &str, outcome: Outcome) -> Visit {
        let url = canonical(&format!("https://example.org/{path}"), None).expect(path);
        let mut visit = Visit::refused(Request::seed(&url, "seeds"), Ending::plain(outcome));
        if outcome == Outcome::Ok {
            visit.parsed = Some(Parsed { title: Some(format!("title of\n{path}")), ..Parsed::default() });
            visit.body = Some(Body::default());
            visit.fetched = Some(Fetched {
                status: 200,
                headers: http::HeaderMap::new(),
                body: bytes::Bytes::new(),
                spool: None,
                started: jiff::Timestamp::UNIX_EPOCH,
                duration: std::time::Duration::ZERO,
                ip: None,
                protocol: Protocol::Http1,
            });
        }
        visit
    }

    fn origin() -> Origin {
        Origin { job: "news".into(), run_id: "run".into(), links: true }
    }

    #[test]
    fn a_record_for_each_ok_page_and_an_outcome_for_every_url() {
        let dir = tempfile::tempdir().expect("temp dir");
        let visits = [visit("a", Outcome::Ok), visit("b", Outcome::Gone), visit("c", Outcome::Ok)];
        let sinks: [Box<dyn Sink>; 2] =
            [Box::new(Records::new(origin(), 1 << 20)), Box::new(Outcomes::new(origin(), 1 << 20))];
        for (sink, expected) in sinks.iter().zip([2, 3]) {
            let mut writer = sink.open(dir.path(), None).expect("open");
            let spans: Vec<_> = visits.iter().map(|visit| writer.write(visit).expect("write")).collect();
            assert_eq!(spans.iter().flatten().count(), expected);
            assert_eq!(writer.sync().expect("sync").records, expected as u64);
            let artifacts = writer.finish().expect("finish");
            let text = fs::read_to_string(dir.path().join(&artifacts[0].path)).expect("part");
            assert_eq!(text.lines().count(), expected);
        }
        let records = fs::read_to_string(dir.path().join("records/part-00000.jsonl")).expect("records");
        let titles: Vec<_> = records
            .lines()
            .map(|line| serde_json::from_str::<Record>(line).expect("record").title.map(String::from))
            .collect();
        assert_eq!(titles, [Some("title of\na".to_owned()), Some("title of\nc".to_owned())]);
        let outcomes = fs::read_to_string(dir.path().join("outcomes/part-00000.jsonl")).expect("outcomes");
        let outcomes: Vec<_> = outcomes
            .lines()
            .map(|line| serde_json::from_str::<OutcomeLine>(line).expect("line").outcome.into_owned())
            .collect();
        assert_eq!(outcomes, ["ok", "gone", "ok"]);
    }

    #[test]
    fn a_span_leads_to_its_record() {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut writer = Records::new(origin(), 1).open(dir.path(), None).expect("open");
        let visits = [visit("a", Outcome::Ok), visit("b", Outcome::Ok)];
        let spans: Vec<_> = visits.iter().map(|visit| writer.write(visit).expect("write")).collect();
        writer.sync().expect("sync");
        for (visit, span) in visits.iter().zip(spans) {
            let span = span.expect("span");
            let part = super::super::journal::part_name(span.part, "jsonl");
            let text = fs::read_to_string(dir.path().join("records").join(part)).expect("part");
            let from = usize::try_from(span.offset).expect("offset");
            let line = &text[from..from + span.length as usize];
            assert_eq!(serde_json::from_str::<Record>(line).expect("record").url, visit.request.url);
        }
    }
}

//! What a visit leaves behind: what the sinks write of it, its settle, and what it leads to. Made by the thread that has
//! read the page, while all of it is at hand; the page itself is then let go of where it was built. The first goes to
//! the sinks at once, so that what waits for its checkpoint is a small part of a page.

use std::io;
use std::sync::Arc;

use super::tasks::{Doing, Escort};
use crate::buffers::{Buffer, Buffers};
use crate::frontier::{Held, SettledLease};
use crate::model::{Refusal, Request, Role, Span, Visit};
use crate::sink::{Piece, Render, Sink, SinkError};
use crate::store::{Page, Settle};

/// A buffer of lines that grew larger is not used again.
const BUFFER_BYTES: usize = 64 << 10;

/// A visit that is to be committed.
pub struct Done {
    /// How its URL ended. The place of its record is not known yet.
    settle: Settle,
    /// What was leased, and how far it was from its seed; none where it was refused without a lease.
    leased: Option<(Role, u32)>,
    /// What the sinks write of it, until they are given it.
    sheet: Option<Sheet>,
    /// Requests that it leads to.
    pub admits: Vec<Request>,
    /// URLs that it leads to and that are refused.
    pub refuses: Vec<Refusal>,
    /// What it holds, and its place on the board until it is committed.
    pub escort: Option<Escort>,
}

/// Visits of one checkpoint.
#[allow(clippy::vec_box, reason = "they stay where they were made while they pass from thread to thread")]
pub type Batch = Vec<Box<Done>>;

/// What the sinks write of a visit.
pub struct Sheet {
    lines: Result<Lines, Unmade>,
    /// All of it, if a sink wants that, or nothing is written.
    visit: Option<Box<Visit>>,
    /// Counts for it until all sinks have written it.
    held: Option<Held>,
}

/// The lines of a visit, in one piece of memory.
struct Lines {
    text: Buffer,
    /// Where that of each sink ends; none for a sink that takes visits.
    ends: Box<[Option<usize>]>,
}

/// Why a sink has no line.
struct Unmade {
    sink: String,
    url: Arc<str>,
    error: io::Error,
}

/// What makes the lines of each sink, in the order of the sinks.
pub struct Renders {
    sinks: Vec<(String, Option<Render>)>,
    keeps_visits: bool,
    buffers: Buffers,
}

impl Renders {
    /// Those of the sinks of a run.
    pub fn of(sinks: &[Box<dyn Sink>]) -> Self {
        let sinks: Vec<_> = sinks.iter().map(|sink| (sink.id().to_owned(), sink.render())).collect();
        let keeps_visits = sinks.iter().any(|(_, render)| render.is_none());
        Self { sinks, keeps_visits, buffers: Buffers::up_to(BUFFER_BYTES) }
    }

    /// Of a flow that writes nothing: whoever started it looks at the visits.
    pub fn none() -> Self {
        Self { sinks: Vec::new(), keeps_visits: true, buffers: Buffers::default() }
    }

    /// What a leased URL came to.
    pub fn settled(&self, visit: Visit) -> Box<Done> {
        let leased = Some((visit.request.role, visit.request.depth));
        self.done(visit, leased)
    }

    /// What a URL came to that was refused without a lease.
    pub fn refused(&self, visit: Visit) -> Box<Done> {
        self.done(visit, None)
    }

    fn done(&self, mut visit: Visit, leased: Option<(Role, u32)>) -> Box<Done> {
        let lines = self.lines(&visit);
        let (admits, refuses) = (std::mem::take(&mut visit.admits), std::mem::take(&mut visit.refuses));
        let settle = settle(&mut visit, leased.is_some(), self.keeps_visits);
        let visit = self.keeps_visits.then(|| Box::new(visit));
        let sheet = Some(Sheet { lines, visit, held: None });
        Box::new(Done { settle, leased, sheet, admits, refuses, escort: None })
    }

    fn lines(&self, visit: &Visit) -> Result<Lines, Unmade> {
        let mut text = self.buffers.take(0);
        let mut ends = Vec::with_capacity(self.sinks.len());
        for (sink, render) in &self.sinks {
            let made = render.as_ref().map(|render| render(visit, &mut text)).transpose();
            let made =
                made.map_err(|error| Unmade { sink: sink.clone(), url: visit.request.url.clone(), error })?;
            ends.push(made.map(|()| text.len()));
        }
        text.fit();
        Ok(Lines { text, ends: ends.into() })
    }
}

impl std::fmt::Debug for Renders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.sinks.iter().map(|(sink, _)| sink)).finish()
    }
}

impl Done {
    /// It waits for its checkpoint. What goes along counts from now on for what is left of the page.
    pub fn wait_with(&mut self, escort: Option<Escort>) {
        self.escort = escort;
        let found = self.admits.iter().map(Request::weight).sum::<usize>()
            + self.refuses.iter().map(Refusal::weight).sum::<usize>();
        if let Some(Escort { held, task }) = &mut self.escort {
            task.is(Doing::Checkpoint);
            let written = self.sheet.as_ref().map_or(0, Sheet::weight);
            held.set(written + found as u64);
            if let Some(sheet) = &mut self.sheet {
                sheet.held = Some(held.split(written));
            }
        }
    }

    /// What the sinks write of it, the first time.
    pub fn take_sheet(&mut self) -> Option<Sheet> {
        self.sheet.take()
    }

    /// What the frontier is told once it is committed.
    pub fn lease(&self) -> Option<SettledLease> {
        let (role, depth) = self.leased?;
        Some(SettledLease {
            host: self.settle.host.clone(),
            role,
            depth,
            good: self.settle.outcome.is_good(),
        })
    }

    /// How its URL ended, with the place of its record, if it has one; and what went along.
    pub fn into_settle(self: Box<Self>, record: Option<Span>) -> (Settle, Option<Escort>) {
        let Self { settle, escort, .. } = *self;
        let page = settle.page.zip(record).map(|(page, record)| Page { record, ..page });
        (Settle { page, ..settle }, escort)
    }
}

impl Sheet {
    /// What the sink at this place writes.
    pub fn piece(&self, sink: usize) -> Result<Piece<'_>, SinkError> {
        let lines = self.lines.as_ref().map_err(|Unmade { sink, url, error }| {
            let error = io::Error::new(error.kind(), error.to_string());
            SinkError::Render { sink: sink.clone(), url: url.to_string(), error }
        })?;
        let (before, rest) = lines.ends.split_at(sink.min(lines.ends.len()));
        Ok(match (rest.first().copied().flatten(), &self.visit) {
            (None, Some(visit)) => Piece::Visit(visit),
            (end, _) => {
                let start = before.iter().rev().flatten().next().copied().unwrap_or(0);
                Piece::Line(&lines.text[start..end.unwrap_or(start)])
            }
        })
    }

    /// The visit, if it was kept.
    pub fn into_visit(self) -> Option<Box<Visit>> {
        self.visit
    }

    /// About how many bytes of memory it holds, but for what every one does.
    fn weight(&self) -> u64 {
        let lines = self.lines.as_ref().map_or(0, |lines| lines.text.len());
        lines as u64 + self.visit.as_ref().map_or(0, |visit| visit.weight())
    }
}

/// How the URL of a visit ended. Takes texts out of it that nobody reads any more, unless it is kept.
fn settle(visit: &mut Visit, admitted: bool, is_kept: bool) -> Settle {
    let take = |text: &mut String| if is_kept { text.clone() } else { std::mem::take(text) };
    let (outcome, reason) = (visit.ending.outcome, &visit.ending.reason);
    let status = visit.fetched.as_ref().map(|fetched| fetched.status);
    tracing::debug!(url = &*visit.request.url, outcome = outcome.name(), status, reason, "settled");
    let parts = visit.fetched.as_ref().zip(visit.body.as_mut()).zip(visit.parsed.as_mut());
    let page = parts.map(|((fetched, body), parsed)| {
        let page = Page {
            url: Arc::clone(&visit.request.url),
            fetched_at_ms: fetched.started.as_millisecond(),
            status: fetched.status,
            digest: take(&mut body.digest),
            etag: fetched.header("etag").map(ToOwned::to_owned),
            last_modified: fetched.header("last-modified").map(ToOwned::to_owned),
            title: parsed.title.as_mut().map(take),
            record: Span::default(),
        };
        page.bounded()
    });
    let millis =
        |fetched: &crate::model::Fetched| u64::try_from(fetched.duration.as_millis()).unwrap_or(u64::MAX);
    Settle {
        admitted,
        status,
        key: visit.request.key,
        outcome,
        host: Arc::clone(&visit.request.host),
        bytes: visit.wire_bytes,
        duration_ms: visit.fetched.as_ref().map(millis),
        parse_us: visit.parse_us,
        page,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Ending, Origin, Outcome};
    use crate::sink::jsonl::{Outcomes, Records};
    use crate::sink::pages;

    #[test]
    fn each_sink_is_given_what_it_takes_also_where_that_is_nothing() {
        let origin = Origin { job: "j".into(), run_id: "r".into(), links: true };
        let pages = || pages::Pages::new(pages::Settings { id: "pages".into(), path: None });
        let sinks: [Box<dyn Sink>; 4] = [
            Box::new(Records::new(origin.clone(), 1)),
            Box::new(pages()),
            Box::new(Outcomes::new(origin, 1)),
            Box::new(pages()),
        ];
        let visit = || Visit::refused(Request::unusable("http://h/x", "s"), Ending::plain(Outcome::Gone));
        let pieces = |sinks: &[Box<dyn Sink>]| -> Vec<String> {
            let sheet = Renders::of(sinks).refused(visit()).take_sheet().expect("a sheet");
            let show = |place| match sheet.piece(place).expect("a piece") {
                Piece::Line(line) => String::from_utf8(line.to_vec()).expect("text"),
                Piece::Visit(visit) => visit.request.url.to_string(),
            };
            (0..sinks.len()).map(show).collect()
        };
        let [record, page, outcome, other] = pieces(&sinks).try_into().expect("four");
        assert_eq!([&*record, &*page, &*other], ["", "http://h/x", "http://h/x"]);
        assert!(outcome.contains("\"outcome\":\"gone\"") && outcome.ends_with("}\n"), "{outcome}");
        assert_eq!(pieces(&sinks[..1]), [""]);
    }
}

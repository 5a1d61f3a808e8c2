//! Visits for the tests of this room.

use super::{Piece, Sink, Writer};
use crate::model::{
    Body, Ending, Fetched, Link, Origin, Outcome, Parsed, Protocol, Request, Span, Visit, canonical,
};

/// An origin of records with links.
pub(super) fn origin() -> Origin {
    Origin { job: "news".into(), run_id: "20261121T020000Z-7f3a".into(), links: true }
}

/// A visit of `https://example.org/` and this path, without an answer.
pub(super) fn refused(path: &str, outcome: Outcome) -> Visit {
    let url = canonical(&format!("https://example.org/{path}"), None).expect(path);
    Visit::refused(Request::seed(&url, "seeds"), Ending::plain(outcome))
}

/// A page with a title of two lines and a link.
pub(super) fn page(path: &str) -> Visit {
    let visit = refused(path, Outcome::Ok);
    let link = Link { url: "https://example.org/next", rel: None };
    let fetched = Fetched {
        status: 200,
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
        spool: None,
        started: "2026-11-21T02:00:00.125Z".parse().expect("time"),
        duration: std::time::Duration::from_millis(40),
        ip: None,
        protocol: Protocol::Http1,
        wire: None,
        url: None,
    };
    Visit {
        parsed: Some(Parsed {
            title: Some(format!("title of\n{path}")),
            links: [link].into_iter().collect(),
            ..Parsed::default()
        }),
        body: Some(Body::default()),
        ..Visit::answered(visit.request, fetched, visit.ending)
    }
}

/// Has an open sink write a visit as the pipeline does.
pub(super) fn write(sink: &dyn Sink, writer: &mut dyn Writer, visit: &Visit) -> Option<Span> {
    let mut line = Vec::new();
    let render = sink.render();
    if let Some(render) = &render {
        render(visit, &mut line).expect("a line");
    }
    let piece = if render.is_some() { Piece::Line(&line) } else { Piece::Visit(visit) };
    writer.write(piece).expect("write")
}

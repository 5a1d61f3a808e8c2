//! An open archive: which records a visit gives, in which file they go, and the index of each file at the end. What a
//! record says is decided elsewhere.

use std::io;
use std::path::PathBuf;

use super::super::journal::Journal;
use super::super::place::{Place, sync_dir};
use super::super::{Artifact, Piece, SinkError, Writer};
use super::exchange::{self, Exchange};
use super::known::Known;
use super::member::Packer;
use super::record::{Payload, Record, labelled};
use super::{Warc, cdxj};
use crate::model::{Position, Span, UrlKey, Visit};

/// A revisit whose payload has the digest of an earlier one (ISO 28500, 6.7.2).
const SAME_PAYLOAD: &str = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest";
/// The buffer of a visit's records grows for a big page and then shrinks back.
const GROUP_BYTES: usize = 256 << 10;
/// An open archive.
pub(super) struct Archive {
    sink: Warc,
    journal: Journal,
    place: Place,
    known: Known,
    packer: Packer,
    /// Records of one visit, packed.
    group: Vec<u8>,
}

impl Archive {
    /// Goes on behind what the journal holds.
    pub(super) fn new(sink: Warc, journal: Journal, known: Known) -> Self {
        let place = journal.place().clone();
        Self { sink, journal, place, known, packer: Packer::new(), group: Vec::new() }
    }

    /// Packs the records of a visit; whether there are any.
    fn records(&mut self, visit: &Visit) -> io::Result<bool> {
        let Some(exchange) = Exchange::of(visit)? else { return Ok(false) };
        let Self { sink, known, packer, group, .. } = self;
        let id = |kind| exchange::id(&sink.origin, &visit.request.key.to_string(), kind);
        let (date, payload) = (exchange.date(), exchange.payload());
        let sum = payload.sum()?;
        let digest = labelled(&sum);
        let kind = match known.first(&sum) {
            _ if exchange.is_file() => "resource",
            Some(_) => "revisit",
            None => "response",
        };
        // A response by its id, also where it is a revisit: what refers to it need not know.
        let answer = id(if exchange.is_file() { "resource" } else { "response" });
        if let Some(request) = exchange.request() {
            let record = exchange.named(Record::new("request", &id("request"), &date));
            record
                .field("WARC-Concurrent-To", &answer)
                .field("Content-Type", "application/http;msgtype=request")
                .pack(&request, Payload::Held(&[]), packer, group)?;
        }
        let answered =
            exchange.named(Record::new(kind, &answer, &date)).field("WARC-Payload-Digest", &digest);
        let head = exchange.answer_head();
        if let Some((url, first)) = known.first(&sum).filter(|_| !exchange.is_file()) {
            let original = exchange::id(&sink.origin, &UrlKey::of(url).to_string(), "response");
            answered
                .field("WARC-Profile", SAME_PAYLOAD)
                .field("WARC-Refers-To", &original)
                .field("WARC-Refers-To-Target-URI", url)
                .field("WARC-Refers-To-Date", first)
                .field("WARC-Truncated", "length")
                .field("Content-Type", &exchange.content_type())
                .pack(&head, Payload::Held(&[]), packer, group)?;
        } else {
            answered
                .maybe("WARC-Identified-Payload-Type", exchange.identified())
                .field("Content-Type", &exchange.content_type())
                .pack(&head, payload, packer, group)?;
            if payload.len() > 0 && !exchange.is_file() {
                known.remember(sum, exchange.url(), &date);
            }
        }
        exchange
            .named(Record::new("metadata", &id("metadata"), &date))
            .field("WARC-Concurrent-To", &answer)
            .field("Content-Type", "application/warc-fields")
            .pack(exchange.about().as_bytes(), Payload::Held(&[]), packer, group)?;
        Ok(true)
    }
}

impl Writer for Archive {
    fn write(&mut self, piece: Piece<'_>) -> Result<Option<Span>, SinkError> {
        self.group.clear();
        self.group.shrink_to(GROUP_BYTES);
        match piece.visit().and_then(|visit| self.records(visit)) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                self.journal.give_up();
                return Err(self.journal.failed("write", error));
            }
        }
        let (sink, place) = (&self.sink, &self.place);
        self.journal.append_below(|part| sink.warcinfo(place, part), &self.group).map(Some)
    }

    fn sync(&mut self) -> Result<Position, SinkError> {
        self.journal.sync()
    }

    fn finish(self: Box<Self>) -> Result<Vec<Artifact>, SinkError> {
        let (sink, place) = (self.sink, self.place);
        let mut artifacts = self.journal.finish_below(|part| sink.warcinfo(&place, part))?;
        let dir = place.run_dir.join(&place.folder);
        for warc in artifacts.clone() {
            // `NAME.cdxj` beside `NAME.warc.gz`.
            let path: PathBuf = warc.path.with_extension("").with_extension("cdxj");
            let index = place.run_dir.join(&path);
            let records = cdxj::write_index(&place.run_dir.join(&warc.path), &index)
                .map_err(|error| place.failed("index", &index, error))?;
            artifacts.push(Artifact::new(path, records));
        }
        sync_dir(&dir).map_err(|error| place.failed("sync", &dir, error))?;
        Ok(artifacts)
    }
}

//! The part of a sink of text that all of them share: a journal of lines that were made where the page was read. Knows
//! nothing of what stands in them.

use std::path::{Path, PathBuf};

use super::journal::Journal;
use super::packing::Compression;
use super::place::Place;
use super::roll::Roll;
use super::{Artifact, PART_BYTES, Piece, SinkError, Writer};
use crate::inside;
use crate::model::{Position, Span};

/// Where the parts of a sink stand that has the settings which all text formats share.
pub(super) fn text_place(
    id: &str,
    path: Option<&String>,
    run_dir: &Path,
    ending: &str,
    compression: Compression,
    roll: Roll,
) -> Result<Place, SinkError> {
    let sink = id.to_owned();
    let folder: PathBuf = inside::folder(path.map_or(id, String::as_str))
        .map_err(|what| SinkError::Folder { sink: sink.clone(), what })?;
    Ok(Place {
        extension: format!("{ending}{}", compression.ending()),
        compression,
        roll_records: roll.lines(),
        ..Place::lines(sink, run_dir, folder, roll.bytes(PART_BYTES))
    })
}

/// An open journal of lines that were made elsewhere.
pub(super) struct Lines {
    journal: Journal,
    /// What each part begins with.
    heading: Vec<u8>,
}

impl Lines {
    /// Goes on behind a position, or begins.
    pub(super) fn open(
        place: Place,
        at: Option<Position>,
        heading: Vec<u8>,
    ) -> Result<Box<dyn Writer>, SinkError> {
        Ok(Box::new(Self { journal: Journal::open(place, at)?, heading }))
    }
}

impl Writer for Lines {
    fn write(&mut self, piece: Piece<'_>) -> Result<Option<Span>, SinkError> {
        match piece.line().map_err(|error| self.journal.failed("write", error))? {
            [] => Ok(None),
            line => self.journal.append_below(|_| self.heading.clone(), line).map(Some),
        }
    }

    fn sync(&mut self) -> Result<Position, SinkError> {
        self.journal.sync()
    }

    fn finish(self: Box<Self>) -> Result<Vec<Artifact>, SinkError> {
        let heading = self.heading;
        self.journal.finish_below(|_| heading.clone())
    }
}

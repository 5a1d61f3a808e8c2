//! The sink `warc`: what was sent and what came, as WARC 1.1 (ISO 28500:2017), for each URL that answered, whatever
//! it answered. A local file is a `resource`. Keeps bodies as they came, and never what carries credentials.
//!
//! | file | duty |
//! |---|---|
//! | `mod` | the sink and what each file says of itself |
//! | `archive` | which records a visit gives, and in which file |
//! | `exchange` | requests and answers as HTTP/1.1 messages, and what is said about them |
//! | `record` | a record as text: fields, digests, ids |
//! | `member` | a gzip member for each record |
//! | `known` | which payloads were stored |
//! | `scan` | reads the files again |
//! | `cdxj`, `surt` | the index beside each file |
//!
//! What the network library does not tell is not there: header names are in lower case and the chunks of a body are
//! undone, its `Transfer-Encoding` named `X-Crawler-Transfer-Encoding`.

mod archive;
mod cdxj;
mod exchange;
mod known;
mod member;
mod record;
mod scan;
mod surt;

use std::path::Path;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::archive::Archive;
use self::known::Known;
use self::member::Packer;
use self::record::{Payload, Record};
use super::journal::Journal;
use super::packing::Compression;
use super::place::Place;
use super::roll::Roll;
use super::{Crawler, Sink, SinkError, Writer, Wrong};
use crate::inside;
use crate::model::{Origin, Position};
use crate::units::Size;

pub(super) use self::scan::checked;

/// Bytes of a file before the next one begins, unless something else is asked for.
const FILE_BYTES: Size = Size::mib(1024);

/// `[[sinks]] type = "warc"`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of the sink.
    pub id: String,
    /// Folder in the run directory; the id if not given.
    #[serde(default)]
    pub path: Option<String>,
    /// When the next file is begun.
    #[serde(default)]
    pub roll: Roll,
}

impl Settings {
    /// What is wrong with its keys.
    pub(super) fn check(&self) -> Vec<Wrong> {
        self.roll.check()
    }
}

/// The sink `warc`.
#[derive(Clone, Debug)]
pub struct Warc {
    settings: Settings,
    origin: Origin,
    /// What each file says of itself first.
    about: String,
}

impl Warc {
    /// A sink as its settings say, for what this crawler sees.
    pub fn new(settings: Settings, crawler: &Crawler<'_>) -> Self {
        let mut about = String::new();
        for (name, value) in [
            ("software", concat!("trawl/", env!("CARGO_PKG_VERSION"))),
            ("format", "WARC File Format 1.1"),
            ("conformsTo", "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/"),
            ("isPartOf", &crawler.origin.job),
            ("robots", if crawler.obeys_robots { "obey" } else { "ignore" }),
            ("http-header-user-agent", crawler.user_agent),
        ] {
            record::push_field(&mut about, name, value);
        }
        Self { settings, origin: crawler.origin.clone(), about }
    }

    fn place(&self, dir: &Path) -> Result<Place, SinkError> {
        let Settings { id, path, roll } = &self.settings;
        let sink = id.clone();
        let folder = inside::folder(path.as_ref().unwrap_or(id))
            .map_err(|what| SinkError::Folder { sink: sink.clone(), what })?;
        Ok(Place {
            stem: format!("{}-{}", self.origin.job, self.origin.run_id),
            extension: "warc.gz".to_owned(),
            // Packed here, each record for itself.
            compression: Compression::None,
            roll_records: roll.lines(),
            count: scan::count,
            ..Place::lines(sink, dir, folder, roll.bytes(FILE_BYTES))
        })
    }
}

impl Sink for Warc {
    fn id(&self) -> &str {
        &self.settings.id
    }

    fn needs_raw(&self) -> bool {
        true
    }

    fn open(&self, dir: &Path, at: Option<Position>) -> Result<Box<dyn Writer>, SinkError> {
        let journal = Journal::open(self.place(dir)?, at)?;
        let mut known = Known::default();
        for path in at.into_iter().flat_map(|at| 0..=at.part).map(|part| journal.place().part(part)) {
            known.recall(&path).map_err(|error| journal.place().failed("read", &path, error))?;
        }
        Ok(Box::new(Archive::new(self.clone(), journal, known)))
    }
}

impl Warc {
    /// The record with which a file begins.
    fn warcinfo(&self, place: &Place, part: u32) -> Vec<u8> {
        let path = place.part(part);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let date = exchange::moment(exchange::began(&self.origin).unwrap_or(Timestamp::UNIX_EPOCH));
        let record = Record::new("warcinfo", &exchange::id(&self.origin, name, "warcinfo"), &date)
            .field("WARC-Filename", name)
            .field("Content-Type", "application/warc-fields");
        let mut out = Vec::new();
        let packed = record.pack(self.about.as_bytes(), Payload::Held(&[]), &mut Packer::new(), &mut out);
        // Packing into memory does not fail; were it to, a file without this record is still a WARC file.
        if packed.is_err() {
            out.clear();
        }
        out
    }
}

#[cfg(test)]
mod tests;

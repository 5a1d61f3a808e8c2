//! JSON Lines. The two journals that every run writes: `records/`, a line for each page that was read, and
//! `outcomes/`, a line for every URL whatever happened. And the sink `jsonl`: records once more, packed, rolled
//! or with fewer fields. What stands in a line is decided in `model`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::columns::{self, Json};
use super::lines::{Lines, text_place};
use super::packing::Compression;
use super::place::Place;
use super::roll::Roll;
use super::{Render, Sink, SinkError, Writer, Wrong};
use crate::model::{Origin, OutcomeLine, Position, Record};

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

    fn render(&self) -> Option<Render> {
        Some(fields(&self.origin, columns::NAMES.iter().copied()))
    }

    fn open(&self, dir: &Path, at: Option<Position>) -> Result<Box<dyn Writer>, SinkError> {
        let place = Place::lines(Self::ID.to_owned(), dir, Self::ID.into(), self.roll_bytes);
        Lines::open(place, at, Vec::new())
    }
}

impl Sink for Outcomes {
    fn id(&self) -> &str {
        Self::ID
    }

    fn render(&self) -> Option<Render> {
        let origin = self.origin.clone();
        Some(Arc::new(move |visit, line| {
            serde_json::to_writer(&mut *line, &OutcomeLine::from_visit(&origin, visit))?;
            line.push(b'\n');
            Ok(())
        }))
    }

    fn open(&self, dir: &Path, at: Option<Position>) -> Result<Box<dyn Writer>, SinkError> {
        let place = Place::lines(Self::ID.to_owned(), dir, Self::ID.into(), self.roll_bytes);
        Lines::open(place, at, Vec::new())
    }
}

/// `[[sinks]] type = "jsonl"`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of the sink.
    pub id: String,
    /// Folder in the run directory; the id if not given.
    #[serde(default)]
    pub path: Option<String>,
    /// Which fields of a record, in this order; all if not given.
    #[serde(default)]
    pub fields: Vec<String>,
    /// How the parts are packed.
    #[serde(default)]
    pub compression: Compression,
    /// When the next part is begun.
    #[serde(default)]
    pub roll: Roll,
}

impl Settings {
    /// What is wrong with its keys.
    pub(super) fn check(&self) -> Vec<Wrong> {
        let mut seen = BTreeSet::new();
        let mut wrongs = self.roll.check();
        for (index, name) in self.fields.iter().enumerate() {
            let key = format!("fields[{index}]");
            if columns::json(name).is_none() {
                let (what, hint) = columns::unknown(name);
                wrongs.push(Wrong { key, what, hint: Some(hint) });
            } else if !seen.insert(name) {
                wrongs.push(Wrong { key, what: format!("the field `{name}` stands twice"), hint: None });
            }
        }
        wrongs
    }
}

/// The sink `jsonl`: records as the user wants them.
#[derive(Clone, Debug)]
pub struct Jsonl {
    settings: Settings,
    origin: Origin,
}

impl Jsonl {
    /// A sink as its settings say, for records of this origin.
    pub fn new(settings: Settings, origin: Origin) -> Self {
        Self { settings, origin }
    }
}

impl Sink for Jsonl {
    fn id(&self) -> &str {
        &self.settings.id
    }

    fn render(&self) -> Option<Render> {
        let wanted = &self.settings.fields;
        Some(if wanted.is_empty() {
            fields(&self.origin, columns::NAMES.iter().copied())
        } else {
            fields(&self.origin, wanted.iter().map(String::as_str))
        })
    }

    fn open(&self, dir: &Path, at: Option<Position>) -> Result<Box<dyn Writer>, SinkError> {
        let Settings { id, path, compression, roll, .. } = &self.settings;
        let place = text_place(id, path.as_ref(), dir, "jsonl", *compression, *roll)?;
        Lines::open(place, at, Vec::new())
    }
}

/// Fields of a record, each with its name as JSON before it, in this order.
fn fields<'n>(origin: &Origin, names: impl Iterator<Item = &'n str>) -> Render {
    let fields: Vec<(String, Json)> =
        names.filter_map(|name| Some((format!("{name:?}:"), columns::json(name)?))).collect();
    let origin = origin.clone();
    Arc::new(move |visit, line| {
        let Some(record) = Record::from_visit(&origin, visit) else { return Ok(()) };
        let mut between = b'{';
        for (name, json) in &fields {
            line.push(between);
            line.extend_from_slice(name.as_bytes());
            json(&record, line)?;
            between = b',';
        }
        line.extend_from_slice(b"}\n");
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use super::super::Artifact;
    use super::super::testing::{origin, page, refused, write};
    use super::*;
    use crate::model::{Outcome, Visit};

    fn visit(path: &str, outcome: Outcome) -> Visit {
        if outcome == Outcome::Ok { page(path) } else { refused(path, outcome) }
    }

    #[test]
    fn a_record_for_each_ok_page_and_an_outcome_for_every_url() {
        let dir = tempfile::tempdir().expect("temp dir");
        let visits = [visit("a", Outcome::Ok), visit("b", Outcome::Gone), visit("c", Outcome::Ok)];
        let sinks: [Box<dyn Sink>; 2] =
            [Box::new(Records::new(origin(), 1 << 20)), Box::new(Outcomes::new(origin(), 1 << 20))];
        for (sink, expected) in sinks.iter().zip([2, 3]) {
            let mut writer = sink.open(dir.path(), None).expect("open");
            let spans: Vec<_> = visits.iter().map(|visit| write(&**sink, &mut *writer, visit)).collect();
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
        let sink = Records::new(origin(), 1);
        let mut writer = sink.open(dir.path(), None).expect("open");
        let visits = [visit("a", Outcome::Ok), visit("b", Outcome::Ok)];
        let spans: Vec<_> = visits.iter().map(|visit| write(&sink, &mut *writer, visit)).collect();
        writer.sync().expect("sync");
        for (visit, span) in visits.iter().zip(spans) {
            let span = span.expect("span");
            let part = format!("part-{:05}.jsonl", span.part);
            let text = fs::read_to_string(dir.path().join("records").join(part)).expect("part");
            let from = usize::try_from(span.offset).expect("offset");
            let line = &text[from..from + span.length as usize];
            assert_eq!(serde_json::from_str::<Record>(line).expect("record").url, &*visit.request.url);
        }
    }

    fn settings(fields: &[&str], compression: Compression, records: Option<u64>) -> Settings {
        let roll = Roll { records: records.and_then(std::num::NonZeroU64::new), size: None };
        let fields = fields.iter().map(|name| (*name).to_owned()).collect();
        Settings { id: "slim".into(), path: None, fields, compression, roll }
    }

    /// Lines of all parts, unpacked.
    fn lines(dir: &Path, artifacts: &[Artifact]) -> Vec<String> {
        let mut all = Vec::new();
        for artifact in artifacts {
            let name = artifact.path.to_str().expect("text");
            let file = fs::File::open(dir.join(name)).expect("part");
            let mut text = String::new();
            Compression::of(name).0.reader(file).expect("reader").read_to_string(&mut text).expect("text");
            assert_eq!(text.lines().count() as u64, artifact.records, "{name}");
            all.extend(text.lines().map(str::to_owned));
        }
        all
    }

    #[test]
    fn chosen_fields_stand_in_the_order_of_the_config() {
        let dir = tempfile::tempdir().expect("temp dir");
        let settings = settings(&["title", "depth", "links", "url"], Compression::None, None);
        let sink = Jsonl::new(settings, origin());
        let mut writer = sink.open(dir.path(), None).expect("open");
        for visit in [visit("a", Outcome::Ok), visit("b", Outcome::Gone)] {
            write(&sink, &mut *writer, &visit);
        }
        let artifacts = writer.finish().expect("finish");
        let expected = r#"{"title":"title of\na","depth":0,"links":[{"url":"https://example.org/next","rel":null}],"url":"https://example.org/a"}"#;
        assert_eq!(lines(dir.path(), &artifacts), [expected]);
    }

    #[test]
    fn all_fields_are_the_record_as_the_library_writes_it() {
        let dir = tempfile::tempdir().expect("temp dir");
        let sinks: [Box<dyn Sink>; 2] = [
            Box::new(Records::new(origin(), 1 << 20)),
            Box::new(Jsonl::new(settings(&[], Compression::Zstd, None), origin())),
        ];
        let [records, packed] = sinks.map(|sink| {
            let mut writer = sink.open(dir.path(), None).expect("open");
            write(&*sink, &mut *writer, &page("a"));
            lines(dir.path(), &writer.finish().expect("finish"))
        });
        let (origin, page) = (origin(), page("a"));
        let expected = serde_json::to_string(&Record::from_visit(&origin, &page)).expect("record");
        assert_eq!(records, [&*expected]);
        assert_eq!(packed, [expected]);
    }

    #[test]
    fn packed_parts_are_cut_back_and_rolled() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let dir = tempfile::tempdir().expect("temp dir");
            let sink = Jsonl::new(settings(&["url"], compression, Some(3)), origin());
            let mut writer = sink.open(dir.path(), None).expect("open");
            let write = |writer: &mut Box<dyn Writer>, paths: &[&str]| {
                for path in paths {
                    write(&sink, &mut **writer, &page(path));
                }
            };
            write(&mut writer, &["1", "2", "3", "4"]);
            let committed = writer.sync().expect("sync");
            assert_eq!((committed.part, committed.records), (1, 4));
            write(&mut writer, &["5", "lost", "lost", "lost"]);
            writer.sync().expect("sync");
            drop(writer);

            let mut writer = sink.open(dir.path(), Some(committed)).expect("resume");
            write(&mut writer, &["5", "6", "7"]);
            let artifacts = writer.finish().expect("finish");
            assert_eq!(artifacts.iter().map(|part| part.records).collect::<Vec<_>>(), [3, 3, 1]);
            let expected: Vec<_> =
                (1..=7).map(|n| format!("{{\"url\":\"https://example.org/{n}\"}}")).collect();
            assert_eq!(lines(dir.path(), &artifacts), expected, "{compression:?}");
        }
    }

    #[test]
    fn a_packed_part_without_a_line_is_whole() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let dir = tempfile::tempdir().expect("temp dir");
            let sink = Jsonl::new(settings(&[], compression, None), origin());
            let artifacts = sink.open(dir.path(), None).expect("open").finish().expect("finish");
            assert!(fs::metadata(dir.path().join(&artifacts[0].path)).expect("part").len() > 0);
            assert_eq!(lines(dir.path(), &artifacts), [""; 0]);
        }
    }

    #[test]
    fn fields_that_are_none_or_stand_twice_are_wrong() {
        let wrongs = settings(&["titel", "url", "url", "fields.x"], Compression::None, None).check();
        let said: Vec<_> = wrongs.iter().map(|wrong| format!("{} {}", wrong.key, wrong.what)).collect();
        assert_eq!(
            said,
            [
                "fields[0] `titel` is no field of a record",
                "fields[2] the field `url` stands twice",
                "fields[3] `fields.x` is no field of a record"
            ]
        );
        assert_eq!(settings(&[], Compression::None, None).check().len(), 0);
    }
}

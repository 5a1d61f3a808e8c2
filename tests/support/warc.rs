//! Reads WARC files as another program would, by ISO 28500 and RFC 1952 alone: a gzip member for each record, lengths,
//! digests, what refers to what, and the index beside each file. Knows no code of the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use sha1::{Digest, Sha1};

use super::dataset::{Dataset, below};

/// One record.
#[derive(Clone, Debug)]
pub struct Record {
    fields: Vec<(String, String)>,
    /// Its block.
    pub block: Vec<u8>,
    /// Its file, by name, and where it begins there.
    place: (String, usize),
    /// Its length, packed.
    packed: usize,
}

impl Record {
    /// A field by its name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// A field that must be there.
    #[track_caller]
    pub fn must(&self, name: &str) -> &str {
        self.field(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.fields))
    }

    /// `WARC-Type`
    pub fn kind(&self) -> &str {
        self.must("WARC-Type")
    }

    fn is_capture(&self) -> bool {
        matches!(self.kind(), "response" | "revisit" | "resource")
    }

    /// The body: what follows the head of an HTTP message, else the whole block.
    pub fn payload(&self) -> &[u8] {
        if !self.must("Content-Type").starts_with("application/http") {
            return &self.block;
        }
        &self.block[end_of_head(&self.block)..]
    }

    /// Head of the HTTP message.
    pub fn http(&self) -> String {
        String::from_utf8_lossy(&self.block[..end_of_head(&self.block)]).into_owned()
    }
}

fn end_of_head(bytes: &[u8]) -> usize {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a blank line behind the head") + 4
}

fn sha1(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = Sha1::digest(bytes).iter().map(|byte| format!("{byte:08b}")).collect();
    let letter = |at: usize| LETTERS[usize::from_str_radix(&bits[at..at + 5], 2).expect("bits")] as char;
    format!("sha1:{}", (0..160).step_by(5).map(letter).collect::<String>())
}

/// The records of a file. What is wrong with one is a failure.
fn read(path: &Path) -> Vec<Record> {
    let file = fs::read(path).expect("file");
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    let (mut at, mut records) = (0, Vec::new());
    while at < file.len() {
        let mut member = flate2::bufread::GzDecoder::new(&file[at..]);
        let mut text = Vec::new();
        member.read_to_end(&mut text).unwrap_or_else(|error| panic!("{name} at {at}: {error}"));
        let packed = file.len() - at - member.into_inner().len();
        let head = end_of_head(&text);
        let lines = std::str::from_utf8(&text[..head - 4]).expect("fields are UTF-8");
        let mut lines = lines.split("\r\n");
        assert_eq!(lines.next(), Some("WARC/1.1"), "{name} at {at}");
        let fields = lines.map(|line| line.split_once(": ").expect("`Name: value`"));
        let fields: Vec<_> = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let block = text[head..].strip_suffix(b"\r\n\r\n").expect("two line ends behind the block").to_vec();
        let record = Record { fields, block, place: (name.clone(), at), packed };
        check(&record);
        records.push(record);
        at += packed;
    }
    records
}

fn check(record: &Record) {
    let place = &record.place;
    assert_eq!(record.must("Content-Length"), record.block.len().to_string(), "{place:?}");
    assert_eq!(record.must("WARC-Block-Digest"), sha1(&record.block), "{place:?}");
    let id = record.must("WARC-Record-ID");
    assert!(id.starts_with("<urn:uuid:") && id.ends_with('>') && id.len() == 47, "{id}");
    let names: BTreeSet<&str> = record.fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), record.fields.len(), "a field stands twice: {:?}", record.fields);
    assert_eq!(record.must("WARC-Date").len(), "2026-11-21T02:00:00.000Z".len());
    if record.kind() != "revisit"
        && let Some(digest) = record.field("WARC-Payload-Digest")
    {
        assert_eq!(digest, sha1(record.payload()), "{place:?}");
    }
}

/// An archive: the captures by URL, each with its payload, wherever that is stored.
pub struct Archive {
    /// All records in the order of the files.
    pub records: Vec<Record>,
    /// Capture and payload by URL.
    pub captures: BTreeMap<String, (Record, Vec<u8>)>,
}

impl Dataset {
    /// Reads and examines the archive in a folder of the run: it holds each URL that answered, once.
    pub fn archive(&self, folder: &str) -> Archive {
        let mut files = below(&self.dir.join(folder));
        files.sort();
        let (mut records, mut indexed) = (Vec::new(), Vec::new());
        for path in &files {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if name.ends_with(".cdxj") {
                indexed.extend(index(path).into_iter().map(|line| (name.clone(), line)));
                continue;
            }
            assert!(name.ends_with(".warc.gz"), "{name}");
            let found = read(path);
            assert_eq!(found[0].kind(), "warcinfo", "{name}");
            assert_eq!(found[0].field("WARC-Filename"), Some(name.as_str()));
            assert!(found[1..].iter().all(|record| record.kind() != "warcinfo"), "{name}");
            assert_eq!(
                self.listed(path),
                found.iter().filter(|record| record.is_capture()).count(),
                "{name}"
            );
            records.extend(found);
        }
        let ids: BTreeSet<&str> = records.iter().map(|record| record.must("WARC-Record-ID")).collect();
        assert_eq!(ids.len(), records.len(), "an id stands twice");
        for together in records.iter().filter_map(|record| record.field("WARC-Concurrent-To")) {
            assert!(ids.contains(together), "{together} is not there");
        }
        let captures = captures(&records);
        let answered = self.outcomes.iter().filter(|line| !line["status"].is_null());
        let answered: BTreeSet<&str> = answered.filter_map(|line| line["url"].as_str()).collect();
        let found: BTreeSet<&str> = captures.keys().map(String::as_str).collect();
        assert_eq!(found, answered, "a capture for each URL that answered");
        verify_index(&indexed, &records);
        Archive { records, captures }
    }
}

fn captures(records: &[Record]) -> BTreeMap<String, (Record, Vec<u8>)> {
    let mut captures = BTreeMap::new();
    for record in records.iter().filter(|record| record.is_capture()) {
        let payload = if record.kind() == "revisit" {
            let original = records.iter().find(|original| {
                original.kind() == "response"
                    && original.field("WARC-Record-ID") == record.field("WARC-Refers-To")
                    && original.field("WARC-Target-URI") == record.field("WARC-Refers-To-Target-URI")
                    && original.field("WARC-Date") == record.field("WARC-Refers-To-Date")
                    && original.field("WARC-Payload-Digest") == record.field("WARC-Payload-Digest")
            });
            original
                .unwrap_or_else(|| panic!("what is revisited is not there: {record:?}"))
                .payload()
                .to_vec()
        } else {
            record.payload().to_vec()
        };
        let url = record.must("WARC-Target-URI").to_owned();
        let before = captures.insert(url.clone(), (record.clone(), payload));
        assert!(before.is_none(), "{url} was captured twice");
    }
    captures
}

/// Lines of an index, each as its JSON. They must be sorted.
fn index(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("index");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.is_sorted(), "{}", path.display());
    let json = |line: &str| serde_json::from_str(line.splitn(3, ' ').nth(2).expect("three parts"));
    lines.into_iter().map(|line| json(line).expect("JSON")).collect()
}

/// Each capture has one line, in the index of its own file, that says where it is.
fn verify_index(indexed: &[(String, Value)], records: &[Record]) {
    let mut found: Vec<Vec<String>> = indexed
        .iter()
        .map(|(index, line)| {
            let stem = index.strip_suffix("cdxj").expect("an index");
            assert_eq!(line["filename"], format!("{stem}warc.gz"));
            ["filename", "offset", "length", "url", "digest"]
                .map(|name| line[name].as_str().expect("text").to_owned())
                .to_vec()
        })
        .collect();
    let mut expected: Vec<Vec<String>> = records
        .iter()
        .filter(|record| record.is_capture())
        .map(|record| {
            let (file, offset) = &record.place;
            let [url, digest] =
                ["WARC-Target-URI", "WARC-Payload-Digest"].map(|name| record.must(name).to_owned());
            vec![file.clone(), offset.to_string(), record.packed.to_string(), url, digest]
        })
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "the index says where each capture is");
}

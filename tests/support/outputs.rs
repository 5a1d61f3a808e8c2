//! Reads the outputs that a job adds to its records, as a consumer with its own tools would, and holds them against
//! the records of the same run. Knows no code of the program.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::dataset::{Dataset, below};

/// The tables of the sinks that [`Dataset::verify_outputs`] examines: each packed another way, rolled early.
pub const SINKS: [&str; 3] = [
    "id = 'slim'\ntype = 'jsonl'\nfields = ['url_key', 'content_digest', 'title']\ncompression = 'gzip'\nroll = { records = 25 }",
    "id = 'table'\ntype = 'csv'\ncolumns = ['url_key', 'content_digest', 'title']\ncompression = 'zstd'\nroll = { size = '2KiB' }",
    "id = 'archive'\ntype = 'warc'\nroll = { size = '20KiB' }",
];

/// Parts in their order.
fn parts(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut parts = below(dir);
    parts.retain(|path| path.to_string_lossy().ends_with(ending));
    parts.sort();
    assert!(!parts.is_empty(), "no parts `{ending}` in {}", dir.display());
    parts
}

/// All of a file, unpacked by its ending. Packed data that is torn or damaged is a failure.
pub fn unpacked(path: &Path) -> Vec<u8> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut reader: Box<dyn Read> = match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
        Some("zst") => Box::new(zstd::Decoder::new(file).expect("a decoder")),
        _ => Box::new(file),
    };
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    bytes
}

/// Rows of a table by RFC 4180, cell by cell.
pub fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut is_quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted => assert_eq!(chars.peek(), Some(&'\n'), "a lone carriage return"),
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    assert!(!is_quoted && row.is_empty() && cell.is_empty(), "a torn last row: {row:?} {cell:?}");
    rows
}

impl Dataset {
    /// Checks that the outputs of [`SINKS`] say what the records say, each once.
    pub fn verify_outputs(&self) {
        let mut expected: Vec<[String; 3]> = self.records.iter().map(three).collect();
        expected.sort();

        let mut found = Vec::new();
        for path in parts(&self.dir.join("slim"), ".jsonl.gz") {
            let text = String::from_utf8(unpacked(&path)).expect("text");
            assert!(text.is_empty() || text.ends_with('\n'), "{}: torn", path.display());
            let lines: Vec<Value> =
                text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
            assert_eq!(self.listed(&path), lines.len(), "{}: lines", path.display());
            assert!(lines.len() <= 25, "{}: {} lines", path.display(), lines.len());
            assert!(lines.iter().all(|line| line.as_object().expect("an object").len() == 3));
            found.extend(lines.iter().map(three));
        }
        found.sort();
        assert_eq!(found, expected, "lines of the sink `slim`");

        let mut found = Vec::new();
        for path in parts(&self.dir.join("table"), ".csv.zst") {
            let mut rows = rows(&String::from_utf8(unpacked(&path)).expect("text"));
            assert_eq!(rows.remove(0), ["url_key", "content_digest", "title"], "{}", path.display());
            assert_eq!(self.listed(&path), rows.len(), "{}: rows", path.display());
            found.extend(rows.into_iter().map(|row| <[String; 3]>::try_from(row).expect("three cells")));
        }
        found.sort();
        assert_eq!(found, expected, "rows of the sink `table`");

        let archive = self.archive("archive");
        for record in &self.records {
            let (_, payload) = &archive.captures[record["url"].as_str().expect("url")];
            let digest = format!("blake3:{}", blake3::hash(payload).to_hex());
            assert_eq!(record["content_digest"], digest, "{}", record["url"]);
        }
    }

    /// The records of a file by the manifest.
    pub fn listed(&self, path: &Path) -> usize {
        let name = path.strip_prefix(&self.dir).expect("below").to_string_lossy();
        let files = self.manifest["files"].as_array().expect("manifest has `files`");
        let entry = files.iter().find(|file| file["path"] == *name);
        let records = entry.and_then(|file| file["records"].as_u64());
        usize::try_from(records.unwrap_or_else(|| panic!("{name} is not in the manifest"))).expect("a count")
    }
}

fn three(line: &Value) -> [String; 3] {
    ["url_key", "content_digest", "title"].map(|name| line[name].as_str().unwrap_or_default().to_owned())
}

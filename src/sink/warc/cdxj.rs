//! The index beside a WARC file, in CDXJ: a sorted line for each capture, its key and time first, so that replay tools
//! find it by binary search. Made of the file alone.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use super::scan::{Capture, Depth, captures, field};
use super::surt::surt;

/// What a line says behind its key and time, as cdxj-indexer writes it: numbers are text, what is not known is left
/// out.
#[derive(Serialize)]
struct Line<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mime: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    digest: &'a str,
    length: &'a str,
    offset: &'a str,
    filename: &'a str,
}

/// Writes the index of the WARC file at `path`, anew if it is there, and syncs it. Gives the number of its lines. One
/// file's lines are held in memory, some 250 bytes for each capture.
pub(super) fn write_index(path: &Path, index: &Path) -> io::Result<u64> {
    let filename = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut lines: Vec<Box<str>> = Vec::new();
    captures(BufReader::with_capacity(1 << 20, File::open(path)?), Depth::Message, |capture| {
        lines.push(line(&capture, filename)?.into());
        Ok(())
    })?;
    // By bytes, as `LC_ALL=C sort` does.
    lines.sort_unstable();
    let mut file = BufWriter::new(File::create(index)?);
    for line in &lines {
        file.write_all(line.as_bytes())?;
        file.write_all(b"\n")?;
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(lines.len() as u64)
}

fn line(capture: &Capture, filename: &str) -> io::Result<String> {
    let Capture { offset, length, kind, url, date, digest, content_type, http } = capture;
    let mime = match kind.as_str() {
        "revisit" => "warc/revisit".to_owned(),
        "resource" => essence(content_type),
        _ => essence(field(http, "Content-Type")),
    };
    // The first 19 characters of a date are its seconds: 2026-11-21T02:00:00.
    let time: String = date.chars().take(19).filter(char::is_ascii_digit).collect();
    let json = serde_json::to_string(&Line {
        url,
        mime: &mime,
        status: http.split(' ').nth(1).and_then(|text| text.get(..3)),
        digest,
        length: &length.to_string(),
        offset: &offset.to_string(),
        filename,
    })?;
    Ok(format!("{} {time} {json}", surt(url)))
}

/// A MIME type without its parameters.
fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

//! Reads the finished parts of a run, one line at a time.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::error::{ExportError, Fault};

/// Bytes read at once.
const BUFFER_BYTES: usize = 1 << 20;

/// What is read, in its order.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// A record without its line end.
    Line(&'a str),
    /// The end of a part.
    End,
}

/// A fault of the writer, or of what is read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// It has its place already.
    Placed(ExportError),
    /// The writer's own.
    Writing(Fault),
}

impl ReadError {
    /// The error while a file was to be made.
    pub(super) fn writing(self, to: &Path) -> ExportError {
        match self {
            Self::Placed(error) => error,
            Self::Writing(fault) => fault.at(to),
        }
    }
}

/// Hands on every line of the parts and counts them. What does not fit is placed: file and line.
pub(super) fn read(
    dir: &Path,
    parts: &[PathBuf],
    mut take: impl FnMut(Event<'_>) -> Result<(), Fault>,
) -> Result<u64, ReadError> {
    let (mut count, mut line) = (0, Vec::new());
    for part in parts {
        let path = dir.join(part);
        let failed = |error| ReadError::Placed(ExportError::Io { action: "read", path: path.clone(), error });
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, File::open(&path).map_err(failed)?);
        let mut number = 0;
        while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
            number += 1;
            text(&line).and_then(|text| take(Event::Line(text))).map_err(|fault| match fault {
                Fault::Misfit(what) => {
                    ReadError::Placed(ExportError::Misfit { path: part.clone(), line: number, what })
                }
                fault => ReadError::Writing(fault),
            })?;
            line.clear();
        }
        count += number;
        take(Event::End).map_err(ReadError::Writing)?;
    }
    Ok(count)
}

fn text(line: &[u8]) -> Result<&str, Fault> {
    let misfit = |what: &str| Fault::Misfit(what.to_owned());
    let line = line.strip_suffix(b"\n").ok_or_else(|| misfit("the last line is torn"))?;
    std::str::from_utf8(line).map_err(|_| misfit("not UTF-8"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn reading(parts: &[&[u8]]) -> Result<(u64, Vec<String>), String> {
        let dir = tempfile::tempdir().expect("folder");
        let names: Vec<PathBuf> = (0..parts.len()).map(|n| format!("part-{n:05}.jsonl").into()).collect();
        for (name, part) in names.iter().zip(parts) {
            fs::write(dir.path().join(name), part).expect("writes");
        }
        let mut seen = Vec::new();
        let count = read(dir.path(), &names, |event| {
            match event {
                Event::Line("bad") => return Err(Fault::Misfit("bad".to_owned())),
                Event::Line(line) => seen.push(line.to_owned()),
                Event::End => seen.push("|".to_owned()),
            }
            Ok(())
        });
        count.map(|count| (count, seen)).map_err(|error| error.writing(Path::new("to")).to_string())
    }

    #[test]
    fn lines_come_in_order_with_the_ends_of_parts() {
        let seen = ["a", "b", "|", "|", "", "|"].map(str::to_owned).to_vec();
        assert_eq!(reading(&[b"a\nb\n", b"", b"\n"]), Ok((3, seen)));
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        let hint = "\nhint: `trawl verify` says whether the run is as it was written";
        let fails = |part: &[u8], expected: &str| {
            assert_eq!(reading(&[b"a\n", part]), Err(format!("{expected}{hint}")));
        };
        fails(b"a\nb", "`part-00001.jsonl:2`: the last line is torn");
        fails(b"a\n\xff\n", "`part-00001.jsonl:2`: not UTF-8");
        fails(b"bad\n", "`part-00001.jsonl:1`: bad");
    }
}

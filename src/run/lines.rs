//! Finds outcome lines in the directory of a run, finished or not: the line of a URL, and those of its redirects, and the
//! first line of an outcome. Judges
//! nothing, and passes over a torn last line.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;

use super::error::RunError;
use crate::model::{Outcome, OutcomeLine, UrlKey};

/// Redirects that are followed; a run follows no more by default.
const MAX_HOPS: usize = 32;

/// The line of a URL and, where it was redirected, of its targets, in the order of the redirects. Empty if there is none.
pub fn chain(dir: &Path, key: UrlKey) -> Result<Vec<OutcomeLine<'static>>, RunError> {
    let parts = parts(&dir.join("outcomes"))?;
    let (mut chain, mut seen, mut next) = (Vec::new(), Vec::new(), Some(key));
    while let Some(key) = next.filter(|key| !seen.contains(key) && seen.len() <= MAX_HOPS) {
        seen.push(key);
        let Some(line) = find(&parts, key)? else { break };
        let is_redirect = line.outcome == Outcome::Redirected.name();
        next = line.target.as_deref().filter(|_| is_redirect).map(UrlKey::of);
        chain.push(line);
    }
    Ok(chain)
}

/// URL and reason of the first line of each of these outcomes, by its name.
pub fn first_of(
    dir: &Path,
    outcomes: &[Outcome],
) -> Result<BTreeMap<String, (String, Option<String>)>, RunError> {
    let mut wanted: Vec<(&str, Finder<'static>)> = outcomes
        .iter()
        .map(|one| (one.name(), Finder::new(&format!("\"outcome\":\"{}\"", one.name())).into_owned()))
        .collect();
    let mut found = BTreeMap::new();
    for path in parts(&dir.join("outcomes"))? {
        let fault = |error| RunError::Io { action: "read", path: path.clone(), error };
        let mut reader = BufReader::with_capacity(256 << 10, File::open(&path).map_err(fault)?);
        let mut line = Vec::new();
        while !wanted.is_empty() && reader.read_until(b'\n', &mut line).map_err(fault)? > 0 {
            if wanted.iter().any(|(_, finder)| finder.find(&line).is_some())
                && let Ok(OutcomeLine { url, outcome, reason, .. }) =
                    serde_json::from_slice::<OutcomeLine<'_>>(&line)
                && wanted.iter().any(|(name, _)| *name == outcome)
            {
                wanted.retain(|(name, _)| *name != outcome);
                found.insert(outcome.to_string(), (url.to_string(), reason.map(|reason| reason.to_string())));
            }
            line.clear();
        }
    }
    Ok(found)
}

fn parts(dir: &Path) -> Result<Vec<PathBuf>, RunError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(RunError::Io { action: "list", path: dir.to_owned(), error }),
    };
    let mut parts: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    parts.retain(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    parts.sort();
    Ok(parts)
}

fn find(parts: &[PathBuf], key: UrlKey) -> Result<Option<OutcomeLine<'static>>, RunError> {
    // Most lines are of other URLs: they are not parsed.
    let wanted = format!("\"url_key\":\"{key}\"");
    let finder = Finder::new(&wanted);
    for path in parts {
        let fault = |error| RunError::Io { action: "read", path: path.clone(), error };
        let mut reader = BufReader::with_capacity(256 << 10, File::open(path).map_err(fault)?);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).map_err(fault)? > 0 {
            if finder.find(&line).is_some()
                && let Ok(found) = serde_json::from_slice::<OutcomeLine<'static>>(&line)
                && found.url_key.parse() == Ok(key)
            {
                return Ok(Some(found));
            }
            line.clear();
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Ending, Origin, Request, Visit};

    /// A line of an outcome, as it is written.
    fn line(url: &str, target: Option<&str>) -> String {
        let origin = Origin { job: "j".into(), run_id: "r".into(), links: false };
        let outcome = if target.is_some() { Outcome::Redirected } else { Outcome::Ok };
        let mut visit = Visit::refused(Request::unusable(url, "s"), Ending::plain(outcome));
        visit.target = target.map(str::to_owned);
        serde_json::to_string(&OutcomeLine::from_visit(&origin, &visit)).expect("line") + "\n"
    }

    #[test]
    fn redirects_are_followed_over_all_parts_and_circles_end() {
        let dir = tempfile::tempdir().expect("folder");
        let chain = |url: &str| -> Vec<String> {
            let lines = chain(dir.path(), UrlKey::of(url)).expect("reads");
            lines.into_iter().map(|line| line.url.into_owned()).collect()
        };
        assert_eq!(chain("http://h/a"), [""; 0], "no folder at all");
        fs::create_dir(dir.path().join("outcomes")).expect("folder");
        let write = |name: &str, text: String| {
            fs::write(dir.path().join("outcomes").join(name), text).expect("writes");
        };
        let torn = line("http://h/torn", None);
        write("part-00001.jsonl", line("http://h/a", Some("http://h/b")) + &line("http://h/x", None));
        write(
            "part-00000.jsonl",
            line("http://h/b", Some("http://h/c"))
                + &line("http://h/r1", Some("http://h/r2"))
                + &line("http://h/r2", Some("http://h/r1"))
                + &line("http://h/gone", Some("http://h/never"))
                + &line("http://h/c", None)
                + &torn[..torn.len() / 2],
        );
        assert_eq!(chain("http://h/a"), ["http://h/a", "http://h/b", "http://h/c"]);
        assert_eq!(chain("http://h/r2"), ["http://h/r2", "http://h/r1"]);
        assert_eq!(chain("http://h/gone"), ["http://h/gone"]);
        assert_eq!(chain("http://h/torn"), [""; 0]);
        assert_eq!(chain("http://h/other"), [""; 0]);
    }
}

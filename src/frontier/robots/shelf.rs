//! Where the rules of robots.txt go when memory is full: a scratch file without a name, which ends with the process.
//! It is no truth, since the journal holds every robots.txt; what comes back is checked all the same. Decides nothing:
//! whose rules go there, and when they come back, is said by the gates.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Robots;
use crate::frontier::backlog::BacklogError;

/// Where rules stand on the shelf. They stay there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    offset: u64,
    length: usize,
    checksum: u64,
}

/// The scratch file.
#[derive(Debug, Default)]
pub struct Shelf {
    /// Where it is made, when it is first needed.
    dir: PathBuf,
    file: Option<File>,
    length: u64,
}

impl Shelf {
    /// A shelf in this directory, which is made if it is not there.
    pub const fn new(dir: PathBuf) -> Self {
        Self { dir, file: None, length: 0 }
    }

    /// Writes rules down.
    pub fn put(&mut self, robots: &Robots) -> Result<Place, BacklogError> {
        let packed = robots.pack()?;
        let offset = self.length;
        let file = self.file()?;
        file.write_all_at(&packed, offset).map_err(BacklogError::io("write a file in", &self.dir))?;
        self.length += packed.len() as u64;
        Ok(Place { offset, length: packed.len(), checksum: checksum(&packed, offset) })
    }

    /// Reads rules back.
    pub fn get(&mut self, place: Place) -> Result<Robots, BacklogError> {
        let Place { offset, length, .. } = place;
        let mut packed = vec![0; length];
        let file = self.file()?;
        file.read_exact_at(&mut packed, offset).map_err(BacklogError::io("read a file in", &self.dir))?;
        if checksum(&packed, offset) != place.checksum {
            return Err(BacklogError::Damaged { path: self.dir.clone(), offset });
        }
        Robots::unpack(&packed)
    }

    fn file(&mut self) -> Result<&File, BacklogError> {
        let made = match self.file.take() {
            Some(file) => file,
            None => create(&self.dir).map_err(BacklogError::io("create a file in", &self.dir))?,
        };
        Ok(self.file.insert(made))
    }
}

fn create(dir: &Path) -> std::io::Result<File> {
    fs::create_dir_all(dir)?;
    tempfile::tempfile_in(dir)
}

/// The place is part of it: what was written elsewhere is not what belongs here.
fn checksum(packed: &[u8], offset: u64) -> u64 {
    xxh3_64_with_seed(packed, offset)
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::frontier::robots::Verdict;

    fn robots(text: &str) -> Robots {
        Robots::parse(text.as_bytes(), "trawl")
    }

    #[test]
    fn rules_come_back_with_their_lines_and_their_delay() {
        let dir = tempfile::tempdir().expect("directory");
        let mut shelf = Shelf::new(dir.path().join("made/when/needed"));
        let texts = [
            "User-agent: *\n\nDisallow: /a*b$\nCrawl-delay: 7\n",
            "User-agent: trawl\nAllow: /a/\nDisallow: /a\nDisallow: /%7Eb?\n",
        ];
        let places: Vec<Place> =
            texts.iter().map(|text| shelf.put(&robots(text)).expect("a sound disk")).collect();
        for (text, place) in texts.iter().zip(places).rev() {
            let (before, after) = (robots(text), shelf.get(place).expect("a sound disk"));
            assert_eq!(after.crawl_delay(), before.crawl_delay());
            for path in ["/", "/a", "/a/", "/a/c", "/axb", "/~b?c", "/robots.txt"] {
                let url = Url::parse(&format!("http://h{path}")).expect("URL");
                assert_eq!(after.verdict(url.as_str()), before.verdict(url.as_str()), "{path}");
            }
        }
        let url = Url::parse("http://h/axb").expect("URL");
        let first = shelf.put(&robots(texts[0])).and_then(|place| shelf.get(place)).expect("a sound disk");
        let refused = Verdict::Disallowed { line: 3, rule: "Disallow: /a*b$".to_owned() };
        assert_eq!(first.verdict(url.as_str()), refused);
    }

    #[test]
    fn what_is_not_what_was_written_is_refused() {
        let dir = tempfile::tempdir().expect("directory");
        let mut shelf = Shelf::new(dir.path().to_owned());
        let place = shelf.put(&robots("User-agent: *\nDisallow: /a\n")).expect("a sound disk");
        shelf.file().expect("it stands").write_all_at(b"!", place.offset + 3).expect("a sound disk");
        let error = shelf.get(place).expect_err("another byte");
        assert!(matches!(error, BacklogError::Damaged { offset: 0, .. }), "{error}");
    }
}

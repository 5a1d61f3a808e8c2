//! A job of the built program over a list of URLs: everything on, without delay.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::measure::{Used, measure};

const TRAWL: &str = env!("CARGO_BIN_EXE_trawl");
/// Requests in flight at once.
pub const IN_FLIGHT: usize = 100;

/// A job in a directory of its own.
pub struct Job {
    dir: TempDir,
    sets: Vec<String>,
}

impl Job {
    /// Fetches these.
    pub fn over(urls: &[String]) -> Self {
        let job = Self::from("[[sources]]\nid = 'list'\ntype = 'list'\npath = 'urls.txt'\n");
        fs::write(job.dir().join("urls.txt"), urls.join("\n")).expect("list of URLs");
        job
    }

    /// Reads the HTML files of a directory.
    pub fn of_files(pages: &Path) -> Self {
        let pages = pages.join("*.html");
        Self::from(&format!("[[sources]]\nid = 'files'\ntype = 'files'\npaths = ['{}']\n", pages.display()))
    }

    fn from(source: &str) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let config = format!(
            "config_version = 1\n\
             [job]\nname = 'bench'\nstate_dir = 'store'\noutput_dir = 'out'\n\
             [http]\nallow_private_networks = true\n\
             [politeness]\nmax_concurrency = {IN_FLIGHT}\nhost_concurrency = {IN_FLIGHT}\nhost_delay = '0s'\n\
             [records]\nlinks = true\n{source}"
        );
        fs::write(dir.path().join("config.toml"), config).expect("config");
        Self { dir, sets: Vec::new() }
    }

    /// With these settings.
    pub fn with(mut self, sets: impl IntoIterator<Item = String>) -> Self {
        self.sets.extend(sets);
        self
    }

    /// With more tables in its config.
    pub fn adding(self, tables: &str) -> Self {
        let config = self.dir.path().join("config.toml");
        let text = fs::read_to_string(&config).expect("config") + tables;
        fs::write(&config, text).expect("config");
        self
    }

    /// What runs it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(TRAWL);
        command.args(["run", "config.toml"]).current_dir(self.dir.path()).env("NO_COLOR", "1");
        command.args(self.sets.iter().flat_map(|set| ["--set", set]));
        command
    }

    /// Runs it to its end, and sees that there is a record for each page.
    pub fn measure(&self, pages: usize) -> Used {
        let used = measure(&self.command());
        assert_eq!(self.records(), pages, "trawl wrote a record for each page");
        used
    }

    /// Records of its latest run.
    fn records(&self) -> usize {
        let Ok(parts) = fs::read_dir(self.dir.path().join("out/latest/records")) else { return 0 };
        parts
            .map(|part| fs::read(part.expect("part").path()).expect("part"))
            .map(|text| memchr::memchr_iter(b'\n', &text).count())
            .sum()
    }

    /// Where it stands.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

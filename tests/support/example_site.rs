//! The site that the jobs in `examples/` ask, run as it stands there, and these jobs with its address in place of the one
//! that they name.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::crawl::{Crawl, TRAWL};
use super::dataset::Dataset;

/// Where the examples stand.
pub const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// The site, killed when dropped.
pub struct ExampleSite {
    child: Child,
    address: String,
}

impl ExampleSite {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let program = Path::new(TRAWL).with_file_name("examples").join("site");
        assert!(program.exists(), "{} is not built: cargo build --example site", program.display());
        let mut child = Command::new(program)
            .args(["--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the site starts");
        let mut address = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut address).expect("its address");
        Self { child, address: address.trim().to_owned() }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// The example of this name, with this site in place of the one on port 8080.
    pub fn job(&self, name: &str) -> Crawl {
        Crawl::of(&text_of(name).replace("http://127.0.0.1:8080", &self.address))
    }

    /// Runs it to its end and gives what was published.
    pub fn run(&self, name: &str) -> (Crawl, Dataset) {
        let crawl = self.job(name);
        crawl.run().expect(0);
        let run = crawl.latest();
        (crawl, run)
    }
}

impl Drop for ExampleSite {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The config of an example, with the files that it reads by their whole paths.
pub fn text_of(name: &str) -> String {
    let text = fs::read_to_string(format!("{EXAMPLES}/{name}.toml")).expect("an example");
    text.replace("\"../", concat!("\"", env!("CARGO_MANIFEST_DIR"), "/"))
}

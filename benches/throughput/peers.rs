//! Other crawlers, where they are installed: small programs in `benches/peers` that do the same work as the plain
//! loops. Never run in CI.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A crawler that can be started here.
pub struct Peer {
    /// What it is called in the table.
    pub name: &'static str,
    program: PathBuf,
    script: PathBuf,
}

impl Peer {
    /// Those that are installed: `TRAWL_BENCH_PYTHON` names a Python that has aiohttp and selectolax, or Scrapy.
    pub fn installed() -> Vec<Self> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
        let python = std::env::var_os("TRAWL_BENCH_PYTHON").map_or("python3".into(), PathBuf::from);
        let peers = [
            ("aiohttp + selectolax", "aiohttp, selectolax", "aiohttp_selectolax.py"),
            ("Scrapy", "scrapy", "scrapy_list.py"),
        ];
        let mut found: Vec<Self> = peers
            .into_iter()
            .filter(|(_, modules, _)| {
                succeeds(Command::new(&python).args(["-c", &format!("import {modules}")]))
            })
            .map(|(name, _, script)| Self { name, program: python.clone(), script: scripts.join(script) })
            .collect();
        if succeeds(Command::new("wget2").arg("--version")) {
            let script = scripts.join("wget2.sh");
            found.push(Self { name: "wget2 (saves, no parse)", program: "bash".into(), script });
        }
        found
    }

    /// Fetches `urls.txt` of its directory.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(&self.script);
        command
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

//! A server of `PostgreSQL` for one test: a fresh cluster in a temporary folder, reached by a socket in it alone. Ended,
//! and gone, when dropped.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::wait_for;

/// Whom root lets the server run as, since it refuses root.
const NOBODY: u32 = 65534;

/// The server.
pub struct Postgres {
    dir: TempDir,
    child: Option<Child>,
}

/// Where a program of the server is: in the path, or where Debian puts it.
fn program(name: &str) -> Option<PathBuf> {
    let mut places: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    places.extend(versions.map(|version| version.expect("entry").path().join("bin")));
    places.into_iter().map(|place| place.join(name)).find(|program| program.exists())
}

impl Postgres {
    /// A server that runs. `Err` says what is missing.
    pub fn start() -> Result<Self, String> {
        for name in ["initdb", "postgres", "psql"] {
            program(name).ok_or_else(|| format!("`{name}` is missing: install PostgreSQL; ./check does"))?;
        }
        let dir = tempfile::Builder::new().prefix("trawl-pg-").tempdir().expect("temporary directory");
        if rustix::process::geteuid().is_root() {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
            chown(dir.path(), Some(NOBODY), Some(NOBODY)).expect("root may");
        }
        let mut server = Self { dir, child: None };
        let data = server.data();
        let made = server
            .command("initdb")
            .args([
                "--pgdata",
                &data,
                "--username=trawl",
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C",
            ])
            .stdout(Stdio::null())
            .status();
        assert!(made.expect("it was there a moment ago").success(), "initdb");
        server.up();
        Ok(server)
    }

    fn data(&self) -> String {
        self.dir.path().join("data").to_str().expect("UTF-8").to_owned()
    }

    /// One of its programs, as a user whom it accepts.
    fn command(&self, name: &str) -> Command {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new(program(name).expect("looked for at the start"));
        command.current_dir(self.dir.path()).stdin(Stdio::null()).env_remove("PGHOST");
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Starts it, and waits until it answers.
    pub fn up(&mut self) {
        let socket = self.dir.path().to_str().expect("UTF-8");
        let child = self
            .command("postgres")
            .args(["-D", &self.data(), "-k", socket, "-c", "listen_addresses=", "-c", "fsync=off"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.expect("the server starts"));
        wait_for("the server to answer", || {
            let asked = self.psql("SELECT 1").stderr(Stdio::null()).output().expect("psql");
            asked.status.success().then_some(())
        });
    }

    /// Ends it; its data stays.
    pub fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = kill_process(Pid::from_child(&child), Signal::INT);
            let _ = child.wait();
        }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("postgres:///postgres?host={}&user=trawl", self.dir.path().display())
    }

    fn psql(&self, sql: &str) -> Command {
        let mut command = self.command("psql");
        let socket = self.dir.path().to_str().expect("UTF-8").to_owned();
        command.args(["-h", &socket, "-U", "trawl", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-XAtc", sql]);
        command
    }

    /// What a query gives: rows by lines, columns apart by `|`.
    #[track_caller]
    pub fn query(&self, sql: &str) -> String {
        let output = self.psql(sql).output().expect("psql");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {said}");
        String::from_utf8(output.stdout).expect("UTF-8").trim_end_matches('\n').to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.down();
    }
}

//! One job in a temporary directory, and the built program run on it. Every process that is started here
//! is ended here, by its id.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use toml::{Table, Value};

use super::dataset::Dataset;
use super::machine::peak;
use super::site::Site;
use super::{PATIENCE, wait_for};

/// The built program.
pub const TRAWL: &str = env!("CARGO_BIN_EXE_trawl");

/// A table from its TOML text.
pub fn table(text: &str) -> Table {
    text.parse().expect("a TOML table")
}

/// A job: its directory, its config, what its processes are started with.
pub struct Crawl {
    root: PathBuf,
    config: Table,
    env: Vec<(String, String)>,
    stdin: Vec<u8>,
    /// Removed when the test ends; none where the caller owns the directory.
    _dir: Option<TempDir>,
}

impl Crawl {
    /// A job without sources that may ask the loopback, without delay, 64 at once. It does not ask for robots.txt,
    /// and an answer, whatever its status, is the last: most tests count requests.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("trawl-test-").tempdir().expect("temporary directory");
        let root = fs::canonicalize(dir.path()).expect("temporary directory");
        Self { _dir: Some(dir), ..Self::at(&root) }
    }

    /// A job as its config says, but for where its data goes.
    pub fn of(config: &str) -> Self {
        let own = Self { config: table(config), ..Self::new() };
        own.set("job.state_dir", "store").set("job.output_dir", "out")
    }

    /// The same in a directory that the caller owns.
    pub fn at(root: &Path) -> Self {
        let config = "
            config_version = 1
            [job]
            name = 'test'
            state_dir = 'store'
            output_dir = 'out'
            [http]
            allow_private_networks = true
            [politeness]
            max_concurrency = 64
            host_concurrency = 64
            host_delay = '0s'
            obey_robots = false
            [retry]
            http_codes = []
            backoff = { initial = '10ms', max = '50ms' }
        ";
        let config = config.parse().expect("config of the tests");
        Self { root: root.to_owned(), config, env: Vec::new(), stdin: Vec::new(), _dir: None }
    }

    /// A job on the web: robots.txt is obeyed, failures are asked for again after some milliseconds, and these
    /// hosts are all on the loopback.
    pub fn web<H: AsRef<str>>(hosts: impl IntoIterator<Item = H>) -> Self {
        let resolve: Table =
            hosts.into_iter().map(|host| (host.as_ref().to_owned(), vec!["127.0.0.1"].into())).collect();
        Self::new()
            .set("http.resolve", resolve)
            .set("politeness.obey_robots", true)
            .set("retry.max_retries", 2)
            .set("retry.http_codes", vec![408, 425, 429, 500, 502, 503, 504])
            .set("retry.backoff", table("initial = '10ms'\nmax = '50ms'"))
    }

    /// The same job in a directory that the caller owns. What was written to its own stays behind.
    #[must_use]
    pub fn moved_to(self, root: &Path) -> Self {
        Self { root: root.to_owned(), _dir: None, ..self }
    }

    /// A job over a list of URLs.
    pub fn over<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Self {
        Self::new().list(urls)
    }

    /// Adds the URLs as a file with one a line.
    #[must_use]
    pub fn list<U: AsRef<str>>(self, urls: impl IntoIterator<Item = U>) -> Self {
        let mut text = String::new();
        for url in urls {
            writeln!(text, "{}", url.as_ref()).expect("text");
        }
        self.write("urls.txt", text).source("id = 'list'\ntype = 'list'\npath = 'urls.txt'")
    }

    /// Adds URLs that stand in the config, under the id `seeds`.
    #[must_use]
    pub fn seeds<U: AsRef<str>>(self, urls: impl IntoIterator<Item = U>) -> Self {
        let urls: Vec<String> = urls.into_iter().map(|url| format!("{:?}", url.as_ref())).collect();
        self.source(&format!("id = 'seeds'\ntype = 'urls'\nurls = [{}]", urls.join(", ")))
    }

    /// Adds a `[[sources]]` table.
    #[must_use]
    pub fn source(self, table: &str) -> Self {
        self.entry("sources", table)
    }

    /// Adds a `[[sinks]]` table.
    #[must_use]
    pub fn sink(self, table: &str) -> Self {
        self.entry("sinks", table)
    }

    /// Adds an `[[exports]]` table.
    #[must_use]
    pub fn export(self, table: &str) -> Self {
        self.entry("exports", table)
    }

    /// Adds an `[[extract]]` table.
    #[must_use]
    pub fn rule(self, table: &str) -> Self {
        self.entry("extract", table)
    }

    /// Adds a `[[tests]]` table.
    #[must_use]
    pub fn test(self, table: &str) -> Self {
        self.entry("tests", table)
    }

    fn entry(mut self, array: &str, table: &str) -> Self {
        let entries = self.config.entry(array).or_insert_with(|| Value::Array(Vec::new()));
        entries.as_array_mut().expect("an array").push(Value::Table(self::table(table)));
        self
    }

    /// Sets a key by its dotted name.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        let mut table = &mut self.config;
        let (path, last) = key.rsplit_once('.').unwrap_or(("", key));
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let next = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
            table = next.as_table_mut().expect("a table");
        }
        table.insert(last.to_owned(), value.into());
        self
    }

    /// Where a line of the config stands that begins so: `config.toml:12:`.
    pub fn place(&self, line: &str) -> String {
        self.nth_place(line, 0)
    }

    /// The same for a later one of such lines, counted from 0.
    pub fn nth_place(&self, line: &str, number: usize) -> String {
        let config = self.config_text();
        let lines = config.lines().enumerate();
        let at = lines.filter(|(_, candidate)| candidate.trim_start().starts_with(line)).nth(number);
        let at = at.map(|(at, _)| at);
        format!("config.toml:{}:", at.unwrap_or_else(|| panic!("no line `{line}` in\n{config}")) + 1)
    }

    fn config_text(&self) -> String {
        toml::to_string(&self.config).expect("config as text")
    }

    /// Puts a file into the job's directory.
    #[must_use]
    pub fn write(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directory");
        fs::write(path, content).expect("file");
        self
    }

    /// Gives the program an environment variable from now on.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes all extra environment variables away.
    #[must_use]
    pub fn without_env(mut self) -> Self {
        self.env.clear();
        self
    }

    /// Gives the program standard input from now on.
    #[must_use]
    pub fn stdin(mut self, content: impl Into<Vec<u8>>) -> Self {
        self.stdin = content.into();
        self
    }

    /// Whether its run is published to the last step: `latest` is there, and no journal of an unfinished run.
    pub fn is_published(&self) -> bool {
        let journals = std::fs::read_dir(self.path("store/journal")).into_iter().flatten();
        self.path("out/latest").exists() && journals.count() == 0
    }

    /// A path in the job's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// `trawl run config.toml`, to its end.
    pub fn run(&self) -> Run {
        self.spawn().wait()
    }

    /// `trawl` with other arguments, in the job's directory, where `config.toml` is found by itself.
    pub fn trawl(&self, args: &[&str]) -> Run {
        self.start(args).wait()
    }

    /// The same, but with the config as it stands in the directory.
    pub fn as_it_stands(&self, args: &[&str]) -> Run {
        Running::start(&self.root, args, &self.env, &self.stdin).wait()
    }

    /// `trawl run config.toml`, not waited for.
    pub fn spawn(&self) -> Running {
        self.start(&["run", "config.toml"])
    }

    /// `trawl` with arguments, not waited for.
    pub fn start(&self, args: &[&str]) -> Running {
        self.write_config();
        Running::start(&self.root, args, &self.env, &self.stdin)
    }

    fn write_config(&self) {
        let (path, text) = (self.path("config.toml"), self.config_text());
        // Not written twice: a process that was started a moment ago may be reading it.
        if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            fs::write(path, text).expect("config file");
        }
    }

    /// The same on a terminal of its own, so wide, made by `script`: what is drawn there is its standard output. The id of
    /// the process is that of `script`.
    pub fn start_on_terminal(&self, columns: u32, args: &[&str]) -> Running {
        self.write_config();
        let words: Vec<String> = args.iter().map(|arg| format!("'{arg}'")).collect();
        let inside = format!("stty cols {columns} rows 24; exec '{TRAWL}' {}", words.join(" "));
        let mut command = Command::new("script");
        command.args(["-qec", &inside, "/dev/null"]).env("TERM", "xterm").env("SHELL", "/bin/sh");
        Running::begin(command, &self.root, &self.env, &self.stdin)
    }

    /// Runs the job until the n-th request that the site counts has arrived, and kills it there.
    /// A run that ended before is given back as it ended.
    pub fn run_killed_at(&self, site: &Site, n: usize) -> Run {
        let (tell, told) = mpsc::channel();
        site.at_request(n, move || {
            // The request may come before `spawn` below has given the id away.
            if let Ok(pid) = told.recv_timeout(PATIENCE) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        let running = self.spawn();
        // The site drops the hook's end with the test: nobody listening is no error.
        let _ = tell.send(running.pid());
        running.wait()
    }

    /// The published run.
    pub fn latest(&self) -> Dataset {
        let latest = self.path("out/latest");
        let dir = fs::canonicalize(&latest)
            .unwrap_or_else(|error| panic!("{} leads nowhere: {error}", latest.display()));
        Dataset::read(&dir)
    }

    /// Names in `runs/`, sorted.
    pub fn runs(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("out/runs")) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Checks that the published run is whole and holds exactly these URLs. Gives it back.
    pub fn verify_exact<U: AsRef<str>>(&self, expected: impl IntoIterator<Item = U>) -> Dataset {
        let left: Vec<String> = self.runs().into_iter().filter(|name| name.ends_with(".partial")).collect();
        assert!(left.is_empty(), "left unfinished: {left:?}");
        let dataset = self.latest();
        dataset.verify(expected);
        let pointer = fs::read_to_string(self.path("out/latest.json")).expect("latest.json");
        let pointer: serde_json::Value = serde_json::from_str(&pointer).expect("latest.json is JSON");
        assert!(
            pointer.to_string().contains(&dataset.run_id()),
            "latest.json says {pointer}, not {}",
            dataset.run_id()
        );
        dataset
    }
}

/// A program that is running. Killed, if it still is, when dropped.
pub struct Running {
    child: Child,
    stdout: Output,
    stderr: Output,
    started: Instant,
}

type Output = Arc<Mutex<Vec<u8>>>;

impl Running {
    fn start(dir: &Path, args: &[&str], env: &[(String, String)], stdin: &[u8]) -> Self {
        let mut command = Command::new(TRAWL);
        command.args(args);
        Self::begin(command, dir, env, stdin)
    }

    fn begin(mut command: Command, dir: &Path, env: &[(String, String)], stdin: &[u8]) -> Self {
        command
            .current_dir(dir)
            .env_remove("TRAWL_CRASH_AT")
            .env("NO_COLOR", "1")
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(if stdin.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().expect("the built program starts");
        if let Some(mut pipe) = child.stdin.take() {
            let content = stdin.to_vec();
            // A program that does not read its input must not hold up the test.
            in_background(move || drop(pipe.write_all(&content)));
        }
        let stdout = collect(child.stdout.take().expect("piped"));
        let stderr = collect(child.stderr.take().expect("piped"));
        Self { child, stdout, stderr, started }
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the program is there to be signalled");
    }

    /// Kills it and waits until it is gone.
    pub fn kill9(self) -> Run {
        // It may have ended by itself in this moment; then there is nothing to kill.
        let _ = kill_process(self.pid(), Signal::KILL);
        self.wait()
    }

    /// What it wrote to stderr so far.
    pub fn stderr_so_far(&self) -> String {
        text(&self.stderr)
    }

    /// What it wrote to stdout so far.
    pub fn stdout_so_far(&self) -> String {
        text(&self.stdout)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("status").is_some()
    }

    /// Waits for its end; panics, and kills it, when that takes too long.
    pub fn wait(mut self) -> Run {
        let mut most = 0;
        let status = wait_for("the program to end", || {
            most = peak(self.pid()).unwrap_or(most);
            self.child.try_wait().expect("status")
        });
        let took = self.started.elapsed();
        // The pipes end with the last process that holds them, which is a moment later.
        wait_for("the end of its output", || {
            (Arc::strong_count(&self.stdout) == 1 && Arc::strong_count(&self.stderr) == 1).then_some(())
        });
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        Run {
            code: status.code(),
            signal,
            stdout: text(&self.stdout),
            stderr: text(&self.stderr),
            took,
            peak: most,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

fn in_background(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().spawn(work).expect("thread");
}

/// Reads a pipe to its end in the background. The reader's share of the buffer goes with the pipe.
fn collect(mut pipe: impl Read + Send + 'static) -> Output {
    let output = Output::default();
    let into = output.clone();
    in_background(move || {
        let mut chunk = [0; 8192];
        while let Ok(n @ 1..) = pipe.read(&mut chunk) {
            into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..n]);
        }
    });
    output
}

/// How a program ended.
#[derive(Debug)]
pub struct Run {
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
    /// From start to end.
    pub took: std::time::Duration,
    /// The most memory that it had until a moment before its end, in bytes.
    pub peak: u64,
}

impl Run {
    /// Whether SIGKILL ended it.
    pub fn was_killed(&self) -> bool {
        self.signal == Some(Signal::KILL.as_raw())
    }

    /// Demands an exit code, and that whatever happened is not a panic.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert!(
            self.code == Some(code),
            "expected exit {code}, got {:?} (signal {:?}) {self}",
            self.code,
            self.signal
        );
        assert!(!self.stderr.contains("panicked at"), "it panicked {self}");
        self
    }

    /// Demands that stderr names something.
    #[track_caller]
    pub fn says(self, word: &str) -> Self {
        assert!(self.stderr.contains(word), "stderr does not say {word:?} {self}");
        self
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\n--- stdout\n{}\n--- stderr\n{}\n---", self.stdout, self.stderr)
    }
}

//! A disk that fails at a chosen call, and a clock that is wrong, for the built program as it is shipped: a small
//! library that the system loads before libc (`faulty_machine.c`), built here with the C compiler that the build
//! needs anyway.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::crawl::Crawl;

/// What the system says to a call that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errno {
    /// The disk is broken.
    Io,
    /// The disk is full.
    Full,
    /// The file system went read-only, as one does that found a fault.
    ReadOnly,
}

impl Errno {
    fn number(self) -> i32 {
        match self {
            Self::Io => libc::EIO,
            Self::Full => libc::ENOSPC,
            Self::ReadOnly => libc::EROFS,
        }
    }
}

/// Which calls fail, and how.
#[derive(Clone, Debug)]
pub struct Fault {
    /// With what.
    pub errno: Errno,
    /// Which of the calls that count, from 1; 0 for none.
    pub at: usize,
    /// Whether all after it fail, too. The first write then gets half of its bytes down.
    pub lasts: bool,
    /// What counts: a name of [`Call`] and a part of the path.
    pub only: Option<(String, String)>,
}

impl Fault {
    /// The n-th call fails, and no other.
    pub fn once(errno: Errno, at: usize) -> Self {
        Self { errno, at, lasts: false, only: None }
    }

    /// The n-th call fails, and so does every one after it.
    pub fn from(errno: Errno, at: usize) -> Self {
        Self { lasts: true, ..Self::once(errno, at) }
    }
}

/// A call that changes a disk, as the library saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Whether it was made to fail.
    pub failed: bool,
    /// `write`, `sync`, `cut`, `rename`, `create`, `folder`, `link`, `remove`.
    pub name: String,
    /// Of the file; of the new name where it is renamed.
    pub path: PathBuf,
}

/// The library, built once for all tests of this process. `Err` says why there is none.
pub fn library() -> Result<&'static Path, &'static str> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(build).as_ref().map(PathBuf::as_path).map_err(String::as_str)
}

fn build() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/faulty_machine.c");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Under its own name only when it is whole: other test binaries may do the same now.
    let (building, library) =
        (folder.join(format!("faulty_machine-{}.so", std::process::id())), folder.join("faulty_machine.so"));
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-U_FORTIFY_SOURCE", "-o"])
        .args([&building, &source])
        .arg("-ldl")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`cc` cannot be started: {error}"))?;
    if !built.status.success() {
        return Err(format!("`cc` does not build it: {}", String::from_utf8_lossy(&built.stderr)));
    }
    fs::rename(&building, &library).map_err(|error| error.to_string())?;
    Ok(library)
}

impl Crawl {
    /// Lets calls below the job's directory fail from now on.
    #[must_use]
    pub fn on_faulty_disk(self, library: &Path, fault: &Fault) -> Self {
        let (root, log) = (self.path(""), self.path("calls"));
        let text = |path: &Path| {
            path.to_str().expect("a path of the tests is UTF-8").trim_end_matches('/').to_owned()
        };
        let mut crawl = self
            .env("LD_PRELOAD", &text(library))
            .env("FAULT_DIRS", &format!("{0}/store:{0}/out", text(&root)))
            .env("FAULT_LOG", &text(&log))
            .env("FAULT_AT", &fault.at.to_string())
            .env("FAULT_ERRNO", &fault.errno.number().to_string());
        if let Some((call, file)) = &fault.only {
            crawl = crawl.env("FAULT_CALL", call).env("FAULT_FILE", file);
        }
        if fault.lasts { crawl.env("FAULT_LASTS", "1") } else { crawl }
    }

    /// Sets the clock of the calendar wrong by so many seconds from now on, also for a program that runs.
    #[must_use]
    pub fn with_clock(self, library: &Path, seconds: i64) -> Self {
        let wrong = self.path("clock");
        let crawl = self.write("clock", seconds.to_string());
        let text = |path: &Path| path.to_str().expect("a path of the tests is UTF-8").to_owned();
        crawl.env("LD_PRELOAD", &text(library)).env("FAULT_CLOCK", &text(&wrong))
    }

    /// The calls that the last program on a faulty disk made and that counted, in their order. Forgets them.
    pub fn calls(&self) -> Vec<Call> {
        let log = self.path("calls");
        let text = fs::read_to_string(&log).unwrap_or_default();
        let _ = fs::remove_file(&log);
        text.lines().map(call).collect()
    }
}

fn call(line: &str) -> Call {
    let mut parts = line.splitn(4, ' ').skip(1);
    let mut next = || parts.next().expect("four parts");
    Call { failed: next() == "failed", name: next().to_owned(), path: next().into() }
}

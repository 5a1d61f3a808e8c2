//! Programs of the system that look at what we hand them. One that is missing fails on a build server and is said
//! plainly elsewhere.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::crawl::TRAWL;
use crate::support::machine::could_not_run;

/// What a program answered.
pub struct Answer {
    /// Whether it ended well.
    pub is_good: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs a program with this on its standard input. None if it is not there, which has been said then.
#[track_caller]
pub fn ask(program: &str, args: &[&str], input: &[u8], what: &str) -> Option<Answer> {
    let command = Command::new(program)
        .args(args)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match command {
        Ok(child) => child,
        Err(error) => {
            missing(what, &format!("`{program}` cannot be started: {error}; ./check installs it"));
            return None;
        }
    };
    // A program that does not read its input is none the worse for it.
    let _ = child.stdin.take().expect("piped").write_all(input);
    let output = child.wait_with_output().expect("its output");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Some(Answer {
        is_good: output.status.success(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    })
}

/// Says what could not be looked at; on a build server that is a failure.
#[track_caller]
pub fn missing(what: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what}: {why}");
    could_not_run(what, why);
}

/// What the built program prints.
#[track_caller]
pub fn trawl(args: &[&str]) -> String {
    let output = Command::new(TRAWL).args(args).output().expect("the built program");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

//! Faults of disk and machine from outside: the built program on a disk that fails at a chosen call, or while it is
//! stopped, set back in time, or given a state that somebody damaged. Nothing here calls into the library.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::case_sensitive_file_extension_comparisons,
    clippy::format_collect,
    reason = "tests fail by panicking and say on stderr what they did"
)]

mod calls;
mod exports;
mod files;
mod state;
#[path = "../support/mod.rs"]
mod support;
mod time;

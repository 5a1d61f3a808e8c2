//! What a job needs that nobody watches: manual, completions, schedules, overlap, retention, and pages that say what is true.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::case_sensitive_file_extension_comparisons,
    clippy::format_collect,
    reason = "tests fail by panicking, and share a house with tests that use more of it"
)]

mod manual;
mod overlap;
mod retention;
mod schedule;
#[path = "../support/mod.rs"]
mod support;
mod tools;
mod words;

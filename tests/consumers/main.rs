//! What others make of our output: the blocks of `docs/loading.md`, run as they stand there by the tools that they are
//! for, against runs of the jobs that they name.
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

mod loading;
#[path = "../support/mod.rs"]
mod support;

//! The report of a run: read as text, and opened in a real browser, Debian's Chromium, headless. Where that is missing the
//! test says so; on the build server (`CI=true`) it fails.
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

mod browser;
mod contents;
#[path = "../support/mod.rs"]
mod support;

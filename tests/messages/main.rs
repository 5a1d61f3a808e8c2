//! What a user reads when something is wrong: the built program's words on standard error and its exit code, held against
//! kept texts in `snapshots/`. `TRAWL_UPDATE_SNAPSHOTS=1` writes them anew; then read each one that changed.
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

mod commands;
mod config;
mod endings;
mod hostile;
mod network;
mod snapshot;
mod sources;
mod state;
#[path = "../support/mod.rs"]
mod support;

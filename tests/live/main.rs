//! What a person sees of a run while it lives and when it ends: the terminal, the log, the tasks, the summary. The built
//! program is run against a site on the loopback; what is claimed is read from what it prints.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::format_collect,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "tests fail by panicking, and share a house with tests that use more of it"
)]

mod display;
mod ending;
mod logs;
#[path = "../support/mod.rs"]
mod support;
mod tasks;
mod terminal;

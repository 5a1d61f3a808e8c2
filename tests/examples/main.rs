//! The jobs in `examples/`, run as they stand there against the site in `examples/site`, which is run as it stands
//! there, too. What is claimed is read from the finished runs.
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

mod jobs;
#[path = "../support/mod.rs"]
mod support;

//! Extraction from outside: the built program with rules of a config against a site on the loopback and local files.
//! What is claimed is read from the finished run and from what the program prints; nothing here calls into the
//! library.
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

mod command;
mod content;
mod main_text;
mod proving;
mod records;
#[path = "../support/mod.rs"]
mod support;

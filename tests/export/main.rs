//! Exports from outside: the built program makes files of other formats, and they are read with the libraries of
//! these formats and held against the records of the same run. Nothing here calls into the program's own library.
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
#[path = "../../src/export/parquet/reading.rs"]
mod parquet_file;
mod postgres;
mod reading;
mod runs;
#[path = "../support/mod.rs"]
mod support;

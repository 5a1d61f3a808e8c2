//! Crawling the web from outside: the built program against many hosts on the loopback, one module a
//! capability. What is claimed is read from the server's log and the finished run; nothing here calls into the
//! library.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::case_sensitive_file_extension_comparisons,
    clippy::format_collect,
    reason = "tests fail by panicking and say on stderr what they did"
)]

mod chaos;
mod depth;
mod graph;
mod hosts;
mod limits;
mod listings;
mod pacing;
mod powercut;
mod redirects;
mod resume;
mod retries;
mod robots;
mod robots_trouble;
mod scope;
mod seeing;
mod standstill;
#[path = "../support/mod.rs"]
mod support;

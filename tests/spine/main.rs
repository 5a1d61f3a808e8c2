//! The spine from outside: the built program against a loopback site, one module a capability. Nothing here
//! calls into the library.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::case_sensitive_file_extension_comparisons,
    clippy::format_collect,
    reason = "tests fail by panicking and say on stderr what they did"
)]

mod archive;
mod basic;
mod concurrency;
mod disk;
mod examiner;
mod files;
mod kill;
mod powercut;
mod publish;
mod safety;
mod stop;
mod store;
#[path = "../support/mod.rs"]
mod support;

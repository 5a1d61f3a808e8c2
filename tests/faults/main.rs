//! What can go wrong with a site, each fault alone and all of them at once, against the site in `examples/site`, which is
//! run as it stands there. How each must end stands beside it; `docs/faults.md` says what was observed.
//!
//! `TRAWL_UPDATE_DOCS=1 cargo test --test faults` writes that page anew.
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

mod alone;
mod checking;
mod job;
#[path = "../../examples/site/faults/list/mod.rs"]
mod list;
mod page;
#[path = "../support/mod.rs"]
mod support;
mod together;

//! Trawl: an async file-and-web crawler for scheduled batch crawls.
//!
//! One TOML file describes a job. A staged stream carries it out:
//!
//! ```text
//! source ──admit──► frontier ──Lease──► fetch ──Fetched──► parse ──Visit──► commit ──► sinks + frontier journal
//!                      ▲                                                      │            └─► store (sled) follows
//!                      └────────────── settle, admit, put back ◄──────────────┘
//! ```
//!
//! The rooms, lowest floor first; imports point down only (`tests/house.rs` holds it):
//!
//! | floor | room | duty |
//! |---|---|---|
//! | 0 | [`model`] | the nouns: URL key, request, fetched, parsed, visit, record, outcome. No IO, no async |
//! | 0 | [`units`], [`secret`], [`kind`], [`inside`], [`buffers`], [`crash`] | durations and sizes; values never printed; what a registry line is; which paths a run directory may hold; buffers that are used again; where tests make a debug build die |
//! | 1 | [`store`] | the frontier journal (the truth), sled behind it (the index), history, lock |
//! | 2 | [`source`] | where seeds come from: the config, lists, local files |
//! | 2 | [`frontier`] | every known request, and when each may go |
//! | 2 | [`fetch`] | one hop over HTTP or from a file |
//! | 2 | [`parse`] | bytes to title, links, metadata; never fails |
//! | 2 | [`sink`] | visits to files that can be cut back |
//! | 2 | [`export`] | finished records to files of other formats |
//! | 3 | [`config`] | the typed config file, every error at once |
//! | 4 | [`pipeline`] | the one stream, its threads and its commit point |
//! | 5 | [`run`] | start or resume, publish, exit codes |
//! | 6 | [`cli`] | one file a command |

pub mod buffers;
pub mod cli;
pub mod config;
pub mod crash;
pub mod export;
pub mod fetch;
pub mod frontier;
pub mod inside;
pub mod kind;
pub mod model;
pub mod parse;
pub mod pipeline;
pub mod run;
pub mod secret;
pub mod sink;
pub mod source;
pub mod store;
pub mod units;

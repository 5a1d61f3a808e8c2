//! How far an output journal is committed, and where one of its lines stands.

use serde::{Deserialize, Serialize};

/// The committed end of an output journal: everything behind it is cut off on resume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Number of the part file that was being written.
    pub part: u32,
    /// Its length in bytes.
    pub offset: u64,
    /// Lines in all parts up to here.
    pub records: u64,
}

/// Where one line stands in an output journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Number of the part file.
    pub part: u32,
    /// First byte.
    pub offset: u64,
    /// Bytes, the line end included.
    pub length: u32,
}

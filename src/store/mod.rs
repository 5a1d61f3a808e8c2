//! What a job knows between two instants of its life, and between two runs.
//!
//! The truth is a *frontier journal* for each run and a numbered *snapshot* of the history of all published
//! runs. sled stands behind them as an index that can always be rebuilt from the two:
//!
//! ```text
//! commit ──frame──► journal (fsync = the commit point)
//! publish:  snapshot n + journal ──merge──► snapshot n+1 (fsync), sled (index) ── then the journal retires
//! ```
//!
//! Why not sled alone: the flush of sled 0.34 does not survive a power cut, and a kill while it opens can
//! leave a database that does not open again.

mod account;
mod codec;
mod error;
mod frame;
mod history;
mod index;
mod indexing;
mod journal;
mod layout;
mod lock;
mod lookup;
mod merge;
mod passed;
mod replay;
mod snapshot;

pub use account::Account;
pub use error::StoreError;
pub use frame::{Begin, Commit, Finish, Frame, Page, Settle, Start};
pub use history::History;
pub use index::is_minded_panic;
pub use journal::{Journal, beginning};
pub use layout::{Layout, replace_file, sync_dir};
pub use lock::{Holder, JobLock, boot_id, holder};
pub use lookup::{Found, Lookup};
pub use merge::merge;
pub use replay::{Known, Refusals, Replay};

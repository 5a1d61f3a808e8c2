//! Every known request, and when each may go.
//!
//! The states of a URL, and who moves it:
//!
//! ```text
//! unseen ──admit──► queued ──next──► leased ──settled (by a committed checkpoint)──► settled
//!                     ▲                │
//!                     └── put_back ────┘        after a crash, what was leased is queued again
//! ```
//!
//! Two halves: the *front* decides when a request goes, the *backlog* is where requests wait. Both are plain
//! data behind one lock that is never held across an await ([`Frontier`], in `states`).

mod backlog;
mod front;
mod gauge;
mod local;
mod politeness;
mod seen;
mod settings;
mod states;

pub use gauge::{Gauge, Held};
pub use politeness::{Override, Rules};
pub use settings::{Politeness, Retry};
pub use states::{Admitted, Bounds, Frontier, Known, Slot};

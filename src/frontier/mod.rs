//! Every known request, and when each may go.
//!
//! The states of a URL, and who moves it:
//!
//! ```text
//! unseen ──admit──► queued ──next──► leased ──settled (by a committed checkpoint)──► settled
//!    │                ▲                │                                                ▲
//!    │                └── put_back ────┤   after a crash, what was leased is queued     │
//!    │                └── put_off ─────┘   again; what was put off keeps its time       │
//!    └──refused (out of scope, too deep, ...) ──── at the end, if no other way led to it ┘
//! ```
//!
//! | file | duty |
//! |---|---|
//! | `states`, `state`, `settle`, `slot`, `restore` | the frontier as the pipeline sees it: plain data behind one lock that is never held across an await |
//! | `front`, `events`, `later` | *when* a request goes: hosts in the order of their clocks, retries by their own time |
//! | `gates` | *whether* it goes: robots.txt, budgets, levels |
//! | `politeness`, `host_clock`, `hours` | what a host allows, and its clock |
//! | `robots` | what a robots.txt says, and what is known of that of an origin |
//! | `backlog`, `local`, `queue`, `blocks`, `packed`, `overflow` | *where* requests wait: in memory, then on disk |
//! | `seen` | what is known, in a few bytes a URL |
//! | `scope`, `anchors`, `traps` | which links are followed |

mod anchors;
mod backlog;
mod blocks;
mod events;
mod front;
mod gates;
mod gauge;
mod host_clock;
mod hours;
mod later;
mod local;
mod overflow;
#[cfg(test)]
mod pacing;
mod packed;
mod places;
mod politeness;
mod queue;
mod restore;
mod robots;
mod scope;
mod seen;
mod settings;
mod settle;
mod slot;
mod state;
mod states;
#[cfg(test)]
pub mod testing;
mod traps;
mod view;

pub use backlog::{Backlog, BacklogError, HostLease, HostState, Stats};
pub use gates::{Limits as Gating, Manners};
pub use gauge::{Gauge, Held};
pub use host_clock::Report;
pub use hours::Hours;
pub use local::Local;
pub use overflow::Overflow;
pub use politeness::{Anchor, Override, Rules};
pub use robots::{
    Answer, Judged as RobotsJudged, OriginRobots, Policy as RobotsPolicy, Robots, Verdict, can_be_named,
    product_token,
};
pub use scope::{Judged, Reach, Scope, ScopeError, Way, WayKind};
pub use seen::Seen;
pub use settings::{OnError, Politeness, Retry};
pub use slot::Slot;
pub use states::{Admitted, Bounds, Frontier, SettledLease, Setup};
pub use view::HostView;

//! Every known request, and when each may go.

mod settings;

pub use settings::{Politeness, Retry};

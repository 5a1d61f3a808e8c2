//! One hop: a request in, an answer or a failure out. Never follows, never sleeps, never retries.

mod settings;

pub use settings::{PrivateNetworks, Settings, Timeouts};

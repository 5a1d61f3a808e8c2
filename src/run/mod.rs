//! (being built)

mod exit;

pub use exit::Exit;

//! The one stream.

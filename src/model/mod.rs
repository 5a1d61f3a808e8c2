//! The nouns that travel between the rooms. No IO, no runtime, no clock.

mod fetched;
mod outcome;
mod parsed;
mod position;
mod record;
mod request;
mod url;
mod visit;

pub use fetched::{Failure, Fetched, Protocol, Stage};
pub use outcome::Outcome;
pub use parsed::{Charset, CharsetSource, Link, Parsed};
pub use position::{Position, Span};
pub use record::{Origin, OutcomeLine, Record, SCHEMA_VERSION};
pub use request::{Hint, Lease, Request, Role, Try};
pub use url::{
    FILE_HOST, UrlError, UrlKey, canonical, canonical_file, host_key, literal_address, registered_domain,
};
pub use visit::{Body, Ending, Seed, Visit};

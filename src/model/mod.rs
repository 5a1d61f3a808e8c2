//! The nouns that travel between the rooms. No IO, no runtime, no clock.

mod changes;
mod fetched;
mod links;
mod normalize;
mod outcome;
mod parsed;
mod position;
mod record;
mod request;
mod resolve;
mod scope;
mod structured;
mod url;
mod visit;

pub use changes::{Again, Changes, HostWait, Refusal, RobotsNote, Wait};
pub use fetched::{Failure, Fetched, Protocol, Spool, Stage, Wire};
pub use links::{Link, Links};
pub use normalize::{Normalize, Step};
pub use outcome::Outcome;
pub use parsed::{Charset, CharsetSource, Extracted, Parsed};
pub use position::{Position, Span};
pub use record::{Origin, OutcomeLine, Record, SCHEMA_VERSION, TryLine};
pub use request::{Hint, Lease, Request, Role, Try};
pub use resolve::{Resolver, beside};
pub use scope::{
    Nofollow, NormalizeSettings, Override as ScopeOverride, ScopeType, Settings as ScopeSettings,
    check as check_scope, check_override as check_scope_override, check_patterns as check_scope_patterns,
};
pub use structured::{Heading, Image, Structured};
pub use url::{
    FILE_HOST, MAX_URL_BYTES, UrlError, UrlKey, address, canonical, canonical_file, cut_before_path,
    host_key, literal_address, registered_domain,
};
pub use visit::{Body, Ending, Seed, Visit};

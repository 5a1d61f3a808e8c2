//! One hop: a request in, an answer or a failure out. Never follows, never sleeps, never retries.
//!
//! | file | duty |
//! |---|---|
//! | `http` | asks over HTTP, reads the body up to the cap |
//! | `client` | builds the one client: TLS, proxy, pool |
//! | `headers` | what is sent to whom |
//! | `address`, `dns` | which addresses may be asked; names to addresses |
//! | `file` | a local file as an answer |
//! | `decode` | undoes `Content-Encoding`, capped |
//! | `redirect` | where a redirect leads |
//! | `failure`, `error` | trouble of a page; trouble of the config |
//!
//! Private addresses are refused in three places: as IP literals before the request, in the resolver, and
//! once more by the address that answered. Behind a proxy only the first can be done here; names are then
//! the proxy's to resolve and to filter.

mod address;
mod client;
mod decode;
mod dns;
mod error;
mod failure;
mod file;
mod headers;
mod http;
mod redirect;
mod settings;
#[cfg(test)]
mod testing;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use url::Url;

use crate::model::{Failure, Fetched, Outcome, Request, Stage};
use crate::secret::Text;

pub use address::check_network;
pub use client::{check_proxy, check_resolved};
pub use decode::unpack;
pub use error::FetchError;
pub use failure::is_transient;
pub use headers::{check_header, is_credential};
pub use redirect::redirect_target;
pub use settings::{PrivateNetworks, Settings, Timeouts};

/// Fetches whatever a request names, by its scheme. A clone shares connections and caches.
#[derive(Clone)]
pub struct Fetcher(Arc<Fetchers>);

struct Fetchers {
    http: http::Http,
    files: file::Files,
}

/// Told how many bytes of a body are held so far.
pub type Grown<'a> = &'a mut (dyn FnMut(u64) + Send);

impl Fetcher {
    /// Checks the settings, resolves their secrets and builds the client. `host_headers` are headers by
    /// host key (`example.org`, `example.org:8080`); they go over those of the settings.
    pub fn new(
        settings: &Settings,
        host_headers: &BTreeMap<String, BTreeMap<String, Text>>,
    ) -> Result<Self, FetchError> {
        let http = http::Http::new(settings, host_headers)?;
        Ok(Self(Arc::new(Fetchers { http, files: file::Files::new(settings) })))
    }

    /// One hop. Any status is an answer. To drop the future is to break the request off. `grown` is told how many
    /// bytes of the body are held so far.
    pub async fn fetch(&self, request: &Request, grown: Grown<'_>) -> Result<Fetched, Failure> {
        let unusable = |words: String| Failure::new(Stage::Connect, Outcome::InvalidUrl, words);
        let url = Url::parse(&request.url).map_err(|error| unusable(format!("not a URL: {error}")))?;
        match url.scheme() {
            "http" | "https" => self.0.http.fetch(url, request, grown).await,
            "file" => self.0.files.fetch(&url).await,
            scheme => Err(unusable(format!("scheme `{scheme}` cannot be fetched"))),
        }
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetcher")
    }
}

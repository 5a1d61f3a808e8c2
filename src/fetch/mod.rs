//! One hop: a request in, an answer or a failure out. Never follows, never sleeps, never retries.
//!
//! | file | duty |
//! |---|---|
//! | `http` | asks over HTTP, reads the body up to the cap |
//! | `client` | builds the one client: TLS, proxy, pool |
//! | `connecting` | tells when a request opens a connection and when it goes out |
//! | `retry`, `retry_after` | what is asked for again, and when |
//! | `headers` | what is sent to whom |
//! | `address`, `dns` | which addresses may be asked; names to addresses |
//! | `file` | a local file as an answer |
//! | `decode` | undoes `Content-Encoding`, capped |
//! | `spool` | a body as it grows, in memory or in a file |
//! | `redirect` | where a redirect leads |
//! | `failure`, `error` | trouble of a page; trouble of the config |
//!
//! Private addresses are refused in three places: as IP literals before the request, in the resolver, and
//! once more by the address that answered. Behind a proxy only the first can be done here; names are then
//! the proxy's to resolve and to filter.

mod address;
mod client;
mod connecting;
mod decode;
mod dns;
mod error;
mod failure;
mod file;
mod headers;
mod http;
mod redirect;
mod retry;
mod retry_after;
mod settings;
mod spool;
#[cfg(test)]
mod testing;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use crate::model::{Failure, Fetched, Outcome, Request, Stage};
use crate::secret::Text;

pub use address::check_network;
pub use client::{check_proxy, check_resolved};
pub use decode::{open, unpack};
pub use error::FetchError;
pub use headers::{check_header, is_credential};
pub use redirect::redirect_target;
pub use retry::{Again, Policy, What, again, host_wait};
pub use retry_after::retry_after;
pub use settings::{PrivateNetworks, Settings, Timeouts};

/// Fetches whatever a request names, by its scheme. A clone shares connections and caches.
#[derive(Clone)]
pub struct Fetcher {
    fetchers: Arc<Fetchers>,
    keeps_wire: bool,
}

struct Fetchers {
    http: http::Http,
    files: file::Files,
}

/// Told what happens to a request on its way, all from within the future of the fetch. A local file has no way.
pub trait Watch: Send {
    /// So many bytes of the body are held so far.
    fn grown(&mut self, bytes: u64) {
        let _ = bytes;
    }

    /// A connection is opened for it, its name resolved first: nothing of it has been sent.
    fn connecting(&mut self) {}

    /// It goes out now, on a connection that stands: one that was opened for it, or one that stood before. Where
    /// that one turns out to be closed, `connecting` and this come once more.
    fn connected(&mut self) {}

    /// The head of its answer is here. Comes once, after `connected`.
    fn answering(&mut self) {}
}

/// Nobody watches.
impl Watch for () {}

impl Fetcher {
    /// Checks the settings, resolves their secrets and builds the client. `host_headers` are headers by
    /// host key (`example.org`, `example.org:8080`); they go over those of the settings. Large sitemaps and feeds
    /// are kept in nameless files in `spool_dir`, by default the system's folder for temporary files.
    pub fn new(
        settings: &Settings,
        host_headers: &BTreeMap<String, BTreeMap<String, Text>>,
        spool_dir: Option<PathBuf>,
    ) -> Result<Self, FetchError> {
        let http = http::Http::new(settings, host_headers, spool_dir.unwrap_or_else(std::env::temp_dir))?;
        let fetchers = Arc::new(Fetchers { http, files: file::Files::new(settings) });
        Ok(Self { fetchers, keeps_wire: false })
    }

    /// The same with [`Fetched::wire`] in its answers, if `keep` says so.
    #[must_use]
    pub fn keeping_wire(self, keep: bool) -> Self {
        Self { keeps_wire: keep, ..self }
    }

    /// One hop. Any status is an answer. To drop the future is to break the request off. `watch` is told what
    /// happens on the way.
    pub async fn fetch(&self, request: &Request, watch: &mut dyn Watch) -> Result<Fetched, Failure> {
        let unusable = |words: String| Failure::new(Stage::Connect, Outcome::InvalidUrl, words);
        let url = Url::parse(&request.url).map_err(|error| unusable(format!("not a URL: {error}")))?;
        match url.scheme() {
            "http" | "https" => self.fetchers.http.fetch(url, request, watch, self.keeps_wire).await,
            "file" => {
                let fetched = self.fetchers.files.fetch(&url).await?;
                Ok(Fetched { wire: self.keeps_wire.then(Box::default), ..fetched })
            }
            scheme => Err(unusable(format!("scheme `{scheme}` cannot be fetched"))),
        }
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetcher")
    }
}

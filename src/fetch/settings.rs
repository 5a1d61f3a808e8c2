//! The `[http]` table: what one client of a job does and refuses.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::Text;
use crate::units::{Size, Time};

/// The `[http]` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `User-Agent` header. Name your crawler and a way to reach you: `"my-crawler/1.0 (+https://example.org/bot)"`.
    pub user_agent: String,
    /// How long to wait.
    pub timeout: Timeouts,
    /// Largest body, after its `Content-Encoding` is undone. A sitemap or feed may have 50MiB, whatever is set.
    pub max_body: Size,
    /// Longest chain of redirects.
    pub max_redirects: u32,
    /// Whether HTTP/2 is offered to https servers.
    pub http2: bool,
    /// Proxy for all requests, for example `"http://proxy.example.org:3128"`; none unless given. Names are then
    /// resolved by the proxy, which must keep private addresses out itself.
    pub proxy: Option<Text>,
    /// Whether private, loopback and link-local addresses may be asked: `true`, `false`, or a list of networks.
    pub allow_private_networks: PrivateNetworks,
    /// Addresses for host names, instead of DNS: `{ "intranet.example.org" = ["10.0.0.7"] }`.
    pub resolve: BTreeMap<String, Vec<String>>,
    /// PEM file with certificate authorities to trust besides those of Mozilla, which are built in. The
    /// system's own list is not read.
    #[schemars(extend("format" = "path"))]
    pub ca_file: Option<PathBuf>,
    /// Headers of every request. Credentials (`Authorization`, `Cookie`, `Proxy-Authorization`, and every value
    /// that is a secret) go only to URLs that a source names, never to another origin by a redirect or a link;
    /// for pages found by links give them as `[hosts."x".headers]`.
    pub headers: BTreeMap<String, Text>,
}

/// The `http.timeout` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Until the connection and its TLS stand.
    pub connect: Time,
    /// Between two reads.
    pub read: Time,
    /// For the whole request.
    pub total: Time,
}

/// Which addresses behind the public internet may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PrivateNetworks {
    /// All of them or none.
    All(bool),
    /// Those in these networks, in CIDR form: `["10.1.0.0/16", "127.0.0.1/32"]`.
    Some(Vec<String>),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            user_agent: concat!("trawl/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeout: Timeouts::default(),
            max_body: Size::mib(16),
            max_redirects: 10,
            http2: true,
            proxy: None,
            allow_private_networks: PrivateNetworks::All(false),
            resolve: BTreeMap::new(),
            ca_file: None,
            headers: BTreeMap::new(),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Time::secs(10), read: Time::secs(20), total: Time::secs(60) }
    }
}

//! Why no fetcher can be built from the config. Trouble of the run; that of a page is a
//! [`Failure`](crate::model::Failure). Never shows a value that may be secret.

use std::path::PathBuf;

use thiserror::Error;

use crate::secret::SecretError;

/// Why the `[http]` table, or the headers of a host, cannot be obeyed.
#[derive(Debug, Error)]
pub enum FetchError {
    /// A header that cannot be sent.
    #[error("`{key}` {why}\nhint: {hint}")]
    Header {
        /// The config key.
        key: String,
        /// What is wrong with it.
        why: &'static str,
        /// The way out.
        hint: &'static str,
    },
    /// A `[hosts."x"]` table whose name is no host.
    #[error(
        "`hosts.\"{host}\"` does not name a host\nhint: write `example.org`, or `example.org:8080` for another port than the usual"
    )]
    Host {
        /// What stands there.
        host: String,
    },
    /// A secret that is not there.
    #[error("`{key}` has no value: {source}")]
    Secret {
        /// The config key.
        key: String,
        /// Why.
        source: SecretError,
    },
    /// A proxy that cannot be used.
    #[error(
        "`http.proxy` is not the address of a proxy: {why}\nhint: write for example \"http://proxy.example.org:3128\" or \"socks5h://127.0.0.1:1080\""
    )]
    Proxy {
        /// What is wrong with it.
        why: String,
    },
    /// Something in the list that is no network.
    #[error(
        "`http.allow_private_networks` names `{network}`, which is no network: {why}\nhint: write for example \"10.1.0.0/16\", or \"127.0.0.1\" for one address"
    )]
    Network {
        /// What stands there.
        network: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An override that cannot be used.
    #[error(
        "`http.resolve.\"{host}\"` {why}\nhint: write for example {{ \"intranet.example.org\" = [\"10.0.0.7\"] }}; the port is that of the URL"
    )]
    Resolve {
        /// The name of the host.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file with further authorities cannot be read.
    #[error(
        "`http.ca_file`: cannot read `{path}`: {source}\nhint: see that the file is there and that whoever runs the job may read it; a relative path is relative to the config"
    )]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file with further authorities holds none, or a broken one.
    #[error(
        "`http.ca_file`: `{path}` {why}\nhint: it must hold certificates in PEM form, each between BEGIN CERTIFICATE and END CERTIFICATE"
    )]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The TLS library does not accept its own defaults.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The HTTP library refuses the settings.
    #[error("cannot set up the HTTP client: {0}")]
    Client(#[source] reqwest::Error),
}

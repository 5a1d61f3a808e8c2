//! Builds the one HTTP client of a job: TLS, proxy, resolver, pool. Sends nothing.
//!
//! TLS trusts the Mozilla authorities compiled in, and those of `http.ca_file`, on every machine alike;
//! the system's own list is not read. Every part of the TLS configuration is handed over ready-made, so
//! that neither a process-wide crypto provider nor the platform's verifier is ever asked for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

use super::address::Filter;
use super::connecting::Noting;
use super::dns::Resolver;
use super::error::FetchError;
use super::settings::Settings;

/// How long an idle connection is kept. Short, because a crawl leaves hosts behind all the time and each
/// connection costs memory and a socket.
const KEEP_IDLE: Duration = Duration::from_secs(15);
/// The largest head of an HTTP/2 answer. The library's 16 KiB are too small for some security policies.
const MAX_H2_HEAD: u32 = 64 << 10;

/// The client that `settings` describe. Addresses are sifted by `filter`.
pub(super) fn build(settings: &Settings, filter: &Filter) -> Result<reqwest::Client, FetchError> {
    let proxy = proxy(settings)?;
    let proxy_host = proxy.as_ref().and_then(Url::host_str).map(str::to_owned);
    let resolver = Resolver::new(filter.clone(), overrides(settings)?, proxy_host);
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(settings)?)
        .dns_resolver(resolver)
        .redirect(reqwest::redirect::Policy::none())
        // A request that the server refused to process is sent again by the frontier, when its host is due.
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .connector_layer(Noting)
        .connect_timeout(settings.timeout.connect.0)
        .tcp_nodelay(true)
        .pool_idle_timeout(KEEP_IDLE)
        .http2_max_header_list_size(MAX_H2_HEAD);
    if !settings.http2 {
        builder = builder.http1_only();
    }
    if let Some(url) = proxy {
        let proxy = reqwest::Proxy::all(url);
        builder =
            builder.proxy(proxy.map_err(|error| FetchError::Proxy { why: error.without_url().to_string() })?);
    }
    builder.build().map_err(|error| FetchError::Client(error.without_url()))
}

fn tls(settings: &Settings) -> Result<ClientConfig, FetchError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = &settings.ca_file {
        add_authorities(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if settings.http2 {
        config.alpn_protocols.insert(0, b"h2".to_vec());
    }
    Ok(config)
}

fn add_authorities(roots: &mut RootCertStore, path: &Path) -> Result<(), FetchError> {
    let wrong = |why: String| FetchError::Certificates { path: path.to_owned(), why };
    let pem = std::fs::read(path).map_err(|source| FetchError::CaFile { path: path.to_owned(), source })?;
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(format!("is not in PEM form: {error}")))?;
        roots
            .add(certificate)
            .map_err(|error| wrong(format!("holds a certificate that cannot be used: {error}")))?;
    }
    if roots.len() == before {
        return Err(wrong("holds no certificate".to_owned()));
    }
    Ok(())
}

/// The proxy, whose address may carry a password and is therefore never part of an error.
fn proxy(settings: &Settings) -> Result<Option<Url>, FetchError> {
    let Some(text) = &settings.proxy else { return Ok(None) };
    let wrong = |why: String| FetchError::Proxy { why };
    let secret =
        text.resolve().map_err(|source| FetchError::Secret { key: "http.proxy".to_owned(), source })?;
    check_proxy(secret.expose()).map(Some).map_err(wrong)
}

/// The address of a proxy, or why a text is none. The error never holds the text, which may be secret.
pub fn check_proxy(text: &str) -> Result<Url, String> {
    const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.host_str() {
        _ if !SCHEMES.contains(&url.scheme()) => {
            Err(format!("scheme `{}` is none of {}", url.scheme(), SCHEMES.join(", ")))
        }
        Some(host) if !host.is_empty() => Ok(url),
        _ => Err("it names no host".to_owned()),
    }
}

/// The name that the resolver is asked for where a URL names `host`, or why it is never asked.
pub fn check_resolved(host: &str) -> Result<String, &'static str> {
    match Host::parse(host.trim_end_matches('.')) {
        Ok(Host::Domain(name)) => Ok(name),
        Ok(_) => Err("is an address already, which is never resolved"),
        Err(_) => Err("is not the name of a host"),
    }
}

/// `http.resolve`, with names as the resolver is asked for them.
fn overrides(settings: &Settings) -> Result<HashMap<String, Arc<[IpAddr]>>, FetchError> {
    let mut overrides = HashMap::new();
    for (host, addresses) in &settings.resolve {
        let wrong = |why: String| FetchError::Resolve { host: host.clone(), why };
        let name = check_resolved(host).map_err(|why| wrong(why.to_owned()))?;
        if addresses.is_empty() {
            return Err(wrong("names no address".to_owned()));
        }
        let addresses = addresses
            .iter()
            .map(|text| text.parse().map_err(|_| wrong(format!("names `{text}`, which is no IP address"))))
            .collect::<Result<_, _>>()?;
        overrides.insert(name, addresses);
    }
    Ok(overrides)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::settings::PrivateNetworks;
    use super::*;
    use crate::secret::Text;

    fn error(settings: &Settings) -> String {
        let filter = Filter::new(&PrivateNetworks::All(false)).expect("filter");
        build(settings, &filter).expect_err("an error").to_string()
    }

    #[test]
    fn a_proxy_that_is_none_is_refused_without_its_password() {
        for (text, why) in [
            ("proxy.test:3128", "scheme `proxy.test` is none of http"),
            ("ftp://u:s3cret@proxy.test", "scheme `ftp` is none of http"),
            ("http://u:s3cret@:80", "empty host"),
            ("http://u:s3cret@h:port", "invalid port number"),
            ("", "relative URL without a base"),
        ] {
            let proxy = Some(Text::Plain(text.to_owned()));
            let error = error(&Settings { proxy, ..Settings::default() });
            assert!(error.starts_with("`http.proxy` is not the address of a proxy: "), "{error}");
            assert!(error.contains(why) && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn an_override_that_cannot_be_used_is_refused() {
        for (host, addresses, why) in [
            ("a.test", vec!["10.0.0.1:80"], "names `10.0.0.1:80`, which is no IP address"),
            ("a.test", vec![], "names no address"),
            ("127.0.0.1", vec!["10.0.0.1"], "is an address already"),
            ("a b", vec!["10.0.0.1"], "is not the name of a host"),
        ] {
            let addresses = addresses.into_iter().map(str::to_owned).collect();
            let resolve = BTreeMap::from([(host.to_owned(), addresses)]);
            let error = error(&Settings { resolve, ..Settings::default() });
            assert!(error.starts_with(&format!("`http.resolve.\"{host}\"` {why}")), "{error}");
        }
    }

    #[test]
    fn a_file_without_authorities_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("file");
        let with = |path: &Path| error(&Settings { ca_file: Some(path.to_owned()), ..Settings::default() });
        assert!(
            with(Path::new("/nowhere/ca.pem")).starts_with("`http.ca_file`: cannot read `/nowhere/ca.pem`: ")
        );
        assert!(with(file.path()).contains("holds no certificate\nhint: "));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(file.path(), broken).expect("write");
        assert!(with(file.path()).contains("holds a certificate that cannot be used: "));
        std::fs::write(file.path(), "-----BEGIN CERTIFICATE-----\nAAAA\n").expect("write");
        assert!(with(file.path()).contains("is not in PEM form: "));
    }
}

//! TLS on the same port. What goes wrong is told by the name that the client asks for, before a byte of HTTP: whose
//! certificate it is, whether the handshake comes to its end, and whether frames of HTTP/2 follow.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::TlsStream;

use super::wire::{self, Line as _, Play, Step};
use super::{Doors, http2, serve as serve_http};

/// The first byte of a connection that speaks TLS.
pub const HANDSHAKE: u8 = 0x16;

/// The certificates of the site.
pub struct Tls {
    /// The authority that signs the good ones, in PEM form.
    pub authority: String,
    good: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
    expired: Arc<ServerConfig>,
    early: Arc<ServerConfig>,
    wrong_host: Arc<ServerConfig>,
    self_signed: Arc<ServerConfig>,
    unknown: Arc<ServerConfig>,
}

type Authority = Issuer<'static, KeyPair>;

impl Tls {
    /// Makes them anew.
    pub fn new() -> io::Result<Self> {
        let (authority, pem) = make_authority("The authority of the site")?;
        let (unknown, _) = make_authority("An authority that nobody knows")?;
        // No `*.localhost`: a wildcard needs two labels behind it.
        let hosts = super::faults::list::SECTIONS.iter().flat_map(|section| section.faults);
        let hosts = hosts.flat_map(|fault| fault.ends).filter_map(|end| end.url.strip_prefix("https://"));
        let hosts =
            hosts.filter_map(|rest| rest.split(':').next()).filter(|host| host.ends_with(".localhost"));
        let hosts: BTreeSet<String> = hosts.chain(["localhost", "127.0.0.1"]).map(str::to_owned).collect();
        let at = |from: i32, to: i32| {
            let mut params = CertificateParams::new(hosts.iter().cloned().collect::<Vec<_>>())
                .map_err(io::Error::other)?;
            (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
            Ok::<_, io::Error>(params)
        };
        let abroad = CertificateParams::new(["elsewhere.test".to_owned()]).map_err(io::Error::other)?;
        Ok(Self {
            authority: pem,
            good: config(&at(2000, 4000)?, Some(&authority), &[b"http/1.1"])?,
            http2: config(&at(2000, 4000)?, Some(&authority), &[b"h2", b"http/1.1"])?,
            expired: config(&at(2000, 2001)?, Some(&authority), &[])?,
            early: config(&at(3999, 4000)?, Some(&authority), &[])?,
            wrong_host: config(&abroad, Some(&authority), &[])?,
            self_signed: config(&at(2000, 4000)?, None, &[])?,
            unknown: config(&at(2000, 4000)?, Some(&unknown), &[])?,
        })
    }
}

fn make_authority(name: &str) -> io::Result<(Authority, String)> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).map_err(io::Error::other)?.pem();
    Ok((Issuer::new(params, key), pem))
}

/// What a server under this certificate needs, signed by itself where there is no authority.
fn config(
    params: &CertificateParams,
    by: Option<&Authority>,
    protocols: &[&[u8]],
) -> io::Result<Arc<ServerConfig>> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let certificate = match by {
        Some(authority) => params.signed_by(&key, authority),
        None => params.self_signed(&key),
    };
    let chain = vec![certificate.map_err(io::Error::other)?.der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(io::Error::other)?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Serves a connection that begins a handshake.
pub async fn serve(stream: TcpStream, doors: &Doors) -> io::Result<()> {
    let mut start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let name = start.client_hello().server_name().unwrap_or_default().to_owned();
    let name = name.strip_suffix(".localhost").unwrap_or(&name);
    let tls = &doors.tls;
    let config = match name {
        "cut" => return Ok(()),
        "mute" => return Play::of([Step::Silence]).perform(&mut start.io).await.map(drop),
        "noise" => return start.io.write_all(&[0xff; 64]).await,
        "plain" => return start.io.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await,
        "expired" => &tls.expired,
        "early" => &tls.early,
        "wrong-host" => &tls.wrong_host,
        "self-signed" => &tls.self_signed,
        "unknown" => &tls.unknown,
        _ if name.starts_with("h2-") => &tls.http2,
        _ => &tls.good,
    };
    let stream = start.into_stream(Arc::clone(config)).await?;
    match name.strip_prefix("h2-") {
        Some(kind) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => http2::serve(stream, kind).await,
        _ if name == "torn" => torn(stream, "").await,
        _ if name == "torn-length" => torn(stream, "content-length: 1000\r\n").await,
        _ => serve_http(stream, doors).await,
    }
}

/// Answers, and ends the connection without ending its TLS.
async fn torn(mut stream: TlsStream<TcpStream>, header: &str) -> io::Result<()> {
    let mut unread = Vec::new();
    while let Some(asked) = wire::asked(&mut stream, &mut unread).await? {
        if asked.path == "/robots.txt" {
            super::ordinary(&asked).perform(&mut stream).await?;
            continue;
        }
        let page = format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n{header}\r\n<title>Half</title>");
        Play::of([Step::Send(page.into())]).perform(&mut stream).await?;
        let (mut stream, _) = stream.into_inner();
        return stream.end().await;
    }
    Ok(())
}

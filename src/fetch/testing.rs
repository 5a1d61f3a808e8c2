//! A server for the tests of this room: it answers each request with the bytes of a script and counts
//! connections and requests. Knows no HTTP beyond the end of a head.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::model::{Fetched, Protocol, Request};

/// An answer as if it had been fetched.
pub(super) fn answer(status: u16, headers: &[(&str, &[u8])], body: &[u8]) -> Fetched {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("name");
        map.append(name, HeaderValue::from_bytes(value).expect("value"));
    }
    Fetched {
        status,
        headers: map,
        body: Bytes::copy_from_slice(body),
        spool: None,
        started: Timestamp::UNIX_EPOCH,
        duration: std::time::Duration::ZERO,
        ip: None,
        protocol: Protocol::Http1,
        wire: None,
        url: None,
    }
}

/// A page request for `url`.
pub(super) fn request(url: &str) -> Request {
    Request::seed(&Url::parse(url).expect(url), "test")
}

/// What a server does once its bytes are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Reads the next request from the same connection.
    Next,
    /// Ends the connection.
    Close,
    /// Says nothing more, and keeps the connection open.
    Hang,
}

/// A scripted server on a port of its own. It ends with the test's runtime.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    heads: Vec<String>,
}

impl Server {
    /// Answers each request head with the bytes that `script` gives for it.
    pub(super) async fn start<S>(script: S) -> Self
    where
        S: Fn(&str) -> (Vec<u8>, Then) + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (script, log) = (Arc::new(script), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                log.lock().expect("lock").connections += 1;
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self { address, seen }
    }

    /// The same bytes for every request.
    pub(super) async fn always(bytes: &[u8], then: Then) -> Self {
        let bytes = bytes.to_vec();
        Self::start(move |_| (bytes.clone(), then)).await
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.lock().expect("lock").connections
    }

    /// The request heads so far, in lower case.
    pub(super) fn heads(&self) -> Vec<String> {
        self.seen.lock().expect("lock").heads.clone()
    }
}

async fn serve<S>(mut stream: TcpStream, script: Arc<S>, seen: Arc<Mutex<Seen>>)
where
    S: Fn(&str) -> (Vec<u8>, Then) + Send + Sync + 'static,
{
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&std::mem::take(&mut head)).to_lowercase();
        seen.lock().expect("lock").heads.push(text.clone());
        let (bytes, then) = script(&text);
        let sent = stream.write_all(&bytes).await.is_ok();
        match then {
            Then::Next if sent => {}
            Then::Hang if sent => std::future::pending().await,
            _ => return,
        }
    }
}

/// A certificate for `localhost` and 127.0.0.1, and a TLS server that speaks HTTP/1.1 and HTTP/2.
pub(super) struct TlsServer {
    pub(super) address: SocketAddr,
    /// The certificate in PEM form.
    pub(super) pem: String,
}

impl TlsServer {
    /// Answers everything with its own protocol's name. `shape` may change the certificate.
    pub(super) async fn start(names: &[&str], shape: impl FnOnce(&mut rcgen::CertificateParams)) -> Self {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).expect("names");
        shape(&mut params);
        let key = rcgen::KeyPair::generate().expect("key");
        let certificate = params.self_signed(&key).expect("certificate");
        let private = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .expect("server");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve_tls(acceptor.clone(), stream));
            }
        });
        Self { address, pem: certificate.pem() }
    }

    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}/", self.address.port())
    }
}

async fn serve_tls(acceptor: tokio_rustls::TlsAcceptor, stream: TcpStream) {
    // A client that refuses the certificate is what some tests want.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = hyper::service::service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
        let body = format!("{:?}", request.version());
        Ok::<_, std::convert::Infallible>(hyper::Response::new(http_body_util::Full::new(Bytes::from(body))))
    });
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    drop(hyper_util::server::conn::auto::Builder::new(executor).serve_connection(io, service).await);
}

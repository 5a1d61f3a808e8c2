//! A loopback server that answers as a test says and remembers what it was asked: which hosts and paths, in
//! which order, when, over which connections, and how many at once. One port serves any number of hosts, told
//! apart by the `Host` header. It judges nothing but hits on paths that were forbidden.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::PATIENCE;
use super::answer::Answer;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Name in the `Host` header, without the port.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// `GET`.
    pub method: String,
    /// Headers as sent.
    pub headers: HeaderMap,
    /// When.
    pub at: Instant,
    /// The client's end of the connection.
    pub peer: SocketAddr,
    /// Whether it came over HTTP/2.
    pub is_h2: bool,
}

type Handler = Arc<dyn Fn(&Seen) -> Answer + Send + Sync>;
type Hook = Box<dyn FnOnce() + Send>;

/// What the server saw so far.
#[derive(Default)]
pub struct View {
    /// Requests in the order of their arrival.
    pub log: Vec<Seen>,
    /// Requests without an answer yet.
    pub in_flight: usize,
    /// Most of them at once.
    pub max_in_flight: usize,
    by_path: HashMap<String, Level>,
    by_host: HashMap<String, Level>,
    connections: HashMap<String, Level>,
}

/// How many there are, and how many there were at most.
#[derive(Clone, Copy, Default)]
struct Level {
    now: usize,
    most: usize,
}

impl Level {
    fn up(&mut self) {
        self.now += 1;
        self.most = self.most.max(self.now);
    }

    fn down(&mut self) {
        self.now = self.now.saturating_sub(1);
    }
}

impl View {
    /// Requests so far.
    pub fn hits(&self) -> usize {
        self.log.len()
    }

    /// Requests so far that were not for a robots.txt.
    pub fn pages(&self) -> usize {
        self.log.iter().filter(|seen| seen.path != "/robots.txt").count()
    }

    /// Paths that one host was asked for, in the order of their arrival.
    pub fn paths(&self, host: &str) -> Vec<String> {
        self.arrivals(host).into_iter().map(|seen| seen.path).collect()
    }

    /// Requests to one host in the order of their arrival.
    pub fn arrivals(&self, host: &str) -> Vec<Seen> {
        let mut all: Vec<Seen> = self.log.iter().filter(|seen| seen.host == host).cloned().collect();
        all.sort_by_key(|seen| seen.at);
        all
    }

    /// Times between requests to one host.
    pub fn gaps(&self, host: &str) -> Vec<Duration> {
        self.arrivals(host).windows(2).map(|pair| pair[1].at.duration_since(pair[0].at)).collect()
    }

    /// Hosts that were asked.
    pub fn hosts(&self) -> BTreeSet<String> {
        self.log.iter().map(|seen| seen.host.clone()).collect()
    }

    /// How often each host was asked for each path.
    pub fn counts_by_host(&self) -> BTreeMap<(String, String), usize> {
        let mut counts = BTreeMap::new();
        for seen in &self.log {
            *counts.entry((seen.host.clone(), seen.path.clone())).or_default() += 1;
        }
        counts
    }

    /// Most requests at once to one host.
    pub fn max_in_flight_at(&self, host: &str) -> usize {
        self.by_host.get(host).map_or(0, |level| level.most)
    }

    /// Most connections at once that were open after a request to one host came over them.
    pub fn max_connections(&self, host: &str) -> usize {
        self.connections.get(host).map_or(0, |level| level.most)
    }

    /// Requests for one path.
    pub fn hits_of(&self, path: &str) -> usize {
        self.log.iter().filter(|seen| seen.path == path).count()
    }

    /// How often each path was asked for.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for seen in &self.log {
            *counts.entry(seen.path.clone()).or_default() += 1;
        }
        counts
    }

    /// Most requests at once for one path.
    pub fn max_in_flight_of(&self, path: &str) -> usize {
        self.by_path.get(path).map_or(0, |level| level.most)
    }
}

#[derive(Default)]
struct State {
    view: View,
    routes: HashMap<String, Handler>,
    otherwise: Option<Handler>,
    forbidden: BTreeSet<String>,
    hooks: Vec<(usize, Hook)>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Books a request in; it is booked out when the guard is dropped, also if the client goes away.
    fn arrived(self: &Arc<Self>, seen: &Seen) -> InFlight {
        let hook = {
            let mut state = self.lock();
            let view = &mut state.view;
            view.log.push(seen.clone());
            view.in_flight += 1;
            view.max_in_flight = view.max_in_flight.max(view.in_flight);
            view.by_path.entry(seen.path.clone()).or_default().up();
            view.by_host.entry(seen.host.clone()).or_default().up();
            let hits = view.hits();
            let due = state.hooks.iter().position(|(n, _)| *n == hits);
            due.map(|at| state.hooks.swap_remove(at).1)
        };
        self.changed.notify_all();
        if let Some(hook) = hook {
            hook();
        }
        InFlight { shared: self.clone(), path: seen.path.clone(), host: seen.host.clone() }
    }

    fn answer(&self, seen: &Seen) -> Answer {
        let handler = {
            let state = self.lock();
            let here = state.routes.get(&format!("//{}{}", seen.host, seen.path));
            here.or_else(|| state.routes.get(&seen.path)).or(state.otherwise.as_ref()).cloned()
        };
        handler.map_or_else(|| Answer::status(404), |handler| handler(seen))
    }
}

struct InFlight {
    shared: Arc<Shared>,
    path: String,
    host: String,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.view.in_flight = state.view.in_flight.saturating_sub(1);
        // The view may have been forgotten in between.
        state.view.by_path.entry(self.path.clone()).or_default().down();
        state.view.by_host.entry(self.host.clone()).or_default().down();
        drop(state);
        self.shared.changed.notify_all();
    }
}

/// An open connection; closed in the books when it is dropped.
struct Connection {
    shared: Arc<Shared>,
    peer: SocketAddr,
    hosts: Mutex<BTreeSet<String>>,
}

impl Connection {
    fn new(shared: Arc<Shared>, peer: SocketAddr) -> Arc<Self> {
        Arc::new(Self { shared, peer, hosts: Mutex::default() })
    }

    /// Counts the connection for the host that a request over it is for.
    fn carries(&self, host: &str) {
        if self.hosts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(host.to_owned()) {
            self.shared.lock().view.connections.entry(host.to_owned()).or_default().up();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        for host in self.hosts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter() {
            state.view.connections.entry(host.clone()).or_default().down();
        }
    }
}

/// The server. It stops when dropped.
pub struct Site {
    address: SocketAddr,
    scheme: &'static str,
    certificate: Option<String>,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

impl Site {
    /// A plain HTTP/1.1 server on a free port of 127.0.0.1. Knows no path yet: answers 404.
    pub fn new() -> Self {
        Self::start("http", None, |shared, stream, peer| async move {
            // A test that wants a reset has let the service fail: what is unsent is then thrown away.
            if let Err(stream) = http1(shared, stream, peer).await {
                let _ = stream.set_zero_linger();
            }
        })
    }

    /// A site of `count` pages `/page/N`, each with a text of its own, answered after about `delay`.
    pub fn with_pages(count: usize, delay: Duration) -> (Self, Vec<String>) {
        let site = Self::new();
        for n in 0..count {
            // Not all alike, so that pages overtake each other.
            let delay = delay.mul_f64(0.5 + (n * 7 % 11) as f64 / 10.0);
            site.serve(&format!("/page/{n}"), Answer::page(&format!("Page {n} of {count}")).after(delay));
        }
        let urls = site.urls((0..count).map(|n| format!("/page/{n}")));
        (site, urls)
    }

    /// The same over TLS with HTTP/2, under a certificate of its own for `localhost` and 127.0.0.1.
    pub fn tls() -> Self {
        let (acceptor, certificate) = acceptor(&["localhost", "127.0.0.1"], &[b"h2", b"http/1.1"]);
        Self::start("https", Some(certificate), move |shared, stream, peer| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    http2(shared, stream, peer).await;
                } else {
                    let _ = http1(shared, stream, peer).await;
                }
            }
        })
    }

    /// TLS with HTTP/1.1 for these hosts, where the n-th connection (from 0) takes as long as `slow(n)` to stand.
    pub fn slow_to_connect(hosts: &[&str], slow: impl Fn(usize) -> Duration + Send + Sync + 'static) -> Self {
        let (acceptor, certificate) = acceptor(hosts, &[b"http/1.1"]);
        let (slow, count) = (Arc::new(slow), Arc::new(AtomicUsize::new(0)));
        Self::start("https", Some(certificate), move |shared, stream, peer| {
            let (acceptor, slow, count) = (acceptor.clone(), slow.clone(), count.clone());
            async move {
                tokio::time::sleep(slow(count.fetch_add(1, Ordering::SeqCst))).await;
                if let Ok(stream) = acceptor.accept(stream).await {
                    let _ = http1(shared, stream, peer).await;
                }
            }
        })
    }

    /// A server that answers each request with raw bytes and then closes the connection, for answers
    /// that a real server would never give.
    pub fn raw(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::start("http", None, move |shared, stream, peer| {
            let answer = answer.clone();
            async move { raw(shared, stream, peer, &*answer).await }
        })
    }

    fn start<F, C>(scheme: &'static str, certificate: Option<String>, connection: C) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        C: Fn(Arc<Shared>, TcpStream, SocketAddr) -> F + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("site")
            .enable_all()
            .build()
            .expect("runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("address");
        let shared = Arc::new(Shared::default());
        let for_connections = shared.clone();
        runtime.spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(connection(for_connections.clone(), stream, peer));
            }
        });
        Self { address, scheme, certificate, shared, runtime: Some(runtime) }
    }

    /// The absolute URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The absolute URL of a path of one of many hosts, without a `/` at its end `http://host:PORT`.
    pub fn at(&self, host: &str, path: &str) -> String {
        format!("{}://{host}:{}{path}", self.scheme, self.port())
    }

    /// The absolute URLs of paths.
    pub fn urls<P: AsRef<str>>(&self, paths: impl IntoIterator<Item = P>) -> Vec<String> {
        paths.into_iter().map(|path| self.url(path.as_ref())).collect()
    }

    /// `127.0.0.1:PORT`, as records name the host.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Certificate to trust, of a TLS server.
    pub fn certificate(&self) -> &str {
        self.certificate.as_deref().expect("a TLS site")
    }

    /// Answers a path, `/path` of every host or `//host/path` of one, always the same.
    pub fn serve(&self, path: &str, answer: Answer) -> &Self {
        self.serve_with(path, move |_| answer.clone())
    }

    /// Answers a path by a closure.
    pub fn serve_with(&self, path: &str, answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> &Self {
        self.shared.lock().routes.insert(path.to_owned(), Arc::new(answer));
        self
    }

    /// Answers all other paths by a closure.
    pub fn otherwise(&self, answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> &Self {
        self.shared.lock().otherwise = Some(Arc::new(answer));
        self
    }

    /// Lets the test fail if this path is ever asked for.
    pub fn forbid(&self, path: &str) -> &Self {
        self.shared.lock().forbidden.insert(path.to_owned());
        self
    }

    /// Runs a closure when the n-th request (from 1) has arrived and before it is answered.
    pub fn at_request(&self, n: usize, hook: impl FnOnce() + Send + 'static) -> &Self {
        self.shared.lock().hooks.push((n, Box::new(hook)));
        self
    }

    /// Looks at what was seen so far.
    pub fn see<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(&self.shared.lock().view)
    }

    /// Requests so far.
    pub fn hits(&self) -> usize {
        self.see(View::hits)
    }

    /// Requests so far that were not for a robots.txt.
    pub fn pages(&self) -> usize {
        self.see(View::pages)
    }

    /// Requests for one path.
    pub fn hits_of(&self, path: &str) -> usize {
        self.see(|view| view.hits_of(path))
    }

    /// Waits until what was seen fulfils a condition; panics with `what` if it never does.
    pub fn wait_until(&self, what: &str, condition: impl Fn(&View) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.lock();
        while !condition(&state.view) {
            let left = deadline.saturating_duration_since(Instant::now());
            let (hits, in_flight) = (state.view.hits(), state.view.in_flight);
            assert!(!left.is_zero(), "waited {PATIENCE:?} for {what}: {hits} hits, {in_flight} in flight");
            state =
                self.shared.changed.wait_timeout(state, left).map_or_else(|e| e.into_inner().0, |ok| ok.0);
        }
    }

    /// Waits until nobody is being served, then forgets what was seen; routes stay.
    pub fn forget(&self) {
        self.wait_until("the site to be idle", |view| view.in_flight == 0);
        let mut state = self.shared.lock();
        state.view = View::default();
        state.hooks.clear();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        if !std::thread::panicking() {
            let state = self.shared.lock();
            let hit: Vec<&String> =
                state.forbidden.iter().filter(|path| state.view.hits_of(path) > 0).collect();
            assert!(hit.is_empty(), "paths that must never be asked for were: {hit:?}");
        }
    }
}

/// What accepts TLS for these names and protocols, and the certificate to trust.
fn acceptor(names: &[&str], protocols: &[&[u8]]) -> (TlsAcceptor, String) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let own = rcgen::generate_simple_self_signed(names).expect("certificate");
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("key");
    let chain: Vec<CertificateDer<'static>> = vec![own.cert.der().clone()];
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("certificate and key fit");
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    (TlsAcceptor::from(Arc::new(config)), own.cert.pem())
}

/// The host that a request is for: by HTTP/2 in the address, before that in a header.
fn host_of(request: &http::Request<Incoming>) -> String {
    let header = request.headers().get("host").and_then(|value| value.to_str().ok());
    let authority =
        request.uri().authority().map(http::uri::Authority::as_str).or(header).unwrap_or_default();
    let name = authority.rsplit_once(':').map_or(authority, |(name, _)| name);
    name.to_ascii_lowercase()
}

async fn serve_one(
    connection: Arc<Connection>,
    request: http::Request<Incoming>,
) -> io::Result<Response<BoxBody<Bytes, io::Error>>> {
    let seen = Seen {
        host: host_of(&request),
        path: request.uri().path_and_query().map_or_else(String::new, ToString::to_string),
        method: request.method().to_string(),
        headers: request.headers().clone(),
        at: Instant::now(),
        peer: connection.peer,
        is_h2: request.version() == http::Version::HTTP_2,
    };
    connection.carries(&seen.host);
    let in_flight = connection.shared.arrived(&seen);
    let answer = connection.shared.answer(&seen);
    answer.due().await;
    drop(in_flight);
    answer.response()
}

/// Serves a connection to its end. `Err` gives the stream back when an answer was to be a reset.
async fn http1<S>(shared: Arc<Shared>, stream: S, peer: SocketAddr) -> Result<(), S>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let connection = Connection::new(shared, peer);
    let service = service_fn(move |request| serve_one(connection.clone(), request));
    let mut serving =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    match (&mut serving).await {
        Err(error) if error.is_user() => Err(serving.into_parts().io.into_inner()),
        // A client that goes away ends its connection, not the test.
        _ => Ok(()),
    }
}

async fn http2<S>(shared: Arc<Shared>, stream: S, peer: SocketAddr)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let connection = Connection::new(shared, peer);
    let service = service_fn(move |request| serve_one(connection.clone(), request));
    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn raw(
    shared: Arc<Shared>,
    mut stream: TcpStream,
    peer: SocketAddr,
    answer: &(dyn Fn(&str) -> Vec<u8> + Sync),
) {
    let mut head = Vec::new();
    let mut chunk = [0; 4096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(n) => head.extend_from_slice(&chunk[..n]),
        }
    }
    let line =
        String::from_utf8_lossy(head.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
    let mut words = line.split(' ');
    let seen = Seen {
        host: String::new(),
        method: words.next().unwrap_or_default().to_owned(),
        path: words.next().unwrap_or_default().to_owned(),
        headers: HeaderMap::new(),
        at: Instant::now(),
        peer,
        is_h2: false,
    };
    let _in_flight = shared.arrived(&seen);
    let _ = stream.write_all(&answer(&seen.path)).await;
    let _ = stream.shutdown().await;
}

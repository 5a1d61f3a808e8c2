//! The server of the bench, in a process of its own so that its CPU time is nobody else's: pages from memory,
//! pages that take a second, and a few paths below `/_/` by which the bench asks what it saw.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::corpus::{self, Corpus};
use crate::measure;

/// The bench's end of the server's process.
pub struct Server {
    child: Child,
    address: String,
    about: String,
}

impl Server {
    /// Starts the process and waits until it listens.
    pub fn start(real: usize, tiny: usize, pin: bool) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .env("TRAWL_BENCH_ROLE", "server")
            .env("TRAWL_BENCH_SERVER", format!("{real} {tiny} {pin}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut line = || lines.next().expect("a line of the server").expect("text");
        let address = line();
        let about = format!("{}\n{}", line(), line());
        Self { child, address, about }
    }

    /// What it serves.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// The absolute URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Forgets what it saw.
    pub fn reset(&self) {
        self.ask("/_/reset");
    }

    /// Requests since then.
    pub fn hits(&self) -> usize {
        self.ask("/_/hits").parse().expect("a number")
    }

    /// When the first of them arrived.
    pub fn first_hit(&self) -> Option<SystemTime> {
        self.moment("/_/first")
    }

    /// When the last of them arrived that was not for a page that takes a second.
    pub fn last_hit(&self) -> Option<SystemTime> {
        self.moment("/_/last")
    }

    fn moment(&self, path: &str) -> Option<SystemTime> {
        let nanos: u64 = self.ask(path).parse().expect("a number");
        (nanos > 0).then(|| UNIX_EPOCH + Duration::from_nanos(nanos))
    }

    /// The port that it listens on.
    pub fn port(&self) -> &str {
        self.address.rsplit(':').next().expect("an address with a port")
    }

    fn ask(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("the server");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answer");
        answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Milliseconds until an answer to `/latency/N` begins.
pub const LATENCY: std::ops::Range<u64> = 50..100;

struct State {
    corpus: Corpus,
    hits: AtomicU64,
    /// When the first request came and when the last that was not for the slow host, in nanoseconds since 1970; 0
    /// before the first.
    first: AtomicU64,
    last: AtomicU64,
}

/// The server's process. Ends with its standard input, so that it never outlives the bench.
pub fn main() {
    let wanted = std::env::var("TRAWL_BENCH_SERVER").expect("what to serve");
    let mut words = wanted.split(' ');
    let mut next = || words.next().expect("three words");
    let (real, tiny) = (next().parse().expect("a count"), next().parse().expect("a count"));
    if next() == "true" {
        measure::keep_to_servers_core();
    }
    let state =
        Arc::new(State { corpus: Corpus::of(real, tiny), hits: 0.into(), first: 0.into(), last: 0.into() });
    std::thread::Builder::new()
        .spawn(|| {
            let _ = std::io::stdin().read(&mut [0]);
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
        })
        .expect("thread");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(serve(state));
}

async fn serve(state: Arc<State>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("{}\n{}", listener.local_addr().expect("address"), state.corpus.about);
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let state = state.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(state.clone(), request));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    let (kind, rest) = path[1..].split_once('/').unwrap_or_default();
    if kind != "_" {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let now = u64::try_from(now.as_nanos()).expect("before 2554");
        if state.hits.fetch_add(1, Ordering::Relaxed) == 0 {
            state.first.store(now, Ordering::Relaxed);
        }
        if kind != "second" {
            state.last.store(now, Ordering::Relaxed);
        }
    }
    let page = |pages: &[Bytes]| rest.parse().ok().and_then(|n: usize| pages.get(n).cloned());
    let body = match (kind, rest) {
        ("real" | "gzip", _) => page(&state.corpus.real),
        ("tiny", _) => page(&state.corpus.tiny),
        ("web", n) => n.split_once('/').and_then(|(count, n)| {
            let (count, n) = (count.parse().ok()?, n.parse().ok()?);
            (n < count).then(|| corpus::web(n, count))
        }),
        ("site", n) => n.split_once('/').and_then(|(count, n)| {
            let (count, n) = (count.parse().ok()?, n.parse().ok()?);
            (n < count).then(|| corpus::site(n, count))
        }),
        ("known", n) => Some(format!("<title>Known {n}</title>").into()),
        ("second", n) => {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some(format!("<title>A second {n}</title>").into())
        }
        ("latency", n) => {
            let n: u64 = n.parse().unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(LATENCY.start + n * 31 % (LATENCY.end - LATENCY.start)))
                .await;
            page(&state.corpus.tiny)
        }
        ("_", "hits") => Some(state.hits.load(Ordering::Relaxed).to_string().into()),
        ("_", "first") => Some(state.first.load(Ordering::Relaxed).to_string().into()),
        ("_", "last") => Some(state.last.load(Ordering::Relaxed).to_string().into()),
        ("_", "reset") => {
            state.hits.store(0, Ordering::Relaxed);
            state.first.store(0, Ordering::Relaxed);
            state.last.store(0, Ordering::Relaxed);
            Some(Bytes::new())
        }
        _ => None,
    };
    let response = Response::builder()
        .status(if body.is_some() { 200 } else { 404 })
        .header("content-type", "text/html; charset=utf-8");
    let body = body.unwrap_or_default();
    let response = match kind {
        "gzip" => response.header("content-encoding", "gzip").body(Full::new(gzip(&body))),
        _ => response.body(Full::new(body)),
    };
    Ok(response.expect("a valid answer"))
}

/// The server's own time for this is nobody's: it is not measured.
fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory").into()
}

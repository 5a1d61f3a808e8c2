//! The server of the bench, in a process of its own so that its CPU time is nobody else's: pages from memory,
//! pages that take a second, and a few paths below `/_/` by which the bench asks what it saw.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::Mutex;
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
        let nanos: u64 = self.ask("/_/first").parse().expect("a number");
        (nanos > 0).then(|| UNIX_EPOCH + Duration::from_nanos(nanos))
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

struct State {
    corpus: Corpus,
    hits: AtomicU64,
    /// Nanoseconds since 1970; 0 before the first.
    first: Mutex<u64>,
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
        Arc::new(State { corpus: Corpus::of(real, tiny), hits: AtomicU64::new(0), first: Mutex::new(0) });
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
    if kind != "_" && state.hits.fetch_add(1, Ordering::Relaxed) == 0 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        *state.first.lock().expect("lock") = u64::try_from(now.as_nanos()).expect("before 2554");
    }
    let page = |pages: &[Bytes]| rest.parse().ok().and_then(|n: usize| pages.get(n).cloned());
    let body = match (kind, rest) {
        ("real", _) => page(&state.corpus.real),
        ("tiny", _) => page(&state.corpus.tiny),
        ("web", n) => n.split_once('/').and_then(|(count, n)| {
            let (count, n) = (count.parse().ok()?, n.parse().ok()?);
            (n < count).then(|| corpus::web(n, count))
        }),
        ("known", n) => Some(format!("<title>Known {n}</title>").into()),
        ("second", n) => {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some(format!("<title>A second {n}</title>").into())
        }
        ("_", "hits") => Some(state.hits.load(Ordering::Relaxed).to_string().into()),
        ("_", "first") => Some(state.first.lock().expect("lock").to_string().into()),
        ("_", "reset") => {
            state.hits.store(0, Ordering::Relaxed);
            *state.first.lock().expect("lock") = 0;
            Some(Bytes::new())
        }
        _ => None,
    };
    let response = Response::builder()
        .status(if body.is_some() { 200 } else { 404 })
        .header("content-type", "text/html; charset=utf-8")
        .body(Full::new(body.unwrap_or_default()));
    Ok(response.expect("a valid answer"))
}

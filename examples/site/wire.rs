//! Reads requests of HTTP/1, and performs answers step by step, so that an answer can be as bad as it likes. Knows no page.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// The longest head of a request.
const MAX_HEAD: usize = 1 << 20;

/// A connection, plain or not.
pub trait Line: AsyncRead + AsyncWrite + Unpin + Send {
    /// Lets the connection end with a reset, once it is dropped.
    fn reset(&self);

    /// Ends it as it should be.
    fn end(&mut self) -> impl Future<Output = io::Result<()>> + Send {
        async { self.shutdown().await }
    }
}

impl Line for TcpStream {
    fn reset(&self) {
        let _ = self.set_zero_linger();
    }
}

impl Line for TlsStream<TcpStream> {
    fn reset(&self) {
        self.get_ref().0.reset();
    }
}

/// A request.
pub struct Asked {
    /// Without the query.
    pub path: String,
    /// Without its `?`.
    pub query: String,
    /// As it stands in the header, with its port.
    pub host: String,
    /// Names in lower case, and values.
    headers: Vec<(String, String)>,
}

impl Asked {
    /// Path and query.
    pub fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }

    /// The name of the host without its port.
    pub fn name(&self) -> &str {
        self.host.rsplit_once(':').map_or(&self.host, |(name, _)| name)
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

/// The next request of a connection; none where it ends. `unread` holds what came behind the one before.
pub async fn asked<S: Line>(stream: &mut S, unread: &mut Vec<u8>) -> io::Result<Option<Asked>> {
    let mut looked_at = 0;
    let end = loop {
        let found = unread[looked_at..].windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(at) = found {
            break looked_at + at + 4;
        }
        looked_at = unread.len().saturating_sub(3);
        if unread.len() > MAX_HEAD || stream.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    };
    let head: Vec<u8> = unread.drain(..end).collect();
    let head = String::from_utf8_lossy(&head);
    let mut lines = head.lines();
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let host = headers.iter().find(|(name, _)| name == "host").map_or("127.0.0.1", |(_, value)| value);
    Ok(Some(Asked { path: path.to_owned(), query: query.to_owned(), host: host.to_owned(), headers }))
}

/// What a server does for an answer.
pub enum Step {
    /// Sends.
    Send(Bytes),
    /// Sends the same again and again, so many times.
    Times(u64, Bytes),
    /// Sends the same for ever, with a pause before each.
    Forever(Duration, Bytes),
    /// Waits.
    Wait(Duration),
    /// Says nothing until the client goes away.
    Silence,
    /// Resets the connection.
    Reset,
}

/// An answer.
pub struct Play {
    steps: Vec<Step>,
    /// Whether the connection is good for another request.
    keeps: bool,
}

impl Play {
    /// A play after which the connection ends.
    pub fn of(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), keeps: false }
    }

    /// These bytes, then the end of the connection.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self::of([Step::Send(bytes.into())])
    }

    /// An answer as it should be.
    pub fn whole(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let mut head = format!("HTTP/1.1 {status:03} -\r\n");
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if !matches!(status, 204 | 304) {
            let _ = write!(head, "content-length: {}\r\n", body.len());
        }
        let head = Step::Send(Bytes::from(head + "\r\n"));
        Self { steps: vec![head, Step::Send(body)], keeps: true }
    }

    /// A page of HTML as it should be.
    pub fn html(body: impl Into<Bytes>) -> Self {
        Self::whole(200, &[("content-type", "text/html; charset=utf-8")], body)
    }

    /// A redirect.
    pub fn to(location: &str) -> Self {
        Self::whole(302, &[("location", location)], "")
    }

    /// The same after a while.
    pub fn after(mut self, wait: Duration) -> Self {
        self.steps.insert(0, Step::Wait(wait));
        self
    }

    /// Performs it. Whether the connection is good for another request.
    pub async fn perform<S: Line>(self, stream: &mut S) -> io::Result<bool> {
        for step in self.steps {
            match step {
                Step::Send(bytes) => stream.write_all(&bytes).await?,
                Step::Times(times, bytes) => {
                    for _ in 0..times {
                        stream.write_all(&bytes).await?;
                    }
                }
                Step::Forever(pause, bytes) => loop {
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    stream.write_all(&bytes).await?;
                    stream.flush().await?;
                },
                Step::Wait(wait) => {
                    stream.flush().await?;
                    tokio::time::sleep(wait).await;
                }
                Step::Silence => {
                    stream.flush().await?;
                    let mut nothing = [0; 4096];
                    while stream.read(&mut nothing).await? > 0 {}
                }
                Step::Reset => {
                    // What was sent must have arrived, or the reset overtakes it.
                    stream.flush().await?;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    stream.reset();
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
            }
        }
        stream.flush().await?;
        Ok(self.keeps)
    }
}

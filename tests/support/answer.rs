//! What a test's server answers: whole pages, half ones, none at all, at once or when a gate opens. Knows no
//! network; the server turns it into bytes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use http::Response;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use tokio::sync::watch;

/// Holds answers back until it is opened.
#[derive(Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    pub fn closed() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everything through from now on.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    async fn pass(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

/// Where an answer ends before it should.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Torn {
    No,
    /// The connection is reset before the first byte.
    AtOnce,
    /// Half of the body is sent, then the connection breaks.
    Halfway,
}

/// What is answered.
#[derive(Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    delay: Duration,
    gate: Option<Gate>,
    torn: Torn,
}

impl Answer {
    /// A status without a body.
    pub fn status(status: u16) -> Self {
        let (headers, body, delay) = (Vec::new(), Bytes::new(), Duration::ZERO);
        Self { status, headers, body, delay, gate: None, torn: Torn::No }
    }

    /// Bytes of a type.
    pub fn bytes(mime: &str, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::status(200) }.header("content-type", mime)
    }

    /// Plain text, as a robots.txt is.
    pub fn text(body: impl Into<String>) -> Self {
        Self::bytes("text/plain", body.into())
    }

    /// An XML document.
    pub fn xml(body: impl Into<String>) -> Self {
        Self::bytes("application/xml", body.into())
    }

    /// A small page with this title.
    pub fn page(title: &str) -> Self {
        let body =
            format!("<!doctype html><html lang=en><title>{title}</title><p>A page about {title}.</p></html>");
        Self::bytes("text/html; charset=utf-8", body)
    }

    /// A page with links to addresses as they are written.
    pub fn links<A: AsRef<str>>(title: &str, addresses: impl IntoIterator<Item = A>) -> Self {
        let links: String = addresses
            .into_iter()
            .map(|address| format!("<a href=\"{}\">x</a>\n", address.as_ref().replace('&', "&amp;")))
            .collect();
        Self::bytes("text/html; charset=utf-8", format!("<!doctype html><title>{title}</title>\n{links}"))
    }

    /// A redirect.
    pub fn redirect(status: u16, target: &str) -> Self {
        Self::status(status).header("location", target)
    }

    /// No answer: the connection is reset when the request is there.
    pub fn reset() -> Self {
        Self { torn: Torn::AtOnce, ..Self::status(200) }
    }

    /// The answer with its whole length in the header and half of its body behind it.
    #[must_use]
    pub fn cut(self) -> Self {
        Self { torn: Torn::Halfway, ..self }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Not before this long after the request.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Not before the gate is open.
    #[must_use]
    pub fn behind(self, gate: &Gate) -> Self {
        Self { gate: Some(gate.clone()), ..self }
    }

    /// Waits until the answer may go.
    pub async fn due(&self) {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        if let Some(gate) = &self.gate {
            gate.pass().await;
        }
    }

    /// The answer for hyper. An error lets it drop the connection.
    pub fn response(self) -> io::Result<Response<BoxBody<Bytes, io::Error>>> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        let body = match self.torn {
            Torn::AtOnce => return Err(torn()),
            Torn::No => Full::new(self.body).map_err(|never| match never {}).boxed(),
            Torn::Halfway => {
                response = response.header("content-length", self.body.len());
                half(&self.body)
            }
        };
        Ok(response.body(body).expect("the test's answer is valid HTTP"))
    }
}

fn torn() -> io::Error {
    io::Error::other("torn as the test wants it")
}

fn half(body: &Bytes) -> BoxBody<Bytes, io::Error> {
    let first = Frame::data(body.slice(..body.len() / 2));
    // What is sent must be on its way before the end comes, or none of it arrives.
    let end = stream::once(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(torn())
    });
    BodyExt::boxed(StreamBody::new(stream::once(async { Ok(first) }).chain(end)))
}

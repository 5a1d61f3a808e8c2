//! One hop over HTTP. The body is read chunk by chunk and held only up to the cap; half a body is a
//! failure, never a page. No redirect is followed, nothing is unpacked, no cookie is kept.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Version};
use hyper::ext::ReasonPhrase;
use jiff::Timestamp;
use reqwest::Response;
use url::Url;

use super::address::{Filter, Refused};
use super::error::FetchError;
use super::headers::{self, Headers};
use super::settings::{Settings, Timeouts};
use super::spool::Growing;
use super::{Watch, client, connecting, failure};
use crate::buffers::Buffers;
use crate::model::{Failure, Fetched, Outcome, Protocol, Request, Role, Spool, Stage, Wire, literal_address};
use crate::secret::Text;
use crate::units::{Size, Time};

/// The most that is reserved for a body on the word of its `Content-Length` alone.
const MAX_RESERVE: u64 = 1 << 20;

/// A body's buffer that grew larger is not used again: a small body may wait in it.
const BUFFER_BYTES: usize = 16 << 10;

/// The most that a sitemap or feed may have, as it comes over the wire.
const MAX_SPOOL: u64 = 50 << 20;
/// So much of a robots.txt is taken even where pages may not be as large: a crawler has to read 500 KiB (RFC 9309,
/// 2.5).
const LEAST_ROBOTS: u64 = 1 << 20;

/// Fetches over HTTP with the one client of the job.
pub(super) struct Http {
    client: reqwest::Client,
    headers: Headers,
    filter: Filter,
    timeout: Timeouts,
    max_body: u64,
    /// Behind a proxy the address that answers is the proxy's, and names are the proxy's to resolve.
    is_proxied: bool,
    /// Where large sitemaps and feeds are kept.
    spool_dir: PathBuf,
    /// Of bodies.
    buffers: Buffers,
}

/// How much of the time for a whole request is left.
struct Clock {
    started: Instant,
    total: Duration,
}

impl Http {
    pub(super) fn new(
        settings: &Settings,
        host_headers: &BTreeMap<String, BTreeMap<String, Text>>,
        spool_dir: PathBuf,
    ) -> Result<Self, FetchError> {
        let filter = Filter::new(&settings.allow_private_networks)
            .map_err(|(network, why)| FetchError::Network { network, why })?;
        Ok(Self {
            client: client::build(settings, &filter)?,
            headers: Headers::new(settings, host_headers)?,
            filter,
            timeout: settings.timeout.clone(),
            max_body: settings.max_body.0,
            is_proxied: settings.proxy.is_some(),
            spool_dir,
            buffers: Buffers::up_to(BUFFER_BYTES),
        })
    }

    pub(super) async fn fetch(
        &self,
        url: Url,
        request: &Request,
        watch: &mut dyn Watch,
        keeps_wire: bool,
    ) -> Result<Fetched, Failure> {
        if let Some(ip) = literal_address(&url) {
            // The connector never resolves a literal, so the resolver cannot refuse it.
            self.filter.check(ip).map_err(|e| refused(&e))?;
        }
        let started = Timestamp::now();
        let clock = Clock { started: Instant::now(), total: self.timeout.total.0 };
        let headers = self.headers.of(&url, request);
        let sent_headers = keeps_wire.then(|| headers::shown(&url, &headers));
        let sent = connecting::told(self.client.get(url).headers(headers).send(), watch);
        // Connecting has a limit of its own; what follows may take as long as one read.
        let patience = self.timeout.connect.0.saturating_add(self.timeout.read.0);
        let sent = clock.within(patience, "no answer", sent).await?;
        let mut response = sent.result.map_err(|error| {
            let mut failure = failure::of(&error);
            if self.is_proxied && failure.stage == Stage::Connect {
                // Whose connection failed cannot be told, so that nobody looks for it at the host alone.
                failure.detail.push_str("; the way there is `http.proxy`");
            }
            Failure { stale: sent.is_reused && failure.cause == Outcome::NetworkError, ..failure }
        })?;
        watch.answering();

        let ip = match response.remote_addr() {
            Some(address) if !self.is_proxied => Some(address.ip().to_canonical()),
            _ => None,
        };
        if let Some(ip) = ip {
            self.filter.check(ip).map_err(|e| refused(&e))?;
        }
        if response.status().is_informational() {
            let words = format!("status {} is no final answer", response.status().as_u16());
            return Err(Failure::new(Stage::Transfer, Outcome::InvalidResponse, words));
        }
        let wire = sent_headers.map(|sent| Box::new(wire(sent, &response)));
        let (body, spool) = self.read(&mut response, request.role, &clock, watch).await?;
        Ok(Fetched {
            status: response.status().as_u16(),
            protocol: if response.version() == Version::HTTP_2 { Protocol::Http2 } else { Protocol::Http1 },
            headers: detached(std::mem::take(response.headers_mut())),
            body,
            spool,
            started,
            duration: clock.started.elapsed(),
            ip,
            wire,
            url: Some(response.url().clone()),
        })
    }

    /// The whole body. Broken off or shorter than announced is an error of the library already.
    async fn read(
        &self,
        response: &mut Response,
        role: Role,
        clock: &Clock,
        watch: &mut dyn Watch,
    ) -> Result<(Bytes, Option<Arc<Spool>>), Failure> {
        let (most, limit, dir) = match role {
            Role::Page => (self.max_body, "`http.max_body`, ", None),
            Role::Robots => (self.max_body.max(LEAST_ROBOTS), "", None),
            Role::Sitemap | Role::Feed => (MAX_SPOOL, "", Some(self.spool_dir.as_path())),
        };
        let too_large = |what: &str| {
            let words = format!("the body is {what}more than {limit}{}", Size(most));
            Failure::new(Stage::Transfer, Outcome::TooLarge, words)
        };
        let announced = response.content_length();
        if let Some(length) = announced.filter(|length| *length > most) {
            return Err(too_large(&format!("{length} bytes by its `Content-Length`, ")));
        }
        let reserve = announced.unwrap_or(0).min(MAX_RESERVE);
        // Copied together instead of kept as chunks: a small chunk may hold on to a large read buffer.
        let mut body = Growing::new(dir, usize::try_from(reserve).unwrap_or(0), &self.buffers);
        loop {
            let chunk = clock.within(self.timeout.read.0, "the body stood still", response.chunk()).await?;
            let Some(chunk) = chunk.map_err(|e| failure::of(&e))? else { break };
            if body.len() + chunk.len() as u64 > most {
                return Err(too_large(""));
            }
            body.extend(&chunk).await?;
            watch.grown(body.held());
        }
        body.finish().await
    }
}

impl Clock {
    /// Waits for `future` as long as `limit` and the time left allow.
    async fn within<T>(
        &self,
        limit: Duration,
        what: &str,
        future: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        // Much of a body is there when it is asked for, and then needs neither clock nor timer.
        let mut future = pin!(future);
        if let Poll::Ready(done) = futures::poll!(future.as_mut()) {
            return Ok(done);
        }
        let left = self.total.saturating_sub(self.started.elapsed());
        tokio::time::timeout(limit.min(left), future).await.map_err(|_| {
            let words = if limit < left {
                format!("{what} for {}", Time(limit))
            } else {
                format!("took longer than {} in all", Time(self.total))
            };
            Failure::new(Stage::Transfer, Outcome::Timeout, words)
        })
    }
}

/// Headers with values of their own. As they come they are views of the connection's read buffer, which could then not
/// be used again for as long as the answer lives.
fn detached(mut headers: HeaderMap) -> HeaderMap {
    let mut text = BytesMut::with_capacity(headers.values().map(HeaderValue::len).sum());
    for value in headers.values_mut() {
        text.extend_from_slice(value.as_bytes());
        // Only what is no value could fail, and this was one.
        if let Ok(own) = HeaderValue::from_maybe_shared(text.split().freeze()) {
            *value = own;
        }
    }
    headers
}

/// What an archive wants to know beside the answer.
fn wire(sent: HeaderMap, response: &Response) -> Wire {
    let reason = response.extensions().get::<ReasonPhrase>();
    let reason = reason.map(|reason| Bytes::copy_from_slice(reason.as_bytes()));
    Wire { sent, version: response.version(), reason }
}

fn refused(refused: &Refused) -> Failure {
    Failure::new(Stage::Connect, Outcome::RefusedAddress, refused.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::path::Path;

    use super::super::Fetcher;
    use super::super::settings::PrivateNetworks;
    use super::super::testing::{Server, Then, TlsServer, request};
    use super::*;

    /// The bytes that were held last.
    struct Held(u64);

    impl Watch for Held {
        fn grown(&mut self, bytes: u64) {
            self.0 = bytes;
        }
    }

    /// Settings for loopback, with waits that no passing test reaches.
    fn open() -> Settings {
        Settings { allow_private_networks: PrivateNetworks::All(true), ..Settings::default() }
    }

    fn fetcher(settings: &Settings) -> Fetcher {
        Fetcher::new(settings, &BTreeMap::new(), None).expect("fetcher")
    }

    async fn fetch(settings: &Settings, url: &str) -> Result<Fetched, Failure> {
        fetcher(settings).fetch(&request(url), &mut ()).await
    }

    /// Outcome, stage and words of a failure.
    async fn failure(settings: &Settings, url: &str) -> String {
        let failure = fetch(settings, url).await.map(|answer| answer.status).expect_err("a failure");
        assert!(!failure.detail.contains("://"), "no URL in {}", failure.detail);
        format!("{} {} {}", failure.cause, failure.stage.name(), failure.detail)
    }

    /// The failure of a server that sends these bytes.
    async fn failure_of(bytes: &[u8], then: Then) -> String {
        let server = Server::always(bytes, then).await;
        failure(&open(), &server.url("/")).await
    }

    #[tokio::test]
    async fn an_answer_comes_whole_and_as_it_was() {
        let server = Server::always(
            b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 404 Nope\r\nX-A: 1\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            Then::Next,
        )
        .await;
        let answer = fetch(&open(), &server.url("/p?q")).await.expect("an answer");
        assert_eq!((answer.status, &answer.body[..], answer.header("x-a")), (404, &b"abcde"[..], Some("1")));
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        assert_eq!((answer.ip, answer.protocol), (Some(server.address.ip()), Protocol::Http1));
        let head = server.heads().remove(0);
        assert!(head.starts_with("get /p?q http/1.1\r\n"), "{head}");
        for line in [
            "accept-encoding: gzip, deflate, br, zstd\r\n",
            "accept: text/html,",
            concat!("user-agent: trawl/", env!("CARGO_PKG_VERSION"), "\r\n"),
        ] {
            assert!(head.contains(line), "{line} in {head}");
        }
        assert!(!head.contains("referer") && !head.contains("accept-language"), "{head}");
    }

    #[tokio::test]
    async fn an_archive_is_told_what_was_sent_and_said() {
        let server =
            Server::always(b"HTTP/1.0 200 Fine By Me\r\nContent-Length: 1\r\n\r\nx", Then::Close).await;
        let fetcher = fetcher(&open());
        let url = server.url("/p");
        assert!(fetcher.fetch(&request(&url), &mut ()).await.expect("an answer").wire.is_none());
        let answer = fetcher.keeping_wire(true).fetch(&request(&url), &mut ()).await.expect("an answer");
        let wire = answer.wire.expect("what was asked for");
        assert_eq!((wire.version, wire.reason.as_deref()), (Version::HTTP_10, Some(&b"Fine By Me"[..])));
        let mut said = "get /p http/1.1\r\n".to_owned();
        for (name, value) in &wire.sent {
            said.extend([name.as_str(), ": ", value.to_str().expect("text"), "\r\n"]);
        }
        assert_eq!(format!("{said}\r\n").to_lowercase(), server.heads()[1].to_lowercase());
    }

    #[tokio::test]
    async fn connections_are_used_again_and_cookies_are_not_kept() {
        let bytes = b"HTTP/1.1 301 Moved\r\nLocation: /b\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok";
        let server = Server::always(bytes, Then::Next).await;
        let fetcher = fetcher(&open());
        for path in ["/a", "/c", "/d"] {
            let mut held = Held(0);
            let answer = fetcher.fetch(&request(&server.url(path)), &mut held).await.expect("an answer");
            assert_eq!(held.0, 2);
            assert_eq!((answer.status, &answer.body[..]), (301, &b"ok"[..]));
        }
        assert_eq!((server.connections(), server.heads().len()), (1, 3), "no redirect was followed");
        assert!(!server.heads().concat().contains("cookie"));
    }

    #[tokio::test]
    async fn half_a_body_is_no_page() {
        for bytes in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nZZ\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Le",
            b"",
        ] {
            let failure = failure_of(bytes, Then::Close).await;
            assert!(failure.starts_with("network_error transfer the connection broke: "), "{failure}");
        }
    }

    #[tokio::test]
    async fn what_is_not_http_is_an_invalid_answer() {
        for bytes in [
            &b"<html>hello</html>\r\n\r\n"[..],
            b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
            b"HTTP/1.1 abc\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        ] {
            let failure = failure_of(bytes, Then::Close).await;
            assert!(failure.starts_with("invalid_response transfer "), "{failure}");
        }
        let flood = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: b\r\n".repeat(20_000));
        let failure = failure_of(flood.as_bytes(), Then::Hang).await;
        assert_eq!(failure, "invalid_response transfer not an HTTP answer: message head is too large");
    }

    #[tokio::test]
    async fn bodies_end_at_the_cap() {
        let settings = Settings { max_body: Size(4), ..open() };
        let get = |bytes: &'static [u8]| {
            let settings = settings.clone();
            async move {
                let server = Server::always(bytes, Then::Hang).await;
                fetch(&settings, &server.url("/"))
                    .await
                    .map(|answer| answer.body)
                    .map_err(|f| (f.cause, f.detail))
            }
        };
        let over = |words: &str| Err((Outcome::TooLarge, words.to_owned()));
        assert_eq!(get(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour").await, Ok("four".into()));
        // The body is never sent: its announced length is enough.
        let words = "the body is 5 bytes by its `Content-Length`, more than `http.max_body`, 4B";
        assert_eq!(get(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").await, over(words));
        let words = "the body is more than `http.max_body`, 4B";
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n";
        assert_eq!(get(chunked).await, over(words));
        assert_eq!(get(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nendless").await, over(words));
        let unsent = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n";
        assert_eq!(get(unsent).await, Ok("".into()), "a length without a body");
    }

    /// The most bytes that were ever held.
    struct Most(u64);

    impl Watch for Most {
        fn grown(&mut self, bytes: u64) {
            self.0 = self.0.max(bytes);
        }
    }

    /// Fetches what a sitemap's server sends. Gives the answer and the folder in which it may be spooled.
    async fn sitemap(bytes: &[u8], role: Role) -> (Result<Fetched, Failure>, u64, tempfile::TempDir) {
        let server = Server::always(bytes, Then::Hang).await;
        let dir = tempfile::tempdir().expect("folder");
        let fetcher = Fetcher::new(&open(), &BTreeMap::new(), Some(dir.path().into())).expect("fetcher");
        let mut most = Most(0);
        let request = Request { role, ..request(&server.url("/sitemap.xml")) };
        let answer = fetcher.fetch(&request, &mut most).await;
        (answer, most.0, dir)
    }

    fn with_length(body: &[u8], headers: &str) -> Vec<u8> {
        let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    }

    #[tokio::test]
    async fn a_large_sitemap_lies_in_a_file_and_is_read_from_there() {
        const ENTRY: &str = "<url><loc>http://a/</loc></url>";
        let body = format!("<urlset>{}", ENTRY.repeat((5 << 20) / ENTRY.len()));
        for role in [Role::Sitemap, Role::Feed] {
            let (answer, most, dir) = sitemap(&with_length(body.as_bytes(), ""), role).await;
            let answer = answer.expect("an answer");
            assert_eq!((answer.body.len(), answer.wire_bytes()), (0, body.len() as u64));
            assert!(most <= 1 << 20, "{most} bytes held");
            let mut read = Vec::new();
            super::super::open(&answer, 50 << 20).read_to_end(&mut read).expect("read");
            assert!(read == body.as_bytes());
            let handles = || {
                let all = std::fs::read_dir("/proc/self/fd").expect("handles").flatten();
                let open = all.filter_map(|entry| std::fs::read_link(entry.path()).ok());
                open.filter(|path| path.starts_with(dir.path())).count()
            };
            let names = std::fs::read_dir(dir.path()).expect("folder").count();
            assert_eq!((names, handles()), (0, 1), "a file that has no name to leave behind");
            let copy = answer.clone();
            drop(answer);
            assert_eq!(handles(), 1);
            drop(copy);
            assert_eq!(handles(), 0, "gone with the last answer that holds it");
        }
        let (answer, ..) = sitemap(&with_length(body.as_bytes(), ""), Role::Page).await;
        let answer = answer.expect("an answer");
        assert!(answer.spool.is_none() && answer.body == body.as_bytes(), "a page is held in memory");
        let (answer, ..) = sitemap(&with_length(b"<urlset/>", ""), Role::Sitemap).await;
        assert_eq!(answer.map(|answer| (answer.spool.is_none(), answer.body.len())), Ok((true, 9)));
    }

    #[tokio::test]
    async fn a_sitemap_ends_at_a_cap_of_its_own() {
        let announced = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 60 << 20);
        let (answer, ..) = sitemap(announced.as_bytes(), Role::Sitemap).await;
        let failure = answer.map(|answer| answer.status).expect_err("too large");
        assert_eq!(failure.cause, Outcome::TooLarge);
        assert_eq!(failure.detail, "the body is 62914560 bytes by its `Content-Length`, more than 50MiB");
        let endless = [&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], &vec![b' '; 51 << 20]].concat();
        let (answer, most, dir) = sitemap(&endless, Role::Feed).await;
        let failure = answer.map(|answer| answer.status).expect_err("too large");
        assert_eq!(
            (failure.cause, failure.detail.as_str()),
            (Outcome::TooLarge, "the body is more than 50MiB")
        );
        assert!(most <= 1 << 20, "{most} bytes held");
        assert_eq!(std::fs::read_dir(dir.path()).expect("folder").count(), 0);
    }

    #[tokio::test]
    async fn a_bomb_in_a_spool_ends_at_the_cap() {
        // Stored blocks between the zeros: small enough to unpack to much, large enough to be spooled.
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let noise: Vec<u8> =
            (0..600_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        packer.write_all(&noise).and_then(|()| packer.write_all(&vec![0; 60 << 20])).expect("pack");
        let bomb = packer.finish().expect("pack");
        let (answer, ..) = sitemap(&with_length(&bomb, "Content-Encoding: gzip\r\n"), Role::Sitemap).await;
        let answer = answer.expect("an answer");
        assert!(answer.spool.is_some());
        let mut body = super::super::open(&answer, 50 << 20);
        let (mut piece, mut given) = (vec![0; 64 << 10], 0);
        let error = loop {
            match body.read(&mut piece) {
                Ok(0) => panic!("a bomb came to an end"),
                Ok(read) => given += read,
                Err(error) => break error.to_string(),
            }
        };
        assert!(given <= 50 << 20, "{given}");
        assert_eq!(error, "the body unpacks to more than 50MiB");
    }

    #[tokio::test]
    async fn waits_are_bounded() {
        let short = Time::millis(40);
        let long = Time::secs(600);
        let settings =
            |connect, read, total| Settings { timeout: Timeouts { connect, read, total }, ..open() };
        let started = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
        let silent = Server::always(b"", Then::Hang).await;
        let stalled = Server::always(started, Then::Hang).await;
        assert_eq!(
            failure(&settings(Time::millis(400), short, long), &silent.url("/")).await,
            "timeout transfer no answer for 440ms"
        );
        assert_eq!(
            failure(&settings(long, short, long), &stalled.url("/")).await,
            "timeout transfer the body stood still for 40ms"
        );
        assert_eq!(
            failure(&settings(long, long, short), &stalled.url("/")).await,
            "timeout transfer took longer than 40ms in all"
        );
        let forever = Time(Duration::MAX);
        let answer = Server::always(b"HTTP/1.1 204 No Content\r\n\r\n", Then::Next).await;
        let answer = fetch(&settings(forever, forever, forever), &answer.url("/")).await;
        assert_eq!(answer.map(|answer| answer.status), Ok(204));
    }

    #[tokio::test]
    async fn connecting_fails_in_its_own_stage() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        // Nobody accepts, so the TLS handshake never ends.
        let timeout = Timeouts { connect: Time::millis(40), ..Timeouts::default() };
        let settings = Settings { timeout, ..open() };
        let failure_words = failure(&settings, &format!("https://{address}/")).await;
        assert_eq!(failure_words, "timeout connect connecting took too long");
        drop(listener);
        let failure_words = failure(&open(), &format!("http://{address}/")).await;
        assert!(
            failure_words.starts_with("connect_error connect cannot connect: Connection refused"),
            "{failure_words}"
        );
        // `.invalid` never resolves (RFC 6761).
        let failure_words = failure(&open(), "http://nowhere.invalid/").await;
        assert!(
            failure_words.starts_with("dns_error connect cannot resolve `nowhere.invalid`: "),
            "{failure_words}"
        );
        assert!(
            failure(&open(), "gopher://a.test/").await.starts_with("invalid_url connect scheme `gopher`")
        );
    }

    #[tokio::test]
    async fn private_addresses_are_refused_on_every_way() {
        let server = Server::always(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::Next).await;
        let port = server.address.port();
        let resolve = BTreeMap::from([("inside.test".to_owned(), vec!["127.0.0.1".to_owned()])]);
        let closed = Settings { resolve: resolve.clone(), ..Settings::default() };
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "localhost",
            "x.localhost",
            "inside.test",
        ] {
            let failure = failure(&closed, &format!("http://{host}:{port}/")).await;
            assert!(failure.starts_with("refused_address connect "), "{host}: {failure}");
            assert!(
                failure.ends_with("a loopback address, which `http.allow_private_networks` does not allow")
            );
        }
        assert_eq!(server.connections(), 0, "refused before anything was sent");

        let allow_private_networks = PrivateNetworks::Some(vec!["127.0.0.1".to_owned()]);
        let listed = Settings { allow_private_networks, resolve, ..Settings::default() };
        for host in ["127.0.0.1", "localhost", "inside.test"] {
            let answer = fetch(&listed, &format!("http://{host}:{port}/")).await;
            assert_eq!(answer.map(|answer| answer.status), Ok(200), "{host}");
        }
        assert!(failure(&listed, &format!("http://127.0.0.2:{port}/")).await.starts_with("refused_address"));
    }

    #[tokio::test]
    async fn a_proxy_is_asked_instead_of_the_resolver() {
        let proxy = Server::always(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Then::Next).await;
        let address = Some(Text::Plain(format!("http://u:p@localhost:{}", proxy.address.port())));
        let settings = Settings { proxy: address, ..Settings::default() };
        let answer = fetch(&settings, "http://nowhere.invalid/x").await.expect("an answer");
        assert_eq!((&answer.body[..], answer.ip), (&b"hi"[..], None));
        let head = proxy.heads().remove(0);
        assert!(head.starts_with("get http://nowhere.invalid/x http/1.1\r\n"), "{head}");
        assert!(head.contains("proxy-authorization: basic "), "{head}");
        assert!(failure(&settings, "http://10.0.0.1/").await.starts_with("refused_address"));
    }

    #[tokio::test]
    async fn credentials_do_not_follow_a_redirect() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let (home, away) = (Server::always(bytes, Then::Next).await, Server::always(bytes, Then::Next).await);
        let headers = [("Cookie", "secret=1"), ("Accept-Language", "de")];
        let headers = headers.map(|(name, text)| (name.to_owned(), Text::Plain(text.to_owned())));
        let settings = Settings { headers: BTreeMap::from(headers), ..open() };
        let own = BTreeMap::from([("Authorization".to_owned(), Text::Plain("own".to_owned()))]);
        let hosts = BTreeMap::from([(home.address.to_string(), own)]);
        let fetcher = Fetcher::new(&settings, &hosts, None).expect("fetcher");

        let first = request(&home.url("/"));
        let second = first.redirected_to(&Url::parse(&away.url("/")).expect("URL"));
        for request in [&first, &second] {
            fetcher.fetch(request, &mut ()).await.expect("an answer");
        }
        let (home, away) = (home.heads().remove(0), away.heads().remove(0));
        assert!(home.contains("cookie: secret=1") && home.contains("authorization: own"), "{home}");
        assert!(!away.contains("cookie") && !away.contains("authorization"), "{away}");
        assert!(home.contains("accept-language: de") && away.contains("accept-language: de"));
    }

    fn trusting(pem: &Path) -> Settings {
        Settings { ca_file: Some(pem.to_owned()), ..open() }
    }

    fn saved(pem: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), pem).expect("write");
        file
    }

    #[tokio::test]
    async fn http2_is_spoken_over_tls_where_both_want_it() {
        let server = TlsServer::start(&["localhost"], |_| {}).await;
        let pem = saved(&server.pem);
        let answer = fetch(&trusting(pem.path()), &server.url()).await.expect("an answer");
        assert_eq!((answer.protocol, &answer.body[..]), (Protocol::Http2, &b"HTTP/2.0"[..]));
        let only_http1 = Settings { http2: false, ..trusting(pem.path()) };
        let answer = fetch(&only_http1, &server.url()).await.expect("an answer");
        assert_eq!((answer.protocol, &answer.body[..]), (Protocol::Http1, &b"HTTP/1.1"[..]));
    }

    #[tokio::test]
    async fn certificates_are_verified() {
        let server = TlsServer::start(&["localhost"], |_| {}).await;
        let failure_words = failure(&open(), &server.url()).await;
        assert!(
            failure_words.starts_with("tls_error connect the certificate is signed by itself"),
            "{failure_words}"
        );

        let server = TlsServer::start(&["other.test"], |_| {}).await;
        let failure_words = failure(&trusting(saved(&server.pem).path()), &server.url()).await;
        assert!(
            failure_words.contains("tls_error connect certificate not valid for name \"localhost\""),
            "{failure_words}"
        );

        let server = TlsServer::start(&["localhost"], |params| {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        })
        .await;
        let failure_words = failure(&trusting(saved(&server.pem).path()), &server.url()).await;
        assert_eq!(failure_words, "tls_error connect the certificate has expired");

        let server = TlsServer::start(&["localhost"], |params| {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        })
        .await;
        let failure_words = failure(&trusting(saved(&server.pem).path()), &server.url()).await;
        assert!(failure_words.contains("is that of an authority"), "{failure_words}");

        // A server that ends the handshake, and one that does not speak TLS at all.
        for (bytes, words) in
            [(&b""[..], "ended the connection"), (b"HTTP/1.1 400 Bad\r\n\r\n", "TLS: received corrupt")]
        {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
            let address = listener.local_addr().expect("address");
            tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.expect("accept");
                let mut hello = [0; 4096];
                drop(tokio::io::AsyncReadExt::read(&mut stream, &mut hello).await);
                drop(tokio::io::AsyncWriteExt::write_all(&mut stream, bytes).await);
            });
            let failure_words = failure(&open(), &format!("https://localhost:{}/", address.port())).await;
            assert!(
                failure_words.starts_with("tls_error connect ") && failure_words.contains(words),
                "{failure_words}"
            );
        }
    }
}

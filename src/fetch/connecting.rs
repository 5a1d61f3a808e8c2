//! Tells, request by request, when a connection is opened for it: a layer around the connector of the client, and
//! a future around the sending of a request. Changes nothing about either, and measures no time.
//!
//! The pool of the client calls its connector while the future of the request is polled, and only if no connection
//! stands idle. So a task-local value that is set during each poll tells the layer whose connection it opens. A
//! request may be served by another connection that became free in the meantime; its own is then opened to the
//! end in the background, and until its answer begins it is taken for connecting, which is on the safe side.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::Watch;

tokio::task_local! {
    /// The connections of the request whose future is being polled.
    static CONNECTIONS: Arc<Connections>;
}

/// The connections that are opened for one request.
#[derive(Debug, Default)]
struct Connections {
    /// Opened so far, or tried to.
    begun: AtomicUsize,
    /// Being opened now.
    open: AtomicUsize,
}

/// A connection that is being opened, until this is dropped.
struct Opening(Arc<Connections>);

impl Opening {
    fn begin(connections: Arc<Connections>) -> Self {
        connections.begun.fetch_add(1, Ordering::Relaxed);
        connections.open.fetch_add(1, Ordering::Relaxed);
        Self(connections)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Notes for which request a connector is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noting;

impl<S> Layer<S> for Noting {
    type Service = Noted<S>;

    fn layer(&self, connector: S) -> Noted<S> {
        Noted(Arc::new(connector))
    }
}

/// A connector that is noted. The client clones it half a dozen times for each request, also where no connection is
/// opened, so that a clone of its own is made only of one that is called.
#[derive(Debug)]
pub(super) struct Noted<S>(Arc<S>);

impl<S> Clone for Noted<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S, R> Service<R> for Noted<S>
where
    S: Service<R> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Response: 'static,
    S::Error: 'static,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    /// Always: that of the clone is waited for when it is called.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: R) -> Self::Future {
        let opening = CONNECTIONS.try_with(|connections| Opening::begin(Arc::clone(connections))).ok();
        let mut connector = S::clone(&self.0);
        Box::pin(async move {
            let _opening = opening;
            std::future::poll_fn(|context| connector.poll_ready(context)).await?;
            connector.call(target).await
        })
    }
}

/// How the sending of a request came out.
pub(super) struct Told<T> {
    /// What the future of the request gave.
    pub(super) result: T,
    /// Whether it went over a connection that stood before.
    pub(super) is_reused: bool,
}

/// Polls the future that sends a request, and tells `watch` what happens on the way: `connecting` when a connection
/// is opened for it, `connected` once it is handed to one that stands. Both may come again, where a connection that
/// seemed to stand turns out to be closed before anything was sent.
pub(super) async fn told<F: Future>(sending: F, watch: &mut dyn Watch) -> Told<F::Output> {
    let connections = Arc::new(Connections::default());
    let mut sending = Box::pin(CONNECTIONS.scope(Arc::clone(&connections), sending));
    // Whether it was last told that a connection is opened.
    let mut last_told: Option<bool> = None;
    let result = std::future::poll_fn(|context| {
        let polled = sending.as_mut().poll(context);
        let is_connecting = connections.open.load(Ordering::Relaxed) > 0;
        if polled.is_pending() && last_told != Some(is_connecting) {
            last_told = Some(is_connecting);
            if is_connecting { watch.connecting() } else { watch.connected() }
        }
        polled
    })
    .await;
    Told { result, is_reused: connections.begun.load(Ordering::Relaxed) == 0 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::settings::{PrivateNetworks, Settings};
    use super::super::testing::{Server, Then, TlsServer, request};
    use super::super::{Fetcher, Watch};
    use super::*;
    use crate::model::{Failure, Outcome};

    const EMPTY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    /// Writes down what it is told.
    #[derive(Default)]
    struct Diary(Vec<&'static str>);

    impl Watch for Diary {
        fn connecting(&mut self) {
            self.0.push("connecting");
        }

        fn connected(&mut self) {
            self.0.push("connected");
        }

        fn answering(&mut self) {
            self.0.push("answering");
        }
    }

    fn fetcher(settings: Settings) -> Fetcher {
        let allow_private_networks = PrivateNetworks::All(true);
        Fetcher::new(&Settings { allow_private_networks, ..settings }, &BTreeMap::new(), None)
            .expect("fetcher")
    }

    /// What happens on the way to a URL, and whether the connection had grown stale.
    async fn way(fetcher: &Fetcher, url: &str) -> (Vec<&'static str>, Option<Failure>) {
        let mut diary = Diary::default();
        let result = fetcher.fetch(&request(url), &mut diary).await;
        (diary.0, result.err())
    }

    #[tokio::test]
    async fn a_connection_is_told_of_when_it_is_opened() {
        let server = Server::always(EMPTY, Then::Next).await;
        let fetcher = fetcher(Settings::default());
        let first = way(&fetcher, &server.url("/1")).await;
        assert_eq!(first, (vec!["connecting", "connected", "answering"], None));
        for path in ["/2", "/3"] {
            assert_eq!(way(&fetcher, &server.url(path)).await, (vec!["connected", "answering"], None));
        }
        assert_eq!(server.connections(), 1);
    }

    #[tokio::test]
    async fn names_and_handshakes_are_part_of_connecting() {
        let server = TlsServer::start(&["localhost"], |_| {}).await;
        let pem = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(pem.path(), &server.pem).expect("write");
        let fetcher = fetcher(Settings { ca_file: Some(pem.path().to_owned()), ..Settings::default() });
        let first = way(&fetcher, &server.url()).await;
        assert_eq!(first, (vec!["connecting", "connected", "answering"], None));
        assert_eq!(way(&fetcher, &server.url()).await, (vec!["connected", "answering"], None));

        let (events, failure) = way(&fetcher, "http://nowhere.invalid/").await;
        assert_eq!(events, ["connecting"], "nothing was ever sent");
        assert_eq!(failure.map(|failure| (failure.cause, failure.stale)), Some((Outcome::DnsError, false)));
    }

    #[tokio::test]
    async fn only_a_connection_that_stood_before_can_be_stale() {
        let server = Server::start(|head| match head.split(' ').nth(1) {
            Some("/gone") => (Vec::new(), Then::Close),
            Some("/half") => (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec(), Then::Close),
            Some("/no-http") => (b"SSH-2.0-x\r\n\r\n".to_vec(), Then::Close),
            _ => (EMPTY.to_vec(), Then::Next),
        })
        .await;
        for (path, cause, stale) in [
            ("/gone", Outcome::NetworkError, true),
            ("/half", Outcome::NetworkError, false),
            ("/no-http", Outcome::InvalidResponse, false),
        ] {
            let fetcher = fetcher(Settings::default());
            let cause_of = |failure: Option<Failure>| failure.map(|failure| (failure.cause, failure.stale));
            let (_, fresh) = way(&fetcher, &server.url(path)).await;
            assert_eq!(cause_of(fresh), Some((cause, false)), "{path} on a fresh connection");
            assert_eq!(way(&fetcher, &server.url("/")).await.1, None);
            let (events, reused) = way(&fetcher, &server.url(path)).await;
            assert_eq!(cause_of(reused), Some((cause, stale)), "{path} on a connection that stood");
            assert_eq!(events[0], "connected");
        }
    }

    /// A connector that takes one turn of its task, and then succeeds or not.
    #[derive(Clone)]
    struct Slow(Result<(), ()>);

    impl Service<()> for Slow {
        type Response = ();
        type Error = ();
        type Future = Pin<Box<dyn Future<Output = Result<(), ()>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, (): ()) -> Self::Future {
            let result = self.0;
            Box::pin(async move {
                tokio::task::yield_now().await;
                result
            })
        }
    }

    #[tokio::test]
    async fn a_request_may_need_a_second_connection() {
        let mut diary = Diary::default();
        let told = told(
            async {
                tokio::task::yield_now().await;
                let connected = Noting.layer(Slow(Ok(()))).call(()).await;
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
                connected
            },
            &mut diary,
        )
        .await;
        assert_eq!((told.result, told.is_reused), (Ok(()), false));
        assert_eq!(diary.0, ["connected", "connecting", "connected"]);
    }

    #[tokio::test]
    async fn a_connection_that_fails_or_is_let_go_is_no_longer_opened() {
        for drops in [false, true] {
            let mut diary = Diary::default();
            let sending = async {
                let mut opening = Noting.layer(Slow(Err(()))).call(());
                assert!(futures::poll!(&mut opening).is_pending());
                tokio::task::yield_now().await;
                if drops {
                    drop(opening);
                } else {
                    assert_eq!(opening.await, Err(()));
                }
                tokio::task::yield_now().await;
            };
            assert!(!told(sending, &mut diary).await.is_reused);
            assert_eq!(diary.0, ["connecting", "connected"]);
        }
        // Outside of any request, as the pool does it in the background, nobody is told.
        assert_eq!(Noting.layer(Slow(Ok(()))).call(()).await, Ok(()));
    }
}

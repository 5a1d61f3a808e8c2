//! SIGINT and SIGTERM: the first asks the run to end, the second ends it at once. Both are exact. SIGUSR1 asks what the
//! run is doing.
//!
//! They are watched from before the first file is touched until the process ends, on a thread of their own: not
//! even a flow that hangs can keep a signal from ending the run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::exit::Exit;
use crate::pipeline::{Reason, Stop};

/// Of the drain deadline, this part is kept for the last checkpoint.
const FOR_THE_LAST_CHECKPOINT: u32 = 8;

/// The watched signals.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    crawled: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
}

impl Signals {
    /// Watches from now on.
    pub fn watch(stop: &Stop, drain: Duration) -> std::io::Result<Self> {
        let signals = Self::default();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (watcher, stop) = (signals.clone(), stop.clone());
        let (ready, installed) = oneshot::channel();
        let work = move || runtime.block_on(watcher.handle(stop, drain, ready));
        thread::Builder::new().name("signals".to_owned()).spawn(work)?;
        installed.blocking_recv().map_err(std::io::Error::other)??;
        Ok(signals)
    }

    /// The crawl is over: the next signal ends the process at once, and the next start finishes the publication.
    pub fn crawled(&self) {
        self.crawled.store(true, Ordering::SeqCst);
    }

    /// Set when somebody asks what the run is doing; who answers unsets it.
    pub fn asked(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.asked)
    }

    async fn handle(self, stop: Stop, drain: Duration, ready: oneshot::Sender<std::io::Result<()>>) {
        let installed = signal(SignalKind::interrupt()).and_then(|interrupts| {
            let terms = signal(SignalKind::terminate())?;
            Ok((interrupts, terms, signal(SignalKind::user_defined1())?))
        });
        let (mut interrupts, mut terms, asks) = match installed {
            Ok(signals) => {
                let _ = ready.send(Ok(()));
                signals
            }
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        tokio::spawn(self.clone().heed(asks));
        let name = either(&mut interrupts, &mut terms).await;
        if self.crawled.load(Ordering::SeqCst) {
            end_at_once(name);
        }
        tracing::info!(signal = name, ?drain, "stopping: requests in flight may finish, no new one starts");
        stop.drain(Reason::Interrupted);
        let abandon = drain.saturating_sub(drain / FOR_THE_LAST_CHECKPOINT);
        tokio::select! {
            name = either(&mut interrupts, &mut terms) => end_at_once(name),
            () = tokio::time::sleep(abandon) => {}
        }
        tracing::info!("abandoning what is still in flight; the next start fetches it again");
        stop.drop_in_flight();
        tokio::select! {
            name = either(&mut interrupts, &mut terms) => end_at_once(name),
            () = tokio::time::sleep(drain.saturating_sub(abandon)) => end_at_once("the drain deadline"),
        }
    }
}

impl Signals {
    async fn heed(self, mut asks: Signal) {
        while asks.recv().await.is_some() {
            if self.crawled.load(Ordering::SeqCst) {
                tracing::info!("the crawl is over and nothing is in flight: the run is being published");
            } else {
                self.asked.store(true, Ordering::SeqCst);
            }
        }
    }
}

/// What is committed is on disk, and what is not is cut off by the next start: nothing has to be closed.
#[allow(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "at once means without waiting for anything that is open"
)]
fn end_at_once(why: &str) {
    tracing::warn!(why, "ending at once; the same command continues");
    std::process::exit(Exit::Interrupted.code().into());
}

async fn either(interrupts: &mut Signal, terms: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupts.recv() => "SIGINT",
        _ = terms.recv() => "SIGTERM",
    }
}

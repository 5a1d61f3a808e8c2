//! Pours the sources into the frontier, as fast as it has room.

use std::sync::Arc;

use futures::stream::{StreamExt, select_all};
use tokio::sync::mpsc;

use super::stop::{Reason, Stop};
use crate::frontier::Frontier;
use crate::model::{Seed, Visit};
use crate::source::{Source, SourceError};

/// Ends the run if a source panics: the frontier would wait for its next request for ever.
struct PanicGuard(Stop);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.drain(Reason::Source);
        }
    }
}

/// Pours until all sources are empty or the run is asked to end. Seeds that can only be refused go straight to
/// `refusals`, from where they reach the next checkpoint.
pub async fn pour(
    sources: Vec<Box<dyn Source>>,
    frontier: Arc<Frontier>,
    refusals: mpsc::Sender<Visit>,
    stop: Stop,
) -> Result<(), SourceError> {
    let _guard = PanicGuard(stop.clone());
    let mut seeds = select_all(sources.into_iter().map(Source::requests));
    loop {
        let seed = tokio::select! {
            biased;
            () = stop.draining() => return Ok(()),
            seed = async { frontier.room().await; seeds.next().await } => seed,
        };
        match seed {
            Some(Ok(Seed::Request(request))) => {
                frontier.admit(request);
            }
            Some(Ok(Seed::Refused(visit))) => {
                // The place is taken first: once the frontier knows the URL its outcome must be on its way.
                let Ok(place) = refusals.reserve().await else { return Ok(()) };
                if frontier.refuse(visit.request.key) {
                    place.send(*visit);
                }
            }
            Some(Err(error)) => {
                stop.drain(Reason::Source);
                return Err(error);
            }
            None => {
                frontier.sources_done();
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream::BoxStream;

    use super::*;
    use crate::frontier::{Bounds, Politeness, Rules};

    struct Panics;

    impl Source for Panics {
        fn requests(self: Box<Self>) -> BoxStream<'static, Result<Seed, SourceError>> {
            futures::stream::once(async { panic!("a source") }).boxed()
        }
    }

    #[tokio::test]
    async fn a_source_that_panics_ends_the_run() {
        let bounds = Bounds { max_concurrency: 1, memory: 1, max_pages: None, careful: None };
        let rules = Rules::new(&Politeness::default(), &std::collections::BTreeMap::new());
        let frontier = Arc::new(Frontier::new(rules, bounds, None));
        let (stop, (refusals, _refused)) = (Stop::default(), mpsc::channel(1));
        let feed = tokio::spawn(pour(vec![Box::new(Panics)], frontier, refusals, stop.clone()));
        stop.draining().await;
        assert!(feed.await.is_err_and(|error| error.is_panic()));
    }
}

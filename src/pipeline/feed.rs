//! Pours the sources into the frontier, as fast as it has room.

use std::sync::Arc;

use futures::stream::{StreamExt, select_all};
use tokio::sync::mpsc;

use super::done::Renders;
use super::follow::Guide;
use super::stop::{Reason, Stop};
use super::tasks::{Doing, Task};
use super::visit::Flow;
use crate::model::Seed;
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

/// What pours.
pub struct Pouring {
    /// Seeds that can only be refused go straight here, from where they reach the next checkpoint.
    pub early: mpsc::Sender<Flow>,
    /// What the sinks write of them.
    pub renders: Arc<Renders>,
    /// Ends it.
    pub stop: Stop,
    /// Its place on the board.
    pub task: Task,
}

impl Pouring {
    /// Pours until all sources are empty or the run is asked to end.
    pub async fn pour(self, sources: Vec<Box<dyn Source>>, guide: Arc<Guide>) -> Result<(), SourceError> {
        let Self { early, renders, stop, task } = self;
        let _guard = PanicGuard(stop.clone());
        let frontier = &guide.frontier;
        let mut seeds = select_all(sources.into_iter().map(Source::requests));
        let mut is_any = false;
        loop {
            let seed = tokio::select! {
                biased;
                () = stop.draining() => return Ok(()),
                seed = async {
                    task.is(Doing::Room);
                    frontier.room().await;
                    task.is(Doing::Reading);
                    seeds.next().await
                } => seed,
            };
            is_any |= matches!(seed, Some(Ok(_)));
            match seed {
                Some(Ok(Seed::Request(request))) => {
                    frontier.admit(guide.seed(request));
                    // So much is in no frame yet that one should be written, whether or not anything is settled.
                    if frontier.is_pending() && early.send(Flow::Flush).await.is_err() {
                        return Ok(());
                    }
                }
                Some(Ok(Seed::Refused(visit))) => {
                    // The place is taken first: once the frontier knows the URL its outcome must be on its way.
                    let Ok(place) = early.reserve().await else { return Ok(()) };
                    if frontier.refuse(visit.request.key) {
                        place.send(Flow::Settled(renders.refused(*visit)));
                    }
                }
                Some(Err(error)) => {
                    stop.drain(Reason::Source);
                    return Err(error);
                }
                None => {
                    if !is_any {
                        tracing::warn!(
                            "no source gives any URL; `trawl validate` says what each of them reads"
                        );
                    }
                    frontier.sources_done();
                    return Ok(());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream::BoxStream;

    use super::super::tasks::Board;
    use super::*;
    use crate::frontier::{Reach, Scope};
    use crate::model::{Normalize, ScopeSettings};

    struct Panics;

    impl Source for Panics {
        fn requests(self: Box<Self>) -> BoxStream<'static, Result<Seed, SourceError>> {
            futures::stream::once(async { panic!("a source") }).boxed()
        }
    }

    #[tokio::test]
    async fn a_source_that_panics_ends_the_run() {
        let scope =
            Scope::new(&ScopeSettings::default(), &[], Reach { max_depth: None }, &|key| key.to_owned());
        let guide = Guide {
            scope: scope.expect("a scope"),
            normalize: Normalize::default(),
            frontier: crate::frontier::testing::frontier(None),
        };
        let (stop, (refusals, _refused)) = (Stop::default(), mpsc::channel(1));
        let task = Arc::new(Board::default()).worker("sources");
        let renders = Arc::new(Renders::none());
        let pouring = Pouring { early: refusals, renders, stop: stop.clone(), task };
        let feed = tokio::spawn(pouring.pour(vec![Box::new(Panics)], Arc::new(guide)));
        stop.draining().await;
        assert!(feed.await.is_err_and(|error| error.is_panic()));
    }
}

//! Pours the sources into the frontier, as fast as it has room.

use std::sync::Arc;

use futures::stream::{StreamExt, select_all};
use tokio::sync::mpsc;

use super::stop::{Reason, Stop};
use crate::frontier::Frontier;
use crate::model::{Seed, Visit};
use crate::source::{Source, SourceError};

/// Pours until all sources are empty or the run is asked to end. Seeds that can only be refused go straight to
/// `refusals`, from where they reach the next checkpoint.
pub async fn pour(
    sources: Vec<Box<dyn Source>>,
    frontier: Arc<Frontier>,
    refusals: mpsc::Sender<Visit>,
    stop: Stop,
) -> Result<(), SourceError> {
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

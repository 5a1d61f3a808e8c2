//! SIGINT and SIGTERM: the first asks the run to end, the second ends it at once. Both are exact.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::pipeline::{Reason, Stop};

/// Of the drain deadline, what is kept for the last checkpoint.
const FOR_THE_LAST_CHECKPOINT: u32 = 8;

/// Returns when the run must end at once: at the second signal.
pub async fn watch(stop: Stop, drain: Duration) {
    let (Ok(mut interrupts), Ok(mut terms)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::warn!("signals cannot be watched; a signal ends the run at once, which is safe");
        return std::future::pending().await;
    };
    let name = either(&mut interrupts, &mut terms).await;
    tracing::info!(signal = name, drain = ?drain, "stopping: requests in flight may finish, no new one starts");
    stop.drain(Reason::Interrupted);
    let abandon = drain.saturating_sub(drain / FOR_THE_LAST_CHECKPOINT);
    tokio::select! {
        name = either(&mut interrupts, &mut terms) => return tracing::warn!(signal = name, "stopping at once"),
        () = tokio::time::sleep(abandon) => {}
    }
    tracing::info!("abandoning what is still in flight; it is fetched again by the next start");
    stop.drop_in_flight();
    tokio::select! {
        _ = either(&mut interrupts, &mut terms) => {}
        () = tokio::time::sleep(drain - abandon) => tracing::warn!("the drain deadline has passed"),
    }
}

async fn either(interrupts: &mut Signal, terms: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupts.recv() => "SIGINT",
        _ = terms.recv() => "SIGTERM",
    }
}

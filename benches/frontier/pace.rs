//! Pages a second of virtual time that many polite hosts yield, against what their delays allow. The clock jumps from
//! one moment at which something happens to the next, so that the figures are exact on any machine.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use trawl::frontier::{Frontier, SettledLease};
use trawl::model::{Request, canonical};
use trawl::units::Time;

use crate::timed;
use crate::whole::{answered, frontier};

/// Pages a second, what the delay and the latency allow, and nanoseconds of CPU time a page. The first page of each
/// host is not counted: it waits for nothing.
pub fn pace(hosts: usize, pages: usize, delay: u64, latency: u64, in_flight: usize) -> [f64; 3] {
    let dir = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let (delay, latency) = (Duration::from_millis(delay), Duration::from_millis(latency));
    let mut spent = 0;
    let took = timed(&mut spent, || {
        runtime.expect("a runtime").block_on(async {
            let frontier = frontier(dir.path(), Time(delay), in_flight);
            for page in 0..pages {
                for host in 0..hosts {
                    let url = canonical(&format!("http://h{host}/{page}"), None).expect("URL");
                    frontier.admit(Request::seed(&url, "test"));
                }
            }
            frontier.sources_done();
            let began = Instant::now();
            while let Some(lease) = frontier.next().await {
                tokio::spawn(ask(Arc::clone(&frontier), lease.request, latency));
            }
            began.elapsed()
        })
    });
    let counted = (hosts * (pages - 1)) as f64;
    let allowed = hosts as f64 / (delay + latency).as_secs_f64();
    [counted / took.saturating_sub(latency).as_secs_f64(), allowed, spent as f64 / (hosts * pages) as f64]
}

async fn ask(frontier: Arc<Frontier>, request: Request, latency: Duration) {
    let slot = frontier.slot(&request);
    slot.connected();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    slot.answering();
    slot.end(answered(latency), None);
    let Request { host, role, depth, .. } = request;
    frontier.settled(&[SettledLease { host, role, depth, good: true }]);
}

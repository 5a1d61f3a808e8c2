//! Tests of how fast many hosts are asked where nothing but politeness holds them up. In virtual time, so that every
//! moment is exact and nothing depends on the machine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::host_clock::Report;
use super::states::{Frontier, SettledLease};
use super::testing::polite;
use crate::model::{Request, canonical};

const DELAY: Duration = Duration::from_secs(1);

/// When each host was asked, in milliseconds since the start.
type Times = BTreeMap<String, Vec<u128>>;

/// Asks every host for so many pages; an answer takes as long as `latency` says of its host.
async fn crawl(hosts: u32, pages: u32, max_concurrency: usize, latency: fn(&str) -> Duration) -> Times {
    let frontier = polite(DELAY, max_concurrency);
    for page in 0..pages {
        for host in 0..hosts {
            let url = canonical(&format!("http://h{host}/{page}"), None).expect("URL");
            frontier.admit(Request::seed(&url, "test"));
        }
    }
    frontier.sources_done();
    let began = Instant::now();
    let mut times = Times::new();
    while let Some(lease) = frontier.next().await {
        let host = lease.request.host.clone();
        let latency = latency(&host);
        times.entry(host.to_string()).or_default().push(began.elapsed().as_millis());
        tokio::spawn(ask(Arc::clone(&frontier), lease.request, latency));
    }
    times
}

async fn ask(frontier: Arc<Frontier>, request: Request, latency: Duration) {
    let slot = frontier.slot(&request);
    slot.connected();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    slot.answering();
    slot.end(Report::Answered { latency, is_error: false, slow_down: false, retry_after: None }, None);
    let Request { host, role, depth, .. } = request;
    frontier.settled(&[SettledLease { host, role, depth, good: true }]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_hosts_are_asked_as_often_as_their_delay_allows() {
    let times = crawl(1_000, 10, 64, |_| Duration::ZERO).await;
    let every_second: Vec<u128> = (0..10).map(|page| page * 1_000).collect();
    assert_eq!(times.len(), 1_000);
    for (host, times) in times {
        assert_eq!(times, every_second, "{host}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_delay_counts_from_the_answer_and_nothing_else_is_lost() {
    let times = crawl(1_000, 10, 64, |_| Duration::from_millis(30)).await;
    assert_eq!(times.len(), 1_000);
    for (host, times) in times {
        // 64 at a time, so that the last host has its first turn when 15 others have had theirs.
        assert!(times[0] <= 15 * 30, "{host} began at {} ms", times[0]);
        let gaps: Vec<u128> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(gaps, [1_030; 9], "{host}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_takes_half_a_minute_holds_nobody_up() {
    let slow = |host: &str| Duration::from_millis(if host == "h199" { 30_000 } else { 30 });
    let without = crawl(199, 20, 256, slow).await;
    let mut with = crawl(200, 20, 256, slow).await;
    let slow = with.remove("h199").expect("it was asked, too");
    assert_eq!(slow.len(), 20);
    assert!(slow.last() > Some(&(9 * 30_000)), "two at a time: {slow:?}");
    assert!(with == without, "every other host was asked at the same moments");
}

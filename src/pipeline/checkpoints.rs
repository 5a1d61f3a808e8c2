//! Cuts the flow of visits into checkpoints. One closes when it is full, when it is old, or, after a moment, when
//! the frontier has nothing to lease: else a chain of redirects would wait one whole interval a step. If nothing is
//! under way either, and nothing waits, it closes at once.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{Fuse, Stream, StreamExt};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a checkpoint waits for company when the frontier has nothing to lease.
const MOMENT: Duration = Duration::from_millis(20);

/// When a checkpoint closes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Visits at most.
    pub records: usize,
    /// Age at most.
    pub every: Duration,
}

/// What may still come, to be put into a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// More may be leased.
    Leases,
    /// Nothing can be leased now, and something is under way, or may be soon.
    UnderWay,
    /// Nothing is under way, and nothing waits.
    None,
}

/// The stream of checkpoints; made by [`checkpoints`].
pub struct Checkpoints<S: Stream, F> {
    inner: Pin<Box<Fuse<S>>>,
    bounds: Bounds,
    company: F,
    batch: Vec<S::Item>,
    began: Instant,
    timer: Pin<Box<Sleep>>,
}

/// Batches of `inner`; `company` says what may come of it.
pub fn checkpoints<S, F>(inner: S, bounds: Bounds, company: F) -> Checkpoints<S, F>
where
    S: Stream,
    F: Fn() -> Company + Unpin,
{
    let now = Instant::now();
    let (inner, timer) = (Box::pin(inner.fuse()), Box::pin(sleep_until(now)));
    Checkpoints { inner, bounds, company, batch: Vec::new(), began: now, timer }
}

impl<S, F> Stream for Checkpoints<S, F>
where
    S: Stream,
    S::Item: Unpin,
    F: Fn() -> Company + Unpin,
{
    type Item = Vec<S::Item>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while let Poll::Ready(next) = this.inner.as_mut().poll_next(context) {
            let Some(item) = next else {
                let last = std::mem::take(&mut this.batch);
                return Poll::Ready((!last.is_empty()).then_some(last));
            };
            if this.batch.is_empty() {
                this.began = Instant::now();
                this.timer.as_mut().reset(this.began + MOMENT.min(this.bounds.every));
            }
            this.batch.push(item);
            if this.batch.len() >= this.bounds.records {
                return Poll::Ready(Some(std::mem::take(&mut this.batch)));
            }
        }
        if !this.batch.is_empty() && (this.company)() == Company::None {
            return Poll::Ready(Some(std::mem::take(&mut this.batch)));
        }
        while !this.batch.is_empty() && this.timer.as_mut().poll(context).is_ready() {
            let old = this.began.elapsed() >= this.bounds.every;
            if old || (this.company)() != Company::Leases {
                return Poll::Ready(Some(std::mem::take(&mut this.batch)));
            }
            let next = Instant::now() + MOMENT;
            this.timer.as_mut().reset(next.min(this.began + this.bounds.every));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn slowly(count: u32, each: Duration) -> impl Stream<Item = u32> {
        stream::iter(0..count).then(move |n| async move {
            tokio::time::sleep(each).await;
            n
        })
    }

    async fn sizes(count: u32, each: Duration, bounds: Bounds, company: Company) -> Vec<usize> {
        checkpoints(slowly(count, each), bounds, move || company).map(|batch| batch.len()).collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn full_old_or_starved_closes_and_the_rest_comes_last() {
        let second = Duration::from_secs(1);
        let (leases, under_way) = (Company::Leases, Company::UnderWay);
        assert_eq!(sizes(7, second, Bounds { records: 3, every: HOUR }, leases).await, [3, 3, 1]);
        assert_eq!(sizes(3, HOUR, Bounds { records: 9, every: second }, leases).await, [1, 1, 1]);
        assert_eq!(sizes(3, second, Bounds { records: 9, every: HOUR }, under_way).await, [1, 1, 1]);
        assert_eq!(sizes(3, second, Bounds { records: 9, every: HOUR }, leases).await, [3]);
        assert_eq!(sizes(0, second, Bounds { records: 9, every: HOUR }, leases).await, [0_usize; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_alone_does_not_wait() {
        let (millisecond, bounds) = (Duration::from_millis(1), Bounds { records: 9, every: HOUR });
        assert_eq!(sizes(4, millisecond, bounds, Company::UnderWay).await, [4]);
        assert_eq!(sizes(4, millisecond, bounds, Company::None).await, [1, 1, 1, 1]);
    }
}

//! Bytes of pages held in flight: bodies, and what was read out of them. Read only at the head of the leases: above the bound nothing new is leased,
//! and no fetch ever waits in mid-body.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// The gauge. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Gauge {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    bytes: AtomicU64,
    fell: Notify,
}

/// Bytes that count as held until this is dropped.
#[derive(Debug)]
pub struct Held {
    gauge: Gauge,
    bytes: u64,
}

impl Gauge {
    /// Counts so many bytes as held.
    pub fn hold(&self, bytes: u64) -> Held {
        self.inner.bytes.fetch_add(bytes, Ordering::Relaxed);
        Held { gauge: self.clone(), bytes }
    }

    /// Bytes held now.
    pub fn bytes(&self) -> u64 {
        self.inner.bytes.load(Ordering::Relaxed)
    }

    /// Returns when bytes were let go since it was last asked.
    pub async fn fell(&self) {
        self.inner.fell.notified().await;
    }
}

impl Held {
    /// Nothing held.
    pub fn none() -> Self {
        Gauge::default().hold(0)
    }

    /// From now on it counts so many bytes.
    pub fn adjust_to(&mut self, bytes: u64) {
        let inner = &self.gauge.inner;
        if bytes >= self.bytes {
            inner.bytes.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            inner.bytes.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
            inner.fell.notify_one();
        }
        self.bytes = bytes;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.adjust_to(0);
    }
}

//! Bytes of pages held in flight: bodies, and what was read out of them. Read only at the head of the leases: above
//! the bound nothing new is leased, and no fetch ever waits in mid-body.

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

    /// So many bytes are held instead: fewer once a body is dropped, more once it is unpacked.
    pub fn set(&mut self, bytes: u64) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes >= before {
            self.gauge.inner.bytes.fetch_add(bytes - before, Ordering::Relaxed);
        } else {
            self.gauge.inner.bytes.fetch_sub(before - bytes, Ordering::Relaxed);
            self.gauge.inner.fell.notify_one();
        }
    }

    /// So many of these bytes count on their own from now on.
    #[must_use]
    pub fn split(&mut self, bytes: u64) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { gauge: self.gauge.clone(), bytes }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unpacked_counts_for_more() {
        let gauge = Gauge::default();
        let (mut page, other) = (gauge.hold(10), gauge.hold(5));
        page.set(10_000);
        assert_eq!(gauge.bytes(), 10_005);
        page.set(3);
        drop(other);
        assert_eq!(gauge.bytes(), 3);
        let part = page.split(2);
        assert_eq!(gauge.bytes(), 3);
        drop(page);
        assert_eq!(gauge.bytes(), 2);
        drop(part);
        assert_eq!(gauge.bytes(), 0);
    }
}

//! A request in flight, as the frontier sees it: its host counts as being asked until the slot is gone, and is told
//! when the request really went out.

use std::sync::Arc;

use tokio::time::Instant;

use super::host_clock::Report;
use super::states::Frontier;
use crate::model::{Ending, UrlKey};

/// A request in flight; made by [`Frontier::slot`].
#[derive(Debug)]
pub struct Slot {
    pub(super) frontier: Arc<Frontier>,
    pub(super) host: Arc<str>,
    pub(super) key: UrlKey,
    /// Whether the host has a delay, so that it matters when the request goes out.
    pub(super) is_timed: bool,
    pub(super) end: Option<(Report, Option<Ending>)>,
}

impl Slot {
    /// It opens a connection.
    pub fn connecting(&self) {
        if self.is_timed {
            self.frontier.event(|front, _| {
                front.connecting(&self.host, self.key);
                Ok(())
            });
        }
    }

    /// Its connection stands; it goes out now.
    pub fn connected(&self) {
        if self.is_timed {
            self.frontier.event(|front, now| front.connected(&self.host, self.key, now));
        }
    }

    /// Its answer begins.
    pub fn answering(&self) {
        if self.is_timed {
            self.frontier.event(|front, now| front.answering(&self.host, self.key, now));
        }
    }

    /// How it ends; `failure` says how if there was no answer. A slot that is dropped without it was abandoned.
    pub fn end(mut self, report: Report, failure: Option<Ending>) {
        self.end = Some((report, failure));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let (report, failure) = self.end.take().unwrap_or((Report::Abandoned, None));
        self.frontier.landed(&self.host, self.key, Instant::now(), report, failure);
    }
}

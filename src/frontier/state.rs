//! What the frontier holds behind its lock: plain data, and the counts by which a run knows its end.

use super::backlog::BacklogError;
use super::front::{Front, Turn};
use super::local::Local;
use crate::model::{Changes, Lease, Request, Role};

/// The state of a frontier.
#[derive(Debug)]
pub struct State {
    pub front: Front<Local>,
    /// In no frame yet.
    pub pending: Changes,
    /// Handed out, and not yet settled.
    pub leased: u64,
    /// Requests for robots.txt handed out, and not yet answered.
    pub asked: u64,
    /// Being fetched right now.
    pub in_flight: usize,
    /// Pages that ended well, and those leased that may.
    pub pages: u64,
    pub careful: Option<u64>,
    pub sources_done: bool,
    /// The backlog cannot be read or written any more: the run ends, and can be taken up again.
    pub fault: Option<BacklogError>,
}

impl State {
    /// Queues requests whose URLs were unknown.
    pub fn admit(&mut self, requests: impl IntoIterator<Item = Request>) {
        let before = self.pending.admitted.len();
        self.pending.admitted.extend(requests.into_iter().map(Request::ordered));
        let admitted = self.front.admit(&self.pending.admitted[before..]);
        self.note(admitted);
    }

    /// Keeps the first fault.
    pub fn note(&mut self, result: Result<(), BacklogError>) {
        if let Err(error) = result {
            self.fault.get_or_insert(error);
        }
    }

    /// The lease that a turn gives.
    pub fn lease(&mut self, turn: Result<Option<Turn>, BacklogError>) -> Option<Lease> {
        let (request, refused) = match turn {
            Ok(None) => return None,
            Ok(Some(Turn::Go(request))) => (request, None),
            Ok(Some(Turn::Refuse(request, ending))) => (request, Some(ending)),
            Err(error) => {
                self.fault.get_or_insert(error);
                return None;
            }
        };
        self.in_flight += usize::from(refused.is_none());
        match request.role {
            Role::Robots => self.asked += 1,
            _ => self.leased += 1,
        }
        self.pages += u64::from(request.role == Role::Page);
        Some(Lease { request, refused })
    }

    /// A lease that is none any more.
    pub fn returned(&mut self, request: &Request) {
        match request.role {
            Role::Robots => self.asked -= 1,
            _ => self.leased -= 1,
        }
        self.pages -= u64::from(request.role == Role::Page);
    }

    /// Whether the run has ended: nothing under way, and nothing waits that may go.
    pub fn is_done(&self, max_pages: Option<u64>) -> bool {
        let spent = max_pages.is_some_and(|max| self.pages >= max);
        let (waits, all_known) = (self.front.queued() > 0, self.sources_done);
        // Once the budget is spent nobody goes any more whom a robots.txt would be for, nor does that itself.
        let idle = self.leased == 0 && self.asked == 0 && (spent || !self.front.is_asking());
        // A spent budget ends the run once it is known whether it left anything out.
        idle && if waits { spent } else { all_known }
    }
}

//! What is remembered of a URL from run to run: at most about 1 KB.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::frame::{Commit, Page};
use crate::model::UrlKey;

/// The latest record of a URL, in short, and where the full one stands. A clone shares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Run whose directory holds the full record.
    pub run_id: Arc<str>,
    /// What the page was.
    pub page: Arc<Page>,
}

impl<R> Commit<R> {
    /// What a checkpoint of this run adds to the history: its pages, by key.
    pub fn into_history(self, run_id: &Arc<str>) -> impl Iterator<Item = (UrlKey, History)> {
        let pages = self.settled.into_iter().filter_map(|settle| Some((settle.key, settle.page?)));
        pages.map(|(key, page)| (key, History { run_id: Arc::clone(run_id), page: Arc::new(page) }))
    }
}

/// The longest title that history keeps, in bytes.
const MAX_TITLE: usize = 300;
/// The longest validator that history keeps; a cut validator would be a wrong one, so a longer one is dropped.
const MAX_VALIDATOR: usize = 200;

impl Page {
    /// Bounds what is remembered.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        if let Some(title) = &mut self.title
            && title.len() > MAX_TITLE
        {
            title.truncate(title.floor_char_boundary(MAX_TITLE));
        }
        self.etag = self.etag.filter(|text| text.len() <= MAX_VALIDATOR);
        self.last_modified = self.last_modified.filter(|text| text.len() <= MAX_VALIDATOR);
        self
    }
}

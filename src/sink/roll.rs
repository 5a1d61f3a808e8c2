//! When a part is full: the `roll` table of a sink. Touches no disk.

use std::num::NonZeroU64;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Wrong;
use crate::units::Size;

/// When the next part is begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Roll {
    /// After so many records.
    #[serde(default)]
    pub records: Option<NonZeroU64>,
    /// Before a file would be larger than this. 512MiB if not given, 1GiB for `warc`. A packed part may be larger by
    /// what its packer holds back, some 100 KiB.
    #[serde(default)]
    pub size: Option<Size>,
}

impl Roll {
    /// Bytes of a part, or what is given for it here.
    pub(super) fn bytes(&self, otherwise: Size) -> u64 {
        self.size.unwrap_or(otherwise).0
    }

    /// Lines of a part.
    pub(super) fn lines(&self) -> Option<u64> {
        self.records.map(NonZeroU64::get)
    }

    /// What is wrong with its keys.
    pub(super) fn check(&self) -> Vec<Wrong> {
        let wrong = Wrong {
            key: "roll.size".to_owned(),
            what: "`roll.size` must be more than nothing".to_owned(),
            hint: Some("leave the key out to get its default".to_owned()),
        };
        self.size.filter(|size| size.0 == 0).map(|_| wrong).into_iter().collect()
    }
}

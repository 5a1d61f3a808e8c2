//! The history of all published runs, as one immutable file of sorted blocks.
//!
//! Here is how such a file is read and written; how a new one comes about stands in [`super::merge`].

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::codec::{Decoder, Encoder, Next};
use super::error::StoreError;
use super::history::History;
use super::layout::Layout;
use crate::model::UrlKey;

const MAGIC: &[u8; 8] = b"TRAWLS01";
/// Entries of a block: about 50 KB before packing.
const BLOCK: usize = 256;

/// What a snapshot was merged from, for whoever has to tell where a history comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// Number of the snapshot before.
    pub base: u64,
    /// The run whose journal was merged into it.
    pub run_id: String,
}

#[derive(Serialize, Deserialize)]
enum Block {
    Merged(Merged),
    Entries(Vec<(UrlKey, History)>),
    End(u64),
}

/// Reads a snapshot in the order of its keys.
pub struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    decoder: Decoder,
}

impl Reader {
    /// Opens the snapshot of this number. `None` for number 0, the empty history.
    pub fn open(layout: &Layout, number: u64) -> Result<Option<Self>, StoreError> {
        if number == 0 { Ok(None) } else { Self::of(layout.snapshot(number)).map(Some) }
    }

    /// Opens a file of sorted blocks.
    pub fn of(path: PathBuf) -> Result<Self, StoreError> {
        let file = match File::open(&path) {
            // Its number stands in the journal: somebody took it away, which is no worse than a damage.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged(&path)),
            file => file.map_err(StoreError::io("open", &path))?,
        };
        let mut file = BufReader::with_capacity(64 << 10, file);
        let mut magic = [0; MAGIC.len()];
        if file.read_exact(&mut magic).is_err() || &magic != MAGIC {
            return Err(damaged(&path));
        }
        let mut decoder = Decoder::new().map_err(StoreError::io("read", &path))?;
        match decoder.decode(&mut file).map_err(StoreError::io("read", &path))? {
            Next::Block(_, Block::Merged(_), _) => Ok(Self { path, file, decoder }),
            _ => Err(damaged(&path)),
        }
    }

    /// The next sorted block of entries; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Vec<(UrlKey, History)>>, StoreError> {
        match self.decoder.decode(&mut self.file).map_err(StoreError::io("read", &self.path))? {
            Next::Block(_, Block::Entries(entries), _) => Ok(Some(entries)),
            Next::Block(_, Block::End(_), _) => Ok(None),
            _ => Err(damaged(&self.path)),
        }
    }

    /// What the history says of one URL.
    pub fn find(&mut self, key: UrlKey) -> Result<Option<History>, StoreError> {
        while let Some(mut entries) = self.next()? {
            if entries.last().is_some_and(|(last, _)| *last < key) {
                continue;
            }
            let at = entries.binary_search_by_key(&key, |(key, _)| *key);
            return Ok(at.ok().map(|at| entries.swap_remove(at).1));
        }
        Ok(None)
    }
}

fn damaged(path: &Path) -> StoreError {
    StoreError::Damaged {
        path: path.to_owned(),
        what: "a block of the history snapshot is broken, or all of it is gone".to_owned(),
        hint: "move it away: history begins anew, published runs are not touched",
    }
}

/// Writes a file of sorted blocks. Whoever pushes keeps the order of the keys.
pub struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
    encoder: Encoder,
    block: Vec<(UrlKey, History)>,
    blocks: u64,
    entries: u64,
}

impl Writer {
    /// Creates the file, or empties it.
    pub fn create(path: PathBuf, merged: Merged) -> Result<Self, StoreError> {
        let file = File::create(&path).map_err(StoreError::io("create", &path))?;
        let encoder = Encoder::new().map_err(StoreError::io("write", &path))?;
        let file = BufWriter::new(file);
        let mut writer = Self { path, file, encoder, block: Vec::new(), blocks: 0, entries: 0 };
        writer.file.write_all(MAGIC).map_err(StoreError::io("write", &writer.path))?;
        writer.write(&Block::Merged(merged))?;
        Ok(writer)
    }

    /// Appends an entry.
    pub fn push(&mut self, entry: (UrlKey, History)) -> Result<(), StoreError> {
        self.block.push(entry);
        self.entries += 1;
        if self.block.len() == BLOCK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.block.is_empty() {
            return Ok(());
        }
        let entries = Block::Entries(std::mem::take(&mut self.block));
        self.write(&entries)
    }

    fn write(&mut self, block: &Block) -> Result<(), StoreError> {
        let bytes = self.encoder.encode(self.blocks, block).map_err(StoreError::io("write", &self.path))?;
        self.blocks += 1;
        self.file.write_all(bytes).map_err(StoreError::io("write", &self.path))
    }

    /// Ends the file; it is on disk when this returns.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.write(&Block::End(self.entries))?;
        self.file.flush().map_err(StoreError::io("write", &self.path))?;
        self.file.get_ref().sync_all().map_err(StoreError::io("sync", &self.path))
    }
}

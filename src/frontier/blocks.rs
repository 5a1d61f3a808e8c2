//! Memory for very many short byte queues: blocks of one size, cut from slabs and chained. A queue that grows takes
//! another block and moves nothing, and what one gives back fits every other, so that a hundred thousand of them
//! growing side by side leave no holes, as buffers of their own would. Knows nothing of what the bytes mean.
//!
//! Slabs are not given back before the end: their number is bounded by what whoever fills the queues allows.

/// Bytes of a block in memory.
pub const BLOCK: usize = 128;
/// Of these, bytes that a block carries.
const ROOM: usize = BLOCK - size_of::<u32>();
/// Blocks of a slab: 1 MiB.
const SLAB: usize = (1 << 20) / BLOCK;
/// No block.
const NONE: u32 = u32::MAX;

/// The pool of blocks.
#[derive(Debug)]
pub struct Blocks {
    slabs: Vec<Box<[Block]>>,
    /// The first free one; the others hang on it.
    free: u32,
    taken: usize,
}

#[derive(Clone, Debug)]
struct Block {
    next: u32,
    bytes: [u8; ROOM],
}

/// Bytes in a row, fewer than 4 GiB. Its blocks come back to the pool as they are taken from it; one that is dropped
/// before it is empty keeps them.
#[derive(Debug)]
pub struct Chain {
    first: u32,
    last: u32,
    /// Where its bytes begin in the first block.
    start: u16,
    /// Where they end in the last one.
    end: u16,
    length: u32,
}

impl Default for Blocks {
    fn default() -> Self {
        Self { slabs: Vec::new(), free: NONE, taken: 0 }
    }
}

impl Blocks {
    /// Bytes of memory that chains take.
    pub fn memory(&self) -> usize {
        self.taken * BLOCK
    }

    fn at(&mut self, block: u32) -> &mut Block {
        let at = block as usize;
        &mut self.slabs[at / SLAB][at % SLAB]
    }

    /// A block out of the pool, with no next one.
    fn take(&mut self) -> u32 {
        if self.free == NONE {
            self.add_slab();
        }
        let block = self.free;
        self.free = std::mem::replace(&mut self.at(block).next, NONE);
        self.taken += 1;
        block
    }

    fn give(&mut self, block: u32) {
        self.at(block).next = self.free;
        self.free = block;
        self.taken -= 1;
    }

    fn add_slab(&mut self) {
        // More than 2^32 blocks would be half a terabyte: memory is over long before their numbers are.
        let begin = u32::try_from(self.slabs.len() * SLAB).unwrap_or(NONE);
        let mut slab = vec![Block { next: NONE, bytes: [0; ROOM] }; SLAB].into_boxed_slice();
        for (next, block) in (begin + 1..).zip(&mut slab[..SLAB - 1]) {
            block.next = next;
        }
        self.slabs.push(slab);
        self.free = begin;
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self { first: NONE, last: NONE, start: 0, end: 0, length: 0 }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a block is far below 64 KiB, and a chain below 4 GiB")]
impl Chain {
    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.length as usize
    }

    /// Reads the block at its end, and says nothing by what it gives.
    pub fn touch(&self, blocks: &Blocks) -> u32 {
        let at = self.last as usize;
        blocks.slabs.get(at / SLAB).map_or(NONE, |slab| slab[at % SLAB].next)
    }

    /// Adds bytes at the end.
    pub fn append(&mut self, mut bytes: &[u8], blocks: &mut Blocks) {
        self.length += bytes.len() as u32;
        while !bytes.is_empty() {
            if self.last == NONE || usize::from(self.end) == ROOM {
                self.add_block(blocks);
            }
            let end = usize::from(self.end);
            let (now, later) = bytes.split_at(bytes.len().min(ROOM - end));
            blocks.at(self.last).bytes[end..end + now.len()].copy_from_slice(now);
            self.end = (end + now.len()) as u16;
            bytes = later;
        }
    }

    fn add_block(&mut self, blocks: &mut Blocks) {
        let block = blocks.take();
        if self.last == NONE {
            (self.first, self.start) = (block, 0);
        } else {
            blocks.at(self.last).next = block;
        }
        (self.last, self.end) = (block, 0);
    }

    /// Puts bytes before all others.
    pub fn prepend(&mut self, mut bytes: &[u8], blocks: &mut Blocks) {
        self.length += bytes.len() as u32;
        while !bytes.is_empty() {
            if self.first == NONE || self.start == 0 {
                let block = blocks.take();
                blocks.at(block).next = self.first;
                if self.last == NONE {
                    (self.last, self.end) = (block, ROOM as u16);
                }
                (self.first, self.start) = (block, ROOM as u16);
            }
            let start = usize::from(self.start);
            let (later, now) = bytes.split_at(bytes.len() - bytes.len().min(start));
            blocks.at(self.first).bytes[start - now.len()..start].copy_from_slice(now);
            self.start = (start - now.len()) as u16;
            bytes = later;
        }
    }

    /// Moves the first bytes, so many or as many as there are, to the end of `into`.
    pub fn take(&mut self, count: usize, blocks: &mut Blocks, into: &mut Vec<u8>) {
        self.each(count, blocks, |bytes| into.extend_from_slice(bytes));
    }

    /// Takes the first bytes, as many as `into` is long or as there are, and says how many that were.
    pub fn read(&mut self, into: &mut [u8], blocks: &mut Blocks) -> usize {
        let mut read = 0;
        self.each(into.len(), blocks, |bytes| {
            into[read..read + bytes.len()].copy_from_slice(bytes);
            read += bytes.len();
        });
        read
    }

    /// Takes the first bytes, so many or as many as there are, piece by piece.
    fn each(&mut self, count: usize, blocks: &mut Blocks, mut piece: impl FnMut(&[u8])) {
        let mut count = count.min(self.len());
        self.length -= count as u32;
        while count > 0 {
            let start = usize::from(self.start);
            let end = if self.first == self.last { usize::from(self.end) } else { ROOM };
            let taken = count.min(end - start);
            let block = blocks.at(self.first);
            piece(&block.bytes[start..start + taken]);
            self.start = (start + taken) as u16;
            count -= taken;
            if start + taken == end {
                let next = block.next;
                blocks.give(self.first);
                self.first = next;
                self.start = 0;
            }
        }
        if self.length == 0 && self.first == NONE {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_one_gives_back_fits_every_other() {
        let mut blocks = Blocks::default();
        let mut chains: Vec<Chain> = std::iter::repeat_with(Chain::default).take(1_000).collect();
        let bytes: Vec<u8> = (0..=255).collect();
        for round in 0..20 {
            for chain in &mut chains {
                chain.append(&bytes[..100 + round], &mut blocks);
            }
            let mut taken = Vec::new();
            for chain in chains.iter_mut().rev() {
                chain.take(usize::MAX, &mut blocks, &mut taken);
                assert_eq!(taken, bytes[..100 + round]);
                taken.clear();
            }
            assert_eq!(blocks.memory(), 0);
        }
        assert_eq!(blocks.slabs.len(), 1, "1,000 of 8,192 blocks were ever in use");
    }

    proptest! {
        /// Two chains over one pool, so that they would meet in a block that both think theirs.
        #[test]
        fn a_chain_is_a_deque_of_bytes(
            steps in proptest::collection::vec((0..2_usize, 0..3_u8, 0..400_usize), 0..100),
        ) {
            let mut blocks = Blocks::default();
            let mut chains = [(Chain::default(), VecDeque::new()), (Chain::default(), VecDeque::new())];
            for (n, (which, step, count)) in steps.into_iter().enumerate() {
                let (chain, deque) = &mut chains[which];
                let bytes: Vec<u8> = (0..=250).cycle().skip(n * 31 % 251).take(count).collect();
                match step {
                    0 => {
                        chain.append(&bytes, &mut blocks);
                        deque.extend(bytes);
                    }
                    1 => {
                        chain.prepend(&bytes, &mut blocks);
                        bytes.into_iter().rev().for_each(|byte| deque.push_front(byte));
                    }
                    _ => {
                        let mut taken = Vec::new();
                        chain.take(count, &mut blocks, &mut taken);
                        let expected: Vec<u8> = deque.drain(..count.min(deque.len())).collect();
                        prop_assert_eq!(taken, expected);
                    }
                }
                prop_assert_eq!(chain.len(), deque.len());
                // At most one block at either end is not full.
                let least: usize = chains.iter().map(|(chain, _)| chain.len()).sum();
                prop_assert!(blocks.memory() <= (least / ROOM + 4) * BLOCK);
                prop_assert!(blocks.memory() / BLOCK * ROOM >= least);
            }
            for (chain, deque) in &mut chains {
                let mut taken = Vec::new();
                chain.take(usize::MAX, &mut blocks, &mut taken);
                prop_assert_eq!(&taken, &Vec::from(std::mem::take(deque)));
            }
            prop_assert_eq!(blocks.memory(), 0);
        }
    }
}

//! The queue of one host: a lane for each priority, and in a lane packed requests, first come first served.
//!
//! A lane that outgrew memory has three parts, in this order: a head in memory, segments on disk, a tail in memory.
//! One that did not is all head. Knows no host names and no time, and never decides to spill by itself.

use super::backlog::BacklogError;
use super::blocks::{Blocks, Chain};
use super::overflow::{Scratch, Segments};

/// A segment ends with the request that reaches so many bytes: about a hundred requests, and little enough to be held
/// in memory for every host that is being asked.
const SEGMENT_BYTES: usize = 4 << 10;
/// The first byte of a length that does not fit into one.
const LONG: u8 = u8::MAX;

/// The lanes of a host. Most hosts have one, so that it stands here and the others elsewhere.
#[derive(Debug, Default)]
pub struct Queue {
    first: Lane,
    #[allow(clippy::box_collection, reason = "a third of the room where there are none")]
    others: Option<Box<Vec<Lane>>>,
}

/// Requests of one priority. Any priority may take over an empty one.
#[derive(Debug, Default)]
pub struct Lane {
    head: Run,
    /// Never empty between calls.
    spilled: Option<Box<Spilled>>,
    /// Lower goes first.
    pub priority: u8,
}

#[derive(Debug, Default)]
struct Spilled {
    segments: Segments,
    tail: Run,
}

/// Packed requests in a row, each behind its length: a byte, or 255 and four bytes, little-endian.
#[derive(Debug, Default)]
struct Run {
    chain: Chain,
    count: u32,
}

impl Queue {
    /// The lane of a priority.
    pub fn lane(&mut self, priority: u8) -> &mut Lane {
        let fits = |lane: &Lane| lane.priority == priority && !lane.is_empty();
        let free = |lane: &Lane| lane.is_empty();
        let at = self.position(fits).or_else(|| self.position(free)).unwrap_or_else(|| {
            let others = self.others.get_or_insert_default();
            // Most hosts never get a third: no room is kept for it.
            others.reserve_exact(1);
            others.push(Lane::default());
            others.len()
        });
        let other = |others| <[Lane]>::get_mut(others, at.checked_sub(1)?);
        let lane = self.others.as_deref_mut().and_then(|others| other(others)).unwrap_or(&mut self.first);
        lane.priority = priority;
        lane
    }

    /// The lane from which the next request is to be taken.
    pub fn next(&mut self) -> Option<&mut Lane> {
        self.lanes().filter(|lane| !lane.is_empty()).min_by_key(|lane| lane.priority)
    }

    /// Reads where the next request of the usual lane will be put, and says nothing by what it gives.
    pub fn touch(&self, blocks: &Blocks) -> u32 {
        let run = self.first.spilled.as_ref().map_or(&self.first.head, |spilled| &spilled.tail);
        run.chain.touch(blocks)
    }

    /// Requests in it.
    pub fn len(&self) -> u64 {
        self.all().map(Lane::len).sum()
    }

    /// All its lanes.
    pub fn lanes(&mut self) -> impl Iterator<Item = &mut Lane> {
        std::iter::once(&mut self.first).chain(self.others.iter_mut().flat_map(|others| others.iter_mut()))
    }

    fn all(&self) -> impl Iterator<Item = &Lane> {
        std::iter::once(&self.first).chain(self.others.iter().flat_map(|others| others.iter()))
    }

    fn position(&self, fits: impl Fn(&Lane) -> bool) -> Option<usize> {
        self.all().position(fits)
    }
}

impl Lane {
    fn is_empty(&self) -> bool {
        self.head.count == 0 && self.spilled.is_none()
    }

    fn len(&self) -> u64 {
        let spilled = self
            .spilled
            .as_ref()
            .map_or(0, |spilled| spilled.segments.count() + u64::from(spilled.tail.count));
        u64::from(self.head.count) + spilled
    }

    /// Adds a packed request at the end.
    pub fn push(&mut self, packed: &[u8], blocks: &mut Blocks) {
        self.spilled.as_mut().map_or(&mut self.head, |spilled| &mut spilled.tail).push_back(packed, blocks);
    }

    /// Puts a packed request before all others.
    pub fn push_front(&mut self, packed: &[u8], blocks: &mut Blocks) {
        self.head.push_front(packed, blocks);
    }

    /// Reads the next segment if there is nothing in memory. How many requests may be popped now: none only if none
    /// are left.
    pub fn load(&mut self, blocks: &mut Blocks, scratch: &mut Scratch) -> Result<usize, BacklogError> {
        if self.head.count == 0
            && let Some(spilled) = &mut self.spilled
        {
            if let Some(segment) = scratch.first(&mut spilled.segments) {
                let count = segment.count;
                self.head.chain.append(scratch.take(segment)?, blocks);
                self.head.count = count;
            } else {
                self.head = std::mem::take(&mut spilled.tail);
            }
        }
        Ok(self.head.count as usize)
    }

    /// Puts the next packed request of those that are loaded into `packed`, in place of what is there.
    pub fn pop(&mut self, blocks: &mut Blocks, packed: &mut Vec<u8>) -> Result<(), BacklogError> {
        packed.clear();
        self.head.pop_front(blocks, packed)
    }

    /// Forgets parts in which nothing stands any more. To be called after the last [`Lane::pop`] of several.
    pub fn tidy(&mut self) {
        self.spilled.take_if(|spilled| spilled.segments.count() == 0 && spilled.tail.count == 0);
    }

    /// Writes all of it to scratch files if that is worth it: from `floor` bytes on. `buffer` is for its use.
    pub fn spill(
        &mut self,
        floor: usize,
        blocks: &mut Blocks,
        scratch: &mut Scratch,
        buffer: &mut Vec<u8>,
    ) -> Result<(), BacklogError> {
        let tail = self.spilled.as_ref().map_or(0, |spilled| spilled.tail.chain.len());
        if self.head.chain.len() + tail < floor {
            return Ok(());
        }
        let spilled = self.spilled.get_or_insert_default();
        let mut first = Segments::default();
        self.head.write(blocks, scratch, buffer, &mut first)?;
        scratch.put_before(&mut spilled.segments, first);
        spilled.tail.write(blocks, scratch, buffer, &mut spilled.segments)
    }
}

impl Run {
    #[allow(clippy::cast_possible_truncation, reason = "the shorter form is for lengths below 255")]
    fn prefix(packed: &[u8]) -> ([u8; 5], usize) {
        let length = packed.len();
        if length < usize::from(LONG) {
            return ([length as u8, 0, 0, 0, 0], 1);
        }
        // A request is bounded by the length of URLs and trails, far below 4 GiB.
        let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        ([LONG, a, b, c, d], 5)
    }

    fn push_back(&mut self, packed: &[u8], blocks: &mut Blocks) {
        let (prefix, length) = Self::prefix(packed);
        self.chain.append(&prefix[..length], blocks);
        self.chain.append(packed, blocks);
        self.count += 1;
    }

    fn push_front(&mut self, packed: &[u8], blocks: &mut Blocks) {
        let (prefix, length) = Self::prefix(packed);
        self.chain.prepend(packed, blocks);
        self.chain.prepend(&prefix[..length], blocks);
        self.count += 1;
    }

    /// Moves the first request to the end of `into`, without its length.
    fn pop_front(&mut self, blocks: &mut Blocks, into: &mut Vec<u8>) -> Result<(), BacklogError> {
        let mut prefix = [0; 4];
        self.chain.read(&mut prefix[..1], blocks);
        let mut length = usize::from(prefix[0]);
        if prefix[0] == LONG {
            self.chain.read(&mut prefix, blocks);
            length = u32::from_le_bytes(prefix) as usize;
        }
        if self.count == 0 || length > self.chain.len() {
            return Err(postcard::Error::DeserializeUnexpectedEnd.into());
        }
        self.chain.take(length, blocks, into);
        self.count -= 1;
        Ok(())
    }

    /// Appends all of it to scratch files, cut into segments between requests.
    fn write(
        &mut self,
        blocks: &mut Blocks,
        scratch: &mut Scratch,
        buffer: &mut Vec<u8>,
        to: &mut Segments,
    ) -> Result<(), BacklogError> {
        while self.count > 0 {
            buffer.clear();
            let mut count = 0;
            if self.chain.len() <= SEGMENT_BYTES {
                count = std::mem::take(&mut self.count);
                self.chain.take(SEGMENT_BYTES, blocks, buffer);
            }
            let mut packed = Vec::new();
            while self.count > 0 && (count == 0 || buffer.len() < SEGMENT_BYTES) {
                packed.clear();
                self.pop_front(blocks, &mut packed)?;
                let (prefix, length) = Self::prefix(&packed);
                buffer.extend_from_slice(&prefix[..length]);
                buffer.extend_from_slice(&packed);
                count += 1;
            }
            scratch.append(buffer, count, to)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::frontier::overflow::Overflow;

    fn popped(lane: &mut Lane, blocks: &mut Blocks) -> Vec<u8> {
        let mut packed = b"what was there".to_vec();
        lane.pop(blocks, &mut packed).expect("one");
        packed
    }

    #[test]
    fn lanes_go_by_priority_and_an_empty_one_is_used_again() {
        let dir = tempfile::tempdir().expect("directory");
        let settings = Overflow { dir: dir.path().to_owned(), memory: 1 };
        let mut scratch = Scratch::new(&settings).expect("directory");
        let (mut queue, mut blocks) = (Queue::default(), Blocks::default());
        for priority in [5, 0, 9, 0, 5] {
            queue.lane(priority).push(&[priority], &mut blocks);
        }
        assert_eq!(queue.len(), 5);
        let mut order = Vec::new();
        while let Some(lane) = queue.next() {
            assert!(lane.load(&mut blocks, &mut scratch).expect("memory") > 0);
            order.extend(popped(lane, &mut blocks));
            lane.tidy();
        }
        assert_eq!(order, [0, 0, 5, 5, 9]);
        for priority in 0..=255 {
            queue.lane(priority).push(&[priority], &mut blocks);
            let lane = queue.next().expect("one");
            assert_eq!(lane.priority, priority);
            assert_eq!(popped(lane, &mut blocks), [priority]);
            lane.tidy();
        }
        assert_eq!((queue.lanes().count(), blocks.memory()), (3, 0));
    }

    #[test]
    fn a_head_of_many_segments_keeps_its_order_before_the_rest() {
        let dir = tempfile::tempdir().expect("directory");
        let settings = Overflow { dir: dir.path().to_owned(), memory: 1 << 20 };
        let mut scratch = Scratch::new(&settings).expect("directory");
        let (mut lane, mut blocks, mut buffer) = (Lane::default(), Blocks::default(), Vec::new());
        let packed = |n: u32| n.to_le_bytes().repeat(25);
        for n in 1_000..3_000 {
            lane.push(&packed(n), &mut blocks);
            if n % 700 == 0 {
                lane.spill(1, &mut blocks, &mut scratch, &mut buffer).expect("disk");
            }
        }
        for n in (0..1_000).rev() {
            lane.push_front(&packed(n), &mut blocks);
        }
        lane.spill(1, &mut blocks, &mut scratch, &mut buffer).expect("disk");
        let spilled = lane.spilled.as_ref().expect("something on disk");
        assert_eq!(spilled.segments.count(), 3_000);
        assert_eq!((lane.len(), blocks.memory()), (3_000, 0));
        for n in 0..3_000 {
            assert!(lane.load(&mut blocks, &mut scratch).expect("disk") > 0);
            assert_eq!(popped(&mut lane, &mut blocks), packed(n));
            lane.tidy();
        }
        assert_eq!((lane.len(), blocks.memory(), scratch.bytes()), (0, 0, 0));
    }

    #[test]
    fn a_run_through_which_much_flows_stays_small() {
        let (mut run, mut blocks) = (Run::default(), Blocks::default());
        for n in 0..100_000_u32 {
            run.push_back(&n.to_le_bytes(), &mut blocks);
            if n >= 100 {
                let mut packed = Vec::new();
                run.pop_front(&mut blocks, &mut packed).expect("one");
                assert_eq!(packed, (n - 100).to_le_bytes());
            }
        }
        assert!(blocks.memory() < 2 * 100 * 5, "{}", blocks.memory());
    }

    proptest! {
        #[test]
        fn a_run_is_a_deque(steps in proptest::collection::vec((0..5_u8, 0..600_usize), 0..200)) {
            let (mut run, mut blocks, mut deque) = (Run::default(), Blocks::default(), VecDeque::new());
            for (n, (step, size)) in steps.into_iter().enumerate() {
                let packed = vec![n.to_le_bytes()[0]; size];
                match step {
                    0 | 1 => {
                        run.push_back(&packed, &mut blocks);
                        deque.push_back(packed);
                    }
                    2 => {
                        run.push_front(&packed, &mut blocks);
                        deque.push_front(packed);
                    }
                    _ => {
                        let mut first = Vec::new();
                        let popped = run.pop_front(&mut blocks, &mut first).is_ok();
                        prop_assert_eq!(popped.then_some(first), deque.pop_front());
                    }
                }
                prop_assert_eq!(run.count as usize, deque.len());
            }
            for packed in deque {
                let mut first = Vec::new();
                run.pop_front(&mut blocks, &mut first).expect("one is left");
                prop_assert_eq!(first, packed);
            }
            prop_assert_eq!(blocks.memory(), 0);
        }
    }
}

//! The queue of one host: a lane for each priority, and in a lane packed requests, first come first served.
//!
//! A lane that outgrew memory has three parts, in this order: a head in memory, segments on disk, a tail in memory.
//! One that did not is all head. Knows no host names and no time, and never decides to spill by itself.

use std::collections::VecDeque;

use super::backlog::BacklogError;
use super::overflow::{HEADER, Scratch, Segment};

/// Bytes of a segment at most, unless one request alone is larger: some hundred requests, and little enough to be
/// held in memory for every host that is being asked.
const SEGMENT_BYTES: usize = 16 << 10;

/// The lanes of a host. Most hosts have one, so that it stands here and the others elsewhere.
#[derive(Debug, Default)]
pub struct Queue {
    first: Lane,
    others: Vec<Lane>,
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
    segments: VecDeque<Segment>,
    tail: Run,
}

/// Packed requests in a row, each behind its length (as postcard writes numbers).
#[derive(Debug, Default)]
struct Run {
    bytes: Vec<u8>,
    /// What precedes this was taken, or is room for what comes back.
    start: usize,
    count: usize,
}

impl Queue {
    /// The lane of a priority.
    pub fn lane(&mut self, priority: u8) -> &mut Lane {
        let fits = |lane: &Lane| lane.priority == priority && !lane.is_empty();
        let free = |lane: &Lane| lane.is_empty();
        let at = self.position(fits).or_else(|| self.position(free)).unwrap_or_else(|| {
            // Most hosts never get a third: no room is kept for it.
            self.others.reserve_exact(1);
            self.others.push(Lane::default());
            self.others.len()
        });
        let lane = at.checked_sub(1).and_then(|at| self.others.get_mut(at)).unwrap_or(&mut self.first);
        lane.priority = priority;
        lane
    }

    /// The lane from which the next request is to be taken.
    pub fn next(&mut self) -> Option<&mut Lane> {
        self.lanes().filter(|lane| !lane.is_empty()).min_by_key(|lane| lane.priority)
    }

    /// Requests in it.
    pub fn len(&self) -> u64 {
        std::iter::once(&self.first).chain(&self.others).map(Lane::len).sum()
    }

    /// All its lanes.
    pub fn lanes(&mut self) -> impl Iterator<Item = &mut Lane> {
        std::iter::once(&mut self.first).chain(&mut self.others)
    }

    fn position(&self, fits: impl Fn(&Lane) -> bool) -> Option<usize> {
        std::iter::once(&self.first).chain(&self.others).position(fits)
    }
}

impl Lane {
    /// Bytes of memory that its requests take.
    pub fn memory(&self) -> usize {
        self.head.bytes.capacity() + self.spilled.as_ref().map_or(0, |spilled| spilled.tail.bytes.capacity())
    }

    fn is_empty(&self) -> bool {
        self.head.count == 0 && self.spilled.is_none()
    }

    fn len(&self) -> u64 {
        let spilled = self.spilled.as_ref().map_or(0, |spilled| {
            spilled.segments.iter().map(|segment| u64::from(segment.count)).sum::<u64>()
                + spilled.tail.count as u64
        });
        self.head.count as u64 + spilled
    }

    /// Adds a packed request at the end.
    pub fn push(&mut self, packed: &[u8]) -> Result<(), BacklogError> {
        self.spilled.as_mut().map_or(&mut self.head, |spilled| &mut spilled.tail).push_back(packed)
    }

    /// Puts a packed request before all others.
    pub fn push_front(&mut self, packed: &[u8]) -> Result<(), BacklogError> {
        self.head.push_front(packed)
    }

    /// Reads the next segment if there is nothing in memory. How many requests may be popped now: none only if none
    /// are left.
    pub fn load(&mut self, scratch: &mut Scratch) -> Result<usize, BacklogError> {
        if self.head.count == 0
            && let Some(spilled) = &mut self.spilled
        {
            if let Some(segment) = spilled.segments.pop_front() {
                let count = segment.count as usize;
                self.head = Run { bytes: scratch.take(segment)?, start: HEADER, count };
            } else {
                self.head = std::mem::take(&mut spilled.tail);
            }
        }
        Ok(self.head.count)
    }

    /// The next packed request of those that are loaded.
    pub fn pop(&mut self) -> Result<&[u8], BacklogError> {
        self.head.pop_front()
    }

    /// Gives back what nothing stands in any more. To be called after the last [`Lane::pop`] of several.
    pub fn tidy(&mut self) {
        if self.head.count == 0 {
            self.head = Run::default();
        }
        self.spilled.take_if(|spilled| spilled.segments.is_empty() && spilled.tail.count == 0);
    }

    /// Writes all of it to scratch files if that is worth it: from `floor` bytes on. Otherwise only gives spare
    /// memory back.
    pub fn spill(&mut self, floor: usize, scratch: &mut Scratch) -> Result<(), BacklogError> {
        let tail = self.spilled.as_ref().map_or(0, |spilled| spilled.tail.live());
        if self.head.live() + tail < floor {
            self.head.shrink();
            if let Some(spilled) = &mut self.spilled {
                spilled.tail.shrink();
            }
            return Ok(());
        }
        let spilled = self.spilled.get_or_insert_default();
        let mut head = Vec::new();
        std::mem::take(&mut self.head).write(scratch, |segment| head.push(segment))?;
        for segment in head.into_iter().rev() {
            spilled.segments.push_front(segment);
        }
        std::mem::take(&mut spilled.tail).write(scratch, |segment| spilled.segments.push_back(segment))
    }
}

impl Run {
    /// Bytes of what is in it.
    fn live(&self) -> usize {
        self.bytes.len() - self.start
    }

    fn push_back(&mut self, packed: &[u8]) -> Result<(), BacklogError> {
        // Half of it was taken: then moving the rest to the front is cheaper than growing.
        if self.start > self.live() && self.bytes.len() + packed.len() >= self.bytes.capacity() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes = postcard::to_extend(&packed.len(), std::mem::take(&mut self.bytes))?;
        self.bytes.extend_from_slice(packed);
        self.count += 1;
        Ok(())
    }

    fn push_front(&mut self, packed: &[u8]) -> Result<(), BacklogError> {
        let mut length = [0; 10];
        let length = postcard::to_slice(&packed.len(), &mut length)?;
        let needed = length.len() + packed.len();
        if self.start < needed {
            // Room for more to come back, in proportion, so that each costs the same on average.
            let room = needed + self.live() / 2;
            let live = std::mem::take(&mut self.bytes);
            self.bytes.reserve_exact(room + live.len() - self.start);
            self.bytes.resize(room, 0);
            self.bytes.extend_from_slice(&live[self.start..]);
            self.start = room;
        }
        let (before, place) = (self.start - packed.len(), self.start);
        self.bytes[before..place].copy_from_slice(packed);
        self.start -= needed;
        self.bytes[self.start..before].copy_from_slice(length);
        self.count += 1;
        Ok(())
    }

    fn pop_front(&mut self) -> Result<&[u8], BacklogError> {
        let (length, rest) = postcard::take_from_bytes::<usize>(&self.bytes[self.start..])?;
        let begin = self.bytes.len() - rest.len();
        if self.count == 0 || length > rest.len() {
            return Err(postcard::Error::DeserializeUnexpectedEnd.into());
        }
        self.start = begin + length;
        self.count -= 1;
        Ok(&self.bytes[begin..self.start])
    }

    fn shrink(&mut self) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.shrink_to_fit();
    }

    /// Appends all of it to scratch files, cut into segments between requests.
    fn write(mut self, scratch: &mut Scratch, mut each: impl FnMut(Segment)) -> Result<(), BacklogError> {
        let (mut begin, mut count) = (self.start, 0);
        while self.count > 0 {
            let before = self.start;
            self.pop_front()?;
            if count > 0 && self.start - begin > SEGMENT_BYTES {
                each(scratch.append(&self.bytes[begin..before], count)?);
                (begin, count) = (before, 0);
            }
            count += 1;
        }
        if count > 0 {
            each(scratch.append(&self.bytes[begin..], count)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frontier::overflow::Overflow;

    fn drained(run: &mut Run) -> Vec<Vec<u8>> {
        (0..run.count).map(|_| run.pop_front().expect("one is left").to_vec()).collect()
    }

    #[test]
    fn lanes_go_by_priority_and_an_empty_one_is_used_again() {
        let dir = tempfile::tempdir().expect("directory");
        let settings = Overflow { dir: dir.path().to_owned(), memory: 1 };
        let mut scratch = Scratch::new(&settings).expect("directory");
        let mut queue = Queue::default();
        for priority in [5, 0, 9, 0, 5] {
            queue.lane(priority).push(&[priority]).expect("packs");
        }
        assert_eq!(queue.len(), 5);
        let mut order = Vec::new();
        while let Some(lane) = queue.next() {
            assert!(lane.load(&mut scratch).expect("memory") > 0);
            order.extend_from_slice(lane.pop().expect("one"));
            lane.tidy();
        }
        assert_eq!(order, [0, 0, 5, 5, 9]);
        for priority in 0..=255 {
            queue.lane(priority).push(&[priority]).expect("packs");
            let lane = queue.next().expect("one");
            assert_eq!(lane.priority, priority);
            assert_eq!(lane.pop().expect("one"), [priority]);
            lane.tidy();
        }
        assert_eq!((queue.lanes().count(), queue.lanes().map(|lane| lane.memory()).sum::<usize>()), (3, 0));
    }

    #[test]
    fn a_head_of_many_segments_keeps_its_order_before_the_rest() {
        let dir = tempfile::tempdir().expect("directory");
        let settings = Overflow { dir: dir.path().to_owned(), memory: 1 << 20 };
        let mut scratch = Scratch::new(&settings).expect("directory");
        let mut lane = Lane::default();
        let packed = |n: u32| n.to_le_bytes().repeat(25);
        for n in 1_000..3_000 {
            lane.push(&packed(n)).expect("packs");
            if n % 700 == 0 {
                lane.spill(1, &mut scratch).expect("disk");
            }
        }
        for n in (0..1_000).rev() {
            lane.push_front(&packed(n)).expect("packs");
        }
        lane.spill(1, &mut scratch).expect("disk");
        let spilled = lane.spilled.as_ref().expect("something on disk");
        assert!((18..30).contains(&spilled.segments.len()), "{} segments", spilled.segments.len());
        assert_eq!((lane.len(), lane.memory()), (3_000, 0));
        for n in 0..3_000 {
            assert!(lane.load(&mut scratch).expect("disk") > 0);
            assert_eq!(lane.pop().expect("one"), packed(n));
            lane.tidy();
        }
        assert_eq!((lane.len(), lane.memory(), scratch.bytes()), (0, 0, 0));
    }

    #[test]
    fn a_run_through_which_much_flows_stays_small() {
        let mut run = Run::default();
        for n in 0..100_000_u32 {
            run.push_back(&n.to_le_bytes()).expect("packs");
            if n >= 100 {
                assert_eq!(run.pop_front().expect("one"), (n - 100).to_le_bytes());
            }
        }
        assert!(run.bytes.capacity() < 4 * 100 * 5, "{}", run.bytes.capacity());
    }

    #[test]
    fn what_comes_back_to_a_long_run_moves_it_rarely() {
        let mut run = Run::default();
        for n in 0..10_000_u32 {
            run.push_back(&n.to_le_bytes()).expect("packs");
        }
        let mut moves = 0;
        for n in 0..10_000_u32 {
            let before = run.bytes.len();
            run.push_front(&n.to_le_bytes()).expect("packs");
            moves += usize::from(run.bytes.len() != before);
        }
        assert!(moves < 5, "moved {moves} times");
        assert_eq!(run.pop_front().expect("one"), 9_999_u32.to_le_bytes());
        assert_eq!(run.count, 19_999);
    }

    proptest! {
        #[test]
        fn a_run_is_a_deque(steps in proptest::collection::vec((0..5_u8, 0..300_usize), 0..200)) {
            let (mut run, mut deque) = (Run::default(), VecDeque::new());
            for (n, (step, size)) in steps.into_iter().enumerate() {
                let packed = vec![n.to_le_bytes()[0]; size];
                match step {
                    0 | 1 => {
                        run.push_back(&packed).expect("packs");
                        deque.push_back(packed);
                    }
                    2 => {
                        run.push_front(&packed).expect("packs");
                        deque.push_front(packed);
                    }
                    3 => run.shrink(),
                    _ => match deque.pop_front() {
                        Some(first) => prop_assert_eq!(run.pop_front().expect("one"), &first),
                        None => prop_assert!(run.pop_front().is_err()),
                    },
                }
                prop_assert_eq!(run.count, deque.len());
            }
            prop_assert_eq!(drained(&mut run), Vec::from(deque));
        }
    }
}

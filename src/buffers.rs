//! Buffers of bytes that are used again. What one thread fills and another lets go of goes back to an allocator far from
//! where it is wanted next, and what that hands out instead is in no cache. Bounded in number and in size.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Buffers that are kept for the next ones who want one.
const KEPT: usize = 64;

/// Where buffers are taken from, and go back to. A clone shares them.
#[derive(Clone, Debug, Default)]
pub struct Buffers {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
    most: usize,
}

/// A buffer, which goes back when it is dropped.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    home: Buffers,
}

impl Buffers {
    /// None yet; one that grows beyond so many bytes will not be kept.
    pub fn up_to(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// An empty buffer with room for so many bytes: the one that was let go of last, if there is any.
    pub fn take(&self, room: usize) -> Buffer {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut bytes = free.unwrap_or_default();
        bytes.reserve(room);
        Buffer { bytes, home: self.clone() }
    }

    fn put(&self, mut bytes: Vec<u8>) {
        if bytes.capacity() == 0 || bytes.capacity() > self.most {
            return;
        }
        bytes.clear();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT {
            free.push(bytes);
        }
    }
}

impl Buffer {
    /// Gives back the room that is not used, if the buffer is too large to be kept anyway.
    pub fn fit(&mut self) {
        if self.bytes.capacity() > self.home.most {
            self.bytes.shrink_to_fit();
        }
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.put(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_and_comes_empty() {
        let buffers = Buffers::up_to(100);
        let mut first = buffers.take(10);
        first.extend_from_slice(b"something");
        let at = first.as_ptr();
        drop(first);
        let second = buffers.take(5);
        assert_eq!((second.as_ptr(), second.len()), (at, 0));
        assert_ne!(buffers.take(1).as_ptr(), at, "it is in use");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let buffers = Buffers::up_to(100);
        let mut large = buffers.take(101);
        large.push(0);
        large.fit();
        assert!(large.capacity() < 101);
        large.reserve(101);
        drop(large);
        assert_eq!(buffers.free.lock().expect("lock").len(), 0);
        drop((0..2 * KEPT).map(|_| buffers.take(1)).collect::<Vec<_>>());
        assert_eq!(buffers.free.lock().expect("lock").len(), KEPT);
    }
}

//! The block that journals and snapshots are made of: length, number, checksum, then postcard under zstd.
//!
//! A reader takes any bytes: a block that is cut short, or whose checksum is wrong, is [`Next::Torn`]. Only that may
//! be cut off; a whole block of another version is [`Next::Foreign`].

use std::fmt;
use std::io::{self, Read};

use serde::Serialize;
use serde::de::DeserializeOwned;
use zstd::bulk::{Compressor, Decompressor};

/// Length (u32), number (u64), checksum (u64), all little-endian.
const HEADER: usize = 20;
/// The largest block that is written or believed, packed and unpacked.
pub const MAX_BLOCK: usize = 256 << 20;
/// A buffer that is larger is not kept.
const KEPT_BUFFER: usize = 4 << 20;
/// Fast: the text in a frame still shrinks to about a third.
const LEVEL: i32 = 1;

/// Writes blocks. Keeps its buffers from one to the next.
pub struct Encoder {
    packer: Compressor<'static>,
    plain: Vec<u8>,
    block: Vec<u8>,
}

impl Encoder {
    /// One that has written nothing.
    pub fn new() -> io::Result<Self> {
        Ok(Self { packer: Compressor::new(LEVEL)?, plain: Vec::new(), block: Vec::new() })
    }

    /// A value as one block.
    pub fn encode<T: Serialize>(&mut self, number: u64, value: &T) -> io::Result<&[u8]> {
        // One large block must not be held for ever.
        self.plain.clear();
        self.plain.shrink_to(KEPT_BUFFER);
        self.plain = postcard::to_extend(value, std::mem::take(&mut self.plain)).map_err(io::Error::other)?;
        if self.plain.len() > MAX_BLOCK {
            return Err(io::Error::other(format!("a block of {} bytes is over the bound", self.plain.len())));
        }
        let bound = HEADER + zstd::zstd_safe::compress_bound(self.plain.len());
        self.block.clear();
        self.block.shrink_to(bound.max(KEPT_BUFFER));
        self.block.resize(bound, 0);
        let length = self.packer.compress_to_buffer(&self.plain, &mut self.block[HEADER..])?;
        self.block.truncate(HEADER + length);
        let (header, packed) = self.block.split_at_mut(HEADER);
        header[..4].copy_from_slice(&u32::try_from(length).map_err(io::Error::other)?.to_le_bytes());
        header[4..12].copy_from_slice(&number.to_le_bytes());
        header[12..].copy_from_slice(&checksum(number, packed).to_le_bytes());
        Ok(&self.block)
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoder")
    }
}

/// What stands next in a file of blocks.
pub enum Next<T> {
    /// A whole block: its number and value, and its bytes in the file.
    Block(u64, T, u64),
    /// The file ends here, at a block's edge.
    End,
    /// Bytes that are no whole block.
    Torn,
    /// A whole block that says nothing we understand: no crash writes this, another version does.
    Foreign,
}

/// Reads blocks. Keeps its buffers from one to the next.
pub struct Decoder {
    unpacker: Decompressor<'static>,
    packed: Vec<u8>,
    plain: Vec<u8>,
}

impl Decoder {
    /// One that has read nothing.
    pub fn new() -> io::Result<Self> {
        Ok(Self { unpacker: Decompressor::new()?, packed: Vec::new(), plain: Vec::new() })
    }

    /// Reads the next block.
    pub fn decode<T: DeserializeOwned>(&mut self, reader: &mut impl Read) -> io::Result<Next<T>> {
        let mut header = [0; HEADER];
        match fill(reader, &mut header)? {
            0 => return Ok(Next::End),
            HEADER => {}
            _ => return Ok(Next::Torn),
        }
        let (length, rest) = header.split_at(4);
        let (number, sum) = rest.split_at(8);
        let length = u32::from_le_bytes(array(length)) as usize;
        let number = u64::from_le_bytes(array(number));
        if length > MAX_BLOCK {
            return Ok(Next::Torn);
        }
        self.packed.clear();
        // A torn header may claim a huge length: grow with what is really there.
        reader.by_ref().take(length as u64).read_to_end(&mut self.packed)?;
        if self.packed.len() != length || checksum(number, &self.packed) != u64::from_le_bytes(array(sum)) {
            return Ok(Next::Torn);
        }
        let value = self.unpack().ok().and_then(|plain| postcard::from_bytes(plain).ok());
        // One large block must not be held for ever.
        self.packed.shrink_to(KEPT_BUFFER);
        self.plain.shrink_to(KEPT_BUFFER);
        Ok(value.map_or(Next::Foreign, |value| Next::Block(number, value, (HEADER + length) as u64)))
    }

    /// Unpacks with the bound that the block itself claims, so that a forged one cannot ask for gigabytes.
    fn unpack(&mut self) -> io::Result<&[u8]> {
        let size = Decompressor::upper_bound(&self.packed).filter(|size| *size <= MAX_BLOCK);
        let size = size.ok_or_else(|| io::Error::other("a block without a sane size"))?;
        self.plain.clear();
        self.plain.reserve(size);
        self.unpacker.decompress_to_buffer(&self.packed, &mut self.plain)?;
        Ok(&self.plain)
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

fn checksum(number: u64, packed: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(packed, number)
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

/// Reads until the buffer is full or the file ends.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoder() -> Decoder {
        Decoder::new().expect("a decoder")
    }

    fn encode(number: u64, value: impl Serialize) -> Vec<u8> {
        Encoder::new().expect("an encoder").encode(number, &value).expect("encodes").to_owned()
    }

    fn all(mut bytes: &[u8]) -> (Vec<(u64, String)>, bool) {
        let (mut decoder, mut read) = (decoder(), Vec::new());
        loop {
            match decoder.decode::<String>(&mut bytes).expect("memory reads do not fail") {
                Next::Block(number, value, _) => read.push((number, value)),
                Next::End => return (read, false),
                Next::Torn | Next::Foreign => return (read, true),
            }
        }
    }

    #[test]
    fn every_cut_gives_the_whole_blocks_before_it() {
        let blocks: Vec<Vec<u8>> = (0..3).map(|n| encode(n, format!("block {n}"))).collect();
        let bytes = blocks.concat();
        for cut in 0..=bytes.len() {
            let (read, torn) = all(&bytes[..cut]);
            let whole = blocks
                .iter()
                .scan(0, |end, b| {
                    *end += b.len();
                    Some(*end)
                })
                .filter(|end| *end <= cut);
            let whole: Vec<usize> = whole.collect();
            assert_eq!(read.len(), whole.len(), "cut at {cut}");
            assert_eq!(torn, cut != whole.last().copied().unwrap_or(0), "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_is_torn_and_never_another_value() {
        let bytes = encode(7, "some text that is long enough to be packed packed packed");
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            let (read, _) = all(&flipped);
            assert!(read.is_empty(), "byte {at} flipped was read as {read:?}");
        }
    }

    /// Notes the largest buffer that is held out to it.
    struct Asked<'a>(&'a [u8], usize);

    impl Read for Asked<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = self.1.max(out.len());
            self.0.read(out)
        }
    }

    #[test]
    fn what_a_torn_header_claims_is_not_reserved() {
        for claimed in [MAX_BLOCK, MAX_BLOCK - 1, MAX_BLOCK / 2] {
            let mut bytes = encode(0, "short");
            bytes[..4].copy_from_slice(&u32::try_from(claimed).expect("fits").to_le_bytes());
            let mut reader = Asked(&bytes, 0);
            assert!(matches!(decoder().decode::<String>(&mut reader), Ok(Next::Torn)));
            assert!(
                reader.1 < 64 << 10,
                "{} bytes were reserved for {} that are there",
                reader.1,
                bytes.len()
            );
        }
        // One that claims more than there may be is not even looked into.
        let mut bytes = encode(0, "short");
        bytes[..4].fill(0xFF);
        let mut reader = Asked(&bytes, 0);
        assert!(matches!(decoder().decode::<String>(&mut reader), Ok(Next::Torn)) && reader.1 == HEADER);
    }

    proptest! {
        #[test]
        fn blocks_before_any_damage_are_read_and_nothing_else(
            texts in proptest::collection::vec("[a-z]{0,40}", 1..6), at in 0..400usize, length in 0..60usize,
            put in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let blocks: Vec<Vec<u8>> = (0..).zip(&texts).map(|(n, text)| encode(n, text)).collect();
            let whole = blocks.concat();
            let at = at % (whole.len() + 1);
            let mut damaged = whole.clone();
            damaged.splice(at..(at + length).min(whole.len()), put);
            let same = whole.iter().zip(&damaged).take_while(|(one, other)| one == other).count();
            let ends = blocks.iter().scan(0, |end, block| { *end += block.len(); Some(*end) });
            let intact = ends.filter(|end| *end <= same).count();
            let (read, _) = all(&damaged);
            prop_assert!(read.len() >= intact, "{} of {intact}", read.len());
            // Behind the damage a block may stand whole where whole blocks were taken out; its number tells.
            for (number, text) in read {
                prop_assert_eq!(Some(&text), usize::try_from(number).ok().and_then(|number| texts.get(number)));
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (read, _) = all(&bytes);
            prop_assert!(read.is_empty());
        }
    }
}

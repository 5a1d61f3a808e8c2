//! Inputs: made of a target's words, or from inputs that were there before. The same seed gives the same ones.

/// Longer inputs take time and rarely show more.
pub const MAX_BYTES: usize = 4096;
/// But for what costs more than its size: now and then one is repeated up to here.
const LARGE_BYTES: usize = 64 << 10;
const TELLING: [u8; 12] = [0, 1, 0x7F, 0x80, 0xFF, b'<', b'>', b'&', b'"', b'%', b'\n', b' '];

/// Numbers by chance: xorshift, which is enough to choose what is changed.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Less than `bound`, or 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap_or(0) % bound.max(1)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}

/// An input of nothing but words, with a byte in front, which tells some targets what to do with the rest.
fn made(words: &[&str], chance: &mut Chance) -> Vec<u8> {
    let mut input = vec![chance.byte()];
    for _ in 0..chance.below(40) {
        match chance.below(12) {
            0 => input.push(chance.byte()),
            _ => input.extend(words[chance.below(words.len())].bytes()),
        }
    }
    input
}

/// The next input, from `corpus` or anew.
pub fn next(corpus: &[Vec<u8>], words: &[&str], chance: &mut Chance) -> Vec<u8> {
    if corpus.is_empty() || chance.below(8) == 0 {
        return made(words, chance);
    }
    let mut input = corpus[chance.below(corpus.len())].clone();
    for _ in 0..=chance.below(6) {
        let at = chance.below(input.len() + 1);
        let widest = if chance.below(4) == 0 { 256 } else { 8 };
        let to = (at + 1 + chance.below(widest)).min(input.len());
        match chance.below(9) {
            0 if at < input.len() => input[at] ^= 1 << chance.below(8),
            1 if at < input.len() => input[at] = TELLING[chance.below(TELLING.len())],
            2 => drop(input.drain(at..to.max(at))),
            3 => {
                let again: Vec<u8> = input[at..to.max(at)].repeat(1 + chance.below(8));
                input.splice(at..at, again);
            }
            4 => {
                let other = &corpus[chance.below(corpus.len())];
                let from = chance.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            5 => input.insert(at, chance.byte()),
            6 => input.truncate(at.max(1)),
            _ => {
                let word = words[chance.below(words.len())].bytes();
                input.splice(at..at, word);
            }
        }
    }
    input.truncate(MAX_BYTES);
    if chance.below(200) == 0 && !input.is_empty() {
        // From somewhere on, so that what stands before opens it all.
        let again = input[chance.below(input.len())..].to_vec();
        input.extend(again.iter().cycle().take(LARGE_BYTES));
    }
    input
}

/// Smaller inputs in place of `input`, largest cuts first, as long as `is_found` says that they show the same.
pub fn smaller(mut input: Vec<u8>, mut is_found: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut step = input.len() / 2;
    while step > 0 {
        let mut at = 0;
        while at < input.len() {
            let mut less = input.clone();
            less.drain(at..(at + step).min(input.len()));
            if is_found(&less) {
                input = less;
            } else {
                at += step;
            }
        }
        step /= 2;
    }
    input
}

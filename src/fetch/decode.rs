//! Undoes `Content-Encoding`, with every layer capped. Pure and CPU-bound: it runs where pages are parsed.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status, bufread};
use http::header::CONTENT_ENCODING;

use crate::model::{Failure, Fetched, Outcome, Stage};
use crate::units::Size;

/// Encodings on top of each other that are undone at most.
const MAX_LAYERS: usize = 4;
/// Largest window of zstd as a power of two: the 8 MiB that RFC 9659 allows for `Content-Encoding`. The
/// decoder reserves it as soon as a frame asks for it.
const ZSTD_WINDOW_LOG: u32 = 23;
/// Bytes that a decoder reads, or that are unpacked, at a time.
const CHUNK: usize = 32 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// The body without its `Content-Encoding`, at most `max_body` bytes. Costs nothing if there is none.
pub fn unpack(fetched: &Fetched, max_body: u64) -> Result<Bytes, Failure> {
    let layers = layers(fetched)?;
    // Servers that answer with nothing often still name an encoding.
    if layers.is_empty() || fetched.body.is_empty() {
        return match fetched.body.len() as u64 > max_body {
            true => Err(too_large(max_body)),
            false => Ok(fetched.body.clone()),
        };
    }
    let mut reader: Box<dyn BufRead + '_> = Box::new(&fetched.body[..]);
    // Named in the order in which they were applied, so the last one is undone first.
    for layer in layers.iter().rev() {
        // Each layer has the cap: what is in between must not be a bomb either.
        let capped = layer.undo(reader).map(|inner| Capped { inner, left: max_body });
        reader =
            Box::new(BufReader::with_capacity(CHUNK, capped.map_err(|e| failed(&e, &layers, max_body))?));
    }
    let mut body = Vec::new();
    loop {
        let chunk = reader.fill_buf().map_err(|e| failed(&e, &layers, max_body))?;
        if chunk.is_empty() {
            body.shrink_to_fit();
            return Ok(body.into());
        }
        // Grown by doubling, but never beyond the cap.
        if body.capacity() - body.len() < chunk.len() {
            let room = usize::try_from(max_body).unwrap_or(usize::MAX).saturating_sub(body.len());
            body.reserve_exact(body.len().max(CHUNK).min(room).max(chunk.len()));
        }
        body.extend_from_slice(chunk);
        let read = chunk.len();
        reader.consume(read);
    }
}

/// The encodings of an answer in the order in which they were applied.
fn layers(fetched: &Fetched) -> Result<Vec<Encoding>, Failure> {
    let mut layers = Vec::new();
    for value in fetched.headers.get_all(CONTENT_ENCODING) {
        let text = value.to_str().map_err(|_| invalid("`Content-Encoding` is not text"))?;
        for name in text.split(',').map(str::trim) {
            match name.to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" => layers.push(Encoding::Gzip),
                "deflate" => layers.push(Encoding::Deflate),
                "br" => layers.push(Encoding::Brotli),
                "zstd" => layers.push(Encoding::Zstd),
                _ => return Err(invalid(&format!("`Content-Encoding: {name}` is not known"))),
            }
        }
    }
    match layers.len() {
        0..=MAX_LAYERS => Ok(layers),
        n => Err(invalid(&format!("{n} encodings on top of each other, more than {MAX_LAYERS}"))),
    }
}

impl Encoding {
    fn undo<'a>(self, mut packed: Box<dyn BufRead + 'a>) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Gzip => Box::new(Gzip { member: bufread::GzDecoder::new(packed) }),
            Self::Deflate => {
                let is_zlib = matches!(packed.fill_buf()?, [first, ..] if first & 0x0f == 8);
                Box::new(Inflate { packed, state: Decompress::new(is_zlib), is_done: false })
            }
            Self::Brotli => {
                // This first byte asks for a window of up to 1 GiB, which is no `br` of RFC 7932.
                if packed.fill_buf()?.first().is_some_and(|first| first & 0x7f == 0x11) {
                    return Err(io::Error::other("its window is larger than allowed"));
                }
                Box::new(brotli::Decompressor::new(packed, CHUNK))
            }
            Self::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(packed)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
        })
    }
}

/// Gzip members one after the other. What follows them is ignored, as browsers do.
struct Gzip<'a> {
    member: bufread::GzDecoder<Box<dyn BufRead + 'a>>,
}

impl Read for Gzip<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.member.read(out)?;
            if read > 0 || out.is_empty() || !self.member.get_mut().fill_buf()?.starts_with(&[0x1f]) {
                return Ok(read);
            }
            let rest: Box<dyn BufRead> = Box::new(io::empty());
            let rest = std::mem::replace(self.member.get_mut(), rest);
            self.member = bufread::GzDecoder::new(rest);
        }
    }
}

/// A zlib or raw deflate stream. The library's own reader takes one that is cut off for whole.
struct Inflate<'a> {
    packed: Box<dyn BufRead + 'a>,
    state: Decompress,
    is_done: bool,
}

impl Read for Inflate<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.is_done && !out.is_empty() {
            let input = self.packed.fill_buf()?;
            let is_end = input.is_empty();
            let (before_in, before_out) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(input, out, FlushDecompress::None)?;
            let advance = |from: u64, to: u64| usize::try_from(to - from).unwrap_or(0);
            let read = advance(before_in, self.state.total_in());
            let written = advance(before_out, self.state.total_out());
            self.packed.consume(read);
            self.is_done = status == Status::StreamEnd;
            if written > 0 {
                return Ok(written);
            }
            if !self.is_done && (is_end || read == 0) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}

/// A reader that fails once it has given more than it may.
struct Capped<R> {
    inner: R,
    left: u64,
}

#[derive(Debug)]
struct OverCap;

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(OverCap)),
        }
        Ok(read)
    }
}

impl fmt::Display for OverCap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("larger than allowed")
    }
}

impl std::error::Error for OverCap {}

fn failed(error: &io::Error, layers: &[Encoding], max_body: u64) -> Failure {
    if error.get_ref().is_some_and(|inner| inner.is::<OverCap>()) {
        return too_large(max_body);
    }
    let names: Vec<_> = layers.iter().map(|layer| layer.name()).collect();
    let names = names.join(", ");
    match error.kind() {
        io::ErrorKind::UnexpectedEof => invalid(&format!("the {names} body is cut off")),
        _ => invalid(&format!("the {names} body is broken: {error}")),
    }
}

impl Encoding {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

fn invalid(words: &str) -> Failure {
    Failure::new(Stage::Decode, Outcome::InvalidResponse, words)
}

fn too_large(max_body: u64) -> Failure {
    let words = format!("the body unpacks to more than `http.max_body`, {}", Size(max_body));
    Failure::new(Stage::Decode, Outcome::TooLarge, words)
}

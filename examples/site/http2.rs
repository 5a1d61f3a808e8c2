//! HTTP/2 frame by frame, so that they can be wrong. Decodes nothing of what the client says but whether it asks for its
//! robots.txt; what goes wrong is told by the name of the host.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::wire::{Line as _, Play, Step};

/// Kinds of frames (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
/// Flags.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// Error codes.
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;

/// Between bursts of a flood: it is to hold up who reads it, not the site.
const A_MOMENT: Duration = Duration::from_millis(1);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// `/robots.txt` in the Huffman code of RFC 7541.
const ROBOTS: &[u8] = &[0x62, 0xc3, 0xc6, 0x74, 0xa1, 0x74, 0xf9, 0x4f];
/// `:status: 200` and `:status: 404`, from the static table.
const OK: &[u8] = &[0x88];
const NOT_FOUND: &[u8] = &[0x8d];
/// `:status: 103` written out.
const EARLY_HINTS: &[u8] = b"\x08\x03103";

const PAGE: &[u8] = b"<!doctype html><title>Good</title><p>Over HTTP/2.";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header without an index: name and value of less than 127 bytes.
fn header(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        bytes.push(u8::try_from(text.len()).unwrap_or_default() & 0x7f);
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// The head of a page.
fn head(stream: u32, more: &[u8]) -> Vec<u8> {
    let block = [OK, &header("content-type", "text/html; charset=utf-8"), more].concat();
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// Serves a connection whose TLS stands.
pub async fn serve(mut stream: TlsStream<TcpStream>, kind: &str) -> io::Result<()> {
    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    loop {
        let mut start = [0; 9];
        stream.read_exact(&mut start).await?;
        let [a, b, c, what, flags, id @ ..] = start;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).await?;
        let id = u32::from_be_bytes(id);
        match what {
            SETTINGS if flags == 0 => stream.write_all(&frame(SETTINGS, 1, 0, &[])).await?,
            PING if flags == 0 => stream.write_all(&frame(PING, 1, 0, &payload)).await?,
            HEADERS if payload.windows(ROBOTS.len()).any(|bytes| bytes == ROBOTS) => {
                stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, id, NOT_FOUND)).await?;
            }
            HEADERS => {
                Play::of(steps(kind, id)).perform(&mut stream).await?;
                if matches!(kind, "goaway" | "goaway-at-once") {
                    return stream.end().await;
                }
            }
            _ => {}
        }
        stream.flush().await?;
    }
}

/// What is sent for a page.
fn steps(kind: &str, id: u32) -> Vec<Step> {
    let send = |frames: &[Vec<u8>]| Step::Send(Bytes::from(frames.concat()));
    let forever = |frame: Vec<u8>| Step::Forever(A_MOMENT, Bytes::from(frame.repeat(64)));
    let code = |code: u32| code.to_be_bytes();
    let half = frame(DATA, 0, id, &PAGE[..20]);
    let whole = frame(DATA, END_STREAM, id, PAGE);
    match kind {
        "reset" => vec![send(&[head(id, &[]), half, frame(RST_STREAM, 0, id, &code(INTERNAL_ERROR))])],
        "reset-at-once" => vec![send(&[frame(RST_STREAM, 0, id, &code(INTERNAL_ERROR))])],
        "refused" => vec![send(&[frame(RST_STREAM, 0, id, &code(REFUSED_STREAM))])],
        "goaway" => {
            let last = [code(0), code(INTERNAL_ERROR)].concat();
            vec![send(&[head(id, &[]), half, frame(GOAWAY, 0, 0, &last)])]
        }
        "goaway-at-once" => vec![send(&[frame(GOAWAY, 0, 0, &[code(0), code(0)].concat())])],
        "short" => vec![send(&[head(id, &header("content-length", "1000")), whole])],
        "long" => vec![send(&[head(id, &header("content-length", "10")), whole])],
        "garbage" => vec![Step::Send(Bytes::from_static(&[0xff; 4096])), Step::Silence],
        "data-first" => vec![send(&[whole]), Step::Silence],
        "silent" => vec![Step::Silence],
        "continuation" => {
            let more: Vec<u8> = (0..50).flat_map(|_| header("x-flood", &"x".repeat(100))).collect();
            vec![send(&[frame(HEADERS, 0, id, OK)]), forever(frame(CONTINUATION, 0, id, &more))]
        }
        "headers" => {
            // One header that is put into the table, and named again by a byte each time.
            let value = "x".repeat(100);
            let mut block = [OK, &[0x40], &header("x-flood", &value)[1..]].concat();
            block.extend([0xbe; 15_000]);
            vec![send(&[frame(HEADERS, END_HEADERS, id, &block), whole])]
        }
        "empty" => vec![send(&[head(id, &[])]), forever(frame(DATA, 0, id, &[]))],
        "settings" => vec![forever(frame(SETTINGS, 0, 0, &[]))],
        "ping" => vec![forever(frame(PING, 0, 0, &[0; 8]))],
        "interim" => vec![forever(frame(HEADERS, END_HEADERS, id, EARLY_HINTS))],
        "resets" => vec![forever(frame(RST_STREAM, 0, id, &code(INTERNAL_ERROR)))],
        _ => vec![send(&[head(id, &[]), whole])],
    }
}

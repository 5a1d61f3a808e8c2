//! Bodies that are small and become large, and pages that are hard to read. The bombs are packed when the first of them is
//! asked for.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;

use bytes::Bytes;

use super::super::wire::Play;

/// What is packed as a whole, and repeated until it is 1 GiB.
const PIECE: usize = 1 << 20;
const PIECES: usize = (1 << 30) / PIECE;

/// 1 GiB of spaces in brotli.
const BROTLI: &[u8] = include_bytes!("gigabyte.br");

/// 1 GiB of spaces in gzip, in many members.
pub static GZIP: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(gzip(&spaces()).repeat(PIECES)));
static ZSTD: LazyLock<Bytes> = LazyLock::new(|| {
    let piece = zstd::encode_all(&spaces()[..], 1).unwrap_or_default();
    Bytes::from(piece.repeat(PIECES))
});
/// In blocks that begin anew, so that one can be repeated.
static DEFLATE: LazyLock<Bytes> = LazyLock::new(|| {
    let mut packer = flate2::Compress::new(flate2::Compression::default(), false);
    let mut piece = Vec::with_capacity(PIECE);
    let _ = packer.compress_vec(&spaces(), &mut piece, flate2::FlushCompress::Full);
    // The last block: stored, empty.
    Bytes::from([piece.repeat(PIECES), vec![1, 0, 0, 0xff, 0xff]].concat())
});

fn spaces() -> Vec<u8> {
    vec![b' '; PIECE]
}

/// Packed as one member.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    // A vector takes it all.
    let _ = packer.write_all(bytes);
    packer.finish().unwrap_or_default()
}

/// A body with a `Content-Encoding`.
pub fn packed(kind: &str) -> Option<Play> {
    let page = b"<!doctype html><title>Packed</title><p>A page that is whole only where all of it has come.";
    let whole = gzip(page);
    let (encoding, body) = match kind {
        "cut" => ("gzip", Bytes::from(whole[..whole.len() - 12].to_vec())),
        "broken" => {
            let mut broken = whole;
            let middle = broken.len() / 2;
            broken[middle] ^= 0x55;
            ("gzip", broken.into())
        }
        "plain" => ("gzip", Bytes::from_static(page)),
        "unknown" => ("rot13", Bytes::from_static(page)),
        "gzip" => ("gzip", GZIP.clone()),
        "deflate" => ("deflate", DEFLATE.clone()),
        "br" => ("br", Bytes::from_static(BROTLI)),
        "zstd" => ("zstd", ZSTD.clone()),
        "gzip-gzip" => ("gzip, gzip", gzip(&GZIP).into()),
        "gzip-br" => ("br, gzip", gzip(BROTLI).into()),
        "five" => ("gzip, gzip, gzip, gzip, gzip", gzip(&gzip(&gzip(&gzip(&whole)))).into()),
        "br-window" => ("br", Bytes::from_static(&[0x11, 0x1e, 0x00, 0x00])),
        // A frame of zstd whose window is 2 GiB.
        "zstd-window" => ("zstd", Bytes::from_static(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0, 0])),
        _ => return None,
    };
    let headers = [("content-type", "text/html"), ("content-encoding", encoding)];
    Some(Play::whole(200, &headers, body))
}

/// A page that is hard to read.
pub fn html(kind: &str) -> Option<Play> {
    let (charset, body): (&str, Vec<u8>) = match kind {
        "nested" => ("utf-8", format!("<title>Nested</title>{}deep", "<div>".repeat(100_000)).into()),
        "attributes" => ("utf-8", format!("<title>Attributes</title><p {}>", attributes()).into()),
        "attributes-first" => {
            ("utf-8", format!("<body {}><title>Attributes first</title>", attributes()).into())
        }
        "attribute" => {
            let value = "x".repeat(1 << 20);
            ("utf-8", format!("<title>Attribute</title><a href='/{value}' title='{value}'>x</a>").into())
        }
        "large" => {
            let text =
                format!("<p>{}</p>\n", "A paragraph of a page that has a great many of them. ".repeat(12))
                    .repeat(23_000);
            ("utf-8", format!("<title>Large</title>{text}").into())
        }
        "brackets" => ("utf-8", format!("<title>Brackets</title>{}", "<".repeat(1_000_000)).into()),
        "nul-first" => ("utf-8", format!("<p>{}<title>Behind NUL</title>", "\0".repeat(2_000_000)).into()),
        "base" => {
            let links = "<a href=x>".repeat(400_000);
            ("utf-8", format!("<title>Base</title><base href='/{}/'>{links}", "y".repeat(1 << 20)).into())
        }
        "escapes" => {
            let links = format!("<a href='/{}%36'>x</a>", "%3".repeat(30_000)).repeat(40);
            ("utf-8", format!("<title>Escapes</title>{links}").into())
        }
        "nul" => ("utf-8", format!("<title>N\0ul</title>{}", "\0".repeat(100_000)).into()),
        "invalid-utf8" => ("utf-8", b"<title>Caf\xe9 \xff</title>\xc3\x28\xed\xa0\x80\xf8".to_vec()),
        "charset-lie" => ("utf-8", b"<title>Caf\xe9</title>".to_vec()),
        "charset-none" => ("no-such", "<title>Caf\u{e9}</title>".into()),
        "charset-meta-utf16" => ("", "<meta charset=utf-16><title>Caf\u{e9}</title>".into()),
        "utf16le-said" => ("utf-16le", utf16(u16::to_le_bytes)),
        "utf16be-said" => ("utf-16be", utf16(u16::to_be_bytes)),
        "utf16le" => ("", utf16(u16::to_le_bytes)),
        "utf16be" => ("", utf16(u16::to_be_bytes)),
        _ => return None,
    };
    let mime =
        if charset.is_empty() { "text/html".to_owned() } else { format!("text/html; charset={charset}") };
    Some(Play::whole(200, &[("content-type", &mime)], body))
}

/// 200,000 of them, all different.
fn attributes() -> String {
    (0..200_000).fold(String::new(), |mut text, n| {
        let _ = write!(text, "a{n}=b ");
        text
    })
}

fn utf16(order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let page =
        "<!doctype html><html><head><title>Caf\u{e9} 16</title></head><body><p>Two bytes each.</body></html>";
    page.encode_utf16().flat_map(order).collect()
}

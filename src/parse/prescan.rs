//! The charset that the first bytes of a document name: the WHATWG prescan for `<meta>`, and the XML
//! declaration. Reads bytes, since nothing is decoded yet; decides nothing about their truth.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use memchr::{memchr, memmem};

use super::markup::is_space;

/// What the standard looks at before anything is parsed.
const FIRST_BYTES: usize = 1024;
/// A parser that meets a `<meta>` later starts again with its charset. Nobody puts it behind this.
const LATER_BYTES: usize = 64 * 1024;

/// The charset that `<meta>` or an XML declaration of an HTML document names.
pub fn html(body: &[u8]) -> Option<&'static Encoding> {
    let first = &body[..body.len().min(FIRST_BYTES)];
    if first.starts_with(b"<\0?\0x\0") {
        return Some(UTF_16LE);
    }
    if first.starts_with(b"\0<\0?\0x") {
        return Some(UTF_16BE);
    }
    meta(first).or_else(|| xml(first)).or_else(|| meta(&body[..body.len().min(LATER_BYTES)]))
}

/// The charset of an XML declaration.
pub fn xml(body: &[u8]) -> Option<&'static Encoding> {
    let first = &body[..body.len().min(FIRST_BYTES)];
    let declaration = first.strip_prefix(b"<?xml")?;
    let declaration = &declaration[..memchr(b'>', declaration)?];
    let behind = skip_space(&declaration[memmem::find(declaration, b"encoding")? + b"encoding".len()..]);
    let value = skip_space(behind.strip_prefix(b"=")?);
    let quote = *value.first().filter(|b| matches!(b, b'"' | b'\''))?;
    let value = &value[1..];
    let label = &value[..memchr(quote, value)?];
    (!label.iter().any(|b| *b <= b' ')).then(|| Encoding::for_label(label).map(readable)).flatten()
}

/// The charset of a `Content-Type` value, or of the `content` of a `<meta http-equiv>`.
pub fn content_type(value: &[u8]) -> Option<&'static Encoding> {
    let lower = value.to_ascii_lowercase();
    let mut at = 0;
    let rest = loop {
        at += memmem::find(&lower[at..], b"charset")? + b"charset".len();
        if let Some(rest) = skip_space(&value[at..]).strip_prefix(b"=") {
            break skip_space(rest);
        }
    };
    let label = match rest.first()? {
        quote @ (b'"' | b'\'') => &rest[1..][..memchr(*quote, &rest[1..])?],
        _ => &rest[..rest.iter().position(|b| is_space(*b) || *b == b';').unwrap_or(rest.len())],
    };
    Encoding::for_label(label)
}

/// A charset that is named in bytes which were read as ASCII: it cannot be UTF-16.
fn readable(encoding: &'static Encoding) -> &'static Encoding {
    if encoding == UTF_16LE || encoding == UTF_16BE {
        UTF_8
    } else if encoding.name() == "x-user-defined" {
        WINDOWS_1252
    } else {
        encoding
    }
}

fn skip_space(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|b| !is_space(*b)).unwrap_or(bytes.len());
    &bytes[start..]
}

/// The bytes end within what is being read, so that it says nothing.
struct Cut;

fn byte(bytes: &[u8], at: usize) -> Result<u8, Cut> {
    bytes.get(at).copied().ok_or(Cut)
}

/// The standard's loop over tags. `None` also when the bytes end within one.
fn meta(bytes: &[u8]) -> Option<&'static Encoding> {
    let mut at = 0;
    loop {
        at += memchr(b'<', &bytes[at..])?;
        let rest = &bytes[at..];
        if rest.starts_with(b"<!--") {
            at += 2 + memmem::find(&rest[2..], b"-->")? + 3;
        } else if is_meta(rest) {
            at += b"<meta".len();
            if let Some(encoding) = meta_charset(bytes, &mut at).ok()? {
                return Some(encoding);
            }
        } else if rest.get(1).is_some_and(u8::is_ascii_alphabetic)
            || (rest.get(1) == Some(&b'/') && rest.get(2).is_some_and(u8::is_ascii_alphabetic))
        {
            at += rest.iter().position(|b| is_space(*b) || *b == b'>')?;
            while attribute(bytes, &mut at).ok()?.is_some() {}
        } else if matches!(rest.get(1), Some(b'!' | b'/' | b'?')) {
            at += memchr(b'>', rest)?;
        } else {
            at += 1;
        }
    }
}

fn is_meta(rest: &[u8]) -> bool {
    rest.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"<meta"))
        && rest.get(5).is_some_and(|b| is_space(*b) || *b == b'/')
}

/// The charset of one `<meta>` whose attributes begin at `at`.
fn meta_charset(bytes: &[u8], at: &mut usize) -> Result<Option<&'static Encoding>, Cut> {
    let (mut pragma, mut content, mut charset) = (None, None, None);
    while let Some((name, value)) = attribute(bytes, at)? {
        // The first of equal names counts.
        match name.as_slice() {
            b"http-equiv" => pragma = pragma.or(Some(value == b"content-type")),
            b"content" => content = content.or(Some(content_type(&value))),
            b"charset" => charset = charset.or(Some(Encoding::for_label(&value))),
            _ => {}
        }
    }
    let named = match (charset, pragma) {
        (Some(charset), _) => charset,
        (None, Some(true)) => content.flatten(),
        (None, _) => None,
    };
    Ok(named.map(readable))
}

/// Name and value.
type Attribute = (Vec<u8>, Vec<u8>);

/// An attribute, lower-cased, by the rules of the prescan; `None` at the end of the tag.
fn attribute(bytes: &[u8], at: &mut usize) -> Result<Option<Attribute>, Cut> {
    *at = skip(bytes, *at, |b| is_space(b) || b == b'/')?;
    if bytes[*at] == b'>' {
        return Ok(None);
    }
    let start = *at;
    // A `=` in front belongs to the name.
    let rest = start + usize::from(bytes[start] == b'=');
    *at = skip(bytes, rest, |b| !is_space(b) && !matches!(b, b'/' | b'>' | b'='))?;
    let name = bytes[start..*at].to_ascii_lowercase();
    *at = skip(bytes, *at, is_space)?;
    if bytes[*at] != b'=' {
        return Ok(Some((name, Vec::new())));
    }
    let start = skip(bytes, *at + 1, is_space)?;
    let value = if matches!(bytes[start], b'"' | b'\'') {
        let length = memchr(bytes[start], &bytes[start + 1..]).ok_or(Cut)?;
        *at = start + length + 2;
        &bytes[start + 1..=start + length]
    } else {
        *at = skip(bytes, start, |b| !is_space(b) && b != b'>')?;
        &bytes[start..*at]
    };
    Ok(Some((name, value.to_ascii_lowercase())))
}

/// The first place from `at` on where a byte is not of this kind.
fn skip(bytes: &[u8], mut at: usize, is_kind: impl Fn(u8) -> bool) -> Result<usize, Cut> {
    while is_kind(byte(bytes, at)?) {
        at += 1;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Option<&str>) {
        assert_eq!(html(body.as_bytes()).map(Encoding::name), expected, "{body}");
    }

    #[test]
    fn what_a_page_says_of_itself() {
        check("<meta charset=koi8-r>", Some("KOI8-R"));
        check("<META a='>' CharSet = \"KOI8-R\" />", Some("KOI8-R"));
        check("<meta http-equiv=content-type content='text/html; charset=gbk'>", Some("GBK"));
        check("<meta content='text/html; charset=gbk'>", None);
        check("<meta content='charset charset=\"gbk\"' http-equiv=Content-Type>", Some("GBK"));
        check("<!-- <meta charset=gbk> --><meta charset=big5>", Some("Big5"));
        check("<!--><meta charset=big5>", Some("Big5"));
        check("<p title='<meta charset=gbk>'>", None);
        check("<meta charset=utf-16>", Some("UTF-8"));
        check("<meta charset=x-user-defined>", Some("windows-1252"));
        check("<meta charset=nonsense><meta charset=gbk>", Some("GBK"));
        check("<meta charset=gbk", None);
        check("<?xml version='1.0' encoding='gbk'?><html>", Some("GBK"));
        check(&format!("{}<meta charset=gbk>", " ".repeat(5000)), Some("GBK"));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(parts in proptest::collection::vec("<meta |<!--|-->|charset|=|[\"'/> ]|content|utf-8|[a-z]", 0..40)) {
            html(parts.concat().as_bytes());
            xml(format!("<?xml encoding{}", parts.concat()).as_bytes());
        }
    }
}

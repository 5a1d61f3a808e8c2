//! The charset that the first bytes of a document name: the WHATWG prescan for `<meta>`, and the XML
//! declaration. Reads bytes, since nothing is decoded yet; decides nothing about their truth.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use memchr::{memchr, memmem};

use super::tags::is_space;

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

/// The standard's loop over tags. `None` also when the bytes end within one.
fn meta(bytes: &[u8]) -> Option<&'static Encoding> {
    let mut at = 0;
    loop {
        at += memchr(b'<', &bytes[at..])?;
        let rest = &bytes[at..];
        if rest.starts_with(b"<!--") {
            at += 2 + memmem::find(&rest[2..], b"-->")? + 3;
        } else if starts_tag(rest, b"<meta") {
            at += b"<meta".len();
            if let Some(encoding) = meta_charset(bytes, &mut at)? {
                return Some(encoding);
            }
        } else if rest.get(1).is_some_and(u8::is_ascii_alphabetic)
            || (rest.get(1) == Some(&b'/') && rest.get(2).is_some_and(u8::is_ascii_alphabetic))
        {
            at += rest.iter().position(|b| is_space(*b) || *b == b'>')?;
            while attribute(bytes, &mut at)?.is_some() {}
        } else if matches!(rest.get(1), Some(b'!' | b'/' | b'?')) {
            at += memchr(b'>', rest)?;
        } else {
            at += 1;
        }
    }
}

fn starts_tag(rest: &[u8], name: &[u8]) -> bool {
    rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        && rest.get(name.len()).is_some_and(|b| is_space(*b) || *b == b'/')
}

/// The charset of one `<meta>` whose attributes begin at `at`; the outer `None` if the bytes end.
fn meta_charset(bytes: &[u8], at: &mut usize) -> Option<Option<&'static Encoding>> {
    let (mut has_pragma, mut needs_pragma, mut charset) = (false, false, None);
    let (mut seen_charset, mut seen_content, mut seen_pragma) = (false, false, false);
    while let Some((name, value)) = attribute(bytes, at)? {
        match name.as_slice() {
            b"http-equiv" if !seen_pragma => {
                seen_pragma = true;
                has_pragma = value == b"content-type";
            }
            b"content" if !seen_content => {
                seen_content = true;
                if let Some(found) = content_type(&value).filter(|_| !seen_charset) {
                    charset = Some(found);
                    needs_pragma = true;
                }
            }
            b"charset" if !seen_charset => {
                seen_charset = true;
                charset = Encoding::for_label(&value);
                needs_pragma = false;
            }
            _ => {}
        }
    }
    Some(charset.filter(|_| has_pragma || !needs_pragma).map(readable))
}

/// An attribute, lower-cased, by the rules of the prescan. The outer `None` if the bytes end within it, the
/// inner one at the end of the tag.
#[allow(clippy::option_option, clippy::type_complexity)] // both ends are different facts
fn attribute(bytes: &[u8], at: &mut usize) -> Option<Option<(Vec<u8>, Vec<u8>)>> {
    while is_space(*bytes.get(*at)?) || bytes[*at] == b'/' {
        *at += 1;
    }
    if bytes[*at] == b'>' {
        return Some(None);
    }
    let start = *at;
    while !matches!(bytes.get(*at)?, b'/' | b'>') && !is_space(bytes[*at]) {
        if bytes[*at] == b'=' && *at > start {
            break;
        }
        *at += 1;
    }
    let name = bytes[start..*at].to_ascii_lowercase();
    while is_space(*bytes.get(*at)?) {
        *at += 1;
    }
    if bytes[*at] != b'=' {
        return Some(Some((name, Vec::new())));
    }
    *at += 1;
    while is_space(*bytes.get(*at)?) {
        *at += 1;
    }
    let start = *at;
    let value = match bytes[start] {
        quote @ (b'"' | b'\'') => {
            let length = memchr(quote, &bytes[start + 1..])?;
            *at = start + length + 2;
            &bytes[start + 1..=start + length]
        }
        _ => {
            while !is_space(*bytes.get(*at)?) && bytes[*at] != b'>' {
                *at += 1;
            }
            &bytes[start..*at]
        }
    };
    Some(Some((name, value.to_ascii_lowercase())))
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

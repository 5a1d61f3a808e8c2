//! The lines of a robots.txt: which bytes count, where lines end, what key and value they hold (RFC 9309
//! section 2.2). Knows nothing of groups or patterns, and never fails: what is no field is passed over.

/// How much of a robots.txt is read, in bytes (RFC 9309 section 2.5 asks for at least as much).
pub const MAX_BODY: usize = 500 * 1024;
/// What is read of one line, in bytes: no URL that is admitted is longer.
const MAX_LINE: usize = 16 * 1024;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// One field that a crawler knows, with its value as written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// `User-agent`: the group is for this agent, too.
    UserAgent(&'a [u8]),
    /// `Allow`.
    Allow(&'a [u8]),
    /// `Disallow`.
    Disallow(&'a [u8]),
    /// `Crawl-delay`, which no RFC knows: seconds between requests.
    CrawlDelay(&'a [u8]),
    /// `Sitemap`: belongs to no group.
    Sitemap(&'a [u8]),
}

/// The part of a body that counts: at most [`MAX_BODY`] bytes, and no line that is cut by the limit, since half a
/// pattern is another pattern. What counts of it again is all of it.
pub(super) fn that_count(body: &[u8]) -> &[u8] {
    let Some(head) = body.get(..=MAX_BODY) else { return body };
    let end = memchr::memrchr2(b'\r', b'\n', head).unwrap_or(0);
    &head[..end]
}

/// The fields of a body with the number of their line, from 1, and the line as written, without its comment.
pub(super) fn fields(body: &[u8]) -> impl Iterator<Item = (usize, &[u8], Field<'_>)> {
    let numbered = lines(without_bom(that_count(body))).zip(1..);
    numbered.filter_map(|(line, number)| {
        let line = &line[..line.len().min(MAX_LINE)];
        let line = memchr::memchr(b'#', line).map_or(line, |at| &line[..at]).trim_ascii();
        Some((number, line, field(line)?))
    })
}

/// Some servers cut the byte order mark in two; a part of it is no part of the first line either.
fn without_bom(body: &[u8]) -> &[u8] {
    let common = body.iter().zip(BOM).take_while(|(byte, mark)| byte == mark).count();
    &body[common..]
}

/// Lines end with CR, LF or both.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(body);
    std::iter::from_fn(move || {
        let body = rest?;
        let Some(end) = memchr::memchr2(b'\r', b'\n', body) else { return rest.take() };
        let width = if body[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = Some(&body[end + width..]);
        Some(&body[..end])
    })
}

fn field(line: &[u8]) -> Option<Field<'_>> {
    let (key, value) = key_and_value(line)?;
    match key.to_ascii_lowercase().as_slice() {
        b"user-agent" => Some(Field::UserAgent(value)),
        b"allow" => Some(Field::Allow(value)),
        b"disallow" => Some(Field::Disallow(value)),
        b"crawl-delay" => Some(Field::CrawlDelay(value)),
        b"sitemap" => Some(Field::Sitemap(value)),
        _ => None,
    }
}

/// `key: value`. People forget the colon; two words alone are taken for a field, more of them for prose.
fn key_and_value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(colon) = memchr::memchr(b':', line) {
        return Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()));
    }
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let (key, value) = (words.next()?, words.next()?);
    words.next().is_none().then_some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> Vec<(usize, Field<'_>)> {
        fields(body).map(|(number, _, field)| (number, field)).collect()
    }

    #[test]
    fn every_line_end_counts_once() {
        let body = b"allow: /1\rallow: /2\r\nallow: /3\n\nallow: /5\n\rallow: /7";
        let numbers: Vec<usize> = read(body).iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 2, 3, 5, 7]);
    }

    #[test]
    fn keys_in_any_case_with_any_space_and_without_comments() {
        let body = b" DisAllow\t:  /a b \t# why\nALLOW:\nCrawl-Delay: 5#s\nsitemap: http://h/a:b\n#allow: /x";
        let expected = [
            (1, Field::Disallow(b"/a b")),
            (2, Field::Allow(b"")),
            (3, Field::CrawlDelay(b"5")),
            (4, Field::Sitemap(b"http://h/a:b")),
        ];
        assert_eq!(read(body), expected);
    }

    #[test]
    fn a_forgotten_colon_is_forgiven_and_prose_is_not_a_rule() {
        let body = b"user-agent Foo\nDisallow /\nDisallow all of them\nDisallow\ndisalow: /\nuseragent: x";
        assert_eq!(read(body), [(1, Field::UserAgent(b"Foo")), (2, Field::Disallow(b"/"))]);
    }

    #[test]
    fn the_byte_order_mark_and_parts_of_it_are_passed_over_at_the_start_alone() {
        for body in [&b"\xEF\xBB\xBFallow: /"[..], b"\xEF\xBBallow: /", b"\xEFallow: /"] {
            assert_eq!(read(body), [(1, Field::Allow(b"/"))]);
        }
        assert_eq!(read(b"\xEF\x11\xBFallow: /"), []);
        assert_eq!(read(b"\n\xEF\xBB\xBFallow: /"), []);
    }

    #[test]
    fn what_stands_behind_the_limit_does_not_count_and_no_line_is_cut_in_two() {
        let mut body = b"disallow: /a\n".to_vec();
        body.resize(MAX_BODY - 13, b'\n');
        body.extend_from_slice(b"disallow: /bb\n");
        assert_eq!(that_count(&body).len(), MAX_BODY, "the last line ends with the limit");
        assert_eq!(read(&body).len(), 2);
        body.insert(0, b'\n');
        assert_eq!(read(&body), [(2, Field::Disallow(b"/a"))], "the last line is cut by the limit");
        assert_eq!(that_count(that_count(&body)), that_count(&body));
        assert_eq!(that_count(&vec![b'x'; MAX_BODY + 1]), b"");
    }

    #[test]
    fn a_line_is_read_up_to_its_limit() {
        let mut body = b"allow: /".to_vec();
        body.resize(MAX_LINE + 100, b'x');
        body.extend_from_slice(b"\nallow: /y");
        let fields = read(&body);
        assert!(matches!(fields[0].1, Field::Allow(value) if value.len() == MAX_LINE - 7));
        assert_eq!(fields[1], (2, Field::Allow(b"/y")));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(body in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let ends = body.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
            for (number, line, _) in fields(&body) {
                proptest::prop_assert!((1..=ends + 1).contains(&number));
                proptest::prop_assert!(!line.is_empty());
            }
        }
    }
}

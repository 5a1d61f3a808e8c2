//! Where the pieces of markup end, by the rules of the WHATWG tokenizer: attributes, comments, the text of
//! elements, scripts. Knows no element but `<script>`, keeps no state between calls.

use memchr::{memchr, memmem};

/// Attributes from `at` on, as they are written, up to the `>` of their tag or the end of the text.
#[derive(Debug)]
pub struct Attributes<'a> {
    text: &'a [u8],
    /// Where the next one may begin; behind the `>` once that was found.
    pub at: usize,
    /// Whether the `>` was found.
    pub closed: bool,
    /// Whether the tag ends with `/>`.
    pub empty: bool,
}

impl<'a> Attributes<'a> {
    /// Of the tag whose name ends at `at`.
    pub fn new(text: &'a [u8], at: usize) -> Self {
        Self { text, at, closed: false, empty: false }
    }

    /// Name and value; an empty value where there is none.
    pub fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let text = self.text;
        let name = self.skip(self.at, |b| is_space(b) || b == b'/');
        match text.get(name) {
            None => {
                self.at = name;
                return None;
            }
            Some(b'>') => {
                self.empty = name > self.at && text[name - 1] == b'/';
                self.closed = true;
                self.at = name + 1;
                return None;
            }
            Some(_) => {}
        }
        // A `=` in front belongs to the name.
        self.at = self.skip(name + 1, |b| !ENDS_NAME[usize::from(b)]);
        let name = &text[name..self.at];
        let equals = self.skip(self.at, is_space);
        let value = if text.get(equals) == Some(&b'=') { self.value(equals + 1) } else { b"" };
        Some((name, value))
    }

    /// The value behind a `=`.
    fn value(&mut self, behind: usize) -> &'a [u8] {
        let text = self.text;
        let start = self.skip(behind, is_space);
        if let Some(&quote @ (b'"' | b'\'')) = text.get(start) {
            let start = start + 1;
            let end = memchr(quote, &text[start..]).map_or(text.len(), |length| start + length);
            self.at = (end + 1).min(text.len());
            return &text[start..end];
        }
        self.at = self.skip(start, |b| !is_space(b) && b != b'>');
        &text[start..self.at]
    }

    /// The first place from `at` on where a byte is not of this kind.
    fn skip(&self, mut at: usize, is_kind: impl Fn(u8) -> bool) -> usize {
        while self.text.get(at).is_some_and(|b| is_kind(*b)) {
            at += 1;
        }
        at
    }
}

/// The bytes that end the name of an attribute.
const ENDS_NAME: [bool; 256] = {
    let mut ends = [false; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        ends[byte as usize] = is_space(byte) || matches!(byte, b'/' | b'>' | b'=');
        byte += 1;
    }
    ends
};

/// ASCII white space, as HTML has it.
pub const fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\x0C' | b'\r' | b' ')
}

/// Behind the next `end`, or at the end of the text.
pub fn past(text: &[u8], from: usize, end: u8) -> usize {
    memchr(end, &text[from..]).map_or(text.len(), |length| from + length + 1)
}

/// Where a comment ends whose text begins at `start`: behind `-->` or `--!>`, or at once for `<!-->`.
pub fn comment_end(text: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(found) = memchr(b'>', &text[at..]) {
        let body = &text[start..at + found];
        at += found + 1;
        if body.is_empty() || body == b"-" || body.ends_with(b"--") || body.ends_with(b"--!") {
            return at;
        }
    }
    text.len()
}

/// Where the text of an element ends: at the `<` of its end tag.
pub fn text_end(text: &[u8], start: usize, name: &[u8]) -> usize {
    let mut at = start;
    while let Some(found) = memmem::find(&text[at..], b"</") {
        at += found;
        if is_tag(text, at + 2, name) {
            return at;
        }
        at += 2;
    }
    text.len()
}

/// Whether `name` and a delimiter stand at `at`.
pub fn is_tag(text: &[u8], at: usize, name: &[u8]) -> bool {
    let end = at + name.len();
    text.get(at..end).is_some_and(|found| found.eq_ignore_ascii_case(name))
        && text.get(end).is_some_and(|b| is_space(*b) || matches!(b, b'/' | b'>'))
}

/// Where a script ends: at the `<` of its end tag, which does not count between `<!-- <script` and
/// the `</script` or `-->` that ends it.
pub fn script_end(text: &[u8], start: usize) -> usize {
    #[derive(PartialEq)]
    enum State {
        Plain,
        Escaped,
        DoublyEscaped,
    }
    let mut state = State::Plain;
    let mut at = start;
    loop {
        let rest = &text[at..];
        let next = if state == State::Plain { memchr(b'<', rest) } else { memchr::memchr2(b'<', b'-', rest) };
        let Some(found) = next else { return text.len() };
        at += found;
        let rest = &text[at..];
        if rest.starts_with(b"-->") {
            state = State::Plain;
            at += 3;
        } else if state == State::Plain && rest.starts_with(b"<!--") {
            // Its own dashes may already be those of `-->`.
            state = State::Escaped;
            at += 2;
        } else if state == State::Escaped && is_tag(text, at + 1, b"script") {
            state = State::DoublyEscaped;
            at += 7;
        } else if rest.starts_with(b"</") && is_tag(text, at + 2, b"script") {
            if state != State::DoublyEscaped {
                return at;
            }
            state = State::Escaped;
            at += 8;
        } else {
            at += 1;
        }
    }
}

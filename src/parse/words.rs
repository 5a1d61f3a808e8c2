//! Text as records carry it: white space collapsed, no NUL, of bounded length.

use url::Url;

use crate::model::Parsed;

/// The longest title or description, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// The text of an address. One that was resolved has room for all of its base, which a page of many links and a long
/// base would hold many times.
pub fn address(url: Url) -> String {
    let mut text = String::from(url);
    text.shrink_to_fit();
    text
}

/// ASCII white space collapsed to single spaces and trimmed.
pub fn collapsed(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_BYTES));
    for word in text.split(|c: char| c.is_ascii_whitespace()).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// A title or description (`what`) as records carry it; `None` if nothing is left. What is cut off is
/// named in a warning.
pub fn tidy(text: &str, parsed: &mut Parsed, what: &str) -> Option<String> {
    let mut tidied = collapsed(text);
    if tidied.contains('\0') {
        tidied = tidied.replace('\0', "\u{FFFD}");
    }
    if tidied.len() > MAX_BYTES {
        parsed.warnings.push(format!("the {what} is {} bytes long and was cut", tidied.len()));
        tidied.truncate(tidied.floor_char_boundary(MAX_BYTES));
    }
    (!tidied.is_empty()).then_some(tidied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_no_room_for_its_base() {
        let base = Url::parse(&format!("http://h/{}", "x".repeat(60_000))).expect("a base");
        let text = address(base.join("b").expect("an address"));
        assert!(text == "http://h/b" && text.capacity() < 100, "{}", text.capacity());
    }

    #[test]
    fn only_ascii_white_space_collapses() {
        assert_eq!(collapsed(" a\r\n\tb\x0C c "), "a b c");
        assert_eq!(collapsed("a\u{A0}\u{A0}b\x0Bc"), "a\u{A0}\u{A0}b\x0Bc");
        assert_eq!(collapsed(" \n"), "");
    }
}

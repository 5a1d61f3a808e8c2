//! Text as records carry it: white space collapsed, no NUL, of bounded length.

use crate::model::Parsed;

/// The longest title or description, in bytes.
const MAX_BYTES: usize = 64 * 1024;

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
    fn only_ascii_white_space_collapses() {
        assert_eq!(collapsed(" a\r\n\tb\x0C c "), "a b c");
        assert_eq!(collapsed("a\u{A0}\u{A0}b\x0Bc"), "a\u{A0}\u{A0}b\x0Bc");
        assert_eq!(collapsed(" \n"), "");
    }
}

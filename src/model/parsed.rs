//! What a page says: the result of parsing, which never fails.

use serde::Serialize;

use super::links::Links;
use super::structured::Structured;
use super::visit::Ending;

/// Where the name of the charset came from, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CharsetSource {
    /// A byte order mark.
    Bom,
    /// The `Content-Type` header.
    Header,
    /// `<meta charset>`, `<meta http-equiv>`, or an XML declaration.
    Meta,
    /// Guessed from the bytes.
    Sniffed,
    /// Nothing said and nothing to guess from.
    Default,
}

/// The charset a body was decoded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Charset {
    /// WHATWG name, for example `UTF-8` or `windows-1252`.
    pub name: &'static str,
    /// Who said so.
    pub source: CharsetSource,
}

/// What one body gave. Empty where it gave nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Text of the `<title>`: entities decoded, white space collapsed, trimmed. `None` if empty.
    pub title: Option<String>,
    /// `<meta name=description>`.
    pub description: Option<String>,
    /// `<link rel=canonical>`, absolute and in canonical form.
    pub canonical: Option<String>,
    /// Declared languages: `<html lang>`, else `Content-Language`; else the one that its main text is in.
    pub languages: Vec<String>,
    /// Whether the language was told from the text, because nobody declared one.
    pub is_language_detected: bool,
    /// Every `a[href]` and `area[href]` in document order, absolute; other schemes than http(s) left out.
    pub links: Links,
    /// Whether `<meta name=robots>` asks not to follow links.
    pub nofollow: bool,
    /// MIME type from the bytes, where it can be told.
    pub mime_detected: Option<&'static str>,
    /// How the text was decoded; `None` for binary bodies.
    pub charset: Option<Charset>,
    /// What the extraction rule of the page gave; `None` without a rule.
    pub extracted: Option<Extracted>,
    /// What was odd, in words, for the record.
    pub warnings: Vec<String>,
}

/// What an extraction rule gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extracted {
    /// Id of the rule.
    pub rule: String,
    /// The fields in the order of the config; each is there, null where nothing was found.
    pub fields: serde_json::Map<String, serde_json::Value>,
    /// The main text; `None` if the rule does not ask for it or the page has none.
    pub text: Option<String>,
    /// How many words the main text has.
    pub words: Option<u64>,
    /// Structured data; `None` if the rule does not ask for it or the page is no HTML.
    pub structured: Option<Box<Structured>>,
    /// How the page ends instead of `ok`: without a record.
    pub ending: Option<Ending>,
    /// About how much memory all of it holds.
    pub bytes: usize,
}

//! What is fuzzed: for each reader of foreign bytes one function that takes any bytes, panics where a promise is
//! broken, and says what shape the answer had. `tests/fuzz_corpus.rs` runs the same functions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::hash::{DefaultHasher, Hash, Hasher};

mod journal;
mod page;
mod text;
mod wire;

/// One reader of foreign bytes.
pub struct Target {
    /// Its name on the command line, and the folder of its corpus.
    pub name: &'static str,
    /// What is held against any bytes.
    pub about: &'static str,
    /// Pieces that mean something to it: inputs are made of them.
    pub words: &'static [&'static str],
    /// Panics where a promise is broken; the same number means the same kind of answer.
    pub run: fn(&[u8]) -> u64,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "decode",
        about: "bodies unpack within the cap, at once as in a stream",
        words: wire::CODINGS,
        run: wire::decode,
    },
    Target {
        name: "headers",
        about: "Retry-After, Location, dates and types never stop a crawl",
        words: wire::HEADERS,
        run: wire::headers,
    },
    Target {
        name: "document",
        about: "a page in any charset is the page in UTF-8",
        words: page::CHARSETS,
        run: page::document,
    },
    Target { name: "title", about: "the title is that of a full parse", words: page::SOUP, run: page::title },
    Target { name: "links", about: "links are in canonical form", words: page::SOUP, run: page::links },
    Target {
        name: "fields",
        about: "a page of any type has every field of its rule",
        words: page::MARKUP,
        run: page::fields,
    },
    Target {
        name: "selector",
        about: "any selector and JSONPath on any page has an answer",
        words: page::SELECTORS,
        run: page::selector,
    },
    Target {
        name: "main_text",
        about: "main text and structured data invent nothing",
        words: page::SOUP,
        run: page::main_text,
    },
    Target {
        name: "robots",
        about: "robots.txt has a verdict, however its lines end",
        words: text::ROBOTS,
        run: text::robots,
    },
    Target {
        name: "listing",
        about: "sitemaps and feeds stay within bounds, packed and in any portions",
        words: text::LISTING,
        run: text::listing,
    },
    Target {
        name: "config",
        about: "a config is refused in words that can be printed, or reads back as itself",
        words: text::CONFIG,
        run: text::config,
    },
    Target {
        name: "url",
        about: "the canonical form is its own canonical form",
        words: text::URL,
        run: text::url,
    },
    Target {
        name: "journal",
        about: "a journal gives the intact frames before any damage, or says what is wrong",
        words: journal::WORDS,
        run: journal::journal,
    },
];

/// The one of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// What an answer looked like, as a number: counts by their size, words without their numbers and quotes.
#[derive(Default)]
struct Shape(DefaultHasher);

impl Shape {
    /// A thing that was there or not, or one of a few.
    fn is(mut self, what: impl Hash) -> Self {
        what.hash(&mut self.0);
        self
    }

    /// How many there were, roughly.
    fn count(self, count: usize) -> Self {
        self.is(count.checked_ilog2())
    }

    /// A message: what stands between backticks, and numbers, are left out.
    fn words(self, text: &str) -> Self {
        let mut words: String = text.split('`').step_by(2).collect();
        words.retain(|c| !c.is_ascii_digit());
        self.is(words)
    }

    /// Several messages.
    fn all(self, texts: &[String]) -> Self {
        texts.iter().fold(self, |shape, text| shape.words(text))
    }

    fn end(self) -> u64 {
        self.0.finish()
    }
}

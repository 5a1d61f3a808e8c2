//! What the text of a CSS selector says before it is tried: what the elements that it finds are, and what it looks at around
//! each of them. Knows no tree and no cost.

use scraper::ElementRef;

/// What stands last in a selector without anything in parentheses: most elements are passed over by this alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The name of an element, in lower case.
    Name(String),
    /// One of its classes.
    Class(String),
    /// Its id.
    Id(String),
}

impl End {
    /// The ends of a selector's alternatives, or none of them.
    pub(super) fn all_of(selector: &str) -> Vec<Self> {
        let simple = |byte: u8| byte.is_ascii_alphanumeric() || b" \t\n,.#>+~:-_".contains(&byte);
        if !selector.bytes().all(simple) {
            return Vec::new();
        }
        selector.split(',').map(Self::of).collect::<Option<_>>().unwrap_or_default()
    }

    fn of(alternative: &str) -> Option<Self> {
        let last = alternative.trim_ascii().rsplit([' ', '\t', '\n', '>', '+', '~']).next()?;
        let last = last.split(':').next()?;
        let begins = |name: &str| name.starts_with(|c: char| c.is_ascii_alphabetic());
        let is_plain = |name: &str| begins(name) && !name.contains(['.', '#']);
        let is_lower = |name: &str| !name.bytes().any(|byte| byte.is_ascii_uppercase());
        match last.as_bytes().first()? {
            b'.' => Some(&last[1..]).filter(|name| is_plain(name)).map(|name| Self::Class(name.to_owned())),
            b'#' => Some(&last[1..]).filter(|name| is_plain(name)).map(|name| Self::Id(name.to_owned())),
            _ => Some(last)
                .filter(|name| is_plain(name) && is_lower(name))
                .map(|name| Self::Name(name.to_owned())),
        }
    }

    /// Whether an element is that.
    pub(super) fn is(&self, element: ElementRef<'_>) -> bool {
        let element = element.value();
        match self {
            Self::Name(name) => element.name() == name,
            // Not `has_class`, which makes names of all classes of all elements to find a few.
            Self::Class(class) => {
                let classes = element.attrs().filter(|(name, _)| *name == "class").map(|(_, value)| value);
                classes.flat_map(str::split_ascii_whitespace).any(|one| one == class)
            }
            Self::Id(id) => element.id() == Some(id),
        }
    }
}

/// What a selector looks at beyond each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// Selectors in a list.
    pub(super) alternatives: u32,
    /// How often it goes up through all that is around, or down through all that is below: once for all its combinators,
    /// which a matcher tries in one walk, and once more for each `:has()`.
    pub(super) around: u32,
    /// Whether it looks at all that stands before an element. `:nth-child()` does not: it counts on.
    pub(super) beside: bool,
}

impl Reach {
    /// What a selector that compiles looks at. What stands in quotes and brackets does not count.
    pub(super) fn of(selector: &str) -> Self {
        let (mut alternatives, mut ways, mut is_combined, mut beside) = (1, 0, false, false);
        let (mut quote, mut brackets) = (None, 0u32);
        for (at, c) in selector.trim().char_indices() {
            match c {
                c if quote == Some(c) => quote = None,
                _ if quote.is_some() => {}
                '"' | '\'' => quote = Some(c),
                '[' => brackets += 1,
                ']' => brackets = brackets.saturating_sub(1),
                _ if brackets > 0 => {}
                ',' => alternatives += 1,
                '~' => beside = true,
                ':' => {
                    let name = selector.trim()[at + 1..].split('(').next().unwrap_or_default();
                    ways += u32::from(name == "has");
                    beside |= name.contains("of-type");
                }
                c => is_combined |= c.is_ascii_whitespace() || matches!(c, '>' | '+'),
            }
        }
        Self { alternatives, around: ways + u32::from(is_combined || beside), beside }
    }
}

//! References resolved against the address of their page, in canonical form, as text.
//!
//! Most references of most pages are plain: a path without escapes, dots or odd characters, which the URL standard only
//! puts behind what it has of the base. For these the text is put together at once; for all others [`Normalize`] and
//! the parser of the standard do the work. Both give the same, which a property test holds them to.

use std::borrow::Cow;
use std::cell::OnceCell;

use memchr::{memchr, memrchr};
use url::{Position, Url};

use super::normalize::Normalize;
use super::url::{MAX_URL_BYTES, UrlError, normal_escapes};

/// Resolves the references of one page.
pub struct Resolver<'a> {
    normalize: &'a Normalize,
    base: &'a Url,
    plain: Option<Plain<'a>>,
    /// What a reference to the page itself resolves to.
    itself: OnceCell<Option<String>>,
}

/// The canonical form of a URL that has the origin of `known`, itself canonical, and is plain otherwise. `None` where the
/// parser has to look at it.
pub fn beside(known: &Url, raw: &str) -> Option<String> {
    let plain = Plain { directory: None, ..Plain::of(known)? };
    let mut url = String::new();
    (raw.starts_with(plain.origin) && plain.append(raw, &Normalize::default(), &mut url)).then_some(url)
}

/// What stands in front of plain references.
struct Plain<'a> {
    /// Scheme, host and port.
    origin: &'a str,
    /// The path of the base up to and with its last slash, if paths can be put behind it.
    directory: Option<&'a str>,
}

impl<'a> Resolver<'a> {
    /// For a page at this address.
    pub fn new(normalize: &'a Normalize, base: &'a Url) -> Self {
        Self { normalize, base, plain: Plain::of(base), itself: OnceCell::new() }
    }

    /// The canonical form of the job of a reference. It holds no more memory than it has bytes.
    pub fn resolve(&self, reference: &str) -> Result<String, UrlError> {
        let mut url = String::new();
        self.append(reference, &mut url)?;
        Ok(url)
    }

    /// Puts the canonical form of the job of a reference behind `text`, or nothing if it has none.
    pub fn append(&self, reference: &str, text: &mut String) -> Result<(), UrlError> {
        if self.plain.as_ref().is_some_and(|plain| plain.append(reference, self.normalize, text)) {
            return Ok(());
        }
        if reference.starts_with('#')
            && let Some(itself) = self.itself.get_or_init(|| self.parsed("").map(String::from).ok())
        {
            text.push_str(itself);
            return Ok(());
        }
        text.push_str(self.parsed(reference)?.as_str());
        Ok(())
    }

    fn parsed(&self, reference: &str) -> Result<Url, UrlError> {
        self.normalize.canonical(reference, Some(self.base))
    }
}

impl<'a> Plain<'a> {
    fn of(base: &'a Url) -> Option<Self> {
        let is_web = matches!(base.scheme(), "http" | "https");
        let is_bare = base.username().is_empty() && base.password().is_none();
        let host = base.host_str().filter(|host| !host.ends_with('.'));
        if !is_web || !is_bare || host.is_none() {
            return None;
        }
        let path = base.path();
        let directory = &path[..=memrchr(b'/', path.as_bytes())?];
        let is_normal = matches!(normal_escapes(directory), Cow::Borrowed(_));
        Some(Self { origin: &base[..Position::BeforePath], directory: is_normal.then_some(directory) })
    }

    /// Puts what a reference resolves to behind `text`, if it is plain.
    fn append(&self, reference: &str, normalize: &Normalize, text: &mut String) -> bool {
        let Some([origin, directory, rest]) = self.parts(reference, normalize) else { return false };
        text.reserve(origin.len() + directory.len() + rest.len());
        text.push_str(origin);
        text.push_str(directory);
        text.push_str(rest);
        true
    }

    /// What makes up the text of what a plain reference resolves to.
    fn parts<'t>(&'t self, reference: &'t str, normalize: &Normalize) -> Option<[&'t str; 3]> {
        if reference.len() > MAX_URL_BYTES {
            return None;
        }
        let reference = &reference[..memchr(b'#', reference.as_bytes()).unwrap_or(reference.len())];
        let (mut directory, mut rest) = match reference.strip_prefix(self.origin) {
            Some(path) => ("", path),
            None if reference.starts_with('/') => ("", reference),
            None => (self.directory?, reference),
        };
        if directory.is_empty() {
            // Two slashes in front are a host, unless one stands there already.
            if !rest.starts_with('/') || (rest.len() == reference.len() && rest.starts_with("//")) {
                return None;
            }
        } else {
            while let Some(up) = rest.strip_prefix("../") {
                directory = &directory[..=memrchr(b'/', &directory.as_bytes()[..directory.len() - 1])?];
                rest = up;
            }
            // A query alone goes behind the whole path, and what has a colon may begin with a scheme.
            if rest.is_empty() || rest.starts_with(['?', '.']) || rest.contains(':') {
                return None;
            }
        }
        let has_query = plainness(rest.as_bytes())?;
        let length = self.origin.len() + directory.len() + rest.len();
        let may = (normalize.is_default() || !has_query) && length <= MAX_URL_BYTES;
        may.then_some([self.origin, directory, rest])
    }
}

/// Whether a path has a query behind it; `None` if the parser would change a byte of either.
fn plainness(text: &[u8]) -> Option<bool> {
    let mut before = b'/';
    for (at, &byte) in text.iter().enumerate() {
        match CLASSES[usize::from(byte)] {
            Class::Plain | Class::Path => {}
            // At the beginning of a segment it may be one to take out.
            Class::Dot if before != b'/' => {}
            Class::Mark => {
                let is_plain = |byte: &u8| !matches!(CLASSES[usize::from(*byte)], Class::Odd | Class::Path);
                return text[at + 1..].iter().all(is_plain).then_some(true);
            }
            Class::Dot | Class::Odd => return None,
        }
        before = byte;
    }
    Some(false)
}

/// What the parser does to a byte.
#[derive(Clone, Copy)]
enum Class {
    /// Nothing.
    Plain,
    /// Nothing in a path.
    Path,
    /// `.`, which may be a segment to take out.
    Dot,
    /// `?`, where the query begins.
    Mark,
    /// Something, perhaps.
    Odd,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Odd; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        classes[byte as usize] = class(byte);
        byte += 1;
    }
    classes
};

const fn class(byte: u8) -> Class {
    match byte {
        b'-' | b'_' | b'~' | b'!' | b'$' | b'&' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':'
        | b'@' | b'/' => Class::Plain,
        b'\'' => Class::Path,
        b'.' => Class::Dot,
        b'?' => Class::Mark,
        _ if byte.is_ascii_alphanumeric() => Class::Plain,
        _ => Class::Odd,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::canonical;
    use super::*;

    const BASES: &[&str] = &[
        "http://h/",
        "http://h/a/b/c.html?q=1#f",
        "https://example.org:8443/x//y/",
        "http://h/a%2Fb/c%c3/d",
        "http://h/~u/%7Eu/z",
        "http://127.0.0.1:81/p",
        "http://h./a/b",
        "http://u:p@h/a",
        "http://[::1]/a/b",
        "file:///a/b",
        "data:text/html,x",
        "http://xn--bcher-kva.de/ü/ß",
    ];

    fn expected(normalize: &Normalize, base: &Url, reference: &str) -> Result<String, UrlError> {
        normalize.canonical(reference, Some(base)).map(String::from)
    }

    #[test]
    fn plain_references_are_put_together() {
        let (normalize, base) = (Normalize::default(), Url::parse("http://h:81/a/b/c?q").expect("a base"));
        let plain = Plain::of(&base).expect("a web page");
        for (reference, url) in [
            ("/x", "http://h:81/x"),
            ("x/y.html#f", "http://h:81/a/b/x/y.html"),
            ("../x", "http://h:81/a/x"),
            ("../../x?y=../z", "http://h:81/x?y=../z"),
            ("http://h:81/x?a=b&c#d", "http://h:81/x?a=b&c"),
            ("http://h:81//x", "http://h:81//x"),
        ] {
            assert_eq!(
                plain.parts(reference, &normalize).map(|parts| parts.concat()).as_deref(),
                Some(url),
                "{reference}"
            );
        }
        for reference in [
            "//x",
            "http://h:810/x",
            "a:b",
            "?x",
            "",
            "./x",
            "/.x",
            "../../../x",
            "/%7e",
            "/a b",
            "/a\tb",
            "/ü",
        ] {
            assert_eq!(plain.parts(reference, &normalize), None, "{reference}");
        }
    }

    #[test]
    fn an_address_holds_no_room_for_its_base() {
        let base = Url::parse(&format!("http://h/{}", "x".repeat(60_000))).expect("a base");
        let normalize = Normalize::default();
        for reference in ["b", "%62"] {
            let text = Resolver::new(&normalize, &base).resolve(reference).expect("an address");
            assert!(text == "http://h/b" && text.capacity() < 100, "{}", text.capacity());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn each_is_what_the_parser_makes_of_it(
            base in prop::sample::select(BASES),
            start in prop::sample::select(&["", "/", "//", "../", "../../", "./", "?", "#", "http:", "http://h", "http://h/", "https://example.org:8443/", "http://127.0.0.1:81", "a:"][..]),
            rest in "[a-c./:?#&=%~'+;@!$()*,_|^\\[\\]{}\"<>`\\\\ \t\né-]{0,12}",
            is_sorted: bool,
        ) {
            let base = Url::parse(base).expect("a base");
            let normalize = Normalize::new(is_sorted, &[]);
            let reference = format!("{start}{rest}");
            let resolver = Resolver::new(&normalize, &base);
            let resolved = resolver.resolve(&reference);
            if !reference.starts_with('#') {
                prop_assert_eq!(&resolved, &expected(&normalize, &base, &reference));
            }
            prop_assert_eq!(resolver.resolve(&reference), resolved, "again");
        }

        #[test]
        fn what_stands_beside_a_known_url_is_canonical(
            known in "http://(h|h:81|127\\.0\\.0\\.1)/[a-c/]{0,3}",
            raw in "http://(h|h:81|h:8|127\\.0\\.0\\.1|h@h)(/[a-cA./%?#&'é ]{0,8})?",
        ) {
            let known = canonical(&known, None).expect("a URL");
            if let Some(text) = beside(&known, &raw) {
                prop_assert_eq!(Ok(text), canonical(&raw, None).map(String::from));
            }
        }

        #[test]
        fn plain_paths_too(
            base in prop::sample::select(BASES),
            reference in "(/|http://h|\\.\\./|)[a-c/.]{0,6}[a-c0-9/:.?=&-]{0,8}",
        ) {
            let base = Url::parse(base).expect("a base");
            let normalize = Normalize::default();
            let resolved = Resolver::new(&normalize, &base).resolve(&reference);
            prop_assert_eq!(resolved, expected(&normalize, &base, &reference));
        }
    }
}

//! The optional parts of the canonical form: parameters stripped, the query sorted. Off unless a job asks for
//! them, since two URLs that differ in a parameter, or in the order of parameters, may be two pages. Also names
//! the steps from a URL as written to its canonical form. Never re-encodes anything: what stays of a query stays
//! byte for byte.

use std::borrow::Cow;

use url::Url;

use super::url::{UrlError, canonical, escape};

/// What a job adds to the canonical form of a URL. The default adds nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Normalize {
    sort_query: bool,
    strip: Vec<Pattern>,
}

/// Which parameters are stripped.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// The one of this name.
    Name(Box<str>),
    /// All whose name begins so.
    Prefix(Box<str>),
}

/// One step on the way to the canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was done, in words.
    pub what: &'static str,
    /// The URL after it.
    pub url: String,
}

impl Normalize {
    /// `sort_query`: parameters in the order of their names; those of one name stay in the order in which they
    /// stood, since it may carry meaning, and parameters without a name or value (`?a&&b`) are dropped.
    ///
    /// `strip_params`: names of parameters that are dropped, or beginnings of names with a `*` at the end
    /// (`utm_*`). They are held against the decoded name (`filter[]` for `filter%5B%5D`), and case counts:
    /// a page that is fetched twice is a smaller harm than two pages taken for one.
    pub fn new(sort_query: bool, strip_params: &[String]) -> Self {
        let pattern = |text: &String| match text.strip_suffix('*') {
            Some(start) => Pattern::Prefix(start.into()),
            None => Pattern::Name(text.as_str().into()),
        };
        Self { sort_query, strip: strip_params.iter().map(pattern).collect() }
    }

    /// Whether it adds nothing.
    pub fn is_default(&self) -> bool {
        !self.sort_query && self.strip.is_empty()
    }

    /// Whether a text can be an entry of `strip_params`; the error follows the text.
    pub fn check(pattern: &str) -> Result<(), &'static str> {
        let name = pattern.strip_suffix('*').unwrap_or(pattern);
        if pattern.is_empty() {
            Err("is empty: it names no parameter")
        } else if name.contains('*') {
            Err("may have a `*` at its end only")
        } else if name.contains(['&', '=']) {
            Err("must be the name of a parameter alone, without `=` and `&`")
        } else if name.as_bytes().windows(3).any(|window| escape(window).is_some()) {
            Err("is held against the decoded name: write `[]` and not `%5B%5D`")
        } else {
            Ok(())
        }
    }

    /// [`canonical`], then what the job adds. Doing it twice changes nothing.
    pub fn canonical(&self, raw: &str, base: Option<&Url>) -> Result<Url, UrlError> {
        Ok(self.apply(canonical(raw, base)?))
    }

    /// What the job adds to a URL in canonical form. Does not allocate where nothing changes.
    #[must_use]
    pub fn apply(&self, mut url: Url) -> Url {
        self.strip(&mut url);
        self.sort(&mut url);
        url
    }

    /// Each thing that [`Normalize::canonical`] does to a URL, in order; only what changed something.
    pub fn steps(&self, raw: &str, base: Option<&Url>) -> Result<Vec<Step>, UrlError> {
        let mut url = canonical(raw, base)?;
        let mut parsed = match base {
            Some(base) => base.join(raw)?,
            None => Url::parse(raw)?,
        };
        let mut way = Way { at: raw.to_owned(), steps: Vec::new() };
        let rest = way.parse_authority(raw, &parsed);
        way.reach(rest, parsed.as_str());
        parsed.set_fragment(None);
        way.reach("fragment dropped", parsed.as_str());
        parsed.set_host(url.host_str())?;
        way.reach("dots at the end of the host dropped", parsed.as_str());
        way.reach("percent-escapes in one form", url.as_str());
        self.strip(&mut url);
        way.reach("parameters stripped", url.as_str());
        self.sort(&mut url);
        way.reach("query sorted", url.as_str());
        Ok(way.steps)
    }

    fn strip(&self, url: &mut Url) {
        if let Some(Cow::Owned(query)) = url.query().map(|query| self.stripped(query)) {
            set_query(url, &query);
        }
    }

    fn sort(&self, url: &mut Url) {
        if let Some(Cow::Owned(query)) = url.query().filter(|_| self.sort_query).map(sorted) {
            set_query(url, &query);
        }
    }

    /// The query without what is to be stripped; empty where nothing but separators is left.
    fn stripped<'q>(&self, query: &'q str) -> Cow<'q, str> {
        let goes = |param: &&str| self.strip.iter().any(|pattern| pattern.names(param));
        if self.strip.is_empty() || !query.split('&').any(|param| goes(&param)) {
            return Cow::Borrowed(query);
        }
        let kept: Vec<&str> = query.split('&').filter(|param| !goes(param)).collect();
        if kept.iter().all(|param| param.is_empty()) {
            return Cow::Owned(String::new());
        }
        Cow::Owned(kept.join("&"))
    }
}

impl Pattern {
    /// Whether a parameter (`name`, `name=value`) is meant. What stands between two `&` is none.
    fn names(&self, param: &str) -> bool {
        let mut name = decoded_name(param);
        match self {
            _ if param.is_empty() => false,
            Self::Name(wanted) => name.eq(wanted.bytes()),
            Self::Prefix(start) => start.bytes().all(|byte| name.next() == Some(byte)),
        }
    }
}

/// The way of a URL as it was written to its canonical form.
struct Way {
    at: String,
    steps: Vec<Step>,
}

impl Way {
    /// A step, unless it leads nowhere.
    fn reach(&mut self, what: &'static str, url: &str) {
        if self.at != url {
            url.clone_into(&mut self.at);
            self.steps.push(Step { what, url: url.to_owned() });
        }
    }

    /// What the parser does to scheme, host and port of a URL that is written in full; returns what to call the
    /// rest of its work. A URL written in some odd way (`http:\\host`, `http://@host`) gets one step for it all.
    fn parse_authority(&mut self, raw: &str, parsed: &Url) -> &'static str {
        let ignored = |c: char| matches!(c, '\t' | '\n' | '\r');
        let trimmed = raw.trim_matches(|c| c <= ' ').replace(ignored, "");
        self.reach("white space removed", &trimmed);
        if Url::parse(raw).is_err() {
            return "resolved against the base";
        }
        let written = trimmed.split_once("://").map(|(scheme, rest)| {
            let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
            (scheme, rest.split_at(end))
        });
        let Some((scheme, (authority, tail))) = written else { return "parsed by the URL standard" };
        let as_parsed = scheme.eq_ignore_ascii_case(parsed.scheme());
        if !as_parsed || authority.is_empty() || authority.contains('@') {
            return "parsed by the URL standard";
        }
        let colon = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
        let (host, port) = authority.split_at(colon.unwrap_or(authority.len()));
        let scheme = parsed.scheme();
        let lower = host.to_ascii_lowercase();
        self.reach("scheme and host in lower case", &format!("{scheme}://{lower}{port}{tail}"));
        let form = parsed.host_str().unwrap_or_default();
        let what = if host.is_ascii() { "host in its standard form" } else { "host in punycode" };
        self.reach(what, &format!("{scheme}://{form}{port}{tail}"));
        let (what, port) = match parsed.port() {
            None => ("default port dropped", String::new()),
            Some(port) => ("port in its standard form", format!(":{port}")),
        };
        self.reach(what, &format!("{scheme}://{form}{port}{tail}"));
        "path and query in their standard form"
    }
}

/// The query in the order of the decoded names, without empty parameters.
fn sorted(query: &str) -> Cow<'_, str> {
    let order = |one: &&str, two: &&str| decoded_name(one).cmp(decoded_name(two));
    let in_order = query.split('&').is_sorted_by(|one, two| order(one, two).is_le());
    if in_order && query.split('&').all(|param| !param.is_empty()) {
        return Cow::Borrowed(query);
    }
    let mut params: Vec<&str> = query.split('&').filter(|param| !param.is_empty()).collect();
    params.sort_by(order);
    Cow::Owned(params.join("&"))
}

/// The name of a parameter with `+` and escapes undone, as forms write it (WHATWG URL section 5.1).
fn decoded_name(param: &str) -> impl Iterator<Item = u8> {
    let mut rest = param.split('=').next().unwrap_or_default().as_bytes();
    std::iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        let (byte, tail) = match rest.get(..3).and_then(escape) {
            Some(byte) => (byte, &rest[3..]),
            None if first == b'+' => (b' ', tail),
            None => (first, tail),
        };
        rest = tail;
        Some(byte)
    })
}

fn set_query(url: &mut Url, query: &str) {
    url.set_query(Some(query).filter(|query| !query.is_empty()));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normalize(sort_query: bool, strip: &[&str]) -> Normalize {
        Normalize::new(sort_query, &strip.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
    }

    /// A query, and what becomes of it.
    fn check(normalize: &Normalize, query: &str, expected: &str) {
        let url = normalize.canonical(&format!("http://h/p{query}"), None).expect(query);
        assert_eq!(url.as_str(), format!("http://h/p{expected}"), "{query}");
    }

    #[test]
    fn nothing_is_added_unless_asked_for() {
        for query in ["", "?", "?&", "?b&a", "?utm_source=x&&", "?a=%C3%BC+%2B"] {
            check(&Normalize::default(), query, query);
        }
    }

    #[test]
    fn a_sorted_query_keeps_values_and_the_order_of_one_name() {
        let sorted = normalize(true, &[]);
        check(&sorted, "?c=1&b=2&a=3", "?a=3&b=2&c=1");
        check(&sorted, "?c=3&b=5&b=2&a=50", "?a=50&b=5&b=2&c=3");
        check(&sorted, "?b=&a=2&c", "?a=2&b=&c");
        check(&sorted, "?q=a+space&a=%2B+x%20y", "?a=%2B+x%20y&q=a+space");
        check(&sorted, "?b=1;a=2&a", "?a&b=1;a=2");
        check(&sorted, "?1750,4", "?1750,4");
        // By the decoded name: `b[` stands before `b]`, however they are written; `B` before `a`.
        check(&sorted, "?b%5D&b[=1&a&b%5B=0&B", "?B&a&b[=1&b%5B=0&b%5D");
        check(&sorted, "?a+b=1&a%20b=0&a%2Bb&a!b", "?a+b=1&a%20b=0&a!b&a%2Bb");
        // A name that is the beginning of another stands before it, whatever follows its `=`.
        check(&sorted, "?ab&a=z", "?a=z&ab");
    }

    #[test]
    fn a_sorted_query_has_no_empty_parameters() {
        for (query, expected) in
            [("?", ""), ("?&&", ""), ("?&a=1", "?a=1"), ("?b&&a&", "?a&b"), ("?=1&", "?=1")]
        {
            check(&normalize(true, &[]), query, expected);
        }
    }

    #[test]
    fn parameters_are_stripped_by_name_or_beginning() {
        let clean = normalize(false, &["utm_*", "sid", "filter[]", "a b", "é"]);
        check(&clean, "?utm_source=x&id=3&utm_medium", "?id=3");
        check(&clean, "?utm_source=x", "");
        check(&clean, "?sid=1&", "");
        check(&clean, "?id=3&sid=1&sid", "?id=3");
        check(&clean, "?filter%5B%5D=1&filter[]=2&filter", "?filter");
        check(&clean, "?a+b&a%20b=1&a%2Bb&ab", "?a%2Bb&ab");
        check(&clean, "?%C3%A9=1&x=é", "?x=%C3%A9");
        // Neither longer names, nor other case, nor values, nor what is no parameter.
        check(&clean, "?sids=1&SID=2&x=sid&Utm_source=1&utm", "?sids=1&SID=2&x=sid&Utm_source=1&utm");
        check(&clean, "?b&&a&", "?b&&a&");
        check(&clean, "?b&&sid&a&", "?b&&a&");
        check(&normalize(false, &["*"]), "?a&b=1&=2&&", "");
        check(&normalize(false, &["*"]), "?", "?");
        check(&normalize(true, &["b"]), "?c&b=1&a=2", "?a=2&c");
    }

    #[test]
    fn what_is_no_name_of_a_parameter_says_why() {
        for good in ["utm_*", "*", "filter[]", "100%", "a b", "é"] {
            assert_eq!(Normalize::check(good), Ok(()), "{good}");
        }
        let why = |pattern| Normalize::check(pattern).expect_err(pattern);
        assert_eq!(why(""), "is empty: it names no parameter");
        assert_eq!(why("a*b"), "may have a `*` at its end only");
        assert_eq!(why("a**"), "may have a `*` at its end only");
        assert_eq!(why("a="), "must be the name of a parameter alone, without `=` and `&`");
        assert_eq!(why("%5Ba"), "is held against the decoded name: write `[]` and not `%5B%5D`");
    }

    /// Each step as `what: url`, against a base where there is one.
    fn steps(raw: &str, base: Option<&str>) -> Vec<String> {
        let base = base.map(|base| Url::parse(base).expect(base));
        let steps = normalize(true, &["utm_*"]).steps(raw, base.as_ref()).expect(raw);
        steps.into_iter().map(|step| format!("{}: {}", step.what, step.url)).collect()
    }

    #[test]
    fn every_step_has_its_name() {
        assert_eq!(steps("http://h/a?b", None), Vec::<String>::new());
        let all = [
            "white space removed: HTTP://Bücher.DE.:080/x/../%7e?utm_a&b&a#top",
            "scheme and host in lower case: http://bücher.de.:080/x/../%7e?utm_a&b&a#top",
            "host in punycode: http://xn--bcher-kva.de.:080/x/../%7e?utm_a&b&a#top",
            "default port dropped: http://xn--bcher-kva.de./x/../%7e?utm_a&b&a#top",
            "path and query in their standard form: http://xn--bcher-kva.de./%7e?utm_a&b&a#top",
            "fragment dropped: http://xn--bcher-kva.de./%7e?utm_a&b&a",
            "dots at the end of the host dropped: http://xn--bcher-kva.de/%7e?utm_a&b&a",
            "percent-escapes in one form: http://xn--bcher-kva.de/~?utm_a&b&a",
            "parameters stripped: http://xn--bcher-kva.de/~?b&a",
            "query sorted: http://xn--bcher-kva.de/~?a&b",
        ];
        assert_eq!(steps(" HTTP://Bücher.DE.:080/x/../%7e?ut\nm_a&b&a#top", None), all);
        assert_eq!(
            steps("../c#x", Some("http://h/a/b")),
            ["resolved against the base: http://h/c#x", "fragment dropped: http://h/c"]
        );
        assert_eq!(steps("http:\\\\h\\a", None), ["parsed by the URL standard: http://h/a"]);
        assert_eq!(steps("http://@h/", None), ["parsed by the URL standard: http://h/"]);
        assert_eq!(
            steps("http://0x7f.1:0081/", None),
            [
                "host in its standard form: http://127.0.0.1:0081/",
                "port in its standard form: http://127.0.0.1:81/"
            ]
        );
        assert_eq!(
            steps("http://[::0:1]", None),
            [
                "host in its standard form: http://[::1]",
                "path and query in their standard form: http://[::1]/"
            ]
        );
        assert!(Normalize::default().steps("ftp://h/", None).is_err());
    }

    proptest! {
        #[test]
        fn twice_is_once(query in "[a-c%&=+?#\\[é'0-9A-F]{0,40}", sort: bool, strip in "[a-c\\[+]{1,2}\\*?") {
            let normalize = normalize(sort, &[&strip]);
            let once = normalize.canonical(&format!("http://h/?{query}"), None).expect("a URL");
            let again = normalize.canonical(once.as_str(), None).expect("canonical of canonical");
            prop_assert_eq!(&once, &again);
            // Each parameter that stays is one that was there, byte for byte, and as often.
            let plain = canonical(&format!("http://h/?{query}"), None).expect("a URL");
            let mut there: Vec<&str> = plain.query().unwrap_or_default().split('&').collect();
            for param in once.query().unwrap_or_default().split('&').filter(|param| !param.is_empty()) {
                let at = there.iter().position(|other| *other == param);
                prop_assert!(at.is_some(), "{} is new", param);
                there.remove(at.expect("found"));
            }
        }

        #[test]
        fn the_steps_lead_to_the_canonical_form(raw in "\\PC{0,30}", tail in "[ \t%0-9a-fA-F.:/?&=#@\\[\\]~é\\\\]{0,40}") {
            let normalize = normalize(true, &["a*"]);
            let base = Url::parse("http://base/x/y?z").expect("a base");
            for text in [raw.clone(), tail.clone(), format!("hTTp://{tail}"), format!("http://h:{tail}{raw}")] {
                let Ok(url) = normalize.canonical(&text, Some(&base)) else { continue };
                let steps = normalize.steps(&text, Some(&base)).expect("steps of a URL");
                let last = steps.last().map_or(text.as_str(), |step| step.url.as_str());
                prop_assert_eq!(last, url.as_str());
                for step in &steps {
                    let from = normalize.canonical(&step.url, Some(&base)).expect("a URL at each step");
                    prop_assert_eq!(&from, &url, "{}", step.what);
                }
            }
        }
    }
}

//! Which rule decides about a path: patterns, their order and their match (RFC 9309 sections 2.2.2 and 2.2.3).
//!
//! Rules stand under their *head*, the text before the first `*`. Heads are sorted, and each knows the longest
//! other one that it begins with; so all heads that a path begins with are found by one binary search and a walk
//! up, and a file of ten thousand plain rules costs no more than one of ten. What follows a `*` is looked for from
//! left to right, which never goes back. The search refuses to spend more than [`MAX_WORK`] on one path: a file
//! made to be slow leaves the path undecided, at the same rule every time.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::fmt::Write as _;
use std::ops::Range;

use memchr::memmem;
use serde::{Deserialize, Serialize};

/// The bytes that may be looked at for one path. Five hundred rules with a `*` on a path of 16 KiB stay below.
pub(super) const MAX_WORK: usize = 8 << 20;

/// One rule that concerns us.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Rule {
    /// In normal form; `*` and a `$` at the end are special, every other one is escaped. Never empty.
    pattern: Box<str>,
    /// Bytes of the pattern before its first `*`, or before its `$` if it has no `*`.
    head: usize,
    /// Whether it allows or forbids.
    pub allow: bool,
    /// Its line in the file, from 1.
    pub line: usize,
    /// The line as written.
    pub text: Box<str>,
}

impl Rule {
    /// A rule from its value as written; `None` for an empty one, which matches nothing.
    pub fn new(value: &[u8], allow: bool, line: usize, text: Box<str>) -> Option<Self> {
        let pattern = normal_pattern(value);
        let head = pattern.find('*').unwrap_or(pattern.strip_suffix('$').map_or(pattern.len(), str::len));
        (!pattern.is_empty()).then(|| Self { pattern: pattern.into(), head, allow, line, text })
    }

    fn head(&self) -> &str {
        &self.pattern[..self.head]
    }

    /// Less wins: the longer pattern, of equals the one that allows, of equals the first.
    fn rank(&self) -> (Reverse<usize>, Reverse<bool>, usize) {
        (Reverse(self.pattern.len()), Reverse(self.allow), self.line)
    }

    /// Whether it matches a path that begins with its head; `rest` is what follows there.
    fn matches(&self, mut rest: &str, work: &mut usize) -> bool {
        let tail = &self.pattern[self.head..];
        let (tail, anchored) = tail.strip_suffix('$').map_or((tail, false), |tail| (tail, true));
        let Some(tail) = tail.strip_prefix('*') else { return !anchored || rest.is_empty() };
        let mut parts = tail.split('*');
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            match find(part, rest, work) {
                Some(end) => rest = &rest[end..],
                None => return false,
            }
        }
        if anchored { rest.ends_with(last) } else { find(last, rest, work).is_some() }
    }
}

/// Where the first `part` in `text` ends. The search is linear, and counted as such.
fn find(part: &str, text: &str, work: &mut usize) -> Option<usize> {
    let end = memmem::find(text.as_bytes(), part.as_bytes()).map(|at| at + part.len());
    *work += 1 + part.len() + end.unwrap_or(text.len());
    end
}

/// The rules with one head.
#[derive(Debug)]
struct Head {
    /// Where they stand. Never empty.
    rules: Range<usize>,
    /// The longest other head that this one begins with.
    parent: Option<usize>,
}

/// All rules that concern us.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// By head, then by rank.
    rules: Vec<Rule>,
    /// In the order of their text.
    heads: Vec<Head>,
}

impl Rules {
    pub fn new(mut rules: Vec<Rule>) -> Self {
        rules.sort_by(|a, b| a.head().cmp(b.head()).then_with(|| a.rank().cmp(&b.rank())));
        rules.shrink_to_fit();
        let mut heads: Vec<Head> = Vec::new();
        let mut within: Vec<usize> = Vec::new();
        let mut start = 0;
        for same in rules.chunk_by(|a, b| a.head() == b.head()) {
            while within.last().is_some_and(|&at| !same[0].head().starts_with(text(&rules, &heads[at]))) {
                within.pop();
            }
            heads.push(Head { rules: start..start + same.len(), parent: within.last().copied() });
            within.push(heads.len() - 1);
            start += same.len();
        }
        Self { rules, heads }
    }

    /// All of them, in no order that matters.
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// About how many bytes of memory they take, with what an allocation costs beside its bytes.
    pub fn weight(&self) -> usize {
        const BESIDE: usize = 16;
        let rule = |rule: &Rule| rule.pattern.len() + rule.text.len() + 2 * BESIDE;
        size_of_val(&*self.rules)
            + self.heads.capacity() * size_of::<Head>()
            + self.rules.iter().map(rule).sum::<usize>()
    }

    /// The rule that decides about a path in normal form, if there is one. `Err` if that takes more than
    /// [`MAX_WORK`]: the rule at which it was spent.
    pub fn deciding(&self, path: &str, work: &mut usize) -> Result<Option<&Rule>, &Rule> {
        let behind = self.heads.partition_point(|head| text(&self.rules, head) <= path);
        let mut next = behind.checked_sub(1);
        let nearest = next.map_or("", |at| text(&self.rules, &self.heads[at]));
        let common = nearest.bytes().zip(path.bytes()).take_while(|(a, b)| a == b).count();
        *work += common;
        let mut best: Option<&Rule> = None;
        while let Some(head) = next.map(|at| &self.heads[at]) {
            next = head.parent;
            *work += 1;
            // Every head on the way up begins the nearest one, so its length says whether it begins the path.
            let length = self.rules[head.rules.start].head;
            if length > common {
                continue;
            }
            for rule in &self.rules[head.rules.clone()] {
                if best.is_some_and(|best| best.rank() < rule.rank()) {
                    break;
                }
                *work += 1;
                let matches = rule.matches(&path[length..], work);
                if *work > MAX_WORK {
                    return Err(rule);
                }
                if matches {
                    best = Some(rule);
                    break;
                }
            }
        }
        Ok(best)
    }
}

fn text<'a>(rules: &'a [Rule], head: &Head) -> &'a str {
    rules[head.rules.start].head()
}

/// The normal form of a path with its query, in which equal octets are equal bytes.
pub(super) fn normal_path(path: &str) -> Cow<'_, str> {
    if path.bytes().all(|byte| is_unreserved(byte) || is_plain(byte)) {
        return Cow::Borrowed(path);
    }
    let mut normal = String::with_capacity(path.len() + 16);
    push_normal(&mut normal, path.as_bytes());
    Cow::Owned(normal)
}

fn normal_pattern(value: &[u8]) -> String {
    let (value, anchored) = value.strip_suffix(b"$").map_or((value, false), |value| (value, true));
    let mut normal = String::with_capacity(value.len() + 1);
    for (number, part) in value.split(|byte| *byte == b'*').enumerate() {
        if number > 0 {
            normal.push('*');
        }
        push_normal(&mut normal, part);
    }
    if anchored {
        normal.push('$');
    }
    normal
}

/// Literal text: escapes of unreserved characters are undone, those of others kept; of what is not escaped, all is
/// but what RFC 3986 lets stand. So a `*` that is not special is `%2A` wherever it comes from.
fn push_normal(normal: &mut String, mut text: &[u8]) {
    while let [first, after @ ..] = text {
        let escaped = escape(text);
        text = if escaped.is_some() { &text[3..] } else { after };
        let byte = escaped.unwrap_or(*first);
        if is_unreserved(byte) || escaped.is_none() && is_plain(byte) {
            normal.push(char::from(byte));
        } else {
            let _ = write!(normal, "%{byte:02X}");
        }
    }
}

/// The octet that the text's first three characters stand for.
fn escape(text: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let [b'%', high, low, ..] = text else { return None };
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Reserved characters, which stand for themselves as long as they are not escaped. Not among them: `*` and `$`, which
/// are special here; `'`, which URLs have escaped in their query; and a `%` that begins no escape, because what is undone
/// behind it could make it one.
fn is_plain(byte: u8) -> bool {
    matches!(
        byte,
        b':' | b'/'
            | b'?'
            | b'#'
            | b'['
            | b']'
            | b'@'
            | b'!'
            | b'&'
            | b'('
            | b')'
            | b'+'
            | b','
            | b';'
            | b'='
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(patterns: &[(&str, bool)]) -> Rules {
        let rule = |(number, (pattern, allow)): (usize, &(&str, bool))| {
            Rule::new(pattern.as_bytes(), *allow, number + 1, (*pattern).into())
        };
        Rules::new(patterns.iter().enumerate().filter_map(rule).collect())
    }

    fn matches(pattern: &str, path: &str) -> bool {
        let rules = rules(&[(pattern, false)]);
        rules.deciding(&normal_path(path), &mut 0).expect("little work").is_some()
    }

    #[test]
    fn patterns() {
        for (pattern, path) in [
            ("/", "/"),
            ("/fish", "/fish.html?id=1"),
            ("/fish*", "/fish"),
            ("*", "/"),
            ("*.gif$", "/a/b.gif"),
            ("/*.php", "/a/x.php/y"),
            ("/*.php$", "/a.php/b.php"),
            ("/a*b*c$", "/a-b-b-c-c"),
            ("/a**b", "/ab"),
            ("/*$", "/x"),
            ("/a$", "/a"),
            ("/$a", "/$a"),
            ("/x$$", "/x$"),
            ("/?q=", "/?q=1"),
        ] {
            assert!(matches(pattern, path), "{pattern} matches {path}");
        }
        for (pattern, path) in [
            ("/fish", "/Fish"),
            ("/fish/", "/fish"),
            ("/a$", "/ab"),
            ("/*.php$", "/a.php5"),
            ("/*.php$", "/a.php?x"),
            ("/a*bc*c$", "/abc"),
            ("/ab*b$", "/ab"),
            ("/$a", "/"),
            ("fish", "/fish"),
            ("$", "/"),
            ("", "/"),
        ] {
            assert!(!matches(pattern, path), "{pattern} does not match {path}");
        }
    }

    #[test]
    fn escapes_are_compared_by_what_they_stand_for() {
        for (pattern, path) in [
            ("/%62%61%7A", "/baz"),
            ("/baz", "/%62a%7a"),
            ("/ツ", "/%e3%83%84"),
            ("/%E3%83%84", "/ツ"),
            ("/a b", "/a%20b"),
            ("/a|b", "/a%7cb"),
            ("/a%2fb", "/a%2Fb"),
            ("/x-%2A.html", "/x-*.html"),
            ("/x-%24", "/x-$"),
            ("/?a='b'", "/?a=%27b%27"),
            ("/50%", "/50%"),
        ] {
            assert!(matches(pattern, path), "{pattern} matches {path}");
        }
        for (pattern, path) in [("/a%2Fb", "/a/b"), ("/a/b", "/a%2Fb"), ("/x-%2A", "/x-y"), ("/x-%24", "/x-")]
        {
            assert!(!matches(pattern, path), "{pattern} does not match {path}");
        }
    }

    #[test]
    fn the_longest_pattern_decides_and_allow_wins_a_tie() {
        let line = |patterns: &[(&str, bool)], path: &str| {
            rules(patterns).deciding(path, &mut 0).expect("little work").map(|rule| rule.line)
        };
        assert_eq!(line(&[("/", false), ("/p", true)], "/page"), Some(2));
        assert_eq!(line(&[("/folder", false), ("/folder", true)], "/folder/x"), Some(2));
        assert_eq!(line(&[("/page", true), ("/*.htm", false)], "/page.htm"), Some(2));
        assert_eq!(line(&[("/*.htm", true), ("/*.htm", true)], "/page.htm"), Some(1));
        assert_eq!(line(&[("/$", true), ("/", false)], "/"), Some(1));
        assert_eq!(line(&[("/a", false), ("/ab", false), ("/abc", false), ("/b", true)], "/abd"), Some(2));
        assert_eq!(line(&[("/%61%61%61", false), ("/aaa", true), ("/aaaa*", false)], "/aaa"), Some(2));
        assert_eq!(line(&[("/x", false)], "/y"), None);
    }

    /// What `deciding` may spend: its limit, and what the last rule takes beyond it.
    fn spends(patterns: &[String], path: &str) -> (bool, usize) {
        let patterns: Vec<(&str, bool)> = patterns.iter().map(|pattern| (pattern.as_str(), false)).collect();
        let mut work = 0;
        let decided = rules(&patterns).deciding(path, &mut work).is_ok();
        (decided, work)
    }

    #[test]
    fn no_pattern_makes_the_search_go_back() {
        let path = format!("/{}b", "a".repeat(16_000));
        for pattern in [
            "/".to_owned() + &"a*".repeat(8_000) + "c",
            "*a".repeat(5_000),
            "*".repeat(16_000),
            "*aab".into(),
        ] {
            let (decided, work) = spends(std::slice::from_ref(&pattern), &path);
            assert!(decided);
            assert!(work <= 2 * (path.len() + pattern.len()), "{work} for {}", &pattern[..4]);
        }
    }

    #[test]
    fn a_file_made_to_be_slow_costs_no_more_than_the_limit() {
        let path = format!("/{}", "a".repeat(16_000));
        let slow: Vec<String> = (0..40_000).map(|n| format!("*aaab{n:04}")).collect();
        let (decided, work) = spends(&slow, &path);
        assert!(!decided);
        assert!(work <= MAX_WORK + 2 * path.len(), "{work}");
        let (decided, _) = spends(&slow[..400], &path);
        assert!(decided, "four hundred such rules are no attack");
    }

    #[test]
    fn plain_rules_cost_no_more_the_more_there_are() {
        let plain: Vec<String> = (0..50_000).map(|n| format!("/x{n:05}/")).collect();
        let (_, work) = spends(&plain, "/x31415/page");
        assert!(work < 100, "{work}");
        let nested: Vec<String> = (1..1_000).map(|n| "/".to_owned() + &"a".repeat(n)).collect();
        let (_, work) = spends(&nested, &("/".to_owned() + &"a".repeat(16_000)));
        assert!(work < 3_000, "{work}");
    }

    /// The definition, by trying everything: what a pattern matches, and which rule wins.
    fn defined(pattern: &[u8], path: &[u8]) -> bool {
        match pattern {
            [] => true,
            [b'$'] => path.is_empty(),
            [b'*', rest @ ..] => (0..=path.len()).any(|skip| defined(rest, &path[skip..])),
            [first, rest @ ..] => path.first() == Some(first) && defined(rest, &path[1..]),
        }
    }

    proptest! {
        #[test]
        fn the_search_agrees_with_the_definition(
            patterns in proptest::collection::vec(("[/ab*]{1,6}\\$?", any::<bool>()), 0..12),
            path in "/[/ab]{0,8}",
        ) {
            let patterns: Vec<(&str, bool)> = patterns.iter().map(|(text, allow)| (text.as_str(), *allow)).collect();
            let found = rules(&patterns).deciding(&path, &mut 0).expect("little work").map(|rule| rule.line);
            let best = (1..).zip(&patterns)
                .filter(|(_, (pattern, _))| defined(pattern.as_bytes(), path.as_bytes()))
                .min_by_key(|(line, (pattern, allow))| (Reverse(pattern.len()), !allow, *line));
            prop_assert_eq!(found, best.map(|(line, _)| line));
        }

        #[test]
        fn the_normal_form_is_its_own_normal_form(text in "[%0-9a-fA-F*$'/?ü ]{0,20}") {
            // Escapes that were escaped themselves are the one exception: `%%36` is an escape only once undone.
            prop_assume!(!text.contains("%%"));
            let once = normal_path(&text).into_owned();
            prop_assert_eq!(normal_path(&once).into_owned(), once.clone());
            prop_assert!(once.is_ascii() && !once.contains(['*', '$', '\'', ' ']));
        }
    }
}

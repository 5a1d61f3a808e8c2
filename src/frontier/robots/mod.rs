//! robots.txt: what one file allows to us (RFC 9309), and what is known of an origin's file ([`OriginRobots`]).
//! Knows no network and no clock. Refuses nothing: any bytes are a robots.txt, if need be an empty one.
//!
//! Parser and matcher are our own, because verdicts name the line of the rule that decided and their cost is
//! bounded by counted work; no crate at hand gives either.

mod lines;
mod origin;
mod rules;
mod shelf;

use std::sync::Arc;
use std::time::Duration;

pub use origin::{Answer, Ask, Judged, OriginRobots, Policy};
pub use shelf::{Place, Shelf};

use super::backlog::BacklogError;
use crate::model::cut_before_path;
use lines::Field;
use rules::{Rule, Rules};

/// The longest `Crawl-delay` that is told apart from longer ones.
const MAX_DELAY: Duration = Duration::from_hours(365 * 24);
/// How much of a rule is kept to be shown, in characters.
const MAX_SHOWN: usize = 200;

/// What one robots.txt allows to us. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Robots(Arc<Contents>);

#[derive(Debug, Default)]
struct Contents {
    rules: Rules,
    /// Whether they are from groups that name us.
    is_named: bool,
    crawl_delay: Option<Duration>,
    sitemaps: Vec<String>,
}

/// What a robots.txt says of one URL. `line` counts from 1; `rule` is the line as written, for example
/// `Disallow: /x`, at most 200 characters of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be fetched.
    Allowed,
    /// It may not, by this rule.
    Disallowed {
        /// Line of the rule.
        line: usize,
        /// The rule.
        rule: String,
    },
    /// The file is made so that finding the rule takes too long; this is the rule at which the search ended. To be
    /// treated as a refusal.
    Undecided {
        /// Line of the rule.
        line: usize,
        /// The rule.
        rule: String,
    },
}

impl Robots {
    /// Reads the first 500 KiB of a robots.txt. `agent` is the whole `User-Agent` header; its [`product_token`] is
    /// what groups are matched with.
    pub fn parse(body: &[u8], agent: &str) -> Self {
        let token = product_token(agent).as_bytes();
        let mut reader = Reader::default();
        for (number, line, field) in lines::fields(body) {
            reader.take(number, line, &field, token);
        }
        let Reader { ours, everyones, sitemaps, .. } = reader;
        let is_named = ours.is_some();
        let (rules, crawl_delay) = ours.unwrap_or(everyones);
        Self(Arc::new(Contents { rules: Rules::new(rules), is_named, crawl_delay, sitemaps }))
    }

    /// A file that forbids nothing, or none at all.
    pub fn allow_all() -> Self {
        Self::default()
    }

    /// What it says of a URL in canonical form: of its path and query, whatever its host. `/robots.txt` itself, as a
    /// page, is implicitly allowed (RFC 9309 section 2.2.2) but to a crawler that the file names and shuts out.
    pub fn verdict(&self, url: &str) -> Verdict {
        let (_, path) = cut_before_path(url);
        if path.split('?').next() == Some("/robots.txt") && !self.0.is_named {
            return Verdict::Allowed;
        }
        let path = rules::normal_path(path);
        let found = self.0.rules.deciding(&path, &mut 0);
        match found {
            Ok(Some(rule)) if !rule.allow => {
                Verdict::Disallowed { line: rule.line, rule: rule.text.to_string() }
            }
            Ok(_) => Verdict::Allowed,
            Err(rule) => Verdict::Undecided { line: rule.line, rule: rule.text.to_string() },
        }
    }

    /// The largest `Crawl-delay` of our groups. What is no number is passed over; more than a year is a year.
    pub fn crawl_delay(&self) -> Option<Duration> {
        self.0.crawl_delay
    }

    /// The sitemaps that the file names, as written and in its order, whatever group they stand in. Nobody asks for them
    /// twice, so that they are given away.
    pub fn take_sitemaps(&mut self) -> Vec<String> {
        match Arc::get_mut(&mut self.0) {
            Some(contents) => std::mem::take(&mut contents.sitemaps),
            None => self.0.sitemaps.clone(),
        }
    }

    /// About how many bytes of memory its rules take.
    pub fn weight(&self) -> usize {
        self.0.rules.weight()
    }

    /// Its rules and its crawl delay as bytes.
    pub(super) fn pack(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_stdvec(&(self.0.rules.all(), self.0.is_named, self.0.crawl_delay))
    }

    /// What [`Robots::pack`] made.
    pub(super) fn unpack(packed: &[u8]) -> Result<Self, BacklogError> {
        let (rules, is_named, crawl_delay): (Vec<Rule>, bool, Option<Duration>) =
            postcard::from_bytes(packed)?;
        let contents = Contents { rules: Rules::new(rules), is_named, crawl_delay, sitemaps: Vec::new() };
        Ok(Self(Arc::new(contents)))
    }
}

/// The product token of a `User-Agent` header: `my-crawler` of `my-crawler/1.0 (+https://…)`, and of
/// `Mozilla/5.0 (compatible; my-crawler/1.0)`.
pub fn product_token(user_agent: &str) -> &str {
    let named = match user_agent.split_once("(compatible;") {
        Some((disguise, rest)) if disguise.trim_start().starts_with("Mozilla/") => rest,
        _ => user_agent,
    }
    .trim_start();
    // RFC 9110 section 5.6.2: what a product may be named with.
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    named.split(|c| !is_token(c)).next().unwrap_or_default()
}

/// Whether a robots.txt can name this product token: letters, `-` and `_` alone (RFC 9309 section 2.2.1). A
/// crawler with another one is held to the rules for everyone, and to none that name it.
pub fn can_be_named(product_token: &str) -> bool {
    !product_token.is_empty() && product_token.bytes().all(is_identifier)
}

fn is_identifier(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_')
}

/// Whom a group is for, as far as it concerns us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    #[default]
    Others,
    Everyone,
    Ours,
}

impl Whose {
    /// By the value of a `User-agent` line. A version or further words behind the name do not count.
    fn of(value: &[u8], token: &[u8]) -> Self {
        let name = value.split(|byte| !is_identifier(*byte)).next().unwrap_or_default();
        match value {
            [b'*'] => Self::Everyone,
            [b'*', next, ..] if next.is_ascii_whitespace() => Self::Everyone,
            _ if !name.is_empty() && name.eq_ignore_ascii_case(token) => Self::Ours,
            _ => Self::Others,
        }
    }
}

type Group = (Vec<Rule>, Option<Duration>);

/// The groups as they are read, merged by whom they are for.
#[derive(Debug, Default)]
struct Reader {
    whose: Whose,
    /// Whether no rule has followed the last `User-agent` yet: another one is for the same group.
    naming: bool,
    /// There as soon as a group names us, even if it is empty: then those for everyone do not hold.
    ours: Option<Group>,
    everyones: Group,
    sitemaps: Vec<String>,
}

impl Reader {
    fn take(&mut self, number: usize, line: &[u8], field: &Field<'_>, token: &[u8]) {
        match *field {
            Field::UserAgent(value) => {
                let before = if self.naming { self.whose } else { Whose::Others };
                self.whose = before.max(Whose::of(value, token));
                self.naming = true;
                if self.whose == Whose::Ours {
                    self.ours.get_or_insert_default();
                }
            }
            Field::Allow(value) | Field::Disallow(value) => {
                self.naming = false;
                let allow = matches!(field, Field::Allow(_));
                if let Some((rules, _)) = self.group() {
                    rules.extend(Rule::new(value, allow, number, shown(line)));
                }
            }
            // RFC 9309 section 2.2.4: other records must not interfere with the parsing of groups, so these two do not
            // end the run of `User-agent` lines.
            Field::CrawlDelay(value) => {
                if let Some((_, delay)) = self.group() {
                    *delay = (*delay).max(seconds(value));
                }
            }
            Field::Sitemap(b"") => {}
            Field::Sitemap(value) => self.sitemaps.push(String::from_utf8_lossy(value).into_owned()),
        }
    }

    /// The group that is being read, if it concerns us.
    fn group(&mut self) -> Option<&mut Group> {
        match self.whose {
            Whose::Ours => self.ours.as_mut(),
            Whose::Everyone => Some(&mut self.everyones),
            Whose::Others => None,
        }
    }
}

/// A number of seconds such as `5` or `0.5`.
fn seconds(value: &[u8]) -> Option<Duration> {
    let number = str::from_utf8(value).ok()?;
    // `f64` also reads signs, exponents and `inf`, which are nonsense here.
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = number.parse::<f64>().ok().filter(|_| plain)?;
    Duration::try_from_secs_f64(seconds.min(MAX_DELAY.as_secs_f64())).ok()
}

/// The line as it is shown: a server must not fill our outputs with one rule of 16 KiB.
fn shown(line: &[u8]) -> Box<str> {
    let text = String::from_utf8_lossy(line);
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    const AGENT: &str = "FooBot/2.1 (+https://example.org/bot)";

    fn url(path: &str) -> Url {
        Url::parse(&format!("http://foo.bar{path}")).expect("URL")
    }

    /// Which of the paths are allowed.
    fn allowed<'a>(body: &str, agent: &str, paths: &[&'a str]) -> Vec<&'a str> {
        let robots = Robots::parse(body.as_bytes(), agent);
        paths.iter().copied().filter(|path| robots.verdict(url(path).as_str()) == Verdict::Allowed).collect()
    }

    #[test]
    fn a_verdict_names_the_line_and_the_rule_as_written() {
        let robots =
            Robots::parse(b"# hello\r\nUser-Agent: *\r\n\r\n DISALLOW : /a*b  # no\r\nallow: /", AGENT);
        let rule = "DISALLOW : /a*b".to_owned();
        assert_eq!(robots.verdict(url("/axb?c").as_str()), Verdict::Disallowed { line: 4, rule });
        assert_eq!(robots.verdict(url("/b").as_str()), Verdict::Allowed);
        let long = format!("user-agent: *\ndisallow: /{}", "ü".repeat(300));
        let Verdict::Disallowed { rule, .. } =
            Robots::parse(long.as_bytes(), AGENT).verdict(url(&format!("/{}", "ü".repeat(300))).as_str())
        else {
            panic!("allowed")
        };
        assert_eq!((rule.chars().count(), rule.ends_with("ü…")), (201, true));
    }

    #[test]
    fn the_file_itself_is_allowed_to_all_that_it_does_not_shut_out_by_name() {
        let all = ["/robots.txt", "/robots.txt.old", "/x/robots.txt", "/"];
        assert_eq!(allowed("user-agent: *\ndisallow: /", AGENT, &all), ["/robots.txt"]);
        let named = format!("user-agent: {}\ndisallow: /", product_token(AGENT));
        assert_eq!(allowed(&named, AGENT, &all), [""; 0]);
    }

    #[test]
    fn groups_that_name_us_are_merged_and_hold_alone() {
        let body = "user-agent: foobot\ndisallow: /a\nuser-agent: *\ndisallow: /b\n\
                    user-agent: BarBot\nuser-agent: FOOBOT/1.0 beta\nunknown: x\nsitemap: y\nuser-agent: Baz\ndisallow: /c\n";
        let paths = ["/a", "/b", "/c", "/d"];
        assert_eq!(allowed(body, AGENT, &paths), ["/b", "/d"]);
        assert_eq!(allowed(body, "barbot", &paths), ["/a", "/b", "/d"]);
        assert_eq!(allowed(body, "Baz", &paths), ["/a", "/b", "/d"]);
        assert_eq!(allowed(body, "quxbot", &paths), ["/a", "/c", "/d"]);
        assert_eq!(allowed(body, "", &paths), ["/a", "/c", "/d"]);
    }

    #[test]
    fn names_are_whole_and_versions_do_not_count() {
        let body = |name: &str| format!("user-agent: {name}\ndisallow: /");
        for name in ["foobot", "FooBot/9", "FooBot Bar", "fooBOT*"] {
            assert!(allowed(&body(name), AGENT, &["/"]).is_empty(), "{name}");
        }
        for name in ["Foo", "FooBot-News", "foobots", "*foobot", "foo*", "", "/"] {
            assert_eq!(allowed(&body(name), AGENT, &["/"]), ["/"], "{name}");
        }
        for name in ["*", "* # all", "* everyone"] {
            assert!(allowed(&body(name), AGENT, &["/"]).is_empty(), "{name}");
        }
    }

    #[test]
    fn an_empty_rule_forbids_nothing_and_ends_the_names() {
        assert_eq!(
            allowed("user-agent: foobot\ndisallow:\nuser-agent: *\ndisallow: /", AGENT, &["/x"]),
            ["/x"]
        );
        assert!(allowed("user-agent: foobot\nuser-agent: *\ndisallow: /", AGENT, &["/x"]).is_empty());
        assert_eq!(allowed("user-agent: *\ndisallow: /\nuser-agent: foobot", AGENT, &["/x"]), ["/x"]);
    }

    #[test]
    fn rules_of_no_group_and_pages_instead_of_a_file_are_harmless() {
        assert_eq!(allowed("disallow: /\nuser-agent: bar\ndisallow: /", AGENT, &["/x"]), ["/x"]);
        let page =
            "<!doctype html><html>\n<p>Disallow: /\n<pre>\nDisallow: /\n</pre><a href=http://x>404</a>";
        assert_eq!(allowed(page, AGENT, &["/x"]), ["/x"]);
        assert_eq!(allowed("", AGENT, &["/x"]), ["/x"]);
    }

    #[test]
    fn the_delay_is_the_largest_of_our_groups() {
        let delay =
            |body: &str| Robots::parse(body.as_bytes(), AGENT).crawl_delay().map(|delay| delay.as_secs_f64());
        assert_eq!(
            delay("user-agent: *\ncrawl-delay: 0.5\nallow: /\nuser-agent: x\ncrawl-delay: 9"),
            Some(0.5)
        );
        assert_eq!(delay("user-agent: *\ncrawl-delay: 3\ncrawl-delay: 10 # s\ncrawl-delay: 4"), Some(10.0));
        assert_eq!(
            delay("user-agent: foobot\ncrawl-delay: 2\nallow: /\nuser-agent: *\ncrawl-delay: 7"),
            Some(2.0)
        );
        // It does not end the names of the group, yet is for those named so far.
        assert_eq!(delay("user-agent: x\ncrawl-delay: 5\nuser-agent: *\ndisallow: /"), None);
        assert!(
            allowed("user-agent: foobot\ncrawl-delay: 5\nuser-agent: x\ndisallow: /", AGENT, &["/"])
                .is_empty()
        );
        for nonsense in ["", "-1", "+1", "1e3", "inf", "NaN", "5s", "1,5", ".", "1.2.3", "\u{664}"] {
            assert_eq!(delay(&format!("user-agent: *\ncrawl-delay: {nonsense}")), None, "{nonsense}");
        }
        let huge = "9".repeat(400);
        assert_eq!(delay(&format!("user-agent: *\ncrawl-delay: {huge}")), Some(MAX_DELAY.as_secs_f64()));
    }

    #[test]
    fn sitemaps_of_all_groups_as_written() {
        let body =
            b"Sitemap: https://a/s.xml\nuser-agent: x\nsitemap:\nSITEMAP: /b.xml # relative\ndisallow: /";
        assert_eq!(Robots::parse(body, AGENT).take_sitemaps(), ["https://a/s.xml", "/b.xml"]);
    }

    #[test]
    fn a_file_made_to_be_slow_leaves_undecided() {
        let rules: Vec<String> = (0..20_000).map(|n| format!("disallow: *aaab{n}")).collect();
        let body = format!("user-agent: *\n{}", rules.join("\n"));
        let robots = Robots::parse(body.as_bytes(), AGENT);
        let verdict = robots.verdict(url(&format!("/{}", "a".repeat(16_000))).as_str());
        assert!(matches!(verdict, Verdict::Undecided { line: 2.., .. }), "{verdict:?}");
        assert_eq!(robots.verdict(url("/short").as_str()), Verdict::Allowed);
    }

    #[test]
    fn product_tokens() {
        for (header, token) in [
            ("my-crawler/1.0 (+https://example.org)", "my-crawler"),
            ("my_crawler", "my_crawler"),
            ("Foo Bar", "Foo"),
            ("Mozilla/5.0 (compatible; FooBot/2.1; +http://x)", "FooBot"),
            ("Mozilla/5.0 (X11; Linux)", "Mozilla"),
            ("(nobody)", ""),
            ("", ""),
        ] {
            assert_eq!(product_token(header), token, "{header}");
        }
        assert!(can_be_named("my-crawler") && can_be_named("A_b"));
        assert!(!can_be_named("crawler4j") && !can_be_named("") && !can_be_named("a.b"));
        // RFC 9309 section 2.2.1: the digits are no part of the name that the line gives.
        assert_eq!(allowed("user-agent: AB42bot\ndisallow: /", "AB42bot", &["/"]), ["/"]);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_robots_txt(body in proptest::collection::vec(proptest::num::u8::ANY, 0..300), path in "\\PC{0,20}") {
            let body = [b"user-agent: *\ndisallow: ".as_slice(), &body].concat();
            let robots = Robots::parse(&body, AGENT);
            if let Verdict::Disallowed { line, .. } = robots.verdict(url(&format!("/{path}")).as_str()) {
                proptest::prop_assert!(line >= 2);
            }
        }
    }
}

//! Texts with a grammar of their own: robots.txt, sitemaps and feeds, configs, URLs.

use std::io::{self, Read};
use std::path::Path;

use trawl::config;
use trawl::frontier::{Robots, Verdict};
use trawl::model::{Normalize, UrlKey, canonical, host_key, registered_domain};
use trawl::parse::sitemap::{Bounds, Listed, Report, list};
use url::Url;

use super::Shape;

pub const ROBOTS: &[&str] = &[
    "User-agent: *\n",
    "user-agent: trawl\n",
    "User-Agent: TRAWL/2\n",
    "Disallow: /",
    "Disallow:\n",
    "Allow: /",
    "Crawl-delay: 1.5\n",
    "Crawl-delay: -1e400\n",
    "Sitemap: http://h/s\n",
    "*",
    "**",
    "$",
    "/a",
    "/a/*/b$",
    "%2F",
    "%2f",
    "%",
    "%zz",
    "\n",
    "\r",
    "\r\n",
    "\n\r",
    "#",
    ":",
    " ",
    "\t",
    "\u{feff}",
    "\0",
    "é",
    "<html>",
    "disallow /x\n",
    "?q=",
];

const PATHS: [&str; 8] = [
    "/",
    "/a",
    "/a/x/b",
    "/robots.txt",
    "/%2F?q=*$",
    "/a%C3%A9",
    "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
    "/a/b/a/b/a/b/a/b?x=/a",
];

/// How a verdict looks, once for each path.
fn verdicts(robots: &Robots, body: &[u8]) -> Vec<Verdict> {
    let own = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
    let paths = PATHS.iter().map(|path| (*path).to_owned()).chain([format!("/{own}")]);
    paths
        .filter_map(|path| Some(robots.verdict(Url::parse(&format!("http://h{path}")).ok()?.as_str())))
        .collect()
}

pub fn robots(body: &[u8]) -> u64 {
    let mut robots = Robots::parse(body, "trawl/1.0 (+http://h/)");
    let found = verdicts(&robots, body);
    let lines = body.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count() + 1;
    let mut shape = Shape::default();
    for verdict in &found {
        if let Verdict::Disallowed { line, rule } | Verdict::Undecided { line, rule } = verdict {
            assert!((1..=lines).contains(line), "line {line} of {lines}");
            assert!(rule.chars().count() <= 200 && !rule.contains(['\n', '\r']), "{rule:?}");
        }
        shape = shape.is(std::mem::discriminant(verdict));
    }
    if !body.contains(&b'\r') && body.len() < 100_000 {
        for end in ["\r\n", "\r"] {
            let other: Vec<u8> = body
                .iter()
                .flat_map(|byte| if *byte == b'\n' { end.as_bytes() } else { std::slice::from_ref(byte) })
                .copied()
                .collect();
            let other = Robots::parse(&other, "trawl/1.0 (+http://h/)");
            assert_eq!(verdicts(&other, body), found, "with lines that end in {end:?}");
            assert_eq!(other.crawl_delay(), robots.crawl_delay());
        }
    }
    if let Some(delay) = robots.crawl_delay() {
        assert!(delay.as_secs() <= 366 * 86_400, "{delay:?}");
    }
    let sitemaps = robots.take_sitemaps();
    shape.is(robots.crawl_delay().is_some()).count(sitemaps.len()).end()
}

pub const LISTING: &[&str] = &[
    "<?xml version='1.0' encoding='utf-16'?>",
    "<urlset>",
    "<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>",
    "</urlset>",
    "<url>",
    "</url>",
    "<loc>",
    "</loc>",
    "<lastmod>2024-01-01</lastmod>",
    "<priority>",
    "<sitemapindex>",
    "<sitemap>",
    "</sitemap>",
    "<rss version='2.0'>",
    "<channel>",
    "<item>",
    "</item>",
    "<link>",
    "</link>",
    "<link href='x' rel='alternate'/>",
    "<guid isPermaLink='false'>",
    "</guid>",
    "<pubDate>",
    "<feed xmlns='http://www.w3.org/2005/Atom' xml:base='y/'>",
    "<entry xml:base='z/'>",
    "</entry>",
    "<rdf:RDF>",
    "<updated>",
    "<source>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "&amp;",
    "&x;",
    "&#x0;",
    "&#38;",
    "&",
    "<!DOCTYPE x [<!ENTITY x '&x;&x;'>]>",
    "<?pi",
    "?>",
    "http://a/",
    "https://b.example/?q=1&r=2",
    "\n",
    "\r\n",
    " ",
    "\u{feff}",
    "\0",
    "é",
    "<",
    ">",
    "'",
    "\"",
    "=",
];

const BOUNDS: Bounds = Bounds { max_bytes: 100_000, max_entries: 20, max_depth: 6 };

fn listed(body: impl Read) -> (Vec<Listed>, Report) {
    let mut found = Vec::new();
    let mut report = list(body, &BOUNDS, &mut |one| found.push(one));
    // How far behind the place where it stops is looked at depends on the portions, and so does this.
    report.warnings.retain(|warning| warning != "some bytes mean nothing in its charset");
    (found, report)
}

/// A reader that gives few bytes at a time.
struct Portions<'a>(&'a [u8], usize);

impl Read for Portions<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = self.1.min(out.len());
        self.0.read(&mut out[..most])
    }
}

pub fn listing(body: &[u8]) -> u64 {
    let (found, report) = listed(body);
    assert!(found.len() as u64 <= BOUNDS.max_entries && report.entries == found.len() as u64);
    assert!(report.warnings.len() <= 20, "{:?}", report.warnings);
    for one in &found {
        assert!(
            !one.url.is_empty() && one.url.trim() == one.url && one.url.len() <= 16 << 10,
            "{:?}",
            one.url
        );
    }
    for most in [1, 7] {
        assert_eq!(listed(Portions(body, most)), (found.clone(), report.clone()), "{most} bytes at a time");
    }
    if !body.starts_with(&[0x1f, 0x8b]) {
        let mut packed = Vec::new();
        flate2::read::GzEncoder::new(body, flate2::Compression::fast())
            .read_to_end(&mut packed)
            .expect("memory is packed");
        assert_eq!(listed(&packed[..]), (found.clone(), report.clone()), "packed");
    }
    let shape = Shape::default().is(format!("{:?}", report.kind)).count(found.len()).all(&report.warnings);
    shape
        .words(report.refused.as_deref().unwrap_or_default())
        .is(found.first().map(|one| (one.is_sitemap, one.lastmod.is_some())))
        .end()
}

pub const CONFIG: &[&str] = &[
    "config_version = 1\n",
    "[job]\nname = \"n\"\n",
    "[[sources]]\nid = 's'\ntype = 'urls'\nurls = ['http://h/']\n",
    "[[sinks]]\ntype = 'csv'\nid = 'c'\npath = 'c.csv'\nfields = ['url']\n",
    "[limits]\n",
    "[http]\n",
    "[http.headers]\n",
    "[politeness]\n",
    "delay = '1s'\n",
    "[scope]\ntype = 'host'\n",
    "exclude = ['(']\n",
    "[[extract]]\nid = 'r'\n",
    "fields.a = { css = 'p' }\n",
    "fields.b = { css = '::', json = '$[' }\n",
    "[[exports]]\ntype = 'sqlite'\nid = 'e'\n",
    "[[hosts]]\nhost = 'h'\n",
    "[[tests]]\n",
    "max_pages = ",
    "0",
    "-1",
    "1e3",
    "'10 MiB'",
    "\"\\u202e\"",
    "\"\\u001b[31m\"",
    "true",
    "{",
    "}",
    "[",
    "]",
    "=",
    ".",
    ",",
    "'",
    "\"",
    "'''",
    "\n",
    "#",
    " ",
    "é",
    "\u{202e}",
    "1979-05-27",
    "inf",
    "${HOME}",
    "\r",
    "\0",
];

/// `[config]\0[--set]`.
pub fn config(data: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(data);
    let (text, set) =
        text.split_once('\0').map_or((&*text, None), |(text, set)| (text, Some(set.to_owned())));
    let sets: Vec<String> = set.into_iter().collect();
    match config::from_text("fuzz.toml", Path::new("/fuzz/fuzz.toml"), text, &sets) {
        Err(errors) => {
            let words = errors.to_string();
            let strange = |c: char| {
                (c.is_control() && c != '\n')
                    || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
            };
            assert!(!words.contains(strange), "{words:?}");
            assert!(
                !errors.headline.is_empty() && errors.problems.iter().all(|problem| !problem.what.is_empty()),
                "{words:?}"
            );
            errors.problems.iter().fold(Shape::default(), |shape, problem| shape.words(&problem.what)).end()
        }
        Ok(loaded) => {
            let shown = toml::to_string(&loaded.config).expect("a config is TOML");
            let again = config::from_text("again.toml", Path::new("/fuzz/again.toml"), &shown, &[])
                .unwrap_or_else(|errors| panic!("{errors}\n{shown}"));
            assert_eq!((again.digest, &again.config), (loaded.digest, &loaded.config), "{shown}");
            Shape::default().is(loaded.config.sources.len()).is(loaded.config.sinks.len()).end()
        }
    }
}

pub const URL: &[&str] = &[
    "http://",
    "https://",
    "HTTP:\\\\",
    "ftp://",
    "file:///",
    "h",
    "EXAMPLE.org",
    "xn--",
    "xn--nxasmq6b",
    "ß",
    "ü",
    "。",
    "%2e",
    "%2E%2E",
    "..",
    ".",
    "/",
    "//",
    "\\",
    ":",
    ":80",
    ":443",
    ":99999",
    "@",
    "u:p@",
    "[::1]",
    "[",
    "]",
    "0x7f.1",
    "017700000001",
    "127.0.0.1.",
    "?",
    "&",
    "=",
    "#",
    ";",
    "a=1",
    "utm_x=2",
    "b",
    "%",
    "%%36%31",
    "%41",
    "%7e",
    "%c3%a9",
    "%zz",
    "%00",
    " ",
    "\t",
    "\n",
    "\0",
    "é",
    "\u{ad}",
    "\u{202e}",
    "|",
    "^",
    "{",
    "'",
    "\"",
    "<",
    "~",
];

/// `[reference]`, or `[reference]\n[base]`.
pub fn url(data: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(data);
    let (raw, base) = text.rsplit_once('\n').map_or((&*text, None), |(raw, base)| (raw, Some(base)));
    let base = base.and_then(|base| canonical(base, None).ok());
    let normalize = Normalize::new(true, &["utm_*".to_owned(), "b".to_owned(), "[]".to_owned()]);
    let mut shape = Shape::default().is(base.is_some());
    match canonical(raw, base.as_ref()) {
        Err(error) => shape = shape.words(&error.to_string()),
        Ok(url) => {
            assert_eq!(canonical(url.as_str(), None).as_ref(), Ok(&url), "canonical of canonical");
            assert!(url.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
            assert!(url.as_str().len() <= 16 << 10 && url.fragment().is_none());
            let host = host_key(&url);
            assert!(!host.is_empty() && !host.ends_with('.'), "{url}");
            if let Some(domain) = registered_domain(&host) {
                assert!(host.contains(domain));
            }
            let key = UrlKey::of(url.as_str());
            assert!(UrlKey::from_bytes(key.to_bytes()) == key && key.to_string().parse() == Ok(key));
            let applied = normalize.canonical(raw, base.as_ref()).expect("canonical already");
            assert_eq!(normalize.canonical(applied.as_str(), None).as_ref(), Ok(&applied), "twice is once");
            let steps = normalize.steps(raw, base.as_ref()).expect("canonical already");
            let last = steps.last().map_or(raw, |step| step.url.as_str());
            assert_eq!(last, applied.as_str(), "{steps:?}");
            shape = steps
                .iter()
                .fold(shape, |shape, step| shape.is(step.what))
                .is(url.port())
                .is(url.host().map(|host| std::mem::discriminant(&host)));
        }
    }
    shape.end()
}

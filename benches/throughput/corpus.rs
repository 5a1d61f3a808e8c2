//! Pages to serve: generated ones that are always the same, shaped like the documentation pages that the
//! figures of other crawlers were taken on (mean 42 KB, median 16 KB, a long tail, about 190 links), tiny
//! ones, or the HTML files of a directory. Reads nothing else.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use bytes::Bytes;

/// A small generator (`SplitMix64`), so that every run serves the same bytes.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).expect("small")
    }

    /// Between 0 and 1, neither included.
    fn fraction(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const WORDS: &[&str] = &[
    "the",
    "value",
    "returns",
    "method",
    "object",
    "of",
    "a",
    "module",
    "is",
    "called",
    "with",
    "argument",
    "and",
    "default",
    "string",
    "if",
    "not",
    "error",
    "raised",
    "when",
    "file",
    "path",
    "see",
    "also",
    "example",
    "this",
    "function",
    "caf\u{e9}",
    "\u{2014}",
    "na\u{ef}ve",
    "&amp;",
    "&lt;T&gt;",
    "&#8217;s",
    "&nbsp;",
    "&eacute;t&eacute;",
];

fn words(out: &mut String, dice: &mut Dice, count: usize) {
    for _ in 0..count {
        out.push_str(dice.pick(WORDS));
        out.push(' ');
    }
}

fn link(out: &mut String, dice: &mut Dice) {
    let (folder, page, anchor) = (dice.below(40), dice.below(900), dice.below(5000));
    let _ = match dice.below(4) {
        0 => write!(
            out,
            "<a class=\"reference internal\" href=\"../library/m{folder}/page{page}.html#id{anchor}\">"
        ),
        1 => write!(out, "<a href='/docs/{folder}/{page}?v=3&amp;lang=en' title=\"Read &quot;more&quot;\">"),
        2 => write!(out, "<a class=\"headerlink\" href=\"#section-{anchor}\" title=\"Permalink\">"),
        _ => write!(out, "<a href=\"https://example.org/{folder}/{page}.html\" rel=\"nofollow noopener\">"),
    };
    words(out, dice, 2);
    out.push_str("</a> ");
}

/// One block of a body.
fn block(out: &mut String, dice: &mut Dice) {
    match dice.below(20) {
        0 => {
            out.push_str("<pre><code class=\"highlight\">");
            for _ in 0..6 {
                out.push_str("<span class=\"kn\">import</span> <span class=\"nn\">thing</span> <span class=\"o\">&lt;</span>\n");
            }
            out.push_str("</code></pre>\n");
        }
        1 => out.push_str("<!-- navigation: <a href=\"not-a-link\"> generated, do not edit -->\n"),
        2 => out.push_str("<script>if (a < b && c) { document.write('<a href=\"no\">'); }</script>\n"),
        3 | 4 => {
            out.push_str("<table class=\"docutils\"><tbody>");
            for _ in 0..3 {
                out.push_str("<tr><td>");
                words(out, dice, 3);
                out.push_str("</td><td>");
                link(out, dice);
                out.push_str("</td></tr>");
            }
            out.push_str("</tbody></table>\n");
        }
        5..=9 => {
            out.push_str("<ul>");
            for _ in 0..3 {
                out.push_str("<li>");
                link(out, dice);
                out.push_str("</li>\n");
            }
            out.push_str("</ul>\n");
        }
        _ => {
            out.push_str("<div class=\"section\"><p>");
            let count = 15 + dice.below(25);
            words(out, dice, count);
            out.push_str("<em>");
            words(out, dice, 2);
            out.push_str("</em> ");
            link(out, dice);
            out.push_str("<code class=\"xref\">x()</code></p></div>\n");
        }
    }
}

fn head(out: &mut String, dice: &mut Dice, n: usize) {
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"description\" content=\""
    );
    words(out, dice, 8);
    let _ = write!(out, "\">\n<title>\n  {n}. ");
    words(out, dice, 4);
    out.push_str("&#8212; Documentation</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n");
}

fn real(n: usize) -> String {
    let mut dice = Dice(n as u64 + 1);
    // Log-normal by Box-Muller: the median is 16 KB, the mean exp(sigma^2 / 2) times that.
    let normal = (-2.0 * dice.fraction().ln()).sqrt() * (std::f64::consts::TAU * dice.fraction()).cos();
    let size = (16_000.0 * (1.39 * normal).exp()).clamp(1_500.0, 1_500_000.0);
    let mut out = String::new();
    head(&mut out, &mut dice, n);
    out.push_str("<style>body { margin: 0 } a > b { color: red }</style>\n<script>var options = {\"a\": \"</p>\"};</script>\n</head>\n<body>\n");
    while (out.len() as f64) < size {
        block(&mut out, &mut dice);
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn tiny(n: usize) -> String {
    let mut dice = Dice(n as u64 + 1_000_000);
    let mut out = String::new();
    head(&mut out, &mut dice, n);
    out.push_str("</head><body>");
    for _ in 0..20 {
        let _ = writeln!(out, "<a href=\"/tiny/{}\">page {}</a>", dice.below(20_000), dice.below(20_000));
    }
    while out.len() < 1_500 {
        words(&mut out, &mut dice, 5);
    }
    out.push_str("</body></html>");
    out
}

/// Links of a page of the web.
const WEB_LINKS: usize = 50;

/// The nth page of a web of so many: two links make a tree of all pages below the first one, the others lead anywhere.
pub fn web(n: usize, count: usize) -> Bytes {
    let mut dice = Dice(n as u64 + 2_000_000);
    let mut out = String::with_capacity(4 << 10);
    head(&mut out, &mut dice, n);
    out.push_str("</head><body>\n");
    let below = [2 * n + 1, 2 * n + 2].into_iter().filter(|below| *below < count);
    let mut to: Vec<usize> = below.collect();
    to.resize_with(WEB_LINKS, || dice.below(count));
    for page in to {
        let _ = writeln!(out, "<p><a href=\"{page}\">page {page}</a> and so on</p>");
    }
    out.push_str("</body></html>");
    out.into()
}

/// The nth page of a site of so many: a real-size page whose links lead to pages of the site, two of them so that all
/// pages hang together as a tree.
pub fn site(n: usize, count: usize) -> Bytes {
    let mut dice = Dice(n as u64 + 3_000_000);
    let page = real(n);
    let (mut out, mut rest) = (String::with_capacity(page.len() + 200), page.as_str());
    let mut below = [2 * n + 1, 2 * n + 2].into_iter().filter(|below| *below < count);
    while let Some(at) = rest.find("<a ") {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let value = ["href=\"../library/", "href='/docs/", "href=\"https://example.org/"];
        let value = value.iter().find_map(|value| tag[..tag.find('>').unwrap_or(0)].find(value));
        rest = tag;
        if let Some(value) = value {
            let (href, quote) = (value + "href=".len(), &tag[value + 5..value + 6]);
            let to = below.next().unwrap_or_else(|| dice.below(count));
            let _ = write!(out, "{}{quote}/site/{count}/{to}", &tag[..href]);
            rest = &tag[href + 1..];
            rest = &rest[rest.find(quote).unwrap_or(0)..];
        } else {
            out.push_str(&tag[..3]);
            rest = &rest[3..];
        }
    }
    out.push_str(rest);
    for to in below {
        let _ = write!(out, "<a href=\"/site/{count}/{to}\">below</a>");
    }
    out.into()
}

/// What the server has.
pub struct Corpus {
    /// `/real/N`
    pub real: Vec<Bytes>,
    /// `/tiny/N`
    pub tiny: Vec<Bytes>,
    /// A line about them.
    pub about: String,
}

impl Corpus {
    /// So many pages of each size.
    pub fn of(real_count: usize, tiny_count: usize) -> Self {
        let (real, from) = match std::env::var_os("TRAWL_BENCH_PAGES") {
            Some(dir) => (from_directory(Path::new(&dir), real_count), "taken from TRAWL_BENCH_PAGES"),
            None => ((0..real_count).map(|n| Bytes::from(real(n))).collect(), "generated"),
        };
        let tiny: Vec<Bytes> = (0..tiny_count).map(|n| Bytes::from(tiny(n))).collect();
        let about =
            format!("real-size pages {from}: {}\ntiny pages generated: {}", shape(&real), shape(&tiny));
        Self { real, tiny, about }
    }
}

fn shape(pages: &[Bytes]) -> String {
    let mut sizes: Vec<usize> = pages.iter().map(Bytes::len).collect();
    sizes.sort_unstable();
    let Some(largest) = sizes.last() else { return "none".to_owned() };
    let links: usize = pages.iter().map(|page| memchr::memmem::find_iter(page, b"<a ").count()).sum();
    let mean = |sum: usize| sum as f64 / pages.len() as f64;
    format!(
        "{} pages, mean {:.1} KB, median {:.1} KB, largest {:.0} KB, {:.0} links a page",
        pages.len(),
        mean(sizes.iter().sum()) / 1e3,
        sizes[sizes.len() / 2] as f64 / 1e3,
        *largest as f64 / 1e3,
        mean(links)
    )
}

/// The HTML files below a directory, again from the first if there are fewer than `count`.
fn from_directory(dir: &Path, count: usize) -> Vec<Bytes> {
    let mut paths = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("a directory of pages") {
            let path = entry.expect("entry").path();
            if path.is_dir() && !path.is_symlink() {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "html" || ending == "htm") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    assert!(!paths.is_empty(), "no HTML files below {}", dir.display());
    let pages: Vec<Bytes> =
        paths.iter().take(count).map(|path| fs::read(path).expect("a page").into()).collect();
    pages.iter().cycle().take(count).cloned().collect()
}

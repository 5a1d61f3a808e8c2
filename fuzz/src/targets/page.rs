//! Bodies to pages: charset, title, links, fields, main text.

use std::sync::OnceLock;

use encoding_rs::Encoding;
use scraper::{Html, Node};
use trawl::model::{Normalize, Parsed, canonical};
use trawl::parse::{self, Asked, Page, RuleSettings, Rules};
use url::Url;

use super::Shape;

const ADDRESS: &str = "https://x.example/d/p";
/// Larger pages are not held against a full parse, whose cost nothing bounds.
const MAX_COMPARED: usize = 16 << 10;

fn url() -> &'static Url {
    static URL: OnceLock<Url> = OnceLock::new();
    URL.get_or_init(|| Url::parse(ADDRESS).expect("a URL"))
}

fn read(content_type: Option<&str>, body: &[u8], rules: Option<&Rules>) -> Parsed {
    let normalize = Normalize::default();
    let page = Page {
        url: url(),
        content_type,
        content_language: None,
        robots_tag: None,
        normalize: &normalize,
        asked: rules.map(|rules| Asked { rules, url: ADDRESS, source: "s" }),
    };
    let parsed = parse::parse(&page, body);
    assert_eq!(parse::trace(&page, body).0, parsed, "the same bytes give the same answer");
    parsed
}

fn compiled(tables: &str) -> Result<Rules, String> {
    #[derive(serde::Deserialize)]
    struct Tables {
        extract: Vec<RuleSettings>,
    }
    let tables: Tables = toml::from_str(tables).map_err(|error| error.to_string())?;
    let (rules, wrongs) = Rules::compile(&tables.extract, &|key| key.to_owned());
    match wrongs.into_iter().next() {
        None => Ok(rules),
        Some((key, what, _)) => Err(format!("{key}: {what}")),
    }
}

fn shape(parsed: &Parsed) -> Shape {
    let texts = [&parsed.title, &parsed.description, &parsed.canonical];
    let shape = texts
        .into_iter()
        .fold(Shape::default(), |shape, text| shape.count(text.as_ref().map_or(0, String::len)));
    shape
        .count(parsed.links.len())
        .is(parsed.mime_detected)
        .is(parsed.charset.map(|charset| charset.name))
        .all(&parsed.warnings)
}

const TYPES: [Option<&str>; 12] = [
    None,
    Some("text/html"),
    Some("text/html; charset=utf-8"),
    Some("text/html; charset=windows-1252"),
    Some("text/html; charset=gb18030"),
    Some("text/html; charset=iso-2022-jp"),
    Some("text/html; charset=\"Shift_JIS\""),
    Some("text/html; charset=utf-16le"),
    Some("text/html; charset=utf-16be"),
    Some("text/html; charset=x-user-defined"),
    Some("text/html; charset=iso-2022-kr"),
    Some("text/html; charset=nonsense"),
];

pub const CHARSETS: &[&str] = &[
    "\u{feff}",
    "<title>",
    "</title>",
    "<meta charset=",
    "\"euc-kr\"",
    "utf-16",
    "utf-7",
    ">",
    "<meta http-equiv=content-type content='text/html; charset=big5'>",
    "<?xml version='1.0' encoding='koi8-r'?>",
    "\x1b$B",
    "\x1b(B",
    "\x1b(J",
    "\0",
    "<\0t\0i\0t\0l\0e\0>\0",
    "é",
    "ß",
    "あ",
    "語",
    "\u{80}",
    "\u{fffd}",
    "\u{10ffff}",
    "<a href='?q=é'>",
    "</a>",
    "<!--",
    "-->",
    "x",
    " ",
];

/// `[content type][body]`: the page that was declared in some charset is the page that its text is.
pub fn document(data: &[u8]) -> u64 {
    let Some((first, body)) = data.split_first() else { return 0 };
    let parsed = read(TYPES[usize::from(*first) % TYPES.len()], body, None);
    let Some(charset) = parsed.charset else { return shape(&parsed).end() };
    let encoding = Encoding::for_label(charset.name.as_bytes()).expect("a name of the standard");
    let skipped = Encoding::for_bom(body).map_or(0, |(_, length)| length);
    let (text, malformed) = encoding.decode_without_bom_handling(&body[skipped..]);
    let is_told = parsed.warnings.iter().any(|warning| warning.starts_with("some bytes are not valid"));
    assert_eq!(is_told, malformed, "{:?}", parsed.warnings);
    // What begins like a mark once more, or like an image once it is text, is another page.
    let is_html = usize::from(*first) % TYPES.len() != 0;
    if is_html && !text.starts_with('\u{feff}') {
        let again = read(Some("text/html; charset=utf-8"), text.as_bytes(), None);
        if again.charset.is_some() {
            let said = |page: &Parsed| {
                (
                    page.title.clone(),
                    page.description.clone(),
                    page.canonical.clone(),
                    page.links.clone(),
                    page.languages.clone(),
                )
            };
            assert_eq!(said(&parsed), said(&again), "as {charset:?} and as UTF-8");
        }
    }
    shape(&parsed).end()
}

pub const SOUP: &[&str] = &[
    "<title>",
    "</title>",
    "</TITLE x>",
    "<title",
    "<!--",
    "-->",
    "--!>",
    "<!doctype html>",
    "<html lang=de>",
    "<svg>",
    "</svg>",
    "<foreignObject>",
    "<desc>",
    "<math>",
    "<mi>",
    "<annotation-xml encoding=text/html>",
    "<script>",
    "</script>",
    "<script",
    "</script",
    "<style>",
    "</style>",
    "<template>",
    "</template>",
    "<table>",
    "<tr>",
    "<td>",
    "<caption>",
    "<col>",
    "</table>",
    "<head>",
    "</head>",
    "<body>",
    "</body>",
    "</html>",
    "<frameset>",
    "<frame>",
    "<noscript>",
    "</noscript>",
    "<noframes>",
    "<iframe>",
    "<textarea>",
    "</textarea>",
    "<select>",
    "<option>",
    "<b>",
    "<i>",
    "</b>",
    "<a href=",
    "<a href='/x'>",
    "<a href=\"http://h:80/%7e/../\" rel='nofollow ugc'>",
    "</a>",
    "<area href=//y>",
    "<base href=z/>",
    "<meta name=robots content=nofollow>",
    "<meta name=description content=",
    "<link rel=canonical href=",
    "<p>",
    "</p>",
    "<div>",
    "<main>",
    "<article>",
    "<nav>",
    "<h1>",
    "<ul>",
    "<li>",
    "<pre>",
    "<br>",
    "<plaintext>",
    "<xmp>",
    "<image>",
    "<form>",
    "<![CDATA[",
    "]]>",
    "<?pi",
    "</>",
    "</ x>",
    "<",
    ">",
    "/>",
    "=",
    "\"",
    "'",
    "&amp",
    "&lt;",
    "&#0;",
    "&#x110000;",
    "&notin;",
    "&nbsp",
    "&",
    ";",
    "\r",
    "\n",
    "\t",
    "\x0c",
    "\0",
    " ",
    "x",
    "word word word. ",
    "é",
    "<script type=application/ld+json>{\"@graph\":[{\"@type\":\"A\",\"b\":1}]}</script>",
    "<div itemscope itemtype=x>",
    "<p itemprop=y>",
    "<meta property=og:title content=o>",
    "<img src=i alt=t>",
    "</br>",
    "</p><p>",
    "<b><i><u>",
    "</table><b>",
    "<a><table><a>",
    "<svg><p>",
    "<math><mtext><table>",
    "<select><input>",
];

fn utf8(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data);
    text.trim_start_matches('\u{feff}').to_owned()
}

pub fn title(data: &[u8]) -> u64 {
    let text = utf8(data);
    let parsed = read(Some("text/html; charset=utf-8"), text.as_bytes(), None);
    let is_given_up =
        parsed.warnings.iter().any(|warning| warning.starts_with("the search for the title ended"));
    if parsed.charset.is_some() && !is_given_up && text.len() < MAX_COMPARED {
        assert_eq!(parsed.title, full_title(&text), "of {text:?}");
    }
    shape(&parsed).end()
}

/// The title of a parse of the whole document: the text of the first HTML title element outside of templates.
fn full_title(text: &str) -> Option<String> {
    let html = Html::parse_document(text);
    let mut next = Some(html.tree.root());
    while let Some(node) = next {
        let is_title = |element: &scraper::node::Element| {
            element.name() == "title" && &*element.name.ns == "http://www.w3.org/1999/xhtml"
        };
        if node.value().as_element().is_some_and(is_title) {
            let text: String = node
                .children()
                .filter_map(|child| child.value().as_text().map(|text| text.to_string()))
                .collect();
            let words: Vec<&str> = text.split_ascii_whitespace().collect();
            return Some(words.join(" ").replace('\0', "\u{FFFD}")).filter(|title| !title.is_empty());
        }
        let below = if matches!(node.value(), Node::Fragment) { None } else { node.first_child() };
        next = below
            .or_else(|| std::iter::once(node).chain(node.ancestors()).find_map(|node| node.next_sibling()));
    }
    None
}

pub fn links(data: &[u8]) -> u64 {
    let parsed = read(Some("text/html"), data, None);
    for link in parsed.links.iter().map(|link| link.url).chain(parsed.canonical.as_deref()) {
        assert_eq!(canonical(link, None).map(String::from).as_deref(), Ok(link));
    }
    for link in parsed.links.iter() {
        if let Some(rel) = link.rel {
            assert!(
                !rel.contains('\0') && rel == rel.split_ascii_whitespace().collect::<Vec<_>>().join(" "),
                "{rel:?}"
            );
        }
    }
    shape(&parsed).is(parsed.nofollow).count(parsed.languages.len()).end()
}

pub const MARKUP: &[&str] = &[
    "<p>",
    "</p>",
    "<b>",
    "<i>",
    "<td>",
    "<div class=x>",
    "</div>",
    "<a href=x>",
    "</a>",
    "<script type=application/ld+json>",
    "</script>",
    "<?xml version=\"1.0\"?>",
    "<r xmlns:n='u'>",
    "<n:p>",
    "</n:p>",
    "</r>",
    "<!DOCTYPE r [<!ENTITY e 'e'>]>",
    "&e;",
    "<![CDATA[",
    "]]>",
    "{",
    "}",
    "[",
    "]",
    "\"a\":",
    "\"b\":",
    "\"\\ud800\"",
    "1e999",
    "-0",
    "9223372036854775808",
    "null",
    "true",
    ",",
    "1.234,5",
    "2024-02-30",
    "x",
    " ",
    "\n",
];

const RULE: &str = "[[extract]]\nid = 'r'\nlinks = { css = 'a', attr = 'href' }\nfields.t = { css = 'p b, i ~ p', regex = '(.)x?', many = true }\n\
    fields.h = { css = 'div', html = true }\nfields.n = { css = 'p', type = 'float', decimal = ',' }\nfields.w = { css = 'td', type = 'datetime', many = true }\n\
    fields.j = { json = '$..a', from = 'json_ld' }\nfields.d = { json = '$..b', many = true }\nfields.s = { css = 'script', json = '$[*]', many = true }\n\
    [extract.fields.o]\neach = 'p'\nfields.u = { css = 'a', attr = 'href', type = 'url' }";

/// `[type][body]`.
pub fn fields(data: &[u8]) -> u64 {
    static RULES: OnceLock<Rules> = OnceLock::new();
    let rules = RULES.get_or_init(|| compiled(RULE).expect("a rule"));
    let Some((first, body)) = data.split_first() else { return 0 };
    let types = ["text/html", "application/json", "text/xml", "application/ld+json", "text/plain"];
    let parsed = read(Some(types[usize::from(*first) % types.len()]), body, Some(rules));
    let extracted = parsed.extracted.as_ref().expect("a rule");
    let names: Vec<_> = extracted.fields.keys().map(String::as_str).collect();
    assert_eq!(names, ["t", "h", "n", "w", "j", "d", "s", "o"]);
    assert!(extracted.fields["t"].is_array() && extracted.fields["o"].is_array());
    let found = extracted
        .fields
        .values()
        .fold(shape(&parsed), |shape, value| shape.is(std::mem::discriminant(value)));
    found.end()
}

pub const SELECTORS: &[&str] = &[
    "div",
    "p",
    "a",
    "*",
    ".x",
    "#i",
    "[a]",
    "[a=b i]",
    ":has(",
    ":not(",
    ":is(",
    ":nth-child(2n+1)",
    ":nth-child(",
    ":first-of-type",
    "::text",
    ")",
    ">",
    "~",
    "+",
    ",",
    " ",
    "\\",
    "\"",
    "'",
    "|",
    "\u{0}",
    "\n",
    "$",
    "..",
    "[?(@.a",
    "==",
    "1",
    ")]",
    "[*]",
    "[::-1]",
    "[99999999999999999999]",
    "length(",
    "match(@.a, '(a*)*b')",
    "<p>",
    "<div class=x>",
    "</div>",
    "<b id=i>",
    "{\"a\":[1,2,{\"a\":3}]}",
    "{",
    "}",
    "x",
];

/// `[selector or path]\n[page]`.
pub fn selector(data: &[u8]) -> u64 {
    let text = utf8(data);
    let (asked, page) = text.split_once('\n').unwrap_or((&text, "<p class=x>y<p>z"));
    let quoted = toml::Value::String(asked.to_owned()).to_string();
    let mut shape_of_all = Shape::default();
    for (way, content_type) in [("css", "text/html"), ("json", "application/json"), ("regex", "text/html")] {
        let css = if way == "regex" { "css = 'p', " } else { "" };
        match compiled(&format!("[[extract]]\nid = 'r'\nfields.f = {{ {css}{way} = {quoted}, many = true }}"))
        {
            Ok(rules) => {
                let parsed = read(Some(content_type), page.as_bytes(), Some(&rules));
                let extracted = parsed.extracted.as_ref().expect("a rule");
                shape_of_all = shape_of_all
                    .count(extracted.fields["f"].as_array().expect("many").len())
                    .all(&parsed.warnings);
            }
            Err(error) => shape_of_all = shape_of_all.words(&error),
        }
    }
    shape_of_all.end()
}

pub fn main_text(data: &[u8]) -> u64 {
    static RULES: OnceLock<Rules> = OnceLock::new();
    let rule = "[[extract]]\nid = 'r'\nmain_text = true\nstructured_data = true";
    let rules = RULES.get_or_init(|| compiled(rule).expect("a rule"));
    let text = utf8(data);
    let parsed = read(Some("text/html; charset=utf-8"), text.as_bytes(), Some(rules));
    let Some(extracted) = &parsed.extracted else { return 0 };
    let signs = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
    let is_compared = parsed.charset.is_some() && text.len() < MAX_COMPARED;
    if let Some(found) = extracted.text.as_ref().filter(|_| is_compared) {
        let all: usize = Html::parse_document(&text).root_element().text().map(signs).sum();
        // Where scripts are off, what stands in `noscript` is elements and not text.
        assert!(signs(found) <= all.max(signs(&text)), "{found:?} of {text:?}");
        assert!(!found.starts_with('\n') && !found.ends_with(char::is_whitespace), "{found:?}");
        assert!(!found.contains('\0'), "{found:?}");
    }
    let said = extracted
        .structured
        .as_ref()
        .map(|said| (said.headings.len().checked_ilog2(), said.images.len().checked_ilog2()));
    shape(&parsed).is(said).count(extracted.text.as_ref().map_or(0, String::len)).end()
}

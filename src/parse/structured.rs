//! Structured data of an HTML page: metadata, JSON-LD, microdata, headings, images. Bounded in number and in size;
//! what is left out is said. Guesses nothing: what stands nowhere is null.

use indexmap::IndexMap;
use serde_json::Value;

use super::css::{self, Empty, Purse};
use super::flat::Flat;
use super::json;
use super::lines::level;
use super::material::Body;
use super::metadata::{self, Said};
use super::microdata;
use super::words;
use crate::model::{Heading, Image, Structured, address};

/// Entries of one kind: headings, images, properties.
const MAX_ENTRIES: usize = 1000;
/// The longest text of a heading, an image or a property, in bytes.
const MAX_TEXT_BYTES: usize = 4096;
/// Steps that the structured data of one page may take.
const MAX_STEPS: u64 = 50_000_000;
/// Bytes that they may hold.
const MAX_BYTES: usize = 4 << 20;
/// What an entry takes beside its texts, in bytes.
const ENTRY_BYTES: usize = 64;

/// Open Graph by its namespaces (<https://ogp.me/#types>), and those of Facebook and shops.
const OPEN_GRAPH: [&str; 8] = ["og:", "article:", "book:", "fb:", "music:", "product:", "profile:", "video:"];

/// Structured data, and about how many bytes they hold. What is left out is given to `warn` in words.
pub fn read(
    flat: &Flat<'_>,
    json_ld: Vec<Value>,
    body: &Body<'_>,
    warn: &mut dyn FnMut(String),
) -> (Structured, usize) {
    let mut reading = Reading { flat, purse: Purse::new(MAX_STEPS, MAX_BYTES), cut: 0, warn };
    let said = reading.meta();
    let properties = |wanted: &dyn Fn(&str) -> bool| {
        let mut found: IndexMap<String, Vec<String>> = IndexMap::new();
        for (name, value) in said.iter().filter(|(name, _)| wanted(name)) {
            found.entry(name.clone()).or_default().push(value.clone());
        }
        found
    };
    let open_graph = properties(&|name| OPEN_GRAPH.iter().any(|start| name.starts_with(start)));
    let twitter = properties(&|name| name.starts_with("twitter:"));
    let json_ld = reading.json_ld(json_ld);
    let (microdata, is_cut) = microdata::read(flat, body, &mut reading.purse);
    if is_cut {
        (reading.warn)(format!("microdata end after {} items: they are too large", microdata.len()));
    }
    let headings = reading.headings();
    let images = reading.images(body);
    if reading.cut > 0 {
        (reading.warn)(format!("{} texts are cut to {MAX_TEXT_BYTES} bytes", reading.cut));
    }
    let said = Said { meta: &said, json_ld: &json_ld, microdata: &microdata };
    let structured = Structured {
        site_name: metadata::site_name(&said),
        author: metadata::author(&said),
        published: metadata::published(&said),
        modified: metadata::modified(&said),
        open_graph,
        twitter,
        json_ld,
        microdata,
        headings,
        images,
    };
    let held = reading.purse.held();
    (structured, held)
}

struct Reading<'f, 'a> {
    flat: &'f Flat<'a>,
    purse: Purse,
    /// How many texts were cut.
    cut: usize,
    warn: &'f mut dyn FnMut(String),
}

impl Reading<'_, '_> {
    /// Names and contents of all `<meta>`, names in lower case.
    fn meta(&mut self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let mut left_out = 0usize;
        for (_, element) in self.flat.elements().filter(|(_, element)| element.name() == "meta") {
            let name = element.attr("property").or_else(|| element.attr("name")).map(str::trim_ascii);
            let (Some(name), Some(content)) = (name, element.attr("content")) else { continue };
            let content = words::collapsed(content);
            if name.is_empty() || name.len() > MAX_TEXT_BYTES || content.is_empty() {
                continue;
            }
            if all.len() == MAX_ENTRIES || self.purse.hold(ENTRY_BYTES + name.len()).is_err() {
                left_out += 1;
                continue;
            }
            let Ok(content) = self.text(content) else { break };
            all.push((name.to_ascii_lowercase(), content));
        }
        self.left_out(left_out, "`<meta>`");
        all
    }

    fn headings(&mut self) -> Vec<Heading> {
        let (flat, mut headings, mut left_out) = (self.flat, Vec::new(), 0);
        for at in 0..flat.len() {
            let (Some(height), Some(element)) = (level(flat.name(at)), flat.element(at)) else { continue };
            let text = match css::text(element, &mut self.purse) {
                Ok(text) if headings.len() < MAX_ENTRIES => text,
                _ => {
                    // No more is read once there are enough; what is left is counted by name.
                    left_out = (at..flat.len()).filter(|at| level(flat.name(*at)).is_some()).count();
                    break;
                }
            };
            if let Ok(text) = self.text(text)
                && !text.is_empty()
            {
                headings.push(Heading { level: height, text });
            }
        }
        self.left_out(left_out, "headings");
        headings
    }

    fn images(&mut self, body: &Body<'_>) -> Vec<Image> {
        let (mut images, mut left_out) = (Vec::new(), 0);
        for (_, element) in self.flat.elements().filter(|(_, element)| element.name() == "img") {
            // A picture that is loaded late has its address elsewhere, and at first none or a drawing of a few bytes.
            let addresses = ["src", "data-src"].map(|name| element.attr(name));
            let first = element.attr("srcset").and_then(|set| set.split_ascii_whitespace().next());
            let mut addresses = addresses.into_iter().flatten().chain(first);
            if images.len() == MAX_ENTRIES {
                left_out += usize::from(addresses.next().is_some());
                continue;
            }
            let mut urls = addresses.filter(|raw| !raw.trim_ascii().is_empty());
            let Some(url) = urls.find_map(|raw| body.normalize.canonical(raw, Some(body.base)).ok()) else {
                continue;
            };
            let alt = element.attr("alt").map(words::collapsed);
            let alt = alt.map(|alt| self.text(alt)).transpose();
            let (Ok(alt), Ok(())) = (alt, self.purse.hold(ENTRY_BYTES + url.as_str().len())) else {
                left_out += 1;
                continue;
            };
            let [width, height] = ["width", "height"].map(|name| element.attr(name).and_then(pixels));
            images.push(Image { url: address(url), alt, width, height });
        }
        self.left_out(left_out, "images");
        images
    }

    fn json_ld(&mut self, scripts: Vec<Value>) -> Vec<Value> {
        let all = scripts.len();
        let mut kept = Vec::new();
        for script in scripts {
            if json::hold(&script, &mut self.purse).is_ok() {
                kept.push(script);
            }
        }
        self.left_out(all - kept.len(), "JSON-LD blocks");
        kept
    }

    /// A text of bounded length, paid for.
    fn text(&mut self, mut text: String) -> Result<String, Empty> {
        if text.len() > MAX_TEXT_BYTES {
            self.cut += 1;
            text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
        }
        self.purse.hold(text.len())?;
        Ok(text)
    }

    fn left_out(&mut self, count: usize, what: &str) {
        if count > 0 {
            (self.warn)(format!("{count} {what} are left out: there are too many, or they are too large"));
        }
    }
}

/// A dimension of HTML as a whole number of pixels; a percentage is none.
fn pixels(text: &str) -> Option<u32> {
    let text = text.trim_ascii();
    let text = text.strip_suffix("px").unwrap_or(text);
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use scraper::Html;
    use serde_json::json;
    use url::Url;

    use super::super::mime::Kind;
    use super::*;
    use crate::model::Normalize;

    fn structured(html: &str, json_ld: Vec<Value>) -> (Structured, usize, Vec<String>) {
        let dom = Html::parse_document(html);
        let base = Url::parse("https://x.example/d/p").expect("url");
        let normalize = Normalize::default();
        let body =
            Body { kind: Kind::Html, text: html, base: &base, normalize: &normalize, is_traced: false };
        let mut warnings = Vec::new();
        let (found, held) =
            read(&Flat::of(dom.root_element()), json_ld, &body, &mut |words| warnings.push(words));
        (found, held, warnings)
    }

    /// One part of what a page gives, without a warning.
    fn check(part: &str, html: &str, expected: &Value) {
        let (found, _, warnings) = structured(html, Vec::new());
        let found = serde_json::to_value(found).expect("JSON");
        assert_eq!((&found[part], warnings.len()), (expected, 0), "{html}");
    }

    #[test]
    fn metadata() {
        let html = "<meta property='og:Title' content=' a\n b '><meta name='og:image' content=1.jpg><meta property='og:image' content=2.jpg>
            <meta property='article:tag' content=x><meta name='twitter:card' content=summary><meta name=keywords content=k>
            <meta property='og:empty' content=' '><meta property='og:none'><meta content=x>";
        check(
            "open_graph",
            html,
            &json!({ "og:title": ["a b"], "og:image": ["1.jpg", "2.jpg"], "article:tag": ["x"] }),
        );
        check("twitter", html, &json!({ "twitter:card": ["summary"] }));
        check("site_name", "<meta name=application-name content=S>", &json!("S"));
    }

    #[test]
    fn headings() {
        check(
            "headings",
            "<h2> A <b>b</b></h2><h1></h1><header><h6>c</h6></header><h7>d</h7>",
            &json!([{ "level": 2, "text": "A b" }, { "level": 6, "text": "c" }]),
        );
    }

    #[test]
    fn images() {
        let html = "<img src=a.jpg alt=' A\nb ' width=10 height='20px'><img src='data:image/gif;base64,R0' data-src=/b.jpg width='50%' alt>
            <img srcset='c.jpg 1x, d.jpg 2x'><img><img src=' '><img src='ftp://x/y' height=99999999999>";
        let image = |url: &str, alt: Option<&str>, width: Option<u32>, height: Option<u32>| json!({ "url": format!("https://x.example{url}"), "alt": alt, "width": width, "height": height });
        let all = [
            image("/d/a.jpg", Some("A b"), Some(10), Some(20)),
            image("/b.jpg", Some(""), None, None),
            image("/d/c.jpg", None, None, None),
        ];
        check("images", html, &json!(all));
    }

    #[test]
    fn too_much_is_cut_and_said() {
        let count = |html: &str, of: fn(&Structured) -> usize| {
            let (found, held, warnings) = structured(html, Vec::new());
            assert!(held <= MAX_BYTES);
            (of(&found), warnings)
        };
        let left_out = |count: usize, what: &str| {
            vec![format!("{count} {what} are left out: there are too many, or they are too large")]
        };
        assert_eq!(
            count(&"<h1>a</h1>".repeat(20_000), |found| found.headings.len()),
            (1000, left_out(19_000, "headings"))
        );
        assert_eq!(
            count(&"<img src=a>".repeat(1001), |found| found.images.len()),
            (1000, left_out(1, "images"))
        );
        assert_eq!(
            count(&"<meta name=og:x content=y>".repeat(1002), |found| found.open_graph["og:x"].len()),
            (1000, left_out(2, "`<meta>`"))
        );
        let long = format!("<h1>{}</h1><img src=a alt={0}>", "\u{E9}".repeat(5000));
        assert_eq!(
            count(&long, |found| found.headings[0].text.len()),
            (4096, vec!["2 texts are cut to 4096 bytes".to_owned()])
        );
        // Headings within each other: the text of each is that of all below.
        let (kept, warnings) = count(&"<h1><div>x".repeat(3000), |found| found.headings.len());
        assert!(kept > 0 && kept <= 1000 && !warnings.is_empty(), "{kept} {warnings:?}");
    }

    #[test]
    fn large_json_ld_is_left_out() {
        let small = json!({ "name": "a" });
        let large = json!(vec!["0123456789"; 100_000]);
        let (found, held, warnings) =
            structured("", vec![small.clone(), large.clone(), large, small.clone()]);
        assert_eq!((found.json_ld, held <= MAX_BYTES), (vec![small.clone(), small], true));
        assert_eq!(warnings, ["2 JSON-LD blocks are left out: there are too many, or they are too large"]);
    }

    proptest! {
        #[test]
        fn any_page_within_bounds(parts in proptest::collection::vec(
            "<(/?h[1-6]|img src=[a&]|img srcset=' '|meta name=(og:a|date) content=[0-9]{4}|div itemscope|p itemprop=a|svg|table)>|[a\u{0}\u{E9} ]{0,9}|\\PC{0,5}", 0..60
        )) {
            let (found, held, _) = structured(&parts.concat(), Vec::new());
            prop_assert!(held <= MAX_BYTES && found.headings.len() <= MAX_ENTRIES);
            let line = serde_json::to_string(&found).expect("JSON");
            prop_assert_eq!(serde_json::from_str::<Structured>(&line).expect("the same"), found);
        }
    }
}

//! What a rule takes of a page by a switch: the main text and its language, structured data. Finds nothing by itself;
//! it hands the tree on and says what was cut.

use super::css::Dom;
use super::flat::Flat;
use super::language::language;
use super::main_text::{self, main_text};
use super::material::{Body, Sources};
use super::mime::Kind;
use super::rules::Rule;
use super::structured;
use crate::model::{Parsed, Structured};
use crate::units::Size;

/// What was taken.
#[derive(Debug, Default)]
pub struct Content {
    /// The main text.
    pub text: Option<String>,
    /// Its words.
    pub words: Option<u64>,
    /// Structured data.
    pub structured: Option<Box<Structured>>,
    /// About how many bytes all of it holds.
    pub bytes: usize,
}

/// Takes what the switches of a rule ask for. `parsed` gets the warnings, and the language where nobody declared one.
pub fn read(rule: &Rule, sources: Sources, body: &Body<'_>, parsed: &mut Parsed) -> Content {
    let mut content = Content::default();
    let mut warnings = Vec::new();
    let mut warn = |words: String| warnings.push(format!("rule `{}`, {words}", rule.id));
    let Sources { dom, scripts, .. } = sources;
    let root = dom.as_ref().filter(|_| body.kind == Kind::Html).and_then(Dom::root);
    let flat = root.filter(|_| rule.main_text || rule.structured_data).map(|root| Flat::of(root.element()));
    if rule.structured_data
        && let Some(flat) = &flat
    {
        let mut warn = |words: String| warn(format!("structured data: {words}"));
        let (structured, bytes) = structured::read(flat, scripts, body, &mut warn);
        content.structured = Some(Box::new(structured));
        content.bytes += bytes;
    }
    if rule.main_text {
        let text = match (&flat, body.kind) {
            (Some(flat), _) => main_text(flat),
            (None, Kind::Text | Kind::Markdown) => Some(body.text.trim().replace('\0', "\u{FFFD}")),
            (None, _) => None,
        };
        content.text = text.filter(|text| !text.is_empty()).map(|mut text| {
            if text.len() > main_text::MAX_BYTES {
                let most = Size(main_text::MAX_BYTES as u64);
                warn(format!("main text: of {} bytes {most} are kept", text.len()));
                text.truncate(text.floor_char_boundary(main_text::MAX_BYTES));
            }
            text
        });
    }
    if let Some(text) = &content.text {
        content.words = Some(main_text::words(text));
        content.bytes += text.len();
        if let Some(language) = language(text).filter(|_| parsed.languages.is_empty()) {
            parsed.languages.push(language.to_owned());
            parsed.is_language_detected = true;
        }
    }
    parsed.warnings.append(&mut warnings);
    content
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use url::Url;

    use super::super::rules_settings::Settings;
    use super::super::{Asked, Page, Rules, parse};
    use super::*;
    use crate::model::{Extracted, Normalize};

    const PROSE: &str = "The ship came into the harbour on a cold morning, and all the people of the town went down to see it. \
        Nobody had heard of her for eleven years, and most of them had given up hope a long time ago.";

    fn page(rule: &str, content_type: &str, body: &str) -> (Parsed, Extracted) {
        let settings: Settings = toml::from_str(&format!("id = 'r'\n{rule}")).expect(rule);
        let (rules, wrongs) = Rules::compile(&[settings], &str::to_owned);
        assert_eq!(wrongs, []);
        let url = Url::parse("https://x.example/d/p").expect("url");
        let asked = Some(Asked { rules: &rules, url: url.as_str(), source: "s" });
        let normalize = Normalize::default();
        let page = Page {
            url: &url,
            content_type: Some(content_type),
            content_language: None,
            robots_tag: None,
            normalize: &normalize,
            asked,
        };
        let mut parsed = parse(&page, body.as_bytes());
        let extracted = parsed.extracted.take().expect("a rule");
        (parsed, extracted)
    }

    #[test]
    fn nothing_is_taken_without_a_switch() {
        let (parsed, found) =
            page("", "text/html", "<script type=application/ld+json>{</script><p>x<h1>y</h1>");
        assert_eq!((found.text, found.words, found.structured, found.bytes), (None, None, None, 0));
        assert_eq!((parsed.warnings.len(), parsed.languages.len()), (0, 0));
    }

    #[test]
    fn main_text_of_texts() {
        let text = |content_type: &str, body: &str| {
            let (parsed, found) = page("main_text = true", content_type, body);
            assert_eq!(parsed.warnings, [""; 0]);
            (found.text, found.words)
        };
        assert_eq!(text("text/html", "<p>a b</p><nav>c</nav>"), (Some("a b".to_owned()), Some(2)));
        assert_eq!(text("text/plain", "\n a\n\n b\0 "), (Some("a\n\n b\u{FFFD}".to_owned()), Some(2)));
        assert_eq!(text("text/markdown", "# a"), (Some("# a".to_owned()), Some(1)));
        for (content_type, body) in [
            ("application/json", "{}"),
            ("text/xml", "<?xml version='1.0'?><a>b</a>"),
            ("application/pdf", "%PDF-1.7\n"),
            ("text/html", ""),
        ] {
            assert_eq!(text(content_type, body), (None, None), "{content_type}");
        }
        let (_, found) = page("structured_data = true", "text/xml", "<?xml version='1.0'?><h1>b</h1>");
        assert_eq!(found.structured, None);
    }

    #[test]
    fn the_language_is_told_where_nobody_declared_it() {
        let language = |html: &str| {
            let (parsed, _) = page("main_text = true", "text/html", html);
            (parsed.languages, parsed.is_language_detected)
        };
        assert_eq!(language(&format!("<p>{PROSE}")), (vec!["en".to_owned()], true));
        assert_eq!(language(&format!("<html lang=x-y><p>{PROSE}")), (vec!["x-y".to_owned()], false));
        assert_eq!(language("<p>x"), (Vec::new(), false));
    }

    #[test]
    fn a_long_text_is_cut() {
        let (parsed, found) =
            page("main_text = true", "text/html", &format!("<p>{}", "\u{E9} x ".repeat(600_000)));
        assert_eq!(found.text.map(|text| text.len()), Some(2 << 20));
        assert_eq!(parsed.warnings, ["rule `r`, main text: of 2999999 bytes 2MiB are kept"]);
        assert!(found.bytes >= 2 << 20);
    }

    #[test]
    fn json_ld_is_read_once_for_fields_and_switch() {
        let rule = "structured_data = true\nfields.a = { json = '$.a', from = 'json_ld' }";
        let html = format!(
            "<script type='application/ld+json'>{{\"a\": 1}}</script>{}",
            "<script type='application/ld+json'>{</script>".repeat(12)
        );
        let (parsed, found) = page(rule, "text/html", &html);
        assert_eq!(found.fields["a"], json!(1));
        assert_eq!(found.structured.expect("structured").json_ld, [json!({ "a": 1 })]);
        assert_eq!(parsed.warnings.len(), 11);
        assert_eq!(
            parsed.warnings[0],
            "rule `r`: JSON-LD is not read: EOF while parsing an object at line 1 column 1"
        );
        assert_eq!(parsed.warnings[10], "rule `r`: 2 more JSON-LD blocks are not read");
    }

    #[test]
    fn a_page_without_a_record_needs_no_more() {
        let (_, found) = page(
            "main_text = true\nstructured_data = true\nfields.a = { css = 'i', required = true }",
            "text/html",
            "<p>x",
        );
        assert_eq!((found.text, found.structured, found.ending.is_some()), (None, None, true));
    }

    proptest! {
        #[test]
        fn any_bytes_are_within_bounds(
            body in "(<(p|/p|h1|nav|a href=#|img src=a|div itemscope itemref=x|b id=x itemprop=a itemscope itemref=x|script type=application/ld\\+json|/script|template|svg|pre)>|[{}\":,ab \n]|\\PC){0,60}",
            kind in 0..3usize
        ) {
            let kind = ["text/html", "text/plain", "application/xhtml+xml"][kind];
            let (_, found) = page("main_text = true\nstructured_data = true", kind, &body);
            let text = found.text.unwrap_or_default();
            prop_assert!(text.len() <= 3 * body.len() && !text.contains('\0'));
            prop_assert_eq!(found.words.is_some(), !text.is_empty());
            prop_assert_eq!(found.structured.is_some(), kind != "text/plain");
        }
    }
}

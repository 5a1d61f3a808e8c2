//! What of a page is no main text by what it says of itself: scripts and controls, and by their element, role, class
//! or id navigation, advertisements, comments and the like. Weighs no text.

use scraper::node::Element;

/// Why an element is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clutter {
    /// It stays.
    None,
    /// A class or id speaks against it. That may err.
    Named,
    /// It is for something else, by its element, its role, or because it is hidden.
    Declared,
    /// It holds nothing that could be read.
    Mute,
}

/// How many classes of an element are looked at.
const MAX_CLASSES: usize = 20;

const MUTE: [&str; 20] = [
    "annotation",
    "audio",
    "button",
    "canvas",
    "datalist",
    "embed",
    "head",
    "iframe",
    "input",
    "map",
    "noscript",
    "object",
    "option",
    "script",
    "select",
    "style",
    "svg",
    "template",
    "textarea",
    "video",
];

const ROLES: [&str; 12] = [
    "alertdialog",
    "banner",
    "complementary",
    "contentinfo",
    "dialog",
    "menu",
    "menubar",
    "navigation",
    "search",
    "tablist",
    "toolbar",
    "tooltip",
];

/// Words in names of classes and ids.
const NAMES: [&str; 79] = [
    "ad",
    "adbox",
    "ads",
    "adsense",
    "adslot",
    "advert",
    "advertisement",
    "advertising",
    "adverts",
    "backlink",
    "banner",
    "bookmarks",
    "breadcrumb",
    "breadcrumbs",
    "byline",
    "comment",
    "commentlist",
    "comments",
    "consent",
    "cookie",
    "cookies",
    "copyright",
    "dateline",
    "dialog",
    "disqus",
    "editsection",
    "footer",
    "gdpr",
    "infobox",
    "jumplink",
    "login",
    "masthead",
    "menu",
    "meta",
    "metadata",
    "modal",
    "nav",
    "navbar",
    "navbox",
    "navigation",
    "navlinks",
    "newsletter",
    "noprint",
    "outbrain",
    "overlay",
    "pager",
    "pagination",
    "popular",
    "popup",
    "postmeta",
    "print",
    "promo",
    "promoted",
    "promotion",
    "recirc",
    "recommend",
    "recommendations",
    "recommended",
    "related",
    "replies",
    "reply",
    "respond",
    "sharing",
    "share",
    "sharebar",
    "sidebar",
    "signup",
    "skip",
    "social",
    "sphinxsidebar",
    "sponsor",
    "sponsored",
    "subscribe",
    "subscription",
    "taboola",
    "toc",
    "toolbar",
    "trending",
    "widget",
];

/// Words that begin a name which says something else: `with-sidebar` has one, `tag-social` is a keyword of an article.
const ELSE: [&str; 15] = [
    "a", "category", "format", "has", "hide", "is", "js", "no", "not", "show", "status", "tag", "type",
    "with", "without",
];

/// What an element says of itself. `is_within_main`: it stands in an article or in what the page calls its main part.
/// `holds_title`: a title or main part stands in it.
pub fn clutter(element: &Element, is_within_main: bool, holds_title: bool) -> Clutter {
    let name = element.name();
    if MUTE.contains(&name) {
        return Clutter::Mute;
    }
    if matches!(name, "html" | "body" | "main") {
        return Clutter::None;
    }
    let is_declared = matches!(name, "nav" | "aside" | "footer" | "menu" | "dialog" | "search")
        || name == "header" && !is_within_main;
    if is_declared {
        return Clutter::Declared;
    }
    // Most elements say nothing of themselves.
    if element.attrs().next().is_none() {
        return Clutter::None;
    }
    let is_hidden = element.attr("hidden").is_some_and(|how| how != "until-found")
        || element.attr("aria-hidden") == Some("true")
        || element.attr("style").is_some_and(hides);
    if is_hidden || ROLES.contains(&element.attr("role").unwrap_or_default().trim_ascii()) {
        return Clutter::Declared;
    }
    let mut names = element.classes().take(MAX_CLASSES).chain(element.attr("id"));
    if !holds_title && names.any(speaks_against) { Clutter::Named } else { Clutter::None }
}

/// Whether a style makes an element invisible.
fn hides(style: &str) -> bool {
    style.split(';').filter_map(|rule| rule.split_once(':')).any(|(property, value)| {
        let is = |name: &str, word: &str| {
            property.trim_ascii().eq_ignore_ascii_case(name) && value.trim_ascii().eq_ignore_ascii_case(word)
        };
        is("display", "none") || is("visibility", "hidden")
    })
}

/// Whether the name of a class has a word that speaks against its element: `post-comments`, `adSlot`, `Sidebar_inner`.
fn speaks_against(name: &str) -> bool {
    // Longer ones are made by programs.
    if name.len() > 64 || !name.is_ascii() {
        return false;
    }
    let is_against = |word: &str| NAMES.iter().any(|known| known.eq_ignore_ascii_case(word));
    parts(name).take_while(|part| !ELSE.iter().any(|word| word.eq_ignore_ascii_case(part))).any(is_against)
}

/// The words of a name: between signs and digits, and where a capital follows a small letter.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = name;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
        let bytes = rest.as_bytes();
        let is_end = |at: &usize| {
            let byte = bytes[*at];
            !byte.is_ascii_alphabetic() || byte.is_ascii_uppercase() && bytes[at - 1].is_ascii_lowercase()
        };
        let end = (1..bytes.len()).find(is_end).unwrap_or(bytes.len());
        let (part, behind) = rest.split_at(end);
        rest = behind;
        (!part.is_empty()).then_some(part)
    })
}

#[cfg(test)]
mod tests {
    use scraper::{Html, Selector};

    use super::*;

    fn check(html: &str, expected: Clutter) {
        let html = Html::parse_document(&format!("<body>{html}"));
        let first = Selector::parse("body > *").expect("selector");
        let element = html.select(&first).next().expect("an element");
        assert_eq!(clutter(element.value(), false, false), expected, "{}", element.html());
    }

    #[test]
    fn what_elements_say_of_themselves() {
        use Clutter::{Declared, Mute, Named, None};
        check("<p>", None);
        check("<svg>", Mute);
        check("<nav>", Declared);
        check("<header>", Declared);
        check("<div role=navigation>", Declared);
        check("<div style='color: red; DISPLAY:none'>", Declared);
        check("<div hidden>", Declared);
        check("<div hidden=until-found>", None);
        check("<div class=post-comments>", Named);
        check("<div class='x adSlot'>", Named);
        check("<div id=Sidebar_2>", Named);
        check("<div class='content with-sidebar tag-social'>", None);
        check("<div class='shadow advance metals'>", None);
        check("<div class='content_with_sidebar has-ads'>", None);
    }

    #[test]
    fn names_have_parts() {
        let parts = |name: &'static str| parts(name).collect::<Vec<_>>();
        assert_eq!(parts("post-commentsList_2x"), ["post", "comments", "List", "x"]);
        assert_eq!(parts("--"), [""; 0]);
        assert_eq!(parts("ADBox"), ["ADBox"]);
    }
}

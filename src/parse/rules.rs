//! The compiled rules of a job: which of them is for a page, and how its fields are found. Reads no page; compiling is
//! done elsewhere.

use globset::GlobMatcher;
use regex::Regex;
use serde_json::Value;

use super::css::Css;
use super::json::Path;
use super::rules_settings::{Decimal, Type};

/// The rules of a job, in the order in which they are tried.
#[derive(Debug, Default)]
pub struct Rules(pub(super) Vec<Rule>);

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// Where it stands in the config.
    pub place: String,
    /// What its pages are; all that is given must hold.
    pub(super) url: Option<Regex>,
    pub(super) glob: Option<GlobMatcher>,
    pub(super) content_type: Option<String>,
    pub(super) source: Option<String>,
    /// Whether its pages have a record.
    pub emit: bool,
    /// Whether they have the main text of its pages.
    pub main_text: bool,
    /// Whether they have the structured data of its pages.
    pub structured_data: bool,
    /// Where further links are found.
    pub links: Option<Find>,
    /// What a record has, in this order.
    pub fields: Vec<Field>,
}

/// What is known of a page before it is read.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// Its canonical URL.
    pub url: &'a str,
    /// Id of the source that led to it.
    pub source: &'a str,
    /// Its declared type, and the one that its bytes show.
    pub types: [Option<&'a str>; 2],
}

/// One field.
#[derive(Debug)]
pub struct Field {
    /// Its key in the record.
    pub name: String,
    /// Its name in messages: `items.price`.
    pub path: String,
    /// Where it stands in the config.
    pub place: String,
    /// Whether there must be a value.
    pub required: bool,
    /// How it is found.
    pub find: Find,
    /// What becomes of it.
    pub what: What,
}

/// What becomes of what a field finds.
#[derive(Debug)]
pub enum What {
    /// A value, or a list of them.
    Value {
        /// Searched for in the text.
        regex: Option<Regex>,
        /// Whether it is a list.
        many: bool,
        /// The type.
        kind: Option<Type>,
        /// The decimal sign.
        decimal: Option<Decimal>,
        /// Where nothing is found.
        default: Option<Value>,
    },
    /// A list of objects.
    Objects(Vec<Field>),
}

/// How something is found, and how the config says it.
#[derive(Debug)]
pub struct Find {
    /// The selector or path as it is written.
    pub written: String,
    /// The same compiled.
    pub by: By,
}

/// How something is found.
#[derive(Debug)]
pub enum By {
    /// Elements, and what is taken of them.
    Css(Css, Take),
    /// Values of JSON that stands there.
    Json(Path, Stands),
}

/// What is taken of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Take {
    /// Its text.
    Text,
    /// The HTML within it.
    Html,
    /// An attribute.
    Attribute(String),
}

/// Where JSON stands.
#[derive(Clone, Debug)]
pub enum Stands {
    /// It is the body, or the object of a list.
    Body,
    /// In JSON-LD.
    JsonLd,
    /// In these elements.
    Within(Css),
}

impl Rules {
    /// The same without those that are for other pages, for one that is chosen by its id.
    pub fn only(mut self, id: &str) -> Option<Self> {
        self.0.retain(|rule| rule.id == id);
        let rule = self.0.first_mut()?;
        (rule.url, rule.glob, rule.content_type, rule.source) = (None, None, None, None);
        Some(self)
    }

    /// The first rule that is for a page.
    pub fn choose(&self, sight: &Sight<'_>) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.fits(sight))
    }

    /// The ids of the rules, in their order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|rule| rule.id.as_str())
    }
}

impl Rule {
    fn fits(&self, sight: &Sight<'_>) -> bool {
        let is_type = |wanted: &str| match wanted.strip_suffix('*') {
            Some(start) => sight.types.iter().flatten().any(|found| found.starts_with(start)),
            None => sight.types.iter().flatten().any(|found| *found == wanted),
        };
        self.source.as_deref().is_none_or(|source| source == sight.source)
            && self.content_type.as_deref().is_none_or(is_type)
            && self.glob.as_ref().is_none_or(|glob| glob.is_match(sight.url))
            && self.url.as_ref().is_none_or(|url| url.is_match(sight.url))
    }

    /// Whether anything in it asks for the tree of a page.
    pub fn needs_tree(&self) -> bool {
        self.finds().any(|find| !matches!(find.by, By::Json(_, Stands::Body)))
    }

    /// Whether anything in it asks for the JSON of a body.
    pub fn needs_json(&self) -> bool {
        self.finds().any(|find| matches!(find.by, By::Json(_, Stands::Body)))
    }

    /// Whether anything in it asks for JSON-LD.
    pub fn needs_json_ld(&self) -> bool {
        self.finds().any(|find| matches!(find.by, By::Json(_, Stands::JsonLd)))
    }

    /// All that is found in the page itself; what is within a list is found in what the list finds.
    fn finds(&self) -> impl Iterator<Item = &Find> {
        self.links.iter().chain(self.fields.iter().map(|field| &field.find))
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::super::rules_settings::{Match, Settings};
    use super::*;

    #[test]
    fn a_rule_can_be_chosen_by_its_id() {
        let table = |id: &str, url: &str| Settings {
            id: id.to_owned(),
            matching: Match { url: Some(url.to_owned()), ..Match::default() },
            emit: true,
            main_text: false,
            structured_data: false,
            links: None,
            fields: IndexMap::new(),
        };
        let rules = || Rules::compile(&[table("a", "/a"), table("b", "/b")], &str::to_owned).0;
        let sight = Sight { url: "http://x/b", source: "s", types: [None, None] };
        let chosen = |rules: &Rules| rules.choose(&sight).map(|rule| rule.id.clone());
        assert_eq!(chosen(&rules()), Some("b".to_owned()));
        assert_eq!(chosen(&rules().only("a").expect("a rule")), Some("a".to_owned()));
        assert!(rules().only("c").is_none());
    }
}

//! Microdata of a page as JSON, by the HTML standard (<https://html.spec.whatwg.org/multipage/microdata.html>): items,
//! their properties also where `itemref` names them, cycles as `"ERROR"`. Kinder than the standard to readers:
//! their texts are those of fields, with white space collapsed and scripts left out, and none of them is unbounded.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json as value};

use super::css::{self, Empty, Purse};
use super::flat::Flat;
use super::json;
use super::material::Body;
use crate::model::address;

/// Items within each other; one that is deeper is an `"ERROR"`, like one within itself.
const MAX_DEPTH: usize = 32;
/// What a value takes beside its text, in bytes.
const VALUE_BYTES: usize = 64;

/// The top-level items. What costs more than is left in the purse ends the list: then the second is true.
pub fn read(flat: &Flat<'_>, body: &Body<'_>, purse: &mut Purse) -> (Vec<Value>, bool) {
    let mut ids = HashMap::new();
    let has_references = flat.elements().any(|(_, element)| element.attr("itemref").is_some());
    for (at, element) in flat.elements().filter(|_| has_references) {
        if let Some(id) = element.attr("id") {
            // Of several elements with one id the first counts.
            ids.entry(id).or_insert(at);
        }
    }
    let mut reading = Reading { flat, body, ids, purse };
    let mut items = Vec::new();
    for (at, element) in flat.elements() {
        if element.attr("itemscope").is_none() || element.attr("itemprop").is_some() {
            continue;
        }
        match reading.item(at, &mut Vec::new()) {
            Ok(item) => items.push(item),
            Err(Empty) => return (items, true),
        }
    }
    (items, false)
}

struct Reading<'f, 'a> {
    flat: &'f Flat<'a>,
    body: &'f Body<'f>,
    /// Places of elements by their ids.
    ids: HashMap<&'a str, usize>,
    purse: &'f mut Purse,
}

impl<'a> Reading<'_, 'a> {
    /// An item as an object; `around` are the places of the items that it stands in.
    fn item(&mut self, at: usize, around: &mut Vec<usize>) -> Result<Value, Empty> {
        around.push(at);
        let mut object = Map::new();
        self.purse.hold(2 * VALUE_BYTES)?;
        let types: Vec<&str> = self.words(at, "itemtype").collect();
        self.purse.hold(types.iter().map(|word| word.len() + VALUE_BYTES).sum())?;
        if !types.is_empty() {
            object.insert("type".to_owned(), value!(types));
        }
        if let Some(id) = self.attribute(at, "itemid") {
            let id = self.address(id)?;
            object.insert("id".to_owned(), id);
        }
        let mut properties: Map<String, Value> = Map::new();
        for place in self.properties(at)? {
            let mut value = match self.attribute(place, "itemscope") {
                Some(_) if around.contains(&place) || around.len() >= MAX_DEPTH => value!("ERROR"),
                Some(_) => self.item(place, around)?,
                None => self.value(place)?,
            };
            let names: Vec<&str> = self.words(place, "itemprop").collect();
            let last = names.len() - 1;
            for (number, name) in names.into_iter().enumerate() {
                json::hold(&value, self.purse)?;
                self.purse.hold(name.len() + VALUE_BYTES)?;
                // Each of several names has a value of its own.
                let value = if number == last { value.take() } else { value.clone() };
                match properties.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
                    Value::Array(values) => values.push(value),
                    other => *other = value,
                }
            }
        }
        around.pop();
        object.insert("properties".to_owned(), Value::Object(properties));
        Ok(Value::Object(object))
    }

    /// The places of the properties of an item, in the order of the document.
    fn properties(&mut self, item: usize) -> Result<Vec<usize>, Empty> {
        let mut pending = Vec::new();
        self.open(item, &mut pending)?;
        pending.extend(self.words(item, "itemref").filter_map(|id| self.ids.get(id).copied()));
        let mut found = Vec::new();
        let mut seen = HashSet::from([item]);
        while let Some(at) = pending.pop() {
            // What was reached twice is an error of the page, and counts once.
            if !seen.insert(at) {
                continue;
            }
            if self.attribute(at, "itemscope").is_none() {
                self.open(at, &mut pending)?;
            }
            if self.words(at, "itemprop").next().is_some() {
                found.push(at);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Adds the elements directly within one.
    fn open(&mut self, at: usize, pending: &mut Vec<usize>) -> Result<(), Empty> {
        for child in self.flat.children(at) {
            self.purse.walk(1)?;
            if self.flat.element(child).is_some() {
                pending.push(child);
            }
        }
        Ok(())
    }

    /// The value of a property that is no item.
    fn value(&mut self, at: usize) -> Result<Value, Empty> {
        let Some(element) = self.flat.element(at) else { return Ok(Value::Null) };
        let attribute = |name| element.attr(name).unwrap_or_default();
        match element.value().name() {
            "meta" => Ok(value!(attribute("content"))),
            "audio" | "embed" | "iframe" | "img" | "source" | "track" | "video" => {
                self.address(attribute("src"))
            }
            "a" | "area" | "link" => self.address(attribute("href")),
            "object" => self.address(attribute("data")),
            "data" | "meter" => Ok(value!(attribute("value"))),
            "time" if element.attr("datetime").is_some() => Ok(value!(attribute("datetime"))),
            _ => css::text(element, self.purse).map(Value::String),
        }
    }

    /// An address as an absolute one; empty if it is none.
    fn address(&mut self, raw: &str) -> Result<Value, Empty> {
        let url = self.body.base.join(raw).map(address).unwrap_or_default();
        self.purse.hold(url.len())?;
        Ok(Value::String(url))
    }

    fn attribute(&self, at: usize, name: &str) -> Option<&'a str> {
        self.flat.element(at)?.attr(name)
    }

    /// The words of an attribute.
    fn words(&self, at: usize, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.attribute(at, name).unwrap_or_default().split_ascii_whitespace()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use scraper::Html;
    use url::Url;

    use super::super::mime::Kind;
    use super::*;
    use crate::model::Normalize;

    fn items(html: &str, bytes: usize) -> (Vec<Value>, bool) {
        let dom = Html::parse_document(html);
        let base = Url::parse("https://x.example/d/p").expect("url");
        let normalize = Normalize::default();
        let body =
            Body { kind: Kind::Html, text: html, base: &base, normalize: &normalize, is_traced: false };
        read(&Flat::of(dom.root_element()), &body, &mut Purse::new(1_000_000, bytes))
    }

    fn check(html: &str, expected: &Value) {
        assert_eq!((value!(items(html, 1 << 20).0), expected), (expected.clone(), expected), "{html}");
    }

    #[test]
    fn values_of_properties() {
        let html = "<div itemscope itemtype='https://schema.org/Product  https://x.example/T' itemid='#7'>
            <h1 itemprop='name title'>A <b>lamp</b></h1><img itemprop=image src=a.jpg><a itemprop=url href='?b#c'>x</a>
            <meta itemprop=sku content='7 '><data itemprop=n value=5>five</data><meter itemprop=m value=3></meter>
            <time itemprop=d datetime=2026-11-21>today</time><time itemprop=e> 2026 </time><object itemprop=o data=o></object>
            <p itemprop=name>B<script>c</script></p><a itemprop=mail href='mailto:a@x.example'>m</a><img itemprop=none></div>";
        check(
            html,
            &value!([{
                "type": ["https://schema.org/Product", "https://x.example/T"], "id": "https://x.example/d/p#7",
                "properties": {
                    "name": ["A lamp", "B"], "title": ["A lamp"], "image": ["https://x.example/d/a.jpg"],
                    "url": ["https://x.example/d/p?b#c"], "sku": ["7 "], "n": ["5"], "m": ["3"], "d": ["2026-11-21"],
                    "e": ["2026"], "o": ["https://x.example/d/o"], "mail": ["mailto:a@x.example"],
                    "none": ["https://x.example/d/p"],
                },
            }]),
        );
    }

    #[test]
    fn items_within_items() {
        let html = "<div itemscope><p itemprop=a itemscope itemtype=T><b itemprop=b>1</b></p><i itemprop=c>2</i></div>
            <div itemprop=z itemscope></div><div itemscope></div>";
        let inner = value!({ "type": ["T"], "properties": { "b": ["1"] } });
        check(html, &value!([{ "properties": { "a": [inner], "c": ["2"] } }, { "properties": {} }]));
    }

    #[test]
    fn properties_elsewhere() {
        let html =
            "<p id=x><b itemprop=n>1</b></p><div itemscope itemref='y x x none'><i itemprop=n>2</i></div>
            <p id=y itemprop=n>3</p><p id=x itemprop=n>4</p>";
        check(html, &value!([{ "properties": { "n": ["1", "2", "3"] } }]));
    }

    #[test]
    fn an_item_within_itself_is_an_error() {
        let html = "<div itemscope itemref=a></div><div id=a itemprop=p itemscope itemref=b></div>
            <div id=b itemprop=q itemscope itemref=a></div>";
        let expected = value!([{ "properties": { "p": [{ "properties": { "q": [{ "properties": { "p": ["ERROR"] } }] } }] } }]);
        check(html, &expected);
        check(
            "<div itemscope id=a itemref=a><i itemprop=n>1</i></div>",
            &value!([{ "properties": { "n": ["1"] } }]),
        );
    }

    #[test]
    fn what_doubles_at_each_step_is_cut() {
        let mut html = "<div itemscope itemref='a0 b0'></div>".to_owned();
        for step in 0..30 {
            let next = step + 1;
            for name in ["a", "b"] {
                let item =
                    format!("<div id={name}{step} itemprop=p itemscope itemref='a{next} b{next}'></div>");
                html.push_str(&item);
            }
        }
        assert_eq!(items(&html, 1 << 20), (Vec::new(), true));
        let (found, is_cut) = items(&"<p itemscope><b itemprop=n>1234567890</b></p>".repeat(1000), 100_000);
        assert!(is_cut && found.len() > 100 && found.len() < 1000, "{}", found.len());
    }

    proptest! {
        #[test]
        fn any_page_within_its_bytes(parts in proptest::collection::vec(
            "<(div|p|a|b) (itemscope |itemprop=[ab] |itemref='[xyz]( [xyz])?' |id=[xyz] |href=c ){1,4}>|</(div|p|b)>|t", 0..40
        )) {
            let (found, is_cut) = items(&parts.concat(), 4000);
            prop_assert!(is_cut || value!(found).to_string().len() <= 4000 + 2);
        }
    }
}

//! What several vocabularies say about one thing: the site, the author, the dates of a page. The first of them that
//! says something sensible counts. Reads no page.

use serde_json::Value;

use super::json;
use super::value::moment;

/// Names of `<meta>` for the day of publication, beside Open Graph.
const PUBLISHED: [&str; 10] = [
    "citation_publication_date",
    "date",
    "dc.date",
    "dc.date.issued",
    "dcterms.created",
    "dcterms.date",
    "dcterms.issued",
    "parsely-pub-date",
    "pubdate",
    "publish-date",
];
/// Names of `<meta>` for the day of the last change.
const MODIFIED: [&str; 5] =
    ["og:updated_time", "dcterms.modified", "dc.date.modified", "last-modified", "lastmod"];
/// Names of one list; more are an attack.
const MAX_NAMES: usize = 100;

/// What a page says of itself.
pub struct Said<'a> {
    /// Names of `<meta>` in lower case, and what they say.
    pub meta: &'a [(String, String)],
    /// JSON-LD blocks.
    pub json_ld: &'a [Value],
    /// Items of microdata.
    pub microdata: &'a [Value],
}

impl<'a> Said<'a> {
    /// What a `<meta>` says.
    fn meta(&self, name: &str) -> Option<&'a str> {
        self.meta.iter().find(|(known, _)| known == name).map(|(_, content)| content.as_str())
    }

    /// A property of all things of the JSON-LD that have it.
    fn json_ld(&self, name: &str) -> impl Iterator<Item = &'a Value> {
        self.json_ld.iter().flat_map(json::things).filter_map(move |thing| thing.get(name))
    }

    /// The values of a property of all items of the microdata.
    fn microdata(&self, name: &str) -> impl Iterator<Item = &'a Value> {
        self.microdata.iter().filter_map(move |item| item["properties"].get(name)?.as_array()).flatten()
    }

    /// The first date of all that may be one.
    fn moment(&self, open_graph: &str, property: &str, others: &[&str]) -> Option<String> {
        let texts = self.json_ld(property).chain(self.microdata(property)).filter_map(Value::as_str);
        let others = others.iter().filter_map(|name| self.meta(name));
        self.meta(open_graph).into_iter().chain(texts).chain(others).find_map(|text| moment(text.trim()))
    }
}

/// Name of the site.
pub fn site_name(said: &Said<'_>) -> Option<String> {
    let name = said.meta("og:site_name").or_else(|| said.meta("application-name"));
    name.map(str::to_owned).or_else(|| said.json_ld("publisher").find_map(names))
}

/// Names of the authors.
pub fn author(said: &Said<'_>) -> Option<String> {
    let is_name = |text: &&str| !text.contains("://");
    said.json_ld("author")
        .find_map(names)
        .or_else(|| said.meta("author").filter(is_name).map(str::to_owned))
        .or_else(|| said.meta("article:author").filter(is_name).map(str::to_owned))
        .or_else(|| said.microdata("author").find_map(names))
}

/// When it was published.
pub fn published(said: &Said<'_>) -> Option<String> {
    said.moment("article:published_time", "datePublished", &PUBLISHED)
}

/// When it was changed last.
pub fn modified(said: &Said<'_>) -> Option<String> {
    said.moment("article:modified_time", "dateModified", &MODIFIED)
}

/// The names in a text, an object with a `name`, an item of microdata, or a list of them, with commas between.
fn names(value: &Value) -> Option<String> {
    let one = |value: &Value| {
        let named = value.get("name").or_else(|| value.get("properties")?.get("name")?.get(0));
        let name = named.unwrap_or(value).as_str()?.trim();
        (!name.is_empty() && !name.contains("://")).then(|| name.to_owned())
    };
    match value {
        Value::Array(list) => {
            let names: Vec<String> = list.iter().take(MAX_NAMES).filter_map(one).collect();
            (!names.is_empty()).then(|| names.join(", "))
        }
        value => one(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Site, author, publication and change by `<meta>`, JSON-LD and microdata.
    fn check(meta: &[(&str, &str)], json_ld: Value, microdata: &Value, expected: [Option<&str>; 4]) {
        let meta: Vec<_> = meta.iter().map(|(name, said)| ((*name).to_owned(), (*said).to_owned())).collect();
        let (json_ld, microdata) = ([json_ld], [json!({ "properties": microdata })]);
        let said = Said { meta: &meta, json_ld: &json_ld, microdata: &microdata };
        let found = [site_name(&said), author(&said), published(&said), modified(&said)];
        assert_eq!(found.each_ref().map(Option::as_deref), expected);
    }

    #[test]
    fn the_first_that_says_something_counts() {
        let (day, next) = ("2026-11-21T02:00:00.000Z", "2026-11-22T00:00:00.000Z");
        check(&[], json!(null), &json!({}), [None; 4]);
        let open_graph =
            [("article:published_time", "2026-11-21T03:00+01:00"), ("og:site_name", "S"), ("author", "A")];
        let json_ld = json!({ "@graph": [{ "author": { "name": "B" } }, { "datePublished": "2000-01-01" }] });
        check(&open_graph, json_ld, &json!({}), [Some("S"), Some("B"), Some(day), None]);
        let json_ld =
            json!([{ "author": [{ "name": "A" }, "B", { "name": " " }, 7], "publisher": { "name": "P" } }]);
        let microdata = json!({ "datePublished": ["soon", "2026-11-21T02:00"], "author": ["M"] });
        check(
            &[("lastmod", "2026-11-22")],
            json_ld,
            &microdata,
            [Some("P"), Some("A, B"), Some(day), Some(next)],
        );
        let item = json!({ "author": [{ "type": ["Person"], "properties": { "name": ["M"] } }], "dateModified": [next] });
        check(
            &[("article:author", "https://x.example/ann")],
            json!(7),
            &item,
            [None, Some("M"), None, Some(next)],
        );
    }

    #[test]
    fn what_is_no_date_is_none() {
        check(
            &[("date", "yesterday"), ("pubdate", "2026")],
            json!({ "dateModified": 7 }),
            &json!({}),
            [None; 4],
        );
    }
}

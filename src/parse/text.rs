//! What JSON and Markdown give: a title. Nothing here recurses without a bound.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::words;
use crate::model::Parsed;

/// The title of a JSON body: its top-level `title`, else its `name`, if that is a string.
pub fn json(text: &str, parsed: &mut Parsed) {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = if text.trim_ascii_start().starts_with('{') {
        reader.deserialize_map(Names::default())
    } else {
        reader.deserialize_ignored_any(IgnoredAny).map(|_| Names::default())
    };
    match read.and_then(|names| reader.end().map(|()| names)) {
        Ok(Names { title, name }) => {
            parsed.mime_detected = Some("application/json");
            parsed.title = title.or(name).and_then(|title| words::tidy(&title, parsed, "title"));
        }
        Err(error) => parsed.warnings.push(format!("not read as JSON: {error}")),
    }
}

/// The names that an object gives itself.
#[derive(Default)]
struct Names {
    title: Option<String>,
    name: Option<String>,
}

impl<'de> Visitor<'de> for Names {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let slot = match &*key {
                "title" => &mut self.title,
                "name" => &mut self.name,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if let Value::String(text) = map.next_value()? {
                *slot = slot.take().or(Some(text));
            }
        }
        Ok(self)
    }
}

/// The first `# heading` of a Markdown text, code blocks left out.
pub fn markdown(text: &str, parsed: &mut Parsed) {
    let mut fenced = false;
    for line in text.lines() {
        let start = line.trim_start_matches(' ');
        if start.starts_with("```") || start.starts_with("~~~") {
            fenced = !fenced;
        } else if let Some(heading) =
            start.strip_prefix("# ").filter(|_| !fenced && line.len() - start.len() < 4)
        {
            // A heading may be closed by the same signs.
            let heading = heading.trim_ascii_end();
            let open = heading.trim_end_matches('#');
            let heading = if open.ends_with([' ', '\t']) { open } else { heading };
            parsed.title = words::tidy(heading, parsed, "title");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(read: impl Fn(&str, &mut Parsed), text: &str) -> Option<String> {
        let mut parsed = Parsed::default();
        read(text, &mut parsed);
        parsed.title
    }

    #[test]
    fn json_is_called_by_its_title_or_name() {
        let check =
            |text, expected: Option<&str>| assert_eq!(title(json, text).as_deref(), expected, "{text}");
        check(r#"{"name": "n", "title": " a\n b\u0000 "}"#, Some("a b\u{FFFD}"));
        check(r#"{"a": {"title": "deep"}, "name": "n"}"#, Some("n"));
        check(r#"{"title": 7, "name": ["n"]}"#, None);
        check(r#"{"title": "x"} tail"#, None);
        check(r#"["title"]"#, None);
    }

    #[test]
    fn broken_or_deep_json_is_a_warning() {
        let mut parsed = Parsed::default();
        json("{\"title\": ", &mut parsed);
        assert!(parsed.warnings[0].starts_with("not read as JSON: EOF"), "{:?}", parsed.warnings);
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        let mut parsed = Parsed::default();
        json(&format!("{{\"a\": {deep}, \"title\": \"t\"}}"), &mut parsed);
        assert_eq!((parsed.title.as_deref(), parsed.warnings.len()), (Some("t"), 0));
        json(&format!("{{\"title\": {deep}}}"), &mut parsed);
        assert_eq!(parsed.warnings.len(), 1);
    }

    #[test]
    fn markdown_is_called_by_its_first_heading() {
        let check = |text, expected: Option<&str>| assert_eq!(title(markdown, text).as_deref(), expected);
        check("text\n\n#  A  title ##\n# B", Some("A title"));
        check("```\n# comment\n```\n# C#", Some("C#"));
        check("#no\n## second", None);
    }
}

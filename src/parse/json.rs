//! JSON of pages, and JSONPath (RFC 9535) over it. What a path may cost is weighed against the document before it
//! is tried, and a document of too many values is not read at all.

use serde_json::Value;
use serde_json_path::JsonPath;

use super::css::{Empty, Purse};

/// Values of one document, counted with those within others.
pub const MAX_VALUES: usize = 500_000;
/// What one trial of a regex in a path costs: it is compiled anew each time.
const REGEX_STEPS: u64 = 5000;

/// A JSON document of bounded size; the error says why there is none.
pub fn read(text: &str) -> Result<Value, String> {
    if values(text) > MAX_VALUES {
        return Err(format!("more than {MAX_VALUES} values"));
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// A JSON document as one of several, which share the bound; `left` is what of it is left for those that follow.
pub fn read_one(text: &str, left: &mut usize) -> Result<Value, String> {
    let Some(rest) = left.checked_sub(values(text)) else {
        return Err(format!("more than {MAX_VALUES} values, with those before it"));
    };
    let value = read(text)?;
    *left = rest;
    Ok(value)
}

/// How many values a text can have at most, without reading them.
fn values(text: &str) -> usize {
    let (mut count, mut in_text, mut is_escaped) = (1, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => count += 1,
            _ => {}
        }
    }
    count
}

/// The objects that a JSON-LD script speaks of: itself, the entries of a list, and those of its `@graph`.
pub fn things(script: &Value) -> Vec<&Value> {
    let mut things: Vec<&Value> = match script {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    };
    let graphs = things.iter().filter_map(|thing| thing.get("@graph")?.as_array());
    let inner: Vec<&Value> = graphs.flatten().collect();
    things.extend(inner);
    things
}

/// How large a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Weight {
    /// It and all within it.
    values: u64,
    /// Their depths, added up.
    depths: u64,
    bytes: usize,
}

/// What a value weighs. A document is no deeper than its reader lets it be.
fn weigh(value: &Value) -> Weight {
    fn add(value: &Value, depth: u64, sum: &mut Weight) {
        sum.values += 1;
        sum.depths += depth;
        sum.bytes += size_of::<Value>();
        match value {
            Value::String(text) => sum.bytes += text.len(),
            Value::Array(list) => list.iter().for_each(|value| add(value, depth + 1, sum)),
            Value::Object(map) => {
                for (key, value) in map {
                    sum.bytes += key.len();
                    add(value, depth + 1, sum);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut sum = Weight::default();
    add(value, 1, &mut sum);
    sum
}

/// Pays for a copy of a value.
pub fn hold(value: &Value, purse: &mut Purse) -> Result<(), Empty> {
    purse.hold(weigh(value).bytes)
}

/// A JSONPath and what it looks at.
#[derive(Clone, Debug)]
pub struct Path {
    compiled: JsonPath,
    /// How often it goes down to all that is below.
    deep: u32,
    /// How often a filter begins at the root again.
    roots: u32,
    /// How often a filter tries a regex.
    regexes: u32,
}

impl Path {
    /// Compiles a path; the error follows its text, with a hint.
    pub fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        let compiled = JsonPath::parse(text).map_err(|error| {
            // The parser says little more than where it stopped.
            let message = error.message().lines().next().unwrap_or_default().replace("parser error", "");
            let message = message.trim_end_matches([',', ' ']);
            let message = if message.is_empty() { String::new() } else { format!(" ({message})") };
            let what = format!(
                "is no JSONPath: it cannot be read on from character {}{message}",
                error.position().max(1)
            );
            (what, "write it like `$.items[*].price` or `$..price` (RFC 9535)")
        })?;
        let code = without_texts(text);
        let count = |word: &str| u32::try_from(code.matches(word).count()).unwrap_or(u32::MAX);
        let regexes = count("match(").saturating_add(count("search("));
        if has_foreign_regex(&code) {
            let what = "is refused: the second argument of `match` and `search` must be a text, since a page that \
                chooses the regex chooses what it costs";
            return Err((what.to_owned(), "write the regex between quotes in the path itself"));
        }
        Ok(Self { compiled, deep: count(".."), roots: count("$").saturating_sub(1), regexes })
    }

    /// The values that it finds.
    pub fn find<'v>(&self, value: &'v Value, purse: &mut Purse) -> Result<Vec<&'v Value>, Empty> {
        let Weight { values, depths, .. } = weigh(value);
        purse.walk(values)?;
        let deep = (1 + depths / values).saturating_pow(self.deep);
        let roots = values.saturating_pow(self.roots);
        let regexes =
            REGEX_STEPS.saturating_pow(self.regexes.min(1)).saturating_mul(self.regexes.max(1).into());
        purse.walk(values.saturating_mul(deep).saturating_mul(roots).saturating_mul(regexes))?;
        Ok(self.compiled.query(value).all())
    }
}

/// A path with its texts emptied, so that what is left is names and signs.
fn without_texts(path: &str) -> String {
    let (mut code, mut quote, mut is_escaped) = (String::new(), None, false);
    for c in path.chars() {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some(_) if c == '\\' => is_escaped = true,
            Some(open) if c == open => {
                quote = None;
                code.push(c);
            }
            Some(_) => {}
            None => {
                if matches!(c, '"' | '\'') {
                    quote = Some(c);
                }
                code.push(c);
            }
        }
    }
    code
}

/// Whether a regex is not written in the path but comes from the document.
fn has_foreign_regex(code: &str) -> bool {
    ["match(", "search("].iter().any(|name| {
        code.match_indices(name).any(|(at, _)| {
            let rest = &code[at + name.len()..];
            let mut depth = 0;
            let mut second = None;
            for (at, c) in rest.char_indices() {
                match c {
                    '(' | '[' => depth += 1,
                    ')' | ']' => depth -= 1,
                    ',' if depth == 0 => second = Some(&rest[at + 1..]),
                    _ => {}
                }
                if depth < 0 {
                    break;
                }
            }
            !second.is_some_and(|second| second.trim_start().starts_with(['"', '\'']))
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// What a path finds.
    fn check(path: &str, value: &Value, expected: &Value) {
        let found = Path::parse(path).expect(path).find(value, &mut Purse::default()).expect("small");
        assert_eq!(json!(found), *expected, "{path}");
    }

    #[test]
    fn paths_find_values_in_their_order() {
        let page = json!({ "items": [{ "n": 1 }, { "n": 2, "x": "ab" }], "next": "/2", "z": { "n": 3 } });
        check("$.next", &page, &json!(["/2"]));
        check("$.items[*].n", &page, &json!([1, 2]));
        check("$..n", &page, &json!([1, 2, 3]));
        check("$.items[-1:].n", &page, &json!([2]));
        check("$.items[?@.n > 1].x", &page, &json!(["ab"]));
        check("$.items[?match(@.x, 'a.')].n", &page, &json!([2]));
        check("$.items[?@.n == $.z.n]", &page, &json!([]));
        check("$", &json!(1), &json!([1]));
        check("$.nothing", &page, &json!([]));
    }

    #[test]
    fn what_is_no_path_says_where() {
        let check = |path: &str, start: &str| {
            let (error, _) = Path::parse(path).expect_err(path);
            assert!(error.starts_with(start), "{path}: {error}");
        };
        check("items", "is no JSONPath: it cannot be read on from character 1");
        check("$.items[", "is no JSONPath: it cannot be read on from character ");
        check("", "is no JSONPath: it cannot be read on from character ");
        check("$[?match(@.a, @.b)]", "is refused: ");
        check("$[?search(@['a,\\'b'], $.b)]", "is refused: ");
        assert!(Path::parse("$[?search(@['match('], \"a)\")]").is_ok());
    }

    #[test]
    fn the_objects_of_json_ld() {
        let things = |value: Value| json!(things(&value));
        assert_eq!(things(json!({ "a": 1 })), json!([{ "a": 1 }]));
        assert_eq!(things(json!([{ "a": 1 }, { "b": 2 }])), json!([{ "a": 1 }, { "b": 2 }]));
        let graph = json!({ "@graph": [{ "a": 1 }] });
        assert_eq!(things(graph.clone()), json!([graph, { "a": 1 }]));
    }

    #[test]
    fn documents_of_bounded_size() {
        assert_eq!(values("[1, \"a,b\\\",[\", {\"c\": []}]"), 6);
        let error = read(&format!("[{}0]", "0,".repeat(MAX_VALUES))).expect_err("too many");
        assert_eq!(error, "more than 500000 values");
        assert!(read(&"[".repeat(100_000)).is_err());
        let mut left = MAX_VALUES;
        let half = format!("[{}0]", "0,".repeat(MAX_VALUES / 2));
        assert!(read_one(&half, &mut left).is_ok() && read_one("{", &mut left).is_err());
        assert_eq!(left, MAX_VALUES / 2 - 2);
        let error = read_one(&half, &mut left).expect_err("too many");
        assert_eq!(error, "more than 500000 values, with those before it");
        assert!(read_one("[1]", &mut left).is_ok());
        assert!(read("{").expect_err("broken").starts_with("EOF"));
    }

    #[test]
    fn a_path_that_would_cost_too_much_is_not_tried() {
        let flat = read(&format!("[{}0]", "0,".repeat(100_000))).expect("document");
        let find = |path: &str| {
            Path::parse(path).expect(path).find(&flat, &mut Purse::default()).map(|found| found.len())
        };
        assert_eq!(find("$[*]"), Ok(100_001));
        assert_eq!(find("$[?@ == $[-1]]"), Err(Empty));
        assert_eq!(find("$[?match(@, 'a')]"), Err(Empty));
        let nested = read(&format!("{}{}", "[0,".repeat(120), "]".repeat(120).replacen(']', "0]", 1)))
            .expect("document");
        let deep = Path::parse("$..*..*..*..*").expect("path");
        assert_eq!(deep.find(&nested, &mut Purse::default()).map(|found| found.len()), Err(Empty));
    }

    proptest! {
        #[test]
        fn any_text_is_a_path_or_none(text in "\\PC{0,20}|[$@.*?()'\"a1,: =<\\[\\]-]{0,30}") {
            let value = json!({ "a": [1, { "a": "b" }], "b": null });
            if let Ok(path) = Path::parse(&text) {
                let _ = path.find(&value, &mut Purse::default());
            }
        }

        #[test]
        fn a_document_has_no_more_values_than_were_counted(text in "[\\[\\]{},:\"a1\\\\ ]{0,40}") {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                prop_assert!(weigh(&value).values <= values(&text) as u64);
            }
        }
    }
}

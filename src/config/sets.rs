//! `--set key.path=value`: overrides laid over the tree of the file before it is judged. The value is read
//! as TOML, else taken as text, so that `--set http.timeout.total=5s` needs no quotes.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::text::shown;
use super::walk::{Node, join};

/// One step of a key path, with its place.
struct Step {
    span: Range<usize>,
    to: To,
}

enum To {
    /// A key of a table, or the id of an entry of a list.
    Key(String),
    /// An entry of a list.
    Index(usize),
}

/// One `--set`, read but not yet laid over anything.
pub struct Override {
    /// Where it stands in all texts.
    pub span: Range<usize>,
    steps: Vec<Step>,
    /// Where the value stands in all texts.
    value: Range<usize>,
    /// The value as a TOML document, padded so that it has its places in all texts.
    document: String,
}

const KEY: &str = "v = ";

/// What a `--set` looks like, for who wrote one that cannot be read.
pub const HINT: &str = "write it like `--set limits.max_pages=100` or `--set sources[0].path=urls.txt`";

/// Reads one `--set` that begins at `start` in all texts.
pub fn read(set: &str, start: usize) -> Result<Override, String> {
    let (steps, value) = steps(set, start)?;
    let padding = " ".repeat((start + value).saturating_sub(KEY.len()));
    let document = format!("{padding}{KEY}{}", &set[value..]);
    Ok(Override { span: start..start + set.len(), steps, value: start + value..start + set.len(), document })
}

impl Override {
    /// Lays it over the tree, or says why the tree has no such place.
    pub fn apply<'i>(&'i self, tree: &mut DeTable<'i>) -> Result<(), String> {
        let Some((Step { span, to: To::Key(first) }, rest)) = self.steps.split_first() else {
            return Err("a key is missing".to_owned());
        };
        let mut slot = entry(tree, span, first, rest.is_empty());
        let mut name = join("", first);
        for (index, step) in rest.iter().enumerate() {
            let is_last = index + 1 == rest.len();
            slot = match (slot.get_mut(), &step.to) {
                (DeValue::Table(table), To::Key(key)) => {
                    name = join(&name, key);
                    entry(table, &step.span, key, is_last)
                }
                (DeValue::Array(list), to) => {
                    let found = match to {
                        To::Index(index) => Some(*index),
                        To::Key(id) => list.iter().position(|entry| has_id(entry, id)),
                    };
                    let length = list.len();
                    let what = match to {
                        To::Index(_) => format!("`{name}` has {length} entries, counted from 0"),
                        To::Key(id) => format!("`{name}` has no entry with the id `{}`", shown(id)),
                    };
                    let index = found.filter(|index| *index < length);
                    name = format!("{name}[{}]", index.unwrap_or_default());
                    index.and_then(|index| list.get_mut(index)).ok_or(what)?
                }
                (_, To::Key(_)) => return Err(format!("`{name}` is not a table")),
                (_, To::Index(_)) => return Err(format!("`{name}` is not a list")),
            };
        }
        *slot = self.parsed();
        Ok(())
    }

    /// The value as TOML, else as text.
    fn parsed(&self) -> Node<'_> {
        if let Ok(table) = DeTable::parse(&self.document) {
            let mut table = table.into_inner();
            if let (1, Some(value)) = (table.len(), table.remove("v")) {
                return value;
            }
        }
        let text = self.document.get(self.value.clone()).unwrap_or_default();
        Spanned::new(self.value.clone(), DeValue::String(Cow::Borrowed(text)))
    }
}

/// The value of a key, made an empty table if it is not there. The last key of a path stands where the
/// `--set` stands, so that errors about it name the `--set`.
fn entry<'t, 'i>(
    table: &'t mut DeTable<'i>,
    span: &Range<usize>,
    key: &'i str,
    is_last: bool,
) -> &'t mut Node<'i> {
    if is_last {
        table.remove(key);
    }
    let empty = || Spanned::new(span.clone(), DeValue::Table(DeTable::new()));
    table.entry(Spanned::new(span.clone(), Cow::Borrowed(key))).or_insert_with(empty)
}

fn has_id(entry: &Node<'_>, id: &str) -> bool {
    entry.get_ref().get("id").and_then(|found| found.get_ref().as_str()) == Some(id)
}

/// The steps before the `=` and where the value begins.
fn steps(set: &str, start: usize) -> Result<(Vec<Step>, usize), String> {
    let mut steps = Vec::new();
    let mut at = 0;
    loop {
        let rest = &set[at..];
        let (to, length) = if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"').ok_or("a quote is not closed")?;
            (To::Key(quoted[..end].to_owned()), end + 2)
        } else {
            let bare = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
            let end = rest.find(|c| !bare(c)).unwrap_or(rest.len());
            if end == 0 {
                return Err(format!("a key is expected where `{}` stands", shown(rest)));
            }
            (To::Key(rest[..end].to_owned()), end)
        };
        steps.push(Step { span: start + at..start + at + length, to });
        at += length;
        while let Some(index) = set[at..].strip_prefix('[') {
            let end = index.find(']').ok_or("a `[` is not closed")?;
            let number =
                index[..end].parse().map_err(|_| format!("`[{}]` is no index", shown(&index[..end])))?;
            steps.push(Step { span: start + at..start + at + end + 2, to: To::Index(number) });
            at += end + 2;
        }
        match set[at..].chars().next() {
            Some('.') => at += 1,
            Some('=') => return Ok((steps, at + 1)),
            Some(other) => return Err(format!("`{}` cannot stand in a key", shown(&other.to_string()))),
            None => return Err("a `=` and a value are missing".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lays `set` over a small tree and returns what the tree then says, or the error.
    fn check(set: &str, expected: &str) {
        let file = "a = { b = 1 }\nlist = [{ id = \"x\", n = 1 }]\n";
        let read = match read(set, file.len()) {
            Ok(read) => read,
            Err(what) => return assert_eq!(what, expected),
        };
        let mut tree = DeTable::parse(file).expect("file");
        let result = match read.apply(tree.get_mut()) {
            Ok(()) => {
                let table = toml::Table::deserialize(toml::de::Deserializer::from(tree)).expect("tree");
                table.to_string().replace('\n', "; ")
            }
            Err(what) => what,
        };
        assert_eq!(result.trim_end_matches("; "), expected, "{set}");
    }

    use serde::Deserialize;

    #[test]
    fn values_are_toml_else_text() {
        let list = "; ; [[list]]; id = \"x\"; n = 1";
        check("a.b=2", &format!("[a]; b = 2{list}"));
        check("a.b=5s", &format!("[a]; b = \"5s\"{list}"));
        check("a.b=\"2\"", &format!("[a]; b = \"2\"{list}"));
        check("a.b=[1, 2]", &format!("[a]; b = [1, 2]{list}"));
        check("a.b=", &format!("[a]; b = \"\"{list}"));
        check("a.b=https://x/?a=1&b=[2", &format!("[a]; b = \"https://x/?a=1&b=[2\"{list}"));
        check(
            "a.b=1\nc=2",
            &format!("[a]; b = \"1\\nc=2\"{list}").replace("\"1\\nc=2\"", "\"\"\"; 1; c=2\"\"\""),
        );
    }

    #[test]
    fn keys_reach_into_tables_and_lists() {
        check("a.\"x.y\".z=1", "[a]; b = 1; ; [a.\"x.y\"]; z = 1; ; [[list]]; id = \"x\"; n = 1");
        check("list[0].n=2", "[a]; b = 1; ; [[list]]; id = \"x\"; n = 2");
        check("list.x.n=2", "[a]; b = 1; ; [[list]]; id = \"x\"; n = 2");
    }

    #[test]
    fn what_cannot_be_set_says_why() {
        check("a.b", "a `=` and a value are missing");
        check("=1", "a key is expected where `=1` stands");
        check("a..b=1", "a key is expected where `.b=1` stands");
        check("a b=1", "` ` cannot stand in a key");
        check("list[x].n=1", "`[x]` is no index");
        check("list[1].n=1", "`list` has 1 entries, counted from 0");
        check("list.y.n=1", "`list` has no entry with the id `y`");
        check("a.b.c=1", "`a.b` is not a table");
        check("a[0]=1", "`a` is not a list");
    }
}

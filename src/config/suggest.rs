//! What an unknown key was probably meant to be: a neighbour with nearly the same name, or a key of
//! another table.

use serde_json::Value as Json;

use super::shape::{Shape, follow, listed, path_within, shape};
use super::text::shown;
use super::walk::within;
use crate::kind::nearest;

/// A longer key resembles nothing, and comparing it would take its time.
const LONGEST_KEY: usize = 64;

/// A shorter key resembles too much to be looked for in other tables.
const SHORTEST_KEY: usize = 5;

/// The message and the hint for a key that `table`, called `name`, does not have.
pub fn unknown_key(root: &Json, table: &Json, name: &str, key: &str) -> (String, Option<String>) {
    let what = format!("unknown key `{}`{}", shown(key), within(name));
    if key.len() > LONGEST_KEY {
        return (what, None);
    }
    let here = || table["properties"].as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    if let Some(near) = nearest(key, here()) {
        return (what, Some(format!("did you mean `{near}`?")));
    }
    let mut everywhere = Vec::new();
    collect(root, root, "", &mut everywhere);
    let elsewhere = everywhere.iter().find(|(_, other)| *other == key).or_else(|| {
        let key = Some(key).filter(|key| key.len() >= SHORTEST_KEY)?;
        let near = nearest(key, everywhere.iter().map(|(_, other)| *other))?;
        everywhere.iter().find(|(_, other)| *other == near)
    });
    let hint = match elsewhere {
        Some((place, other)) if *other == key => format!("`{key}` belongs{place}"),
        Some((place, other)) => format!("did you mean `{other}`{place}?"),
        None => format!("the keys here are {}", listed(here())),
    };
    (what, Some(hint))
}

/// Every key of the schema with the table it belongs to, ` in [http]`, outer tables first.
fn collect<'s>(root: &'s Json, table: &'s Json, name: &str, found: &mut Vec<(String, &'s str)>) {
    let properties: Vec<(&String, &Json)> = table["properties"].as_object().into_iter().flatten().collect();
    for (key, _) in properties.iter().filter(|(key, _)| key.as_str() != "type") {
        let place =
            if name.is_empty() { " at the top of the file".to_owned() } else { format!(" in {name}") };
        found.push((place, key.as_str()));
    }
    for (key, schema) in properties {
        let inner = follow(root, schema);
        let (full, tag) = path_within(name, key);
        if inner["properties"].is_object() {
            collect(root, inner, &format!("[{full}]{tag}"), found);
        } else if let one = follow(root, &inner["items"])
            && one["properties"].is_object()
        {
            collect(root, one, &format!("[[{full}]]"), found);
        } else if inner["additionalProperties"].is_object() {
            let one = follow(root, &inner["additionalProperties"]);
            // Fields have fields of the same kind; once is enough.
            if std::ptr::eq(one, table) {
                continue;
            }
            collect(root, one, &format!("[{full}.\"...\"]{tag}"), found);
        } else if let Shape::Tagged(variants) = shape(root, &inner["items"]) {
            for (tag, variant) in variants {
                collect(root, variant, &format!("[[{full}]] of type \"{tag}\""), found);
            }
        }
    }
}

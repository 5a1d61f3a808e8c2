//! What may not change while a run is unfinished: the parts of a config that decide what its output is.

use serde_json::{Value, json};

use crate::config::Config;
use crate::export;
use crate::store::{Begin, Layout, StoreError, beginning};

/// The parts of a config that decide what a run's output is. They may not change while it is unfinished.
pub fn seal(config: &Config) -> Value {
    json!({
        "job": { "name": config.job.name },
        "sinks": config.sinks,
        "exports": config.exports,
        "records": config.records,
        "extract": config.extract,
        "http": { "max_body": config.http.max_body, "max_redirects": config.http.max_redirects },
        "sources": config.sources,
        "scope": config.scope,
        "limits": { "max_depth": config.limits.max_depth, "max_pages_per_host": config.limits.max_pages_per_host },
    })
}

/// The exports that a run began with: which files earlier processes of it may have made.
pub fn exports(begin: &Begin) -> Vec<export::Settings> {
    let sealed: Value = serde_json::from_str(&begin.sealed).unwrap_or_default();
    serde_json::from_value(sealed["exports"].clone()).unwrap_or_default()
}

/// Which keys of the config differ from those that a run began with, each with its value then and now.
pub fn differences(config: &Config, begin: &Begin) -> Vec<String> {
    let before = serde_json::from_str(&begin.sealed).unwrap_or(Value::Null);
    compare(&before, &seal(config))
}

/// The unfinished run that `trawl run` would continue, and how the config differs from the one it began with,
/// for which it would be refused. Changes nothing.
pub fn unfinished(config: &Config) -> Result<Option<(String, Vec<String>)>, StoreError> {
    let Some(layout) = Layout::existing(&config.job.state_dir)? else { return Ok(None) };
    let Some(journal) = layout.unfinished()? else { return Ok(None) };
    let (begin, is_crawled) = beginning(&journal)?;
    let differences = if is_crawled { Vec::new() } else { differences(config, &begin) };
    Ok(Some((begin.run_id, differences)))
}

fn compare(before: &Value, now: &Value) -> Vec<String> {
    fn walk(path: &str, before: &Value, now: &Value, found: &mut Vec<String>) {
        match (before, now) {
            (Value::Object(old), Value::Object(new)) => {
                for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(&path, &before[key], &now[key], found);
                }
            }
            (Value::Array(old), Value::Array(new)) => {
                for n in 0..old.len().max(new.len()) {
                    let value = |list: &[Value]| list.get(n).cloned().unwrap_or(Value::Null);
                    walk(&format!("{path}[{n}]"), &value(old), &value(new), found);
                }
            }
            _ if before != now => found.push(format!("  `{path}` was {}, now {}", shown(before), shown(now))),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk("", before, now, &mut found);
    let more = found.len().saturating_sub(10);
    found.truncate(10);
    if more > 0 {
        found.push(format!("  and {more} more"));
    }
    found
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "not there".to_owned(),
        value => value.to_string().chars().take(100).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_its_key_and_both_values() {
        let old = json!({ "sources": [{ "id": "a", "urls": ["x"] }], "sinks": [] });
        let new = json!({ "sources": [{ "id": "a", "urls": ["x", "y"] }], "sinks": [] });
        assert_eq!(compare(&old, &old), Vec::<String>::new());
        assert_eq!(compare(&old, &new), ["  `sources[0].urls[1]` was not there, now \"y\""]);
    }
}

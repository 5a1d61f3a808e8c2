//! What is wrong with the outputs that a config adds: sinks and exports, and where they stand in the run directory.

use std::path::PathBuf;

use super::Config;
use super::check::{On, Wrong, unique};
use crate::export;
use crate::sink;

/// Keys of sinks that cannot be obeyed, and folders that overlap.
pub fn sinks(config: &Config, wrongs: &mut Vec<Wrong>) {
    unique("sinks", config.sinks.iter().map(sink::Settings::id), wrongs);
    let mut folders: Vec<PathBuf> = Vec::new();
    for (index, settings) in config.sinks.iter().enumerate() {
        for sink::Wrong { key, what, hint } in settings.check() {
            let wrong = Wrong::new(format!("sinks[{index}].{key}"), On::Value, what);
            wrongs.push(match hint {
                Some(hint) => wrong.hint(hint),
                None => wrong,
            });
        }
        let key = format!("sinks[{index}].{}", if settings.path().is_some() { "path" } else { "id" });
        let folder = match settings.folder() {
            Ok(folder) => folder,
            Err(what) => {
                wrongs.push(Wrong::new(key, On::Value, what));
                continue;
            }
        };
        // A sink removes what it did not write, so nothing of another one may stand in its folder.
        let overlaps = |other: &&PathBuf| other.starts_with(&folder) || folder.starts_with(other);
        if let Some(other) = folders.iter().find(overlaps) {
            let what = if *other == folder {
                format!("two sinks write to the folder `{}`", folder.display())
            } else {
                format!("the folders `{}` and `{}` of two sinks overlap", other.display(), folder.display())
            };
            wrongs.push(Wrong::new(key, On::Value, what).hint("give each a folder of its own"));
        }
        folders.push(folder);
    }
}

/// Formats that this build has left out, and files that stand where something else does.
pub fn exports(config: &Config, wrongs: &mut Vec<Wrong>) {
    unique("exports", config.exports.iter().map(export::Settings::id), wrongs);
    let folders: Vec<PathBuf> = config.sinks.iter().filter_map(|sink| sink.folder().ok()).collect();
    let mut files: Vec<PathBuf> = Vec::new();
    for (index, settings) in config.exports.iter().enumerate() {
        if let Err(error) = export::check(settings.format()) {
            let words = error.to_string();
            let (what, hint) = words.split_once("\nhint: ").unwrap_or((&words, "choose another `type`"));
            wrongs.push(Wrong::new(format!("exports[{index}].type"), On::Value, what).hint(hint));
        }
        let key = format!("exports[{index}].{}", if settings.path().is_some() { "path" } else { "id" });
        if let export::Settings::Postgres(table) = settings
            && let Err(what) = export::check_table(&table.table)
        {
            wrongs.push(Wrong::new(format!("exports[{index}].table"), On::Value, what));
        }
        let file = match settings.file() {
            Ok(Some(file)) => file,
            Ok(None) => continue,
            Err(what) => {
                wrongs.push(Wrong::new(key, On::Value, what));
                continue;
            }
        };
        let is_below = |folder: &&PathBuf| file.starts_with(folder) || folder.starts_with(&file);
        if let Some(folder) = folders.iter().find(is_below) {
            let what = format!("`{}` stands in the way of a sink, `{}`", file.display(), folder.display());
            wrongs.push(Wrong::new(&*key, On::Value, what).hint("choose another `path`"));
        }
        if let Some(other) = files.iter().find(is_below) {
            let what =
                format!("`{}` stands in the way of another export, `{}`", file.display(), other.display());
            wrongs.push(Wrong::new(key, On::Value, what).hint("give each a file of its own"));
        }
        files.push(file);
    }
}

//! The `[scope]` table, what a source may change of it, and what in them can be wrong. Follows no link itself.

use std::fmt;

use regex::{Regex, RegexSet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Normalize;

/// The `[scope]` table: which links are followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Which links are followed: none, or those that lie under a seed of the same source.
    #[serde(rename = "type")]
    pub kind: ScopeType,
    /// Regexes; if there are any, a link must match one. They are searched for anywhere in the canonical URL,
    /// which is ASCII, with the host in lower case; `^` and `$` hold them to its ends.
    pub include: Vec<String>,
    /// Regexes; a link that matches one is refused, whatever it lies under and whatever includes it.
    pub exclude: Vec<String>,
    /// How many links in a row may lead outside of the `type`; 1 takes the pages that the pages within link to.
    pub extra_hops: u8,
    /// Whether links marked `nofollow`, by their `rel`, the page or its header, are left alone.
    pub nofollow: Nofollow,
    /// Whether the sitemaps that a host's robots.txt names are read, where links are followed.
    pub sitemaps: bool,
    /// Longest URL of a link, in bytes of its canonical form.
    pub max_url_length: usize,
    /// Most segments in the path of a link: `/a/b/` has two.
    pub max_path_segments: usize,
    /// Most parameters in the query of a link.
    pub max_query_params: usize,
    /// How often one segment may stand in the path of a link: `/a/b/a/` has `a` twice.
    pub max_repeated_segments: usize,
    /// What is added to the canonical form of every URL of the job.
    pub normalize: NormalizeSettings,
}

/// What is different for one source: each key that is given stands instead of the one in `[scope]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Override {
    /// Instead of `scope.type`.
    #[serde(rename = "type")]
    pub kind: Option<ScopeType>,
    /// Instead of `scope.include`.
    pub include: Option<Vec<String>>,
    /// Instead of `scope.exclude`.
    pub exclude: Option<Vec<String>>,
    /// Instead of `scope.extra_hops`.
    pub extra_hops: Option<u8>,
    /// Instead of `scope.nofollow`.
    pub nofollow: Option<Nofollow>,
    /// Instead of `scope.sitemaps`.
    pub sitemaps: Option<bool>,
    /// Instead of `scope.max_url_length`.
    pub max_url_length: Option<usize>,
    /// Instead of `scope.max_path_segments`.
    pub max_path_segments: Option<usize>,
    /// Instead of `scope.max_query_params`.
    pub max_query_params: Option<usize>,
    /// Instead of `scope.max_repeated_segments`.
    pub max_repeated_segments: Option<usize>,
}

/// Which links are in scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScopeType {
    /// None: only the seeds, and what they redirect to.
    #[default]
    Page,
    /// Those in or below the directory of a seed: same scheme and host, and a path that begins like the seed's up
    /// to its last `/`. A directory needs that slash: the seed `/docs` stands in `/`.
    Prefix,
    /// Those on the host of a seed: same name and port, over http and https alike.
    Host,
    /// Those on the registrable domain of a seed, by the public suffix list: `www.example.co.uk` and
    /// `example.co.uk` alike.
    Domain,
    /// All.
    Any,
}

/// What becomes of links marked `nofollow`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Nofollow {
    /// They are not followed.
    #[default]
    Obey,
    /// They are links like all others.
    Ignore,
}

/// The `[scope.normalize]` table: when two URLs are one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NormalizeSettings {
    /// Whether parameters are brought into the order of their names. Those of one name keep their order.
    pub sort_query: bool,
    /// Parameters that are dropped: names, or beginnings of names with a `*` at the end, such as `utm_*`. Held
    /// against the decoded name; case counts.
    pub strip_params: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kind: ScopeType::default(),
            include: Vec::new(),
            exclude: Vec::new(),
            extra_hops: 0,
            nofollow: Nofollow::default(),
            sitemaps: false,
            max_url_length: 2048,
            max_path_segments: 32,
            max_query_params: 32,
            max_repeated_segments: 3,
            normalize: NormalizeSettings::default(),
        }
    }
}

impl NormalizeSettings {
    /// What carries it out.
    pub fn build(&self) -> Normalize {
        Normalize::new(self.sort_query, &self.strip_params)
    }
}

impl fmt::Display for ScopeType {
    /// As in the config.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Page => "page",
            Self::Prefix => "prefix",
            Self::Host => "host",
            Self::Domain => "domain",
            Self::Any => "any",
        })
    }
}

/// What is wrong in the `[scope]` table: the full name of each key, and why in words that stand alone.
pub fn check(settings: &Settings) -> Vec<(String, String)> {
    let mut wrongs = check_patterns("scope.include", &settings.include);
    wrongs.extend(check_patterns("scope.exclude", &settings.exclude));
    wrongs.extend(too_small("scope", Some(settings.max_url_length), Some(settings.max_repeated_segments)));
    for (index, pattern) in settings.normalize.strip_params.iter().enumerate() {
        if let Err(why) = Normalize::check(pattern) {
            wrongs.push((format!("scope.normalize.strip_params[{index}]"), format!("`{pattern}` {why}")));
        }
    }
    wrongs
}

/// The same for the override at `key`: `sources[2].scope`.
pub fn check_override(key: &str, settings: &Override) -> Vec<(String, String)> {
    let of = |list: &Option<Vec<String>>, name: &str| {
        list.as_deref().map_or(Vec::new(), |patterns| check_patterns(&format!("{key}.{name}"), patterns))
    };
    let mut wrongs = of(&settings.include, "include");
    wrongs.extend(of(&settings.exclude, "exclude"));
    wrongs.extend(too_small(key, settings.max_url_length, settings.max_repeated_segments));
    wrongs
}

/// Bounds at which no URL at all would be left. The other two may well be 0: no query, no path.
fn too_small(table: &str, length: Option<usize>, repeated: Option<usize>) -> Vec<(String, String)> {
    let bounds = [("max_url_length", length), ("max_repeated_segments", repeated)];
    let zero = bounds.into_iter().filter(|(_, bound)| *bound == Some(0));
    zero.map(|(name, _)| (format!("{table}.{name}"), format!("`{table}.{name}` must be 1 or more"))).collect()
}

/// What is wrong with the regexes of a key. If each is right by itself, they must also fit together.
pub fn check_patterns(key: &str, patterns: &[String]) -> Vec<(String, String)> {
    let wrong = |(index, pattern): (usize, &String)| {
        let why = why_not(pattern)?;
        Some((format!("{key}[{index}]"), format!("`{pattern}` {why}")))
    };
    let wrongs: Vec<_> = patterns.iter().enumerate().filter_map(wrong).collect();
    match RegexSet::new(patterns) {
        Err(error) if wrongs.is_empty() => {
            vec![(key.to_owned(), format!("the regexes of `{key}` together: {}", in_a_line(&error)))]
        }
        _ => wrongs,
    }
}

/// Why a text can be no regex over URLs; the words follow the text.
fn why_not(pattern: &str) -> Option<String> {
    if pattern.is_empty() {
        return Some("is empty and would match every URL".to_owned());
    }
    if !pattern.is_ascii() {
        let what = "can never match: URLs are matched in their canonical form, which is ASCII (`%C3%BC` for `ü` in a path, `xn--...` in a host)";
        return Some(what.to_owned());
    }
    Regex::new(pattern).err().map(|error| format!("is no regex: {}", in_a_line(&error)))
}

/// What is wrong with a regex, without the drawing of where.
fn in_a_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(wrongs: Vec<(String, String)>) -> Vec<String> {
        wrongs.into_iter().map(|(key, what)| format!("{key}: {what}")).collect()
    }

    #[test]
    fn every_wrong_key_is_named() {
        let settings = Settings {
            include: vec!["/a/".into(), "(".into(), String::new()],
            exclude: vec![r"\.pdf$".into(), "(?=x)".into(), "/ü/".into()],
            max_repeated_segments: 0,
            normalize: NormalizeSettings {
                sort_query: true,
                strip_params: vec!["utm_*".into(), "a*b".into()],
            },
            ..Settings::default()
        };
        assert_eq!(
            lines(check(&settings)),
            [
                "scope.include[1]: `(` is no regex: unclosed group",
                "scope.include[2]: `` is empty and would match every URL",
                "scope.exclude[1]: `(?=x)` is no regex: look-around, including look-ahead and look-behind, is not supported",
                "scope.exclude[2]: `/ü/` can never match: URLs are matched in their canonical form, which is ASCII (`%C3%BC` for `ü` in a path, `xn--...` in a host)",
                "scope.max_repeated_segments: `scope.max_repeated_segments` must be 1 or more",
                "scope.normalize.strip_params[1]: `a*b` may have a `*` at its end only",
            ]
        );
        assert_eq!(check(&Settings::default()), []);
    }

    #[test]
    fn an_override_is_checked_under_its_own_name() {
        let settings =
            Override { exclude: Some(vec!["[".into()]), max_url_length: Some(0), ..Override::default() };
        assert_eq!(
            lines(check_override("sources[2].scope", &settings)),
            [
                "sources[2].scope.exclude[0]: `[` is no regex: unclosed character class",
                "sources[2].scope.max_url_length: `sources[2].scope.max_url_length` must be 1 or more",
            ]
        );
    }

    #[test]
    fn regexes_that_are_too_large_are_refused_alone_and_together() {
        let wrongs = check_patterns("scope.include", &["(?:[a-z]{1000}){1000}".to_owned()]);
        let too_large = "is no regex: Compiled regex exceeds size limit of 10485760 bytes.";
        assert_eq!(lines(wrongs), [format!("scope.include[0]: `(?:[a-z]{{1000}}){{1000}}` {too_large}")]);
        let many: Vec<String> = (0..40).map(|n| format!("{n}[a-z]{{9000}}")).collect();
        let wrongs = lines(check_patterns("scope.include", &many));
        assert_eq!(wrongs.len(), 1, "{wrongs:?}");
        assert!(
            wrongs[0].starts_with("scope.include: the regexes of `scope.include` together: "),
            "{wrongs:?}"
        );
    }

    #[test]
    fn the_names_of_types_are_those_of_the_config() {
        for kind in [ScopeType::Page, ScopeType::Prefix, ScopeType::Host, ScopeType::Domain, ScopeType::Any] {
            assert_eq!(serde_json::json!(kind), kind.to_string());
        }
        let settings: Settings = serde_json::from_str("{\"type\": \"host\"}").expect("settings");
        assert_eq!(settings, Settings { kind: ScopeType::Host, ..Settings::default() });
        let normalize = serde_json::from_str::<Override>("{\"normalize\": {}}").expect_err("job-wide");
        assert!(normalize.to_string().starts_with("unknown field `normalize`"), "{normalize}");
    }
}

//! What the schema cannot say: names that must be safe, addresses that must parse, keys that need each
//! other. Asks the rooms where a rule is theirs. Fills in what depends on other keys. Of the surroundings it
//! sees only which paths exist, since those are no globs.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use http::HeaderValue;

use super::outputs;
use super::problem::Problem;
use super::shape::listed;
use super::tests_table;
use super::text::{Texts, shown};
use super::walk::{Places, join};
use super::{Config, Host};
use crate::fetch::{self, PrivateNetworks};
use crate::frontier::Hours;
use crate::model::{canonical, check_scope, check_scope_override, host_key};
use crate::parse::{Rules, lastmod_moment};
use crate::secret::Text;
use crate::source;

/// Longest name of a job, source or sink.
const LONGEST_NAME: usize = 64;
/// Ids of the outputs that every run has.
const OWN_SINKS: [&str; 2] = ["records", "outcomes"];

/// Something wrong with a key.
pub struct Wrong {
    key: String,
    on: On,
    what: String,
    hint: Option<String>,
}

/// What of a key is marked.
#[derive(Clone, Copy)]
pub enum On {
    Key,
    Value,
}

impl Wrong {
    pub fn new(key: impl Into<String>, on: On, what: impl Into<String>) -> Self {
        Self { key: key.into(), on, what: what.into(), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with its place.
    pub fn problem(self, texts: &Texts, places: &Places) -> Problem {
        let at = places.locate(&self.key);
        let span = at.map_or(0..1, |at| match self.on {
            On::Key => at.key.clone(),
            On::Value => at.value.clone(),
        });
        Problem::new(texts, &span, self.what, self.hint)
    }
}

/// Fills in what depends on other keys, brings host names to their one form, and returns what is wrong.
pub fn complete(config: &mut Config, folder: &Path) -> Vec<Wrong> {
    let mut wrongs = Vec::new();
    job(config, folder, &mut wrongs);
    http(config, &mut wrongs);
    hosts(config, &mut wrongs);
    amounts(config, &mut wrongs);
    sources(config, folder, &mut wrongs);
    scope(config, &mut wrongs);
    extract(config, &mut wrongs);
    outputs::sinks(config, &mut wrongs);
    outputs::exports(config, &mut wrongs);
    wrongs
}

/// What helps against most of what is wrong in a regex.
const REGEX_HINT: &str = "a sign that stands for itself needs a `\\` before it, as in `\\?` or `\\(`";

/// Regexes and patterns that do not compile, in the job's scope and in those of its sources.
fn scope(config: &Config, wrongs: &mut Vec<Wrong>) {
    let mut found = check_scope(&config.scope);
    for (index, source) in config.sources.iter().enumerate() {
        if let Some(scope) = source.scope() {
            found.extend(check_scope_override(&format!("sources[{index}].scope"), scope));
        }
    }
    let named = |(key, what): (String, String)| {
        let what = if what.contains(&key) { what } else { format!("`{key}`: {what}") };
        let is_regex = what.contains("is no regex");
        let wrong = Wrong::new(key, On::Value, what);
        if is_regex { wrong.hint(REGEX_HINT.to_owned()) } else { wrong }
    };
    wrongs.extend(found.into_iter().map(named));
}

/// Rules with selectors, paths and regexes that do not compile, or that ask for what cannot be; and their tests.
fn extract(config: &Config, wrongs: &mut Vec<Wrong>) {
    unique("extract", config.extract.iter().map(|rule| rule.id.as_str()), wrongs);
    for (index, rule) in config.extract.iter().enumerate() {
        let Some(wanted) = &rule.matching.source else { continue };
        // Without any source there is a problem already.
        if !config.sources.is_empty() && !config.sources.iter().any(|source| source.id() == wanted) {
            let what = format!("there is no source `{}`", shown(wanted));
            let wrong = Wrong::new(format!("extract[{index}].match.source"), On::Value, what);
            let ids: Vec<&str> = config.sources.iter().map(source::Settings::id).collect();
            wrongs.push(wrong.hint(format!("the sources are {}", listed(ids))));
        }
    }
    let compiled = Rules::compile(&config.extract, &|_| String::new()).1;
    for (key, what, hint) in compiled.into_iter().chain(tests_table::wrongs(config)) {
        let wrong = Wrong::new(key, On::Value, what);
        wrongs.push(match hint {
            Some(hint) => wrong.hint(hint),
            None => wrong,
        });
    }
}

fn job(config: &mut Config, folder: &Path, wrongs: &mut Vec<Wrong>) {
    let job = &mut config.job;
    if let Err(what) = safe_name(&job.name) {
        wrongs.push(Wrong::new("job.name", On::Value, format!("`job.name` {what}")));
    }
    if job.state_dir.as_os_str().is_empty() {
        job.state_dir = folder.join("data/store").join(&job.name);
    }
    if job.output_dir.as_os_str().is_empty() {
        job.output_dir = folder.join("data/out").join(&job.name);
    }
    if job.state_dir == job.output_dir {
        let what = "`job.output_dir` and `job.state_dir` are the same folder";
        wrongs.push(Wrong::new("job.output_dir", On::Value, what).hint("give each a folder of its own"));
    }
}

fn http(config: &Config, wrongs: &mut Vec<Wrong>) {
    let http = &config.http;
    if HeaderValue::from_bytes(http.user_agent.as_bytes()).is_err() || http.user_agent.trim().is_empty() {
        let what = "`http.user_agent` must be some text, without line ends";
        wrongs.push(Wrong::new("http.user_agent", On::Value, what));
    }
    headers("http.headers", &http.headers, wrongs);
    if let Some(Text::Plain(proxy)) = &http.proxy {
        check_proxy(proxy, wrongs);
    }
    if let PrivateNetworks::Some(networks) = &http.allow_private_networks {
        for (index, network) in networks.iter().enumerate() {
            let Err(why) = fetch::check_network(network) else { continue };
            let key = format!("http.allow_private_networks[{index}]");
            let what = format!("`{}` is no network: {why}", shown(network));
            wrongs.push(
                Wrong::new(key, On::Value, what).hint("write for example \"10.1.0.0/16\" or \"::1/128\""),
            );
        }
    }
    for (host, addresses) in &http.resolve {
        let key = join("http.resolve", host);
        if let Err(why) = fetch::check_resolved(host) {
            let what = format!("`{}` {why}", shown(host));
            wrongs.push(Wrong::new(&*key, On::Key, what).hint("write it without scheme, port and path"));
        }
        if addresses.is_empty() {
            wrongs.push(Wrong::new(&*key, On::Value, format!("`{key}` names no address")));
        }
        for (index, address) in addresses.iter().enumerate() {
            if address.parse::<IpAddr>().is_err() {
                let what = format!("`{}` is no IP address", shown(address));
                let wrong = Wrong::new(format!("{key}[{index}]"), On::Value, what);
                wrongs.push(wrong.hint("write for example \"10.0.0.7\" or \"fd00::7\""));
            }
        }
    }
}

/// A proxy written out in the config. What stands there may hold a password, so it is not repeated.
fn check_proxy(proxy: &str, wrongs: &mut Vec<Wrong>) {
    let wrong = |what: String| Wrong::new("http.proxy", On::Value, what);
    match fetch::check_proxy(proxy) {
        Err(why) => {
            let hint = "write for example \"http://proxy.example.org:3128\" or \"socks5://127.0.0.1:1080\"";
            wrongs.push(wrong(format!("`http.proxy` is no address of a proxy: {why}")).hint(hint));
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            let hint =
                "give the whole address as a reference: `proxy = { env = \"NAME\" }` or `{ file = \"...\" }`";
            wrongs.push(wrong("`http.proxy` holds credentials in plain text".to_owned()).hint(hint));
        }
        Ok(_) => {}
    }
}

fn headers(table: &str, headers: &BTreeMap<String, Text>, wrongs: &mut Vec<Wrong>) {
    for (name, value) in headers {
        let key = join(table, name);
        if let Err((why, hint)) = fetch::check_header(name) {
            let what = format!("`{}` {why}", shown(name));
            wrongs.push(Wrong::new(&*key, On::Key, what).hint(hint));
        }
        if matches!(value, Text::Plain(value) if HeaderValue::from_bytes(value.as_bytes()).is_err()) {
            let what = format!("`{key}` holds a character that no header may have");
            wrongs.push(Wrong::new(&*key, On::Value, what));
        }
    }
}

/// Host names in the one form that requests have: lower case, punycode, no default port.
fn hosts(config: &mut Config, wrongs: &mut Vec<Wrong>) {
    let mut known: BTreeMap<String, Host> = BTreeMap::new();
    for (name, host) in std::mem::take(&mut config.hosts) {
        let key = join("hosts", &name);
        headers(&join(&key, "headers"), &host.headers, wrongs);
        if let (false, Err(what)) = (host.allowed_hours.is_empty(), Hours::parse(&host.allowed_hours)) {
            wrongs.push(Wrong::new(join(&key, "allowed_hours"), On::Value, what));
        }
        match host_of(&name) {
            None => {
                let wrong = Wrong::new(&*key, On::Key, format!("`{}` is no host", shown(&name)));
                wrongs
                    .push(wrong.hint("write the name alone or with a port: `[hosts.\"example.org:8080\"]`"));
            }
            Some(form) => {
                if known.insert(form.clone(), host).is_some() {
                    wrongs.push(Wrong::new(&*key, On::Key, format!("the host `{form}` has two tables")));
                }
            }
        }
    }
    config.hosts = known;
}

/// The host key that a name stands for, if it is nothing but a host with or without a port.
fn host_of(name: &str) -> Option<String> {
    if name.contains(['/', '?', '#', '@', '\\']) || name.chars().any(|c| c.is_whitespace() || c.is_control())
    {
        return None;
    }
    canonical(&format!("http://{name}/"), None).ok().map(|url| host_key(&url))
}

/// Amounts that would stop a job from doing anything.
fn amounts(config: &Config, wrongs: &mut Vec<Wrong>) {
    let times = [
        ("http.timeout.connect", Some(config.http.timeout.connect)),
        ("http.timeout.read", Some(config.http.timeout.read)),
        ("http.timeout.total", Some(config.http.timeout.total)),
        ("limits.max_duration", config.limits.max_duration),
        ("checkpoint.every", Some(config.checkpoint.every)),
    ];
    let sizes = [("http.max_body", config.http.max_body), ("limits.memory", config.limits.memory)];
    let times = times.into_iter().filter(|(_, time)| time.is_some_and(|time| time.0.is_zero()));
    let sizes = sizes.into_iter().filter(|(_, size)| size.0 == 0);
    for key in times.map(|(key, _)| key).chain(sizes.map(|(key, _)| key)) {
        let wrong = Wrong::new(key, On::Value, format!("`{key}` must be more than nothing"));
        wrongs.push(wrong.hint("leave the key out to get its default"));
    }
}

fn sources(config: &Config, folder: &Path, wrongs: &mut Vec<Wrong>) {
    let ids = config.sources.iter().map(source::Settings::id);
    unique("sources", ids, wrongs);
    let mut reads_stdin = false;
    for (index, settings) in config.sources.iter().enumerate() {
        let key = format!("sources[{index}]");
        match settings {
            source::Settings::Urls(urls) => check_urls(&key, &urls.urls, wrongs),
            source::Settings::Feed(feed) => check_urls(&key, &feed.urls, wrongs),
            source::Settings::Sitemap(sitemap) => {
                check_urls(&key, &sitemap.urls, wrongs);
                if let Some(text) =
                    sitemap.lastmod_after.as_deref().filter(|text| lastmod_moment(text).is_none())
                {
                    let what = format!("`{}` is no date", shown(text));
                    let hint = "write for example \"2026-01-01\" or \"2026-01-01T06:00:00Z\"";
                    wrongs.push(Wrong::new(format!("{key}.lastmod_after"), On::Value, what).hint(hint));
                }
            }
            source::Settings::List(list) => {
                if list.format() != source::list::Format::Lines && list.column.is_none() {
                    let what = format!("`column` is missing in the source `{}`", shown(&list.id));
                    let hint = "CSV and JSON Lines need the name of the column or key that holds the URL: `column = \"url\"`";
                    wrongs.push(Wrong::new(format!("{key}.path"), On::Value, what).hint(hint));
                }
                if list.is_stdin() {
                    if reads_stdin {
                        let what = "two sources read standard input";
                        wrongs.push(Wrong::new(format!("{key}.path"), On::Value, what));
                    }
                    reads_stdin = true;
                }
            }
            source::Settings::Files(files) => check_files(&key, files, folder, wrongs),
        }
    }
}

fn check_urls(key: &str, urls: &[String], wrongs: &mut Vec<Wrong>) {
    if urls.is_empty() {
        wrongs.push(Wrong::new(format!("{key}.urls"), On::Value, "a source without any URL"));
    }
}

fn check_files(key: &str, files: &source::files::Settings, folder: &Path, wrongs: &mut Vec<Wrong>) {
    if files.paths.is_empty() {
        wrongs.push(Wrong::new(format!("{key}.paths"), On::Value, "a source without any path"));
    }
    for (index, path) in files.paths.iter().enumerate() {
        if let Err(why) = source::files::check_path(path) {
            let path = path.strip_prefix(folder).unwrap_or(path).to_string_lossy();
            let what = format!("`{}` {why}", shown(&path));
            wrongs.push(Wrong::new(format!("{key}.paths[{index}]"), On::Value, what));
        }
    }
    if let Some(Err(error)) = files.base_url.as_deref().map(|base| canonical(base, None)) {
        let wrong = Wrong::new(format!("{key}.base_url"), On::Value, format!("`base_url`: {error}"));
        wrongs.push(wrong.hint("write for example \"https://docs.example.org/\""));
    }
}

/// Ids must be safe as names and stand once.
pub fn unique<'a>(list: &str, ids: impl Iterator<Item = &'a str>, wrongs: &mut Vec<Wrong>) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, id) in ids.enumerate() {
        let key = format!("{list}[{index}].id");
        if let Err(what) = safe_name(id) {
            wrongs.push(Wrong::new(key, On::Value, format!("`id` {what}")));
        } else if let Some(first) = seen.iter().position(|other| *other == id) {
            let what = format!("`{id}` is already the id of {list}[{first}]");
            wrongs.push(Wrong::new(key, On::Value, what).hint("give each an id of its own"));
        } else if matches!(list, "sinks" | "exports") && OWN_SINKS.contains(&id) {
            let what = format!("`{id}` is the id of an output that every run has");
            wrongs.push(Wrong::new(key, On::Value, what).hint("choose another id"));
        }
        seen.push(id);
    }
}

/// Whether a name can be a folder anywhere; the error follows the name of the key.
fn safe_name(name: &str) -> Result<(), String> {
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if name.is_empty() {
        Err("is empty".to_owned())
    } else if name.len() > LONGEST_NAME {
        Err(format!("is {} bytes long, more than {LONGEST_NAME}", name.len()))
    } else if name.starts_with('.') {
        Err(format!("must not begin with a dot: `{}`", shown(name)))
    } else if !name.bytes().all(safe) {
        Err(format!("may hold letters, digits, `.`, `_` and `-` only: `{}`", shown(name)))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_come_to_one_form() {
        let cases = [
            ("EXAMPLE.org.", "example.org"),
            ("bücher.example:80", "xn--bcher-kva.example"),
            ("[::1]:8080", "[::1]:8080"),
            ("file", "file"),
        ];
        for (name, form) in cases {
            assert_eq!(host_of(name).as_deref(), Some(form));
        }
        for name in ["", "a/b", "http://a", "u@a", "a b", "a:x", "a?b"] {
            assert_eq!(host_of(name), None, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_name_and_a_host_or_not(text in "\\PC{0,30}|[0-9a-f:./+]{0,30}") {
            let _ = host_of(&text);
            // A name that is safe is one folder, whatever the system makes of paths.
            if safe_name(&text).is_ok() {
                proptest::prop_assert_eq!(Path::new(&text).components().count(), 1);
            }
        }
    }
}

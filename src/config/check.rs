//! What the schema cannot say: names that must be safe, addresses that must parse, keys that need each
//! other. Fills in what depends on other keys. Looks at the config alone, not at its surroundings.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Component, Path};

use http::{HeaderName, HeaderValue};
use url::Url;

use super::problem::Problem;
use super::text::{Texts, shown};
use super::walk::{Places, join};
use super::{Config, Host};
use crate::fetch::PrivateNetworks;
use crate::model::{canonical, host_key};
use crate::secret::Text;
use crate::sink;
use crate::source;

/// Longest name of a job, source or sink.
const LONGEST_NAME: usize = 64;
/// What every run directory has, so that no sink may take it.
const RESERVED: [&str; 8] = [
    "records",
    "outcomes",
    "manifest.json",
    "summary.json",
    "status.json",
    "config.toml",
    "run.log.jsonl",
    "_SUCCESS",
];
/// Headers that belong to the connection or to the framing of a message.
const OWN_HEADERS: [&str; 7] =
    ["host", "connection", "content-length", "te", "trailer", "transfer-encoding", "upgrade"];
/// Schemes of proxies.
const PROXIES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// Something wrong with a key.
pub struct Wrong {
    key: String,
    on: On,
    what: String,
    hint: Option<String>,
}

/// What of a key is marked.
#[derive(Clone, Copy)]
enum On {
    Key,
    Value,
}

impl Wrong {
    fn new(key: impl Into<String>, on: On, what: impl Into<String>) -> Self {
        Self { key: key.into(), on, what: what.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
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
    sinks(config, &mut wrongs);
    wrongs
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
        let is_proxy =
            |url: Url| PROXIES.contains(&url.scheme()) && url.host_str().is_some_and(|host| !host.is_empty());
        if !Url::parse(proxy).is_ok_and(is_proxy) {
            let what = format!("`http.proxy`: `{}` is no address of a proxy", shown(proxy));
            let hint = "write for example \"http://proxy.example.org:3128\" or \"socks5://127.0.0.1:1080\"";
            wrongs.push(Wrong::new("http.proxy", On::Value, what).hint(hint));
        }
    }
    if let PrivateNetworks::Some(networks) = &http.allow_private_networks {
        for (index, network) in networks.iter().enumerate() {
            let Err(why) = check_network(network) else { continue };
            let key = format!("http.allow_private_networks[{index}]");
            let what = format!("`{}` is no network: {why}", shown(network));
            wrongs.push(
                Wrong::new(key, On::Value, what).hint("write for example \"10.1.0.0/16\" or \"::1/128\""),
            );
        }
    }
    for (host, addresses) in &http.resolve {
        let key = join("http.resolve", host);
        if host_of(host).is_none_or(|known| known != host.to_ascii_lowercase() || known.contains(':')) {
            let what = format!("`{}` is no plain host name", shown(host));
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

fn headers(table: &str, headers: &BTreeMap<String, Text>, wrongs: &mut Vec<Wrong>) {
    for (name, value) in headers {
        let key = join(table, name);
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            let what = format!("`{}` is no name of a header", shown(name));
            wrongs.push(Wrong::new(&*key, On::Key, what).hint("write for example `Accept-Language`"));
        } else if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            let what = format!("the header `{name}` belongs to the connection, which trawl makes itself");
            wrongs.push(Wrong::new(&*key, On::Key, what));
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
            source::Settings::Urls(urls) => {
                if urls.urls.is_empty() {
                    wrongs.push(Wrong::new(format!("{key}.urls"), On::Value, "a source without any URL"));
                }
            }
            source::Settings::List(list) => {
                let format = list.format.unwrap_or_else(|| list_format(&list.path));
                if format != source::list::Format::Lines && list.column.is_none() {
                    let what = format!("`column` is missing in the source `{}`", shown(&list.id));
                    let hint = "CSV and JSON Lines need the name of the column or key that holds the URL: `column = \"url\"`";
                    wrongs.push(Wrong::new(format!("{key}.path"), On::Value, what).hint(hint));
                }
                if list.path == Path::new("-") {
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

/// How a list is written, by its name, where the config does not say.
fn list_format(path: &Path) -> source::list::Format {
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    match ending.to_str() {
        Some("csv") => source::list::Format::Csv,
        Some("jsonl" | "ndjson") => source::list::Format::Jsonl,
        _ => source::list::Format::Lines,
    }
}

fn check_files(key: &str, files: &source::files::Settings, folder: &Path, wrongs: &mut Vec<Wrong>) {
    if files.paths.is_empty() {
        wrongs.push(Wrong::new(format!("{key}.paths"), On::Value, "a source without any path"));
    }
    for (index, path) in files.paths.iter().enumerate() {
        // The folder of the config is no pattern, whatever its name.
        let glob = path.strip_prefix(folder).unwrap_or(path).to_string_lossy();
        if let Err(error) = globset::Glob::new(&glob) {
            let what = format!("`{}` is no glob: {}", shown(&glob), error.kind());
            wrongs.push(Wrong::new(format!("{key}.paths[{index}]"), On::Value, what));
        }
    }
    if let Some(Err(error)) = files.base_url.as_deref().map(|base| canonical(base, None)) {
        let wrong = Wrong::new(format!("{key}.base_url"), On::Value, format!("`base_url`: {error}"));
        wrongs.push(wrong.hint("write for example \"https://docs.example.org/\""));
    }
}

fn sinks(config: &Config, wrongs: &mut Vec<Wrong>) {
    let ids = config.sinks.iter().map(|settings| match settings {
        sink::Settings::Pages(pages) => pages.id.as_str(),
    });
    unique("sinks", ids, wrongs);
    let mut folders: Vec<&str> = Vec::new();
    for (index, settings) in config.sinks.iter().enumerate() {
        let sink::Settings::Pages(pages) = settings;
        let (key, folder) = match &pages.path {
            Some(path) => ("path", path.as_str()),
            None => ("id", pages.id.as_str()),
        };
        let folder = folder.trim_end_matches('/');
        let key = format!("sinks[{index}].{key}");
        let parts: Vec<Component<'_>> = Path::new(folder).components().collect();
        let is_plain = |part: &Component<'_>| matches!(part, Component::Normal(name) if name.to_str().is_some_and(|name| safe_name(name).is_ok()));
        if parts.is_empty() || !parts.iter().all(is_plain) {
            let what = format!("`{}` is no folder within the run directory", shown(folder));
            let hint = "write a relative path without `..`: letters, digits, `.`, `_` and `-`";
            wrongs.push(Wrong::new(key, On::Value, what).hint(hint));
        } else if RESERVED.iter().any(|name| parts[0] == Component::Normal(name.as_ref())) {
            let what = format!("`{folder}` is taken by what every run writes");
            wrongs.push(Wrong::new(key, On::Value, what).hint("choose another name"));
        } else if folders.contains(&folder) {
            wrongs.push(Wrong::new(key, On::Value, format!("two sinks write to the folder `{folder}`")));
        }
        folders.push(folder);
    }
}

/// Ids must be safe as names and stand once.
fn unique<'a>(list: &str, ids: impl Iterator<Item = &'a str>, wrongs: &mut Vec<Wrong>) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, id) in ids.enumerate() {
        let key = format!("{list}[{index}].id");
        if let Err(what) = safe_name(id) {
            wrongs.push(Wrong::new(key, On::Value, format!("`id` {what}")));
        } else if let Some(first) = seen.iter().position(|other| *other == id) {
            let what = format!("`{id}` is already the id of {list}[{first}]");
            wrongs.push(Wrong::new(key, On::Value, what).hint("give each an id of its own"));
        } else if list == "sinks" && RESERVED[..2].contains(&id) {
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

/// Whether a text is a network in CIDR form, or a single address.
fn check_network(text: &str) -> Result<(), &'static str> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let (address, width) = match address.parse() {
        Ok(IpAddr::V4(v4)) => (u128::from(u32::from(v4)), 32),
        Ok(IpAddr::V6(v6)) => (u128::from(v6), 128),
        Err(_) => return Err("it does not begin with an IP address"),
    };
    let Some(bits) = bits else { return Ok(()) };
    let bits: u32 = match bits.parse() {
        Ok(length) if length <= width && bits.bytes().all(|b| b.is_ascii_digit()) => length,
        _ => return Err("its prefix is no number that fits the address"),
    };
    match address.checked_shl(128 - width + bits) {
        Some(rest) if rest != 0 => Err("bits are set behind its prefix"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_told_from_what_only_looks_like_one() {
        for good in ["10.0.0.0/8", "0.0.0.0/0", "::/0", "::1", "127.0.0.1/32", "fd00::/8", "::1/128"] {
            assert_eq!(check_network(good), Ok(()), "{good}");
        }
        for bad in
            ["10.0.0.1/8", "fd00::1/8", "1.2.3.4/0", "10.0.0.0/33", "::/129", "::/+1", "::/", "10/8", "x", ""]
        {
            assert!(check_network(bad).is_err(), "{bad}");
        }
    }

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
        fn any_text_is_a_name_a_host_and_a_network_or_not(text in "\\PC{0,30}|[0-9a-f:./+]{0,30}") {
            let (_, _) = (check_network(&text), host_of(&text));
            // A name that is safe is one folder, whatever the system makes of paths.
            if safe_name(&text).is_ok() {
                proptest::prop_assert_eq!(Path::new(&text).components().count(), 1);
            }
        }
    }
}

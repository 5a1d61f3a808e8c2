//! From a file and overrides to a [`Config`], or to everything that is wrong with them. Reads the config
//! file and nothing else: what the config refers to is looked at elsewhere.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use super::check;
use super::problem::{ConfigErrors, ENOUGH, Problem};
use super::read::{DEFAULT_PATH, read};
use super::sets;
use super::text::{Texts, shown_whole};
use super::walk::{Places, Walk};
use super::{Config, schema};

/// A config that holds, and where each of its keys stands.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the file says, with defaults filled in and paths absolute.
    pub config: Config,
    /// The file, as an absolute path.
    pub path: PathBuf,
    /// `blake3:` and the hash of what the config means: comments, order and defaults written out do
    /// not change it.
    pub digest: String,
    texts: Texts,
    places: Places,
}

/// Loads `path`, or `./config.toml`, and lays `sets` over it, each of the form `key.path=value`.
pub fn load(path: Option<&Path>, sets: &[String]) -> Result<Loaded, ConfigErrors> {
    let path = path.unwrap_or(Path::new(DEFAULT_PATH));
    let text = read(path)?;
    let whole = std::path::absolute(path).ok().filter(|whole| whole.to_str().is_some()).ok_or_else(|| {
        ConfigErrors::whole("the folder of the config has a name that is not UTF-8", "rename it")
    })?;
    from_text(&path.display().to_string(), &whole, &text, sets)
}

/// The same for a text that stands in the file `path`, called `name` in messages.
pub fn from_text(name: &str, path: &Path, text: &str, sets: &[String]) -> Result<Loaded, ConfigErrors> {
    let name = shown_whole(name);
    let mut texts = Texts::new(&name, text);
    let (mut tree, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(ConfigErrors::places(&name, syntax(&texts, &errors)));
    }
    let (mut problems, mut overrides) = (Vec::new(), Vec::new());
    for set in sets {
        let start = texts.add_set(set);
        match sets::read(set, start) {
            Ok(set) => overrides.push(set),
            Err(what) => {
                let hint = Some(sets::HINT.to_owned());
                problems.push(Problem::new(&texts, &(start..start + set.len()), what, hint));
            }
        }
    }
    for set in &overrides {
        if let Err(what) = set.apply(tree.get_mut()) {
            problems.push(Problem::new(&texts, &set.span, what, None));
        }
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let schema = schema();
    let mut walk = Walk::new(&schema, &texts, folder);
    walk.run(tree.get_mut());
    problems.append(&mut walk.problems);
    let places = walk.places;
    if !problems.is_empty() {
        stand_in(tree.get_mut());
    }
    match Config::deserialize(toml::de::Deserializer::from(tree)) {
        Ok(mut config) => {
            let wrongs = check::complete(&mut config, folder);
            problems.extend(wrongs.into_iter().map(|wrong| wrong.problem(&texts, &places)));
            if problems.is_empty() {
                let digest = digest(&config);
                return Ok(Loaded { config, path: path.to_owned(), digest, texts, places });
            }
        }
        // What was cut out of the tree may be missed here; it has been reported already.
        Err(_) if !problems.is_empty() => {}
        Err(error) => {
            let span = error.span().unwrap_or(0..1);
            problems.push(Problem::new(&texts, &span, error.message(), None));
        }
    }
    Err(ConfigErrors::places(&name, problems))
}

/// Puts something harmless where the walk cut out what no config can be without, so that the rest of a
/// wrong config is judged too. Nothing of it leaves this file.
fn stand_in<'i>(tree: &mut DeTable<'i>) {
    const NEEDED: &str = "config_version = 1\nsources = []\njob = { name = \"unknown\" }";
    let needed: Spanned<DeTable<'i>> = DeTable::parse_recoverable(NEEDED).0;
    for (key, value) in needed.into_inner() {
        tree.entry(key).or_insert(value);
    }
}

/// Syntax errors as problems. After a first one in a line the parser only guesses about the rest of it.
fn syntax(texts: &Texts, errors: &[toml::de::Error]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = errors
        .iter()
        .take(ENOUGH)
        .map(|error| Problem::new(texts, &error.span().unwrap_or(0..1), error.message(), None))
        .collect();
    problems.dedup_by_key(|problem| problem.place.line.map(|(line, _)| line));
    problems
}

fn digest(config: &Config) -> String {
    // A config is written as TOML without fail; were it not so, its debug form would still tell it apart.
    let text = toml::to_string(config).unwrap_or_else(|_| format!("{config:?}"));
    format!("blake3:{}", blake3::hash(text.as_bytes()).to_hex())
}

impl Loaded {
    /// Where a key stands: `config.toml:12:3` for `sources[0].urls[2]`. A key that is not written down
    /// stands where the nearest table around it does.
    pub fn place_of(&self, key: &str) -> String {
        self.places
            .locate(key)
            .map_or_else(|| self.texts.place(0).name, |at| self.texts.place(at.value.start).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "config_version = 1\njob.name = 'a'\n\
        [[sources]]\ntype = 'urls'\nid = 'a'\nurls = ['x', 'http://y/']\n";

    fn read(text: &str, sets: &[&str]) -> Result<Loaded, ConfigErrors> {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        from_text("c.toml", Path::new("/etc/x/c.toml"), text, &sets)
    }

    /// The one problem of a good config with `more` before its sources.
    fn check(more: &str, expected: &str) {
        let text = GOOD.replacen("[[", &format!("{more}\n[["), 1);
        let errors = read(&text, &[]).expect_err(more);
        let told: Vec<String> = errors.problems.iter().map(told).collect();
        assert_eq!(told.join("\n"), expected, "{more}");
    }

    fn told(problem: &Problem) -> String {
        let hint = problem.hint.iter().map(|hint| format!(" | {hint}"));
        let (line, column) = problem.place.line.unwrap_or_default();
        format!("{line}:{column}: {}{}", problem.what, hint.collect::<String>())
    }

    #[test]
    fn a_small_config_is_filled_in() {
        let loaded = read(GOOD, &["limits.max_pages=7", "http.timeout.total=5s"]).expect("good");
        let config = &loaded.config;
        assert_eq!(config.job.state_dir, Path::new("/etc/x/data/store/a"));
        assert_eq!(config.job.output_dir, Path::new("/etc/x/data/out/a"));
        assert_eq!(config.http.timeout.total.to_string(), "5s");
        assert_eq!(loaded.place_of("sources[0].urls[1]"), "c.toml:6:14");
        assert_eq!(loaded.place_of("sources[0].column"), "c.toml:3:1");
        assert_eq!(loaded.place_of("limits.max_pages"), "--set limits.max_pages=7");
        assert_eq!(loaded.place_of("retry.max_retries"), "c.toml");
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same_config() {
        let more = "http = { proxy = { env = 'P' }, headers = { A = 'b', C = { file = 's' } }, ca_file = 'ca.pem' }\n\
            hosts.'Bücher.example:80' = { delay = '2s' }\n\
            extract = [{ id = 'r', fields.z = { css = 'p', type = 'float', default = 1, decimal = ',' }, fields.a = { each = 'i', fields.b = { css = 'b' } } }]\nsinks = [{ type = 'pages', id = 'p' }]";
        // A build may have left exports out.
        let exports = crate::export::check("sqlite")
            .map_or("", |()| "exports = [{ type = 'sqlite', id = 'e', path = 'x/y.db' }]");
        let text = GOOD.replacen("[[", &format!("{more}\n{exports}\n[["), 1);
        let first = read(&text, &[]).expect("good");
        assert_eq!(first.config.hosts.keys().collect::<Vec<_>>(), ["xn--bcher-kva.example"]);
        let shown = toml::to_string_pretty(&first.config).expect("TOML");
        let second = read(&shown, &[]).expect("shown");
        assert_eq!(first.config, second.config);
        assert_eq!(first.digest, second.digest);
        assert_ne!(first.digest, read(&text, &["records.links=false"]).expect("set").digest);
    }

    #[test]
    fn unknown_keys_are_led_home() {
        check(
            "polite = 1",
            "3:1: unknown key `polite` | the keys here are `config_version`, `job`, `http`, \
            `politeness`, `retry`, `scope`, `limits`, `checkpoint`, `records`, `log`, `hosts`, `sources`, `extract`, `sinks`, \
            `exports`, `tests`",
        );
        check(
            "max_concurrency = 1",
            "3:1: unknown key `max_concurrency` | `max_concurrency` belongs in [politeness]",
        );
        check(
            "http.host_delay = '1s'",
            "3:6: unknown key `host_delay` in [http] | `host_delay` belongs in [politeness]",
        );
        check(
            "politeness.max_concurency = 1",
            "3:12: unknown key `max_concurency` in [politeness] | did you mean `max_concurrency`?",
        );
        check("http.timeout.reed = 1", "3:14: unknown key `reed` in [http.timeout] | did you mean `read`?");
        check(
            "hosts.'a.b'.dealy = 1",
            "3:13: unknown key `dealy` in [hosts.\"a.b\"] | did you mean `delay`?",
        );
        check(
            "http.max_bodi = 1\nlog.levle = 1",
            "3:6: unknown key `max_bodi` in [http] | did you mean `max_body`?\n4:5: unknown key `levle` in [log] | did you mean `level`?",
        );
    }

    #[test]
    fn rules_that_cannot_be_say_where() {
        let rule = |text: &str| format!("[[extract]]\nid = 'r'\n{text}");
        check(
            &rule("fields.a = { css = 'h1::text' }"),
            "5:20: `h1::text` is no CSS selector: a pseudo-class or pseudo-element that is not known | \
            the text of an element is taken anyway; for an attribute write `attr`",
        );
        check(
            &rule("[extract.fields.a]\neach = 'p'\nfields.b = { json = '$.a[' }"),
            "7:12: `a.b` cannot be found within its list: an element is no JSON",
        );
        check(
            &rule("fields.a = { json = '$.a[' }"),
            "5:21: `$.a[` is no JSONPath: it cannot be read on from character 3 | \
            write it like `$.items[*].price` or `$..price` (RFC 9535)",
        );
        check(
            &rule("fields.a = { css = 'p', type = 'flot' }"),
            "5:32: `extract[0].fields.a.type` must be one of `string`, `int`, `float`, `bool`, `date`, `datetime`, \
            `url`, `json`, not `flot` | did you mean `float`?",
        );
        check(
            &rule("fields.a = { css = 'p', fields.b = { css = 'b', requird = true } }"),
            "5:49: unknown key `requird` in [extract[0].fields.a.fields.b] | did you mean `required`?",
        );
        check(
            &rule("fields.a = { css = 'p', default = 2020-01-01 }"),
            "5:35: `extract[0].fields.a.default` must be a text, a number, `true`, `false`, or a list of them, \
            not the date 2020-01-01 | for example `default = \"...\"`",
        );
        check(
            &rule("match.source = 'b'\n[[extract]]\nid = 'r'"),
            "5:16: there is no source `b` | the sources are `a`\n\
            7:6: `r` is already the id of extract[0] | give each an id of its own",
        );
    }

    #[test]
    fn wrong_values_say_what_is_right() {
        check(
            "http.http2 = 'yes'",
            "3:14: `http.http2` must be `true` or `false`, not the text \"yes\" | for example `http2 = true`",
        );
        check(
            "http.max_redirects = '5'",
            "3:22: `http.max_redirects` must be a whole number of 0 or more, not the text \"5\" | for example `max_redirects = 5`",
        );
        check(
            "http.max_redirects = -1",
            "3:22: `http.max_redirects` must be a whole number of 0 or more, not -1",
        );
        check("http.max_redirects = 4294967296", "3:22: `http.max_redirects` must be at most 4294967295");
        check(
            "http.max_body = 10",
            "3:17: `http.max_body` must be a size with its unit, such as \"64KiB\" or \"10MiB\", not the number 10 | for example `max_body = \"16MiB\"`",
        );
        check(
            "http.max_body = '10'",
            "3:17: `http.max_body`: `10` is not a size; write for example \"64KiB\", \"10MiB\" or \"2GB\"",
        );
        check(
            "politeness.host_delay = 2",
            "3:25: `politeness.host_delay` must be a duration with its unit, such as \"250ms\", \"1s\" or \"2h\", not the number 2 | for example `host_delay = \"2s\"`",
        );
        check(
            "politeness.host_delay = '2'",
            "3:25: `politeness.host_delay`: `2` has no unit; write for example \"30s\", \"250ms\" or \"2h\"",
        );
        check(
            "politeness.autothrottle.target = -0.5",
            "3:34: `politeness.autothrottle.target` must be a number of 0 or more, not the number -0.5 | for example `target = 1.0`",
        );
        check("retry.http_codes = [70000]", "3:21: `retry.http_codes[0]` must be at most 65535");
        check(
            "politeness.host_concurrency = 0",
            "3:31: `politeness.host_concurrency` must be a whole number of 1 or more, not 0",
        );
        check(
            "log.level = 'debg'",
            "3:13: `log.level` must be one of `off`, `error`, `warn`, `info`, `debug`, `trace`, not `debg` | did you mean `debug`?",
        );
        check(
            "http.proxy = 5",
            "3:14: `http.proxy` must be a text in quotes or `{ env = \"...\" }` or `{ file = \"...\" }`, not the number 5 | for example `proxy = \"...\"`",
        );
        check(
            "http.proxy = { env = 'X', file = 'y' }",
            "3:27: unknown key `file` in [http.proxy] | the keys here are `env`",
        );
        check("http.ca_file = ''", "3:16: `http.ca_file`: an empty path");
        check(
            "sinks = [{ id = 'x' }]",
            "3:10: `type` is missing in [[sinks]] | add `type = \"...\"`, one of `jsonl`, `csv`, `warc`, `pages`",
        );
        check(
            "sinks = [{ type = 'page' }]",
            "3:19: `sinks[0].type` must be one of `jsonl`, `csv`, `warc`, `pages`, not `page` | did you mean `pages`?",
        );
        check(
            "sinks = 'x'",
            "3:9: `sinks` must be a list, each of it a table with a `type`, not the text \"x\" | for example `sinks = [\"x\"]`",
        );
    }

    #[test]
    fn addresses_and_names_are_checked_at_load() {
        check("http.user_agent = ''", "3:19: `http.user_agent` must be some text, without line ends");
        check(
            "http.proxy = 'x'",
            "3:14: `http.proxy` is no address of a proxy: relative URL without a base | write for example \"http://proxy.example.org:3128\" or \"socks5://127.0.0.1:1080\"",
        );
        check(
            "http.allow_private_networks = ['::1', '10.0.0.0/33']",
            "3:39: `10.0.0.0/33` is no network: its prefix is longer than the address | write for example \"10.1.0.0/16\" or \"::1/128\"",
        );
        check(
            "http.resolve = { 'a:1' = ['::1'] }",
            "3:18: `a:1` is not the name of a host | write it without scheme, port and path",
        );
        check(
            "http.resolve = { a = ['b'] }",
            "3:23: `b` is no IP address | write for example \"10.0.0.7\" or \"fd00::7\"",
        );
        check("http.resolve = { a = [] }", "3:22: `http.resolve.a` names no address");
        check(
            "http.headers = { 'a b' = 'x' }",
            "3:18: `a b` is not the name of a header | a name has letters, digits and `-` only, such as `Accept-Language`",
        );
        check(
            "http.headers = { Host = 'x' }",
            "3:18: `Host` is a header that belongs to the connection | leave it out; to reach a host at another address use `http.resolve`",
        );
        check(
            "hosts.a.headers = { b = \"x\\u0007\" }",
            "3:25: `hosts.a.headers.b` holds a character that no header may have",
        );
        check(
            "hosts.'http://a' = {}",
            "3:7: `http://a` is no host | write the name alone or with a port: `[hosts.\"example.org:8080\"]`",
        );
        check("hosts = { A = {}, a = {} }", "3:19: the host `a` has two tables");
        check(
            "http.timeout.total = '0s'",
            "3:22: `http.timeout.total` must be more than nothing | leave the key out to get its default",
        );
        check(
            "job.state_dir = 'x'\njob.output_dir = './x'",
            "4:18: `job.output_dir` and `job.state_dir` are the same folder | give each a folder of its own",
        );
    }

    #[test]
    fn sinks_stay_in_their_folder() {
        let sink =
            |id: &str, path: &str| format!("sinks = [{{ type = 'pages', id = '{id}', path = '{path}' }}]");
        let no_folder = |path: &str| {
            format!(
                "3:45: `{path}` is not a folder inside the run directory, such as `pages`: letters, digits, `.`, `_` and `-`"
            )
        };
        for path in ["../x", "/x", "a/../b", "a b", ".x", ""] {
            check(&sink("p", path), &no_folder(path));
        }
        check(
            &sink("p", "outcomes/x"),
            "3:45: `outcomes/x` is taken by what every run writes; choose another `path`",
        );
        check(
            &sink("records", "x"),
            "3:33: `records` is the id of an output that every run has | choose another id",
        );
        check(&sink("a/b", "x"), "3:33: `id` may hold letters, digits, `.`, `_` and `-` only: `a/b`");
        check(
            "sinks = [{ type = 'jsonl', id = 'a', fields = ['url', 'titel'] }]",
            "3:55: `titel` is no field of a record | did you mean `title`?",
        );
        check(
            "sinks = [{ type = 'csv', id = 'a', delimiter = 'ab' }]",
            "3:48: `ab` cannot stand between cells | write one ASCII character that is no letter, digit, quote or line end, such as \";\" or \"\\t\"",
        );
        check(
            "sinks = [{ type = 'csv', id = 'a', compression = 'zip' }]",
            "3:50: `sinks[0].compression` must be one of `none`, `gzip`, `zstd`, not `zip` | did you mean `gzip`?",
        );
        check(
            "sinks = [{ type = 'csv', id = 'a', roll = { size = '0B', records = 5 } }]",
            "3:52: `roll.size` must be more than nothing | leave the key out to get its default",
        );
        check(
            "sinks = [{ type = 'pages', id = 'a' }, { type = 'pages', id = 'b', path = 'a/' }]",
            "3:75: two sinks write to the folder `a` | give each a folder of its own",
        );
    }

    #[test]
    fn exports_stand_in_nobodys_way() {
        if crate::export::check("sqlite").is_err() {
            return; // a build that has left it out says so, and nothing else
        }
        let export = |path: &str| format!("exports = [{{ type = 'sqlite', id = 'e', path = '{path}' }}]");
        for path in ["../x", "/x", "a b", ".writing-x", ""] {
            let what = format!(
                "3:48: `{path}` is not a file inside the run directory, such as `table.parquet`: letters, digits, `.`, `_` and `-`"
            );
            check(&export(path), &what);
        }
        check(
            &export("manifest.json"),
            "3:48: `manifest.json` is taken by what every run writes; choose another `path`",
        );
        check(
            &format!("{}\nsinks = [{{ type = 'pages', id = 'web' }}]", export("web/x.db")),
            "3:48: `web/x.db` stands in the way of a sink, `web` | choose another `path`",
        );
        check(
            "exports = [{ type = 'sqlite', id = 'a' }, { type = 'sqlite', id = 'b', path = 'a.sqlite' }]",
            "3:79: `a.sqlite` stands in the way of another export, `a.sqlite` | give each a file of its own",
        );
        check(
            "exports = [{ type = 'sqlite', id = 'records' }]",
            "3:36: `records` is the id of an output that every run has | choose another id",
        );
    }

    fn check_sources(sources: &str, expected: &str) {
        let text = format!("config_version = 1\njob.name = 'a'\nsources = [{sources}]");
        let errors = read(&text, &[]).expect_err(sources);
        let told: Vec<String> = errors.problems.iter().map(told).collect();
        assert_eq!(told.join("\n"), expected, "{sources}");
    }

    #[test]
    fn sources_are_checked_whole() {
        check_sources("", "3:11: `sources` is empty, but at least one is needed | add one: `[[sources]]`");
        check_sources(
            "5",
            "3:12: `sources[0]` must be a table with a `type`, not the number 5 | for example `{ type = \"...\" }`",
        );
        check_sources(
            "{ type = 'list', id = 'a', paths = ['x'] }",
            "3:12: `path` is missing in [[sources]] | add `path = \"...\"`: The file, relative to the config; `\"-\"` is standard input\n3:39: unknown key `paths` in [[sources]] | did you mean `path`?",
        );
        check_sources(
            "{ type = 'urls', id = 'a', urls = 'x' }",
            "3:46: `sources[0].urls` must be a list, each of it a text in quotes, not the text \"x\" | for example `urls = [\"x\"]`",
        );
        check_sources("{ type = 'urls', id = 'a', urls = [] }", "3:46: a source without any URL");
        check_sources(
            "{ type = 'list', id = 'a', path = 'x.csv' }",
            "3:46: `column` is missing in the source `a` | CSV and JSON Lines need the name of the column or key that holds the URL: `column = \"url\"`",
        );
        check_sources(
            "{ type = 'list', id = 'a', path = '-' }, { type = 'list', id = 'a', path = '-' }",
            "3:75: `a` is already the id of sources[0] | give each an id of its own\n3:87: two sources read standard input",
        );
        check_sources(
            "{ type = 'files', id = 'a', paths = ['x/[a'], base_url = 'ftp://x/' }",
            "3:49: `x/[a` is not a glob: unclosed character class; missing ']' (a `[` that stands for itself is written `[[]`)\n3:69: `base_url`: scheme `ftp` cannot be fetched, only http, https and, from a `files` source, file | write for example \"https://docs.example.org/\"",
        );
        check_sources(
            "{ type = 'sitemap', id = 'a', urls = ['x'], lastmod_after = 'May' }, { type = 'feed', id = 'b', urls = [] }",
            "3:72: `May` is no date | write for example \"2026-01-01\" or \"2026-01-01T06:00:00Z\"\n3:115: a source without any URL",
        );
    }

    #[test]
    fn wrong_and_missing_keys_do_not_hide_each_other() {
        let errors = read(
            "config_version = 2\nhttp.proxy = 'x'\n[job]\nname = '../x'\n[[sources]]\ntype = 'url'",
            &["x"],
        );
        assert_eq!(
            errors.expect_err("wrong").to_string(),
            "5 problems in c.toml\n\
             c.toml:1:18: `config_version` is 2, but this version of trawl reads 1\n  1 | config_version = 2\n    |                  ^\n  hint: write 1 and see `trawl validate`, or take the version that reads 2\n\
             c.toml:2:14: `http.proxy` is no address of a proxy: relative URL without a base\n  2 | http.proxy = 'x'\n    |              ^^^\n  \
             hint: write for example \"http://proxy.example.org:3128\" or \"socks5://127.0.0.1:1080\"\n\
             c.toml:4:8: `job.name` must not begin with a dot: `../x`\n  4 | name = '../x'\n    |        ^^^^^^\n\
             c.toml:6:8: `sources[0].type` must be one of `urls`, `list`, `files`, `sitemap`, `feed`, not `url`\n  6 | type = 'url'\n    |        ^^^^^\n  \
             hint: did you mean `urls`?\n\
             --set x: a `=` and a value are missing\n  \
             hint: write it like `--set limits.max_pages=100` or `--set sources[0].path=urls.txt`"
        );
    }

    #[test]
    fn syntax_errors_come_alone_and_all() {
        let errors = read("config_version = \n[job\nhttp.x = 1\nb = [1, 2", &[]).expect_err("syntax");
        let lines: Vec<_> =
            errors.problems.iter().map(|problem| problem.place.line.map(|(line, _)| line)).collect();
        assert_eq!(lines, [Some(1), Some(2), Some(4)], "{errors}");
    }

    #[test]
    fn relative_paths_resolve_against_the_folder_of_the_file() {
        let text = GOOD.replacen(
            "[[",
            "http.ca_file = 'ca.pem'\nhttp.proxy.file = '../p'\njob.state_dir = './s'\n[[",
            1,
        ) + "[[sources]]\ntype = 'files'\nid = 'f'\npaths = ['docs/**/*.html', '/abs']\n[[sources]]\ntype = 'list'\nid = 'l'\npath = '-'";
        let shown = toml::to_string(&read(&text, &[]).expect("good").config).expect("TOML");
        for line in [
            "ca_file = \"/etc/x/ca.pem\"",
            "file = \"/etc/x/../p\"",
            "state_dir = \"/etc/x/s\"",
            "paths = [\"/etc/x/docs/**/*.html\", \"/abs\"]",
            "path = \"-\"",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line} in {shown}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_config_or_refused(text in "(\\PC|\n|[=\\[\\]'{}.,#]){0,80}") {
            let _ = read(&text, &[&text]);
        }

        /// Whatever is done to a good config, the walk finds what serde would refuse: a message of serde
        /// would have no hint and no key.
        #[test]
        fn what_the_walk_lets_pass_is_a_config(at in 0usize..400, with in "[a-z0-9'=\\[\\]{}.,\n -]{0,3}", drop in 0usize..4) {
            let mut text = include_str!("../../config.toml").to_owned();
            let at = at * text.len() / 400;
            let (from, to) = (floor(&text, at), floor(&text, at + drop));
            text.replace_range(from..to, &with);
            if let Err(errors) = read(&text, &[]) {
                for problem in &errors.problems {
                    proptest::prop_assert!(!problem.what.contains("invalid type") && !problem.what.contains("missing field"), "{}", errors);
                }
            }
        }
    }

    fn floor(text: &str, mut at: usize) -> usize {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

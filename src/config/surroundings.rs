//! Whether what a config refers to is there: folders that can be written, files that can be read, secrets
//! that can be had, room on the disk. Leaves nothing behind, asks no network, changes nothing.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use http::HeaderValue;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;
use url::Url;

use super::load::Loaded;
use super::seeds::{Bad, MAX_COUNTED, Seeds, pour};
use super::text::{shown as cut, shown_whole as shown};
use super::walk::join;
use crate::export;
use crate::fetch::{check_header, is_credential};
use crate::frontier::{can_be_named, product_token};
use crate::secret::{Secret, Text};
use crate::source;
use crate::units::Size;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// A run would go, but perhaps not as meant.
    Warning,
    /// The config refers to something that is not there.
    Config,
    /// Output or state could not be written.
    Output,
}

/// Something about the surroundings that somebody should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How grave it is.
    pub weight: Weight,
    /// Where the config refers to it.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// What somebody should know, in the order of the checks.
    pub findings: Vec<Finding>,
    /// Seeds by the id of their source; a source that only a run can count is not in it.
    pub seeds: BTreeMap<String, Seeds>,
}

/// Looks at everything that a config refers to.
pub fn survey(loaded: &Loaded) -> Survey {
    let mut survey = Survey::default();
    let config = &loaded.config;
    for (key, folder) in
        [("job.output_dir", &config.job.output_dir), ("job.state_dir", &config.job.state_dir)]
    {
        survey.folder(loaded, key, folder);
    }
    survey.secrets(loaded);
    if let Some(path) = &config.http.ca_file {
        survey.authorities(loaded, path);
    }
    let mut is_far = false;
    for (index, settings) in config.sources.iter().enumerate() {
        is_far |= survey.source(loaded, &format!("sources[{index}]"), settings);
    }
    if is_far {
        survey.manners(loaded);
    }
    survey
}

impl Survey {
    fn add(
        &mut self,
        loaded: &Loaded,
        weight: Weight,
        key: &str,
        what: impl Into<String>,
        hint: Option<&str>,
    ) {
        let (place, hint) = (loaded.place_of(key), hint.map(str::to_owned));
        self.findings.push(Finding { weight, place, what: what.into(), hint });
    }

    fn folder(&mut self, loaded: &Loaded, key: &str, folder: &Path) {
        if let Err(error) = try_writing(folder) {
            let what = format!("`{key}`: cannot write to `{}`: {error}", folder.display());
            let hint = "choose another folder, or let the user that runs the job write to it";
            return self.add(loaded, Weight::Output, key, what, Some(hint));
        }
        let wanted = loaded.config.limits.min_free_disk;
        // A file system that does not say how full it is stops nobody.
        if let Some(free) = free_disk(folder)
            && free < wanted
        {
            let what = format!(
                "`{key}`: {} MiB are free where `{}` is, less than `limits.min_free_disk` = {wanted}",
                free.0 >> 20,
                folder.display()
            );
            self.add(loaded, Weight::Output, key, what, Some("make room, or choose another folder"));
        }
    }

    fn secrets(&mut self, loaded: &Loaded) {
        let http = &loaded.config.http;
        let mut headers: Vec<(String, &Text)> = Vec::new();
        headers.extend(http.headers.iter().map(|(name, text)| (join("http.headers", name), text)));
        for (host, settings) in &loaded.config.hosts {
            let table = join(&join("hosts", host), "headers");
            headers.extend(settings.headers.iter().map(|(name, text)| (join(&table, name), text)));
        }
        for (key, text) in headers {
            self.in_plain_text(loaded, &key, text);
            self.secret(loaded, &key, text, |secret| {
                HeaderValue::from_bytes(secret.expose().as_bytes()).is_ok()
            });
        }
        if let Some(proxy) = &http.proxy {
            self.secret(loaded, "http.proxy", proxy, |secret| Url::parse(secret.expose()).is_ok());
        }
        for (index, settings) in loaded.config.exports.iter().enumerate() {
            if let export::Settings::Postgres(table) = settings {
                self.secret(loaded, &format!("exports[{index}].url"), &table.url, |secret| {
                    Url::parse(secret.expose()).is_ok_and(|url| url.scheme().starts_with("postgres"))
                });
            }
        }
    }

    /// Credentials that stand openly in the config are copied with it into every run.
    fn in_plain_text(&mut self, loaded: &Loaded, key: &str, text: &Text) {
        let name = key.rsplit('.').next().unwrap_or_default();
        if matches!(text, Text::Plain(_)) && check_header(name).is_ok_and(|name| is_credential(&name)) {
            let what = format!("`{key}` stands in plain text, and so in the `config.toml` of every run");
            let hint = "give it as a reference: { env = \"NAME\" } or { file = \"...\" }";
            self.add(loaded, Weight::Warning, key, what, Some(hint));
        }
    }

    fn secret(&mut self, loaded: &Loaded, key: &str, text: &Text, fits: impl Fn(&Secret) -> bool) {
        match text.resolve() {
            Ok(secret) if fits(&secret) => {}
            Ok(_) => self.add(
                loaded,
                Weight::Config,
                key,
                format!("`{key}`: the secret cannot be used here"),
                None,
            ),
            Err(error) => {
                let words = error.to_string();
                let (what, hint) =
                    words.split_once("\nhint: ").map_or((&*words, None), |(w, h)| (w, Some(h)));
                self.add(loaded, Weight::Config, key, format!("`{key}`: {what}"), hint);
            }
        }
    }

    fn authorities(&mut self, loaded: &Loaded, path: &Path) {
        let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let what = match read {
            Ok(found) if found.is_empty() => "holds no certificate".to_owned(),
            Ok(_) => return,
            Err(error) => format!("cannot be read: {error}"),
        };
        let what = format!("`http.ca_file`: `{}` {what}", path.display());
        self.add(
            loaded,
            Weight::Config,
            "http.ca_file",
            what,
            Some("a PEM file begins `-----BEGIN CERTIFICATE-----`"),
        );
    }

    /// Pours a source. Returns whether it may lead to other machines.
    fn source(&mut self, loaded: &Loaded, key: &str, settings: &source::Settings) -> bool {
        if matches!(settings, source::Settings::List(list) if list.is_stdin()) {
            return true;
        }
        let poured = match pour(settings, MAX_COUNTED) {
            Ok(poured) => poured,
            Err(error) => {
                let words = error.to_string();
                let (what, hint) =
                    words.split_once("\nhint: ").map_or((&*words, None), |(what, hint)| (what, Some(hint)));
                let key = if matches!(settings, source::Settings::List(_)) {
                    format!("{key}.path")
                } else {
                    key.to_owned()
                };
                self.add(loaded, Weight::Config, &key, shown(what), hint);
                return false;
            }
        };
        let here = format!("sources.{}.", settings.id());
        for Bad { place, url, reason } in poured.bad {
            // A seed of the config has its line there; one of a list has a line of its own.
            let place = match place {
                Some(place) => place
                    .strip_prefix(&here)
                    .map_or_else(|| shown(&place), |below| loaded.place_of(&format!("{key}.{below}"))),
                None => loaded.place_of(key),
            };
            let what = format!("`{}`: {}", cut(&url), shown(&reason));
            self.findings.push(Finding { weight: Weight::Warning, place, what, hint: None });
        }
        if poured.seeds == Seeds::default() {
            let what = format!("source `{}` gives no URL", settings.id());
            self.add(loaded, Weight::Warning, &format!("{key}.id"), what, None);
        }
        self.seeds.insert(settings.id().to_owned(), poured.seeds);
        poured.is_far
    }

    /// Warns of what a polite crawler would not do to strangers.
    fn manners(&mut self, loaded: &Loaded) {
        let config = &loaded.config;
        if !config.http.user_agent.contains(['@', '+']) && !config.http.user_agent.contains("://") {
            let hint =
                "name the crawler and a way to reach you: \"my-crawler/1.0 (+https://example.org/bot)\"";
            self.add(
                loaded,
                Weight::Warning,
                "http.user_agent",
                "`http.user_agent` says nobody to contact",
                Some(hint),
            );
        }
        let token = product_token(&config.http.user_agent);
        if config.politeness.obey_robots && !can_be_named(token) {
            let what = format!(
                "no robots.txt can speak to `{}`: names of crawlers there have letters, `-` and `_` only",
                shown(token)
            );
            let hint = "choose such a name, or only the rules for all crawlers are obeyed";
            self.add(loaded, Weight::Warning, "http.user_agent", what, Some(hint));
        }
        if config.politeness.host_delay.0.is_zero() {
            let what = "`politeness.host_delay` is nothing: hosts of others are asked without a pause";
            self.add(loaded, Weight::Warning, "politeness.host_delay", what, Some("leave it out to wait 1s"));
        }
    }
}

/// Writes a file in a folder and takes it away again, with the folders that had to be made for it.
fn try_writing(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        folder.ancestors().take_while(|folder| folder.symlink_metadata().is_err()).collect();
    let result = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder)).map(drop);
    for made in missing {
        // Only an empty folder can be removed this way, so what somebody else put there meanwhile stays.
        let _ = std::fs::remove_dir(made);
    }
    result
}

/// What the disk of a folder that may not exist yet has free for us.
fn free_disk(folder: &Path) -> Option<Size> {
    let there = folder.ancestors().find(|folder| folder.exists())?;
    let disk = rustix::fs::statvfs(there).ok()?;
    Some(Size(disk.f_bavail.saturating_mul(disk.f_frsize)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trying_a_folder_leaves_nothing_behind() {
        let home = tempfile::tempdir().expect("folder");
        let deep = home.path().join("a/b/c");
        try_writing(&deep).expect("writable");
        assert!(!home.path().join("a").exists());
        std::fs::create_dir(home.path().join("a")).expect("a");
        try_writing(&deep).expect("writable");
        assert!(home.path().join("a").exists() && !home.path().join("a/b").exists());
        std::fs::write(home.path().join("file"), "").expect("file");
        assert!(try_writing(&home.path().join("file/x")).is_err());
        assert!(try_writing(Path::new("/proc/trawl/x")).is_err());
    }
}

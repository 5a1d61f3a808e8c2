//! What a request says about us, and to whom. Credentials go to the origin they were meant for and
//! never, by a redirect or a link, to another one.

use std::collections::{BTreeMap, HashMap};

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName,
    HeaderValue, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use url::Url;

use super::error::FetchError;
use super::settings::Settings;
use crate::model::{Request, canonical, host_key};
use crate::secret::Text;

const DEFAULT_ACCEPT: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
/// What [`super::decode`] can undo.
const DEFAULT_ENCODINGS: &str = "gzip, deflate, br, zstd";

/// Headers that carry credentials even when their value stands openly in the config.
const CREDENTIALS: [HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];
/// Headers that belong to the connection or the framing of a message.
const OURS: [HeaderName; 7] = [HOST, CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// The headers of every request of a job.
#[derive(Debug)]
pub(super) struct Headers {
    /// Sent to everybody.
    open: HeaderMap,
    /// Sent to the hosts of the sources.
    credentials: HeaderMap,
    /// Sent to one host key, over those above.
    hosts: HashMap<String, HostHeaders>,
}

#[derive(Debug, Default)]
struct HostHeaders {
    open: HeaderMap,
    credentials: HeaderMap,
}

impl Headers {
    /// Resolves secrets and checks every name and value.
    pub(super) fn new(
        settings: &Settings,
        hosts: &BTreeMap<String, BTreeMap<String, Text>>,
    ) -> Result<Self, FetchError> {
        let mut open = HeaderMap::new();
        open.insert(ACCEPT, HeaderValue::from_static(DEFAULT_ACCEPT));
        open.insert(ACCEPT_ENCODING, HeaderValue::from_static(DEFAULT_ENCODINGS));
        open.insert(USER_AGENT, value("http.user_agent", settings.user_agent.as_bytes())?);
        let mut all = Self { open, credentials: HeaderMap::new(), hosts: HashMap::new() };
        for (name, text) in &settings.headers {
            add(&format!("http.headers.{name}"), name, text, &mut all.open, &mut all.credentials)?;
        }
        for (host, headers) in hosts {
            let mut own = HostHeaders::default();
            for (name, text) in headers {
                let key = format!("hosts.\"{host}\".headers.{name}");
                add(&key, name, text, &mut own.open, &mut own.credentials)?;
            }
            let url = canonical(&format!("http://{host}/"), None).ok().filter(|url| url.path() == "/");
            let url = url.ok_or_else(|| FetchError::Host { host: host.clone() })?;
            all.hosts.insert(host_key(&url), own);
        }
        Ok(all)
    }

    /// The headers of one request.
    pub(super) fn of(&self, url: &Url, request: &Request) -> HeaderMap {
        let first = request.trail.first().and_then(|first| Url::parse(first).ok());
        let mut headers = self.open.clone();
        // A page found by a link may be anybody's, so only what a source named gets the credentials of
        // the job; `[hosts."x".headers]` are for everything else.
        let same_origin = first.as_ref().is_none_or(|first| first.origin() == url.origin());
        if request.depth == 0 && same_origin {
            replace(&mut headers, &self.credentials);
        }
        if !self.hosts.is_empty()
            && let Some(own) = self.hosts.get(&host_key(url))
        {
            replace(&mut headers, &own.open);
            // The host key does not name the scheme: a redirect must not pull a secret out of TLS.
            let downgraded = url.scheme() == "http" && first.is_some_and(|first| first.scheme() == "https");
            if !downgraded {
                replace(&mut headers, &own.credentials);
            }
        }
        headers
    }
}

/// The headers of a request as an archive may show them: with the host, which the client adds, and without what
/// carries credentials.
pub(super) fn shown(url: &Url, headers: &HeaderMap) -> HeaderMap {
    let mut shown = HeaderMap::with_capacity(headers.len() + 1);
    let open = headers.iter().filter(|(_, value)| !value.is_sensitive());
    shown.extend(open.map(|(name, value)| (name.clone(), value.clone())));
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    if let Ok(host) = HeaderValue::from_str(host) {
        shown.insert(HOST, host);
    }
    shown
}

fn replace(headers: &mut HeaderMap, with: &HeaderMap) {
    for (name, value) in with {
        headers.insert(name, value.clone());
    }
}

/// Files one configured header under what it is.
fn add(
    key: &str,
    name: &str,
    text: &Text,
    open: &mut HeaderMap,
    credentials: &mut HeaderMap,
) -> Result<(), FetchError> {
    let wrong = |(why, hint)| FetchError::Header { key: key.to_owned(), why, hint };
    let name = check_header(name).map_err(wrong)?;
    let secret = text.resolve().map_err(|source| FetchError::Secret { key: key.to_owned(), source })?;
    let mut value = value(key, secret.expose().as_bytes())?;
    if is_credential(&name) || !matches!(text, Text::Plain(_)) {
        value.set_sensitive(true);
        credentials.insert(name, value);
    } else {
        open.insert(name, value);
    }
    Ok(())
}

/// A header that the config may set; else what is wrong with the name, and a hint.
pub fn check_header(name: &str) -> Result<HeaderName, (&'static str, &'static str)> {
    let name: HeaderName = name.parse().map_err(|_| {
        ("is not the name of a header", "a name has letters, digits and `-` only, such as `Accept-Language`")
    })?;
    if OURS.contains(&name) {
        return Err((
            "is a header that belongs to the connection",
            "leave it out; to reach a host at another address use `http.resolve`",
        ));
    }
    Ok(name)
}

/// Whether a header carries credentials whatever its value.
pub fn is_credential(name: &HeaderName) -> bool {
    CREDENTIALS.contains(name)
}

fn value(key: &str, bytes: &[u8]) -> Result<HeaderValue, FetchError> {
    HeaderValue::from_bytes(bytes).map_err(|_| FetchError::Header {
        key: key.to_owned(),
        why: "has a value that no header can carry",
        hint: "line breaks and other control characters are not allowed in it",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::FromFile;

    fn plain(pairs: &[(&str, &str)]) -> BTreeMap<String, Text> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), Text::Plain((*text).to_owned()))).collect()
    }

    /// Job headers: a cookie, a language and a key from a file; host headers for `b.test` and `c.test:81`.
    fn headers() -> Headers {
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), "k3y\n").expect("write");
        let mut settings = Settings {
            headers: plain(&[("Cookie", "job=1"), ("Accept-Language", "de")]),
            ..Settings::default()
        };
        let secret = Text::File(FromFile { file: file.path().to_owned() });
        settings.headers.insert("X-Key".to_owned(), secret);
        let hosts = BTreeMap::from([
            ("B.test".to_owned(), plain(&[("Authorization", "b"), ("Accept-Language", "fr")])),
            ("c.test:81".to_owned(), plain(&[("Authorization", "c")])),
        ]);
        Headers::new(&settings, &hosts).expect("headers")
    }

    /// `trail` is what redirected, oldest first; the last one is asked now.
    fn sent(depth: u32, trail: &[&str]) -> String {
        let (url, trail) = trail.split_last().expect("a URL");
        let url = Url::parse(url).expect("URL");
        let mut request = Request::seed(&url, "s");
        request.depth = depth;
        request.trail = trail.iter().map(|url| (*url).to_owned()).collect();
        let headers = headers().of(&url, &request);
        let shown = ["authorization", "cookie", "x-key", "accept-language"]
            .map(|name| headers.get(name).map_or("-", |value| value.to_str().expect("text")));
        shown.join(" ")
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        assert_eq!(sent(0, &["https://a.test/"]), "- job=1 k3y de");
        assert_eq!(sent(0, &["https://a.test/", "https://a.test/2"]), "- job=1 k3y de");
        assert_eq!(sent(0, &["https://a.test/", "https://z.test/"]), "- - - de", "another host");
        assert_eq!(sent(0, &["https://a.test/", "http://a.test/"]), "- - - de", "another scheme");
        assert_eq!(sent(0, &["http://a.test/", "http://a.test:81/"]), "- - - de", "another port");
        assert_eq!(sent(0, &["http://a.test/", "http://z.test/", "http://a.test/"]), "- job=1 k3y de");
        assert_eq!(sent(1, &["https://a.test/"]), "- - - de", "found by a link");
    }

    #[test]
    fn headers_of_a_host_stay_with_it() {
        assert_eq!(sent(3, &["https://b.test/"]), "b - - fr");
        assert_eq!(sent(0, &["https://a.test/", "https://b.test/"]), "b - - fr");
        assert_eq!(sent(0, &["https://b.test/", "http://b.test/"]), "- - - fr", "out of TLS");
        assert_eq!(sent(1, &["http://b.test:81/"]), "- - - de", "another port");
        assert_eq!(sent(1, &["http://c.test:81/"]), "c - - de");
        assert_eq!(sent(1, &["http://c.test/"]), "- - - de");
        assert_eq!(sent(1, &["http://sub.b.test/"]), "- - - de");
    }

    #[test]
    fn an_archive_sees_the_host_and_no_credentials() {
        let url = Url::parse("https://user:pw@b.test:444/x").expect("URL");
        let headers = headers().of(&url, &Request::seed(&url, "s"));
        assert!(headers.contains_key("cookie") && headers.contains_key("x-key"));
        let shown = shown(&url, &headers);
        let names: Vec<_> = shown.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["accept", "accept-encoding", "user-agent", "accept-language", "host"]);
        assert_eq!(shown["host"], "b.test:444");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_its_key() {
        let error = |headers: &[(&str, &str)], host: &str| {
            let settings = Settings { headers: plain(headers), ..Settings::default() };
            let hosts = BTreeMap::from([(host.to_owned(), BTreeMap::new())]);
            Headers::new(&settings, &hosts).expect_err("an error").to_string()
        };
        assert!(
            error(&[("a b", "x")], "h").starts_with("`http.headers.a b` is not the name of a header\nhint: ")
        );
        assert!(error(&[("Host", "x")], "h").starts_with("`http.headers.Host` is a header that belongs"));
        let broken = error(&[("X-A", "s3cret\r\nX-B: 1")], "h");
        assert!(broken.starts_with("`http.headers.X-A` has a value that") && !broken.contains("s3cret"));
        assert!(error(&[], "a/b").starts_with("`hosts.\"a/b\"` does not name a host\nhint: "));
        assert!(error(&[], "").starts_with("`hosts.\"\"` does not name"));
        let missing = BTreeMap::from([("X".to_owned(), Text::File(FromFile { file: "/nowhere/x".into() }))]);
        let settings = Settings { headers: missing, ..Settings::default() };
        let error = Headers::new(&settings, &BTreeMap::new()).expect_err("missing").to_string();
        assert!(
            error.starts_with("`http.headers.X` has no value: cannot read secret file `/nowhere/x`"),
            "{error}"
        );
    }
}

//! Requests as bytes. A request in a queue takes about as many bytes as its two URLs without their host, not the
//! several hundred of a struct with its strings. Keeps no order and touches no disk.
//!
//! What can be derived is left out: the key (hash of the URL), the host and the priority (of the queue it stands in).

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::backlog::BacklogError;
use crate::model::{Hint, Request, Role, Try, UrlKey};

/// What can stand before the host in a URL, by its number less one. Zero: the URL is whole.
const SCHEMES: [&str; 2] = ["https://", "http://"];

/// A URL: which scheme precedes the host of the queue, and what follows it.
#[derive(Serialize, Deserialize)]
struct Address<'a>(u8, &'a str);

#[derive(Serialize, Deserialize)]
struct Packed<'a> {
    #[serde(borrow)]
    url: Address<'a>,
    source: usize,
    depth: u32,
    discovered_from: Option<Address<'a>>,
    rare: Option<Rare<'a>>,
}

/// What most requests do not have. Borrowed where it is packed, owned where it is unpacked.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct Rare<'a> {
    trail: Cow<'a, [String]>,
    base_url: Option<Cow<'a, str>>,
    attempt: u32,
    role: Role,
    hops: u8,
    hint: Option<Cow<'a, Hint>>,
    tries: Cow<'a, [Try]>,
}

/// Packs requests and unpacks them again. Knows the sources by number.
#[derive(Debug, Default)]
pub struct Packer {
    sources: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, usize>,
    bytes: Vec<u8>,
}

impl Packer {
    /// The bytes of a request for the queue of its host and priority. Its key must be that of its URL.
    pub fn pack(&mut self, request: &Request) -> Result<&[u8], BacklogError> {
        // Taken apart whole, so that a field that is added to requests cannot be forgotten here.
        let Request {
            url,
            key: _,
            host,
            source,
            depth,
            discovered_from,
            trail,
            base_url,
            attempt,
            role,
            priority: _,
            hops,
            hint,
            tries,
        } = request;
        let rare = Rare {
            trail: trail.into(),
            base_url: base_url.as_deref().map(Cow::from),
            attempt: *attempt,
            role: *role,
            hops: *hops,
            hint: hint.as_deref().map(Cow::Borrowed),
            tries: tries.into(),
        };
        let packed = Packed {
            url: Address::of(url, host),
            source: self.number(source),
            depth: *depth,
            discovered_from: discovered_from.as_deref().map(|from| Address::of(from, host)),
            rare: (rare != Rare::default()).then_some(rare),
        };
        self.bytes.clear();
        self.bytes = postcard::to_extend(&packed, std::mem::take(&mut self.bytes))?;
        Ok(&self.bytes)
    }

    /// The request that was packed, for the host and the priority of its queue.
    pub fn unpack(&self, bytes: &[u8], host: &Arc<str>, priority: u8) -> Result<Request, BacklogError> {
        let Packed { url, source, depth, discovered_from, rare } = postcard::from_bytes(bytes)?;
        let source = self.sources.get(source).ok_or(postcard::Error::DeserializeBadEncoding)?;
        let url = url.whole(host)?;
        let Rare { trail, base_url, attempt, role, hops, hint, tries } = rare.unwrap_or_default();
        Ok(Request {
            key: UrlKey::of(&url),
            url: url.into(),
            host: Arc::clone(host),
            source: Arc::clone(source),
            depth,
            discovered_from: discovered_from.map(|from| from.whole(host)).transpose()?.map(Into::into),
            trail: trail.into_owned(),
            base_url: base_url.map(Cow::into_owned),
            attempt,
            role,
            priority,
            hops,
            hint: hint.map(|hint| Box::new(hint.into_owned())),
            tries: tries.into_owned(),
        })
    }

    /// Sources are few and stay.
    fn number(&mut self, source: &str) -> usize {
        if let Some(number) = self.numbers.get(source) {
            return *number;
        }
        let (number, name) = (self.sources.len(), Arc::<str>::from(source));
        self.sources.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        number
    }
}

impl<'a> Address<'a> {
    fn of(url: &'a str, host: &str) -> Self {
        for (number, scheme) in (1..).zip(SCHEMES) {
            if let Some(rest) = url.strip_prefix(scheme).and_then(|rest| rest.strip_prefix(host)) {
                return Self(number, rest);
            }
        }
        Self(0, url)
    }

    fn whole(&self, host: &str) -> Result<String, postcard::Error> {
        let Self(number, rest) = self;
        let Some(index) = usize::from(*number).checked_sub(1) else { return Ok((*rest).to_owned()) };
        let scheme = SCHEMES.get(index).ok_or(postcard::Error::DeserializeBadEncoding)?;
        Ok([scheme, host, rest].concat())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::canonical;

    fn plain(url: &str) -> Request {
        Request::seed(&canonical(url, None).expect("URL"), "pages")
    }

    fn packed(request: &Request) -> (usize, Request) {
        let mut packer = Packer::default();
        // Another source first, so that numbers are not all zero.
        packer.pack(&plain("http://other/")).expect("packs");
        let bytes = packer.pack(&Request { source: "second".into(), ..request.clone() }).expect("packs");
        let bytes = bytes.to_vec();
        let back = packer.unpack(&bytes, &request.host, request.priority).expect("unpacks");
        assert_eq!(&*back.source, "second");
        (bytes.len(), Request { source: request.source.clone(), ..back })
    }

    #[test]
    fn a_plain_request_takes_its_paths_and_eight_bytes() {
        let request = Request {
            discovered_from: Some("https://h.example:81/from".into()),
            depth: 3,
            priority: 9,
            ..plain("http://h.example:81/to")
        };
        assert_eq!(packed(&request), ("/to".len() + "/from".len() + 8, request));
    }

    #[test]
    fn addresses_that_only_look_alike_stay_what_they_are() {
        for from in ["http://h", "http://h.example/", "https://H/", "ftp://h/x", "h", "", "http://other/h"] {
            let request = Request { discovered_from: Some(from.into()), ..plain("http://h/") };
            assert_eq!(packed(&request).1, request);
        }
    }

    #[test]
    fn bytes_that_no_request_was_packed_to_are_an_error() {
        let mut packer = Packer::default();
        let bytes = packer.pack(&plain("http://h/some/path")).expect("packs").to_vec();
        for cut in 0..bytes.len() {
            assert!(packer.unpack(&bytes[..cut], &"h".into(), 0).is_err(), "cut at {cut}");
        }
        let with = |at: usize, byte: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            packer.unpack(&bytes, &"h".into(), 0)
        };
        assert!(with(0, 9).is_err(), "no such scheme");
        assert!(with(bytes.len() - 4, 7).is_err(), "no such source");
    }

    proptest! {
        #[test]
        fn every_request_comes_back_whole(
            path in "[a-z/]{0,20}", host in "[a-z]{1,5}(:[1-9][0-9]{3})?", https in any::<bool>(),
            texts in proptest::collection::vec("\\PC{0,30}", 6), given in 0..64_u32,
            (depth, attempt) in (any::<u32>(), any::<u32>()),
            (hops, priority, role) in (any::<u8>(), any::<u8>(), 0..4_usize),
            count in 0..3_usize,
        ) {
            let scheme = if https { "https" } else { "http" };
            let text = |n: usize| (given >> n & 1 == 1).then(|| texts[n].clone());
            let hint = Hint { lastmod: text(2), changefreq: text(3), priority: text(4) };
            let tried = Try { at_ms: i64::from(depth) - 1_000, why: texts[5].clone() };
            let request = Request {
                depth, attempt, hops, priority,
                role: [Role::Page, Role::Robots, Role::Sitemap, Role::Feed][role],
                discovered_from: text(0).map(Into::into),
                base_url: text(1),
                trail: vec![texts[3].clone(); count],
                hint: text(5).map(|_| Box::new(hint)),
                tries: vec![tried; count],
                ..plain(&format!("{scheme}://{host}/{path}"))
            };
            prop_assert_eq!(&packed(&request).1, &request);
        }
    }
}

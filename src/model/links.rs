//! The links of a page. All their text stands in one piece of memory, because a page has hundreds of them and memory
//! costs by the piece.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A link of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Link<'a> {
    /// Absolute URL, resolved against the page's base.
    pub url: &'a str,
    /// The `rel` attribute, lower case, white space collapsed; `None` without one.
    pub rel: Option<&'a str>,
}

/// The links of a page, in document order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Links {
    text: String,
    places: Vec<Place>,
}

/// Where a link ends in the text; it begins where the one before ends.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    url: usize,
    /// As long as the URL where there is no `rel`.
    end: usize,
    has_rel: bool,
}

/// A link of a page, and of its record.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Link")]
pub(super) struct Written {
    /// Absolute URL, resolved against the page's base.
    url: String,
    /// The `rel` attribute, lower case, white space collapsed; `None` without one.
    rel: Option<String>,
}

impl Links {
    /// Makes room for so many more links with so many bytes of text.
    pub fn reserve(&mut self, count: usize, bytes: usize) {
        self.places.reserve(count);
        self.text.reserve(bytes);
    }

    /// Appends a link.
    pub fn push(&mut self, link: Link<'_>) {
        self.text.push_str(link.url);
        self.place(link.rel);
    }

    /// Appends a link whose URL `write` puts behind what it is given, or nothing if it fails. Gives the length of the
    /// URL.
    pub fn push_with<E>(
        &mut self,
        rel: Option<&str>,
        write: impl FnOnce(&mut String) -> Result<(), E>,
    ) -> Result<usize, E> {
        let before = self.text.len();
        if let Err(error) = write(&mut self.text) {
            self.text.truncate(before);
            return Err(error);
        }
        let length = self.text.len() - before;
        self.place(rel);
        Ok(length)
    }

    fn place(&mut self, rel: Option<&str>) {
        let url = self.text.len();
        self.text.push_str(rel.unwrap_or_default());
        self.places.push(Place { url, end: self.text.len(), has_rel: rel.is_some() });
    }

    /// Gives back the room that is not needed.
    pub fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.places.shrink_to_fit();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Bytes of memory that they hold.
    pub fn weight(&self) -> usize {
        self.text.capacity() + self.places.capacity() * size_of::<Place>()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Link<'_>> {
        let mut start = 0;
        self.places.iter().map(move |place| {
            let url = &self.text[start..place.url];
            start = place.end;
            Link { url, rel: place.has_rel.then(|| &self.text[place.url..place.end]) }
        })
    }
}

impl<'a> Extend<Link<'a>> for Links {
    fn extend<T: IntoIterator<Item = Link<'a>>>(&mut self, links: T) {
        links.into_iter().for_each(|link| self.push(link));
    }
}

impl<'a> FromIterator<Link<'a>> for Links {
    fn from_iter<T: IntoIterator<Item = Link<'a>>>(links: T) -> Self {
        let mut all = Self::default();
        all.extend(links);
        all
    }
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Links {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Links {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Vec::<Written>::deserialize(deserializer)?;
        Ok(written.iter().map(|link| Link { url: &link.url, rel: link.rel.as_deref() }).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_read_as_they_were_put(
            links in prop::collection::vec(("[a-zü]{0,6}", prop::option::of("[a-z ü]{0,3}"), any::<bool>()), 0..8),
        ) {
            let mut all = Links::default();
            for (url, rel, fails) in &links {
                let pushed = all.push_with(rel.as_deref(), |text| {
                    text.push_str(url);
                    if *fails { Err(()) } else { Ok(()) }
                });
                prop_assert_eq!(pushed, if *fails { Err(()) } else { Ok(url.len()) });
            }
            all.shrink();
            let kept = links.iter().filter(|(.., fails)| !fails);
            let kept: Vec<_> = kept.map(|(url, rel, _)| Link { url, rel: rel.as_deref() }).collect();
            prop_assert_eq!(all.iter().collect::<Vec<_>>(), kept.clone());
            prop_assert_eq!((all.len(), all.is_empty()), (kept.len(), kept.is_empty()));
            let text = serde_json::to_string(&all).expect("links");
            prop_assert_eq!(serde_json::from_str::<Links>(&text).expect("links"), all);
        }
    }
}

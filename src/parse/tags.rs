//! Start tags of an HTML text, found without a tree: the tag part of the WHATWG tokenizer, with scripting
//! off, and as much of the tree builder as decides what is text (`<script>`, `<style>`, `<title>` ...)
//! and what is foreign (SVG, `MathML`, CDATA). Builds nothing, decodes nothing, never looks back.
//!
//! It differs from a tree where only a tree can know better: it does not see tags that a tree builder
//! throws away (links in a `<frameset>` page), nor the copies of an `<a>` that one makes when elements
//! overlap, and inside `<foreignObject>` it takes each end tag at its word.

use memchr::{memchr, memmem};

use super::markup::{Attributes, comment_end, is_space, past, script_end, text_end};

/// The elements that somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// `<a>`, also that of SVG.
    A,
    /// `<area>`, also in SVG, as a selector sees it.
    Area,
    /// `<base>`.
    Base,
    /// `<html>`.
    Html,
    /// `<link>`.
    Link,
    /// `<meta>`.
    Meta,
}

/// A start tag of an element that somebody asks for.
#[derive(Clone, Copy, Debug)]
pub struct Tag<'a> {
    /// The element.
    pub name: Name,
    inside: Inside<'a>,
}

/// What stands between the name of a tag and its `>`, and what most are asked for, as it was gone past anyway.
#[derive(Clone, Copy, Debug, Default)]
struct Inside<'a> {
    all: &'a [u8],
    href: Option<&'a [u8]>,
    rel: Option<&'a [u8]>,
}

impl<'a> Tag<'a> {
    /// The first `href`, as it is written. Empty if it has no value.
    pub fn href(&self) -> Option<&'a str> {
        self.inside.href.and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The first `rel`, likewise.
    pub fn rel(&self) -> Option<&'a str> {
        self.inside.rel.and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The first attribute of this lower-case name, likewise.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        raw(self.inside.all, name)
    }
}

fn raw<'a>(inside: &'a [u8], name: &str) -> Option<&'a str> {
    let mut attributes = Attributes::new(inside, 0);
    std::iter::from_fn(|| attributes.next())
        .find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
        .and_then(|(_, value)| std::str::from_utf8(value).ok())
}

/// What a start tag means for the text behind it.
enum Effect {
    /// Somebody asks for it.
    Wanted(Name),
    /// Text up to the end tag of the same name.
    Text(&'static [u8]),
    /// Text up to `</script>`, with its own comments.
    Script,
    /// Text up to the end of the document.
    Plaintext,
    /// A foreign root.
    Foreign(Space),
    /// Nothing.
    None,
}

/// Whose elements stand here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Space {
    Html,
    Svg,
    Math,
}

/// The start tags of a text, in order.
#[derive(Debug)]
pub struct Tags<'a> {
    text: &'a [u8],
    at: usize,
    /// The switches of namespace that are open. Empty in plain HTML.
    spaces: Vec<Space>,
    /// Where the first tag begins that has more than [`MANY_ATTRIBUTES`].
    crowded: Option<usize>,
}

/// More attributes than this in one tag are an attack on whoever compares each with all before it.
pub const MANY_ATTRIBUTES: usize = 4096;

/// Where the first tag with too many attributes begins.
pub fn crowded_tag(text: &str) -> Option<usize> {
    let mut tags = Tags::new(text);
    while tags.crowded.is_none() && tags.next().is_some() {}
    tags.crowded
}

impl<'a> Tags<'a> {
    /// Over a whole document.
    pub fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0, spaces: Vec::new(), crowded: None }
    }

    fn space(&self) -> Space {
        self.spaces.last().copied().unwrap_or(Space::Html)
    }

    /// Takes a start tag whose name begins at `start`; returns it if it is wanted.
    fn start_tag(&mut self, start: usize) -> Option<Tag<'a>> {
        let name_end = self.name_end(start);
        let (attributes, inside) = self.attributes(start, name_end);
        if !attributes.closed {
            return None; // The document ends within the tag: it does not exist.
        }
        let name = &self.text[start..name_end];
        let inside = Inside { all: &self.text[name_end..self.at - 1], ..inside };
        if self.space() != Space::Html && !self.foreign_start(name, inside.all, attributes.empty) {
            let name = if name.eq_ignore_ascii_case(b"a") {
                Name::A
            } else if name.eq_ignore_ascii_case(b"area") {
                Name::Area
            } else {
                return None;
            };
            return Some(Tag { name, inside });
        }
        match effect(name) {
            Effect::Wanted(name) => return Some(Tag { name, inside }),
            Effect::Text(name) => self.at = text_end(self.text, self.at, name),
            Effect::Script => self.at = script_end(self.text, self.at),
            Effect::Plaintext => self.at = self.text.len(),
            Effect::Foreign(space) if !attributes.empty => self.spaces.push(space),
            Effect::Foreign(_) | Effect::None => {}
        }
        None
    }

    /// Goes past the attributes of a tag.
    fn attributes(&mut self, start: usize, name_end: usize) -> (Attributes<'a>, Inside<'a>) {
        let mut attributes = Attributes::new(self.text, name_end);
        let (mut count, mut inside) = (0, Inside::default());
        while let Some((name, value)) = attributes.next() {
            count += 1;
            if inside.href.is_none() && name.eq_ignore_ascii_case(b"href") {
                inside.href = Some(value);
            } else if inside.rel.is_none() && name.eq_ignore_ascii_case(b"rel") {
                inside.rel = Some(value);
            }
        }
        if count > MANY_ATTRIBUTES {
            self.crowded = self.crowded.or(Some(start));
        }
        self.at = attributes.at;
        (attributes, inside)
    }

    /// A start tag in foreign content. Whether it is an HTML element after all.
    fn foreign_start(&mut self, name: &[u8], inside: &[u8], empty: bool) -> bool {
        let lower = Lower::of(name);
        let space = self.space();
        if breaks_out(lower.bytes()) || (lower.is(b"font") && is_html_font(inside)) {
            while self.space() != Space::Html {
                self.spaces.pop();
            }
            return true;
        }
        if !empty {
            match (space, lower.bytes()) {
                (_, b"svg") => self.spaces.push(Space::Svg),
                (Space::Math, b"math") => self.spaces.push(Space::Math),
                (Space::Svg, b"foreignobject" | b"desc" | b"title")
                | (Space::Math, b"mi" | b"mo" | b"mn" | b"ms" | b"mtext") => self.spaces.push(Space::Html),
                (Space::Math, b"annotation-xml") if holds_html(inside) => self.spaces.push(Space::Html),
                _ => {}
            }
        }
        false
    }

    /// An end tag whose name begins at `start`: where foreign content ends.
    fn end_tag(&mut self, start: usize) {
        let name_end = self.name_end(start);
        self.attributes(start, name_end);
        if self.spaces.is_empty() {
            return;
        }
        let lower = Lower::of(&self.text[start..name_end]);
        let outer = self.spaces.len().checked_sub(2).map_or(Space::Html, |at| self.spaces[at]);
        match (self.space(), lower.bytes()) {
            (Space::Svg, b"svg") | (Space::Math, b"math") => {
                self.spaces.pop();
            }
            (Space::Svg | Space::Math, b"p" | b"br") => {
                while self.space() != Space::Html {
                    self.spaces.pop();
                }
            }
            (Space::Html, b"foreignobject" | b"desc" | b"title") if outer == Space::Svg => {
                self.spaces.pop();
            }
            (Space::Html, b"mi" | b"mo" | b"mn" | b"ms" | b"mtext" | b"annotation-xml")
                if outer == Space::Math =>
            {
                self.spaces.pop();
            }
            _ => {}
        }
    }

    /// Behind `<!`: a comment, CDATA, or something that ends at the next `>`.
    fn declaration(&mut self, start: usize) {
        let rest = &self.text[start..];
        self.at = if rest.starts_with(b"--") {
            comment_end(self.text, start + 2)
        } else if rest.starts_with(b"[CDATA[") && self.space() != Space::Html {
            memmem::find(rest, b"]]>").map_or(self.text.len(), |end| start + end + 3)
        } else {
            past(self.text, start, b'>')
        };
    }

    fn name_end(&self, start: usize) -> usize {
        let is_end = |b: &u8| is_space(*b) || matches!(b, b'/' | b'>');
        self.text[start..].iter().position(is_end).map_or(self.text.len(), |length| start + length)
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        while let Some(found) = self.text.get(self.at..).and_then(|rest| memchr(b'<', rest)) {
            let after = self.at + found + 1;
            let byte = |at: usize| self.text.get(at).copied().unwrap_or(0);
            match byte(after) {
                b'/' if byte(after + 1).is_ascii_alphabetic() => self.end_tag(after + 1),
                b'/' if byte(after + 1) == b'>' => self.at = after + 2,
                b'/' if after + 1 < self.text.len() => self.at = past(self.text, after + 1, b'>'),
                b'!' => self.declaration(after + 1),
                b'?' => self.at = past(self.text, after, b'>'),
                letter if letter.is_ascii_alphabetic() => {
                    if let Some(tag) = self.start_tag(after) {
                        return Some(tag);
                    }
                }
                _ => self.at = after,
            }
        }
        None
    }
}

/// A short name in lower case; longer ones are empty, since nobody asks for them.
struct Lower {
    bytes: [u8; 16],
    length: usize,
}

impl Lower {
    fn of(name: &[u8]) -> Self {
        let mut bytes = [0; 16];
        let length = if name.len() <= bytes.len() { name.len() } else { 0 };
        bytes[..length].copy_from_slice(&name[..length]);
        bytes.make_ascii_lowercase();
        Self { bytes, length }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn is(&self, name: &[u8]) -> bool {
        self.bytes() == name
    }
}

fn effect(name: &[u8]) -> Effect {
    // Most elements are none of these, which length and first letter tell.
    let letters: &[u8] = match name.len() {
        1 => b"a",
        3 => b"xs",
        4 => b"abhlm",
        5 => b"ts",
        6 => b"is",
        7 => b"n",
        8 => b"tn",
        9 => b"p",
        _ => return Effect::None,
    };
    if !letters.contains(&name[0].to_ascii_lowercase()) {
        return Effect::None;
    }
    match Lower::of(name).bytes() {
        b"a" => Effect::Wanted(Name::A),
        b"area" => Effect::Wanted(Name::Area),
        b"base" => Effect::Wanted(Name::Base),
        b"html" => Effect::Wanted(Name::Html),
        b"link" => Effect::Wanted(Name::Link),
        b"meta" => Effect::Wanted(Name::Meta),
        b"title" => Effect::Text(b"title"),
        b"textarea" => Effect::Text(b"textarea"),
        b"style" => Effect::Text(b"style"),
        b"xmp" => Effect::Text(b"xmp"),
        b"iframe" => Effect::Text(b"iframe"),
        b"noembed" => Effect::Text(b"noembed"),
        b"noframes" => Effect::Text(b"noframes"),
        b"script" => Effect::Script,
        b"plaintext" => Effect::Plaintext,
        b"svg" => Effect::Foreign(Space::Svg),
        b"math" => Effect::Foreign(Space::Math),
        _ => Effect::None,
    }
}

/// HTML start tags that end all foreign content around them.
#[rustfmt::skip]
fn breaks_out(name: &[u8]) -> bool {
    matches!(
        name,
        b"b" | b"big" | b"blockquote" | b"body" | b"br" | b"center" | b"code" | b"dd" | b"div" | b"dl"
            | b"dt" | b"em" | b"embed" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"head" | b"hr"
            | b"i" | b"img" | b"li" | b"listing" | b"menu" | b"meta" | b"nobr" | b"ol" | b"p" | b"pre"
            | b"ruby" | b"s" | b"small" | b"span" | b"strong" | b"strike" | b"sub" | b"sup" | b"table"
            | b"tt" | b"u" | b"ul" | b"var"
    )
}

fn is_html_font(inside: &[u8]) -> bool {
    ["color", "face", "size"].iter().any(|name| raw(inside, name).is_some())
}

fn holds_html(inside: &[u8]) -> bool {
    let encoding = raw(inside, "encoding").unwrap_or_default();
    ["text/html", "application/xhtml+xml"].iter().any(|name| encoding.eq_ignore_ascii_case(name))
}

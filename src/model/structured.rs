//! What a page says of itself for programs: metadata, JSON-LD, microdata, headings, images. Only its shape; how it is
//! read stands elsewhere.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Structured data of a page. Every field is always present.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Structured {
    /// Name of the site: `og:site_name`, else `application-name`, else the publisher in the JSON-LD.
    pub site_name: Option<String>,
    /// Who wrote it: the authors in the JSON-LD, else `<meta name=author>`, `article:author` that is no address, or
    /// the author in the microdata. Several names have a comma between them.
    pub author: Option<String>,
    /// When it was published, in UTC with milliseconds: `article:published_time`, else `datePublished` of JSON-LD or
    /// microdata, else another `<meta>`. Null if nothing there is a date.
    pub published: Option<String>,
    /// When it was changed last, in the same way.
    pub modified: Option<String>,
    /// Properties of Open Graph (`og:`, `article:`, `book:`, `fb:`, `music:`, `product:`, `profile:`, `video:`) as they
    /// are written; each with a list of its values.
    pub open_graph: IndexMap<String, Vec<String>>,
    /// Properties of Twitter cards (`twitter:`), in the same way.
    pub twitter: IndexMap<String, Vec<String>>,
    /// The JSON-LD blocks, each as it stands there.
    pub json_ld: Vec<Value>,
    /// The top-level items of the microdata, as the HTML standard turns them into JSON: `type`, `id`, `properties`.
    pub microdata: Vec<Value>,
    /// Headings in the order of the document.
    pub headings: Vec<Heading>,
    /// Images in the order of the document.
    pub images: Vec<Image>,
}

/// A heading, `<h1>` to `<h6>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Heading {
    /// 1 to 6.
    pub level: u8,
    /// Its text.
    pub text: String,
}

/// An image, `<img>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Absolute address in canonical form.
    pub url: String,
    /// The text that stands for it; empty for one that is only for the eye, null without one.
    pub alt: Option<String>,
    /// Declared width in CSS pixels.
    pub width: Option<u32>,
    /// Declared height in CSS pixels.
    pub height: Option<u32>,
}

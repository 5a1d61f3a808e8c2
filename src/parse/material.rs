//! What of a page the fields of a rule are looked for in: its tree, its JSON, its JSON-LD. Read once, and only what
//! the rule asks for.

use serde_json::Value;
use url::Url;

use super::css::Dom;
use super::json;
use super::mime::Kind;
use super::rules::Rule;
use super::xml_tree;
use crate::model::{Normalize, Parsed};

/// Broken JSON-LD blocks that have a warning of their own.
const MAX_BROKEN: usize = 10;

/// A page as a rule sees it.
pub struct Body<'a> {
    /// How it is read.
    pub kind: Kind,
    /// Its text; empty if it is none.
    pub text: &'a str,
    /// What addresses resolve against.
    pub base: &'a Url,
    /// The canonical form of the job.
    pub normalize: &'a Normalize,
    /// Whether somebody reads the traces: all that is found is counted, and values are kept.
    pub is_traced: bool,
}

/// What of a page the fields of a rule are looked for in; only what it asks for is there.
pub struct Sources {
    /// Its tree.
    pub dom: Option<Dom>,
    /// The body as JSON.
    pub document: Option<Value>,
    /// Its JSON-LD, script by script.
    pub scripts: Vec<Value>,
}

impl Sources {
    /// Reads what the rule asks for; what cannot be read is a warning.
    pub fn of(rule: &Rule, body: &Body<'_>, parsed: &mut Parsed) -> Self {
        let mut warn = |words: String| parsed.warnings.push(format!("rule `{}`: {words}", rule.id));
        let wants_content = rule.main_text || rule.structured_data;
        let tree = match body.kind {
            Kind::Html if rule.needs_tree() || wants_content => Some(Dom::of_html(body.text)),
            _ if !rule.needs_tree() => None,
            Kind::Xml => Some(xml_tree::read(body.text)),
            Kind::Html | Kind::Json | Kind::Markdown | Kind::Text | Kind::Binary => {
                warn("the page has no elements".to_owned());
                None
            }
        };
        if let Some((_, Some(read))) = tree {
            let all = body.text.len();
            warn(format!("only {read} of {all} bytes were searched: the page nests or repeats too much"));
        }
        let dom = tree.map(|(dom, _)| dom);
        let document = match body.kind {
            _ if !rule.needs_json() => None,
            Kind::Json => json::read(body.text).map_err(|why| warn(format!("not read as JSON: {why}"))).ok(),
            _ => {
                warn("the page is no JSON".to_owned());
                None
            }
        };
        let mut scripts = Vec::new();
        let wants_scripts = rule.needs_json_ld() || rule.structured_data && body.kind == Kind::Html;
        if let Some(root) = dom.as_ref().and_then(Dom::root).filter(|_| wants_scripts) {
            let (mut broken, mut left) = (0, json::MAX_VALUES);
            for script in root.json_ld() {
                match json::read_one(&script, &mut left) {
                    Ok(script) => scripts.push(script),
                    Err(why) if broken < MAX_BROKEN => {
                        broken += 1;
                        warn(format!("JSON-LD is not read: {why}"));
                    }
                    Err(_) => broken += 1,
                }
            }
            if broken > MAX_BROKEN {
                warn(format!("{} more JSON-LD blocks are not read", broken - MAX_BROKEN));
            }
        }
        Self { dom, document, scripts }
    }
}

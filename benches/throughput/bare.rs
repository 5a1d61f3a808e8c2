//! The plain loops that the product is held against: `reqwest`, a hundred in flight, a parser, every link resolved and
//! known ones told apart by their fingerprint, one JSON line a page. No store, no checkpoints, no charset, no limits,
//! no robots.txt, no scope but the host: what a good programmer writes in an afternoon.
//!
//! `scraper` parses on a blocking task a page, as most programs do; `lol_html` inline in the one thread, which is the
//! fastest that the field knows.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::sync::LazyLock;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lol_html::{ElementContentHandlers, HtmlRewriter, Settings};
use scraper::{Html, Selector};
use url::Url;

static TITLE: LazyLock<Selector> = LazyLock::new(|| Selector::parse("title").expect("selector"));
static LINKS: LazyLock<Selector> = LazyLock::new(|| Selector::parse("a[href]").expect("selector"));
static LOL_TITLE: LazyLock<lol_html::Selector> = LazyLock::new(|| "title".parse().expect("selector"));
static LOL_LINKS: LazyLock<lol_html::Selector> = LazyLock::new(|| "a[href]".parse().expect("selector"));

/// What a page says: its title, and its links as they stand there.
pub type Said = (Option<String>, Vec<String>);

/// Arguments: `scraper` or `lol_html`; `list` or `crawl`. Reads `urls.txt`, writes `bare.jsonl`, in the current
/// directory. A crawl begins at the first URL and stays on its host.
pub fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let is_crawl = args.iter().any(|arg| arg == "crawl");
    if args.iter().any(|arg| arg == "lol_html") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(crawl(is_crawl, |body| async move { lol_html(&body) }));
    } else {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
        runtime.block_on(crawl(is_crawl, elsewhere));
    }
}

async fn crawl<F: Future<Output = Said>>(is_crawl: bool, parse: impl Fn(bytes::Bytes) -> F) {
    let list = fs::read_to_string("urls.txt").expect("urls.txt");
    let mut urls: VecDeque<Url> = list.lines().map(|line| Url::parse(line).expect("a URL")).collect();
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let mut out = BufWriter::new(File::create("bare.jsonl").expect("bare.jsonl"));
    let mut seen: HashSet<u64> = urls.iter().map(fingerprint).collect();
    let mut flying = FuturesUnordered::new();
    loop {
        while flying.len() < crate::job::IN_FLIGHT
            && let Some(url) = urls.pop_front()
        {
            let (client, parse) = (&client, &parse);
            flying.push(async move {
                let answer = client.get(url.clone()).send().await.expect("answer");
                let said = parse(answer.bytes().await.expect("body")).await;
                (url, said)
            });
        }
        let Some((url, (title, hrefs))) = flying.next().await else { break };
        let links = resolved(&url, &hrefs);
        for link in &links {
            if seen.insert(fingerprint(link)) && is_crawl && link.host_str() == url.host_str() {
                urls.push_back(link.clone());
            }
        }
        let title = title.map(|title| title.split_whitespace().collect::<Vec<_>>().join(" "));
        let links: Vec<&str> = links.iter().map(Url::as_str).collect();
        let line = serde_json::json!({ "url": url.as_str(), "title": title, "links": links });
        serde_json::to_writer(&mut out, &line).expect("write");
        out.write_all(b"\n").expect("write");
    }
    out.flush().expect("flush");
}

/// The links of a page, absolute, without fragments.
pub fn resolved(page: &Url, hrefs: &[String]) -> Vec<Url> {
    let absolute = hrefs.iter().filter_map(|href| page.join(href).ok());
    absolute
        .map(|mut link| {
            link.set_fragment(None);
            link
        })
        .collect()
}

fn fingerprint(url: &Url) -> u64 {
    xxhash_rust::xxh3::xxh3_64(url.as_str().as_bytes())
}

#[allow(clippy::disallowed_methods, reason = "a blocking task a page is what this loop is the measure for")]
async fn elsewhere(body: bytes::Bytes) -> Said {
    tokio::task::spawn_blocking(move || scraper(&body)).await.expect("parsed")
}

/// A whole tree, asked for its title and its links.
pub fn scraper(body: &[u8]) -> Said {
    let page = Html::parse_document(&String::from_utf8_lossy(body));
    let title = page.select(&TITLE).next().map(|title| title.text().collect());
    let links = page.select(&LINKS).filter_map(|link| link.value().attr("href"));
    (title, links.map(str::to_owned).collect())
}

/// One streaming pass. Entities come as they are written and are decoded here, as a program has to that wants to
/// follow its links.
pub fn lol_html(body: &[u8]) -> Said {
    let title = RefCell::new(None::<String>);
    let is_open = RefCell::new(true);
    let mut links = Vec::new();
    let settings = Settings::new()
        .append_element_content_handler((
            Cow::Borrowed(&*LOL_LINKS),
            ElementContentHandlers::default().element(
                |element: &mut lol_html::html_content::Element<'_, '_>| {
                    if let Some(href) = element.get_attribute("href") {
                        links.push(unescaped(href));
                    }
                    Ok(())
                },
            ),
        ))
        .append_element_content_handler((
            Cow::Borrowed(&*LOL_TITLE),
            ElementContentHandlers::default().text(|text: &mut lol_html::html_content::TextChunk<'_>| {
                if *is_open.borrow() {
                    title.borrow_mut().get_or_insert_default().push_str(text.as_str());
                    *is_open.borrow_mut() = !text.last_in_text_node();
                }
                Ok(())
            }),
        ))
        .with_strict(false);
    let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| ());
    rewriter.write(body).expect("a page");
    rewriter.end().expect("a page");
    (title.into_inner().map(unescaped), links)
}

fn unescaped(text: String) -> String {
    if text.contains('&') { htmlize::unescape(&*text).into_owned() } else { text }
}

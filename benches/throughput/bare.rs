//! The plainest loop that does the work: reqwest, a full scraper parse on a blocking task a page, title and all
//! hrefs, one JSON line. No store, no checkpoints, no charset, no limits: what a good afternoon's program does.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::sync::LazyLock;

use futures::StreamExt;
use scraper::{Html, Selector};

static TITLE: LazyLock<Selector> = LazyLock::new(|| Selector::parse("title").expect("selector"));
static LINKS: LazyLock<Selector> = LazyLock::new(|| Selector::parse("a[href]").expect("selector"));

/// Reads `urls.txt`, writes `bare.jsonl`, in the current directory.
pub fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
    runtime.block_on(crawl());
}

async fn crawl() {
    let list = fs::read_to_string("urls.txt").expect("urls.txt");
    let urls: Vec<String> = list.lines().map(str::to_owned).collect();
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let mut out = BufWriter::new(File::create("bare.jsonl").expect("bare.jsonl"));
    let mut lines = futures::stream::iter(urls)
        .map(|url| {
            let client = client.clone();
            async move {
                let answer = client.get(&url).send().await.expect("answer");
                let body = answer.bytes().await.expect("body");
                parse_elsewhere(url, body).await
            }
        })
        .buffer_unordered(crate::IN_FLIGHT);
    while let Some(line) = lines.next().await {
        writeln!(out, "{line}").expect("write");
    }
    out.flush().expect("flush");
}

#[allow(clippy::disallowed_methods, reason = "a blocking task a page is what this loop is the measure for")]
async fn parse_elsewhere(url: String, body: bytes::Bytes) -> String {
    tokio::task::spawn_blocking(move || parse(&url, &body)).await.expect("parsed")
}

fn parse(url: &str, body: &[u8]) -> String {
    let page = Html::parse_document(&String::from_utf8_lossy(body));
    let title = page.select(&TITLE).next().map(|title| title.text().collect::<String>());
    let links: Vec<&str> = page.select(&LINKS).filter_map(|link| link.value().attr("href")).collect();
    let title = title.map(|title| title.split_whitespace().collect::<Vec<_>>().join(" "));
    serde_json::json!({ "url": url, "title": title, "links": links }).to_string()
}

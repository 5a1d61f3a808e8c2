//! Sites without end, robots.txt that are none, sitemaps that lie.

use std::fmt::Write as _;

use bytes::Bytes;

use super::super::wire::{Asked, Play, Step};
use super::{NO_PAUSE, OPEN, bodies};

/// The answer of a host that is bad as a whole.
pub fn answer(asked: &Asked) -> Option<Play> {
    let name = asked.name().strip_suffix(".localhost")?;
    match (name, &*asked.path) {
        (_, "/robots.txt") => robots(name.strip_prefix("robots-")?, &asked.host),
        ("calendar", path) => calendar(path),
        ("sessions", _) => {
            let session =
                asked.query.strip_prefix("sid=").and_then(|sid| sid.parse::<u64>().ok()).unwrap_or(1);
            let other = |n: u64| session.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n) >> 8;
            let links = (1..4).map(|n| format!("/?sid={}", other(n)));
            Some(linking("Session", links))
        }
        ("deeper", path) => {
            let next = path.rsplit('/').find_map(|part| part.parse::<u64>().ok()).unwrap_or(0) + 1;
            Some(linking("Deeper", [format!("{path}/{next}"), format!("{path}/{next}0")]))
        }
        ("again", path) => Some(linking("Again", [format!("{path}/x"), format!("{path}/y/x")])),
        _ => None,
    }
}

fn linking(title: &str, links: impl IntoIterator<Item = String>) -> Play {
    let mut body = format!("<!doctype html><title>{title}</title>");
    for link in links {
        let _ = write!(body, "<a href=\"{link}\">x</a>");
    }
    Play::html(body)
}

/// A month, and its neighbours.
fn calendar(path: &str) -> Option<Play> {
    let (year, month) = path.strip_prefix('/')?.split_once('-')?;
    let (year, month): (u32, u32) = (year.parse().ok()?, month.parse().ok()?);
    let at = year.checked_mul(12)?.checked_add(month)?.checked_sub(1)?;
    let page = |at: u32| format!("/{}-{:02}", at / 12, at % 12 + 1);
    Some(linking(&page(at)[1..], [page(at.checked_sub(1)?), page(at + 1)]))
}

/// The robots.txt of a host.
fn robots(kind: &str, host: &str) -> Option<Play> {
    const RULES: &str = "User-agent: *\nDisallow: /echo/no\n";
    let text = |body: Vec<u8>| Some(Play::whole(200, &[("content-type", "text/plain")], body));
    let port = host.rsplit_once(':').map_or("80", |(_, port)| port);
    match kind {
        "large" => {
            let filling = "# and so on\n".repeat(90_000);
            text(format!("{RULES}{filling}Disallow: /\n").into())
        }
        "bom" => text(format!("\u{feff}{RULES}").into()),
        "cr" => text(RULES.replace('\n', "\r").into()),
        "binary" => text([b"\0\xff\xfe\n".repeat(1000), RULES.into(), b"\xc3\x28\0\n".repeat(1000)].concat()),
        "moved" => Some(Play::to(&format!("http://robots-bom.localhost:{port}/robots.txt"))),
        "html" => Some(Play::html("<!doctype html><title>Home</title>User-agent: nobody Disallow: /")),
        "circle" => Some(Play::to("/robots.txt")),
        "file" => Some(Play::to("file:///etc/passwd")),
        "500" => Some(Play::whole(500, &[], "")),
        "silent" => Some(Play::of([Step::Silence])),
        "short" => Some(Play::raw(format!("{OPEN}content-length: 1000\r\n\r\n{RULES}"))),
        "bomb" => {
            let headers = [("content-type", "text/plain"), ("content-encoding", "gzip")];
            Some(Play::whole(200, &headers, bodies::GZIP.clone()))
        }
        "endless" => {
            let filling = Bytes::from("# and so on\n".repeat(4096));
            Some(Play::of([
                Step::Send(format!("{OPEN}\r\n{RULES}").into()),
                Step::Forever(NO_PAUSE, filling),
            ]))
        }
        "private" => Some(Play::to(&format!("http://127.0.0.2:{port}/robots.txt"))),
        _ => None,
    }
}

/// A sitemap.
pub fn sitemap(name: &str, host: &str) -> Option<Play> {
    const HEAD: &str = "<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>";
    let at = |path: &str| format!("http://{host}/fault/{path}");
    let entry = |name: &str| format!("<url><loc>{}</loc></url>", at(&format!("listed/{name}")));
    let xml = |body: String| Some(Play::whole(200, &[("content-type", "application/xml")], body));
    let index = |names: &[&str]| {
        let maps: String = names
            .iter()
            .map(|name| format!("<sitemap><loc>{}</loc></sitemap>", at(&format!("sitemap/{name}"))))
            .collect();
        format!("<sitemapindex xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{maps}</sitemapindex>")
    };
    match name {
        "bomb.xml.gz" => {
            let head = bodies::gzip(format!("{HEAD}{}", entry("bomb")).as_bytes());
            let body = [&head[..], &bodies::GZIP].concat();
            Some(Play::whole(200, &[("content-type", "application/gzip")], body))
        }
        "br.xml" => bodies::packed("br"),
        "xxe.xml" => xml(format!(
            "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY f SYSTEM 'file:///etc/passwd'><!ENTITY g SYSTEM '{}'>]>\
             {HEAD}{}<url><loc>&f;</loc></url><url><loc>&g;</loc></url></urlset>",
            at("listed/never"),
            entry("xxe")
        )),
        "laughs.xml" => {
            let laughs: String = (1..12)
                .map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10)))
                .collect();
            xml(format!(
                "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY l0 'ha'>{laughs}]>{HEAD}{}\
                 <url><loc>&l11;</loc></url></urlset>",
                entry("laughs")
            ))
        }
        "circle-a.xml" => xml(index(&["circle-b.xml", "circle-a.xml"])),
        "circle-b.xml" => xml(index(&["circle-a.xml", "circle-b.xml"])),
        "nested.xml" => xml(format!("{HEAD}{}{}", entry("nested"), "<url>".repeat(100_000))),
        "endless.xml" => {
            let filling = Bytes::from("<!-- and so on -->".repeat(4096));
            Some(Play::of([Step::Send(format!("{OPEN}\r\n{HEAD}").into()), Step::Forever(NO_PAUSE, filling)]))
        }
        "html.xml" => Some(Play::html("<!doctype html><title>Home</title><a href=/fault/listed/never>x</a>")),
        _ => None,
    }
}

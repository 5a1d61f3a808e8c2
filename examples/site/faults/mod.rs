//! What goes wrong, by host and path. `list` says how each must end.

mod bodies;
mod hosts;
pub mod list;
mod redirects;

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;

use super::Doors;
use super::wire::{Asked, Play, Step};

/// A second, the pace of what drips.
const SECOND: Duration = Duration::from_secs(1);
const NO_PAUSE: Duration = Duration::ZERO;
/// The head of a page of unknown length that ends with its connection.
const OPEN: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\n\r\n";

/// The bad answer to a request, if it is for one.
pub fn answer(asked: &Asked, doors: &Doors) -> Option<Play> {
    let parts: Vec<&str> = asked.path.split('/').skip(1).collect();
    match parts[..] {
        [""] if matches!(asked.name(), "127.0.0.1" | "localhost") => Some(home(&asked.host, &doors.next)),
        ["fault", "next"] => Some(Play::whole(200, &[("content-type", "text/plain")], doors.next.clone())),
        ["fault", "ca.pem"] => {
            let kind = [("content-type", "application/x-pem-file")];
            Some(Play::whole(200, &kind, doors.tls.authority.clone()))
        }
        ["fault", "echo", ..] | ["fault", "listed", _] | ["echo", ..] => Some(echo(asked)),
        ["fault", "mirror", ..] => Some(mirror(asked)),
        ["fault", "links"] => Some(links()),
        ["fault", "packed" | "bomb", kind] => bodies::packed(kind),
        ["fault", "html" | "plain", kind] => bodies::html(kind),
        ["fault", "sitemap", name] => hosts::sitemap(name, &asked.host),
        ["fault", "to" | "private" | "carry" | "chain", ..] => redirects::answer(&parts[1..], asked, doors),
        ["fault", "status", code] => {
            Some(Play::raw(format!("HTTP/1.1 {code} Odd\r\ncontent-type: text/html\r\n\r\n")))
        }
        ["fault", "interim", code] => Some(interim(code)),
        ["fault", "length", length] => {
            let head = format!("{OPEN}content-length: {length}\r\n\r\n<title>Lie</title>");
            Some(Play::of([Step::Send(head.into()), Step::Silence]))
        }
        ["fault", kind] => transfer(kind),
        ["retry", code, after] => Some(retry(code, after)),
        _ => hosts::answer(asked),
    }
}

/// The first page: all that there is, each with its address.
fn home(host: &str, next: &str) -> Play {
    let port = host.rsplit_once(':').map_or("80", |(_, port)| port);
    let mut body = "<!doctype html><meta charset=utf-8><title>Try me</title><h1>Try me</h1><ul>\
        <li><a href=/news/>a newspaper</a><li><a href=/shop/>a shop</a>\
        <li><a href='/api/items?page=1'>an API</a><li><a href=/private/>what robots.txt forbids</a>\
        <li><a href=/bad/404>what is gone</a><li><a href=/bad/loop>a circle of redirects</a></ul>\
        <h1>What can go wrong</h1><p>Names end in <code>.localhost</code>; \
        <a href=/fault/ca.pem>the authority</a> signs those of https that are good.</p>"
        .to_owned();
    for section in list::SECTIONS {
        let _ = write!(body, "<h2>{}</h2><ul>", section.title);
        for fault in section.faults {
            let _ = write!(body, "<li>{}: {}", fault.name, fault.must);
            for end in fault.ends.iter().filter(|end| !end.is_found) {
                let url = end.url.replace("{site}", host).replace("{port}", port).replace("{next}", next);
                let _ = write!(body, "<br><a href=\"{url}\">{url}</a> <code>{}</code>", end.outcome);
            }
        }
        body.push_str("</ul>");
    }
    Play::html(body)
}

/// A page that says what was asked for.
fn echo(asked: &Asked) -> Play {
    Play::html(format!("<!doctype html><title>{}</title>", asked.target()))
}

/// A page that says which credentials came along.
fn mirror(asked: &Asked) -> Play {
    let of = |name| match asked.header(name) {
        None => "none",
        Some(value) if value.contains("job=") => "job=sent",
        Some(value) if value.contains("cookie=") => "the site's own",
        Some(_) => "sent",
    };
    let title = format!("Authorization: {}, Cookie: {}", of("authorization"), of("cookie"));
    let kind = [("content-type", "text/html"), ("set-cookie", "cookie=1; Path=/")];
    Play::whole(200, &kind, format!("<!doctype html><title>{title}</title>"))
}

/// A page with links that are none.
fn links() -> Play {
    let (long, longer) = ("x".repeat(3000), "x".repeat(64 << 10));
    let links = [
        "/echo/good",
        "http://[::1",
        "http://user:secret@127.0.0.1/",
        "javascript:alert(1)",
        "mailto:a@b.test",
        "file:///etc/passwd",
        "http://:80/",
        "http://a b/",
        "http://127.0.0.1:99999/",
    ];
    let mut body = format!(
        "<!doctype html><title>Links</title><a href=\"/echo/{long}\">x</a><a href=\"{longer}\">x</a>"
    );
    for link in links {
        let _ = write!(body, "<a href=\"{link}\">x</a>");
    }
    Play::html(body)
}

/// An answer that is to be asked for again.
fn retry(code: &str, after: &str) -> Play {
    let after = percent_encoding::percent_decode_str(after).decode_utf8_lossy();
    Play::whole(code.parse().unwrap_or(503), &[("retry-after", &after)], "")
}

/// An interim answer, and what comes of it.
fn interim(code: &str) -> Play {
    let end =
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 24\r\n\r\n<title>After 103</title>";
    let end = if code == "103" { end } else { "" };
    Play::raw(format!("HTTP/1.1 {code} Interim\r\n\r\n{end}"))
}

/// What goes wrong on the way.
fn transfer(kind: &str) -> Option<Play> {
    let send = |text: String| Step::Send(Bytes::from(text));
    let forever = |pause, bytes: &str| Step::Forever(pause, Bytes::copy_from_slice(bytes.as_bytes()));
    let text = "A page that goes on and on. ".repeat(1170);
    let chunk = format!("{:x}\r\n{text}\r\n", text.len());
    let field = |n: usize| format!("x-{n}: {}\r\n", "y".repeat(100));
    let steps = match kind {
        "slow-head" => vec![send(OPEN.to_owned() + "x-slow: "), forever(SECOND / 10, "x")],
        "silent" => vec![Step::Silence],
        "drip" => vec![send(format!("{OPEN}\r\n<title>Drip</title>")), forever(SECOND, ".")],
        "stall" => {
            vec![send(format!("{OPEN}content-length: 1000\r\n\r\n<title>Half</title>")), Step::Silence]
        }
        "endless" => vec![send(CHUNKED.to_owned()), forever(NO_PAUSE, &chunk)],
        "huge" | "huge-chunked" => {
            let head = if kind == "huge" {
                format!("{OPEN}content-length: 200000000\r\n\r\n")
            } else {
                format!("{OPEN}\r\n")
            };
            vec![send(head), Step::Times(20_000, Bytes::from("0123456789".repeat(1000)))]
        }
        "endless-head" => vec![send(OPEN.to_owned()), forever(NO_PAUSE, &field(0).repeat(100))],
        "endless-line" => vec![send(OPEN.to_owned() + "x: "), forever(NO_PAUSE, &text)],
        "headers" => {
            let fields: String = (0..20_000).map(field).collect();
            vec![send(format!("{OPEN}{fields}content-length: 0\r\n\r\n"))]
        }
        "cookies" => {
            let cookies: String =
                (0..10_000).map(|n| format!("set-cookie: c{n}={}\r\n", "y".repeat(200))).collect();
            vec![send(format!("{OPEN}{cookies}content-length: 0\r\n\r\n"))]
        }
        "endless-100" => vec![forever(SECOND / 1000, &"HTTP/1.1 100 Continue\r\n\r\n".repeat(100))],
        "short" => vec![send(format!("{OPEN}content-length: 1000\r\n\r\n<title>Half</title>"))],
        "reset-at-once" => vec![Step::Reset],
        "reset" => vec![send(format!("{OPEN}content-length: 1000\r\n\r\n<title>Half</title>")), Step::Reset],
        "close-at-once" => vec![],
        "close-in-head" => vec![send(OPEN.to_owned())],
        "cut-chunk" => vec![send(format!("{CHUNKED}400\r\n<title>Half</title>"))],
        "no-last-chunk" => vec![send(format!("{CHUNKED}13\r\n<title>Half</title>\r\n"))],
        "bad-chunk" => vec![send(format!("{CHUNKED}13\r\n<title>Half</title>\r\nzz\r\n"))],
        "large-chunk" => vec![send(format!("{CHUNKED}ffffffffffffffffffff\r\n<title>Half</title>"))],
        "two-lengths" => {
            vec![send(format!("{OPEN}content-length: 20\r\ncontent-length: 10\r\n\r\n<title>Two.</title>"))]
        }
        "garbage" => vec![send("\u{1}\u{2}\u{3} no HTTP at all \r\n\r\n".repeat(9))],
        "version-9" => vec![send("HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned())],
        _ => return None,
    };
    Some(Play::of(steps))
}

//! Redirects to where nobody should go.

use super::super::Doors;
use super::super::wire::{Asked, Play};

/// The redirect of a path below `/fault/`.
pub fn answer(parts: &[&str], asked: &Asked, doors: &Doors) -> Option<Play> {
    let site = &asked.host;
    let port = site.rsplit_once(':').map_or("80", |(_, port)| port);
    let target = match parts {
        ["chain", number] => format!("/fault/chain/{}", number.parse::<u32>().ok()? + 1),
        ["carry", "near"] => "/fault/mirror/near".to_owned(),
        ["carry", "host"] => format!("http://abroad.localhost:{port}/fault/mirror"),
        ["carry", "scheme"] => format!("https://{site}/fault/mirror"),
        ["carry", "port"] => format!("http://{}/fault/mirror", doors.next),
        ["private", kind] => format!("http://{}/{kind}", private(kind, port)?),
        ["to", "nothing"] => return Some(Play::whole(302, &[], "")),
        ["to", "itself"] => asked.path.clone(),
        ["to", "one"] => "/fault/to/other".to_owned(),
        ["to", "other"] => "/fault/to/one".to_owned(),
        ["to", "file"] => "file:///etc/passwd".to_owned(),
        ["to", "ftp"] => format!("ftp://{site}/there"),
        ["to", "javascript"] => "javascript:alert(1)".to_owned(),
        ["to", "data"] => "data:text/html,<title>x</title>".to_owned(),
        ["to", "empty"] => String::new(),
        ["to", "no-url"] => "http://[::1".to_owned(),
        ["to", "credentials"] => format!("http://user:secret@{site}/fault/echo"),
        ["to", "long"] => format!("/fault/echo/there/{}", "x".repeat(64 << 10)),
        _ => return None,
    };
    Some(Play::to(&target))
}

/// A host that is not on the internet, with its port.
fn private(kind: &str, port: &str) -> Option<String> {
    let host = match kind {
        "plain" => "127.0.0.2",
        "decimal" => "2130706434",
        "octal" => "0177.0.0.02",
        "hex" => "0x7f000002",
        "mixed" => "0x7f.0.2",
        "short" => "127.2",
        "dot" => "127.0.0.2.",
        "wide" => "\u{ff11}\u{ff12}\u{ff17}.0.0.\u{ff12}",
        "escaped" => "%31%32%37.0.0.2",
        "mapped" => "[::ffff:7f00:2]",
        "mapped-dots" => "[::ffff:127.0.0.2]",
        "six" => "[::1]",
        "any" => "0.0.0.0",
        "any-six" => "[::]",
        "ten" => "10.0.0.1",
        "home" => "192.168.0.1",
        "cloud" => return Some("169.254.169.254".to_owned()),
        "carrier" => "100.64.0.1",
        "link" => "[fe80::1]",
        "unique" => "[fd00::1]",
        "translated" => "[64:ff9b::7f00:2]",
        "name" => "inside.test",
        _ => return None,
    };
    Some(format!("{host}:{port}"))
}

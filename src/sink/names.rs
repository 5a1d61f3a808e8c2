//! Names of page files: a pure function of the URL key, and an ending from a closed table. Nothing of a
//! name is taken from the web as it came.

use crate::model::UrlKey;

/// Path of a page in the folder of the sink.
pub(super) fn page_path(key: UrlKey, ending: &str) -> String {
    let key = key.to_string();
    format!("{}/{key}.{ending}", &key[..2])
}

/// The inverse of [`page_path`], from the file name alone.
pub(super) fn identity(name: &str) -> Option<(UrlKey, &'static str)> {
    let (stem, ending) = name.split_once('.')?;
    let ending = ENDINGS.iter().find(|known| **known == ending)?;
    let key: UrlKey = stem.parse().ok()?;
    (key.to_string() == stem).then_some((key, *ending))
}

/// Every ending that a page can have.
const ENDINGS: [&str; 13] =
    ["html", "json", "xml", "txt", "pdf", "png", "jpg", "gif", "webp", "svg", "css", "js", "bin"];

/// The ending of a MIME type, if it has one of its own.
fn ending(mime: &str) -> Option<&'static str> {
    Some(match mime {
        "text/html" | "application/xhtml+xml" => "html",
        "image/svg+xml" => "svg",
        "application/pdf" => "pdf",
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "text/css" => "css",
        "text/javascript" | "application/javascript" | "application/x-javascript" => "js",
        "application/json" | "text/json" => "json",
        "application/xml" | "text/xml" => "xml",
        _ if mime.ends_with("+json") => "json",
        _ if mime.ends_with("+xml") => "xml",
        _ if mime.starts_with("text/") => "txt",
        _ => return None,
    })
}

/// What a page is: the bytes decide, but where they only show text or XML the server may know which.
pub(super) fn kind<'a>(
    detected: Option<&'a str>,
    declared: Option<&'a str>,
) -> (Option<&'a str>, &'static str) {
    let known = |mime: Option<&'a str>| mime.and_then(|mime| Some((Some(mime), ending(mime)?)));
    let is_text = |ending| matches!(ending, "html" | "json" | "xml" | "txt" | "svg" | "css" | "js");
    match (known(detected), known(declared)) {
        (Some((_, "txt" | "xml")), Some(said)) if is_text(said.1) => said,
        (Some(seen), _) => seen,
        (None, Some(said)) => said,
        (None, None) => (detected.or(declared), "bin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_come_from_a_closed_table() {
        let check = |detected, declared, expected| assert_eq!(kind(detected, declared).1, expected);
        check(Some("text/html"), Some("text/plain"), "html");
        check(Some("text/plain"), Some("text/css"), "css");
        check(Some("text/plain"), Some("application/pdf"), "txt");
        check(Some("text/xml"), Some("image/svg+xml"), "svg");
        check(Some("image/png"), Some("text/html"), "png");
        check(None, Some("application/ld+json"), "json");
        check(None, Some("application/atom+xml"), "xml");
        check(None, Some("text/x.html/../../etc"), "txt");
        check(Some("application/zip"), None, "bin");
        check(None, None, "bin");
        for mime in ["a/b", "text/html", "text/css", "x/y+json", "x/y+xml", "image/svg+xml", "image/jpg"] {
            assert!(ENDINGS.contains(&kind(None, Some(mime)).1));
        }
    }

    #[test]
    fn only_names_of_ours_are_read_back() {
        let key = UrlKey::of("https://example.org/");
        let path = page_path(key, "css");
        let name = path.split_once('/').expect("a folder").1;
        assert_eq!(identity(name), Some((key, "css")));
        for strange in
            [&name.to_uppercase(), &format!("0{name}"), &format!("{name}.css"), "x.css", ".css", ""]
        {
            assert_eq!(identity(strange), None, "{strange}");
        }
        assert_eq!(identity(&name.replace("css", "exe")), None);
    }
}

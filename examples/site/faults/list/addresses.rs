//! Where answers lead, and URLs that are odd as they are.

use super::{Fault, Section, Way, asked, end, found, known};

pub const REDIRECTS: Section = Section {
    title: "Redirects",
    faults: &[
        asked(
            "circles",
            "told from a chain",
            &[
                end("http://{site}/fault/to/itself", "redirect_loop", "redirects back to"),
                end("http://{site}/fault/to/other", "redirected", ""),
                found("http://{site}/fault/to/one", "redirect_loop", "redirects back to"),
            ],
        ),
        asked(
            "a chain over the limit",
            "followed as far as `http.max_redirects`",
            &[
                end("http://{site}/fault/chain/0", "redirected", ""),
                found("http://{site}/fault/chain/1", "redirected", ""),
                found("http://{site}/fault/chain/2", "redirected", ""),
                found("http://{site}/fault/chain/3", "redirected", ""),
                found("http://{site}/fault/chain/4", "redirected", ""),
                found("http://{site}/fault/chain/5", "redirected", ""),
                found("http://{site}/fault/chain/6", "redirected", ""),
                found("http://{site}/fault/chain/7", "redirected", ""),
                found("http://{site}/fault/chain/8", "redirected", ""),
                found("http://{site}/fault/chain/9", "redirected", ""),
                found("http://{site}/fault/chain/10", "redirect_loop", "more than 10 redirects"),
            ],
        ),
        asked(
            "to `file:`, `ftp:`, `javascript:` and `data:`",
            "never followed, and said",
            &[
                end("http://{site}/fault/to/file", "redirected", ""),
                found("file:///etc/passwd", "skipped_scope", "scheme `file`"),
                end("http://{site}/fault/to/ftp", "redirected", ""),
                found("ftp://{site}/there", "skipped_scope", "scheme `ftp`"),
                end("http://{site}/fault/to/javascript", "redirected", ""),
                found("javascript:alert(1)", "skipped_scope", "scheme `javascript`"),
                end("http://{site}/fault/to/data", "redirected", ""),
                found("data:text/html,<title>x</title>", "skipped_scope", "scheme `data`"),
            ],
        ),
        asked(
            "to nowhere",
            "an error that says so",
            &[
                end("http://{site}/fault/to/nothing", "invalid_response", "HTTP 302 without a Location"),
                end("http://{site}/fault/to/empty", "redirect_loop", "redirects back to"),
                end("http://{site}/fault/to/no-url", "redirected", ""),
                found("http://[::1", "invalid_url", "not a URL"),
                end("http://{site}/fault/to/credentials", "redirected", ""),
                found("http://user:secret@{site}/fault/echo", "invalid_url", "credentials"),
            ],
        ),
        asked(
            "`Authorization` and `Cookie` across origins",
            "never sent to another host, scheme or port; a `Set-Cookie` is not kept",
            &[
                end("http://{site}/fault/mirror", "ok", "Authorization: sent, Cookie: job=sent"),
                end("http://{site}/fault/carry/near", "redirected", ""),
                found("http://{site}/fault/mirror/near", "ok", "Authorization: sent, Cookie: job=sent"),
                end("http://{site}/fault/carry/host", "redirected", ""),
                found(
                    "http://abroad.localhost:{port}/fault/mirror",
                    "ok",
                    "Authorization: none, Cookie: none",
                ),
                end("http://{site}/fault/carry/scheme", "redirected", ""),
                found("https://{site}/fault/mirror", "ok", "Authorization: none, Cookie: none"),
                end("http://{site}/fault/carry/port", "redirected", ""),
                found("http://{next}/fault/mirror", "ok", "Authorization: none, Cookie: none"),
            ],
        ),
    ],
};

const LOOPBACK: &str = "127.0.0.2 is a loopback address";

pub const PRIVATE: Section = Section {
    title: "Private addresses",
    faults: &[
        asked(
            "redirects to 127.0.0.2 in every spelling",
            "refused, none is asked",
            &[
                end("http://{site}/fault/private/plain", "redirected", ""),
                found("http://127.0.0.2:{port}/plain", "refused_address", LOOPBACK),
                end("http://{site}/fault/private/decimal", "redirected", ""),
                found("http://127.0.0.2:{port}/decimal", "refused_address", LOOPBACK),
                end("http://{site}/fault/private/octal", "redirected", ""),
                found("http://127.0.0.2:{port}/octal", "refused_address", LOOPBACK),
                end("http://{site}/fault/private/hex", "redirected", ""),
                found("http://127.0.0.2:{port}/hex", "refused_address", LOOPBACK),
                end("http://{site}/fault/private/mixed", "redirected", ""),
                found("http://127.0.0.2:{port}/mixed", "refused_address", LOOPBACK),
                end("http://{site}/fault/private/short", "redirected", ""),
                found("http://127.0.0.2:{port}/short", "refused_address", LOOPBACK),
                end("http://{site}/fault/private/dot", "redirected", ""),
                found("http://127.0.0.2:{port}/dot", "refused_address", LOOPBACK),
                end("http://{site}/fault/private/wide", "redirected", ""),
                found("http://127.0.0.2:{port}/wide", "refused_address", LOOPBACK),
                end("http://{site}/fault/private/escaped", "redirected", ""),
                found("http://127.0.0.2:{port}/escaped", "refused_address", LOOPBACK),
                end("http://{site}/fault/private/mapped", "redirected", ""),
                found("http://[::ffff:7f00:2]:{port}/mapped", "refused_address", LOOPBACK),
                end("http://{site}/fault/private/mapped-dots", "redirected", ""),
                found("http://[::ffff:7f00:2]:{port}/mapped-dots", "refused_address", LOOPBACK),
            ],
        ),
        asked(
            "redirects to other networks that are not the internet",
            "refused, none is asked",
            &[
                end("http://{site}/fault/private/six", "redirected", ""),
                found("http://[::1]:{port}/six", "refused_address", "a loopback address"),
                end("http://{site}/fault/private/any", "redirected", ""),
                found("http://0.0.0.0:{port}/any", "refused_address", "an unspecified address"),
                end("http://{site}/fault/private/any-six", "redirected", ""),
                found("http://[::]:{port}/any-six", "refused_address", "an unspecified address"),
                end("http://{site}/fault/private/ten", "redirected", ""),
                found("http://10.0.0.1:{port}/ten", "refused_address", "a private address"),
                end("http://{site}/fault/private/home", "redirected", ""),
                found("http://192.168.0.1:{port}/home", "refused_address", "a private address"),
                end("http://{site}/fault/private/cloud", "redirected", ""),
                found("http://169.254.169.254/cloud", "refused_address", "a link-local address"),
                end("http://{site}/fault/private/carrier", "redirected", ""),
                found("http://100.64.0.1:{port}/carrier", "refused_address", "a shared address"),
                end("http://{site}/fault/private/link", "redirected", ""),
                found("http://[fe80::1]:{port}/link", "refused_address", "a link-local address"),
                end("http://{site}/fault/private/unique", "redirected", ""),
                found("http://[fd00::1]:{port}/unique", "refused_address", "a private address"),
                end("http://{site}/fault/private/translated", "redirected", ""),
                found("http://[64:ff9b::7f00:2]:{port}/translated", "refused_address", "address"),
            ],
        ),
        asked(
            "a name that DNS gives a private address",
            "refused, it is not asked",
            &[
                end("http://{site}/fault/private/name", "redirected", ""),
                found(
                    "http://inside.test:{port}/name",
                    "refused_address",
                    "`inside.test` resolves to 127.0.0.2",
                ),
            ],
        ),
    ],
};

pub const URLS: Section = Section {
    title: "URLs",
    faults: &[
        asked(
            "a URL of 64 KB",
            "refused, also where a redirect leads to it",
            &[
                known(
                    "http://{site}/fault/echo/{64k}",
                    "http://{site}/fault/echo/{64k}{cut}",
                    "invalid_url",
                    "more than any URL",
                ),
                end("http://{site}/fault/to/long", "redirected", ""),
                found("/fault/echo/there/{64k}", "invalid_url", "bytes long, more than 16384"),
            ],
        ),
        asked(
            "a URL with credentials",
            "refused",
            &[end("http://user:secret@{site}/fault/echo", "invalid_url", "credentials")],
        ),
        asked(
            "names beyond ASCII",
            "asked for in their standard form, as one and the same",
            &[
                known(
                    "http://b\u{fc}cher.localhost:{port}/echo/idn",
                    "http://xn--bcher-kva.localhost:{port}/echo/idn",
                    "ok",
                    "/echo/idn",
                ),
                known(
                    "http://B\u{dc}CHER\u{3002}LOCALHOST:{port}/echo/wide",
                    "http://xn--bcher-kva.localhost:{port}/echo/wide",
                    "ok",
                    "/echo/wide",
                ),
            ],
        ),
        asked(
            "odd escapes",
            "normalised where that is safe, else left as they are",
            &[
                known(
                    "http://{site}/fault/echo/%7e%41/../%c3%a9",
                    "http://{site}/fault/echo/%C3%A9",
                    "ok",
                    "/fault/echo/%C3%A9",
                ),
                known(
                    "http://{site}/fault/echo/%zz%",
                    "http://{site}/fault/echo/%zz%",
                    "ok",
                    "/fault/echo/%zz%",
                ),
                known(
                    "http://{site}/fault/echo/%2F%00?a=%2B+%26#x",
                    "http://{site}/fault/echo/%2F%00?a=%2B+%26",
                    "ok",
                    "/fault/echo/%2F%00?a=%2B+%26",
                ),
            ],
        ),
        Fault {
            name: "links that lead nowhere",
            way: Way::Followed,
            must: "the good one is followed, one that is too long is said, the others are counted",
            ends: &[
                end("http://links.localhost:{port}/fault/links", "ok", "Links"),
                found("http://links.localhost:{port}/echo/good", "ok", "/echo/good"),
                found("http://links.localhost:{port}/echo/{3k}", "skipped_scope", ""),
            ],
        },
    ],
};

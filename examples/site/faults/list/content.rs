//! Pages that are hard to read, and statuses that are none.

use super::{Section, asked, end};

pub const PAGES: Section = Section {
    title: "Pages",
    faults: &[
        asked("100,000 nested elements", "read", &[end("http://{site}/fault/plain/nested", "ok", "Nested")]),
        asked(
            "200,000 attributes",
            "read; a title that stands behind them is not looked for, and the record says so",
            &[
                end("http://{site}/fault/html/attributes", "ok", "Attributes"),
                end("http://{site}/fault/html/attributes-first", "ok", ""),
            ],
        ),
        asked(
            "an attribute of 1 MB",
            "read",
            &[end("http://{site}/fault/html/attribute", "ok", "Attribute")],
        ),
        asked("15 MB of text", "read", &[end("http://{site}/fault/plain/large", "ok", "Large")]),
        asked("a million brackets", "read", &[end("http://{site}/fault/html/brackets", "ok", "Brackets")]),
        asked(
            "400,000 links, and a base of 1 MB",
            "read, without the base and with no more links than a page may have",
            &[end("http://{site}/fault/plain/base", "ok", "Base")],
        ),
        asked(
            "links of 60 KB whose escapes make new escapes",
            "read, each in one pass",
            &[end("http://{site}/fault/plain/escapes", "ok", "Escapes")],
        ),
        asked(
            "NUL bytes",
            "read, with none in the title; errors of a page are not collected",
            &[
                end("http://{site}/fault/html/nul", "ok", "N\u{fffd}ul"),
                end("http://{site}/fault/plain/nul-first", "ok", "Behind NUL"),
            ],
        ),
        asked(
            "bytes that are no UTF-8",
            "replaced",
            &[end("http://{site}/fault/html/invalid-utf8", "ok", "Caf\u{fffd} \u{fffd}")],
        ),
        asked(
            "a charset that is a lie",
            "what comes out is valid UTF-8; a name that is none, or that cannot be, is not believed",
            &[
                end("http://{site}/fault/html/charset-lie", "ok", "Caf\u{fffd}"),
                end("http://{site}/fault/html/charset-none", "ok", "Caf\u{e9}"),
                end("http://{site}/fault/html/charset-meta-utf16", "ok", "Caf\u{e9}"),
            ],
        ),
        asked(
            "UTF-16 without a byte order mark",
            "read as what it is",
            &[
                end("http://{site}/fault/html/utf16le-said", "ok", "Caf\u{e9} 16"),
                end("http://{site}/fault/html/utf16be-said", "ok", "Caf\u{e9} 16"),
                end("http://{site}/fault/html/utf16le", "ok", "Caf\u{e9} 16"),
                end("http://{site}/fault/html/utf16be", "ok", "Caf\u{e9} 16"),
            ],
        ),
    ],
};

pub const STATUSES: Section = Section {
    title: "Statuses",
    faults: &[
        asked(
            "304, 206 and 204 unasked",
            "never a record",
            &[
                end("http://{site}/fault/status/304", "invalid_response", "HTTP 304"),
                end("http://{site}/fault/status/206", "invalid_response", "HTTP 206"),
                end("http://{site}/fault/status/204", "invalid_response", "HTTP 204"),
                end("http://{site}/fault/status/205", "invalid_response", "HTTP 205"),
            ],
        ),
        asked(
            "1xx unasked",
            "never a record; an interim answer is passed over",
            &[
                end("http://{site}/fault/interim/101", "invalid_response", "101"),
                end("http://{site}/fault/interim/100", "network_error", "the connection broke"),
                end("http://{site}/fault/interim/103", "ok", "After 103"),
            ],
        ),
        asked(
            "statuses that are none",
            "never a record",
            &[
                end("http://{site}/fault/status/999", "http_error", "HTTP 999"),
                end("http://{site}/fault/status/600", "http_error", "HTTP 600"),
                end("http://{site}/fault/status/099", "invalid_response", "not an HTTP answer"),
            ],
        ),
        asked(
            "429 and 503 with `Retry-After` in seconds",
            "waited for, then given up",
            &[
                end("http://seconds.localhost:{port}/retry/503/1", "http_error", "HTTP 503"),
                end("http://often.localhost:{port}/retry/429/1", "http_error", "HTTP 429"),
            ],
        ),
        asked(
            "`Retry-After` as a date, in its three forms",
            "a date that has passed is no wait, one far ahead counts as the longest",
            &[
                end(
                    "http://date.localhost:{port}/retry/503/Sun,%2006%20Nov%201994%2008:49:37%20GMT",
                    "http_error",
                    "HTTP 503",
                ),
                end(
                    "http://date-850.localhost:{port}/retry/503/Sunday,%2006-Nov-94%2008:49:37%20GMT",
                    "http_error",
                    "HTTP 503",
                ),
                end(
                    "http://date-c.localhost:{port}/retry/503/Sun%20Nov%20%206%2008:49:37%201994",
                    "http_error",
                    "HTTP 503",
                ),
                end(
                    "http://date-far.localhost:{port}/retry/503/Fri,%2031%20Dec%209999%2023:59:59%20GMT",
                    "http_error",
                    "HTTP 503",
                ),
            ],
        ),
        asked(
            "`Retry-After` negative, huge or garbage",
            "ignored or counted as the longest",
            &[
                end("http://negative.localhost:{port}/retry/503/-5", "http_error", "HTTP 503"),
                end("http://ages.localhost:{port}/retry/503/18446744073709551615", "http_error", "HTTP 503"),
                end(
                    "http://later.localhost:{port}/retry/429/99999999999999999999999",
                    "http_error",
                    "HTTP 429",
                ),
                end("http://garbage.localhost:{port}/retry/503/soon", "http_error", "HTTP 503"),
            ],
        ),
    ],
};

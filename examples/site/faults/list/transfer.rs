//! Answers that are slow, broken or far larger than they look.

use super::{Section, asked, end};

pub const SLOW: Section = Section {
    title: "Slow and endless",
    faults: &[
        asked(
            "headers a byte at a time, for ever",
            "a timeout",
            &[end("http://{site}/fault/slow-head", "timeout", "")],
        ),
        asked("no answer", "a timeout", &[end("http://{site}/fault/silent", "timeout", "")]),
        asked(
            "one byte a second, for ever",
            "a timeout of the whole, though something always comes",
            &[end("http://{site}/fault/drip", "timeout", "")],
        ),
        asked(
            "half a page, then silence",
            "a timeout of the read",
            &[end("http://{site}/fault/stall", "timeout", "the body stood still")],
        ),
        asked(
            "a body that never ends",
            "cut off at the cap",
            &[end("http://{site}/fault/endless", "too_large", "more than `http.max_body`")],
        ),
        asked(
            "a page of 200 MB",
            "not read at all if it says its length, else cut off at the cap",
            &[
                end("http://{site}/fault/huge", "too_large", "200000000 bytes by its `Content-Length`"),
                end("http://{site}/fault/huge-chunked", "too_large", "more than `http.max_body`"),
            ],
        ),
        asked(
            "a length that is a lie",
            "nothing is reserved on the word of a header",
            &[
                end("http://{site}/fault/length/1000000000000000000", "too_large", "`Content-Length`"),
                end("http://{site}/fault/length/99999999999999999999", "invalid_response", "content-length"),
            ],
        ),
        asked(
            "headers without end",
            "refused at a bound",
            &[
                end("http://{site}/fault/endless-head", "invalid_response", "not an HTTP answer"),
                end("http://{site}/fault/endless-line", "invalid_response", "not an HTTP answer"),
            ],
        ),
        asked(
            "floods of headers and cookies",
            "refused at a bound",
            &[
                end("http://{site}/fault/headers", "invalid_response", "not an HTTP answer"),
                end("http://{site}/fault/cookies", "invalid_response", "not an HTTP answer"),
            ],
        ),
        asked(
            "interim answers without end",
            "a timeout",
            &[end("http://{site}/fault/endless-100", "timeout", "")],
        ),
    ],
};

pub const BROKEN: Section = Section {
    title: "Cut off and broken",
    faults: &[
        asked(
            "less than the `Content-Length` says",
            "never half a page as `ok`",
            &[end("http://{site}/fault/short", "network_error", "the connection broke")],
        ),
        asked(
            "a reset",
            "an error, whether nothing or half a page came before",
            &[
                end("http://{site}/fault/reset-at-once", "network_error", "the connection broke"),
                end("http://{site}/fault/reset", "network_error", "the connection broke"),
            ],
        ),
        asked(
            "closed without an answer",
            "an error",
            &[
                end("http://{site}/fault/close-at-once", "network_error", "the connection broke"),
                end("http://{site}/fault/close-in-head", "network_error", "the connection broke"),
            ],
        ),
        asked(
            "chunks that break off",
            "never half a page as `ok`",
            &[
                end("http://{site}/fault/cut-chunk", "network_error", "the connection broke"),
                end("http://{site}/fault/no-last-chunk", "network_error", "the connection broke"),
            ],
        ),
        asked(
            "chunks of no size",
            "an error",
            &[
                end("http://{site}/fault/bad-chunk", "network_error", "the connection broke"),
                end("http://{site}/fault/large-chunk", "network_error", "the connection broke"),
            ],
        ),
        asked(
            "two lengths that differ",
            "an error",
            &[end("http://{site}/fault/two-lengths", "invalid_response", "content-length")],
        ),
        asked(
            "no HTTP at all",
            "an error",
            &[
                end("http://{site}/fault/garbage", "invalid_response", "not an HTTP answer"),
                end("http://{site}/fault/version-9", "invalid_response", "not an HTTP answer"),
            ],
        ),
        asked(
            "packed data that is cut off, broken or none",
            "an error, never half a page as `ok`",
            &[
                end("http://{site}/fault/packed/cut", "invalid_response", "the gzip body is cut off"),
                end("http://{site}/fault/packed/broken", "invalid_response", "the gzip body is broken"),
                end("http://{site}/fault/packed/plain", "invalid_response", "the gzip body is broken"),
                end(
                    "http://{site}/fault/packed/unknown",
                    "invalid_response",
                    "`Content-Encoding: rot13` is not known",
                ),
            ],
        ),
    ],
};

pub const BOMBS: Section = Section {
    title: "Bombs",
    faults: &[
        asked(
            "gzip, 1 GiB",
            "given up at the cap of what is unpacked",
            &[end("http://{site}/fault/bomb/gzip", "too_large", "unpacks to more than")],
        ),
        asked(
            "deflate, 1 GiB",
            "given up at the cap of what is unpacked",
            &[end("http://{site}/fault/bomb/deflate", "too_large", "unpacks to more than")],
        ),
        asked(
            "brotli, 1681 bytes that become 1 GiB",
            "given up at the cap of what is unpacked",
            &[end("http://{site}/fault/bomb/br", "too_large", "unpacks to more than")],
        ),
        asked(
            "zstd, 1 GiB",
            "given up at the cap of what is unpacked",
            &[end("http://{site}/fault/bomb/zstd", "too_large", "unpacks to more than")],
        ),
        asked(
            "a bomb in a bomb",
            "each layer has the cap",
            &[
                end("http://{site}/fault/bomb/gzip-gzip", "too_large", "unpacks to more than"),
                end("http://{site}/fault/bomb/gzip-br", "too_large", "unpacks to more than"),
            ],
        ),
        asked(
            "five encodings on top of each other",
            "refused unopened",
            &[end("http://{site}/fault/bomb/five", "invalid_response", "5 encodings on top of each other")],
        ),
        asked(
            "windows of 1 GiB and more",
            "refused before they are reserved",
            &[
                end("http://{site}/fault/bomb/br-window", "invalid_response", "larger than allowed"),
                end("http://{site}/fault/bomb/zstd-window", "invalid_response", "the zstd body is broken"),
            ],
        ),
    ],
};

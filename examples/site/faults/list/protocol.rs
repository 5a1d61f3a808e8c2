//! What goes wrong below HTTP: frames of HTTP/2, and TLS.

use super::{End, Fault, Section, asked, end};

const fn flood(name: &'static str, ends: &'static [End]) -> Fault {
    asked(name, "an error, and memory stays flat", ends)
}

pub const HTTP2: Section = Section {
    title: "HTTP/2",
    faults: &[
        asked("nothing wrong", "read over HTTP/2", &[end("https://h2-good.localhost:{port}/", "ok", "Good")]),
        asked(
            "a stream that is reset",
            "never half a page as `ok`",
            &[
                end("https://h2-reset.localhost:{port}/", "network_error", ""),
                end("https://h2-reset-at-once.localhost:{port}/", "network_error", ""),
                end("https://h2-refused.localhost:{port}/", "network_error", ""),
            ],
        ),
        asked(
            "GOAWAY",
            "an error, in the page or before it",
            &[
                end("https://h2-goaway.localhost:{port}/", "network_error", ""),
                end("https://h2-goaway-at-once.localhost:{port}/", "network_error", ""),
            ],
        ),
        asked(
            "less or more than the `content-length` says",
            "an error",
            &[
                end("https://h2-short.localhost:{port}/", "network_error", ""),
                end("https://h2-long.localhost:{port}/", "network_error", ""),
            ],
        ),
        asked(
            "frames that are none",
            "an error",
            &[
                end("https://h2-garbage.localhost:{port}/", "network_error", ""),
                end("https://h2-data-first.localhost:{port}/", "network_error", ""),
            ],
        ),
        asked(
            "a stream without an answer",
            "a timeout",
            &[end("https://h2-silent.localhost:{port}/", "timeout", "")],
        ),
        flood("CONTINUATION flood", &[end("https://h2-continuation.localhost:{port}/", "network_error", "")]),
        flood(
            "header lists that unpack",
            &[end("https://h2-headers.localhost:{port}/", "network_error", "")],
        ),
        flood(
            "empty DATA flood",
            &[end("https://h2-empty.localhost:{port}/", "network_error", "excessive load")],
        ),
        flood("SETTINGS flood", &[end("https://h2-settings.localhost:{port}/", "timeout", "")]),
        flood("PING flood", &[end("https://h2-ping.localhost:{port}/", "timeout", "")]),
        flood("flood of interim answers", &[end("https://h2-interim.localhost:{port}/", "timeout", "")]),
        flood("flood of resets", &[end("https://h2-resets.localhost:{port}/", "timeout", "")]),
    ],
};

pub const TLS: Section = Section {
    title: "TLS",
    faults: &[
        asked(
            "an expired certificate",
            "refused",
            &[
                end("https://expired.localhost:{port}/", "tls_error", "the certificate has expired"),
                end("https://early.localhost:{port}/", "tls_error", "the certificate is not valid yet"),
            ],
        ),
        asked(
            "a certificate of another host",
            "refused",
            &[end("https://wrong-host.localhost:{port}/", "tls_error", "not valid for name")],
        ),
        asked(
            "a certificate signed by itself, or by nobody known",
            "refused",
            &[
                end("https://self-signed.localhost:{port}/", "tls_error", "signed by itself"),
                end("https://unknown.localhost:{port}/", "tls_error", "signed by itself"),
            ],
        ),
        asked(
            "a handshake that is cut off",
            "refused",
            &[end("https://cut.localhost:{port}/", "tls_error", "within the TLS handshake")],
        ),
        asked(
            "a handshake that is garbage, or plain HTTP",
            "refused",
            &[
                end("https://noise.localhost:{port}/", "tls_error", ""),
                end("https://plain.localhost:{port}/", "tls_error", ""),
            ],
        ),
        asked(
            "a handshake that never ends",
            "a timeout, of its robots.txt, so that the page is not asked for",
            &[end("https://mute.localhost:{port}/", "skipped_robots", "connecting took too long")],
        ),
        asked(
            "a page whose TLS is cut off",
            "never half a page as `ok`",
            &[
                end("https://torn.localhost:{port}/", "network_error", ""),
                end("https://torn-length.localhost:{port}/", "network_error", ""),
            ],
        ),
    ],
};

//! How one URL ended: one closed table with stable names.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! outcomes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// How one URL ended. The names are part of the output format; the order is part of the
        /// journal format, so new outcomes are added at the end.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Outcome {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Outcome {
            /// Every outcome, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name in outputs, logs and summaries.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it means, in a line.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

outcomes! {
    /// Fetched and parsed: it has a record.
    Ok = "ok",
    /// The server says that nothing changed since the last run.
    NotModified = "not_modified",
    /// It answered with a redirect; its target is a URL of its own.
    Redirected = "redirected",
    /// Known before the fetch to be another URL, or the same content as one already recorded.
    Duplicate = "duplicate",
    /// HTTP 404 or 410.
    Gone = "gone",
    /// Any other HTTP status that is no answer.
    HttpError = "http_error",
    /// The name of the host could not be resolved.
    DnsError = "dns_error",
    /// The address is private, loopback, link-local or otherwise not allowed.
    RefusedAddress = "refused_address",
    /// No connection: refused, unreachable, reset before it stood.
    ConnectError = "connect_error",
    /// The TLS handshake or the certificate failed.
    TlsError = "tls_error",
    /// Connecting, waiting for bytes, or the whole request took longer than allowed.
    Timeout = "timeout",
    /// The connection broke within the answer.
    NetworkError = "network_error",
    /// The body, unpacked, is larger than `http.max_body`.
    TooLarge = "too_large",
    /// Redirects in a circle, or more of them than `http.max_redirects`.
    RedirectLoop = "redirect_loop",
    /// No URL that could be fetched.
    InvalidUrl = "invalid_url",
    /// An answer that HTTP does not allow here: broken encoding, 206 or 304 unasked, no content.
    InvalidResponse = "invalid_response",
    /// A required field of its extraction rule has no value: it has no record.
    Rejected = "rejected",
    /// A local file that cannot be read: vanished, no permission, not a regular file.
    Unreadable = "unreadable",
    /// Our own fault: the page made the program panic.
    Internal = "internal",
    /// Outside the scope of the job.
    SkippedScope = "skipped_scope",
    /// Forbidden by robots.txt.
    SkippedRobots = "skipped_robots",
    /// Deeper than `limits.max_depth`.
    SkippedDepth = "skipped_depth",
    /// Over a limit of the run or the host.
    SkippedBudget = "skipped_budget",
    /// Known, and not yet due again.
    SkippedNotDue = "skipped_not_due",
    /// The host asks for longer waits than allowed.
    SkippedCrawlDelay = "skipped_crawl_delay",
    /// A content type that is not wanted.
    SkippedMime = "skipped_mime",
    /// A sitemap, feed or page that was read for the URLs it lists; it has no record.
    Listed = "listed",
}

impl Outcome {
    /// Whether the run got what it came for: there is a record, or a good one stays valid.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Ok | Self::NotModified)
    }

    /// Whether it was wanted and there is nothing of it: neither good, nor led on, nor left out as the config says.
    pub fn is_failure(self) -> bool {
        let led_on = matches!(self, Self::Redirected | Self::Duplicate | Self::Listed);
        !self.is_good() && !led_on && !self.name().starts_with("skipped_")
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

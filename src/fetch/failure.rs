//! What the HTTP library says went wrong, as an outcome in words. Looks for the deepest cause it knows;
//! names no URL and never the same thing twice.

use std::error::Error;
use std::io;

use rustls::CertificateError;

use super::dns::Unresolved;
use crate::model::{Failure, Outcome, Stage};

/// The outcome of a request that brought no answer, or no whole one.
pub(super) fn of(error: &reqwest::Error) -> Failure {
    // A connection fails in its own stage, whatever was wrong with it; all else is transfer.
    let stage = if error.is_connect() { Stage::Connect } else { Stage::Transfer };
    for cause in chain(error) {
        if let Some(unresolved) = cause.downcast_ref::<Unresolved>() {
            let outcome = match unresolved {
                Unresolved::Unknown { .. } => Outcome::DnsError,
                Unresolved::Refused { .. } => Outcome::RefusedAddress,
            };
            return Failure::new(stage, outcome, unresolved.to_string());
        }
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Failure::new(stage, Outcome::TlsError, tls_words(tls));
        }
    }
    let deepest = chain(error).last().map(ToString::to_string).unwrap_or_default();
    if error.is_timeout() {
        let words = if error.is_connect() { "connecting took too long" } else { "the answer took too long" };
        return Failure::new(stage, Outcome::Timeout, words);
    }
    if error.is_connect() && chain(error).any(is_handshake_end) {
        let words = "the server ended the connection within the TLS handshake";
        return Failure::new(stage, Outcome::TlsError, words);
    }
    if error.is_connect() {
        return Failure::new(stage, Outcome::ConnectError, format!("cannot connect: {deepest}"));
    }
    if error.is_builder() {
        return Failure::new(stage, Outcome::InvalidUrl, format!("cannot be asked for: {deepest}"));
    }
    if chain(error).filter_map(|cause| cause.downcast_ref::<hyper::Error>()).any(hyper::Error::is_parse) {
        return Failure::new(stage, Outcome::InvalidResponse, format!("not an HTTP answer: {deepest}"));
    }
    Failure::new(stage, Outcome::NetworkError, format!("the connection broke: {deepest}"))
}

/// The error and everything below it. An `io::Error` hides what it wraps from `source()`.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error: &'a (dyn Error + 'static) = *error;
        match error.downcast_ref::<io::Error>().map(io::Error::get_ref) {
            Some(Some(inner)) => Some(inner),
            _ => error.source(),
        }
    })
}

fn is_handshake_end(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(|error| {
        error.kind() == io::ErrorKind::UnexpectedEof && error.to_string() == "tls handshake eof"
    })
}

/// The usual troubles with certificates in plain words; the library's own for the rest.
fn tls_words(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(certificate) = error else { return format!("TLS: {error}") };
    match certificate {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "the certificate is signed by itself or by an authority that is not trusted; \
             `http.ca_file` can name further authorities"
                .to_owned()
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "the certificate is that of an authority, which cannot stand for a server".to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_errors_are_found() {
        let inner = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, inner));
        let found = chain(&wrapped).find_map(|cause| cause.downcast_ref::<rustls::Error>()).map(tls_words);
        assert!(found.is_some_and(|words| words.contains("signed by itself")));
    }
}

//! [`Refusal`]: why a request is not taken, and what its client is told.
use http::StatusCode;

use crate::exchange::{Exchange, Flag};

/// A request that breaks the protocol or a limit. Status, text and details are Envoy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The answer's status.
    pub status: StatusCode,
    /// The answer's body.
    pub text: &'static str,
    /// `%RESPONSE_CODE_DETAILS%`.
    pub details: &'static str,
    /// The connection ends after the answer.
    pub close: bool,
}

impl Refusal {
    /// Any refusal.
    pub(crate) const fn new(status: StatusCode, text: &'static str, details: &'static str, close: bool) -> Self {
        Self { status, text, details, close }
    }

    /// A message outside the grammar, or of two readings.
    pub(crate) const BAD_REQUEST: Self = Self::new(StatusCode::BAD_REQUEST, "Bad Request", "http1.codec_error", true);

    /// A head of too many bytes.
    pub(crate) const HEAD_TOO_LARGE: Self = Self::fields("http1.headers_too_large");

    /// A head of too many fields.
    pub(crate) const TOO_MANY_FIELDS: Self = Self::fields("http1.too_many_headers");

    /// A transfer coding other than exactly `chunked`.
    pub(crate) const UNKNOWN_CODING: Self =
        Self::new(StatusCode::NOT_IMPLEMENTED, "Not Implemented", "http1.invalid_transfer_encoding", true);

    /// A version other than HTTP/1.1.
    pub(crate) const VERSION: Self = Self::new(StatusCode::UPGRADE_REQUIRED, "Upgrade Required", "low_version", true);

    /// Notes why in the record.
    pub(crate) fn record(&self, exchange: &Exchange) {
        let mut record = exchange.record();
        record.details = Some(self.details);
        if self.details.starts_with("http1.") {
            record.flags.set(Flag::DownstreamProtocolError);
        }
    }

    const fn fields(details: &'static str) -> Self {
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large", details, true)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.details)
    }
}

impl std::error::Error for Refusal {}

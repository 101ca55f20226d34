//! What went wrong with an exchange, in the gateway's terms.
use std::error::Error as _;

use crate::error::{Error, Kind};

/// The kind of a failure of hyper's client.
pub(super) fn kind(error: &hyper::Error) -> Kind {
    if error.is_parse() || error.is_parse_too_large() {
        return Kind::Protocol;
    }
    if error.is_body_write_aborted() || (error.is_user() && error.source().is_some()) {
        // The request's body failed: the client left, or sent nonsense. Without a cause it is the connection's driver
        // that is gone.
        return causes(error).find_map(|cause| cause.downcast_ref::<Error>()).map_or(Kind::Client, Error::kind);
    }
    for source in causes(error) {
        if let Some(error) = source.downcast_ref::<h2::Error>() {
            return of_h2(error);
        }
    }
    Kind::Closed
}

/// What is behind an error, from the outside in.
fn causes(error: &hyper::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

fn of_h2(error: &h2::Error) -> Kind {
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => Kind::Refused,
        // Above the last stream that the peer takes: it has not seen it (RFC 9113 6.8).
        Some(h2::Reason::NO_ERROR) if error.is_go_away() && error.is_remote() => Kind::Refused,
        // Not spoken at all, or spoken wrongly: h2 found it out, or the peer did.
        Some(h2::Reason::PROTOCOL_ERROR | h2::Reason::FRAME_SIZE_ERROR) if !error.is_remote() => Kind::Protocol,
        Some(h2::Reason::HTTP_1_1_REQUIRED) => Kind::Protocol,
        Some(_) if error.is_reset() => Kind::Reset,
        _ => Kind::Closed,
    }
}

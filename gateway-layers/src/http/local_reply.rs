//! [`LocalReply`]: an answer of the gateway itself, in Envoy's form.
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName},
};

use crate::exchange::Exchange;

/// Marks a response as the gateway's own; in the response's extensions. The response head layer finishes it:
/// content-type, `connection: close`, the form for gRPC.
#[derive(Clone, Debug, Default)]
pub struct LocalReply {
    /// The body's text.
    pub text: Bytes,
    /// The connection ends after it, in any case.
    pub close: bool,
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

impl LocalReply {
    /// An empty answer.
    #[must_use]
    pub fn empty<R: Default>(status: StatusCode) -> Response<R> {
        Self::default().response(status)
    }

    /// An answer with a text.
    #[must_use]
    pub fn text<R: From<Bytes>>(status: StatusCode, text: Bytes) -> Response<R> {
        let mut response = Response::new(R::from(text.clone()));
        *response.status_mut() = status;
        response.extensions_mut().insert(Self { text, close: false });
        response
    }

    /// This reply with an empty body.
    fn response<R: Default>(self, status: StatusCode) -> Response<R> {
        let mut response = Response::new(R::default());
        *response.status_mut() = status;
        response.extensions_mut().insert(self);
        response
    }

    /// The content type that Envoy gives: plain text, unless an operation set another one.
    pub(crate) fn add_content_type(&self, headers: &mut HeaderMap) {
        if !self.text.is_empty() && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
    }

    /// The form that gRPC clients understand: 200, trailers only, the text as the message. The body must be
    /// emptied by the caller.
    pub(crate) fn to_grpc(&self, status: &mut StatusCode, headers: &mut HeaderMap) {
        if !headers.contains_key(GRPC_STATUS) {
            headers.insert(GRPC_STATUS, HeaderValue::from(grpc_code(*status)));
        }
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        if let Some(message) = percent_encoded(&self.text) {
            headers.insert(GRPC_MESSAGE, message);
        }
        *status = StatusCode::OK;
    }
}

/// gRPC's code for an HTTP status, as Envoy maps it.
const fn grpc_code(status: StatusCode) -> u16 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}

/// `grpc-message` is percent-encoded: everything outside printable ASCII, and `%`.
fn percent_encoded(text: &[u8]) -> Option<HeaderValue> {
    if text.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            out.push(byte);
        } else {
            const HEX: [u8; 16] = *b"0123456789ABCDEF";
            out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    HeaderValue::try_from(out).ok()
}

/// Is it a gRPC request? `application/grpc` and `application/grpc+...`; not `grpc-web`.
#[must_use]
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers.get(CONTENT_TYPE) else { return false };
    match content_type.as_bytes().strip_prefix(b"application/grpc") {
        Some(rest) => rest.is_empty() || rest.starts_with(b"+"),
        None => false,
    }
}

/// The same of a request, whose record knows it already if it has one.
pub(crate) fn is_grpc_request<B>(req: &http::Request<B>) -> bool {
    Exchange::of(req).map_or_else(|| is_grpc(req.headers()), |exchange| exchange.is_grpc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_told_by_its_content_type() {
        for (value, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc-web", false),
            ("application/grpcx", false),
            ("text/plain", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
            assert_eq!(is_grpc(&headers), expected, "{value}");
        }
    }

    #[test]
    fn the_grpc_form_has_code_and_message() {
        let reply = LocalReply { text: Bytes::from_static(b"100% \n"), close: false };
        let (mut status, mut headers) = (StatusCode::SERVICE_UNAVAILABLE, HeaderMap::new());
        reply.to_grpc(&mut status, &mut headers);
        assert_eq!((status, &headers["grpc-status"]), (StatusCode::OK, &HeaderValue::from_static("14")));
        assert_eq!(headers["grpc-message"], "100%25 %0A");
    }
}

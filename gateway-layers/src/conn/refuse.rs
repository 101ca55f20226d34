//! [`Refuse`]: who answers what is no request.
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, header::CONTENT_TYPE};

use crate::{exchange::Exchange, http1::Refusal};

/// Answers HTTP/1 that is no request: broken, of two readings, or too large. It never becomes one, so no service sees
/// it; who keeps a log or counts answers sees it here. The connection ends after the answer.
pub trait Refuse: Send + Sync {
    /// The answer. The record is new: nothing is known but the connection.
    fn refuse(&self, refusal: Refusal, exchange: &Arc<Exchange>) -> Response<Bytes>;
}

/// Status and text, and nothing else.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlainRefusals;

impl Refuse for PlainRefusals {
    fn refuse(&self, refusal: Refusal, _: &Arc<Exchange>) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from_static(refusal.text.as_bytes()));
        *response.status_mut() = refusal.status;
        if !refusal.text.is_empty() {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
        response
    }
}

//! `retryOn`: a comma list of conditions and statuses.

use http::StatusCode;

use crate::model::RetryOn;

/// Statuses that are registered, and so can be named.
const REGISTERED: [u16; 62] = [
    100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400,
    401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424, 425,
    426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
];

/// Reads the list. Its words are not trimmed, as in Istio.
pub(super) fn parse(list: &str) -> Result<(RetryOn, Vec<StatusCode>), String> {
    let mut on = RetryOn::default();
    let mut statuses = Vec::new();
    for word in list.split(',') {
        let field = match word {
            "5xx" => &mut on.server_error,
            "gateway-error" => &mut on.gateway_error,
            "reset" => &mut on.reset,
            "reset-before-request" => &mut on.reset_before_request,
            "connect-failure" => &mut on.connect_failure,
            "retriable-4xx" => &mut on.retriable_4xx,
            "refused-stream" => &mut on.refused_stream,
            "cancelled" => &mut on.grpc_cancelled,
            "internal" => &mut on.grpc_internal,
            "unavailable" => &mut on.grpc_unavailable,
            "resource-exhausted" => &mut on.grpc_resource_exhausted,
            "deadline-exceeded" => &mut on.grpc_deadline_exceeded,
            "envoy-ratelimited" => &mut on.envoy_ratelimited,
            // Known, and without effect here: no status or header is listed by the word itself.
            "retriable-status-codes" | "retriable-headers" | "http3-post-connect-failure" => continue,
            number => {
                let status = number.parse().ok().filter(|status| REGISTERED.contains(status));
                let Some(Ok(status)) = status.map(StatusCode::from_u16) else { return Err(wrong(word)) };
                statuses.push(status);
                continue;
            }
        };
        *field = true;
    }
    Ok((on, statuses))
}

fn wrong(word: &str) -> String {
    let cure = if word.trim() == word { "" } else { "; write the list without blanks" };
    format!("`{word}` is no condition to retry on{cure}")
}

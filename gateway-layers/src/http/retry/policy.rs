//! Which failures and answers are tried again.
use gateway_core::model::{RetryOn, RetryPolicy};
use http::{HeaderMap, Response, StatusCode};

use crate::{error::Kind, exchange::grpc_status};

/// Does the policy look at answers of such a request? Then its body must be kept.
pub(super) fn looks_at_answers(policy: &RetryPolicy, grpc: bool) -> bool {
    let RetryOn {
        server_error,
        gateway_error,
        reset,
        reset_before_request,
        retriable_4xx,
        grpc_cancelled,
        grpc_internal,
        grpc_unavailable,
        grpc_resource_exhausted,
        grpc_deadline_exceeded,
        ..
    } = policy.on;
    let grpc_codes =
        grpc_cancelled || grpc_internal || grpc_unavailable || grpc_resource_exhausted || grpc_deadline_exceeded;
    server_error
        || gateway_error
        || reset
        || reset_before_request
        || retriable_4xx
        || !policy.statuses.is_empty()
        || (grpc && grpc_codes)
}

/// Is a try that failed without an answer to be repeated? `unsent`: the upstream has not seen the request.
pub(super) fn retries_error(on: RetryOn, kind: Kind, unsent: bool) -> bool {
    let no_answer = on.server_error || on.gateway_error || on.reset;
    match kind {
        Kind::Connect | Kind::ConnectTimeout => on.connect_failure || no_answer || (on.reset_before_request && unsent),
        Kind::Refused => on.refused_stream || no_answer,
        Kind::Closed | Kind::Reset | Kind::Protocol => no_answer || (on.reset_before_request && unsent),
        Kind::TryTimeout => no_answer,
        _ => false,
    }
}

/// Is an answer to be thrown away and the request repeated?
pub(super) fn retries_answer<B>(policy: &RetryPolicy, response: &Response<B>) -> bool {
    let on = policy.on;
    let status = response.status();
    if response.headers().contains_key("x-envoy-ratelimited") && !on.envoy_ratelimited {
        return false;
    }
    let gateway =
        matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT);
    (on.server_error && status.is_server_error())
        || (on.gateway_error && gateway)
        || (on.retriable_4xx && status == StatusCode::CONFLICT)
        || policy.statuses.contains(&status)
        || retries_grpc(on, response.headers())
}

fn retries_grpc(on: RetryOn, headers: &HeaderMap) -> bool {
    match grpc_status(headers) {
        Some(1) => on.grpc_cancelled,
        Some(4) => on.grpc_deadline_exceeded,
        Some(8) => on.grpc_resource_exhausted,
        Some(13) => on.grpc_internal,
        Some(14) => on.grpc_unavailable,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_policy_keeps_bodies_of_grpc_only() {
        let policy = RetryPolicy::default();
        assert!(!looks_at_answers(&policy, false));
        assert!(looks_at_answers(&policy, true));
        assert!(retries_error(policy.on, Kind::Connect, true));
        assert!(!retries_error(policy.on, Kind::Closed, false), "it may have been carried out");
        assert!(!retries_error(policy.on, Kind::NoHealthyHost, true));
    }

    #[test]
    fn answers() {
        let policy = |on| RetryPolicy { on, ..RetryPolicy::default() };
        let answer = |status: u16| Response::builder().status(status).body(()).expect("valid");
        let five = policy(RetryOn { server_error: true, ..RetryOn::default() });
        let gateway = policy(RetryOn { gateway_error: true, ..RetryOn::default() });
        for (policy, status, expected) in
            [(&five, 500, true), (&five, 404, false), (&gateway, 500, false), (&gateway, 503, true)]
        {
            assert_eq!(retries_answer(policy, &answer(status)), expected, "{status}");
        }
        let limited = Response::builder().status(503).header("x-envoy-ratelimited", "true").body(()).expect("valid");
        assert!(!retries_answer(&five, &limited));
    }
}

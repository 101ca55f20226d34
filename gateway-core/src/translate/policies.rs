//! Retries, faults, mirrors and cross-origin rules, to the model.

use std::time::Duration;

use http::StatusCode;

use super::conditions::string_match;
use super::{duration, grpc, retry_on};
use crate::istio::{self, CorsPolicy, HttpFault, HttpRetry, HttpRoute, Percent, UnmatchedPreflights};
use crate::model::{Abort, ClusterName, Cors, Fault, Fraction, Mirror, RetryPolicy, StringMatch};

/// `retries`; absent: the default.
pub(super) fn retry(retries: Option<&HttpRetry>, timeout: Option<Duration>) -> RetryPolicy {
    let default = RetryPolicy::default();
    let Some(retries) = retries else { return default };
    let list = retries.retry_on.as_deref().filter(|list| !list.is_empty());
    let (on, statuses) = list.and_then(|list| retry_on::parse(list).ok()).unwrap_or((default.on, Vec::new()));
    let time = |text: &Option<String>| text.as_deref().and_then(|text| duration::normal(text).ok());
    RetryPolicy {
        attempts: u32::try_from(retries.attempts.unwrap_or(0)).unwrap_or(0),
        on,
        statuses,
        // A try cannot last longer than the request.
        per_try_timeout: time(&retries.per_try_timeout).filter(|time| timeout.is_none_or(|all| *time < all)),
        backoff: time(&retries.backoff).unwrap_or(default.backoff),
        ignore_previous_hosts: retries.retry_ignore_previous_hosts.unwrap_or(true),
    }
}

/// A share that is absent is 0, as in Istio.
fn share(percent: Option<&Percent>) -> Fraction {
    Fraction::percent(percent.and_then(|percent| percent.value).unwrap_or(0.0))
}

fn some(share: Fraction) -> Option<Fraction> {
    (share.millionths() > 0).then_some(share)
}

/// `fault`; `None` if it never happens.
pub(super) fn fault(fault: &HttpFault) -> Option<Fault> {
    let delay = fault.delay.as_ref().and_then(|delay| {
        let time = duration::normal(delay.fixed_delay.as_deref()?).ok()?;
        let deprecated = delay.percent.filter(|_| delay.percentage.is_none()).map(f64::from).map(Fraction::percent);
        Some((time, some(deprecated.unwrap_or_else(|| share(delay.percentage.as_ref())))?))
    });
    let abort = fault.abort.as_ref().and_then(|abort| {
        let status = abort.http_status.and_then(|status| u16::try_from(status).ok());
        let answer = match (status, &abort.grpc_status) {
            (Some(status), _) => Abort::Http(StatusCode::from_u16(status).ok()?),
            (None, Some(name)) => Abort::Grpc(grpc::status(name)?),
            (None, None) => return None,
        };
        Some((answer, some(share(abort.percentage.as_ref()))?))
    });
    (delay.is_some() || abort.is_some()).then_some(Fault { delay, abort })
}

/// `mirror` and `mirrors`.
pub(super) fn mirrors(
    rule: &HttpRoute,
    known: &mut impl FnMut(&istio::Destination, String) -> ClusterName,
) -> Vec<Mirror> {
    let mut out = Vec::new();
    if let Some(mirror) = &rule.mirror {
        let share = match (&rule.mirror_percentage, rule.mirror_percent) {
            (Some(percent), _) => share(Some(percent)),
            (None, Some(percent)) => Fraction::percent(f64::from(percent)),
            (None, None) => Fraction::ALL,
        };
        out.extend(some(share).map(|share| Mirror { cluster: known(mirror, "mirror".to_owned()), share }));
    }
    for (n, mirror) in rule.mirrors.iter().enumerate() {
        let Some(destination) = &mirror.destination else { continue };
        let share = mirror.percentage.as_ref().map_or(Fraction::ALL, |percent| share(Some(percent)));
        let field = format!("mirrors[{n}].destination");
        out.extend(some(share).map(|share| Mirror { cluster: known(destination, field), share }));
    }
    out
}

/// `corsPolicy`.
pub(super) fn cors(cors: &CorsPolicy) -> Cors {
    let mut allow_origins: Vec<StringMatch> = cors.allow_origins.iter().filter_map(string_match).collect();
    if cors.allow_origins.is_empty() {
        allow_origins = cors.allow_origin.iter().cloned().map(StringMatch::Exact).collect();
    }
    Cors {
        allow_origins,
        allow_methods: cors.allow_methods.clone(),
        allow_headers: cors.allow_headers.clone(),
        expose_headers: cors.expose_headers.clone(),
        max_age: cors.max_age.as_deref().and_then(|text| duration::normal(text).ok()),
        allow_credentials: cors.allow_credentials.unwrap_or(false),
        forward_unmatched_preflights: cors.unmatched_preflights != Some(UnmatchedPreflights::Ignore),
    }
}

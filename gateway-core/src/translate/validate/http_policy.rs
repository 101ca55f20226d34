//! Timeout, retries, faults, mirrors and cross-origin rules.

use super::http_match::{bad_header_name, is_header_name, string_match};
use super::http_rule::destination;
use crate::diagnostic::{DEPRECATED, SURPRISE};
use crate::istio::{CorsPolicy, FaultAbort, FaultDelay, HttpRetry, HttpRoute, Percent};
use crate::translate::grpc;
use crate::translate::report::Report;
use crate::translate::{duration, retry_on};
use crate::yaml::Path;

/// Methods that `allowMethods` may name.
const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"];

fn set(text: &Option<String>) -> bool {
    text.as_deref().is_some_and(|text| !text.is_empty())
}

/// Checks `timeout`.
pub(super) fn timeout(rule: &HttpRoute, path: &Path<'_>, report: &mut Report<'_>) {
    if let Some(timeout) = &rule.timeout
        && let Some(Err(message)) = Some(duration::normal(timeout))
    {
        let finding = report.error(&path.key("timeout"), message);
        if timeout.starts_with('0') {
            finding.help("remove `timeout`: without it there is no limit");
        }
    }
}

/// Checks `retries`.
pub(super) fn retries(rule: &HttpRoute, path: &Path<'_>, report: &mut Report<'_>) {
    let Some(retries) = &rule.retries else { return };
    let path = path.key("retries");
    let attempts = retries.attempts.unwrap_or(0);
    if attempts < 0 {
        report.error(&path.key("attempts"), format!("`attempts` cannot be negative, this is {attempts}"));
    }
    if attempts == 0 {
        switched_off(retries, &path, report);
    }
    for (text, field) in [(&retries.per_try_timeout, "perTryTimeout"), (&retries.backoff, "backoff")] {
        if let Some(text) = text {
            report.check(&path.key(field), duration::normal(text));
        }
    }
    if let Some(list) = retries.retry_on.as_deref().filter(|list| !list.is_empty()) {
        report.check(&path.key("retryOn"), retry_on::parse(list));
    }
}

fn switched_off(retries: &HttpRetry, path: &Path<'_>, report: &mut Report<'_>) {
    let given = [
        (retries.per_try_timeout.is_some(), "perTryTimeout"),
        (set(&retries.retry_on), "retryOn"),
        (retries.retry_remote_localities.is_some(), "retryRemoteLocalities"),
    ];
    for (_, field) in given.iter().filter(|(given, _)| *given) {
        let message = format!("`{field}` has no meaning: 0 `attempts` switch retries off");
        report.error(&path.key(field), message).help("set `attempts`");
    }
}

/// Checks `fault`.
pub(super) fn fault(rule: &HttpRoute, path: &Path<'_>, report: &mut Report<'_>) {
    let Some(fault) = &rule.fault else { return };
    let path = path.key("fault");
    if fault.delay.is_none() && fault.abort.is_none() {
        report.error(&path, "`fault` needs `delay` or `abort`");
    }
    if let Some(delay) = &fault.delay {
        fault_delay(delay, &path.key("delay"), report);
    }
    if let Some(abort) = &fault.abort {
        fault_abort(abort, &path.key("abort"), report);
    }
}

fn fault_delay(delay: &FaultDelay, path: &Path<'_>, report: &mut Report<'_>) {
    if let Some(fixed) = &delay.fixed_delay {
        report.check(&path.key("fixedDelay"), duration::normal(fixed));
    }
    if delay.exponential_delay.is_some() {
        report.error(&path.key("exponentialDelay"), "`exponentialDelay` is not supported").help("use `fixedDelay`");
    }
    if let Some(percent) = delay.percent {
        if !(0..=100).contains(&percent) {
            report.error(&path.key("percent"), format!("{percent} is no percentage: 0 to 100"));
        }
        report.warn(DEPRECATED, &path.key("percent"), "`percent` is deprecated").help("write `percentage: {value: N}`");
    }
    percentage(delay.percentage.as_ref(), true, &path.key("percentage"), report);
    if delay.fixed_delay.is_some() && delay.percentage.is_none() && delay.percent.is_none() {
        report
            .warn(SURPRISE, path, "without `percentage` no request is delayed")
            .help("write `percentage: {value: 100}`");
    }
}

fn fault_abort(abort: &FaultAbort, path: &Path<'_>, report: &mut Report<'_>) {
    if let Some(status) = abort.http_status {
        if !(200..=599).contains(&status) {
            report.error(&path.key("httpStatus"), format!("{status} is no status to answer with: 200 to 599"));
        }
        if matches!(status, 204 | 304) {
            report.warn(SURPRISE, &path.key("httpStatus"), format!("a {status} has no body: it is not sent"));
        }
    }
    if let Some(name) = &abort.grpc_status
        && grpc::status(name).is_none()
    {
        report.error(&path.key("grpcStatus"), format!("`{name}` is no gRPC status")).help("for example UNAVAILABLE");
    }
    if abort.http2_error.is_some() {
        report.error(&path.key("http2Error"), "`http2Error` is not supported").help("use `httpStatus`");
    }
    percentage(abort.percentage.as_ref(), true, &path.key("percentage"), report);
    if (abort.http_status.is_some() || abort.grpc_status.is_some()) && abort.percentage.is_none() {
        report
            .warn(SURPRISE, path, "without `percentage` no request is aborted")
            .help("write `percentage: {value: 100}`");
    }
}

/// `floor`: what is above 0 must be at least 0.0001.
fn percentage(percent: Option<&Percent>, floor: bool, path: &Path<'_>, report: &mut Report<'_>) {
    let Some(value) = percent.and_then(|percent| percent.value) else { return };
    let too_small = floor && value > 0.0 && value < 0.0001;
    if !(0.0..=100.0).contains(&value) || too_small {
        report.error(&path.key("value"), format!("{value} is no percentage: 0, or 0.0001 to 100"));
    }
}

/// Checks `mirror`, `mirrors` and their shares.
pub(super) fn mirrors(rule: &HttpRoute, path: &Path<'_>, report: &mut Report<'_>) {
    if rule.mirror.is_some() && !rule.mirrors.is_empty() {
        report.error(&path.key("mirrors"), "`mirror` and `mirrors` exclude each other").help("keep `mirrors`");
    }
    if let Some(mirror) = &rule.mirror {
        destination(Some(mirror), &path.key("mirror"), report);
    }
    let list = path.key("mirrors");
    for (n, mirror) in rule.mirrors.iter().enumerate() {
        let path = list.index(n);
        destination(mirror.destination.as_ref(), &path.key("destination"), report);
        percentage(mirror.percentage.as_ref(), false, &path.key("percentage"), report);
    }
    percentage(rule.mirror_percentage.as_ref(), false, &path.key("mirrorPercentage"), report);
    if let Some(percent) = rule.mirror_percent {
        if percent > 100 {
            report.error(&path.key("mirrorPercent"), format!("{percent} is no percentage: 0 to 100"));
        }
        let help = "write `mirrorPercentage: {value: N}`";
        report.warn(DEPRECATED, &path.key("mirrorPercent"), "`mirrorPercent` is deprecated").help(help);
    }
}

/// Checks `corsPolicy`.
pub(super) fn cors(rule: &HttpRoute, path: &Path<'_>, report: &mut Report<'_>) {
    let Some(cors) = &rule.cors_policy else { return };
    let path = path.key("corsPolicy");
    origins(cors, &path, report);
    let list = path.key("allowMethods");
    for (n, method) in cors.allow_methods.iter().enumerate() {
        if !METHODS.contains(&method.as_str()) {
            let help = format!("one of {}", METHODS.join(", "));
            report.error(&list.index(n), format!("`{method}` is no method to allow")).help(help);
        }
    }
    for (names, field) in [(&cors.allow_headers, "allowHeaders"), (&cors.expose_headers, "exposeHeaders")] {
        let list = path.key(field);
        for (n, name) in names.iter().enumerate() {
            if name != "*" && !is_header_name(name) {
                bad_header_name(name, &list.index(n), report);
            }
        }
    }
    if let Some(max_age) = &cors.max_age {
        let age = report.check(&path.key("maxAge"), duration::normal(max_age));
        if age.is_some_and(|age| age.subsec_nanos() != 0) {
            report.error(&path.key("maxAge"), format!("`{max_age}` is too exact: whole seconds only"));
        }
    }
}

fn origins(cors: &CorsPolicy, path: &Path<'_>, report: &mut Report<'_>) {
    let list = path.key("allowOrigins");
    for (n, origin) in cors.allow_origins.iter().enumerate() {
        let entry = list.index(n);
        let texts = [&origin.exact, &origin.prefix, &origin.regex];
        if texts.into_iter().any(set) {
            string_match(origin, false, &entry, report);
        } else {
            report.error(&entry, "an origin cannot be empty").help("give `exact`, `prefix` or `regex` a text");
        }
    }
    if !cors.allow_origin.is_empty() {
        let help = "write `allowOrigins: [{exact: ORIGIN}]`";
        report.warn(DEPRECATED, &path.key("allowOrigin"), "`allowOrigin` is deprecated").help(help);
    }
}

//! One rule of `http`.

use super::actions::{direct_response, redirect, rewrite};
use super::header_ops::{Level, header_ops, sets_host};
use super::http_match::http_match;
use super::http_policy::{cors, fault, mirrors, retries, timeout};
use super::virtual_service::Scope;
use crate::diagnostic::SURPRISE;
use crate::istio::{Destination, HttpRoute, HttpRouteDestination};
use crate::translate::names;
use crate::translate::report::Report;
use crate::yaml::Path;

/// Checks a rule.
pub(super) fn http_rule(rule: &HttpRoute, scope: Scope, path: &Path<'_>, report: &mut Report<'_>) {
    action(rule, scope, path, report);
    let list = path.key("match");
    for (n, condition) in rule.r#match.iter().enumerate() {
        http_match(condition, scope, &list.index(n), report);
    }
    if let Some(response) = &rule.direct_response {
        direct_response(response, &path.key("directResponse"), report);
    }
    redirect(rule, path, report);
    rewrite(rule, path, report);
    route(&rule.route, &path.key("route"), report);
    timeout(rule, path, report);
    retries(rule, path, report);
    fault(rule, path, report);
    mirrors(rule, path, report);
    cors(rule, path, report);
    if let Some(headers) = &rule.headers {
        header_ops(headers, Level::Rule, &path.key("headers"), report);
    }
    host_set_once(rule, path, report);
}

/// Exactly one action, and nothing beside it that has no meaning.
fn action(rule: &HttpRoute, scope: Scope, path: &Path<'_>, report: &mut Report<'_>) {
    if rule.delegate.is_some() {
        delegating(rule, scope, path, report);
        return;
    }
    let actions = [
        (!rule.route.is_empty(), "route"),
        (rule.redirect.is_some(), "redirect"),
        (rule.direct_response.is_some(), "directResponse"),
    ];
    let given: Vec<&str> = actions.iter().filter(|(given, _)| *given).map(|(_, name)| *name).collect();
    match given.as_slice() {
        [] => {
            report.error(path, "a rule needs `route`, `redirect` or `directResponse`");
        }
        ["route"] => {}
        [answer] => {
            for (given, field) in [(rule.fault.is_some(), "fault"), (rule.rewrite.is_some(), "rewrite")] {
                if given {
                    report
                        .error(&path.key(field), format!("`{field}` has no meaning beside `{answer}`"))
                        .help("remove it");
                }
            }
        }
        [first, second, ..] => {
            report.error(&path.key(second), format!("`{first}` and `{second}` exclude each other")).help("keep one");
        }
    }
}

fn delegating(rule: &HttpRoute, scope: Scope, path: &Path<'_>, report: &mut Report<'_>) {
    if scope.delegate {
        report.error(&path.key("delegate"), "a delegate cannot delegate further");
    }
    let given = [(!rule.route.is_empty(), "route"), (rule.redirect.is_some(), "redirect")];
    for (_, field) in given.iter().filter(|(given, _)| *given) {
        report
            .error(&path.key(field), format!("a rule with `delegate` cannot have `{field}`"))
            .help("remove one of them");
    }
    if let Some(delegate) = &rule.delegate {
        let path = path.key("delegate");
        if delegate.name.as_deref().unwrap_or_default().is_empty() {
            report.error(&path.key("name"), "`delegate` needs a `name`");
        }
    }
    report.not_built(&path.key("delegate"), "`delegate`");
}

fn route(route: &[HttpRouteDestination], path: &Path<'_>, report: &mut Report<'_>) {
    let mut total: i64 = 0;
    for (n, entry) in route.iter().enumerate() {
        let path = path.index(n);
        let weight = entry.weight.unwrap_or(0);
        if weight < 0 {
            report.error(&path.key("weight"), format!("a weight cannot be negative, this is {weight}"));
        }
        total += i64::from(weight);
        destination(entry.destination.as_ref(), &path.key("destination"), report);
        if let Some(headers) = &entry.headers {
            header_ops(headers, Level::Destination, &path.key("headers"), report);
        }
    }
    if route.len() > 1 && total <= 0 {
        report.error(path, "the weights of several destinations cannot all be 0").help("give each its `weight`");
    } else if total > i64::from(u32::MAX) {
        report.error(path, "the weights are too large together");
    }
}

/// Checks a destination: present, and with a name that can exist.
pub(super) fn destination(destination: Option<&Destination>, path: &Path<'_>, report: &mut Report<'_>) {
    let Some(destination) = destination else {
        report.error(path, "a destination is needed here").help("for example `destination: {host: NAME}`");
        return;
    };
    let host = destination.host.as_deref().unwrap_or_default();
    if host == "*" {
        report.error(&path.key("host"), "`*` is no destination").help("name a service");
    } else {
        names::check_host(host, &path.key("host"), report);
    }
    if let Some(subset) = destination.subset.as_deref().filter(|subset| !subset.is_empty())
        && !names::is_dns_label(subset)
    {
        report.error(&path.key("subset"), format!("`{subset}` is no name of a subset"));
    }
    if let Some(port) = &destination.port {
        let path = path.key("port");
        report.check(&path.key("number"), names::port(port.number.unwrap_or(0)));
    }
}

/// The Host for the service may be set in one place of the rule only.
fn host_set_once(rule: &HttpRoute, path: &Path<'_>, report: &mut Report<'_>) {
    let rewritten =
        rule.rewrite.as_ref().and_then(|rewrite| rewrite.authority.as_deref()).is_some_and(|a| !a.is_empty());
    let set = rule.headers.as_ref().and_then(|headers| headers.request.as_ref()).map_or(0, sets_host);
    if usize::from(rewritten) + set > 1 {
        let headers = path.key("headers");
        report.error(&headers.key("request"), "the Host is set more than once").help("keep one of them");
    }
    let elsewhere = rule.route.iter().any(|entry| {
        entry
            .headers
            .as_ref()
            .and_then(|headers| headers.request.as_ref())
            .is_some_and(|request| sets_host(request) > 0)
    });
    if (rewritten || set > 0) && elsewhere {
        report.warn(
            SURPRISE,
            &path.key("route"),
            "the Host that a destination sets has no effect: the rule sets it too",
        );
    }
}

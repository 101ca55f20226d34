//! Rules of `tcp` and `tls`.

use super::http_rule::destination;
use super::virtual_service::gateway_names;
use crate::diagnostic::NO_EFFECT;
use crate::istio::{RouteDestination, TcpRoute, TlsRoute, VirtualService};
use crate::model::HostPattern;
use crate::translate::names;
use crate::translate::report::Report;
use crate::yaml::Path;

/// Checks an entry of `tls`.
pub(super) fn tls_route(rule: &TlsRoute, vs: &VirtualService, path: &Path<'_>, report: &mut Report<'_>) {
    let list = path.key("match");
    if rule.r#match.is_empty() {
        report.error(&list, "a `tls` rule needs a `match`").help("for example `match: [{sniHosts: [a.com]}]`");
    }
    for (n, condition) in rule.r#match.iter().enumerate() {
        let path = list.index(n);
        if condition.sni_hosts.is_empty() {
            report.error(&path.key("sniHosts"), "`sniHosts` needs at least one name");
        }
        for (n, host) in condition.sni_hosts.iter().enumerate() {
            let list = path.key("sniHosts");
            sni_host(host, vs, &list.index(n), report);
        }
        static_conditions(condition.port, &condition.gateways, &path, report);
        let ignored = [
            (!condition.destination_subnets.is_empty(), "destinationSubnets"),
            (!condition.source_labels.is_empty(), "sourceLabels"),
            (condition.source_namespace.is_some(), "sourceNamespace"),
        ];
        without_effect(&ignored, &path, report);
    }
    route(&rule.route, &path.key("route"), report);
}

fn sni_host(host: &str, vs: &VirtualService, path: &Path<'_>, report: &mut Report<'_>) {
    if let Err(message) = names::wildcard_domain(host) {
        report.error(path, message);
        return;
    }
    let pattern = HostPattern::new(host);
    if !vs.hosts.iter().any(|covering| HostPattern::new(covering).covers(&pattern)) {
        let message = format!("`{host}` is not covered by a host of this VirtualService");
        report.error(path, message).help("add it to `hosts`");
    }
}

/// Checks an entry of `tcp`.
pub(super) fn tcp_route(rule: &TcpRoute, path: &Path<'_>, report: &mut Report<'_>) {
    let list = path.key("match");
    for (n, condition) in rule.r#match.iter().enumerate() {
        let path = list.index(n);
        static_conditions(condition.port, &condition.gateways, &path, report);
        let ignored = [
            (!condition.destination_subnets.is_empty(), "destinationSubnets"),
            (condition.source_subnet.is_some(), "sourceSubnet"),
            (!condition.source_labels.is_empty(), "sourceLabels"),
            (condition.source_namespace.is_some(), "sourceNamespace"),
        ];
        without_effect(&ignored, &path, report);
    }
    route(&rule.route, &path.key("route"), report);
}

fn static_conditions(port: Option<u32>, gateways: &[String], path: &Path<'_>, report: &mut Report<'_>) {
    if let Some(port) = port.filter(|port| *port != 0) {
        report.check(&path.key("port"), names::port(port));
    }
    gateway_names(gateways, &path.key("gateways"), report);
}

fn without_effect(fields: &[(bool, &str)], path: &Path<'_>, report: &mut Report<'_>) {
    for (_, field) in fields.iter().filter(|(given, _)| *given) {
        report.warn(NO_EFFECT, &path.key(field), format!("`{field}` is not looked at by a gateway"));
    }
}

fn route(route: &[RouteDestination], path: &Path<'_>, report: &mut Report<'_>) {
    if route.is_empty() {
        report.error(path, "a rule needs a `route`");
    }
    let mut total: i64 = 0;
    for (n, entry) in route.iter().enumerate() {
        let path = path.index(n);
        let weight = entry.weight.unwrap_or(0);
        if weight < 0 {
            report.error(&path.key("weight"), format!("a weight cannot be negative, this is {weight}"));
        }
        total += i64::from(weight);
        destination(entry.destination.as_ref(), &path.key("destination"), report);
    }
    if route.len() > 1 && total <= 0 {
        report.error(path, "the weights of several destinations cannot all be 0").help("give each its `weight`");
    } else if total > i64::from(u32::MAX) {
        report.error(path, "the weights are too large together").help("divide all of them by the same number");
    }
}

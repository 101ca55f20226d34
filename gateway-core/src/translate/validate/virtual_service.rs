//! VirtualService: everything but the rules themselves.

use std::net::IpAddr;

use super::http_rule::http_rule;
use super::layer4::{tcp_route, tls_route};
use crate::diagnostic::DEPRECATED;
use crate::istio::{Object, VirtualService};
use crate::model::HostPattern;
use crate::translate::names;
use crate::translate::report::Report;
use crate::yaml::Path;

/// What the rules of a VirtualService must know about it.
#[derive(Clone, Copy)]
pub(super) struct Scope {
    /// It has no hosts: its rules are for others to use.
    pub(super) delegate: bool,
    /// It is bound to gateways and not to `mesh`.
    pub(super) gateways_only: bool,
}

/// Checks a VirtualService.
pub(in crate::translate) fn virtual_service(service: &Object<VirtualService>, report: &mut Report<'_>) {
    let spec = Path::ROOT.key("spec");
    let vs = &service.spec;
    let mesh = vs.gateways.is_empty() || vs.gateways.iter().any(|name| name == "mesh");
    let scope = Scope { delegate: vs.hosts.is_empty(), gateways_only: !mesh };
    if scope.delegate {
        delegate(vs, &spec, report);
    }
    gateway_names(&vs.gateways, &spec.key("gateways"), report);
    hosts(vs, mesh, &spec.key("hosts"), report);
    names::export_to(&vs.export_to, service.namespace(), false, &spec.key("exportTo"), report);
    if vs.http.is_empty() && vs.tcp.is_empty() && vs.tls.is_empty() {
        report.error(&spec, "a VirtualService needs at least one rule in `http`, `tcp` or `tls`");
    }
    let list = spec.key("http");
    for (n, rule) in vs.http.iter().enumerate() {
        http_rule(rule, scope, &list.index(n), report);
    }
    let list = spec.key("tls");
    for (n, rule) in vs.tls.iter().enumerate() {
        tls_route(rule, vs, &list.index(n), report);
    }
    let list = spec.key("tcp");
    for (n, rule) in vs.tcp.iter().enumerate() {
        tcp_route(rule, &list.index(n), report);
    }
    if scope.delegate && report.errors() == 0 {
        report.not_built(&spec, "a VirtualService without `hosts` (a delegate)");
    }
}

fn delegate(vs: &VirtualService, spec: &Path<'_>, report: &mut Report<'_>) {
    let given = [(!vs.gateways.is_empty(), "gateways"), (!vs.tcp.is_empty(), "tcp"), (!vs.tls.is_empty(), "tls")];
    for (_, field) in given.iter().filter(|(given, _)| *given) {
        report
            .error(
                &spec.key(field),
                format!("a VirtualService without `hosts` is a delegate and cannot have `{field}`"),
            )
            .help("give it `hosts`, or remove this");
    }
}

/// Names of Gateways: `namespace/name` or a name.
pub(super) fn gateway_names(list: &[String], path: &Path<'_>, report: &mut Report<'_>) {
    for (n, name) in list.iter().enumerate() {
        let entry = path.index(n);
        let Some((namespace, short)) = name.split_once('/') else {
            // As in Istio: the check ends at the first name without a namespace.
            if let Err(message) = names::domain(name) {
                report.error(&entry, message);
            } else if name.contains('.') {
                report.warn(DEPRECATED, &entry, format!("`{name}` is an old form")).help("write `namespace/name`");
            }
            return;
        };
        if !names::is_dns_label(namespace) || !names::is_dns_label(short) {
            report.error(&entry, format!("`{name}` is no name of a Gateway")).help("write `namespace/name` or `name`");
        }
    }
}

fn hosts(vs: &VirtualService, mesh: bool, path: &Path<'_>, report: &mut Report<'_>) {
    let mut seen: Vec<(HostPattern, &str)> = Vec::new();
    for (n, host) in vs.hosts.iter().enumerate() {
        let entry = path.index(n);
        if host == "*" && mesh {
            let help = "name the Gateways in `gateways`, without `mesh`";
            report.error(&entry, "`*` is not allowed for a VirtualService of the mesh").help(help);
        }
        if let Err(message) = names::wildcard_domain(host) {
            match host.parse::<IpAddr>() {
                Ok(IpAddr::V6(_)) => {
                    let message = format!("`{host}` never fits: a request names it as `[{host}]`");
                    let finding = report.warn(crate::diagnostic::NO_EFFECT, &entry, message);
                    finding.help("`*` takes the requests that name an address");
                }
                Ok(IpAddr::V4(_)) => {}
                Err(_) => {
                    report.error(&entry, message).help = names::host_cure(host);
                    continue;
                }
            }
        }
        let pattern = HostPattern::new(host);
        if let Some((_, other)) = seen.iter().find(|(other, _)| other.overlaps(&pattern)) {
            let message = format!("the hosts `{other}` and `{host}` of one VirtualService overlap");
            report.error(&entry, message).help("remove the one that the other covers");
        }
        seen.push((pattern, host));
    }
}

//! DestinationRule: everything but the blocks of a policy.

use super::traffic_policy::{Blocks, blocks, not_built};
use crate::diagnostic::SURPRISE;
use crate::istio::{DestinationRule, Object, TrafficPolicy, Tunnel};
use crate::translate::names;
use crate::translate::report::Report;
use crate::yaml::Path;

/// Checks a DestinationRule.
pub(in crate::translate) fn destination_rule(rule: &Object<DestinationRule>, report: &mut Report<'_>) {
    let spec = Path::ROOT.key("spec");
    let host = rule.spec.host.as_deref().unwrap_or_default();
    names::check_host(host, &spec.key("host"), report);
    names::export_to(&rule.spec.export_to, rule.namespace(), false, &spec.key("exportTo"), report);
    if let Some(policy) = &rule.spec.traffic_policy {
        traffic_policy(policy, &spec.key("trafficPolicy"), report);
    }
    let list = spec.key("subsets");
    let mut seen: Vec<&str> = Vec::new();
    for (n, subset) in rule.spec.subsets.iter().enumerate() {
        let path = list.index(n);
        let name = subset.name.as_deref().unwrap_or_default();
        if !names::is_dns_label(name) {
            let help = "letters, digits and `-`, at most 63, with a letter or digit at both ends";
            report.error(&path.key("name"), format!("`{name}` is no name for a subset")).help(help);
        } else if seen.contains(&name) {
            report.error(&path.key("name"), format!("the subset `{name}` is here twice")).help("rename one of them");
        }
        seen.push(name);
        names::label_map(&subset.labels, &path.key("labels"), report);
        if let Some(policy) = &subset.traffic_policy {
            traffic_policy(policy, &path.key("trafficPolicy"), report);
        }
    }
    if let Some(selector) = &rule.spec.workload_selector {
        let path = spec.key("workloadSelector");
        names::label_map(&selector.match_labels, &path.key("matchLabels"), report);
        if rule.spec.export_to.iter().any(|entry| entry != ".") {
            let message = "a rule with `workloadSelector` is for its own namespace";
            report.error(&spec.key("exportTo"), message).help("remove `exportTo`, or write `.`");
        }
    }
}

fn traffic_policy(policy: &TrafficPolicy, path: &Path<'_>, report: &mut Report<'_>) {
    if *policy == TrafficPolicy::default() {
        report.error(path, "a `trafficPolicy` must set something").help("remove it");
        return;
    }
    let own = Blocks {
        load_balancer: policy.load_balancer.as_ref(),
        connection_pool: policy.connection_pool.as_ref(),
        outlier_detection: policy.outlier_detection.as_ref(),
        tls: policy.tls.as_ref(),
    };
    let before = report.errors();
    blocks(own, path, report);
    let list = path.key("portLevelSettings");
    for (n, entry) in policy.port_level_settings.iter().enumerate() {
        let path = list.index(n);
        let number = entry.port.as_ref().and_then(|port| port.number);
        match number {
            None => {
                report.error(&path.key("port"), "an entry of `portLevelSettings` needs a `port` with a `number`");
            }
            Some(number) if names::port(number).is_err() => {
                report.warn(SURPRISE, &path.key("port"), format!("{number} is no port: the entry fits nothing"));
            }
            Some(_) => {}
        }
        let blocks_here = Blocks {
            load_balancer: entry.load_balancer.as_ref(),
            connection_pool: entry.connection_pool.as_ref(),
            outlier_detection: entry.outlier_detection.as_ref(),
            tls: entry.tls.as_ref(),
        };
        if blocks_here.is_empty() {
            report.error(&path, "an entry of `portLevelSettings` must set something beside `port`").help("remove it");
        }
        blocks(blocks_here, &path, report);
    }
    if policy.tunnel.is_some() && policy.proxy_protocol.is_some() {
        report.error(&path.key("proxyProtocol"), "`tunnel` and `proxyProtocol` exclude each other");
    }
    if let Some(tunnel) = &policy.tunnel {
        self::tunnel(tunnel, &path.key("tunnel"), report);
    }
    if report.errors() == before {
        not_built(policy, path, report);
    }
}

fn tunnel(tunnel: &Tunnel, path: &Path<'_>, report: &mut Report<'_>) {
    if let Some(protocol) = tunnel.protocol.as_deref().filter(|protocol| !matches!(*protocol, "" | "CONNECT" | "POST"))
    {
        let message = format!("`{protocol}` is no protocol of a tunnel");
        report.error(&path.key("protocol"), message).help("write CONNECT or POST");
    }
    let host = tunnel.target_host.as_deref().unwrap_or_default();
    if names::domain(host).is_err() && host.parse::<std::net::IpAddr>().is_err() {
        report.error(&path.key("targetHost"), format!("a tunnel needs a `targetHost`, `{host}` is none"));
    }
    report.check(&path.key("targetPort"), names::port(tunnel.target_port.unwrap_or(0)));
}

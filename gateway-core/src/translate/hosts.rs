//! Names as they are written, completed and compared.

use std::net::IpAddr;

use super::Settings;
use crate::istio::{Gateway, Object, Server};
use crate::model::HostPattern;

/// A short name is one of the object's own namespace; lower case.
pub(super) fn full_name(name: &str, namespace: &str, settings: &Settings) -> String {
    let name = name.to_ascii_lowercase();
    if name == "*" || name.contains('.') || name.parse::<IpAddr>().is_ok() {
        return name;
    }
    format!("{name}.{namespace}.svc.{}", settings.cluster_domain)
}

/// Name and namespace of `NAME.NAMESPACE.svc.DOMAIN`.
pub(super) fn service<'h>(host: &'h str, settings: &Settings) -> Option<(&'h str, &'h str)> {
    let (name, namespace) = host.strip_suffix(&settings.cluster_domain)?.strip_suffix(".svc.")?.split_once('.')?;
    (!name.is_empty() && !namespace.is_empty() && !namespace.contains('.')).then_some((name, namespace))
}

/// `namespace/name` of a Gateway as a VirtualService of `namespace` names it. `mesh` stays.
pub(super) fn gateway_name(name: &str, namespace: &str) -> String {
    if name == "mesh" {
        return name.to_owned();
    }
    if let Some((other, short)) = name.split_once('/') {
        return format!("{}/{short}", if other == "." { namespace } else { other });
    }
    // The old form: `name.namespace`, perhaps with `.svc.cluster.local`.
    let mut parts = name.split('.');
    match (parts.next(), parts.next()) {
        (Some(short), Some(other)) => format!("{other}/{short}"),
        _ => format!("{namespace}/{name}"),
    }
}

/// Whether an object of `namespace` with this `exportTo` is seen by the gateway.
pub(super) fn is_visible(export_to: &[String], namespace: &str, settings: &Settings) -> bool {
    export_to.is_empty()
        || export_to.iter().any(|entry| match entry.as_str() {
            "*" => true,
            "." => namespace == settings.namespace,
            other => other == settings.namespace,
        })
}

/// A host of a server: for VirtualServices of one namespace only, or for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerHost {
    pub(super) namespace: Option<String>,
    pub(super) pattern: HostPattern,
}

/// The hosts of a server.
pub(super) fn server_hosts(server: &Server, gateway: &Object<Gateway>) -> Vec<ServerHost> {
    let hosts = server.hosts.iter().map(|host| match host.split_once('/') {
        None => ServerHost { namespace: None, pattern: HostPattern::new(host) },
        Some((namespace, name)) => {
            let namespace = match namespace {
                "*" => None,
                "." => Some(gateway.namespace().to_owned()),
                other => Some(other.to_owned()),
            };
            ServerHost { namespace, pattern: HostPattern::new(name) }
        }
    });
    hosts.collect()
}

/// Those patterns of a server that VirtualServices of a namespace may use.
pub(super) fn admitted(hosts: &[ServerHost], namespace: &str) -> Vec<HostPattern> {
    let open = hosts.iter().filter(|host| host.namespace.as_deref().is_none_or(|only| only == namespace));
    open.map(|host| host.pattern.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_gateways_and_services() {
        for (name, expected) in [
            ("gw", "app/gw"),
            ("ns/gw", "ns/gw"),
            ("./gw", "app/gw"),
            ("gw.ns", "ns/gw"),
            ("gw.ns.svc.cluster.local", "ns/gw"),
            ("mesh", "mesh"),
        ] {
            assert_eq!(gateway_name(name, "app"), expected);
        }
        let settings = Settings::default();
        for (name, expected) in
            [("A", "a.app.svc.cluster.local"), ("c.app", "c.app"), ("*", "*"), ("10.0.0.1", "10.0.0.1")]
        {
            assert_eq!(full_name(name, "app", &settings), expected);
        }
        for (name, expected) in [
            ("a.app.svc.cluster.local", Some("app")),
            ("a.b.app.svc.cluster.local", None),
            ("app.svc.cluster.local", None),
            (".app.svc.cluster.local", None),
            ("a.app.svc.other.local", None),
            ("a.com", None),
        ] {
            assert_eq!(service(name, &settings).map(|(_, namespace)| namespace), expected, "{name}");
        }
    }
}

//! What an object with errors closes, and what one that is not read says all the same.
//!
//! An object that does not fit its schema is left out; but a server name that it names must not be answered by a more
//! general server, and a host that it wants to be spoken to over TLS must not be spoken to without. So its tree is read
//! once more, for these things alone, with all the mercy that a misspelled file needs. What cannot be read even so (the
//! port or the hosts of a server, the host of a rule, what stands after a place that is no YAML) closes nothing.

use super::{
    ClientTls, ClientTlsMode, DestinationRule, Gateway, Object, Port, Server, ServerTls, ServiceEntry, TrafficPolicy,
    VirtualService, WorkloadEntry,
};
use crate::diagnostic::ResourceId;
use crate::yaml::{Hole, Kind, Node, Scalar, closest};

/// Objects that were left out because of an error: what they close, and what must not be called missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LeftOut {
    /// Selectors, and of each server its port, address, hosts, whether it has TLS, and `httpsRedirect`.
    pub gateways: Vec<Object<Gateway>>,
    /// The host, and whether it is to be spoken to over TLS.
    pub destination_rules: Vec<Object<DestinationRule>>,
    /// The hosts.
    pub service_entries: Vec<Object<ServiceEntry>>,
    /// That they are there.
    pub virtual_services: Vec<ResourceId>,
    /// That they are there: no other Secret may take their place.
    pub secrets: Vec<ResourceId>,
    /// All that can be typed of them, to look for further errors.
    pub drafts: Drafts,
}

/// Objects with errors, as nearly as they can be typed. Never to be served.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drafts {
    /// Gateways.
    pub gateways: Vec<Draft<Gateway>>,
    /// VirtualServices.
    pub virtual_services: Vec<Draft<VirtualService>>,
    /// DestinationRules.
    pub destination_rules: Vec<Draft<DestinationRule>>,
    /// ServiceEntries.
    pub service_entries: Vec<Draft<ServiceEntry>>,
}

/// An object with errors.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft<T> {
    /// What was meant, as far as it can be guessed.
    pub object: Object<T>,
    /// Where it was guessed.
    pub holes: Vec<Hole>,
}

impl<T> Draft<T> {
    /// Whether a finding about a field may be there only because of what was guessed.
    pub fn explains(&self, path: &str) -> bool {
        self.holes.iter().any(|hole| hole.explains(path))
    }
}

/// What can be read of a Gateway.
pub(super) fn gateway(root: &Node) -> Gateway {
    let selector = specs(root).flat_map(|spec| fields(spec, "selector", &["selector", "servers"])).flat_map(entries);
    let servers = specs(root).flat_map(|spec| fields(spec, "servers", &["selector", "servers"])).flat_map(items);
    Gateway {
        selector: selector.filter_map(|(key, value)| Some((key.to_owned(), value.as_text()?.to_owned()))).collect(),
        servers: servers.map(server).collect(),
    }
}

fn server(node: &Node) -> Server {
    const FIELDS: [&str; 6] = ["port", "bind", "hosts", "tls", "defaultEndpoint", "name"];
    const PORT: [&str; 4] = ["number", "protocol", "name", "targetPort"];
    let port = fields(node, "port", &FIELDS).next();
    let of_port = |name| port.and_then(|port| fields(port, name, &PORT).find_map(Node::as_text));
    let redirect = redirects(node);
    let tls = ServerTls { https_redirect: Some(redirect), ..ServerTls::default() };
    // `port: 443` says enough.
    let number = of_port("number").or_else(|| port.and_then(Node::as_text));
    Server {
        port: Some(Port {
            number: number.and_then(|number| number.parse().ok()),
            protocol: of_port("protocol").map(str::to_owned),
            ..Port::default()
        }),
        bind: fields(node, "bind", &FIELDS).find_map(Node::as_text).map(str::to_owned),
        hosts: fields(node, "hosts", &FIELDS).flat_map(items).filter_map(Node::as_text).map(str::to_owned).collect(),
        tls: (redirect || fields(node, "tls", &FIELDS).next().is_some()).then_some(tls),
        ..Server::default()
    }
}

/// Whether `httpsRedirect` stands anywhere in a server, whatever the name around it: nothing else has it.
fn redirects(node: &Node) -> bool {
    entries(node).any(|(key, value)| {
        let meant = closest(key, std::iter::once("httpsRedirect"), 0.9).is_some();
        let on = || value.as_text().is_some_and(|text| Scalar::of_plain(text) == Scalar::Bool(true));
        meant && on() || redirects(value)
    })
}

/// What can be read of a DestinationRule.
pub(super) fn destination_rule(root: &Node) -> DestinationRule {
    const FIELDS: [&str; 5] = ["host", "trafficPolicy", "subsets", "exportTo", "workloadSelector"];
    let tls = ClientTls { mode: Some(ClientTlsMode::Simple), ..ClientTls::default() };
    let policy = TrafficPolicy { tls: Some(tls), ..TrafficPolicy::default() };
    DestinationRule {
        host: specs(root).flat_map(|spec| fields(spec, "host", &FIELDS)).find_map(Node::as_text).map(str::to_owned),
        traffic_policy: Some(policy).filter(|_| wants_tls(root)),
        ..DestinationRule::default()
    }
}

/// What can be read of a ServiceEntry.
pub(super) fn service_entry(root: &Node) -> ServiceEntry {
    const FIELDS: [&str; 4] = ["hosts", "ports", "endpoints", "resolution"];
    let hosts = specs(root).flat_map(|spec| fields(spec, "hosts", &FIELDS)).flat_map(items).filter_map(Node::as_text);
    ServiceEntry { hosts: hosts.map(str::to_owned).collect(), ..ServiceEntry::default() }
}

/// What can be read of a WorkloadEntry, which is not served.
pub(super) fn workload_entry(root: &Node) -> WorkloadEntry {
    let labels = [root.get("metadata"), root.get("spec")].into_iter().flatten().filter_map(|part| part.get("labels"));
    let labels =
        labels.flat_map(entries).filter_map(|(key, value)| Some((key.to_owned(), value.as_text()?.to_owned())));
    WorkloadEntry { labels: labels.collect() }
}

/// Whether a `tls` that is not plainly off stands anywhere, or a `mode`, which nothing else has.
fn wants_tls(node: &Node) -> bool {
    let mode = |value: &Node| value.as_text().is_some_and(|mode| mode != "DISABLE");
    match &node.kind {
        Kind::Scalar { .. } => false,
        Kind::List(items) => items.iter().any(wants_tls),
        Kind::Map(entries) => entries.iter().any(|entry| match entry.key.to_ascii_lowercase().as_str() {
            "mode" => mode(&entry.value),
            "tls" => match &entry.value.kind {
                Kind::Map(fields) if fields.is_empty() => false,
                Kind::Map(_) => entry.value.get("mode").is_none_or(mode),
                _ => !entry.value.is_null(),
            },
            _ => wants_tls(&entry.value),
        }),
    }
}

/// `spec`, or what was written without it.
fn specs(root: &Node) -> impl Iterator<Item = &Node> {
    fields(root, "spec", &["apiVersion", "kind", "metadata", "spec", "status"]).chain([root])
}

/// What stands under a field, or under what was meant to be it, if these are all fields.
fn fields<'a>(node: &'a Node, name: &'a str, all: &'a [&'a str]) -> impl Iterator<Item = &'a Node> {
    let meant = move |key: &str| key == name || closest(key, all.iter().copied(), 0.8) == Some(name);
    entries(node).filter(move |(key, value)| !value.is_null() && meant(key)).map(|(_, value)| value)
}

fn entries(node: &Node) -> impl Iterator<Item = (&str, &Node)> {
    let entries = if let Kind::Map(entries) = &node.kind { entries.as_slice() } else { &[] };
    entries.iter().map(|entry| (entry.key.as_str(), &entry.value))
}

/// The entries of a list, or the only one without its `- `.
fn items(node: &Node) -> impl Iterator<Item = &Node> {
    match &node.kind {
        Kind::List(items) => items.as_slice().iter(),
        _ => std::slice::from_ref(node).iter(),
    }
}

//! What ServiceEntries say about hosts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use super::names::meant;
use super::protocol::Protocol;
use super::{Settings, hosts};
use crate::istio::{Object, Port, Resolution, ServiceEntry};
use crate::model::{DnsName, Endpoint, Endpoints};

/// The services that the gateway sees, by host.
pub(super) struct Services<'a> {
    by_host: HashMap<String, Vec<Service<'a>>>,
    /// Hosts of entries with errors.
    left_out: HashSet<String>,
}

/// What the entries of one namespace say about one host, older ones first.
pub(super) struct Service<'a> {
    pub(super) namespace: &'a str,
    entries: Vec<&'a Object<ServiceEntry>>,
}

impl<'a> Services<'a> {
    /// `entries`: older ones first. `left_out`: those with errors.
    pub(super) fn new(
        entries: &[&'a Object<ServiceEntry>],
        left_out: &[&Object<ServiceEntry>],
        settings: &Settings,
    ) -> Self {
        let mut by_host: HashMap<String, Vec<Service<'a>>> = HashMap::new();
        for entry in entries.iter().filter(|e| hosts::is_visible(&e.spec.export_to, e.namespace(), settings)) {
            for host in &entry.spec.hosts {
                let services = by_host.entry(host.to_ascii_lowercase()).or_default();
                match services.iter_mut().find(|service| service.namespace == entry.namespace()) {
                    Some(service) if service.entries.iter().any(|other| std::ptr::eq(*other, *entry)) => {}
                    Some(service) => service.entries.push(entry),
                    None => services.push(Service { namespace: entry.namespace(), entries: vec![entry] }),
                }
            }
        }
        let left_out = left_out.iter().flat_map(|entry| &entry.spec.hosts).map(|host| host.to_ascii_lowercase());
        Self { by_host, left_out: left_out.collect() }
    }

    /// Whether an entry with an error is about this host.
    pub(super) fn may_describe(&self, host: &str) -> bool {
        self.left_out.contains(host)
    }

    /// The service of a host: that of the namespace, else the oldest.
    pub(super) fn find(&self, host: &str, namespace: &str) -> Option<&Service<'a>> {
        let services = self.by_host.get(host)?;
        services.iter().find(|service| service.namespace == namespace).or_else(|| services.first())
    }

    /// The host that is written nearly like this one.
    pub(super) fn like(&self, host: &str) -> Option<&str> {
        meant(host, self.by_host.keys().map(String::as_str))
    }
}

impl Service<'_> {
    /// The port of a number.
    pub(super) fn port(&self, number: u16) -> Option<&Port> {
        self.ports().find(|port| port.number == Some(u32::from(number)))
    }

    /// The only port, if there is only one.
    pub(super) fn only_port(&self) -> Option<u16> {
        match self.port_numbers().as_slice() {
            [number] => u16::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The numbers of all ports, each once.
    pub(super) fn port_numbers(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.ports().filter_map(|port| port.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    fn ports(&self) -> impl Iterator<Item = &Port> {
        self.entries.iter().flat_map(|entry| &entry.spec.ports)
    }

    /// HTTP/2 by the protocol of the port; its name does not count.
    pub(super) fn is_http2(&self, number: u16) -> bool {
        let protocol = self.port(number).and_then(|port| port.protocol.as_deref());
        protocol.and_then(Protocol::parse).is_some_and(Protocol::is_http2)
    }

    /// The endpoints of a port that have all the labels.
    pub(super) fn endpoints(&self, host: &str, number: u16, labels: &BTreeMap<String, String>) -> Endpoints {
        let resolution = self.entries.first().map(|entry| entry.spec.resolution.unwrap_or_default());
        let by_name = matches!(resolution, Some(Resolution::Dns | Resolution::DnsRoundRobin));
        let mut fixed = Vec::new();
        let mut names = Vec::new();
        for entry in &self.entries {
            let spec = &entry.spec;
            // Of entries that are resolved in another way than the first nothing can be used: a cluster has one way.
            if Some(spec.resolution.unwrap_or_default()) != resolution {
                continue;
            }
            let Some(port) = spec.ports.iter().find(|port| port.number == Some(u32::from(number))) else { continue };
            if by_name
                && spec.endpoints.is_empty()
                && spec.workload_selector.is_none()
                && has(&entry.meta.labels, labels)
            {
                names.push(DnsName { host: host.to_owned(), port: default_port(port, number), weight: 1 });
            }
            for endpoint in spec.endpoints.iter().filter(|endpoint| has(&endpoint.labels, labels)) {
                let own = port.name.as_ref().and_then(|name| endpoint.ports.get(name)).copied();
                let port = own.and_then(|port| u16::try_from(port).ok()).unwrap_or_else(|| default_port(port, number));
                let address = endpoint.address.as_deref().unwrap_or_default();
                let weight = endpoint.weight.unwrap_or(1).max(1);
                match (by_name, address.parse::<IpAddr>()) {
                    (true, _) => names.push(DnsName { host: address.to_ascii_lowercase(), port, weight }),
                    (false, Ok(ip)) => fixed.push(Endpoint { address: SocketAddr::new(ip, port), weight }),
                    (false, Err(_)) => {}
                }
            }
        }
        if by_name { Endpoints::Dns(names) } else { Endpoints::Static(fixed) }
    }
}

fn default_port(port: &Port, number: u16) -> u16 {
    port.target_port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0).unwrap_or(number)
}

/// Whether `own` has all of `wanted`.
pub(super) fn has(own: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| own.get(key) == Some(value))
}

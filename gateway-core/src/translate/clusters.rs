//! Destinations to clusters.

use std::collections::BTreeMap;
use std::time::Duration;

use super::rules::Rules;
use super::services::{Service, Services};
use super::{ResolveRule, Settings, duration, hosts, rules};
use crate::istio::{Destination, H2Upgrade};
use crate::model::{Cluster, ClusterName, Endpoint, Endpoints, Protocol};

/// Istio's default.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a destination is unknown: requests to it are answered 503.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Nothing describes it; what has nearly its name.
    Host(Option<String>),
    /// The ports that there are.
    Port(Vec<String>),
    /// The subsets that there are.
    Subset(Vec<String>),
    /// A DestinationRule with an error wants TLS.
    Closed,
}

/// Resolves destinations, and collects the clusters that routes use.
pub(super) struct Clusters<'a> {
    settings: &'a Settings,
    services: Services<'a>,
    rules: Rules<'a>,
    built: BTreeMap<ClusterName, Cluster>,
}

impl<'a> Clusters<'a> {
    pub(super) const fn new(settings: &'a Settings, services: Services<'a>, rules: Rules<'a>) -> Self {
        Self { settings, services, rules, built: BTreeMap::new() }
    }

    /// All clusters that were asked for and are known, by name.
    pub(super) fn into_built(self) -> Vec<Cluster> {
        self.built.into_values().collect()
    }

    /// The cluster of a destination in an object of `namespace`, on a server of `server_port`.
    pub(super) fn resolve(
        &mut self,
        destination: &Destination,
        namespace: &str,
        server_port: u16,
    ) -> (ClusterName, Option<Unknown>) {
        let written = destination.host.as_deref().unwrap_or_default();
        let host = hosts::full_name(written, namespace, self.settings);
        let asked = destination.port.as_ref().and_then(|port| port.number).and_then(|port| u16::try_from(port).ok());
        let service = self.services.find(&host, namespace);
        let fixed = self.fixed(written, &host, asked);
        let listed = service.and_then(Service::only_port);
        let port = asked.or(listed).or_else(|| fixed.and_then(|rule| rule.port)).unwrap_or(server_port);
        let subset = destination.subset.as_deref().unwrap_or_default();
        let name = ClusterName { host: host.as_str().into(), port, subset: subset.into() };
        if self.built.contains_key(&name) {
            return (name, None);
        }
        match self.build(&name, service, fixed, asked.map(|_| written)) {
            Ok(cluster) => {
                self.built.insert(name.clone(), cluster);
                (name, None)
            }
            Err(unknown) => (name, Some(unknown)),
        }
    }

    /// `dns`: the name as written, if it may be looked up.
    fn build(
        &self,
        name: &ClusterName,
        service: Option<&Service<'a>>,
        fixed: Option<&ResolveRule>,
        dns: Option<&str>,
    ) -> Result<Cluster, Unknown> {
        if self.rules.closes(&name.host) {
            return Err(Unknown::Closed);
        }
        let namespace = service.map(|service| service.namespace);
        let namespace = namespace.or_else(|| hosts::namespace_of(&name.host, self.settings));
        let rules = self.rules.find(&name.host, namespace);
        let subset = rules.and_then(|rules| rules.subset(&name.subset));
        if !name.subset.is_empty() && subset.is_none() && fixed.is_none() {
            return Err(Unknown::Subset(rules.map(rules::Group::subsets).unwrap_or_default()));
        }
        let labels = rules::labels(subset);
        let (endpoints, http2) = match (fixed, service) {
            (Some(rule), _) => (Endpoints::Static(vec![Endpoint::new(rule.address)]), rule.h2),
            (None, Some(service)) if service.port(name.port).is_none() => {
                return Err(Unknown::Port(service.port_numbers().iter().map(ToString::to_string).collect()));
            }
            (None, Some(service)) => (service.endpoints(&name.host, name.port, &labels), service.is_http2(name.port)),
            (None, None) => {
                let written = dns.ok_or_else(|| Unknown::Host(self.services.like(&name.host).map(str::to_owned)))?;
                (Endpoints::Unlisted(written.to_owned(), name.port), false)
            }
        };
        let pool = rules.and_then(|rules| rules.connection_pool(subset));
        let upgrade = pool.and_then(|pool| pool.http.as_ref()).and_then(|http| http.h2_upgrade_policy);
        let http2 = http2 || upgrade == Some(H2Upgrade::Upgrade);
        let timeout = pool.and_then(|pool| pool.tcp.as_ref()).and_then(|tcp| tcp.connect_timeout.as_deref());
        Ok(Cluster {
            name: name.clone(),
            protocol: if http2 { Protocol::Http2 } else { Protocol::Http1 },
            endpoints,
            connect_timeout: timeout.and_then(|text| duration::normal(text).ok()).unwrap_or(CONNECT_TIMEOUT),
        })
    }

    fn fixed(&self, written: &str, host: &str, port: Option<u16>) -> Option<&'a ResolveRule> {
        self.settings.resolve.iter().find(|rule| {
            let same_host = rule.host.eq_ignore_ascii_case(host) || rule.host.eq_ignore_ascii_case(written);
            same_host && (rule.port.is_none() || port.is_none() || rule.port == port)
        })
    }
}

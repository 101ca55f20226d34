//! Destinations to clusters.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fixed::FixedAddresses;
use super::rules::Rules;
use super::services::{Service, Services};
use super::{ResolveRule, Settings, duration, hosts, rules};
use crate::diagnostic::Diagnostic;
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
    /// What describes it may be in an object with an error.
    LeftOut,
}

/// Resolves destinations, and collects the clusters that routes use.
pub(super) struct Clusters<'a> {
    settings: &'a Settings,
    services: Services<'a>,
    rules: Rules<'a>,
    fixed: FixedAddresses<'a>,
    built: BTreeMap<ClusterName, Cluster>,
}

impl<'a> Clusters<'a> {
    pub(super) const fn new(settings: &'a Settings, services: Services<'a>, rules: Rules<'a>) -> Self {
        Self { settings, services, rules, fixed: FixedAddresses::new(settings), built: BTreeMap::new() }
    }

    /// Warns of fixed addresses that nobody asked for.
    pub(super) fn report_unused(&self, findings: &mut Vec<Diagnostic>) {
        self.fixed.report_unused(findings);
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
        let listed = service.and_then(Service::only_port).or_else(|| self.fixed.only_port(&host));
        let port = asked.or(listed).unwrap_or(server_port);
        let fixed = self.fixed.find(&host, port);
        let subset = destination.subset.as_deref().unwrap_or_default();
        let name = ClusterName { host: host.as_str().into(), port, subset: subset.into() };
        if self.built.contains_key(&name) {
            return (name, None);
        }
        // An address that is given stands for a service of the namespace that names it, unless that is known better.
        let by_name = hosts::service(&host, self.settings).map(|(_, namespace)| namespace);
        let home = service.map(|service| service.namespace).or(by_name).or_else(|| fixed.map(|_| namespace));
        match self.build(&name, service, fixed, home, asked.map(|_| written)) {
            Ok(cluster) => {
                self.built.insert(name.clone(), cluster);
                (name, None)
            }
            Err(unknown) => {
                let unknown = self.unless_left_out(&name.host, unknown);
                (name, Some(unknown))
            }
        }
    }

    fn unless_left_out(&self, host: &str, unknown: Unknown) -> Unknown {
        let may_be = match &unknown {
            Unknown::Host(_) | Unknown::Port(_) => self.services.may_describe(host),
            Unknown::Subset(_) => self.rules.may_be_for(host),
            Unknown::Closed | Unknown::LeftOut => false,
        };
        if may_be { Unknown::LeftOut } else { unknown }
    }

    /// `home`: the namespace whose rules for the host count. `dns`: the name as written, if it may be looked up.
    fn build(
        &self,
        name: &ClusterName,
        service: Option<&Service<'a>>,
        fixed: Option<&ResolveRule>,
        home: Option<&str>,
        dns: Option<&str>,
    ) -> Result<Cluster, Unknown> {
        if self.rules.closes(&name.host) {
            return Err(Unknown::Closed);
        }
        let rules = self.rules.find(&name.host, home);
        let subset = rules.and_then(|rules| rules.subset(&name.subset));
        if !name.subset.is_empty() && subset.is_none() {
            return Err(Unknown::Subset(rules.map(rules::Group::subsets).unwrap_or_default()));
        }
        let labels = rules::labels(subset);
        let (endpoints, http2) = match (fixed, service) {
            (Some(rule), _) => (Endpoints::Static(vec![Endpoint::new(rule.address)]), rule.h2),
            (None, Some(service)) if service.port(name.port).is_none() => {
                return Err(Unknown::Port(service.port_numbers().iter().map(ToString::to_string).collect()));
            }
            (None, Some(service)) => (service.endpoints(&name.host, name.port, &labels), service.is_http2(name.port)),
            // It is not looked up in DNS because the addresses that its author gave cannot be read.
            (None, None) if self.services.may_describe(&name.host) => return Err(Unknown::LeftOut),
            (None, None) => {
                let written = dns.ok_or_else(|| Unknown::Host(self.services.like(&name.host).map(str::to_owned)))?;
                (Endpoints::Unlisted(written.to_owned(), name.port), false)
            }
        };
        let pool = rules.and_then(|rules| rules.connection_pool(subset));
        let upgrade = pool.and_then(|pool| pool.http.as_ref()).and_then(|http| http.h2_upgrade_policy);
        let http2 = http2 || upgrade == Some(H2Upgrade::Upgrade);
        let timeout = pool.and_then(|pool| pool.tcp.as_ref()).and_then(|tcp| tcp.connect_timeout.as_deref());
        let by_name = hosts::service(&name.host, self.settings).map(|(_, namespace)| namespace);
        let namespace = service.map(|service| service.namespace).or(by_name);
        Ok(Cluster {
            name: name.clone(),
            namespace: namespace.map(Into::into),
            protocol: if http2 { Protocol::Http2 } else { Protocol::Http1 },
            endpoints,
            connect_timeout: timeout.and_then(|text| duration::normal(text).ok()).unwrap_or(CONNECT_TIMEOUT),
        })
    }
}

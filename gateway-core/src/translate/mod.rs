//! Resources to the model.
//!
//! Pure, and per object: a bad one is left out with an error, and hurts no other.

mod duration;
mod grpc;
mod names;
mod protocol;
mod re2;
mod report;
mod retry_on;
mod validate;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use self::report::Report;
use crate::diagnostic::Diagnostic;
use crate::istio::{Object, Resources};
use crate::model::Config;

/// What the translation must know about this gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its labels: Gateways select by them.
    pub labels: BTreeMap<String, String>,
    /// Its namespace.
    pub namespace: String,
    /// The namespace whose DestinationRules are for all.
    pub root_namespace: String,
    /// What follows `NAME.NAMESPACE.svc.`
    pub cluster_domain: String,
    /// Fixed addresses of hosts.
    pub resolve: Vec<ResolveRule>,
}

/// A fixed address of a host, whatever else is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveRule {
    /// The host, completed to its full name if it is short.
    pub host: String,
    /// Only for this port.
    pub port: Option<u16>,
    /// Where it is.
    pub address: SocketAddr,
    /// It speaks HTTP/2.
    pub h2: bool,
}

impl Default for Settings {
    /// The ingress gateway of a default installation of Istio.
    fn default() -> Self {
        Self {
            labels: [("istio".to_owned(), "ingressgateway".to_owned())].into(),
            namespace: "istio-system".to_owned(),
            root_namespace: "istio-system".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
            resolve: Vec::new(),
        }
    }
}

/// Translates all resources; what cannot be used is reported and left out.
pub fn translate(resources: &Resources, settings: &Settings) -> (Config, Vec<Diagnostic>) {
    let mut findings = Vec::new();
    let gateways = valid(&resources.gateways, validate::gateway, &mut findings);
    let services = valid(&resources.virtual_services, validate::virtual_service, &mut findings);
    let rules = valid(&resources.destination_rules, validate::destination_rule, &mut findings);
    let entries = valid(&resources.service_entries, validate::service_entry, &mut findings);
    let _ = (gateways, services, rules, entries, settings);
    (Config::default(), findings)
}

/// The objects without errors, older ones first.
fn valid<'a, T>(
    objects: &'a [Object<T>],
    check: fn(&Object<T>, &mut Report<'_>),
    findings: &mut Vec<Diagnostic>,
) -> Vec<&'a Object<T>> {
    let mut good: Vec<&Object<T>> = Vec::new();
    for object in objects {
        let mut report = Report::new(object, findings);
        check(object, &mut report);
        if report.errors() == 0 {
            good.push(object);
        }
    }
    good.sort_by(|a, b| a.age_order().cmp(&b.age_order()));
    good
}

#[cfg(test)]
mod tests;

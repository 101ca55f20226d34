//! Resources to the model.
//!
//! Pure, and per object: a bad one is left out with an error, and hurts no other. What a bad Gateway, DestinationRule or
//! Secret closes stays closed, and the host of a bad ServiceEntry is not looked up elsewhere; the hosts of a bad VirtualService get what the others say, as in Istio, which never stores it.

mod actions;
mod cipher_suites;
mod clusters;
mod conditions;
mod credentials;
mod drafts;
mod duration;
mod fixed;
mod grpc;
mod header_ops;
mod hosts;
mod layer4;
mod listeners;
mod missing;
mod names;
mod pins;
mod policies;
mod protocol;
mod re2;
mod references;
mod report;
mod retry_on;
mod routes;
mod rules;
mod services;
mod tls;
mod validate;
mod virtual_hosts;

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use self::clusters::Clusters;
pub use self::credentials::unusable;
use self::protocol::Protocol;
use self::report::Report;
use self::rules::Rules;
use self::services::Services;
use self::virtual_hosts::Tables;
use crate::diagnostic::Diagnostic;
use crate::istio::{Object, Resources, Server};
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
    /// Fixed addresses of hosts. Of two for the same host and port the first counts.
    pub resolve: Vec<ResolveRule>,
}

/// A fixed address of a host, whatever else is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveRule {
    /// The host; a short name is the service of that name in every namespace.
    pub host: String,
    /// Only for this port: it goes before a rule for all ports.
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
    let (gateways, mut without) = valid(&resources.gateways, validate::gateway, &mut findings);
    let (services, unserved) = valid(&resources.virtual_services, validate::virtual_service, &mut findings);
    let (rules, mut closing) = valid(&resources.destination_rules, validate::destination_rule, &mut findings);
    let service_entry = |entry: &Object<_>, report: &mut Report<'_>| {
        validate::service_entry(entry, report);
        references::workload_entries(entry, &resources.workload_entries, report);
    };
    let (entries, mut unknown) = valid(&resources.service_entries, service_entry, &mut findings);
    drafts::report(resources, settings, &mut findings);
    references::of_left_out(&without, &unserved, resources, settings, &mut findings);
    without.extend(&resources.left_out.gateways);
    closing.extend(&resources.left_out.destination_rules);
    unknown.extend(&resources.left_out.service_entries);
    let all_served = unserved.is_empty() && resources.left_out.virtual_services.is_empty();
    let rules = Rules::new(&rules, &closing, settings, &mut findings);
    let mut clusters = Clusters::new(settings, Services::new(&entries, &unknown, settings), rules);
    references::virtual_services(&services, resources, settings, &mut findings);
    references::service_entries(&entries, &mut findings);

    let selected = listeners::selected(&gateways, settings, &mut findings);
    let mut merged = listeners::merge(&selected, &mut findings);
    listeners::close(&mut merged, &without, settings);
    let bound = virtual_hosts::in_order(&services, settings);
    let mut tables = Tables::new(settings, &bound, &mut clusters, &mut findings);
    let listeners = listeners::build(merged, &mut tables);
    tables.report_hidden_rules();
    let used = tables.used;
    references::hosts_without_server(&bound, &used, (&selected, &without), &mut findings);
    let secrets = references::secrets(&selected, resources, settings, &mut findings);
    re2::forget_compiled();
    if all_served {
        clusters.report_unused(&mut findings);
    }
    let clusters = clusters.into_built();
    (Config { listeners, clusters, secrets }, without_repeats(findings))
}

/// A rule that is served on several ports has its findings once.
fn without_repeats(findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    let new = |finding: &Diagnostic| {
        // Two objects of one name may have the same error.
        let place = finding.labels.first().map(|label| (Arc::clone(&label.file), label.place.range.start));
        seen.insert((finding.code, finding.resource.clone(), finding.path.clone(), finding.message.clone(), place))
    };
    findings.into_iter().filter(new).collect()
}

/// The protocol of a server that passed the checks.
fn protocol_of(server: &Server) -> Option<Protocol> {
    Protocol::parse(server.port.as_ref()?.protocol.as_deref()?)
}

/// TLS ends at this server.
fn is_terminated(server: &Server) -> bool {
    let mode = server.tls.as_ref().map(|tls| tls.mode.unwrap_or_default());
    protocol_of(server).is_some_and(Protocol::is_tls) && mode.is_some_and(|mode| !mode.is_passthrough())
}

/// The objects without errors, older ones first; and those with errors, which may not be served, but what they close
/// must not become open.
fn valid<'a, T>(
    objects: &'a [Object<T>],
    check: impl Fn(&Object<T>, &mut Report<'_>),
    findings: &mut Vec<Diagnostic>,
) -> (Vec<&'a Object<T>>, Vec<&'a Object<T>>) {
    let (mut good, mut bad): (Vec<&Object<T>>, Vec<&Object<T>>) = Default::default();
    for object in objects {
        let mut report = Report::new(object, findings);
        check(object, &mut report);
        if report.errors() == 0 { good.push(object) } else { bad.push(object) }
    }
    good.sort_by(|a, b| a.age_order().cmp(&b.age_order()));
    (good, bad)
}

#[cfg(test)]
mod tests;

//! Rules of `tcp` and `tls`, on one server.

use std::collections::BTreeSet;

use super::clusters::Unknown;
use super::conditions::Place;
use super::hosts::{self, admitted};
use super::missing::report_unknown;
use super::report::Report;
use super::routes::origin;
use super::virtual_hosts::{Bound, Tables, Wanted};
use crate::diagnostic::{CONFLICT, SURPRISE, UNREACHABLE};
use crate::istio::{Object, RouteDestination, TcpRoute as Rule, TlsMatch, VirtualService};
use crate::model::{Chain, ChainAction, HostPattern, TcpRoute, WeightedCluster};
use crate::yaml::Path;

/// A rule: the number of its VirtualService, and its own.
type RuleNumber = (usize, usize);

/// What became of the rules of `tcp` that fit a server.
#[derive(Default)]
pub(super) struct TcpRules {
    used: BTreeSet<RuleNumber>,
    /// Each with the one that is before it.
    hidden: Vec<(RuleNumber, RuleNumber)>,
}

impl<'a> Tables<'a, '_> {
    /// Where the connections of a server go: to the first rule of `tcp` that fits, whatever hosts it is for.
    pub(super) fn tcp_route(&mut self, server: &Wanted<'_>, name: String) -> Option<TcpRoute> {
        let gateway = server.gateway_name();
        let mut chosen: Option<RuleNumber> = None;
        for n in self.bound_to(server) {
            let vs = self.services[n].vs;
            let place = self.place(&gateway, server.port, vs);
            let fitting = vs.spec.tcp.iter().enumerate().filter(|(_, rule)| fits(rule, &place)).map(|(rule, _)| rule);
            for rule in fitting.collect::<Vec<_>>() {
                self.admit(n, server);
                match chosen {
                    Some(first) => self.tcp.hidden.push(((n, rule), first)),
                    None => chosen = Some((n, rule)),
                }
            }
        }
        let (n, rule) = chosen?;
        self.tcp.used.insert((n, rule));
        let vs: &'a Object<VirtualService> = self.services[n].vs;
        let spec = Path::ROOT.key("spec");
        let list = spec.key("tcp");
        let path = list.index(rule);
        let destinations = self.destinations(&vs.spec.tcp[rule].route, vs, server.port, &path);
        Some(TcpRoute { name, destinations, origin: origin(vs, &path) })
    }

    /// Warns of rules of `tcp` that fit servers, and that another one is before on each of them.
    pub(super) fn report_hidden_rules(&mut self) {
        let spec = Path::ROOT.key("spec");
        let list = spec.key("tcp");
        let TcpRules { used, hidden } = std::mem::take(&mut self.tcp);
        for ((n, rule), (first, at)) in hidden.into_iter().filter(|(rule, _)| !used.contains(rule)) {
            let message = "this rule is never used: a server sends all connections to the first rule that fits";
            let mut report = Report::new(self.services[n].vs, self.findings);
            let finding = report.warn(UNREACHABLE, &list.index(rule), message);
            let source = &self.services[first].vs.source;
            finding.labels.push(source.label(&list.index(at), "this is first", false));
        }
    }

    /// Adds the chains of a server that passes TLS through: one for each match of `tls`. One with a name that has a
    /// chain is left out.
    pub(super) fn passthrough(&mut self, server: &Wanted<'_>, at: &str, chains: &mut Vec<Chain>) {
        let gateway = server.gateway_name();
        for n in self.bound_to(server) {
            let vs: &'a Object<VirtualService> = self.services[n].vs;
            self.report_http_rules(server, vs);
            let spec = Path::ROOT.key("spec");
            let list = spec.key("tls");
            for (number, rule) in vs.spec.tls.iter().enumerate() {
                let rule_path = list.index(number);
                let matches = rule_path.key("match");
                for (m, entry) in rule.r#match.iter().enumerate() {
                    let place = self.place(&gateway, server.port, vs);
                    if !holds(entry.port, &entry.gateways, &place) {
                        continue;
                    }
                    self.admit(n, server);
                    let path = matches.index(m);
                    let Some(server_names) = self.free_names(entry, vs, &path, chains) else { continue };
                    let (service, namespace) = (vs.name(), vs.namespace());
                    let name = format!("passthrough.{}.{service}.{namespace}.{number}.{m}{at}", server.port);
                    let destinations = self.destinations(&rule.route, vs, server.port, &rule_path);
                    let origin = origin(vs, &path);
                    let route = TcpRoute { name, destinations, origin: origin.clone() };
                    chains.push(Chain { server_names, action: ChainAction::Passthrough(route), origin });
                }
            }
        }
    }

    /// The names of a match, if none of them has a chain already.
    fn free_names(
        &mut self,
        entry: &TlsMatch,
        vs: &Object<VirtualService>,
        path: &Path<'_>,
        chains: &[Chain],
    ) -> Option<Vec<HostPattern>> {
        let mut names: Vec<HostPattern> = Vec::new();
        for (n, host) in entry.sni_hosts.iter().enumerate() {
            let name = HostPattern::new(host);
            if let Some(other) = chains.iter().find(|chain| chain.server_names.contains(&name)) {
                // Two servers of a port may have one VirtualService.
                if other.origin == origin(vs, path) {
                    return None;
                }
                let list = path.key("sniHosts");
                let message = format!("`{host}` is taken on this port already: the match is left out");
                let first = other.origin.to_string();
                Report::new(vs, self.findings).warn(CONFLICT, &list.index(n), message).note(format!("by {first}"));
                return None;
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Some(names)
    }

    /// The VirtualServices (by number) that are bound to a server and have a host in common with it.
    fn bound_to(&self, server: &Wanted<'_>) -> Vec<usize> {
        let gateway = server.gateway_name();
        let common = |bound: &Bound<'_>| {
            let open = admitted(&server.hosts, bound.vs.namespace());
            open.iter().any(|host| bound.hosts.iter().any(|own| own.overlaps(host)))
        };
        let all = self.services.iter().enumerate();
        all.filter(|(_, bound)| bound.gateways.contains(&gateway) && common(bound)).map(|(n, _)| n).collect()
    }

    fn place<'p>(&self, gateway: &'p str, port: u16, vs: &'p Object<VirtualService>) -> Place<'p>
    where
        'a: 'p,
    {
        Place { gateway, port, namespace: vs.namespace(), settings: self.settings }
    }

    fn destinations(
        &mut self,
        route: &[RouteDestination],
        vs: &Object<VirtualService>,
        port: u16,
        path: &Path<'_>,
    ) -> Vec<WeightedCluster> {
        let several = route.len() > 1;
        let list = path.key("route");
        let mut out = Vec::new();
        for (n, entry) in route.iter().enumerate() {
            let weight = u32::try_from(entry.weight.unwrap_or(0)).unwrap_or(0);
            let Some(destination) = entry.destination.as_ref().filter(|_| !several || weight > 0) else { continue };
            let (cluster, unknown): (_, Option<Unknown>) = self.clusters.resolve(destination, vs.namespace(), port);
            if let Some(unknown) = unknown {
                let entry = list.index(n);
                let mut report = Report::new(vs, self.findings);
                let answer = "connections to it are closed";
                report_unknown(&mut report, &entry.key("destination"), Some(destination), &unknown, answer);
            }
            out.push(WeightedCluster { cluster, weight: if several { weight } else { 1 } });
        }
        out
    }

    /// Nobody who writes `tls: {}` and `http` rules wants TLS to be passed through.
    fn report_http_rules(&mut self, server: &Wanted<'_>, vs: &Object<VirtualService>) {
        let mode = server.server().tls.as_ref().and_then(|tls| tls.mode);
        if mode.is_some() || vs.spec.http.is_empty() {
            return;
        }
        let spec = Path::ROOT.key("spec");
        let servers = spec.key("servers");
        let server_path = servers.index(server.index);
        let mut report = Report::new(server.gateway, self.findings);
        let message = "`tls` without `mode` means PASSTHROUGH: `http` rules have no effect here";
        let finding = report.warn(SURPRISE, &server_path.key("tls"), message);
        finding.labels.push(vs.source.label(&spec.key("http"), "these rules", false));
        finding.help("write `mode: SIMPLE` and a certificate, or `mode: PASSTHROUGH` if that is meant");
    }
}

/// Whether any entry of a rule's `match` holds; without one it does.
fn fits(rule: &Rule, place: &Place<'_>) -> bool {
    rule.r#match.is_empty() || rule.r#match.iter().any(|entry| holds(entry.port, &entry.gateways, place))
}

/// The conditions that a gateway looks at. All others are told to have no effect.
fn holds(port: Option<u32>, gateways: &[String], place: &Place<'_>) -> bool {
    let named = |name: &String| hosts::gateway_name(name, place.namespace) == place.gateway;
    port.is_none_or(|port| port == 0 || port == u32::from(place.port))
        && (gateways.is_empty() || gateways.iter().any(named))
}

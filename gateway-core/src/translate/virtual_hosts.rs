//! Route tables: which VirtualServices are bound to which servers, and what virtual hosts come of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::Settings;
use super::clusters::Clusters;
use super::conditions::is_catch_all;
use super::hosts::{self, ServerHost, admitted};
use super::layer4::TcpRules;
use super::routes::{Target, origin, routes};
use crate::diagnostic::Diagnostic;
use crate::istio::{Gateway, Object, VirtualService};
use crate::model::{HostPattern, Route, RouteConfig, VirtualHost};
use crate::yaml::Path;

/// A server that a Gateway asks for.
pub(super) struct Wanted<'a> {
    pub(super) gateway: &'a Object<Gateway>,
    /// Its number in the Gateway.
    pub(super) index: usize,
    pub(super) port: u16,
    pub(super) hosts: Vec<ServerHost>,
}

impl Wanted<'_> {
    pub(super) fn server(&self) -> &crate::istio::Server {
        &self.gateway.spec.servers[self.index]
    }

    pub(super) fn gateway_name(&self) -> String {
        format!("{}/{}", self.gateway.namespace(), self.gateway.name())
    }

    pub(super) fn origin(&self) -> crate::model::Origin {
        let spec = Path::ROOT.key("spec");
        let servers = spec.key("servers");
        origin(self.gateway, &servers.index(self.index))
    }
}

/// A VirtualService that the gateway sees, with names completed.
pub(super) struct Bound<'a> {
    pub(super) vs: &'a Object<VirtualService>,
    pub(super) hosts: Vec<HostPattern>,
    pub(super) gateways: BTreeSet<String>,
}

/// The VirtualServices that the gateway sees, in the order in which their routes stand.
pub(super) fn in_order<'a>(services: &[&'a Object<VirtualService>], settings: &Settings) -> Vec<Bound<'a>> {
    let visible = services.iter().filter(|vs| hosts::is_visible(&vs.spec.export_to, vs.namespace(), settings));
    let mut bound: Vec<Bound<'a>> = visible
        .map(|vs| {
            let names = vs.spec.hosts.iter().map(|host| hosts::full_name(host, vs.namespace(), settings));
            let gateways = vs.spec.gateways.iter().map(|name| hosts::gateway_name(name, vs.namespace()));
            Bound { vs, hosts: names.map(|name| HostPattern::new(&name)).collect(), gateways: gateways.collect() }
        })
        .collect();
    // Stable: inside a group older ones stay first.
    bound.sort_by_key(|bound| group(bound.vs));
    bound
}

/// Private ones of the gateway's namespace, then those exported to it by name, then public ones.
fn group(vs: &Object<VirtualService>) -> u8 {
    let export_to = &vs.spec.export_to;
    if export_to.is_empty() || export_to.iter().any(|entry| entry == "*") {
        2
    } else {
        u8::from(!export_to.iter().all(|entry| entry == "." || entry == vs.namespace()))
    }
}

/// What the route tables are made of, and what came of it.
pub(super) struct Tables<'a, 'b> {
    pub(super) settings: &'a Settings,
    pub(super) services: &'b [Bound<'a>],
    pub(super) clusters: &'b mut Clusters<'a>,
    pub(super) findings: &'b mut Vec<Diagnostic>,
    /// The hosts of each VirtualService (by number) that some server admitted.
    pub(super) used: BTreeMap<usize, BTreeSet<usize>>,
    pub(super) tcp: TcpRules,
}

#[derive(Default)]
struct Table {
    hosts: Vec<VirtualHost>,
    by_host: HashMap<HostPattern, usize>,
}

impl Table {
    fn entry(&mut self, host: &HostPattern) -> &mut VirtualHost {
        let next = self.hosts.len();
        let index = *self.by_host.entry(host.clone()).or_insert(next);
        if index == next {
            self.hosts.push(VirtualHost { host: host.clone(), https_redirect: false, routes: Vec::new() });
        }
        &mut self.hosts[index]
    }
}

impl<'a, 'b> Tables<'a, 'b> {
    pub(super) fn new(
        settings: &'a Settings,
        services: &'b [Bound<'a>],
        clusters: &'b mut Clusters<'a>,
        findings: &'b mut Vec<Diagnostic>,
    ) -> Self {
        Self { settings, services, clusters, findings, used: BTreeMap::new(), tcp: TcpRules::default() }
    }
}

impl Tables<'_, '_> {
    /// The route table of these servers. `redirects`: servers with errors whose `httpsRedirect` counts all the same.
    pub(super) fn route_config(
        &mut self,
        name: String,
        servers: &[Wanted<'_>],
        redirects: &[Wanted<'_>],
    ) -> RouteConfig {
        let mut table = Table::default();
        let mut made: HashMap<(String, usize), Vec<Arc<Route>>> = HashMap::new();
        for server in servers {
            self.add_server(server, &mut table, &mut made);
        }
        for server in redirects {
            self.redirect(server, &mut table);
        }
        for host in &mut table.hosts {
            // What takes everything goes to the end, whoever wrote it.
            host.routes.sort_by_key(|route| is_catch_all(&route.matches));
        }
        if table.hosts.is_empty() {
            table.entry(&HostPattern::Any);
        }
        let origins = servers.iter().map(Wanted::origin).collect();
        RouteConfig { name, virtual_hosts: table.hosts, origins }
    }

    fn add_server(
        &mut self,
        server: &Wanted<'_>,
        table: &mut Table,
        made: &mut HashMap<(String, usize), Vec<Arc<Route>>>,
    ) {
        let gateway = server.gateway_name();
        let tls = server.server().tls.as_ref();
        let clear = super::protocol_of(server.server()).is_some_and(super::protocol::Protocol::is_clear_http);
        let https_redirect = clear && tls.is_some_and(|tls| tls.https_redirect == Some(true));
        let target = Target { gateway: &gateway, port: server.port, tls: tls.is_some() };
        for (n, bound) in self.services.iter().enumerate().filter(|(_, bound)| bound.gateways.contains(&gateway)) {
            let open = admitted(&server.hosts, bound.vs.namespace());
            let common = HostPattern::intersection(&open, &bound.hosts);
            if common.is_empty() {
                continue;
            }
            // Once for a Gateway: the first of its servers in this table gives port and TLS.
            let routes = made
                .entry((gateway.clone(), n))
                .or_insert_with(|| routes(bound.vs, &target, self.settings, self.clusters, self.findings));
            if routes.is_empty() {
                continue;
            }
            for host in &common {
                let entry = table.entry(host);
                entry.routes.extend(routes.iter().cloned());
                entry.https_redirect |= https_redirect;
            }
            self.admit(n, server);
        }
        if https_redirect {
            for host in &server.hosts {
                table.entry(&host.pattern).https_redirect = true;
            }
        }
    }

    /// Notes the hosts of a VirtualService (by number) that a server admits.
    pub(super) fn admit(&mut self, n: usize, server: &Wanted<'_>) {
        let bound = &self.services[n];
        let open = admitted(&server.hosts, bound.vs.namespace());
        let hosts = (0..bound.hosts.len()).filter(|host| open.iter().any(|o| o.overlaps(&bound.hosts[*host])));
        self.used.entry(n).or_default().extend(hosts);
    }

    /// Redirects the hosts that this server would redirect if it had no error.
    fn redirect(&self, server: &Wanted<'_>, table: &mut Table) {
        let gateway = server.gateway_name();
        // Of one without a name nobody knows who is bound to it.
        let bound =
            self.services.iter().filter(|it| it.gateways.contains(&gateway) || server.gateway.name().is_empty());
        let common =
            bound.flat_map(|it| HostPattern::intersection(&admitted(&server.hosts, it.vs.namespace()), &it.hosts));
        let own = server.hosts.iter().map(|host| host.pattern.clone());
        for host in common.chain(own) {
            table.entry(&host).https_redirect = true;
        }
    }
}

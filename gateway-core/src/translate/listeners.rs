//! Gateways to listeners: selection, merging, conflicts.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::protocol::Protocol;
use super::tls::server_tls;
use super::virtual_hosts::{Tables, Wanted};
use super::{Report, Settings, hosts, protocol_of, services};
use crate::diagnostic::{CONFLICT, Diagnostic, SKIPPED};
use crate::istio::{Gateway, Object, Server};
use crate::model::{
    Chain, ChainAction, ClientAuth, HostPattern, Listener, RouteConfig, ServerTls, TlsVersion, Transport,
};
use crate::yaml::Path;

/// What shares one address and port.
pub(super) struct Merged<'a> {
    bind: Option<IpAddr>,
    port: u16,
    kind: Kind,
    servers: Vec<Wanted<'a>>,
    /// Servers with errors: connections for their names are refused, or clear-text requests redirected.
    closed: Vec<Wanted<'a>>,
}

/// What can share an address and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Any number of servers: the host of a request tells them apart.
    Http,
    /// Any number of servers of different names.
    Tls,
    /// One server: nothing tells its connections from those of another.
    Tcp,
}

impl Kind {
    const fn of(protocol: Protocol) -> Self {
        if protocol.is_tls() {
            Self::Tls
        } else if protocol.is_clear_http() {
            Self::Http
        } else {
            Self::Tcp
        }
    }
}

impl Merged<'_> {
    /// Whether a server with this `bind` and port is one of these.
    fn is_at(&self, bind: Option<IpAddr>, port: u16) -> bool {
        let one = |bind: Option<IpAddr>| bind.filter(|address| !address.is_unspecified());
        self.port == port && one(self.bind) == one(bind)
    }
}

/// `bind`. `0.0.0.0` is what stands there if nothing does; `::` says the same, and that IPv6 is wanted too.
fn bind_address(server: &Server) -> Option<IpAddr> {
    let address = server.bind.as_deref().and_then(|bind| bind.parse().ok());
    address.filter(|address| *address != IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// The Gateways that select this gateway; the others are told.
pub(super) fn selected<'a>(
    gateways: &[&'a Object<Gateway>],
    settings: &Settings,
    findings: &mut Vec<Diagnostic>,
) -> Vec<&'a Object<Gateway>> {
    let (mine, others): (Vec<_>, Vec<_>) =
        gateways.iter().copied().partition(|gateway| services::has(&settings.labels, &gateway.spec.selector));
    for gateway in others {
        let message = format!(
            "this Gateway selects {}, and the labels of this gateway are {}: left out",
            listed(&gateway.spec.selector),
            listed(&settings.labels)
        );
        let spec = Path::ROOT.key("spec");
        Report::new(gateway, findings)
            .note(SKIPPED, &spec.key("selector"), message)
            .help("it is for another gateway; if it is for this one, give its labels: --labels KEY=VALUE,..");
    }
    mine
}

fn listed(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if pairs.is_empty() { "none".to_owned() } else { pairs.join(",") }
}

/// Brings all servers together by address and port. The first wins.
pub(super) fn merge<'a>(gateways: &[&'a Object<Gateway>], findings: &mut Vec<Diagnostic>) -> Vec<Merged<'a>> {
    let mut merged: Vec<Merged<'a>> = Vec::new();
    for gateway in gateways {
        for (index, server) in gateway.spec.servers.iter().enumerate() {
            let number = server.port.as_ref().and_then(|port| port.number).and_then(|port| u16::try_from(port).ok());
            let (Some(port), Some(protocol)) = (number, protocol_of(server)) else { continue };
            let bind = bind_address(server);
            let wanted = Wanted { gateway, index, port, hosts: hosts::server_hosts(server, gateway) };
            let kind = Kind::of(protocol);
            let Some(there) = merged.iter_mut().find(|there| there.is_at(bind, port)) else {
                merged.push(Merged { bind, port, kind, servers: vec![wanted], closed: Vec::new() });
                continue;
            };
            match conflict(there, &wanted, kind) {
                Some((first, message)) => report(&wanted, &there.servers[first], &message, findings),
                None => {
                    there.bind = there.bind.or(bind);
                    there.servers.push(wanted);
                }
            }
        }
    }
    merged
}

/// Adds the servers of Gateways that have errors, as far as they close something. Without its TLS server a more general
/// one would answer for a name, maybe without the client certificate that it demands; without its `httpsRedirect` a
/// host would be served in clear text by another Gateway of the port.
pub(super) fn close<'a>(merged: &mut Vec<Merged<'a>>, without: &[&'a Object<Gateway>], settings: &Settings) {
    for gateway in without.iter().filter(|gateway| services::has(&settings.labels, &gateway.spec.selector)) {
        for (index, server) in gateway.spec.servers.iter().enumerate() {
            let number = server.port.as_ref().and_then(|port| port.number).and_then(|port| u16::try_from(port).ok());
            let protocol = protocol_of(server);
            let Some(port) = number else { continue };
            let (hosts, bind) = (hosts::server_hosts(server, gateway), bind_address(server));
            let wanted = Wanted { gateway, index, port, hosts };
            let clear = merged.iter_mut().find(|there| there.is_at(bind, port) && there.kind != Kind::Tls);
            if let Some(there) = clear {
                let redirects = server.tls.as_ref().is_some_and(|tls| tls.https_redirect == Some(true));
                if redirects && there.kind == Kind::Http && protocol.is_none_or(Protocol::is_clear_http) {
                    there.closed.push(wanted);
                }
            } else if server.tls.is_some() || protocol.is_none_or(Protocol::is_tls) {
                close_server(merged, wanted, bind);
            }
        }
    }
}

fn close_server<'a>(merged: &mut Vec<Merged<'a>>, mut server: Wanted<'a>, bind: Option<IpAddr>) {
    let port = server.port;
    if let Some(there) = merged.iter_mut().find(|there| there.is_at(bind, port)) {
        let names = there.servers.iter().chain(&there.closed).flat_map(|server| &server.hosts);
        let taken: Vec<_> = names.map(|host| host.pattern.clone()).collect();
        server.hosts.retain(|host| !taken.contains(&host.pattern));
        there.closed.push(server);
    } else if merged.iter().any(|there| there.is_at(None, port)) {
        // Else the listener for every address would take the connections to this one.
        merged.push(Merged { bind, port, kind: Kind::Tls, servers: Vec::new(), closed: vec![server] });
    }
}

/// Why a server cannot stand beside those that are there, and which of them is in the way.
fn conflict(there: &Merged<'_>, wanted: &Wanted<'_>, kind: Kind) -> Option<(usize, String)> {
    let port = there.port;
    if there.kind != kind || kind == Kind::Tcp {
        let name = |server: &Wanted<'_>| protocol_of(server.server()).map_or("", Protocol::name);
        let (new, old) = (name(wanted), there.servers.first().map_or("", name));
        return Some((0, format!("{new} on port {port}, where another server speaks {old}: left out")));
    }
    if kind == Kind::Http {
        return None;
    }
    // The namespace is no difference: a client's server name has none.
    there.servers.iter().enumerate().find_map(|(n, other)| {
        let shared = wanted.hosts.iter().find(|host| other.hosts.iter().any(|o| o.pattern == host.pattern))?;
        Some((n, format!("`{}` has a TLS server on port {port} already: this one is left out", shared.pattern)))
    })
}

fn report(wanted: &Wanted<'_>, other: &Wanted<'_>, message: &str, findings: &mut Vec<Diagnostic>) {
    let spec = Path::ROOT.key("spec");
    let servers = spec.key("servers");
    let finding_at = servers.index(wanted.index);
    let mut report = Report::new(wanted.gateway, findings);
    let finding = report.warn(CONFLICT, &finding_at, message);
    finding.labels.push(other.gateway.source.label(&servers.index(other.index), "this is first", false));
    finding.note("the older Gateway wins, then the name in the alphabet, then the order of the servers");
}

/// Makes the listeners. A port that nothing would be done with is not opened.
pub(super) fn build(merged: Vec<Merged<'_>>, tables: &mut Tables<'_, '_>) -> Vec<Listener> {
    let listener = |merged: Merged<'_>| {
        let at = suffix(merged.bind);
        let transport = match merged.kind {
            Kind::Tls => Transport::Tls(chains(&merged, &at, tables)),
            Kind::Http => {
                let name = format!("http.{}{at}", merged.port);
                Transport::Http(tables.route_config(name, &merged.servers, &merged.closed))
            }
            Kind::Tcp => Transport::Tcp(tables.tcp_route(merged.servers.first()?, format!("tcp.{}{at}", merged.port))?),
        };
        let unserved = matches!(&transport, Transport::Tls(chains) if chains.is_empty());
        (!unserved).then_some(Listener { bind: merged.bind, port: merged.port, transport })
    };
    merged.into_iter().filter_map(listener).collect()
}

/// The servers that terminate TLS go first, and those with errors: no `sniHosts` of a VirtualService takes a name away
/// from them.
fn chains(merged: &Merged<'_>, at: &str, tables: &mut Tables<'_, '_>) -> Vec<Chain> {
    let (ended, passed): (Vec<_>, Vec<_>) =
        merged.servers.iter().partition(|server| super::is_terminated(server.server()));
    let mut chains: Vec<_> = ended.iter().filter_map(|server| chain(server, at, tables)).collect();
    chains.extend(merged.closed.iter().map(|server| closed(server, at)));
    for server in passed {
        tables.passthrough(server, at, &mut chains);
    }
    chains
}

/// What Istio writes behind the name of a route table for one address.
fn suffix(bind: Option<IpAddr>) -> String {
    bind.filter(|address| !address.is_unspecified()).map(|address| format!(".{address}")).unwrap_or_default()
}

/// A chain without a certificate: its handshakes fail.
fn closed(server: &Wanted<'_>, at: &str) -> Chain {
    let origin = server.origin();
    let name = format!("closed.{}.{}.{}{at}", server.port, server.gateway.name(), server.gateway.namespace());
    let tls = ServerTls {
        certificates: Vec::new(),
        client_auth: ClientAuth::None,
        min_version: TlsVersion::V1_2,
        max_version: TlsVersion::V1_3,
        cipher_suites: Vec::new(),
    };
    let routes = RouteConfig { name, virtual_hosts: Vec::new(), origins: vec![origin.clone()] };
    Chain {
        server_names: server.hosts.iter().map(|host| host.pattern.clone()).collect(),
        action: ChainAction::Http { tls, routes },
        origin,
    }
}

/// The chain of a server that terminates TLS; none if there is nothing that its bytes could be for.
fn chain(server: &Wanted<'_>, at: &str, tables: &mut Tables<'_, '_>) -> Option<Chain> {
    let settings = server.server();
    let port_name = settings.port.as_ref().and_then(|port| port.name.as_deref()).unwrap_or_default();
    let (gateway, namespace) = (server.gateway.name(), server.gateway.namespace());
    let name = |what: &str| format!("{what}.{}.{port_name}.{gateway}.{namespace}{at}", server.port);
    let tls = server_tls(&settings.tls.clone().unwrap_or_default(), tables.settings);
    let action = if protocol_of(settings) == Some(Protocol::Tls) {
        ChainAction::Tcp { tls, route: tables.tcp_route(server, name("tls"))? }
    } else {
        ChainAction::Http { tls, routes: tables.route_config(name("https"), std::slice::from_ref(server), &[]) }
    };
    let mut server_names: Vec<HostPattern> = Vec::new();
    for host in &server.hosts {
        if !server_names.contains(&host.pattern) {
            server_names.push(host.pattern.clone());
        }
    }
    Some(Chain { server_names, action, origin: server.origin() })
}

//! Listeners, their chains and virtual hosts.
use std::{net::IpAddr, sync::Arc};

use super::{HostPattern, Origin, Route, ServerTls};

/// One address and port, merged from the servers of all Gateways that name it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// `bind`; `None` is every address of IPv4, `::` is every address. Another listener of the port may have one of them.
    pub bind: Option<IpAddr>,
    /// The number in the YAML: matching and redirects use it, whatever port is opened in its place.
    pub port: u16,
    /// What is spoken there.
    pub transport: Transport,
}

/// What is spoken on a listener.
#[derive(Clone, Debug, PartialEq)]
pub enum Transport {
    /// Clear-text HTTP: one chain for all.
    Http(RouteConfig),
    /// TLS: the server name chooses a chain, or the connection is closed.
    Tls(Vec<Chain>),
}

/// One TLS server of a Gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// The server names that choose it; `*` is also for a client that names none.
    pub server_names: Vec<HostPattern>,
    /// How TLS is terminated.
    pub tls: ServerTls,
    /// Its own routes: those of another chain cannot be reached through it.
    pub routes: RouteConfig,
    /// The server in the Gateway.
    pub origin: Origin,
}

/// A route table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteConfig {
    /// Istio's name: `http.80`, or `https.443.NAME.GATEWAY.NAMESPACE`; with `.BIND` behind it if it is for one address.
    pub name: String,
    /// No two have the same host.
    pub virtual_hosts: Vec<VirtualHost>,
    /// The servers that contributed to it.
    pub origins: Vec<Origin>,
}

/// The routes of one host. The choice of a virtual host is final: there is no fallback to a less specific one.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualHost {
    /// The name it answers to.
    pub host: HostPattern,
    /// Clear-text requests are redirected to https, before any route is looked at.
    pub https_redirect: bool,
    /// The first that fits wins. One rule may stand in several virtual hosts.
    pub routes: Vec<Arc<Route>>,
}

impl Listener {
    /// All route tables.
    pub fn route_configs(&self) -> impl Iterator<Item = &RouteConfig> {
        let (http, chains) = match &self.transport {
            Transport::Http(routes) => (Some(routes), &[][..]),
            Transport::Tls(chains) => (None, &chains[..]),
        };
        http.into_iter().chain(chains.iter().map(|chain| &chain.routes))
    }
}

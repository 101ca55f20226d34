//! Listeners, their chains and virtual hosts.
use std::{net::IpAddr, sync::Arc};

use super::{ClusterName, HostPattern, Origin, Route, ServerTls};

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
    /// Bytes of any protocol: all connections go one way.
    Tcp(TcpRoute),
}

/// What becomes of the connections of some server names: a TLS server of a Gateway, or one `match` of a VirtualService
/// behind a server that passes TLS through.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// The server names that choose it; `*` is also for a client that names none. No two chains of a listener have
    /// one in common.
    pub server_names: Vec<HostPattern>,
    /// What is done with a connection that chose it.
    pub action: ChainAction,
    /// The server in the Gateway, or the match in the VirtualService.
    pub origin: Origin,
}

/// What is done with a TLS connection.
#[derive(Clone, Debug, PartialEq)]
pub enum ChainAction {
    /// TLS ends here, and HTTP is in it.
    Http {
        /// How TLS is terminated.
        tls: ServerTls,
        /// Its own routes: those of another chain cannot be reached through it.
        routes: RouteConfig,
    },
    /// TLS ends here, and its bytes go on.
    Tcp {
        /// How TLS is terminated.
        tls: ServerTls,
        /// Where they go.
        route: TcpRoute,
    },
    /// Mode `PASSTHROUGH`: the connection goes on as it came, TLS and all.
    Passthrough(TcpRoute),
}

/// Where the bytes of connections go.
#[derive(Clone, Debug, PartialEq)]
pub struct TcpRoute {
    /// Tells it from all others of the listener: `tcp.9000`, `tls.443.NAME.GATEWAY.NAMESPACE`,
    /// `passthrough.443.VIRTUALSERVICE.NAMESPACE.RULE.MATCH`.
    pub name: String,
    /// At least one; those of weight 0 are left out. Drawn for each connection.
    pub destinations: Vec<WeightedCluster>,
    /// The rule in the YAML.
    pub origin: Origin,
}

/// One of the destinations of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedCluster {
    /// Where to; unknown to the configuration: the connection is closed (flag NC).
    pub cluster: ClusterName,
    /// Its share among the others; not looked at if it is alone.
    pub weight: u32,
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
    /// The chains of its TLS servers; none if it speaks no TLS.
    #[must_use]
    pub fn chains(&self) -> &[Chain] {
        match &self.transport {
            Transport::Tls(chains) => chains,
            Transport::Http(_) | Transport::Tcp(_) => &[],
        }
    }

    /// All route tables.
    pub fn route_configs(&self) -> impl Iterator<Item = &RouteConfig> {
        let http = match &self.transport {
            Transport::Http(routes) => Some(routes),
            Transport::Tls(_) | Transport::Tcp(_) => None,
        };
        http.into_iter().chain(self.chains().iter().filter_map(Chain::routes))
    }
}

impl Chain {
    /// How TLS is terminated; `None`: it is passed through.
    #[must_use]
    pub const fn tls(&self) -> Option<&ServerTls> {
        match &self.action {
            ChainAction::Http { tls, .. } | ChainAction::Tcp { tls, .. } => Some(tls),
            ChainAction::Passthrough(_) => None,
        }
    }

    /// The route table, if HTTP is spoken.
    #[must_use]
    pub const fn routes(&self) -> Option<&RouteConfig> {
        match &self.action {
            ChainAction::Http { routes, .. } => Some(routes),
            ChainAction::Tcp { .. } | ChainAction::Passthrough(_) => None,
        }
    }

    /// Where its bytes go, if they are not HTTP.
    #[must_use]
    pub const fn tcp(&self) -> Option<&TcpRoute> {
        match &self.action {
            ChainAction::Http { .. } => None,
            ChainAction::Tcp { route, .. } | ChainAction::Passthrough(route) => Some(route),
        }
    }

    /// The name of its route table or route.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.action {
            ChainAction::Http { routes, .. } => &routes.name,
            ChainAction::Tcp { route, .. } | ChainAction::Passthrough(route) => &route.name,
        }
    }
}

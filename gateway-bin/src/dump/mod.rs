//! What a configuration comes to, as versioned JSON: for `/config_dump` and `proxy-config`. Keys are never in it.
mod describe;
mod secrets;

use std::net::SocketAddr;

use gateway_core::model::{
    Chain, ChainAction, Cluster, Config, Endpoints, Listener, Protocol, RouteConfig, TcpRoute, Transport,
};
use serde::{Deserialize, Serialize};

pub(crate) use self::secrets::{SecretDump, of as secrets};

/// Version of this form; it changes when a field changes its meaning.
const VERSION: u32 = 1;

/// The whole.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Dump {
    pub(crate) version: u32,
    pub(crate) listeners: Vec<ListenerDump>,
    pub(crate) routes: Vec<VirtualHostDump>,
    pub(crate) clusters: Vec<ClusterDump>,
    pub(crate) secrets: Vec<SecretDump>,
    /// Where each port of the YAML is opened; only of a running gateway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) opened: Vec<OpenedDump>,
}

/// A port, or one of its TLS servers.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ListenerDump {
    pub(crate) address: String,
    pub(crate) port: u16,
    /// `ALL`, or `SNI: a.com,b.com`.
    pub(crate) r#match: String,
    /// The route table, or where bytes go that nobody looks into.
    pub(crate) destination: String,
    /// The servers in the YAML.
    pub(crate) origin: Vec<String>,
}

/// A virtual host, or the names of a TCP route.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct VirtualHostDump {
    /// The route table.
    pub(crate) name: String,
    pub(crate) domain: String,
    pub(crate) https_redirect: bool,
    pub(crate) rules: Vec<RuleDump>,
}

/// A rule, in the order in which it is tried.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct RuleDump {
    pub(crate) name: String,
    pub(crate) r#match: String,
    pub(crate) action: String,
    /// `name.namespace` of the VirtualService.
    pub(crate) virtual_service: String,
    /// `file:line`.
    pub(crate) origin: String,
}

/// A destination.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ClusterDump {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) subset: String,
    pub(crate) protocol: String,
    /// `STATIC`, `DNS`.
    pub(crate) r#type: String,
    pub(crate) endpoints: Vec<String>,
}

/// A port that is open.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct OpenedDump {
    pub(crate) port: u16,
    pub(crate) address: String,
}

impl Dump {
    /// Of a configuration; `opened` are the real addresses, if it is served.
    pub(crate) fn new(config: &Config, opened: &[(u16, SocketAddr)]) -> Self {
        Self {
            version: VERSION,
            listeners: config.listeners.iter().flat_map(listeners).collect(),
            routes: config.listeners.iter().flat_map(routes).collect(),
            clusters: config.clusters.iter().map(cluster).collect(),
            secrets: secrets::of(config),
            opened: opened
                .iter()
                .map(|(port, address)| OpenedDump { port: *port, address: address.to_string() })
                .collect(),
        }
    }
}

fn listeners(listener: &Listener) -> Vec<ListenerDump> {
    let address = listener.bind.map_or_else(|| "0.0.0.0".to_owned(), |bind| bind.to_string());
    let row = |r#match: String, destination: String, origin: Vec<String>| ListenerDump {
        address: address.clone(),
        port: listener.port,
        r#match,
        destination,
        origin,
    };
    let all = "ALL".to_owned();
    match &listener.transport {
        Transport::Http(routes) => {
            vec![row(all, table(routes), routes.origins.iter().map(ToString::to_string).collect())]
        }
        Transport::Tcp(route) => vec![row(all, describe::clusters(route), vec![route.origin.to_string()])],
        Transport::Tls(chains) => {
            let chain = |chain: &Chain| {
                let destination = match &chain.action {
                    ChainAction::Http { routes, .. } => table(routes),
                    ChainAction::Tcp { route, .. } => format!("TLS ends, {}", describe::clusters(route)),
                    ChainAction::Passthrough(route) => format!("PASSTHROUGH, {}", describe::clusters(route)),
                };
                row(format!("SNI: {}", names(chain)), destination, vec![chain.origin.to_string()])
            };
            chains.iter().map(chain).collect()
        }
    }
}

fn table(routes: &RouteConfig) -> String {
    format!("Route: {}", routes.name)
}

fn names(chain: &Chain) -> String {
    chain.server_names.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Its route tables, then its TCP routes.
fn routes(listener: &Listener) -> Vec<VirtualHostDump> {
    let mut out: Vec<_> = listener.route_configs().flat_map(virtual_hosts).collect();
    if let Transport::Tcp(route) = &listener.transport {
        out.push(tcp(route, "*".to_owned()));
    }
    let of_chains = listener.chains().iter().filter_map(|chain| Some(tcp(chain.tcp()?, names(chain))));
    out.extend(of_chains);
    out
}

fn tcp(route: &TcpRoute, domain: String) -> VirtualHostDump {
    let rules = vec![describe::tcp(route)];
    VirtualHostDump { name: route.name.clone(), domain, https_redirect: false, rules }
}

fn virtual_hosts(routes: &RouteConfig) -> Vec<VirtualHostDump> {
    let host = |host: &gateway_core::model::VirtualHost| VirtualHostDump {
        name: routes.name.clone(),
        domain: host.host.to_string(),
        https_redirect: host.https_redirect,
        rules: host.routes.iter().map(|route| describe::rule(route)).collect(),
    };
    routes.virtual_hosts.iter().map(host).collect()
}

fn cluster(cluster: &Cluster) -> ClusterDump {
    let (kind, endpoints) = match &cluster.endpoints {
        Endpoints::Static(endpoints) => {
            ("STATIC", endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect())
        }
        Endpoints::Dns(names) => ("DNS", names.iter().map(ToString::to_string).collect()),
        Endpoints::Unlisted(host, port) => ("DNS (unlisted)", vec![format!("{host}:{port}")]),
    };
    ClusterDump {
        host: cluster.name.host.to_string(),
        port: cluster.name.port,
        subset: cluster.name.subset.to_string(),
        protocol: match cluster.protocol {
            Protocol::Http1 => "HTTP/1.1",
            Protocol::Http2 => "HTTP/2",
        }
        .to_owned(),
        r#type: kind.to_owned(),
        endpoints,
    }
}

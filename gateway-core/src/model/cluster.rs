//! Destinations: what a service is and where its endpoints are.
use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

/// The identity of a cluster. Displays as Envoy's name, `outbound|80|v1|a.app.svc.cluster.local`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterName {
    /// The service's full host name.
    pub host: Arc<str>,
    /// The service port.
    pub port: u16,
    /// The subset; empty if none.
    pub subset: Arc<str>,
}

/// A service port, or a subset of its endpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Its identity.
    pub name: ClusterName,
    /// The namespace of its service, if it is known; metrics name it.
    pub namespace: Option<Arc<str>>,
    /// The protocol that is spoken to it.
    pub protocol: Protocol,
    /// Where it is.
    pub endpoints: Endpoints,
    /// How long a connection may take to be made; Istio's default is 10 s.
    pub connect_timeout: Duration,
}

/// The protocol towards a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// Where the endpoints come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Endpoints {
    /// Fixed addresses; none at all answers 503 (flag UH).
    Static(Vec<Endpoint>),
    /// All addresses of these names are endpoints; none answers 503 (flag UH).
    Dns(Vec<DnsName>),
    /// A host that no resource describes, looked up under the name as written; no answer is an unknown cluster
    /// (503, flag NC).
    Unlisted(String, u16),
}

/// One address of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its share beside the others; at least 1.
    pub weight: u32,
}

/// A name whose addresses are endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsName {
    /// The name.
    pub host: String,
    /// The port of all its addresses.
    pub port: u16,
    /// The share of each of its addresses beside the others; at least 1.
    pub weight: u32,
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "outbound|{}|{}|{}", self.port, self.subset, self.host)
    }
}

impl Endpoint {
    /// An address of weight 1.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self { address, weight: 1 }
    }
}

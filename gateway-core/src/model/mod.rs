//! The valid configuration: plain data, made by `translate` or by hand, compared with `==`.
mod cipher_suite;
mod client_auth;
mod cluster;
mod headers;
mod host;
mod listener;
mod matches;
mod origin;
mod policy;
mod route;
mod tls;

pub use self::{
    cipher_suite::CipherSuite,
    client_auth::{ClientAuth, ClientPolicy},
    cluster::{Cluster, ClusterName, DnsName, Endpoint, Endpoints, Protocol},
    headers::{HeaderOp, HeaderOps},
    host::HostPattern,
    listener::{Chain, ChainAction, Listener, RouteConfig, TcpRoute, Transport, VirtualHost, WeightedCluster},
    matches::{
        HeaderKey, HeaderMatch, PathMatch, QueryMatch, Regex, RegexError, RequestHead, RequestMatch, StringMatch,
    },
    origin::{ObjectName, Origin},
    policy::{Abort, Cors, Fault, Fraction, RetryOn, RetryPolicy},
    route::{
        Action, Destination, DirectResponse, Forward, HostRewrite, Mirror, PathRewrite, Redirect, RedirectPath, Route,
        UriScheme,
    },
    tls::{CaSource, CertificateSource, Credential, Pem, PemRole, Secret, SecretName, ServerTls, TlsVersion},
};

/// Everything the gateway serves: what `translate` makes of the resources.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// One per address and port.
    pub listeners: Vec<Listener>,
    /// The known destinations. A route to a cluster that is not here answers 503 (flag NC).
    pub clusters: Vec<Cluster>,
    /// The credentials that the listeners name, as far as they exist.
    pub secrets: Vec<Secret>,
}

impl Config {
    /// The listener of a port number as written in the YAML; of several, which differ in `bind`, the first.
    #[must_use]
    pub fn listener(&self, port: u16) -> Option<&Listener> {
        self.listeners_of(port).next()
    }

    /// All listeners of a port number as written in the YAML: they differ in `bind`.
    pub fn listeners_of(&self, port: u16) -> impl Iterator<Item = &Listener> {
        self.listeners.iter().filter(move |listener| listener.port == port)
    }

    /// The credential of that name.
    #[must_use]
    pub fn secret(&self, name: &SecretName) -> Option<&Secret> {
        self.secrets.iter().find(|secret| secret.name == *name)
    }
}

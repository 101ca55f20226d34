//! Istio's resources as written: types without logic, and how they are read.

mod destination_rule;
mod gateway;
mod left_out;
mod meta;
mod object;
mod parse;
mod route_parts;
mod secret;
mod service_entry;
mod traffic_policy;
mod virtual_service;

pub use destination_rule::{
    ClientTls, ClientTlsMode, ConnectionPool, ConsistentHash, CookieAttribute, DestinationRule, Distribute, Failover,
    H2Upgrade, Http2KeepAlive, HttpCookie, HttpPool, LoadBalancer, LocalityBalancer, Maglev, OutlierDetection,
    PortPolicy, ProxyProtocol, ProxyProtocolVersion, RetryBudget, RingHash, SimpleBalancer, Subset, TcpKeepalive,
    TcpPool, TrafficPolicy, Tunnel, Warmup, WorkloadSelector,
};
pub use gateway::{Gateway, Port, Server, ServerTls, TlsCertificate, TlsMode, TlsProtocol};
pub use left_out::{Draft, Drafts, LeftOut};
pub use meta::{Manifest, ObjectMeta};
pub use object::{Object, Source};
pub use parse::{ParseOptions, parse};
pub use secret::{Secret, SecretManifest};
pub use service_entry::{Endpoint, EndpointSelector, Location, Resolution, ServiceEntry, WorkloadEntry};
pub use virtual_service::{
    CorsPolicy, Delegate, Destination, FaultAbort, FaultDelay, HeaderOperations, Headers, HttpBody, HttpDirectResponse,
    HttpFault, HttpMatch, HttpMirror, HttpRedirect, HttpRetry, HttpRewrite, HttpRoute, HttpRouteDestination, L4Match,
    Percent, PortSelector, RedirectPort, RegexRewrite, RouteDestination, StringMatch, TcpRoute, TlsMatch, TlsRoute,
    UnmatchedPreflights, VirtualService,
};

pub use crate::diagnostic::SourceFile;

/// Everything that was read, in the order of the files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resources {
    /// Gateways.
    pub gateways: Vec<Object<Gateway>>,
    /// VirtualServices.
    pub virtual_services: Vec<Object<VirtualService>>,
    /// DestinationRules.
    pub destination_rules: Vec<Object<DestinationRule>>,
    /// ServiceEntries.
    pub service_entries: Vec<Object<ServiceEntry>>,
    /// WorkloadEntries: not served, but ServiceEntries that select one cannot be served without it.
    pub workload_entries: Vec<Object<WorkloadEntry>>,
    /// Secrets.
    pub secrets: Vec<Object<Secret>>,
    /// Objects with errors, and what they close.
    pub left_out: LeftOut,
}

//! [`Options`]: settings of the process, not of the resources.
use std::{collections::HashMap, net::SocketAddr, time::Duration};

use gateway_core::{
    forwarded::{Network, Trust},
    path::Normalization,
};
use http::HeaderValue;

use crate::{conn::HttpOptions, http::ForwardClientCert};

/// Settings of the process. Defaults are in brackets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Where a port of the YAML is really opened \[the same number\]. An address here goes before a server's `bind`;
    /// `0.0.0.0` and `::` leave it to `bind`.
    pub ports: HashMap<u16, SocketAddr>,
    /// How long a TLS handshake may take \[10 s\].
    pub handshake_timeout: Duration,
    /// Connections in all \[no limit; the program takes half of its open files\].
    pub max_connections: Option<usize>,
    /// Connections from one address, or one IPv6 network of 64 bits \[no limit\].
    pub max_connections_per_address: Option<usize>,
    /// HTTP settings.
    pub http: HttpOptions,
    /// The `server` header of every answer \[`gateway`\].
    pub server: HeaderValue,
    /// Networks whose connections begin with the PROXY protocol \[none\].
    pub proxy_protocol: Vec<Network>,
    /// Which proxies in front are believed when they say who the client is \[none\].
    pub trust: Trust,
    /// What becomes of `x-forwarded-client-cert` \[`SanitizeSet`, as Istio\].
    pub forward_client_cert: ForwardClientCert,
    /// Treatment of paths \[Base, as Istio\].
    pub normalization: Normalization,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ports: HashMap::new(),
            handshake_timeout: Duration::from_secs(10),
            max_connections: None,
            max_connections_per_address: None,
            http: HttpOptions::default(),
            server: HeaderValue::from_static("gateway"),
            proxy_protocol: Vec::new(),
            trust: Trust::default(),
            forward_client_cert: ForwardClientCert::default(),
            normalization: Normalization::Base,
        }
    }
}

//! [`Options`]: settings of the process, not of the resources.
use std::{collections::HashMap, net::SocketAddr, time::Duration};

use gateway_core::path::Normalization;
use http::HeaderValue;

use crate::conn::HttpOptions;

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
            normalization: Normalization::Base,
        }
    }
}

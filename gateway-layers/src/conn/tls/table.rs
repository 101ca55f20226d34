//! [`TlsTable`]: servers by the names that choose them.
use std::sync::Arc;

use gateway_core::{host_table::HostTable, model::HostPattern};
use rustls::ServerConfig;

use crate::conn::ServerId;

/// One TLS server of a listener.
#[derive(Clone, Debug)]
pub struct TlsServer {
    /// Its number in the assembled gateway.
    pub(super) id: Option<ServerId>,
    /// `None`: it has no usable credential, its handshakes fail.
    pub(super) config: Option<Configs>,
}

/// The configuration, and the same one without ALPN: for a client that offers none of our protocols, which rustls
/// would refuse and Envoy serves.
#[derive(Clone, Debug)]
pub(super) struct Configs {
    pub(super) with_alpn: Arc<ServerConfig>,
    pub(super) without_alpn: Arc<ServerConfig>,
}

/// Server names and their servers. An unknown name finds none, unless `*` is there.
#[derive(Clone, Debug, Default)]
pub struct TlsTable(HostTable<TlsServer>);

impl TlsServer {
    /// A server with this configuration; ALPN protocols are taken from it.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        let mut without_alpn = config.clone();
        without_alpn.alpn_protocols.clear();
        let configs = Configs { with_alpn: Arc::new(config), without_alpn: Arc::new(without_alpn) };
        Self { id: None, config: Some(configs) }
    }

    /// A server whose handshakes fail: its credential is missing.
    #[must_use]
    pub const fn unavailable() -> Self {
        Self { id: None, config: None }
    }

    /// Sets the number that connections carry as `ConnInfo::server`.
    #[must_use]
    pub const fn with_id(mut self, id: ServerId) -> Self {
        self.id = Some(id);
        self
    }

    /// Can it make handshakes?
    #[must_use]
    pub const fn is_available(&self) -> bool {
        self.config.is_some()
    }
}

impl TlsTable {
    /// Adds a server under a name, `*.suffix` or `*`.
    #[must_use]
    pub fn server(mut self, name: &str, server: TlsServer) -> Self {
        self.insert(&HostPattern::new(name), server);
        self
    }

    /// Adds a server; returns what stood there before.
    pub fn insert(&mut self, name: &HostPattern, server: TlsServer) -> Option<TlsServer> {
        self.0.insert(name, server)
    }

    /// The server for a name, in any case, with or without a final dot; a client that names none gets the one for
    /// `*`.
    #[must_use]
    pub fn find(&self, name: Option<&str>) -> Option<&TlsServer> {
        let name = name.unwrap_or_default();
        self.0.find(name.strip_suffix('.').unwrap_or(name))
    }
}

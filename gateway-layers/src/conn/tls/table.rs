//! [`TlsTable`]: servers by the names that choose them.
use std::{
    convert::Infallible,
    future::Ready,
    sync::Arc,
    task::{Context, Poll},
};

use gateway_core::{authority::server_name, host_table::HostTable, model::HostPattern};
use rustls::ServerConfig;
use tower_service::Service;

use crate::{
    conn::{Conn, ServerId},
    error::Error,
};

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

/// Server names and what becomes of their connections: a server that terminates TLS, or a service `P` that gets the
/// untouched bytes. An unknown name finds nothing, unless `*` is there.
#[derive(Clone, Debug)]
pub struct TlsTable<P = Nothing>(HostTable<Entry<P>>);

/// What becomes of the connections of a name.
#[derive(Clone, Debug)]
pub(super) enum Entry<P> {
    Terminate(TlsServer),
    Passthrough(P),
}

/// The service of a table that passes nothing through: there is no value of it.
#[derive(Clone, Copy, Debug)]
pub struct Nothing(Infallible);

impl<I> Service<Conn<I>> for Nothing {
    type Response = ();
    type Error = Error;
    type Future = Ready<Result<(), Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self.0 {}
    }

    fn call(&mut self, _: Conn<I>) -> Self::Future {
        match self.0 {}
    }
}

impl Default for TlsTable {
    /// Passes nothing through.
    fn default() -> Self {
        Self::empty()
    }
}

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

impl<P> TlsTable<P> {
    /// Without any name.
    #[must_use]
    pub fn empty() -> Self {
        Self(HostTable::default())
    }

    /// Terminates TLS for a name, `*.suffix` or `*`.
    #[must_use]
    pub fn server(mut self, name: &str, server: TlsServer) -> Self {
        self.insert(&HostPattern::new(name), server);
        self
    }

    /// Hands the connections for a name, `*.suffix` or `*` to this service, as they came.
    #[must_use]
    pub fn passthrough(mut self, name: &str, service: P) -> Self {
        self.insert_passthrough(&HostPattern::new(name), service);
        self
    }

    /// Adds a server, in place of what stood there before.
    pub fn insert(&mut self, name: &HostPattern, server: TlsServer) {
        self.0.insert(name, Entry::Terminate(server));
    }

    /// Adds a service for untouched bytes, in place of what stood there before.
    pub fn insert_passthrough(&mut self, name: &HostPattern, service: P) {
        self.0.insert(name, Entry::Passthrough(service));
    }

    /// What there is for a name, in any case, with or without a final dot; a client that names none gets what `*` has.
    pub(super) fn find(&self, name: Option<&str>) -> Option<&Entry<P>> {
        self.0.find(server_name(name.unwrap_or_default()))
    }
}

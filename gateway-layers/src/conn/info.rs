//! [`ConnInfo`]: what is known about a connection.
use std::{fmt, net::SocketAddr, sync::Arc};

use http::HeaderValue;

use super::{Watch, limit::Permit};

/// What is known about a connection. Each request has it through its `Exchange`.
#[derive(Clone, Debug)]
pub struct ConnInfo {
    /// The client's address.
    pub peer: SocketAddr,
    /// Our address.
    pub local: SocketAddr,
    /// Present if the bytes came through TLS that ended here.
    pub tls: Option<TlsInfo>,
    /// Server name of the client hello, in lower case; also of TLS that is passed through.
    pub server_name: Option<Arc<str>>,
    /// Which server of the assembled gateway took it.
    pub server: Option<ServerId>,
    /// The client's IP as `x-forwarded-for` shows it, made once per connection.
    pub forwarded_for: HeaderValue,
    /// Held while the connection, or a tunnel that came of it, lives: a drain waits for it.
    pub drain: Option<Watch>,
    /// Held for the same time: the connection counts.
    pub(crate) permit: Option<Arc<Permit>>,
}

/// A server of the assembled gateway: a listener's plain chain, or one of its TLS chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerId(pub u32);

/// What the handshake agreed on.
#[derive(Clone)]
pub struct TlsInfo {
    /// The protocol that ALPN chose.
    pub alpn: Option<Arc<[u8]>>,
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The client's certificate, DER; present only if the server asked for one.
    pub client_certificate: Option<Arc<[u8]>>,
    /// The client's certificate as `x-forwarded-client-cert` shows it, made once per connection.
    pub forwarded_client_cert: Option<HeaderValue>,
    /// Its subject, as RFC 2253 writes it.
    pub client_subject: Option<Arc<str>>,
}

impl ConnInfo {
    /// A plain connection from `peer`.
    #[must_use]
    pub fn new(peer: SocketAddr) -> Self {
        Self::between(peer, peer)
    }

    /// A plain connection from `peer` to `local`.
    #[must_use]
    pub fn between(peer: SocketAddr, local: SocketAddr) -> Self {
        // As Envoy: a peer on loopback is this machine, whose own address tells more.
        let shown = if peer.ip().is_loopback() { local.ip() } else { peer.ip() };
        let forwarded_for = HeaderValue::try_from(shown.to_canonical().to_string());
        let forwarded_for = forwarded_for.unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Self { peer, local, tls: None, server_name: None, server: None, forwarded_for, drain: None, permit: None }
    }

    /// `https` if the bytes came through TLS.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Is a drain under way?
    #[must_use]
    pub fn draining(&self) -> bool {
        self.drain.as_ref().is_some_and(Watch::is_draining)
    }
}

impl fmt::Debug for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsInfo")
            .field("version", &self.version)
            .field("client_subject", &self.client_subject)
            .finish_non_exhaustive()
    }
}

//! [`Resolve`]: names to addresses. A seam: tests put their own in.
use std::{io, net::SocketAddr};

use tokio::net::lookup_host;

use crate::BoxFuture;

/// Finds the addresses of a name.
pub trait Resolve: Send + Sync {
    /// All addresses, with this port; none, or an error, if the name has no answer.
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<Vec<SocketAddr>, io::Error>;
}

/// The operating system's resolver. `localhost` and names below it are loopback (RFC 6761).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<Vec<SocketAddr>, io::Error> {
        let name = host.strip_suffix('.').unwrap_or(host);
        if name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost") {
            return Box::pin(std::future::ready(Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])));
        }
        let host = host.to_owned();
        Box::pin(async move {
            let found: Vec<_> = lookup_host((host, port)).await?.collect();
            // IPv4 by default, as Istio.
            let v4: Vec<_> = found.iter().copied().filter(SocketAddr::is_ipv4).collect();
            Ok(if v4.is_empty() { found } else { v4 })
        })
    }
}

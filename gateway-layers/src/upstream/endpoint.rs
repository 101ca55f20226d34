//! [`Endpoint`]: one address of a cluster, its load and its connections.
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gateway_core::model::{self, Protocol};
use tokio::net::TcpStream;

use super::{
    Context,
    connect::Connector,
    pool::{H1Pool, H2Pool},
};
use crate::error::Error;

/// One address of a cluster.
#[derive(Debug)]
pub(super) struct Endpoint {
    address: SocketAddr,
    weight: u32,
    active: AtomicU64,
    pub(super) pool: Connections,
    connector: Connector,
}

/// Its connections, by protocol.
#[derive(Clone, Debug)]
pub(super) enum Connections {
    Http1(H1Pool),
    Http2(H2Pool),
}

impl Endpoint {
    pub(super) fn new(endpoint: &model::Endpoint, protocol: Protocol, context: &Context, timeout: Duration) -> Self {
        let connector = Connector { to: context.connect_to.clone(), timeout };
        let pool = match protocol {
            Protocol::Http1 => Connections::Http1(H1Pool::new(endpoint.address, connector.clone(), context.workers)),
            Protocol::Http2 => Connections::Http2(H2Pool::new(endpoint.address, connector.clone(), context.workers)),
        };
        let (address, weight) = (endpoint.address, endpoint.weight.max(1));
        Self { address, weight, active: AtomicU64::new(0), pool, connector }
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A connection for itself, of which the pool knows nothing.
    pub(super) async fn connect(&self) -> Result<TcpStream, Error> {
        self.connector.connect(self.address).await
    }

    pub(super) const fn weight(&self) -> u32 {
        self.weight
    }

    /// Requests whose response has not ended.
    pub(super) fn active(&self) -> u64 {
        self.active.load(Ordering::Relaxed)
    }
}

/// One request to an endpoint; counts while it lives.
#[derive(Debug)]
pub(super) struct Active(Arc<Endpoint>);

impl Active {
    pub(super) fn new(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.active.fetch_add(1, Ordering::Relaxed);
        Self(endpoint.clone())
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.0
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

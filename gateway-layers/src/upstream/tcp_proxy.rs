//! [`TcpProxy`]: the end of the connection floor for bytes that nobody looks into.
//!
//! Connects to one endpoint of a cluster, once, and copies both ways. One side's end is passed on while the other still
//! sends. A destination that is unknown, has no endpoint or cannot be reached ends the connection without a byte. A
//! connection on which nothing moves for an hour ends; 16 KiB of each direction are held at most.
//!
//! ```no_run
//! use gateway_layers::{conn::{Drain, TcpAcceptor, serve}, upstream::{Cluster, TcpProxy}};
//!
//! # async fn run(cluster: Cluster) -> std::io::Result<()> {
//! let acceptor = TcpAcceptor::bind("127.0.0.1:5432".parse().expect("an address"))?;
//! serve(acceptor, TcpProxy::new(cluster), Drain::new().watch()).await;
//! # Ok(()) }
//! ```
//!
//! Several by weight: a `Split` of them. A drain cannot tell the peers of its end: it waits for them until its deadline.
use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use gateway_core::model::ClusterName;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

use super::{Cluster, cluster::Connected};
use crate::{
    BoxFuture,
    conn::{Conn, join},
    error::{Error, Kind},
    exchange::{DestinationInfo, Exchange, Flag, OnTunnel},
};

/// A connection on which nothing moves ends after this.
const IDLE: Duration = Duration::from_secs(3600);

/// Hands connections to a cluster. Cheap to clone.
#[derive(Clone)]
pub struct TcpProxy {
    /// None: no such cluster.
    cluster: Option<Cluster>,
    destination: Arc<DestinationInfo>,
    idle: Option<Duration>,
    observer: Option<Arc<dyn OnTunnel>>,
}

impl TcpProxy {
    /// To this cluster.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        let info = DestinationInfo::new(cluster.name().clone(), 1).namespace(cluster.namespace().cloned());
        Self { cluster: Some(cluster), destination: Arc::new(info), idle: Some(IDLE), observer: None }
    }

    /// To a cluster that does not exist: every connection is closed (flag NC).
    #[must_use]
    pub fn unknown(cluster: ClusterName) -> Self {
        let info = DestinationInfo::new(cluster, 1);
        Self { cluster: None, destination: Arc::new(info), idle: Some(IDLE), observer: None }
    }

    /// How long nothing may move \[1 h\]; `None`: for ever.
    #[must_use]
    pub const fn idle_timeout(mut self, idle: Option<Duration>) -> Self {
        self.idle = idle;
        self
    }

    /// Tells of each connection.
    #[must_use]
    pub fn observe(mut self, observer: Arc<dyn OnTunnel>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// What logs and metrics call its destination, shared with others that go there.
    #[must_use]
    pub fn destination(mut self, destination: Arc<DestinationInfo>) -> Self {
        self.destination = destination;
        self
    }

    async fn serve<I: AsyncRead + AsyncWrite>(self, conn: Conn<I>) -> Result<(), Error> {
        // The record keeps the connection's drain watch: a drain waits for it.
        let Conn { io, info, drain: _ } = conn;
        let open = Open::new(Exchange::new(Arc::new(info)), self.destination, self.observer);
        let connected = match self.cluster {
            Some(cluster) => cluster.connect(&open.exchange).await,
            None => Err(Error::new(Kind::NoCluster)),
        };
        let Connected { io: upstream, active: _counts } = connected.inspect_err(|error| open.failed(error))?;
        match join(io, upstream, self.idle, |from_client, length| open.moved(from_client, length)).await {
            // An end by silence is an end like any other.
            Err(error) if error.kind() != io::ErrorKind::TimedOut => Err(Error::new(Kind::Client).with_source(error)),
            _ => Ok(()),
        }
    }
}

/// One connection. When it is dropped, whoever watches is told of its end.
struct Open {
    exchange: Exchange,
    observer: Option<Arc<dyn OnTunnel>>,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Open {
    fn new(exchange: Exchange, destination: Arc<DestinationInfo>, observer: Option<Arc<dyn OnTunnel>>) -> Self {
        exchange.record().destination = Some(destination);
        if let Some(observer) = &observer {
            observer.begin(&exchange);
        }
        Self { exchange, observer, received: AtomicU64::new(0), sent: AtomicU64::new(0) }
    }

    fn failed(&self, error: &Error) {
        let mut record = self.exchange.record();
        record.flags.join(error.kind().flag());
        if record.upstream.is_some() {
            // As Envoy: the only attempt that there is.
            record.flags.set(Flag::RetryLimitExceeded);
            record.transport_failure = std::error::Error::source(error).map(ToString::to_string);
        }
    }

    fn moved(&self, from_client: bool, length: usize) {
        let total = if from_client { &self.received } else { &self.sent };
        total.fetch_add(length as u64, Ordering::Relaxed);
        if let Some(observer) = &self.observer {
            observer.moved(&self.exchange, from_client, length as u64);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        {
            let mut record = self.exchange.record();
            record.bytes_received = *self.received.get_mut();
            record.bytes_sent = *self.sent.get_mut();
        }
        if let Some(observer) = &self.observer {
            observer.end(&self.exchange);
        }
    }
}

impl<I> Service<Conn<I>> for TcpProxy
where
    I: AsyncRead + AsyncWrite + Send + 'static,
{
    type Response = ();
    type Error = Error;
    type Future = BoxFuture<(), Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, conn: Conn<I>) -> Self::Future {
        Box::pin(self.clone().serve(conn))
    }
}

impl fmt::Debug for TcpProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpProxy").field(&self.destination.cluster).finish()
    }
}

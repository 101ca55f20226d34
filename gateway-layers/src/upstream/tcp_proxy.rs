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

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, sync::Mutex};

    use gateway_core::model::{self, Endpoint, Endpoints, Protocol};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        net::TcpListener,
        time::Instant,
    };
    use tower::ServiceExt as _;

    use super::*;
    use crate::{
        conn::{ConnInfo, Drain},
        upstream::Context,
    };

    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>);

    impl OnTunnel for Seen {
        fn begin(&self, exchange: &Exchange) {
            let record = exchange.record();
            let to = record.destination.as_ref().map(|to| to.cluster.to_string()).unwrap_or_default();
            self.0.lock().expect("no panic").push(format!("begin {to}"));
        }

        fn moved(&self, _: &Exchange, from_client: bool, bytes: u64) {
            self.0.lock().expect("no panic").push(format!("moved {from_client} {bytes}"));
        }

        fn end(&self, exchange: &Exchange) {
            let record = exchange.record();
            let (received, sent) = (record.bytes_received, record.bytes_sent);
            self.0.lock().expect("no panic").push(format!("end {} {received} {sent}", record.flags));
        }
    }

    impl Seen {
        fn take(&self) -> Vec<String> {
            std::mem::take(&mut *self.0.lock().expect("no panic"))
        }
    }

    fn name() -> ClusterName {
        ClusterName { host: "db".into(), port: 1, subset: "".into() }
    }

    fn cluster(endpoints: Vec<Endpoint>) -> Cluster {
        let model = model::Cluster {
            name: name(),
            namespace: None,
            protocol: Protocol::Http1,
            endpoints: Endpoints::Static(endpoints),
            connect_timeout: Duration::from_secs(1),
        };
        Cluster::new(model, &Context::default())
    }

    fn connection() -> (DuplexStream, Conn<DuplexStream>) {
        let (client, io) = duplex(64);
        let info = ConnInfo::new(([10, 0, 0, 1], 1).into());
        (client, Conn { io, info, drain: Drain::new().watch() })
    }

    async fn nobody() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.and_then(|it| it.local_addr()).expect("a free port")
    }

    #[tokio::test]
    async fn what_cannot_be_reached_ends_without_a_byte() {
        let seen = Arc::new(Seen::default());
        for (proxy, kind, flags) in [
            (TcpProxy::unknown(name()), Kind::NoCluster, "NC"),
            (TcpProxy::new(cluster(Vec::new())), Kind::NoHealthyHost, "UH"),
            (TcpProxy::new(cluster(vec![Endpoint::new(nobody().await)])), Kind::Connect, "UF,URX"),
        ] {
            let (mut client, conn) = connection();
            let error = proxy.observe(seen.clone()).oneshot(conn).await.expect_err("nobody there");
            assert_eq!(error.kind(), kind);
            assert_eq!(client.read(&mut [0]).await.expect("an end"), 0);
            assert_eq!(seen.take(), ["begin outbound|1||db".to_owned(), format!("end {flags} 0 0")]);
        }
    }

    #[tokio::test]
    async fn bytes_are_told_as_they_move_and_an_end_is_passed_on() {
        let seen = Arc::new(Seen::default());
        let service = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let to = Endpoint::new(service.local_addr().expect("bound"));
        let (mut client, conn) = connection();
        let proxy = TcpProxy::new(cluster(vec![to])).observe(seen.clone());
        let serving = tokio::spawn(proxy.oneshot(conn));
        let (mut upstream, _) = service.accept().await.expect("a connection");
        client.write_all(b"hello").await.expect("open");
        client.shutdown().await.expect("open");
        let mut all = String::new();
        upstream.read_to_string(&mut all).await.expect("an end");
        assert_eq!(all, "hello");
        assert_eq!(seen.take(), ["begin outbound|1||db", "moved true 5"]);
        upstream.write_all(b"bye").await.expect("the other way is open");
        drop(upstream);
        let mut all = String::new();
        client.read_to_string(&mut all).await.expect("an end");
        assert_eq!(all, "bye");
        serving.await.expect("no panic").expect("ended well");
        assert_eq!(seen.take(), ["moved false 3", "end - 5 3"]);
    }

    #[tokio::test]
    async fn a_silent_connection_ends() {
        let service = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let to = Endpoint::new(service.local_addr().expect("bound"));
        for (proxy, limit) in [
            (TcpProxy::new(cluster(vec![to.clone()])), IDLE),
            (TcpProxy::new(cluster(vec![to])).idle_timeout(Some(Duration::from_secs(5))), Duration::from_secs(5)),
        ] {
            let (mut client, conn) = connection();
            let serving = tokio::spawn(proxy.oneshot(conn));
            let (mut upstream, _) = service.accept().await.expect("a connection");
            client.write_all(b"x").await.expect("open");
            upstream.read_exact(&mut [0]).await.expect("open");
            // From here on nothing but time passes.
            tokio::time::pause();
            let start = Instant::now();
            assert_eq!(client.read(&mut [0]).await.expect("an end"), 0);
            let took = Instant::now() - start;
            assert!(took.abs_diff(limit) < Duration::from_secs(2), "{took:?}");
            serving.await.expect("no panic").expect("an end like any other");
            tokio::time::resume();
        }
    }
}

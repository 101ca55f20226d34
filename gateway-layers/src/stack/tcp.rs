//! Connections whose bytes nobody looks into: their route is that of the snapshot that is live when they come.
use std::{
    sync::Arc,
    task::{Context, Poll},
};

use gateway_core::model::TcpRoute;
use tower::util::Oneshot;
use tower_service::Service;

use super::{
    observers::Observers,
    route::Parts,
    routing::{Server, Snapshot},
};
use crate::{
    BoxFuture,
    conn::{Conn, ServerId},
    error::{Error, Kind},
    http::Split,
    live::Live,
    upstream::TcpProxy,
};

/// What gets the connections of a chain that passes TLS through.
pub(super) type Passthrough = Assigned<TcpRouting>;

/// The destinations of a route.
pub(super) fn tcp_route(route: &TcpRoute, parts: &mut Parts<'_>, observers: &Arc<Observers>) -> Split<TcpProxy> {
    let proxies: Vec<_> = route
        .destinations
        .iter()
        .map(|to| {
            let proxy = match parts.clusters.get(&to.cluster) {
                Some(cluster) => TcpProxy::new(cluster.clone()),
                None => TcpProxy::unknown(to.cluster.clone()),
            };
            (to.weight, proxy.destination(parts.info(&to.cluster)).observe(observers.clone()))
        })
        .collect();
    Split::new(proxies, parts.random.clone())
}

/// Hands a connection to the TCP route of its server.
#[derive(Clone)]
pub(super) struct TcpRouting(pub(super) Arc<Live<Snapshot>>);

impl TcpRouting {
    fn find(&self, server: Option<ServerId>) -> Option<Split<TcpProxy>> {
        self.0.look(|snapshot| match snapshot.servers.get(server?.0 as usize)? {
            Server::Tcp(route) => Some(route.clone()),
            Server::Http(_) => None,
        })
    }
}

impl<I> Service<Conn<I>> for TcpRouting
where
    TcpProxy: Service<Conn<I>, Response = (), Error = Error, Future: Send>,
    I: Send + 'static,
{
    type Response = ();
    type Error = Error;
    type Future = BoxFuture<(), Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, conn: Conn<I>) -> Self::Future {
        match self.find(conn.info.server) {
            Some(route) => Box::pin(Oneshot::new(route, conn)),
            None => Box::pin(std::future::ready(Err(Error::new(Kind::NoRoute)))),
        }
    }
}

/// Hands a connection to the TCP route of its server, or to `http` if it has none.
#[derive(Clone)]
pub(super) struct ByServer<H> {
    pub(super) tcp: TcpRouting,
    pub(super) http: H,
}

impl<H, I> Service<Conn<I>> for ByServer<H>
where
    H: Service<Conn<I>, Response = (), Error = Error, Future = BoxFuture<(), Error>>,
    TcpProxy: Service<Conn<I>, Response = (), Error = Error, Future: Send>,
    I: Send + 'static,
{
    type Response = ();
    type Error = Error;
    type Future = BoxFuture<(), Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.http.poll_ready(cx)
    }

    fn call(&mut self, conn: Conn<I>) -> Self::Future {
        match self.tcp.find(conn.info.server) {
            Some(route) => Box::pin(Oneshot::new(route, conn)),
            None => self.http.call(conn),
        }
    }
}

/// Writes down which server took the connection.
#[derive(Clone)]
pub(super) struct Assigned<S> {
    pub(super) id: ServerId,
    pub(super) inner: S,
}

impl<S: Service<Conn<I>>, I> Service<Conn<I>> for Assigned<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut conn: Conn<I>) -> S::Future {
        conn.info.server = Some(self.id);
        self.inner.call(conn)
    }
}

//! Floor 1 composed: sockets, and what serves them.
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
};

use gateway_core::model::{Listener, Transport};
use tokio::net::TcpStream;
use tower::Layer as _;

use super::{
    gateway::{Gateway, Shared},
    http::http,
    refusals::Refusals,
};
use crate::{
    conn::{Conn, HttpServer, ServerId, TcpAcceptor, Watch, serve, tls::TlsLayer},
    error::Error,
    service::SharedService,
};

/// Floor 1 of a listener, erased: connections can afford a box.
type ConnService = SharedService<Conn<TcpStream>, (), Error>;

/// A gateway whose ports are open.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<BoundListener>,
    workers: usize,
}

/// An open port.
#[derive(Debug)]
pub struct BoundListener {
    /// The number in the YAML.
    pub port: u16,
    /// Where it really is.
    pub address: SocketAddr,
    /// One per worker.
    sockets: Vec<TcpListener>,
    service: ConnService,
}

/// What one worker serves.
#[derive(Debug)]
pub struct WorkerSockets(Vec<(TcpListener, ConnService)>);

impl Bound {
    pub(super) fn open(gateway: &Gateway) -> io::Result<Self> {
        let shared = &gateway.0;
        let workers = shared.builder.context.workers;
        let config = gateway.config();
        let open = |(index, listener): (usize, &Listener)| {
            let address = address(listener, shared);
            let sockets = TcpAcceptor::bind_shared(address, workers).map_err(|error| {
                let hint = hint(&error, listener.port);
                io::Error::new(error.kind(), format!("cannot open port {} at {address}: {error}{hint}", listener.port))
            })?;
            let address = sockets.first().map_or(Ok(address), TcpListener::local_addr)?;
            let service = service(shared, listener, index);
            Ok(BoundListener { port: listener.port, address, sockets, service })
        };
        let listeners = config.listeners.iter().enumerate().map(open).collect::<io::Result<_>>()?;
        Ok(Self { listeners, workers })
    }

    /// The open ports.
    #[must_use]
    pub fn listeners(&self) -> &[BoundListener] {
        &self.listeners
    }

    /// Where a port of the YAML really is.
    #[must_use]
    pub fn address(&self, port: u16) -> Option<SocketAddr> {
        self.listeners.iter().find(|listener| listener.port == port).map(|listener| listener.address)
    }

    /// The sockets of each worker, for runtimes of one thread each.
    #[must_use]
    pub fn into_workers(self) -> Vec<WorkerSockets> {
        let mut workers: Vec<_> = (0..self.workers).map(|_| WorkerSockets(Vec::new())).collect();
        for listener in self.listeners {
            for (worker, socket) in workers.iter_mut().zip(listener.sockets) {
                worker.0.push((socket, listener.service.clone()));
            }
        }
        workers
    }

    /// Serves everything in this runtime until the drain is closing. Connections go on in tasks of their own.
    ///
    /// # Errors
    /// If a socket cannot be handed to the runtime.
    pub async fn serve(self, drain: Watch) -> io::Result<()> {
        let all = self.into_workers().into_iter().flat_map(|worker| worker.0).collect();
        WorkerSockets(all).serve(drain).await
    }
}

impl WorkerSockets {
    /// Serves until the drain is closing. Connections go on in tasks of their own.
    ///
    /// # Errors
    /// If a socket cannot be handed to the runtime.
    pub async fn serve(self, drain: Watch) -> io::Result<()> {
        let mut serving = tokio::task::JoinSet::new();
        for (socket, service) in self.0 {
            serving.spawn(serve(TcpAcceptor::try_from(socket)?, service, drain.clone()));
        }
        while let Some(ended) = serving.join_next().await {
            ended.map_err(io::Error::other)?;
        }
        Ok(())
    }
}

fn address(listener: &Listener, shared: &Shared) -> SocketAddr {
    let mapped = shared.options.ports.get(&listener.port).copied();
    let own = SocketAddr::new(listener.bind.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), listener.port);
    match (mapped, listener.bind) {
        (Some(mapped), Some(bind)) => SocketAddr::new(bind, mapped.port()),
        (mapped, None) => mapped.unwrap_or(own),
        (None, Some(_)) => own,
    }
}

fn hint(error: &io::Error, port: u16) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(" (open another one in its place: --port {port}=8080)"),
        io::ErrorKind::AddrInUse => format!(" (another process has it; open another one: --port {port}=8080)"),
        _ => String::new(),
    }
}

fn service(shared: &Arc<Shared>, listener: &Listener, index: usize) -> ConnService {
    let refusals = Refusals { observers: shared.observers.clone(), server: shared.options.server.clone() };
    let server = HttpServer::with_options(http(shared), shared.options.http).refuse_with(Arc::new(refusals));
    match (&listener.transport, shared.tls.get(index)) {
        (Transport::Tls(_), Some(Some(table))) => {
            let layer = TlsLayer::new(table.clone()).deadline(shared.options.handshake_timeout);
            ConnService::new(layer.layer(server))
        }
        (transport, _) => {
            let routes = match transport {
                Transport::Http(routes) => Some(routes),
                Transport::Tls(chains) => chains.first().map(|chain| &chain.routes),
            };
            let id = routes.map(|routes| shared.builder.ids.get(listener, routes));
            ConnService::new(tower::util::MapRequest::new(server, move |conn| assigned(conn, id)))
        }
    }
}

fn assigned(mut conn: Conn<TcpStream>, id: Option<ServerId>) -> Conn<TcpStream> {
    conn.info.server = id;
    conn
}

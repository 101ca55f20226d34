//! Floor 1 composed: sockets, and what serves them.
use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
};

use gateway_core::model::{Listener, Transport};
use tokio::net::TcpStream;
use tower::Layer as _;

use super::{
    gateway::{Gateway, Shared},
    http::http,
    observers::NoChain,
    refusals::Refusals,
    tcp::{Assigned, ByServer, TcpRouting},
};
use crate::{
    conn::{Conn, HttpServer, ProxyProtocolLayer, TcpAcceptor, Watch, serve, tls::TlsLayer},
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
        let addresses: Vec<_> = config.listeners.iter().map(|listener| address(listener, shared)).collect();
        apart(&config.listeners, &addresses)?;
        let sockets = TcpAcceptor::bind_all(&addresses, workers).map_err(|(n, error)| {
            let (port, address) = (config.listeners[n].port, addresses[n]);
            let hint = hint(&error, port);
            io::Error::new(error.kind(), format!("cannot open port {port} at {address}: {error}{hint}"))
        })?;
        let open = |((index, listener), sockets): ((usize, &Listener), Vec<TcpListener>)| {
            let address = sockets.first().map_or(Ok(addresses[index]), TcpListener::local_addr)?;
            let service = service(shared, listener, index);
            Ok(BoundListener { port: listener.port, address, sockets, service })
        };
        let listeners = config.listeners.iter().enumerate().zip(sockets).map(open).collect::<io::Result<_>>()?;
        Ok(Self { listeners, workers })
    }

    /// The open ports.
    #[must_use]
    pub fn listeners(&self) -> &[BoundListener] {
        &self.listeners
    }

    /// Where a port of the YAML really is; of several listeners, which differ in `bind`, the first.
    #[must_use]
    pub fn address(&self, port: u16) -> Option<SocketAddr> {
        self.addresses(port).next()
    }

    /// Where all listeners of a port of the YAML really are.
    pub fn addresses(&self, port: u16) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().filter(move |listener| listener.port == port).map(|listener| listener.address)
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
    let every = SocketAddr::from((Ipv4Addr::UNSPECIFIED, listener.port));
    let wanted = shared.options.ports.get(&listener.port).copied().unwrap_or(every);
    // Who starts the process knows its addresses better than who wrote the YAML.
    let bind = listener.bind.filter(|_| wanted.ip().is_unspecified());
    SocketAddr::new(bind.unwrap_or_else(|| wanted.ip()), wanted.port())
}

/// No two listeners can have one address: said here, because the system would blame another process.
fn apart(listeners: &[Listener], addresses: &[SocketAddr]) -> io::Result<()> {
    for (n, address) in addresses.iter().enumerate().filter(|(_, address)| address.port() != 0) {
        let Some(first) = addresses[..n].iter().position(|other| same(*other, *address)) else { continue };
        let (one, other) = (listeners[first].port, listeners[n].port);
        let cure = if one == other {
            format!("its servers differ in `bind`: leave the address out (--port {one}={})", address.port())
        } else {
            format!("give one of them another port (--port {other}=PORT)")
        };
        let message = format!("cannot open port {other} at {address}: port {one} is opened there already; {cure}");
        return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
    }
    Ok(())
}

fn same(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && (a.ip() == b.ip() || a.ip().is_unspecified() && b.ip().is_unspecified())
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
    let http = HttpServer::with_options(http(shared), shared.options.http).refuse_with(Arc::new(refusals));
    let http = http.metrics(shared.conn_metrics.clone());
    let inner = ByServer { tcp: TcpRouting(shared.live.clone()), http };
    // Before anything counts or looks at the peer.
    let first = ProxyProtocolLayer::new(shared.options.proxy_protocol.iter().copied());
    let id = match &listener.transport {
        Transport::Http(routes) => shared.builder.ids.get(listener, &routes.name),
        Transport::Tcp(route) => shared.builder.ids.get(listener, &route.name),
        Transport::Tls(_) => {
            let layer = TlsLayer::new(shared.tls[index].clone()).deadline(shared.options.handshake_timeout);
            let layer = layer.metrics(shared.conn_metrics.clone());
            let layer = layer.observe(Arc::new(NoChain(shared.observers.clone())));
            return ConnService::new(first.layer(shared.conn_limit.layer(layer.layer(inner))));
        }
    };
    ConnService::new(first.layer(shared.conn_limit.layer(Assigned { id, inner })))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use gateway_core::model::{Config, RouteConfig};

    use super::*;
    use crate::stack::Options;

    /// A gateway with a plain listener for port 80 at each of these.
    fn open(binds: [Option<[u8; 4]>; 2], to: SocketAddr) -> io::Result<Vec<SocketAddr>> {
        let listener = |bind: Option<[u8; 4]>| Listener {
            bind: bind.map(IpAddr::from),
            port: 80,
            transport: Transport::Http(RouteConfig::default()),
        };
        let config = Config { listeners: binds.map(listener).into(), ..Config::default() };
        let mut options = Options::default();
        options.ports.insert(80, to);
        let bound = Gateway::builder(config).options(options).build().expect("no credentials").bind()?;
        Ok(bound.listeners().iter().map(|listener| listener.address).collect())
    }

    #[tokio::test]
    async fn the_address_of_the_process_goes_before_bind_and_bind_before_none() {
        let binds = [None, Some([127, 0, 0, 2])];
        let opened = loop {
            let free = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|it| it.local_addr()).expect("a port");
            // Another test may take it before it is opened again.
            match open(binds, free) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                opened => break opened.map(|opened| (opened, free.port())),
            }
        };
        let (opened, port) = opened.expect("two sockets of one port");
        assert_eq!(opened, [([0, 0, 0, 0], port).into(), ([127, 0, 0, 2], port).into()] as [SocketAddr; 2]);
        let opened = open(binds, ([127, 0, 0, 1], 0).into()).expect("two free ports");
        assert!(opened.iter().all(|address| address.ip() == IpAddr::from([127, 0, 0, 1])), "{opened:?}");
        let error = open(binds, ([127, 0, 0, 1], 9).into()).expect_err("one address for two").to_string();
        assert_eq!(
            error,
            "cannot open port 80 at 127.0.0.1:9: port 80 is opened there already; its servers differ in `bind`: leave \
             the address out (--port 80=9)"
        );
    }
}

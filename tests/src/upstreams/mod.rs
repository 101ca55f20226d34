//! The services of the cases: they echo what they see, and write it down.

mod answer;
mod http1;
mod http2;
mod log;
mod tcp;

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

pub use log::Record;

use self::log::Log;
use crate::{pki::pki, wire::Conn};

/// The port where the cases have nobody listen.
pub const DEAD: u16 = 19099;

#[derive(Debug, Clone, Copy)]
enum Protocol {
    Http1,
    Http2,
    Tcp,
    Tls,
}

const SERVICES: [(u16, &str, Protocol); 11] = [
    (19001, "a-v1", Protocol::Http1),
    (19002, "a-v2", Protocol::Http1),
    (19003, "b-v1", Protocol::Http1),
    (19004, "b-v2", Protocol::Http1),
    (19005, "c-v1", Protocol::Http1),
    (19006, "d-v1", Protocol::Http1),
    (19007, "multi-http", Protocol::Http1),
    (19008, "multi-http-alt", Protocol::Http1),
    (19009, "h2-v1", Protocol::Http2),
    (19060, "tcp-v1", Protocol::Tcp),
    (19443, "tls-v1", Protocol::Tls),
];

/// One set of the services. Each lane has its own, so that they never see each other's requests.
#[derive(Debug)]
pub struct Upstreams {
    log: Log,
    ports: HashMap<u16, SocketAddr>,
    /// Bound and never listening: a connection there is refused.
    _dead: Option<TcpSocket>,
    _listeners: JoinSet<()>,
}

impl Upstreams {
    /// Services on free ports.
    pub async fn start() -> Self {
        Self::listen(|_| 0).await
    }

    /// Services on the ports of the cases, for a gateway that cannot be told others.
    pub async fn start_fixed() -> Self {
        Self::listen(|port| port).await
    }

    async fn listen(actual: impl Fn(u16) -> u16) -> Self {
        let (log, tls) = (Log::default(), acceptor());
        let mut ports = HashMap::new();
        let mut listeners = JoinSet::new();
        for (port, service, protocol) in SERVICES {
            let address = SocketAddr::from(([127, 0, 0, 1], actual(port)));
            let listener = TcpListener::bind(address).await.expect("the port is free");
            ports.insert(port, listener.local_addr().expect("it is bound"));
            listeners.spawn(accept(listener, log.clone(), service, protocol, tls.clone()));
        }
        let dead = (actual(DEAD) == 0).then(|| {
            let socket = TcpSocket::new_v4().expect("the machine has IPv4");
            socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("some port is free");
            ports.insert(DEAD, socket.local_addr().expect("it is bound"));
            socket
        });
        Self { log, ports, _dead: dead, _listeners: listeners }
    }

    /// Where the ports of the cases really are.
    pub fn connect_to(&self) -> HashMap<u16, SocketAddr> {
        self.ports.clone()
    }

    /// What was seen since the last call.
    pub fn take(&self) -> Vec<Record> {
        self.log.take()
    }

    /// Forgets all of a case.
    pub fn reset(&self) {
        self.log.reset();
    }
}

fn acceptor() -> TlsAcceptor {
    let (chain, key) = pki().chain("tls-upstream");
    let mut config = rustls::ServerConfig::builder_with_provider(crate::provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has the default versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("certificate and key belong together");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(listener: TcpListener, log: Log, service: &'static str, protocol: Protocol, tls: TlsAcceptor) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        connections.spawn(serve(stream, log.clone(), service, protocol, tls.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Errors end the connection, and that is all they do: a gateway may leave at any time.
async fn serve(stream: TcpStream, log: Log, service: &'static str, protocol: Protocol, tls: TlsAcceptor) {
    let _ = stream.set_nodelay(true);
    let mut conn = match protocol {
        Protocol::Http2 => {
            let _ = http2::serve(&log, service, Box::new(stream)).await;
            return;
        }
        Protocol::Http1 | Protocol::Tcp => Conn::new(stream),
        Protocol::Tls => {
            let Ok(stream) = tls.accept(stream).await else { return };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                let _ = http2::serve(&log, service, Box::new(stream)).await;
                return;
            }
            Conn::new(stream)
        }
    };
    let _ = match protocol {
        Protocol::Http1 => http1::serve(&log, service, &mut conn).await,
        Protocol::Tcp => tcp::serve(&log, service, &mut conn).await,
        Protocol::Http2 | Protocol::Tls => http1::serve_or_echo(&log, service, &mut conn).await,
    };
    conn.finish().await;
}

//! [`Listener`]: where connections come from.
use std::{io, net::SocketAddr, time::Duration};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{self, Instant},
};
use tracing::warn;

use super::ConnInfo;

/// Connections that may wait in a socket's queue.
const BACKLOG: i32 = 4096;

/// Bytes that a socket takes before they can be sent. By default it takes megabytes, and more only when a third of them
/// is gone: a slow but steady reader would look as if it took nothing.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// Where connections come from. Accept errors are handled inside: it never fails.
pub trait Listener {
    /// The bytes.
    type Io;
    /// The next connection.
    fn accept(&mut self) -> impl Future<Output = (Self::Io, ConnInfo)> + Send;
    /// A connection that waits already, if there is one.
    fn waiting(&mut self) -> Option<(Self::Io, ConnInfo)>;
}

/// TCP, with `TCP_NODELAY`.
#[derive(Debug)]
pub struct TcpAcceptor(TcpListener, Option<Instant>);

impl TcpAcceptor {
    /// A listening socket of its own. Port 0 takes a free port.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        open(address, false)?.try_into()
    }

    /// One listening socket per worker (`SO_REUSEPORT`), made at once so that none of them misses a connection.
    /// The address is first bound alone: else a second process could take half of a first one's connections.
    ///
    /// # Errors
    /// If the address cannot be bound, or another process has it.
    pub fn bind_shared(address: SocketAddr, workers: usize) -> io::Result<Vec<std::net::TcpListener>> {
        let mut bound = Self::bind_all(&[address], workers).map_err(|(_, error)| error)?;
        Ok(bound.pop().unwrap_or_default())
    }

    /// The same for several addresses, in their order. Every address of a port (`0.0.0.0`, `::`) and one of them can
    /// stand side by side: the nearer one has the connections.
    ///
    /// # Errors
    /// The number of the address that cannot be bound, and why.
    pub fn bind_all(
        addresses: &[SocketAddr],
        workers: usize,
    ) -> Result<Vec<Vec<std::net::TcpListener>>, (usize, io::Error)> {
        let shared = |n: usize| workers > 1 || addresses.iter().any(|other| contains(*other, addresses[n]));
        // All are tried alone before one stays open: it would be in the way of those that it contains.
        let mut tried = Vec::with_capacity(addresses.len());
        for (n, address) in addresses.iter().enumerate() {
            let socket = open(*address, false).map_err(|error| (n, error))?;
            let address = socket.local_addr().map_err(|error| (n, error))?;
            tried.push((address, Some(socket).filter(|_| !shared(n))));
        }
        let open_all = |(n, (address, alone)): (usize, (SocketAddr, Option<_>))| match alone {
            Some(socket) => Ok(vec![socket]),
            None => {
                (0..workers.max(1)).map(|_| open(address, true)).collect::<Result<_, _>>().map_err(|error| (n, error))
            }
        };
        tried.into_iter().enumerate().map(open_all).collect()
    }

    /// The bound address.
    ///
    /// # Errors
    /// If the socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl TryFrom<std::net::TcpListener> for TcpAcceptor {
    type Error = io::Error;

    /// Takes a socket over into the current runtime.
    fn try_from(socket: std::net::TcpListener) -> io::Result<Self> {
        TcpListener::from_std(socket).map(|socket| Self(socket, None))
    }
}

/// Whether one is every address and the other one of them, on the same port.
fn contains(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() != 0 && a.port() == b.port() && a.ip().is_unspecified() != b.ip().is_unspecified()
}

fn open(address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `::` is every address, whatever the default of the system is.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it. Where the system does not know it, it is an optimisation that is not there.
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_notsent_lowat(UNSENT);
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl Listener for TcpAcceptor {
    type Io = TcpStream;

    async fn accept(&mut self) -> (TcpStream, ConnInfo) {
        loop {
            match self.0.accept().await {
                Ok((io, peer)) => return ready(io, peer),
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    // Too many open files, no memory: it does not go away by trying again at once.
                    if self.1.is_none_or(|told| told.elapsed() >= Duration::from_secs(1)) {
                        self.1 = Some(Instant::now());
                        warn!(%error, "cannot accept; trying again every 50 ms (told once a second)");
                    }
                    time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn waiting(&mut self) -> Option<(TcpStream, ConnInfo)> {
        // The socket itself is asked: the runtime knows only of what came before it last looked.
        let socket = SockRef::from(&self.0);
        loop {
            match socket.accept() {
                Ok((io, peer)) => match (adopted(io), peer.as_socket()) {
                    (Ok(io), Some(peer)) => return Some(ready(io, peer)),
                    _ => continue,
                },
                Err(error) if is_of_the_connection(&error) => {}
                Err(_) => return None,
            }
        }
    }
}

fn adopted(socket: Socket) -> io::Result<TcpStream> {
    socket.set_nonblocking(true)?;
    TcpStream::from_std(socket.into())
}

fn ready(io: TcpStream, peer: SocketAddr) -> (TcpStream, ConnInfo) {
    // A refusal costs latency, nothing else.
    let _ = io.set_nodelay(true);
    let local = io.local_addr().unwrap_or(peer);
    (io, ConnInfo::between(plain(peer), plain(local)))
}

/// A socket at `::` shows IPv4 addresses as IPv6 ones.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;

    #[tokio::test]
    async fn an_address_in_use_is_seen_although_workers_share_it() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let sockets = TcpAcceptor::bind_shared(any, 2).expect("a free port");
        let address = sockets[0].local_addr().expect("bound");
        assert_eq!(sockets[1].local_addr().expect("bound"), address);
        let again = TcpAcceptor::bind_shared(address, 2).expect_err("in use");
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
    }

    /// A port that is free at every address, though others may take it meanwhile.
    fn free_port() -> u16 {
        std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|it| it.local_addr()).expect("a port").port()
    }

    #[tokio::test]
    async fn every_address_and_one_of_them_stand_side_by_side() {
        for workers in [1, 2] {
            let every = [IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED)];
            // There are machines without IPv6.
            for every in every.into_iter().filter(|every| std::net::TcpListener::bind((*every, 0)).is_ok()) {
                let (one, mut sockets) = loop {
                    let one = SocketAddr::from(([127, 0, 0, 2], free_port()));
                    match TcpAcceptor::bind_all(&[SocketAddr::new(every, one.port()), one], workers) {
                        Ok(sockets) => break (one, sockets),
                        Err((_, error)) => assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{every}"),
                    }
                };
                assert_eq!(sockets.iter().map(Vec::len).collect::<Vec<_>>(), [workers, workers]);
                let again = TcpAcceptor::bind_all(&[one], 1).expect_err("in use");
                assert_eq!((again.0, again.1.kind()), (0, io::ErrorKind::AddrInUse));
                if workers == 1 {
                    let mut acceptors =
                        sockets.iter_mut().map(|own| TcpAcceptor::try_from(own.remove(0)).expect("open"));
                    let (mut rest, mut nearer) = (acceptors.next().expect("two"), acceptors.next().expect("two"));
                    let _client = TcpStream::connect(one).await.expect("listening");
                    assert_eq!(nearer.accept().await.1.local, one);
                    let other = SocketAddr::from(([127, 0, 0, 1], one.port()));
                    let _client = TcpStream::connect(other).await.expect("listening");
                    let (_, info) = rest.accept().await;
                    assert_eq!((info.local, info.peer.is_ipv4()), (other, true));
                }
            }
        }
    }

    #[tokio::test]
    async fn tells_what_waits_in_the_queue() {
        let mut acceptor = TcpAcceptor::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        assert!(acceptor.waiting().is_none());
        let address = acceptor.local_addr().expect("bound");
        let client = TcpStream::connect(address).await.expect("listening");
        let (_, info) = acceptor.accept().await;
        assert_eq!(info.peer, client.local_addr().expect("connected"));
        // Not through the runtime, which does not look before it has nothing else to do.
        let unseen = std::net::TcpStream::connect(address).expect("listening");
        let (_, info) = acceptor.waiting().expect("it waits");
        assert_eq!(info.peer, unseen.local_addr().expect("connected"));
    }
}

//! [`Listener`]: where connections come from.
use std::{io, net::SocketAddr, time::Duration};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    time,
};
use tracing::warn;

use super::ConnInfo;

/// Connections that may wait in a socket's queue.
const BACKLOG: i32 = 4096;

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
pub struct TcpAcceptor(TcpListener);

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
        if workers <= 1 {
            return Ok(vec![open(address, false)?]);
        }
        let address = open(address, false)?.local_addr()?;
        (0..workers).map(|_| open(address, true)).collect()
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
        TcpListener::from_std(socket).map(Self)
    }
}

fn open(address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
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
                    warn!(%error, "cannot accept; trying again in 50 ms");
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
    (io, ConnInfo::between(peer, local))
}

fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
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

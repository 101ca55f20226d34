//! Connections to endpoints.
use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpStream, time::timeout};

use crate::error::{Error, Kind};

/// Sends the connections to an endpoint elsewhere, below everything that names the endpoint (hashes, logs,
/// operators): a seam for tests.
#[derive(Clone)]
pub struct ConnectTo(Arc<dyn Fn(SocketAddr) -> SocketAddr + Send + Sync>);

impl ConnectTo {
    /// By this map.
    pub fn new(map: impl Fn(SocketAddr) -> SocketAddr + Send + Sync + 'static) -> Self {
        Self(Arc::new(map))
    }
}

impl Default for ConnectTo {
    fn default() -> Self {
        Self::new(|address| address)
    }
}

impl fmt::Debug for ConnectTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectTo")
    }
}

/// How connections are made.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) to: ConnectTo,
    pub(super) timeout: Duration,
}

impl Connector {
    /// A TCP connection with `TCP_NODELAY`.
    pub(super) async fn connect(&self, endpoint: SocketAddr) -> Result<TcpStream, Error> {
        let connecting = TcpStream::connect((self.to.0)(endpoint));
        let io = match timeout(self.timeout, connecting).await {
            Ok(Ok(io)) => io,
            Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => {
                return Err(Error::new(Kind::ConnectTimeout).with_source(error));
            }
            Ok(Err(error)) => return Err(Error::new(Kind::Connect).with_source(error)),
            Err(late) => return Err(Error::new(Kind::ConnectTimeout).with_source(late)),
        };
        // A refusal costs latency, nothing else.
        let _ = io.set_nodelay(true);
        Ok(io)
    }
}

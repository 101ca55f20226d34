//! [`ProxyProtocolLayer`]: a load balancer in front says who its client is, before the first byte (HAProxy's PROXY
//! protocol, versions 1 and 2).
//!
//! Only of the networks that are named it is believed, and there it must come: a connection of them without it is
//! closed, and one of elsewhere is taken as it is. So nobody else can say to be somebody. After it `ConnInfo` has the
//! client as its peer.
//!
//! ```
//! use gateway_layers::{body::Body, conn::{HttpServer, ProxyProtocolLayer}};
//! use http::{Request, Response};
//! use tower::Layer as _;
//!
//! let app = tower::service_fn(async |_: Request<Body>| Ok::<_, std::convert::Infallible>(Response::new(Body::empty())));
//! let balancers = ["10.0.0.0/8".parse().expect("a network")];
//! let conn = ProxyProtocolLayer::new(balancers).layer(HttpServer::new(app));
//! # let _ = conn;
//! ```
mod head;

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf as _, BytesMut};
use gateway_core::forwarded::Network;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    time::timeout,
};
use tower_layer::Layer;
use tower_service::Service;

use super::{Conn, ConnInfo, Rewind};
use crate::{
    BoxError, BoxFuture,
    error::{Error, Kind},
};

/// Makes [`ProxyProtocol`].
#[derive(Clone, Debug)]
pub struct ProxyProtocolLayer {
    networks: Arc<[Network]>,
    deadline: Duration,
}

/// Takes the head off and hands the rest on.
#[derive(Clone, Debug)]
pub struct ProxyProtocol<S> {
    inner: S,
    layer: ProxyProtocolLayer,
}

impl ProxyProtocolLayer {
    /// Of these networks; ten seconds for the head.
    #[must_use]
    pub fn new(networks: impl IntoIterator<Item = Network>) -> Self {
        Self { networks: networks.into_iter().collect(), deadline: Duration::from_secs(10) }
    }

    /// Another deadline.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    async fn take<I: AsyncRead + Unpin>(self, mut conn: Conn<I>) -> Result<Conn<Rewind<I>>, Error> {
        let mut ahead = BytesMut::new();
        if self.networks.iter().any(|network| network.contains(conn.info.peer.ip())) {
            let fail = |error: BoxError| Error::new(Kind::Client).with_source(error);
            let read = timeout(self.deadline, read(&mut conn.io, &mut ahead)).await;
            let head = read.map_err(|late| fail(late.into()))?.map_err(fail)?;
            if let Some((peer, local)) = head.addresses {
                let named = ConnInfo::between(peer, local);
                conn.info = ConnInfo { peer, local, forwarded_for: named.forwarded_for, ..conn.info };
            }
        }
        let Conn { io, info, drain } = conn;
        Ok(Conn { io: Rewind::new(ahead.freeze(), io), info, drain })
    }
}

/// Reads a head; what came behind it stays in `ahead`.
async fn read<I: AsyncRead + Unpin>(io: &mut I, ahead: &mut BytesMut) -> Result<head::Head, BoxError> {
    loop {
        if let Some(head) = head::parse(ahead).map_err(|malformed| malformed.0)? {
            ahead.advance(head.length);
            return Ok(head);
        }
        if io.read_buf(ahead).await? == 0 {
            return Err("closed before the PROXY protocol's head was complete".into());
        }
    }
}

impl<S> Layer<S> for ProxyProtocolLayer {
    type Service = ProxyProtocol<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ProxyProtocol { inner, layer: self.clone() }
    }
}

impl<S, I> Service<Conn<I>> for ProxyProtocol<S>
where
    S: Service<Conn<Rewind<I>>, Response = (), Error = Error> + Clone + Send + 'static,
    S::Future: Send,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Response = ();
    type Error = Error;
    type Future = BoxFuture<(), Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, conn: Conn<I>) -> Self::Future {
        let next = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, next);
        let layer = self.layer.clone();
        Box::pin(async move {
            let conn = layer.take(conn).await?;
            inner.call(conn).await
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;
    use crate::conn::Drain;

    async fn taken(peer: [u8; 4], sent: &[u8]) -> Result<(String, String, String), Error> {
        let (mut client, server) = tokio::io::duplex(64);
        let sent = sent.to_vec();
        tokio::spawn(async move {
            for byte in sent {
                // A server that has seen enough hangs up.
                let _ = client.write_all(&[byte]).await;
            }
        });
        let info = ConnInfo::between((peer, 1).into(), ([10, 0, 0, 9], 80).into());
        let conn = Conn { io: server, info, drain: Drain::new().watch() };
        let layer = ProxyProtocolLayer::new(["10.0.0.0/8".parse().expect("a network")]);
        let mut conn = layer.take(conn).await?;
        let mut rest = String::new();
        conn.io.read_to_string(&mut rest).await.expect("open");
        let shown = conn.info.forwarded_for.to_str().expect("ascii").to_owned();
        Ok((conn.info.peer.to_string(), shown, rest))
    }

    #[tokio::test]
    async fn only_named_networks_are_believed_and_must_say_it() {
        let said = b"PROXY TCP4 192.0.2.1 192.0.2.2 12345 443\r\nhello";
        let expect = |peer: &str, shown: &str, rest: &str| (peer.to_owned(), shown.to_owned(), rest.to_owned());
        assert_eq!(taken([10, 1, 1, 1], said).await.expect("taken"), expect("192.0.2.1:12345", "192.0.2.1", "hello"));
        let (peer, _, rest) = taken([192, 168, 0, 1], said).await.expect("taken as it is");
        assert_eq!((peer.as_str(), rest.as_bytes()), ("192.168.0.1:1", &said[..]));
        let own = taken([10, 1, 1, 1], b"PROXY UNKNOWN\r\nhello").await.expect("taken");
        assert_eq!(own, expect("10.1.1.1:1", "10.1.1.1", "hello"));
        assert!(taken([10, 1, 1, 1], b"GET / HTTP/1.1\r\n\r\n").await.is_err());
        assert!(taken([10, 1, 1, 1], b"PROXY TCP4").await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_not_waited_for_for_ever() {
        let (_client, server) = tokio::io::duplex(64);
        let info = ConnInfo::new(([10, 0, 0, 1], 1).into());
        let conn = Conn { io: server, info, drain: Drain::new().watch() };
        let layer = ProxyProtocolLayer::new(["10.0.0.0/8".parse().expect("a network")]);
        assert!(layer.take(conn).await.is_err());
    }
}

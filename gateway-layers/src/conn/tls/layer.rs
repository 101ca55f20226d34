//! The layer, and the service it makes.
use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::ProtocolVersion;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    TlsTable,
    client::{forwarded_client_cert, subject},
};
use crate::{
    BoxError, BoxFuture,
    conn::{Conn, ConnMetrics, Phase, ServerId, TlsInfo, Watch, metrics::Late},
    error::{Error, Kind},
    live::Live,
};

/// Makes [`Tls`].
#[derive(Clone, Debug)]
pub struct TlsLayer {
    table: Arc<Live<TlsTable>>,
    deadline: Duration,
    metrics: ConnMetrics,
}

/// Terminates TLS and hands on the plain bytes.
#[derive(Clone, Debug)]
pub struct Tls<S> {
    inner: S,
    layer: TlsLayer,
}

impl TlsLayer {
    /// Ten seconds for the whole handshake, from the first byte that is awaited.
    #[must_use]
    pub fn new(table: Arc<Live<TlsTable>>) -> Self {
        Self { table, deadline: Duration::from_secs(10), metrics: ConnMetrics::default() }
    }

    /// Counts there the handshakes that were too slow.
    #[must_use]
    pub fn metrics(mut self, metrics: ConnMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Another deadline.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    async fn accept<I>(self, conn: Conn<I>) -> Result<Conn<TlsStream<I>>, Error>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let Conn { io, mut info, drain } = conn;
        let fail = |error: BoxError| Error::new(Kind::Handshake).with_source(error);
        let accepted = tokio::select! {
            biased;
            accepted = tokio::time::timeout(self.deadline, handshake(&self.table, io)) => accepted,
            () = last_chance(&drain) => return Err(fail("the gateway ends".into())),
        };
        let (server_name, server, io) = accepted
            .map_err(|late| {
                self.metrics.late(Late::Handshake, 1);
                fail(late.into())
            })?
            .map_err(fail)?;
        info.server = server;
        info.tls = Some(tls_info(server_name, &io));
        Ok(Conn { io, info, drain })
    }
}

/// How long a handshake is waited for when the gateway ends: a client that says nothing does not hold it up.
const LAST_CHANCE: Duration = Duration::from_secs(1);

async fn last_chance(drain: &Watch) {
    drain.reached(Phase::Closing).await;
    tokio::time::sleep(LAST_CHANCE).await;
}

type Accepted<I> = (Option<Arc<str>>, Option<ServerId>, TlsStream<I>);

async fn handshake<I>(table: &Live<TlsTable>, io: I) -> Result<Accepted<I>, BoxError>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), io).await?;
    let (server_name, server, config) = {
        let hello = start.client_hello();
        let server = table.look(|table| table.find(hello.server_name()).cloned());
        let server = server.ok_or("filter_chain_not_found")?;
        let configs = server.config.ok_or("no credential for this server")?;
        let ours = |offered: &[u8]| configs.with_alpn.alpn_protocols.iter().any(|our| our == offered);
        let common = hello.alpn().is_none_or(|mut offered| offered.any(ours));
        let config = if common { configs.with_alpn } else { configs.without_alpn };
        let name = hello.server_name().map(|name| Arc::<str>::from(name.to_ascii_lowercase()));
        (name, server.id, config)
    };
    match start.into_stream(config).into_fallible().await {
        Ok(stream) => Ok((server_name, server, stream)),
        Err((error, io)) => {
            linger(io).await;
            Err(error.into())
        }
    }
}

/// Bytes of a refused client that are read, and for how long.
const LINGER: (usize, Duration) = (64 * 1024, Duration::from_secs(1));

/// Ends a refused connection so that the client sees the alert: a socket that is closed with unread bytes is reset,
/// and a reset overtakes what was sent before it.
async fn linger<I: AsyncRead + AsyncWrite + Unpin>(mut io: I) {
    let mut discarded = 0;
    let mut buffer = [0; 4096];
    let reading = async {
        io.shutdown().await?;
        while discarded < LINGER.0 {
            match io.read(&mut buffer).await? {
                0 => break,
                length => discarded += length,
            }
        }
        Ok::<_, std::io::Error>(())
    };
    // Whatever comes of it: the connection is over.
    let _ = tokio::time::timeout(LINGER.1, reading).await;
}

fn tls_info<I>(server_name: Option<Arc<str>>, io: &TlsStream<I>) -> TlsInfo {
    let (_, session) = io.get_ref();
    let certificate = session.peer_certificates().and_then(<[_]>::first).map(|leaf| Arc::<[u8]>::from(leaf.as_ref()));
    TlsInfo {
        server_name,
        alpn: session.alpn_protocol().map(Arc::from),
        version: if session.protocol_version() == Some(ProtocolVersion::TLSv1_2) { "TLSv1.2" } else { "TLSv1.3" },
        forwarded_client_cert: certificate.as_deref().and_then(forwarded_client_cert),
        client_subject: certificate.as_deref().and_then(subject).map(Arc::from),
        client_certificate: certificate,
    }
}

impl<S> Layer<S> for TlsLayer {
    type Service = Tls<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Tls { inner, layer: self.clone() }
    }
}

impl<S, I> Service<Conn<I>> for Tls<S>
where
    S: Service<Conn<TlsStream<I>>, Response = (), Error = Error> + Clone + Send + 'static,
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
            // The handshake's state is freed before the connection is served: it would stay in the future.
            let conn = Box::pin(layer.accept(conn)).await?;
            inner.call(conn).await
        })
    }
}

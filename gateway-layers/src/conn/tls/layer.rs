//! The layer, and the service it makes.
use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::ProtocolVersion;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{Instant, timeout_at},
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};
use tower::util::Oneshot;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    TlsTable,
    client::{forwarded_client_cert, subject},
    table::{Entry, Nothing, TlsServer},
};
use crate::{
    BoxError, BoxFuture,
    conn::{ClientHello, Conn, ConnInfo, ConnMetrics, Phase, Rewind, TlsInfo, Watch, metrics::Late},
    error::{Error, Kind},
    exchange::{Exchange, Flag, OnFinish},
    live::Live,
};

/// Makes [`Tls`].
pub struct TlsLayer<P = Nothing> {
    table: Arc<Live<TlsTable<P>>>,
    deadline: Duration,
    metrics: ConnMetrics,
    observer: Option<Arc<dyn OnFinish>>,
}

/// Chooses by the server name; terminates TLS and hands on the plain bytes, or hands on the untouched ones.
#[derive(Clone, Debug)]
pub struct Tls<S, P = Nothing> {
    inner: S,
    layer: TlsLayer<P>,
}

impl<P: Clone> TlsLayer<P> {
    /// Ten seconds for the whole handshake, or for the ClientHello of what is passed through, from the first byte
    /// that is awaited.
    #[must_use]
    pub fn new(table: Arc<Live<TlsTable<P>>>) -> Self {
        Self { table, deadline: Duration::from_secs(10), metrics: ConnMetrics::default(), observer: None }
    }

    /// Counts there the handshakes that were too slow.
    #[must_use]
    pub fn metrics(mut self, metrics: ConnMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Tells of connections that nothing in the table is for: flag NR, details `filter_chain_not_found`.
    #[must_use]
    pub fn observe(mut self, observer: Arc<dyn OnFinish>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Another deadline.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// What is there for the connection. Nothing is answered before: who speaks no TLS, or asks for a name that is not
    /// here, is hung up on.
    async fn choose<I>(&self, conn: Conn<I>, end: Instant) -> Result<(Entry<P>, Conn<Rewind<I>>), Error>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let Conn { mut io, mut info, drain } = conn;
        let peeking = async { Ok(ClientHello::peek(&mut io).await.inspect_err(|error| self.missed(error, &info))?) };
        let (hello, ahead) = self.in_time(peeking, end, &drain).await?;
        info.server_name = hello.server_name.as_deref().map(|name| name.to_ascii_lowercase().into());
        match self.table.look(|table| table.find(hello.server_name.as_deref()).cloned()) {
            Some(entry) => Ok((entry, Conn { io: Rewind::new(ahead, io), info, drain })),
            None => {
                self.report(&info);
                Err(failed(NOT_FOUND.into()))
            }
        }
    }

    async fn terminate<I>(&self, server: TlsServer, conn: Conn<I>, end: Instant) -> Result<Conn<TlsStream<I>>, Error>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let Conn { io, mut info, drain } = conn;
        info.server = server.id;
        let io = self.in_time(handshake(server, io), end, &drain).await?;
        info.tls = Some(tls_info(&io));
        Ok(Conn { io, info, drain })
    }

    /// A client that is too slow is left; one that says nothing does not hold up the end of the gateway.
    async fn in_time<T>(
        &self,
        step: impl Future<Output = Result<T, BoxError>>,
        end: Instant,
        drain: &Watch,
    ) -> Result<T, Error> {
        let done = tokio::select! {
            biased;
            done = timeout_at(end, step) => done,
            () = last_chance(drain) => return Err(failed("the gateway ends".into())),
        };
        let done = done.map_err(|late| {
            self.metrics.late(Late::Handshake, 1);
            failed(late.into())
        })?;
        done.map_err(failed)
    }

    /// What is no ClientHello has no chain either; a client that has left, or failed, asked for none.
    fn missed(&self, error: &std::io::Error, info: &ConnInfo) {
        if error.kind() == std::io::ErrorKind::InvalidData {
            self.report(info);
        }
    }

    fn report(&self, info: &ConnInfo) {
        if let Some(observer) = &self.observer {
            let exchange = Exchange::new(Arc::new(info.clone()));
            {
                let mut record = exchange.record();
                record.flags.set(Flag::NoRoute);
                record.details = Some(NOT_FOUND);
            }
            observer.finish(&exchange);
        }
    }
}

/// Envoy's word for it.
const NOT_FOUND: &str = "filter_chain_not_found";

fn failed(error: BoxError) -> Error {
    Error::new(Kind::Handshake).with_source(error)
}

/// How long a handshake is waited for when the gateway ends: a client that says nothing does not hold it up.
const LAST_CHANCE: Duration = Duration::from_secs(1);

async fn last_chance(drain: &Watch) {
    drain.reached(Phase::Closing).await;
    tokio::time::sleep(LAST_CHANCE).await;
}

async fn handshake<I>(server: TlsServer, io: I) -> Result<TlsStream<I>, BoxError>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let configs = server.config.ok_or("no credential for this server")?;
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), io).await?;
    let config = {
        let hello = start.client_hello();
        let ours = |offered: &[u8]| configs.with_alpn.alpn_protocols.iter().any(|our| our == offered);
        let common = hello.alpn().is_none_or(|mut offered| offered.any(ours));
        if common { configs.with_alpn } else { configs.without_alpn }
    };
    match start.into_stream(config).into_fallible().await {
        Ok(stream) => Ok(stream),
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

fn tls_info<I>(io: &TlsStream<I>) -> TlsInfo {
    let (_, session) = io.get_ref();
    let certificate = session.peer_certificates().and_then(<[_]>::first).map(|leaf| Arc::<[u8]>::from(leaf.as_ref()));
    TlsInfo {
        alpn: session.alpn_protocol().map(Arc::from),
        version: if session.protocol_version() == Some(ProtocolVersion::TLSv1_2) { "TLSv1.2" } else { "TLSv1.3" },
        forwarded_client_cert: certificate.as_deref().and_then(forwarded_client_cert),
        client_subject: certificate.as_deref().and_then(subject).map(Arc::from),
        client_certificate: certificate,
    }
}

impl<S, P: Clone> Layer<S> for TlsLayer<P> {
    type Service = Tls<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        Tls { inner, layer: self.clone() }
    }
}

impl<S, P, I> Service<Conn<I>> for Tls<S, P>
where
    S: Service<Conn<TlsStream<Rewind<I>>>, Response = (), Error = Error> + Clone + Send + 'static,
    S::Future: Send,
    P: Service<Conn<Rewind<I>>, Response = (), Error = Error> + Clone + Send + Sync + 'static,
    P::Future: Send,
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
            let end = Instant::now() + layer.deadline;
            // The state of each step is freed before the next one: it would stay in the future.
            match Box::pin(layer.choose(conn, end)).await? {
                (Entry::Terminate(server), conn) => {
                    let conn = Box::pin(layer.terminate(server, conn, end)).await?;
                    inner.call(conn).await
                }
                // It was not asked whether it is ready: nobody could know that it would be the one.
                (Entry::Passthrough(service), conn) => Box::pin(Oneshot::new(service, conn)).await,
            }
        })
    }
}

impl<P> Clone for TlsLayer<P> {
    fn clone(&self) -> Self {
        Self {
            table: self.table.clone(),
            deadline: self.deadline,
            metrics: self.metrics.clone(),
            observer: self.observer.clone(),
        }
    }
}

impl<P> fmt::Debug for TlsLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsLayer").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

//! [`HttpServer`]: the end of the floor; bytes become requests.
use std::{
    convert::Infallible,
    fmt,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::Body;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, error::Elapsed, sleep, sleep_until, timeout},
};
use tower_service::Service;

use super::{
    Conn, ConnMetrics, Phase, Refuse, Watch,
    activity::{Activity, Patience},
    http1::{Connection, Settings},
    io::Watched,
    metrics::Late,
    per_request::PerRequest,
    refuse::PlainRefusals,
    rewind::{Rewind, sniff_http2},
    streams::Executor,
};
use crate::{
    BoxError, BoxFuture, body,
    error::{Error, Kind},
    http1::Limits,
    rare::Rare,
};

/// Serves HTTP/1.1 and HTTP/2 with `S`, for any kind of bytes. ALPN decides the protocol; without ALPN the first
/// bytes do. Each request has an `Arc<Exchange>` in its extensions.
///
/// HTTP/1.1 is as strict as an edge must be: what has two readings is refused before it becomes a request (see
/// [`Refuse`]), with Envoy's answers. HTTP/2 is hyper's.
///
/// On a drain responses to HTTP/1 should say `connection: close` (the response head layer does); HTTP/2 connections
/// get a GOAWAY. Connections that are idle are closed when the drain is closing.
#[derive(Clone)]
pub struct HttpServer<S> {
    service: S,
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    h1: Arc<Settings>,
    h2: http2::Builder<Executor>,
    patience: Patience,
    metrics: ConnMetrics,
}

/// Protocol settings. Defaults are in brackets.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HttpOptions {
    /// How long a request head may take, from its first byte, or from the start of the connection \[10 s\].
    pub head_timeout: Duration,
    /// How long a connection may be idle between requests \[75 s\].
    pub keep_alive: Duration,
    /// How long a service waits for a request's body without at least 1 KiB of it, before there is a response; then 408
    /// \[60 s\].
    pub body_timeout: Duration,
    /// How long an HTTP/1 response waits for a client that takes less than 1 KiB of it; then the connection is closed
    /// \[60 s\].
    pub write_timeout: Duration,
    /// The same times for a stream of HTTP/2: 408, or it is reset \[300 s\].
    pub stream_timeout: Duration,
    /// Bytes of a request head; more is 431, over HTTP/2 a reset \[60 KiB\].
    pub max_head: usize,
    /// Fields of a request head, Host included; more is 431 \[100\].
    pub max_fields: usize,
    /// Concurrent streams of an HTTP/2 connection \[100\].
    pub max_streams: u32,
    /// Streams that a client may reset before they were taken up, until the connection is closed \[20\].
    pub max_pending_resets: usize,
    /// Streams that a client may make us reset, until the connection is closed \[100\].
    pub max_error_resets: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            stream_timeout: Duration::from_secs(300),
            max_head: 60 * 1024,
            max_fields: 100,
            max_streams: 100,
            max_pending_resets: 20,
            max_error_resets: 100,
        }
    }
}

impl<S> HttpServer<S> {
    /// With default settings.
    pub fn new(service: S) -> Self {
        Self::with_options(service, HttpOptions::default())
    }

    /// With settings.
    pub fn with_options(service: S, options: HttpOptions) -> Self {
        // The head's timer is ours.
        let mut hyper = hyper::server::conn::http1::Builder::new();
        hyper.header_read_timeout(None).max_headers(options.max_fields);
        hyper.max_buf_size(options.max_head.max(8192));
        let limits = Limits { head: options.max_head, fields: options.max_fields };
        let h1 = Arc::new(Settings { limits, refuse: Arc::new(PlainRefusals), hyper });
        // With 32 bytes for each field (RFC 9113 6.5.2), and some more: what is a little too large is answered as Envoy
        // does, and not by h2.
        let list = options.max_head + 64 * options.max_fields;
        let mut h2 = http2::Builder::new(Executor);
        h2.timer(TokioTimer::new())
            .max_concurrent_streams(options.max_streams)
            .max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(options.max_pending_resets)
            .max_local_error_reset_streams(options.max_error_resets)
            .initial_stream_window_size(64 * 1024)
            .initial_connection_window_size(1024 * 1024);
        let patience = Patience {
            head: options.head_timeout,
            keep_alive: options.keep_alive,
            body: options.body_timeout,
            write: options.write_timeout,
            stream: options.stream_timeout,
        };
        Self { service, shared: Arc::new(Shared { h1, h2, patience, metrics: ConnMetrics::default() }) }
    }

    /// Who answers what is no request; else its status, text and `connection: close` are the whole answer.
    #[must_use]
    pub fn refuse_with(self, refuse: Arc<dyn Refuse>) -> Self {
        let mut shared = (*self.shared).clone();
        shared.h1 = Arc::new(Settings { limits: shared.h1.limits, refuse, hyper: shared.h1.hyper.clone() });
        Self { service: self.service, shared: Arc::new(shared) }
    }

    /// Counts there what clients were too slow with.
    #[must_use]
    pub fn metrics(self, metrics: ConnMetrics) -> Self {
        let shared = Shared { metrics, ..(*self.shared).clone() };
        Self { service: self.service, shared: Arc::new(shared) }
    }
}

impl<S, I, B> Service<Conn<I>> for HttpServer<S>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<body::Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = ();
    type Error = Error;
    type Future = BoxFuture<(), Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, conn: Conn<I>) -> Self::Future {
        Box::pin(serve(self.service.clone(), self.shared.clone(), conn))
    }
}

/// What a connection's timer or drain asks of it.
enum Event {
    Draining,
    Closing,
    /// Idle for too long, or too slow with its head or with taking a response.
    Expired(Late),
    /// The body does not come.
    Stalled,
}

async fn serve<S, I, B>(service: S, shared: Arc<Shared>, conn: Conn<I>) -> Result<(), Error>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<body::Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let Conn { mut io, info, drain } = conn;
    let activity = Arc::new(Activity::new());
    let (h2, ahead) = match info.tls.as_ref().and_then(|tls| tls.alpn.as_deref()) {
        // A negotiated protocol binds.
        Some(alpn) => (alpn == b"h2", BytesMut::new()),
        None => sniffed(&mut io, &drain, &shared).await?,
    };
    let info = Arc::new(info);
    if h2 {
        activity.speaks_h2();
        let io = Watched::new(TokioIo::new(Rewind::new(ahead.freeze(), io)), activity.clone());
        let service = PerRequest { service, info, activity: activity.clone(), last: false };
        let serving = shared.h2.serve_connection(io, service);
        watch(pin!(serving), |serving| serving.graceful_shutdown(), &activity, &drain, &shared).await
    } else {
        let connection = Connection::new(io, service, info, activity.clone(), shared.h1.clone());
        let serving = connection.run(ahead);
        watch(pin!(serving), |_| activity.end(), &activity, &drain, &shared).await
    }
}

/// How long a connection without a byte is waited for when the gateway ends: what a client sent before it could know
/// of the end may not have been read yet.
const LAST_CHANCE: Duration = Duration::from_millis(50);

/// Waits for the first bytes. A connection that says nothing in time, or during the end of a drain, is closed.
async fn sniffed<I: AsyncRead + Unpin>(io: &mut I, drain: &Watch, shared: &Shared) -> Result<(bool, BytesMut), Error> {
    let closed = |reason: BoxError| Error::new(Kind::Client).with_source(reason);
    tokio::select! {
        biased;
        sniffed = timeout(shared.patience.head, sniff_http2(io)) => {
            let late = |late: Elapsed| {
                shared.metrics.late(Late::Head, 1);
                closed(late.into())
            };
            sniffed.map_err(late)?.map_err(|error| closed(error.into()))
        }
        () = async {
            drain.reached(Phase::Closing).await;
            sleep(LAST_CHANCE).await;
        } => Err(closed("the gateway ends".into())),
    }
}

/// Runs a connection, and tells it to end when the drain or its timer wants so.
async fn watch<C, E>(
    mut serving: Pin<&mut C>,
    end: impl Fn(Pin<&mut C>),
    activity: &Activity,
    drain: &Watch,
    shared: &Shared,
) -> Result<(), Error>
where
    C: Future<Output = Result<(), E>>,
    E: Into<BoxError>,
{
    let mut events = pin!(next_event(drain, activity, shared, Phase::Running));
    let mut rare = Rare::default();
    let mut closing = false;
    let mut reached = Phase::Running;
    std::future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = serving.as_mut().poll(cx) {
                return Poll::Ready(result.map_err(|error| Error::new(Kind::Client).with_source(error)));
            }
            let event = ready!(rare.poll(cx, events.as_mut()));
            if let Event::Expired(late) = event
                && !closing
            {
                shared.metrics.late(late, 1);
            }
            reached = match event {
                Event::Stalled => {
                    shared.metrics.late(Late::Body, 1);
                    activity.stall();
                    reached
                }
                Event::Expired(_) if closing || !activity.is_h2() => return Poll::Ready(Ok(())),
                // HTTP/1 is told by the response's head; HTTP/2 has a frame for it.
                Event::Draining if !activity.is_h2() => Phase::Draining,
                Event::Draining => {
                    end(serving.as_mut());
                    Phase::Draining
                }
                Event::Closing | Event::Expired(_) => {
                    closing = true;
                    end(serving.as_mut());
                    Phase::Closing
                }
            };
            events.set(next_event(drain, activity, shared, reached));
            rare.again();
        }
    })
    .await
}

/// Waits for the drain's next phase, or for the client to be too slow. Asks the clock only at the earliest moment
/// that could be a deadline, then at the exact one.
async fn next_event(drain: &Watch, activity: &Activity, shared: &Shared, reached: Phase) -> Event {
    let patience = shared.patience;
    let expired = async {
        if reached == Phase::Closing {
            // It has been told to end; this is the time it has to do so.
            sleep_until(Instant::now() + patience.head).await;
            if activity.is_idle() {
                return Event::Expired(Late::KeepAlive);
            }
        }
        loop {
            if activity.is_h2() {
                shared.metrics.late(Late::Stream, activity.streams().look(patience.stream));
            }
            let now = Instant::now();
            let step = now + patience.step();
            match activity.deadline(patience) {
                Some((deadline, late)) if deadline <= now => {
                    if activity.is_late(late) {
                        return if late == Late::Body { Event::Stalled } else { Event::Expired(late) };
                    }
                }
                Some((deadline, _)) => sleep_until(deadline.min(step)).await,
                None => sleep_until(step).await,
            }
        }
    };
    let ordered = async {
        match reached {
            Phase::Running => drain.reached(Phase::Draining).await,
            Phase::Draining => {
                drain.reached(Phase::Closing).await;
                if activity.is_fresh() {
                    sleep(LAST_CHANCE).await;
                }
            }
            Phase::Closing => std::future::pending().await,
        }
    };
    tokio::select! {
        () = ordered => if drain.phase() == Phase::Closing { Event::Closing } else { Event::Draining },
        event = expired => event,
    }
}

impl<S: fmt::Debug> fmt::Debug for HttpServer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpServer").field(&self.service).finish()
    }
}

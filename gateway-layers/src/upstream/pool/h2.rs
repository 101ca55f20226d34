//! [`H2Pool`]: one shared HTTP/2 connection per worker.
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use http::{
    HeaderMap, Request, Uri, Version,
    header::HOST,
    uri::{Authority, Scheme},
};
use http_body::Body as _;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::Instant;

use super::{Answer, Pool, failure};
use crate::{
    body::{Body, End, OnEnd, Side},
    error::{Error, Kind},
    exchange::Exchange,
    upstream::{connect::Connector, endpoint::Active},
    worker::PerWorker,
};

/// HTTP/2 with prior knowledge.
#[derive(Clone, Debug)]
pub(crate) struct H2Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    endpoint: SocketAddr,
    connector: Connector,
    workers: PerWorker<Worker>,
}

#[derive(Debug, Default)]
struct Worker {
    shared: Option<Conn>,
    /// Held while a connection is made, so that requests that come together share one.
    connecting: Arc<tokio::sync::Mutex<()>>,
    /// When and how the latest attempt failed.
    failed: Option<(Instant, Kind)>,
}

#[derive(Clone, Debug)]
struct Conn {
    send: SendRequest<Body>,
    local: Option<SocketAddr>,
}

impl H2Pool {
    /// A pool for `workers` threads.
    pub(crate) fn new(endpoint: SocketAddr, connector: Connector, workers: usize) -> Self {
        Self(Arc::new(Shared { endpoint, connector, workers: PerWorker::new(workers) }))
    }

    fn shared(&self) -> Option<Conn> {
        self.0.workers.local().shared.clone().filter(|conn| !conn.send.is_closed())
    }

    /// A new connection, or the one that another request has made meanwhile. Who waited for an attempt that failed
    /// shares its failure: else a queue in front of a dead endpoint would wait for one timeout after the other.
    async fn connect(&self) -> Result<Conn, Error> {
        let asked = Instant::now();
        let connecting = self.0.workers.local().connecting.clone();
        let _one_at_a_time = connecting.lock().await;
        if let Some(conn) = self.shared() {
            return Ok(conn);
        }
        let failed = self.0.workers.local().failed;
        if let Some((_, kind)) = failed.filter(|(at, _)| *at >= asked) {
            return Err(Error::new(kind));
        }
        let made = self.open().await;
        let mut worker = self.0.workers.local();
        match &made {
            Ok(conn) => worker.shared = Some(conn.clone()),
            Err(error) => worker.failed = Some((Instant::now(), error.kind())),
        }
        made
    }

    async fn open(&self) -> Result<Conn, Error> {
        let io = self.0.connector.connect(self.0.endpoint).await?;
        let local = io.local_addr().ok();
        let handshake = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(1024 * 1024)
            .initial_connection_window_size(4 * 1024 * 1024)
            .max_header_list_size(64 * 1024)
            .handshake(TokioIo::new(io))
            .await;
        let (send, driver) = handshake.map_err(|error| Error::new(failure::kind(&error)).with_source(error))?;
        tokio::spawn(driver);
        Ok(Conn { send, local })
    }
}

/// Keeps the endpoint's count until the response has ended.
struct Ended(Mutex<Option<Active>>);

impl OnEnd for Ended {
    fn end(self: Arc<Self>, _: Side, _: End, _: u64, _: Option<&HeaderMap>) {
        drop(self.0.lock().map(|mut active| active.take()));
    }
}

impl Pool for H2Pool {
    #[expect(clippy::manual_async_fn, reason = "an `async fn` would keep the request twice")]
    fn send(&self, mut req: Request<Body>, active: Active) -> impl Future<Output = Answer> + Send {
        async move {
            prepare(&mut req)?;
            loop {
                let (mut conn, reused) = match self.shared() {
                    Some(conn) => (conn, true),
                    None => match Box::pin(self.connect()).await {
                        Ok(conn) => (conn, false),
                        Err(error) => return Err(error.with_request(Some(req))),
                    },
                };
                let copy = bodiless(&req);
                match conn.send.try_send_request(req).await {
                    Ok(response) => {
                        let ended = Arc::new(Ended(Mutex::new(Some(active))));
                        return Ok((response.map(|body| Body::from(body).observe(ended, Side::Response)), conn.local));
                    }
                    Err(mut failed) => match failed.take_message() {
                        Some(unsent) if reused => req = unsent,
                        unsent => {
                            let error = failed.into_error();
                            let kind = failure::kind(&error);
                            // hyper does not give back what was refused: a copy is as good, for nothing was done.
                            let unsent = unsent.or(if kind == Kind::Refused { copy } else { None });
                            return Err(Error::new(kind).with_source(error).with_request(unsent));
                        }
                    },
                }
            }
        }
    }
}

/// A copy of a request without a body, its record included.
fn bodiless(req: &Request<Body>) -> Option<Request<Body>> {
    if !req.body().is_end_stream() {
        return None;
    }
    let mut copy = Request::new(Body::empty().without_length());
    *copy.method_mut() = req.method().clone();
    *copy.uri_mut() = req.uri().clone();
    *copy.version_mut() = req.version();
    *copy.headers_mut() = req.headers().clone();
    if let Some(exchange) = Exchange::of(req) {
        copy.extensions_mut().insert(exchange.clone());
    }
    Some(copy)
}

/// The form that HTTP/2 wants: scheme and authority in the URI, and no `host` beside it.
fn prepare(req: &mut Request<Body>) -> Result<(), Error> {
    *req.version_mut() = Version::HTTP_2;
    if req.body().is_end_stream() {
        // A request without a body has no `content-length` towards HTTP/2; hyper would write 0.
        let body = std::mem::take(req.body_mut());
        *req.body_mut() = body.without_length();
    }
    let Some(host) = req.headers_mut().remove(HOST) else { return Ok(()) };
    let mut parts = std::mem::take(req.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Authority::try_from(host.as_bytes()).ok();
    let uri = Uri::from_parts(parts).map_err(|error| Error::new(Kind::BadRequest).with_source(error))?;
    *req.uri_mut() = uri;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;
    use crate::upstream::connect::ConnectTo;

    #[tokio::test(start_paused = true)]
    async fn a_queue_in_front_of_a_dead_endpoint_waits_once() {
        // Nobody listens there.
        let closed = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound");
        let tries = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let counted = tries.clone();
        let to = ConnectTo::new(move |address| {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            address
        });
        let pool = H2Pool::new(closed, Connector { to, timeout: Duration::from_secs(10) }, 1);
        let all = (0..20).map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.connect().await.map(|_| ()).map_err(|error| error.kind()) })
        });
        for one in all.collect::<Vec<_>>() {
            assert_eq!(one.await.expect("no panic"), Err(Kind::Connect));
        }
        assert_eq!(tries.load(std::sync::atomic::Ordering::Relaxed), 1);
    }
}

//! [`H1Pool`]: idle HTTP/1 connections, one list per worker.
use std::{
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, Uri, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use http_body::Body as _;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until},
};

use super::{Answer, Pool, failure};
use crate::{
    body::{Body, End, OnEnd, Side},
    error::{Error, Kind},
    rare::Rare,
    upstream::{connect::Connector, endpoint::Active},
    worker::PerWorker,
};

/// Bytes of a response that are read ahead of a slow client; no head is larger.
const BUFFER: usize = 128 * 1024;

/// An idle connection is closed after this, as Envoy does.
const IDLE: Duration = Duration::from_secs(3600);

/// HTTP/1: a connection carries one exchange at a time and returns when the response body has ended.
#[derive(Clone, Debug)]
pub(crate) struct H1Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    endpoint: SocketAddr,
    connector: Connector,
    idle: PerWorker<Vec<Arc<H1Conn>>>,
}

/// One connection. It is itself the observer of the response body that it feeds, so that going back to the pool
/// moves this `Arc` and allocates nothing.
#[derive(Debug)]
struct H1Conn {
    state: Mutex<State>,
    /// Set while an exchange is under way; the driver's idle timer looks at it.
    busy: AtomicBool,
    /// It is not used again.
    last: AtomicBool,
    local: Option<SocketAddr>,
    pool: Weak<Shared>,
}

#[derive(Debug)]
struct State {
    send: SendRequest<Body>,
    active: Option<Active>,
    last_used: Instant,
}

impl H1Conn {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OnEnd for H1Conn {
    fn end(self: Arc<Self>, _: Side, end: End, _: u64, _: Option<&HeaderMap>) {
        let reusable = {
            let mut state = self.state();
            state.active = None;
            state.last_used = Instant::now();
            // Not ready means: hyper has not seen the end of the body, or the peer closes.
            end == End::Complete && !self.last.load(Ordering::Relaxed) && state.send.is_ready()
        };
        self.busy.store(false, Ordering::Relaxed);
        if reusable && let Some(pool) = self.pool.upgrade() {
            pool.idle.local().push(self);
        }
    }
}

impl H1Pool {
    /// A pool for `workers` threads.
    pub(crate) fn new(endpoint: SocketAddr, connector: Connector, workers: usize) -> Self {
        Self(Arc::new(Shared { endpoint, connector, idle: PerWorker::new(workers) }))
    }

    /// The latest used connection that is not closed.
    fn checkout(&self) -> Option<Arc<H1Conn>> {
        let mut idle = self.0.idle.local();
        std::iter::from_fn(|| idle.pop()).find(|conn| !conn.state().send.is_closed())
    }

    async fn connect(&self) -> Result<Arc<H1Conn>, Error> {
        let io = self.0.connector.connect(self.0.endpoint).await?;
        let local = io.local_addr().ok();
        let handshake = http1::Builder::new().writev(false).max_buf_size(BUFFER).handshake(TokioIo::new(io)).await;
        let (send, driver) = handshake.map_err(|error| Error::new(Kind::Connect).with_source(error))?;
        let state = Mutex::new(State { send, active: None, last_used: Instant::now() });
        let conn = Arc::new(H1Conn {
            state,
            busy: AtomicBool::new(true),
            last: AtomicBool::new(false),
            local,
            pool: Arc::downgrade(&self.0),
        });
        tokio::spawn(drive(driver, Arc::downgrade(&conn)));
        Ok(conn)
    }
}

/// Runs a connection until it ends, or has been idle for too long.
async fn drive(driver: http1::Connection<TokioIo<TcpStream>, Body>, conn: Weak<H1Conn>) {
    let mut driver = pin!(driver.with_upgrades());
    let mut idle = pin!(idle_for_too_long(conn));
    let mut rare = Rare::default();
    std::future::poll_fn(|cx| {
        if driver.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        rare.poll(cx, idle.as_mut())
    })
    .await;
}

async fn idle_for_too_long(conn: Weak<H1Conn>) {
    let mut end = Instant::now() + IDLE;
    loop {
        sleep_until(end).await;
        // Gone from the pool: the exchange under way, or the peer, ends it.
        let Some(conn) = conn.upgrade() else { return std::future::pending().await };
        end = conn.state().last_used + IDLE;
        if conn.busy.load(Ordering::Relaxed) {
            end = Instant::now() + IDLE;
        } else if end <= Instant::now() {
            return;
        }
    }
}

impl Pool for H1Pool {
    #[expect(clippy::manual_async_fn, reason = "an `async fn` would keep the request twice")]
    fn send(&self, mut req: Request<Body>, active: Active) -> impl Future<Output = Answer> + Send {
        async move {
            let mut active = Some(active);
            prepare(&mut req);
            // After a connection that was closed under the request only a new one is tried.
            let mut new_only = false;
            loop {
                let (conn, reused) = match if new_only { None } else { self.checkout() } {
                    Some(conn) => (conn, true),
                    None => match Box::pin(self.connect()).await {
                        Ok(conn) => (conn, false),
                        Err(error) => return Err(error.with_request(Some(req))),
                    },
                };
                let copy = if reused { repeatable(&req) } else { None };
                conn.busy.store(true, Ordering::Relaxed);
                let sending = {
                    let mut state = conn.state();
                    state.active = active.take();
                    state.send.try_send_request(req)
                };
                let mut failed = match sending.await {
                    Ok(response) => {
                        let local = conn.local;
                        return Ok((answered(response, conn), local));
                    }
                    Err(failed) => failed,
                };
                let unsent = failed.take_message();
                let error = failed.into_error();
                let kind = failure::kind(&error);
                // The peer closed it while it was idle. Nothing was sent; or nothing was answered to a request that
                // may be repeated (RFC 9110 9.2.2, RFC 9112 9.3.1).
                let again = match unsent {
                    Some(unsent) if reused => Ok(unsent),
                    None if kind == Kind::Closed => copy.ok_or(None),
                    unsent => Err(unsent),
                };
                match again {
                    Ok(again) => {
                        req = again;
                        new_only = true;
                        active = conn.state().active.take();
                    }
                    Err(unsent) => return Err(Error::new(kind).with_source(error).with_request(unsent)),
                }
            }
        }
    }
}

/// A copy of a request that may be sent a second time: idempotent, and without a body.
fn repeatable(req: &Request<Body>) -> Option<Request<Body>> {
    let idempotent = matches!(
        *req.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE
    );
    if !idempotent || !req.body().is_end_stream() {
        return None;
    }
    let mut copy = Request::new(Body::empty());
    *copy.method_mut() = req.method().clone();
    *copy.uri_mut() = req.uri().clone();
    *copy.version_mut() = req.version();
    *copy.headers_mut() = req.headers().clone();
    Some(copy)
}

/// The answer, which gives its connection back when its body has ended. One that is framed twice is the last of its
/// connection: who reads it otherwise would find another answer there (RFC 9112 6.3).
fn answered(response: Response<hyper::body::Incoming>, conn: Arc<H1Conn>) -> Response<Body> {
    let headers = response.headers();
    if headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH) {
        conn.last.store(true, Ordering::Relaxed);
    }
    response.map(|body| Body::from(body).observe(conn, Side::Response))
}

/// The form that HTTP/1 wants: the path in the first line, and framing that says what the body is. hyper leaves
/// `content-length: 0` out, and drops a body of unknown length of GET and HEAD.
fn prepare(req: &mut Request<Body>) {
    if req.uri().authority().is_some() {
        let path = req.uri().path_and_query().cloned();
        *req.uri_mut() = path.map_or_else(Uri::default, Uri::from);
    }
    *req.version_mut() = Version::HTTP_11;
    let bodiless =
        matches!(*req.method(), Method::GET | Method::HEAD | Method::DELETE | Method::TRACE | Method::CONNECT);
    if req.body().is_end_stream() {
        if !bodiless {
            req.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
    } else if req.body().size_hint().exact().is_none() {
        req.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

//! [`Exchange`]: the record of one request and its response, and the connection it came on.
mod flags;
mod in_flight;
mod messages;
mod tunnel;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use gateway_core::model::{ClusterName, Origin};
use http::{HeaderMap, Request};
use tokio::{
    sync::Notify,
    time::{Duration, Instant, sleep},
};

use self::messages::Messages;
pub use self::{
    flags::{Flag, Flags},
    in_flight::{Guard, InFlight},
    tunnel::OnTunnel,
};
use crate::{
    body::{End, OnEnd, Side},
    conn::ConnInfo,
    error::Kind,
};

/// One request and its response. The connection's server makes it and puts an `Arc<Exchange>` into the request's
/// extensions; layers write down what they decide, logs and metrics read it when the response has ended. Layers
/// used alone work without it.
pub struct Exchange {
    conn: Arc<ConnInfo>,
    started: Instant,
    record: Mutex<Record>,
    request_ended: AtomicBool,
    /// The upstream, or who else reads the request's body, waits for the client.
    awaits_client: AtomicBool,
    grpc: AtomicBool,
    request_moves: Notify,
    /// Of the request and of the response, if it is gRPC.
    messages: Mutex<[Messages; 2]>,
    forwarded: OnceLock<Forwarded>,
    finish: OnceLock<Arc<dyn OnFinish>>,
    guard: OnceLock<Guard>,
}

/// What a trusted proxy in front said of its client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// Who it is, if it is not the peer.
    pub client: Option<IpAddr>,
    /// Whether it came by HTTPS, if that was said.
    pub https: Option<bool>,
}

/// What is known about the exchange so far.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Record {
    /// The chosen route.
    pub route: Option<Arc<RouteInfo>>,
    /// The chosen destination.
    pub destination: Option<Arc<DestinationInfo>>,
    /// The endpoint of the latest try.
    pub upstream: Option<SocketAddr>,
    /// Our address on the connection to it.
    pub upstream_local: Option<SocketAddr>,
    /// Endpoints of earlier tries, which the next one should not take.
    pub tried: Vec<SocketAddr>,
    /// Tries so far.
    pub attempts: u32,
    /// Envoy's response flags.
    pub flags: Flags,
    /// Envoy's response code details.
    pub details: Option<&'static str>,
    /// Why the transport to the upstream failed.
    pub transport_failure: Option<String>,
    /// The response's status; 0 before there is one.
    pub status: u16,
    /// `grpc-status` of the response, from its head or its trailers.
    pub grpc_status: Option<u16>,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: Option<&'static str>,
    /// Data bytes of the request's body.
    pub bytes_received: u64,
    /// Data bytes of the response's body.
    pub bytes_sent: u64,
    /// How the response ended.
    pub end: Option<End>,
    /// The request as it was sent upstream, if the route's response operators ask for it.
    pub sent: Option<Box<http::request::Parts>>,
    /// The request as it was routed (as it came, if it was refused before), if a log asks for it.
    pub request: Option<Box<http::request::Parts>>,
    /// The response's headers, if a log asks for them.
    pub response: Option<Box<HeaderMap>>,
}

/// A destination, as logs and metrics name it.
#[derive(Debug)]
pub struct DestinationInfo {
    /// The cluster.
    pub cluster: ClusterName,
    /// The namespace of its service, if it is known by more than its name.
    pub namespace: Option<Arc<str>>,
    /// Its metrics, made as they are needed.
    pub(crate) series: crate::http::metrics::SeriesTable,
    /// The same of connections.
    pub(crate) tcp: crate::http::metrics::TcpSeriesTable,
}

impl DestinationInfo {
    /// For requests from `workers` threads.
    #[must_use]
    pub fn new(cluster: ClusterName, workers: usize) -> Self {
        Self {
            cluster,
            namespace: None,
            series: crate::http::metrics::SeriesTable::new(workers),
            tcp: crate::http::metrics::TcpSeriesTable::new(workers),
        }
    }

    /// The namespace of its service.
    #[must_use]
    pub fn namespace(self, namespace: Option<Arc<str>>) -> Self {
        Self { namespace, ..self }
    }
}

/// A route, as logs, metrics and operators name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteInfo {
    /// `%ROUTE_NAME%`.
    pub name: String,
    /// The rule in the YAML.
    pub origin: Origin,
}

/// Called once, when the response has ended.
pub trait OnFinish: Send + Sync {
    /// The record is complete.
    fn finish(&self, exchange: &Exchange);
}

impl Exchange {
    /// Starts the record of a request.
    #[must_use]
    pub fn new(conn: Arc<ConnInfo>) -> Self {
        Self {
            conn,
            started: Instant::now(),
            record: Mutex::default(),
            request_ended: AtomicBool::new(false),
            awaits_client: AtomicBool::new(false),
            grpc: AtomicBool::new(false),
            request_moves: Notify::new(),
            messages: Mutex::default(),
            forwarded: OnceLock::new(),
            finish: OnceLock::new(),
            guard: OnceLock::new(),
        }
    }

    /// The record of a request that is made beside this one (a mirror's): on the same connection, counted too.
    #[must_use]
    pub fn beside(&self) -> Self {
        // A drain waits for clients, not for what is made beside them.
        let new = Self::new(Arc::new(ConnInfo { drain: None, ..(*self.conn).clone() }));
        if let Some(guard) = self.guard.get() {
            new.hold(guard.beside());
        }
        new
    }

    /// Notes what a trusted peer said; the first time only.
    pub fn set_forwarded(&self, forwarded: Forwarded) {
        // A second copy of the layer would say what the first one wrote.
        let _ = self.forwarded.set(forwarded);
    }

    /// What a trusted peer said.
    #[must_use]
    pub fn forwarded(&self) -> Forwarded {
        self.forwarded.get().copied().unwrap_or_default()
    }

    /// The client's address: the peer's, unless a trusted peer said another one.
    #[must_use]
    pub fn client(&self) -> IpAddr {
        self.forwarded().client.unwrap_or_else(|| self.conn.peer.ip())
    }

    /// Did the client come by HTTPS, to us or to a trusted peer?
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.forwarded().https.unwrap_or_else(|| self.conn.tls.is_some())
    }

    /// It is a gRPC request.
    pub fn set_grpc(&self) {
        self.grpc.store(true, Ordering::Relaxed);
    }

    /// Messages of a gRPC request, and of its response, so far.
    #[must_use]
    pub fn messages(&self) -> [u64; 2] {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).map(|messages| messages.count())
    }

    /// Is it a gRPC request?
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        self.grpc.load(Ordering::Relaxed)
    }

    /// Keeps a guard for as long as the record lives; the first one only.
    pub fn hold(&self, guard: Guard) {
        // A second copy of the layer counts the request a second time for a moment only.
        let _ = self.guard.set(guard);
    }

    /// The record of this request, if a server of ours took it.
    #[must_use]
    pub fn of<B>(req: &Request<B>) -> Option<&Arc<Self>> {
        req.extensions().get()
    }

    /// The connection.
    #[must_use]
    pub fn conn(&self) -> &Arc<ConnInfo> {
        &self.conn
    }

    /// When the request's head was complete.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// The record. Not to be held across an await.
    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets who is told of the end; the first one only.
    pub fn on_finish(&self, observer: Arc<dyn OnFinish>) {
        // A second observer is a second copy of the same layer: one record is logged once.
        let _ = self.finish.set(observer);
    }

    /// The exchange is over: tells the observer.
    pub(crate) fn finished(&self) {
        if let Some(observer) = self.finish.get() {
            observer.finish(self);
        }
    }

    /// The request has no more bytes to come.
    pub fn end_request(&self) {
        self.request_ended.store(true, Ordering::Release);
        self.set_awaits_client(false);
    }

    fn set_awaits_client(&self, waits: bool) {
        self.awaits_client.store(waits, Ordering::Release);
        self.request_moves.notify_waiters();
    }

    /// Have all bytes of the request been read?
    #[must_use]
    pub fn request_ended(&self) -> bool {
        self.request_ended.load(Ordering::Acquire)
    }

    /// Waits until the client is being waited for (`true`), or is not any more (`false`).
    async fn client_awaited(&self, waits: bool) {
        loop {
            let moves = self.request_moves.notified();
            if self.awaits_client.load(Ordering::Acquire) == waits {
                return;
            }
            moves.await;
        }
    }

    /// Sleeps, but not while the client's body is waited for: then the time begins anew. An upload does not count
    /// against the time that an answer may take; a body that nobody asks for does not stop the clock.
    pub async fn sleep_but_for_client(&self, time: Duration) {
        loop {
            self.client_awaited(false).await;
            tokio::select! {
                () = sleep(time) => return,
                () = self.client_awaited(true) => {}
            }
        }
    }
}

impl OnEnd for Exchange {
    fn end(self: Arc<Self>, side: Side, end: End, bytes: u64, trailers: Option<&HeaderMap>) {
        match side {
            Side::Request => {
                self.record().bytes_received = bytes;
                if end == End::Complete {
                    self.end_request();
                } else {
                    self.set_awaits_client(false);
                }
            }
            Side::Response => {
                {
                    let mut record = self.record();
                    record.bytes_sent = bytes;
                    record.end = Some(end);
                    if self.is_grpc()
                        && let Some(status) = trailers.and_then(grpc_status)
                    {
                        record.grpc_status = Some(status);
                    }
                    record.broken(end);
                }
                self.finished();
            }
        }
    }

    fn data(&self, side: Side, data: &[u8]) {
        if self.is_grpc() {
            let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
            let [request, response] = &mut *messages;
            if side == Side::Request { request } else { response }.add(data);
        }
    }

    fn waits(&self, side: Side, waits: bool) {
        if side == Side::Request {
            self.set_awaits_client(waits);
        }
    }
}

impl Record {
    /// Notes why a response did not come to its end, unless that is known already.
    fn broken(&mut self, end: End) {
        if self.flags != Flags::NONE {
            return;
        }
        match end {
            End::Dropped => self.flags.set(Flag::DownstreamTermination),
            End::Failed(kind) => {
                self.flags.join(kind.flag());
                self.details = Some(match kind {
                    Kind::Closed => "upstream_reset_after_response_started{connection_termination}",
                    Kind::Reset => "upstream_reset_after_response_started{remote_reset}",
                    other => other.details(),
                });
            }
            End::Complete => {}
        }
    }
}

/// The `grpc-status` among headers or trailers; what is no code of gRPC is UNKNOWN (2), as in its clients.
#[must_use]
pub fn grpc_status(headers: &HeaderMap) -> Option<u16> {
    let code = headers.get("grpc-status")?.to_str().ok()?.parse().unwrap_or(2);
    Some(if code <= 16 { code } else { 2 })
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("conn", &self.conn).field("record", &*self.record()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_the_request_is_not_missed() {
        let exchange = Arc::new(Exchange::new(Arc::new(ConnInfo::new(([127, 0, 0, 1], 1).into()))));
        let waiting = tokio::spawn({
            let exchange = exchange.clone();
            async move { exchange.client_awaited(false).await }
        });
        exchange.waits(Side::Request, true);
        tokio::task::yield_now().await;
        exchange.clone().end(Side::Request, End::Complete, 5, None);
        waiting.await.expect("no panic");
        assert!(exchange.request_ended());
        assert_eq!(exchange.record().bytes_received, 5);
    }
}

//! [`Gateway`]: the assembled gateway, and its builder.
use std::{
    convert::Infallible,
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use gateway_core::model::{Config, Listener, Transport};
use http::{Request, Response};
use metrics::Recorder;
use tokio::time::{Instant, sleep_until, timeout_at};
use tower_service::Service;

use super::{
    build::{Builder, Built, ServerIds},
    credentials::Problem,
    filter::Filter,
    http::http,
    listener::Bound,
    observers::Observers,
    options::Options,
    renew::{Served, tls_table},
    routing::Snapshot,
    tcp::Passthrough,
};
use crate::{
    BoxError,
    body::Body,
    conn::{ConnInfo, ConnLimitLayer, ConnMetrics, Drain, Phase, ServerId, tls::TlsTable},
    exchange::{Exchange, InFlight},
    http::{access_log::AccessLog, metrics::Metrics},
    live::Live,
    random::Random,
    upstream::{ConnectTo, Context, Resolve},
};

/// The assembled gateway. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) live: Arc<Live<Snapshot>>,
    /// Of each listener; without a name where no TLS is spoken.
    pub(super) tls: Vec<Arc<Live<TlsTable<Passthrough>>>>,
    /// What the tables are made of.
    pub(super) served: Mutex<Vec<Vec<Served>>>,
    pub(super) options: Options,
    pub(super) observers: Arc<Observers>,
    pub(super) conn_metrics: ConnMetrics,
    pub(super) conn_limit: ConnLimitLayer,
    pub(super) builder: Builder,
    problems: Vec<Problem>,
}

/// Makes a [`Gateway`].
pub struct GatewayBuilder {
    config: Config,
    options: Options,
    context: Context,
    filters: Vec<Arc<dyn Filter>>,
    recorder: Option<Arc<dyn Recorder + Send + Sync>>,
    access_log: Option<AccessLog>,
    skip_errors: bool,
}

/// Why no gateway was built: credentials that are named by their path and cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct BuildError {
    /// What is wrong with them.
    pub problems: Vec<Problem>,
}

impl GatewayBuilder {
    /// Settings of the process.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Threads that will serve: pools and metrics have a shard for each \[1\]. Give the number of the runtime's
    /// threads when the gateway is embedded.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.context.workers = workers.max(1);
        self.context.random = Random::new(self.context.workers);
        self
    }

    /// Adds a filter; the first one stands outermost.
    #[must_use]
    pub fn filter(mut self, filter: impl Filter) -> Self {
        self.filters.push(Arc::new(filter));
        self
    }

    /// Records Istio's metrics there. Without it none are recorded.
    #[must_use]
    pub fn metrics(mut self, recorder: Arc<dyn Recorder + Send + Sync>) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Writes an access log.
    #[must_use]
    pub fn access_log(mut self, log: AccessLog) -> Self {
        self.access_log = Some(log);
        self
    }

    /// Finds addresses of names \[the operating system\].
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        self.context.resolver = Arc::new(resolver);
        self
    }

    /// Sends connections to endpoints elsewhere, below all names: a seam for tests.
    #[must_use]
    pub fn connect_to(mut self, map: impl Fn(SocketAddr) -> SocketAddr + Send + Sync + 'static) -> Self {
        self.context.connect_to = ConnectTo::new(map);
        self
    }

    /// Draws endpoints, weights and shares from there; after [`workers`](Self::workers).
    #[must_use]
    pub fn random(mut self, random: Random) -> Self {
        self.context.random = random;
        self
    }

    /// Builds although credentials that are named by their path cannot be read: their servers' handshakes fail.
    #[must_use]
    pub const fn skip_errors(mut self) -> Self {
        self.skip_errors = true;
        self
    }

    /// Builds everything, opens nothing.
    ///
    /// # Errors
    /// If a credential that is named by its path cannot be read.
    pub fn build(self) -> Result<Gateway, BuildError> {
        let workers = self.context.workers;
        let random = self.context.random.clone();
        let conn_metrics = self.recorder.as_deref().map(|recorder| ConnMetrics::new(recorder)).unwrap_or_default();
        let observers = Arc::new(Observers {
            metrics: self.recorder.map(|recorder| Metrics::new(recorder, workers)),
            access_log: self.access_log,
            in_flight: InFlight::default(),
        });
        let (filters, ids) = (self.filters, ServerIds::default());
        let builder = Builder { context: self.context, filters, random, ids, observers: observers.clone() };
        let Built { snapshot, served, problems } = builder.build(self.config);
        if !self.skip_errors && problems.iter().any(|problem| problem.error) {
            return Err(BuildError { problems });
        }
        let live = Arc::new(Live::new(snapshot));
        let config = live.look(|snapshot| snapshot.config.clone());
        let tables = config.listeners.iter().zip(&served);
        let tls = tables.map(|(listener, served)| tls_table(listener, &builder.ids, served, &live)).collect();
        Ok(Gateway(Arc::new(Shared {
            live,
            served: Mutex::new(served),
            tls,
            conn_limit: limit(&self.options).metrics(conn_metrics.clone()),
            conn_metrics,
            options: self.options,
            observers,
            builder,
            problems,
        })))
    }
}

fn limit(options: &Options) -> ConnLimitLayer {
    let limit = ConnLimitLayer::new(options.max_connections.unwrap_or(usize::MAX));
    match options.max_connections_per_address {
        Some(most) => limit.per_address(most),
        None => limit,
    }
}

impl Gateway {
    /// Starts with a configuration: what `gateway_core::translate` makes of Istio's resources, or one built by hand.
    #[must_use]
    pub fn builder(config: Config) -> GatewayBuilder {
        GatewayBuilder {
            config,
            options: Options::default(),
            context: Context::default(),
            filters: Vec::new(),
            recorder: None,
            access_log: None,
            skip_errors: false,
        }
    }

    /// The configuration that is served.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.0.live.look(|snapshot| snapshot.config.clone())
    }

    /// Credentials that could not be used: their servers' handshakes fail.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// Requests under way, mirrored ones too, and connections whose bytes nobody looks into.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.0.observers.in_flight.now()
    }

    /// Waits until nothing is under way, mirrored requests included.
    pub async fn idle(&self) {
        self.0.observers.in_flight.none().await;
    }

    /// Opens the listeners.
    ///
    /// # Errors
    /// If a port cannot be opened: it is in use, or needs a privilege.
    pub fn bind(&self) -> io::Result<Bound> {
        Bound::open(self)
    }

    /// The HTTP stack of one plain listener, to be mounted in a service of one's own (axum: `fallback_service`); of
    /// several of the port, which differ in `bind`, the first. `None` if the configuration has no such listener. Put
    /// an `Arc<ConnInfo>` into the extensions to say who the peer is.
    pub fn http<B>(
        &self,
        port: u16,
    ) -> Option<
        impl Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
        + use<B>,
    >
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let config = self.config();
        let plain = |listener: &&Listener| matches!(listener.transport, Transport::Http(_));
        let bind = config.listeners_of(port).find(plain)?.bind;
        self.http_at(bind, port)
    }

    /// The same of the listener with this `bind`.
    pub fn http_at<B>(
        &self,
        bind: Option<IpAddr>,
        port: u16,
    ) -> Option<
        impl Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
        + use<B>,
    >
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let config = self.config();
        let listener = config.listeners_of(port).find(|listener| listener.bind == bind)?;
        let Transport::Http(routes) = &listener.transport else { return None };
        let id = self.0.builder.ids.get(listener, &routes.name);
        let inner = http(&self.0);
        Some(tower::util::MapRequest::new(inner, move |req: Request<B>| assigned(req, id)))
    }

    /// Ends gracefully: connections are told not to come again while new ones are still answered, until no request
    /// is under way, but for `least` at least; then the listeners close. True if all connections ended within
    /// `deadline`.
    pub async fn drain(&self, drain: &Drain, least: Duration, deadline: Duration) -> bool {
        let start = Instant::now();
        let end = start + deadline;
        drain.order(Phase::Draining);
        sleep_until((start + least).min(end)).await;
        // A deadline that passes here is noticed below.
        let _ = timeout_at(end, self.idle()).await;
        drain.order(Phase::Closing);
        timeout_at(end, drain.ended()).await.is_ok()
    }
}

/// A request that another server took over from its own connection.
fn assigned<B>(mut req: Request<B>, id: ServerId) -> Request<B> {
    let conn = match Exchange::of(&req) {
        Some(exchange) => exchange.conn().clone(),
        None => req
            .extensions()
            .get::<Arc<ConnInfo>>()
            .cloned()
            .unwrap_or_else(|| Arc::new(ConnInfo::new(([0, 0, 0, 0], 0).into()))),
    };
    let conn = Arc::new(ConnInfo { server: Some(id), ..(*conn).clone() });
    req.extensions_mut().insert(Arc::new(Exchange::new(conn)));
    req
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("live", &self.0.live).finish_non_exhaustive()
    }
}

impl fmt::Debug for GatewayBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}

//! [`Cluster`]: the endpoints of a destination, and a service that sends requests to them.
use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gateway_core::model::{self, ClusterName, DnsName, Endpoints, Protocol};
use http::{Request, Response};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tower_service::Service;
use tracing::{debug, warn};

use super::{
    balance::pick,
    connect::ConnectTo,
    endpoint::{Active, Connections, Endpoint},
    pool::Pool as _,
    resolve::{Resolve, SystemResolver},
};
use crate::{
    body::Body,
    error::{Error, Kind},
    exchange::Exchange,
    live::Live,
    random::Random,
};

/// How long an answer of the resolver is used before it is asked again, beside the traffic.
const REFRESH: Duration = Duration::from_secs(30);
/// How long it is believed that there is none.
const NO_ANSWER: Duration = Duration::from_secs(1);

/// What clusters are given by whoever makes them.
#[derive(Clone)]
pub struct Context {
    /// Threads that send requests: shards of each pool \[1\].
    pub workers: usize,
    /// Redirects connections; a seam for tests.
    pub connect_to: ConnectTo,
    /// Draws endpoints.
    pub random: Random,
    /// Finds addresses of names.
    pub resolver: Arc<dyn Resolve>,
}

impl Default for Context {
    fn default() -> Self {
        let resolver = Arc::new(SystemResolver);
        Self { workers: 1, connect_to: ConnectTo::default(), random: Random::new(1), resolver }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("workers", &self.workers).finish_non_exhaustive()
    }
}

/// The endpoints of a destination. Cheap to clone; connections live as long as a clone does.
#[derive(Clone, Debug)]
pub struct Cluster(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: ClusterName,
    namespace: Option<Arc<str>>,
    protocol: Protocol,
    connect_timeout: Duration,
    context: Context,
    endpoints: Live<Vec<Arc<Endpoint>>>,
    names: Option<Names>,
    complaints: Complaints,
}

/// A connection to an endpoint, which counts as one of its requests while it lives.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) io: TcpStream,
    pub(super) active: Active,
}

/// Says that an endpoint cannot be reached, once a second for a cluster: an operator must see it, and a flood of
/// requests must not become a flood of lines.
#[derive(Debug, Default)]
struct Complaints(Mutex<Option<Instant>>);

impl Complaints {
    fn unreachable(&self, cluster: &ClusterName, endpoint: SocketAddr, error: &Error) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= Duration::from_secs(1)) {
            *last = Some(Instant::now());
            warn!(%cluster, %endpoint, %error, "upstream cannot be reached");
        }
    }
}

/// Names whose addresses are the endpoints.
#[derive(Debug)]
struct Names {
    names: Vec<DnsName>,
    /// The last answer for each of them.
    answers: Mutex<Vec<Vec<SocketAddr>>>,
    /// No answer is an unknown cluster, not an empty one.
    unlisted: bool,
    /// When the resolver was asked last, and whether it is being asked.
    asked: Mutex<(Option<Instant>, bool)>,
    first: tokio::sync::Mutex<()>,
}

impl Names {
    fn answered(&self, number: usize, addresses: Vec<SocketAddr>) {
        if let Some(answer) = self.answers.lock().unwrap_or_else(PoisonError::into_inner).get_mut(number) {
            *answer = addresses;
        }
    }

    fn endpoints(&self) -> Vec<model::Endpoint> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let named = self.names.iter().zip(answers.iter());
        named
            .flat_map(|(name, answer)| answer.iter().map(|&address| model::Endpoint { address, weight: name.weight }))
            .collect()
    }
}

impl Cluster {
    /// Is HTTP/2 spoken to it?
    #[must_use]
    pub fn is_http2(&self) -> bool {
        self.0.protocol == Protocol::Http2
    }

    /// As the model describes it. Nothing is connected or resolved before the first request.
    #[must_use]
    pub fn new(cluster: model::Cluster, context: &Context) -> Self {
        let (fixed, names) = match cluster.endpoints {
            Endpoints::Static(endpoints) => (endpoints, None),
            Endpoints::Dns(names) => (Vec::new(), Some((names, false))),
            Endpoints::Unlisted(host, port) => (Vec::new(), Some((vec![DnsName { host, port, weight: 1 }], true))),
        };
        let names = names.map(|(names, unlisted)| Names {
            answers: Mutex::new(vec![Vec::new(); names.len()]),
            names,
            unlisted,
            asked: Mutex::default(),
            first: tokio::sync::Mutex::default(),
        });
        let endpoint = |endpoint: &model::Endpoint| {
            Arc::new(Endpoint::new(endpoint, cluster.protocol, context, cluster.connect_timeout))
        };
        Self(Arc::new(Inner {
            name: cluster.name,
            namespace: cluster.namespace,
            protocol: cluster.protocol,
            connect_timeout: cluster.connect_timeout,
            context: context.clone(),
            endpoints: Live::new(fixed.iter().map(endpoint).collect()),
            names,
            complaints: Complaints::default(),
        }))
    }

    /// Its identity.
    #[must_use]
    pub fn name(&self) -> &ClusterName {
        &self.0.name
    }

    /// The namespace of its service, if it is known.
    #[must_use]
    pub fn namespace(&self) -> Option<&Arc<str>> {
        self.0.namespace.as_ref()
    }

    /// The addresses as known now.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.endpoints.look(|endpoints| endpoints.iter().map(|endpoint| endpoint.address()).collect())
    }

    /// Sends requests to it. Always ready.
    #[must_use]
    pub fn service(
        &self,
    ) -> impl Service<Request<Body>, Response = Response<Body>, Error = Error, Future: Send> + Clone + Send + Sync + 'static
    {
        let cluster = self.clone();
        // In a box of its own: every layer above would move its future, which is the largest, once more.
        tower::service_fn(move |req| Box::pin(cluster.clone().send(req)))
    }

    #[expect(clippy::manual_async_fn, reason = "an `async fn` would keep the request twice")]
    /// One try: picks an endpoint and sends the request to it. An error that carries the request was never sent.
    pub fn send(self, req: Request<Body>) -> impl Future<Output = Result<Response<Body>, Error>> + Send {
        async move {
            if let Some(names) = &self.0.names
                && let Err(error) = Box::pin(self.resolved(names)).await
            {
                return Err(error);
            }
            let exchange = Exchange::of(&req).cloned();
            let Some(active) = self.pick(exchange.as_deref()) else {
                return Err(Error::new(Kind::NoHealthyHost));
            };
            let pool = active.endpoint().pool.clone();
            let endpoint = active.endpoint().address();
            let answer = match &pool {
                Connections::Http1(pool) => pool.send(req, active).await,
                Connections::Http2(pool) => Box::pin(pool.send(req, active)).await,
            };
            let (response, local) = match answer {
                Ok(answer) => answer,
                Err(error) => {
                    if matches!(error.kind(), Kind::Connect | Kind::ConnectTimeout) {
                        self.0.complaints.unreachable(&self.0.name, endpoint, &error);
                    }
                    return Err(error);
                }
            };
            if let Some(exchange) = exchange {
                exchange.record().upstream_local = local;
            }
            Ok(response)
        }
    }

    /// A connection of one's own to an endpoint: one attempt. The record gets endpoint and addresses.
    pub(super) async fn connect(&self, exchange: &Exchange) -> Result<Connected, Error> {
        if let Some(names) = &self.0.names {
            Box::pin(self.resolved(names)).await?;
        }
        let Some(active) = self.pick(Some(exchange)) else {
            return Err(Error::new(Kind::NoHealthyHost));
        };
        let io = active.endpoint().connect().await.inspect_err(|error| {
            self.0.complaints.unreachable(&self.0.name, active.endpoint().address(), error);
        })?;
        exchange.record().upstream_local = io.local_addr().ok();
        Ok(Connected { io, active })
    }

    fn pick(&self, exchange: Option<&Exchange>) -> Option<Active> {
        let mut record = exchange.map(Exchange::record);
        let tried = record.as_ref().map_or(&[][..], |record| record.tried.as_slice());
        let active =
            self.0.endpoints.look(|endpoints| pick(endpoints, tried, &self.0.context.random).map(Active::new))?;
        if let Some(record) = &mut record {
            record.upstream = Some(active.endpoint().address());
        }
        Some(active)
    }

    /// Waits for the first answer of the resolver; later ones are fetched beside the traffic.
    async fn resolved(&self, names: &Names) -> Result<(), Error> {
        let lasts = if self.0.endpoints.look(Vec::is_empty) { NO_ANSWER } else { REFRESH };
        let due = {
            let mut asked = names.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let due = asked.0.is_some_and(|at| at.elapsed() >= lasts) && !asked.1;
            asked.1 |= due;
            due
        };
        if due {
            let cluster = self.clone();
            tokio::spawn(async move { cluster.refresh().await });
        }
        if names.asked.lock().unwrap_or_else(PoisonError::into_inner).0.is_none() {
            let _one_at_a_time = names.first.lock().await;
            if names.asked.lock().unwrap_or_else(PoisonError::into_inner).0.is_none() {
                self.refresh().await;
            }
        }
        let unknown = names.unlisted && self.0.endpoints.look(Vec::is_empty);
        if unknown { Err(Error::new(Kind::NoCluster)) } else { Ok(()) }
    }

    /// Asks the resolver. A name without an answer keeps the addresses that it had.
    async fn refresh(&self) {
        let Some(names) = &self.0.names else { return };
        let mut failed = false;
        for (number, DnsName { host, port, .. }) in names.names.iter().enumerate() {
            match timeout(self.0.connect_timeout, self.0.context.resolver.resolve(host, *port)).await {
                Ok(Ok(addresses)) if !addresses.is_empty() => names.answered(number, addresses),
                Ok(Err(error)) => {
                    debug!(cluster = %self.0.name, host, %error, "name has no answer");
                    failed = true;
                }
                Ok(Ok(_)) | Err(_) => failed = true,
            }
        }
        if failed {
            warn!(cluster = %self.0.name, "not all names of the cluster have an answer");
        }
        self.replace(&names.endpoints());
        *names.asked.lock().unwrap_or_else(PoisonError::into_inner) = (Some(Instant::now()), false);
    }

    /// Endpoints that stay keep their connections.
    fn replace(&self, found: &[model::Endpoint]) {
        let old = self.0.endpoints.load_full();
        let endpoint = |model: &model::Endpoint| {
            let same = |old: &&Arc<Endpoint>| old.address() == model.address && old.weight() == model.weight;
            old.iter().find(same).cloned().unwrap_or_else(|| {
                Arc::new(Endpoint::new(model, self.0.protocol, &self.0.context, self.0.connect_timeout))
            })
        };
        let mut new: Vec<_> = found.iter().map(endpoint).collect();
        new.sort_by_key(|endpoint| endpoint.address());
        new.dedup_by_key(|endpoint| endpoint.address());
        self.0.endpoints.store(new);
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::atomic::AtomicU32, sync::atomic::Ordering};

    use super::*;
    use crate::BoxFuture;

    /// Gives its answers one after the other; the last one for ever.
    struct Answers(AtomicU32, &'static [Option<u16>]);

    impl Resolve for Answers {
        fn resolve(&self, _: &str, _: u16) -> BoxFuture<Vec<SocketAddr>, io::Error> {
            let asked = self.0.fetch_add(1, Ordering::Relaxed) as usize;
            let answer = self.1[asked.min(self.1.len() - 1)];
            let answer = answer.map(|port| vec![SocketAddr::from(([127, 0, 0, 1], port))]);
            Box::pin(std::future::ready(answer.ok_or_else(|| io::ErrorKind::NotFound.into())))
        }
    }

    fn cluster(endpoints: Endpoints, answers: &'static [Option<u16>]) -> Cluster {
        let resolver = Arc::new(Answers(AtomicU32::new(0), answers));
        let model = model::Cluster {
            name: ClusterName { host: "a".into(), port: 80, subset: "".into() },
            namespace: None,
            protocol: Protocol::Http1,
            endpoints,
            connect_timeout: Duration::from_secs(1),
        };
        Cluster::new(model, &Context { resolver, ..Context::default() })
    }

    async fn kind(cluster: &Cluster) -> Kind {
        cluster.clone().send(Request::new(Body::empty())).await.expect_err("nobody listens there").kind()
    }

    #[tokio::test(start_paused = true)]
    async fn names_are_resolved_at_the_first_request_and_the_last_answer_is_kept() {
        let unlisted = cluster(Endpoints::Unlisted("a".to_owned(), 80), &[None, Some(1), None]);
        assert_eq!(kind(&unlisted).await, Kind::NoCluster, "an unknown host");
        tokio::time::advance(NO_ANSWER).await;
        assert_eq!(kind(&unlisted).await, Kind::NoCluster, "asked again, beside the traffic");
        tokio::task::yield_now().await;
        assert_eq!(kind(&unlisted).await, Kind::Connect, "there it is");
        tokio::time::advance(REFRESH).await;
        kind(&unlisted).await;
        tokio::task::yield_now().await;
        assert_eq!(unlisted.addresses().len(), 1, "no answer does not take the last one away");
        let name = |host: &str, weight| DnsName { host: host.to_owned(), port: 80, weight };
        let two = Endpoints::Dns(vec![name("a", 1), name("b", 3)]);
        let two = cluster(two, &[Some(1), Some(2), None, Some(3)]);
        kind(&two).await;
        tokio::time::advance(REFRESH).await;
        kind(&two).await;
        tokio::task::yield_now().await;
        let ports: Vec<_> = two.addresses().iter().map(SocketAddr::port).collect();
        assert_eq!(ports, [1, 3], "each name keeps its own last answer");
        let weights = two.0.endpoints.look(|all| all.iter().map(|endpoint| endpoint.weight()).collect::<Vec<_>>());
        assert_eq!(weights, [1, 3]);
        assert_eq!(kind(&cluster(Endpoints::Dns(vec![name("a", 1)]), &[None])).await, Kind::NoHealthyHost);
        assert_eq!(kind(&cluster(Endpoints::Static(Vec::new()), &[None])).await, Kind::NoHealthyHost);
    }
}

//! One route's chain, composed when the configuration is built: what every route has is static behind one box, each
//! configured extra is one more.
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use gateway_core::model::{self, Action, ClusterName, Destination, Forward, HeaderOps};
use http::{Request, Response};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, service_fn};
use tower_service::Service;

use super::filter::{DestinationSlot, Filter, RouteSlot};
use crate::{
    HttpService,
    body::Body,
    error::{Error, Kind},
    exchange::{DestinationInfo, Exchange},
    http::{
        CorsLayer, DirectResponse, FaultLayer, HeadersLayer, MirrorLayer, Redirect, RescueLayer, RetryLayer,
        RewriteLayer, Split, TimeoutLayer, UpgradeLayer, UpstreamHeadLayer, headers::asks_for_request, observe::head,
        timeout::ResponseBody,
    },
    random::Random,
    service::SharedService,
    upstream::Cluster,
};

/// What routes are made of.
pub(super) struct Parts<'a> {
    pub(super) clusters: &'a HashMap<ClusterName, Cluster>,
    pub(super) destinations: HashMap<ClusterName, Arc<DestinationInfo>>,
    pub(super) filters: &'a [Arc<dyn Filter>],
    pub(super) random: &'a Random,
    pub(super) workers: usize,
}

impl Parts<'_> {
    /// The finished service of a route.
    pub(super) fn route(&mut self, route: &model::Route) -> HttpService {
        let service = match &route.action {
            Action::Forward(forward) => self.forward(forward),
            Action::Redirect(redirect) => {
                answering(&redirect.response_headers, Redirect::<Body>::new(redirect.clone()))
            }
            Action::DirectResponse(direct) => answering(
                &direct.response_headers,
                DirectResponse::<Body>::new(direct.status, bytes::Bytes::from(direct.body.clone())),
            ),
        };
        let slot = RouteSlot { route };
        self.filters.iter().rev().fold(service, |next, filter| filter.route(&slot, next))
    }

    fn forward(&mut self, forward: &Forward) -> HttpService {
        let mut services: Vec<_> =
            forward.destinations.iter().map(|to| (to.weight, self.destination(forward, to))).collect();
        match services.len() {
            0 => SharedService::new(service_fn(async |_| Err(Error::new(Kind::NoCluster)))),
            1 => services.remove(0).1,
            // A retry stays with the destination that was drawn, so the draw stands outside of it.
            _ => SharedService::new(Split::new(services, self.random.clone())),
        }
    }

    /// The chain of one destination, from the inside out.
    fn destination(&mut self, forward: &Forward, to: &Destination) -> HttpService {
        let info = self.info(&to.cluster);
        let Some(cluster) = self.clusters.get(&to.cluster).cloned() else {
            let unknown = service_fn(async |_: Request<Body>| Err::<Response<Body>, _>(Error::new(Kind::NoCluster)));
            return self.finish(forward, to, info, RescueLayer.layer(unknown));
        };
        let retry = RetryLayer::new(forward.retry.clone(), self.random.clone());
        let retry = if cluster.is_http2() { retry.streams() } else { retry };
        let slot = DestinationSlot { destination: to };
        // Retries are counted and bounded around each try; an upgrade is one exchange, whatever the tries.
        let tries = ServiceBuilder::new().layer(UpgradeLayer).layer(retry);
        let extras = Extras::of(forward, to);
        if self.filters.is_empty() && !extras.any() {
            // The plain route: everything static, one box.
            let chain = ServiceBuilder::new().layer(UpstreamHeadLayer).service(tries.service(cluster.service()));
            return self.limited(forward, to, info, chain);
        }
        let each_try = SharedService::new(cluster.service());
        let each_try = self.filters.iter().rev().fold(each_try, |next, filter| filter.destination(&slot, next));
        let mut chain: HttpService = SharedService::new(tries.service(each_try));
        if extras.record {
            // Below everything that changes the request: response operators ask for it as it was sent.
            chain = SharedService::new(KeepRequest(chain));
        }
        if extras.mirror {
            // Once per request, not per try, and of the request as it goes upstream.
            let mut mirror = MirrorLayer::new(self.mirrors(forward), self.random.clone());
            if let Some(limit) = forward.timeout {
                mirror = mirror.limit(limit);
            }
            chain = SharedService::new(mirror.layer(chain));
        }
        if extras.rewrite {
            // Below the operations, which see the old path.
            let rewrite = RewriteLayer::new(forward.rewrite.clone(), to.host_rewrite.clone());
            chain = SharedService::new(rewrite.layer(chain));
        }
        if extras.request {
            // Below the headers that the gateway writes, so that they can be changed.
            let ops = HeadersLayer::new(to.request_headers.clone(), HeaderOps::default());
            chain = SharedService::new(ops.layer(chain));
        }
        self.limited(forward, to, info, UpstreamHeadLayer.layer(chain))
    }

    fn limited<S>(&self, forward: &Forward, to: &Destination, info: Arc<DestinationInfo>, chain: S) -> HttpService
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        let timeout = TimeoutLayer::new(forward.timeout).per_try(forward.retry.per_try_timeout);
        let limited = timeout.layer(chain).map_response(|response: Response<_>| response.map(unboxed));
        // The router's errors become answers here, so that the route's response operations reach them.
        self.finish(forward, to, info, RescueLayer.layer(limited))
    }

    fn finish<S>(&self, forward: &Forward, to: &Destination, info: Arc<DestinationInfo>, chain: S) -> HttpService
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        // Route and destination level in one list.
        let ops = HeadersLayer::new(HeaderOps::default(), to.response_headers.clone());
        if forward.cors.is_none() && forward.fault.is_none() {
            return SharedService::new(Chosen { inner: ops.layer(chain), info }.map_err(Error::from));
        }
        let mut outer: SharedService<Request<Body>, Response<Body>, Infallible> = SharedService::new(ops.layer(chain));
        if let Some(cors) = &forward.cors {
            // Above the operations: a preflight has none, and CORS headers win.
            outer = SharedService::new(CorsLayer::new(cors.clone()).layer(outer));
        }
        if let Some(fault) = &forward.fault {
            // Above CORS: an aborted preflight has no CORS headers. Its reply gets the destination's operations.
            let fault = FaultLayer::new(fault.clone(), self.random.clone());
            outer = SharedService::new(fault.reply_headers(to.response_headers.clone()).layer(outer));
        }
        SharedService::new(Chosen { inner: outer, info }.map_err(Error::from))
    }

    /// Mirrors whose cluster is known; others are left out.
    fn mirrors(&self, forward: &Forward) -> Vec<(HttpService, model::Fraction)> {
        let known = |mirror: &model::Mirror| {
            let cluster = self.clusters.get(&mirror.cluster)?;
            Some((SharedService::new(cluster.service()), mirror.share))
        };
        forward.mirrors.iter().filter_map(known).collect()
    }

    /// What logs and metrics call a cluster.
    pub(super) fn info(&mut self, cluster: &ClusterName) -> Arc<DestinationInfo> {
        let namespace = self.clusters.get(cluster).and_then(Cluster::namespace);
        let new = || Arc::new(DestinationInfo::new(cluster.clone(), self.workers).namespace(namespace.cloned()));
        self.destinations.entry(cluster.clone()).or_insert_with(new).clone()
    }
}

/// What a destination has beyond the plain chain.
struct Extras {
    mirror: bool,
    rewrite: bool,
    request: bool,
    record: bool,
}

impl Extras {
    fn of(forward: &Forward, to: &Destination) -> Self {
        Self {
            mirror: !forward.mirrors.is_empty(),
            rewrite: forward.rewrite.is_some() || to.host_rewrite.is_some(),
            request: !to.request_headers.is_empty(),
            record: asks_for_request(&to.response_headers),
        }
    }

    const fn any(&self) -> bool {
        self.mirror || self.rewrite || self.request || self.record
    }
}

/// Most bodies have no limit and need no box.
fn unboxed(body: ResponseBody<Body>) -> Body {
    match body.unlimited() {
        Ok(body) => body,
        Err(limited) => Body::new(limited),
    }
}

/// A route that answers by itself, with its response operations.
fn answering<S>(ops: &HeaderOps, service: S) -> HttpService
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let ops_layer = HeadersLayer::new(HeaderOps::default(), ops.clone());
    let service = ops_layer.layer(service).map_err(Error::from);
    if asks_for_request(ops) { SharedService::new(KeepRequest(service)) } else { SharedService::new(service) }
}

/// Writes down which destination was drawn.
#[derive(Clone, Debug)]
struct Chosen<S> {
    inner: S,
    info: Arc<DestinationInfo>,
}

impl<S: Service<Request<Body>>> Service<Request<Body>> for Chosen<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<Body>) -> S::Future {
        if let Some(exchange) = Exchange::of(&req) {
            exchange.record().destination = Some(self.info.clone());
        }
        self.inner.call(req)
    }
}

/// Keeps the request's head for the response's operators.
#[derive(Clone, Debug)]
struct KeepRequest<S>(S);

impl<S: Service<Request<Body>>> Service<Request<Body>> for KeepRequest<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, req: Request<Body>) -> S::Future {
        if let Some(exchange) = Exchange::of(&req) {
            exchange.record().sent = Some(Box::new(head(&req)));
        }
        self.0.call(req)
    }
}

//! What every layer keeps, whatever else it does: readiness passes through, an inner error stays what it is, a clone
//! is independent, trailers and upgrades survive, and a future may be dropped half-way.
#![cfg(feature = "stack")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use gateway_core::{
    model::{Cors, Fault, HeaderOp, HeaderOps, RequestMatch, RetryPolicy},
    template::Template,
};
use gateway_layers::{
    body::Body,
    error::{Error, Kind},
    exchange::{Exchange, InFlight, OnFinish},
    http::{
        CorsLayer, FaultLayer, HeadersLayer, HttpsRedirectLayer, MirrorLayer, NormalizeLayer, ObserveLayer,
        RequestHeadLayer, ResponseHeadLayer, RetryLayer, RewriteLayer, RouteLayer, TimeoutLayer, UpgradeLayer,
        UpstreamHeadLayer, VirtualHostLayer,
    },
    random::Random,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer, Service, ServiceExt as _};

type Req = Request<Body>;

/// Fails each time with a kind that no layer handles, or answers with a trailer; counts calls; ready on demand.
#[derive(Clone)]
struct Inner {
    ready: bool,
    fails: bool,
    calls: Arc<AtomicUsize>,
}

impl Inner {
    fn new() -> Self {
        Self { ready: true, fails: false, calls: Arc::default() }
    }
}

impl Service<Req> for Inner {
    type Response = Response<Body>;
    type Error = Error;
    type Future = std::future::Ready<Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.ready { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, _: Req) -> Self::Future {
        assert!(self.ready, "called before it was ready");
        self.calls.fetch_add(1, Ordering::Relaxed);
        std::future::ready(if self.fails { Err(Error::new(Kind::Client)) } else { Ok(with_trailers()) })
    }
}

fn with_trailers() -> Response<Body> {
    let trailers = HeaderMap::from_iter([(HeaderName::from_static("x-end"), HeaderValue::from_static("1"))]);
    let body = Full::new(Bytes::from_static(b"data")).with_trailers(async { Some(Ok(trailers)) });
    Response::new(Body::new(body))
}

fn request() -> Req {
    let mut req = Request::builder().uri("/x").header("host", "a.com").body(Body::empty()).expect("valid");
    req.extensions_mut().insert(Marker);
    req
}

/// Stands for what hyper keeps in the extensions: an upgrade.
#[derive(Clone, Debug, PartialEq)]
struct Marker;

/// All of it, for one layer. `waits`: the layer passes readiness through (one that chooses is always ready).
async fn holds<L>(name: &str, layer: L, waits: bool)
where
    L: Layer<Inner>,
    L::Service: Service<Req, Error = Error> + Clone,
    <L::Service as Service<Req>>::Response: Into<AnyResponse>,
{
    let inner = Inner::new();
    let calls = inner.calls.clone();
    let mut service = layer.layer(inner);
    let mut clone = service.clone();
    clone.ready().await.expect(name);
    let answer: AnyResponse = service.ready().await.expect(name).call(request()).await.expect(name).into();
    assert_eq!(calls.load(Ordering::Relaxed), 1, "{name}: exactly one call");
    let body = answer.0.into_body().collect().await.expect(name);
    assert!(body.trailers().is_some_and(|trailers| trailers.contains_key("x-end")), "{name}: trailers survive");
    assert_eq!(body.to_bytes(), "data", "{name}");

    let failing = layer.layer(Inner { fails: true, ..Inner::new() });
    let error = failing.oneshot(request()).await.err().unwrap_or_else(|| panic!("{name}: an error"));
    assert_eq!(error.kind(), Kind::Client, "{name}: the inner error is kept");

    if waits {
        let mut waiting = layer.layer(Inner { ready: false, ..Inner::new() });
        let ready = waiting.poll_ready(&mut Context::from_waker(Waker::noop()));
        assert!(ready.is_pending(), "{name}: readiness passes through");
    }
    let mut dropped = layer.layer(Inner::new());
    let future = dropped.ready().await.expect(name).call(request());
    drop(future);
    dropped.oneshot(request()).await.unwrap_or_else(|_| panic!("{name}: usable after a dropped future"));
}

/// Responses of any body type as one.
struct AnyResponse(Response<Body>);

impl From<Response<Body>> for AnyResponse {
    fn from(response: Response<Body>) -> Self {
        Self(response)
    }
}

impl From<Response<gateway_layers::http::timeout::ResponseBody<Body>>> for AnyResponse {
    fn from(response: Response<gateway_layers::http::timeout::ResponseBody<Body>>) -> Self {
        Self(response.map(Body::new))
    }
}

struct Nobody;

impl OnFinish for Nobody {
    fn finish(&self, _: &Exchange) {}
}

#[tokio::test(start_paused = true)]
async fn every_layer_keeps_the_contract() {
    let random = || Random::seeded(1, 1);
    let set = HeaderOp::Set(HeaderName::from_static("x"), Template::header("%PROTOCOL%1").expect("valid"));
    let ops = || HeaderOps(vec![set.clone()]);
    holds("cors", CorsLayer::new(Cors::default()), true).await;
    holds("fault", FaultLayer::new(Fault::default(), random()), true).await;
    holds("headers", HeadersLayer::new(ops(), ops()), true).await;
    holds("https redirect", HttpsRedirectLayer::permanent().except("/"), true).await;
    holds("mirror", MirrorLayer::new([], random()), true).await;
    holds("normalize", NormalizeLayer::default(), true).await;
    holds("observe", ObserveLayer::new(Arc::new(Nobody), InFlight::default()), true).await;
    holds("request head", RequestHeadLayer::new(), true).await;
    holds("response head", ResponseHeadLayer::default(), true).await;
    holds("retry", RetryLayer::new(RetryPolicy::default(), random()), true).await;
    holds("rewrite", RewriteLayer::new(None, None), true).await;
    holds("route", RouteLayer::new([(RequestMatch::exact("/other"), Inner::new())]), false).await;
    holds("timeout", TimeoutLayer::new(Some(Duration::from_secs(1))), true).await;
    holds("upgrade", UpgradeLayer, true).await;
    holds("upstream head", UpstreamHeadLayer, true).await;
    holds("virtual host", VirtualHostLayer::new().host("b.com", Inner::new()), false).await;
}

/// An extension, as hyper's upgrade is one, reaches the inner service through all layers at once.
#[tokio::test]
async fn extensions_reach_the_end() {
    let end = tower::service_fn(async |req: Req| {
        assert_eq!(req.extensions().get::<Marker>(), Some(&Marker));
        Ok::<_, Error>(with_trailers())
    });
    let stack = tower::ServiceBuilder::new()
        .layer(ObserveLayer::new(Arc::new(Nobody), InFlight::default()))
        .layer(ResponseHeadLayer::default())
        .layer(NormalizeLayer::default())
        .layer(RequestHeadLayer::new())
        .layer(CorsLayer::new(Cors::default()))
        .layer(RewriteLayer::new(None, None))
        .layer(UpgradeLayer)
        .layer(RetryLayer::new(RetryPolicy::default(), Random::seeded(1, 1)))
        .service(end);
    stack.oneshot(request()).await.expect("an answer");
}

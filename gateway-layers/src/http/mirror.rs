//! [`MirrorLayer`]: a copy of requests for another service, whose answer nobody waits for.
//!
//! The copy has `x-envoy-internal: true` and one more entry in `x-forwarded-for`, the gateway's own address. The
//! body is copied as it streams; a mirror that is too slow (more than 1 MiB behind) loses its copy, never the client.
//!
//! ```
//! use gateway_core::model::Fraction;
//! use gateway_layers::{HttpService, body::Body, error::Error, http::MirrorLayer, random::Random, service::SharedService};
//! use http::{Request, Response};
//! use tower::{Layer as _, ServiceExt as _};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
//! let (seen, mut mirrored) = tokio::sync::mpsc::unbounded_channel();
//! let shadow: HttpService = SharedService::new(tower::service_fn(move |req: Request<Body>| {
//!     let _ = seen.send(req.uri().path().to_owned());
//!     async { Ok(Response::new(Body::empty())) }
//! }));
//! let main = tower::service_fn(async |_: Request<Body>| Ok::<_, Error>(Response::new(Body::empty())));
//! let app = MirrorLayer::new([(shadow, Fraction::ALL)], Random::seeded(1, 1)).layer(main);
//! let req = Request::builder().uri("/x").body(Body::empty()).expect("a valid request");
//! app.oneshot(req).await?;
//! assert_eq!(mirrored.recv().await.as_deref(), Some("/x"));
//! # Ok(()) }
//! ```
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use gateway_core::model::Fraction;
use http::{HeaderName, HeaderValue, Method, Request};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::{sync::mpsc, time::timeout};
use tower::ServiceExt as _;
use tower_layer::Layer;
use tower_service::Service;

use super::request_head::appended;
use crate::{BoxError, HttpService, body::Body, exchange::Exchange, random::Random};

/// Bytes that a mirror may be behind.
const LAG: usize = 1024 * 1024;
/// What a piece costs beside its bytes.
const PIECE: usize = 128;
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const INTERNAL: HeaderName = HeaderName::from_static("x-envoy-internal");

/// Makes [`Mirror`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MirrorLayer(Arc<Targets>);

#[derive(Debug)]
struct Targets {
    services: Vec<(HttpService, Fraction)>,
    random: Random,
    limit: Duration,
}

/// How long a copy may take: a mirror that never answers must not gather requests for ever.
const LIMIT: Duration = Duration::from_secs(15);

/// Sends copies of requests elsewhere.
#[derive(Clone, Debug)]
pub struct Mirror<S> {
    inner: S,
    targets: Arc<Targets>,
}

impl MirrorLayer {
    /// Services and the share of requests that each gets; all share one draw for a request.
    #[must_use]
    pub fn new(services: impl IntoIterator<Item = (HttpService, Fraction)>, random: Random) -> Self {
        Self(Arc::new(Targets { services: services.into_iter().collect(), random, limit: LIMIT }))
    }

    /// How long a copy and its answer may take \[15 s\].
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        if let Some(targets) = Arc::get_mut(&mut self.0) {
            targets.limit = limit;
        }
        self
    }
}

impl<S> Layer<S> for MirrorLayer {
    type Service = Mirror<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Mirror { inner, targets: self.0.clone() }
    }
}

impl<S> Service<Request<Body>> for Mirror<S>
where
    S: Service<Request<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<Body>) -> S::Future {
        let draw = self.targets.random.next();
        if *req.method() != Method::CONNECT {
            for (service, share) in &self.targets.services {
                if share.holds(draw) {
                    let copy = copy(&mut req);
                    let answer = service.clone().oneshot(copy);
                    tokio::spawn(timeout(self.targets.limit, async move {
                        if let Ok(response) = answer.await {
                            // Read to its end, so that the connection can be used again.
                            let mut body = response.into_body();
                            while let Some(Ok(_)) = body.frame().await {}
                        }
                    }));
                }
            }
        }
        self.inner.call(req)
    }
}

/// A copy of the request; the body of both is fed by the original.
fn copy(req: &mut Request<Body>) -> Request<Body> {
    let body = std::mem::take(req.body_mut());
    let (main, copied) = if body.is_end_stream() { (body, Body::empty()) } else { tee(body) };
    *req.body_mut() = main;
    let mut copy = Request::new(copied);
    *copy.method_mut() = req.method().clone();
    *copy.uri_mut() = req.uri().clone();
    *copy.version_mut() = req.version();
    *copy.headers_mut() = req.headers().clone();
    if let Some(exchange) = Exchange::of(req) {
        // A record of its own: what becomes of the copy is not the request's.
        let own = exchange.beside();
        own.end_request();
        let local = HeaderValue::try_from(exchange.conn().local.ip().to_canonical().to_string());
        if let Ok(local) = local {
            let forwarded_for = appended(copy.headers(), FORWARDED_FOR, &local);
            copy.headers_mut().insert(FORWARDED_FOR, forwarded_for);
        }
        copy.extensions_mut().insert(Arc::new(own));
    }
    copy.headers_mut().insert(INTERNAL, HeaderValue::from_static("true"));
    copy
}

fn tee(body: Body) -> (Body, Body) {
    let (send, receive) = mpsc::unbounded_channel();
    let behind = Arc::new(AtomicUsize::new(0));
    let length = body.size_hint().exact();
    let main = Main { body, copy: Some(send), behind: behind.clone() };
    (Body::new(main), Body::new(Copied { receive, behind, length }))
}

type Piece = Result<Frame<Bytes>, BoxError>;

/// The original, which feeds the copy.
struct Main {
    body: Body,
    copy: Option<mpsc::UnboundedSender<Option<Piece>>>,
    behind: Arc<AtomicUsize>,
}

impl Main {
    fn feed(&mut self, frame: Option<&Frame<Bytes>>) {
        let Some(copy) = &self.copy else { return };
        let piece = match frame {
            None => None,
            Some(frame) => {
                let data = frame.data_ref().cloned();
                let length = data.as_ref().map_or(0, |data| data.len() + PIECE);
                if self.behind.fetch_add(length, Ordering::Relaxed) + length > LAG {
                    // The copy ends broken, not short: its receiver sees no end.
                    self.copy = None;
                    return;
                }
                let trailers = || frame.trailers_ref().cloned().unwrap_or_default();
                Some(Ok(data.map_or_else(|| Frame::trailers(trailers()), Frame::data)))
            }
        };
        if copy.send(piece).is_err() {
            self.copy = None;
        }
    }
}

impl http_body::Body for Main {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            None => self.feed(None),
            Some(Ok(piece)) => {
                self.feed(Some(piece));
                if self.body.is_end_stream() {
                    self.feed(None);
                }
            }
            Some(Err(_)) => self.copy = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The copy.
struct Copied {
    receive: mpsc::UnboundedReceiver<Option<Piece>>,
    behind: Arc<AtomicUsize>,
    length: Option<u64>,
}

impl http_body::Body for Copied {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        Poll::Ready(match ready!(self.receive.poll_recv(cx)) {
            Some(Some(Ok(frame))) => {
                self.behind.fetch_sub(frame.data_ref().map_or(0, |data| data.len() + PIECE), Ordering::Relaxed);
                Some(Ok(frame))
            }
            Some(Some(Err(error))) => Some(Err(error)),
            Some(None) => None,
            None => Some(Err("the mirrored request did not come to its end, or its mirror was too slow".into())),
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_copy_has_the_same_bytes() {
        let (main, copied) = tee(Body::from("hello"));
        let copied = tokio::spawn(async move { copied.collect().await.map(|body| body.to_bytes()) });
        assert_eq!(main.collect().await.expect("no error").to_bytes(), "hello");
        assert_eq!(copied.await.expect("no panic").expect("whole"), "hello");
    }

    #[tokio::test]
    async fn a_broken_original_breaks_the_copy() {
        let (main, copied) = tee(Body::from("hello"));
        drop(main);
        assert!(copied.collect().await.is_err());
    }

    #[tokio::test]
    async fn a_slow_mirror_loses_its_copy_not_the_client() {
        let (main, copied) = tee(Body::from(Bytes::from(vec![0; LAG + 1])));
        assert_eq!(main.collect().await.expect("no error").to_bytes().len(), LAG + 1);
        assert!(copied.collect().await.is_err());
    }
}

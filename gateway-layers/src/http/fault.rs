//! [`FaultLayer`]: delays and aborts for a share of the requests, to see how clients take it.
//!
//! As Istio's `fault`: first the delay, then the abort, drawn independently. The trap: an abort with a gRPC status
//! answers requests that are not gRPC with 200 and the text. Timeouts and retries that stand below see none of it.
//!
//! ```
//! use gateway_core::model::{Abort, Fault, Fraction};
//! use gateway_layers::{body::Body, http::FaultLayer, random::Random};
//! use http::{Request, Response, StatusCode};
//! use tower::{Layer as _, ServiceExt as _};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), std::convert::Infallible> {
//! let app = tower::service_fn(async |_: Request<Body>| Ok::<_, std::convert::Infallible>(Response::new(Body::empty())));
//! let abort = Some((Abort::Http(StatusCode::IM_A_TEAPOT), Fraction::ALL));
//! let app = FaultLayer::new(Fault { delay: None, abort }, Random::seeded(1, 1)).layer(app);
//! assert_eq!(app.oneshot(Request::new(Body::empty())).await?.status(), 418);
//! # Ok(()) }
//! ```
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use gateway_core::model::{Abort, Fault as Model, HeaderOps};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    headers::change_response,
    local_reply::{LocalReply, is_grpc_request},
};
use crate::{
    exchange::{Exchange, Flag},
    random::Random,
};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Makes [`Fault`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FaultLayer {
    fault: Arc<Model>,
    random: Random,
    reply_headers: Arc<HeaderOps>,
}

/// Delays and aborts requests.
#[derive(Clone, Debug)]
pub struct Fault<S> {
    inner: S,
    layer: FaultLayer,
}

impl FaultLayer {
    /// `random` draws the share of requests.
    #[must_use]
    pub fn new(fault: Model, random: Random) -> Self {
        Self { fault: Arc::new(fault), random, reply_headers: Arc::default() }
    }

    /// Header operations on the replies of aborted requests: they do not pass what stands below.
    #[must_use]
    pub fn reply_headers(mut self, ops: HeaderOps) -> Self {
        self.reply_headers = Arc::new(ops);
        self
    }

    fn abort<B, R: From<Bytes>>(&self, req: &Request<B>) -> Option<Response<R>> {
        let (abort, share) = self.fault.abort.as_ref()?;
        if !share.holds(self.random.next()) {
            return None;
        }
        if let Some(exchange) = Exchange::of(req) {
            let mut record = exchange.record();
            record.flags.set(Flag::FaultInjected);
            record.details = Some("fault_filter_abort");
        }
        let status = match abort {
            Abort::Http(status) => *status,
            Abort::Grpc(_) => StatusCode::OK,
        };
        let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let text = Bytes::from_static(if bodiless { b"" } else { b"fault filter abort" });
        let mut response = LocalReply::text(status, text);
        if let (Abort::Grpc(code), true) = (abort, is_grpc_request(req)) {
            response.headers_mut().insert(GRPC_STATUS, HeaderValue::from(u16::from(*code)));
        }
        change_response(&self.reply_headers, Exchange::of(req).map(|exchange| &**exchange), &mut response);
        Some(response)
    }
}

impl<S> Layer<S> for FaultLayer {
    type Service = Fault<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Fault { inner, layer: self.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for Fault<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S, Request<B>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let next = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, next);
        let drawn = self.layer.fault.delay.filter(|(_, share)| share.holds(self.layer.random.next()));
        if drawn.is_some()
            && let Some(exchange) = Exchange::of(&req)
        {
            exchange.record().flags.set(Flag::DelayInjected);
        }
        ResponseFuture {
            delay: drawn.map(|(delay, _)| Box::pin(sleep(delay))),
            waiting: Some((ready, req, self.layer.clone())),
            future: None,
        }
    }
}

pin_project! {
    /// The future of [`Fault`].
    pub struct ResponseFuture<S, Req, F> {
        delay: Option<Pin<Box<Sleep>>>,
        waiting: Option<(S, Req, FaultLayer)>,
        #[pin]
        future: Option<F>,
    }
}

impl<S, B, R> Future for ResponseFuture<S, Request<B>, S::Future>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<Bytes>,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(delay) = this.delay {
            ready!(delay.as_mut().poll(cx));
            *this.delay = None;
        }
        if let Some((mut service, req, layer)) = this.waiting.take() {
            if let Some(response) = layer.abort(&req) {
                return Poll::Ready(Ok(response));
            }
            this.future.set(Some(service.call(req)));
        }
        let future = this.future.as_pin_mut().expect("set when there was nothing more to wait for");
        future.poll(cx)
    }
}

impl<S, Req, F> std::fmt::Debug for ResponseFuture<S, Req, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResponseFuture")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gateway_core::model::Fraction;
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::body::Body;

    async fn ask(fault: Model, content_type: &str) -> Response<Body> {
        let app = service_fn(async |_: Request<Body>| Ok::<_, std::convert::Infallible>(Response::new(Body::empty())));
        let req = Request::builder().header("content-type", content_type).body(Body::empty()).expect("valid");
        FaultLayer::new(fault, Random::seeded(1, 1)).layer(app).oneshot(req).await.expect("infallible")
    }

    #[tokio::test(start_paused = true)]
    async fn delay_comes_before_abort() {
        let delay = Some((Duration::from_secs(2), Fraction::ALL));
        let abort = Some((Abort::Http(StatusCode::BAD_GATEWAY), Fraction::ALL));
        let start = tokio::time::Instant::now();
        assert_eq!(ask(Model { delay, abort }, "").await.status(), 502);
        assert_eq!(start.elapsed(), Duration::from_secs(2));
        assert_eq!(ask(Model { delay, abort: None }, "").await.status(), 200);
    }

    #[tokio::test]
    async fn a_grpc_status_is_for_grpc_requests() {
        let abort = Some((Abort::Grpc(14), Fraction::ALL));
        let fault = || Model { delay: None, abort };
        assert_eq!(ask(fault(), "application/grpc").await.headers()[GRPC_STATUS], "14");
        let plain = ask(fault(), "text/plain").await;
        assert_eq!((plain.status(), plain.headers().contains_key(GRPC_STATUS)), (StatusCode::OK, false));
    }
}

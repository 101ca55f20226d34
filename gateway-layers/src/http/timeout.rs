//! [`TimeoutLayer`]: a limit on the time from the complete request to the end of the response.
//!
//! As Istio's `timeout`: the time of the upload does not count. When it is over before the response's head has come
//! the error is [`Elapsed`], afterwards the body fails with it (HTTP/1: the connection is closed, HTTP/2: the
//! stream reset). An upgraded connection has no limit.
//!
//! `grpc-timeout` of a gRPC request counts too; the shorter of the two is used and passed on.
//!
//! ```
//! use std::time::Duration;
//! use gateway_layers::{BoxError, body::Body, http::TimeoutLayer};
//! use http::{Request, Response};
//! use tower::{Layer as _, ServiceExt as _};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
//! let never = tower::service_fn(async |_: Request<Body>| {
//!     std::future::pending::<Result<Response<String>, BoxError>>().await
//! });
//! let limited = TimeoutLayer::new(Some(Duration::from_secs(1))).layer(never);
//! let error = limited.oneshot(Request::new(Body::empty())).await.expect_err("the time is over");
//! assert!(error.is::<gateway_layers::http::timeout::Elapsed>());
//! # }
//! ```
use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::sleep;
use tower_layer::Layer;
use tower_service::Service;

use super::local_reply::is_grpc_request;
use crate::{
    BoxError,
    error::{Error, Kind},
    exchange::Exchange,
};

const EXPECTED: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the route's timeout is over")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(Kind::Timeout).with_source(elapsed)
    }
}

/// Makes [`Timeout`].
#[derive(Clone, Copy, Debug)]
pub struct TimeoutLayer {
    after: Option<Duration>,
    /// The time of one try, which is told upstream if it is shorter.
    per_try: Option<Duration>,
}

/// Limits the time of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Timeout<S> {
    inner: S,
    layer: TimeoutLayer,
}

impl TimeoutLayer {
    /// `None`: only `grpc-timeout` counts.
    #[must_use]
    pub const fn new(after: Option<Duration>) -> Self {
        Self { after, per_try: None }
    }

    /// Tells upstreams the time of one try where it is shorter.
    #[must_use]
    pub const fn per_try(mut self, per_try: Option<Duration>) -> Self {
        self.per_try = per_try;
        self
    }

    /// The limit for this request, told upstream as Envoy does.
    fn limit<B>(self, req: &mut Request<B>) -> Option<Duration> {
        let grpc = is_grpc_request(req);
        let asked = if grpc { req.headers().get(GRPC_TIMEOUT).and_then(|value| parse(value.as_bytes())) } else { None };
        let limit = match (self.after, asked) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        let told = match (limit, self.per_try) {
            (Some(all), Some(one)) => Some(all.min(one)),
            (all, one) => all.or(one),
        };
        if let Some(told) = told {
            // Rounded up: 0 would mean no time at all.
            let millis = u64::try_from(told.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
            req.headers_mut().insert(EXPECTED, HeaderValue::from(millis));
            if grpc && let Ok(value) = HeaderValue::try_from(written(millis)) {
                req.headers_mut().insert(GRPC_TIMEOUT, value);
            }
        }
        limit
    }
}

/// gRPC allows 8 digits: what is longer in milliseconds is told in seconds, rounded up.
fn written(millis: u64) -> String {
    if millis <= 99_999_999 { format!("{millis}m") } else { format!("{}S", millis.div_ceil(1000).min(99_999_999)) }
}

/// At most 8 digits and a unit.
fn parse(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout { inner, layer: *self }
    }
}

impl<S, B, R> Service<Request<B>> for Timeout<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: From<Elapsed>,
    B: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        let limit = self.layer.limit(&mut req);
        let clock = limit.map(|limit| {
            let uploading = Exchange::of(&req).filter(|exchange| !exchange.request_ended()).cloned();
            Box::pin(clock(uploading, limit)) as Clock
        });
        ResponseFuture { future: self.inner.call(req), clock }
    }
}

type Clock = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// Ends after `limit`; the time of an upload does not count.
pub(crate) async fn clock(uploading: Option<Arc<Exchange>>, limit: Duration) {
    match uploading {
        Some(exchange) => exchange.sleep_but_for_client(limit).await,
        None => sleep(limit).await,
    }
}

pin_project! {
    /// The future of [`Timeout`].
    pub struct ResponseFuture<F> {
        #[pin]
        future: F,
        clock: Option<Clock>,
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: From<Elapsed>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(result) = this.future.poll(cx) {
            let response = result?;
            let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
            let clock = this.clock.take().filter(|_| !upgraded);
            return Poll::Ready(Ok(response.map(|body| ResponseBody { body, clock })));
        }
        if let Some(clock) = this.clock {
            ready!(clock.as_mut().poll(cx));
            return Poll::Ready(Err(Elapsed.into()));
        }
        Poll::Pending
    }
}

pin_project! {
    /// A body that fails when the time is over.
    pub struct ResponseBody<R> {
        #[pin]
        body: R,
        clock: Option<Clock>,
    }
}

impl<R> ResponseBody<R> {
    /// The body, if it has no limit.
    ///
    /// # Errors
    /// Itself, if it has one.
    pub fn unlimited(self) -> Result<R, Self> {
        if self.clock.is_none() { Ok(self.body) } else { Err(self) }
    }
}

impl<R: fmt::Debug> fmt::Debug for ResponseBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("body", &self.body).finish_non_exhaustive()
    }
}

impl<R> Body for ResponseBody<R>
where
    R: Body,
    R::Error: Into<BoxError>,
{
    type Data = R::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<R::Data>, BoxError>>> {
        let this = self.project();
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        match this.clock.as_mut().map(|clock| clock.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => Poll::Ready(Some(Err(Elapsed.into()))),
            _ => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http_body_util::BodyExt as _;
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::body::{Body as AnyBody, End, OnEnd as _, Side};
    use crate::conn::ConnInfo;

    /// A body that never ends.
    #[derive(Debug)]
    struct Endless;

    impl Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_body_is_limited_too() {
        let slow = service_fn(async |_: Request<AnyBody>| Ok::<_, Error>(Response::new(Endless)));
        let limited = TimeoutLayer::new(Some(Duration::from_secs(1))).layer(slow);
        let answer = limited.oneshot(Request::new(AnyBody::empty())).await.expect("a head");
        assert!(answer.into_body().collect().await.expect_err("cut").is::<Elapsed>());
    }

    #[tokio::test(start_paused = true)]
    async fn the_upload_does_not_count() {
        let never =
            service_fn(async |_: Request<AnyBody>| std::future::pending::<Result<Response<Endless>, Error>>().await);
        let exchange = Arc::new(Exchange::new(Arc::new(ConnInfo::new(([127, 0, 0, 1], 1).into()))));
        let mut req = Request::new(AnyBody::empty());
        req.extensions_mut().insert(exchange.clone());
        let start = tokio::time::Instant::now();
        exchange.waits(Side::Request, true);
        tokio::spawn(async move {
            sleep(Duration::from_secs(3)).await;
            exchange.end(Side::Request, End::Complete, 0, None);
        });
        let error = TimeoutLayer::new(Some(Duration::from_secs(1))).layer(never).oneshot(req).await.expect_err("late");
        assert_eq!((error.kind(), start.elapsed()), (Kind::Timeout, Duration::from_secs(4)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_nobody_asks_for_does_not_stop_the_clock() {
        let never =
            service_fn(async |_: Request<AnyBody>| std::future::pending::<Result<Response<Endless>, Error>>().await);
        let mut req = Request::new(AnyBody::empty());
        req.extensions_mut().insert(Arc::new(Exchange::new(Arc::new(ConnInfo::new(([127, 0, 0, 1], 1).into())))));
        let start = tokio::time::Instant::now();
        let limited = TimeoutLayer::new(Some(Duration::from_secs(1))).layer(never);
        assert_eq!(limited.oneshot(req).await.expect_err("late").kind(), Kind::Timeout);
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }

    #[test]
    fn grpc_timeouts_are_written_with_eight_digits() {
        assert_eq!(written(900), "900m");
        assert_eq!(written(9_223_369_200_000), "99999999S");
        assert_eq!(written(100_000_001), "100001S");
    }

    #[test]
    fn grpc_timeouts() {
        for (text, expected) in [
            ("100m", Some(Duration::from_millis(100))),
            ("2S", Some(Duration::from_secs(2))),
            ("1H", Some(Duration::from_secs(3600))),
            ("99999999999999H", None),
            ("-1S", None),
            ("1x", None),
            ("S", None),
            ("", None),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }
}

//! [`UpstreamHeadLayer`]: what is written on the way to an upstream, and cleaned of what it answers.
//!
//! Requests get `x-envoy-attempt-count: 1` (retries count on). Of responses hop-by-hop headers, and those that their
//! `Connection` names, are removed; a `content-length` stays only where it is the body's; and
//! `x-envoy-upstream-service-time` tells the milliseconds that the upstream took.
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::request_head::{check_length, clean_response};

/// `x-envoy-attempt-count`.
pub(crate) const ATTEMPT_COUNT: HeaderName = HeaderName::from_static("x-envoy-attempt-count");
const SERVICE_TIME: HeaderName = HeaderName::from_static("x-envoy-upstream-service-time");

/// Makes [`UpstreamHead`].
#[derive(Clone, Copy, Debug, Default)]
pub struct UpstreamHeadLayer;

/// Writes and cleans the heads of an exchange with an upstream.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamHead<S> {
    inner: S,
}

impl<S> Layer<S> for UpstreamHeadLayer {
    type Service = UpstreamHead<S>;

    fn layer(&self, inner: S) -> Self::Service {
        UpstreamHead { inner }
    }
}

impl<S, B, R> Service<Request<B>> for UpstreamHead<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        req.headers_mut().insert(ATTEMPT_COUNT, HeaderValue::from_static("1"));
        let head = *req.method() == Method::HEAD;
        ResponseFuture { future: self.inner.call(req), head, sent: Instant::now() }
    }
}

pin_project! {
    /// The future of [`UpstreamHead`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        future: F,
        head: bool,
        sent: Instant,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut response = ready!(this.future.poll(cx))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let length = if *this.head { stated_length(&response) } else { response.body().size_hint().exact() };
            let headers = response.headers_mut();
            clean_response(headers);
            check_length(headers, length);
            let millis = u64::try_from(this.sent.elapsed().as_millis()).unwrap_or(u64::MAX);
            headers.insert(SERVICE_TIME, number(millis));
            if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
                response.headers_mut().remove(http::header::CONTENT_LENGTH);
            }
        }
        Poll::Ready(Ok(response))
    }
}

/// A small number, which most are, without an allocation.
fn number(number: u64) -> HeaderValue {
    const SMALL: [&str; 16] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"];
    let small = usize::try_from(number).ok().and_then(|at| SMALL.get(at));
    small.map_or_else(|| HeaderValue::from(number), |text| HeaderValue::from_static(text))
}

/// To HEAD the length is that of the body that is not sent.
fn stated_length<R>(response: &Response<R>) -> Option<u64> {
    response.headers().get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    #[tokio::test]
    async fn hop_by_hop_headers_of_answers_go_and_the_time_is_told() {
        let upstream = service_fn(async |req: Request<String>| {
            assert_eq!(req.headers()[ATTEMPT_COUNT], "1");
            let response =
                Response::builder().header("connection", "x-hop, close").header("x-hop", "1").header("x", "1");
            Ok::<_, std::convert::Infallible>(response.body(String::new()).expect("valid"))
        });
        let answer = UpstreamHeadLayer.layer(upstream).oneshot(Request::new(String::new())).await.expect("infallible");
        let names: Vec<_> = answer.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x", "x-envoy-upstream-service-time"]);
    }
}

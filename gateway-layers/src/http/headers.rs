//! [`HeadersLayer`]: Istio's header operations on requests and responses.
//!
//! Operations are made in the order of the list (`translate` puts them into Istio's order). A value that comes out
//! empty changes nothing: `set x: ""` leaves the old `x`.
//!
//! ```
//! use gateway_core::{model::{HeaderOp, HeaderOps}, template::Template};
//! use gateway_layers::http::HeadersLayer;
//! use http::{HeaderName, Request, Response};
//! use tower::{Layer as _, ServiceExt as _};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let stage = HeaderOp::Set(HeaderName::from_static("x-stage"), Template::header("canary")?);
//! let secret = HeaderOp::Remove(HeaderName::from_static("x-powered-by"));
//! let app = tower::service_fn(async |req: Request<()>| {
//!     let mut response = Response::new(req.headers()["x-stage"].clone());
//!     response.headers_mut().insert("x-powered-by", "us".parse().expect("a value"));
//!     Ok::<_, std::convert::Infallible>(response)
//! });
//! let app = HeadersLayer::new(HeaderOps(vec![stage]), HeaderOps(vec![secret])).layer(app);
//! let answer = app.oneshot(Request::new(())).await?;
//! assert_eq!(answer.body(), "canary");
//! assert!(!answer.headers().contains_key("x-powered-by"));
//! # Ok(()) }
//! ```
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use gateway_core::{
    model::{HeaderOp, HeaderOps},
    template::{Operator, Part, Template},
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::format::{Facts, Head, render};
use crate::exchange::Exchange;

/// Makes [`Headers`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HeadersLayer(Arc<Both>);

#[derive(Debug)]
struct Both {
    request: HeaderOps,
    response: HeaderOps,
}

/// Changes headers on the way in and on the way out.
#[derive(Clone, Debug)]
pub struct Headers<S> {
    inner: S,
    ops: Arc<Both>,
}

impl HeadersLayer {
    /// Operations on requests and on responses.
    #[must_use]
    pub fn new(request: HeaderOps, response: HeaderOps) -> Self {
        Self(Arc::new(Both { request, response }))
    }
}

/// Do these operations ask for the request (`%REQ(..)%`)? Then a record of it must be kept for the response.
#[must_use]
pub fn asks_for_request(ops: &HeaderOps) -> bool {
    ops.0.iter().any(|op| match op {
        HeaderOp::Remove(_) => false,
        HeaderOp::Set(_, value) | HeaderOp::Add(_, value) => {
            value.parts().iter().any(|part| matches!(part, Part::Operator(Operator::Request(..))))
        }
    })
}

/// Makes the operations.
fn apply(ops: &HeaderOps, headers: &mut HeaderMap, value: impl Fn(&Template, &HeaderMap) -> Option<HeaderValue>) {
    let value = |template: &Template, headers: &HeaderMap| match template.literal() {
        Some(literal) => Some(literal.clone()).filter(|literal| !literal.is_empty()),
        None => value(template, headers),
    };
    for op in &ops.0 {
        match op {
            HeaderOp::Remove(name) => _ = headers.remove(name),
            HeaderOp::Set(name, template) => {
                if let Some(value) = value(template, headers) {
                    headers.remove(name);
                    append(headers, name, value);
                }
            }
            HeaderOp::Add(name, template) => {
                if let Some(value) = value(template, headers) {
                    append(headers, name, value);
                }
            }
        }
    }
}

/// Makes operations on a response.
pub(crate) fn change_response<R>(ops: &HeaderOps, exchange: Option<&Exchange>, response: &mut Response<R>) {
    let status = response.status();
    let sent = exchange.and_then(|exchange| exchange.record().sent.take());
    apply(ops, response.headers_mut(), |template, headers| {
        let request = sent.as_ref().map(|sent| Head::of(sent));
        render(template, &Facts { exchange, request, response: Some((status, headers)) })
    });
}

fn append(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue) {
    // A full map (32,768 headers) cannot come from a head of 60 KiB.
    let _ = headers.try_append(name.clone(), value);
}

impl<S> Layer<S> for HeadersLayer {
    type Service = Headers<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Headers { inner, ops: self.0.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for Headers<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        let works = !self.ops.request.is_empty() || !self.ops.response.is_empty();
        let exchange = if works { Exchange::of(&req).cloned() } else { None };
        if !self.ops.request.is_empty() {
            let mut headers = std::mem::take(req.headers_mut());
            apply(&self.ops.request, &mut headers, |template, headers| {
                let head = Head { method: req.method(), uri: req.uri(), headers };
                render(template, &Facts { exchange: exchange.as_deref(), request: Some(head), response: None })
            });
            *req.headers_mut() = headers;
        }
        let after = (!self.ops.response.is_empty()).then(|| (self.ops.clone(), exchange));
        ResponseFuture { future: self.inner.call(req), after }
    }
}

pin_project! {
    /// The future of [`Headers`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        future: F,
        after: Option<(Arc<Both>, Option<Arc<Exchange>>)>,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut response = ready!(this.future.poll(cx))?;
        if let Some((ops, exchange)) = this.after.take() {
            change_response(&ops.response, exchange.as_deref(), &mut response);
        }
        Poll::Ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ops(ops: &[(&str, &'static str, &str)]) -> HeaderOps {
        let op = |&(kind, name, value): &(&str, &'static str, &str)| {
            let name = HeaderName::from_static(name);
            let value = Template::header(value).expect("valid");
            match kind {
                "remove" => HeaderOp::Remove(name),
                "set" => HeaderOp::Set(name, value),
                _ => HeaderOp::Add(name, value),
            }
        };
        HeaderOps(ops.iter().map(op).collect())
    }

    fn after(list: &[(&str, &'static str, &str)]) -> Vec<String> {
        let mut headers = HeaderMap::from_iter([(HeaderName::from_static("x"), HeaderValue::from_static("old"))]);
        apply(&ops(list), &mut headers, |_, _| None);
        headers.get_all("x").iter().map(|value| value.to_str().expect("ascii").to_owned()).collect()
    }

    #[test]
    fn in_order_and_empty_values_change_nothing() {
        assert_eq!(after(&[("set", "x", "a"), ("add", "x", "b")]), ["a", "b"]);
        assert_eq!(after(&[("remove", "x", ""), ("add", "x", "1")]), ["1"]);
        assert_eq!(after(&[("set", "x", "")]), ["old"]);
        assert_eq!(after(&[("add", "x", "")]), ["old"]);
        assert_eq!(after(&[("set", "x", "%REQ(none)%")]), ["old"], "a formatter that yields nothing");
    }
}

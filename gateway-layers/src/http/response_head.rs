//! [`ResponseHeadLayer`]: what every answer has, whoever gave it: `server`, `connection: close` where the connection
//! ends, and the final form of the gateway's own replies (content type, gRPC).
//!
//! `date` is added by hyper if the upstream gave none.
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{
    HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, SERVER, UPGRADE},
};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::local_reply::{LocalReply, is_grpc};
use crate::exchange::Exchange;

/// Makes [`ResponseHead`].
#[derive(Clone, Debug)]
pub struct ResponseHeadLayer {
    server: HeaderValue,
}

/// Finishes the heads of responses.
#[derive(Clone, Debug)]
pub struct ResponseHead<S> {
    inner: S,
    server: HeaderValue,
}

impl ResponseHeadLayer {
    /// `server` overwrites the upstream's; Istio's default is `istio-envoy`, ours `gateway`.
    #[must_use]
    pub const fn new(server: HeaderValue) -> Self {
        Self { server }
    }
}

impl Default for ResponseHeadLayer {
    fn default() -> Self {
        Self::new(HeaderValue::from_static("gateway"))
    }
}

impl<S> Layer<S> for ResponseHeadLayer {
    type Service = ResponseHead<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ResponseHead { inner, server: self.server.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for ResponseHead<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let grpc = is_grpc(req.headers());
        let exchange = Exchange::of(&req).cloned();
        if grpc && let Some(exchange) = &exchange {
            exchange.set_grpc();
        }
        let http1 = req.version() == Version::HTTP_11 || req.version() == Version::HTTP_10;
        let upgrade = http1 && req.headers().contains_key(UPGRADE);
        let head = *req.method() == Method::HEAD;
        let server = self.server.clone();
        ResponseFuture { future: self.inner.call(req), server, exchange, grpc, http1, upgrade, head }
    }
}

pin_project! {
    /// The future of [`ResponseHead`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        future: F,
        server: HeaderValue,
        exchange: Option<Arc<Exchange>>,
        grpc: bool,
        http1: bool,
        upgrade: bool,
        head: bool,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut response = ready!(this.future.poll(cx))?;
        let exchange = this.exchange.as_deref();
        let mut close = exchange.is_some_and(|exchange| exchange.conn().draining());
        if let Some(reply) = response.extensions_mut().remove::<LocalReply>() {
            let unread = exchange.is_some_and(|exchange| !exchange.request_ended());
            // An answer before the request was complete, or to an upgrade: nobody knows what comes next.
            close |= reply.close || unread || *this.upgrade || response.status() == StatusCode::BAD_REQUEST;
            finish(&reply, &mut response, *this.grpc);
            if *this.head {
                without_body(&reply, &mut response);
            }
        }
        response.headers_mut().insert(SERVER, this.server.clone());
        if close && *this.http1 && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response))
    }
}

fn finish<R: Default>(reply: &LocalReply, response: &mut Response<R>, grpc: bool) {
    if !grpc {
        reply.add_content_type(response.headers_mut());
        return;
    }
    let mut status = response.status();
    reply.to_grpc(&mut status, response.headers_mut());
    *response.status_mut() = status;
    *response.body_mut() = R::default();
}

/// The answer to HEAD tells the length of the text, and has none of it: over HTTP/2 hyper sends what it is given.
fn without_body<R: Default>(reply: &LocalReply, response: &mut Response<R>) {
    *response.body_mut() = R::default();
    if !reply.text.is_empty() && !response.headers().contains_key("grpc-status") {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(reply.text.len()));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    async fn finished(content_type: &str) -> Response<Bytes> {
        let replying = service_fn(async |_: Request<()>| {
            let text = Bytes::from_static(b"later");
            Ok::<_, std::convert::Infallible>(LocalReply::text::<Bytes>(StatusCode::SERVICE_UNAVAILABLE, text))
        });
        let req = Request::builder().header("content-type", content_type).body(()).expect("valid");
        ResponseHeadLayer::default().layer(replying).oneshot(req).await.expect("infallible")
    }

    #[tokio::test]
    async fn head_gets_the_length_without_the_text() {
        let replying = service_fn(async |_: Request<()>| {
            Ok::<_, std::convert::Infallible>(LocalReply::text::<Bytes>(StatusCode::OK, Bytes::from_static(b"later")))
        });
        let req = Request::head("/").body(()).expect("valid");
        let answer = ResponseHeadLayer::default().layer(replying).oneshot(req).await.expect("infallible");
        assert_eq!((answer.body().len(), &answer.headers()[CONTENT_LENGTH]), (0, &HeaderValue::from_static("5")));
    }

    #[tokio::test]
    async fn own_replies_are_text_or_grpc() {
        let plain = finished("application/json").await;
        assert_eq!(
            (plain.status(), &plain.headers()["content-type"]),
            (StatusCode::SERVICE_UNAVAILABLE, &HeaderValue::from_static("text/plain"))
        );
        assert_eq!(plain.headers()["server"], "gateway");
        let grpc = finished("application/grpc+proto").await;
        assert_eq!((grpc.status(), grpc.body().len()), (StatusCode::OK, 0));
        assert_eq!(grpc.headers()["grpc-message"], "later");
    }
}

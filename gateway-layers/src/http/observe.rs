//! [`ObserveLayer`]: watches a request from its head to the last byte of its response, and tells logs and metrics.
//!
//! The outermost layer: it sees every answer, also those for errors. It makes a [`Body`] of any body, and a record
//! (`Exchange`) if no server of this crate did; put an `Arc<ConnInfo>` into the extensions to say who the peer is.
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::Body as _;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::request_head::clean_trailers;
use crate::{
    BoxError,
    body::{Body, Side},
    conn::ConnInfo,
    exchange::{Exchange, Flag, InFlight, OnFinish, grpc_status},
};

/// Makes [`Observe`].
#[derive(Clone)]
pub struct ObserveLayer {
    observer: Arc<dyn OnFinish>,
    in_flight: InFlight,
    keep_heads: bool,
}

/// Watches exchanges.
#[derive(Clone)]
pub struct Observe<S> {
    inner: S,
    layer: ObserveLayer,
}

impl ObserveLayer {
    /// Tells `observer` of each end.
    #[must_use]
    pub fn new(observer: Arc<dyn OnFinish>, in_flight: InFlight) -> Self {
        Self { observer, in_flight, keep_heads: false }
    }

    /// Keeps the heads of requests and responses for the observer: an access log asks for them.
    #[must_use]
    pub fn keep_heads(mut self, keep: bool) -> Self {
        self.keep_heads = keep;
        self
    }

    fn begin<B>(&self, req: Request<B>) -> (Request<Body>, Arc<Exchange>)
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut req = req.map(Body::new);
        let exchange = match Exchange::of(&req) {
            Some(exchange) => exchange.clone(),
            None => {
                let conn = req.extensions().get::<Arc<ConnInfo>>().cloned();
                let conn = conn.unwrap_or_else(|| Arc::new(ConnInfo::new(([0, 0, 0, 0], 0).into())));
                let exchange = Arc::new(Exchange::new(conn));
                req.extensions_mut().insert(exchange.clone());
                exchange
            }
        };
        exchange.on_finish(self.observer.clone());
        exchange.hold(self.in_flight.enter());
        let http1 = req.version() < Version::HTTP_2;
        {
            let mut record = exchange.record();
            record.protocol = Some(if http1 { "HTTP/1.1" } else { "HTTP/2" });
            if self.keep_heads {
                record.request = Some(Box::new(head(&req)));
            }
        }
        if req.body().is_end_stream() {
            exchange.end_request();
        } else {
            let watched = std::mem::take(req.body_mut()).observe(exchange.clone(), Side::Request);
            // HTTP/1 trailers are not passed on, as in Envoy.
            *req.body_mut() = if http1 { watched.without_trailers() } else { watched.filter_trailers(clean_trailers) };
        }
        (req, exchange)
    }
}

/// A copy of the head, without its extensions.
pub(crate) fn head<B>(req: &Request<B>) -> http::request::Parts {
    let mut copy = Request::new(());
    *copy.method_mut() = req.method().clone();
    *copy.uri_mut() = req.uri().clone();
    *copy.version_mut() = req.version();
    *copy.headers_mut() = req.headers().clone();
    copy.into_parts().0
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Observe { inner, layer: self.clone() }
    }
}

impl<S, B> Service<Request<B>> for Observe<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let (req, exchange) = self.layer.begin(req);
        let open = Open { exchange: Some(exchange), keep_heads: self.layer.keep_heads };
        ResponseFuture { future: self.inner.call(req), open }
    }
}

/// An exchange without a response yet. If it is dropped like this, the client has left.
#[derive(Debug)]
struct Open {
    exchange: Option<Arc<Exchange>>,
    keep_heads: bool,
}

impl Open {
    fn answered(&mut self, response: Response<Body>) -> Response<Body> {
        let Some(exchange) = self.exchange.take() else { return response };
        {
            let mut record = exchange.record();
            record.status = response.status().as_u16();
            if exchange.is_grpc() {
                record.grpc_status = grpc_status(response.headers());
            }
            if record.details.is_none() {
                record.details = Some(if record.upstream.is_some() { "via_upstream" } else { "direct_response" });
            }
            if self.keep_heads {
                record.response = Some(Box::new(response.headers().clone()));
            }
        }
        response.map(|body| body.observe(exchange, Side::Response))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            {
                let mut record = exchange.record();
                record.flags.set(Flag::DownstreamTermination);
                record.details = Some("downstream_remote_disconnect");
            }
            exchange.finished();
        }
    }
}

pin_project! {
    /// The future of [`Observe`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        future: F,
        open: Open,
    }
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx))?;
        Poll::Ready(Ok(this.open.answered(response)))
    }
}

impl std::fmt::Debug for ObserveLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObserveLayer").field("keep_heads", &self.keep_heads).finish_non_exhaustive()
    }
}

impl<S: std::fmt::Debug> std::fmt::Debug for Observe<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observe").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use http_body_util::BodyExt as _;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    #[derive(Default)]
    struct Ends(Mutex<Vec<String>>);

    impl OnFinish for Ends {
        fn finish(&self, exchange: &Exchange) {
            let record = exchange.record();
            let end = format!("{} {} {}", record.status, record.flags, record.bytes_sent);
            self.0.lock().expect("not poisoned").push(end);
        }
    }

    #[tokio::test]
    async fn every_request_ends_once() {
        let (ends, in_flight) = (Arc::new(Ends::default()), InFlight::default());
        let app = service_fn(async |req: Request<Body>| match req.uri().path() {
            "/never" => std::future::pending().await,
            _ => Ok::<_, std::convert::Infallible>(Response::new(Body::from("abc"))),
        });
        let app = ObserveLayer::new(ends.clone(), in_flight.clone()).layer(app);
        let ask = |path: &str| app.clone().oneshot(Request::builder().uri(path).body(Body::empty()).expect("valid"));

        let answer = ask("/").await.expect("infallible");
        assert_eq!(in_flight.now(), 1, "the body is still to be read");
        let _ = answer.into_body().collect().await.expect("no error");
        drop(ask("/").await.expect("infallible"));
        let mut never = Box::pin(ask("/never"));
        assert!(futures_poll(never.as_mut()).is_pending());
        drop(never);
        assert_eq!(*ends.0.lock().expect("not poisoned"), ["200 - 3", "200 DC 0", "0 DC 0"]);
        in_flight.none().await;
    }

    #[tokio::test]
    async fn what_breaks_off_says_why_and_messages_are_counted() {
        let ends = Arc::new(Ends::default());
        let app = service_fn(async |req: Request<Body>| {
            let reset = crate::error::Error::new(crate::error::Kind::Reset);
            let broken: Option<BoxError> = match req.uri().path() {
                "/reset" => Some(reset.into()),
                "/closed" => Some("closed".into()),
                _ => None,
            };
            let whole = [Ok(Bytes::from_static(b"\0\0\0\0\x01x\0\0\0\0\0"))];
            let pieces: std::collections::VecDeque<_> = whole.into_iter().chain(broken.map(Err)).collect();
            Ok::<_, std::convert::Infallible>(Response::new(Body::new(Pieces(pieces))))
        });
        let app = ObserveLayer::new(ends.clone(), InFlight::default()).layer(app);
        for path in ["/reset", "/closed", "/"] {
            let exchange = Arc::new(Exchange::new(Arc::new(ConnInfo::new(([127, 0, 0, 1], 1).into()))));
            exchange.set_grpc();
            let mut req = Request::builder().uri(path).body(Body::empty()).expect("valid");
            req.extensions_mut().insert(exchange.clone());
            let answer = app.clone().oneshot(req).await.expect("infallible");
            assert_eq!(answer.into_body().collect().await.is_ok(), path == "/");
            assert_eq!(exchange.messages(), [0, 2]);
        }
        assert_eq!(*ends.0.lock().expect("not poisoned"), ["200 UR 11", "200 UC 11", "200 - 11"]);
    }

    struct Pieces(std::collections::VecDeque<Result<Bytes, BoxError>>);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
            Poll::Ready(self.0.pop_front().map(|piece| piece.map(http_body::Frame::data)))
        }
    }

    fn futures_poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(std::task::Waker::noop()))
    }
}

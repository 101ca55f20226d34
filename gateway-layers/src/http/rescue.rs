//! [`RescueLayer`]: errors, and panics, become Envoy's replies. Above it the error type is `Infallible`.
use std::{
    any::Any,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Body as _;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use tracing::{debug, error};

use super::local_reply::LocalReply;
use crate::{
    body::Body,
    error::{Error, Kind, Origin},
    exchange::{Exchange, Flag},
};

const OVERLOADED: HeaderName = HeaderName::from_static("x-envoy-overloaded");

/// Makes [`Rescue`].
#[derive(Clone, Copy, Debug, Default)]
pub struct RescueLayer;

/// Answers with the status, body and flag of the error. An error of `poll_ready` is kept and answered too.
#[derive(Debug)]
pub struct Rescue<S> {
    inner: S,
    unready: Option<Error>,
}

impl<S: Clone> Clone for Rescue<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), unready: None }
    }
}

impl<S> Layer<S> for RescueLayer {
    type Service = Rescue<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Rescue { inner, unready: None }
    }
}

impl<S, B, R> Service<Request<B>> for Rescue<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<Error>,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        match self.inner.poll_ready(cx) {
            Poll::Ready(Err(error)) => {
                self.unready = Some(error.into());
                Poll::Ready(Ok(()))
            }
            other => other.map(|_| Ok(())),
        }
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let exchange = Exchange::of(&req).cloned();
        // Never calls a service that was not ready.
        let (future, failed) = match self.unready.take() {
            Some(error) => (None, Some(error)),
            None => (Some(self.inner.call(req)), None),
        };
        ResponseFuture { future, failed, exchange, absorbing: None }
    }
}

/// How many times the connection may be given a turn to bring the rest of a small body.
const TURNS: usize = 8;

/// Reads what of an unsent body has come already, so that the connection can go on: Envoy has read it by the time
/// an upstream fails. A body that is still under way stays unread, and the connection is closed.
async fn absorb(mut body: Body, error: Error) -> Error {
    for _ in 0..TURNS {
        while let Some(frame) = poll_once(&mut body).await {
            if !matches!(frame, Some(Ok(_))) {
                return error;
            }
        }
        tokio::task::yield_now().await;
    }
    error
}

/// The next frame, if there is one now.
async fn poll_once(body: &mut Body) -> Option<Option<Result<http_body::Frame<Bytes>, crate::BoxError>>> {
    std::future::poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(Some(frame)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

pin_project! {
    /// The future of [`Rescue`].
    pub struct ResponseFuture<F> {
        #[pin]
        future: Option<F>,
        failed: Option<Error>,
        exchange: Option<Arc<Exchange>>,
        absorbing: Option<Pin<Box<dyn Future<Output = Error> + Send>>>,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<Error>,
    R: From<Bytes>,
{
    type Output = Result<Response<R>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(absorbing) = this.absorbing {
            let error = ready!(absorbing.as_mut().poll(cx));
            return Poll::Ready(Ok(reply(&error, this.exchange.as_deref())));
        }
        let mut error = match this.future.as_mut().as_pin_mut() {
            None => this.failed.take().unwrap_or_else(|| Error::new(Kind::Other)),
            // A panic ends this request alone; the future is not touched again.
            Some(future) => match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(Ok(response))) => return Poll::Ready(Ok(response)),
                Ok(Poll::Ready(Err(error))) => error.into(),
                Err(panic) => panicked(&*panic),
            },
        };
        let unsent = if error.kind().origin() == Origin::Upstream { error.take_request() } else { None };
        match unsent.map(Request::into_body) {
            // Without an answer nothing was awaited: a request that failed at once was not complete.
            Some(body) if error.kind() != Kind::NoHealthyHost && !body.is_end_stream() => {
                *this.absorbing = Some(Box::pin(absorb(body, error)));
                // Polled at once, for it to be woken.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            _ => Poll::Ready(Ok(reply(&error, this.exchange.as_deref()))),
        }
    }
}

impl<F> std::fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResponseFuture")
    }
}

/// The panic itself was printed by the hook; its text may hold what a client sent, so it goes no further.
fn panicked(_: &(dyn Any + Send)) -> Error {
    error!("a request panicked; it is answered with 500");
    Error::new(Kind::Other)
}

fn reply<R: From<Bytes>>(error: &Error, exchange: Option<&Exchange>) -> Response<R> {
    let kind = error.kind();
    let mut retried = false;
    if let Some(exchange) = exchange {
        let mut record = exchange.record();
        retried = record.attempts > 1;
        record.flags.join(kind.flag());
        record.details = Some(kind.details());
        if kind.flag().has(Flag::UpstreamConnectionFailure) {
            record.transport_failure = std::error::Error::source(error).map(ToString::to_string);
        }
    }
    if kind.origin() == Origin::Upstream {
        debug!(%error, "upstream failed");
    }
    let text = Bytes::from_static(kind.body(retried).as_bytes());
    let mut response = LocalReply::text(kind.status(), text);
    if kind == Kind::Overflow {
        response.headers_mut().insert(OVERLOADED, HeaderValue::from_static("true"));
    }
    if kind.status() == http::StatusCode::BAD_REQUEST
        && let Some(reply) = response.extensions_mut().get_mut::<LocalReply>()
    {
        reply.close = true;
    }
    response
}

#[cfg(test)]
mod tests {
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    #[tokio::test]
    async fn errors_and_panics_become_answers() {
        let failing = service_fn(async |req: Request<Body>| match req.uri().path() {
            "/refused" => Err(Error::new(Kind::Connect)),
            "/panic" => panic!("a bug"),
            _ => Ok(Response::new(Body::empty())),
        });
        let rescued = RescueLayer.layer(failing);
        for (path, status) in [("/refused", 503), ("/panic", 500), ("/", 200)] {
            let req = Request::builder().uri(path).body(Body::empty()).expect("valid");
            assert_eq!(rescued.clone().oneshot(req).await.expect("infallible").status(), status, "{path}");
        }
    }

    #[tokio::test]
    async fn an_unready_service_is_answered_for_not_called() {
        let (mock, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let mut rescued = RescueLayer.layer(tower::ServiceExt::<Request<Body>>::map_err(mock, Error::from));
        handle.send_error("down");
        let rescued = rescued.ready().await.expect("infallible");
        let answer = rescued.call(Request::new(Body::empty())).await.expect("infallible");
        assert_eq!(answer.status(), 500);
    }
}

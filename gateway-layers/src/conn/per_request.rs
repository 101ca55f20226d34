//! [`PerRequest`]: a connection's service, as hyper wants it.
use std::{
    convert::Infallible,
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::CONNECTION};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

use super::{
    ConnInfo,
    activity::{Active, Activity},
    streams::Stream,
};
use crate::{body, exchange::Exchange};

/// In a response's extensions: over HTTP/2 the stream is reset in its place (INTERNAL_ERROR), as Envoy does with a head
/// that is too large.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResetStream;

/// Why hyper resets a stream.
#[derive(Debug)]
pub(super) struct Reset;

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request's head is too large")
    }
}

impl std::error::Error for Reset {}

/// One connection's service, as hyper wants it: a clone per request, and the request's record put in.
pub(super) struct PerRequest<S> {
    pub(super) service: S,
    pub(super) info: Arc<ConnInfo>,
    pub(super) activity: Arc<Activity>,
    /// The connection ends after this request, unless it becomes a tunnel.
    pub(super) last: bool,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for PerRequest<S>
where
    S: Service<Request<body::Body>, Response = Response<B>, Error = Infallible> + Clone,
{
    type Response = Response<ActiveBody<B>>;
    type Error = Reset;
    type Future = ActiveFuture<Oneshot<S, Request<body::Body>>>;

    fn call(&self, req: Request<Incoming>) -> Self::Future {
        let active = self.activity.request();
        let stream = self.activity.is_h2().then(|| self.activity.streams().begin());
        let mut req = req.map(|body| body::Body::from(body).of_stream(stream.as_ref()));
        req.extensions_mut().insert(Arc::new(Exchange::new(self.info.clone())));
        ActiveFuture {
            future: Oneshot::new(self.service.clone(), req),
            active: Some(active),
            stream,
            polled: false,
            last: self.last,
        }
    }
}

pin_project! {
    /// The answer to a request; while it is awaited the connection is active.
    pub(super) struct ActiveFuture<F> {
        #[pin]
        future: F,
        active: Option<Active>,
        stream: Option<Arc<Stream>>,
        polled: bool,
        last: bool,
    }
}

impl<F, B> Future for ActiveFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<ActiveBody<B>>, Reset>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(stream) = this.stream.as_ref().filter(|_| !mem::replace(this.polled, true)) {
            stream.runs_here();
        }
        let Ok(mut response) = ready!(this.future.poll(cx));
        if this.stream.is_some() && response.extensions().get::<ResetStream>().is_some() {
            return Poll::Ready(Err(Reset));
        }
        if *this.last && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let (active, stream) = (this.active.take(), this.stream.take());
        if let Some(stream) = &stream {
            stream.answered();
        }
        Poll::Ready(Ok(response.map(|body| ActiveBody { body, active, stream })))
    }
}

pin_project! {
    /// A response's body; while it lives the connection is active.
    pub(super) struct ActiveBody<B> {
        #[pin]
        body: B,
        active: Option<Active>,
        stream: Option<Arc<Stream>>,
    }
}

impl<B: Body<Data = Bytes>> Body for ActiveBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let Some(stream) = this.stream else { return this.body.poll_frame(cx) };
        stream.taken();
        let frame = this.body.poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            stream.given(data.len());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

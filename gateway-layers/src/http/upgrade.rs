//! [`UpgradeLayer`]: WebSocket over HTTP/1.1. When the upstream answers 101 both connections become one tunnel.
//!
//! Only `websocket` is allowed; another token fails with `Kind::Upgrade` (403). The tunnel lives until one side ends
//! or nothing has moved for an hour.
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{HeaderMap, Request, Response, StatusCode, Version, header::UPGRADE};
use hyper::upgrade::{OnUpgrade, on};
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use tracing::debug;

use crate::{
    body::Body,
    conn::join,
    error::{Error, Kind},
    exchange::Exchange,
};

/// A tunnel on which nothing moves ends after this.
const IDLE: Duration = Duration::from_secs(3600);

/// Makes [`Upgrade`].
#[derive(Clone, Copy, Debug, Default)]
pub struct UpgradeLayer;

/// Joins the two connections of an upgrade.
#[derive(Clone, Copy, Debug)]
pub struct Upgrade<S> {
    inner: S,
}

impl<S> Layer<S> for UpgradeLayer {
    type Service = Upgrade<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Upgrade { inner }
    }
}

impl<S> Service<Request<Body>> for Upgrade<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error>,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<Body>) -> Self::Future {
        let asks = req.version() == Version::HTTP_11 && req.headers().contains_key(UPGRADE);
        let allowed = asks.then(|| is_websocket(req.headers()));
        match allowed {
            None => ResponseFuture { future: Some(self.inner.call(req)), client: None },
            Some(false) => ResponseFuture { future: None, client: None },
            Some(true) => {
                // The record keeps the connection's drain watch: a drain waits for the tunnel.
                let client = Client { upgrade: on(&mut req), exchange: Exchange::of(&req).cloned() };
                ResponseFuture { future: Some(self.inner.call(req)), client: Some(client) }
            }
        }
    }
}

/// In one line, and nothing else.
fn is_websocket(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(UPGRADE).iter();
    lines.next().is_some_and(|token| token.as_bytes().eq_ignore_ascii_case(b"websocket")) && lines.next().is_none()
}

#[derive(Debug)]
struct Client {
    upgrade: OnUpgrade,
    exchange: Option<std::sync::Arc<Exchange>>,
}

pin_project! {
    /// The future of [`Upgrade`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        future: Option<F>,
        client: Option<Client>,
    }
}

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Error>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Ready(Err(Error::new(Kind::Upgrade)));
        };
        let mut response = ready!(future.poll(cx))?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let asked = this.client.take().filter(|_| is_websocket(response.headers()));
            let Some(client) = asked else {
                // Nobody asked for it: the upstream broke the protocol.
                return Poll::Ready(Err(Error::new(Kind::Protocol)));
            };
            let upstream = on(&mut response);
            tokio::spawn(async move {
                if let Err(error) = tunnel(client.upgrade, upstream).await {
                    debug!(%error, "tunnel ended");
                }
                drop(client.exchange);
            });
        }
        Poll::Ready(Ok(response))
    }
}

async fn tunnel(client: OnUpgrade, upstream: OnUpgrade) -> Result<(), crate::BoxError> {
    let (client, upstream) = tokio::try_join!(client, upstream)?;
    join(TokioIo::new(client), TokioIo::new(upstream), Some(IDLE), |_, _| {}).await?;
    Ok(())
}

//! The layer, and the service it makes.
use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use gateway_core::model::RetryPolicy;
use http::{HeaderValue, Request, Response};
use http_body::Body as _;
use pin_project_lite::pin_project;
use tokio::time::sleep;
use tower::ServiceExt as _;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    policy::{looks_at_answers, retries_answer, retries_error},
    replay::Replay,
};
use crate::{
    BoxFuture,
    body::Body,
    error::{Error, Kind},
    exchange::{Exchange, Flag},
    http::{local_reply::is_grpc_request, timeout::clock, upstream_head::ATTEMPT_COUNT},
    random::Random,
};

type Outcome = Result<Response<Body>, Error>;

/// Makes [`Retry`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RetryLayer(Arc<Settings>);

#[derive(Debug)]
struct Settings {
    policy: RetryPolicy,
    random: Random,
    /// The upstream may refuse a stream, of which it has the body by then.
    streams: bool,
}

/// Tries failed requests again.
#[derive(Clone, Debug)]
pub struct Retry<S> {
    inner: S,
    layer: RetryLayer,
}

impl RetryLayer {
    /// `random` draws the back-off.
    #[must_use]
    pub fn new(policy: RetryPolicy, random: Random) -> Self {
        Self(Arc::new(Settings { policy, random, streams: false }))
    }

    /// The upstream speaks HTTP/2: what it refuses has left us already, so bodies are kept for `refused-stream` too.
    #[must_use]
    pub fn streams(self) -> Self {
        let Settings { policy, random, .. } = &*self.0;
        Self(Arc::new(Settings { policy: policy.clone(), random: random.clone(), streams: true }))
    }

    /// Does a try need a copy of the request? Else what fails comes back by itself.
    fn keeps(&self, req: &Request<Body>) -> bool {
        let policy = &self.0.policy;
        policy.per_try_timeout.is_some()
            || looks_at_answers(policy, is_grpc_request(req))
            || (self.0.streams && policy.on.refused_stream && !req.body().is_end_stream())
    }

    /// A random time below (2^n - 1) times the base interval, and below ten times the base.
    fn pause(&self, retry: u32) -> Duration {
        let base = self.0.policy.backoff;
        let factor = 2_u32.saturating_pow(retry).saturating_sub(1).min(10);
        let most = u64::try_from((base * factor).as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(if most == 0 { 0 } else { self.0.random.below(most) })
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry { inner, layer: self.clone() }
    }
}

impl<S> Service<Request<Body>> for Retry<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = ResponseFuture<S::Future, S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<Body>) -> Self::Future {
        let policy = &self.layer.0.policy;
        let exchange = Exchange::of(&req).cloned();
        if let Some(exchange) = &exchange {
            exchange.record().attempts = 1;
        }
        let again = Again { service: self.inner.clone(), layer: self.layer.clone(), exchange };
        if policy.attempts == 0 && policy.per_try_timeout.is_none() {
            return first(self.inner.call(req), None);
        }
        // Decided before anything is wrapped: most requests are not.
        if self.layer.keeps(&req) {
            let future = Box::pin(again.with_copy(req));
            return ResponseFuture { state: State::Rest { future } };
        }
        first(self.inner.call(req), Some(again))
    }
}

const fn first<F, S>(future: F, again: Option<Again<S>>) -> ResponseFuture<F, S> {
    ResponseFuture { state: State::First { future, again } }
}

pin_project! {
    /// The future of [`Retry`].
    pub struct ResponseFuture<F, S> {
        #[pin]
        state: State<F, S>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F, S> {
        // The first try of a request that needs no copy, and what goes on if it fails.
        First { #[pin] future: F, again: Option<Again<S>> },
        // Everything else.
        Rest { future: BoxFuture<Response<Body>, Error> },
    }
}

impl<F, S> fmt::Debug for ResponseFuture<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}

impl<F, S> Future for ResponseFuture<F, S>
where
    F: Future<Output = Outcome>,
    S: Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        loop {
            let future = match self.as_mut().project().state.project() {
                Projected::Rest { future } => return future.as_mut().poll(cx),
                Projected::First { future, again } => match ready!(future.poll(cx)) {
                    Ok(response) => return Poll::Ready(Ok(response)),
                    Err(error) => match again.take() {
                        Some(again) if retries_error(again.layer.0.policy.on, error.kind(), true) => {
                            Box::pin(again.unsent(error)) as BoxFuture<_, _>
                        }
                        _ => return Poll::Ready(Err(error)),
                    },
                },
            };
            self.as_mut().project().state.set(State::Rest { future });
        }
    }
}

/// What it takes to try again.
#[derive(Clone, Debug)]
struct Again<S> {
    service: S,
    layer: RetryLayer,
    exchange: Option<Arc<Exchange>>,
}

impl<S> Again<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    /// Goes on with requests that come back unsent.
    async fn unsent(self, mut error: Error) -> Outcome {
        for retry in 1..=self.layer.0.policy.attempts {
            let Some(req) = error.take_request() else { return Err(error) };
            self.pause(retry).await;
            match self.once(self.counted(req, retry + 1)).await {
                Err(next) if retries_error(self.layer.0.policy.on, next.kind(), true) => error = next,
                outcome => return outcome,
            }
        }
        self.exhausted();
        Err(error)
    }

    /// Keeps a copy of what is sent.
    async fn with_copy(self, req: Request<Body>) -> Outcome {
        let (parts, body) = req.into_parts();
        let replay = Replay::new(body);
        let settings = self.layer.0.clone();
        let policy = &settings.policy;
        for retry in 0.. {
            let req = Request::from_parts(parts.clone(), replay.body());
            let req = if retry == 0 { req } else { self.counted(req, retry + 1) };
            let outcome = self.once(req).await;
            let failed = match &outcome {
                Ok(response) => retries_answer(policy, response),
                Err(error) => retries_error(policy.on, error.kind(), error.kind() == Kind::Connect),
            };
            if failed && retry == policy.attempts && retry > 0 {
                self.exhausted();
            }
            if !failed || retry == policy.attempts || !replay.is_whole() {
                replay.settle();
                return outcome;
            }
            self.pause(retry + 1).await;
            // The connection of the failed try may have gone on reading.
            if !replay.is_whole() {
                replay.settle();
                return outcome;
            }
        }
        Err(Error::new(Kind::Other))
    }

    async fn once(&self, req: Request<Body>) -> Outcome {
        let answer = self.service.clone().oneshot(req);
        match self.layer.0.policy.per_try_timeout {
            None => answer.await,
            Some(limit) => {
                let uploading = self.exchange.clone().filter(|exchange| !exchange.request_ended());
                tokio::select! {
                    answer = answer => answer,
                    () = clock(uploading, limit) => Err(Error::new(Kind::TryTimeout)),
                }
            }
        }
    }

    /// Notes the endpoint that failed, and waits.
    async fn pause(&self, retry: u32) {
        if let Some(exchange) = &self.exchange {
            let mut record = exchange.record();
            if let Some(failed) = record.upstream
                && self.layer.0.policy.ignore_previous_hosts
            {
                record.tried.push(failed);
            }
        }
        sleep(self.layer.pause(retry)).await;
    }

    fn counted(&self, mut req: Request<Body>, attempt: u32) -> Request<Body> {
        req.headers_mut().insert(ATTEMPT_COUNT, HeaderValue::from(attempt));
        if let Some(exchange) = &self.exchange {
            exchange.record().attempts = attempt;
        }
        req
    }

    fn exhausted(&self) {
        if let Some(exchange) = &self.exchange {
            exchange.record().flags.set(Flag::RetryLimitExceeded);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use gateway_core::model::RetryOn;
    use http_body_util::BodyExt as _;
    use tower::service_fn;

    use super::*;

    /// Answers with these statuses one after the other (0: no connection); remembers attempt counts and bodies.
    async fn tries(policy: RetryPolicy, statuses: &'static [u16]) -> (Result<u16, Kind>, Vec<String>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let upstream = service_fn({
            let seen = seen.clone();
            move |req: Request<Body>| {
                let seen = seen.clone();
                async move {
                    let attempt = req.headers().get(ATTEMPT_COUNT).and_then(|value| value.to_str().ok()).unwrap_or("-");
                    let attempt = attempt.to_owned();
                    let number = seen.lock().expect("not poisoned").len();
                    if statuses[number] == 0 {
                        seen.lock().expect("not poisoned").push(attempt);
                        return Err(Error::new(Kind::Connect).with_request(Some(req)));
                    }
                    let body = req.into_body().collect().await.expect("no error").to_bytes();
                    seen.lock().expect("not poisoned").push(format!("{attempt} {}", String::from_utf8_lossy(&body)));
                    Ok(Response::builder().status(statuses[number]).body(Body::empty()).expect("valid"))
                }
            }
        });
        let retrying = RetryLayer::new(policy, Random::seeded(1, 1)).layer(upstream);
        let outcome = retrying.oneshot(Request::new(Body::from("hi"))).await;
        let outcome = outcome.map(|response| response.status().as_u16()).map_err(|error| error.kind());
        let seen = seen.lock().expect("not poisoned").clone();
        (outcome, seen)
    }

    #[tokio::test(start_paused = true)]
    async fn the_default_repeats_what_was_not_sent_and_nothing_else() {
        let (outcome, seen) = tries(RetryPolicy::default(), &[0, 0, 200]).await;
        assert_eq!((outcome, seen.join(",").as_str()), (Ok(200), "-,2,3 hi"));
        assert_eq!(tries(RetryPolicy::default(), &[0, 0, 0]).await.0, Err(Kind::Connect));
        assert_eq!(tries(RetryPolicy::default(), &[503]).await.0, Ok(503));
        let off = RetryPolicy { attempts: 0, ..RetryPolicy::default() };
        assert_eq!(tries(off, &[0]).await.0, Err(Kind::Connect));
    }

    #[tokio::test(start_paused = true)]
    async fn answers_are_repeated_with_the_body() {
        let on = RetryOn { server_error: true, ..RetryOn::default() };
        let policy = RetryPolicy { on, ..RetryPolicy::default() };
        let (outcome, seen) = tries(policy.clone(), &[500, 0, 200]).await;
        assert_eq!((outcome, seen.join(",").as_str()), (Ok(200), "- hi,2,3 hi"));
        assert_eq!(tries(policy, &[500, 501, 502]).await.0, Ok(502), "the last answer is passed on");
    }
}

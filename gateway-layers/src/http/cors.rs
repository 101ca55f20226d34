//! [`CorsLayer`]: Istio's `corsPolicy`.
//!
//! Preflights of allowed origins are answered; responses to other requests of theirs get the headers that let a
//! browser read them. The trap: a request of an origin that is not allowed is not refused, it merely gets no header
//! (the browser refuses); and a rule that matches `method: GET` never sees a preflight.
//!
//! tower-http's layer is another thing: it answers every preflight and adds `Vary`.
//!
//! ```
//! use gateway_core::model::{Cors, StringMatch};
//! use gateway_layers::{body::Body, http::CorsLayer};
//! use http::{Request, Response};
//! use tower::{Layer as _, ServiceExt as _};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), std::convert::Infallible> {
//! let app = tower::service_fn(async |_: Request<Body>| Ok::<_, std::convert::Infallible>(Response::new(Body::empty())));
//! let policy = Cors { allow_origins: vec![StringMatch::Exact("https://o.com".into())], ..Cors::default() };
//! let req = Request::builder().header("origin", "https://o.com").body(Body::empty()).expect("a valid request");
//! let answer = CorsLayer::new(policy).layer(app).oneshot(req).await?;
//! assert_eq!(answer.headers()["access-control-allow-origin"], "https://o.com");
//! # Ok(()) }
//! ```
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use gateway_core::model::{Cors as Model, StringMatch};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    },
};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{answer, local_reply::LocalReply};
use crate::exchange::Exchange;

/// Makes [`Cors`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CorsLayer(Arc<Policy>);

/// Answers preflights, marks responses.
#[derive(Clone, Debug)]
pub struct Cors<S> {
    inner: S,
    policy: Arc<Policy>,
}

/// A policy whose header values are made.
#[derive(Debug)]
struct Policy {
    origins: Vec<StringMatch>,
    any_origin: bool,
    methods: List,
    headers: List,
    expose: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
    credentials: bool,
    forward_unmatched: bool,
}

/// A list of a policy.
#[derive(Debug)]
enum List {
    /// No header.
    None,
    /// Exactly `*`: what was asked for.
    Asked,
    /// As listed.
    Of(HeaderValue),
}

impl List {
    fn new(list: &[String]) -> Self {
        match list {
            [] => Self::None,
            [only] if only == "*" => Self::Asked,
            several => HeaderValue::try_from(several.join(",")).map_or(Self::None, Self::Of),
        }
    }

    fn value(&self, asked: Option<&HeaderValue>) -> Option<HeaderValue> {
        match self {
            Self::None => None,
            Self::Asked => Some(asked.cloned().unwrap_or_else(|| HeaderValue::from_static(""))),
            Self::Of(value) => Some(value.clone()),
        }
    }
}

impl CorsLayer {
    /// With this policy.
    #[must_use]
    pub fn new(policy: Model) -> Self {
        let expose = Some(policy.expose_headers.join(",")).filter(|list| !list.is_empty());
        Self(Arc::new(Policy {
            any_origin: policy.allow_origins.iter().any(|origin| origin.fits(b"*")),
            origins: policy.allow_origins,
            methods: List::new(&policy.allow_methods),
            headers: List::new(&policy.allow_headers),
            expose: expose.and_then(|list| HeaderValue::try_from(list).ok()),
            max_age: policy.max_age.map(|age| HeaderValue::from(age.as_secs())),
            credentials: policy.allow_credentials,
            forward_unmatched: policy.forward_unmatched_preflights,
        }))
    }
}

/// What becomes of a request.
enum Verdict {
    /// Nothing to do.
    Pass,
    /// Its response is marked for this origin.
    Mark(HeaderValue),
    /// It is a preflight, answered for this origin, if it is allowed.
    Answer(Option<HeaderValue>),
}

impl Policy {
    fn judge<B>(&self, req: &Request<B>) -> Verdict {
        let Some(origin) = req.headers().get(ORIGIN).filter(|origin| !origin.is_empty()) else {
            return Verdict::Pass;
        };
        let asks = req.headers().get(ACCESS_CONTROL_REQUEST_METHOD).is_some_and(|method| !method.is_empty());
        let preflight = *req.method() == Method::OPTIONS && asks;
        let allowed = self.any_origin || self.origins.iter().any(|allowed| allowed.fits(origin.as_bytes()));
        match (allowed, preflight) {
            (true, true) => Verdict::Answer(Some(origin.clone())),
            (true, false) => Verdict::Mark(origin.clone()),
            (false, true) if !self.forward_unmatched => Verdict::Answer(None),
            (false, _) => Verdict::Pass,
        }
    }

    fn preflight(&self, origin: Option<HeaderValue>, asked: &HeaderMap) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, value: Option<HeaderValue>| {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        };
        let allowed = origin.is_some();
        put(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        put(ACCESS_CONTROL_ALLOW_CREDENTIALS, self.credentials.then(|| HeaderValue::from_static("true")));
        put(ACCESS_CONTROL_ALLOW_METHODS, self.methods.value(asked.get(ACCESS_CONTROL_REQUEST_METHOD)));
        put(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.value(asked.get(ACCESS_CONTROL_REQUEST_HEADERS)));
        put(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        put(ACCESS_CONTROL_EXPOSE_HEADERS, self.expose.clone().filter(|_| allowed));
        headers
    }

    fn mark(&self, origin: HeaderValue, headers: &mut HeaderMap) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if let Some(expose) = &self.expose {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }
}

impl<S> Layer<S> for CorsLayer {
    type Service = Cors<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Cors { inner, policy: self.0.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for Cors<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        match self.policy.judge(&req) {
            Verdict::Pass => ResponseFuture { future: answer::ResponseFuture::inner(self.inner.call(req)), mark: None },
            Verdict::Mark(origin) => {
                let mark = Some((self.policy.clone(), origin));
                ResponseFuture { future: answer::ResponseFuture::inner(self.inner.call(req)), mark }
            }
            Verdict::Answer(origin) => {
                if let Some(exchange) = Exchange::of(&req) {
                    exchange.record().details = Some("cors_response");
                }
                let mut response: Response<R> = LocalReply::empty(StatusCode::OK);
                *response.headers_mut() = self.policy.preflight(origin, req.headers());
                ResponseFuture { future: answer::ResponseFuture::answer(response), mark: None }
            }
        }
    }
}

pin_project! {
    /// The future of [`Cors`].
    #[derive(Debug)]
    pub struct ResponseFuture<F, R> {
        #[pin]
        future: answer::ResponseFuture<F, R>,
        mark: Option<(Arc<Policy>, HeaderValue)>,
    }
}

impl<F, R, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut response = ready!(this.future.poll(cx))?;
        if let Some((policy, origin)) = this.mark.take() {
            policy.mark(origin, response.headers_mut());
        }
        Poll::Ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    fn policy(forward: bool) -> Model {
        Model {
            allow_origins: vec![StringMatch::Exact("https://o.com".to_owned())],
            allow_methods: vec!["*".to_owned()],
            max_age: Some(std::time::Duration::from_secs(60)),
            expose_headers: vec!["x-a".to_owned()],
            forward_unmatched_preflights: forward,
            ..Model::default()
        }
    }

    async fn ask(policy: Model, method: &str, origin: &str) -> Response<String> {
        let app = service_fn(async |_: Request<()>| Ok::<_, std::convert::Infallible>(Response::new("up".to_owned())));
        let req = Request::builder().method(method).header(ORIGIN, origin).header(ACCESS_CONTROL_REQUEST_METHOD, "PUT");
        CorsLayer::new(policy).layer(app).oneshot(req.body(()).expect("valid")).await.expect("infallible")
    }

    #[tokio::test]
    async fn preflights_are_answered_for_allowed_origins() {
        let answer = ask(policy(true), "OPTIONS", "https://o.com").await;
        assert_eq!(answer.body(), "");
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_METHODS], "PUT");
        assert_eq!(answer.headers()[ACCESS_CONTROL_MAX_AGE], "60");
        assert_eq!(ask(policy(true), "OPTIONS", "https://bad").await.body(), "up");
        let ignored = ask(policy(false), "OPTIONS", "https://bad").await;
        assert_eq!((ignored.body().as_str(), ignored.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN)), ("", None));
    }

    #[tokio::test]
    async fn answers_are_marked_for_allowed_origins_only() {
        assert_eq!(ask(policy(true), "GET", "https://o.com").await.headers()[ACCESS_CONTROL_EXPOSE_HEADERS], "x-a");
        assert!(ask(policy(true), "GET", "https://O.com").await.headers().is_empty());
        assert!(ask(policy(true), "GET", "").await.headers().is_empty());
    }
}

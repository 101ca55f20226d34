//! [`HttpsRedirectLayer`]: sends plain requests to `https` at the same host, path and query.
//!
//! The host is taken as it was sent, with its port (Istio's `httpsRedirect`): behind port 8080 give the public port
//! with [`to_port`](HttpsRedirectLayer::to_port). Whether a request was plain says the connection, if a server of
//! this crate took it; else the URI's scheme; else the layer's default, plain. A request without Host passes.
//!
//! ```
//! use gateway_layers::http::HttpsRedirectLayer;
//! use http::{Request, Response};
//! use tower::{Layer as _, ServiceExt as _};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), std::convert::Infallible> {
//! let app = tower::service_fn(async |_: Request<()>| Ok::<_, std::convert::Infallible>(Response::new(String::new())));
//! let app = HttpsRedirectLayer::moved_permanently().except("/.well-known/acme-challenge/").layer(app);
//!
//! let req = Request::builder().uri("/x?y=1").header("host", "a.com").body(()).expect("a valid request");
//! let answer = app.clone().oneshot(req).await?;
//! assert_eq!(answer.status(), 301);
//! assert_eq!(answer.headers()["location"], "https://a.com/x?y=1");
//!
//! let req = Request::builder().uri("/.well-known/acme-challenge/t").header("host", "a.com").body(());
//! assert_eq!(app.oneshot(req.expect("a valid request")).await?.status(), 200);
//! # Ok(()) }
//! ```
use std::{
    sync::Arc,
    task::{Context, Poll},
};

use gateway_core::host_table::without_port;
use http::{HeaderValue, Request, Response, StatusCode, header::LOCATION};
use tower_layer::Layer;
use tower_service::Service;

pub use super::answer::ResponseFuture;
use super::request::{authority, is_https};

/// Makes [`HttpsRedirect`].
#[derive(Clone, Debug)]
pub struct HttpsRedirectLayer(Arc<Settings>);

#[derive(Clone, Debug)]
struct Settings {
    status: StatusCode,
    port: Option<u16>,
    except: Vec<String>,
}

/// Answers plain requests with a redirect, passes the others.
#[derive(Clone, Debug)]
pub struct HttpsRedirect<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl HttpsRedirectLayer {
    /// With this status.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self(Arc::new(Settings { status, port: None, except: Vec::new() }))
    }

    /// 301, as Istio does, for every method.
    #[must_use]
    pub fn moved_permanently() -> Self {
        Self::new(StatusCode::MOVED_PERMANENTLY)
    }

    /// 308: clients keep method and body.
    #[must_use]
    pub fn permanent() -> Self {
        Self::new(StatusCode::PERMANENT_REDIRECT)
    }

    /// Paths with this prefix pass.
    #[must_use]
    pub fn except(mut self, prefix: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.0).except.push(prefix.into());
        self
    }

    /// The port in the location: the host's own is replaced, 443 is not written.
    #[must_use]
    pub fn to_port(mut self, port: u16) -> Self {
        Arc::make_mut(&mut self.0).port = Some(port);
        self
    }
}

impl Settings {
    fn location<B>(&self, req: &Request<B>) -> Option<HeaderValue> {
        let path = req.uri().path_and_query().map_or("/", |path| path.as_str());
        if is_https(req).unwrap_or(false) || self.except.iter().any(|prefix| path.starts_with(prefix.as_str())) {
            return None;
        }
        let authority = authority(req)?;
        let location = match self.port {
            None => format!("https://{authority}{path}"),
            Some(443) => format!("https://{}{path}", without_port(authority)),
            Some(port) => format!("https://{}:{port}{path}", without_port(authority)),
        };
        HeaderValue::try_from(location).ok()
    }
}

impl<S> Layer<S> for HttpsRedirectLayer {
    type Service = HttpsRedirect<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpsRedirect { inner, settings: self.0.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for HttpsRedirect<S>
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
        let Some(location) = self.settings.location(&req) else {
            return ResponseFuture::inner(self.inner.call(req));
        };
        let mut response = Response::new(R::default());
        *response.status_mut() = self.settings.status;
        response.headers_mut().insert(LOCATION, location);
        ResponseFuture::answer(response)
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(layer: HttpsRedirectLayer, uri: &str, host: Option<&str>) -> Response<()> {
        let inner = tower::service_fn(async |_: Request<()>| Ok::<_, std::convert::Infallible>(Response::new(())));
        let mut req = Request::builder().uri(uri);
        if let Some(host) = host {
            req = req.header("host", host);
        }
        layer.layer(inner).oneshot(req.body(()).expect("valid")).await.expect("infallible")
    }

    #[tokio::test]
    async fn host_and_port_as_sent_or_as_told() {
        let layer = HttpsRedirectLayer::moved_permanently;
        for (layer, host, expected) in [
            (layer(), "A.com:8080", "https://A.com:8080/x?q"),
            (layer().to_port(443), "a.com:8080", "https://a.com/x?q"),
            (layer().to_port(8443), "[::1]:80", "https://[::1]:8443/x?q"),
        ] {
            assert_eq!(ask(layer, "/x?q", Some(host)).await.headers()["location"], expected);
        }
        assert_eq!(ask(HttpsRedirectLayer::permanent(), "/", Some("a.com")).await.status(), 308);
    }

    #[tokio::test]
    async fn https_and_hostless_requests_pass() {
        let layer = HttpsRedirectLayer::permanent;
        assert_eq!(ask(layer(), "https://a.com/", None).await.status(), 200);
        assert_eq!(ask(layer(), "/", None).await.status(), 200);
    }
}

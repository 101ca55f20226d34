//! [`RewriteLayer`]: a new path, a new Host.
//!
//! As Istio: `x-envoy-original-path` gets the path that was matched, `x-envoy-original-host` the Host as sent. No
//! slash is repaired: prefix `/foo` to `/` makes `//bar` of `/foo/bar`. The query stays.
//!
//! ```
//! use gateway_core::model::PathRewrite;
//! use gateway_layers::http::RewriteLayer;
//! use http::{Request, Response};
//! use tower::{Layer as _, ServiceExt as _};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), std::convert::Infallible> {
//! let app = tower::service_fn(async |req: Request<()>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(req.uri().to_string()))
//! });
//! let layer = RewriteLayer::new(Some(PathRewrite::Prefix { length: "/api".len(), with: "/v1".into() }), None);
//! let req = Request::builder().uri("/api/users?x=1").body(()).expect("a valid request");
//! assert_eq!(layer.layer(app).oneshot(req).await?.into_body(), "/v1/users?x=1");
//! # Ok(()) }
//! ```
use std::{
    fmt::Write as _,
    sync::Arc,
    task::{Context, Poll},
};

use gateway_core::model::{HostRewrite, PathRewrite};
use http::{HeaderName, HeaderValue, Request, Uri, header::HOST, uri::PathAndQuery};
use tower_layer::Layer;
use tower_service::Service;

const ORIGINAL_HOST: HeaderName = HeaderName::from_static("x-envoy-original-host");
const ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");

/// Makes [`Rewrite`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RewriteLayer(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    path: Option<PathRewrite>,
    host: Option<HostRewrite>,
}

/// Changes path and Host of requests.
#[derive(Clone, Debug)]
pub struct Rewrite<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl RewriteLayer {
    /// The changes.
    #[must_use]
    pub fn new(path: Option<PathRewrite>, host: Option<HostRewrite>) -> Self {
        Self(Arc::new(Rules { path, host }))
    }
}

impl Rules {
    fn apply<B>(&self, req: &mut Request<B>) {
        if let Some(host) = &self.host {
            let old = req.headers_mut().insert(HOST, host.host.clone());
            if let (true, Some(old)) = (host.keep_original, old) {
                req.headers_mut().insert(ORIGINAL_HOST, old);
            }
        }
        if let Some(path) = &self.path {
            let old = req.uri().path_and_query().map_or("/", |path| path.as_str());
            let original = HeaderValue::from_str(old);
            let new = rewritten(path, req.uri().path(), req.uri().query());
            if let Ok(original) = original {
                req.headers_mut().insert(ORIGINAL_PATH, original);
            }
            if let Ok(new) = PathAndQuery::try_from(new.as_str()).or_else(|_| PathAndQuery::try_from(escaped(&new))) {
                *req.uri_mut() = Uri::from(new);
            }
        }
    }
}

fn rewritten(rule: &PathRewrite, path: &str, query: Option<&str>) -> String {
    let mut new = match rule {
        PathRewrite::Prefix { length, with } => format!("{with}{}", path.get(*length..).unwrap_or_default()),
        PathRewrite::Full(with) => with.clone(),
        PathRewrite::Regex { pattern, with } => pattern.replace_all(path, with),
    };
    if !new.starts_with('/') {
        new.insert(0, '/');
    }
    if let Some(query) = query {
        new.push('?');
        new.push_str(query);
    }
    new
}

/// Characters that no request line may have, from the configuration's text, are percent-encoded.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 8);
    for byte in path.bytes() {
        if byte.is_ascii_graphic()
            && !matches!(byte, b'"' | b'<' | b'>' | b'`' | b'#' | b'\\' | b'^' | b'{' | b'|' | b'}')
        {
            out.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

impl<S> Layer<S> for RewriteLayer {
    type Service = Rewrite<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Rewrite { inner, rules: self.0.clone() }
    }
}

impl<S, B> Service<Request<B>> for Rewrite<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<B>) -> S::Future {
        self.rules.apply(&mut req);
        self.inner.call(req)
    }
}

#[cfg(test)]
mod tests {
    use gateway_core::model::Regex;

    use super::*;

    #[test]
    fn paths_as_envoy_rewrites_them() {
        let prefix = |length, with: &str| PathRewrite::Prefix { length, with: with.to_owned() };
        let regex = |pattern, with: &str| PathRewrite::Regex {
            pattern: Regex::anywhere(pattern).expect("valid"),
            with: with.to_owned(),
        };
        for (rule, uri, expected) in [
            (prefix(4, "/"), "/foo/bar?q=1", "//bar?q=1"),
            (prefix(5, "/"), "/foo/bar", "/bar"),
            (prefix(1, "/bar"), "/x", "/barx"),
            (prefix(4, "bar"), "/foo/x", "/bar/x"),
            (PathRewrite::Full("/bar".to_owned()), "/foo/x?q=1", "/bar?q=1"),
            (PathRewrite::Full("/bar?f=1".to_owned()), "/foo?q=1", "/bar?f=1?q=1"),
            (PathRewrite::Full("/a b\n".to_owned()), "/foo", "/a%20b%0A"),
            (regex("a", "b"), "/aXa?a=a", "/bXb?a=a"),
            (regex("^/svc/([^/]+)(/.*)$", r"\2?inst=\1"), "/svc/n1/p", "/p?inst=n1"),
        ] {
            let mut req = Request::builder().uri(uri).body(()).expect("valid");
            RewriteLayer::new(Some(rule), None).0.apply(&mut req);
            assert_eq!(req.uri().to_string(), expected);
            assert_eq!(req.headers()[ORIGINAL_PATH], uri);
        }
    }

    #[test]
    fn the_host_is_kept_if_asked() {
        for (keep_original, expected) in [(true, Some("a.com:80")), (false, None)] {
            let mut req = Request::builder().header(HOST, "a.com:80").body(()).expect("valid");
            let host = HostRewrite { host: HeaderValue::from_static("b.com"), keep_original };
            RewriteLayer::new(None, Some(host)).0.apply(&mut req);
            assert_eq!(req.headers()[HOST], "b.com");
            assert_eq!(req.headers().get(ORIGINAL_HOST).and_then(|value| value.to_str().ok()), expected);
        }
    }
}

//! [`NormalizeLayer`]: one host and one path for everything that decides on them; what is ambiguous is refused.
//!
//! After it a request has a single `Host` header (that of an absolute URI or of HTTP/2's `:authority` wins) and a
//! URI of path and query alone, the path normalised. Refused with Envoy's answers: no Host (400), a Host that is
//! none, HTTP/1.0 (426), unknown methods over HTTP/1, `%00` in the path (400), CONNECT and `OPTIONS *` (404), TRACE
//! (405), an expectation other than `100-continue` (417), a transfer coding other than `chunked` (501), more than 100
//! fields or 60 KiB (431).
//!
//! ```
//! use gateway_layers::http::NormalizeLayer;
//! use http::{Request, Response};
//! use tower::{Layer as _, ServiceExt as _};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), std::convert::Infallible> {
//! let app = tower::service_fn(async |req: Request<()>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(bytes::Bytes::from(req.uri().to_string())))
//! });
//! let app = NormalizeLayer::default().layer(app);
//! let req = Request::builder().uri("http://a.com/a/../%62?q=%62").body(()).expect("a valid request");
//! assert_eq!(app.clone().oneshot(req).await?.into_body(), "/b?q=%62");
//! assert_eq!(app.oneshot(Request::new(())).await?.status(), 400, "no Host");
//! # Ok(()) }
//! ```
use std::{
    borrow::Cow,
    task::{Context, Poll},
};

use bytes::Bytes;
use gateway_core::{
    authority::host_name,
    path::{Normalization, normalize},
};
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    header::{CONTENT_TYPE, COOKIE, EXPECT, HOST, TRANSFER_ENCODING},
    uri::{PathAndQuery, Scheme},
};
use tower_layer::Layer;
use tower_service::Service;

pub use super::answer::ResponseFuture;
use super::{local_reply::LocalReply, request::is_https};
use crate::{conn::ResetStream, exchange::Exchange, http1::Refusal};

/// Makes [`Normalize`].
#[derive(Clone, Copy, Debug)]
pub struct NormalizeLayer {
    mode: Normalization,
    max_fields: usize,
    max_head: usize,
}

/// Brings requests into one form, or refuses them.
#[derive(Clone, Copy, Debug)]
pub struct Normalize<S> {
    inner: S,
    settings: NormalizeLayer,
}

/// The methods that Envoy's HTTP/1 parser knows.
const HTTP1_METHODS: [&str; 35] = [
    "ACL",
    "BIND",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "TRACE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

impl NormalizeLayer {
    /// With this treatment of paths.
    #[must_use]
    pub const fn new(mode: Normalization) -> Self {
        Self { mode, max_fields: 100, max_head: 60 * 1024 }
    }

    /// Fields of a head, and its bytes \[100, 60 KiB: Envoy's\].
    #[must_use]
    pub const fn limits(mut self, max_fields: usize, max_head: usize) -> Self {
        (self.max_fields, self.max_head) = (max_fields, max_head);
        self
    }
}

impl Default for NormalizeLayer {
    fn default() -> Self {
        Self::new(Normalization::Base)
    }
}

fn check<B>(req: &mut Request<B>, settings: NormalizeLayer) -> Result<(), Refusal> {
    size(req, settings)?;
    method_and_version(req)?;
    framing(req)?;
    host(req)?;
    target(req, settings.mode)?;
    let expects = req.headers().get(EXPECT);
    if expects.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Refusal::new(StatusCode::EXPECTATION_FAILED, "", "unknown_expectation", true));
    }
    if req.method().as_str() == "QUERY" && !req.headers().contains_key(CONTENT_TYPE) {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "", "query_missing_content_type", true));
    }
    Ok(())
}

/// Fields, the Host among them, and bytes of a head: Envoy's limits. hyper's own are looser over HTTP/2.
fn size<B>(req: &Request<B>, settings: NormalizeLayer) -> Result<(), Refusal> {
    let headers = req.headers();
    let implied = usize::from(req.uri().authority().is_some() && !headers.contains_key(HOST));
    if headers.len() + implied > settings.max_fields {
        return Err(Refusal::TOO_MANY_FIELDS);
    }
    let uri = req.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes + uri > settings.max_head { Err(Refusal::HEAD_TOO_LARGE) } else { Ok(()) }
}

/// A transfer coding other than exactly `chunked` is not understood by everybody in the same way.
fn framing<B>(req: &mut Request<B>) -> Result<(), Refusal> {
    let mut codings = req.headers().get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next()
        && (codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        return Err(Refusal::UNKNOWN_CODING);
    }
    if req.version() == Version::HTTP_2 {
        join_cookies(req);
    }
    Ok(())
}

/// HTTP/2 splits a cookie into crumbs; everybody behind sees one line (RFC 9113 8.2.3).
fn join_cookies<B>(req: &mut Request<B>) {
    let crumbs: Vec<_> = req.headers().get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        req.headers_mut().insert(COOKIE, joined);
    }
}

fn method_and_version<B>(req: &Request<B>) -> Result<(), Refusal> {
    if req.version() < Version::HTTP_11 {
        return Err(Refusal::VERSION);
    }
    match *req.method() {
        Method::GET | Method::POST | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS | Method::PATCH => {
            Ok(())
        }
        Method::TRACE => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "", "trace_refused", false)),
        Method::CONNECT if req.uri().port().is_none() && req.version() == Version::HTTP_11 => Err(Refusal::BAD_REQUEST),
        Method::CONNECT => Err(Refusal::new(StatusCode::NOT_FOUND, "", "route_not_found", true)),
        ref other if req.version() == Version::HTTP_11 && !HTTP1_METHODS.contains(&other.as_str()) => {
            Err(Refusal::BAD_REQUEST)
        }
        _ => Ok(()),
    }
}

/// Leaves one Host header, a valid one.
fn host<B>(req: &mut Request<B>) -> Result<(), Refusal> {
    let bad = Refusal::BAD_REQUEST;
    let Some(authority) = req.uri().authority() else {
        let mut hosts = req.headers().get_all(HOST).iter();
        let missing = Refusal::new(StatusCode::BAD_REQUEST, "", "missing_host_header", true);
        let host = hosts.next().ok_or(missing)?;
        return if hosts.next().is_none() && host_name(host.as_bytes()).is_ok() { Ok(()) } else { Err(bad) };
    };
    let one = req.headers().get_all(HOST).iter().nth(1).is_none();
    if !one || host_name(authority.as_str().as_bytes()).is_err() {
        return Err(bad);
    }
    let value = HeaderValue::from_str(authority.as_str()).map_err(|_| bad)?;
    req.headers_mut().insert(HOST, value);
    Ok(())
}

/// Leaves path and query, the path normalised.
fn target<B>(req: &mut Request<B>, mode: Normalization) -> Result<(), Refusal> {
    let uri = req.uri();
    let http1 = req.version() == Version::HTTP_11;
    if http1 && let Some(scheme) = uri.scheme() {
        if *scheme == Scheme::HTTPS && !is_secure(req) {
            let details = "http1.https_url_on_plaintext_connection";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "Forbidden", details, true));
        }
        if *scheme != Scheme::HTTPS && *scheme != Scheme::HTTP {
            return Err(Refusal::BAD_REQUEST);
        }
    }
    let path = uri.path();
    if path == "*" {
        return Err(if *req.method() == Method::OPTIONS {
            Refusal::new(StatusCode::NOT_FOUND, "", "absolute_path_rejected", false)
        } else {
            Refusal::BAD_REQUEST
        });
    }
    if uri.path_and_query().is_none() || !path.starts_with('/') {
        return Err(Refusal::BAD_REQUEST);
    }
    let nul = Refusal::new(StatusCode::BAD_REQUEST, "", "path_normalization_failed", true);
    let new = match normalize(path, mode).map_err(|_| nul)? {
        Cow::Borrowed(_) if uri.authority().is_none() => return Ok(()),
        Cow::Borrowed(_) => uri.path_and_query().cloned().ok_or(nul)?,
        Cow::Owned(mut path) => {
            if let Some(query) = uri.query() {
                path.push('?');
                path.push_str(query);
            }
            PathAndQuery::try_from(path).map_err(|_| nul)?
        }
    };
    *req.uri_mut() = Uri::from(new);
    Ok(())
}

/// Of the connection alone: the URI's own scheme is what is in question.
fn is_secure<B>(req: &Request<B>) -> bool {
    Exchange::of(req).is_some() && is_https(req) == Some(true)
}

impl<S> Layer<S> for NormalizeLayer {
    type Service = Normalize<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Normalize { inner, settings: *self }
    }
}

impl<S, B, R> Service<Request<B>> for Normalize<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        match check(&mut req, self.settings) {
            Ok(()) => ResponseFuture::inner(self.inner.call(req)),
            Err(refusal) => ResponseFuture::answer(answer(&req, refusal)),
        }
    }
}

fn answer<B, R: From<Bytes>>(req: &Request<B>, refusal: Refusal) -> Response<R> {
    if let Some(exchange) = Exchange::of(req) {
        refusal.record(exchange);
    }
    let mut response = LocalReply::text(refusal.status, Bytes::from_static(refusal.text.as_bytes()));
    if let Some(reply) = response.extensions_mut().get_mut::<LocalReply>() {
        reply.close = refusal.close;
    }
    if refusal.status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE {
        response.extensions_mut().insert(ResetStream);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str, headers: &[(&str, &str)]) -> Request<()> {
        let (method, uri) = line.split_once(' ').expect("a method and a target");
        let mut req = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            req = req.header(*name, *value);
        }
        req.body(()).expect("valid")
    }

    #[test]
    fn refusals() {
        let host = ("host", "a.com");
        for (line, headers, status) in [
            ("GET /", &[][..], 400),
            ("GET /", &[host, host], 400),
            ("GET /", &[("host", "a.com,b.com")], 400),
            ("GET /", &[("host", "u@a.com")], 400),
            ("GET /a%00", &[host], 400),
            ("FOO /", &[host], 400),
            ("QUERY /", &[host], 400),
            ("TRACE /", &[host], 405),
            ("OPTIONS *", &[host], 404),
            ("GET *", &[host], 400),
            ("CONNECT a.com:443", &[host], 404),
            ("CONNECT a.com", &[host], 400),
            ("GET https://a.com/", &[host], 403),
            ("GET ftp://a.com/", &[host], 400),
            ("GET http://u@a.com/", &[host], 400),
            ("GET /", &[host, ("expect", "x")], 417),
            ("GET /", &[host, ("transfer-encoding", "gzip, chunked")], 501),
            ("GET /", &[host, ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], 501),
        ] {
            let refused = check(&mut request(line, headers), NormalizeLayer::default()).expect_err(line);
            assert_eq!(refused.status, status, "{line} {headers:?}");
        }
        let many: Vec<_> = std::iter::repeat_n(("x", "1"), 100).chain([host]).collect();
        assert_eq!(check(&mut request("GET /", &many), NormalizeLayer::default()).expect_err("many").status, 431);
        let large = "x".repeat(60 * 1024);
        let refused = check(&mut request("GET /", &[host, ("x", &large)]), NormalizeLayer::default());
        assert_eq!(refused.expect_err("large").status, 431);
        let mut old = request("GET /", &[host]);
        *old.version_mut() = Version::HTTP_10;
        assert_eq!(check(&mut old, NormalizeLayer::default()).expect_err("old").status, 426);
    }

    #[test]
    fn one_form() {
        for (line, host, path, expected_host) in [
            ("GET /a?x", "a.com", "/a?x", "a.com"),
            ("GET http://B.com:80/a/./b?x", "a.com", "/a/b?x", "B.com:80"),
            ("GET http://b.com", "a.com", "/", "b.com"),
            ("PURGE /", "", "/", ""),
        ] {
            let mut req = request(line, &[("host", host)]);
            assert_eq!(check(&mut req, NormalizeLayer::default()), Ok(()), "{line}");
            assert_eq!(
                (req.uri().to_string().as_str(), &req.headers()[HOST]),
                (path, &expected_host.parse::<HeaderValue>().expect("valid"))
            );
        }
    }
}

//! [`Redirect`]: a service that answers every request with a redirect, as Istio's `redirect` describes it.
//!
//! What the rule leaves out stays as in the request. The trap: the Host's own port stays too, unless a port is
//! given or the scheme changes away from the one whose default port it is (`http://a.com:80` to `https://a.com`,
//! but `http://a.com:8080` to `https://a.com:8080`).
//!
//! ```
//! use gateway_core::model;
//! use gateway_layers::http::Redirect;
//! use http::{Request, StatusCode};
//! use tower::ServiceExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), std::convert::Infallible> {
//! let rule = model::Redirect { authority: Some("b.com".into()), ..model::Redirect::new(StatusCode::FOUND) };
//! let req = Request::builder().uri("/p?q=1").header("host", "a.com:8080").body(()).expect("a valid request");
//! let answer = Redirect::<String>::new(rule).oneshot(req).await?;
//! assert_eq!(answer.headers()["location"], "http://b.com/p?q=1");
//! # Ok(()) }
//! ```
use std::{
    convert::Infallible,
    future::{Ready, ready},
    marker::PhantomData,
    sync::Arc,
    task::{Context, Poll},
};

use gateway_core::{
    host_table::without_port,
    model::{self, RedirectPath, UriScheme},
};
use http::{HeaderValue, Request, Response, header::LOCATION};
use tower_service::Service;

use super::{
    local_reply::LocalReply,
    request::{authority, is_https},
};

/// Answers with a redirect; `R` is the type of the (empty) body. Cheap to clone.
#[derive(Debug)]
pub struct Redirect<R> {
    rule: Arc<model::Redirect>,
    body: PhantomData<fn() -> R>,
}

impl<R> Redirect<R> {
    /// As this rule says; its response operations are not made here.
    #[must_use]
    pub fn new(rule: model::Redirect) -> Self {
        Self { rule: Arc::new(rule), body: PhantomData }
    }

    /// The location for a request.
    fn location<B>(&self, req: &Request<B>) -> String {
        let rule = &*self.rule;
        let sent = if is_https(req).unwrap_or(false) { UriScheme::Https } else { UriScheme::Http };
        let scheme = rule.scheme.unwrap_or(sent);
        let mut out = format!("{}://", scheme.as_str());
        match &rule.authority {
            Some(authority) => out.push_str(authority),
            None => out.push_str(self.host(authority(req).unwrap_or_default(), sent, scheme)),
        }
        if let Some(port) = rule.port {
            out.push(':');
            out.push_str(&port.to_string());
        }
        let path = self.path(req.uri().path(), req.uri().path_and_query().map_or("/", |path| path.as_str()));
        if !path.starts_with('/') {
            out.push('/');
        }
        out.push_str(&path);
        out
    }

    fn host<'a>(&self, host: &'a str, sent: UriScheme, scheme: UriScheme) -> &'a str {
        let name = without_port(host);
        let its_default = host[name.len()..].strip_prefix(':').and_then(|port| port.parse().ok());
        let implied = scheme != sent && its_default == Some(sent.default_port());
        if self.rule.port.is_some() || implied { name } else { host }
    }

    fn path(&self, path: &str, path_and_query: &str) -> String {
        let query = &path_and_query[path.len().min(path_and_query.len())..];
        match &self.rule.path {
            None => path_and_query.to_owned(),
            Some(RedirectPath::Full(with)) if with.contains('?') => with.clone(),
            Some(RedirectPath::Full(with)) => format!("{with}{query}"),
            Some(RedirectPath::Prefix { length, with }) => {
                format!("{with}{}{query}", path.get(*length..).unwrap_or_default())
            }
        }
    }
}

impl<B, R: Default> Service<Request<B>> for Redirect<R> {
    type Response = Response<R>;
    type Error = Infallible;
    type Future = Ready<Result<Response<R>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let mut response = LocalReply::empty(self.rule.status);
        // Text that no header can hold (a configured path with a control character) leaves the status alone.
        if let Ok(location) = HeaderValue::try_from(self.location(&req)) {
            response.headers_mut().insert(LOCATION, location);
        }
        ready(Ok(response))
    }
}

impl<R> Clone for Redirect<R> {
    fn clone(&self) -> Self {
        Self { rule: self.rule.clone(), body: PhantomData }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn location(rule: model::Redirect, uri: &str, host: &str) -> String {
        let req = Request::builder().uri(uri).header("host", host).body(()).expect("valid");
        Redirect::<()>::new(rule).location(&req)
    }

    #[test]
    fn locations_as_envoy_builds_them() {
        let rule = || model::Redirect::new(StatusCode::MOVED_PERMANENTLY);
        let https = || model::Redirect { scheme: Some(UriScheme::Https), ..rule() };
        let path = |path| model::Redirect { path: Some(path), ..rule() };
        let full = |with: &str| path(RedirectPath::Full(with.to_owned()));
        let prefix = |length, with: &str| path(RedirectPath::Prefix { length, with: with.to_owned() });
        for (rule, uri, host, expected) in [
            (https(), "/", "a.com:80", "https://a.com/"),
            (https(), "/", "a.com:8080", "https://a.com:8080/"),
            (https(), "/", "A.com", "https://A.com/"),
            (model::Redirect { port: Some(8443), ..https() }, "/", "a.com:8080", "https://a.com:8443/"),
            (rule(), "/p?", "a.com", "http://a.com/p?"),
            (full("/new"), "/old?x=1", "a.com", "http://a.com/new?x=1"),
            (full("/new?y=2"), "/old?x=1", "a.com", "http://a.com/new?y=2"),
            (full("new"), "/old", "a.com", "http://a.com/new"),
            (prefix(4, "/new"), "/old/x?y=1", "a.com", "http://a.com/new/x?y=1"),
            (prefix(4, "/"), "/old/x", "a.com", "http://a.com//x"),
        ] {
            assert_eq!(location(rule, uri, host), expected);
        }
    }
}

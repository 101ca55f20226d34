//! What layers ask of a request: its host, its scheme.
use http::{Request, header::HOST};

/// The authority as the client sent it: that of the URI (absolute form, HTTP/2), else the Host header.
#[must_use]
pub fn authority<B>(req: &Request<B>) -> Option<&str> {
    match req.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => req.headers().get(HOST)?.to_str().ok(),
    }
}

/// True if the request came through TLS: the connection says so if a server of ours took it, else the URI does;
/// `None` if neither knows.
#[must_use]
pub fn is_https<B>(req: &Request<B>) -> Option<bool> {
    #[cfg(feature = "conn")]
    if let Some(exchange) = crate::exchange::Exchange::of(req) {
        return Some(exchange.is_https());
    }
    req.uri().scheme().map(|scheme| *scheme == http::uri::Scheme::HTTPS)
}

//! [`RequestHeadLayer`]: one pass over a request's headers before it is routed.
//!
//! Removed: hop-by-hop headers and those that `Connection` names, framing headers (the body's own length decides
//! upstream), and what an untrusted peer may not say: `x-envoy-*`, `x-forwarded-client-cert`, `forwarded`,
//! `x-real-ip`, twins with `_` for `-`. Written: `x-forwarded-for`, `x-forwarded-proto`, `x-envoy-external-address`,
//! `x-request-id`, and the client certificate.
//!
//! A peer that is trusted ([`RequestHeadLayer::trust`]) says who its client is and how it came: then
//! `x-envoy-external-address`, logs and redirects to HTTPS follow `x-forwarded-for` and `x-forwarded-proto`.
//!
//! ```
//! use gateway_layers::http::RequestHeadLayer;
//! use http::{Request, Response};
//! use tower::{Layer as _, ServiceExt as _};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), std::convert::Infallible> {
//! let app = tower::service_fn(async |req: Request<()>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(req.headers().clone()))
//! });
//! let req = Request::builder().header("connection", "x-hop").header("x-hop", "1").header("x-envoy-retry-on", "5xx");
//! let seen = RequestHeadLayer::new().layer(app).oneshot(req.body(()).expect("a valid request")).await?.into_body();
//! assert_eq!(seen.keys().collect::<Vec<_>>(), ["x-request-id"]);
//! # Ok(()) }
//! ```
use std::{
    sync::Arc,
    task::{Context, Poll},
};

use gateway_core::forwarded::Trust;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Version,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
    },
};
use tower_layer::Layer;
use tower_service::Service;
use uuid::Uuid;

use super::referer;
use crate::{
    conn::ConnInfo,
    exchange::{Exchange, Forwarded},
};

const EXTERNAL_ADDRESS: HeaderName = HeaderName::from_static("x-envoy-external-address");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Makes [`RequestHead`]. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RequestHeadLayer(Arc<Settings>);

#[derive(Clone, Debug, Default)]
struct Settings {
    trust: Trust,
    client_cert: ForwardClientCert,
}

/// Cleans the request's headers and writes the gateway's own.
#[derive(Clone, Debug)]
pub struct RequestHead<S> {
    inner: S,
    layer: RequestHeadLayer,
}

/// What becomes of `x-forwarded-client-cert` (Istio's `forwardClientCertDetails`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardClientCert {
    /// The client's is removed, none is written.
    Sanitize,
    /// The client's is removed; one with its certificate is written, if the server asked for one.
    #[default]
    SanitizeSet,
    /// That of a client with a certificate is passed on; others' is removed.
    ForwardOnly,
    /// To that of a client with a certificate its own is appended; others' is removed.
    AppendForward,
    /// Everybody's is passed on: only where everybody is trusted.
    AlwaysForwardOnly,
}

impl RequestHeadLayer {
    /// Nobody is trusted.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Which peers are believed.
    #[must_use]
    pub fn trust(self, trust: Trust) -> Self {
        Self(Arc::new(Settings { trust, ..(*self.0).clone() }))
    }

    /// What becomes of `x-forwarded-client-cert`.
    #[must_use]
    pub fn client_cert(self, client_cert: ForwardClientCert) -> Self {
        Self(Arc::new(Settings { client_cert, ..(*self.0).clone() }))
    }
}

impl<S> Layer<S> for RequestHeadLayer {
    type Service = RequestHead<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestHead { inner, layer: self.clone() }
    }
}

impl<S, B> Service<Request<B>> for RequestHead<S>
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
        let exchange = Exchange::of(&req).cloned();
        let settings = &*self.layer.0;
        let trusted = exchange.as_ref().is_some_and(|exchange| settings.trust.believes(exchange.conn().peer.ip()));
        if let Some(exchange) = exchange.as_deref().filter(|_| trusted) {
            exchange.set_forwarded(forwarded(req.headers(), &settings.trust, exchange.conn()));
        }
        let certified = exchange.as_ref().is_some_and(|exchange| has_certificate(exchange.conn()));
        clean(&mut req, Keep { forwarded: trusted, client_cert: settings.client_cert.passes(certified) });
        write(req.headers_mut(), exchange.as_deref(), settings.client_cert);
        self.inner.call(req)
    }
}

impl ForwardClientCert {
    const fn passes(self, certified: bool) -> bool {
        match self {
            Self::Sanitize | Self::SanitizeSet => false,
            Self::ForwardOnly | Self::AppendForward => certified,
            Self::AlwaysForwardOnly => true,
        }
    }
}

fn has_certificate(conn: &ConnInfo) -> bool {
    conn.tls.as_ref().is_some_and(|tls| tls.client_certificate.is_some())
}

/// What a trusted peer says of its client.
fn forwarded(headers: &HeaderMap, trust: &Trust, conn: &ConnInfo) -> Forwarded {
    let lines = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok());
    let said = headers.get(FORWARDED_PROTO).map(HeaderValue::as_bytes).unwrap_or_default();
    let https = if said.eq_ignore_ascii_case(b"https") {
        Some(true)
    } else {
        said.eq_ignore_ascii_case(b"http").then_some(false)
    };
    Forwarded { client: trust.client(conn.peer.ip(), lines), https }
}

/// What may stay of a client's own headers.
#[derive(Clone, Copy)]
struct Keep {
    /// Those that tell of the way to us.
    forwarded: bool,
    client_cert: bool,
}

/// What the one pass found.
#[derive(Default)]
struct Found {
    connection: bool,
    te: bool,
    referer: bool,
    /// Plain removals.
    remove: Vec<HeaderName>,
}

fn clean<B>(req: &mut Request<B>, keep: Keep) {
    let found = look(req.headers(), keep);
    let upgrade = found.connection && req.version() == Version::HTTP_11 && is_upgrade(req.headers());
    let headers = req.headers_mut();
    if found.connection {
        remove_named(headers);
        if !upgrade {
            headers.remove(CONNECTION);
        }
    }
    for name in &found.remove {
        if !(upgrade && *name == UPGRADE) {
            headers.remove(name);
        }
    }
    if found.te {
        keep_trailers_only(headers);
    }
    if found.referer {
        referer::check(headers);
    }
}

fn look(headers: &HeaderMap, keep: Keep) -> Found {
    let mut found = Found::default();
    for name in headers.keys() {
        match name.as_str() {
            "connection" => found.connection = true,
            "te" => found.te = true,
            "referer" => found.referer = true,
            "content-length" | "transfer-encoding" | "keep-alive" | "proxy-connection" | "upgrade"
            | "http2-settings" => found.remove.push(name.clone()),
            "forwarded" | "x-forwarded-prefix" | "x-real-ip" if !keep.forwarded => found.remove.push(name.clone()),
            "x-forwarded-client-cert" if !keep.client_cert => found.remove.push(name.clone()),
            text if text.starts_with("x-envoy-") || is_twin(text) => found.remove.push(name.clone()),
            _ => {}
        }
    }
    found
}

/// Trailers of a request that may go on: none that a head may not have from this peer, and none that says who is
/// asked, by whom, or how the body is framed (RFC 9110 6.5.1).
pub(crate) fn clean_trailers(trailers: &mut HeaderMap) {
    let found = look(trailers, Keep { forwarded: false, client_cert: false });
    let mut remove = found.remove;
    let more = |name: &&HeaderName| {
        let name = name.as_str();
        name.starts_with("content-")
            || name.starts_with("x-forwarded-")
            || matches!(
                name,
                "host" | "authorization" | "cookie" | "te" | "connection" | "trailer" | "proxy-authorization"
            )
    };
    remove.extend(trailers.keys().filter(more).cloned());
    for name in &remove {
        trailers.remove(name);
    }
}

/// `transfer_encoding`, `x_forwarded_for`: some servers read these as the names with `-`.
fn is_twin(name: &str) -> bool {
    name.contains('_') && {
        let name = name.replace('_', "-");
        name.starts_with("x-forwarded-")
            || name.starts_with("x-envoy-")
            || matches!(
                name.as_str(),
                "transfer-encoding"
                    | "content-length"
                    | "connection"
                    | "host"
                    | "forwarded"
                    | "x-real-ip"
                    | "x-request-id"
            )
    }
}

/// An upgrade that may be passed on: asked for in both headers, and not to `h2c`.
fn is_upgrade(headers: &HeaderMap) -> bool {
    let asked = tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    let mut lines = headers.get_all(UPGRADE).iter();
    let h2c = |to: &HeaderValue| to.is_empty() || to.as_bytes().eq_ignore_ascii_case(b"h2c");
    // In one line: a second one would be seen by the upstream alone.
    asked && lines.next().is_some_and(|to| !h2c(to)) && lines.next().is_none()
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

/// Removes what `Connection` names, but for what a client must not be able to take away from others' sight.
fn remove_named(headers: &mut HeaderMap) {
    let usual = |value: &HeaderValue| matches!(value.as_bytes(), b"keep-alive" | b"close" | b"Keep-Alive" | b"Close");
    if headers.get_all(CONNECTION).iter().all(usual) {
        return;
    }
    let named: Vec<HeaderName> =
        tokens(headers, &CONNECTION).filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok()).collect();
    for name in named {
        let stays = [HOST, AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, CONNECTION, UPGRADE, TE].contains(&name);
        if !stays {
            headers.remove(name);
        }
    }
}

fn keep_trailers_only(headers: &mut HeaderMap) {
    let trailers = tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case("trailers"));
    headers.remove(TE);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

fn write(headers: &mut HeaderMap, exchange: Option<&Exchange>, client_cert: ForwardClientCert) {
    if let Some(exchange) = exchange {
        let conn = exchange.conn();
        let forwarded_for = match headers.get(&FORWARDED_FOR) {
            None => conn.forwarded_for.clone(),
            Some(_) => appended(headers, FORWARDED_FOR, &conn.forwarded_for),
        };
        headers.insert(FORWARDED_FOR, forwarded_for);
        let scheme = if exchange.is_https() { "https" } else { "http" };
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
        let client = exchange.forwarded().client.and_then(|client| HeaderValue::try_from(client.to_string()).ok());
        headers.insert(EXTERNAL_ADDRESS, client.unwrap_or_else(|| conn.forwarded_for.clone()));
        if let Some(certificate) = conn.tls.as_ref().and_then(|tls| tls.forwarded_client_cert.as_ref()) {
            write_certificate(headers, certificate, client_cert);
        }
    }
    headers.insert(REQUEST_ID, request_id());
}

fn write_certificate(headers: &mut HeaderMap, certificate: &HeaderValue, mode: ForwardClientCert) {
    let value = match mode {
        ForwardClientCert::SanitizeSet => certificate.clone(),
        ForwardClientCert::AppendForward => appended(headers, FORWARDED_CLIENT_CERT, certificate),
        _ => return,
    };
    headers.insert(FORWARDED_CLIENT_CERT, value);
}

/// The lines joined, and ours at the end; empty ones are dropped.
pub(crate) fn appended(headers: &HeaderMap, name: HeaderName, ours: &HeaderValue) -> HeaderValue {
    let mut out = Vec::new();
    for line in headers.get_all(name) {
        if !line.is_empty() {
            out.extend_from_slice(line.as_bytes());
            out.push(b',');
        }
    }
    out.extend_from_slice(ours.as_bytes());
    HeaderValue::try_from(out).unwrap_or_else(|_| ours.clone())
}

fn request_id() -> HeaderValue {
    let mut text = Uuid::encode_buffer();
    let text = Uuid::new_v4().hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Removes hop-by-hop headers of a response, and those that its `Connection` names.
pub(crate) fn clean_response(headers: &mut HeaderMap) {
    let mut found = [false; HOP_BY_HOP.len()];
    for name in headers.keys() {
        let at = match name.as_str() {
            "connection" => 0,
            "keep-alive" => 1,
            "proxy-connection" => 2,
            "transfer-encoding" => 3,
            "upgrade" => 4,
            "te" => 5,
            _ => continue,
        };
        found[at] = true;
    }
    if found[0] {
        remove_named(headers);
    }
    for (name, _) in HOP_BY_HOP.iter().zip(found).filter(|(_, found)| *found) {
        headers.remove(name);
    }
}

/// In the order in which [`clean_response`] looks for them.
static HOP_BY_HOP: [HeaderName; 6] = [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE, TE];

/// Leaves a response's `content-length` only where it says what the body will be.
pub(crate) fn check_length(headers: &mut HeaderMap, length: Option<u64>) {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let Some(line) = lines.next() else { return };
    let stated = line.to_str().ok().and_then(|text| text.parse::<u64>().ok());
    if lines.next().is_some() || stated.is_none() || stated != length {
        headers.remove(CONTENT_LENGTH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(lines: &[(&str, &str)]) -> Vec<String> {
        let mut req = Request::builder();
        for (name, value) in lines {
            req = req.header(*name, *value);
        }
        let mut req = req.body(()).expect("valid");
        clean(&mut req, Keep { forwarded: false, client_cert: false });
        req.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("ascii"))).collect()
    }

    #[test]
    fn hop_by_hop_and_untrusted_headers_go() {
        let keep = ("x", "1");
        for (name, value) in [
            ("keep-alive", "5"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("x-envoy-anything", "1"),
            ("x_forwarded_for", "1.1.1.1"),
            ("transfer_encoding", "chunked"),
            ("x-forwarded-client-cert", "evil"),
            ("forwarded", "for=1"),
            ("x-real-ip", "1"),
            ("upgrade", "websocket"),
        ] {
            assert_eq!(cleaned(&[(name, value), keep]), ["x: 1"], "{name}");
        }
        assert_eq!(cleaned(&[("x_y", "1")]), ["x_y: 1"]);
    }

    /// What an app sees of a request from `peer`, with a client certificate or without.
    async fn seen(layer: RequestHeadLayer, certified: bool, lines: &[(&str, &str)]) -> Vec<String> {
        let mut conn = ConnInfo::between(([10, 0, 0, 1], 1).into(), ([10, 0, 0, 9], 80).into());
        conn.tls = certified.then(|| crate::conn::TlsInfo {
            alpn: None,
            version: "TLSv1.3",
            client_certificate: Some(Arc::from([1])),
            forwarded_client_cert: Some(HeaderValue::from_static("Hash=1")),
            client_subject: None,
        });
        let mut req = Request::builder();
        for (name, value) in lines {
            req = req.header(*name, *value);
        }
        let mut req = req.body(()).expect("valid");
        req.extensions_mut().insert(Arc::new(Exchange::new(Arc::new(conn))));
        let app = tower::service_fn(async |req: Request<()>| {
            let https = super::super::request::is_https(&req) == Some(true);
            let mut headers = req.headers().clone();
            headers.remove(REQUEST_ID);
            let lines = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("ascii")));
            let mut lines: Vec<_> = lines.chain(https.then(|| "https".to_owned())).collect();
            lines.sort();
            Ok::<_, std::convert::Infallible>(lines)
        });
        tower::ServiceExt::oneshot(layer.layer(app), req).await.expect("infallible")
    }

    #[tokio::test]
    async fn a_trusted_peer_says_who_its_client_is() {
        let lines = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-proto", "https"), ("x-real-ip", "1.1.1.1")];
        let own =
            ["x-envoy-external-address: 10.0.0.1", "x-forwarded-for: 1.1.1.1,10.0.0.1", "x-forwarded-proto: http"];
        assert_eq!(seen(RequestHeadLayer::new(), false, &lines).await, own);
        let networks = Trust::Networks(vec!["10.0.0.0/8".parse().expect("a network")]);
        for trust in [Trust::Hops(1), networks] {
            let believed = seen(RequestHeadLayer::new().trust(trust), false, &lines).await;
            assert_eq!(
                believed,
                [
                    "https",
                    "x-envoy-external-address: 1.1.1.1",
                    "x-forwarded-for: 1.1.1.1,10.0.0.1",
                    "x-forwarded-proto: https",
                    "x-real-ip: 1.1.1.1"
                ]
            );
        }
    }

    #[tokio::test]
    async fn client_certificates_go_on_as_wanted() {
        use ForwardClientCert::{AlwaysForwardOnly, AppendForward, ForwardOnly, Sanitize, SanitizeSet};
        for (mode, without, with) in [
            (Sanitize, None, None),
            (SanitizeSet, None, Some("Hash=1")),
            (ForwardOnly, None, Some("Hash=0")),
            (AppendForward, None, Some("Hash=0,Hash=1")),
            (AlwaysForwardOnly, Some("Hash=0"), Some("Hash=0")),
        ] {
            for (certified, expected) in [(false, without), (true, with)] {
                let layer = RequestHeadLayer::new().client_cert(mode);
                let lines = seen(layer, certified, &[("x-forwarded-client-cert", "Hash=0")]).await;
                let line = lines.iter().find_map(|line| line.strip_prefix("x-forwarded-client-cert: "));
                assert_eq!(line, expected, "{mode:?} {certified}");
            }
        }
    }

    #[test]
    fn connection_cannot_take_security_away() {
        let lines =
            [("connection", "x-foo, Authorization, host"), ("x-foo", "1"), ("authorization", "a"), ("host", "h")];
        assert_eq!(cleaned(&lines), ["authorization: a", "host: h"]);
    }

    #[test]
    fn upgrades_pass_but_not_to_h2c() {
        let websocket = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
        assert_eq!(cleaned(&websocket), ["connection: keep-alive, Upgrade", "upgrade: websocket"]);
        let twice = [("connection", "Upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c"), ("http2-settings", "x")];
        assert_eq!(cleaned(&twice), [""; 0]);
        assert_eq!(
            cleaned(&[("connection", "upgrade, http2-settings"), ("upgrade", "h2c"), ("http2-settings", "x")]),
            [""; 0]
        );
    }

    #[test]
    fn te_keeps_trailers_alone() {
        assert_eq!(cleaned(&[("te", "gzip, trailers")]), ["te: trailers"]);
        assert_eq!(cleaned(&[("te", "gzip")]), [""; 0]);
    }

    #[test]
    fn trailers_do_not_say_what_heads_may_not() {
        let names = ["authorization", "content-length", "host", "x-envoy-internal", "x-forwarded-for", "grpc-status"];
        let mut trailers: HeaderMap =
            names.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("1"))).into_iter().collect();
        clean_trailers(&mut trailers);
        assert_eq!(trailers.keys().collect::<Vec<_>>(), ["grpc-status"]);
    }

    #[test]
    fn the_peer_is_appended() {
        let peer = HeaderValue::from_static("10.1.1.1");
        let mut headers = HeaderMap::new();
        for line in ["1.2.3.4", "", "junk"] {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        assert_eq!(appended(&headers, FORWARDED_FOR, &peer), "1.2.3.4,junk,10.1.1.1");
    }

    #[test]
    fn a_length_that_is_not_the_bodys_goes() {
        for (lines, length, left) in [
            (&["5"][..], Some(5), 1),
            (&["5"], Some(4), 0),
            (&["5"], None, 0),
            (&["5", "5"], Some(5), 0),
            (&["x"], Some(5), 0),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CONTENT_LENGTH, HeaderValue::from_static(line));
            }
            check_length(&mut headers, length);
            assert_eq!(headers.get_all(CONTENT_LENGTH).iter().count(), left, "{lines:?}");
        }
    }
}

//! The values of command operators: for header operations and access logs.
use std::{fmt::Write as _, net::SocketAddr};

use gateway_core::template::{Field, Operator, Part, Template};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header::HOST};
use jiff::Timestamp;

use crate::exchange::{Exchange, Record};

/// A request's head, in parts that can be borrowed apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
}

impl<'a> Head<'a> {
    pub(crate) const fn of(parts: &'a http::request::Parts) -> Self {
        Self { method: &parts.method, uri: &parts.uri, headers: &parts.headers }
    }
}

/// What operators can ask about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) exchange: Option<&'a Exchange>,
    pub(crate) request: Option<Head<'a>>,
    pub(crate) response: Option<(StatusCode, &'a HeaderMap)>,
}

/// The template as a header value; `None` if it is empty or no value. What is missing is left out.
pub(crate) fn render(template: &Template, facts: &Facts<'_>) -> Option<HeaderValue> {
    let mut out = String::new();
    for part in template.parts() {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Operator(operator) => _ = write(operator, facts, &mut out),
        }
    }
    HeaderValue::try_from(out).ok().filter(|value| !value.is_empty())
}

/// Appends the operator's value; false if there is none.
pub(crate) fn write(operator: &Operator, facts: &Facts<'_>, out: &mut String) -> bool {
    match operator {
        Operator::Request(main, alternative) => {
            field(main, facts.request, None, out)
                || alternative.as_ref().is_some_and(|other| field(other, facts.request, None, out))
        }
        Operator::Response(main, alternative) => {
            field(main, None, facts.response, out)
                || alternative.as_ref().is_some_and(|other| field(other, None, facts.response, out))
        }
        Operator::Hostname => text(hostname(), out),
        _ => facts.exchange.is_some_and(|exchange| about_exchange(operator, exchange, facts, out)),
    }
}

fn field(
    field: &Field,
    request: Option<Head<'_>>,
    response: Option<(StatusCode, &HeaderMap)>,
    out: &mut String,
) -> bool {
    match (field, request, response) {
        (Field::Method, Some(head), _) => text(head.method.as_str(), out),
        (Field::Path, Some(head), _) => text(head.uri.path_and_query().map_or("", |path| path.as_str()), out),
        (Field::Authority, Some(head), _) => header(head.headers.get(HOST), out),
        (Field::Scheme, Some(head), _) => head.uri.scheme_str().is_some_and(|scheme| text(scheme, out)),
        (Field::Header(name), Some(head), _) => header(head.headers.get(name), out),
        (Field::Status, _, Some((status, _))) => text(status.as_str(), out),
        (Field::Header(name), _, Some((_, headers))) => header(headers.get(name), out),
        _ => false,
    }
}

fn header(value: Option<&HeaderValue>, out: &mut String) -> bool {
    value.is_some_and(|value| text(&String::from_utf8_lossy(value.as_bytes()), out))
}

fn text(text: &str, out: &mut String) -> bool {
    out.push_str(text);
    !text.is_empty()
}

fn shown(value: impl std::fmt::Display, out: &mut String) -> bool {
    // Writing into a String cannot fail.
    let _ = write!(out, "{value}");
    true
}

/// The client; of one that a proxy told of the port is not known, as in Envoy.
fn remote(exchange: &Exchange) -> SocketAddr {
    let peer = exchange.conn().peer;
    exchange.forwarded().client.map_or(peer, |client| SocketAddr::new(client, 0))
}

fn about_exchange(operator: &Operator, exchange: &Exchange, facts: &Facts<'_>, out: &mut String) -> bool {
    let conn = exchange.conn();
    match operator {
        Operator::DownstreamDirectRemoteAddress => shown(conn.peer, out),
        Operator::DownstreamDirectRemoteAddressWithoutPort => shown(conn.peer.ip(), out),
        Operator::DownstreamRemoteAddress => shown(remote(exchange), out),
        Operator::DownstreamRemoteAddressWithoutPort => shown(exchange.client(), out),
        Operator::DownstreamRemotePort => shown(remote(exchange).port(), out),
        Operator::DownstreamLocalAddress => shown(conn.local, out),
        Operator::DownstreamLocalAddressWithoutPort => shown(conn.local.ip(), out),
        Operator::DownstreamLocalPort => shown(conn.local.port(), out),
        Operator::DownstreamPeerSubject => {
            conn.tls.as_ref().and_then(|tls| tls.client_subject.as_deref()).is_some_and(|subject| text(subject, out))
        }
        Operator::DownstreamTlsVersion => conn.tls.as_ref().is_some_and(|tls| text(tls.version, out)),
        Operator::RequestedServerName => conn.server_name.as_deref().is_some_and(|name| text(name, out)),
        Operator::StartTime(format) => start_time(exchange, format.as_deref(), out),
        Operator::Duration => shown(exchange.started().elapsed().as_millis(), out),
        _ => about_record(operator, &exchange.record(), facts, out),
    }
}

fn about_record(operator: &Operator, record: &Record, facts: &Facts<'_>, out: &mut String) -> bool {
    match operator {
        Operator::BytesReceived => shown(record.bytes_received, out),
        Operator::BytesSent => shown(record.bytes_sent, out),
        Operator::ResponseCode => match facts.response {
            Some((status, _)) => text(status.as_str(), out),
            None => shown(record.status, out),
        },
        Operator::ResponseCodeDetails => record.details.is_some_and(|details| text(details, out)),
        Operator::ResponseFlags => shown(record.flags, out),
        Operator::Protocol => record.protocol.is_some_and(|protocol| text(protocol, out)),
        Operator::RouteName => record.route.as_ref().is_some_and(|route| text(&route.name, out)),
        Operator::UpstreamClusterRaw => record.destination.as_ref().is_some_and(|to| shown(&to.cluster, out)),
        // Istio's statistics name, which the operator shows in headers, ends in a semicolon.
        Operator::UpstreamCluster => {
            record.destination.as_ref().is_some_and(|to| shown(format_args!("{};", to.cluster), out))
        }
        Operator::UpstreamHost => record.upstream.is_some_and(|address| shown(address, out)),
        Operator::UpstreamLocalAddress => record.upstream_local.is_some_and(|address| shown(address, out)),
        Operator::UpstreamTransportFailureReason => {
            record.transport_failure.as_deref().is_some_and(|reason| text(reason, out))
        }
        _ => false,
    }
}

fn start_time(exchange: &Exchange, format: Option<&str>, out: &mut String) -> bool {
    let elapsed = exchange.started().elapsed();
    let Ok(started) = Timestamp::now().checked_sub(elapsed) else { return false };
    match format {
        None => shown(started.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"), out),
        Some(format) => text(&jiff::fmt::strtime::format(format, started).unwrap_or_default(), out),
    }
}

fn hostname() -> &'static str {
    static NAME: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    NAME.get_or_init(|| std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned())
}

//! Texts with Envoy's command operators: header values (`%DOWNSTREAM_REMOTE_ADDRESS%`) and access logs.
use std::fmt;

use http::{HeaderName, HeaderValue};

/// A text that was taken apart when the configuration was loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
    literal: Option<HeaderValue>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it is; `%%` is a single `%` here.
    Text(String),
    /// To be asked for each request.
    Operator(Operator),
}

/// The command operators that the gateway knows; names as in Envoy's documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Envoy's names")]
pub enum Operator {
    BytesReceived,
    BytesSent,
    ConnectionTerminationDetails,
    DownstreamDirectRemoteAddress,
    DownstreamDirectRemoteAddressWithoutPort,
    DownstreamLocalAddress,
    DownstreamLocalAddressWithoutPort,
    DownstreamLocalPort,
    DownstreamPeerSubject,
    DownstreamRemoteAddress,
    DownstreamRemoteAddressWithoutPort,
    DownstreamRemotePort,
    DownstreamTlsVersion,
    Duration,
    Hostname,
    Protocol,
    /// `%REQ(MAIN?ALTERNATIVE)%`.
    Request(Field, Option<Field>),
    RequestedServerName,
    /// `%RESP(MAIN?ALTERNATIVE)%`.
    Response(Field, Option<Field>),
    ResponseCode,
    ResponseCodeDetails,
    ResponseFlags,
    RouteName,
    /// `%START_TIME(strftime)%`; `None` is `2026-01-31T12:34:56.789Z`.
    StartTime(Option<String>),
    UpstreamCluster,
    UpstreamClusterRaw,
    UpstreamHost,
    UpstreamLocalAddress,
    UpstreamTransportFailureReason,
}

/// What `%REQ(..)%` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the pseudo headers' names")]
pub enum Field {
    Method,
    Path,
    Authority,
    Scheme,
    Status,
    Header(HeaderName),
}

/// The operators that there are, as they are written.
pub const OPERATORS: [&str; 29] = [
    "BYTES_RECEIVED",
    "BYTES_SENT",
    "CONNECTION_TERMINATION_DETAILS",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_PORT",
    "DOWNSTREAM_PEER_SUBJECT",
    "DOWNSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_REMOTE_PORT",
    "DOWNSTREAM_TLS_VERSION",
    "DURATION",
    "HOSTNAME",
    "PROTOCOL",
    "REQUESTED_SERVER_NAME",
    "RESPONSE_CODE",
    "RESPONSE_CODE_DETAILS",
    "RESPONSE_FLAGS",
    "ROUTE_NAME",
    "START_TIME",
    "UPSTREAM_CLUSTER",
    "UPSTREAM_CLUSTER_RAW",
    "UPSTREAM_HOST",
    "UPSTREAM_LOCAL_ADDRESS",
    "UPSTREAM_TRANSPORT_FAILURE_REASON",
    "REQ(name)",
    "RESP(name)",
];

/// Why a template was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A `%` that neither begins an operator nor stands twice.
    #[error("a single `%`: write `%%` for a percent sign, or `%OPERATOR%`")]
    Percent,
    /// An operator that is not known.
    #[error("unknown operator `%{0}%`")]
    Unknown(String),
    /// The part in brackets does not fit.
    #[error("`%{0}%`: {1}")]
    Argument(String, &'static str),
    /// A control character.
    #[error("a control character in a header value")]
    Control,
}

impl Template {
    /// Takes a header value or a log format apart. A newline is allowed in log formats only: see
    /// [`header`](Self::header).
    ///
    /// # Errors
    /// An operator that is unknown or has a wrong argument, or a stray `%`.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        while let Some(at) = rest.find('%') {
            text.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(after) = after.strip_prefix('%') {
                text.push('%');
                rest = after;
                continue;
            }
            let (operator, after) = operator(after)?;
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Operator(operator));
            rest = after;
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        let literal = match parts.as_slice() {
            [] => HeaderValue::from_bytes(b"").ok(),
            [Part::Text(text)] => HeaderValue::from_bytes(text.as_bytes()).ok(),
            _ => None,
        };
        Ok(Self { source: source.to_owned(), parts, literal })
    }

    /// Takes a header value apart.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and for control characters other than TAB.
    pub fn header(source: &str) -> Result<Self, TemplateError> {
        if source.bytes().any(|byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) {
            return Err(TemplateError::Control);
        }
        Self::parse(source)
    }

    /// The value, if it is the same for every request.
    #[must_use]
    pub const fn literal(&self) -> Option<&HeaderValue> {
        self.literal.as_ref()
    }

    /// The pieces.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// As written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

/// `NAME%...` or `NAME(argument)%...`: the operator, and what follows it.
fn operator(text: &str) -> Result<(Operator, &str), TemplateError> {
    let name_end = text.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    let name_end = name_end.filter(|&end| end > 0).ok_or(TemplateError::Percent)?;
    let (name, rest) = text.split_at(name_end);
    if let Some(after) = rest.strip_prefix('%') {
        return Ok((plain(name)?, after));
    }
    let argument = rest.strip_prefix('(').ok_or(TemplateError::Percent)?;
    let close = argument.find(')').ok_or(TemplateError::Percent)?;
    let (argument, rest) = argument.split_at(close);
    let after = rest[1..].trim_start().strip_prefix('%').ok_or(TemplateError::Percent)?;
    Ok((with_argument(name, argument)?, after))
}

fn plain(name: &str) -> Result<Operator, TemplateError> {
    Ok(match name {
        "BYTES_RECEIVED" => Operator::BytesReceived,
        "BYTES_SENT" => Operator::BytesSent,
        "CONNECTION_TERMINATION_DETAILS" => Operator::ConnectionTerminationDetails,
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => Operator::DownstreamDirectRemoteAddress,
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => Operator::DownstreamDirectRemoteAddressWithoutPort,
        "DOWNSTREAM_LOCAL_ADDRESS" => Operator::DownstreamLocalAddress,
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => Operator::DownstreamLocalAddressWithoutPort,
        "DOWNSTREAM_LOCAL_PORT" => Operator::DownstreamLocalPort,
        "DOWNSTREAM_PEER_SUBJECT" => Operator::DownstreamPeerSubject,
        "DOWNSTREAM_REMOTE_ADDRESS" => Operator::DownstreamRemoteAddress,
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Operator::DownstreamRemoteAddressWithoutPort,
        "DOWNSTREAM_REMOTE_PORT" => Operator::DownstreamRemotePort,
        "DOWNSTREAM_TLS_VERSION" => Operator::DownstreamTlsVersion,
        "DURATION" => Operator::Duration,
        "HOSTNAME" => Operator::Hostname,
        "PROTOCOL" => Operator::Protocol,
        "REQUESTED_SERVER_NAME" => Operator::RequestedServerName,
        "RESPONSE_CODE" => Operator::ResponseCode,
        "RESPONSE_CODE_DETAILS" => Operator::ResponseCodeDetails,
        "RESPONSE_FLAGS" => Operator::ResponseFlags,
        "ROUTE_NAME" => Operator::RouteName,
        "START_TIME" => Operator::StartTime(None),
        "UPSTREAM_CLUSTER" => Operator::UpstreamCluster,
        "UPSTREAM_CLUSTER_RAW" => Operator::UpstreamClusterRaw,
        "UPSTREAM_HOST" => Operator::UpstreamHost,
        "UPSTREAM_LOCAL_ADDRESS" => Operator::UpstreamLocalAddress,
        "UPSTREAM_TRANSPORT_FAILURE_REASON" => Operator::UpstreamTransportFailureReason,
        "REQ" | "RESP" => return Err(TemplateError::Argument(name.to_owned(), "needs a header name in brackets")),
        _ => return Err(TemplateError::Unknown(name.to_owned())),
    })
}

fn with_argument(name: &str, argument: &str) -> Result<Operator, TemplateError> {
    let fields = || {
        let (main, alternative) = match argument.split_once('?') {
            Some((main, alternative)) => (main, Some(alternative)),
            None => (argument, None),
        };
        let field = |text| field(text).ok_or_else(|| TemplateError::Argument(name.to_owned(), "not a header name"));
        Ok((field(main)?, alternative.map(field).transpose()?))
    };
    match name {
        "REQ" => fields().map(|(main, alternative)| Operator::Request(main, alternative)),
        "RESP" => fields().map(|(main, alternative)| Operator::Response(main, alternative)),
        "START_TIME" => Ok(Operator::StartTime(Some(argument.to_owned()).filter(|format| !format.is_empty()))),
        _ if plain(name).is_ok() => Err(TemplateError::Argument(name.to_owned(), "takes no argument")),
        _ => Err(TemplateError::Unknown(name.to_owned())),
    }
}

fn field(text: &str) -> Option<Field> {
    Some(match text.to_ascii_lowercase().as_str() {
        ":method" => Field::Method,
        ":path" => Field::Path,
        ":authority" | "host" => Field::Authority,
        ":scheme" => Field::Scheme,
        ":status" => Field::Status,
        name => Field::Header(HeaderName::from_bytes(name.as_bytes()).ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_texts_apart() {
        let parts = |text| Template::parse(text).map(|template| template.parts);
        let text = |text: &str| Part::Text(text.to_owned());
        assert_eq!(parts("a"), Ok(vec![text("a")]));
        assert_eq!(parts(""), Ok(vec![]));
        assert_eq!(parts("100%%"), Ok(vec![text("100%")]));
        assert_eq!(parts("a%PROTOCOL%b"), Ok(vec![text("a"), Part::Operator(Operator::Protocol), text("b")]));
        let original = Field::Header(HeaderName::from_static("x-envoy-original-path"));
        let operator = Operator::Request(original, Some(Field::Path));
        assert_eq!(parts("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"), Ok(vec![Part::Operator(operator)]));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for operator in OPERATORS {
            assert!(Template::parse(&format!("%{operator}%")).is_ok(), "{operator}");
        }
        for text in ["100%", "%a%", "%NOPE%", "%REQ%", "%REQ(x y)%", "%PROTOCOL(x)%", "%REQ(x):3%", "%REQ(x"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
        assert_eq!(Template::header("a\nb"), Err(TemplateError::Control));
    }

    #[test]
    fn a_literal_is_made_once() {
        let literal = |text| Template::header(text).ok().and_then(|template| template.literal().cloned());
        assert_eq!(literal("50%%"), Some(HeaderValue::from_static("50%")));
        assert_eq!(literal(""), Some(HeaderValue::from_static("")));
        assert_eq!(literal("%PROTOCOL%"), None);
    }
}

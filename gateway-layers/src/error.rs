//! [`Error`]: one pointer; what failed, whose fault it is, and the request if it was never sent.
use std::{convert::Infallible, fmt, sync::Mutex};

use http::{Request, StatusCode};

use crate::{
    BoxError,
    body::Body,
    exchange::{Flag, Flags},
};

/// The error of the assembled stack, 8 bytes, so that `Result<Response, Error>` is as large as a response.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    source: Option<BoxError>,
    /// In a `Mutex` for `Sync` alone, without which no `BoxError` could hold us; never locked.
    request: Mutex<Option<Request<Body>>>,
}

/// What failed. Each has the status, body, response flag and details of Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The request breaks the protocol.
    BadRequest,
    /// `%00` in the path.
    BadPath,
    /// No Host.
    NoHost,
    /// No host or route takes the request.
    NoRoute,
    /// The Host is that of another TLS server.
    Misdirected,
    /// The configuration has no such cluster.
    NoCluster,
    /// The cluster has no endpoint that could be asked.
    NoHealthyHost,
    /// No connection could be made.
    Connect,
    /// No connection was made in time.
    ConnectTimeout,
    /// The connection ended before the response.
    Closed,
    /// The upstream reset the stream.
    Reset,
    /// The upstream reset the stream before it did anything: it may be sent again.
    Refused,
    /// A limit of the gateway was reached.
    Overflow,
    /// The upstream broke its protocol.
    Protocol,
    /// The route's time is over.
    Timeout,
    /// The time of one try is over.
    TryTimeout,
    /// The client has let a stream wait for too long.
    StreamIdle,
    /// The upgrade is not allowed.
    Upgrade,
    /// The connection to the client failed, or it left.
    Client,
    /// TLS with the client failed.
    Handshake,
    /// A foreign layer failed, or a panic was caught.
    Other,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The client's.
    Downstream,
    /// This process's or its configuration's.
    Gateway,
    /// The endpoint's.
    Upstream,
}

impl Kind {
    /// Whose fault it is.
    #[must_use]
    pub const fn origin(self) -> Origin {
        match self {
            Self::BadRequest
            | Self::BadPath
            | Self::NoHost
            | Self::NoRoute
            | Self::Misdirected
            | Self::StreamIdle
            | Self::Upgrade
            | Self::Client
            | Self::Handshake => Origin::Downstream,
            Self::NoCluster | Self::Overflow | Self::Other => Origin::Gateway,
            Self::NoHealthyHost
            | Self::Connect
            | Self::ConnectTimeout
            | Self::Closed
            | Self::Reset
            | Self::Refused
            | Self::Protocol
            | Self::Timeout
            | Self::TryTimeout => Origin::Upstream,
        }
    }

    /// The status that a client sees.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::BadPath | Self::NoHost | Self::Client | Self::Handshake => StatusCode::BAD_REQUEST,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Upgrade => StatusCode::FORBIDDEN,
            Self::StreamIdle => StatusCode::REQUEST_TIMEOUT,
            Self::NoCluster
            | Self::NoHealthyHost
            | Self::Connect
            | Self::ConnectTimeout
            | Self::Closed
            | Self::Reset
            | Self::Refused
            | Self::Overflow => StatusCode::SERVICE_UNAVAILABLE,
            Self::Protocol => StatusCode::BAD_GATEWAY,
            Self::Timeout | Self::TryTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Other => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The body that a client sees, as Envoy writes it; `retried`: an earlier try failed too.
    #[must_use]
    pub const fn body(self, retried: bool) -> &'static str {
        macro_rules! reset {
            ($reason:literal) => {
                if retried {
                    concat!(
                        "upstream connect error or disconnect/reset before headers. ",
                        "retried and the latest reset reason: ",
                        $reason
                    )
                } else {
                    concat!("upstream connect error or disconnect/reset before headers. reset reason: ", $reason)
                }
            };
        }
        match self {
            Self::BadRequest => "Bad Request",
            Self::NoHealthyHost => "no healthy upstream",
            Self::Connect => reset!("remote connection failure"),
            Self::ConnectTimeout => reset!("connection timeout"),
            Self::Closed => reset!("connection termination"),
            Self::Reset => reset!("remote reset"),
            Self::Refused => reset!("remote refused stream reset"),
            Self::Overflow => reset!("overflow"),
            Self::Protocol => reset!("protocol error"),
            Self::Timeout | Self::TryTimeout => "upstream request timeout",
            Self::StreamIdle => "stream timeout",
            _ => "",
        }
    }

    /// Envoy's response flag.
    #[must_use]
    pub const fn flag(self) -> Flags {
        Flags::of(match self {
            Self::BadRequest => Flag::DownstreamProtocolError,
            Self::NoRoute => Flag::NoRoute,
            Self::NoCluster => Flag::NoCluster,
            Self::NoHealthyHost => Flag::NoHealthyUpstream,
            Self::Connect | Self::ConnectTimeout => Flag::UpstreamConnectionFailure,
            Self::Closed => Flag::UpstreamConnectionTermination,
            Self::Reset | Self::Refused => Flag::UpstreamRemoteReset,
            Self::Overflow => Flag::UpstreamOverflow,
            Self::Protocol => Flag::UpstreamProtocolError,
            Self::Timeout | Self::TryTimeout => Flag::UpstreamTimeout,
            Self::Client => Flag::DownstreamTermination,
            Self::StreamIdle => Flag::StreamIdle,
            Self::BadPath | Self::NoHost | Self::Misdirected | Self::Upgrade | Self::Handshake | Self::Other => {
                return Flags::NONE;
            }
        })
    }

    /// Envoy's `%RESPONSE_CODE_DETAILS%`.
    #[must_use]
    pub const fn details(self) -> &'static str {
        match self {
            Self::BadRequest => "http1.codec_error",
            Self::BadPath => "path_normalization_failed",
            Self::NoHost => "missing_host_header",
            Self::NoRoute => "route_not_found",
            Self::Misdirected => "misdirected_request",
            Self::NoCluster => "cluster_not_found",
            Self::NoHealthyHost => "no_healthy_upstream",
            Self::Connect => "upstream_reset_before_response_started{remote_connection_failure}",
            Self::ConnectTimeout => "upstream_reset_before_response_started{connection_timeout}",
            Self::Closed => "upstream_reset_before_response_started{connection_termination}",
            Self::Reset => "upstream_reset_before_response_started{remote_reset}",
            Self::Refused => "upstream_reset_before_response_started{remote_refused_stream_reset}",
            Self::Overflow => "upstream_reset_before_response_started{overflow}",
            Self::Protocol => "upstream_reset_before_response_started{protocol_error}",
            Self::Timeout => "response_timeout",
            Self::TryTimeout => "upstream_per_try_timeout",
            Self::Upgrade => "upgrade_failed",
            Self::StreamIdle => "stream_idle_timeout",
            Self::Client => "downstream_remote_disconnect",
            Self::Handshake => "tls_handshake_failed",
            Self::Other => "internal_error",
        }
    }
}

impl Error {
    /// An error without a cause.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self(Box::new(Inner { kind, source: None, request: Mutex::default() }))
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds the request that was never sent: it may be tried again without any copy.
    #[must_use]
    pub fn with_request(mut self, request: Option<Request<Body>>) -> Self {
        self.0.request = Mutex::new(request);
        self
    }

    /// What failed.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The request, if it was never sent.
    pub fn take_request(&mut self) -> Option<Request<Body>> {
        self.0.request.get_mut().ok()?.take()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("kind", &self.0.kind).field("source", &self.0.source).finish_non_exhaustive()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind.details())?;
        // hyper and rustls tell the reason only in the source's source.
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<BoxError> for Error {
    /// A `BoxError` that is ours already is unpacked, so that a trip through a foreign layer loses nothing.
    fn from(error: BoxError) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => *error,
            Err(source) => Self::new(Kind::Other).with_source(source),
        }
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_pointer_and_survives_foreign_layers() {
        assert_eq!(size_of::<Error>(), 8);
        assert_eq!(size_of::<Result<(), Error>>(), 8);
        let sent = Error::new(Kind::Reset).with_request(Some(Request::new(Body::empty())));
        let mut back = Error::from(BoxError::from(sent));
        assert_eq!((back.kind(), back.kind().origin()), (Kind::Reset, Origin::Upstream));
        assert!(back.take_request().is_some());
    }

    #[test]
    fn speaks_as_envoy_does() {
        let refused = Kind::Connect;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.flag().to_string(), "UF");
        assert_eq!(
            refused.body(true),
            "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: \
             remote connection failure"
        );
    }
}

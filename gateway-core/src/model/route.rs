//! Routes: what a request must be like, and what is done with it.
use std::time::Duration;

use http::{HeaderValue, StatusCode};

use super::{ClusterName, Cors, Fault, Fraction, HeaderOps, Origin, Regex, RequestMatch, RetryPolicy};

/// One entry of a virtual host.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// `RULE.MATCH`, as in access logs; may be empty.
    pub name: String,
    /// What a request must be like.
    pub matches: RequestMatch,
    /// What is done with it.
    pub action: Action,
    /// The rule in the YAML.
    pub origin: Origin,
}

/// What is done with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Sent to an upstream.
    Forward(Box<Forward>),
    /// Answered with a redirect.
    Redirect(Redirect),
    /// Answered with a fixed response.
    DirectResponse(DirectResponse),
}

/// How a request is sent on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forward {
    /// At least one; those of weight 0 are left out.
    pub destinations: Vec<Destination>,
    /// Changes the path; writes `x-envoy-original-path`.
    pub rewrite: Option<PathRewrite>,
    /// From the complete request to the end of the response; `None` is without limit.
    pub timeout: Option<Duration>,
    /// Tries after failures.
    pub retry: RetryPolicy,
    /// Copies of the request.
    pub mirrors: Vec<Mirror>,
    /// Injected faults.
    pub fault: Option<Fault>,
    /// Cross-origin requests.
    pub cors: Option<Cors>,
}

/// One of the destinations, chosen by weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    /// Where to; unknown to the configuration: 503 (flag NC).
    pub cluster: ClusterName,
    /// Its share among the others; not looked at if it is alone.
    pub weight: u32,
    /// A new Host.
    pub host_rewrite: Option<HostRewrite>,
    /// Changes of the request, both levels merged.
    pub request_headers: HeaderOps,
    /// Changes of the response, both levels merged.
    pub response_headers: HeaderOps,
}

/// A new Host for the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRewrite {
    /// The new value.
    pub host: HeaderValue,
    /// Write `x-envoy-original-host`: not for the destination level of a rule with several destinations.
    pub keep_original: bool,
}

/// A new path. The query stays.
#[derive(Clone, Debug, PartialEq)]
pub enum PathRewrite {
    /// The first `length` bytes (those of the prefix that matched) become `with`.
    Prefix {
        /// Bytes to replace.
        length: usize,
        /// Their replacement.
        with: String,
    },
    /// The whole path becomes this.
    Full(String),
    /// Every match of `pattern` becomes `with`, in which `\1` to `\9` stand for groups and `\0` for the match.
    Regex {
        /// Not anchored.
        pattern: Regex,
        /// The replacement, in RE2's notation.
        with: String,
    },
}

/// A copy of the request, whose answer is not looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// Where to; unknown: left out.
    pub cluster: ClusterName,
    /// How many of the requests.
    pub share: Fraction,
}

/// A redirect. Parts that are `None` stay as in the request.
#[derive(Clone, Debug, PartialEq)]
pub struct Redirect {
    /// The status: 301, 302, 303, 307 or 308.
    pub status: StatusCode,
    /// The new scheme.
    pub scheme: Option<UriScheme>,
    /// The new host, perhaps with a port.
    pub authority: Option<String>,
    /// The new port; the default port of the scheme counts as `None`.
    pub port: Option<u16>,
    /// The new path.
    pub path: Option<RedirectPath>,
    /// Changes of the response.
    pub response_headers: HeaderOps,
}

impl Redirect {
    /// With this status, everything else as in the request.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self { status, scheme: None, authority: None, port: None, path: None, response_headers: HeaderOps::default() }
    }
}

/// The schemes that can be redirected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UriScheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl UriScheme {
    /// Lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// 80 or 443.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The new path of a redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectPath {
    /// The whole path; the query is kept unless this has one.
    Full(String),
    /// The first `length` bytes (those of the prefix that matched) become `with`; the query is kept.
    Prefix {
        /// Bytes to replace.
        length: usize,
        /// Their replacement.
        with: String,
    },
}

/// A fixed answer.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectResponse {
    /// The status.
    pub status: StatusCode,
    /// The body, sent literally.
    pub body: Vec<u8>,
    /// Changes of the response.
    pub response_headers: HeaderOps,
}
